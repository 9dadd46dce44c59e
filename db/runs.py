"""Projects, runs, their configuration and where they come from."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from db.points import insert_new
from db.redact import redact
from db.schema import attempts, config, latest, lineage, projects, runs, settings, shelved, sources, unread
from db.text import storable


@dataclass(frozen=True, slots=True)
class Run:
    """A run and its newest record. step and wall (s since the epoch) are None before the first point.

    attempts: how often it was started, as the container that saw most of them tells.
    shelf: "archived" or "deleted" where somebody put it out of sight, else "".
    """

    id: int
    project: str
    name: str
    trainer: str
    step: int | None
    wall: float | None
    attempts: int
    shelf: str = ""

    @property
    def label(self) -> str:
        return f"{self.project}/{self.name}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A stretch of one source whose steps only go forward; superseded from `ends_at` on (None: live to its end)."""

    id: int
    run_id: int
    source_id: int
    number: int
    line: int
    first_step: int
    last_step: int
    ends_at: int | None
    records: int


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a run: what was read of it."""

    id: int
    run_id: int
    path: str
    format: str
    trainer: str
    offset: int
    size: int
    modified: float
    records: int
    points: int
    rows: int
    first_step: int | None
    last_step: int | None
    unread: int


def all_runs(
    connection: sa.Connection, run_ids: Collection[int] | None = None, *, shelves: Collection[str] | None = None
) -> list[Run]:
    """Every run that is in sight (or these, archived or not), by project and name; none that somebody deleted.

    shelves: those of db.edits.SHELVES that are looked into as well.
    """
    shelves = shelves if shelves is not None else () if run_ids is None else ("archived",)
    counts = sa.select(attempts.c.run_id, sa.func.count().label("n"))
    line = counts.group_by(attempts.c.run_id, attempts.c.line).subquery()
    most = sa.select(line.c.run_id, sa.func.max(line.c.n).label("n")).group_by(line.c.run_id).subquery()
    tries, shelf = sa.func.coalesce(most.c.n, 0), sa.func.coalesce(shelved.c.how, "")
    query = (
        sa.select(runs.c.id, projects.c.name, runs.c.name, runs.c.trainer, latest.c.step, latest.c.wall, tries, shelf)
        .join(projects, projects.c.id == runs.c.project_id)
        .join(latest, latest.c.run_id == runs.c.id, isouter=True)
        .join(most, most.c.run_id == runs.c.id, isouter=True)
        .join(shelved, shelved.c.run_id == runs.c.id, isouter=True)
        .where(shelf.in_(("", *shelves)))
        .order_by(projects.c.name, runs.c.name)
    )
    if run_ids is not None:
        query = query.where(runs.c.id.in_(run_ids))
    return [Run(*row) for row in connection.execute(query)]


def find(connection: sa.Connection, names: Sequence[str], *, shelves: Collection[str] = ("archived",)) -> list[Run]:
    """The runs with these names, `project/name` or ids as text. Raises KeyError with the first that is unknown."""
    known = all_runs(connection, shelves=shelves)
    found: list[Run] = []
    for name in names:
        these = [run for run in known if name in (run.name, run.label, str(run.id))]
        if not these:
            raise KeyError(name)
        found += [run for run in these if run not in found]
    return found


def make(connection: sa.Connection, project: str, name: str, place: str) -> int:
    """The id of the run that lives at `place`; made when new, with a name that is free in its project."""
    project, name, place = storable(project), storable(name), storable(place)
    here = sa.select(runs.c.id).where(runs.c.place == place)
    known = connection.scalar(here)
    if known is None:
        project_id = _project(connection, project)
        values = {
            "project_id": project_id,
            "name": _free(connection, project_id, name, place),
            "trainer": "",
        }
        connection.execute(insert_new(connection, runs).values(**values, place=place).on_conflict_do_nothing())
    return int(known or connection.execute(here).scalar_one())


def set_trainer(connection: sa.Connection, run_id: int, trainer: str) -> None:
    """Which trainer wrote the run's log; "" until its first metrics tell."""
    connection.execute(sa.update(runs).where(runs.c.id == run_id).values(trainer=trainer))


def name_it(connection: sa.Connection, run_id: int, project: str | None, name: str | None) -> None:
    """The run learnt its own names: its log printed a config, or the user said so."""
    row = connection.execute(sa.select(runs.c.project_id, runs.c.name, runs.c.place).where(runs.c.id == run_id)).one()
    project_id = _project(connection, storable(project)) if project else row.project_id
    wanted = _free(connection, project_id, storable(name or row.name), row.place)
    if (project_id, wanted) != (row.project_id, row.name):
        connection.execute(sa.update(runs).where(runs.c.id == run_id).values(project_id=project_id, name=wanted))


def _project(connection: sa.Connection, name: str) -> int:
    connection.execute(insert_new(connection, projects).values(name=name).on_conflict_do_nothing())
    return int(connection.execute(sa.select(projects.c.id).where(projects.c.name == name)).scalar_one())


def _free(connection: sa.Connection, project_id: int, name: str, place: str) -> str:
    """Two runs of one name in one project: the later one says in which folder it lives."""
    folder = place.partition("#")[0]
    others = sa.select(runs.c.name).where(runs.c.project_id == project_id, runs.c.place != place)
    taken = set(connection.execute(others).scalars())
    names = (name, f"{name} ({folder.rpartition('/')[2]})", f"{name} ({folder})")
    return next((free for free in names if free not in taken), f"{name} ({place})")


