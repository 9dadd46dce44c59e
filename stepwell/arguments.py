"""Kinds of arguments that several verbs take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

SCHEME = "mlflow:"


class Source(click.Path):
    """A file, a folder, or a tracker such as `mlflow:http://host:5000` (kept as text: its slashes count)."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and value.startswith(SCHEME):
            return value
        return super().convert(value, param, ctx)
