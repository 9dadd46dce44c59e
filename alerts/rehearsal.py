"""What the rules would have made of the runs of a store: nothing is kept, nobody is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from alerts.elsewhere import elsewhere, goes_on_at
from alerts.evaluate import Heard, Places, base, hear, statements
from alerts.judging import gone
from alerts.judging import hear as hear_all
from alerts.lifecycle import Episode, World, standing
from alerts.rules import Book, Rule
from analyses.contract import Context, Rows
from analyses.judge import quantities
from db import alerts, runs
from db.alerts import Position, Statement
from db.engine import reading
from db.rows import SourceRows, rows_of
from db.runs import Attempt, Run, Source


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One run. errors: rule -> why it could not be evaluated. steps: source id -> steps of its records, in order."""

    run: Run
    sources: list[Source]
    episodes: list[Episode]
    errors: dict[str, str]
    steps: dict[int, tuple[int, ...]]

    @property
    def rows(self) -> int:
        return sum(source.rows for source in self.sources)


def rehearse(engine: sa.Engine, book: Book) -> Iterator[Rehearsed]:
    """Every run of the store, as its rows came. Raises db.engine.StoreError."""
    with reading(engine) as connection:
        every = runs.all_runs(connection)
        sources, tags = runs.sources_of(connection), alerts.tags_of(connection, [run.id for run in every])
        tries = runs.attempts_of(connection, [run.id for run in every])
    for run in every:
        mine = [source for source in sources if source.run_id == run.id]
        yield _rehearse(engine, book, run, mine, [one for one in tries if one.run_id == run.id], tags.get(run.id, ()))


def _rehearse(
    engine: sa.Engine, book: Book, run: Run, sources: list[Source], tries: list[Attempt], tags: tuple[str, ...]
) -> Rehearsed:
    said: list[Statement] = []
    positions: dict[int, Position] = {}
    errors: dict[str, str] = {}
    steps: dict[int, tuple[int, ...]] = {}
    own = [rule for rule in book.expressions if rule.applies(run.project, run.name, tags)]
    for source in sources:
        rows, context = _rows(engine, run, source, tries, own)
        if not len(rows):
            continue
        places, steps[source.id] = Places([rows], None), tuple(rows.steps.tolist())
        positions[source.id] = places.last() or Position(0, 0, None)
        state, found = hear_all({}, Rows(rows.steps, rows.walls, rows.attempts, rows.columns, rows.logged), context)
        if (goes_on := goes_on_at([one for one in tries if one.source_id == source.id])) is not None:
            found = gone(state, found, goes_on)[1]
        for rule in own:
            found = [*found, *_scan(engine, rule, rows, errors)]
        said += statements(run.id, source.id, found, places, late=False)
    world = World(
        run_id=run.id,
        project=run.project,
        name=run.name,
        step=run.step or 0,
        tags=tags,
        statements=said,
        formats={source.id: source.format for source in sources},
        merits={source.id: (source.last_step or 0, source.points) for source in sources},
        positions=positions,
        ended={(one.source_id, one.number) for one in tries if one.ends_at is not None},
    )
    return Rehearsed(run, sources, standing(world, book), errors, steps)


def _rows(
    engine: sa.Engine, run: Run, source: Source, tries: list[Attempt], own: list[Rule]
) -> tuple[SourceRows, Context]:
    looks = [rule.expression for rule in own if rule.expression]
    wanted = {*quantities(), *(one.quantity for one in looks if one.quantity)}
    mine = [one for one in tries if one.source_id == source.id]
    with reading(engine) as connection:
        others = elsewhere(connection, tries, source, quantities())
        context = Context(runs.settings_of(connection, run.id), source.trainer, elsewhere=others)
        names = {one.metric for one in looks if one.metric}
        return rows_of(connection, source.trainer, mine, wanted, names=names), context


def _scan(engine: sa.Engine, rule: Rule, rows: SourceRows, errors: dict[str, str]) -> list[Heard]:
    try:
        return hear(rule, {}, rows, base(engine, rule), None)[1]
    except LookupError as error:
        errors[rule.name] = str(error)
        return []
