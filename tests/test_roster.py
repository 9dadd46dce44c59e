"""The rows of the list of runs: values, best and mean, groups, order, and what is shown of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sqlalchemy as sa

from answers import roster
from answers.roster import Entry, Roster, Spread
from dashboard import runs_table
from db import edits, runs
from db.engine import reading, writing
from db.runs import Run
from tests.stores import make_run, points, ramp

NAN = float("nan")


def entry(run_id: int, name: str = "a", step: int | None = 1, wall: float | None = 1.0, **more: object) -> Entry:
    return Entry(Run(run_id, "lab", name, "verl", step, wall, 1), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("grpo-8k-seed3", "grpo-8k"),
        ("grpo_seed_12_16k", "grpo_16k"),
        ("seed1", "seed1"),
        ("grpo-8k-s3", "grpo-8k"),
        ("grpo-8k", "grpo-8k"),
        ("dapo random_seed=7", "dapo"),
        ("推理-seed2", "推理"),
    ],
)
def test_a_name_without_its_seed(name: str, expected: str) -> None:
    assert roster.seedless(name) == expected


def test_a_spread_is_of_what_is_known() -> None:
    assert roster.spread(np.array([1.0, 3.0, NAN, np.inf])) == Spread(2.0, math.sqrt(2), 2)
    assert roster.spread(np.array([1.0])).n == 1
    assert math.isnan(roster.spread(np.array([1.0])).sd)
    assert roster.spread(np.array([NAN])).n == 0


def test_best_is_the_good_end() -> None:
    values = np.array([0.2, NAN, 0.9, np.inf, 0.1])
    assert roster.best("reward_mean", values) == 0.9
    assert roster.best("truncation_fraction", values) == 0.1
    assert math.isnan(roster.best("entropy_token_mean", values))  # neither end is good
    assert math.isnan(roster.best("reward_mean", np.array([NAN])))


def test_the_mean_is_of_the_last_twenty_steps() -> None:
    assert roster.recent(np.arange(1, 101), np.arange(1.0, 101.0)) == 90.5
    assert math.isnan(roster.recent(np.array([1, 100]), np.array([5.0, NAN])))


def test_values_come_from_the_store(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        a = make_run(connection, "lab", "a", [ramp(1, 40)])
        b = make_run(connection, "lab", "b", [points(1, {"critic/score/mean": NAN})])
        c = make_run(connection, "lab", "学习", [])
        runs.set_config(connection, a, {"actor.lr": 1e-6, "wandb_tags": ["x"], "flag": True}, {"context_limit": 8192})
        edits.tag(connection, [a], "paper", who="ada", at=0.0)
        edits.note(connection, c, "empty", who="ada", at=0.0)
        edits.shelve(connection, [b], "archived", who="ada", at=0.0)
    with reading(engine) as connection:
        [one, empty] = roster.entries(connection)
        assert [one.run.id for one in roster.entries(connection, "archived")] == [b]
        newest = roster.newest(connection, ["score_mean", "config.actor.lr", "config.context_limit", "config.flag"])
        slow = roster.statistics(connection, [a, b, c], ["score_mean.best", "score_mean.mean", "score_mean"])
        assert "score_mean" in roster.quantities_logged(connection)
        assert roster.config_keys(connection)[:2] == ["context_limit", "actor.lr"]
    assert (one.tags, one.given, empty.note) == (("paper", "x"), ("paper",), "empty")
    assert newest["score_mean"][a] == pytest.approx(40.1)
    assert math.isnan(float(newest["score_mean"][b]))
    assert newest["config.actor.lr"] == {a: 1e-6}
    assert newest["config.context_limit"] == {a: 8192.0}
    assert newest["config.flag"] == {a: "true"}
    assert slow == {"score_mean.best": {a: pytest.approx(40.1)}, "score_mean.mean": {a: pytest.approx(30.6)}}


HELD = Roster(
    [
        entry(1, "g-seed1", 10, 100.0, tags=("x", "y")),
        entry(2, "g-seed2", 30, 300.0, tags=("x",), troubles=("kl_blowup", "stalled"), severity="critical"),
        entry(3, "h", None, None),
    ],
    {1: "live", 2: "finished", 3: "finished"},
    {1: 5.0, 2: 90.0},
    {"reward_mean": {1: 0.5, 2: 0.25, 3: NAN}, "config.lr": {1: 1e-5, 2: "auto"}},
)


@pytest.mark.parametrize(
    ("sort", "down", "expected"),
    [
        ("newest", False, [1, 2, 3]),
        ("newest", True, [3, 2, 1]),
        ("name", True, [3, 2, 1]),
        ("reward_mean", False, [2, 1, 3]),
        ("reward_mean", True, [1, 2, 3]),
        ("step", True, [2, 1, 3]),
        ("state", False, [1, 2, 3]),
        ("trouble", False, [2, 1, 3]),
        ("config.lr", False, [1, 2, 3]),
    ],
)
def test_what_is_not_known_stands_last(sort: str, down: bool, expected: list[int]) -> None:
    assert [one.run.id for one in runs_table.ordered(HELD, sort, down=down)] == expected


def test_groups_say_mean_deviation_and_how_many() -> None:
    table, labels = runs_table.groups(HELD, "name", ["reward_mean"], "reward_mean", down=True)
    assert labels == ["lab/g", "lab/h"]
    assert table["c:reward_mean"].tolist() == ["0.375 ± 0.177 (2)", "–"]
    assert table["live"].tolist() == [1, 0]
    assert list(roster.grouped(HELD, "tag")) == ["x", "y"]
    assert [len(of) for of in roster.grouped(HELD, "config.lr").values()] == [1, 1]


def test_a_value_beside_its_baseline() -> None:
    assert runs_table.cell(0.5, "reward_mean", 0.25) == "0.500 (+0.250)"
    assert runs_table.cell(0.25, "truncation_fraction", 0.5) == "25.0 % (−25.0 %)"
    assert runs_table.cell(0.5, "reward_mean") == "0.500"
    assert runs_table.cell(NAN, "reward_mean", 1.0) == "NaN"
    assert runs_table.cell(None, "reward_mean", 1.0) == "–"
    assert runs_table.cell(12000.0, "response_length_mean", 10000.0) == "12.0K (+2000)"
    shown = runs_table.frame(HELD.entries, HELD, ["reward_mean"], 2, {2: "◆ "})
    assert shown["c:reward_mean"].tolist() == ["0.500 (+0.250)", "0.250", "NaN"]
    assert shown["run"].tolist() == ["g-seed1", "◆ g-seed2", "h"]
    assert shown["trouble"].tolist() == ["–", "kl blow-up +1", "–"]


def test_the_csv_has_full_precision_and_no_formulas() -> None:
    held = Roster([entry(1, "=cmd|' /C calc'!A0", note="学习率")], columns={"reward_mean": {1: 1 / 3}})
    head, line = runs_table.as_csv(held, ["reward_mean"]).decode("utf-8-sig").splitlines()
    assert head.split(",")[-1] == "reward_mean"
    assert "'=cmd" in line
    assert line.endswith("学习率,0.3333333333333333")


def test_the_sentence_counts_how_they_ended() -> None:
    assert roster.sentence(HELD) == "3 runs: 1 live, 2 finished. 1 ended in trouble."
    assert roster.sentence(Roster([])) == "0 runs."
