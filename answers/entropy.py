"""Is the policy still exploring? Where entropy goes, what moved before it, what it buys, and what is left to win."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from analyses import entropy_law
from analyses.entropy_course import AHEAD, HIGH, LOW, Course, course
from analyses.entropy_law import Law
from analyses.forecast import FLAT, Forecast, forecast
from analyses.onset import Order, order
from analyses.words import number, percent, steps_between
from answers import spent, validation
from answers.limits import Known, known

ENTROPIES = ("entropy_token_mean", "entropy_estimate")
REWARDS = ("score_mean", "reward_mean")
SIGNALS: dict[str, tuple[str, bool]] = {
    "overlong_masked_fraction": ("overlong share", False),
    "truncation_fraction": ("truncated share", False),
    "response_length_mean": ("length", True),
    "grad_norm": ("gradient norm", True),
    "clip_fraction_high": ("clipped above", False),
    "clip_fraction_low": ("clipped below", False),
    "clip_fraction_total": ("clipped share", False),
    "kl_policy_old": ("KL to the old policy", False),
    "mismatch_kl": ("rollout/trainer KL", False),
    "group_zero_std_fraction": ("groups without signal", False),
    "reward_mean": ("reward", False),
}
"""Quantity -> what it is called, and whether its logarithm is looked at."""
BINS = 30  # means of the training reward that stand in for validations
EARLY = 200  # steps in which most of the entropy is usually spent
FEWEST = 8  # validations that a forecast is made from


@dataclass(frozen=True)
class Scores:
    """What was scored at which step. name: whose scores these are; own: a validation, not the training reward."""

    name: str
    own: bool
    steps: tuple[float, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...] | None
    share: bool


@dataclass(frozen=True)
class Entropy:
    """quantity: which entropy it is ("" if none is logged); stage: (first step, limit) that is told of.

    course, order, law, ahead: see analyses; scores: what law and forecast rest on, None without any. unit: of the
    forecast's compute, with how a unit of it is written. steered: what in the config moves entropy.
    """

    quantity: str
    stage: tuple[int, float | None]
    course: Course
    order: Order
    law: Law
    ahead: Forecast
    scores: Scores | None
    unit: str
    steered: str
    sentence: str

    def as_json(self) -> dict[str, Any]:
        told = asdict(self)
        told["order"]["moved"] = [{k: v for k, v in one.items() if k != "draws"} for one in told["order"]["moved"]]
        if told["course"]["since"]:
            told["course"]["since"].pop("draws")
        return told


def entropy(connection: sa.Connection, run_id: int) -> Entropy:
    """Of a run's newest stage. Raises KeyError for a run that is gone."""
    run = known(connection, run_id, [*ENTROPIES, *SIGNALS, *REWARDS, *spent.NEEDED])
    quantity = run.curves.first(*ENTROPIES) or ""
    first = run.stages[-1].first if run.stages else 0
    limit = run.stages[-1].limit if run.stages else None
    steps, values = _of(run, quantity, first)
    going = course(steps, values)
    scores = _scores(connection, run, first)
    law, ahead, unit = _law(run, scores, quantity, first), *_ahead(run, scores)
    steered = entropy_law.intervention(run.settings)
    said = " ".join(part for part in (_sentence(quantity, going), _of_reward(ahead, scores)) if part)
    return Entropy(
        quantity, (first, limit), going, _order(run, quantity, first, going), law, ahead, scores, unit, steered,
        said,
    )  # fmt: skip


def _of(run: Known, name: str, first: int) -> tuple[np.ndarray, np.ndarray]:
    """(steps, values) of the newest attempt from step `first` on; an entropy of exactly 0 is a laundered NaN."""
    if name not in run.curves:
        return np.zeros(0), np.zeros(0)
    curve = run.curves.held[name]
    mine = curve.live & (curve.steps >= first)
    if name in ENTROPIES:
        mine &= curve.values > 0
    return curve.steps[mine].astype(np.float64), curve.values[mine]


def _order(run: Known, quantity: str, first: int, going: Course) -> Order:
    """What else bends, from well before entropy's bend on; of the whole stage where entropy has none."""
    steps, _ = _of(run, quantity, first)
    begin = float(first)
    if going.since is not None and len(steps):
        begin = max(begin, going.since.step - 2 * (going.last - going.since.step) - 30)
    signals: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, (word, log) in {quantity: ("entropy", True), **SIGNALS}.items():
        at, values = _of(run, name, first)
        if len(at) and not (name == "clip_fraction_total" and "clip_fraction_high" in run.curves):
            late = at >= begin
            with np.errstate(divide="ignore", invalid="ignore"):
                signals[word] = (at[late], np.log(values[late]) if log else values[late])
    return order(signals)


def _scores(connection: sa.Connection, run: Known, first: int) -> Scores | None:
    """The validation with most scores in the stage; with fewer than FEWEST, the training reward."""
    curves = [curve for curve in validation.curves(connection, [run.run.id]) if curve.said.metric != "best@k"]
    best = max(curves, key=lambda curve: int((curve.steps >= first).sum()), default=None)
    if best is not None and int(((best.steps >= first) & np.isfinite(best.values)).sum()) >= FEWEST:
        mine = (best.steps >= first) & np.isfinite(best.values)
        noise = np.array(best.errors())[mine]
        errors = tuple(noise.tolist()) if np.isfinite(noise).any() else None
        name = f"{best.said.benchmark} ({best.said.metric})"
        return _scored(name, best.steps[mine], best.values[mine], errors, own=True)
    steps, values = _of(run, run.curves.first(*REWARDS) or "", first)
    good = np.isfinite(values)
    return _scored("training reward", steps[good], values[good], None, own=False) if good.any() else None


