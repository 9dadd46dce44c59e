"""Every name of the reference table is understood as it says, but for the differences listed here."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]

import pytest

from collectors.names import understand

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "metric_names.csv"
TRAINER = {"rllm-deepcoder": "deepcoder"}
NO_TRAINER = {"esft"}  # files of expert scores, not metrics

COARSE = {  # the reference's word for a kind of names -> what one of them may be understood as
    "time_stage": r"time_\w+", "time_legacy": r"time_\w+", "turns": r"turns_\w+", "reward": r"reward_\w+",
    "score": r"score_\w+",
    "reward_component": r"reward_component\w*|format_reward_mean",
    "reward_component_mean": r"reward_component_mean|format_reward_mean",
    "advantage": r"advantage_\w+", "return": r"return_\w+", "response_length": r"response_length_\w+",
    "total_length": r"total_length_\w+",
    "prompt_length": r"prompt_length_\w+|prompt_truncation_fraction", "is_ratio": r"is_\w+",
    "is_ratio_policy": r"is_ratio_policy_\w+",
    "mismatch_logprob": r"mismatch_(log)?prob_\w+|is_ratio_\w+", "staleness": r"staleness_\w+",
    "reward_token": r"reward_token_\w+",
    "response_length_model_tokens": r"response_length_model_tokens_\w+",
    "progress": "progress|step|epoch|learning_rate",
}  # fmt: skip

DIFFERENT = {  # (trainer, start of the name) -> (what we say, why)
    ("verl", "critic/loss"): ("value_loss", "the critic's loss must not be read as the policy's"),
    ("verl", "perf/total_num_tokens"): ("tokens_per_step", "one batch, not since the start"),
    ("nemo-rl", "train/total_num_tokens"): ("tokens_per_step", "one batch, not since the start"),
    ("verl", r"val-core/.*/std$"): ("val_aux", "a spread over bootstrap draws is no score"),
    ("verl", r"fully_async/count/(stale|total)"): (None, "not counts of dropped samples"),
    ("rllm", "batch/solve_"): (None, "a count or a fraction; told apart in rllm-agent and rllm-tasks"),
    ("rllm", r"batch/groups_(before|after)_filter"): ("group_count", "groups there are, not groups filtered out"),
    ("rllm", "offpolicy/k"): ("mismatch_kl", "named in a row of its own"),
    ("openrlhf", "logprobs_diff"): (None, "policy against reference, not rollout against trainer"),
    ("nemo-rl", "train/baseline_reward/pct_0"): ("group_all_wrong_fraction", "percent, scaled"),
    ("nemo-rl", "train/baseline_reward/pct_1"): ("group_all_right_fraction", "percent, scaled"),
    ("nemo-rl", "train/baseline_reward/pct_mixed"): ("group_mixed_fraction", "percent, scaled"),
    ("prime-rl", r"progress/(?!total_tokens)"): (None, "counts of other things than tokens"),
    ("prime-rl", r"eval/"): (r"val_\w+|weight_version", "evaluations are not training"),
    ("areal", "ppo_actor/no_eos_ratios"): (None, "the width is the batch's longest: it never measures truncation"),
    ("areal", r"ppo_actor/update/entropy/(min|max)"): ("entropy_distribution", "an extreme is no mean"),
    ("open-instruct", "val/sequence_lengths_solved"): ("response_length_correct_mean", "more exact"),
    ("open-instruct", "val/sequence_lengths_unsolved"): ("response_length_wrong_mean", "more exact"),
    ("roll", r"scheduler/.*/count$"): (None, "a count, not seconds"),
}


def rows() -> Iterator[tuple[str, str, str]]:
    with REFERENCE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["trainer"] not in NO_TRAINER:
                for name in examples(row["metric_name_or_regex"]):
                    yield TRAINER.get(row["trainer"], row["trainer"]), name, row["canonical_quantity"]


def examples(text: str) -> list[str]:
    """The name itself, or names that the regular expression matches: every alternative, optional parts both ways."""
    if not text.startswith("^"):
        return [text]
    found = ["".join(pieces) for pieces in spelled(_parser.parse(text))]
    assert found and all(re.search(text, name) for name in found)
    return found


def spelled(parsed: list[tuple[object, object]]) -> Iterator[tuple[str, ...]]:
    return itertools.product(*(choices(kind, what) for kind, what in parsed))


def choices(kind: object, what: object) -> list[str]:
    match kind:
        case _constants.LITERAL:
            return [chr(what)]  # type: ignore[arg-type]
        case _constants.IN:
            return [one_of(what)]  # type: ignore[arg-type]
        case _constants.ANY | _constants.NOT_LITERAL:
            return ["x"]
        case _constants.BRANCH:
            return ["".join(p) for branch in what[1] for p in spelled(branch)]  # type: ignore[index]
        case _constants.SUBPATTERN:
            return ["".join(p) for p in spelled(what[3])]  # type: ignore[index]
        case _constants.MAX_REPEAT | _constants.MIN_REPEAT:
            low, _, inner = what  # type: ignore[misc]
            once = ["".join(p) for p in spelled(inner)]
            return ["", *once] if low == 0 else once
        case _:
            return [""]


def one_of(members: list[tuple[object, object]]) -> str:
    kind, what = members[0]
    if kind is _constants.NEGATE:
        return "x"
    if what is _constants.CATEGORY_DIGIT:
        return "7"
    return chr(what[0] if isinstance(what, tuple) else what)  # type: ignore[call-overload]


def allowed(trainer: str, name: str, reference: str) -> str | None:
    """A pattern for the quantity, None where there is to be none."""
    for (of, start), (said, _why) in DIFFERENT.items():
        if of == trainer and re.match(start, name):
            return said
    return COARSE.get(reference, re.escape(reference))


@pytest.mark.parametrize(("trainer", "name", "reference"), sorted(set(rows())))
def test_a_name_is_understood_as_the_reference_says(trainer: str, name: str, reference: str) -> None:
    said, wanted = understand(trainer, name).quantity, allowed(trainer, name, reference)
    assert said is None if wanted is None else said is not None and re.fullmatch(wanted, said)


def test_no_listed_difference_is_idle() -> None:
    every = list(rows())
    for (trainer, start), (_said, why) in DIFFERENT.items():
        assert any(of == trainer and re.match(start, name) for of, name, _ in every), (trainer, start, why)
