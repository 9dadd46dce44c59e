"""The detectors on simulated runs with labels: what they reached when they were tuned, less a margin.

Precision and recall of these runs say little about others; they are here so that a change that loses much is seen.
"""

from __future__ import annotations

import gzip
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyses.backtest import EXPLAINS, Event, Labelled, Outcome, intervals, score, score_run
from analyses.contract import Context, Rows
from analyses.judge import judge
from analyses.synthetic import changed, disturbed

RUNS = Path(__file__).parents[3] / "shared" / "labelled_runs"
QUANTITY = {
    "reward_mean": "reward_mean",
    "reward_std": "reward_std",
    "format_reward": "format_reward_mean",
    "len_mean": "response_length_mean",
    "len_p95": "response_length_p95",
    "max_len": "context_limit",
    "trunc_frac": "truncation_fraction",
    "entropy": "entropy_token_mean",
    "clip_low": "clip_fraction_low",
    "clip_high": "clip_fraction_high",
    "ppo_kl": "kl_policy_old",
    "mismatch_k3": "mismatch_kl",
    "is_ess": "is_ess",
    "grad_norm": "grad_norm",
    "loss": "total_loss",
    "frac_all_right": "group_all_right_fraction",
    "frac_all_wrong": "group_all_wrong_fraction",
    "frac_zero_std": "group_zero_std_fraction",
    "t_step": "time_step",
    "val_score": "val_score",
    "val_n": "val_n",
    "val_k": "val_k",
}
WEEK = 604_800.0


@cache
def labels() -> dict[str, Any]:
    return dict(json.loads((RUNS / "labels.json").read_text()))


@cache
def rows_of(name: str) -> Rows:
    with gzip.open(RUNS / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    steps = np.array([record["step"] for record in records], np.int64)
    attempts = 1 + np.cumsum(np.diff(steps, prepend=steps[:1] - 1) <= 0)
    columns = {
        quantity: np.array([math.nan if record.get(name) is None else record[name] for record in records], np.float64)
        for name, quantity in QUANTITY.items()
    }
    logged = {
        quantity: np.array([record.get(name) is not None for record in records]) for name, quantity in QUANTITY.items()
    }
    return Rows(steps, np.array([record["wall_time"] for record in records]), attempts, columns, logged)


def truth(name: str, rows: Rows) -> Labelled:
    label = labels()[name]
    events = [
        Event(e["type"], e["onset"], e["end"], e["t_fatal"], e.get("rewind_to"), False)
        for e in label["events"]
        if e.get("observable", True) and not e.get("neutral")
    ]
    hidden = [(e["type"], e["onset"], e["end"] + 50) for e in label["events"] if not e.get("observable", True)]
    ignored = [(kind, first, last) for kind, first, last in label["ignore"]]
    return Labelled(name, tuple(events), tuple(rows.steps.tolist()), (*ignored, *hidden))


@cache
def outcomes(noise: float = 0.0, every: int = 1) -> tuple[Outcome, ...]:
    found = []
    for name, label in labels().items():
        rows = (
            disturbed(rows_of(name), noise=noise, every=every, seed=len(name)) if noise or every > 1 else rows_of(name)
        )
        stopped = any(event.get("final") for event in label["events"])
        config = label["config"]
        settings = {"context_limit": config["C"], "clip_low": config["eps_lo"], "clip_high": config["eps_hi"]}
        now = float(rows.walls[-1]) + (WEEK if stopped else 0)
        found.append(score_run(truth(name, rows), judge({}, rows, Context(settings, None, now))[1]))
    return tuple(found)


@pytest.mark.parametrize(
    ("kind", "precision", "recall", "in_time", "delay"),
    [
        ("entropy_blowup", 0.95, 0.95, 0.95, 25),
        ("entropy_collapse", 0.90, 0.95, 0.95, 50),
        ("length_crisis", 0.90, 0.95, 0.95, 100),
        ("reward_hack", 0.85, 0.85, 0.85, 45),
        ("mismatch", 0.95, 0.90, 0.90, 120),
        ("grad_spike", 0.95, 0.95, 0.95, 2),
        ("grad_divergence", 0.95, 0.85, 0.85, 40),
        ("nonfinite", 1.0, 1.0, 1.0, 0),
        ("restart", 1.0, 1.0, 1.0, 0),
        ("stall", 1.0, 1.0, 1.0, 5),
    ],
)
def test_each_kind_of_event(kind: str, precision: float, recall: float, in_time: float, delay: float) -> None:
    reached = score(outcomes(), kind)
    assert reached.events >= 7
    assert reached.precision >= precision, [f for o in outcomes() for f in o.false]
    assert reached.recall >= recall
    assert reached.in_time >= in_time
    assert reached.delay_median <= delay


def test_all_kinds_together() -> None:
    reached = score(outcomes())
    assert reached.precision >= 0.95 and reached.recall >= 0.90
    low, high = intervals(outcomes())["precision"]
    assert low <= reached.precision <= high
    assert {event.kind for each in outcomes() for event, _ in each.found} == set(EXPLAINS)


@pytest.mark.parametrize(("noise", "every", "recall", "in_time"), [(0.1, 1, 0.95, 0.90), (0.0, 2, 0.90, 0.80)])
def test_noise_on_top_or_half_of_the_rows_cost_little(noise: float, every: int, recall: float, in_time: float) -> None:
    """10 % on every quantity; every second row, so that half of the single-row events were never logged."""
    reached = score(outcomes(noise, every))
    assert reached.precision >= 0.95 and reached.recall >= recall and reached.in_time >= in_time
    for kind in ("entropy_blowup", "entropy_collapse"):
        mine = score(outcomes(noise, every), kind)
        assert mine.precision >= 0.85 and mine.in_time >= 0.85


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 5.0)])
def test_a_reward_of_another_range_costs_nothing(low: float, high: float) -> None:
    for name, label in labels().items():
        if name.startswith(("reward_hack-000", "healthy-0001", "staged-0008")):
            rows = rows_of(name)
            wide = changed(rows, reward_mean=low + (high - low) * rows.columns["reward_mean"])
            config = {"context_limit": label["config"]["C"]}
            found = [
                [f.detected_step for f in judge({}, each, Context(config))[1] if f.trouble == "reward_hacking"]
                for each in (rows, wide)
            ]
            assert found[0] == found[1], name


def test_healthy_and_staged_runs_are_left_in_peace() -> None:
    calm = [each for each in outcomes() if each.name.startswith(("healthy", "staged"))]
    assert len(calm) == 20
    assert score(calm).false_per_1000 <= 0.10, [f.message for each in calm for f in each.false]
