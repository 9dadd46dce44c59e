"""Runs like this one, and what the runs that did well have in common. Neither is a cause: many things differ at once.

scikit-learn is imported where it is used: it takes a second that no other command should pay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_ROWS = 5
LEAST_SHARED = 4  # features that two runs must both have to be called alike
LEAST_RUNS = 12  # to say what good runs have in common
FOLDS = 5
REPEATS = 10
LOGARITHMIC = ("entropy_token_mean", "entropy_estimate", "response_length_mean", "grad_norm", "time_step")
SHAPES = (
    "reward_mean",
    "score_mean",
    "entropy_token_mean",
    "entropy_estimate",
    "response_length_mean",
    "truncation_fraction",
    "grad_norm",
    "clip_fraction_total",
    "kl_policy_old",
    "group_zero_std_fraction",
)
"""Quantities whose course makes the features."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A run alike. distance: 0 is the same course, 1 about what two runs drawn at random differ by. shared: features
    that both have; closest, furthest: names of those that agree most and least."""

    run: int
    distance: float
    shared: int
    closest: tuple[str, ...]
    furthest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """A config key that goes with the outcome. importance: fall of held-out R^2 when it is shuffled, with its sd.

    better, others: what the better third and the rest have (median, or the commonest value). same: keys that never
    differ without it, which cannot be told apart from it.
    """

    key: str
    importance: float
    sd: float
    better: str
    others: str
    same: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Common:
    """n runs. why: what keeps it from being said, "" if nothing. explained: held-out R^2 of all keys together."""

    n: int
    why: str
    explained: float = math.nan
    keys: tuple[Key, ...] = ()


def features(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> dict[str, float]:
    """What a run's course comes down to. curves: quantity -> (steps, values); too short ones give nothing.

    Of each: level at the start and at the end (a fifth each), the change, row-to-row noise. Of the run: its length.
    """
    said: dict[str, float] = {}
    longest = 0.0
    for name, (at, raw) in curves.items():
        steps, values = np.asarray(at, np.float64), np.asarray(raw, np.float64)
        good = np.isfinite(values)
        steps, values = steps[good], values[good]
        if len(values) < LEAST_ROWS:
            continue
        longest = max(longest, float(np.ptp(steps)))
        if name in LOGARITHMIC:
            values = np.log(np.maximum(values, 1e-9))
        fifth = max(1, len(values) // 5)
        start, end = float(np.median(values[:fifth])), float(np.median(values[-fifth:]))
        noise = float(np.median(np.abs(np.diff(values)))) * 1.05
        said |= {f"{name} start": start, f"{name} end": end, f"{name} change": end - start, f"{name} noise": noise}
    if longest > 0:
        said["steps"] = math.log(longest)
    return said


def like(run: int, known: Mapping[int, Mapping[str, float]], *, most: int = 5) -> list[Neighbour]:
    """The runs nearest to `run`; known: run -> its features. Only runs with LEAST_SHARED features in common; [] where
    there is none, or fewer than 3 runs to take a scale from."""
    from sklearn.metrics.pairwise import nan_euclidean_distances

    names = sorted({name for each in known.values() for name in each})
    if run not in known or len(known) < 3 or not names:
        return []
    runs = list(known)
    table = np.array([[known[one].get(name, np.nan) for name in names] for one in runs], np.float64)
    scaled = _scaled(table)
    mine = runs.index(run)
    shared = (np.isfinite(table) & np.isfinite(table[mine])).sum(axis=1)
    # The distance is scaled up to all columns where some are missing: back to a root mean square per feature.
    apart = nan_euclidean_distances(scaled[mine : mine + 1], scaled)[0] / math.sqrt(len(names) * 2)
    found = [i for i in np.argsort(apart).tolist() if i != mine and shared[i] >= LEAST_SHARED and np.isfinite(apart[i])]
    return [_neighbour(runs[i], float(apart[i]), int(shared[i]), scaled[mine], scaled[i], names) for i in found[:most]]


def _scaled(table: Floats) -> Floats:
    """Each feature over its scatter among the runs; where nothing scatters it tells nothing."""
    with np.errstate(all="ignore"):
        counts = np.isfinite(table).sum(axis=0)
        filled = np.where(np.isfinite(table), table, 0)
        mean = filled.sum(axis=0) / np.maximum(counts, 1)
        variance = (np.where(np.isfinite(table), table - mean, 0) ** 2).sum(axis=0) / np.maximum(counts - 1, 1)
    spread = np.sqrt(variance)
    return np.where(
        spread > 0, (table - mean) / np.where(spread > 0, spread, 1), np.where(np.isfinite(table), 0, np.nan)
    )


def _neighbour(run: int, distance: float, shared: int, mine: Floats, theirs: Floats, names: list[str]) -> Neighbour:
    off = np.abs(mine - theirs)
    by = [i for i in np.argsort(off).tolist() if np.isfinite(off[i])]
    far = tuple(names[i] for i in by[::-1][:2] if off[i] > 1)
    return Neighbour(run, distance, shared, tuple(names[i] for i in by[:3]), far)


def common(configs: Sequence[Mapping[str, Any]], outcomes: Sequence[float], *, seed: int = 0) -> Common:
    """Which config keys the outcome (higher is better) goes with, over n runs: permutation importance on runs that the
    forest had not seen. It refuses where runs are few or the keys predict nothing."""
    kept = [i for i, value in enumerate(outcomes) if math.isfinite(value) and configs[i]]
    scores = np.array([outcomes[i] for i in kept], np.float64)
    n = len(kept)
    if n < LEAST_RUNS:
        return Common(n, f"{n} runs with a config and an outcome, {LEAST_RUNS} are needed")
    table, names, same, shown = _columns([configs[i] for i in kept])
    if not names:
        return Common(n, "no config key differs between these runs")
    if np.ptp(scores) == 0:
        return Common(n, "all of these runs ended alike")
    explained, importances = _importances(table, scores, seed)
    if explained <= 0.1:
        return Common(n, "the config keys do not predict how an unseen run ends", explained)
    better = scores >= np.quantile(scores, 2 / 3)
    keys = [
        Key(
            name,
            float(each.mean()),
            float(each.std(ddof=1)),
            _typical(values, better),
            _typical(values, ~better),
            twins,
        )
        for name, each, values, twins in zip(names, importances.T, shown, same, strict=True)
    ]
    sure = [key for key in keys if key.importance > 2 * key.sd / math.sqrt(FOLDS) and key.importance > 0.01]
    return Common(n, "", explained, tuple(sorted(sure, key=lambda key: -key.importance)))


def _columns(
    configs: Sequence[Mapping[str, Any]],
) -> tuple[Floats, list[str], list[tuple[str, ...]], list[list[Any]]]:
    """(table (n, m), key of each column, keys that are its twins, its values as they stand in the configs)."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for key in sorted({key for config in configs for key in config}):
        values = [repr(config.get(key)) for config in configs]
        codes = {value: code for code, value in enumerate(dict.fromkeys(values))}
        # A key that differs in every run is a name, not a setting, unless it is a number.
        if len(codes) < 2 or (len(codes) == len(configs) and not all(_numeric(config.get(key)) for config in configs)):
            continue
        groups.setdefault(tuple(codes[value] for value in values), []).append(key)
    shown = [[config.get(keys[0]) for config in configs] for keys in groups.values()]
    columns = [_coded(values) for values in shown]
    table = np.stack(columns, axis=1) if columns else np.empty((len(configs), 0))
    return table, [keys[0] for keys in groups.values()], [tuple(keys[1:]) for keys in groups.values()], shown


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _coded(values: Sequence[Any]) -> Floats:
    if all(_numeric(value) for value in values):
        return np.array(values, np.float64)
    codes = {value: code for code, value in enumerate(sorted({repr(value) for value in values}))}
    return np.array([codes[repr(value)] for value in values], np.float64)


def _importances(table: Floats, scores: Floats, seed: int) -> tuple[float, Floats]:
    """(held-out R^2 of all keys, (FOLDS * REPEATS, m) its fall when a key is shuffled)."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import KFold

    said, falls = np.full(len(scores), np.nan), []
    for train, test in KFold(FOLDS, shuffle=True, random_state=seed).split(table):
        forest = ExtraTreesRegressor(60, min_samples_leaf=2, random_state=seed).fit(table[train], scores[train])
        said[test] = forest.predict(table[test])
        shuffled = permutation_importance(
            forest, table[test], scores[test], n_repeats=REPEATS, random_state=seed, scoring="neg_mean_squared_error"
        )
        falls.append(shuffled.importances.T / max(float(scores.var()), 1e-12))
    explained = 1 - float(((scores - said) ** 2).sum() / ((scores - scores.mean()) ** 2).sum())
    return explained, np.concatenate(falls)


def _typical(values: Sequence[Any], which: NDArray[np.bool_]) -> str:
    mine = [value for value, here in zip(values, which.tolist(), strict=True) if here]
    if all(_numeric(value) for value in mine):
        return f"{float(np.median(mine)):g}"
    return str(max(set(map(repr, mine)), key=list(map(repr, mine)).count)).strip("'")
