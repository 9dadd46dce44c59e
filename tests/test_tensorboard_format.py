"""Event files, with tensorboard's own writer and messages as the oracle."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto

from collectors.contract import Memory, Part, Sample, Unread
from collectors.formats import tensorboard
from collectors.records import BULKY, masked_crc
from db.block import Block

Point = tuple[int, str, float]


def record(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + struct.pack("<I", masked_crc32c(length)) + payload + struct.pack("<I", masked_crc32c(payload))


def scalar(step: int, tag: str, value: float, wall: float = 1.7e9) -> bytes:
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    return record(Event(wall_time=wall, step=step, summary=summary).SerializeToString())


def tensor(step: int, tag: str, proto: TensorProto, plugin: str = "scalars", content: bytes = b"") -> bytes:
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content))
    value = Summary.Value(tag=tag, tensor=proto, metadata=metadata)
    return record(Event(wall_time=1.7e9, step=step, summary=Summary(value=[value])).SerializeToString())


START = record(Event(wall_time=1.7e9, file_version="brain.Event:2").SerializeToString())


def read(data: bytes) -> Part:
    part: Part = tensorboard.read(data, {}, torn=False)
    return part


def read_cut(data: bytes, cuts: Iterable[int]) -> tuple[list[Part], Memory]:
    """As the collector does: what was not used is given again, with more."""
    memory: Memory = {}
    parts, place = [], 0
    for cut in [*cuts, len(data)]:
        parts.append(tensorboard.read(data[place:cut], memory, torn=False))
        assert 0 <= parts[-1].used <= cut - place
        place += parts[-1].used
    return parts, memory


def points(parts: Iterable[Part]) -> list[Point]:
    found: list[Point] = []
    for block in (block for part in parts for block in part.blocks):
        assert block.values.shape == (len(block), len(block.names)) == block.mask().shape
        for step, row, there in zip(block.steps.tolist(), block.values, block.mask(), strict=True):
            found += [(step, n, v) for n, v, p in zip(block.names, row.tolist(), there, strict=True) if p]
    return found


def as_written(data: bytes) -> list[Point]:
    """What tensorboard's own messages say."""
    found, here = [], 0
    while here < len(data):
        (length,) = struct.unpack_from("<Q", data, here)
        event = Event.FromString(data[here + 12 : here + 12 + length])
        found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
        here += 16 + length
    return found


def test_reads_what_tensorboards_writer_wrote(tmp_path: Path) -> None:
    writer = EventFileWriter(str(tmp_path))
    for step in range(3):
        for i, tag in enumerate(("train/loss", "train/奖励", "train/" + "long" * 50)):
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=step / 3 + i)])
            writer.add_event(Event(wall_time=100.0 + step + i / 10, step=step, summary=summary))
    writer.close()
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()

    assert tensorboard.recognises(Sample(path, data, data))
    part = read(data)
    (block,) = part.blocks
    assert block.names == ("train/loss", "train/奖励", "train/" + "long" * 50)
    assert block.steps.tolist() == [0, 1, 2]
    assert block.walls.tolist() == [100.0, 101.0, 102.0]
    assert block.values.tolist() == [[float(np.float32(s / 3 + i)) for i in range(3)] for s in range(3)]
    assert block.present is None
    assert (part.rows, part.first_step, part.last_step) == (3, 0, 2)
    assert (part.used, part.unread) == (len(data), [])


@pytest.mark.parametrize("step", [0, 1, 127, 128, 2**21, 2**35 - 1, 2**35, 2**62, -1, -(2**63)])
def test_every_step_is_read(step: int) -> None:
    assert points([read(START + scalar(step, "loss", 0.5))]) == [(step, "loss", 0.5)]


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-45, 3.4e38, float("inf"), float("-inf"), float("nan")])
def test_every_value_is_read(value: float) -> None:
    ((_, _, found),) = points([read(scalar(3, "loss", value))])
    assert repr(found) == repr(float(np.float32(value)))


@pytest.mark.parametrize(
    "proto",
    [
        make_tensor_proto(7, dtype=np.float32),
        make_tensor_proto(7, dtype=np.float64),
        make_tensor_proto(7, dtype=np.float16),
        make_tensor_proto(7, dtype=np.int32),
        make_tensor_proto(7, dtype=np.int64),
        make_tensor_proto(7, dtype=np.uint8),
        TensorProto(dtype=1, tensor_content=np.float32(7).tobytes()),
        TensorProto(dtype=2, tensor_content=np.float64(7).tobytes()),
        TensorProto(dtype=9, tensor_content=np.int64(7).tobytes()),
        TensorProto(dtype=22, uint32_val=[7]),
        TensorProto(dtype=23, uint64_val=[7]),
    ],
    ids=lambda proto: f"{proto.dtype} {'content' if proto.tensor_content else 'listed'}",
)
def test_a_scalar_tensor_is_a_number_in_every_encoding(proto: TensorProto) -> None:
    assert points([read(START + tensor(4, "train/kl", proto))]) == [(4, "train/kl", 7.0)]


