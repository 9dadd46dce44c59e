"""W&B's binary file: known answers, fragments and blocks, damage, any cut, and the library's own sample."""

from __future__ import annotations

import json
import struct
import zlib
from math import inf, isnan, nan
from pathlib import Path
from typing import Any

import pytest
from feeding import Read, feed, same, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors import discover, leveldb_log
from collectors.formats import wandb_binary
from collectors.formats.wandb_binary import item, plain_item

OPENING = b":W&B\xe1\xbe\x00"
BLOCK = 1 << 15
SAMPLE = next((Path(__file__).parents[1] / "sample_runs/formats/wandb").glob("*.wandb"))


def field(number: int, value: int | str | bytes) -> bytes:
    """A protobuf field: a varint, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (1 << 64) - 1)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value: int) -> bytes:
    data = b""
    while value > 0x7F:
        data, value = data + bytes([value & 0x7F | 0x80]), value >> 7
    return data + bytes([value])


def items(values: dict[str, Any], *, old: bool = False) -> bytes:
    """old: the name in `key`, as clients before 2023 wrote it; else in `nested_key`, in pieces where it has dots."""
    parts = []
    for name, value in values.items():
        path = field(1, name) if old else b"".join(field(2, piece) for piece in name.split("."))
        parts.append(field(1, path + field(16, value if isinstance(value, bytes) else json.dumps(value))))
    return b"".join(parts)


def history(values: dict[str, Any], *, old: bool = False, step: int | None = None) -> bytes:
    count = b"" if step is None else field(2, field(1, step) if step else b"")
    return field(1, 7) + field(2, items(values, old=old) + count)


def run(config: dict[str, Any], **names: str) -> bytes:
    numbers = {"run_id": 1, "project": 3, "display_name": 8}
    texts = b"".join(field(numbers[name], text) for name, text in names.items())
    return field(17, texts + field(4, items(config, old=True)))


def framed(*records: bytes) -> bytes:
    """The records as the file holds them."""
    data = OPENING
    for record in records:
        rest, first = record, True
        while rest or first:
            left = BLOCK - len(data) % BLOCK
            if left < 7:
                data, left = data + bytes(left), BLOCK
            piece, rest = rest[: left - 7], rest[left - 7 :]
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}[first, not rest]
            checksum = zlib.crc32(bytes([kind]) + piece)
            data, first = data + struct.pack("<IHB", checksum, len(piece), kind) + piece, False
    return data


def values_of(read: Read) -> list[tuple[int, dict[str, float]]]:
    return [(step, values) for step, _, values in read.records]


def test_history_config_and_names() -> None:
    log = framed(
        run({"lr": 1e-6, "actor": {"clip": 0.2}, "_wandb": {}}, run_id="w4i7", project="sums", display_name="小 run"),
        field(5, items({"actor.clip": 0.3, "seed": None})),
        history({"_step": 3, "_timestamp": 1760000000.5, "b": 0.5, "a": 2, "text": "hello", "on": True}),
        field(13, field(3, "step:1 - actor/entropy:0.5")),
        history({"a": b"NaN", "b": b"-Infinity", "_step": 4, "image": {"_type": "image-file", "size": 3}}),
    )
    read = feed(wandb_binary, log)
    assert same(
        read.records,
        [(3, 1760000000.5, {"a": 2.0, "b": 0.5, "on": 1.0}), (4, nan, {"a": nan, "b": -inf})],
    )
    assert read.config == {"lr": 1e-6, "actor": {"clip": 0.3}, "seed": None}
    assert (read.run, read.project, read.rows, read.unread) == ("小 run", "sums", 2, [])


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (history({"a": 1, "_step": 5}, old=True), (5, {"a": 1.0})),
        (history({"x": {"a": 1, "b": {"c": "NaN"}}, "_step": 5}, old=True), (5, {"x/a": 1.0, "x/b/c": nan})),
        (history({"nested.a": 1, "_step": 5}), (5, {"nested/a": 1.0})),
        (history({"a": 1}, step=5), (5, {"a": 1.0})),
        (history({"a": 1}, step=0), (0, {"a": 1.0})),
        (history({"a": 10**400, "_step": 5}), (5, {"a": inf})),
    ],
)  # fmt: skip
def test_every_way_to_write_a_record(record: bytes, expected: tuple[int, dict[str, float]]) -> None:
    assert same(values_of(feed(wandb_binary, framed(record))), [expected])


def test_a_run_without_a_name_goes_by_its_id() -> None:
    assert feed(wandb_binary, framed(run({}, run_id="w4i7"))).run == "w4i7"


def test_no_history_is_an_empty_series() -> None:
    read = feed(wandb_binary, framed(run({"a": 1}, run_id="x"), field(7, b""), field(13, field(3, "bye"))))
    assert (read.records, read.rows, read.first_step, read.unread) == ([], 0, None, [])


def test_a_trainer_s_own_step_goes_before_w_and_b_s() -> None:
    records = [
        {"train/loss": 1, "train/global_step": 10, "_step": 0},
        {"profiling/time": 1, "_step": 1},
        {"profiling/time": 2, "_step": 2},
        {"eval/loss": 3, "train/global_step": 10, "_step": 3},
        {"train/loss": 4, "train/global_step": 20, "_step": 4},
        {"profiling/time": 5, "_step": 5},
    ]
    read = feed(wandb_binary, framed(*map(history, records)))
    assert values_of(read) == [
        (10, {"train/loss": 1.0}),
        (10, {"profiling/time": 1.0}),
        (10, {"eval/loss": 3.0}),
        (20, {"train/loss": 4.0}),
        (20, {"profiling/time": 5.0}),
    ]


def test_a_record_without_a_step_is_set_aside() -> None:
    read = feed(wandb_binary, framed(history({"a": 1}), history({"a": 2, "_step": 3})))
    assert values_of(read) == [(3, {"a": 2.0})]
    assert [(one.line, one.why) for one in read.unread] == [(1, "a record without a step")]


# --- framing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [*range(BLOCK - 80, BLOCK + 20), 3 * BLOCK + 5])
def test_records_lie_across_blocks(size: int) -> None:
    log = framed(field(13, b"x" * size), history({"a": 1, "_step": 1}), history({"a": 2, "_step": 2}))
    read = feed(wandb_binary, log)
    assert values_of(read) == [(1, {"a": 1.0}), (2, {"a": 2.0})] and not read.unread


def test_a_damaged_block_costs_no_more_than_itself() -> None:
    log = bytearray(framed(*(history({"a": step, "_step": step, "text": "x" * 900}) for step in range(100))))
    log[BLOCK + 100] ^= 1
    read = feed(wandb_binary, bytes(log))
    steps = [step for step, _, _ in read.records]
    assert len(read.unread) == 1 and steps == sorted(set(steps))
    assert steps[:34] == list(range(34)) and steps[-30:] == list(range(70, 100))


def test_a_bulky_record_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leveldb_log, "LARGEST", 2 * BLOCK)
    log = framed(field(13, b"x" * 4 * BLOCK), history({"a": 1, "_step": 1}))
    whole = feed(wandb_binary, log)
    assert values_of(whole) == [(1, {"a": 1.0})] and len(whole.unread) == 1
    assert same(feed(wandb_binary, *(log[at : at + 5000] for at in range(0, len(log), 5000))), whole)


def test_what_has_not_been_written_yet_is_waited_for() -> None:
    """Some file systems show zeros where the bytes have not arrived."""
    log = framed(*(history({"a": step, "_step": step}) for step in range(50)))
    memory: dict[str, Any] = {}
    part = wandb_binary.read(log[:500] + bytes(300), memory, torn=False)
    rest = wandb_binary.read(log[part.used :], memory, torn=False)
    assert part.rows + rest.rows == 50 and not part.unread and not rest.unread


def test_no_message_is_set_aside() -> None:
    read = feed(wandb_binary, framed(b"\xff" * 30, history({"a": 1, "_step": 1})))
    assert values_of(read) == [(1, {"a": 1.0})] and [one.line for one in read.unread] == [1]


SMALL = framed(
    run({"lr": 0.1}, run_id="w", project="p", display_name="r"),
    history({"a": 1, "_step": 1}),
    history({"b": 2.5, "a": 1, "_step": 2, "_timestamp": 1760000000}),
)


def test_it_does_not_matter_where_the_file_was_cut() -> None:
    whole = feed(wandb_binary, SMALL)
    assert whole.rows == 2
    for cut in range(len(SMALL) + 1):
        assert same(feed(wandb_binary, SMALL[:cut], SMALL[cut:]), whole)
        assert feed(wandb_binary, SMALL[:cut]).rows <= 2


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60))
def test_no_payload_makes_it_raise(payload: bytes) -> None:
    """Bytes behind a true checksum, alone and within the messages that are read."""
    feed(wandb_binary, framed(payload, *(field(number, payload) for number in (2, 5, 17)), field(2, field(1, payload))))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=150), st.floats())
def test_the_quick_way_reads_what_the_careful_way_reads(name: str, value: float) -> None:
    data = field(2, name) + field(16, json.dumps(value))
    assert plain_item(data) in (None, item(data + field(3, 0), 0, len(data) + 2))


# --- whose file it is -----------------------------------------------------------------------------------------------


def test_the_library_s_own_file() -> None:
    data = SAMPLE.read_bytes()
    read = feed(wandb_binary, data)
    assert (read.rows, read.first_step, read.last_step, read.unread) == (30, 1, 30, [])
    assert (read.run, read.project) == ("grpo-plus", "sums")
    assert read.config == {"actor_rollout_ref": {"actor": {"clip_ratio_low": 0.2, "clip_ratio_high": 0.28}}}
    assert isnan(read.records[16][2]["actor/entropy"])
    assert "val-core/sums/reward/mean@1" in read.records[9][2]


def test_it_claims_its_own_alone() -> None:
    for data in (SAMPLE.read_bytes(), SMALL, framed(run({}, run_id="x"))):
        shown = sample(data, "run-x.wandb")
        assert [fmt.NAME for fmt in discover.formats().values() if fmt.recognises(shown)] == ["wandb"]
    for data in (b":W&B", b":W&B and more\n", OPENING + b"\1" * 40, b"x" + SMALL):
        assert not wandb_binary.recognises(sample(data, "run-x.wandb"))
