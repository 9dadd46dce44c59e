"""How sure an alert is: a fact, a number with its interval where the finding has one, else how long it has held."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeGuard

from db.alerts import Alert

EXACT = {"non_finite", "restart", "restart_loop", "stalled", "no_data"}
"""Troubles that are facts: nothing is estimated."""
OWN = "stepwell.toml"
"""The source of what a rule of the team's own says: its limit is a fact too."""
LEVEL = 0.99
"""Of the intervals that the detectors give (Sen's ranks, analyses/trend.py)."""
NOISES = ("noises", "deviations")


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate. low, high: None where there is no bound on that side."""

    what: str
    value: float
    low: float | None
    high: float | None
    unit: str
    level: float = LEVEL

    def __str__(self) -> str:
        bounds = f"{_digits(self.low)}–{_digits(self.high)}"
        return f"{self.what} {_digits(self.value)} {self.unit} ({bounds}, {100 * self.level:.0f} %)"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def sure(alert: Alert, step: int) -> str:
    """In words, for the run at this step."""
    if alert.episode.startswith(("error:", "no-data:")) or alert.rule in EXACT:
        return "certain"
    said = alert.finding
    if OWN in (said.get("origin"), said.get("source")):
        return "certain: the rule's own limit"
    evidence = said.get("evidence") or {}
    if (found := interval(alert.rule, evidence)) is not None:
        return str(found)
    noise = next((value for name in NOISES if _finite(value := evidence.get(name))), None)
    held = step - alert.onset_step
    lasting = f"over {held} steps" if held > 0 else "at one step"
    return f"{noise:.1f} times its noise, {lasting}" if noise is not None else f"seen {lasting}"


def interval(rule: str, evidence: Mapping[str, Any]) -> Interval | None:
    """The estimate that the finding rests on; None where it gives none."""
    value, low, high = (evidence.get(name) for name in ("time", "time_low", "time_high"))
    if not _finite(value) or value <= 0:
        return None
    what = "halving time" if rule == "entropy_collapse" else "doubling time"
    return Interval(what, float(value), low if _finite(low) else None, high if _finite(high) else None, "steps")


def _finite(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)


def _digits(value: float | None) -> str:
    return "∞" if value is None else f"{value:.3g}" if value < 1000 else f"{value:.0f}"
