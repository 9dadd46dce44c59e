"""`stepwell runs`, `stepwell config`, `stepwell link`."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import click
import sqlalchemy as sa

from answers import roster as answers
from answers.filter import FilterError, fields, parse, passing
from answers.roster import Cell, Roster
from dashboard.health import judged
from db import edits
from db import runs as rows
from db.edits import Edit
from db.engine import reading, writing
from db.findings import findings_of
from db.runs import Run
from db.series import newest
from db.settings import SETTINGS, Value, displayed
from stepwell import show
from stepwell.editing import login
from stepwell.named import one_named

SHOWN = (
    "reward_mean",
    "score_mean",
    "entropy_token_mean",
    "entropy_estimate",
    "response_length_mean",
    "truncation_fraction",
)
RANK = ("critical", "warning", "info")


def runs(engine: sa.Engine, wanted: str, tags: Sequence[str], shelf: str, *, as_json: bool) -> None:
    """Raises click.UsageError where the filter makes no sense."""
    with reading(engine) as connection:
        roster = _roster(connection, wanted, tags, shelf)
        found = [one.run for one in roster.entries]
        values: dict[int, dict[str, float]] = defaultdict(dict)
        for (run_id, quantity), (_metric, _step, value) in newest(connection, None, SHOWN).items():
            values[run_id][quantity] = value
        verdicts: dict[int, set[str]] = defaultdict(set)
        for one in findings_of(connection, firing=True):
            verdicts[one.run_id].add(one.severity)
        parents = rows.parents(connection)
    worst = {run.id: next((s for s in RANK if s in verdicts[run.id]), None) for run in found}
    if as_json:
        names = {run.id: run.name for run in found}
        told = [_object(r, values[r.id], worst[r.id], names, parents) for r in found]
        people = [{"state": roster.states[e.run.id], "tags": e.tags, "note": e.note} for e in roster.entries]
        show.as_json({"runs": [one | more for one, more in zip(told, people, strict=True)]})
        return
    if not found:
        asked = wanted or tags or shelf
        click.echo("No run is like that." if asked else "The store is empty. Fill it with: stepwell collect ~/runs")
        return
    cells = [
        (
            *(run.project, run.name, run.trainer, "–" if run.step is None else f"{run.step:,}", show.since(run.wall)),
            *(show.number(_first(values[run.id], names)) for names in (SHOWN[:2], SHOWN[2:4], SHOWN[4:5])),
            worst[run.id] or "",
        )
        for run in found
    ]
    head = ("project", "run", "trainer", "step", "age", "reward", "entropy", "length", "verdict")
    show.table(head, cells, right=(3, 4, 5, 6, 7))


def _roster(connection: sa.Connection, wanted: str, tags: Sequence[str], shelf: str) -> Roster:
    """The runs that pass the filter and have these tags, with how they stand."""
    try:
        tree = parse(wanted)
    except FilterError as error:
        raise click.UsageError(f"--filter:\n{error.shown()}") from error
    entries, now = answers.entries(connection, shelf), time.time()
    paces = newest(connection, None, ("time_step",))
    paced = {run_id: value for (run_id, _), (_, _, value) in paces.items()}
    ends = {run_id: float(e) for run_id, e in rows.setting_of_all(connection, "max_steps").items() if _is_end(e)}
    told = judged([one.run for one in entries], [], now, paced, ends)
    names = fields(tree)
    ids = [one.run.id for one in entries]
    columns: dict[str, Mapping[int, Cell]] = {**answers.newest(connection, names)}
    columns |= answers.statistics(connection, ids, sorted(names))
    states, ages = {h.run.id: str(h.status) for h in told}, {h.run.id: h.age for h in told if h.age is not None}
    roster = Roster(entries, states, ages, columns)
    kept = zip(entries, passing(tree, roster), strict=True)
    roster.entries = [one for one, passes in kept if passes and set(tags) <= set(one.tags)]
    return roster


def _is_end(value: object) -> bool:
    return isinstance(value, int | float) and value > 0


def _first(values: Mapping[str, float], names: tuple[str, ...]) -> float | None:
    return next((values[name] for name in names if name in values), None)


def _object(
    run: Run, values: dict[str, float], verdict: str | None, names: dict[int, str], parents: dict[int, tuple[int, str]]
) -> dict[str, Any]:
    parent = parents.get(run.id)
    return {
        "id": run.id,
        "project": run.project,
        "run": run.name,
        "trainer": run.trainer,
        "step": run.step,
        "wall_time": run.wall,
        "attempts": run.attempts,
        "latest": values,
        "verdict": verdict,
        "after": names.get(parent[0]) if parent else None,
    }


def settings(values: Mapping[str, Value]) -> None:
    """Every setting with its origin; passwords in URLs are hidden."""
    cells = [(s.name, displayed(s.name, values[s.name].value), values[s.name].origin, s.meaning) for s in SETTINGS]
    show.table(("setting", "value", "from", "meaning"), cells)


def link(engine: sa.Engine, run: str, after: str) -> None:
    """Raises click.UsageError where a name is unknown, or means several runs."""
    with writing(engine) as connection:
        child, parent = (one_named(connection, name) for name in (run, after))
        rows.link(connection, child.id, parent.id, "said so by hand")
        edits.record(connection, Edit(time.time(), login(), "link", child.id, f"continues {parent.label}"))
    click.echo(f"{child.label} started from {parent.label}")
