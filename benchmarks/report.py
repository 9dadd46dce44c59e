"""Runs the subjects and prints their lines as one Markdown table."""

from __future__ import annotations

import argparse
import importlib
import platform
import sqlite3
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

SUBJECTS = ("backlog", "live", "reads", "command", "judging", "dashboard")
PEERS = ("mlflow", "numpy", "orjson", "sqlalchemy", "tensorboard")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", help=f"of {', '.join(SUBJECTS)}; all of them if none")
    chosen = parser.parse_args(arguments).subjects or SUBJECTS
    if unknown := set(chosen) - set(SUBJECTS):
        parser.error(f"no subject {', '.join(sorted(unknown))}")
    print(f"{datetime.now(UTC):%Y-%m-%d}, {versions()}\n", flush=True)
    print("| what | measured | target | |\n|---|---|---|---|", flush=True)
    for name in chosen:
        print_subject(name)


def print_subject(name: str) -> None:
    subject = importlib.import_module(f"benchmarks.{name}")
    print(f"| **{subject.TITLE}** | | | |", flush=True)
    with tempfile.TemporaryDirectory(prefix="stepwell-bench-") as folder:
        for line in subject.lines(Path(folder)):
            met = {True: "met", False: "**missed**", None: ""}[line.met]
            print(f"| {line.what} | {line.measured} | {line.target} | {met} |", flush=True)


def versions() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PEERS)
    return f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {packages}"
