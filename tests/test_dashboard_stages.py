"""The Stages and Length pages on chains that are healthy, blank, single, empty and named in Chinese."""

from __future__ import annotations

import json
from pathlib import Path

import altair as alt
import numpy as np
import pytest

from charts import forecast
from charts.theme import LIGHT
from dashboard import data, person
from dashboard.person import Person
from db import edits, runs
from db import stages as said
from db.engine import open_store, reading, writing
from tests.browser import collect
from tests.test_dashboard_apptest import drawn, page, shown, text

STEPS = 60


def record(step: int, rng: np.random.Generator, *, limit: int, reward: float, cut: float) -> str:
    """A line of verl's file logger, of a run whose longest responses end at the limit."""
    data = {
        "critic/score/mean": reward + 0.01 * rng.standard_normal(),
        "critic/rewards/mean": reward + 0.01 * rng.standard_normal(),
        "response_length/mean": 0.5 * limit + 5 * step + 20 * rng.standard_normal(),
        "response_length/max": float(limit),
        "response_length/clip_ratio": float(np.clip(cut + 0.004 * rng.standard_normal(), 0, 1)),
        "timing_s/step": 30 * limit / 8192 + rng.random(),
        "perf/total_num_tokens": 200.0 * limit,
    }
    return json.dumps({"step": step, "data": data}) + "\n"


def write_chain(folder: Path) -> None:
    """长上下文/stage1_8k and stage2_16k, whose names alone tell that one continues the other; blank; single."""
    rng = np.random.default_rng(3)
    for name, limit, base in (("stage1_8k", 8192, 0.3), ("stage2_16k", 16384, 0.45)):
        lines = [record(i, rng, limit=limit, reward=base, cut=0.03 + 0.001 * i) for i in range(1, STEPS + 1)]
        (folder / "长上下文").mkdir(parents=True, exist_ok=True)
        (folder / "长上下文" / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    blank = {
        "critic/rewards/mean": float("nan"),
        "response_length/mean": float("nan"),
        "response_length/clip_ratio": float("nan"),
    }
    other = folder / "odd"
    other.mkdir()
    (other / "blank.jsonl").write_text("".join(json.dumps({"step": i, "data": blank}) + "\n" for i in range(1, 21)))
    (other / "single.jsonl").write_text(record(1, rng, limit=8192, reward=0.5, cut=0.1))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("chain")
    write_chain(folder / "runs")
    collect(f"sqlite:///{folder / 'store.db'}", folder / "runs")
    return f"sqlite:///{folder / 'store.db'}"


@pytest.fixture(autouse=True)
def ada(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sits there may edit."""
    monkeypatch.setattr(person, "person", lambda: Person("ada", "editor"))


def ids(store: str) -> dict[str, int]:
    with reading(open_store(store)) as connection:
        return {run.name.rpartition("/")[2]: run.id for run in runs.all_runs(connection)}


def test_the_stages_page_answers_its_question(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("stages"), store, monkeypatch)
    seen = text(test)
    assert "8K → 16K\\: reward \\+0\\.1" in seen and "within 50 steps" in seen
    assert "only their names suggest it" in seen
    assert drawn(test) >= 3
    table = test.dataframe[0].value.set_index("")["8K → 16K"]
    assert table["at step"] == "61" and table["tokens of a step"] == "2.00×"
    assert table["truncated, before → after"].startswith("6.")


@pytest.mark.parametrize(("layout", "by"), [("aligned", "tokens"), ("continuous", "hours"), ("aligned", "hours")])
def test_every_layout_and_axis_is_drawn(layout: str, by: str, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("stages"), store, monkeypatch, layout=layout, by=by)
    assert "stumbled" not in text(test) and drawn(test) >= 3


@pytest.mark.parametrize("name", ["blank", "single"])
@pytest.mark.parametrize("where", ["stages", "length"])
def test_a_run_that_tells_little_is_a_designed_state(
    where: str, name: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = text(shown(page(where), store, monkeypatch, run=str(ids(store)[name])))
    assert "stumbled" not in seen
    assert ("There is one stage only" in seen) if where == "stages" else ("udge" in seen)


def test_a_declared_stage_is_shown_and_recorded(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = ids(store)["stage2_16k"]
    engine = open_store(store)
    with writing(engine) as connection:
        said.put(connection, said.Stage(run_id, 31, 24576, "第三阶段", "ann", 1.0))
    data.pulse.clear()
    test = shown(page("stages"), store, monkeypatch)
    assert "第三阶段" in text(test) and "1 declared" in test.expander[-1].label
    assert list(test.dataframe[0].value.columns) == ["", "8K → 16K", "16K → 24K (第三阶段)"]
    next(one for one in test.button if one.label == "take back").click().run()
    with reading(engine) as connection:
        assert said.declared(connection) == {}
        assert [one.act for one in edits.edits_of(connection, run_id)] == ["unstage", "stage"]


def test_a_stage_is_declared_on_the_page(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = ids(store)["stage1_8k"]
    test = shown(page("stages"), store, monkeypatch)
    form = {one.label: one for one in (*test.number_input, *test.text_input, *test.selectbox)}
    form["run"].set_value(run_id)
    form["from its step"].set_value(20)
    form["limit, tokens (0: as before)"].set_value(4096)
    next(one for one in test.button if one.label == "declare").click().run()
    with reading(open_store(store)) as connection:
        assert [(one.first_step, one.context_limit, one.who) for one in said.declared(connection)[run_id]] == [
            (20, 4096, "ada")
        ]
    with writing(open_store(store)) as connection:
        said.remove(connection, run_id, 20, who="ann", at=2.0)


def test_the_length_page_answers_its_question(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("length"), store, monkeypatch, run=str(ids(store)["stage1_8k"]))
    seen = text(test)
    assert "of the responses are cut off at 8K" in seen
    assert "Ready for more room?" in seen and drawn(test) >= 4
    limits = test.dataframe[1].value["limit"].tolist()
    assert limits[:4] == ["4K", "6K", "8K", "12K"]


def test_the_forecast_chart_is_sound_vega_lite() -> None:
    frame = forecast.rows(*(np.array([1.0, 2.0]) for _ in range(4)), [(1.5, 0.2)])
    made = forecast.spec(LIGHT, "#123456", [1, 2])
    alt.LayerChart.from_dict({**made, "data": {"values": frame.to_dict("records")}})  # raises where it is none
    assert frame["kind"].tolist() == ["forecast", "forecast", "measured"]
