"""What people say truly happened in a log: the `labels.json` beside it (docs/troubles/README.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click

from analyses.backtest import labelled

LABELS = "labels.json"


def label_of(path: Path) -> Mapping[str, Any] | None:
    """What the `labels.json` beside a file says of it, under its name with or without endings."""
    known = _labels(path.parent)
    names = [path.name]
    while Path(names[-1]).suffix:
        names.append(Path(names[-1]).stem)
    return next((known[name] for name in names if name in known), None)


@cache
def _labels(folder: Path) -> Mapping[str, Any]:
    """The folder's labels; empty where there are none, or where the file is about something else."""
    try:
        told = json.loads((folder / LABELS).read_bytes())
        for name, label in told.items():
            labelled(name, label, ())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        click.echo(f"{folder / LABELS} is not read: {error!r}", err=True)
        return {}
    return dict(told)