def test_tensors_keep_their_sign_and_their_double_precision() -> None:
    data = tensor(1, "a", make_tensor_proto(-7, dtype=np.int64)) + tensor(1, "b", make_tensor_proto(0.1))
    data += tensor(1, "c", TensorProto(dtype=2, double_val=[0.1]))
    data += tensor(1, "d", TensorProto(dtype=10, bool_val=[True]))
    values = {name: value for _, name, value in points([read(data)])}
    assert values == {"a": -7.0, "b": float(np.float32(0.1)), "c": 0.1, "d": 1.0}


def test_many_tensors_are_read_like_the_first() -> None:
    kinds = (np.float32, np.float64, np.int64)
    expected = [(step, f"train/{i}", float(step + i)) for step in range(0, 300, 37) for i in range(3)]
    data = b"".join(tensor(step, tag, make_tensor_proto(kinds[int(tag[-1])](value))) for step, tag, value in expected)
    assert points([read(data)]) == expected


def test_what_is_alike_but_for_its_number_is_told_apart_from_what_only_is_as_long() -> None:
    """Events of one length: two tags, a number elsewhere in the event, a text, and one of two numbers."""
    one = Summary.Value(tag="train/aa", tensor=make_tensor_proto(np.float32(1.5)))
    data = b""
    expected: list[Point] = []
    for step in range(1, 60):
        data += scalar(step, "loss-of-the-critic", step / 2)
        data += scalar(step, "loss-of-the-actor-", step / 4)
        data += record(Event(wall_time=1.0, step=step, summary=Summary(value=[one])).SerializeToString())
        data += tensor(step, "n", make_tensor_proto(step, dtype=np.int64))
        both = Summary(value=[Summary.Value(tag=tag, simple_value=step) for tag in ("x", "y")])
        data += record(Event(wall_time=1.0, step=step, summary=both).SerializeToString())
        data += tensor(step, "t", make_tensor_proto([b"0123456"]), "text")
        expected += [(step, "loss-of-the-critic", step / 2), (step, "loss-of-the-actor-", step / 4)]
        expected += [
            (step, "train/aa", 1.5),
            (step, "n", float(step)),
            (step, "x", float(step)),
            (step, "y", float(step)),
        ]
    assert sorted(points([read(START + data)])) == sorted(expected)


def test_a_number_where_an_alike_event_has_something_else_is_not_taken_for_it() -> None:
    """Blanking the place of one event's number must not make another one look the same: here the tag differs there."""
    data = b"".join(scalar(1, tag, 0.5) for tag in ("train/abcd", "train/wxyz"))
    odd = Summary(value=[Summary.Value(simple_value=0.25, tag="train/loss")]).SerializeToString()
    swapped = odd[:2] + odd[-5:] + odd[2:-5]  # the number before the tag, in as many bytes
    event = Event(wall_time=1.0, step=1).SerializeToString() + bytes([0x2A, len(swapped)]) + swapped
    found = points([read(START + data + record(event))])
    assert sorted(found) == [(1, "train/abcd", 0.5), (1, "train/loss", 0.25), (1, "train/wxyz", 0.5)]


def test_what_is_no_scalar_is_passed_over_and_what_should_be_one_is_set_aside() -> None:
    odd = Event(wall_time=1.0, step=1)
    odd.summary.value.add(tag="h").histo.num = 3
    odd.summary.value.add(tag="i").image.height = 4
    odd.summary.value.add(tag="train/loss", simple_value=2.0)
    data = record(odd.SerializeToString())
    data += tensor(1, "hist", make_tensor_proto(np.ones((4, 3))), "histograms")
    data += tensor(1, "text", make_tensor_proto([b'{"not": "config"}']), "text")
    part = read(data)
    assert points([part]) == [(1, "train/loss", 2.0)]
    assert (part.unread, part.config) == ([], {})
    part = read(START + tensor(1, "wide", make_tensor_proto([1.0, 2.0])) + scalar(1, "loss", 1.0))
    assert part.unread == [Unread(2, "not an event: no number in the scalar 'wide'")]
    assert points([part]) == [(1, "loss", 1.0)]


def test_the_text_summaries_of_step_0_are_the_config() -> None:
    texts = {
        "args": '{\n "beta": 0.04, "run_name": "试"}',
        "model_config": "<pre>{&quot;dtype&quot;: null}</pre>",
        "notes": "# a table",
        "broken": '{"a": ',
        "a_list": "[1]",
    }
    part = read(
        START
        + b"".join(
            tensor(0, f"{name}/text_summary", make_tensor_proto([text.encode()]), "text")
            for name, text in texts.items()
        )
    )
    assert part.config == {"args": {"beta": 0.04, "run_name": "试"}, "model_config": {"dtype": None}}
    assert (part.blocks, part.rows, part.unread) == ([], 0, [])


