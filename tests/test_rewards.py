"""Rewards of a model and of a checker: told apart by name and value, and said to part only where they surely do."""

from __future__ import annotations

import json
from pathlib import Path

import altair as alt
import numpy as np
import pytest
import sqlalchemy as sa

from answers.rewards import kind_of, rewards
from charts import two_kinds
from charts.lines import Style
from charts.smooth import Smoothing
from charts.two_kinds import Line
from db.engine import reading
from db.metrics import Metric
from tests.logs import collect


def metric(name: str, quantity: str | None = "reward_component_mean") -> Metric:
    return Metric(1, "trl", name, quantity, None, None, 1.0, 0, False)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("rewards/reward_model/mean", [0.1, 0.9], "model"),
        ("rewards/rm_score", [-3.0, 2.0], "model"),
        ("rewards/llm_judge_accuracy/mean", [0.5], "model"),
        ("rewards/compiler_reward/mean", [0.0, 1.0], "checker"),
        ("rewards/unit_tests/mean", [0.25], "checker"),
        ("rewards/compiler_reward/mean", [-1.0, 1.0], "unknown"),
        ("rewards/format_reward/mean", [0.5], "rule"),
        ("rewards/overlong/mean", [-0.5], "rule"),
        ("rewards/armour/mean", [0.5], "unknown"),
        ("rewards/contest/mean", [0.5], "unknown"),
    ],
)
def test_who_gives_a_reward(name: str, values: list[float], kind: str) -> None:
    assert kind_of(metric(name), np.array(values)) == kind


def log(path: Path, *, gamed: bool) -> Path:
    rng = np.random.default_rng(0)
    path.mkdir()
    lines = []
    for step in range(1, 201):
        checker = 0.6 - 0.001 * step if gamed else 0.3 + 0.001 * step
        row = {
            "step": step,
            "loss": 0.1,
            "reward": 1.0,
            "completions/mean_length": 300.0,
            "rewards/reward_model/mean": 0.01 * step + 0.05 * rng.standard_normal(),
            "rewards/compiler/mean": checker + 0.01 * rng.standard_normal(),
        }
        lines.append(json.dumps(row))
    (path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("gamed", [True, False])
def test_the_two_part_only_where_the_checker_disagrees(engine: sa.Engine, tmp_path: Path, gamed: bool) -> None:
    collect(engine, log(tmp_path / "运行", gamed=gamed))
    with reading(engine) as connection:
        told = rewards(connection, 1)
    assert [(one.name, one.kind) for one in told.rewards] == [
        ("rewards/compiler/mean", "checker"),
        ("rewards/reward_model/mean", "model"),
    ]
    assert told.parted == ((("rewards/reward_model/mean", "rewards/compiler/mean"),) if gamed else ())
    assert told.sentence.startswith("Only the reward model says so: ") == gamed
    checker = told.rewards[0].drift
    assert checker is not None
    assert checker.slope == pytest.approx(-0.1 if gamed else 0.1, rel=0.1)  # per 100 steps


def test_a_run_without_a_reward_says_so(engine: sa.Engine, tmp_path: Path) -> None:
    with reading(engine) as connection:
        assert rewards(connection, 99).sentence == "This run logs no reward."


def test_the_chart_keeps_a_spike_and_is_valid() -> None:
    x = np.arange(20_000.0)
    y = np.zeros(20_000)
    y[7_777] = 5.0
    lines = [
        Line("tests", "#000000", False, x, y, x.astype(np.int64)),
        Line("模型", "#ff0000", True, x, y, x.astype(np.int64)),
    ]
    frame = two_kinds.rows(lines, Smoothing("none"), columns=100)
    assert len(frame) <= 2 * (2 * 100 + 2)
    assert (frame["raw"] == 5.0).sum() == 2
    spec = two_kinds.spec(lines, Style(), left="share", right="reward", alt_text="two rewards")
    alt.LayerChart.from_dict(spec | {"data": {"values": []}})
