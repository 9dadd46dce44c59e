"""The Runs and Settings pages in Streamlit's harness: runs of every kind, choices from the address, what is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import dashboard
from db import edits, runs
from db.engine import open_store, writing
from tests.stores import make_run, points, ramp

DOOR = Path(dashboard.__file__).parent / "door" / "main.py"
NAN = float("nan")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Healthy runs with seeds, one of NaN, one of one point, one without any, one with a Chinese name, one archived."""
    url = f"sqlite:///{tmp_path_factory.mktemp('listed') / 's.db'}"
    engine = open_store(url)
    with writing(engine) as connection:
        for seed in (1, 2):
            run_id = make_run(connection, "lab", f"grpo-seed{seed}", [ramp(1, 40, base=seed)])
            runs.set_config(connection, run_id, {"lr": 1e-6 * seed}, {})
        rows = [points(step, {"critic/score/mean": NAN}) for step in range(1, 5)]
        make_run(connection, "lab", "all-nan", rows)
        make_run(connection, "lab", "one-point", [points(1, {"critic/score/mean": np.inf})])
        make_run(connection, "lab", "nothing", [])
        named = make_run(connection, "实验室", "推理 <b>[x](http://evil)", [ramp(1, 5)])
        away = make_run(connection, "lab", "old", [ramp(1, 5)])
        edits.tag(connection, [named], "论文", who="ada", at=1e9)
        edits.note(connection, named, "$x$ :red[no]", who="ada", at=1e9)
        edits.shelve(connection, [away], "archived", who="ada", at=1e9)
    engine.dispose()
    return url


def shown(store: str, monkeypatch: pytest.MonkeyPatch, page: str = "20_runs", **choices: str) -> AppTest:
    monkeypatch.setenv("STEPWELL_STORE", store)
    test = AppTest.from_file(str(DOOR), default_timeout=30).run()
    test.switch_page(str(DOOR.parents[1] / "pages" / f"{page}.py"))
    for name, value in choices.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    assert "stumbled" not in told(test)
    return test


def told(test: AppTest) -> str:
    return "\n".join(str(e.value) for kind in (test.subheader, test.markdown, test.caption, test.code) for e in kind)


def names(test: AppTest) -> list[str]:
    return [str(name) for name in test.dataframe[0].value["run"]]


def test_runs_of_every_kind_stand_in_the_list(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(store, monkeypatch, cols="score_mean,score_mean.best,config.lr", sort="score_mean", down="1")
    assert "6 runs\\: 6 finished" in told(test)
    assert names(test)[:4] == ["one-point", "grpo-seed2", "grpo-seed1", "推理 <b>[x](http://evil)"]
    table = test.dataframe[0].value.set_index("run")
    assert table.loc["all-nan", ["c:score_mean", "c:score_mean.best"]].tolist() == ["NaN", "–"]
    assert table.loc["one-point", "c:score_mean"] == "∞"
    assert table.loc["nothing", ["step", "age", "c:score_mean"]].tolist() == ["–", "–", "–"]
    assert table.loc["grpo-seed2", ["c:score_mean", "c:config.lr"]].tolist() == ["42.1", "2e-06"]
    assert table.loc["推理 <b>[x](http://evil)", "note"] == "$x$ :red[no]"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("tag:论文", ["推理 <b>[x](http://evil)"]),
        ("name~seed score_mean>41.5", ["grpo-seed2"]),
        ("config.lr<1.5e-6", ["grpo-seed1"]),
        ("-score_mean>-1e9 name:n", ["all-nan", "nothing"]),
    ],
)
def test_the_filter_of_the_address(
    wanted: str, expected: list[str], store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert names(shown(store, monkeypatch, f=wanted, sort="name")) == expected


def test_a_filter_that_makes_no_sense_leaves_all_and_says_where(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(store, monkeypatch, f="tag:x scor_mean>1")
    assert "      ^ there is no field scor_mean: did you mean score_mean?" in test.code[0].value
    assert len(names(test)) == 6


def test_pins_stand_first_and_the_others_say_how_far_they_are(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {"grpo-seed1": "1", "all-nan": "3"}
    test = shown(store, monkeypatch, cols="score_mean", base=ids["grpo-seed1"], pin=ids["all-nan"], sort="name")
    assert names(test)[:3] == ["◆ grpo-seed1", "▴ all-nan", "grpo-seed2"]
    assert test.dataframe[0].value["c:score_mean"].tolist()[:3] == ["41.1", "NaN", "42.1 (+1.0)"]


def test_groups_and_shelves(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(store, monkeypatch, group="name", cols="score_mean", f="grpo")
    assert test.dataframe[0].value.iloc[0].tolist()[:2] == ["lab/grpo", 2]
    assert test.dataframe[0].value["c:score_mean"].tolist() == ["41.6 ± 0.707 (2)"]
    assert names(shown(store, monkeypatch, shelf="archived")) == ["old"]
    assert "no run here" in told(shown(store, monkeypatch, shelf="deleted"))


def test_an_archived_run_is_found_by_its_address(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "old" in shown(store, monkeypatch, "30_run", run="lab/old").subheader[0].value


@pytest.mark.parametrize("part", ["settings", "rules", "channels", "store", "history", "versions"])
def test_every_part_of_the_settings(part: str, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPWELL_PING_URL", "https://hc-ping.com/secret-uuid")
    test = shown(store, monkeypatch, "80_settings", part=part)
    assert "7 runs \\(1 archived\\), " in told(test)
    assert "secret-uuid" not in told(test) + "".join(frame.value.to_csv() for frame in test.dataframe)
    if part == "history":
        assert test.dataframe[0].value["did"].tolist() == ["archive", "note", "tag"]
