"""What a reader of a container is: one file in `collectors/formats/`, found by a scan of the folder.

Everything that can go wrong while reading a log is *set aside and counted* (`Unread`), never raised:
a reader must survive any bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

from db.block import Block

Memory = dict[str, Any]
"""What a reader must remember between two pieces of one file: small, JSON, stored with the place."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What `recognises` may look at: the file's path and some of its (decompressed) bytes.

    head: the first 64 KiB.  more: up to 2 MiB from the start, for logs whose first metric line comes late
    (a config dump or hundreds of kB of prints may stand before it).  `more` starts with `head`.
    """

    path: Path
    head: bytes
    more: bytes


@dataclass(frozen=True, slots=True)
class Unread:
    """A piece of a log that was set aside. line: counted from 1 in the whole file (record number in binary files)."""

    line: int
    why: str


@dataclass(slots=True)
class Part:
    """What one piece of a file said.

    used: bytes of the piece that are done with; the rest (a torn line, a half record) is given again, with more.
    rows: how many of the records are rows, i.e. hold at least one training metric (HOUSE.md: a record with only
      a summary, a config or an evaluation is no row). first_step and last_step are those of rows.
    config: settings as the trainer printed them, nested or flat; merged over what was found before.
    run, project: the trainer's own names where the log says them.
    """

    blocks: list[Block] = field(default_factory=list)
    used: int = 0
    rows: int = 0
    first_step: int | None = None
    last_step: int | None = None
    unread: list[Unread] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    run: str | None = None
    project: str | None = None


@runtime_checkable
class Format(Protocol):
    """A module of `collectors/formats/`.

    NAME: what `stepwell collect` prints, e.g. "verl-console".
    WHOLE: True where the writer rewrites the file as a whole (JSON documents): `read` then always gets all of it.
    RUN_PER_FILE: True where each file is a run of its own (a console log); else the folder is the run.
    TRAINER: whose names these are, or None where the names themselves must tell (TensorBoard, plain CSV).
    """

    NAME: str
    WHOLE: bool
    RUN_PER_FILE: bool
    TRAINER: str | None

    def recognises(self, sample: Sample) -> bool:
        """By content, never by name alone. No two formats may claim the same file."""
        ...

    def read(self, data: bytes, memory: Memory, *, torn: bool) -> Part:
        """Read a piece that starts where the last one was used up; may change `memory` in place.

        torn=False: more may follow; leave an unfinished last line or record unused.
        torn=True: `data` is the unfinished end of the file, to be read as far as it can be trusted (a last value
        that may be cut in the middle is dropped and reported as Unread). The collector throws this part away
        and reads the same bytes again when the file has grown, so `memory` changes are thrown away too.
        """
        ...


def as_format(module: ModuleType) -> Format:
    """The module seen as a Format. Raises TypeError naming what it lacks."""
    lacking = [
        name for name in ("NAME", "WHOLE", "RUN_PER_FILE", "TRAINER", "recognises", "read") if not hasattr(module, name)
    ]
    if lacking:
        raise TypeError(f"{module.__name__} is no reader: it lacks {', '.join(lacking)}")
    return module
