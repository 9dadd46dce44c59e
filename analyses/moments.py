"""Troubles that are moments rather than levels (a NaN, a gap, a restart): raised at one row, over at a later one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from analyses.contract import RANK, Finding, Rows, Severity, State
from analyses.episodes import Words, plain


class Moments:
    """At most one open finding of a trouble, and what has been said in this scan."""

    def __init__(self, trouble: str, state: State) -> None:
        self.trouble = trouble
        self.open: Finding | None = Finding(**state["open"]) if state.get("open") else None
        self.findings: list[Finding] = []

    def say(self, severity: Severity, step: int, attempt: int, words: Words) -> None:
        """Raise, or escalate what is open; saying no more than before is silence."""
        if self.open is not None and RANK[severity] <= RANK[self.open.severity]:
            return
        self.open = Finding(
            trouble=self.trouble,
            severity=severity,
            state="firing",
            onset_step=words.onset if self.open is None else self.open.onset_step,
            detected_step=step if self.open is None else self.open.detected_step,
            message=words.message,
            attempt=attempt if self.open is None else self.open.attempt,
            evidence={name: plain(value) for name, value in words.evidence.items()},
            clears=words.clears,
            advice=words.advice,
            source=words.source,
        )
        self.findings.append(self.open)

    def close(self, step: int, why: str) -> None:
        if self.open is not None:
            self.findings.append(replace(self.open, state="resolved", resolved_step=step, message=why))
            self.open = None

    def state(self) -> State:
        return {"open": None if self.open is None else self.open.as_dict()}


def stretches(rows: Rows) -> Iterator[tuple[int, int]]:
    """(start, stop) of every run of rows that belong to one attempt."""
    if len(rows):
        turns = np.flatnonzero(rows.attempts[1:] != rows.attempts[:-1]) + 1
        yield from zip([0, *turns.tolist()], [*turns.tolist(), len(rows)], strict=True)
