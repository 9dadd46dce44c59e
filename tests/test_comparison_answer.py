"""Compared with what: groups, axes, what is said of noise, one factor, runs alike; and the page and the command."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from answers import alike, spent
from answers.comparison import comparison, differing, grid, sides
from answers.curves import Curves
from charts import levels
from charts.theme import LIGHT
from db import runs
from db.engine import open_store, reading
from db.runs import set_config
from stepwell import cli
from tests.browser import collect
from tests.test_dashboard_apptest import drawn, page, run_id, shown, small_store, text
from tests.test_dashboard_one_run import logged

__all__ = ["small_store"]

QUANTITIES = ("score_mean", "entropy_token_mean")


def rows(
    level: float, seed: int, n: int = 400, *, tokens: float = 1000.0, parts_at: int = 10**6
) -> list[dict[str, float]]:
    rng = np.random.default_rng(seed)
    made = []
    for step in range(n):
        away = 0.004 * max(0, step - parts_at)
        entropy = (0.4 + away) * math.exp(0.02 * rng.standard_normal())
        score = {"critic/score/mean": level + 0.05 * rng.standard_normal(), "actor/entropy": entropy}
        made.append({**score, "perf/total_num_tokens": tokens, "timing_s/step": 2.0})
    return made


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Five seeds of two settings, a run of fewer tokens a step, one that parts at step 200, one without a config."""
    folder = tmp_path_factory.mktemp("seeds")
    for seed in range(5):
        logged(folder / "runs", f"基线-seed{seed}", rows(0.50 + 0.004 * seed, seed))
        logged(folder / "runs", f"better-seed{seed}", rows(0.60 + 0.004 * seed, 10 + seed))
    logged(folder / "runs", "half", rows(0.50, 20, tokens=500.0))
    logged(folder / "runs", "parts", rows(0.50, 21, parts_at=200))
    store = f"sqlite:///{folder / 'store.db'}"
    collect(store, folder / "runs")
    with open_store(store).begin() as connection:
        for run in runs.all_runs(connection):
            if "seed" in run.name:
                set_config(connection, run.id, {"lr": 2e-6 if "better" in run.name else 1e-6, "k": 8}, {})
    return store


def ids(store: str, *names: str) -> tuple[int, ...]:
    with reading(open_store(store)) as connection:
        every = runs.all_runs(connection)
        return tuple(run.id for name in names for run in every if name in run.name)


def test_seeds_are_grouped_by_name_tag_config_and_pattern(seeds: str) -> None:
    every = ids(seeds, "基线", "better", "half")
    with reading(open_store(seeds)) as connection:
        assert [(one.label, len(one.run_ids)) for one in sides(connection, every, "name")] == [
            ("lab/基线", 5),
            ("lab/better", 5),
            ("lab/half", 1),
        ]
        assert [one.label for one in sides(connection, every, "config.lr")] == ["lr 1e-06", "lr 2e-06", "no lr"]
        assert [one.label for one in sides(connection, every, "~(better)")] == ["others", "better"]
        assert [one.label for one in sides(connection, every, "~(unclosed")] == ["others"]
        assert {one.label for one in sides(connection, every, "~基线|better")} == {"基线", "better", "others"}
        assert [one.label for one in sides(connection, every, "~(.*.*)*(.*x)*y$")] == ["others"]  # no time is lost
        assert [one.label for one in sides(connection, every, "tag")] == ["without a tag"]
        assert len(sides(connection, (*every, 999))) == 11


def test_a_real_difference_between_seeds_is_told(seeds: str) -> None:
    with reading(open_store(seeds)) as connection:
        told = comparison(connection, ids(seeds, "基线", "better"), QUANTITIES, "steps", "name")
    score = told.pairs[0]
    assert score.seeds
    assert score.difference.value == pytest.approx(0.1, abs=0.02)
    assert score.difference.low < 0.1 < score.difference.high
    assert score.adjusted == pytest.approx(2 * 2 / 252)  # exact, times two by Holm
    assert score.verdict == "higher"
    assert score.chance == 1
    assert told.pairs[1].verdict == "not distinguishable"
    assert "Score of lab/better is 0.1" in told.sentence
    assert "more than the noise between seeds" in told.sentence
    assert set(told.lines[0].sides) == {"lab/基线", "lab/better"}
    assert json.loads(json.dumps(told.as_json()))["pairs"][0]["verdict"] == "higher"


def test_one_seed_each_is_noise_within_the_runs(seeds: str) -> None:
    with reading(open_store(seeds)) as connection:
        told = comparison(connection, ids(seeds, "基线-seed0", "better-seed0"), QUANTITIES)
        short = comparison(connection, ids(seeds, "基线-seed0", "half"), QUANTITIES, "tokens")
    assert told.pairs[0].difference.p is not None
    assert told.pairs[0].verdict == "higher in these two runs"
    assert "nothing is said of another seed" in told.sentence
    assert short.high == 200_000  # of 400,000 tokens half has only so many
    assert short.unit == "tokens"
    assert short.pairs[0].first == pytest.approx(0.5, abs=0.05)


