"""The job dies again and again before it gets anywhere."""

from __future__ import annotations

from analyses.contract import Context, Finding, Rows, State
from analyses.episodes import Words
from analyses.moments import Moments, stretches

TROUBLE = "restart_loop"
NEEDS: tuple[tuple[str, ...], ...] = ()
USES: tuple[str, ...] = ()

FEW = 10  # new steps that an attempt should make
LOOP, HOPELESS = 3, 5  # attempts in a row that did not
CLEARS = f"an attempt that makes {FEW} new steps"
SOURCE = "dynamics 7.3"
ADVICE = (
    "Read the last lines before each death; they are usually the same. Resume from an older checkpoint (verl: "
    "trainer.resume_from_path; TRL: resume_from_checkpoint): the newest may be what kills it."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    """A warning at the first row after the third attempt in a row that made few new steps."""
    moments = Moments(TROUBLE, state)
    attempt, reached, before = state.get("attempt"), int(state.get("reached", 0)), int(state.get("before", 0))
    futile: list[int] = list(state.get("futile", []))
    for start, stop in stretches(rows):
        steps, here = rows.steps[start:stop], int(rows.attempts[start])
        if attempt is None:
            reached = before = int(steps[0]) - 1
        elif here != attempt:
            made = reached - before
            futile = [*futile, made] if made < FEW else []
            before = reached
            _judge(moments, futile, int(steps[0]), here)
        new = steps - before >= FEW
        if moments.open is not None and new.any():
            moments.close(int(steps[new.argmax()]), f"This attempt has made {FEW} new steps.")
        attempt, reached = here, max(int(steps.max()), reached)
    return {
        **moments.state(),
        "attempt": attempt,
        "reached": reached,
        "before": before,
        "futile": futile,
    }, moments.findings


def _judge(moments: Moments, futile: list[int], step: int, attempt: int) -> None:
    if len(futile) < LOOP:
        return
    said = (
        f"The last {len(futile)} attempts made {', '.join(map(str, futile[-5:]))} new steps before they died; the run"
    )
    said += f" is at step {step} once more."
    words = Words(step, said, {"new_steps": futile[-5:], "attempts": len(futile)}, CLEARS, ADVICE, SOURCE)
    moments.say("critical" if len(futile) >= HOPELESS else "warning", step, attempt, words)
