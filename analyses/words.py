"""How findings say numbers: three significant digits, no noise."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping


def number(value: float) -> str:
    """Three significant digits, thousands with commas, tiny and huge ones as powers of ten.

    >>> number(0.31234), number(12345.6), number(2.0), number(1.5e14)
    ('0.312', '12,346', '2.0', '1.5e+14')
    """
    value = float(value)
    if not math.isfinite(value):
        return "no limit" if value > 0 else "unknown"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e7 or size < 1e-3:
        return f"{value:.2g}"
    if size >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return text if "." in text or size >= 10 else f"{value:.1f}"


def percent(fraction: float) -> str:
    """A fraction as a percentage of two significant digits at least.

    >>> percent(0.146), percent(0.004), percent(1.0)
    ('15 %', '0.4 %', '100 %')
    """
    value = 100 * float(fraction)
    return f"{value:.0f} %" if abs(value) >= 10 or value == 0 else f"{value:.2g} %"


def steps_between(value: float, low: float, high: float) -> str:
    """A number of steps with its interval: "31 steps (27-38)"."""
    many = "steps" if value >= 1.5 else "step"
    shown = f"{value:.0f}" if value >= 1.5 else f"{max(value, 0.1):.1g}"
    top = f"{high:.0f}" if math.isfinite(high) else "∞"
    return f"{shown} {many} ({low:.0f}–{top})"


def joined(said: Mapping[str, object]) -> str:
    """The phrases that hold, as one clause.

    >>> joined({"reward falls": True, "responses get longer": False, "gradients shrink": True})
    'reward falls and gradients shrink'
    """
    *most, last = [phrase for phrase, holds in said.items() if holds] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(45), duration(600), duration(18147), duration(400_000)
    ('45 s', '10 min', '5.0 h', '4.6 days')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} days"


KEYS = re.compile(r"\(((?:verl|TRL): [^()]*)\)")


def addressed(advice: str, trainer: str | None) -> str:
    """Advice with the config keys of this trainer alone, where it names them; else with those of all.

    >>> addressed("Clip harder (verl: actor.grad_clip; TRL: max_grad_norm).", "trl")
    'Clip harder (max_grad_norm).'
    >>> addressed("Clip harder (verl: actor.grad_clip; TRL: max_grad_norm).", "slime")
    'Clip harder (verl: actor.grad_clip; TRL: max_grad_norm).'
    """

    def mine(told: re.Match[str]) -> str:
        keys = dict(part.split(": ", 1) for part in told[1].split("; ") if ": " in part)
        own = {name.casefold(): key for name, key in keys.items()}.get((trainer or "").casefold())
        return told[0] if own is None else f"({own})"

    return KEYS.sub(mine, advice)
