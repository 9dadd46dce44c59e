"""`stepwell stage` declares where a stage begins; `stepwell stages` shows a chain and what each switch did."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from dataclasses import asdict

import click
import sqlalchemy as sa

from analyses.handoff import Interval, signed
from analyses.words import number
from answers.length import as_json as length_json
from answers.length import length
from answers.limits import share
from answers.rollouts import rollouts
from answers.stages import Stages, Switch, as_json, stages
from db import stages as said
from db.engine import reading, writing
from db.stages import MOST_TOKENS, Stage
from stepwell import show
from stepwell.editing import login
from stepwell.named import one_named

TOKENS = re.compile(r"(\d{1,12})([kKmM]?)")


def tokens(text: str) -> int:
    """16384, 16K (times 1,024) or 1M. Raises click.UsageError."""
    found = TOKENS.fullmatch(text.strip())
    value = int(found[1]) * {"": 1, "k": 1024, "m": 1024 * 1024}[found[2].lower()] if found else 0
    if not 0 < value < MOST_TOKENS:
        raise click.UsageError(f"--limit is a number of tokens such as 16384 or 16K, found {text!r}")
    return value


def stage(
    engine: sa.Engine, name: str, at: int, limit: str | None, title: str, who: str | None, *, remove: bool
) -> None:
    """Declare a stage, or take one back. Raises click.UsageError for an unknown run or where nothing is said."""
    who, now = who or login(), time.time()
    count = tokens(limit) if limit is not None else None
    if not remove and count is None and not title:
        raise click.UsageError("say what the stage is: --limit TOKENS, --name NAME, or both")
    with writing(engine) as connection:
        run = one_named(connection, name)
        if remove:
            if not said.remove(connection, run.id, at, who=who, at=now):
                raise click.UsageError(f"no stage is declared at step {at:,} of {run.label}")
            click.echo(f"{run.label}: no stage is declared at step {at:,} any more")
            return
        declared = Stage(run.id, at, count, title, who, now)
        said.put(connection, declared)
    click.echo(f"{run.label}: {declared.said}")


def tell(engine: sa.Engine, name: str, *, json: bool) -> None:
    """Raises click.UsageError for an unknown run, db.settings.BadSettings for a broken `[[stages]]`."""
    said.rules()
    with reading(engine) as connection:
        found = stages(connection, one_named(connection, name).id)
        last = found.chain.members[-1].run.id
        room, told = length(connection, last), rollouts(connection, last)
    if json:
        show.as_json(as_json(found) | {"length": length_json(room), "rollouts": told and asdict(told)})
        return
    click.secho(found.sentence, bold=True)
    _chain(found)
    _spans(found)
    for one in found.switches:
        _switch(one, "gain" if found.good == "up" else "change")
    click.secho(f"\nready for more? ({found.chain.members[-1].run.name})", bold=True)
    click.echo(found.ready.sentence)
    click.echo(f"cut off? {room.sentence}")
    if told is not None:
        click.echo(told.sentence)
    first = found.ready.past.first("extend")
    if first is not None:
        click.echo(f"The rule would first have said extend at step {first:,}.")


def _chain(found: Stages) -> None:
    names = [member.run.name for member in found.chain.members]
    if len(names) > 1:
        click.echo("chain: " + " → ".join(names))
    if found.chain.guessed:
        click.echo("       guessed from the names; say it with: stepwell link RUN --after RUN")
    if found.chain.others:
        click.echo(f"       another branch: {', '.join(found.chain.others)}")


def _spans(found: Stages) -> None:
    hours = "GPU-h" if found.gpus_known else "hours"
    head = ("stage", "run", "steps", "tokens", hours, "limit known from")
    cells = [
        (one.label, one.run, f"{one.start:,}–{one.stop:,}", _known(one.tokens), _known(one.hours), one.how)
        for one in found.spans
    ]
    if cells:
        click.echo()
        show.table(head, cells, right=(2, 3, 4))


def _switch(one: Switch, gained: str) -> None:
    report = one.report
    click.secho(f"\n{one.label} at step {one.after.start:,}", bold=True)
    click.echo(report.sentence)
    facts = [
        ("slope per 100 steps", f"{_interval(report.slope_before)} before, {_interval(report.slope_after)} after"),
        *(
            (f"{gained} at {gain.steps} steps{' (end of the stage)' if gain.whole else ''}", _interval(gain.change))
            for gain in report.gains
        ),
        ("length", f"{_known(report.length_before)} → {_known(report.length_after)} tokens"),
        ("length elasticity", _known(report.elasticity)),
        (f"{gained} per hour since", _known(report.per_hour)),
    ]
    if one.foretold is not None:
        told = one.foretold
        between = f"({share(told.low)} to {share(told.high)})"
        facts.append(("truncated share", f"foretold {share(told.share)} {between}, came {share(told.came)}"))
    for name, value in facts:
        click.echo(f"  {name:24}  {value}")
    _changes(report.changed)


def _changes(changed: Sequence[tuple[str, str, str]] | None) -> None:
    for key, before, after in changed or ():
        click.echo(f"  also changed              {key}: {before} → {after}")


def _known(value: float) -> str:
    return number(value) if math.isfinite(value) else "–"


def _interval(one: Interval) -> str:
    return f"{signed(one.value)} ({signed(one.low)} to {signed(one.high)})" if math.isfinite(one.value) else "–"
