r"""verl's console log, and that of its family (DAPO, DeepScaleR, rLLM): one line per step among all that a job prints.

\x1b[36m(TaskRunner pid=4021)\x1b[0m step:12 - actor/entropy:0.31 - actor/lr:1e-06 - critic/score/mean:np.float64(0.55)

The value stands behind the last colon of a segment; names may hold spaces, colons, " - " and parentheses. Before
training the resolved config is printed as a Python dict over many lines, between lines of other processes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from math import nan

import numpy as np
import orjson

from collectors.contract import Memory, Part, Sample, Unread
from collectors.lines import LONGEST_NAME, NO_LOGS, Records, is_verl_row, number, step_of, whole_lines
from collectors.prefixes import COLOUR, RAY
from collectors.printed_config import gather, opens
from db.block import Floats

NAME = "verl-console"
WHOLE = False
RUN_PER_FILE = True
TRAINER = "verl"

WANDB_WIDTH = 4096  # characters; W&B's capture of the console cuts each line there, in the middle of a value

HEAD = re.compile(rb"step:(-?\d{1,30}) - ")
NAME_BYTE = re.compile(rb"[\w/.\-]")
REPEATED = re.compile(rb" ?\[repeated \d+x across cluster\].*$")
BAR = re.compile(rb"\|.*\]$")  # what tqdm leaves on the line: 1%|▏ | 2/200 [07:59<13:02, 237.13s/it]
WRAPPED = re.compile(r"\s*(?:(?:np|numpy)\.\w+|tensor)\(([^()]*)\)\s*")
ODD = re.compile(rb":(?:(?:np|numpy)\.\w+\(([^()]*)\)|(nan|-?inf|True|False|np\.True_|np\.False_))(?= - |$)")
JSON_WORDS = {b"nan": b"null", b"True": b"1", b"False": b"0", b"np.True_": b"1", b"np.False_": b"0"}
JSON_WORDS |= {b"inf": b'"inf"', b"-inf": b'"-inf"'}  # numpy reads them from text, JSON has no other way
WORDS = {"np.True_": 1.0, "np.False_": 0.0, "null": nan}

Reading = tuple[list[str], Floats, list[str]]
"""names, their values, and why something of the line was left out."""


def recognises(sample: Sample) -> bool:
    """A metric line, or the dump of verl's config, which stands long before the first one."""
    text = sample.more
    if b"\0" in text[:16] or text.startswith((b":W&B", b'{"', b"[{")) or sample.path.suffix in NO_LOGS:
        return False  # a binary file or a JSON document may hold a console log as text
    if any(_is_sure(_reading(text, *where)) for where in _metric_lines(text)):
        return True
    return opens(text)


def _is_sure(reading: Reading | None) -> bool:
    return reading is not None and (len(reading[0]) >= 2 or any("/" in name for name in reading[0]))


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    text, line, part = whole_lines(data, memory, torn=torn)
    gather(text, line, memory, part)
    records = Records(part, is_verl_row)
    counted = 0
    for begin, found, end in _metric_lines(text):
        line += text.count(b"\n", counted, begin)
        counted = begin
        reading = _reading(text, begin, found, end)
        if reading is None:
            continue
        names, row, left_out = reading
        step = step_of(int(found[1]))
        part.unread += [Unread(line, why) for why in left_out]
        if step is None:
            part.unread.append(Unread(line, "the step is out of range"))
        elif names:
            records.add(line, names, step, row)
    records.close()
    return part


# --- metric lines --------------------------------------------------------------------------------------------------


def _metric_lines(text: bytes) -> Iterator[tuple[int, re.Match[bytes], int]]:
    """(where the line begins, its `step:<n> - `, where the line ends) of each line that may hold metrics."""
    at = text.find(b"step:")
    while at >= 0:
        found = HEAD.match(text, at)
        if found and not _inside_a_name(text, at):
            end = text.find(b"\n", at)
            end = len(text) if end < 0 else end
            yield text.rfind(b"\n", 0, at) + 1, found, end
            at = text.find(b"step:", end)
        else:
            at = text.find(b"step:", at + 5)


def _inside_a_name(text: bytes, at: int) -> bool:
    """Whether this is the end of `training/global_step:`; the letter that ends a colour code is no part of a name."""
    before = text[max(0, at - 12) : at]
    return bool(NAME_BYTE.match(before[-1:])) and not re.search(rb"\x1b\[[\d;?]*[A-Za-z]$", before)


