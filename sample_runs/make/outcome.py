"""The two tables of sample_runs/README.md, from the shipped files. Standard library only.

python outcome.py path/to/sample_runs
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

Row = dict[str, Any]
COLUMNS = {
    "reward": ("critic/score/mean", "reward"),
    "length": ("response_length/mean", "completions/mean_length"),
    "truncated": ("response_length/clip_ratio", "completions/clipped_ratio"),
    "entropy": ("actor/entropy", "entropy"),
}
ENDS = 5  # rollout batches averaged at either end


def console_rows(path: Path) -> list[Row]:
    """The last that a verl console said of each training step, in order of steps."""
    rows: dict[int, Row] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        _, found, text = line.partition("step:")
        if found and "actor/entropy:" in text:
            step, *pairs = text.split(" - ")
            named = (pair.rsplit(":", 1) for pair in pairs)
            rows[int(step)] = {k: float(v.removeprefix("np.float64(").removesuffix(")")) for k, v in named}
    return [rows[step] for step in sorted(rows)]


def state_rows(path: Path) -> list[Row]:
    history = json.loads(path.read_text(encoding="utf-8"))["log_history"]
    return [row for row in history if "reward" in row]


def runs(folder: Path) -> Iterator[tuple[Path, list[Row]]]:
    for log in sorted(folder.glob("verl/*/train.log")):
        yield log.parent, console_rows(log)
    for state in sorted(folder.glob("trl/*/trainer_state.json")):
        yield state.parent, state_rows(state)


def ends(rows: list[Row], names: tuple[str, str]) -> str:
    key = names[0] if names[0] in rows[0] else names[1]
    values = [row[key] for row in rows]
    first, last = mean(values[:ENDS]), mean(values[-ENDS:])
    digits = 1 if key.endswith(("length", "length/mean")) else 2
    return f"{first:.{digits}f} → {last:.{digits}f}"


def table(folder: Path) -> str:
    lines = ["| run | batches | " + " | ".join(COLUMNS) + " |", "|---|---|" + "---|" * len(COLUMNS)]
    for run, rows in runs(folder):
        cells = " | ".join(ends(rows, names) for names in COLUMNS.values())
        lines.append(f"| `{run.relative_to(folder)}` | {len(rows)} | {cells} |")
    return "\n".join(lines)


def matrix(folder: Path) -> str:
    """One line per checkpoint: score at each evaluation limit, truncated share in brackets."""
    cells: dict[str, list[str]] = {}
    with (folder / "evaluations/context_matrix.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            score, cut = float(row["score"]), float(row["truncated_fraction"])
            cells.setdefault(row["run"] or "warm-up", []).append(f"{score:.2f} ({cut:.2f})")
    lines = ["| checkpoint | @24 | @36 | @48 | @64 |", "|---|---|---|---|---|"]
    return "\n".join(lines + [f"| `{run}` | {' | '.join(scores)} |" for run, scores in cells.items()])


if __name__ == "__main__":
    print(table(Path(sys.argv[1])), matrix(Path(sys.argv[1])), sep="\n\n")
