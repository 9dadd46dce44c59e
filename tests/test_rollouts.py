"""Rollouts beside a run: read without their texts, bounded, and what they say of length and correctness."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import orjson
from click.testing import CliRunner

from answers.length import length
from answers.rollouts import rollouts
from collectors.contract import Unread
from collectors.documents import rollouts_jsonl, rollouts_parquet
from collectors.documents.rollouts import RESPONSES, loops, read_rows
from db import documents, runs
from db.documents import Document
from db.engine import open_store, reading, writing
from stepwell.cli import cli

SAMPLES = Path(__file__).parents[1] / "sample_runs"


def batches(document: object) -> list[dict[str, list[int]]]:
    return list(orjson.loads(document.content)["batches"])  # type: ignore[attr-defined]


def test_the_same_batch_in_two_files_says_the_same() -> None:
    """verl's dump was made from the table of tokens: outcomes and prompts agree; lengths are characters there, and a
    token less, for the end of the sequence has no character."""
    folder = SAMPLES / "verl" / "grpo_plus"
    dump, table = folder / "rollouts" / "48.jsonl", folder / "tokens.parquet"
    (one,) = batches(rollouts_jsonl.read(dump, dump.read_bytes()))
    other = batches(rollouts_parquet.read(table, table.read_bytes()))[-1]
    assert one["step"] == other["step"] == 48 and (one["unit"], other["unit"]) == ("characters", "tokens")
    assert one["right"] == other["right"] and one["prompt"] == other["prompt"] and sum(one["right"]) == 100
    assert [n + 1 for n in one["length"]] == other["length"]


def test_what_is_kept_is_bounded() -> None:
    rows = [(i, {"input": f"p{i // 4}", "output": "x" * 50, "score": 1, "step": i // 4096}) for i in range(4096 * 11)]
    unread: list[Unread] = []
    found = batches(read_rows(rows, unread))
    assert [one["step"] for one in found] == list(range(3, 11)) and len(found[0]["length"]) == RESPONSES


def test_outcomes_that_are_no_matter_of_right_and_wrong_are_unknown() -> None:
    rows = [(1, {"input": "a", "output": "b", "score": value}) for value in (1, 0, -1, 0.5, None, "x")]
    rows.append(
        (
            1,
            {
                "prompt": "a",
                "completion": [{"role": "assistant", "content": "b"}],
                "exact_answer": 1.0,
                "advantage": 0.3,
            },
        )
    )
    (one,) = batches(read_rows(rows, []))
    assert one["right"] == [1, 0, 0, None, None, None, 1] and one["length"][-1] == 1


def test_what_is_no_rollout_is_set_aside() -> None:
    unread: list[Unread] = []
    assert read_rows([(7, {"step": 1})], unread).content == "" and unread == [Unread(7, "no rollout: no response")]
    said = rollouts_jsonl.read(Path("1.jsonl"), b'{"input": "a", "output": "b", "score": 1}\n[1]\n{"input": "a", "out')
    assert [one.line for one in said.unread] == [2, 3] and said.torn
    assert rollouts_parquet.read(Path("tokens.parquet"), b"PAR1 broken").unread


def test_a_repetition_loop_compresses() -> None:
    prose = "".join(map(chr, np.random.default_rng(0).integers(97, 123, 4000)))
    assert loops("so the answer is 42. wait, " * 200)
    assert not loops(prose) and not loops("wait " * 5)


def test_only_the_newest_documents_keep_their_content(tmp_path: Path) -> None:
    engine = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    with writing(engine) as connection:
        run_id = runs.make(connection, "p", "r", "/r")
        for step in range(1, 16):
            documents.put(
                connection, Document(f"/r/{step}.jsonl", "rollouts", "rollouts", "x", 1, 1.0, "{}", run_id=run_id)
            )
        assert documents.thin(connection, "rollouts", 12) == 3
        left = [one.path for one in documents.of_kind(connection, "rollouts") if one.content]
    assert len(left) == 12 and not {"/r/1.jsonl", "/r/2.jsonl", "/r/3.jsonl"} & set(left)


def test_rollouts_of_a_run_say_who_is_longer_and_what_room_would_gain(tmp_path: Path) -> None:
    """Wrong answers three times as long within each prompt, one in four cut off at 64 tokens, 2 of 4 finished right."""
    folder = tmp_path / "runs" / "lab"
    (folder / "rollouts").mkdir(parents=True)
    log = [
        json.dumps(
            {
                "step": i,
                "data": {"critic/rewards/mean": 0.5, "response_length/mean": 40.0, "response_length/clip_ratio": 0.25},
            }
        )
        for i in range(1, 11)
    ]
    (folder / "metrics.jsonl").write_text("\n".join(log) + "\n")
    told = [
        {"prompt": f"p{i}", "completion": "x", "response_length": n, "score": right, "truncated": n == 64, "step": 10}
        for i in range(40)
        for n, right in ((20, 1), (20, 1), (60, 0), (64, 0))
    ]
    (folder / "rollouts" / "10.jsonl").write_text("".join(json.dumps(one) + "\n" for one in told))
    store = f"sqlite:///{tmp_path / 'store.db'}"
    assert CliRunner().invoke(cli, ["collect", str(tmp_path / "runs"), "--store", store]).exit_code == 0
    with reading(open_store(store)) as connection:
        run_id = runs.all_runs(connection)[0].id
        one = rollouts(connection, run_id)
        assert length(connection, run_id).cut == 0.25
    assert one is not None and one.unit == "tokens" and one.steps == (10,) and one.within.prompts == 40
    assert one.within.median == np.mean(np.log([60, 64])) - np.log(20)
    assert one.extended is not None and np.isclose(one.extended.gain, 1 * 2 / 3 / 4)
    assert "wrong answers are 3.1 times as long" in one.sentence and "+0.17" in one.sentence
    assert one.fitted is not None and one.fitted.limit == 64 and 0 < one.fitted.doubled < 0.25
