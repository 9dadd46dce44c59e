"""A part of a log into the store: attempts opened, blocks appended, the torn end kept so that it can be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from collectors import names
from collectors.contract import Part
from collectors.settings import flatten, settings, whose
from db import latest, metrics, points, runs, sources
from db.block import Block, Bools, Ints
from db.metrics import Meant
from db.points import Trying
from db.sources import Place

AXES = frozenset(
    "epoch step global_step training/global_step training/epoch train/epoch train/global_step progress/step".split()
)
"""Counters that any record may carry: they make no row, and repeating one is no restart."""
COUNTERS = ("rows", "first_step", "last_step", "records", "points")


def understand(trainer: str, name: str) -> Meant:
    """A raw name's row in the store, by today's tables of names."""
    meaning = names.understand(trainer, name)
    evaluation = names.is_evaluation(trainer, name)
    return Meant(meaning.quantity, meaning.unit, meaning.caveat, meaning.scale, meaning.rank, evaluation)


def put(connection: sa.Connection, place: Place, part: Part, *, restarted: bool, modified: float) -> Place:
    """Append a part's blocks to the source's attempt, opening new ones where steps go back (or the file restarted).

    modified: the file's, in s since the epoch; stands in where the log carries no time (HOUSE.md, "Time").
    """
    writer = Writer(connection, place, None if restarted else place.attempt or sources.current(connection, place.id))
    for block in part.blocks:
        writer.add(_timed(block, modified))
    writer.finish()
    return writer.read(part)


def put_torn(connection: sa.Connection, place: Place, part: Part, *, modified: float) -> Place:
    """Append what the unfinished end says, in one attempt and unsealed, so that `take_back` can undo it."""
    before = {name: getattr(place, name) for name in COUNTERS}
    attempt = place.attempt or sources.current(connection, place.id)
    torn: dict[str, Any] = {"before": before, "unread": [[one.line, one.why] for one in part.unread]}
    if part.blocks:
        writer = Writer(connection, place, attempt, torn=True)
        writer.add(_timed(part.blocks[0], modified))
        writer.finish()
        place = writer.read(part)
        opened = writer.attempt is not None and (attempt is None or writer.attempt.id != attempt.id)
        was = writer.attempt if opened or attempt is None else attempt
        if was is not None:
            seq = 0 if opened else was.records
            torn |= {"attempt": was.id, "seq": seq, "opened": opened, "was": asdict(was)}
    return replace(place, provisional=torn, attempt=None)


def take_back(connection: sa.Connection, place: Place) -> Place:
    """The place without what its torn end gave: those bytes are about to be read again."""
    torn = place.provisional
    if torn is None:
        return place
    if "attempt" in torn:
        was = Trying(**torn["was"])
        if torn["opened"]:
            sources.close_attempt(connection, place, was)
            latest.rebuild(connection, place.run_id)
        else:
            points.take_back(connection, was.id, torn["seq"])
            sources.restore(connection, place, was)
    return replace(place, provisional=None, **torn["before"])


def keep_config(connection: sa.Connection, place: Place, part: Part, project: str | None) -> None:
    """The run's own names and settings, where this part printed them."""
    if part.run or part.project:
        runs.name_it(connection, place.run_id, None if project else part.project, part.run)
    if part.config:
        canonical = settings(whose(place.trainer, part.config), part.config)
        runs.set_config(connection, place.run_id, flatten(part.config), canonical)


def _timed(block: Block, modified: float) -> Block:
    unknown = np.isnan(block.walls)
    return replace(block, walls=np.where(unknown, modified, block.walls)) if unknown.any() else block


