"""The settings that matter to a reader of curves, from whatever config a trainer printed. Never a default.

Where each trainer keeps them stands in `[settings]` of its table: keys in order of precedence, dotted;
`a / b` is a quotient of two of them; the first that the config holds is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from collectors.names import HANDWRITTEN, headers, table

Scalar = str | int | float | bool | None

DEPTH = 24
"""Configs nested deeper than this are cut: a log is untrusted."""
KEYS = 20_000

WRAPPERS = ("config.", "args.", "hparams.", "params.")
"""What a container may put around the trainer's own config."""


def settings(trainer: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The canonical settings that a nested or flat config states; a setting it does not state is absent.

    Counts and limits are ints, bounds and coefficients floats, `kl_on` and `overlong_mask` bools, names str.
    """
    flat = _unwrapped(flatten(config))
    found: dict[str, Any] = {}
    for name, keys in table(trainer).settings.items():
        read = READ[name]
        values = [v for key in keys if (v := read(_look_up(flat, key))) is not None]
        if values:
            found[name] = any(values) if name in FLAGS else values[0]
    if str(flat.get("eval_strategy", "")).lower() == "no":  # transformers keeps an eval_steps that it ignores
        found.pop("eval_every", None)
    if _flag(flat.get("use_adaptive_entropy")) is False:  # TRL keeps a target that it then ignores
        found.pop("entropy_target", None)
    return found


def whose(trainer: str, config: Mapping[str, Any]) -> str:
    """Whose config this is: the run's trainer's, or where its names told none, that of who knows most of its keys."""
    if trainer not in ("", HANDWRITTEN):
        return trainer
    found = {other: len(settings(other, config)) for other in sorted(headers()) if other != HANDWRITTEN}
    best = max(found, key=lambda other: found[other])
    return best if found[best] > max(len(settings(HANDWRITTEN, config)), 2) else HANDWRITTEN


def flatten(config: Mapping[str, Any]) -> dict[str, Scalar]:
    """Nested mappings and lists as one level: `{"a": {"b": [1, 2]}}` -> `{"a.b[0]": 1, "a.b[1]": 2}`.

    An empty mapping or list leaves no key; what is no scalar becomes its text.
    """
    flat: dict[str, Scalar] = {}
    for key, value in _leaves(config, "", 0):
        if len(flat) >= KEYS:
            break
        flat[key] = value
    return flat


def _leaves(value: Any, at: str, depth: int) -> Iterator[tuple[str, Scalar]]:
    if depth > DEPTH:
        yield at, "..."
    elif isinstance(value, Mapping):
        if value.keys() == {"desc", "value"}:  # how wandb wraps each entry
            yield from _leaves(value["value"], at, depth + 1)
            return
        for key, inner in value.items():
            yield from _leaves(inner, f"{at}.{key}" if at else str(key), depth + 1)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _leaves(inner, f"{at}[{place}]", depth + 1)
    else:
        yield at, value if isinstance(value, str | int | float | bool | None) else str(value)


def _unwrapped(flat: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Keys as the tables spell them: without a wrapper, with dots where MLflow's parameters have slashes."""
    plain: dict[str, Scalar] = {}
    for key, value in flat.items():
        dotted = key.replace("/", ".")
        wrapper = next((w for w in WRAPPERS if dotted.startswith(w)), "")
        plain.setdefault(dotted[len(wrapper) :], value)
    return plain


def _look_up(flat: Mapping[str, Scalar], key: str) -> Scalar:
    if " / " not in key:
        return flat.get(key)
    above, below = (_number(flat.get(part)) for part in key.split(" / "))
    return above / below if above is not None and below else None


def _number(value: Scalar) -> float | None:
    """None for what is no finite number, an unresolved `${...}` among it."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _bound(value: Scalar) -> float | None:
    """Below zero a bound is a trainer's way of saying "not set" (DeepCoder's clip_ratio_low = -1)."""
    number = _number(value)
    return number if number is not None and number >= 0 else None


def _count(value: Scalar) -> int | None:
    """A positive whole number; -1 and 0 are ways of saying "not set" or "never"."""
    number = _number(value)
    return int(number) if number is not None and number >= 1 and number == int(number) else None


def _flag(value: Scalar) -> bool | None:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if isinstance(value, bool):
        return value
    number = _number(value)
    return None if number is None else number != 0


def _word(value: Scalar) -> str | None:
    """Text that says something: neither empty nor a null or an unresolved `${...}`."""
    if not isinstance(value, str) or "${" in value:
        return None
    text = value.strip()
    return text if text.lower() not in ("", "none", "null", "true", "false") else None


READ: dict[str, Callable[[Scalar], Any]] = {
    "context_limit": _count,
    "prompt_limit": _count,
    "clip_low": _bound,
    "clip_high": _bound,
    "clip_dual": _bound,
    "entropy_coef": _number,
    "kl_coef": _number,
    "kl_on": _flag,
    "overlong_mask": _flag,
    "rollouts_per_prompt": _count,
    "prompts_per_step": _count,
    "mini_batch": _count,
    "loss_aggregation": _word,
    "algorithm": _word,
    "learning_rate": _number,
    "entropy_target": _bound,
    "temperature": _number,
    "eval_temperature": _number,
    "eval_context_limit": _count,
    "logging_steps": _count,
    "starts_from": _word,
    "max_steps": _count,
    "eval_every": _count,
}
"""Each canonical setting and how its value is read."""

FLAGS = ("kl_on", "overlong_mask")
"""On where any of the keys says so."""
