"""A source's records as the detectors read them: in emission order, a column per quantity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from db.block import Bools, Floats, Ints
from db.metrics import Metric, named, with_quantity
from db.points import keyset_members
from db.prepared import Prepared
from db.runs import Attempt
from db.schema import axes, tail
from db.series import Piece, pieces


@dataclass(frozen=True, slots=True)
class SourceRows:
    """n records. steps, walls, attempts (numbers within the run): (n,). columns: quantity -> (n,) in the canonical
    unit, NaN where absent; logged: quantity -> (n,) bool. at: (attempt id, records) judged when these are."""

    steps: Ints
    walls: Floats
    attempts: Ints
    columns: dict[str, Floats]
    logged: dict[str, Bools]
    at: tuple[int, int]

    def __len__(self) -> int:
        return len(self.steps)


def rows_of(
    connection: sa.Connection,
    trainer: str,
    tries: Sequence[Attempt],
    quantities: Collection[str],
    *,
    after: tuple[int, int] = (0, 0),
    until: tuple[int, int] | None = None,
    names: Collection[str] = (),
    known: Collection[Metric] | None = None,
) -> SourceRows:
    """The records of one source (its attempts, in order) after (attempt id, record), and before `until`.

    names: metrics as logged; their columns are called "metric <name>" and hold the values as they are. known: what
    `with_quantity` says of the quantities, where many sources are read at once.
    """
    start = next((i for i, one in enumerate(tries) if one.id == after[0]), 0)
    known = with_quantity(connection, quantities) if known is None else known
    chosen = [metric for metric in known if metric.trainer == trainer]
    chosen += [
        replace(metric, quantity=f"metric {metric.name}", scale=1.0) for metric in named(connection, trainer, names)
    ]
    parts = []
    for one in tries[start:]:
        since = after[1] if one.id == after[0] else 0
        to = until[1] if until and one.id == until[0] else one.records
        live = _tail_rows(connection, one, chosen, since, to) if 0 < to - since <= FEW else None
        parts.append(_attempt_rows(connection, one, chosen, since, to) if live is None else live)
    return _joined(parts, (tries[-1].id, parts[-1].at[1]) if parts else after)


FEW = 32
"""So few new records are most likely all in the tail, where one statement reads them."""
_LIVE = Prepared(
    sa.select(tail.c.seq, tail.c.n, tail.c.keyset_id, tail.c.steps, tail.c.walls, tail.c.vals)
    .where(tail.c.attempt_id == sa.bindparam("of"), tail.c.seq + tail.c.n > sa.bindparam("since"))
    .order_by(tail.c.seq)
)


def _tail_rows(connection: sa.Connection, one: Attempt, chosen: list[Metric], since: int, to: int) -> SourceRows | None:
    """The records of an attempt as far as they rest in the tail; None if some are sealed already."""
    waiting: Iterable[Sequence[Any]] = _LIVE.run(connection, {"of": one.id, "since": since})
    found = [row for row in waiting if row[0] < to]
    if not found or found[0][0] > since or found[-1][0] + found[-1][1] < to:
        return None
    members = keyset_members(connection, {row[2] for row in found})
    places = {keyset: {metric_id: at for at, metric_id in enumerate(ids.tolist())} for keyset, ids in members.items()}
    ordered = sorted(chosen, key=lambda metric: -metric.rank)  # of two names for one quantity the preferred is last
    n = to - since
    steps, walls = np.zeros(n, np.int64), np.full(n, np.nan)
    columns: dict[str, Floats] = {}
    logged: dict[str, Bools] = {}
    for seq, count, keyset, axis, times, values in found:
        start, block = seq - since, np.frombuffer(values).reshape(-1, count)
        _place(steps, start, np.frombuffer(axis, np.int64))
        _place(walls, start, np.frombuffer(times))
        named_last = {str(one.quantity): one for one in ordered if one.id in places[keyset]}
        for quantity, metric in named_last.items():
            if quantity not in columns:
                columns[quantity], logged[quantity] = np.full(n, np.nan), np.zeros(n, bool)
            _place(columns[quantity], start, block[places[keyset][metric.id]] * metric.scale)
            logged[quantity][max(0, start) : start + count] = True
    return SourceRows(steps, walls, np.full(n, one.number), columns, logged, (one.id, to))


def _attempt_rows(connection: sa.Connection, one: Attempt, chosen: list[Metric], since: int, to: int) -> SourceRows:
    n = max(0, to - since)
    steps, walls = np.zeros(n, np.int64), np.full(n, np.nan)
    if n:
        for seq, axis, times in _axes(connection, one.id, since):
            _place(steps, seq - since, axis)
            _place(walls, seq - since, times)
    columns: dict[str, Floats] = {}
    logged: dict[str, Bools] = {}
    found: dict[int, list[Piece]] = defaultdict(list)
    if n:
        for piece in pieces(connection, [one.id], [metric.id for metric in chosen], since=since):
            found[piece.metric_id].append(piece)
    for metric in sorted(chosen, key=lambda metric: -metric.rank):  # the preferred name writes last
        quantity = str(metric.quantity)
        for piece in found.get(metric.id, []):
            if quantity not in columns:
                columns[quantity], logged[quantity] = np.full(n, np.nan), np.zeros(n, bool)
            _fill(columns[quantity], logged[quantity], piece, piece.seq - since, metric.scale)
    return SourceRows(steps, walls, np.full(n, one.number), columns, logged, (one.id, max(to, since)))


def _fill(values: Floats, logged: Bools, piece: Piece, start: int, scale: float) -> None:
    """Lay a piece over a column from `start` on, as far as it falls inside."""
    if piece.positions is None:  # by far the most: no index is needed
        _place(values, start, piece.values * scale)
        _place(logged, start, np.ones(len(piece.values), bool))
        return
    at = start + piece.positions
    inside = (at >= 0) & (at < len(values))
    values[at[inside]] = piece.values[inside] * scale
    logged[at[inside]] = True


def _axes(connection: sa.Connection, attempt_id: int, since: int) -> Iterator[tuple[int, Ints, Floats]]:
    for table in (axes, tail):
        columns = (table.c.seq, table.c.steps, table.c.walls)
        mine = sa.select(*columns).where(table.c.attempt_id == attempt_id, table.c.seq + table.c.n > since)
        for seq, steps, walls in connection.execute(mine):
            yield seq, np.frombuffer(steps, np.int64), np.frombuffer(walls)


def _place(into: np.ndarray, start: int, values: np.ndarray) -> None:
    first = max(0, start)
    last = max(first, min(len(into), start + len(values)))  # what begins past the end leaves nothing
    into[first:last] = values[first - start : last - start]


def _joined(parts: list[SourceRows], at: tuple[int, int]) -> SourceRows:
    names = {name for part in parts for name in part.columns}
    blank = [np.full(len(part), np.nan) for part in parts]
    absent = [np.zeros(len(part), bool) for part in parts]
    return SourceRows(
        np.concatenate([part.steps for part in parts] or [np.zeros(0, np.int64)]),
        np.concatenate([part.walls for part in parts] or [np.zeros(0)]),
        np.concatenate([part.attempts for part in parts] or [np.zeros(0, np.int64)]),
        {k: np.concatenate([p.columns.get(k, none) for p, none in zip(parts, blank, strict=True)]) for k in names},
        {k: np.concatenate([p.logged.get(k, none) for p, none in zip(parts, absent, strict=True)]) for k in names},
        at,
    )


def interval(connection: sa.Connection, attempt: Attempt, rows: int = 50) -> float | None:
    """The 95th percentile of the seconds between the attempt's last records; None where the log carries no times of
    its own (all records then bear the time at which they were read)."""
    walls = [times for _seq, _axis, times in _axes(connection, attempt.id, max(0, attempt.records - rows))]
    gaps = np.diff(np.sort(np.unique(np.concatenate(walls or [np.zeros(0)]))[-rows:]))
    return float(np.quantile(gaps, 0.95)) if len(gaps) >= 3 else None


def pace(connection: sa.Connection, attempt: Attempt, rows: int = 20) -> float | None:
    """Seconds a step over the attempt's last records; None where the log carries no times of its own."""
    found = list(_axes(connection, attempt.id, max(0, attempt.records - rows)))
    steps = np.concatenate([axis for _seq, axis, _times in found] or [np.zeros(0, np.int64)])[-rows:]
    walls = np.concatenate([times for _seq, _axis, times in found] or [np.zeros(0)])[-rows:]
    known = np.flatnonzero(np.isfinite(walls))
    if not len(known) or steps[known[-1]] <= steps[known[0]] or walls[known[-1]] <= walls[known[0]]:
        return None
    return float((walls[known[-1]] - walls[known[0]]) / (steps[known[-1]] - steps[known[0]]))