def test_hparams_are_config() -> None:
    hparams = HParamsPluginData()
    hparams.session_start_info.hparams["lr"].number_value = 1e-6
    hparams.session_start_info.hparams["loss_type"].string_value = "dapo"
    hparams.session_start_info.hparams["mask"].bool_value = True
    data = tensor(0, "_hparams_/session_start_info", TensorProto(), "hparams", hparams.SerializeToString())
    assert read(START + data).config == {"hparams": {"lr": 1e-6, "loss_type": "dapo", "mask": True}}


def test_an_evaluation_joins_its_step_and_repeats_no_epoch() -> None:
    data = b"".join(scalar(5, tag, 1.0) for tag in ("train/loss", "train/epoch", "eval/loss", "train/epoch"))
    data += scalar(6, "train/loss", 2.0) + scalar(7, "eval/loss", 3.0) + scalar(8, "train/train_runtime", 9.0)
    part = read(data)
    (block,) = part.blocks
    assert block.steps.tolist() == [5, 6, 7, 8]
    assert block.mask().tolist() == [
        [True, True, True, False],
        [True, False, False, False],
        [False, False, True, False],
        [False, False, False, True],
    ]
    assert (part.rows, part.first_step, part.last_step) == (2, 5, 6)


def test_a_repeated_tag_opens_a_record_and_steps_may_go_back() -> None:
    steps = [(1, "a"), (2, "a"), (2, "a"), (1, "a"), (2, "a"), (2, "b"), (3, "a")]
    part = read(b"".join(scalar(step, tag, i) for i, (step, tag) in enumerate(steps)))
    (block,) = part.blocks
    assert block.steps.tolist() == [1, 2, 2, 1, 2, 3]
    assert part.rows == 3
    assert (part.first_step, part.last_step) == (1, 3)


def test_two_step_axes_in_one_file() -> None:
    data = b""
    for i in range(4):
        data += scalar(i, "rollout/reward", 1.0)
        data += scalar(2 * i, "train/loss", 1.0) + scalar(2 * i + 1, "train/loss", 1.0)
    part = read(data)
    assert [step for step, name, _ in points([part]) if name == "train/loss"] == list(range(8))
    assert [step for step, name, _ in points([part]) if name == "rollout/reward"] == list(range(4))
    assert part.rows == 8


def test_a_step_in_two_pieces_is_one_row() -> None:
    data = START + scalar(1, "train/loss", 1.0) + scalar(1, "train/epoch", 0.1) + scalar(1, "train/kl", 2.0)
    data += scalar(1, "train/epoch", 0.1) + scalar(2, "train/loss", 3.0)
    for cut in range(len(data)):
        parts, memory = read_cut(data, [cut])
        assert points(parts) == points([read(data)])
        assert sum(part.rows for part in parts) == 2
        assert memory == read_cut(data, [])[1]


def test_an_unfinished_record_waits() -> None:
    data = START + scalar(1, "train/loss", 1.0)
    for cut in range(len(START), len(data)):
        part = read(data[:cut])
        assert (part.used, part.blocks, part.unread) == (len(START), [], [])
        torn: Part = tensorboard.read(data[len(START) : cut], {}, torn=True)
        assert torn == Part()


def test_zeros_at_the_end_may_still_be_written() -> None:
    data = START + scalar(1, "train/loss", 1.0)
    part = read(data + bytes(4096))
    assert (part.used, part.unread) == (len(data), [])


def test_damage_is_set_aside_and_reading_goes_on() -> None:
    whole = [scalar(step, "train/loss", step) for step in range(1, 7)]
    damaged = [*whole[:2], b"\xff" * 8 + whole[2][8:], b"garbage", *whole[3:]]
    part = read(START + b"".join(damaged))
    assert points([part]) == [(step, "train/loss", float(step)) for step in (1, 2, 4, 5, 6)]
    assert part.unread == [Unread(4, "damaged record: set aside up to the next whole one")]
    undecodable = record(b"\x09short")
    part = read(START + whole[0] + undecodable + whole[1])
    assert part.unread == [Unread(3, "not an event: a field without an end")]
    assert part.rows == 2


def test_damage_is_reported_once_however_it_is_cut() -> None:
    data = START + scalar(1, "a", 1.0) + b"\xff" * 50 + scalar(2, "a", 2.0) + bytes(30) + scalar(3, "a", 3.0)
    for cut in range(len(data)):
        parts, _ = read_cut(data, [cut])
        assert points(parts) == [(1, "a", 1.0), (2, "a", 2.0), (3, "a", 3.0)]
        assert [one.line for part in parts for one in part.unread] == [3, 5]


