"""The tables of names: sound in themselves, and what they say of the names that mislead."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import names
from collectors.names import Meaning, is_evaluation, is_training, parts, recognise, table, tables, understand
from db.quantities import QUANTITIES, quantity

TRAINERS = sorted(tables())
NAMES_OF = {
    "verl": ["actor/pg_loss", "actor/entropy", "critic/score/mean", "response_length/mean", "timing_s/gen"],
    "verl-v1": [
        "actor/pg_loss",
        "critic/score/mean",
        "training/num_turns/mean",
        "training/off_policy/trajectory_spans/max",
    ],
    "deepcoder": ["actor/pg_loss", "actor/entropy_loss", "critic/score/mean", "batch/solve_none", "batch/solve_all"],
    "rllm": ["actor/pg_loss", "critic/score/mean", "perf/throughput", "batch/solve_none", "batch/solve_all"],
    "rllm-tasks": ["actor/pg_loss", "grad_norm", "batch/num_tasks", "batch/solve_none", "reward/default/mean"],
    "rllm-agent": ["actor/pg_loss", "critic/full-score/mean", "traj/steps_mean", "batch/solve_none"],
    "easyr1": ["actor/pg_loss", "actor/pg_clipfrac_higher", "reward/overall", "val/reward_score", "critic/score/mean"],
    "trl": ["reward", "reward_std", "kl", "loss", "completion_length", "rewards/accuracy_reward"],
    "ms-swift": ["reward", "completions/mean_length", "train_speed(s/it)", "memory(GiB)", "global_step/max_steps"],
    "tinker": ["env/all/reward/total", "optim/entropy", "progress/done_frac", "time/train"],
    "openrlhf": ["policy_loss", "actor_lr", "ppo_clip_ratio", "rollout/reward_mean", "timing/ppo_train"],
    "nemo-rl": ["train/reward", "train/gen_kl_error", "train/approx_entropy", "performance/tokens_per_sec_per_gpu"],
    "slime": ["train/pg_loss", "train/pg_clipfrac", "rollout/raw_reward", "perf/actor_train_time"],
    "prime-rl": ["train/agg/all/solver/reward/mean", "optim/lr", "entropy/all/mean", "time/wait_for_batch"],
    "areal": ["ppo_actor/task_reward/avg", "timeperf/rollout", "ppo_actor/update/lr"],
    "open-instruct": ["val/sequence_lengths", "objective/kl2_avg", "policy/clipfrac_avg", "training_step", "scores"],
    "skyrl": ["reward/avg_raw_reward", "policy/final_loss", "generate/avg_num_tokens", "timing/policy_train"],
    "roll": [
        "critic/score/mean",
        "critic/correct/mean",
        "token/response_length/mean",
        "system/tps",
        "actor/final_mask_ratio",
    ],
    "deepspeed-chat": ["epoch", "ppo_ep", "act_loss", "cri_loss", "unsuper_loss", "avg_reward"],
    "handwritten": ["step", "loss", "reward", "reward_std", "grad_norm", "learning_rate", "entropy_avg", "kl"],
}
LABELLED = {
    "tokens_total": "tokens_total", "max_len": "context_limit", "entropy": "entropy_token_mean",
    "reward_mean": "reward_mean",
    "reward_std": "reward_std", "frac_all_right": "group_all_right_fraction",
    "frac_all_wrong": "group_all_wrong_fraction",
    "frac_zero_std": "group_zero_std_fraction", "adv_max": "advantage_max",
    "format_reward": "format_reward_mean",
    "len_mean": "response_length_mean", "len_p95": "response_length_p95", "len_max": "response_length_max",
    "trunc_frac": "truncation_fraction", "masked_frac": "overlong_masked_fraction",
    "len_mean_correct": "response_length_correct_mean", "len_mean_wrong": "response_length_wrong_mean",
    "clip_high": "clip_fraction_high", "clip_low": "clip_fraction_low", "ppo_kl": "kl_policy_old",
    "mismatch_k3": "mismatch_kl",
    "is_ess": "is_ess", "ratio_max": "is_ratio_max", "grad_norm": "grad_norm", "loss": "total_loss",
    "t_gen": "time_generation",
    "t_update": "time_update", "t_reward": "time_reward", "t_step": "time_step", "B": "prompts_per_step",
    "G": "rollouts_per_prompt", "val_score": "val_score", "val_n": "val_n", "val_k": "val_k",
}  # fmt: skip


def entries(trainer: str) -> Iterator[dict[str, Any]]:
    found = table(trainer)
    for entry in [*found.names.values(), *(pattern.entry for pattern in found.patterns)]:
        yield {"is": entry} if isinstance(entry, str) else entry


def header_patterns(trainer: str) -> list[str]:
    header = table(trainer).header
    every = (header.signature, header.without, header.evaluation, header.aside, header.prefer)
    return [pattern.text for patterns in every for pattern in patterns]


# -- the tables themselves


@pytest.mark.parametrize("trainer", TRAINERS)
def test_every_quantity_of_a_table_exists(trainer: str) -> None:
    for pattern in table(trainer).patterns:
        named = pattern.entry if isinstance(pattern.entry, str) else pattern.entry.get("is", "")
        if "{" in named:
            shape = re.search(r"\(\?P<stat>([\w|]+)\)", pattern.text)
            assert shape, f"{pattern.text} fills in a group that it has not"
            for stat in shape[1].split("|"):
                assert quantity(named.replace("{stat}", names.SPOKEN.get(stat, stat))), (named, stat)
    for entry in entries(trainer):
        assert "{" in entry.get("is", "{") or quantity(entry["is"]), entry


@pytest.mark.parametrize("trainer", TRAINERS)
def test_an_entry_says_only_what_is_read(trainer: str) -> None:
    for entry in entries(trainer):
        assert entry.keys() <= {"is", "unit", "caveat", "scale", "rank"}
        assert "is" in entry or "caveat" in entry, f"neither a quantity nor why there is none: {entry}"
        assert entry.get("caveat", "x.").endswith("."), entry
        assert ("scale" in entry) == (entry.get("unit") in ("percent", "1e-4")), entry


@pytest.mark.parametrize("trainer", TRAINERS)
def test_patterns_compile_are_anchored_and_have_one_branch(trainer: str) -> None:
    for text in [*header_patterns(trainer), *(p.text for p in table(trainer).patterns)]:
        assert text.startswith("^"), text
        assert not re.match(r"\^[^(]*\|", text), text
        re.compile(text)
    for pattern in table(trainer).patterns:
        assert pattern.text.endswith("$"), pattern.text


@pytest.mark.parametrize(
    ("pattern", "start"),
    [
        (r"^val-core/(.+)/mean@\d+$", "val-core/"), (r"^time/weight_sync$", "time/weight_sync"), (r"^(a|b)c$", ""),
        (r"^train_speed\(s/it\)$", "train_speed(s/it)"), (r"^rewards?/x$", "reward"), (r"^ab*$", "a"), (r"^a.b$", "a"),
        (r"^a\.b$", "a.b"), (r"^timing_s/[^/]+$", "timing_s/"), (r"a$", ""),
    ],
)  # fmt: skip
def test_the_literal_start_of_a_pattern(pattern: str, start: str) -> None:
    assert names.literal_start(pattern) == start


def test_a_table_is_found_by_its_file_and_has_names_to_be_told_by() -> None:
    assert set(TRAINERS) == {path.stem for path in names.FOLDER.glob("*.toml")}
    assert set(NAMES_OF) == set(TRAINERS)


# -- what is said of a name


@pytest.mark.parametrize(
    ("trainer", "name", "said"),
    [
        ("verl", "actor/pg_clipfrac_lower", "clip_fraction_dual"),
        ("verl", "response_length/clip_ratio", "truncation_fraction"),
        ("verl-v1", "response_length/clip_ratio", None),
        ("verl-v1", "critic/score/mean", "score_mean"),
        ("verl", "perf/total_num_tokens", "tokens_per_step"),
        ("verl", "timing_s/agent_loop/num_preempted/mean", "preemptions"),
        ("verl", "val-core/openai/gsm8k/acc/mean_at_8", "val_score"),
        ("deepcoder", "batch/solve_none", "group_all_wrong_count"),
        ("rllm-tasks", "batch/solve_none", "group_all_wrong_fraction"),
        ("rllm", "batch/solve_none", None),
        ("easyr1", "actor/entropy_loss", "entropy_estimate"),
        ("tinker", "optim/entropy", "entropy_estimate"),
        ("nemo-rl", "train/approx_entropy", "entropy_estimate"),
        ("trl", "train/entropy", "entropy_token_mean"),
        ("trl", "entropy", "entropy_token_mean"),
        ("ms-swift", "train/completions/max_length", "response_length_max"),
        ("openrlhf", "train/kl", "kl_ref"),
        ("areal", "ppo_actor/task_reward/avg", "reward_mean"),
        ("areal", "ppo_actor/no_eos_ratios/avg", None),
        ("open-instruct", "val/sequence_lengths", "response_length_mean"),
        ("roll", "actor/max_len_mask_ratio", "overlong_kept_fraction"),
        ("handwritten", "clip_ratio", None),
        ("a trainer of tomorrow", "entropy_avg", "entropy_token_mean"),
        ("verl", "something/new", None),
    ],
)
def test_names_that_mislead(trainer: str, name: str, said: str | None) -> None:
    assert understand(trainer, name).quantity == said


@pytest.mark.parametrize(("name", "said"), LABELLED.items())
def test_the_columns_of_the_labelled_runs(name: str, said: str) -> None:
    assert understand("handwritten", name).quantity == said


@pytest.mark.parametrize("name", ["response_length/clip_ratio", "actor/entropy", "actor/pg_clipfrac_lower"])
def test_a_misleading_name_says_so(name: str) -> None:
    assert understand("verl", name).caveat


@pytest.mark.parametrize(
    ("trainer", "name", "scale"),
    [
        ("prime-rl", "perf/mfu", 0.01),
        ("verl", "perf/mfu/actor", 1.0),
        ("open-instruct", "learner_mfu", 0.01),
        ("open-instruct", "batch/filtered_prompts_pct", 1.0),
        ("nemo-rl", "train/baseline_reward/pct_0", 0.01),
        ("nemo-rl", "train/masked_correct_pct", 1.0),
        ("openrlhf", "dynamic_filtering_pass_rate", 0.01),
        ("verl", "actor/lr(1e-4)", 1e-4),
    ],
)
def test_percent_and_fraction_are_told_apart(trainer: str, name: str, scale: float) -> None:
    assert understand(trainer, name).scale == scale


def test_of_two_names_for_one_quantity_one_is_to_be_read() -> None:
    first, second = understand("verl", "actor/entropy"), understand("verl", "actor/entropy_loss")
    assert first.quantity == second.quantity and first.rank < second.rank
    order = ["train/agg/all/a/reward/mean", "train/agg/effective/a/reward/mean", "train/math/all/a/reward/mean"]
    assert sorted(order, key=lambda name: understand("prime-rl", name).rank) == order
    assert understand("prime-rl", "train/math/effective/a/reward/mean").rank > understand("prime-rl", order[2]).rank


def test_the_parts_of_an_evaluations_name() -> None:
    said = parts("verl", "val-core/math_dapo/acc/best@32/mean")
    assert said == {"source": "math_dapo", "var": "acc", "k": "32"}
    assert parts("trl", "reward") == {}


@pytest.mark.parametrize(
    ("trainer", "name", "evaluation"),
    [
        ("verl", "val-core/a/acc/mean@4", True),
        ("verl", "critic/values/mean", False),
        ("open-instruct", "val/sequence_lengths", False),
        ("open-instruct", "eval/scores", True),
        ("trl", "eval_reward", True),
        ("trl", "eval/reward", True),
        ("tinker", "test/env/all/reward/total", True),
        ("nemo-rl", "validation/accuracy", True),
        ("handwritten", "val_score", True),
        ("handwritten", "value_loss", False),
        ("rllm-tasks", "val/x/pass@1", True),
    ],
)
def test_evaluations(trainer: str, name: str, evaluation: bool) -> None:
    assert is_evaluation(trainer, name) is evaluation


def test_a_summary_is_no_row() -> None:
    summary = ["train_runtime", "train_loss", "train_samples_per_second", "total_flos", "epoch", "step"]
    assert not any(is_training("trl", name) for name in summary)
    assert is_training("trl", "loss") and not is_training("trl", "eval_loss")


# -- who wrote them


@pytest.mark.parametrize("trainer", TRAINERS)
def test_each_trainer_is_told_by_its_names(trainer: str) -> None:
    assert recognise(NAMES_OF[trainer]) == trainer
    assert recognise(reversed(NAMES_OF[trainer])) == trainer


@pytest.mark.parametrize("trainer", ["verl", "verl-v1", "deepcoder", "rllm", "rllm-tasks", "rllm-agent"])
def test_the_hint_of_a_console_line_gives_way_to_a_closer_relative(trainer: str) -> None:
    assert recognise(NAMES_OF[trainer], hint="verl") == trainer


@pytest.mark.parametrize(
    ("held", "hint", "trainer"),
    [
        (["reward", "loss"], "trl", "trl"),
        (["loss", "grad_norm"], None, "handwritten"),
        ([], None, "handwritten"),
        ([], "verl", "verl"),
        (["my/own"], "verl", "verl"),
        (["env/all/reward/total", "optim/entropy"], "trl", "trl"),
        (["actor/entropy", "mine"], None, "handwritten"),
        (["actor/entropy_loss", "critic/kl", "timing/gen", "val/test_score/openai/gsm8k"], "verl", "verl"),
        (["loss"], "a trainer of tomorrow", "a trainer of tomorrow"),
        (["train/" + name for name in NAMES_OF["trl"]], None, "trl"),
    ],
)
def test_without_evidence_the_hint_stands(held: list[str], hint: str | None, trainer: str) -> None:
    assert recognise(held, hint) == trainer


@given(st.lists(st.text(), max_size=8), st.one_of(st.none(), st.sampled_from(TRAINERS), st.text()))
def test_any_names_are_survived(held: list[str], hint: str | None) -> None:
    trainer = recognise(held, hint)
    for name in held:
        assert isinstance(understand(trainer, name), Meaning)
        assert isinstance(is_evaluation(trainer, name), bool)


PIECES = st.text(alphabet="aeimnrtv_/.@019{}", max_size=30)


@given(st.sampled_from(TRAINERS), PIECES, st.sampled_from(["", "val/", "train/", "eval_"]))
def test_a_quantity_is_always_one_of_ours(trainer: str, name: str, prefix: str) -> None:
    said = understand(trainer, prefix + name).quantity
    assert said is None or said in QUANTITIES


# -- cost, and change


def test_importing_reads_no_table() -> None:
    script = (
        "import collectors.names as n, db.quantities as q; print(n._files.cache_info(), q._quantities.cache_info())"
    )
    root = Path(names.__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert run.stdout.count("misses=0") == 2


def test_a_name_is_held_against_few_patterns_and_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    honest = names.Pattern.match

    def counting(self: names.Pattern, name: str) -> re.Match[str] | None:
        if name.startswith(self.stem):
            tried.append(name)
        return honest(self, name)

    monkeypatch.setattr(names.Pattern, "match", counting)
    many = [f"val-aux/set{i}/acc/best@{i}/mean" for i in range(100)] + [f"unheard/of/{i}" for i in range(100)]
    for name in many:
        understand("verl", name)
    assert len(tried) < 12 * len(many)
    before = len(tried)
    for name in many:
        understand("verl", name)
    assert len(tried) == before


def test_the_fingerprint_follows_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def now() -> str:
        names._files.cache_clear()
        names._fingerprint.cache_clear()
        return names.fingerprint()

    try:
        true = now()
        assert now() == true
        monkeypatch.setattr(names, "FOLDER", tmp_path)
        (tmp_path / "one.toml").write_text('[names]\n"a" = "step"\n')
        first = now()
        (tmp_path / "one.toml").write_text('[names]\n"a" = "epoch"\n')
        assert len({true, first, now()}) == 3
    finally:
        monkeypatch.undo()
        assert now() == true


# -- the quantities


def test_quantities_have_axes_that_can_be_read() -> None:
    assert quantity("response_length_mean").label == "response length (tokens)"  # type: ignore[union-attr]
    assert quantity("entropy_token_mean").label == "entropy (nats/token)"  # type: ignore[union-attr]
    assert quantity("unheard_of") is None
    assert len(QUANTITIES) > 200
    for name, known in QUANTITIES.items():
        assert known.name == name and known.label and known.good in ("up", "down", "neither")