def _scored(name: str, steps: np.ndarray, values: np.ndarray, errors: tuple[float, ...] | None, *, own: bool) -> Scores:
    share = bool(((values >= 0) & (values <= 1)).all())
    return Scores(name, own, tuple(steps.astype(float).tolist()), tuple(values.tolist()), errors, share)


def _law(run: Known, scores: Scores | None, quantity: str, first: int) -> Law:
    if scores is None or not quantity:
        return Law(0, "no entropy is logged" if not quantity else "no score is logged")
    at, values, errors = np.array(scores.steps), np.array(scores.values), scores.errors
    if not scores.own and len(at) > BINS:  # means of neighbours: single batches are mostly noise
        parts = np.array_split(np.arange(len(at)), BINS)
        at, values = (np.array([one[part].mean() for part in parts]) for one in (at, values))
    steps, entropies = _of(run, quantity, first)
    near, told = entropy_law.pairs(at, values, steps, entropies)
    weighed = errors if errors is not None and len(near) == len(errors) and np.isfinite(errors).all() else None
    return entropy_law.law(near, told, weighed, settings=run.settings, top=1.0 if scores.share else math.inf)


def _ahead(run: Known, scores: Scores | None) -> tuple[Forecast, str]:
    if scores is None:
        return Forecast(0, "no score is logged"), ""
    cost = spent.dearest(run.curves, run.gpus)
    begin = 0.0
    if run.stages and run.stages[-1].first > cost.at[0]:
        begin = float(cost.by(np.array([run.stages[-1].first], np.float64))[0])
    compute = np.maximum(cost.by(np.array(scores.steps)) - begin, 0.0)
    told = forecast(compute, scores.values, scores.errors, top=1.0 if scores.share else math.inf)
    return replace(told, spent=tuple(compute.tolist())), cost.unit


def _sentence(quantity: str, going: Course) -> str:
    if not quantity:
        return "This run logs no entropy: whether the policy still explores cannot be told."
    if going.way == "none":
        return "Entropy is logged, but not one value of it is a number."
    level = f"{number(going.level)} nats per token"
    if going.rows < FEWEST:
        return f"Entropy is at {level}; {_rows(going.rows)} are too few to say where it is going."
    since = (
        f" since step {going.since.step:,.0f} ({going.since.low:,.0f}–{going.since.high:,.0f})" if going.since else ""
    )
    pace = steps_between(going.time.value, going.time.low, going.time.high) if going.time else ""
    if going.way == "growing":
        answer = "Yes, too much" if going.level >= 1 else "Yes, and more and more"
        return f"{answer}: entropy, now {level}, has doubled every {pace}{since}. {_until(going, 'passes')}"
    if going.way == "falling":
        answer = "Hardly" if going.level <= LOW else "Less and less"
        early = " An early fall is the rule." if going.level > 2 * LOW and going.last < EARLY else ""
        return f"{answer}: entropy, now {level}, has halved every {pace}{since}.{early} {_until(going, 'is below')}"
    if going.way == "flat":
        answer = "Hardly" if going.level <= LOW else "Too much" if going.level >= HIGH else "Yes"
        return f"{answer}: entropy rests at {level}, within a tenth per hundred steps.{_earlier(going)}"
    answer = "Hardly" if going.level <= LOW else "Too much" if going.level >= HIGH else "Yes"
    return f"{answer}: entropy is at {level}; no trend of the newest rows can be told from noise.{_earlier(going)}"


def _earlier(going: Course) -> str:
    """What it did before it did little."""
    if going.before is not None and going.before.time is not None:
        verb = "doubled" if going.before.way == "growing" else "halved"
        time = going.before.time
        return f" Until step {going.before.last:,.0f} it {verb} every {steps_between(time.value, time.low, time.high)}."
    moved = math.isfinite(going.began) and abs(math.log(going.began / going.level)) > 0.1
    return f" It began at {number(going.began)}." if moved else ""


def _until(going: Course, verb: str) -> str:
    if going.until is None:
        return ""
    limit = f"{number(going.limit)} nats"
    ahead = steps_between(going.until.value, going.until.low, going.until.high)
    return f"At this pace it {verb} {limit} in {ahead}; within {AHEAD} steps in {percent(going.chance)} of the draws."


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _of_reward(ahead: Forecast, scores: Scores | None) -> str:
    if scores is None or ahead.ceiling is None:
        return ""
    if ahead.why == FLAT:
        return f"The {'score' if scores.own else 'reward'} does not rise."
    if not ahead.identifiable:
        return f"Where the {'score' if scores.own else 'reward'} will end cannot be told yet: {ahead.why}."
    what = scores.name if scores.own else "The training reward"
    top = f"{number(ahead.ceiling.value)} ({number(ahead.ceiling.low)}–{number(ahead.ceiling.high)})"
    advice = " More compute would hardly help." if ahead.advice == "stop" else ""
    return f"{what} is heading for {top}.{advice}"


def reward(connection: sa.Connection, run_id: int) -> tuple[Forecast, Scores | None, str, str]:
    """(forecast, what it rests on, unit of its compute, sentence): for the command. Raises KeyError for no such run."""
    run = known(connection, run_id, [*REWARDS, *spent.NEEDED])
    scores = _scores(connection, run, run.stages[-1].first if run.stages else 0)
    ahead, unit = _ahead(run, scores)
    said = _of_reward(ahead, scores) or f"No forecast: {ahead.why}."
    return ahead, scores, unit, f"{said} {ahead.because}." if ahead.because and ahead.identifiable else said
