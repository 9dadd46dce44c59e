"""`stepwell backtest`: what today's rules would have said, and when; how often they are right, where that is known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import sqlalchemy as sa

from alerts.backtest import Replayed, Told, replay
from analyses.backtest import Outcome, intervals, labelled, score, score_run
from analyses.contract import Finding
from analyses.judge import episodes
from collectors.follow import Collector
from collectors.names import HANDWRITTEN
from collectors.settings import settings
from db.engine import open_store
from db.runs import Source
from stepwell import show
from stepwell.collecting import one_pass
from stepwell.labels import LABELS, label_of

WEEK = 604_800.0  # s: how long somebody waits for the row after a stall that a label calls final
HEAD = ("kind", "events", "precision", "recall", "in time", "delay", "false alarms per 1,000")


@dataclass(frozen=True, slots=True)
class Judged:
    """One file. outcome: None where no label stands beside it."""

    replayed: Replayed
    outcome: Outcome | None


def files(paths: Sequence[Path], *, as_json: bool) -> None:
    """Logs, each by itself, without a store. Raises click.UsageError for a missing path."""
    with TemporaryDirectory() as folder:
        engine = open_store(f"sqlite:///{folder}/backtest.db")
        collector = Collector(engine, paths)
        one_pass(collector, bar=not as_json)
        judged = [_judged(each) for each in replay(engine, tell=_told) if Path(each.source.path).name != LABELS]
        engine.dispose()
    skipped = [str(path) for path in collector.refused if path.name != LABELS]
    _show(judged, skipped, as_json=as_json)


def store(engine: sa.Engine, *, as_json: bool) -> None:
    """Every run of a store. Raises db.engine.StoreError."""
    _show([_judged(each) for each in replay(engine, tell=_told)], [], as_json=as_json)


def _judged(replayed: Replayed) -> Judged:
    label = label_of(Path(replayed.source.path))
    if label is None:
        return Judged(replayed, None)
    truth = labelled(Path(replayed.source.path).name, label, replayed.steps)
    return Judged(replayed, score_run(truth, replayed.findings))


def _told(source: Source) -> Told:
    label = label_of(Path(source.path))
    if label is None:
        return Told()
    final = any(event.get("final") for event in label["events"])
    return Told(settings(HANDWRITTEN, label.get("config") or {}), WEEK if final else None)


def _show(judged: Sequence[Judged], skipped: Sequence[str], *, as_json: bool) -> None:
    outcomes = [one.outcome for one in judged if one.outcome is not None]
    if as_json:
        known = {"scores": scores(outcomes)} if outcomes else {}
        show.as_json({"files": [_file(one) for one in judged], **known, "skipped": list(skipped)})
        return
    _tell(judged)
    if outcomes:
        click.echo()
        show.table(HEAD, [line(kind, of) for kind, of in scores(outcomes).items()], right=range(1, len(HEAD)))


def _file(one: Judged) -> dict[str, Any]:
    """The promised object (docs/cli.md)."""
    source, run = one.replayed.source, one.replayed.run
    findings = [_finding(finding, one.outcome) for finding in episodes(one.replayed.findings)]
    return {"path": source.path, "project": run.project, "run": run.name, "rows": source.rows, "findings": findings}


def _finding(finding: Finding, outcome: Outcome | None) -> dict[str, Any]:
    names = ("trouble", "severity", "state", "onset_step", "detected_step", "resolved_step", "attempt")
    said = {name: getattr(finding, name) for name in names}
    said |= {name: getattr(finding, name) for name in ("message", "evidence", "clears", "advice")}
    return said if outcome is None else {**said, "counts": _counts(finding, outcome)}


def _counts(finding: Finding, outcome: Outcome) -> str:
    """hit, false, or neither: a note, a symptom of another trouble, or in a stretch that is not judged."""
    key = _key(finding)
    if key in map(_key, outcome.hits):
        return "hit"
    return "false" if key in map(_key, outcome.false) else "neither"


def _key(finding: Finding) -> tuple[str, int, int]:
    return finding.trouble, finding.detected_step, finding.attempt


def scores(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    kinds = sorted({event.kind for outcome in outcomes for event, _ in outcome.found})
    return {kind or "all": _score(outcomes, kind) for kind in (None, *kinds)}


def _score(outcomes: Sequence[Outcome], kind: str | None) -> dict[str, Any]:
    """Numbers that could not be counted are null; `intervals` are 95 %, over runs."""
    reached, bounds = asdict(score(outcomes, kind)), intervals(outcomes, kind)
    known = {name: None if math.isnan(value) else value for name, value in reached.items()}
    sure = {name: None if math.isnan(each[0]) else list(each) for name, each in bounds.items()}
    return {**known, "intervals": sure}


def _tell(judged: Iterable[Judged]) -> None:
    rows = 0
    for one in judged:
        rows += one.replayed.source.rows
        said = episodes(one.replayed.findings)
        click.secho(f"{one.replayed.source.path}: {one.replayed.source.rows} rows, {_many(len(said))}", bold=True)
        for finding in said:
            over = f", over at {finding.resolved_step}" if finding.resolved_step is not None else ""
            counts = f" [{_counts(finding, one.outcome)}]" if one.outcome else ""
            click.echo(f"  step {finding.detected_step:>6}  {finding.severity:8} {finding.trouble}{over}{counts}")
            click.echo(f"               {finding.message}")
    click.echo(f"{rows:,} rows judged")


def _many(findings: int) -> str:
    return "1 finding" if findings == 1 else f"{findings or 'no'} findings"


def line(kind: str, of: dict[str, Any]) -> list[str]:
    """One row of the table of scores: value (interval)."""
    names = ("precision", "recall", "in_time", "delay_median", "false_per_1000")
    return [kind, str(of["events"]), *(_between(of[name], of["intervals"][name]) for name in names)]


def _between(value: float | None, bounds: list[float] | None) -> str:
    if value is None or bounds is None:
        return show.number(value)
    return f"{show.number(round(value, 3))} ({show.number(round(bounds[0], 3))}–{show.number(round(bounds[1], 3))})"
