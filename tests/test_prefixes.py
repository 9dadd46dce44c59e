"""What launchers, Ray, clocks and progress bars put before a line must change nothing of what it says."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest
from feeding import feed, same

from collectors import discover
from collectors.prefixes import said
from collectors.tail import Log

SAMPLES = Path(__file__).parents[1] / "sample_runs"
CONSOLES = {
    "areal": "formats/areal/main.log", "deepspeed-chat": "formats/deepspeed-chat/training.log",
    "deepspeed-chat-2023-08": "formats/deepspeed-chat/training_2023_08.log", "easyr1": "formats/easyr1/console.log",
    "minimind": "formats/handwritten/grpo_minimind.log", "nemo-rl": "formats/nemo-rl/driver.log",
    "openrlhf": "formats/openrlhf/train.log", "roll": "formats/roll/log_rank_DRIVER_0_1.log",
    "skyrl": "formats/skyrl/train.log", "slime": "formats/slime/train.log", "verl": "verl/stage1_24/train.log",
}  # fmt: skip
BAR = "  5%|▌         | 10/200 [00:31<10:02,  3.17s/it]"
BEFORE = [
    "\x1b[36m(Runner pid=123)\x1b[0m ", "(Runner pid=123, ip=10.0.0.1) ", "(pid=123) ", "[rank0]: ", "0: ",
    "[default0]:", "[2025-01-01 10:00:00] ", "2025-01-01T10:00:00.123456Z stdout F ", "INFO:2025-01-01 10:00:00,123:",
    "2025-01-01 10:00:00,123 - __main__ - INFO - ", "\x1b[0m\x1b[32m", BAR, f"{BAR}\r",
    "0: 2025-01-01T10:00:00Z (pid=7) ",
]  # fmt: skip
NOISE = [
    "WARNING:root:something odd\n",
    "/usr/x.py:12: FutureWarning: no\n",
    "\x1b[33m(raylet)\x1b[0m full\n",
    BAR + "\r",
    "\n",
]


def noisy(text: bytes) -> bytes:
    chance = random.Random(1)
    return b"".join(
        line + (chance.choice(NOISE).encode() if chance.random() < 0.3 else b"")
        for line in text.splitlines(keepends=True)
    )


WHOLE: dict[str, Callable[[bytes], bytes]] = {
    "Windows": lambda text: text.replace(b"\n", b"\r\n"),
    "BOM": lambda text: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "UTF-16 BE": lambda text: b"\xfe\xff" + text.decode().encode("utf-16-be"),
    "gzip": gzip.compress,
    "spaces": lambda text: text.replace(b"\n", b"  \n"),
    "noise": noisy,
}


def told(path: Path) -> object:
    """Format, records, what was unread and the config of a file."""
    fmt = discover.recognise(path)
    assert fmt is not None
    with Log(path) as log:
        data = log.read(0, 1 << 26)
    read = feed(cast(ModuleType, fmt), data)
    return fmt.NAME, [(step, values) for step, _, values in read.records], [one.why for one in read.unread], read.config


@pytest.mark.parametrize("sample", CONSOLES.values(), ids=CONSOLES)
def test_nothing_that_wraps_a_log_changes_what_it_says(sample: str, tmp_path: Path) -> None:
    path = SAMPLES / sample
    text, expected = path.read_bytes(), told(path)
    ways = dict(WHOLE)
    for before in BEFORE:
        ways[before] = lambda text, before=before: b"".join(  # type: ignore[misc]
            before.encode() + line for line in text.splitlines(keepends=True)
        )
    for name, way in ways.items():
        wrapped = tmp_path / path.name
        wrapped.write_bytes(way(text))
        assert same(told(wrapped), expected), name


@pytest.mark.parametrize("before", BEFORE)
def test_a_line_is_what_its_process_said(before: str) -> None:
    assert said(f"{before} {{'a': 1}} \n".encode())[1] in (b" {'a': 1}", b"{'a': 1}")


def test_who_said_it() -> None:
    assert said(b"\x1b[36m(A pid=7)\x1b[0m x") == (b"(A pid=7)", b"x")
    assert said(b"3: 2025-01-01T10:00:00Z (A pid=7) x") == (b"3:(A pid=7)", b"x")
    assert said(b"(A pid=7) x(B pid=8) y") == (b"(A pid=7)", b"x")
    assert said(b"old\rnew\r\n") == (b"", b"new")
    assert said(b"12: 30 is no rank without a space, 12:30 is none") == (
        b"12:",
        b"30 is no rank without a space, 12:30 is none",
    )
    assert said(b"12:30 x") == (b"", b"12:30 x")
