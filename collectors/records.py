"""The framing and the wire format under TensorBoard's event files.

A record is `length: u64 | masked crc32c of the length: u32 | payload | masked crc32c of the payload: u32`,
little endian, and its payload is a protobuf message. Where a record ends is told by its length alone, so the
length's checksum is verified for every record; the payload's is not (it would cost as much as all the rest).

Framing: tensorflow/core/lib/io/record_writer.cc. Wire format: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from collectors.contract import Memory, Unread
from db.block import Ints

Bytes = NDArray[np.uint8]

HEADER, FOOTER = 12, 4
LARGEST = 1 << 30
"""No writer makes a record of 1 GiB: a length beyond is damage, even if its checksum agrees."""
NOT_YET_WRITTEN = re.compile(rb"\0+\Z")
"""Network file systems show zeros where a block has not arrived yet: an end of zeros is no damage."""
BULKY = 1 << 20
"""Images, audio and long texts: no event of numbers is that big, so it is passed over, not waited for."""
BATCH = 8192
SEARCH = 1 << 16

length_at = struct.Struct("<Q").unpack_from
double_at = struct.Struct("<d").unpack_from
float_at = struct.Struct("<f").unpack_from


def _crc_table() -> NDArray[np.uint32]:
    crc: NDArray[np.uint32] = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crc = (crc >> np.uint32(1)) ^ (crc & np.uint32(1)) * np.uint32(0x82F63B78)
    return crc


CRC_TABLE = _crc_table()


def masked_crc(rows: Bytes) -> NDArray[np.uint32]:
    """The masked crc32c of each row. rows: (n, k) bytes. Returns (n,)."""
    crc: NDArray[np.uint32] = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in rows.T:
        crc = CRC_TABLE[(crc ^ column) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    crc = ~crc
    return ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8)


def at(data: bytes, kind: str, positions: Ints) -> NDArray[np.generic]:
    """The numbers of numpy type `kind` that stand at these byte positions, aligned or not."""
    width = np.dtype(kind).itemsize
    return np.ndarray((max(len(data) - width + 1, 0),), kind, data, strides=(1,))[positions]


def lengths_agree(data: bytes, starts: Ints) -> NDArray[np.bool_]:
    """Whether the length of the record at each of these positions has the checksum that follows it."""
    lengths = np.ascontiguousarray(at(data, "<u8", starts))
    written = at(data, "<u4", starts + 8)
    agree: NDArray[np.bool_] = masked_crc(lengths.view(np.uint8).reshape(-1, 8)) == written
    return agree & (lengths <= LARGEST)


@dataclass(slots=True)
class Records:
    """The whole records of a piece.

    starts: (n,) byte positions of their headers.  lengths: (n,) bytes of payload.
    numbers: (n,) their numbers, counted from 1 in the whole file; a lost stretch counts as one.
    used: how far the piece is done with.  unread: one entry for each lost stretch that begins in this piece.
    """

    starts: Ints
    lengths: Ints
    numbers: Ints
    used: int = 0
    unread: list[Unread] = field(default_factory=list)


def records(data: bytes, memory: Memory) -> Records:
    """Walk over the records; where the framing is damaged, look for the next record and go on there.

    memory: `record`, how many records were passed; `lost`, True while no record follows the damage yet; `skip`,
    how many bytes of a bulky record are still to come.
    """
    found: list[Ints] = []
    numbers: list[Ints] = []
    unread: list[Unread] = []
    here, batch = min(memory.get("skip", 0), len(data)), BATCH
    memory["skip"] = memory.get("skip", 0) - here
    while True:
        if memory.get("lost"):
            here, memory["lost"] = next_record(data, here)
            if memory["lost"]:
                break
        starts, here, damaged = walk(data, here, batch)
        damaged = damaged and not NOT_YET_WRITTEN.match(data, here)
        number = memory.get("record", 0)
        found.append(starts)
        numbers.append(number + 1 + np.arange(len(starts)))
        memory["record"] = number + len(starts)
        # Small steps after damage: what was walked beyond it is walked again.
        batch = 16 if damaged else min(2 * batch, BATCH)
        if damaged:
            memory["record"] += 1
            memory["lost"] = True
            unread.append(Unread(memory["record"], "damaged record: set aside up to the next whole one"))
            here += 1
        elif not len(starts):
            break
    starts = np.concatenate([*found, np.zeros(0, np.int64)])
    lengths = at(data, "<u8", starts).astype(np.int64)
    plain = lengths <= BULKY
    passed = np.concatenate([*numbers, np.zeros(0, np.int64)])[plain]
    return Records(starts[plain], lengths[plain], passed, past_bulky(data, here, memory), unread)


def past_bulky(data: bytes, here: int, memory: Memory) -> int:
    """How far the piece is used: up to the half record at `here`, or all of it where that one is bulky."""
    if memory.get("lost") or len(data) - here < HEADER:
        return here
    length = int(length_at(data, here)[0])
    if length <= BULKY or not lengths_agree(data, np.array([here]))[0]:
        return here
    memory["record"] += 1
    memory["skip"] = HEADER + length + FOOTER - (len(data) - here)
    return len(data)


def walk(data: bytes, here: int, most: int) -> tuple[Ints, int, bool]:
    """At most `most` whole records from `here` on: their starts, where the next begins, is that one damaged."""
    starts: list[int] = []
    last = len(data) - HEADER - FOOTER
    position = here
    while position <= last and len(starts) < most:
        starts.append(position)
        position += HEADER + FOOTER + length_at(data, position)[0]
    # The walk may have run past the end or into damage: a half record's header is checked as well.
    if position <= len(data) - HEADER and len(starts) < most:
        starts.append(position)
    places = np.array(starts, np.int64)
    wrong = np.flatnonzero(~lengths_agree(data, places))
    whole = places[: wrong[0]] if len(wrong) else places
    ends = whole + at(data, "<u8", whole).astype(np.int64) + (HEADER + FOOTER)
    whole = whole[ends <= len(data)]
    if len(wrong) and len(whole) == wrong[0]:
        return whole, int(places[wrong[0]]), True
    return whole, int(ends[len(whole) - 1]) if len(whole) else here, False


def next_record(data: bytes, here: int) -> tuple[int, bool]:
    """Where the next record begins after damage, and False; or where to go on looking later, and True."""
    buffer = np.frombuffer(data, np.uint8)
    last = len(data) - HEADER - 1
    width = 256  # small at first: after much damage the next record is never far, and all of this is done again
    while here <= last:
        stop = min(here + width, last + 1)
        width = min(2 * width, SEARCH)
        # An event begins with its wall time (field 1, 64 bits: 0x09); a length below 16 MiB ends in five zeros.
        likely = buffer[here + HEADER : stop + HEADER] == 0x09
        for byte in range(3, 8):
            likely &= buffer[here + byte : stop + byte] == 0
        places = here + np.flatnonzero(likely)
        good = places[lengths_agree(data, places)]
        if len(good):
            return int(good[0]), False
        here = stop
    return here, True


def varint(data: bytes, here: int, stop: int) -> tuple[int, int]:
    """The number at `here`, and where it ends. Raises ValueError where it runs past `stop` or 64 bits."""
    value = shift = 0
    while here < stop and shift < 64:
        byte = data[here]
        here += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, here
        shift += 7
    raise ValueError("a number without an end")


def signed(value: int) -> int:
    """A 64-bit two's complement number as protobuf's int64 means it."""
    return value - (1 << 64) if value >> 63 else value


def fields(data: bytes, here: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of the message in data[here:stop]: (number, wire type, value, end).

    value: the number itself for a varint (type 0), else where the bytes begin that go on to `end`.
    Raises ValueError where the bytes are no message.
    """
    while here < stop:
        key, here = varint(data, here, stop)
        wire = key & 7
        if wire == 0:
            value, end = varint(data, here, stop)
        elif wire == 2:
            size, value = varint(data, here, stop)
            end = value + size
        elif wire in {1, 5}:
            value, end = here, here + (8 if wire == 1 else 4)
        else:
            raise ValueError(f"no wire type {wire}")
        if end > stop:
            raise ValueError("a field without an end")
        yield key >> 3, wire, value, end
        here = end
