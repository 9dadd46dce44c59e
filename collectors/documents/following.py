"""Documents in the collector's pass: read whole when they are new or have changed, then laid beside their runs."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePath

import sqlalchemy as sa

from collectors.contract import Sample, Unread
from collectors.discover import HEAD, MORE, PLAIN_NAMES, ROLLOUTS, Found
from collectors.documents.contract import Document, Reader, recognise
from collectors.tail import Log
from db import documents, evaluations, runs
from db.documents import Document as Stored
from db.edits import SHELVES
from db.engine import reading, writing

MOST_ENTRIES = 20_000  # of one document
LIMIT = 64 << 20  # bytes; what JSON makes of them in memory is several times that
ENDINGS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt")
ROLLOUTS_KIND, NEWEST = "rollouts", 12  # documents of rollouts whose content a run keeps
SHORTEST_NAME = 4  # letters of a run's name that tell it in a checkpoint's path


class Papers:
    """The documents of a collector. known: every one of the store's, by path; read: those that it stored, in order."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.known: dict[str, Stored] = {}
        self.read: list[Stored] = []
        self._attached = (-1, -1)  # how many documents and logs there were when they were last laid beside runs

    def load(self, connection: sa.Connection) -> None:
        self.known = {one.path: one for one in documents.known(connection)}

    def take(self, found: Found) -> bool:
        """Store what a new or changed file says if it is a document. Raises OSError and db.engine.StoreError."""
        name = found.path.name
        if not (name.lower().removesuffix(".gz").endswith(ENDINGS) or ROLLOUTS.fullmatch(name)):
            return False
        paper = read(self.engine, found, self.known)
        if paper is not None:
            self.known[found.name] = paper
            self.read.append(paper)
        elif self.known.pop(found.name, None) is not None:  # another kind of file took its place
            with writing(self.engine) as connection:
                documents.forget(connection, [found.name])
        return paper is not None

    def attach(self, logs: int) -> int:
        """Lay documents beside their runs, where documents or logs (how many are known) are new. Returns how much that
        changed."""
        if not self.known or self._attached == (len(self.read), logs):
            return 0
        self._attached = (len(self.read), logs)
        moved = attach(self.engine)
        if any(one.kind == ROLLOUTS_KIND for one in self.read):
            with writing(self.engine) as connection:
                documents.thin(connection, ROLLOUTS_KIND, NEWEST)
        return moved

    def under(self, roots: Collection[Path]) -> list[Stored]:
        """The known documents under these paths that are still there."""
        mine = (one for one in self.known.values() if any(Path(one.path).is_relative_to(root) for root in roots))
        return [one for one in mine if Path(one.path).exists()]


def read(engine: sa.Engine, found: Found, known: Mapping[str, Stored]) -> Stored | None:
    """Store what a document says now; None if no reader claims the file. Raises OSError and db.engine.StoreError."""
    before = known.get(found.name)
    with Log(found.path) as log:
        reader = _reader(found.path, log)
        if reader is None:
            return None
        stat, data = log.stat, log.read(0, LIMIT + 1)
        problem = log.problem
    mark = hashlib.blake2b(data, digest_size=16).hexdigest()
    stored = Stored(found.name, reader.KIND, reader.NAME, mark, stat.st_size, stat.st_mtime)
    if before is not None and (before.fingerprint, before.format) == (mark, reader.NAME):
        return _touched(engine, before, stored)
    said = _said(reader, found.path, data, problem)
    if before is not None and said.torn:
        return _touched(engine, before, stored)
    moved = next((one for one in known.values() if one.fingerprint == mark and not Path(one.path).exists()), None)
    return _put(engine, stored, said, moved if before is None else None)


def _reader(path: Path, log: Log) -> Reader | None:
    head = log.read(0, HEAD)
    found = recognise(Sample(path, head, head))
    if found is None and len(head) == HEAD and not path.name.removesuffix(".gz").endswith("csv"):
        found = recognise(Sample(path, head, log.read(0, MORE)))
    return found


def _said(reader: Reader, path: Path, data: bytes, problem: str | None) -> Document:
    if len(data) > LIMIT:
        return Document(unread=[Unread(1, f"a document of over {LIMIT >> 20} MiB is not read")])
    said = reader.read(path, data)
    if problem:
        said.unread.append(Unread(0, problem))
    if len(said.entries) > MOST_ENTRIES:
        said.unread.append(Unread(0, f"{len(said.entries) - MOST_ENTRIES:,} scores beyond the first {MOST_ENTRIES:,}"))
        del said.entries[MOST_ENTRIES:]
    return said


