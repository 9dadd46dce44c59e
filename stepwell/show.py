"""What the commands print: tables for people, one JSON object for machines."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from typing import Any

import click
import orjson


def as_json(value: Any) -> None:
    """One JSON object; a non-finite number becomes "nan", "inf" or "-inf" rather than a silent null."""
    click.echo(orjson.dumps(plain(value), option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY).decode())


def plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Columns as wide as they need; `right`: those aligned right."""
    lines = [list(head), *[list(row) for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for number, line in enumerate(lines):
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ]
        click.secho("  ".join(cells).rstrip(), bold=number == 0)


def number(value: float | None) -> str:
    """Three significant digits; an em dash for what is not known."""
    if value is None:
        return "–"
    return f"{value:.3g}" if math.isfinite(value) else str(value)


def age(seconds: float | None) -> str:
    """12 s, 4 min, 3 h, 2 d."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def since(wall: float | None) -> str:
    return age(None if wall is None else time.time() - wall)
