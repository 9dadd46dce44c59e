"""The metrics' rows: a raw name of a trainer, and what it means."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from db.points import insert_new
from db.schema import facts, metrics


@dataclass(frozen=True, slots=True)
class Metric:
    """A name as logged and its meaning. quantity None: kept and listed, but not understood.

    scale: stored value * scale = value in the canonical unit. rank: 0 is the preferred of two names for one quantity.
    """

    id: int
    trainer: str
    name: str
    quantity: str | None
    unit: str | None
    caveat: str | None
    scale: float
    rank: int
    evaluation: bool


class Meant(NamedTuple):
    """What a table of names says of one name: the columns of `metrics` after the name."""

    quantity: str | None
    unit: str | None
    caveat: str | None
    scale: float
    rank: int
    evaluation: bool


Understand = Callable[[str, str], Meant]
"""(trainer, raw name) -> meaning; given by the collectors, for the store knows no trainer."""


def ids_of(connection: sa.Connection, trainer: str, names: Collection[str], understand: Understand) -> dict[str, int]:
    """raw name -> metric id, making the rows that are new. Ids that were found are remembered with the connection."""
    remembered: dict[tuple[str, ...], dict[str, int]] = connection.info.setdefault("metrics", {})
    key = (trainer, *names)
    if key in remembered:
        return remembered[key]
    found = _known(connection, trainer, names)
    new = [name for name in names if name not in found]
    if not new:
        remembered[key] = found
    else:
        rows = [{"trainer": trainer, "name": name, **understand(trainer, name)._asdict()} for name in new]
        connection.execute(insert_new(connection, metrics).on_conflict_do_nothing(), rows)
        found |= _known(connection, trainer, new)
    return found


def _known(connection: sa.Connection, trainer: str, names: Collection[str]) -> dict[str, int]:
    query = sa.select(metrics.c.name, metrics.c.id).where(metrics.c.trainer == trainer)
    if len(names) <= 500:  # a trainer with thousands of names: better all of them than so long a list
        query = query.where(metrics.c.name.in_(names))
    wanted = set(names)
    return {name: number for name, number in connection.execute(query) if name in wanted}


def is_fresh(connection: sa.Connection, fingerprint: str) -> bool:
    """Whether the rows have their meaning from these tables of names."""
    return names_of_tables(connection) == fingerprint


def names_of_tables(connection: sa.Connection) -> str | None:
    """The fingerprint of the tables of names by which the rows were understood last; None before the first time."""
    found: str | None = connection.scalar(sa.select(facts.c.value).where(facts.c.key == "names"))
    return found


def refresh(connection: sa.Connection, understand: Understand, fingerprint: str) -> int:
    """Give every row today's meaning if the tables of names have changed. Returns how many rows changed."""
    if is_fresh(connection, fingerprint):
        return 0
    changed = 0
    for metric in _metrics(connection.execute(sa.select(metrics))):
        meant = understand(metric.trainer, metric.name)
        if meant != (
            metric.quantity,
            metric.unit,
            metric.caveat,
            metric.scale,
            metric.rank,
            metric.evaluation,
        ):
            connection.execute(sa.update(metrics).where(metrics.c.id == metric.id).values(**meant._asdict()))
            changed += 1
    new = insert_new(connection, facts).values(key="names", value=fingerprint)
    connection.execute(new.on_conflict_do_update(index_elements=["key"], set_={"value": fingerprint}))
    return changed


def by_id(connection: sa.Connection, metric_ids: Collection[int] | None = None) -> dict[int, Metric]:
    """metric id -> its row; all of them when metric_ids is None."""
    query = sa.select(metrics)
    if metric_ids is not None and len(metric_ids) <= 500:
        query = query.where(metrics.c.id.in_(metric_ids))
    return {metric.id: metric for metric in _metrics(connection.execute(query))}


def with_quantity(connection: sa.Connection, quantities: Collection[str]) -> list[Metric]:
    """Every metric, of any trainer, that means one of these quantities."""
    return list(_metrics(connection.execute(sa.select(metrics).where(metrics.c.quantity.in_(quantities)))))


def named(connection: sa.Connection, trainer: str, names: Collection[str]) -> list[Metric]:
    """A trainer's metrics by their names as logged; those that it never logged are left out."""
    if not names:
        return []
    return list(
        _metrics(connection.execute(sa.select(metrics).where(metrics.c.trainer == trainer, metrics.c.name.in_(names))))
    )


def _metrics(rows: Iterable[sa.Row]) -> Iterable[Metric]:  # type: ignore[type-arg]
    return (Metric(*row) for row in rows)
