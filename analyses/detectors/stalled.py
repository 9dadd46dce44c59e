"""No row for far longer than a step takes.

Two ways to see it: a gap between two rows, and, with a clock in the context, no row since. Steps of 2,000 s are usual
with long contexts, so the run is measured against its own steps; evaluations and checkpoints are among them.
"""

from __future__ import annotations

import math

import numpy as np

from analyses.contract import Context, Finding, Rows, State
from analyses.episodes import Words
from analyses.moments import Moments
from analyses.words import duration

TROUBLE = "stalled"
NEEDS: tuple[tuple[str, ...], ...] = ()
USES = ("time_step",)

LEAST = 600.0  # seconds
TIMES, LONGEST = 4.0, 1.5  # x the 95th percentile, x the longest of the last gaps
MEMORY, ENOUGH = 50, 3  # gaps remembered, gaps without which nothing is said
NO_TIME = 1e11  # seconds: no clock shows the year 5138
SOURCE = "dynamics 7.2"
ADVICE = (
    "Look whether the job is alive: a hung collective (py-spy dump; NCCL_DEBUG=INFO), a sandbox or reward server that "
    "no longer answers, a full disk at a checkpoint. Set a timeout (verl: actor_rollout_ref.nccl_timeout; TRL: "
    "ddp_timeout)."
)
CLEARS = "the next row"


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    moments = Moments(TROUBLE, state)
    gaps: list[float] = list(state.get("gaps", []))
    wall, step, attempt, every = state.get("wall"), state.get("step"), state.get("attempt"), int(state.get("every", 1))
    for i in np.flatnonzero(np.abs(rows.walls) < NO_TIME):
        here, now_step, now_attempt = float(rows.walls[i]), int(rows.steps[i]), int(rows.attempts[i])
        gap = math.nan if wall is None or attempt != now_attempt else here - wall
        late = gap > LEAST and gap > _limit(gaps)
        if moments.open is not None:
            moments.close(now_step, f"Rows come again, after {duration(gap)}." if gap > 0 else "Rows come again.")
        elif late:
            moments.say("warning", now_step, now_attempt, _words(int(step or 0), gap, gaps, over=True))
            moments.close(now_step, f"Rows came again after {duration(gap)}.")
        every = max(1, now_step - step) if step is not None and attempt == now_attempt else every
        if gap > 0 and not late:  # rows that were read at once bear one time: no gap to learn from
            gaps = [*gaps, gap][-MEMORY:] if len(gaps) >= MEMORY else [*gaps, gap]
        wall, step, attempt = here, now_step, now_attempt
    if context.now is not None and wall is not None and moments.open is None:
        age = context.now - max(wall, wall if context.newest is None else context.newest)
        _check_clock(moments, age, gaps, int(step or 0), int(attempt or 1), every)
    return {
        **moments.state(),
        "gaps": gaps,
        "wall": wall,
        "step": step,
        "attempt": attempt,
        "every": every,
    }, moments.findings


def _check_clock(moments: Moments, age: float, gaps: list[float], step: int, attempt: int, every: int) -> None:
    """The finding stands at the step that does not come: `every` steps after the last row."""
    if age > LEAST and age > _limit(gaps):
        moments.say("warning", step + every, attempt, _words(step, age, gaps, over=False))


def _limit(gaps: list[float]) -> float:
    """Seconds without a row that are too many; infinite while too few steps are known."""
    if len(gaps) < ENOUGH:
        return math.inf
    ordered = sorted(gaps)
    return max(LEAST, TIMES * ordered[int(0.95 * (len(ordered) - 1))], LONGEST * ordered[-1])


def _words(step: int, gap: float, gaps: list[float], *, over: bool) -> Words:
    usual = sorted(gaps)[len(gaps) // 2]
    said = f"{'There was no row' if over else 'No row'} for {duration(gap)} after step {step}; a step usually takes"
    said += f" {duration(usual)}."
    evidence = {"gap_s": gap, "usual_s": usual, "limit_s": _limit(gaps)}
    return Words(step, said, evidence, CLEARS, ADVICE, SOURCE)
