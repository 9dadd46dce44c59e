"""The job dies again and again before it gets anywhere."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

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
    """A warning at the first row after the third attempt in a row that made few new steps, whichever file told it."""
    moments, walk = Moments(TROUBLE, state), Walk(**state.get("walk", {}))
    attempt = state.get("attempt")
    for start, stop in stretches(rows):
        steps, here = rows.steps[start:stop], int(rows.attempts[start])
        if here != attempt:
            others = context.between(attempt, here)
            for one in others:
                walk = walk.next(one.first, other_file=True).to(one.last)
            walk = walk.next(int(steps[0]), other_file=bool(others))
            if attempt is not None or others:
                _judge(moments, walk.futile, int(steps[0]), here)
        new = steps - walk.before >= FEW
        if moments.open is not None and new.any():
            moments.close(int(steps[new.argmax()]), f"This attempt has made {FEW} new steps.")
        attempt, walk = here, walk.to(int(steps.max()))
    return {**moments.state(), "attempt": attempt, "walk": asdict(walk)}, moments.findings


@dataclass(frozen=True, slots=True)
class Walk:
    """How far the attempts got. first: the run's first step; before: the step that this attempt has to pass;
    futile: new steps of the last attempts in a row that made few."""

    first: int | None = None
    before: int = 0
    reached: int = 0
    futile: list[int] = field(default_factory=list)

    def next(self, step: int, *, other_file: bool) -> Walk:
        """An attempt begins at `step`. A file that goes on where the last one stopped has lost nothing, and one that
        begins at the beginning is a new try, measured by its own steps."""
        if self.first is None:
            return Walk(step, step - 1, step - 1)
        made = self.reached - self.before
        futile = [*self.futile, made] if made < FEW and step <= self.reached else []
        start = step - 1 if other_file and step <= self.first else self.reached
        return Walk(min(self.first, step), start, start, futile)

    def to(self, step: int) -> Walk:
        return replace(self, reached=max(self.reached, step))


def _judge(moments: Moments, futile: list[int], step: int, attempt: int) -> None:
    if len(futile) < LOOP:
        return
    said = (
        f"The last {len(futile)} attempts made {', '.join(map(str, futile[-5:]))} new steps before they died; the run"
    )
    said += f" is at step {step} once more."
    words = Words(step, said, {"new_steps": futile[-5:], "attempts": len(futile)}, CLEARS, ADVICE, SOURCE)
    moments.say("critical" if len(futile) >= HOPELESS else "warning", step, attempt, words)
