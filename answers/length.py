"""Are answers being cut off? Lengths against the limit, what another limit would do, what truncation hides."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from analyses import length as analysis
from analyses import trend
from analyses.handoff import LEAST, Interval, mean, window
from analyses.length import Forecast, Masked
from analyses.words import percent
from answers import readiness as ready
from answers.limits import Floats, Known, how, known, share, spoken
from answers.readiness import Ready

Ints = NDArray[np.int64]

LENGTHS = (
    "response_length_mean",
    "response_length_p90",
    "response_length_p95",
    "response_length_max",
    "response_length_terminated_mean",
)
ROWS = (*LENGTHS, "truncation_fraction", "overlong_masked_fraction")
REWARDS = ("reward_mean", "score_mean")
EDGES = ("reward_min", "reward_max")
TIMES = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Limits that the forecast tells, as multiples of the one in force."""
GRID = np.geomspace(0.4, 4.0, 60)
Z95 = 1.96
NEWEST = 10  # steps of a level


@dataclass(frozen=True, slots=True)
class Bounds:
    """What truncation hides of the reward, where a response that is cut off scores 0. seen: reward as logged; finished:
    of the responses that ended by themselves; low, high: between them lies the reward without a limit (Manski)."""

    seen: float
    finished: float
    low: float
    high: float


@dataclass(frozen=True)
class Course:
    """Row by row (n,): limit, truncated share, reward as logged, of the finished, and if every cut one were right."""

    steps: Ints
    limit: Floats
    cut: Floats
    reward: Floats
    finished: Floats
    best: Floats


@dataclass(frozen=True)
class Length:
    """limit: in force, tokens, None unknown; how: where it is known from. levels: means of the last 10 steps (8 rows
    at least) by quantity. cut, masked: shares of the responses there. cut_slope, growth: of the share and of ln tokens,
    per 100 steps, over the last 50.

    forecast: at TIMES the limit; curve: the same on a grid, for a ribbon; no_forecast: why there is none.
    later: the truncated share at the limit in force if growth goes on for `ahead` steps, as long again as it was
    measured over. bounds: None where the reward is no share of right answers. mask: None where the config does not say.
    """

    run: str
    limit: float | None
    how: str
    levels: dict[str, float]
    cut: float
    cut_slope: Interval
    growth: Interval
    masked: float
    mask: bool | None
    accounting: Masked | None
    forecast: Forecast | None
    curve: Forecast | None
    no_forecast: str
    later: Interval
    ahead: int
    bounds: Bounds | None
    course: Course
    ready: Ready
    sentence: str

    def against_limit(self, name: str) -> float:
        """A level of LENGTHS as a share of the limit; NaN unknown."""
        return self.levels.get(name, math.nan) / self.limit if self.limit else math.nan


def length(connection: sa.Connection, run_id: int) -> Length:
    """The numbers of one run. Raises KeyError for a run that is gone."""
    run = known(connection, run_id, (*ready.QUANTITIES, *ROWS, *REWARDS, *EDGES))
    steps, table = run.curves.rows(*ROWS)
    stage = run.stages[-1] if run.stages else None
    here = steps >= (stage.first if stage else 0)
    columns = {name: values[here] for name, values in zip(ROWS, table, strict=True)}
    steps = steps[here]
    near = window(steps - steps[-1], before=True) if len(steps) else slice(0, 0)
    last = window(steps - steps[-1], before=True, span=NEWEST) if len(steps) else slice(0, 0)
    levels = {name: mean(columns[name][last]) for name in ROWS if np.isfinite(columns[name]).any()}
    limit = stage.limit if stage else None
    cut, masked = levels.get("truncation_fraction", math.nan), levels.get("overlong_masked_fraction", math.nan)
    forecast, curve, why = _forecast(columns, limit)
    growth = _slope(steps[near], np.log(np.maximum(columns["response_length_mean"][near], 1)))
    bounds = _bounds(run, cut)
    ahead = int(steps[-1] - steps[near][0]) if len(steps) else 0
    mask = run.settings.get("overlong_mask")
    made = Length(
        run=run.run.name,
        limit=limit,
        how=how(stage) if stage else "not known",
        levels=levels,
        cut=cut,
        cut_slope=_slope(steps[near], columns["truncation_fraction"][near]),
        growth=growth,
        masked=masked,
        mask=mask if isinstance(mask, bool) else None,
        accounting=_accounting(levels, bounds, limit, masked, mask),
        forecast=forecast,
        curve=curve,
        no_forecast=why,
        later=_later(forecast, limit, growth, ahead),
        ahead=ahead,
        bounds=bounds,
        course=_course(run),
        ready=ready.of(run),
        sentence="",
    )
    return Length(
        **{**{name: getattr(made, name) for name in Length.__dataclass_fields__}, "sentence": _sentence(made)}
    )


def _slope(steps: Ints, values: Floats) -> Interval:
    good = np.isfinite(values)
    if good.sum() < LEAST:
        return Interval(math.nan, math.nan, math.nan)
    fitted = trend.fit(steps[good].astype(np.float64), values[good], z=Z95)
    return Interval(*(100 * float(one) for one in (fitted.slope, fitted.low, fitted.high)))


def _forecast(columns: dict[str, Floats], limit: float | None) -> tuple[Forecast | None, Forecast | None, str]:
    if limit is None:
        return None, None, "the context limit is not known"
    rows = (columns["response_length_mean"], columns["truncation_fraction"], limit)
    tail = columns["response_length_p95"] if np.isfinite(columns["response_length_p95"]).any() else None
    try:
        told = analysis.forecast(*rows, [limit * times for times in TIMES], tail)
        return told, analysis.forecast(*rows, (limit * GRID).tolist(), tail), ""
    except ValueError as error:
        return None, None, str(error)


