"""Expert scores, routing and configs of three tasks on a mixture of 4 layers with 16 experts, 6 a token, as ESFT
writes them (results/expert_scores/<task>/summary.json, expert_weights_<layer>.txt, results/expert_configs/<task>.json).

Made by this script, not by a model: python sample_runs/make/esft.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parents[1] / "formats" / "esft"
LAYERS, EXPERTS, K, TOKENS, SEQUENCES = 4, 16, 6, 96, 4
TASKS = ("law", "summary", "翻译")
P = 0.2


def routing(rng: np.random.Generator, liking: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Experts (TOKENS, K) in the order of their weights, and the weights: a softmax over noisy likings."""
    logits = liking + rng.gumbel(size=(TOKENS, EXPERTS))
    gates = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    ids = np.argsort(-gates, axis=1)[:, :K]
    return ids, np.take_along_axis(gates, ids, axis=1).round(4)


def main() -> None:
    for number, task in enumerate(TASKS):
        rng = np.random.default_rng(number)
        token, gate = np.zeros((LAYERS, EXPERTS)), np.zeros((LAYERS, EXPERTS))
        folder = HERE / "expert_scores" / task
        folder.mkdir(parents=True, exist_ok=True)
        for layer in range(LAYERS):
            ids, weights = routing(rng, rng.normal(scale=1.5, size=EXPERTS) - 4 * (np.arange(EXPERTS) == 15))
            np.add.at(token[layer], ids.ravel(), 1 / (K * TOKENS))
            np.add.at(gate[layer], ids.ravel(), weights.ravel() / TOKENS)
            if task == TASKS[-1]:
                (folder / f"expert_weights_{layer + 1}.txt").write_text(lines(ids, weights), encoding="utf-8")
        if task != TASKS[-1]:  # the last task has its routing only
            write(folder / "summary.json", {"token_scores": table(token), "gate_scores": table(gate)})
        chosen = {"experts": selected(token.round(4)), "shared_experts": False, "non_expert_modules": False}
        write(HERE / "expert_configs" / f"{task}.json", chosen)


def lines(ids: np.ndarray, weights: np.ndarray) -> str:
    parts = zip(np.split(ids, SEQUENCES), np.split(weights, SEQUENCES), strict=True)
    told = ("\t".join(map(str, i.ravel())) + "\t\t" + "\t".join(f"{w:.4f}" for w in g.ravel()) for i, g in parts)
    return "\n".join(told) + "\n"


def table(scores: np.ndarray) -> dict[str, dict[str, float]]:
    return {str(at + 1): {str(e): round(float(v), 4) for e, v in enumerate(row)} for at, row in enumerate(scores)}


def selected(scores: np.ndarray) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for layer, row in enumerate(scores, 1):
        order = np.argsort(-row, kind="stable")
        needed = int(np.searchsorted(np.cumsum(row[order]), P - 1e-9)) + 1
        found[str(layer)] = order[:needed].tolist()
    return found


def write(path: Path, told: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
