"""Where a setting comes from: flag > environment > project stepwell.toml > user stepwell.toml > default.

MLflow's own variables keep their names (MLFLOW_TRACKING_URI).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_config_path, user_data_path


class BadSettings(Exception):
    """A settings file that cannot be read, or a value of the wrong kind; the message says where."""


@dataclass(frozen=True, slots=True)
class Setting:
    """name: in stepwell.toml and as a flag. variable: of the environment. meaning: one line for `stepwell config`."""

    name: str
    variable: str
    meaning: str


SETTINGS = (
    Setting("store", "STEPWELL_STORE", "database URL or SQLite file that holds what was collected"),
    Setting("mlflow", "MLFLOW_TRACKING_URI", "MLflow store that collected runs are copied to"),
    Setting("project", "STEPWELL_PROJECT", "project of collected runs, instead of what logs and folders say"),
    Setting(
        "live_for", "STEPWELL_LIVE_FOR", "a run is live while its newest data is younger than this (90s, 20m, 6h, 1d)"
    ),
    Setting("fail_on", "STEPWELL_FAIL_ON", "lowest severity for which `stepwell check` exits with 1"),
    Setting("port", "STEPWELL_PORT", "port of the dashboard"),
    Setting("host", "STEPWELL_HOST", "address the dashboard listens on"),
    Setting("base_url_path", "STEPWELL_BASE_URL_PATH", "path under which a reverse proxy serves the dashboard"),
    Setting("dashboard_url", "STEPWELL_DASHBOARD_URL", "where people reach the dashboard: messages link to it"),
    Setting("metrics_file", "STEPWELL_METRICS_FILE", "OpenMetrics text file that `stepwell check` writes"),
    Setting("ping_url", "STEPWELL_PING_URL", "address that hears of each check: /start, then /<exit code>"),
    Setting("time_limit", "STEPWELL_TIME_LIMIT", "`stepwell check` ends itself after this (90s, 10m)"),
)


@dataclass(frozen=True, slots=True)
class Value:
    """A setting's value and who said so."""

    value: str
    origin: str


def defaults() -> dict[str, str]:
    data = user_data_path("stepwell")
    return {
        "store": f"sqlite:///{data / 'store.db'}",
        "mlflow": f"sqlite:///{data / 'mlflow.db'}",
        "project": "",
        "live_for": "1d",
        "fail_on": "warning",
        "port": "8501",
        "host": "127.0.0.1",
        "base_url_path": "",
        "dashboard_url": "",
        "metrics_file": "",
        "ping_url": "",
        "time_limit": "10m",
    }


def displayed(name: str, value: str) -> str:
    """The value as it may be seen: no password of a URL, and of a ping address, which is a secret itself, the host."""
    scheme, sign, rest = value.partition("://")
    if not sign:
        return value
    login, at, place = rest.partition("/")[0].rpartition("@")
    if name == "ping_url":
        return f"{scheme}://{place}/…"
    user, colon, _ = login.partition(":")
    return f"{scheme}://{user}{':***' if colon else ''}{at}{place}{rest[len(login + at + place) :]}"


def files() -> tuple[Path, Path]:
    """Where settings may stand: the user's file, then the project's, whose word counts."""
    return user_config_path("stepwell") / "stepwell.toml", Path("stepwell.toml")


def section(name: str) -> dict[str, Any]:
    """A table of the settings files, the project's over the user's; {} where neither has it. Raises BadSettings."""
    found: dict[str, Any] = {}
    for path in files():
        table = _table(path).get(name, {})
        if not isinstance(table, dict):
            raise BadSettings(f"{path}: [{name}] must be a table")
        found |= table
    return found


def entries(name: str) -> list[dict[str, Any]]:
    """The entries of an array of tables (`[[stages]]`), the user's file first. Raises BadSettings."""
    found: list[dict[str, Any]] = []
    for path in files():
        these = _table(path).get(name, [])
        if not isinstance(these, list) or not all(isinstance(one, dict) for one in these):
            raise BadSettings(f"{path}: {name} must be entries of the form [[{name}]]")
        found += these
    return found


def load(flags: Mapping[str, Any] | None = None) -> dict[str, Value]:
    """Every setting with its origin. flags: name -> value, None where not given. Raises BadSettings."""
    found = {name: Value(value, "default") for name, value in defaults().items()}
    for path in files():
        found |= {name: Value(value, str(path)) for name, value in _file(path).items()}
    for setting in SETTINGS:
        if value := os.environ.get(setting.variable):
            found[setting.name] = Value(value, setting.variable)
    for name, value in (flags or {}).items():
        if value is not None:
            found[name] = Value(str(value), f"--{name.replace('_', '-')}")
    return found


def _table(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BadSettings(f"{path}: {error}") from error


def _file(path: Path) -> dict[str, str]:
    table = _table(path)
    known = {setting.name for setting in SETTINGS}
    for name, value in table.items():
        if name in known and not isinstance(value, (str, int, float)):
            raise BadSettings(f"{path}: {name} must be a text or a number, found {value!r}")
    return {name: str(value) for name, value in table.items() if name in known}


def seconds(text: str) -> float:
    """A duration: 90, 90s, 20m, 6h, 1d. Raises BadSettings."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        value = float(number) * units[unit]
    except ValueError:
        value = -1
    if value < 0:
        raise BadSettings(f"expected a duration such as 90s, 20m, 6h or 1d, found {text!r}")
    return value