def _later(forecast: Forecast | None, limit: float | None, growth: Interval, ahead: int) -> Interval:
    """The truncated share in so many steps, with the growth's own interval."""
    if forecast is None or limit is None or not math.isfinite(growth.value):
        return Interval(math.nan, math.nan, math.nan)
    paces = [one / 100 for one in (growth.value, growth.low, growth.high)]
    return Interval(*(float(analysis.cut_later(forecast.mu, forecast.sigma, limit, pace, ahead)) for pace in paces))


def _reward(run: Known) -> tuple[Ints, Floats, Floats] | None:
    """(steps, reward, truncated share) where the reward is a share of right answers: within 0 to 1, and where the
    ends of a batch are logged they reach 0 or 1."""
    name = run.curves.first(*REWARDS)
    if name is None or "truncation_fraction" not in run.curves:
        return None
    steps, (reward, cut, low, high) = run.curves.rows(name, "truncation_fraction", *EDGES)
    edges = np.concatenate([one[np.isfinite(one)] for one in (reward, low, high)])
    both = np.isfinite(reward) & np.isfinite(cut)
    if not both.any() or edges.min() < 0 or edges.max() > 1:
        return None
    if np.isfinite(low).any() and np.isfinite(high).any() and not np.isin(edges, (0, 1)).any():
        return None
    return steps[both], reward[both], cut[both]


def _bounds(run: Known, cut: float) -> Bounds | None:
    found = _reward(run)
    if found is None or not math.isfinite(cut) or cut >= 1:
        return None
    steps, rewards, cuts = found
    near = window(steps - steps[-1], before=True, span=NEWEST)
    seen, gone = mean(rewards[near]), mean(cuts[near])
    finished = min(seen / (1 - gone), 1.0) if gone < 1 else math.nan
    low, high = analysis.bounds(finished, gone)
    return Bounds(seen, finished, low, high)


def _course(run: Known) -> Course:
    steps, (cut,) = run.curves.rows("truncation_fraction")
    limit = np.full(len(steps), np.nan)
    for stage in run.stages:
        limit[(steps >= stage.first) & (steps <= stage.last)] = np.nan if stage.limit is None else stage.limit
    found = _reward(run)
    if found is None:
        blank = np.full(len(steps), np.nan)
        return Course(steps, limit, cut, blank, blank, blank)
    at, reward, gone = found
    with np.errstate(divide="ignore", invalid="ignore"):
        finished = np.where(gone < 1, np.minimum(reward / (1 - gone), 1), np.nan)
    inside = np.searchsorted(steps, at)
    return Course(at, limit[inside], gone, reward, finished, np.minimum(reward + gone, 1))


def _accounting(
    levels: dict[str, float], bounds: Bounds | None, limit: float | None, masked: float, mask: object
) -> Masked | None:
    """By the logged count; without one the mask takes out what is cut off, at most."""
    out = masked if math.isfinite(masked) else levels.get("truncation_fraction", math.nan) if mask is True else math.nan
    if not math.isfinite(out) or limit is None or "response_length_mean" not in levels:
        return None
    reward = bounds.seen if bounds is not None else math.nan
    return analysis.masked(reward, out, limit, levels["response_length_mean"])


def _sentence(one: Length) -> str:
    if not math.isfinite(one.cut):
        return "The log does not tell how many responses are cut off."
    at = f" at {spoken(one.limit)}" if one.limit is not None else ""
    if one.cut == 0:
        longest = one.against_limit("response_length_max")
        room = f"; the longest ends at {percent(longest)} of it" if math.isfinite(longest) else ""
        return f"No: no response is cut off{at}{room}."
    answer = "Yes" if one.cut >= 0.05 else "A few" if one.cut >= 0.005 else "No"
    said = [f"{answer}: {percent(one.cut)} of the responses are cut off{at}{_moving(one.cut_slope)}"]
    if one.cut >= 0.005 and one.forecast is not None and one.limit is not None:
        double, low, high = one.forecast.at(2 * one.limit)
        said.append(f"at {spoken(2 * one.limit)} it would be {share(double)} ({share(low)} to {share(high)})")
    if one.cut < 0.05 and math.isfinite(p95 := one.against_limit("response_length_p95")):
        said.append(f"the 95th percentile is at {percent(p95)} of the limit")
    if one.bounds is not None and one.cut >= 0.05:
        said.append(f"up to {one.bounds.high - one.bounds.low:.2g} of reward may hide behind the limit")
    return "; ".join(said) + "."


def _moving(slope: Interval) -> str:
    if not slope.told_from_zero:
        return ""
    return ", more and more" if slope.value > 0 else ", fewer and fewer"


def as_json(one: Length) -> dict[str, Any]:
    """What `stepwell stages --json` says of the newest run: everything but the curves and the readiness."""
    told = {
        name: getattr(one, name) for name in Length.__dataclass_fields__ if name not in ("course", "ready", "curve")
    }
    for name in ("cut_slope", "growth", "later", "accounting", "bounds"):
        told[name] = None if told[name] is None else asdict(told[name])
    forecast = one.forecast
    told["forecast"] = None
    if forecast is not None:
        columns = ("limits", "cut", "low", "high")
        told["forecast"] = {name: getattr(forecast, name).tolist() for name in columns} | {"basis": forecast.basis}
    return told
