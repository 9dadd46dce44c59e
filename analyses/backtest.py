"""How good are the detectors? Findings against labelled events; pure functions, no files.

An event's window is [onset, end + 50 steps] (a restart's begins at the step it rewinds to). A hit is a finding of
warning or more (a restart may be information) inside the window, of a trouble that explains the event; it is in time
at or before `t_fatal`. A false alarm lies outside every window and every ignored interval. Another trouble inside a
window is a symptom: neither. No point adjustment (arXiv 2109.05257: it makes random scores look good).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analyses.contract import RANK, Finding, Floats

AFTER = 50  # steps after an event's end that still belong to it
SAMPLES = 1000  # bootstrap draws
EXPLAINS: dict[str, frozenset[str]] = {
    "entropy_blowup": frozenset({"entropy_blowup"}),
    "entropy_collapse": frozenset({"entropy_collapse", "dead_signal"}),
    "length_crisis": frozenset({"truncation_surge", "length_explosion"}),
    "reward_hack": frozenset({"reward_hacking"}),
    "mismatch": frozenset({"mismatch", "kl_blowup"}),
    "grad_spike": frozenset({"gradient_spike", "gradient_blowup", "loss_spike"}),
    "grad_divergence": frozenset({"gradient_spike", "gradient_blowup", "loss_spike"}),
    "nonfinite": frozenset({"non_finite"}),
    "restart": frozenset({"restart", "restart_loop"}),
    "stall": frozenset({"stalled"}),
}
"""Kind of event -> the troubles that explain it; any other kind is explained by the trouble of its own name."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that truly happened, in steps. fatal: after it an alert is too late; None where nothing is lost."""

    kind: str
    onset: int
    end: int
    fatal: int | None = None
    begins: int | None = None  # where the window opens, if before the onset
    neutral: bool = False  # a stage change: nothing to find, nothing to excuse

    def holds(self, step: int) -> bool:
        return (self.onset if self.begins is None else self.begins) <= step <= self.end + AFTER

    def explained_by(self, trouble: str) -> bool:
        return trouble in EXPLAINS.get(self.kind, {self.kind})


@dataclass(frozen=True, slots=True)
class Labelled:
    """One run's truth. ignore: (kind, first, last step) that count neither for nor against. steps: (n,) as logged."""

    name: str
    events: tuple[Event, ...]
    steps: tuple[int, ...]
    ignore: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run's findings are worth. hits, false: raised findings; found: per event, the first hit's step."""

    name: str
    hits: tuple[Finding, ...]
    false: tuple[Finding, ...]
    found: tuple[tuple[Event, int | None], ...]
    quiet_steps: int  # steps outside every window


@dataclass(frozen=True, slots=True)
class Score:
    """Over many runs; nan where nothing could be counted. false_per_1000: false alarms per 1,000 event-free steps."""

    precision: float
    recall: float
    in_time: float
    false_per_1000: float
    delay_median: float
    delay_p90: float
    events: int
    false: int


def alarms(findings: Iterable[Finding]) -> list[Finding]:
    """The raised episodes, each as it was when it first became an alarm: a warning, or a restart's note."""
    first: dict[tuple[str, int, int], Finding] = {}
    for finding in findings:
        if finding.state == "firing" and (RANK[finding.severity] > 0 or finding.trouble == "restart"):
            first.setdefault((finding.trouble, finding.detected_step, finding.attempt), finding)
    return list(first.values())


def score_run(run: Labelled, findings: Iterable[Finding]) -> Outcome:
    """Every alarm of one run judged against its events."""
    hits, false = [], []
    real = [event for event in run.events if not event.neutral]
    found: dict[int, int] = {}
    for finding in alarms(findings):
        inside = [event for event in real if event.holds(finding.detected_step)]
        explained = [event for event in inside if event.explained_by(finding.trouble)]
        for event in explained:
            found[id(event)] = min(found.get(id(event), finding.detected_step), finding.detected_step)
        if explained:
            hits.append(finding)
        elif not inside and not _ignored(run, finding):
            false.append(finding)
    quiet = sum(not any(event.holds(step) for event in real) for step in set(run.steps))
    return Outcome(run.name, tuple(hits), tuple(false), tuple((e, found.get(id(e))) for e in real), quiet * _every(run))


def _ignored(run: Labelled, finding: Finding) -> bool:
    return any(
        first <= finding.detected_step <= last and Event(kind, first, last).explained_by(finding.trouble)
        for kind, first, last in run.ignore
    )