def test_which_signal_parted_first(seeds: str) -> None:
    with reading(open_store(seeds)) as connection:
        told = comparison(connection, ids(seeds, "基线-seed0", "parts"), QUANTITIES)
    assert [one.name for one in told.parted.moved] == ["entropy_token_mean"]
    assert told.parted.moved[0].low <= 201 <= told.parted.moved[0].high
    assert told.parted.moved[0].up
    assert "Entropy parted first" in told.sentence


def test_one_factor_and_what_differs(seeds: str) -> None:
    every = ids(seeds, "基线", "better")
    with reading(open_store(seeds)) as connection:
        told = grid(connection, every, QUANTITIES, "steps", "config.lr")
        assert told is not None
        assert (told.verdict, told.level) == ("best", "lr 2e-06")
        assert grid(connection, every[:1], QUANTITIES, "steps", "") is None
        assert differing(connection, (every[0], every[-1])) == {"lr": ["1e-06", "2e-06"]}
        assert differing(connection, every[:2]) == {}
    table = levels.rows([("a", 0.5, None, True), ("b", 0.4, 0.1, False)])
    assert table["low"].isna().tolist() == [True, False]
    assert levels.spec(LIGHT, unit="fraction", alt_text="x")["description"] == "x"


def test_hours_and_tokens_add_up(seeds: str) -> None:
    with reading(open_store(seeds)) as connection:
        curves = Curves(connection, ids(seeds, "half")[0], [*spent.NEEDED])
    used, clock = spent.tokens(curves), spent.hours(curves, 8)
    assert used is not None
    assert clock is not None
    assert used.spent[-1] == 200_000
    assert (clock.unit, clock.spent[-1]) == ("GPU-hours", pytest.approx(400 * 2 * 8 / 3600))
    assert spent.hours(curves, None, short=True) is not None
    assert spent.dearest(curves, None).unit == "minutes"


def test_alike_and_good_refuse_where_there_is_too_little(small_store: str, seeds: str) -> None:
    with reading(open_store(small_store)) as connection:
        assert "12 are needed" in alike.good(connection, "", "score_mean").sentence
    with reading(open_store(seeds)) as connection:
        near = alike.like(connection, ids(seeds, "better-seed0")[0])
        assert near.of == 12
        assert len(near.runs) == 5
        assert "better-seed0" not in {run.name for run, _ in near.runs}
        assert "of 11 others" in near.sentence
        assert alike.like(connection, 999).runs == ()


def test_the_page_says_what_is_noise(seeds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = ",".join(map(str, ids(seeds, "基线", "better")))
    for band in ("sd", "iqm"):
        test = shown(page("compare"), seeds, monkeypatch, runs=chosen, group="name", band=band, q="score_mean")
        said = text(test).replace("\\", "")
        assert "more than the noise between seeds" in said
        assert drawn(test) == 1
    test = shown(page("compare"), seeds, monkeypatch, runs=chosen, group="config", key="lr", rest="1", q="score_mean")
    said = text(test).replace("\\", "")
    assert "lr 2e-06 beats all others" in said
    assert "went most alike" in said
    assert "12 are needed" in said
    odd = shown(page("compare"), seeds, monkeypatch, runs=chosen, group="~", pattern="(", base="nobody", x="time")
    assert "stumbled" not in text(odd)


def test_the_page_survives_odd_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged(tmp_path / "runs", "single", [{"critic/score/mean": 0.5}])
    logged(tmp_path / "runs", "void", [{"critic/score/mean": math.nan}] * 30)
    logged(tmp_path / "runs", "空", [{"actor/grad_norm": 0.1}] * 30)
    store = f"sqlite:///{tmp_path / 'store.db'}"
    collect(store, tmp_path / "runs")
    test = shown(page("compare"), store, monkeypatch)
    assert "stumbled" not in text(test)
    assert "log nothing in common" in text(test)
    lone = shown(page("compare"), store, monkeypatch, runs=run_id(store, "single"))
    assert "choose another to compare with" in text(lone)


def stepwell(*words: str) -> tuple[int, str]:
    """(exit code, output) of the command."""
    done = CliRunner().invoke(cli.cli, list(words))
    return done.exit_code, done.output


def test_the_commands_say_the_same(seeds: str, small_store: str) -> None:
    code, out = stepwell("compare", "--store", seeds, "lab/基线-seed0", "lab/better-seed0", "--metric", "score_mean")
    assert code == 0
    assert "higher in these two runs" in out
    assert "lr: 1e-06 | 2e-06" in out
    names = [f"{name}-seed{seed}" for name in ("lab/基线", "lab/better") for seed in range(5)]
    code, out = stepwell("compare", "--store", seeds, *names, "--group", "name", "--metric", "score_mean", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["labels"] == ["lab/基线", "lab/better"]
    assert told["pairs"][0]["adjusted"] == pytest.approx(2 / 252)
    assert stepwell("compare", "--store", seeds, "nobody")[0] == 2
    assert stepwell("compare", "--store", seeds, "lab/half", "--metric", "beauty")[0] == 2
    code, out = stepwell("forecast", "--store", small_store, "lab/blowup-16k")
    assert code == 0
    assert "Yes, too much" in out
    told = json.loads(stepwell("forecast", "--store", small_store, "lab/blowup-16k", "--json")[1])
    assert told["course"]["way"] == "growing"
    assert "fit" not in told["course"]
