"""The one way to a verdict: every detector over one source's rows, for alerts, dashboard and backtest.

state, findings = judge(state, rows, context)
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from analyses import detectors as folder
from analyses.contract import RANK, Context, Detector, Finding, Rows, Severity, State
from analyses.words import addressed


@cache
def detectors() -> dict[str, Detector]:
    """Trouble -> detector, one per file of `analyses/detectors/`. TypeError names a file that is none."""
    found: dict[str, Detector] = {}
    for module in sorted(pkgutil.iter_modules(folder.__path__), key=lambda each: each.name):
        detector = importlib.import_module(f"{folder.__name__}.{module.name}")
        lacking = [name for name in ("TROUBLE", "NEEDS", "USES", "scan") if not hasattr(detector, name)]
        if lacking:
            raise TypeError(f"{detector.__name__} is no detector: it lacks {', '.join(lacking)}")
        found[detector.TROUBLE] = detector
    return found


FOUNDATION = "contract entropy episodes judge measure moments packed series trend words".split()


def code() -> list[Path]:
    """The files that a verdict rests on; what else there is in `analyses/` changes none."""
    here = Path(__file__).parent
    return [*sorted((here / "detectors").glob("*.py")), *(here / f"{name}.py" for name in FOUNDATION)]


@cache
def quantities() -> frozenset[str]:
    """Every quantity that some detector reads, context_limit among them: what Rows.columns should hold."""
    read = {"context_limit"}
    for detector in detectors().values():
        read.update(detector.USES, *detector.NEEDS)
    return frozenset(read)


def judge(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    """Fold every detector over new rows of one source. state: trouble -> that detector's state; {} at first.

    Findings come detector by detector, each in the order of the rows. No rows at all is a fair question too:
    a clock in the context can tell that a run has stalled.
    """
    after: State = {}
    findings: list[Finding] = []
    for trouble, detector in detectors().items():
        after[trouble], found = detector.scan(state.get(trouble, {}), rows, context)
        findings += found
    if context.trainer:
        findings = [replace(one, advice=addressed(one.advice, context.trainer)) for one in findings]
    return after, findings


def any_open(state: State) -> bool:
    """Whether some detector has an episode that is not over."""
    return any(its.get("episode", its).get("open") for its in state.values())


def end(state: State, step: int, why: str) -> tuple[State, list[Finding]]:
    """The source tells no more, for the run goes on in another file from `step` on: what is open here is over."""
    after: State = {}
    over: list[Finding] = []
    for trouble, its in state.items():
        held = its.get("episode", its)  # a detector of levels keeps its episode apart from its rows
        if held.get("open"):
            over.append(replace(Finding(**held["open"]), state="resolved", resolved_step=step, message=why))
            held = {**held, "open": None}
        after[trouble] = {**its, "episode": held} if "episode" in its else held
    return after, over


def missing(logged: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Trouble -> the quantities without which its detector cannot judge a source that logs only these.

    Of quantities that may stand for one another the first is named. Detectors that can judge are left out.
    """
    there = set(logged)
    lacking = {
        trouble: tuple(group[0] for group in detector.NEEDS if not there.intersection(group))
        for trouble, detector in detectors().items()
    }
    return {trouble: names for trouble, names in lacking.items() if names}


def episodes(findings: Iterable[Finding]) -> list[Finding]:
    """The latest statement of each episode (trouble, detected_step, attempt), in the order they began."""
    latest: dict[tuple[str, int, int], Finding] = {}
    for finding in findings:
        latest[finding.trouble, finding.detected_step, finding.attempt] = finding
    return list(latest.values())


def open_findings(findings: Iterable[Finding]) -> list[Finding]:
    """The episodes that are not over, worst first."""
    firing = [finding for finding in episodes(findings) if finding.state == "firing"]
    return sorted(firing, key=lambda finding: (-RANK[finding.severity], finding.onset_step))


def verdict(findings: Iterable[Finding]) -> Severity | None:
    """The worst severity that is still open; None where nothing is."""
    still = open_findings(findings)
    return still[0].severity if still else None
