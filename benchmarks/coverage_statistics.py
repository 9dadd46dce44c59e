"""How often the intervals of scores, forecasts and comparisons hold the truth, how often noise is taken for a
difference, and what they cost.

    python -m benchmarks.coverage_statistics [--runs 1000]

A nominal 95 % is to cover 93 to 97 %, a test at 5 % is to reject noise in at most 8 % wherever it prints a p-value.
Seeds are fixed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from analyses import comparison, entropy_law, evaluations, onset
from analyses.entropy_course import course
from analyses.forecast import Forecast, forecast

Floats = NDArray[np.float64]

STICKINESS = (0.0, 0.5, 0.8, 0.9, 0.95)
START, CEILING, STEEP, MIDDLE = 0.3, 0.6, 1.2, 2000.0  # the oracle's sigmoid (dynamics 6.3)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage_statistics", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="simulated data sets of each cell")
    runs = parser.parse_args(arguments).runs
    for table in (scores, noise, seeds, ceilings, laws, bends, costs):
        table(runs)
        print(flush=True)


def ar(rng: np.random.Generator, n: int, r: float) -> Floats:
    """n rows of a stationary AR(1)."""
    rows = rng.normal(0, 1, n)
    rows[0] /= np.sqrt(1 - r * r)
    for i in range(1, n):
        rows[i] += r * rows[i - 1]
    return rows


def scores(runs: int) -> None:
    """Total error of a score and of a paired difference, over questions drawn anew."""
    print("| questions x samples | score covers | paired difference covers | sign flip rejects equals |")
    print("|---|---|---|---|")
    truth = 0.45 / 1.05
    for n, k in ((30, 1), (30, 16), (100, 4), (279, 1), (1000, 8)):
        rng, held, pairs, wrong = np.random.default_rng([n, k]), 0, 0, 0
        for seed in range(runs):
            rates, tries = rng.beta(0.45, 0.6, n), np.full(n, k)
            one, two = (evaluations.of_counts(rng.binomial(k, rates), tries) for _ in range(2))
            found = evaluations.score(one)
            held += found.low <= truth <= found.high
            both = evaluations.paired(one, two, flips=500, seed=seed)
            pairs += both.low <= 0 <= both.high
            wrong += both.p <= 0.05
        print(f"| {n} x {k} | {held / runs:.1%} | {pairs / runs:.1%} | {wrong / runs:.1%} |")


def noise(runs: int) -> None:
    """Two halves of one stationary run."""
    print("| r | rows a side | p printed | rejects of those | covers of those |\n|---|---|---|---|---|")
    for r in STICKINESS:
        for n in (40, 100, 300, 1000):
            rng, printed, wrong, held = np.random.default_rng([int(100 * r), n]), 0, 0, 0
            for seed in range(runs):
                rows = ar(rng, 2 * n, r)
                told = comparison.within(rows[:n], rows[n:], draws=200, seed=seed)
                if told.p is not None:
                    printed, wrong = printed + 1, wrong + (told.p <= 0.05)
                    held += told.low <= 0 <= told.high
            rest = f"{wrong / printed:.1%} | {held / printed:.1%}" if printed else "– | –"
            print(f"| {r:g} | {n} | {printed / runs:.0%} | {rest} |")


def seeds(runs: int) -> None:
    """Groups of seeds, normal noise."""
    print("| seeds a side | IQM covers | difference covers | test rejects equals |\n|---|---|---|---|")
    for n in (3, 4, 5, 8, 10, 20):
        rng, one, two, wrong, tested = np.random.default_rng(n), 0, 0, 0, 0
        for seed in range(runs):
            alone = comparison.group(rng.normal(0, 1, n), draws=200, seed=seed)
            one += alone.low is not None and alone.high is not None and alone.low <= 0 <= alone.high
            told = comparison.between(rng.normal(0, 1, n), rng.normal(0, 1, n), draws=200, seed=seed).difference
            two += told.low <= 0 <= told.high
            tested += told.p is not None
            wrong += told.p is not None and told.p <= 0.05
        print(f"| {n} | {one / runs:.1%} | {two / runs:.1%} | {f'{wrong / tested:.1%}' if tested else 'no test'} |")


def sigmoid(last: float, seed: int) -> Forecast:
    compute = np.r_[np.zeros(3), np.linspace(last / 40, last, 40)]
    clean = START + (CEILING - START) / (1 + (MIDDLE / np.maximum(compute, 1e-9)) ** STEEP)
    return forecast(compute, clean + np.random.default_rng(seed).normal(0, 0.005, 43), draws=100)


def ceilings(runs: int) -> None:
    """ScaleRL's sigmoid with noise .005: 3 evaluations before the first step, 40 up to a compute."""
    print("| data up to | not identifiable | ceiling covered | Cmid covered | within .02 | next score covered |")
    print("|---|---|---|---|---|---|")
    for last in (1000.0, 2000.0, 4000.0, 8000.0):
        found = [sigmoid(last, seed) for seed in range(max(runs // 5, 20))]
        fits = [(one, one.ceiling, one.middle) for one in found if one.ceiling and one.middle]
        ahead = START + (CEILING - START) / (1 + (MIDDLE / (1.25 * last)) ** STEEP)
        shares = (
            np.mean([not one.identifiable for one in found]),
            np.mean([top.low <= CEILING <= top.high for _, top, _ in fits]),
            np.mean([mid.low <= MIDDLE <= mid.high for _, _, mid in fits]),
            np.mean([abs(top.value - CEILING) <= 0.02 for _, top, _ in fits]),
            np.mean([one.low[-1] <= ahead <= one.high[-1] for one, _, _ in fits]),
        )
        print(f"| {last:,.0f} | {' | '.join(f'{share:.0%}' for share in shares)} |")


def laws(runs: int) -> None:
    """R = b - a e^H, entropy from .9 to .1, noise .01: the ceiling."""
    print("| pairs | white | r = .5 |\n|---|---|---|")
    for n in (8, 12, 24, 60):
        h, told = np.linspace(0.9, 0.1, n), []
        for r in (0.0, 0.5):
            rng, held = np.random.default_rng([n, int(10 * r)]), 0
            for seed in range(runs):
                rest = 0.01 * ar(rng, n, r)
                top = entropy_law.law(h, 0.85 - 0.25 * np.exp(h) + rest, draws=200, seed=seed).ceiling
                held += top is not None and top.low <= 0.6 <= top.high
            told.append(f"{held / runs:.1%}")
        print(f"| {n} | {' | '.join(told)} |")


def bends(runs: int) -> None:
    """Where a signal bends, how fast entropy doubles, and noise that is taken for a bend."""
    steps, rng, runs = np.arange(200), np.random.default_rng(1), max(runs // 4, 20)
    clean = 0.003 * steps + 0.02 * np.maximum(steps - 100, 0)
    place = [onset.bend("", steps, clean + rng.normal(0, 0.1, 200), draws=100, seed=i) for i in range(runs)]
    pace = [
        course(np.arange(60), 0.2 * 2 ** (np.arange(60) / 40) * np.exp(rng.normal(0, 0.03, 60)), seed=i).time
        for i in range(runs)
    ]
    print("| what | share |\n|---|---|")
    held = np.mean([one is not None and one.low <= 100 <= one.high for one in place])
    print(f"| place of a bend covered | {held:.1%} |")
    held = np.mean([one is not None and one.low <= 40 <= one.high for one in pace])
    print(f"| doubling time covered | {held:.1%} |")
    for r in (0.0, 0.5, 0.7, 0.9):
        for n in (40, 150):
            wrong = [onset.bend("", np.arange(n), ar(rng, n, r), draws=5) is not None for _ in range(runs)]
            print(f"| AR(1) of {r:g}, {n} rows, taken for a bend | {np.mean(wrong):.1%} |")


def costs(runs: int) -> None:
    """1,000 draws on 5,000 steps."""
    rng = np.random.default_rng(0)
    rows, compute = ar(rng, 5000, 0.5), np.linspace(10, 8000, 5000)
    curve = START + (CEILING - START) / (1 + (MIDDLE / compute) ** STEEP) + 0.02 * rng.normal(0, 1, 5000)
    entropy = 0.3 * 2 ** (np.arange(5000) / 2500) * np.exp(0.03 * rng.normal(0, 1, 5000))
    grids = rng.normal(0, 1, (10, 200))
    cases: dict[str, Callable[[], object]] = {
        "two runs of 5,000 rows, 1,000 draws of each": lambda: comparison.within(rows, rows + 0.1),
        "bands of 10 seeds at 200 places, 300 draws each": lambda: comparison.bands(grids),
        "sigmoid through 5,000 rows, 1,000 refits": lambda: forecast(compute, curve),
        "law through 5,000 pairs, 1,000 draws": lambda: entropy_law.law(-np.log(compute / 8001), curve),
        "course of 5,000 rows of entropy": lambda: course(np.arange(5000), entropy),
        "pass@k of 1,000 questions, 1,000 draws": lambda: evaluations.pass_curve(
            rng.binomial(64, 0.3, 1000), np.full(1000, 64)
        ),
    }
    print("| what | s of CPU |\n|---|---|")
    for name, call in cases.items():
        times = []
        for _ in range(3):
            begun = time.process_time()
            call()
            times.append(time.process_time() - begun)
        print(f"| {name} | {min(times):.2f} |")


if __name__ == "__main__":
    main()
