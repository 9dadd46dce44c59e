"""The canonical quantities: what a metric may mean, whatever its trainer calls it (table: quantities.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Good = Literal["up", "down", "neither"]

TABLE = Path(__file__).with_name("quantities.toml")

QUANTITIES: dict[str, Quantity]  # read from the table when first asked for, see __getattr__


@dataclass(frozen=True, slots=True)
class Quantity:
    """unit: of the canonical value; fractions are 0 to 1, entropies and KLs in nats.

    label: for an axis, with the unit, e.g. "response length (tokens)".
    good: the direction that is better.
    """

    name: str
    unit: str
    label: str
    good: Good


def quantity(name: str) -> Quantity | None:
    """None where the name is no canonical quantity."""
    return _quantities().get(name)


def __getattr__(name: str) -> dict[str, Quantity]:
    if name == "QUANTITIES":
        return _quantities()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _quantities() -> dict[str, Quantity]:
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {quantity.name: quantity for quantity in _rows(table)}


def _rows(table: dict[str, Any]) -> Iterator[Quantity]:
    for name, (label, unit, good) in table["one"].items():
        yield Quantity(name, unit, _axis(label, unit), good)
    for stem, (label, unit, good, statistics) in table["many"].items():
        for statistic in statistics.split():
            spoken = label if statistic == "mean" else f"{label}, {statistic}"
            yield Quantity(f"{stem}_{statistic}", unit, _axis(spoken, unit), good)


def _axis(label: str, unit: str) -> str:
    """The label with its unit, unless the unit says nothing that the label does not."""
    return label if unit in ("", label) or label.startswith(f"{unit},") else f"{label} ({unit})"
