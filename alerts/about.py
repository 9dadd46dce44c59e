"""What an alert looks at: the curve to show beside it, and the charts on which it belongs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from analyses.judge import detectors


@dataclass(frozen=True, slots=True)
class About:
    """quantities (canonical) and metrics (as logged), the most telling first. Both empty: the run as a whole."""

    quantities: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()

    def concerns(self, shown: Collection[str]) -> bool:
        """Whether it belongs on a chart of these quantities or metrics; the run as a whole concerns every chart."""
        names = {*self.quantities, *self.metrics}
        return not names or not names.isdisjoint(shown)


def about(rule: str, evidence: Mapping[str, Any]) -> About:
    """Of a finding or alert under this rule with this evidence."""
    metric, first = evidence.get("metric"), evidence.get("quantity")
    if isinstance(metric, str):
        return About(metrics=(metric,))
    detector = detectors().get(rule)
    needs = [name for one_of in detector.NEEDS for name in one_of] if detector else []
    named = [first] if isinstance(first, str) else []
    return About(tuple(dict.fromkeys([*named, *needs])))
