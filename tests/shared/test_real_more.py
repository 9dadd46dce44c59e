"""The real DeepSpeed-Chat log and the real W&B file, read to what MANIFEST.csv states; and whose each real log is."""

from __future__ import annotations

import csv
import gzip
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from feeding import feed, same

from collectors import discover
from collectors.contract import Sample
from collectors.formats import deepspeed_chat, wandb_binary
from collectors.names import understand

LOGS = Path(__file__).parents[3] / "shared" / "real_logs"
MINE = {"deepspeed-chat": "deepspeed-chat", "wandb": "wandb"}
SUMMARY = re.compile(r"(.+): n=(\d+) nonfinite=0 first=(\S+) last=(\S+) mean=(\S+) min=([^@]+)@(\d+) max=([^@]+)@(\d+)")


def manifest() -> dict[str, dict[str, str]]:
    with (LOGS / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


ROWS = manifest()
DEEPSPEED = next(file for file in ROWS if file.startswith("deepspeed-chat/"))
WANDB = next(file for file in ROWS if file.startswith("wandb/"))


@cache
def content(file: str) -> bytes:
    data = (LOGS / file).read_bytes()
    return gzip.decompress(data) if file.endswith(".gz") else data


@pytest.mark.parametrize("file", ROWS)
def test_every_real_log_is_claimed_by_one_reader(file: str) -> None:
    data = content(file)
    shown = Sample(LOGS / file, data[: discover.HEAD], data[: discover.MORE])
    claimed = [fmt.NAME for fmt in discover.formats().values() if fmt.recognises(shown)]
    assert len(claimed) == 1
    own = MINE.get(file.split("/", maxsplit=1)[0])
    assert (claimed == [own]) if own else claimed[0] not in MINE.values()


def test_deepspeed_chat_to_the_manifest() -> None:
    row, read = ROWS[DEEPSPEED], feed(deepspeed_chat, content(DEEPSPEED))
    stated = (int(row["metric_rows"]), int(row["first_step"]), int(row["final_step"]))
    assert (read.rows, read.first_step, read.last_step) == stated
    assert not read.unread and read.config["max_answer_seq_len"] == "256"
    for text in row["parsed_summary"].split(" | "):
        found = SUMMARY.fullmatch(text)
        assert found
        values = np.array([values[found[1]] for _, _, values in read.records])
        told = [values[0], values[-1], values.mean(), values.min(), values.argmin(), values.max(), values.argmax()]
        assert [float(f"{one:.6g}") for one in told] == [float(one) for one in found.groups()[2:]]
        assert len(values) == int(found[2])


def test_deepspeed_chat_in_pieces() -> None:
    data = content(DEEPSPEED)
    pieces = [data[at : at + 7001] for at in range(0, len(data), 7001)]
    assert same(feed(deepspeed_chat, *pieces), feed(deepspeed_chat, data))


def test_deepspeed_chat_is_understood() -> None:
    held = {name for _, _, values in feed(deepspeed_chat, content(DEEPSPEED)).records for name in values}
    assert {understand("deepspeed-chat", name).quantity for name in held} >= {
        "reward_mean", "policy_loss", "value_loss", "time_step", "time_generation", "throughput_samples_per_s",
    }  # fmt: skip


def test_a_w_and_b_file_without_history_is_an_empty_series() -> None:
    read = feed(wandb_binary, content(WANDB))
    assert (read.records, read.rows, read.unread) == ([], int(ROWS[WANDB]["metric_rows"]), [])
    assert read.project == "meta-reasoning" and read.config["data"]["max_response_length"] == 4096
