"""The alerts of one run for its charts: when each opened, was told and was over, and those that no detector found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from charts.curve import Mark
from charts.theme import Look
from dashboard.curves import Axis
from dashboard.words import clock, trouble
from db.alerts import OPEN, Alert
from db.findings import Finding
from db.series import Series


@dataclass(frozen=True, slots=True)
class Episodes:
    """alerts: of one run. told: alert id -> channel -> when it first took it, s since the epoch."""

    alerts: Sequence[Alert] = ()
    told: Mapping[int, Mapping[str, float]] = field(default_factory=dict)

    def course(self, finding: Finding) -> str:
        """What became of a finding: when its alert opened, who was told when, when it was over; "" without alert."""
        mine = (one for one in self.alerts if one.rule == finding.trouble and _holds(one, finding))
        one = next(mine, None)
        return "" if one is None else self._course(one)

    def _course(self, one: Alert) -> str:
        said = [f"opened {clock(one.opened_at)}"]
        said += [f"told {name} {clock(at)}" for name, at in self.told.get(one.id, {}).items()]
        said += [f"in the hands of {one.acked_by}"] if one.acked_by else []
        said += [] if one.resolved_at is None else [f"over {clock(one.resolved_at)}"]
        return ", ".join(said) + " (UTC)"

    def marks(self, axis: Axis, along: Series, look: Look) -> list[Mark]:
        """Of what no detector finds: a run without data, a rule that could not be evaluated."""
        made = []
        for one in self.alerts:
            kind = one.episode.partition(":")[0]
            if kind not in ("no-data", "error") or not len(along):
                continue
            x = axis.of_step(min(one.onset_step, int(along.steps.max())), along)
            name = trouble(one.rule) + (" cannot be evaluated" if kind == "error" else "")
            colour = look.severity(one.severity) if one.state in OPEN else look.fine
            made.append(Mark(x, name, colour, x, named=False, told=self._course(one)))
        return made


def _holds(one: Alert, finding: Finding) -> bool:
    """Whether this finding is of that alert: the first of it, or one that came back while it was kept firing."""
    if (one.source_id, one.attempt) != (finding.source_id, finding.attempt):
        return False
    last = one.resolved_step if one.resolved_step is not None else finding.detected_step
    return one.detected_step <= finding.detected_step <= last
