"""What a score is worth: its standard errors, the difference of two, pass@k, and what a longer limit buys.

Two errors stand beside each score. The *total* one is for questions like these, of which the benchmark drew n; the
*conditional* one is for these very questions, answered again. More samples a question shrink the second alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL = 0.95
POWER = 2.8  # standard errors that a true difference must have to be seen in 80 % of tests at 5 %
FLIPS = 10_000
DRAWS = 1_000
AT_ONCE = 4_000_000  # random numbers that are held at a time


@dataclass(frozen=True, slots=True)
class Questions:
    """One system on n questions. names (n,) tell the same question in another system; rates (n,): mean of its samples;
    samples (n,): how many; within (n,): variance of one sample, NaN where a single one cannot tell.
    clusters (n,): what shares a stem or a source; None where each question stands alone."""

    names: tuple[str, ...]
    rates: Floats
    samples: Ints
    within: Floats
    clusters: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """Of n questions with k samples each (their mean where it differs). total, conditional: standard errors; None where
    the data cannot tell. low, high: interval of the total error. clusters: how many stand behind it, if any share."""

    value: float
    total: float | None
    conditional: float | None
    low: float
    high: float
    n: int
    k: float
    clusters: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """Second minus first. z: in standard errors; distinguishable: the interval leaves 0 out."""

    value: float
    error: float
    low: float
    high: float
    z: float

    @property
    def distinguishable(self) -> bool:
        return not self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Paired:
    """Second minus first on the n questions that both answered. total, conditional: standard errors (None: unknown).

    p: of sign flips, two-sided; mde: the difference that would be seen four times of five; alone: questions that only
    the first, only the second has."""

    value: float
    total: float
    conditional: float | None
    low: float
    high: float
    p: float
    mde: float
    n: int
    alone: tuple[int, int]

    @property
    def distinguishable(self) -> bool:
        return not self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Curve:
    """pass@k over k (m,) with its interval: bootstrap over the n questions."""

    k: Ints
    value: Floats
    low: Floats
    high: Floats
    n: int


@dataclass(frozen=True, slots=True)
class Gain:
    """What a score gains per doubling of the evaluation limit, from one limit to the next. error None: not known."""

    start: int
    stop: int
    value: float
    error: float | None
    low: float
    high: float
    paired: bool


def of_counts(
    right: ArrayLike, samples: ArrayLike, names: Sequence[str] | None = None, clusters: Sequence[str] | None = None
) -> Questions:
    """From right answers (n,) of so many samples (n,); questions without a sample are left out."""
    hit, tries = np.asarray(right, np.float64), np.asarray(samples, np.int64)
    kept = np.flatnonzero(tries > 0)
    called = [str(i) for i in range(len(tries))] if names is None else list(names)
    rates = hit[kept] / tries[kept]
    with np.errstate(divide="ignore", invalid="ignore"):
        within = np.where(tries[kept] > 1, rates * (1 - rates) * tries[kept] / (tries[kept] - 1), np.nan)
    groups = None if clusters is None else tuple(clusters[i] for i in kept.tolist())
    return Questions(tuple(called[i] for i in kept.tolist()), rates, tries[kept], within, groups)


def errors(mean: float, variance: float, n: int, k: float) -> tuple[float, float]:
    """(total, conditional) standard error from the questions' true mean and variance: the law of total variance."""
    within = max(mean * (1 - mean) - variance, 0.0) / (n * k)
    return math.sqrt(variance / n + within), math.sqrt(within)


def largest_error(value: float, n: int) -> float:
    """Total standard error at most, where a share of right answers and n are all that is known: as with one sample
    a question. More samples make it smaller, by how much only the questions can tell."""
    return math.sqrt(max(value * (1 - value), 0.0) / n)


def score(questions: Questions) -> Score:
    """Mean with unbiased errors. The variance of the observed rates holds both parts already, so the total error is
    theirs; with clusters it is the cluster-robust one. Raises ValueError without a question."""
    rates, n = questions.rates, len(questions.rates)
    if not n:
        raise ValueError("no question was answered")
    value, groups = float(rates.mean()), None
    total: float | None
    if questions.clusters is None:
        total, freedom = (float(rates.std(ddof=1) / math.sqrt(n)), n - 1) if n > 1 else (None, 0)
    else:
        sums = _by_cluster(rates - value, questions.clusters)
        groups, freedom = len(sums), len(sums) - 1
        total = math.sqrt(float((sums**2).sum()) * groups / freedom) / n if freedom else None
    low, high = _around(value, total, freedom, n, rates)
    return Score(value, total, conditional(questions), low, high, n, float(questions.samples.mean()), groups)


def conditional(questions: Questions) -> float | None:
    """Standard error on these very questions; None where some have a single sample, which tells no spread."""
    if np.isnan(questions.within).any():
        return None
    return math.sqrt(float((questions.within / questions.samples).sum())) / len(questions.within)


