"""How often intervals of stages, hand-offs and readiness hold the truth, by simulation, and what they cost.

    python -m benchmarks.coverage [--runs 2000]

A nominal 95 % is to cover 93 to 97 %. Rows are a straight line plus an AR(1) of lag-1 autocorrelation r, which the
code does not know; the seed is fixed.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from analyses import blocks, handoff, length, readiness

Floats = NDArray[np.float64]

STICKINESS = (0.0, 0.3, 0.5, 0.7)
ROWS = (20, 30, 50, 100)
RESPONSES = 256  # of a row, for the forecast
TREND = 0.02  # per row, in standard deviations of the noise


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="simulated runs of each cell")
    runs = parser.parse_args(arguments).runs
    print(f"| interval of | rows | {' | '.join(f'r = {r:g}' for r in STICKINESS)} |")
    print(f"|---|---|{'---|' * len(STICKINESS)}")
    kinds: dict[str, Callable[[int, float, int], float]] = {
        "slope of a window (readiness)": slope,
        "level at its last row (readiness)": end,
        "gain after a switch (rows on each side)": gain,
    }
    for name, measure in kinds.items():
        for rows in ROWS:
            cells = " | ".join(f"{100 * measure(rows, r, runs):.1f} %" for r in STICKINESS)
            print(f"| {name} | {rows} | {cells} |", flush=True)
    print(f"| truncated share at twice the limit | {length.ROWS} | {100 * forecast(runs):.1f} % | | | |")
    print(f"\n1,000 draws at each of 5,000 steps: {seconds():.2f} s of CPU (target: 1 s)")


def noise(rows: int, r: float, runs: int, seed: int = 0) -> Floats:
    """(runs, rows) of an AR(1) with standard deviation 1."""
    pushes = np.random.default_rng(seed).normal(size=(runs, rows))
    out = np.empty_like(pushes)
    out[:, 0] = pushes[:, 0]
    for i in range(1, rows):
        out[:, i] = r * out[:, i - 1] + math.sqrt(1 - r * r) * pushes[:, i]
    return out


def held(drawn: blocks.Drawn, truth: float) -> float:
    low, high = drawn.interval()
    return float(np.mean((low <= truth) & (high >= truth)))


def slope(rows: int, r: float, runs: int) -> float:
    (drawn,) = blocks.draw(noise(rows, r, runs) + TREND * np.arange(rows), [blocks.slope_of(rows)])
    return held(drawn, TREND)


def end(rows: int, r: float, runs: int) -> float:
    (drawn,) = blocks.draw(noise(rows, r, runs) + TREND * np.arange(rows), [blocks.end_of(rows)])
    return held(drawn, TREND * (rows - 1))


def gain(rows: int, r: float, runs: int) -> float:
    """Of a jump of one standard deviation, `rows` logged on each side."""
    before, after = np.arange(1 - rows, 1), np.arange(1, rows + 1)
    old, new = noise(rows, r, runs, 1), noise(rows, r, runs, 2) + 1
    told = [handoff.gain(before, old[i], after, new[i], min(rows, 50)) for i in range(runs)]
    return float(np.mean([one.low <= 1 <= one.high for one in told]))


def forecast(runs: int) -> float:
    """Of lengths that are lognormal, in batches: what a limit of 16,384 would cut, told from one of 8,192."""
    rng, mu, sigma, limit = np.random.default_rng(3), math.log(4000), 0.6, 8192.0
    truth = float(length.cut_at(mu, sigma, 2 * limit))
    hits = 0
    for _ in range(runs):
        batch = np.exp(rng.normal(mu, sigma, (length.ROWS, RESPONSES)))
        mean, cut = np.minimum(batch, limit).mean(axis=1), (batch >= limit).mean(axis=1)
        told = length.forecast(mean, cut, limit, [2 * limit])
        hits += bool(told.low[0] <= truth <= told.high[0])
    return hits / runs


def seconds() -> float:
    """CPU time of the rule at every step of a run of 5,000 with 500 scores."""
    rng, steps = np.random.default_rng(4), np.arange(5000)
    cut = np.clip(0.02 + 2e-5 * steps + rng.normal(0, 0.01, 5000), 0, 1)
    grown, unknown = 4000 + steps + rng.normal(0, 50, 5000), np.full(5000, np.nan)
    course = readiness.Course(steps, np.zeros(5000, np.int64), cut, grown, unknown)
    scores = readiness.Scores(steps[::10], 0.4 + rng.normal(0, 0.02, 500), np.full(500, 0.02))
    readiness.past(course, scores)
    start = time.process_time()
    readiness.past(course, scores)
    return time.process_time() - start


if __name__ == "__main__":
    main()
