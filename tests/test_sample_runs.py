"""What the shipped logs are known to say; nothing here needs torch."""

from __future__ import annotations

import csv
import json
import re
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

SAMPLES = Path(__file__).parents[1] / "sample_runs"
VERL = {"grpo_plus": 48, "stage1_24": 30, "stage2_36": 30, "stage3_48": 30, "entropy_bonus": 64}
TRL = {
    "grpo_plus_48": 40,
    "stage1_24": 30,
    "stage2_36": 30,
    "stage3_48": 30,
    "no_overlong_24": 30,
    "entropy_bonus": 64,
    "entropy_collapse": 120,
}
OWN_LINE = re.compile(r"\x1b\[36m\(TaskRunner pid=(\d+)\)\x1b\[0m (.*)")
TEXTS = {".log", ".jsonl", ".json", ".csv", ".md", ".py", ".sh"}

Row = dict[str, Any]


def shipped() -> list[Path]:
    return [p for p in SAMPLES.rglob("*") if p.is_file() and "__pycache__" not in p.parts]


def console(run: str) -> list[tuple[int, int, Row]]:
    """(pid, step, metrics) of every metric line, in the order in which they were printed."""
    records = []
    for line in (SAMPLES / "verl" / run / "train.log").read_text(encoding="utf-8").splitlines():
        own = OWN_LINE.fullmatch(line)
        assert own is not None, f"a line without Ray's prefix: {line[:80]!r}"
        if own[2].startswith("step:"):
            step, *pairs = own[2].split(" - ")
            named = (pair.rsplit(":", 1) for pair in pairs)
            metrics = {k: float(v.removeprefix("np.float64(").removesuffix(")")) for k, v in named}
            records.append((int(own[1]), int(step[5:]), metrics))
    return records


def file_log(run: str) -> list[tuple[int, Row]]:
    lines = (SAMPLES / "verl" / run / f"{run}.jsonl").read_text(encoding="utf-8").splitlines()
    return [(row["step"], row["data"]) for row in map(json.loads, lines)]


def trained(run: str) -> list[Row]:
    """A verl run's training rows, the last word on each step."""
    rows = {step: metrics for _, step, metrics in console(run) if "actor/entropy" in metrics}
    return [rows[step] for step in sorted(rows)]


def state(run: str) -> list[Row]:
    text = (SAMPLES / "trl" / run / "trainer_state.json").read_text(encoding="utf-8")
    return [row for row in json.loads(text)["log_history"] if "reward" in row]


def entropies(run: str) -> np.ndarray:
    trainer, name = run.split("/")
    rows, key = (trained(name), "actor/entropy") if trainer == "verl" else (state(name), "entropy")
    return np.array([row[key] for row in rows])


