"""Runs that we planted the trouble in: curves with a known answer, for tests, docs and the demo.

Every maker gives `Rows` of one source, with noise from `seed` alone. Steps count from 0, one row a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from analyses.contract import Floats, Rows

STEP_SECONDS = 60.0
EPOCH = 1_760_000_000.0


def rows_of(
    columns: Mapping[str, Any], *, steps: Any = None, walls: Any = None, attempts: Any = None, every: int = 1
) -> Rows:
    """Rows from columns of one length; all of them count as logged. every: steps from one row to the next."""
    arrays = {name: _column(values) for name, values in columns.items()}
    n = len(next(iter(arrays.values()), ()))
    axis = np.arange(n, dtype=np.int64) * every if steps is None else np.asarray(steps, np.int64)
    clock = _column(EPOCH + STEP_SECONDS * every * np.arange(n) if walls is None else walls)
    tries = np.ones(n, np.int64) if attempts is None else np.asarray(attempts, np.int64)
    return Rows(axis, clock, tries, arrays, {name: np.ones(n, bool) for name in arrays})


def _column(values: Any) -> Floats:
    return np.array(values, np.float64)


def noisy(clean: Any, noise: float, seed: int) -> Floats:
    """A curve with lognormal noise: `noise` is its relative standard deviation."""
    curve = np.asarray(clean, np.float64)
    shaken: Floats = curve * np.exp(np.random.default_rng(seed).normal(0, noise, curve.shape))
    return shaken


def ramp(n: int, onset: int, per_step: float) -> Floats:
    """1 until `onset`, then exp(per_step * steps since)."""
    curve: Floats = np.exp(per_step * np.clip(np.arange(n) - onset, 0, None))
    return curve


def healthy(n: int = 400, *, seed: int = 0, noise: float = 0.03) -> Rows:
    """Entropy declines gently and settles, reward rises, lengths grow a little: nothing to alarm about."""
    step = np.arange(n)
    rng = np.random.default_rng(seed + 1)
    reward = 0.3 + 0.35 * (1 - np.exp(-step / 150)) + rng.normal(0, 0.02, n)
    return rows_of(
        {
            "entropy_token_mean": noisy(0.25 + 0.2 * np.exp(-step / 120), noise, seed),
            "reward_mean": reward,
            "response_length_mean": noisy(4000 + 2 * step, 0.03, seed + 2),
            "truncation_fraction": np.clip(rng.normal(0.03, 0.006, n), 0, 1),
            "group_zero_std_fraction": np.clip(rng.normal(0.3, 0.04, n), 0, 1),
            "grad_norm": noisy(np.full(n, 0.2), 0.15, seed + 3),
            "kl_policy_old": noisy(np.full(n, 0.002), 0.3, seed + 4),
            "mismatch_kl": noisy(np.full(n, 0.0004), 0.1, seed + 5),
            "policy_loss": rng.normal(0, 0.005, n),
            "time_step": noisy(np.full(n, STEP_SECONDS), 0.05, seed + 6),
        }
    )


def changed(rows: Rows, **columns: Any) -> Rows:
    """The same run with some columns replaced; NaN in a replacement was logged as NaN."""
    arrays = {name: _column(values) for name, values in columns.items()}
    marks = {name: np.ones(len(rows), bool) for name in arrays}
    return Rows(rows.steps, rows.walls, rows.attempts, {**rows.columns, **arrays}, {**rows.logged, **marks})


def entropy_blowup(n: int = 400, *, onset: int = 200, doubling: float = 30, seed: int = 0) -> Rows:
    """Entropy doubles every `doubling` steps from `onset`, to 8 nats; lengths, truncation, reward follow."""
    base = healthy(n, seed=seed)
    grown = np.minimum(ramp(n, onset, np.log(2) / doubling), 8 / 0.3)
    rambling = np.log(grown) / np.log(2)
    return changed(
        base,
        entropy_token_mean=noisy(0.3 * grown, 0.03, seed),
        response_length_mean=base.columns["response_length_mean"] * (1 + 0.15 * rambling),
        truncation_fraction=np.clip(base.columns["truncation_fraction"] + 0.06 * rambling, 0, 1),
        reward_mean=base.columns["reward_mean"] * np.clip(1.1 - 0.12 * rambling, 0.05, 1),
    )


def benign_rise(n: int = 400, *, onset: int = 200, gain: float = 2.0, seed: int = 0) -> Rows:
    """A wider upper clip lets entropy rise by `gain` within 60 steps and settle; nothing else moves."""
    base = healthy(n, seed=seed)
    rise = 1 + (gain - 1) / (1 + np.exp(-(np.arange(n) - onset - 30) / 9))
    return changed(base, entropy_token_mean=noisy(0.3 * rise, 0.03, seed))


def entropy_collapse(n: int = 400, *, onset: int = 150, half_life: float = 30, seed: int = 0) -> Rows:
    """Entropy halves every `half_life` steps from `onset`; gradients shrink, groups lose their variance."""
    base = healthy(n, seed=seed)
    left = np.maximum(ramp(n, onset, -np.log(2) / half_life), 0.01)
    return changed(
        base,
        entropy_token_mean=noisy(0.4 * left, 0.03, seed),
        grad_norm=base.columns["grad_norm"] * left**0.7,
        group_zero_std_fraction=np.clip(base.columns["group_zero_std_fraction"] + 0.5 * (1 - left**0.5), 0, 1),
        reward_mean=np.where(np.arange(n) < onset, base.columns["reward_mean"], 0.52),
    )


def benign_decline(n: int = 400, *, half_life: float = 60, seed: int = 0) -> Rows:
    """Entropy is spent on reward, from the first step on, to a tenth: reward pays for it, gradients stay."""
    base = healthy(n, seed=seed)
    left = 0.1 + 0.9 * ramp(n, 0, -np.log(2) / half_life)
    won = 0.2 + 0.6 * (1 - left)
    noise = np.random.default_rng(seed).normal(0, 0.01, n)
    return changed(base, entropy_token_mean=noisy(0.45 * left, 0.03, seed), reward_mean=won + noise)


def staged(n: int = 400, *, switch: int = 200, seed: int = 0) -> Rows:
    """The context limit doubles at `switch`: longer responses, less truncation, a short dip of reward."""
    base = healthy(n, seed=seed)
    after = np.arange(n) >= switch
    since = np.clip(np.arange(n) - switch, 0, None)
    return changed(
        base,
        context_limit=np.where(after, 16384, 8192),
        response_length_mean=base.columns["response_length_mean"] * np.where(after, 1.5, 1),
        truncation_fraction=base.columns["truncation_fraction"] * np.where(after, 0.2, 1),
        reward_mean=base.columns["reward_mean"] - 0.04 * np.where(after, np.exp(-since / 20), 0),
    )


def restarted(n: int = 400, *, died: int = 250, resumed: int = 240, seed: int = 0) -> Rows:
    """The job dies after step `died` and walks the steps from `resumed` again, as attempt 2."""
    base = healthy(n, seed=seed)
    order = np.r_[0 : died + 1, resumed:n]
    tries = np.r_[np.ones(died + 1, np.int64), np.full(n - resumed, 2, np.int64)]
    walls = EPOCH + STEP_SECONDS * np.arange(len(order))
    columns = {name: column[order] for name, column in base.columns.items()}
    return rows_of(columns, steps=base.steps[order], walls=walls, attempts=tries)


def length_crisis(n: int = 400, *, onset: int = 200, doubling: float = 60, seed: int = 0) -> Rows:
    """Responses double every `doubling` steps from `onset`, limit 16,384; truncation follows, reward falls."""
    base = healthy(n, seed=seed)
    length = np.minimum(base.columns["response_length_mean"] * ramp(n, onset, np.log(2) / doubling), 14_000)
    cut = np.clip(base.columns["truncation_fraction"] + 0.6 * np.clip(length / 14_000 - 0.4, 0, 1), 0, 1)
    reward = base.columns["reward_mean"] * (1 - 0.6 * cut)
    limit = np.full(n, 16_384)
    return changed(base, response_length_mean=length, truncation_fraction=cut, reward_mean=reward, context_limit=limit)


def reward_hack(n: int = 400, *, onset: int = 200, every: int = 10, seed: int = 0) -> Rows:
    """From `onset` training reward climbs to 0.95 in 60 steps; the score, each `every` steps, stays as it was."""
    base = healthy(n, seed=seed)
    since = np.clip(np.arange(n) - onset, 0, 60) / 60
    reward = base.columns["reward_mean"] + since * (0.95 - base.columns["reward_mean"])
    honest = np.minimum(base.columns["reward_mean"], 0.6) - 0.05
    score = np.where(np.arange(n) % every == 0, honest, np.nan)
    rows = changed(base, reward_mean=reward, val_score=score, val_n=np.full(n, 200), val_k=np.full(n, 8))
    return Rows(rows.steps, rows.walls, rows.attempts, rows.columns, {**rows.logged, "val_score": np.isfinite(score)})


def drifting_apart(n: int = 400, *, onset: int = 200, doubling: float = 20, seed: int = 0) -> Rows:
    """The KL between rollout and trainer doubles every `doubling` steps from `onset`, to 1 nat at most."""
    base = healthy(n, seed=seed)
    gap = np.minimum(base.columns["mismatch_kl"] * ramp(n, onset, np.log(2) / doubling), 1.0)
    return changed(base, mismatch_kl=gap, is_ess=np.exp(-2 * gap))


def diverging(n: int = 400, *, onset: int = 200, doubling: float = 10, seed: int = 0) -> Rows:
    """The gradient norm doubles every `doubling` steps from `onset`; reward falls once it is a hundredfold."""
    base = healthy(n, seed=seed)
    grown = np.minimum(ramp(n, onset, np.log(2) / doubling), 1e6)
    reward = base.columns["reward_mean"] / (1 + grown / 300)
    return changed(base, grad_norm=base.columns["grad_norm"] * grown, reward_mean=reward)


def stalled(n: int = 200, *, after: int = 120, gap: float = 7200, seed: int = 0) -> Rows:
    """No row for `gap` seconds after row `after`."""
    base = healthy(n, seed=seed)
    walls = base.walls + np.where(np.arange(n) > after, gap, 0)
    return Rows(base.steps, walls, base.attempts, base.columns, base.logged)


UNSHAKEN = frozenset({"context_limit", "val_n", "val_k"})


def disturbed(rows: Rows, *, noise: float = 0.0, heat: float = 1.0, every: int = 1, seed: int = 0) -> Rows:
    """The same run as another team would have logged it: noisier, hotter, more seldom.

    noise: relative standard deviation laid on every quantity (shares stay within 0..1); heat: factor on entropy;
    every: only each so many-th row was logged, and evaluations go to the next one that was.
    """
    rng = np.random.default_rng(seed)
    columns = {}
    for name, column in rows.columns.items():
        factor = heat if name.startswith("entropy") else 1.0
        shaken = column * factor if name in UNSHAKEN else column * factor * np.exp(rng.normal(0, noise, len(column)))
        columns[name] = np.clip(shaken, 0, 1) if name.endswith("fraction") else shaken
    whole = Rows(rows.steps, rows.walls, rows.attempts, columns, rows.logged)
    return whole if every == 1 else _thinned(whole, every)


def _thinned(rows: Rows, every: int) -> Rows:
    kept = np.arange(0, len(rows), every)
    columns = {name: column[kept] for name, column in rows.columns.items()}
    logged = {name: marks[kept] for name, marks in rows.logged.items()}
    if "val_score" in columns:
        scored = np.flatnonzero(np.isfinite(rows.columns["val_score"]))
        at = np.minimum(-(-scored // every), len(kept) - 1)
        columns["val_score"] = np.full(len(kept), np.nan)
        columns["val_score"][at] = rows.columns["val_score"][scored]
        logged["val_score"] = np.isfinite(columns["val_score"])
    return Rows(rows.steps[kept], rows.walls[kept], rows.attempts[kept], columns, logged)