def _by_cluster(rest: Floats, clusters: Sequence[str]) -> Floats:
    _, code = np.unique(np.asarray(clusters), return_inverse=True)
    return np.bincount(code, rest).astype(np.float64)


def _around(value: float, total: float | None, freedom: int, n: int, rates: Floats) -> tuple[float, float]:
    """The interval; Wilson's where all questions agree and the error would come out as nought."""
    shares = bool(((rates >= 0) & (rates <= 1)).all())
    if total is None:
        return (0.0, 1.0) if shares else (-math.inf, math.inf)
    if total == 0 and value in (0.0, 1.0):
        return _wilson(value, n)
    half = student(freedom) * total
    low, high = value - half, value + half
    return (max(low, 0.0), min(high, 1.0)) if shares else (low, high)


def _wilson(share: float, n: int) -> tuple[float, float]:
    z = student(10**9)
    middle, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def student(freedom: float, level: float = LEVEL) -> float:
    """Two-sided quantile of Student's t, by Cornish and Fisher (Abramowitz and Stegun 26.7.5); exact for 1 and 2.

    >>> round(student(29), 3), round(student(4), 2)
    (2.045, 2.78)
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    if freedom <= 1:
        return math.tan(math.pi * level / 2)
    if freedom <= 2:
        return math.sqrt(2 * level * level / (1 - level * level))
    parts = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(part / freedom**power for power, part in enumerate(parts, 1))


def difference(first: float, first_error: float, second: float, second_error: float) -> Difference:
    """Of two scores that share no questions, or of which only the errors are known."""
    value, error = second - first, math.hypot(first_error, second_error)
    half = student(10**9) * error
    return Difference(value, error, value - half, value + half, value / error if error else math.inf * np.sign(value))


def paired(first: Questions, second: Questions, *, flips: int = FLIPS, seed: int = 0) -> Paired:
    """Two systems question by question: what is hard for both cancels. Raises ValueError under two shared questions.

    p by flipping signs of the differences (of whole clusters where the first has them), counting the data as one draw.
    """
    at = {name: i for i, name in enumerate(second.names)}
    mine = np.array([i for i, name in enumerate(first.names) if name in at], np.int64)
    theirs = np.array([at[first.names[i]] for i in mine], np.int64)
    n = len(mine)
    if n < 2:
        raise ValueError(f"two systems share {n} questions: a comparison needs two")
    differences = second.rates[theirs] - first.rates[mine]
    value = float(differences.mean())
    units, total = differences, float(differences.std(ddof=1)) / math.sqrt(n)
    if first.clusters is not None:
        groups = [first.clusters[i] for i in mine]
        units, rest = _by_cluster(differences, groups), _by_cluster(differences - value, groups)
        total = math.sqrt(float((rest**2).sum()) * len(rest) / max(len(rest) - 1, 1)) / n
    noise = first.within[mine] / first.samples[mine] + second.within[theirs] / second.samples[theirs]
    known = None if np.isnan(noise).any() else math.sqrt(float(noise.sum())) / n
    half = student(len(units) - 1) * total
    alone = (len(first.names) - n, len(second.names) - n)
    p = sign_flip(units, flips=flips, seed=seed)
    return Paired(value, total, known, value - half, value + half, p, POWER * total, n, alone)


def sign_flip(units: ArrayLike, *, flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p of a mean of 0: how many of the sums under random signs are as far from 0 as the one seen."""
    values = np.asarray(units, np.float64)
    seen, rng, beyond = abs(float(values.sum())), np.random.default_rng(seed), 0
    each = max(1, min(flips, AT_ONCE // max(len(values), 1)))
    for start in range(0, flips, each):
        signs = rng.integers(0, 2, (min(each, flips - start), len(values)), np.int8) * 2 - 1
        beyond += int((np.abs(signs @ values) >= seen * (1 - 1e-12)).sum())
    return (1 + beyond) / (1 + flips)


def pass_at(right: ArrayLike, samples: ArrayLike, k: ArrayLike) -> Floats:
    """(n, m) probability that of k (m,) samples one is right, unbiased: 1 - C(n-c, k) / C(n, k) (Chen et al. 2021).

    NaN where k is more than a question has. 1 - (1 - c/n)^k would be too low.
    """
    hit, tries = np.atleast_1d(np.asarray(right, np.int64))[:, None], np.atleast_1d(np.asarray(samples, np.int64))
    many, tries = np.atleast_1d(np.asarray(k, np.int64))[None, :], tries[:, None]
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, int(tries.max(initial=1)) + 1)))])
    wrong, left = np.maximum(tries - hit, 0), np.maximum(tries - many, 0)
    none_right = logs[wrong] - logs[np.maximum(wrong - many, 0)] - logs[tries] + logs[left]
    value = np.where(wrong < many, 1.0, 1 - np.exp(none_right))
    return np.where(many > tries, np.nan, np.where(hit == 0, 0.0, value))


