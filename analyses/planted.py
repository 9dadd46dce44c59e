"""Runs of every trouble at random speeds, noises, temperatures and logging intervals, and calm ones that look odd.

    run = draw("entropy_collapse", np.random.default_rng(7))
    run.rows, run.truth                 # what a trainer would have logged, and what truly happened

What `python -m benchmarks.detectors` measures the published rates on. The simulator's ranges are our choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analyses import synthetic
from analyses.backtest import Event, Labelled
from analyses.contract import Floats, Rows

Rng = np.random.Generator
Plant = Callable[[Rows, int, Rng], Rows]

LOOPS = 12  # steps in which a loop walks before it can be called one
NOISES, HEATS, EVERY = (0.0, 0.03, 0.1), (0.4, 2.5), (1, 1, 2, 4)


@dataclass(frozen=True, slots=True)
class Run:
    """rows: (n,) records; truth: where the trouble was switched on, nothing in a calm run."""

    rows: Rows
    truth: Labelled


def draw(trouble: str, rng: Rng) -> Run:
    """A run of 150 to 500 steps with this trouble (of TROUBLES, or of CALM) switched on somewhere after a third."""
    n, seed = int(rng.integers(150, 500)), int(rng.integers(1 << 30))
    noise, heat = float(rng.choice(NOISES)), float(np.exp(rng.uniform(*np.log(HEATS))))
    if trouble in CALM:
        rows = CALM[trouble](n, seed)
        return _logged(trouble, rows, None, noise, heat, rng)
    onset = int(rng.integers(n // 3, n - 80))
    rows = TROUBLES[trouble](restless(n, seed), onset, rng)
    return _logged(trouble, rows, onset, noise, heat, rng)


def _logged(trouble: str, rows: Rows, onset: int | None, noise: float, heat: float, rng: Rng) -> Run:
    every = 1 if trouble in MOMENTS else int(rng.choice(EVERY))
    seen = synthetic.disturbed(rows, noise=noise, heat=heat, every=every, seed=int(rng.integers(1 << 30)))
    last = int(rows.steps.max())
    steps = tuple(seen.steps.tolist())
    if onset is None:
        return Run(seen, Labelled(trouble, (), steps))
    event = Event(trouble, onset, last if trouble not in MOMENTS else onset + 1)
    ignored = (("restart", onset - LOOPS, onset),) if trouble == "restart_loop" else ()  # each restart is told as well
    return Run(seen, Labelled(trouble, (event,), steps, ignored))


def restless(n: int, seed: int) -> Rows:
    """A healthy run that wanders: entropy, lengths, reward and gradients drift up and down by more than their noise."""
    rng = np.random.default_rng(seed)
    base = synthetic.healthy(n, seed=seed, noise=float(rng.uniform(0.02, 0.06)))
    column = base.columns
    bumps = np.where(rng.random(n) < 0.01, rng.uniform(2, 4, n), 1)
    return synthetic.changed(
        base,
        entropy_token_mean=column["entropy_token_mean"] * np.exp(_wander(n, 0.10, 40, rng)),
        response_length_mean=column["response_length_mean"] * np.exp(_wander(n, 0.06, 60, rng)),
        reward_mean=np.clip(column["reward_mean"] + _wander(n, 0.02, 30, rng), 0, 1),
        grad_norm=column["grad_norm"] * np.exp(_wander(n, 0.15, 30, rng)) * bumps,
        group_zero_std_fraction=np.clip(column["group_zero_std_fraction"] + _wander(n, 0.03, 40, rng), 0, 1),
    )


def _wander(n: int, size: float, memory: float, rng: Rng) -> Floats:
    """An Ornstein-Uhlenbeck path: standard deviation `size`, forgotten over `memory` steps, 0 at the start."""
    keep = np.exp(-1 / memory)
    path = np.zeros(n)
    for i, push in enumerate(rng.normal(0, size * np.sqrt(1 - keep**2), n - 1), start=1):
        path[i] = keep * path[i - 1] + push
    return path


def _since(rows: Rows, onset: int) -> Floats:
    return np.clip(np.arange(len(rows)) - onset, 0, None).astype(np.float64)


def _growing(rows: Rows, onset: int, rng: Rng, slowest: float, fastest: float) -> Floats:
    """Doublings since the onset, one every slowest..fastest steps."""
    doublings: Floats = _since(rows, onset) / np.exp(rng.uniform(np.log(fastest), np.log(slowest)))
    return doublings


def _there(rows: Rows, onset: int, rng: Rng, steps: float) -> Floats:
    """0 before the onset, then up to 1 within `steps`, at half to twice that speed."""
    path: Floats = np.clip(_since(rows, onset) / (steps * np.exp(rng.uniform(-0.7, 0.7))), 0, 1)
    return path


def _entropy_blowup(rows: Rows, onset: int, rng: Rng) -> Rows:
    rambling = np.minimum(_growing(rows, onset, rng, 40, 6), 4)
    entropy, length = rows.columns["entropy_token_mean"], rows.columns["response_length_mean"]
    return synthetic.changed(
        rows,
        entropy_token_mean=entropy * 2**rambling,
        response_length_mean=length * (1 + 0.15 * rambling),
        truncation_fraction=np.clip(rows.columns["truncation_fraction"] + 0.06 * rambling, 0, 1),
        reward_mean=rows.columns["reward_mean"] * np.clip(1.1 - 0.15 * rambling, 0.05, 1),
    )


def _entropy_collapse(rows: Rows, onset: int, rng: Rng) -> Rows:
    left = np.maximum(2 ** -_growing(rows, onset, rng, 40, 6), 0.01)
    silent = rows.columns["group_zero_std_fraction"] + 0.5 * (1 - left**0.5)
    return synthetic.changed(
        rows,
        entropy_token_mean=rows.columns["entropy_token_mean"] * left,
        grad_norm=rows.columns["grad_norm"] * left**0.7,
        group_zero_std_fraction=np.clip(silent, 0, 1),
    )


def _length(rows: Rows, onset: int, rng: Rng) -> Rows:
    """Towards a limit of 16,384 tokens: lengths, then truncation, then reward."""
    length = np.minimum(rows.columns["response_length_mean"] * 2 ** _growing(rows, onset, rng, 50, 12), 14_000)
    cut = np.clip(rows.columns["truncation_fraction"] + 0.9 * np.clip(length / 14_000 - 0.4, 0, 1), 0, 1)
    return synthetic.changed(
        rows,
        response_length_mean=length,
        truncation_fraction=cut,
        reward_mean=rows.columns["reward_mean"] * (1 - 0.7 * cut),
        context_limit=np.full(len(rows), 16_384),
    )


def _length_collapse(rows: Rows, onset: int, rng: Rng) -> Rows:
    gone = _there(rows, onset, rng, 15)
    length = rows.columns["response_length_mean"] * np.exp(-5 * gone)
    return synthetic.changed(
        rows, response_length_mean=length, reward_mean=rows.columns["reward_mean"] * (1 - 0.8 * gone)
    )


def _reward_collapse(rows: Rows, onset: int, rng: Rng) -> Rows:
    return synthetic.changed(rows, reward_mean=rows.columns["reward_mean"] * (1 - 0.8 * _there(rows, onset, rng, 20)))


def _reward_hacking(rows: Rows, onset: int, rng: Rng) -> Rows:
    honest = rows.columns["reward_mean"]
    every = int(rng.choice([5, 10]))
    score = np.where(np.arange(len(rows)) % every == 0, honest - 0.05 + rng.normal(0, 0.012, len(rows)), np.nan)
    tricked = honest + _there(rows, onset, rng, 50) * (0.95 - honest)
    return synthetic.changed(
        rows, reward_mean=tricked, val_score=score, val_n=np.full(len(rows), 200), val_k=np.full(len(rows), 8)
    )


def _dead_signal(rows: Rows, onset: int, rng: Rng) -> Rows:
    silent = np.clip(rows.columns["group_zero_std_fraction"] + 0.6 * _there(rows, onset, rng, 30), 0, 1)
    return synthetic.changed(rows, group_zero_std_fraction=silent)


def _times(name: str, slowest: float, fastest: float, most: float) -> Plant:
    """A quantity that doubles again and again, to `most` times what it was."""

    def plant(rows: Rows, onset: int, rng: Rng) -> Rows:
        grown = np.minimum(2 ** _growing(rows, onset, rng, slowest, fastest), most)
        return synthetic.changed(rows, **{name: rows.columns[name] * grown})

    return plant


def _steps_to(name: str, calm: float, bad: float) -> Plant:
    """A quantity that stands at `calm` and goes to `bad` within about ten steps."""

    def plant(rows: Rows, onset: int, rng: Rng) -> Rows:
        path = calm + (bad - calm) * _there(rows, onset, rng, 10)
        return synthetic.changed(rows, **{name: synthetic.noisy(path, 0.05, int(rng.integers(1 << 30)))})

    return plant


def _one_row(name: str, change: Callable[[float, Rng], float]) -> Plant:
    def plant(rows: Rows, onset: int, rng: Rng) -> Rows:
        column = rows.columns[name].copy()
        column[onset] = change(float(column[onset]), rng)
        return synthetic.changed(rows, **{name: column})

    return plant


def _stalled(rows: Rows, onset: int, rng: Rng) -> Rows:
    gap = float(rng.uniform(1800, 20_000))
    walls = rows.walls + np.where(np.arange(len(rows)) >= onset, gap, 0)
    return Rows(rows.steps, walls, rows.attempts, rows.columns, rows.logged)


def _walked(rows: Rows, starts: list[int], stops: list[int]) -> Rows:
    """Attempts that walk starts[i]..stops[i] of the run's rows."""
    order = np.concatenate([np.arange(a, b) for a, b in zip(starts, stops, strict=True)])
    tries = np.concatenate([np.full(b - a, i + 1) for i, (a, b) in enumerate(zip(starts, stops, strict=True))])
    walls = synthetic.EPOCH + synthetic.STEP_SECONDS * np.arange(len(order))
    columns = {name: column[order] for name, column in rows.columns.items()}
    return synthetic.rows_of(columns, steps=rows.steps[order], walls=walls, attempts=tries)


