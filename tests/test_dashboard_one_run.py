"""The pages about one run, beside its curves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.browser import collect
from tests.test_dashboard_apptest import drawn, page, run_id, shown, small_store, text

__all__ = ["small_store"]


def logged(folder: Path, name: str, rows: list[dict[str, float]]) -> None:
    """A log of verl's file logger under folder/lab."""
    path = folder / "lab" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"step": step, "data": row}) + "\n" for step, row in enumerate(rows, 1)]
    path.write_text("".join(lines), encoding="utf-8")


# -- the metric explorer


def test_all_metrics_are_found_by_regex_group_and_page(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calm = run_id(small_store, "calm")
    test = shown(page("metrics"), small_store, monkeypatch, run=calm)
    assert "12 metrics in 5 groups; 12 with a meaning that Stepwell knows" in text(test).replace("\\", "")
    assert drawn(test) == 9
    assert drawn(shown(page("metrics"), small_store, monkeypatch, run=calm, page="2")) == 3
    assert drawn(shown(page("metrics"), small_store, monkeypatch, run=calm, m="^timing_s/(gen|step)$")) == 2
    assert drawn(shown(page("metrics"), small_store, monkeypatch, run=calm, m="entropy_token")) == 1  # by its meaning
    assert drawn(shown(page("metrics"), small_store, monkeypatch, run=calm, group="critic")) == 2
    assert drawn(shown(page("metrics"), small_store, monkeypatch, run=calm, m="(unclosed")) == 0


def test_pinned_metrics_stay_in_sight(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calm = run_id(small_store, "calm")
    test = shown(page("metrics"), small_store, monkeypatch, run=calm, group="timing_s")
    next(button for button in test.button if button.label == "pin").click().run()
    assert test.query_params["pin"]
    found = shown(page("metrics"), small_store, monkeypatch, run=calm, m="grad_norm", pin=test.query_params["pin"])
    assert drawn(found) == 2


def test_any_metric_may_be_x(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calm = run_id(small_store, "calm")
    for x, said in (
        ("metric:actor/entropy", "joined in the order of their steps"),
        ("gpu", "does not say how many GPUs"),
        ("epoch", "logs no epochs"),
        ("metric:", ""),
        ("metric:none of them", ""),
    ):
        test = shown(page("run"), small_store, monkeypatch, run=calm, x=x, logx="1", trim="1")
        assert "stumbled" not in text(test)
        assert said in text(test)


def test_a_run_of_five_thousand_metrics_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {f"layer_{i // 50}/head_{i % 50}/entropy": float(i) for i in range(5_000)}
    logged(tmp_path / "runs", "wide", [row, row])
    store = f"sqlite:///{tmp_path / 's.db'}"
    collect(store, tmp_path / "runs")
    test = shown(page("metrics"), store, monkeypatch, m="layer_7/head_1[0-4]/")
    assert drawn(test) == 5
    assert "5,000 metrics in 100 groups" in text(test).replace("\\", "")
    inside = shown(page("metrics"), store, monkeypatch, group="layer_7")
    assert "50 metrics" in text(inside)
    assert drawn(inside) == 9


# -- clipping, signal, throughput


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Runs whose answers are known: 60 rows each, constant."""
    folder = tmp_path_factory.mktemp("planted")
    time = {"timing_s/step": 100.0, "timing_s/gen": 70.0, "timing_s/update_actor": 20.0}
    length = {"response_length/mean": 250.0, "response_length/max": 1000.0, "perf/throughput": 640.0}
    solved = {"batch/solve_all": 8.0, "batch/solve_none": 4.0, "batch/solve_partial": 20.0}
    clip = {"actor/pg_clipfrac": 0.0, "actor/ppo_kl": 0.001}
    logged(folder / "runs", "known", [time | length | solved | clip] * 60)
    logged(folder / "runs", "中文-empty", [{"actor/lr": 1e-6}] * 3)
    logged(folder / "runs", "nan", [dict.fromkeys(time | length | solved | clip, float("nan"))] * 30)
    logged(folder / "runs", "single", [time | length | solved | clip])
    collect(f"sqlite:///{folder / 's.db'}", folder / "runs")
    return f"sqlite:///{folder / 's.db'}"


def said(name: str, store: str, monkeypatch: pytest.MonkeyPatch, run: str) -> str:
    return text(shown(page(name), store, monkeypatch, run=run_id(store, run))).replace("\\", "")


def test_clipping_says_that_nothing_was_clipped(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = said("clipping", planted, monkeypatch, "known")
    assert "Nothing has ever been clipped: right for one update per batch" in told
    assert "KL to the old policy is 0.001 nats a token" in told


def test_signal_counts_the_groups_that_teach(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = said("signal", planted, monkeypatch, "known")
    assert "62 % of the groups teach something" in told  # 20 of 32: 62.5 %
    assert "25 % are all right, 12 % all wrong." in told  # 8 and 4 of 32


def test_throughput_says_where_the_time_goes(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = said("throughput", planted, monkeypatch, "known")
    assert "A step takes 100 s: 70 % generation, 20 % update." in told
    assert "It makes 640 tokens/s/GPU." in told
    assert "The longest response is 4.0 times the mean: in a synchronous trainer 75 % of the slots wait for it." in told


@pytest.mark.parametrize("name", ["clipping", "signal", "throughput"])
def test_what_is_never_a_number_is_said(name: str, planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nothing that is a number" in said(name, planted, monkeypatch, "nan")


@pytest.mark.parametrize("run", ["中文-empty", "nan", "single"])
@pytest.mark.parametrize("name", ["clipping", "signal", "throughput", "metrics"])
def test_little_data_is_a_state_of_its_own(name: str, run: str, planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = said(name, planted, monkeypatch, run)
    assert "stumbled" not in told
    assert run in told