def _every(run: Labelled) -> int:
    """Steps from one row to the next: a run that logs every fifth step has five times its rows in steps."""
    gaps = np.diff(np.unique(run.steps))
    return int(np.median(gaps)) if len(gaps) else 1


def score(outcomes: Sequence[Outcome], kind: str | None = None) -> Score:
    """All runs together; with `kind` only events of that kind and findings of the troubles that explain it."""
    tallies = [_tally(outcome, kind) for outcome in outcomes]
    hits, false, events, found, timely, quiet = _counts(tallies).sum(axis=0)
    delays = [delay for tally in tallies for delay in tally.delays]
    return Score(
        precision=_share(hits, hits + false),
        recall=_share(found, events),
        in_time=_share(timely, events),
        false_per_1000=_share(1000 * false, quiet),
        delay_median=float(np.median(delays)) if delays else math.nan,
        delay_p90=float(np.percentile(delays, 90)) if delays else math.nan,
        events=int(events),
        false=int(false),
    )


@dataclass(frozen=True, slots=True)
class _Tally:
    """What one run adds. counts: hits, false alarms, events, found, found in time, quiet steps."""

    counts: tuple[int, int, int, int, int, int]
    delays: tuple[int, ...]


def _tally(outcome: Outcome, kind: str | None) -> _Tally:
    events = [each for each in outcome.found if kind is None or each[0].kind == kind]
    hits = sum(_about(finding, kind) for finding in outcome.hits)
    false = sum(_about(finding, kind) for finding in outcome.false)
    delays = [step - event.onset for event, step in events if step is not None]
    timely = sum(step is not None and (event.fatal is None or step <= event.fatal) for event, step in events)
    return _Tally((hits, false, len(events), len(delays), timely, outcome.quiet_steps), tuple(delays))


def _counts(tallies: Sequence[_Tally]) -> Floats:
    """(runs, 6)"""
    return np.array([tally.counts for tally in tallies], np.float64).reshape(len(tallies), 6)


def intervals(
    outcomes: Sequence[Outcome], kind: str | None = None, *, seed: int = 0, level: float = 0.95
) -> Mapping[str, tuple[float, float]]:
    """Field of Score -> its bootstrap interval over runs (runs, not events: events of one run stand together).

    NaN where nothing could be counted."""
    rng = np.random.default_rng(seed)
    tallies = [_tally(outcome, kind) for outcome in outcomes]
    draws = rng.integers(0, max(1, len(tallies)), (SAMPLES if tallies else 0, len(tallies)))
    hits, false, events, found, timely, quiet = _counts(tallies)[draws].sum(axis=1).T
    delays = [[delay for i in draw for delay in tallies[i].delays] for draw in draws.tolist()]
    tails = (50 * (1 - level), 50 * (1 + level))
    with np.errstate(all="ignore"):
        return {
            "precision": _tails(hits / (hits + false), tails),
            "recall": _tails(found / events, tails),
            "in_time": _tails(timely / events, tails),
            "false_per_1000": _tails(1000 * false / quiet, tails),
            "delay_median": _tails(np.array([np.median(each) if each else math.nan for each in delays]), tails),
        }


def _tails(values: Floats, tails: tuple[float, float]) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.percentile(known, tails)
    return float(low), float(high)


def labelled(name: str, label: Mapping[str, Any], steps: Iterable[int]) -> Labelled:
    """One entry of a `labels.json` (docs/troubles/README.md): its events, and what counts neither for nor against.

    An event that the rows do not show (`observable` false) is not asked for. KeyError, TypeError or ValueError
    where the entry is not of that shape.
    """
    events, ignored = [], [(str(kind), int(first), int(last)) for kind, first, last in label.get("ignore", [])]
    for each in label["events"]:
        kind, onset, end = str(each["type"]), int(each["onset"]), int(each["end"])
        if each.get("neutral"):
            continue
        if not each.get("observable", True):
            ignored.append((kind, onset, end + AFTER))
            continue
        fatal, begins = each.get("t_fatal"), each.get("rewind_to")
        events.append(Event(kind, onset, end, fatal, begins))
    return Labelled(name, tuple(events), tuple(steps), tuple(ignored))


def _about(finding: Finding, kind: str | None) -> bool:
    return kind is None or finding.trouble in EXPLAINS.get(kind, {kind})


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan
