"""The language of the list of runs: what passes, and what is said where a filter makes no sense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from answers.filter import FilterError, fields, parse, passing, quantity_of

NAN = float("nan")


@dataclass
class Runs:
    """Five runs, as a filter sees them."""

    words: dict[str, list[tuple[str, ...]]]
    values: dict[str, list[float]]

    def __len__(self) -> int:
        return 5

    def texts(self, field: str) -> Sequence[tuple[str, ...]]:
        return self.words.get(field, [()] * 5)

    def numbers(self, field: str) -> NDArray[np.float64]:
        return np.array(self.values.get(field, [NAN] * 5))


RUNS = Runs(
    {
        "name": [("grpo-8k-seed1",), ("grpo-8k-seed2",), ("dapo[16k]",), ("推理-grpo",), ('a (b) "c"',)],
        "project": [("math",), ("math",), ("code",), ("code",), ("toy",)],
        "trainer": [("verl",), ("verl",), ("trl",), ("trl",), ("",)],
        "state": [("live",), ("stalled",), ("finished",), ("live",), ("finished",)],
        "tag": [("paper", "ok"), ("paper draft",), (), ("ok",), ()],
        "note": [("lr too high",), (), (), (), ()],
        "trouble": [("entropy_collapse",), (), ("entropy_blowup", "kl_spike"), (), ()],
        "config.lr": [("1e-06",), ("1e-05",), ("0.0001",), (), ("auto",)],
        "config.algo": [("grpo",), ("GRPO",), ("dapo",), (), ("",)],
    },
    {
        "reward_mean": [0.5, 0.7, NAN, 0.2, np.inf],
        "reward_mean.best": [0.9, 0.8, NAN, 0.2, np.inf],
        "truncation_fraction": [0.2, 0.05, 0.0, NAN, 1.0],
        "config.lr": [1e-6, 1e-5, 1e-4, NAN, NAN],
        "age": [60.0, 7200.0, 1e6, NAN, 0.0],
        "step": [10, 20, 30, 40, NAN],
    },
)


def numbers(text: str) -> list[int]:
    return np.flatnonzero(passing(parse(text), RUNS)).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("   ", [0, 1, 2, 3, 4]),
        ("grpo", [0, 1, 3]),
        ("GRPO verl", [0, 1]),
        ("high", [0]),  # in the note
        ("ok", [0, 3]),  # in the tags
        ("推理", [3]),
        ("trainer:verl", [0, 1]),
        ("-trainer:verl", [2, 3, 4]),
        ("not trainer:verl", [2, 3, 4]),
        ("trainer!=verl", [2, 3, 4]),
        ("tag:ok", [0, 3]),
        ("tag:pap", []),  # a tag is meant whole
        ("tag:pap*", [0, 1]),
        ('tag:"paper draft"', [1]),
        ("tag!=ok", [1]),
        ("state:live", [0, 3]),
        ("name:8k-seed", [0, 1]),
        ("name=grpo-8k-seed1", [0]),
        ("name=grpo*", [0, 1]),
        ("name:[16k]", [2]),
        ("name=*[16k]", [2]),
        ("name~seed[12]$", [0, 1]),
        ("name~^(grpo|dapo)", [0, 1, 2]),
        ("(name~^(grpo|dapo))", [0, 1, 2]),
        ("trouble:entropy", [0, 2]),
        ("reward_mean>0.4", [0, 1, 4]),
        ("reward_mean<=0.5", [0, 3]),
        ("-reward_mean>0.4", [2, 3]),  # what is not known passes no test
        ("reward_mean!=0.5", [1, 3, 4]),
        ("reward_mean.best>.85", [0, 4]),
        ("reward_mean.last > 0.6", [1, 4]),
        ("truncation_fraction>=20%", [0, 4]),
        ("config.lr<1e-5", [0]),
        ("config.lr=1e-5", [1]),
        ("config.lr=0.00001", [1]),
        ("config.lr=auto", [4]),
        ("config.lr!=auto", [0, 1, 2]),
        ("config.algo=grpo", [0, 1]),
        ("config.algo:po", [0, 1, 2]),
        ("age<2min", [0, 4]),
        ("age>=2h", [1, 2]),
        ("step>=20 step<40", [1, 2]),
        ("trainer:verl or project:toy", [0, 1, 4]),
        ("(trainer:verl or project:code) state:live", [0, 3]),
        ("trainer:verl and state:live", [0]),
        ("-(trainer:verl or project:code)", [4]),
        ("trainer:trl or trainer:verl seed2", [1, 2, 3]),
        ("order", []),  # no "or" in it
    ],
)
def test_what_passes(text: str, expected: list[int]) -> None:
    if ".last" in text:
        RUNS.values["reward_mean.last"] = RUNS.values["reward_mean"]
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("reward_men>0.5", 0, "did you mean reward_mean?"),
        ("tag:x lrr<1", 6, "config.<key>"),
        ("reward_mean>abc", 12, "expected a number such as 0.5"),
        ("reward_mean>", 12, "what?"),
        ("(reward_mean>)", 13, "what?"),
        ("reward_mean~0.5", 11, "is a number"),
        ("name<3", 4, "is a text"),
        ("age>3 weeks", 0, ""),
        ("age>3weeks", 4, "6h or 2d"),
        ("name~(", 5, "no regular expression"),
        ("name~[z-a]", 5, "no regular expression"),
        ("(trainer:verl", 0, "never closed"),
        ("trainer:verl)", 12, "no ( to this )"),
        ('tag:"x', 4, "never closed"),
        ("a or", 4, "or what?"),
        ("-", 0, "not what?"),
        ("(" * 30, 20, "deep"),
        ("x" * 1001, 0, "at most"),
    ],
)
def test_what_makes_no_sense_is_said_with_its_place(text: str, at: int, said: str) -> None:
    if not said:
        assert numbers(text) == []  # a number, then a word
        return
    with pytest.raises(FilterError) as error:
        parse(text)
    assert error.value.at == at
    assert said in error.value.message
    assert error.value.shown().splitlines()[1].index("^") == at


def test_a_pattern_cannot_make_the_server_slow() -> None:
    evil = Runs({"name": [("a" * 5000 + "!",)] * 5}, {})
    assert not passing(parse("name~^(a+)+$"), evil).any()  # hours in a backtracking engine


def test_only_what_a_filter_asks_for_is_read() -> None:
    assert fields(parse("tag:x (reward_mean.best>1 or -config.lr<1)")) == {"tag", "reward_mean.best", "config.lr"}
    assert quantity_of("reward_mean.best") == ("reward_mean", "best")
    assert quantity_of("reward_mean") == ("reward_mean", "last")
    assert quantity_of("reward_mean.worst") is None


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_said_to_be_none(text: str) -> None:
    try:
        found = passing(parse(text), RUNS)
    except FilterError as error:
        assert 0 <= error.at <= len(text)
    else:
        assert found.shape == (5,)


PARTS = st.sampled_from(
    [
        "trainer:verl",
        "-",
        "(",
        ")",
        " or ",
        " ",
        "reward_mean>0.5",
        '"',
        "name~",
        "config.lr<",
        "not ",
        "推",
        "*",
        "tag:",
    ]
)


@given(st.lists(PARTS, max_size=12).map("".join))
def test_pieces_of_the_language_in_any_order(text: str) -> None:
    test_any_text_is_a_filter_or_said_to_be_none.hypothesis.inner_test(text)  # type: ignore[attr-defined]
