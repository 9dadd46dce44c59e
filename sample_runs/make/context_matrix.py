"""Every run's last checkpoint at every context limit: writes evaluations/context_matrix.csv.

All checkpoints answer the same 1,024 held-out questions, once each, at temperature 1 (standard error about
0.015).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from policy import evaluate, load
from recipes import CONTEXTS, TRL, VERL
from torch_runs import latest

QUESTIONS = 1024
COLUMNS = [
    "trainer",
    "run",
    "checkpoint",
    "train_context",
    "eval_context",
    "benchmark",
    "n_questions",
    "k_samples",
    "temperature",
    "score",
    "truncated_fraction",
    "response_length_mean",
]


def checkpoints() -> Iterator[tuple[str, str, str, int | str, Path]]:
    """(trainer, run's folder, checkpoint, train context, weights); the warm-up belongs to no run."""
    warmup = Path("checkpoints/warmup")
    yield "warmup", "", str(warmup), "", warmup / "policy.pt"
    for r in VERL:
        folder = latest(r.name)
        assert folder is not None, f"{r.name} has not been run"
        yield "pytorch", f"verl/{r.name}", str(folder), r.max_len, folder / "policy.pt"
    for r in TRL:
        folder = Path("checkpoints/toy_trl", r.name)
        yield "trl", f"trl/{r.name}", str(folder), r.max_len, folder / "model.safetensors"


def main() -> None:
    out = Path("evaluations/context_matrix.csv")
    out.parent.mkdir(exist_ok=True)
    with out.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for trainer, run, name, trained_at, weights in checkpoints():
            policy = load(weights)
            for limit in CONTEXTS:
                score, cut, length = (round(x, 4) for x in evaluate(policy, limit, QUESTIONS))
                setting = ["running_sum", QUESTIONS, 1, 1.0]
                table.writerow([trainer, run, name, trained_at, limit, *setting, score, cut, length])


if __name__ == "__main__":
    main()
