"""The job died and walks steps again that it had walked before: how much work was lost."""

from __future__ import annotations

from typing import Any

import numpy as np

from analyses.contract import Context, Finding, Rows, State
from analyses.episodes import Words
from analyses.moments import Moments, stretches
from analyses.words import duration

TROUBLE = "restart"
NEEDS: tuple[tuple[str, ...], ...] = ()
USES: tuple[str, ...] = ()

TRAIL = 20  # rows from which the pace is taken
CLEARS = "the first step that is new"
ADVICE = (
    "Nothing, if it was meant. Else read the last lines before it died (memory, a lost node, a timeout), and save more "
    "often (verl: trainer.save_freq; TRL: save_steps) if this is too much work to walk again."
)
SOURCE = "dynamics 7.3"


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    """A note at the first row of every attempt that steps back, in this file or against an earlier one of the run."""
    moments = Moments(TROUBLE, state)
    attempt, reached, trail = state.get("attempt"), state.get("reached"), list(state.get("trail", []))
    for start, stop in stretches(rows):
        steps, here = rows.steps[start:stop], int(rows.attempts[start])
        if here != attempt:
            pace = _pace(trail)
            for one in context.between(attempt, here):
                reached, pace = max(one.last, one.last if reached is None else reached), one.pace
            moments.close(int(steps[0]), "The run was restarted once more.")
            if reached is not None and steps[0] <= reached:
                moments.say("info", int(steps[0]), here, _words(int(steps[0]), reached, pace))
            trail = []
        if moments.open is not None and (steps > moments.open.evidence["reached"]).any():
            regained = int(steps[np.argmax(steps > moments.open.evidence["reached"])])
            moments.close(regained, "All steps that were lost have been walked again.")
        attempt, reached = here, max(int(steps.max()), int(steps.max()) if reached is None else reached)
        walls = rows.walls[start:stop][-TRAIL:]
        walked = zip(steps[-TRAIL:].tolist(), walls.tolist(), strict=True)
        trail = [*trail, *([step, wall] for step, wall in walked if np.isfinite(wall))][-TRAIL:]
    return {**moments.state(), "attempt": attempt, "reached": reached, "trail": trail}, moments.findings


def _pace(trail: list[list[float]]) -> float | None:
    """Seconds a step; None where the log carries no times of its own."""
    if len(trail) < 2 or trail[-1][0] <= trail[0][0] or trail[-1][1] <= trail[0][1]:
        return None
    return (trail[-1][1] - trail[0][1]) / (trail[-1][0] - trail[0][0])


def _words(step: int, reached: int, pace: float | None) -> Words:
    lost = reached - step + 1
    said = f"Restarted at step {step} after step {reached}: {lost} step{'s are' if lost > 1 else ' is'} walked again"
    evidence: dict[str, Any] = {"reached": reached, "lost_steps": lost}
    if pace is not None:
        evidence["lost_s"] = lost * pace
        said += f", about {duration(evidence['lost_s'])} of work"
    return Words(step, said + ".", evidence, CLEARS, ADVICE, SOURCE)
