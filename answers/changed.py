"""Which settings differ between two runs, the trainer's own keys: beside a switch or a comparison."""

from __future__ import annotations

import re
from typing import Any

from answers.limits import Known, setting_limit

OWN_NAME = re.compile(
    r"(^|[._/])(\w*(name|dir|path|url|host|port|run_id|output|logger|logging|project|user|resume\w*|date|time\w*)"
    r"|summary\..*|max_steps|total_training_steps|total_epochs|num_train_epochs|starts_from)$"
)
DATA = re.compile(r"(train_files?|dataset\w*|data_files?)$")
LIMIT_KEY = re.compile(
    r"(response_length|completion_length|max_new_tokens|max_tokens|context|seq_len\w*|max_model_len)$"
)
MOST_CHANGES = 40


def changes(old: Known, new: Known) -> list[tuple[str, str, str]] | None:
    """Settings that differ between two runs beside the limit, the trainer's own keys; names and places are left out.
    None where a config is not known."""
    if not old.config or not new.config:
        return None
    limits = {setting_limit(one.settings) for one in (old, new)}
    found = []
    for key in sorted({*old.config, *new.config}):
        was, now = old.config.get(key), new.config.get(key)
        own = OWN_NAME.search(key) and not DATA.search(key)
        if was == now or own or (LIMIT_KEY.search(key) and {_as_number(was), _as_number(now)} <= limits):
            continue
        found.append((key, _short(was), _short(now)))
    return found[:MOST_CHANGES]


def _as_number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _short(value: Any) -> str:
    text = "not set" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
