"""Stages that people declared: what they say goes over configs and logs. From the page, the command, or `[[stages]]` of
stepwell.toml."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import sqlalchemy as sa

from db import edits
from db.edits import Edit
from db.points import insert_new
from db.runs import Run
from db.schema import stages
from db.settings import BadSettings, entries
from db.text import storable

LONGEST_NAME = 80
MOST_TOKENS = 1 << 40


@dataclass(frozen=True, slots=True)
class Stage:
    """From first_step of the run on. context_limit: tokens a response may have; None: a stage of another kind."""

    run_id: int
    first_step: int
    context_limit: int | None
    name: str
    who: str
    at: float

    @property
    def said(self) -> str:
        limit = "no limit said" if self.context_limit is None else f"{self.context_limit:,} tokens"
        return f"from step {self.first_step:,}: {limit}" + (f" ({self.name})" if self.name else "")


@dataclass(frozen=True, slots=True)
class Rule:
    """An entry of `[[stages]]`: for every run whose name (or project/name) matches the pattern."""

    run: str
    first_step: int
    context_limit: int | None
    name: str

    def concerns(self, run: Run) -> bool:
        return fnmatchcase(run.name, self.run) or fnmatchcase(run.label, self.run)


def put(connection: sa.Connection, stage: Stage) -> None:
    """Declare a stage, in place of one that begins at the same step."""
    values = {name: getattr(stage, name) for name in Stage.__dataclass_fields__}
    values["name"] = storable(" ".join(stage.name.split())[:LONGEST_NAME])
    new = insert_new(connection, stages).values(**values)
    changes = {name: values[name] for name in ("context_limit", "name", "who", "at")}
    connection.execute(new.on_conflict_do_update(index_elements=["run_id", "first_step"], set_=changes))
    edits.record(connection, Edit(stage.at, stage.who, "stage", stage.run_id, storable(stage.said)))


def remove(connection: sa.Connection, run_id: int, first_step: int, *, who: str, at: float) -> bool:
    """Take a declared stage back; False where none begins there."""
    these = (stages.c.run_id == run_id, stages.c.first_step == first_step)
    gone = connection.execute(sa.delete(stages).where(*these)).rowcount > 0
    if gone:
        edits.record(connection, Edit(at, who, "unstage", run_id, f"from step {first_step:,}"))
    return gone


def declared(connection: sa.Connection, run_ids: Collection[int] | None = None) -> dict[int, list[Stage]]:
    """run id -> its declared stages by step; of all runs when None."""
    query = sa.select(*[stages.c[name] for name in Stage.__dataclass_fields__]).order_by(stages.c.first_step)
    if run_ids is not None:
        query = query.where(stages.c.run_id.in_(run_ids))
    found: dict[int, list[Stage]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.run_id].append(Stage(*row))
    return dict(found)


def rules() -> tuple[Rule, ...]:
    """What `[[stages]]` of stepwell.toml says. Raises BadSettings with the entry that makes no sense."""
    return tuple(_rule(number, entry) for number, entry in enumerate(entries("stages"), 1))


def rules_said() -> tuple[tuple[Rule, ...], str]:
    """The rules, and what is wrong with the file that they stand in: then there are none."""
    try:
        return rules(), ""
    except BadSettings as error:
        return (), str(error)


def _rule(number: int, entry: dict[str, Any]) -> Rule:
    if extra := entry.keys() - {"run", "at", "limit", "name"}:
        raise BadSettings(f"[[stages]] number {number}: {sorted(extra)[0]!r} is none of run, at, limit, name")
    run, at, limit, name = entry.get("run"), entry.get("at", 0), entry.get("limit"), entry.get("name", "")
    if not isinstance(run, str) or not run:
        raise BadSettings(f'[[stages]] number {number}: run must be a pattern of run names such as "deepscaler-*"')
    if not _whole(at) or at < 0:
        raise BadSettings(f"[[stages]] number {number}: at must be a step, found {at!r}")
    if limit is not None and not (_whole(limit) and 0 < limit < MOST_TOKENS):
        raise BadSettings(f"[[stages]] number {number}: limit must be a number of tokens, found {limit!r}")
    if not isinstance(name, str):
        raise BadSettings(f"[[stages]] number {number}: name must be a text, found {name!r}")
    return Rule(run, at, limit, name)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def of_run(connection: sa.Connection, run: Run, said: Collection[Rule] = ()) -> list[Stage]:
    """What holds for a run: what was declared for it, and under that the entries of stepwell.toml that concern it."""
    return of(run, declared(connection, [run.id]), said)


def of(run: Run, people: Mapping[int, Collection[Stage]], said: Collection[Rule]) -> list[Stage]:
    """The same from what was read. people: run id -> its declared stages."""
    held = {
        rule.first_step: Stage(run.id, rule.first_step, rule.context_limit, rule.name, "stepwell.toml", 0.0)
        for rule in said
        if rule.concerns(run)
    }
    held |= {stage.first_step: stage for stage in people.get(run.id, ())}
    return [held[step] for step in sorted(held)]