def _reading(text: bytes, begin: int, found: re.Match[bytes], end: int) -> Reading | None:
    """What a line says; None where it is prose that happens to hold `step:<n> - `."""
    body, whole = _body(text[found.end() : end])
    left_out = []
    if not whole and (end == len(text) or _cut_by_wandb(text[begin:end])):
        body, _, lost = body.rpartition(b" - ")
        left_out.append(f"the line is cut in {lost[:60].decode('utf-8', 'replace')!r}")
    names, row, no_numbers = _numbers(body)
    if not _opens_line(text[max(begin, found.start() - 500) : found.start()]):
        return (names, row, left_out + no_numbers) if len(names) >= 2 and " " not in names[0] else None
    return names, row, left_out + no_numbers


@lru_cache(256)
def _opens_line(before: bytes) -> bool:
    """Whether nothing but colours, Ray prefixes and progress bars stands before `step:`."""
    plain = COLOUR.sub(b"", before.rpartition(b"\r")[2]).replace(b"\0", b"").strip()
    return not plain or bool(RAY.fullmatch(plain[plain.rfind(b"(") :]) or BAR.search(plain))


def _body(raw: bytes) -> tuple[bytes, bool]:
    """(the segments, whether something after them proves that the last one is whole)."""
    rest = b""
    if b"\x1b" in raw:
        raw = COLOUR.sub(b"", raw)
    if b"\r" in raw:
        raw, rest, _ = raw.partition(b"\r")
    if b"pid=" in raw and (other := RAY.search(raw)):  # another process wrote on, without a newline between
        raw, rest = raw[: other.start()], b"("
    if b"[repeated" in raw and (again := REPEATED.search(raw)):
        raw, rest = raw[: again.start()], b"["
    body = raw.rstrip(b" \0\t")
    return (body[:-2], True) if body.endswith(b" -") else (body, bool(rest))


def _cut_by_wandb(line: bytes) -> bool:
    return len(line) >= WANDB_WIDTH and len(line.decode("utf-8", "replace")) == WANDB_WIDTH


def _numbers(body: bytes) -> Reading:
    """The segments as names and values: rewritten to JSON where that is safe, else one by one."""
    if b'"' not in body and b"\\" not in body:
        for spelling in _spellings(body):
            try:
                values = orjson.loads(b'{"' + spelling.replace(b":", b'":').replace(b" - ", b',"') + b"}")
                row = np.array(list(values.values()), np.float64)  # null is NaN
            except (ValueError, TypeError):
                continue
            if row.ndim == 1 and "" not in values:
                return list(values), row, []
    return _one_by_one(body.decode("utf-8", "replace"))


def _spellings(body: bytes) -> Iterator[bytes]:
    """The segments as they are, without numpy's wrapping, and with JSON's words: what is cheaper to try comes first."""
    opened = body.count(b":np.float64(")
    if not opened:
        yield body
    elif opened == body.count(b") - ") + body.endswith(b")"):  # no other bracket closes a segment
        body = body.replace(b":np.float64(", b":").replace(b") - ", b" - ").removesuffix(b")")
        yield body
    yield ODD.sub(lambda found: b":" + _json_word(found[1] or found[2] or b""), body)


def _json_word(word: bytes) -> bytes:
    return JSON_WORDS.get(word.strip(), word)


def _one_by_one(body: str) -> Reading:
    """Any name and any spelling. A segment without a value belongs to the name that ends in a later segment."""
    values: dict[str, float] = {}
    loose: list[str] = []
    for segment in body.split(" - ") if body else []:
        name, colon, cell = segment.rpartition(":")
        value = _value(cell) if colon else None
        if value is None:
            loose.append(segment)
            continue
        name = " - ".join([*loose, name])
        loose = []
        if 0 < len(name) <= LONGEST_NAME:
            values[name] = value
        else:
            loose.append(segment)
    why = [f"no number in {' - '.join(loose)[:60]!r}"] if loose else []
    return list(values), np.array(list(values.values()), np.float64), why


def _value(cell: str) -> float | None:
    wrapped = WRAPPED.fullmatch(cell)
    return WORDS.get(cell.strip(), number(wrapped[1] if wrapped else cell))
