"""From what rows say to findings: persistence, one open episode at a time, escalation, clearing, re-arming."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from analyses.contract import RANK, Bools, Context, Finding, Ints, Rows, Severity, State
from analyses.series import Needs, Series, join, kept

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
CLEAR_ROWS = 5
RETELL_ROWS = 10
"""While an episode goes on its numbers do too: it is stated anew this often, or its forecast would lie in the past."""
REARM_ROWS = 20
REARM_CRITICAL_ROWS = 5
"""A young run dies too fast to wait 20 rows: what is critical may speak again after 5."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One way to be in trouble: it holds at a row when `hits` is true in m of the segment's last n rows."""

    severity: Severity
    hits: Bools  # (new rows,)
    m: int = 4
    n: int = 5


@dataclass(frozen=True, slots=True)
class Words:
    """What a finding says; see Finding for the fields. onset: the step at which the trouble began."""

    onset: int
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)
    clears: str = ""
    advice: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a detector makes of the new rows.

    signals: always the same ones in the same order. calm(i, evidence): whether new row i is quiet enough to
    clear the open episode raised with that evidence (its reference then, not the one that has adapted since).
    tell(i, severity, raised): the words for new row i; `raised` is the episode where one is open. over(i): why it is
    over, one sentence.
    """

    signals: Sequence[Signal]
    calm: Callable[[int, Mapping[str, Any]], bool]
    tell: Callable[[int, Severity, Finding | None], Words]
    over: Callable[[int], str]
    clear_rows: int = CLEAR_ROWS
    rearm_rows: int = REARM_ROWS


def watch(
    state: State,
    rows: Rows,
    context: Context,
    judge: Callable[[Series, Context], Judged],
    *,
    trouble: str,
    needs: Needs,
    uses: Iterable[str],
    keep: int,
) -> tuple[State, list[Finding]]:
    """One fold of a detector whose `judge` looks at a Series. keep: how far its widest window reaches back."""
    series = join(state.get("rows", {}), rows, needs, uses, keep)
    if series is None:
        return state, []
    with np.errstate(all="ignore"):  # logs hold any numbers: what overflows becomes inf or NaN, and no hit
        judged = judge(series, context)
        episode, findings = follow(state.get("episode", {}), series, judged, trouble)
    return {"rows": kept(series), "episode": episode}, findings


def follow(state: State, series: Series, judged: Judged, trouble: str) -> tuple[State, list[Finding]]:
    """Walk through the new rows; only those that matter are looked at one by one."""
    recent, levels = _sustained(state.get("recent", []), series, judged.signals)
    teller = _Teller(
        trouble,
        series,
        judged,
        state.get("open"),
        state.get("rested", judged.rearm_rows),
        state.get("calm", 0),
        state.get("told", 0),
    )
    row, total = 0, len(levels)
    speaking = np.flatnonzero(levels >= 0)
    while row < total:
        if teller.open is None:
            ahead = np.searchsorted(speaking, row)
            stop = int(speaking[ahead]) if ahead < len(speaking) else total
            teller.rest(stop - row)
            row = stop
            if row == total:
                break
        teller.hear(row, int(levels[row]))
        row += 1
    after = {
        "open": None if teller.open is None else teller.open.as_dict(),
        "rested": teller.rested,
        "calm": teller.calm,
        "told": teller.told,
    }
    return {**after, "recent": recent}, teller.findings


@dataclass(slots=True)
class _Teller:
    trouble: str
    series: Series
    judged: Judged
    open: Any  # Finding | None; given as its dict
    rested: int
    calm: int
    told: int  # rows since the open episode was last stated
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open = Finding(**self.open) if self.open else None

    def rest(self, rows: int) -> None:
        self.rested = min(self.rested + rows, self.judged.rearm_rows)

    def hear(self, row: int, level: int) -> None:
        """One row: close what a new attempt or a quiet stretch ends, then raise or escalate."""
        at = self.series.fresh + row
        if self.open is not None and self.open.attempt != self.series.attempts[at]:
            self._close(at, "The run was restarted before it was over.")
            self.rested = self.judged.rearm_rows
        if self.open is not None:
            self._keep_open(row, at, level)
        elif level >= 0 and self.rested >= self._wait(level):
            self._raise(row, at, SEVERITIES[level])
        else:
            self.rest(1)

    def _wait(self, level: int) -> int:
        wait = self.judged.rearm_rows
        return min(wait, REARM_CRITICAL_ROWS) if level == RANK["critical"] else wait

    def _keep_open(self, row: int, at: int, level: int) -> None:
        quiet = level < RANK["warning"] and self.judged.calm(row, self.open.evidence)
        self.calm = self.calm + 1 if quiet else 0
        self.told += 1
        rank = RANK[self.open.severity]
        if level > rank:
            if rank == RANK["info"]:  # a note is not the alarm: the alarm is an episode of its own
                self._close(at, "It has become more than a note.")
                self._raise(row, at, SEVERITIES[level])
            else:
                self._state(row, at, SEVERITIES[level], self.open)
        elif self.calm >= self.judged.clear_rows:
            self._close(at, self.judged.over(row))
        elif level >= RANK["warning"] and self.told >= RETELL_ROWS:
            self._state(row, at, self.open.severity, self.open)

    def _raise(self, row: int, at: int, severity: Severity) -> None:
        self.calm = 0
        self._state(row, at, severity, None)

    def _state(self, row: int, at: int, severity: Severity, raised: Finding | None) -> None:
        words = self.judged.tell(row, severity, raised)
        self.open = Finding(
            trouble=self.trouble,
            severity=severity,
            state="firing",
            onset_step=words.onset if raised is None else raised.onset_step,
            detected_step=int(self.series.steps[at]) if raised is None else raised.detected_step,
            message=words.message,
            attempt=int(self.series.attempts[at]),
            evidence={name: plain(value) for name, value in words.evidence.items()},
            clears=words.clears,
            advice=words.advice,
            source=words.source,
        )
        self.findings.append(self.open)
        self.told = 0

    def _close(self, at: int, why: str) -> None:
        step = int(self.series.steps[at])
        self.findings.append(replace(self.open, state="resolved", resolved_step=step, message=why))
        self.open, self.calm, self.rested = None, 0, 0


def _sustained(recent: list[list[int]], series: Series, signals: Sequence[Signal]) -> tuple[list[list[int]], Ints]:
    """The bits to remember per signal, and per new row the highest severity that has lasted (-1: none)."""
    levels = np.full(len(series.steps) - series.fresh, -1)
    if len(levels) == 1:  # a live run
        return _sustained_now(recent, int(series.ages[-1]), signals, levels)
    bits = []
    for i, signal in enumerate(signals):
        before = recent[i] if recent else []
        hits = np.concatenate([np.array(before, np.int64), signal.hits])
        if hits.any():
            lasting = _lasting(hits, len(before), series.ages[series.new], signal.n) >= signal.m
            levels[lasting] = np.maximum(levels[lasting], RANK[signal.severity])
        bits.append(hits[len(hits) - min(len(hits), signal.n - 1) :].tolist())
    return bits, levels


def _sustained_now(
    recent: list[list[int]], age: int, signals: Sequence[Signal], levels: Ints
) -> tuple[list[list[int]], Ints]:
    """The same for one row, without arrays."""
    bits = []
    for i, signal in enumerate(signals):
        hits = [*(recent[i] if recent else []), int(signal.hits[0])]
        if sum(hits[-min(signal.n, age) :]) >= signal.m:
            levels[0] = max(levels[0], RANK[signal.severity])
        bits.append(hits[len(hits) - min(len(hits), signal.n - 1) :])
    return bits, levels


def _lasting(hits: Ints, known: int, ages: Ints, n: int) -> Ints:
    """How many of the segment's last n rows hit, per new row; `hits` has `known` remembered rows in front."""
    back = np.arange(n)
    places = np.arange(known, len(hits))[:, None] - back
    inside = (back < ages[:, None]) & (places >= 0)
    count: Ints = np.where(inside, hits[np.maximum(places, 0)], 0).sum(axis=1)
    return count


def plain(value: Any) -> Any:
    """As JSON has it: no NaN, no infinity, no numpy."""
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value


def held(raised: Finding | None, name: str, value: float) -> float:
    """What the evidence of an open episode said when it was raised, else `value`: references adapt, episodes do not."""
    known = None if raised is None else raised.evidence.get(name)
    return float(value) if known is None else float(known)
