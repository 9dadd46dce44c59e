"""Runs to look at, the real server that shows them, and a browser that looks."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from alerts.check import check
from collectors.follow import Collector
from dashboard.launch import command, environment
from db.engine import open_store
from stepwell.collecting import one_pass

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000  # ms
NASTY = "<b>x<b> [a](http:evil) :red[b] $y$ 中文"

# True once a chart shows something: a canvas with a pixel that is neither clear nor white, or an svg with paths.
PAINTED = """() => [...document.querySelectorAll('[data-testid="stVegaLiteChart"] canvas')].some(c => {
  if (!c.width || !c.height) return false;
  const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  for (let i = 0; i < d.length; i += 4) if (d[i + 3] && (d[i] < 250 || d[i + 1] < 250 || d[i + 2] < 250)) return true;
  return false;
}) || [...document.querySelectorAll('[data-testid="stVegaLiteChart"] svg path')].length > 3"""


def record(step: int, rng: np.random.Generator, *, entropy: float, reward: float, **more: float) -> str:
    """A line of verl's file logger."""
    data = {
        "actor/entropy": entropy * (1 + 0.04 * rng.standard_normal()),
        "critic/score/mean": reward + 0.03 * rng.standard_normal(),
        "critic/rewards/mean": reward + 0.03 * rng.standard_normal(),
        "actor/grad_norm": 0.2 * math.exp(0.3 * rng.standard_normal()),
        "actor/pg_clipfrac": 0.004 + 0.001 * rng.random(),
        "actor/ppo_kl": 0.001 * rng.standard_normal(),
        "response_length/mean": 4000 + 10 * step + 100 * rng.standard_normal(),
        "response_length/max": 16384.0,
        "response_length/clip_ratio": 0.05 + 0.01 * rng.random(),
        "timing_s/step": 30 + rng.random(),
        "timing_s/gen": 20 + rng.random(),
        "perf/total_num_tokens": 2e6 + 1e4 * rng.random(),
        **more,
    }
    return json.dumps({"step": step, "data": data}) + "\n"


def write_logs(folder: Path) -> None:
    """Three runs: one whose entropy blows up, a calm one with a restart and odd values, one with a nasty name."""
    rng = np.random.default_rng(7)
    sick, calm, nasty = (folder / "lab" / f"{name}.jsonl" for name in ("blowup-16k", "calm-8k", NASTY))
    sick.parent.mkdir(parents=True)
    growth = [0.35 * 2 ** max(0.0, (step - 90) / 25) for step in range(1, 161)]
    sick.write_text(
        "".join(record(i, rng, entropy=e, reward=0.6 - 0.1 * (e - 0.35)) for i, e in enumerate(growth, 1)),
        encoding="utf-8",
    )
    steps = [*range(1, 91), *range(71, 121)]  # killed at 90, resumed from 70
    lines = [record(i, rng, entropy=0.4, reward=0.3 + i / 400) for i in steps]
    lines[40] = record(41, rng, entropy=0.4, reward=0.4, **{"actor/grad_norm": math.nan})
    lines[60] = record(
        61, rng, entropy=0.4, reward=0.4, **{"actor/grad_norm": math.inf, "critic/rewards/mean": -math.inf}
    )
    lines.insert(50, "this line is no record\n")
    calm.write_text("".join(lines), encoding="utf-8")
    nasty.write_text("".join(record(i, rng, entropy=0.3, reward=0.5) for i in range(1, 31)), encoding="utf-8")


def collect(url: str, *folders: Path) -> None:
    """Read the logs and judge them."""
    engine = open_store(url)
    one_pass(Collector(engine, folders))
    check(engine, now=time.time(), live_for=None)
    engine.dispose()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def served(url: str, *, port: int | None = None, folder: Path | None = None) -> Iterator[str]:
    """The dashboard on a free port of this machine, started in a folder; its address."""
    port = port or free_port()
    server = subprocess.Popen(command(port), env=environment(url), cwd=folder, stdout=sys.stderr)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/_stcore/health", server)
        yield address
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(address: str, server: subprocess.Popen[Any]) -> None:
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2).read()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"the dashboard does not answer at {address} (exit code {server.poll()})")
