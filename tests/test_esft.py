"""ESFT's files: read as they are written, chosen as the paper chooses, shown without a model at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from answers.experts import chosen_experts
from collectors.contract import Sample
from collectors.documents import esft_config, esft_scores, esft_weights
from db import documents
from db.documents import Document
from db.engine import reading, writing

SAMPLES = Path(__file__).parents[1] / "sample_runs" / "formats" / "esft"
READERS = {"expert_configs": esft_config, "summary.json": esft_scores, "expert_weights": esft_weights}


def whose(path: Path) -> object:
    return next(reader for part, reader in READERS.items() if part in str(path.relative_to(SAMPLES.parent)))


def keep(engine: sa.Engine, *paths: Path) -> None:
    for path in paths:
        reader = esft_config if "configs" in str(path) else esft_weights if path.suffix == ".txt" else esft_scores
        read = reader.read(path, path.read_bytes())
        assert not read.unread
        document = Document(
            str(path), reader.KIND, reader.NAME, str(path.stat().st_size), path.stat().st_size, 0.0, read.content
        )
        with writing(engine) as connection:
            documents.put(connection, document)


def samples() -> list[Path]:
    return sorted(path for path in SAMPLES.rglob("*") if path.is_file())


def test_the_choice_is_the_one_that_the_config_holds(engine: sa.Engine) -> None:
    keep(engine, *samples())
    with reading(engine) as connection:
        told = chosen_experts(connection)
    assert [(task.name, task.agrees, task.normalisation) for task in told.tasks] == [
        ("law", 4, "per layer"),
        ("summary", 4, "per layer"),
        ("翻译", 4, "per layer"),
    ]
    assert told.tasks[2].counted
    assert told.p == 0.2
    assert set(told.jaccard) == {("law", "summary"), ("law", "翻译"), ("summary", "翻译")}
    assert told.sentence.startswith("The smallest sets that reach p = 0.2 of the token scores hold ")
    assert told.tasks[0].scores[:, 15].max() < 0.1 / 16  # the last expert of each layer hardly ever fires
    assert told.tasks[0].dead == (told.tasks[0].scores < 0.1 / 16).mean() >= 1 / 16


def test_gate_scores_say_what_p_is_measured_against(engine: sa.Engine) -> None:
    keep(engine, *samples())
    with reading(engine) as connection:
        task = chosen_experts(connection, "gate").tasks[0]
    sums = task.scores.sum(axis=1)
    assert (task.normalisation, task.load) == ("none", None)
    assert f"{sums.min():.2f}–{sums.max():.2f} a layer" in task.caveat


def test_a_summary_goes_before_the_routing_that_it_was_made_from(engine: sa.Engine, tmp_path: Path) -> None:
    keep(engine, *(SAMPLES / "expert_scores" / "翻译").iterdir())
    summary = tmp_path / "翻译" / "summary.json"
    summary.parent.mkdir()
    summary.write_text(json.dumps({"token_scores": {"1": {"0": 0.25, "2": 0.75}}}))
    keep(engine, summary)
    with reading(engine) as connection:
        [task] = chosen_experts(connection).tasks
    assert task.scores.tolist() == [[0.25, 0.0, 0.75]]
    assert not task.counted


def test_routing_is_counted() -> None:
    line = b"0\t1\t2\t3\t4\t5\t0\t1\t2\t3\t4\t9\t\t" + b"\t".join([b"0.1000"] * 12)
    read = esft_weights.read(Path("law/expert_weights_7.txt"), line + b"\n1\t2\t\t0.5\n")
    told = json.loads(read.content)
    assert (told["task"], told["layer"], told["tokens"]) == ("law", 7, 2)
    assert told["token"] == pytest.approx([2 / 12] * 5 + [1 / 12, 0, 0, 0, 1 / 12])
    assert told["gate"] == pytest.approx([0.1] * 5 + [0.05, 0, 0, 0, 0.05])
    assert [one.line for one in read.unread] == [2]


@pytest.mark.parametrize("path", samples(), ids=lambda path: str(path.relative_to(SAMPLES)))
def test_each_claims_its_own_and_survives_a_cut(path: Path) -> None:
    data = path.read_bytes()
    claimed = [reader for reader in READERS.values() if reader.recognises(Sample(path, data[:65536], data))]
    assert claimed == [whose(path)]
    for cut in range(0, len(data), max(len(data) // 40, 1)):
        claimed[0].read(path, data[:cut])


@given(st.recursive(st.none() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_any_json_is_read_or_set_aside(told: object) -> None:
    for name in ("token_scores", "experts"):
        data = json.dumps({name: told}).encode()
        for reader in (esft_scores, esft_config):
            read = reader.read(Path("x/summary.json"), data)
            assert read.unread or read.content


def test_a_share_that_is_none_is_refused(engine: sa.Engine) -> None:
    keep(engine, SAMPLES / "expert_scores" / "law" / "summary.json")
    with reading(engine) as connection, pytest.raises(ValueError, match="share p"):
        chosen_experts(connection, "token", 2.0)


def test_without_files_nothing_is_said(engine: sa.Engine) -> None:
    with reading(engine) as connection:
        told = chosen_experts(connection)
    assert (told.tasks, told.sentence) == ((), "")
