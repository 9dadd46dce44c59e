"""One TensorBoard event, decoded field by field: numbers in every encoding, and the settings among the texts.

Field numbers: tensorflow/core/util/event.proto, framework/{summary,tensor,types}.proto, and in tensorboard
plugins/hparams/plugin_data.proto.
"""

from __future__ import annotations

import html
import json
from typing import Any, NamedTuple

import numpy as np

from collectors.records import double_at, fields, float_at, signed, varint

STRING = 7
PACKED = {
    1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1",
    9: "<i8", 10: "?", 17: "<u2", 19: "<f2", 22: "<u4", 23: "<u8",
}  # fmt: skip
"""How tensor_content holds the values, by DataType (tensorflow/core/framework/types.proto)."""

Span = tuple[int, int]
Message = dict[int, tuple[int, int, int]]


class Number(NamedTuple):
    """tag, value, and where the value's bytes lie if its width is fixed: start and width (0: it is not)."""

    tag: bytes
    value: float
    start: int = 0
    width: int = 0


def decoded(data: bytes, here: int, stop: int, config: dict[str, Any]) -> tuple[int, float, list[Number]]:
    """Step, wall time (NaN where there is none) and numbers of one event; settings are put into `config`.

    Raises ValueError where it is no event.
    """
    step, wall = 0, float("nan")
    summaries: list[Span] = []
    for field, wire, value, end in fields(data, here, stop):
        if (field, wire) == (1, 1):
            wall = double_at(data, value)[0]
        elif (field, wire) == (2, 0):
            step = signed(value)
        elif (field, wire) == (5, 2):
            summaries.append((value, end))
    found = [
        summary_value(data, message(data, value, end), step, config)
        for span in summaries
        for field, wire, value, end in fields(data, *span)
        if (field, wire) == (1, 2)
    ]
    return step, wall, [number for number in found if number]


def message(data: bytes, here: int, stop: int) -> Message:
    """Field number -> (wire type, value, end): of a repeated field the last one."""
    return {number: (wire, value, end) for number, wire, value, end in fields(data, here, stop)}


def inside(parts: Message, number: int) -> Span:
    """Where the bytes of this field lie; an empty span where there is no such field."""
    wire, value, end = parts.get(number, (2, 0, 0))
    return (value, end) if wire == 2 else (0, 0)


def summary_value(data: bytes, parts: Message, step: int, config: dict[str, Any]) -> Number | None:
    """The number of one Summary.Value; None where it is a histogram, an image, a text ..."""
    begin, end = inside(parts, 1)
    tag = data[begin:end]
    wire, value, _ = parts.get(2, (0, 0, 0))
    if wire == 5:
        return Number(tag, float_at(data, value)[0], value, 4)
    plugin = message(data, *inside(message(data, *inside(parts, 9)), 1))
    begin, end = inside(plugin, 1)
    name = data[begin:end]
    if name == b"hparams":
        config.setdefault("hparams", {}).update(hparams(data, inside(plugin, 2)))
    if 8 not in parts:
        return None
    tensor = message(data, *inside(parts, 8))
    if tensor.get(1, (0, 0, 0))[1] != STRING:
        number = tensor_number(data, tag, tensor) if name in {b"", b"scalars"} else None
        if number is None and name == b"scalars":
            raise ValueError(f"no number in the scalar {tag[:80].decode('utf-8', 'replace')!r}")
        return number
    if step == 0:  # later texts are samples of what the model wrote
        settings = as_settings(data[slice(*inside(tensor, 8))])
        if settings:
            config[tag.decode("utf-8", "replace").removesuffix("/text_summary")] = settings
    return None


def tensor_number(data: bytes, tag: bytes, tensor: Message) -> Number | None:
    """The number in a TensorProto of one element, in any encoding; None where it holds anything else."""
    kind = PACKED.get(tensor.get(1, (0, 0, 0))[1])
    if kind is None or elements(data, tensor) != 1:
        return None
    begin, end = inside(tensor, 4)
    width = np.dtype(kind).itemsize
    if end - begin == width:
        value = float(np.frombuffer(data[begin:end], kind)[0])
        return Number(tag, value, begin, width if kind in {"<f4", "<f8"} else 0)
    for number, width, read_at in ((5, 4, float_at), (6, 8, double_at)):
        wire, begin, end = tensor.get(number, (0, 0, 0))
        if wire and end - begin == width:
            return Number(tag, read_at(data, begin)[0], begin, width)
    for number in {7, 10, 11, 13, 16, 17} & tensor.keys():
        wire, value, end = tensor[number]
        bits = varint(data, value, end)[0] if wire == 2 else value
        if number == 13:
            return Number(tag, float(np.uint16(bits & 0xFFFF).view(np.float16)))
        return Number(tag, float(bits if number == 17 else signed(bits)))
    return None


def elements(data: bytes, tensor: Message) -> int:
    """How many elements its shape says: none of the dimensions is a scalar."""
    count = 1
    for number, wire, value, end in fields(data, *inside(tensor, 2)):
        if (number, wire) == (2, 2):
            count *= message(data, value, end).get(1, (0, 0, 0))[1]
    return count


def hparams(data: bytes, span: Span) -> dict[str, object]:
    """HParamsPluginData { SessionStartInfo session_start_info = 3 { map<string, Value> hparams = 1 } }."""
    settings: dict[str, object] = {}
    for number, wire, value, end in fields(data, *inside(message(data, *span), 3)):
        if (number, wire) != (1, 2):
            continue
        entry = message(data, value, end)
        name = data[slice(*inside(entry, 1))].decode("utf-8", "replace")
        for kind, (coded, worth, stop) in message(data, *inside(entry, 2)).items():
            if (kind, coded) == (2, 1):
                settings[name] = double_at(data, worth)[0]
            elif (kind, coded) == (3, 2):
                settings[name] = data[worth:stop].decode("utf-8", "replace")
            elif (kind, coded) == (4, 0):
                settings[name] = bool(worth)
    return settings


def as_settings(text: bytes) -> dict[str, Any] | None:
    """A JSON object, bare or in <pre>; None where the text is something else."""
    bare = text.strip()
    framed = bare.startswith(b"<pre>")
    if framed:
        bare = bare.removeprefix(b"<pre>").removesuffix(b"</pre>").strip()
    if not bare.startswith(b"{"):
        return None
    try:
        plain = bare.decode()
        settings = json.loads(html.unescape(plain) if framed else plain, parse_constant=str)
        json.dumps(settings, ensure_ascii=False).encode()  # a lone surrogate could not be stored
    except (ValueError, RecursionError):
        return None
    return settings if isinstance(settings, dict) else None
