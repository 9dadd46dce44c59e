"""What a reader of documents is: one file in this folder, found by a scan of it.

A document is read as a whole, at every change; what cannot be read is set aside and counted (`Unread`), never raised:
a reader must survive any bytes.
"""

from __future__ import annotations

import functools
import importlib
import json
import math
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import orjson

from collectors.contract import Sample, Unread
from db.evaluations import Entry
from db.redact import redact

KINDS = ("evaluation", "expert_scores", "expert_config", "dataset", "phases", "rollouts")
LONGEST_OTHERS = 4000  # characters of JSON that are kept of an entry beside its columns


@dataclass(slots=True)
class Document:
    """What a document says. entries: its scores, positions unique. content: JSON of what is no score.

    torn: it is not whole yet (half a JSON document): what was stored before stands until it is.
    """

    entries: list[Entry] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    content: str = ""
    torn: bool = False


@runtime_checkable
class Reader(Protocol):
    """A module of `collectors/documents/`. NAME: what `stepwell collect` prints, e.g. "lm-eval"; KIND: one of KINDS."""

    NAME: str
    KIND: str

    def recognises(self, sample: Sample) -> bool:
        """By content, quickly: every new file is shown. No two readers may claim the same file, and no log's."""
        ...

    def read(self, path: Path, data: bytes) -> Document:
        """All of it. path: for what names say (model, samples, temperature); the file itself need not be there."""
        ...


@functools.cache
def readers() -> dict[str, Reader]:
    """Every reader by NAME; a module of this folder without a NAME is a helper of the others."""
    here = importlib.import_module(__package__)
    modules = [importlib.import_module(f"{__package__}.{m.name}") for m in pkgutil.iter_modules(here.__path__)]
    return {module.NAME: as_reader(module) for module in modules if hasattr(module, "NAME")}


def as_reader(module: ModuleType) -> Reader:
    """The module seen as a Reader. Raises TypeError naming what it lacks."""
    lacking = [name for name in ("NAME", "KIND", "recognises", "read") if not hasattr(module, name)]
    if lacking or module.KIND not in KINDS:
        raise TypeError(f"{module.__name__} is no reader: it lacks {', '.join(lacking) or 'a known KIND'}")
    return module


def recognise(sample: Sample) -> Reader | None:
    """The reader that claims a file, if one does."""
    return next((reader for reader in readers().values() if reader.recognises(sample)), None)


class Broken(Exception):
    """No JSON; torn: it looks like the first part of some."""

    def __init__(self, why: str, *, torn: bool) -> None:
        super().__init__(why)
        self.torn = torn


def parsed(data: bytes) -> Any:
    """A JSON document, with bare NaN and Infinity allowed as Python writes them. Raises Broken."""
    text = data.strip().removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(text)
    except ValueError as error:
        why = " ".join(str(error).split())[:200]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Broken(why, torn=not text.endswith((b"}", b"]"))) from None


def broken(error: Broken) -> Document:
    return Document(unread=[Unread(1, f"no JSON: {error}")], torn=error.torn)


def others(said: Iterable[tuple[str, Any]]) -> str:
    """What else an entry said, as JSON: as many of its plain values as there is room for."""
    kept: dict[str, Any] = {}
    room = LONGEST_OTHERS
    for name, value in said:
        if value is None or value == "" or not isinstance(value, str | int | float | bool):
            continue
        text = str(value)[:500]
        room -= len(str(name)) + len(text) + 6
        if room < 0:
            break
        odd = isinstance(value, float) and not math.isfinite(value)  # which JSON has no word for
        kept[str(name)] = text if odd or isinstance(value, str) else value
    return json.dumps(redact(kept), ensure_ascii=False)
