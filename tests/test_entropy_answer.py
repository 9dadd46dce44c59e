"""Is the policy still exploring: the course of planted entropies, the answer of real logs, and the page."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from analyses.entropy_course import course
from answers.entropy import Entropy, entropy
from charts import ribbon
from charts.curve import Level
from charts.lines import Style
from db import runs
from db.engine import open_store, reading
from tests.browser import NASTY, collect
from tests.test_dashboard_apptest import drawn, page, run_id, shown, small_store, text
from tests.test_dashboard_one_run import logged

__all__ = ["small_store"]

STEPS = np.arange(200)


def noisy(clean: np.ndarray, seed: int, noise: float = 0.04) -> np.ndarray:
    return clean * np.exp(np.random.default_rng(seed).normal(0, noise, len(clean)))


def test_a_planted_growth_has_its_onset_pace_and_limit() -> None:
    found = [course(STEPS, noisy(0.2 * 2 ** (np.maximum(STEPS - 120, 0) / 31), seed), seed=seed) for seed in range(8)]
    assert {one.way for one in found} == {"growing"}
    assert sum(one.since is not None and one.since.low <= 120 <= one.since.high for one in found) >= 6
    assert sum(one.time is not None and one.time.low <= 31 <= one.time.high for one in found) >= 6
    one = found[0]
    assert one.limit == 2.0  # 1 nat is passed
    assert one.until is not None
    left = 31 * math.log2(2.0 / (0.2 * 2 ** (79 / 31)))
    assert one.until.low <= left <= one.until.high
    assert one.chance > 0.9
    assert len(one.steps) == len(one.fit) == len(one.low) == len(one.high)


def test_without_noise_the_pace_is_exact() -> None:
    one = course(STEPS, 0.1 * 2 ** (STEPS / 40))
    assert one.time is not None
    assert (one.time.value, one.time.low, one.time.high) == tuple(pytest.approx(40.0) for _ in range(3))


def test_falling_flat_and_nothing() -> None:
    falling = course(STEPS, noisy(0.9 * 0.5 ** (STEPS / 40), 1))
    assert falling.way == "falling"
    assert falling.time is not None
    assert falling.time.value == pytest.approx(40, rel=0.05)
    assert course(STEPS, noisy(np.full(200, 0.3), 2, 0.02)).way == "flat"
    assert course([], []).way == "none"
    assert course(STEPS, np.full(200, np.nan)).way == "none"
    assert course([1], [0.4]).way == "unclear"
    settled = course(STEPS, noisy(0.3 * 2 ** (np.minimum(STEPS, 100) / 30), 3))
    assert settled.way in ("flat", "unclear")
    assert settled.before is not None
    assert settled.before.time is not None
    assert settled.before.time.value == pytest.approx(30, rel=0.1)


def asked(store: str, name: str) -> Entropy:
    with reading(open_store(store)) as connection:
        run = next(run for run in runs.all_runs(connection) if name in run.name)
        return entropy(connection, run.id)


def test_the_answer_in_words(small_store: str) -> None:
    sick = asked(small_store, "blowup")
    assert sick.sentence.startswith("Yes, too much: entropy, now 2.")
    assert "has doubled every 2" in sick.sentence
    assert sick.course.since is not None
    assert sick.course.since.low <= 91 <= sick.course.since.high
    assert "entropy" in {one.name for one in sick.order.moved}
    calm = asked(small_store, "calm")
    assert calm.sentence.startswith("Yes: entropy rests at 0.40")
    assert calm.scores is not None
    assert not calm.scores.own
    assert set(sick.as_json()) >= {"course", "order", "law", "ahead", "sentence"}


def test_odd_runs_are_answered_too(tmp_path: Path) -> None:
    lone, void = {"actor/entropy": 0.5, "critic/rewards/mean": 0.1}, {"actor/entropy": math.nan}
    logged(tmp_path / "runs", "single", [lone])
    logged(tmp_path / "runs", "void", [void] * 30)
    logged(tmp_path / "runs", "silent", [{"actor/grad_norm": 0.1}] * 30)
    logged(
        tmp_path / "runs", "laundered", [{"actor/entropy": 0.0 if i == 9 else 0.4 + 0.001 * (i % 3)} for i in range(40)]
    )
    store = f"sqlite:///{tmp_path / 'store.db'}"
    collect(store, tmp_path / "runs")
    assert "too few" in asked(store, "single").sentence
    assert "not one value" in asked(store, "void").sentence
    assert "logs no entropy" in asked(store, "silent").sentence
    assert asked(store, "laundered").course.way == "flat"


def test_the_page_proves_the_answer(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("entropy"), small_store, monkeypatch, run=run_id(small_store, "blowup"))
    said = text(test).replace("\\", "")
    assert "Yes, too much" in said
    assert "Which signal moved first?" in said
    assert "does not rise" in said
    assert drawn(test) >= 5
    linear = shown(page("entropy"), small_store, monkeypatch, run=run_id(small_store, "calm"), axis="linear")
    assert "entropy rests at" in text(linear)
    nasty = shown(page("entropy"), small_store, monkeypatch, run=run_id(small_store, NASTY[:4]))
    assert "stumbled" not in text(nasty)


def test_a_ribbon_holds_what_it_is_given() -> None:
    lines = [ribbon.Ribbon("fit", "#000000", [1, 2], [0.1, 0.2], [0.0, 0.1], [0.2, 0.3])]
    dots = [ribbon.Dots("题", "#111111", np.arange(5000.0), np.r_[np.nan, np.ones(4999)])]
    table = ribbon.rows(dots, lines, levels=[Level(0.5, "half")], bends=[ribbon.Bend(1, 0, 2, "since 1", "#222222")])
    assert set(table["kind"]) == {"joined", "fit", "level", "bend"}
    assert (table["kind"] == "joined").sum() <= ribbon.MOST
    assert len(ribbon.rows([], [])) == 0
    made = ribbon.spec([("a", "#000000")], Style(log=True), alt_text="none")
    assert made["description"] == "none"
    assert made["layer"][0]["encoding"]["x"]["field"] == "low"
