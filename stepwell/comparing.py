"""`stepwell compare`: what of a difference is more than noise; `stepwell forecast`: where a run is heading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
import sqlalchemy as sa

from analyses.words import number
from answers.comparison import By, Comparison, Pair, comparison, differing
from answers.entropy import Entropy, entropy
from db.engine import reading
from db.quantities import quantity
from stepwell import show
from stepwell.named import named, one_named

USUAL = ("reward_mean", "response_length_mean", "entropy_token_mean", "truncation_fraction", "grad_norm")
SHORT = 40  # characters of a config value


def compare(
    engine: sa.Engine, names: Sequence[str], metrics: Sequence[str], by: By, group: str, *, as_json: bool
) -> None:
    """The first run (or its group) against the others. Raises click.UsageError for an unknown run or quantity."""
    wanted = tuple(metrics or USUAL)
    for name in wanted:
        if quantity(name) is None:
            raise click.UsageError(f"{name!r} is no quantity that Stepwell knows, such as reward_mean")
    with reading(engine) as connection:
        chosen = tuple(run.id for run in named(connection, names))
        told = comparison(connection, chosen, wanted, by, group)
        config = differing(connection, chosen)
    if as_json:
        labels = [side.label for side in told.sides]
        show.as_json({**told.as_json(), "labels": labels, "config": config})
        return
    click.secho(told.sentence, bold=True)
    _pairs(told)
    _parted(told)
    _config(config, names)


def _pairs(told: Comparison) -> None:
    if not told.pairs:
        return
    stretch = f"{number(told.low)} to {number(told.high)} {told.unit}"
    click.echo(f"\nagainst {told.sides[0].label}, over the last fifth of {stretch}")
    head = ("quantity", "run or group", "mean", "first", "difference", "95 %", "P(higher)", "p (Holm)")
    show.table((*head, "what can be said"), [_cells(pair) for pair in told.pairs], right=(2, 3, 4, 5, 6, 7))


def _cells(pair: Pair) -> tuple[str, ...]:
    one = pair.difference
    between = f"{number(one.low)} to {number(one.high)}" if math.isfinite(one.low) else "–"
    return (
        pair.quantity,
        pair.other,
        number(pair.second),
        number(pair.first),
        f"{'+' if one.value > 0 else ''}{number(one.value)}",
        between,
        show.number(pair.chance),
        show.number(pair.adjusted),
        pair.verdict,
    )


def _parted(told: Comparison) -> None:
    if told.parted.moved:
        click.secho("\nwhich parted first (one rank: cannot be told apart)", bold=True)
        for one in told.parted.moved:
            click.echo(
                f"{one.rank}  {one.name} at {number(one.step)} ({number(one.low)}–{number(one.high)}) {told.unit}"
            )


def _config(config: dict[str, list[str | None]], names: Sequence[str]) -> None:
    if not config:
        click.echo("\nTheir configs do not differ, as far as the logs tell.")
        return
    click.secho("\nwhat differs in their configs", bold=True)
    for key, values in config.items():
        told = [("–" if value is None else value[:SHORT]) for value in values]
        click.echo(f"{key}: {' | '.join(told)}")


def forecast(engine: sa.Engine, name: str, *, as_json: bool) -> None:
    """Where the score of a run is heading, where its entropy is, and what that is spent on. Raises click.UsageError."""
    with reading(engine) as connection:
        found = entropy(connection, one_named(connection, name).id)
    if as_json:
        show.as_json(_object(found))
        return
    click.secho(found.sentence, bold=True)
    ahead = found.ahead
    if ahead.ceiling is not None and ahead.identifiable and ahead.middle is not None:
        click.echo(f"ceiling {_known(asdict(ahead.ceiling))}, half-way at {_known(asdict(ahead.middle))} {found.unit}")
        click.echo(f"advice: {ahead.advice}; {ahead.because}")
    elif ahead.why:
        click.echo(f"no ceiling: {ahead.why}")
    if ahead.errors:
        errors = ", ".join(f"{law} {number(error)}" for law, error in ahead.errors)
        click.echo(f"error on the last fifth, held out: {errors}")
    law = found.law
    ceiling = f"ceiling {_known(asdict(law.ceiling))}" if law.ceiling else ""
    click.echo(f"R = b - a e^H: {ceiling}" if law.applies else f"R = b - a e^H is not applicable: {law.why}")
    click.echo(f"from {found.scores.name}" if found.scores else "no score is logged")


def _object(found: Entropy) -> dict[str, Any]:
    """What is asked for ahead and of the law, without the points that a chart is drawn from."""
    told = found.as_json()
    for part, names in (
        ("ahead", ("x", "fit", "low", "high", "spent")),
        ("law", ("entropies", "scores")),
        ("course", ("steps", "fit", "low", "high")),
        ("scores", ("steps", "values", "errors")),
    ):
        for name in names:
            (told[part] or {}).pop(name, None)
    before = told["course"]["before"]
    for name in ("steps", "fit", "low", "high"):
        (before or {}).pop(name, None)
    return told


def _known(one: dict[str, float]) -> str:
    return f"{number(one['value'])} ({number(one['low'])}–{number(one['high'])})"
