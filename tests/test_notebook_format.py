"""Saved output of notebooks: transformers' table, printed dicts, console lines of verl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from feeding import feed
from hypothesis import given
from hypothesis import strategies as st

from collectors import discover
from collectors.contract import Sample
from collectors.formats import notebook


def document(*outputs: Any) -> bytes:
    cells = [{"cell_type": "code", "source": ["train()"], "outputs": [output]} for output in outputs]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}, ensure_ascii=False).encode()


def stream(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}


def table(*rows: list[str]) -> dict[str, Any]:
    head, *body = [
        "".join(f"<th>{cell}</th>" for cell in rows[0]),
        *("".join(f"<td>{c}</td>" for c in r) for r in rows[1:]),
    ]
    html = f"<table><tr>{head}</tr>" + "".join(f"<tr>\n{row}\n</tr>" for row in body) + "</table>"
    return {"output_type": "display_data", "data": {"text/html": html}}


def sample(data: bytes) -> Sample:
    return Sample(Path("a.ipynb"), data[: discover.HEAD], data[: discover.MORE])


def test_the_table_of_a_training_cell() -> None:
    data = document(
        table(
            ["Step", "Training Loss", "Validation Loss", "rewards / format / mean"],
            ["10", "0.5", "No log", "1.0"],
            ["20", "0.25", "0.3", "nan"],
        )
    )
    assert notebook.recognises(sample(data))
    read = feed(notebook, data)
    assert [(step, sorted(values)) for step, _, values in read.records] == [
        (10, ["loss", "rewards/format/mean"]),
        (20, ["eval_loss", "loss", "rewards/format/mean"]),
    ]
    assert read.records[1][2]["eval_loss"] == 0.3


def test_printed_dicts_and_console_lines() -> None:
    trl = document(
        stream("loading\n{'loss': 0.5, 'reward': 1.0, 'epoch': 0.1}\n{'loss': 0.25, 'reward': 2.0, 'epoch': 0.2}\n")
    )
    assert [values["loss"] for _, _, values in feed(notebook, trl).records] == [0.5, 0.25]
    verl = document(stream("step:3 - actor/entropy:0.5 - critic/score/mean:np.float64(1.0)"))
    assert [(step, values["critic/score/mean"]) for step, _, values in feed(notebook, verl).records] == [(3, 1.0)]
    assert notebook.recognises(sample(trl)) and notebook.recognises(sample(verl))


def test_a_notebook_without_metrics_is_no_log() -> None:
    prose = document(stream("hello\n"))
    quoting = json.dumps(
        {"cells": [{"cell_type": "code", "source": ["print({'loss': 1, 'reward': 2})"], "outputs": []}]}
    )
    for data in (prose, quoting.encode(), b'{"cells": []}', b'{"metadata": {"a": 1}}'):
        assert not notebook.recognises(sample(data))


def test_rows_that_are_none_are_told_with_their_cell() -> None:
    read = feed(notebook, document(stream("x"), table(["Step", "loss"], ["a", "1"], ["2"], ["3", "0.1"])))
    assert [one.line for one in read.unread] == [2, 2]
    assert [step for step, _, _ in read.records] == [3]


KEYS = st.sampled_from(["cells", "outputs", "output_type", "text", "data", "text/html", "stream"])
CELL = st.none() | st.text() | st.integers()


@given(st.recursive(CELL, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20))
def test_any_document(found: Any) -> None:
    feed(notebook, json.dumps(found).encode())
    feed(notebook, json.dumps({"cells": [{"outputs": [found]}, found]}).encode())
