"""Responses against their limit: saturation, lognormal forecast at other limits, what truncation hides, who is longer.

Dynamics 3.1, 3.4 and 3.5. Lengths are tokens; `cut` is the share of responses that hit the limit, 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyses import blocks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

ROWS = 12  # of the level that a forecast starts from
WIDEST = 4.0  # largest sigma of a lognormal that is tried
_NORMAL = NormalDist()
_erf = np.frompyfunc(math.erf, 1, 1)


def normal_cdf(z: Any) -> Floats:
    """The standard normal's distribution function, of any shape."""
    return np.asarray(0.5 * (1 + np.asarray(_erf(np.asarray(z, np.float64) / math.sqrt(2)), np.float64)))


def normal_ppf(p: Any) -> Floats:
    """Its inverse, within 1e-9 of 0 and 1."""
    clipped = np.clip(np.asarray(p, np.float64), 1e-9, 1 - 1e-9)
    return np.asarray(np.frompyfunc(_NORMAL.inv_cdf, 1, 1)(clipped), np.float64)


def cut_at(mu: Any, sigma: Any, limit: Any) -> Floats:
    """Share of lognormal lengths beyond `limit`.

    >>> round(float(cut_at(math.log(4000), 0.6, 8192)), 4)
    0.1161
    """
    return np.asarray(1 - normal_cdf((np.log(limit) - mu) / sigma))


def capped_mean(mu: Any, sigma: Any, limit: Any) -> Floats:
    """E[min(length, limit)] of lognormal lengths: what a trainer logs as the mean.

    >>> round(float(capped_mean(math.log(4000), 0.6, 8192)))
    4418
    """
    z = (np.log(limit) - mu) / sigma
    below = np.exp(np.asarray(mu) + np.asarray(sigma) ** 2 / 2) * normal_cdf(z - sigma)
    return np.asarray(below + np.asarray(limit) * (1 - normal_cdf(z)))


def from_cut(mean: Any, cut: Any, limit: float) -> tuple[Floats, Floats]:
    """mu and sigma of the lognormal whose capped mean and truncated share these are; NaN where none has them.

    With the share fixed the capped mean falls with sigma from `limit` to `limit * cut`, so it is found by halving.
    """
    mean, cut = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(cut, np.float64))
    z = normal_ppf(1 - cut)
    low, high = np.full(mean.shape, 1e-3), np.full(mean.shape, WIDEST)
    for _ in range(50):
        sigma = (low + high) / 2
        longer = capped_mean(np.log(limit) - sigma * z, sigma, limit) > mean
        low, high = np.where(longer, sigma, low), np.where(longer, high, sigma)
    sigma = (low + high) / 2
    found = (cut > 0) & (cut < 1) & (mean > 0) & (mean < limit) & (sigma < 0.99 * WIDEST) & (sigma > 0.0011)
    return np.where(found, np.log(limit) - sigma * z, np.nan), np.where(found, sigma, np.nan)


def from_quantile(mean: Any, quantile: Any, share: float = 0.95) -> tuple[Floats, Floats]:
    """mu and sigma of the lognormal with this mean and this quantile (its `share`), where nothing is cut off."""
    mean, quantile = np.asarray(mean, np.float64), np.asarray(quantile, np.float64)
    z = float(normal_ppf(share))
    with np.errstate(invalid="ignore", divide="ignore"):
        sigma = z - np.sqrt(z**2 - 2 * np.log(quantile / mean))
        good = np.isfinite(sigma) & (sigma > 0)
        return np.where(good, np.log(quantile) - z * sigma, np.nan), np.where(good, sigma, np.nan)


def tobit(lengths: Floats, limit: float) -> tuple[float, float]:
    """mu and sigma by maximum likelihood from lengths (n,) of which those at `limit` are censored (EM, Tobit 1958).

    NaN under 3 lengths or where all are cut off.
    """
    logs, edge = np.log(np.maximum(lengths, 1.0)), math.log(limit)
    censored = lengths >= limit
    whole = logs[~censored]
    if len(logs) < 3 or len(whole) < 2:
        return math.nan, math.nan
    hidden = int(censored.sum())
    mu, sigma = float(logs.mean()), max(float(logs.std()), 1e-6)
    for _ in range(500):
        z = (edge - mu) / sigma
        left = max(0.5 * math.erfc(z / math.sqrt(2)), 1e-300)
        hazard = math.exp(-z * z / 2) / math.sqrt(2 * math.pi) / left
        first = mu + sigma * hazard
        second = mu**2 + sigma**2 + sigma * (edge + mu) * hazard
        new = (float(whole.sum()) + hidden * first) / len(logs)
        square = (float((whole**2).sum()) + hidden * second) / len(logs)
        old, mu, sigma = (mu, sigma), new, math.sqrt(max(square - new**2, 1e-12))
        if abs(mu - old[0]) + abs(sigma - old[1]) < 1e-10:
            break
    return mu, sigma