def test_much_damage_takes_no_more_than_linear_time() -> None:
    damaged = b"\x10" + bytes(11) + b"\x09" * 16 + bytes(4)
    data = START + (damaged + scalar(1, "a", 1.0)) * 300
    assert len(read(data).unread) == 300


def test_a_bulky_record_is_passed_over_without_waiting_for_its_end() -> None:
    image = Event(wall_time=1.0, step=1)
    image.summary.value.add(tag="i").image.encoded_image_string = bytes(BULKY)
    data = START + scalar(1, "a", 1.0) + record(image.SerializeToString()) + scalar(2, "a", 2.0)
    before = len(START + scalar(1, "a", 1.0))
    for cuts in ([], [before + 12], [before + 500, before + BULKY, len(data) - 70]):
        parts, memory = read_cut(data, cuts)
        assert points(parts) == [(1, "a", 1.0), (2, "a", 2.0)]
        assert memory["record"] == 4
    assert read(data[: before + 500]).used == before + 500


def test_a_tag_of_its_own_at_each_step_fills_no_memory() -> None:
    data = b"".join(scalar(step, f"tag{step}", 1.0) for step in range(3000))
    part = read(data)
    assert points([part]) == [(step, f"tag{step}", 1.0) for step in range(3000)]
    assert sum(block.values.size for block in part.blocks) < 3000 * 100


def test_recognises_event_files_alone() -> None:
    def claimed(head: bytes) -> bool:
        return tensorboard.recognises(Sample(Path("events.out.tfevents.1.host"), head, head))

    assert claimed(START)
    assert not claimed(b"") and not claimed(START[:20]) and not claimed(scalar(1, "loss", 1.0))
    assert not claimed(b'{"step": 1, "note": "brain.Event:2"}\n')
    assert not claimed(b"\xff" + START[1:])


def test_the_checksum_is_that_of_tensorboard() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (50, 8), np.uint8)
    assert masked_crc(rows).tolist() == [masked_crc32c(row.tobytes()) for row in rows]


tags = st.sampled_from(["train/loss", "train/epoch", "eval/loss", "rollout/奖励", "x" * 130, "", "train/total_flos"])
events = st.lists(
    st.tuples(st.integers(-2, 6) | st.integers(-(2**63), 2**63 - 1), tags, st.floats(width=32, allow_nan=False)),
    max_size=30,
)


@settings(deadline=None)
@given(events, st.lists(st.integers(0, 3000), max_size=4))
def test_reads_as_tensorboard_does_wherever_it_is_cut(rows: list[Point], cuts: list[int]) -> None:
    data = START + b"".join(scalar(*row) for row in rows)
    cuts = sorted(cut for cut in cuts if cut < len(data))
    parts, memory = read_cut(data, cuts)
    expected = [point for point in as_written(data) if not point[1].endswith("epoch")]
    assert sorted(p for p in points(parts) if not p[1].endswith("epoch")) == sorted(expected)
    whole, memory_at_once = read_cut(data, [])
    assert points(parts) == points(whole) or sorted(points(parts)) == sorted(points(whole))
    assert sum(part.rows for part in parts) == whole[0].rows
    assert [one for part in parts for one in part.unread] == []
    assert memory == memory_at_once


@settings(deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_survives_any_bytes(data: bytes, torn: bool) -> None:
    part = tensorboard.read(data, {}, torn=torn)
    assert 0 <= part.used <= len(data)
    tensorboard.recognises(Sample(Path("x"), data, data))


PLAUSIBLE = (
    START
    + scalar(1, "train/loss", 1.0)
    + tensor(0, "args/text_summary", make_tensor_proto([b'{"a": 1}']), "text")
    + tensor(1, "train/kl", make_tensor_proto(0.5))
    + tensor(2, "train/n", make_tensor_proto(5, dtype=np.int64))
    + scalar(2, "train/loss", 1.0)
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(PLAUSIBLE) - 1), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, len(PLAUSIBLE)),
)
def test_survives_damage(changes: list[tuple[int, int]], cut: int) -> None:
    damaged = bytearray(PLAUSIBLE)
    for place, byte in changes:
        damaged[place] = byte
    parts, _ = read_cut(bytes(damaged), [cut])
    for block in (block for part in parts for block in part.blocks):
        assert isinstance(block, Block) and block.points


@settings(deadline=None)
@given(
    st.binary(max_size=120),
    st.sampled_from([b"", b"\x09" + bytes(8) + b"\x2a", b"\x09" + bytes(8) + b"\x10\x01\x2a"]),
)
def test_survives_any_event(payload: bytes, opening: bytes) -> None:
    inner = bytes([len(payload)]) + payload if opening else payload
    part = read(START + record(opening + inner) + scalar(1, "a", 1.0))
    assert part.unread or (1, "a", 1.0) in points([part])