def sources_of(connection: sa.Connection, run_ids: Collection[int] | None = None) -> list[Source]:
    """The files of these runs (of all when None), in the order in which they were first seen."""
    columns = [sources.c[name] for name in Source.__dataclass_fields__]
    query = sa.select(*columns).order_by(sources.c.id)
    if run_ids is not None:
        query = query.where(sources.c.run_id.in_(run_ids))
    return [Source(*row) for row in connection.execute(query)]


def attempts_of(connection: sa.Connection, run_ids: Collection[int]) -> list[Attempt]:
    """The attempts of these runs, by run and number."""
    columns = [attempts.c[name] for name in Attempt.__dataclass_fields__]
    query = sa.select(*columns).where(attempts.c.run_id.in_(run_ids)).order_by(attempts.c.run_id, attempts.c.number)
    return [Attempt(*row) for row in connection.execute(query)]


def unread_of(connection: sa.Connection, source_ids: Collection[int]) -> dict[int, list[tuple[int, str]]]:
    """source id -> [(line, why)] of what was set aside."""
    query = sa.select(unread.c.source_id, unread.c.line, unread.c.why).where(unread.c.source_id.in_(source_ids))
    found: dict[int, list[tuple[int, str]]] = {source_id: [] for source_id in source_ids}
    for source_id, line, why in connection.execute(query.order_by(unread.c.line, unread.c.id)):
        found[source_id].append((line, why))
    return found


def set_config(
    connection: sa.Connection,
    run_id: int,
    flat: Mapping[str, Any],
    canonical: Mapping[str, Any],
    *,
    under: bool = False,
) -> None:
    """Merge settings over those known, or under them. flat: as the trainer names them, secrets are redacted here,
    before they are stored; canonical: as Stepwell names them."""
    _merge(connection, config, run_id, "key", redact(flat), under=under)
    _merge(connection, settings, run_id, "name", canonical, under=under)


def _merge(
    connection: sa.Connection, table: sa.Table, run_id: int, key: str, values: Mapping[str, Any], *, under: bool
) -> None:
    told = {storable(name): json.dumps(values[name], default=str) for name in sorted(values)}
    rows = [{"run_id": run_id, key: name, "value": value} for name, value in told.items()]
    if rows:
        new, where = insert_new(connection, table), ["run_id", key]
        over = new.on_conflict_do_update(index_elements=where, set_={"value": new.excluded.value})
        connection.execute(new.on_conflict_do_nothing() if under else over, rows)


def config_of(connection: sa.Connection, run_id: int) -> dict[str, Any]:
    """The run's config as its trainer names it, flat with dots, secrets redacted."""
    return _read(connection, config.c.key, config.c.value, config.c.run_id == run_id)


def settings_of(connection: sa.Connection, run_id: int) -> dict[str, Any]:
    """The run's canonical settings: context_limit, entropy_coef, clip_high …; only what its config says."""
    return _read(connection, settings.c.name, settings.c.value, settings.c.run_id == run_id)


def settings_of_each(connection: sa.Connection, run_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """run id -> its canonical settings; absent where its config says nothing."""
    query = sa.select(settings.c.run_id, settings.c.name, settings.c.value).where(settings.c.run_id.in_(run_ids))
    found: dict[int, dict[str, Any]] = {}
    for run_id, name, value in connection.execute(query.order_by(settings.c.name)):
        found.setdefault(run_id, {})[name] = json.loads(value)
    return found


def setting_of_all(connection: sa.Connection, name: str) -> dict[int, Any]:
    """run id -> its value of one canonical setting, for the runs whose config has it."""
    rows = connection.execute(sa.select(settings.c.run_id, settings.c.value).where(settings.c.name == name))
    return {run_id: json.loads(value) for run_id, value in rows}


def naming(connection: sa.Connection, text: str) -> list[Run]:
    """The runs in whose config some value holds this text: the name of a file, for instance."""
    quoted = json.dumps(text, default=str)[1:-1]  # as it stands in the JSON of a value
    found = sa.select(config.c.run_id).where(config.c.value.contains(quoted, autoescape=True)).distinct()
    return all_runs(connection, list(connection.execute(found).scalars()))


def _read(connection: sa.Connection, key: Any, value: Any, where: Any) -> dict[str, Any]:
    rows = connection.execute(sa.select(key, value).where(where).order_by(key))
    return {name: json.loads(text) for name, text in rows}


def link(connection: sa.Connection, run_id: int, parent_id: int, why: str) -> None:
    """`run_id` started from a checkpoint of `parent_id`."""
    connection.execute(sa.delete(lineage).where(lineage.c.run_id == run_id))
    connection.execute(sa.insert(lineage).values(run_id=run_id, parent_id=parent_id, why=why))


def parents(connection: sa.Connection) -> dict[int, tuple[int, str]]:
    """run id -> (parent run id, why)."""
    rows = connection.execute(sa.select(lineage.c.run_id, lineage.c.parent_id, lineage.c.why))
    return {run_id: (parent_id, why) for run_id, parent_id, why in rows}