def average_at(right: ArrayLike, samples: ArrayLike) -> float:
    """avg@k: the mean over questions of the share of right samples."""
    return float(np.mean(np.asarray(right, np.float64) / np.asarray(samples, np.float64)))


def majority_at(answers: Sequence[Sequence[str]], right: Sequence[str], k: int, *, draws: int = 200) -> Floats:
    """(n,) probability that the commonest of k answers is the right one; those that tie share. "" is no vote.

    Over all subsets of k where there is one, else over random ones, so the samples that came first weigh no more.
    NaN where a question has fewer than k.
    """
    rng = np.random.default_rng(k)
    return np.array([_majority(list(given), truth, k, draws, rng) for given, truth in zip(answers, right, strict=True)])


def _majority(given: list[str], truth: str, k: int, draws: int, rng: np.random.Generator) -> float:
    if len(given) < k:
        return math.nan
    said, codes = np.unique(np.asarray(given), return_inverse=True)
    votes = np.eye(len(said))[codes] * (said != "")
    times = 1 if k == len(given) else draws
    order = np.argsort(rng.random((times, len(given))), axis=1)[:, :k]
    counts = votes[order].sum(axis=1)
    top = (counts == counts.max(axis=1, keepdims=True)) & (counts > 0)
    wins = top[:, said == truth].any(axis=1)
    return float(np.mean(wins / np.maximum(top.sum(axis=1), 1)))


def pass_curve(right: ArrayLike, samples: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Curve:
    """pass@k at powers of two and at the most that every question has; its interval from a bootstrap over questions.

    Never beyond that most: the questions would no longer be the same ones.
    """
    tries = np.asarray(samples, np.int64)
    most = int(tries.min(initial=np.iinfo(np.int64).max)) if len(tries) else 0
    k = np.array(sorted({2**i for i in range(most.bit_length()) if 2**i <= most} | {most} - {0}), np.int64)
    each = pass_at(right, tries, k) if most else np.empty((len(tries), 0))
    n = len(each)
    if not n or not most:
        return Curve(k[:0], np.empty(0), np.empty(0), np.empty(0), n)
    shares = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), draws) / n
    low, high = np.quantile(shares @ each, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return Curve(k, each.mean(axis=0), low, high, n)


def gains(
    scores: Sequence[tuple[int, float, float | None]], questions: Sequence[Questions | None] | None = None
) -> list[Gain]:
    """Per doubling between neighbouring limits. scores: (evaluation limit, value, standard error) of one system;
    questions: of each, where known, for a paired interval: the questions are the same, only the limit moved."""
    order = sorted(range(len(scores)), key=lambda i: scores[i][0])
    told = list(questions) if questions is not None else [None] * len(scores)
    return [_gain(scores[a], scores[b], told[a], told[b]) for a, b in pairwise(order) if scores[a][0] < scores[b][0]]


def _gain(
    before: tuple[int, float, float | None],
    after: tuple[int, float, float | None],
    first: Questions | None,
    second: Questions | None,
) -> Gain:
    doublings = math.log2(after[0] / before[0])
    value, known = (after[1] - before[1]) / doublings, Gain(before[0], after[0], 0.0, None, -math.inf, math.inf, False)
    if first is not None and second is not None and len({*first.names} & {*second.names}) > 1:
        both = paired(first, second)
        low, high = both.low / doublings, both.high / doublings
        return replace(
            known, value=both.value / doublings, error=both.total / doublings, low=low, high=high, paired=True
        )
    if before[2] is None or after[2] is None:
        return replace(known, value=value)
    apart = difference(before[1], before[2], after[1], after[2])
    error, low, high = (each / doublings for each in (apart.error, apart.low, apart.high))
    return replace(known, value=value, error=error, low=low, high=high)


def score_at(
    limit: float, lengths: ArrayLike, right: ArrayLike, names: Sequence[str], *, cap: float, tail: float | None = None
) -> float:
    """What the score would be at another limit: mean over questions of P(length <= limit) times the share of right
    among completed answers. lengths, right (bool), names: (m,) of each response; cap: the limit in force.

    tail: of the answers that the cap cut, the share that would end by `limit`; asked for beyond the cap only. Raises
    ValueError beyond twice the cap: nothing was seen there.
    """
    if limit > 2 * cap:
        raise ValueError(f"a limit of {limit:,.0f} is more than a doubling beyond {cap:,.0f}: nothing was seen there")
    if limit > cap and tail is None:
        raise ValueError("beyond the cap the share of cut answers that would end has to be given")
    long, hit = np.asarray(lengths, np.float64), np.asarray(right, bool)
    _, code = np.unique(np.asarray(names), return_inverse=True)
    total = np.bincount(code)
    done = np.bincount(code, long < cap)
    ends = np.bincount(code, (long <= limit) & (long < cap)) + (tail or 0.0) * (total - done) * (limit > cap)
    solved = np.bincount(code, hit & (long < cap))
    share = np.divide(solved, done, out=np.zeros(len(total)), where=done > 0)
    return float(np.mean(ends / total * share))
