"""Real logs of verl and Tinker, read to the numbers that MANIFEST.csv states for them."""

from __future__ import annotations

import csv
import gzip
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from collectors.contract import Part, Sample
from collectors.formats import plain_csv, plain_jsonl, verl_console, verl_jsonl

SHARED = Path(__file__).parents[3] / "shared"
LOGS = SHARED / "real_logs"
READER = {"verl": verl_console, "tinker": plain_jsonl}
SUMMARY = re.compile(
    r"(.+): n=(\d+) nonfinite=(\d+) first=(\S+) last=(\S+) mean=(\S+) min=([^@]+)@(-?\d+) max=([^@]+)@(-?\d+)"
)
RUNS = {
    "cluster_verl": ("dapo_baseline", "Qwen2.5-Math-7B-dapo-analysis"),
    "foo1szz-verl": ("qwen2_5_1_5b_full_grpo_gpu04_20260403_070051", "verl_local_math_grpo"),
    "verl-data-gsm8k-0.5b-r256": ("gemma2b_function_rm", "verl_example"),
    "verl-data-gsm8k-0.5b-r512": ("gemma2b_function_rm", "verl_example"),
}


def manifest() -> list[dict[str, str]]:
    with (LOGS / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["file"].split("/")[0] in READER]


EVERY_LOG = pytest.mark.parametrize("row", manifest(), ids=lambda row: row["file"])


@cache
def content(file: str) -> bytes:
    data = (LOGS / file).read_bytes()
    return gzip.decompress(data) if file.endswith(".gz") else data


def parts(reader: ModuleType, data: bytes, size: int = 1 << 22) -> list[Part]:
    memory: dict[str, object] = {}
    found, at = [], 0
    for end in range(size, len(data) + size, size):
        found.append(reader.read(data[at:end], memory, torn=False))
        at += found[-1].used
    return [*found, reader.read(data[at:], memory, torn=True)] if at < len(data) else found


def series(read: list[Part], name: str) -> tuple[list[int], list[float]]:
    steps, values = [], []
    for block in (block for part in read for block in part.blocks if name in block.names):
        steps += block.steps.tolist()
        values += block.values[:, block.names.index(name)].tolist()
    return steps, values


def six(value: float) -> float:
    """To the six significant digits of the manifest."""
    return float(f"{value:.6g}")


@EVERY_LOG
def test_it_is_claimed_by_its_reader_alone(row: dict[str, str]) -> None:
    data = content(row["file"])
    sample = Sample(LOGS / row["file"], data[: 1 << 16], data[: 2 << 20])
    claimed = [reader for reader in (verl_console, verl_jsonl, plain_jsonl, plain_csv) if reader.recognises(sample)]
    assert claimed == [READER[row["file"].split("/")[0]]]


@EVERY_LOG
@pytest.mark.parametrize("size", [1 << 22, 7001])
def test_rows_and_steps(row: dict[str, str], size: int) -> None:
    read = parts(READER[row["file"].split("/")[0]], content(row["file"]), size)
    with_rows = [part for part in read if part.rows]
    assert (
        sum(part.rows for part in read),
        with_rows[0].first_step,
        with_rows[-1].last_step,
    ) == (int(row["metric_rows"]), int(row["first_step"]), int(row["final_step"]))


@EVERY_LOG
def test_every_metric_of_the_summary(row: dict[str, str]) -> None:
    read = parts(READER[row["file"].split("/")[0]], content(row["file"]))
    stated = [SUMMARY.fullmatch(part.strip()) for part in row["parsed_summary"].split(" | ")]
    assert len(stated) > 4
    for found in stated:
        assert found
        name, n, nonfinite, *numbers = found.groups()
        steps, values = series(read, name)
        low, high = int(np.argmin(values)), int(np.argmax(values))
        finite = np.isfinite(values)
        assert (len(values), int((~finite).sum())) == (int(n), int(nonfinite)), name
        told = [six(values[0]), six(values[-1]), six(float(np.mean(values)))]
        told += [six(values[low]), steps[low], six(values[high]), steps[high]]
        assert told == [float(number) for number in numbers], name


@EVERY_LOG
def test_names_of_run_and_project(row: dict[str, str]) -> None:
    read = parts(READER[row["file"].split("/")[0]], content(row["file"]))
    run = next((part.run for part in read if part.run), None)
    project = next((part.project for part in read if part.project), None)
    assert (run, project) == RUNS.get(row["file"].split("/")[1], (None, None))


def test_nothing_else_that_is_real_is_claimed() -> None:
    for path in sorted(LOGS.glob("*/**/*")):
        if path.is_file() and path.relative_to(LOGS).parts[0] not in READER:
            data = content(str(path.relative_to(LOGS)))
            sample = Sample(path, data[: 1 << 16], data[: 2 << 20])
            readers = (verl_console, verl_jsonl, plain_jsonl, plain_csv)
            assert [reader.NAME for reader in readers if reader.recognises(sample)] == [], path


def test_labelled_runs_are_plain_jsonl() -> None:
    for path in sorted((SHARED / "labelled_runs").glob("*.jsonl.gz"))[::7]:
        data = gzip.decompress(path.read_bytes())
        assert plain_jsonl.recognises(Sample(path, data[: 1 << 16], data))
        read = parts(plain_jsonl, data)
        assert sum(part.rows for part in read) == data.count(b"\n")
        assert not any(part.unread for part in read)
