"""Events that differ in wall time, step and the bytes of one number alone: decoded once for all that are alike.

Nearly every event of a file is of that kind, whether its writer spells the number as a `simple_value` or as a tensor:

    wall_time: 1766306257.853168  step: 1  summary { value { tag: "train/loss"  simple_value: 0.0021 } }
    wall_time: 1766306257.853168  step: 1  summary { value { tag: "loss"  tensor { dtype: DT_FLOAT … } metadata … } }
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectors.events import Number, Span, decoded
from collectors.records import HEADER, Records, at, fields
from db.block import Floats, Ints

SUMMARY = 5
ROUNDS = 4
"""Events of one length may have their numbers in as many different places; more are decoded one by one."""
UNKNOWN = -1


@dataclass(slots=True)
class Openings:
    """Events that begin with `wall_time, step, summary`.

    which: (n,) their places among the records.  steps, walls: (n,).
    begins, ends: (n,) where what follows the step lies.
    """

    which: Ints
    steps: Ints
    walls: Floats
    begins: Ints
    ends: Ints


def openings(data: bytes, found: Records) -> Openings:
    """Five bytes must suffice for the step; step 0 is not written."""
    byte = np.frombuffer(data, np.uint8)
    which = np.flatnonzero(found.lengths >= 20)
    start = found.starts[which] + HEADER
    step, after = varints(byte, start + 10)
    has_step = byte[start + 9] == 0x10
    step, begin = np.where(has_step, step, 0), np.where(has_step, after, start + 9)
    fits = (byte[start] == 0x09) & (byte[begin] == SUMMARY << 3 | 2)
    end = start + found.lengths[which]
    walls = at(data, "<f8", start[fits] + 1).astype(np.float64)
    return Openings(which[fits], step[fits], walls, begin[fits], end[fits])


def varints(byte: NDArray[np.uint8], here: Ints) -> tuple[Ints, Ints]:
    """The numbers at these places and where they end; one of over five bytes ends where no summary begins."""
    value = (byte[here] & 0x7F).astype(np.int64)
    goes_on = byte[here] >= 0x80
    end = here + 1
    for shift in (7, 14, 21, 28):
        if not goes_on.any():
            break
        value += np.where(goes_on, (byte[end] & 0x7F).astype(np.int64) << shift, 0)
        next_goes_on = goes_on & (byte[end] >= 0x80)
        end += goes_on
        goes_on = next_goes_on
    return value, end - goes_on


def numbers(data: bytes, opened: Openings, column_of: Callable[[bytes], int]) -> tuple[Ints, Floats]:
    """(column, value) of each event, (n,) each; column UNKNOWN where it must be decoded by itself.

    column_of: the column of a tag. In each round the first event of each length tells where the number stands; with
    its bytes blanked, alike events are equal.
    """
    columns = np.full(len(opened.which), UNKNOWN)
    values = np.zeros(len(columns))
    left = np.arange(len(columns))
    for _ in range(ROUNDS):
        lengths, first, which = np.unique(
            opened.ends[left] - opened.begins[left], return_index=True, return_inverse=True
        )
        places = [_place(data, opened, example) for example in left[first].tolist()]
        start, width = np.array(places, np.int64).reshape(-1, 2)[which].T
        here = width > 0
        tried, spot, width = left[here], opened.begins[left[here]] + start[here], width[here]
        moulds = Moulds(dict(zip(lengths.tolist(), places, strict=True)), column_of)
        keys = _blanked(data, opened, tried, spot, width)
        columns[tried] = np.fromiter(map(moulds.__getitem__, keys), np.int64, len(tried))
        for kind, chosen in (("<f4", width == 4), ("<f8", width == 8)):
            values[tried[chosen]] = at(data, kind, spot[chosen])
        here[first] = True  # an example without such a number has been looked at, too
        left = np.concatenate([left[~here], tried[columns[tried] == UNKNOWN]])
        if not len(left):
            break
    return columns, values


def _place(data: bytes, opened: Openings, example: int) -> Span:
    number = alone(data[opened.begins[example] : opened.ends[example]])
    return (number.start, number.width) if number else (0, 0)


def _blanked(data: bytes, opened: Openings, tried: Ints, spot: Ints, width: Ints) -> Iterator[bytes]:
    """What follows the step in each of these events, zeros in place of the number."""
    buffer = np.frombuffer(data, np.uint8).copy()
    for byte in range(8):
        buffer[spot[width > byte] + byte] = 0
    blank = buffer.tobytes()
    spans = zip(opened.begins[tried].tolist(), opened.ends[tried].tolist(), strict=True)
    return (blank[begin:end] for begin, end in spans)


class Moulds(dict[bytes, int]):
    """Event with its number blanked -> column; one that is met for the first time is decoded.

    places: where the number of an event of this length was blanked: start and width.
    """

    def __init__(self, places: dict[int, Span], column_of: Callable[[bytes], int]) -> None:
        self.places, self.column_of = places, column_of

    def __missing__(self, blanked: bytes) -> int:
        number = alone(blanked)
        fits = number is not None and (number.start, number.width) == self.places[len(blanked)]
        column = self.column_of(number.tag) if number is not None and fits else UNKNOWN
        self[blanked] = column
        return column


def alone(rest: bytes) -> Number | None:
    """The number of an event, if it is of fixed width and all that the event says. rest: what follows the step."""
    config: dict[str, Any] = {}
    try:
        if [field for field, *_ in fields(rest, 0, len(rest))] != [SUMMARY]:
            return None
        _, _, found = decoded(rest, 0, len(rest), config)
    except (ValueError, OverflowError):
        return None
    return found[0] if len(found) == 1 and found[0].width and not config else None
