"""Numbers, ages and names as people read them; text from logs made harmless for Markdown."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime

SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>$:&])")


def plain(text: str, longest: int = 160) -> str:
    """Text from a log that Markdown shows as it is: no link, colour, HTML or formula can come out of it."""
    one_line = " ".join(text.split())
    short = one_line if len(one_line) <= longest else one_line[: longest - 1] + "…"
    return SPECIAL.sub(r"\\\1", short)


def number(value: float | None, unit: str = "") -> str:
    """Three significant digits; a fraction as percent; an en dash where there is nothing."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if unit == "fraction":
        return f"{_digits(100 * value)} %"
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "K")):
        if abs(value) >= limit:
            size = {"G": 1e9, "M": 1e6, "K": 1e3}[suffix]
            return f"{_digits(value / size)}{suffix}".replace("-", "−")
    return _digits(value)


def _digits(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        return f"{value:.2e}".replace("e-0", "e-").replace("-", "−")
    return f"{value:.0f}".replace("-", "−") if abs(value) >= 100 else f"{value:#.3g}".rstrip(".").replace("-", "−")


def tokens(count: float) -> str:
    """A context limit as people say it: 16384 is 16K, 6000 is 6,000."""
    return f"{int(count) // 1024}K" if count >= 1024 and count % 1024 == 0 else f"{count:,.0f}"


def ago(seconds: float | None) -> str:
    """How old: "8 s", "3 min", "2 h", "5 days"; an en dash where the log has no time."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def clock(wall: float | None) -> str:
    """A moment, s since the epoch, as people write it, in UTC: "20 Nov 14:03"; an en dash where there is none."""
    if wall is None or not math.isfinite(wall):
        return "–"
    at = datetime.fromtimestamp(wall, UTC)
    return f"{at:%-d %b %H:%M}" if abs(wall - time.time()) < 300 * 86400 else f"{at:%-d %b %Y %H:%M}"


def several(count: int, one: str, many: str = "") -> str:
    """A count with its noun: 1 run, 3 runs."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(items: Sequence[str], most: int = 4) -> str:
    """In a sentence: a, b and c; and how many more where there are too many."""
    shown = list(items[:most]) + ([f"{len(items) - most} more"] if len(items) > most else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def trouble(name: str) -> str:
    """A trouble's identifier in words: entropy_blowup is "entropy blow-up"."""
    return name.replace("_", " ").replace("blowup", "blow-up")


def sentence(text: str) -> str:
    """With a capital at the start; the rest as it is (KL stays KL)."""
    return text[:1].upper() + text[1:]
