"""The kinds of value that a rule's keys take. Each reader raises ValueError with what it expected."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from db.settings import BadSettings, seconds


@dataclass(frozen=True, slots=True)
class Span:
    """So many steps and so many seconds: what is not given need not pass."""

    steps: int = 0
    seconds: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.steps or self.seconds)

    def __str__(self) -> str:
        parts = [f"{self.steps} steps"] if self.steps else []
        return " and ".join([*parts, f"{self.seconds:g} s"] if self.seconds else parts) or "0s"


@dataclass(frozen=True, slots=True)
class Amount:
    """A number, or with relative=True a fraction of what it is compared with."""

    value: float
    relative: bool = False

    def __str__(self) -> str:
        return f"{100 * self.value:g} %" if self.relative else f"{self.value:g}"


@dataclass(frozen=True, slots=True)
class Key:
    """How a key's value is read; field: its name with us, where that differs."""

    read: Callable[[Any], Any]
    field: str = ""


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError('a text in quotes, such as "reward_mean"')
    return value


def number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise ValueError("a number, such as 0.5")
    return float(value)


def steps(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100_000:
        raise ValueError("a whole number from 1 to 100000")
    return value


def amount(value: Any) -> Amount:
    """0.5, or "20%"."""
    if isinstance(value, str) and (found := re.fullmatch(r"\s*([+-]?\d+(?:\.\d+)?)\s*%\s*", value)):
        return Amount(float(found[1]) / 100, relative=True)
    try:
        return Amount(number(value))
    except ValueError:
        raise ValueError('a number such as 0.5, or a percentage such as "-20%"') from None


def span(value: Any) -> Span:
    """ "20 steps", "30m", "20 steps, 30m" (both must pass), or a number of steps."""
    found = Span()
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Span(steps=value)
    for part in value.split(",") if isinstance(value, str) else [""]:
        if match := re.fullmatch(r"\s*(\d{1,9})\s*steps?\s*", part):
            found = Span(int(match[1]), found.seconds)
            continue
        try:
            found = Span(found.steps, _finite(seconds(part.strip() or "?")))
        except BadSettings:
            raise ValueError('steps or a time: "20 steps", "30m", or both: "20 steps, 30m"') from None
    return found


def interval(value: Any) -> float | None:
    """ "12h"; "never" is None."""
    if value == "never":
        return None
    try:
        found = _finite(seconds(str(value)))
    except BadSettings:
        found = 0.0
    if found < 1:
        raise ValueError('a time such as "30m", "12h", "1d", or "never"')
    return found


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise BadSettings("not finite")
    return value


def one_of(*known: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in known:
            raise ValueError(" or ".join(f'"{name}"' for name in known))
        return str(value)

    return read


def names(value: Any) -> tuple[str, ...]:
    """One text, or a list of texts."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not found or not all(isinstance(one, str) and one for one in found):
        raise ValueError('a text or a list of texts, such as ["a", "b*"]')
    return tuple(found)


OURS = ("alertname", "project", "run", "episode", "severity", "rule", "state")
"""Labels that every alert has."""


def labels(value: Any) -> dict[str, str]:
    """Names as Prometheus takes them, and none of ours."""
    found = texts(value)
    wrong = [name for name in found if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) or name in OURS]
    if wrong:
        raise ValueError(f"names of letters, digits and _, other than {', '.join(OURS)}: not {wrong[0]!r}")
    return found


def texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError('a table of texts, such as { runbook = "https://…" }')
    return {str(key): str(one) for key, one in value.items()}
