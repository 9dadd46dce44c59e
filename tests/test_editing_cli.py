"""stepwell tag, note, archive, delete, restore, edits, and the filter of stepwell runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from db import runs
from db.engine import open_store, writing
from stepwell.cli import cli
from tests.stores import make_run, ramp


@pytest.fixture
def store(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 's.db'}"
    engine = open_store(url)
    with writing(engine) as connection:
        for name, base in (("grpo-seed1", 0.0), ("grpo-seed2", 10.0), ("推理", 20.0)):
            run_id = make_run(connection, "lab", name, [ramp(1, 30, base=base)])
            runs.set_config(connection, run_id, {"lr": 10.0 ** -(5 + base / 10)}, {"context_limit": 8192})
    engine.dispose()
    return url


def told(store: str, *words: str) -> Result:
    return CliRunner().invoke(cli, [words[0], "--store", store, *words[1:]])


def said(store: str, *words: str) -> str:
    result = told(store, *words)
    assert result.exit_code == 0, result.output
    return result.output


def listed(store: str, *words: str) -> list[str]:
    return [run["run"] for run in json.loads(said(store, "runs", "--json", *words))["runs"]]


def test_tags_come_and_go(store: str) -> None:
    assert (
        said(store, "tag", "grpo-seed1", "推理", "+paper", "+höhe")
        == "lab/grpo-seed1: höhe, paper\nlab/推理: höhe, paper\n"
    )
    assert said(store, "tag", "lab/推理", "-paper", "-healthy") == "lab/推理: höhe\n"
    assert listed(store, "--tag", "paper") == ["grpo-seed1"]
    assert listed(store, "--filter", "tag:höhe -tag:paper") == ["推理"]


def test_a_tag_needs_a_run_and_a_change(store: str) -> None:
    for words in (["+a"], ["grpo-seed1"], ["nobody", "+a"], ["grpo-seed1", "+a,b"]):
        assert told(store, "tag", *words).exit_code == 2


def test_a_note_is_written_and_shown(store: str) -> None:
    assert said(store, "note", "推理", "学习率太高") == "学习率太高\n"
    assert said(store, "note", "推理") == "学习率太高\n"
    assert said(store, "note", "grpo-seed1") == "no note\n"
    assert listed(store, "--filter", "太高") == ["推理"]


def test_out_of_sight_and_back(store: str) -> None:
    said(store, "archive", "grpo-seed1")
    assert "restore" in said(store, "delete", "grpo-seed2", "--who", "ada")
    assert "it is deleted" in said(store, "delete", "grpo-seed2")
    assert listed(store) == ["推理"]
    assert listed(store, "--archived") == ["grpo-seed1"]
    assert listed(store, "--deleted") == ["grpo-seed2"]
    said(store, "restore", "grpo-seed1", "grpo-seed2")
    assert len(listed(store)) == 3
    history = json.loads(said(store, "edits", "grpo-seed2", "--json"))["edits"]
    assert [(one["act"], one["run"]) for one in history] == [
        ("restore", "lab/grpo-seed2"),
        ("delete", "lab/grpo-seed2"),
    ]
    assert history[1]["who"] == "ada"
    assert "delete" in said(store, "edits")


def test_runs_are_filtered_by_what_the_store_knows(store: str) -> None:
    assert listed(store, "--filter", "score_mean>35.5") == ["grpo-seed2", "推理"]
    assert listed(store, "--filter", "score_mean.best<40.2") == ["grpo-seed1", "grpo-seed2"]
    assert listed(store, "--filter", "score_mean.mean=20.6") == ["grpo-seed1"]
    assert listed(store, "--filter", "config.lr<5e-6 config.context_limit=8192") == ["grpo-seed2", "推理"]
    assert listed(store, "--filter", "state:finished name~seed[12]") == ["grpo-seed1", "grpo-seed2"]
    assert listed(store, "--filter", "state:live") == []
    assert said(store, "runs", "--filter", "state:live") == "No run is like that.\n"


def test_a_filter_that_makes_no_sense_is_shown_with_its_place(store: str) -> None:
    result = told(store, "runs", "--filter", "state:live scor_mean>1")
    assert result.exit_code == 2
    assert "           ^ there is no field scor_mean: did you mean score_mean?" in result.output