def table(path: str) -> list[dict[str, str]]:
    with (SAMPLES / path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_run_is_there_and_nothing_heavy() -> None:
    assert {p.parent.name for p in SAMPLES.glob("verl/*/train.log")} == VERL.keys()
    assert {p.parent.name for p in SAMPLES.glob("trl/*/trainer_state.json")} == TRL.keys()
    assert sum(p.stat().st_size for p in shipped()) < 15e6
    assert not [p for p in shipped() if p.suffix in {".pt", ".bin", ".safetensors", ".pkl"}]


def test_no_file_says_where_it_was_made() -> None:
    events = [p for p in shipped() if "tfevents" in p.name]
    assert len(events) == len(TRL)
    for path in events:
        assert re.fullmatch(r"events\.out\.tfevents\.\d+\.node0\.\d+\.\d+", path.name)
        assert re.fullmatch(r"[A-Z][a-z]{2}\d\d_\d\d-\d\d-\d\d_node0", path.parent.name)
    for path in [*events, *(p for p in shipped() if p.suffix in TEXTS)]:
        place = re.search(rb"(?<![\w.])/(home|root|tmp|work|Users|mnt|data|opt)\b", path.read_bytes())
        assert place is None, f"{path.name} names {place and place[0]!r}"


@pytest.mark.parametrize("run", VERL)
def test_console_and_file_of_a_verl_run_agree(run: str) -> None:
    written = console(run)
    last_launch = [(step, metrics) for pid, step, metrics in written if pid == written[-1][0]]
    assert file_log(run) == last_launch


@pytest.mark.parametrize(("run", "batches"), VERL.items())
def test_a_verl_run_has_every_step_once_on_its_live_line(run: str, batches: int) -> None:
    assert [row["training/global_step"] for row in trained(run)] == list(range(1, batches + 1))


def test_the_killed_run_trained_some_steps_twice() -> None:
    written = [(pid, step, m) for pid, step, m in console("grpo_plus") if "actor/entropy" in m]
    first, second = sorted({pid for pid, _, _ in written}, key=[pid for pid, _, _ in written].index)
    steps = {launch: {step: m for pid, step, m in written if pid == launch} for launch in (first, second)}
    again = steps[first].keys() & steps[second].keys()
    assert again and min(again) == 25 and max(again) == max(steps[first])
    assert all(steps[first][s]["actor/entropy"] != steps[second][s]["actor/entropy"] for s in again)
    assert "Resuming from checkpoints/toy/grpo_plus/global_step_24" in log_text("grpo_plus")


def log_text(run: str) -> str:
    return (SAMPLES / "verl" / run / "train.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("run", VERL)
def test_the_config_names_the_run_and_where_it_began(run: str) -> None:
    before = {"stage2_36": "toy/stage1_24/global_step_30", "stage3_48": "toy/stage2_36/global_step_30"}
    assert f"'experiment_name': '{run}'" in log_text(run)
    assert f"'path': 'checkpoints/{before.get(run, 'warmup')}'" in log_text(run)


@pytest.mark.parametrize("run", VERL)
def test_masked_responses_are_the_truncated_ones(run: str) -> None:
    for row in trained(run):
        responses = 8 * (row["batch/solve_none"] + row["batch/solve_all"] + row["batch/solve_partial"])
        assert row["batch/overlong_masked"] == round(row["response_length/clip_ratio"] * responses)


@pytest.mark.parametrize("run", ["verl/entropy_bonus", "trl/entropy_bonus"])
def test_entropy_blows_up(run: str) -> None:
    h = entropies(run)[2:40]
    growth = np.polyfit(np.arange(len(h)), np.log(h), 1)[0]
    assert h[-1] > 3 * h[0]
    assert 5 < np.log(2) / growth < 25
    assert np.corrcoef(np.arange(len(h)), np.log(h))[0, 1] > 0.97


def test_entropy_collapses() -> None:
    h = entropies("trl/entropy_collapse")
    assert median(h[-10:]) < 0.2 * median(h[10:20]) < 0.2 * h[0]


@pytest.mark.parametrize(
    "run",
    [f"verl/{run}" for run in VERL if run != "entropy_bonus"]
    + [f"trl/{run}" for run in TRL if not run.startswith("entropy")],
)
def test_entropy_of_the_other_runs_settles(run: str) -> None:
    settled = entropies(run)[12:]
    assert settled.max() < 1.6 * settled.min()


@pytest.mark.parametrize(("run", "batches"), TRL.items())
def test_a_trl_run_is_complete(run: str, batches: int) -> None:
    folder = SAMPLES / "trl" / run
    assert [row["step"] for row in state(run)] == [4 * (i + 1) for i in range(batches)]
    assert b"train/completions/clipped_ratio" in next(folder.rglob("*tfevents*")).read_bytes()
    completions = sorted(folder.glob("completions/*.parquet"))
    assert completions
    for path in completions:
        rows = pq.read_table(path)
        assert {"step", "prompt", "completion", "exact_answer", "advantage"} <= set(rows.column_names)
        assert set(rows["step"].to_pylist()) == {int(path.stem.rpartition("_")[2])}


@pytest.mark.parametrize("run", ["verl/grpo_plus", "trl/grpo_plus_48", "trl/entropy_bonus"])
def test_tokens_stand_beside_their_logprobs_and_entropies(run: str) -> None:
    for row in pq.read_table(SAMPLES / run / "tokens.parquet").slice(0, 200).to_pylist():
        assert len(row["token_ids"]) == len(row["logprobs"]) == len(row["entropies"]) > 0
        assert max(row["logprobs"]) <= 0 <= min(row["entropies"]) + 1e-6
        assert row["masked"] == row["truncated"]
        assert row["reward"] == 0 or not row["truncated"]


def test_the_context_matrix_has_every_run_at_every_limit() -> None:
    rows = table("evaluations/context_matrix.csv")
    limits: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        limits.setdefault(row["checkpoint"], []).append(row)
    runs = {f"verl/{run}" for run in VERL} | {f"trl/{run}" for run in TRL}
    assert {row["run"] for row in rows} == runs | {""}
    for of_one in limits.values():
        assert [int(row["eval_context"]) for row in of_one] == [24, 36, 48, 64]
        cut = [float(row["truncated_fraction"]) for row in of_one]
        assert all(0 <= after <= before <= 1 for before, after in pairwise(cut))
        assert all(0 <= float(row["score"]) <= 1 for row in of_one)


def test_published_figures() -> None:
    rows = table("published/published.csv")
    assert all(row["source"] and row["unit"] for row in rows)
    coder = {
        row["eval_context"]: float(row["value"])
        for row in rows
        if row["system"] == "DeepCoder-14B-Preview" and row["benchmark"] == "LiveCodeBench v5" and row["eval_context"]
    }
    assert coder == {"16384": 45.6, "32768": 57.9, "65536": 60.6}
    scaler = [row["value"] for row in rows if row["system"] == "DeepScaleR-1.5B-Preview"]
    assert scaler == ["33", "38", "43"]
    rating = {row["system"]: row["value"] for row in rows if row["metric"] == "rating"}
    assert rating["DeepCoder-14B-Preview"] == "1936" and "Llama-4-Behemoth" not in rating
