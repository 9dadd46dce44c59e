"""Declared stages: kept, recorded, from stepwell.toml, at the command, and believed by the detectors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from alerts.judging import limited
from answers.chain import chain, chains
from answers.stages import stages
from db import edits, runs
from db import stages as said
from db.engine import open_store, reading, writing
from db.rows import SourceRows
from db.settings import BadSettings
from stepwell import staging
from stepwell.cli import cli
from tests.browser import collect
from tests.test_dashboard_stages import write_chain

SAMPLES = Path(__file__).parents[1] / "sample_runs"


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("samples")
    url = f"sqlite:///{folder / 'store.db'}"
    names = ("stage1_24", "stage2_36", "stage3_48")
    for trainer in ("verl", "trl"):
        for name in names:
            shutil.copytree(SAMPLES / trainer / name, folder / "samples" / trainer / name)
    told = CliRunner().invoke(cli, ["collect", str(folder / "samples"), "--store", url])  # draws the lineage
    assert told.exit_code == 0, told.output
    return url


@pytest.fixture
def small(tmp_path: Path) -> str:
    write_chain(tmp_path / "runs")
    collect(f"sqlite:///{tmp_path / 'store.db'}", tmp_path / "runs")
    return f"sqlite:///{tmp_path / 'store.db'}"


def stepwell(*words: str) -> str:
    told = CliRunner().invoke(cli, words, standalone_mode=False)
    if told.exception is not None:
        raise told.exception
    return told.output


def test_the_sample_lineage_is_one_chain_with_its_stages(samples: str) -> None:
    told = json.loads(stepwell("stages", "toy/stage2_36", "--json", "--store", samples))
    assert [one["run"] for one in told["chain"]] == ["toy/stage1_24", "toy/stage2_36", "toy/stage3_48"]
    assert [one["offset"] for one in told["chain"]] == [0, 30, 60] and not told["guessed"]
    assert [(one["limit"], one["start"], one["stop"], one["origin"]) for one in told["stages"]] == [
        (24, 1, 30, "config"),
        (36, 31, 60, "config"),
        (48, 61, 90, "config"),
    ]
    first, second = told["handoffs"]
    assert first["cut_before"] == pytest.approx(0.378, abs=0.001) and first["cut_after"] == pytest.approx(
        0.067, abs=0.001
    )
    assert first["gains"][-1]["change"]["low"] > 0.2 and second["gains"][-1]["change"]["low"] > 0
    assert [change[0] for change in first["changed"]] == ["data.seed"]
    assert first["foretold"]["low"] < 0.1 < first["foretold"]["high"]
    assert told["readiness"]["verdict"] == "stay"
    assert told["length"]["limit"] == 48 and told["length"]["cut"] == 0 and told["rollouts"] is None


def test_a_chain_that_only_names_suggest_says_so(samples: str) -> None:
    found = next(run for run in _runs(samples) if run.name.endswith("stage3_48") and run.trainer == "trl")
    with reading(open_store(samples)) as connection:
        one = chain(connection, found.id)
        told = stages(connection, found.id)
        assert len(chains(connection)) == 2
    assert one.guessed and [m.offset for m in one.members] == [0, 120, 240]
    assert len(told.switches) == 2 and told.switches[0].report.cut_after < 0.01
    words = stepwell("stages", str(found.id), "--store", samples)
    assert "guessed from the names" in words and "To the same prompt" in words


def _runs(url: str) -> list[runs.Run]:
    with reading(open_store(url)) as connection:
        return runs.all_runs(connection)


def test_a_stage_is_declared_and_taken_back_at_the_command(small: str) -> None:
    assert "from step 31: 24,576 tokens (第三阶段)" in stepwell(
        "stage", "runs/长上下文/stage2_16k", "--at", "31", "--limit", "24K", "--name", "第三阶段", "--store", small
    )
    told = json.loads(stepwell("stages", "runs/长上下文/stage2_16k", "--json", "--store", small))
    assert [(one["limit"], one["origin"]) for one in told["stages"]] == [
        (8192, "inferred"),
        (16384, "inferred"),
        (24576, "declared"),
    ]
    assert told["handoffs"][1]["changed"] is None  # within one run nobody knows
    stepwell("stage", "runs/长上下文/stage2_16k", "--at", "31", "--remove", "--store", small)
    with reading(open_store(small)) as connection:
        assert said.declared(connection) == {}
        assert [one.act for one in edits.edits_of(connection)] == ["unstage", "stage"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--limit", "many"], "16384 or 16K"),
        (["--limit", "0"], "16384 or 16K"),
        ([], "say what the stage is"),
        (["--remove"], "no stage is declared"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], why: str, small: str) -> None:
    with pytest.raises(Exception, match=why):
        stepwell("stage", "runs/长上下文/stage1_8k", *words, "--store", small)
    with pytest.raises(Exception, match="there is no run"):
        stepwell("stages", "nobody", "--store", small)


def test_tokens_are_read_as_people_write_them() -> None:
    assert [staging.tokens(text) for text in ("16384", "16K", "1m", "24k")] == [16384, 16384, 1 << 20, 24576]


def test_stages_of_the_settings_file(small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stepwell.toml").write_text(
        '[[stages]]\nrun = "*/stage1_8k"\nlimit = 4096\nname = "short"\n'
        '[[stages]]\nrun = "*/stage1_8k"\nat = 40\nlimit = 8192\n'
    )
    told = json.loads(stepwell("stages", "runs/长上下文/stage1_8k", "--json", "--store", small))
    assert [(one["limit"], one["name"], one["origin"]) for one in told["stages"]][:2] == [
        (4096, "short", "declared"),
        (8192, "", "declared"),
    ]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ('run = ""', "a pattern"),
        ('run = "*"\nat = -1', "must be a step"),
        ('run = "*"\nlimit = "16K"', "number of tokens"),
        ('run = "*"\nname = 3', "a text"),
        ('run = "*"\nfrom = 3', "none of run, at, limit, name"),
    ],
)
def test_an_entry_that_makes_no_sense_is_told(
    entry: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stepwell.toml").write_text(f"[[stages]]\n{entry}\n")
    with pytest.raises(BadSettings, match=why):
        said.rules()
    assert said.rules_said()[0] == ()


def test_a_person_links_runs_on_one_axis(small: str) -> None:
    found = {run.name.rpartition("/")[2]: run.id for run in _runs(small)}
    with writing(open_store(small)) as connection:
        runs.link(connection, found["stage2_16k"], found["stage1_8k"], "starts from checkpoints/global_step_40")
    with reading(open_store(small)) as connection:
        one = chain(connection, found["stage1_8k"])
    assert [(m.offset, m.end) for m in one.members] == [(0, 40), (40, 60)] and not one.guessed


def test_a_link_is_in_the_record(small: str) -> None:
    stepwell("link", "runs/长上下文/stage2_16k", "--after", "runs/长上下文/stage1_8k", "--store", small)
    with reading(open_store(small)) as connection:
        assert [(one.act, one.detail) for one in edits.edits_of(connection)] == [
            ("link", "continues runs/长上下文/stage1_8k")
        ]


def test_detectors_believe_what_was_declared() -> None:
    steps = np.arange(6)
    rows = SourceRows(steps, steps * 1.0, np.ones(6, np.int64), {"reward_mean": np.zeros(6)}, {}, (1, 6))
    stage = said.Stage(1, 3, 16384, "", "ann", 0.0)
    told = limited(rows, [stage])
    assert (
        told.columns["context_limit"][3:].tolist() == [16384.0] * 3
        and np.isnan(told.columns["context_limit"][:3]).all()
    )
    assert told.logged["context_limit"].tolist() == [False] * 3 + [True] * 3
    assert limited(rows, []) is rows


def test_a_pretraining_chain_is_compared_by_loss_and_perplexity(tmp_path: Path) -> None:
    """4K → 16K → 128K in one log without a reward: the loss jumps by 0.15 at the first switch and is forgotten."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "runs" / "code-base"
    folder.mkdir(parents=True)
    switches = {151: 0.15, 251: 0.10}
    bumps = [sum(size * np.exp(-(i - at) / 12) for at, size in switches.items() if i >= at) for i in range(1, 301)]
    loss = 2.0 + np.array(bumps) + rng.normal(0, 0.005, 300)
    rows = [{"step": i, "loss": float(one), "learning_rate": 3e-4} for i, one in enumerate(loss, 1)]
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": rows, "global_step": 300}))
    store = f"sqlite:///{tmp_path / 'store.db'}"
    stepwell("collect", str(tmp_path / "runs"), "--store", store)
    for at, limit in ((0, "4K"), (151, "16K"), (251, "128K")):
        stepwell("stage", "runs/code-base", "--at", str(at), "--limit", limit, "--store", store)
    with reading(open_store(store)) as connection:
        found = stages(connection, runs.all_runs(connection)[0].id)
    assert (found.quantity, found.good) == ("total_loss", "down")
    assert [one.label for one in found.spans] == ["4K", "16K", "128K"]
    first = found.switches[0].report
    assert 0.1 < first.dip < 0.16 and first.recovered is not None and first.recovered > 20
    assert "a bump of" in first.sentence
    perplexity = found.pieces["perplexity"][0]
    assert perplexity.values[:5] == pytest.approx(np.exp(loss[:5]))
