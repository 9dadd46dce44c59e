"""`stepwell rules test`: what the rules would have done on the runs of the store, and where labels say, how rightly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import click
import sqlalchemy as sa

from alerts.lifecycle import Episode
from alerts.rehearsal import Rehearsed, rehearse
from alerts.rules import Book
from analyses.backtest import Outcome, labelled, score_run
from analyses.contract import Finding, Severity
from db.runs import Run
from stepwell import show
from stepwell.backtesting import HEAD, line, scores
from stepwell.labels import LABELS, label_of

FIRED = ("firing", "resolved")
UNKNOWN = f"No {LABELS} stands beside these logs, so nobody can say how often this would have been right."


def test(engine: sa.Engine, book: Book, *, as_json: bool) -> None:
    """What each rule would have done. Raises db.engine.StoreError."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in book.rules}
    errors: list[dict[str, str]] = []
    outcomes: list[Outcome] = []
    judged, rows = 0, 0
    for one in rehearse(engine, book):
        judged, rows = judged + 1, rows + one.rows
        for episode in one.episodes:
            found[episode.rule.name].append(_episode(one.run, episode))
        errors += [{"run": one.run.name, "rule": rule, "why": why} for rule, why in one.errors.items()]
        outcomes += _outcomes(one)
    told = [_rule(book, name, each, outcomes) for name, each in found.items()]
    if as_json:
        known = {"scores": scores(outcomes)} if outcomes else {}
        show.as_json(
            {"rules": told, "errors": errors, "runs": judged, "rows": rows, "labelled": len(outcomes), **known}
        )
        return
    for rule in told:
        _tell(rule)
    for error in errors:
        click.secho(f"{error['rule']} on {error['run']}: {error['why']}", fg="red")
    click.echo(f"{len(book.rules)} rules on {judged} runs, {rows:,} rows; nobody was told")
    if not outcomes:
        click.echo(UNKNOWN)
        return
    click.echo()
    show.table(HEAD, [line(kind, of) for kind, of in scores(outcomes).items()], right=range(1, len(HEAD)))


def _episode(run: Run, one: Episode) -> dict[str, Any]:
    told: dict[str, Any] = {"project": run.project, "run": run.name, "severity": one.severity, "state": one.state}
    told |= {"detected_step": one.first.detected_step, "resolved_step": one.closing.step if one.closing else None}
    return told | {"message": one.steps[-1].finding["message"]}


def _outcomes(one: Rehearsed) -> list[Outcome]:
    """What fired, file by file, against what the label of the file says happened."""
    found = []
    for source in one.sources:
        label = label_of(Path(source.path))
        if label is not None and source.id in one.steps:
            truth = labelled(Path(source.path).name, label, one.steps[source.id])
            mine = [episode for episode in one.episodes if episode.first.source_id == source.id]
            found.append(score_run(truth, [_fired(episode) for episode in mine if episode.state in FIRED]))
    return found


def _fired(one: Episode) -> Finding:
    """An episode as the alarm that it would have been: at the step at which `for` was over."""
    said, first = one.steps[-1].finding, one.first
    step = first.detected_step + one.rule.hold.steps
    severity = cast(Severity, one.severity)
    return Finding(one.rule.name, severity, "firing", said["onset_step"], step, said["message"], first.attempt)


def _rule(book: Book, name: str, each: Sequence[dict[str, Any]], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    right = sum(finding.trouble == name for outcome in outcomes for finding in outcome.hits)
    false = sum(finding.trouble == name for outcome in outcomes for finding in outcome.false)
    counted = {"right": right, "false": false} if outcomes else {}
    return {"rule": name, "enabled": book.rules[name].enabled, "episodes": list(each), **counted}


def _tell(rule: Mapping[str, Any]) -> None:
    fired = [one for one in rule["episodes"] if one["state"] in FIRED]
    never = len(rule["episodes"]) - len(fired)
    aside = f", {never} too short or still pending" if never else ""
    state = "" if rule["enabled"] else " (off)"
    many = "1 time" if len(fired) == 1 else f"{len(fired)} times"
    counted = f"; by the labels {rule['right']} right, {rule['false']} false" if fired and "right" in rule else ""
    click.secho(f"{rule['rule']}{state}: would have fired {many}{aside}{counted}", bold=bool(fired))
    for one in fired[:10]:
        over = f"–{one['resolved_step']}" if one["resolved_step"] is not None else "–"
        click.echo(f"  {one['severity']:8} {one['project']}/{one['run']} steps {one['detected_step']}{over}")
        click.echo(f"           {one['message']}")
    if len(fired) > 10:
        click.echo(f"  … and {len(fired) - 10} more (--json lists them)")
