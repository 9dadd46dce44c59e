"""What a training set consists of: reading its files, and the counts that a curator asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from analyses import curation
from analyses.curation import UNKNOWN, Problems
from collectors import datasets
from stepwell.cli import cli


def cases(count: int) -> str:
    return json.dumps([{"input": str(i), "output": str(i + 1)} for i in range(count)])


DEEPCODER = [
    {"problem": "Add two numbers.", "tests": cases(7), "solutions": ["print(3)"]},
    {"problem": "add  TWO numbers.", "tests": cases(3), "solutions": []},
    {"problem": "求两个数的和。", "tests": cases(5), "solutions": ["…"]},
]


def verl(text: str, source: str, truth: str, **more: Any) -> dict[str, Any]:
    chat = [{"role": "system", "content": "You are a coder."}, {"role": "user", "content": text}]
    return {
        "data_source": source,
        "prompt": chat,
        "reward_model": {"style": "rule", "ground_truth": truth},
        "extra_info": {"split": "train", **more},
    }


def test_deepcoders_columns(tmp_path: Path) -> None:
    path = tmp_path / "taco" / "train-00000.parquet"
    path.parent.mkdir()
    pq.write_table(pa.Table.from_pylist(DEEPCODER), path)
    read = datasets.read(path)
    assert (list(read.sources), list(read.tests), list(read.solved)) == (["taco"], [7, 3, 5], [1, 0, 1])
    assert read.prompt[0] == read.prompt[1] != read.prompt[2]
    assert read.split == "train"


def test_verls_columns(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    inputs = json.dumps({"inputs": ["1", "2"], "outputs": ["2", "3"]})
    rows = [verl("Add.", "taco", inputs), verl("1+1?", "gsm8k", "2", pass_rate=0.25)]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n{torn\n", encoding="utf-8")
    read = datasets.read(path)
    assert (list(read.sources), list(read.tests), read.difficulty[1]) == (["taco", "gsm8k"], [2, UNKNOWN], 0.25)
    assert (read.unread, read.why[:7]) == (1, "line 3:")
    assert read.prompt[0] == datasets.fingerprint("add.")  # the system's words are no part of the problem


def test_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "reward": 0.5}\n')
    with pytest.raises(datasets.NotADataset, match="no record has a prompt"):
        datasets.read(path)
    path.write_bytes(b"PAR1 and then nothing of the kind")
    with pytest.raises(datasets.NotADataset, match="no Parquet"):
        datasets.read(path)


FIELDS = st.sampled_from(["problem", "tests", "prompt", "extra_info", "reward_model", "role", "content"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(FIELDS, x)
)


@given(ANYTHING)
def test_any_record_is_taken_up_or_counted(record: Any) -> None:
    made = datasets.Dataset()
    made.add(record if isinstance(record, dict) else {"problem": record}, "x")
    assert len(made.source) + made.unread == 1


def stepwell(*arguments: object) -> str:
    return CliRunner().invoke(cli, [str(one) for one in arguments], catch_exceptions=False).output


def test_the_command_says_what_the_files_hold(tmp_path: Path) -> None:
    train, held_out, store = tmp_path / "coder" / "训练.jsonl", tmp_path / "held_out.jsonl", tmp_path / "s.db"
    train.parent.mkdir()
    train.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in DEEPCODER), encoding="utf-8")
    held_out.write_text(json.dumps({"problem": "求两个数的和。"}), encoding="utf-8")
    for _ in range(2):  # reading again doubles nothing
        said = json.loads(stepwell("data", train, "--test", held_out, "--store", store, "--json"))
    [one] = said["datasets"]
    assert one["sentence"] == (
        "3 problems from 1 source, 1 of them repeated; 1 with fewer than 5 tests; 1 of them in the test split too."
    )
    assert one["tests"] == [[3, 1], [5, 1], [7, 1]]
    assert "coder" in stepwell("data", "--store", store)


def problems(**columns: Any) -> Problems:
    n = len(columns["source"])
    filled = {"tests": [UNKNOWN] * n, "solved": [UNKNOWN] * n, "difficulty": [np.nan] * n} | columns
    kinds = {"source": "i4", "tests": "i4", "solved": "i1", "difficulty": "f4", "prompt": "u8"}
    return Problems(("taco", "lcb"), **{name: np.array(filled[name], kind) for name, kind in kinds.items()})


def test_counts_of_each_source() -> None:
    train = problems(
        source=[0, 0, 0, 1],
        tests=[7, 3, UNKNOWN, UNKNOWN],
        solved=[1, 0, 1, UNKNOWN],
        difficulty=[0.0, 0.5, 1.0, np.nan],
        prompt=[10, 20, 10, 30],
    )
    taco, lcb = curation.by_source(train, np.array([20, 30, 99], np.uint64))
    assert (taco.name, taco.problems, taco.repeated, taco.tests_median, taco.few) == ("taco", 3, 1, 5.0, 1)
    assert (taco.without_solution, taco.never, taco.always, taco.shared) == (1, 1, 1, 1)
    assert (lcb.few, lcb.tests_median, lcb.never, lcb.shared) == (None, None, None, 1)
    every = curation.total([taco, lcb])
    assert (every.problems, every.few, every.shared, every.tests_median) == (4, 1, 2, None)


def test_without_a_test_split_nothing_is_said_of_overlap() -> None:
    assert curation.by_source(problems(source=[0], prompt=[1]))[0].shared is None
