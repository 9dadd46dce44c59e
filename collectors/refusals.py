"""Files that no reader claimed, as they were then, so that a pass of a new process need not look into them again.

Among a hundred thousand files that are no logs, a cron job would else spend a minute on opening each of them. What is
kept of a file is a short hash of its path, size and time, and of the readers that looked: a new reader looks anew.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from collectors.discover import Found
from db.engine import reading, writing
from db.facts import facts_like, remember

FACT = "files that are no logs under "
READERS = ("formats", "documents")
MOST = 2_000_000
"""Files; beyond, the list itself would be a burden, and those that are not on it are looked into again."""

Hashes = frozenset[int]


@dataclass(slots=True)
class Refusals:
    """The files that were refused under some paths. was: as the store has it.  now: those of this process."""

    engine: sa.Engine
    paths: Sequence[Path]
    was: Hashes = frozenset()
    now: dict[Path, Found] = field(default_factory=dict)

    def load(self) -> None:
        with reading(self.engine) as connection:
            self.was = _unpacked(facts_like(connection, self._key()).get(self._key(), ""))

    def has(self, found: Found) -> bool:
        """Whether this file, as it is now, was refused before; then it is so for this process, too."""
        if found == self.now.get(found.path):
            return True
        if self.was and stamp_of(found) in self.was:
            self.now[found.path] = found
            return True
        return False

    def add(self, found: Found) -> None:
        self.now[found.path] = found

    def drop(self, found: Found) -> None:
        """A reader claims it now."""
        self.now.pop(found.path, None)

    def keep(self) -> None:
        """For the next process; nothing is written where nothing changed."""
        held = frozenset(map(stamp_of, self.now.values())) if len(self.now) <= MOST else self.was
        if held != self.was:
            with writing(self.engine) as connection:
                remember(connection, self._key(), _packed(held))
            self.was = held

    def _key(self) -> str:
        told = "\n".join(sorted(str(path.resolve()) for path in self.paths))
        return FACT + hashlib.blake2b(told.encode(errors="replace"), digest_size=8).hexdigest()


def stamp_of(found: Found) -> int:
    told = f"{readers()} {found.size} {found.modified} {found.path}".encode(errors="surrogateescape")
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "little")


@cache
def readers() -> str:
    """Changes whenever a reader does."""
    told = hashlib.blake2b(digest_size=8)
    for folder in READERS:
        for path in sorted((Path(__file__).parent / folder).glob("*.py")):
            told.update(path.read_bytes())
    return told.hexdigest()


def _packed(hashes: Iterable[int]) -> str:
    ordered = np.sort(np.fromiter(hashes, np.uint64))
    return base64.b64encode(zlib.compress(np.diff(ordered, prepend=ordered[:1] * 0).tobytes(), 1)).decode()


def _unpacked(text: str) -> Hashes:
    try:
        steps = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint64) if text else np.zeros(0, np.uint64)
    except (ValueError, zlib.error):
        return frozenset()  # looked into again
    return frozenset(np.cumsum(steps, dtype=np.uint64).tolist())
