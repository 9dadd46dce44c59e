"""How everything looks: one light and one dark set of inks, and the colours of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FONT = "'Source Sans', 'Source Sans 3', 'Source Sans Pro', 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Look:
    """Inks as #rrggbb. runs: told apart by colour-blind eyes too, without red and amber: those mean trouble."""

    name: str
    ink: str
    muted: str
    grid: str
    surface: str
    band: str
    critical: str
    warning: str
    fine: str
    runs: tuple[str, ...]

    def severity(self, severity: str) -> str:
        return {"critical": self.critical, "warning": self.warning}.get(severity, self.fine)


LIGHT = Look(
    name="light",
    ink="#1d2430",
    muted="#69727f",
    grid="#e9ecf0",
    surface="#ffffff",
    band="#5b6b82",
    critical="#c62828",
    warning="#b26a00",
    fine="#7b8594",
    runs=("#3f5bd9", "#b23a92", "#2a9d7c", "#ae75fc", "#5f7a1e", "#290497", "#8e7bb5", "#145271"),
)
DARK = Look(
    name="dark",
    ink="#e6e9ee",
    muted="#98a1ae",
    grid="#262c36",
    surface="#12151a",
    band="#a9b6c9",
    critical="#ff6b61",
    warning="#f2b13c",
    fine="#8b95a3",
    runs=("#7aa2ff", "#f08be0", "#3fbfa8", "#c9a0ff", "#a5dd6f", "#7a6cf0", "#b5ecf2", "#4f86b8"),
)


def look(name: str | None) -> Look:
    """The look of this name; light when unknown."""
    return DARK if name == "dark" else LIGHT


def run_colour(look: Look, run_id: int) -> str:
    """The colour of a run, the same for ever: it follows from its number in the store alone."""
    return look.runs[(run_id - 1) % len(look.runs)]


def run_colours(look: Look, run_ids: Sequence[int]) -> dict[int, str]:
    """The colours of runs that stand in one chart: each its own, and where two would have the same, the later one the
    next that is free, as long as there is one."""
    chosen: dict[int, str] = {}
    for run_id in run_ids:
        own = look.runs.index(run_colour(look, run_id))
        order = [*look.runs[own:], *look.runs[:own]]
        chosen[run_id] = next((colour for colour in order if colour not in chosen.values()), order[0])
    return chosen


def config(look: Look) -> dict[str, Any]:
    """Vega-Lite's config: quiet axes, no frame, our font."""
    axis = {
        "labelColor": look.muted,
        "titleColor": look.muted,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelFont": FONT,
        "titleFont": FONT,
        "gridColor": look.grid,
        "domain": False,
        "tickColor": look.grid,
        "tickSize": 4,
        "labelPadding": 5,
    }
    legend = {
        "labelColor": look.ink,
        "labelFont": FONT,
        "labelFontSize": 11,
        "orient": "bottom",
        "offset": 4,
        "padding": 0,
        "symbolSize": 180,
        "symbolStrokeWidth": 2,
        "labelLimit": 260,
        "columnPadding": 14,
    }
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": axis,
        "axisX": {"grid": False, "ticks": True, "domain": True, "domainColor": look.grid},
        "axisY": {"ticks": False},
        "legend": legend,
        "title": {"color": look.ink, "font": FONT, "fontSize": 13, "fontWeight": 600, "anchor": "start"},
        "text": {"font": FONT, "fontSize": 11},
    }