def _restart(rows: Rows, onset: int, rng: Rng) -> Rows:
    return _walked(rows, [0, onset], [onset + int(rng.integers(2, 30)), len(rows)])


def _restart_loop(rows: Rows, onset: int, rng: Rng) -> Rows:
    starts = [0, onset - LOOPS, onset - 8, onset - 4, onset]
    return _walked(rows, starts, [onset - 10, onset - 6, onset - 3, onset + 1, len(rows)])


TROUBLES: dict[str, Plant] = {
    "entropy_blowup": _entropy_blowup,
    "entropy_collapse": _entropy_collapse,
    "truncation_surge": _length,
    "length_explosion": _length,
    "length_collapse": _length_collapse,
    "reward_collapse": _reward_collapse,
    "reward_hacking": _reward_hacking,
    "dead_signal": _dead_signal,
    "kl_blowup": _times("kl_policy_old", 15, 3, 1e3),
    "mismatch": _times("mismatch_kl", 40, 10, 1e3),
    "clip_saturation": _steps_to("clip_fraction_total", 0.01, 0.2),
    "gradient_spike": _one_row("grad_norm", lambda value, rng: value * rng.uniform(15, 60)),
    "gradient_blowup": _times("grad_norm", 20, 4, 1e5),
    "loss_spike": _one_row("policy_loss", lambda value, rng: rng.uniform(0.5, 5)),
    "non_finite": _one_row("grad_norm", lambda value, rng: float(rng.choice([np.nan, np.inf]))),
    "stalled": _stalled,
    "restart": _restart,
    "restart_loop": _restart_loop,
    "throughput_drop": _steps_to("throughput_tokens_per_s_per_gpu", 3000.0, 1800.0),
    "stale_rollouts": _steps_to("staleness_mean", 1.0, 4.0),
}
"""Trouble -> how it is switched on. Of a length crisis two troubles speak."""

MOMENTS = frozenset({"gradient_spike", "loss_spike", "non_finite", "stalled", "restart", "restart_loop"})
"""Troubles of one row: logged every step, or the row might be the one that was not logged."""

CALM: dict[str, Callable[[int, int], Rows]] = {
    "healthy": lambda n, seed: synthetic.healthy(n, seed=seed),
    "restless": restless,
    "benign_rise": lambda n, seed: synthetic.benign_rise(n, onset=n // 2, gain=1.7, seed=seed),
    "benign_decline": lambda n, seed: synthetic.benign_decline(n, seed=seed),
    "staged": lambda n, seed: synthetic.staged(n, switch=n // 2, seed=seed),
}
"""Runs that nobody should be woken for: steady, wandering, entropy that rises and settles or is spent, a new limit."""