def _touched(engine: sa.Engine, before: Stored, now: Stored) -> Stored:
    with writing(engine) as connection:
        documents.touch(connection, now.path, now.size, now.modified)
    return replace(before, size=now.size, modified=now.modified)


def _put(engine: sa.Engine, stored: Stored, said: Document, moved: Stored | None) -> Stored:
    first = min(said.unread, key=lambda one: one.line, default=None)
    why = f"line {first.line}: {first.why}" if first and first.line else first.why if first else ""
    stored = replace(stored, content=said.content, unread=len(said.unread), why=why)
    with writing(engine) as connection:
        if moved is not None:
            documents.move(connection, moved.path, stored.path)
        return replace(stored, id=documents.put(connection, stored, said.entries), content="")


# --- whose ---------------------------------------------------------------------------------------------------------


def attach(engine: sa.Engine) -> int:
    """Lay documents and scores beside the runs in whose folder they lie, or that they name. Returns how many moved.

    A published figure is never a run's. What two runs could claim is nobody's.
    """
    with reading(engine) as connection:
        known, places = documents.known(connection), documents.places_of_runs(connection)
        if not known:
            return 0
        named = Named(runs.all_runs(connection, list(places), shelves=SHELVES), places)
        owners = {one.id: named.by_place(one.path) for one in known}
        scores = evaluations.owners(connection)
    moved = {one.id: owners[one.id] for one in known if owners[one.id] != one.run_id}
    wanted = {of: named.of(one, owners[one.document_id]) for of, one in scores.items()}
    scored = {of: run for of, run in wanted.items() if run != scores[of].run_id}
    if moved or scored:
        with writing(engine) as connection:
            for document_id, run_id in moved.items():
                documents.attach(connection, document_id, run_id)
            evaluations.attach(connection, scored)
    return len(moved) + len(scored)


class Named:
    """Finds a run by a path inside its folder, by its name, or by a checkpoint's path that holds its name."""

    def __init__(self, known: Iterable[runs.Run], places: Mapping[int, str]) -> None:
        self.folders: dict[str, set[int]] = defaultdict(set)
        self.beside: dict[str, set[int]] = defaultdict(set)  # a folder that holds the logs of runs, which are named
        self.names: dict[str, set[int]] = defaultdict(set)
        self.ends: dict[str, set[int]] = defaultdict(set)
        for run in known:
            place, _, own = places[run.id].partition("#")
            if not own and PurePath(place).name in PLAIN_NAMES:  # a log called metrics.jsonl: the folder is the run's
                self.folders[str(PurePath(place).parent)].add(run.id)
            (self.beside if own not in ("", PurePath(place).name) else self.folders)[place].add(run.id)
            for name in {run.name, run.label}:
                self.names[name].add(run.id)
            for parts in (PurePath(place).parts[1:], (*PurePath(place).parts[1:], own)):
                for length in range(2, min(len(parts), 5)):
                    self.names["/".join(parts[-length:])].add(run.id)
            end = run.name.rpartition("/")[2]
            if len(end) >= SHORTEST_NAME and end.lower() not in PLAIN_NAMES:
                self.ends[end].add(run.id)

    def by_place(self, path: str) -> int | None:
        """The run whose log lies beside a file, or that lives in the nearest folder above it."""
        parents = PurePath(path).parents
        if found := self.beside.get(str(parents[0])):
            return _only(found)
        for folder in parents:
            if found := self.folders.get(str(folder)):
                return _only(found)
        return None

    def of(self, score: evaluations.Owned, document_s: int | None) -> int | None:
        """Whose a score is: the run that it names, else its document's."""
        return None if score.published else self.by_name(score.system, score.checkpoint) or document_s

    def by_name(self, system: str, checkpoint: str) -> int | None:
        for name in filter(None, (system, checkpoint)):
            if name in self.names:
                return _only(self.names[name])
        for path in filter(None, (checkpoint, system)):
            found = {one for part in PurePath(path).parts for one in self.ends.get(part, ())}
            if found:
                return _only(found)
        return None


def _only(found: Collection[int]) -> int | None:
    return next(iter(found)) if len(found) == 1 else None
