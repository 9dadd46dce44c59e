"""Every real TRL log reads exactly as it was read before, independently: rows, steps and every summed-up metric."""

from __future__ import annotations

import csv
import gzip
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from collectors.contract import Memory, Part, Sample
from collectors.formats import json_rows, tensorboard, trl_console, trl_state

LOGS = Path(__file__).parents[3] / "shared" / "real_logs"
READERS: dict[str, ModuleType] = {
    "trl-trainer_state": trl_state,
    "trl-steplogs": json_rows,
    "trl-console": trl_console,
    "trl-tensorboard": tensorboard,
}
TOLD = [
    row
    for row in csv.DictReader((LOGS / "MANIFEST.csv").read_text("utf-8").splitlines())
    if row["file"].startswith("trl-")
]


def content(row: dict[str, str]) -> bytes:
    data = (LOGS / row["file"]).read_bytes()
    return gzip.decompress(data) if row["file"].endswith(".gz") else data


def read_in_pieces(reader: ModuleType, data: bytes, size: int) -> list[Part]:
    memory: Memory = {}
    parts: list[Part] = []
    place = 0
    end = size
    while place < len(data):
        part = reader.read(data[place:end], memory, torn=False)
        parts.append(part)
        place += part.used
        if end >= len(data):
            break
        end = min(end + size, len(data))
    return parts


def series(parts: list[Part], name: str) -> tuple[np.ndarray, np.ndarray]:
    steps, values = [], []
    for block in (block for part in parts for block in part.blocks if name in block.names):
        column = block.names.index(name)
        there = block.mask()[:, column]
        steps.append(block.steps[there])
        values.append(block.values[there, column])
    return np.concatenate(steps), np.concatenate(values)


def summed_up(parts: list[Part], name: str) -> str:
    steps, values = series(parts, name)
    good = np.isfinite(values)
    low, high = np.argmin(values[good]), np.argmax(values[good])
    return (
        f"{name}: n={len(values)} nonfinite={(~good).sum()} first={values[0]:.6g} last={values[-1]:.6g} "
        f"mean={sum(values[good].tolist()) / good.sum():.6g} min={values[good][low]:.6g}@{steps[good][low]} "
        f"max={values[good][high]:.6g}@{steps[good][high]}"
    )


@pytest.mark.parametrize("row", TOLD, ids=[row["file"] for row in TOLD])
@pytest.mark.parametrize("size", [1 << 30, 50_000], ids=["at once", "in pieces"])
def test_reads_as_the_manifest_says(row: dict[str, str], size: int) -> None:
    reader = READERS[row["file"].split("/")[0]]
    data = content(row)
    parts = read_in_pieces(reader, data, len(data) if reader.WHOLE else size)

    assert [one for part in parts for one in part.unread] == []
    assert sum(part.used for part in parts) == len(data)
    assert sum(part.rows for part in parts) == int(row["metric_rows"])
    firsts = [part.first_step for part in parts if part.first_step is not None]
    lasts = [part.last_step for part in parts if part.last_step is not None]
    assert [str(step) for step in (firsts[:1] + lasts[-1:])] == [
        step for step in (row["first_step"], row["final_step"]) if step
    ]
    for told in filter(None, row["parsed_summary"].split(" | ")):
        assert summed_up(parts, told.split(": ")[0]) == told


@pytest.mark.parametrize("row", TOLD, ids=[row["file"] for row in TOLD])
def test_is_claimed_by_one_reader_alone(row: dict[str, str]) -> None:
    data = content(row)
    sample = Sample(Path("some.file"), data[: 1 << 16], data[: 2 << 20])
    claims = [kind for kind, reader in READERS.items() if reader.recognises(sample)]
    assert claims == [row["file"].split("/")[0]]


@pytest.mark.parametrize(
    "path", [path for path in sorted(LOGS.rglob("*")) if path.is_file() and "trl-" not in str(path)], ids=str
)
def test_no_other_log_is_claimed(path: Path) -> None:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    sample = Sample(path, data[: 1 << 16], data[: 2 << 20])
    assert [kind for kind, reader in READERS.items() if reader.recognises(sample)] == []


def test_the_event_file_and_the_checkpoint_of_one_run_agree() -> None:
    events = (LOGS / "trl-tensorboard/cas-wordle-stage2").glob("*1766306229*")
    state = LOGS / "trl-trainer_state/cas-wordle-stage2/checkpoint-160.trainer_state.json.gz"
    from_events = tensorboard.read(next(iter(events)).read_bytes(), {}, torn=False)
    from_state = trl_state.read(gzip.decompress(state.read_bytes()), {}, torn=False)
    for name in ("reward", "loss", "entropy"):
        for prefix, other in (("train/", ""), ("eval/", "eval_")):
            steps, values = series([from_events], prefix + name)
            same_steps, same_values = series([from_state], other + name)
            assert steps.tolist() == same_steps.tolist()
            assert np.allclose(values, same_values, rtol=1e-6)
    assert from_events.config["args"]["num_train_epochs"] == 8
    assert from_events.config["model_config"]["hidden_size"] == 2048
    assert math.isclose(from_state.config["max_steps"], 480)