@dataclass(frozen=True, slots=True)
class Forecast:
    """The truncated share at other limits, as lognormal lengths would have it. limits (m,); cut, low, high (m,) with
    95 % intervals; mu, sigma: of ln tokens; basis: which logged numbers it rests on; rows: how many of them."""

    limits: Floats
    cut: Floats
    low: Floats
    high: Floats
    mu: float
    sigma: float
    basis: str
    rows: int

    def at(self, limit: float) -> tuple[float, float, float]:
        """(share, low, high) at one of the limits, else NaN."""
        i = np.flatnonzero(self.limits == limit)
        return (float(self.cut[i[0]]), float(self.low[i[0]]), float(self.high[i[0]])) if len(i) else (math.nan,) * 3


def forecast(mean: Floats, cut: Floats, limit: float, limits: Sequence[float], p95: Floats | None = None) -> Forecast:
    """From the last rows (n,) of mean length and truncated share; from the 95th percentile where nothing is cut off.

    The rows' autocorrelation is in the interval; that lengths might not be lognormal is not. Raises ValueError where
    the numbers do not tell a spread, with the reason.
    """
    good = np.isfinite(mean) & np.isfinite(cut)
    mean, cut = mean[good][-ROWS:], cut[good][-ROWS:]
    tail = None if p95 is None else p95[good][-ROWS:]
    if len(mean) < 3:
        raise ValueError("fewer than 3 rows tell mean length and truncated share")
    mu, sigma, basis = _fitted(mean, cut, tail, limit)
    told = np.asarray(limits, np.float64)
    drawn = cut_at(mu[:, None], sigma[:, None], told[None, :])
    low, high = np.nanpercentile(drawn[1:], [2.5, 97.5], axis=0)
    return Forecast(told, drawn[0], low, high, float(mu[0]), float(sigma[0]), basis, len(mean))


def _fitted(mean: Floats, cut: Floats, tail: Floats | None, limit: float) -> tuple[Floats, Floats, str]:
    """mu and sigma of the rows' means, then of every draw of them."""
    means, cuts = _level(mean), np.clip(_level(cut), 0, 1)
    if cuts[0] > 0:
        mu, sigma = from_cut(means, np.maximum(cuts, 1e-6), limit)
        basis = "mean length and truncated share"
    elif tail is not None and np.isfinite(tail).all():
        mu, sigma = from_quantile(means, _level(tail))
        basis = "mean length and 95th percentile"
    else:
        raise ValueError("no response is cut off, and no 95th percentile is logged: the spread of lengths is unknown")
    if not np.isfinite(mu[0]):
        raise ValueError("no lognormal distribution has this mean length and this truncated share")
    return mu, sigma, basis


def _level(rows: Floats) -> Floats:
    """The mean of the rows, then 1,000 draws of it."""
    (drawn,) = blocks.draw(rows[None], [blocks.mean_of(len(rows))], line=False)
    return np.concatenate([drawn.estimate, drawn.draws[0].astype(np.float64)])


def cut_later(mu: float, sigma: float, limit: Any, growth: float, steps: Any) -> Floats:
    """The truncated share when lengths have grown by `growth` (of ln tokens per step) for so many steps."""
    return cut_at(mu + growth * np.asarray(steps, np.float64), sigma, limit)


def bounds(accuracy: float, cut: float) -> tuple[float, float]:
    """Between these lies the accuracy without a limit, if `accuracy` is that of the completed responses (Manski 1990).

    >>> low, high = bounds(0.5, 0.2)
    >>> round(low, 2), round(high, 2)
    (0.4, 0.6)
    """
    return (1 - cut) * accuracy, (1 - cut) * accuracy + cut


@dataclass(frozen=True, slots=True)
class Masked:
    """What an overlong mask takes out. share: of the responses; tokens: of the tokens that still teach; shown: the
    group mean, in which masked responses still count; alone: the mean of those that are kept."""

    share: float
    tokens: float
    shown: float
    alone: float


