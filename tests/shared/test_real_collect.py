"""Every real public log through the command: rows, steps and values as MANIFEST.csv has them."""

from __future__ import annotations

import csv
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LOGS = Path(__file__).parents[3] / "shared" / "real_logs"
MANIFEST = list(csv.DictReader((LOGS / "MANIFEST.csv").open(encoding="utf-8")))
STAT = re.compile(
    r"(?P<name>.+?): n=(?P<n>\d+) nonfinite=(?P<nonfinite>\d+) first=(?P<first>\S+) last=(?P<last>\S+) "
    r"mean=(?P<mean>\S+) min=(?P<min>\S+)@(?P<min_at>-?\d+) max=(?P<max>\S+)@(?P<max_at>-?\d+)"
)


def stepwell(*arguments: str) -> str:
    command = [sys.executable, "-m", "stepwell", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8").stdout


@pytest.fixture(scope="module")
def collected(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, Any], dict[tuple[str, str], list[tuple[int, float]]]]:
    """files by path, and (path, metric) -> [(step, value)] of the whole history."""
    store = str(tmp_path_factory.mktemp("real") / "store.db")
    told = json.loads(stepwell("collect", str(LOGS), "--store", store, "--json"))
    points: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in csv.DictReader(stepwell("export", "--history", "--store", store).splitlines()):
        points.setdefault((row["source"], row["metric"]), []).append((int(row["step"]), float(row["value"])))
    return {file["path"]: file for file in told["files"]}, points


@pytest.mark.parametrize("row", MANIFEST, ids=lambda row: row["file"])
def test_a_real_log_is_read_whole(row: dict[str, str], collected: tuple[dict[str, Any], Any]) -> None:
    files, points = collected
    path = str((LOGS / row["file"]).resolve())
    file = files[path]
    assert file["rows"] == int(row["metric_rows"])
    if file["rows"]:
        assert (file["first_step"], file["last_step"]) == (int(row["first_step"]), int(row["final_step"]))
    stats = [STAT.fullmatch(part.strip()) for part in row["parsed_summary"].split(" | ") if part.strip()]
    assert all(stats)
    for stat in stats:
        assert stat
        agrees(stat.groupdict(), points[path, stat["name"]])


def agrees(said: dict[str, str], points: list[tuple[int, float]]) -> None:
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    assert (len(points), len(points) - len(finite)) == (int(said["n"]), int(said["nonfinite"]))
    found = {
        "first": points[0][1],
        "last": points[-1][1],
        "mean": sum(value for _, value in finite) / len(finite),
        "min": min(value for _, value in finite),
        "max": max(value for _, value in finite),
    }
    for name, value in found.items():
        told = float(said[name])
        assert value == pytest.approx(told, rel=2e-5, abs=1e-12) or (math.isnan(value) and math.isnan(told)), name
    for name in ("min", "max"):
        assert int(said[f"{name}_at"]) in {step for step, value in finite if value == found[name]}
