"""Reading points: curves for the eye, rows for the detectors, latest values for tables.

Call these inside `db.engine.reading`: one snapshot, so that a stretch that is being sealed is seen once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from db.block import Bools, Floats, Ints
from db.metrics import Metric, by_id, with_quantity
from db.schema import attempts, axes, chunks, keyset_metrics, latest, tail


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one run. steps, walls (s since the epoch, NaN unknown), values, attempts, live: all (n,).

    values are as logged; `by_quantity` gives them in the canonical unit. attempts are numbers within the run.
    live is False for points that a later attempt has superseded (only with history=True).
    """

    metric: Metric
    steps: Ints
    walls: Floats
    values: Floats
    attempts: Ints
    live: Bools

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True, slots=True)
class _Try:
    """What a read must know of an attempt."""

    run_id: int
    number: int
    ends_at: int | None


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one metric of one attempt, as it rests in the store. positions: records from `seq` on."""

    attempt_id: int
    metric_id: int
    seq: int
    steps: Ints
    walls: Floats
    values: Floats
    positions: Ints | None = None


# Built once: to build these two takes longer than to run them.
_ATTEMPTS: sa.BindParameter[Any] = sa.bindparam("attempts", expanding=True)
_METRICS: sa.BindParameter[Any] = sa.bindparam("metrics", expanding=True)
_SINCE: sa.BindParameter[Any] = sa.bindparam("since")
_SEALED = (
    sa.select(
        chunks.c.attempt_id,
        chunks.c.metric_id,
        chunks.c.seq,
        axes.c.steps,
        axes.c.walls,
        chunks.c.vals,
        chunks.c.positions,
    )
    .join(axes, (axes.c.attempt_id == chunks.c.attempt_id) & (axes.c.seq == chunks.c.seq))
    .where(
        chunks.c.attempt_id.in_(_ATTEMPTS),
        chunks.c.metric_id.in_(_METRICS),
        axes.c.seq + axes.c.n > _SINCE,
    )
)
_SIZE = 8 * tail.c.n
_WAITING = (
    sa.select(
        tail.c.attempt_id,
        keyset_metrics.c.metric_id,
        tail.c.seq,
        tail.c.steps,
        tail.c.walls,
        sa.func.substr(tail.c.vals, 1 + keyset_metrics.c.position * _SIZE, _SIZE),
    )
    .join(keyset_metrics, keyset_metrics.c.keyset_id == tail.c.keyset_id)
    .where(
        tail.c.attempt_id.in_(_ATTEMPTS),
        keyset_metrics.c.metric_id.in_(_METRICS),
        tail.c.seq + tail.c.n > _SINCE,
    )
    .order_by(tail.c.attempt_id, keyset_metrics.c.metric_id, tail.c.seq)
)


def series(
    connection: sa.Connection, run_ids: Collection[int], metric_ids: Collection[int], *, history: bool = False
) -> dict[tuple[int, int], Series]:
    """(run id, metric id) -> its curve: the live line in step order, or with history=True every attempt in
    emission order. Pairs without points are absent."""
    known, tries = by_id(connection, metric_ids), _tries(connection, run_ids)
    parts: dict[tuple[int, int], list[Piece]] = defaultdict(list)
    for piece in pieces(connection, tries.keys(), metric_ids):
        parts[tries[piece.attempt_id].run_id, piece.metric_id].append(piece)
    return {key: _curve(known[key[1]], found, tries, history) for key, found in parts.items()}


def by_quantity(
    connection: sa.Connection, run_ids: Collection[int], quantities: Collection[str], *, history: bool = False
) -> dict[tuple[int, str], Series]:
    """(run id, quantity) -> its curve in the canonical unit, from the metric that says it best in that run."""
    chosen = choose(connection, run_ids, quantities)
    wanted = {(run_id, metric.id): quantity for (run_id, quantity), metric in chosen.items()}
    curves = series(connection, {run for run, _ in wanted}, {metric for _, metric in wanted}, history=history)
    return {
        (run_id, wanted[run_id, metric_id]): replace(curve, values=curve.values * curve.metric.scale)
        for (run_id, metric_id), curve in curves.items()
        if (run_id, metric_id) in wanted
    }


def choose(
    connection: sa.Connection, run_ids: Collection[int] | None, quantities: Collection[str]
) -> dict[tuple[int, str], Metric]:
    """(run id, quantity) -> the metric to show: the preferred name, and of equals the one that reaches furthest."""
    return {key: metric for key, (metric, _step, _value) in newest(connection, run_ids, quantities).items()}


def newest(
    connection: sa.Connection, run_ids: Collection[int] | None, quantities: Collection[str]
) -> dict[tuple[int, str], tuple[Metric, int, float]]:
    """(run id, quantity) -> (metric, step, value in the canonical unit) of the newest point; all runs when None."""
    candidates = sorted(with_quantity(connection, quantities), key=lambda metric: (-metric.rank, metric.id))
    layouts: dict[bytes, list[tuple[Metric, int]]] = {}
    result: dict[tuple[int, str], tuple[Metric, int, float]] = {}
    for run_id, row in _latest_rows(connection, run_ids):
        if row.metric_ids not in layouts:
            layouts[row.metric_ids] = _places(row.metric_ids, candidates)
        steps, values = np.frombuffer(row.steps, np.int64), np.frombuffer(row.vals)
        for metric, at in layouts[row.metric_ids]:  # worst rank first: a better one overwrites
            key, step = (run_id, str(metric.quantity)), int(steps[at])
            if key not in result or metric.rank < result[key][0].rank or step >= result[key][1]:
                result[key] = (metric, step, float(values[at]) * metric.scale)
    return result


def _places(metric_ids: bytes, candidates: list[Metric]) -> list[tuple[Metric, int]]:
    place = {metric_id: i for i, metric_id in enumerate(np.frombuffer(metric_ids, np.int32).tolist())}
    return [(metric, place[metric.id]) for metric in candidates if metric.id in place]


def _latest_rows(connection: sa.Connection, run_ids: Collection[int] | None) -> Iterator[tuple[int, sa.Row]]:  # type: ignore[type-arg]
    query = sa.select(latest.c.run_id, latest.c.metric_ids, latest.c.steps, latest.c.vals)
    if run_ids is not None:
        query = query.where(latest.c.run_id.in_(run_ids))
    return ((row.run_id, row) for row in connection.execute(query))


def metrics_of(connection: sa.Connection, run_id: int) -> list[tuple[Metric, int, float]]:
    """(metric, newest step, newest value as logged) of everything that the run ever logged, by name."""
    found = [row for _, row in _latest_rows(connection, [run_id])]
    if not found:
        return []
    ids = np.frombuffer(found[0].metric_ids, np.int32).tolist()
    known = by_id(connection, ids)
    steps, values = np.frombuffer(found[0].steps, np.int64).tolist(), np.frombuffer(found[0].vals).tolist()
    return sorted(((known[i], s, v) for i, s, v in zip(ids, steps, values, strict=True)), key=lambda row: row[0].name)


def metrics_ever(connection: sa.Connection, run_id: int) -> list[Metric]:
    """Every metric that any attempt of the run logged, superseded ones too, by name."""
    mine = sa.select(attempts.c.id).where(attempts.c.run_id == run_id)
    sealed = sa.select(chunks.c.metric_id).where(chunks.c.attempt_id.in_(mine))
    of_tail = keyset_metrics.c.keyset_id == tail.c.keyset_id
    waiting = sa.select(keyset_metrics.c.metric_id).join(tail, of_tail).where(tail.c.attempt_id.in_(mine))
    ids = set(connection.execute(sealed.union(waiting)).scalars())
    return sorted((one for one in by_id(connection, ids).values() if one.id in ids), key=lambda metric: metric.name)


def _tries(connection: sa.Connection, run_ids: Collection[int]) -> dict[int, _Try]:
    columns = (attempts.c.id, attempts.c.run_id, attempts.c.number, attempts.c.ends_at)
    rows = connection.execute(sa.select(*columns).where(attempts.c.run_id.in_(run_ids)))
    return {row.id: _Try(row.run_id, row.number, row.ends_at) for row in rows}


def pieces(
    connection: sa.Connection, attempt_ids: Collection[int], metric_ids: Collection[int], *, since: int = 0
) -> Iterator[Piece]:
    """The sealed and then the waiting stretches of these metrics that reach beyond record `since`, in no order."""
    these = {"attempts": list(attempt_ids), "metrics": list(metric_ids), "since": since}
    for attempt_id, metric_id, seq, steps, walls, values, positions in connection.execute(_SEALED, these):
        axis, times = np.frombuffer(steps, np.int64), np.frombuffer(walls)
        if positions is None:
            yield Piece(attempt_id, metric_id, seq, axis, times, np.frombuffer(values))
        else:
            at = np.frombuffer(positions, np.uint16).astype(np.int64)
            yield Piece(attempt_id, metric_id, seq, axis[at], times[at], np.frombuffer(values), at)
    one_stretch: list[Sequence[Any]] = []
    for row in connection.execute(_WAITING, these):
        if one_stretch and not _follows(row, one_stretch[-1]):
            yield _joined(one_stretch)
            one_stretch = []
        one_stretch.append(row)
    if one_stretch:
        yield _joined(one_stretch)


def _follows(row: Sequence[Any], last: Sequence[Any]) -> bool:
    return bool(row[0] == last[0] and row[1] == last[1] and row[2] == last[2] + len(last[3]) // 8)


def _joined(rows: list[Sequence[Any]]) -> Piece:
    """Rows of the tail that follow each other: one piece, for a live log has hundreds of them."""
    attempt_id, metric_id, seq, *_ = rows[0]
    steps, walls, values = (b"".join([row[i] for row in rows]) for i in (3, 4, 5))
    return Piece(
        attempt_id, metric_id, seq, np.frombuffer(steps, np.int64), np.frombuffer(walls), np.frombuffer(values)
    )


def _curve(metric: Metric, parts: list[Piece], tries: dict[int, _Try], history: bool) -> Series:
    parts.sort(key=lambda piece: (tries[piece.attempt_id].number, piece.seq))
    steps = np.concatenate([piece.steps for piece in parts])
    walls = np.concatenate([piece.walls for piece in parts])
    values = np.concatenate([piece.values for piece in parts])
    lengths = [len(piece.steps) for piece in parts]
    numbers = np.repeat([tries[piece.attempt_id].number for piece in parts], lengths)
    ends = [tries[piece.attempt_id].ends_at for piece in parts]
    live = np.ones(len(steps), bool)
    if any(end is not None for end in ends):
        last = np.iinfo(np.int64).max
        live = steps < np.repeat([last if end is None else end for end in ends], lengths)
    live = _newest_of_each_step(steps, live)
    curve = Series(metric, steps, walls, values, numbers, live)
    return curve if history else _live_line(curve)


def _newest_of_each_step(steps: Ints, live: Bools) -> Bools:
    """Where two attempts hold one step alive (a validation logged again at the resumed step), the later one stands."""
    if (np.diff(steps[live]) > 0).all():
        return live
    at = np.flatnonzero(live)
    _, first_from_behind = np.unique(steps[at][::-1], return_index=True)
    kept = np.zeros(len(steps), bool)
    kept[at[::-1][first_from_behind]] = True
    return kept


def _live_line(curve: Series) -> Series:
    if curve.live.all() and (np.diff(curve.steps) > 0).all():
        return curve
    at = np.flatnonzero(curve.live)
    at = at[np.argsort(curve.steps[at], kind="stable")]
    return Series(curve.metric, curve.steps[at], curve.walls[at], curve.values[at], curve.attempts[at], curve.live[at])