def masked(reward: float, share: float, limit: float, mean_length: float) -> Masked:
    """Where masked responses score 0 and are as long as the limit: both hold for a mask of truncated wrong answers.

    >>> one = masked(3 / 8, 2 / 8, 100, 50)
    >>> one.shown, one.alone, one.tokens
    (0.375, 0.5, 0.5)
    """
    tokens = float(np.clip(1 - share * limit / mean_length, 0, 1)) if mean_length > 0 else math.nan
    return Masked(share, tokens, reward, reward / (1 - share) if share < 1 else math.nan)


@dataclass(frozen=True, slots=True)
class Within:
    """Are wrong answers longer than right ones to the same prompt? median of d = ln(wrong) - ln(right) over the prompts
    that have both, with its 95 % bootstrap interval by prompt; p: two-sided sign test; pooled: the same difference over
    all responses, prompts mixed; gap: pooled - median (Simpson's)."""

    prompts: int
    responses: int
    median: float
    low: float
    high: float
    p: float
    pooled: float

    @property
    def gap(self) -> float:
        return self.pooled - self.median


def within(prompt: Ints, length: Floats, right: Bools, *, draws: int = 1000, seed: int = 0) -> Within:
    """prompt, length, right: (n,), one entry per response. NaN where no prompt has both outcomes."""
    logs = np.log(np.maximum(length, 1.0))
    _, group = np.unique(prompt, return_inverse=True)
    sums = [
        (
            np.bincount(group[of], logs[of], group.max(initial=-1) + 1),
            np.bincount(group[of], None, group.max(initial=-1) + 1),
        )
        for of in (~right, right)
    ]
    both = (sums[0][1] > 0) & (sums[1][1] > 0)
    d = sums[0][0][both] / sums[0][1][both] - sums[1][0][both] / sums[1][1][both]
    mixed = right.any() and not right.all()
    pooled = float(logs[~right].mean() - logs[right].mean()) if mixed else math.nan
    if not len(d):
        return Within(0, len(logs), math.nan, math.nan, math.nan, math.nan, pooled)
    rng = np.random.default_rng(seed)
    medians = np.median(d[rng.integers(0, len(d), (draws, len(d)))], axis=1)
    low, high = np.percentile(medians, [2.5, 97.5]).tolist()
    return Within(len(d), len(logs), float(np.median(d)), low, high, sign_test(d), pooled)


def sign_test(d: Floats) -> float:
    """Two-sided p of as many positive differences as there are, ties left out; NaN without any."""
    plus, n = int((d > 0).sum()), int((d != 0).sum())
    if not n:
        return math.nan
    few = min(plus, n - plus)
    logs = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2) for k in range(few + 1)]
    return min(1.0, 2 * math.fsum(math.exp(one) for one in logs))


@dataclass(frozen=True, slots=True)
class Extended:
    """What a longer limit could gain at most: each truncated response as right as the finished ones to its prompt.
    gain: of the share of right answers, with its 95 % bootstrap interval by prompt; prompts: that had any cut off;
    unknown: truncated responses to prompts without a finished one, which count as no gain."""

    gain: float
    low: float
    high: float
    prompts: int
    unknown: int


def if_extended(prompt: Ints, cut: Bools, right: Bools, *, draws: int = 1000, seed: int = 0) -> Extended:
    """prompt, cut, right: (n,), one entry per response; cut: truncated, and no longer limit is ruled out (no loop)."""
    _, group = np.unique(prompt, return_inverse=True)
    m = int(group.max(initial=-1)) + 1
    done = np.bincount(group[~cut], None, m)
    good = np.bincount(group[~cut], right[~cut].astype(np.float64), m)
    hidden, wrong = np.bincount(group[cut], None, m), np.bincount(group[cut & ~right], None, m)
    each = np.where(done > 0, wrong * good / np.maximum(done, 1), 0.0)
    size = np.bincount(group, None, m)
    if not m:
        return Extended(math.nan, math.nan, math.nan, 0, 0)
    rows = np.random.default_rng(seed).integers(0, m, (draws, m))
    low, high = np.percentile(each[rows].sum(axis=1) / size[rows].sum(axis=1), [2.5, 97.5]).tolist()
    return Extended(float(each.sum() / size.sum()), low, high, int((hidden > 0).sum()), int(hidden[done == 0].sum()))
