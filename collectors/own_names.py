"""A team's own names, from `[quantities]` in stepwell.toml: they go before what a trainer's table says.

[quantities]
"my/entropy" = "entropy_token_mean"
"rollout/cut_pct" = { is = "truncation_fraction", unit = "percent", scale = 0.01, caveat = "Before filtering." }
'^eval/aime\\d+$' = "val_score"          # what begins with ^ is a pattern
"""

from __future__ import annotations

import difflib
import json
import re
from functools import cache
from typing import Any

from db import quantities
from db.settings import BadSettings, section

TABLE = "quantities"
WORDS = {"is": str, "unit": str, "caveat": str, "scale": (int, float), "rank": int}


def entry(name: str) -> dict[str, Any] | None:
    """What the team says of a name: `is` and perhaps unit, scale, caveat, rank. Raises BadSettings."""
    exact, patterns = _entries()
    if name in exact:
        return exact[name]
    return next((found for pattern, found in patterns if pattern.search(name)), None)


def told() -> str:
    """The table as a text: it changes when the table does. "" where there is none."""
    exact, patterns = _entries()
    said = exact | {pattern.pattern: found for pattern, found in patterns}
    return json.dumps(said, sort_keys=True) if said else ""


def forget() -> None:
    """Read the settings files anew when next asked."""
    _entries.cache_clear()


@cache
def _entries() -> tuple[dict[str, dict[str, Any]], list[tuple[re.Pattern[str], dict[str, Any]]]]:
    said = {name: _checked(name, found) for name, found in section(TABLE).items()}
    exact = {name: found for name, found in said.items() if not name.startswith("^")}
    return exact, [(_pattern(name), found) for name, found in said.items() if name.startswith("^")]


def _checked(name: str, found: Any) -> dict[str, Any]:
    if isinstance(found, str):
        found = {"is": found}
    if not isinstance(found, dict) or not isinstance(found.get("is"), str):
        raise BadSettings(f'[{TABLE}] "{name}" must name a quantity, e.g. "entropy_token_mean", found {found!r}')
    for key, value in found.items():
        if key not in WORDS or isinstance(value, bool) or not isinstance(value, WORDS[key]):  # type: ignore[arg-type]
            raise BadSettings(f'[{TABLE}] "{name}": {key} = {value!r}; known are {", ".join(WORDS)}')
    if quantities.quantity(found["is"]) is None:
        near = difflib.get_close_matches(found["is"], quantities.QUANTITIES, n=3)
        hint = f"; do you mean {' or '.join(near)}?" if near else ""
        raise BadSettings(f'[{TABLE}] "{name}": there is no quantity {found["is"]!r}{hint}')
    return found


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise BadSettings(f'[{TABLE}] "{text}" is no pattern: {error}') from error
