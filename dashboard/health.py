"""Which run needs somebody: its status by the age of its data, its worst open finding, and the answer in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dashboard.words import listed, several, trouble
from db.findings import Finding
from db.runs import Run

Status = Literal["live", "stalled", "finished"]
RANK = {"info": 0, "warning": 1, "critical": 2}
PATIENCE = 15 * 60.0  # s without news before a run counts as silent; a run with long steps gets four of them
GONE = 24 * 3600.0  # s after which nobody waits for it any more


@dataclass(frozen=True, slots=True)
class Health:
    """A run as the overview sees it. age: s since the newest record, None where the log has no time."""

    run: Run
    status: Status
    age: float | None
    open: tuple[Finding, ...]

    @property
    def worst(self) -> Finding | None:
        """The gravest open finding; of equals the one that began first, for it may be the cause of the others."""
        return min(self.open, key=gravest_first, default=None)

    @property
    def needs_you(self) -> bool:
        """Something grave is open, and it is not over yet."""
        worst = self.worst
        return self.status != "finished" and worst is not None and RANK.get(worst.severity, 0) > 0


def status(age: float | None, step_seconds: float | None, step: int | None, last: float | None) -> Status:
    """live, stalled or finished. step_seconds: how long a step takes; last: the step at which it is to end."""
    if last is not None and step is not None and step >= last:
        return "finished"
    if age is None or age > GONE:
        return "finished"
    patience = max(PATIENCE, 4 * step_seconds) if step_seconds is not None and step_seconds > 0 else PATIENCE
    return "live" if age <= patience else "stalled"


def judged(
    runs: Iterable[Run],
    open_findings: Sequence[Finding],
    now: float,
    step_seconds: Mapping[int, float],
    ends: Mapping[int, float],
) -> list[Health]:
    """Every run's health: those that need somebody first, then the live as they come, the others by age."""
    of_run: dict[int, list[Finding]] = {}
    for finding in open_findings:
        of_run.setdefault(finding.run_id, []).append(finding)
    found = []
    for run in runs:
        age = None if run.wall is None else max(0.0, now - run.wall)
        state = status(age, step_seconds.get(run.id), run.step, ends.get(run.id))
        found.append(Health(run, state, age, tuple(of_run.get(run.id, ()))))
    order = {"live": 0, "stalled": 1, "finished": 2}
    found.sort(key=lambda h: 0.0 if h.status == "live" else h.age or 0.0)  # the age of what lives goes up and down
    return sorted(found, key=lambda h: (not h.needs_you, -_weight(h), order[h.status], h.worst is None))


def gravest_first(finding: Finding) -> tuple[int, int]:
    """Sorts findings: by severity, then by where the trouble began."""
    return -RANK.get(finding.severity, 0), finding.onset_step


def _weight(health: Health) -> int:
    worst = health.worst
    return RANK.get(worst.severity, 0) if health.needs_you and worst else 0


def answer(all_of_them: Sequence[Health]) -> str:
    """Is anything wrong? In one or two sentences, from what is there."""
    live = [h for h in all_of_them if h.status == "live"]
    stalled = [h for h in all_of_them if h.status == "stalled"]
    needy = [h for h in all_of_them if h.needs_you]
    unhappy = [h for h in all_of_them if h.status == "finished" and h.worst is not None]
    watched = len(live) + len(stalled)
    if needy:
        what = listed(list(dict.fromkeys(trouble(h.worst.trouble) for h in needy if h.worst)), 3)
        first = (
            f"{len(needy)} of {several(watched, 'running run')} {'needs' if len(needy) == 1 else 'need'} you: {what}."
        )
    elif live:
        who = "the live run is" if len(live) == 1 else f"all {len(live):,} live runs are"
        first = f"Nothing needs you: {who} calm."
    else:
        first = "No run is live."
    if stalled and not needy:
        first += f" {several(len(stalled), 'run')} {'has' if len(stalled) == 1 else 'have'} fallen silent."
    if unhappy:
        first += f" {several(len(unhappy), 'finished run')} ended in trouble."
    return first