class Writer:
    """Where the next record of a source goes."""

    def __init__(self, connection: sa.Connection, place: Place, attempt: Trying | None, *, torn: bool = False) -> None:
        self.connection, self.place, self.attempt, self.torn = connection, place, attempt, torn
        self.superseded = False
        self.records = self.points = 0

    def read(self, part: Part) -> Place:
        """The place after this part: what was stored, and what the reader counted."""
        place = self.place
        return replace(
            place,
            rows=place.rows + part.rows,
            first_step=part.first_step if place.first_step is None else place.first_step,
            last_step=place.last_step if part.last_step is None else part.last_step,
            records=place.records + self.records,
            points=place.points + self.points,
            attempt=self.attempt or place.attempt,
        )

    def add(self, block: Block) -> None:
        """Store a block, cut where a new attempt must begin."""
        known = metrics.ids_of(self.connection, self.place.trainer, block.names, understand)
        ids = np.fromiter(map(known.__getitem__, block.names), np.int64, len(block.names))
        for start, stop, opens in self._stretches(block, ids):
            part = block if stop - start == len(block) else block.rows(start, stop)
            if opens:
                if self.torn and start:
                    return  # one attempt is all that can be taken back; the next pass reads the rest
                self._open(part, ids)
            self._append(part, ids)

    def finish(self) -> None:
        if self.superseded:
            latest.rebuild(self.connection, self.place.run_id)

    def _stretches(self, block: Block, ids: Ints) -> Iterator[tuple[int, int, bool]]:
        """(start, stop, opens a new attempt) of the longest stretches in which no metric repeats a step."""
        forward = len(block) == 1 or bool((np.diff(block.steps) > 0).all())
        if self.attempt is not None and forward and block.steps[0] > self.attempt.last_step:
            yield 0, len(block), False
            return
        if self.attempt is None and forward:
            yield 0, len(block), True
            return
        counts = np.array([name not in AXES for name in block.names])
        last = np.full(len(ids), np.iinfo(np.int64).min)
        if self.attempt is not None:
            past = points.last_steps(self.connection, self.attempt.id)
            last = np.array([past.get(one, np.iinfo(np.int64).min) for one in ids.tolist()])
        yield from _cuts(block.steps, block.mask() & counts, last, opens=self.attempt is None)

    def _open(self, part: Block, ids: Ints) -> None:
        has = ids[part.mask().any(axis=0) & np.array([name not in AXES for name in part.names])]
        first = int(part.steps[0])
        self.attempt = sources.open_attempt(self.connection, self.place, first, has.tolist())
        self.superseded = self.superseded or self.attempt.line != self.attempt.number

    def _append(self, part: Block, ids: Ints) -> None:
        attempt = self.attempt
        assert attempt is not None
        if not attempt.has_row:
            attempt = self._meet_first_row(attempt, part)
        if attempt.line != attempt.number and int(part.steps.min()) < attempt.first_step:
            self.superseded = True  # the older attempt still stands there, with later steps than these
        self.attempt = points.append(self.connection, attempt, ids, part, seal=not self.torn)
        if attempt.ends_at is None:
            latest.update(self.connection, self.place.run_id, ids, part)
        self.records += len(part)
        self.points += part.points

    def _meet_first_row(self, attempt: Trying, part: Block) -> Trying:
        trainer = self.place.trainer
        training = np.array([name not in AXES and not names.is_evaluation(trainer, name) for name in part.names])
        rows = np.flatnonzero((part.mask() & training).any(axis=1))
        if not len(rows):
            return attempt
        step = int(part.steps[rows[0]])
        self.superseded = self.superseded or step != attempt.first_step  # what a validation record hid is seen again
        return sources.first_row(self.connection, self.place, attempt, step)


def _cuts(steps: Ints, has: Bools, last: Ints, *, opens: bool) -> Iterator[tuple[int, int, bool]]:
    """steps (n,), has (n, m), last (m,): where a metric is logged at a step that it had passed, cut before it."""
    start = 0
    for i, step in enumerate(steps.tolist()):
        if (last[has[i]] >= step).any():
            if i > start:
                yield start, i, opens
            start, opens = i, True
            last = np.full_like(last, np.iinfo(np.int64).min)
        last = np.where(has[i], step, last)
    yield start, len(steps), opens
