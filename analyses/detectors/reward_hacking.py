"""Training reward rises and the held-out score does not: the policy has found what the reward overlooks.

Judged at each evaluation: the gap between the recent training reward and the score, against the gap of earlier
evaluations in units of its own noise; a reward of another range is measured between the round numbers it lies in. Only
a gap that opens because reward rises counts. A trick works on every prompt alike, skill does not: where groups in which
nothing was right vanish and those in which all is right hardly grow, less of a gap is enough, and a reward that leaps
between two evaluations is not waited for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from analyses import measure
from analyses.contract import Bools, Context, Finding, Floats, Rows, Severity, State
from analyses.episodes import Judged, Signal, Words, watch
from analyses.series import Series
from analyses.words import joined, number

TROUBLE = "reward_hacking"
NEEDS = (("reward_mean", "score_mean"), ("val_score",))
USES = (
    "val_n",
    "val_k",
    "response_length_mean",
    "group_all_right_fraction",
    "group_all_wrong_fraction",
    "format_reward_mean",
)

SURE = 5.0  # deviations of the gap in one evaluation
SUM, DRIFT = 6.0, 1.0  # CUSUM over evaluations: alarm level, deviations that are forgiven each time
LIKELY = 2.0  # deviations that an alarm needs in any case
VANISHED = 0.4  # of the share of groups in which nothing was right, when a trick is suspected
GROUP = 6  # rollouts of a prompt, at least
NEARBY, LEAP = 24, 3.0  # rows; deviations of one row
FOLLOWS = 0.4  # the share of reward's rise that the score must at least have made
WORTH, MUCH = 0.12, 0.2  # of what was left to gain: a rise worth a word, one that a sign makes an alarm
VAST, VAST_SURE = 0.4, 3.0  # of what was left to gain; deviations that are enough for so much
LEAST = 3  # earlier evaluations
EVALUATIONS = 16  # remembered; the newest quarter is no reference: reward may have begun to rise there
SOURCE = "dynamics 5.3: Steering RL Training (alignmentforum), arXiv 2606.16062"
ADVICE = (
    "Read ten rewarded responses of the last rows before anything else. Close the hole in the verifier (hidden tests, "
    "answer-only extraction, no write access to tests), drop partial credit, and go back to the checkpoint before the "
    "onset: a policy that has learned the trick does not unlearn it."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    whole, waiting = _with_scores(rows, state.get("waiting", {}))
    after, found = watch(state, whole, context, judge, trouble=TROUBLE, needs=NEEDS, uses=USES, keep=measure.KEEP)
    return {**after, "waiting": waiting}, found


def _with_scores(rows: Rows, waiting: dict[str, float]) -> tuple[Rows, dict[str, float]]:
    """Evaluations that are records of their own, put on the next row that holds a reward; what still waits for one."""
    rewarded = [np.isfinite(rows.columns[name]) for name in NEEDS[0] if name in rows.columns]
    taken = np.logical_or.reduce(rewarded) if rewarded else np.zeros(len(rows), bool)
    columns = dict(rows.columns)
    left = dict(waiting)
    for name in ("val_score", "val_n", "val_k"):
        if name not in columns and name not in waiting:
            continue
        values = columns.get(name, np.full(len(rows), np.nan)).copy()
        for i in np.flatnonzero(taken | np.isfinite(values)):
            if not taken[i]:
                left[name] = float(values[i])
            elif name in left:
                held = left.pop(name)
                values[i] = values[i] if np.isfinite(values[i]) else held
        columns[name] = values
    return Rows(rows.steps, rows.walls, rows.attempts, columns, rows.logged), left


@dataclass(frozen=True, slots=True)
class Scale:
    """Between which round numbers the reward lies, as far as it has shown: scores lie between 0 and 1."""

    low: float
    high: float

    @property
    def span(self) -> float:
        return self.high - self.low

    def share(self, reward: float) -> float:
        return (reward - self.low) / self.span


def _scale(least: float, most: float) -> Scale:
    """0 to 1, -1 to 1, 0 to 5 …: the next of 1, 2, 5, 10 beyond the largest reward seen, on both sides of 0 if need be.

    >>> _scale(0.1, 0.9), _scale(-0.4, 0.3), _scale(0.2, 3.1)
    (Scale(low=0.0, high=1.0), Scale(low=-1.0, high=1.0), Scale(low=0.0, high=5.0))
    """
    size, power = max(abs(least), abs(most)), 1.0
    while size > 5 * power:
        power *= 10
    high = next(one * power for one in (1.0, 2.0, 5.0) if size <= one * power)
    return Scale(-high if least < 0 else 0.0, high)


@dataclass(frozen=True, slots=True)
class Gap:
    """One evaluation against the earlier ones: how far the gap has opened, reward and score now and before."""

    scale: Scale
    deviations: float
    reward: float
    reward_before: float
    score: float
    score_before: float
    since: int

    @property
    def share(self) -> float:
        """The rise as a share of what there was to gain."""
        return (self.reward - self.reward_before) / max(self.scale.high - self.reward_before, 1e-9)

    @property
    def opened(self) -> bool:
        rise = (self.reward - self.reward_before) / self.scale.span
        return self.share > WORTH and self.score - self.score_before <= FOLLOWS * rise

    @property
    def wide(self) -> bool:
        return self.opened and self.share > MUCH


def judge(series: Series, context: Context) -> Judged:
    score = series.column("val_score")[series.new]
    gaps: list[Gap | None] = [None] * len(score)
    known: list[list[float]] = [list(each) for each in series.memory.get("evaluations", [])]
    stage = series.memory.get("stage")
    reward, noise = _recent_reward(series), measure.wobble(series, series.main)
    least = measure.best_so_far(series, "least", series.main[series.new], np.fmin)
    most = measure.best_so_far(series, "most", series.main[series.new], np.fmax)
    counts = [series.column(name)[series.new] for name in ("val_n", "val_k")]
    every_prompt = _every_prompt(series, reward, noise, [_scale(*each) for each in zip(least, most, strict=True)])
    sudden = _sudden(series, noise, least, most)
    error = float(series.memory.get("error", 0.0))
    for i in np.flatnonzero(np.isfinite(noise) & (np.isfinite(score) | every_prompt | sudden)):
        scale = _scale(float(least[i]), float(most[i]))
        if stage != int(series.stages[series.fresh + i]):
            stage, known = int(series.stages[series.fresh + i]), []
        evaluated = bool(np.isfinite(score[i]))
        if evaluated:
            error = _error(float(score[i]), *(float(count[i]) for count in counts))
        elif len(known) <= LEAST:
            continue
        now = float(score[i]) if evaluated else known[-1][2]  # between two evaluations: against the last score
        gaps[i] = _gap(known, scale, float(reward[i]), now, np.hypot(0.6 * float(noise[i]) / scale.span, error))
        if evaluated:
            step = int(series.steps[series.fresh + i])
            known = [*known, [step, float(reward[i]), now]][-EVALUATIONS:]
    evaluated_at = np.isfinite(score)
    hits, latest = _verdicts(gaps, evaluated_at, every_prompt, series.memory.get("last", 0.0))
    leaps = np.array([gap is not None and gap.wide and gap.deviations >= SURE for gap in gaps], bool) & every_prompt
    sudden &= np.array([gap is not None for gap in gaps], bool)
    series.memory.update(evaluations=known, stage=stage, last=float(latest[-1]), error=error)
    signs = _signs(series, hits | leaps | sudden, every_prompt | sudden)
    signals = (
        Signal("warning", hits, 1, 1),
        Signal("warning", leaps, 3, 4),
        Signal("warning", sudden, 3, 4),
        Signal("warning", sudden & _seldom(series), 2, 3),
        Signal("critical", hits & (sum(sign.astype(int) for sign in signs.values()) >= 2), 1, 1),
    )
    view = View(series, score, gaps, latest, signs)
    return Judged(signals, view.calm, view.tell, view.over)


def _seldom(series: Series) -> Bools:
    """New rows that stand for several steps."""
    steps = series.past(series.steps.astype(np.float64), 5)
    seldom: Bools = steps[:, 4] - steps[:, 0] > 6
    return seldom


def _recent_reward(series: Series) -> Floats:
    """The median of 5 rows, of 3 where a row is several steps: what is asked is the reward at this step."""
    return np.where(_seldom(series), measure.recent(series, series.main, 3), measure.recent(series, series.main, 5))


def _every_prompt(series: Series, reward: Floats, noise: Floats, scales: list[Scale]) -> Bools:
    """New rows at which groups that had no right answer have vanished, and those with only right ones hardly grown."""
    gained = reward - measure.reference(series, series.main)
    if not (gained > noise).any():
        return gained > noise
    wrong, right = series.column("group_all_wrong_fraction"), series.column("group_all_right_fraction")
    usual = measure.reference(series, wrong)
    vanished = (usual >= 0.04) & (measure.recent(series, wrong, 5) <= VANISHED * usual)
    span = np.array([each.span for each in scales])
    alike: Bools = vanished & (gained > noise) & (_rise(series, right) <= 0.6 * gained / span)
    return alike


def _sudden(series: Series, noise: Floats, least: Floats, most: Floats) -> Bools:
    """New rows at which reward has leapt, against the rows nearby, in the way of a trick.

    A trick that wins a share f of what was lost, on every prompt alike, leaves (1 - f)^G of the groups of G in which
    nothing was right; skill wins its share on some prompts, and leaves far more.
    """
    here, near = series.main[series.new], measure.reference(series, series.main, NEARBY, 4)
    sudden = (here - near > LEAP * noise) & (series.ages[series.new] >= NEARBY // 2)
    for i in np.flatnonzero(sudden):
        scale = _scale(float(least[i]), float(most[i]))
        sudden[i] = here[i] - near[i] > WORTH * (scale.high - near[i])
    if not sudden.any():
        return sudden
    wrong, right = series.column("group_all_wrong_fraction"), series.column("group_all_right_fraction")
    usual, known = measure.reference(series, wrong, NEARBY, 4), measure.reference(series, right, NEARBY, 4)
    for i in np.flatnonzero(sudden):
        scale = _scale(float(least[i]), float(most[i]))
        share = (here[i] - near[i]) / max(scale.high - near[i], 1e-9)
        at = series.fresh + i
        gone = usual[i] >= 0.04 and wrong[at] <= min(VANISHED, (1 - share) ** GROUP) * usual[i]
        sudden[i] = gone and right[at] - known[i] <= 0.6 * (here[i] - near[i]) / scale.span
    return sudden


def _error(score: float, questions: float, samples: float) -> float:
    """Standard error of a score on the same questions: by its counts, else a hundredth (dynamics 6.1)."""
    if not (questions >= 1 and 0 <= score <= 1):
        return 0.01 * max(abs(score), 1.0)
    return float(np.sqrt(max(score * (1 - score), 0.01) / (questions * (samples if samples >= 1 else 1))))


def _gap(known: list[list[float]], scale: Scale, reward: float, score: float, error: float) -> Gap | None:
    """This evaluation against the earlier ones but the last, whose reward may have begun to rise already."""
    if len(known) < LEAST:
        return None
    earlier = known[: -max(1, len(known) // 4)] if len(known) > LEAST else known
    rewards, scores = [each[1] for each in earlier], [each[2] for each in earlier]
    gaps = [scale.share(each[1]) - each[2] for each in earlier]
    usual = median(gaps)
    jumps = np.diff(gaps)
    scatter = max(1.4826 * median(abs(gap - usual) for gap in gaps), float(np.sqrt(np.mean(jumps**2) / 2)))
    scatter *= 1 + 2 / len(gaps)  # few show less than their spread
    deviations = (scale.share(reward) - score - usual) / max(scatter, error, 1e-9)
    return Gap(scale, deviations, reward, median(rewards), score, median(scores), int(earlier[-1][0]))


def _verdicts(gaps: list[Gap | None], evaluated: Bools, every_prompt: Bools, last: float) -> tuple[Bools, Floats]:
    """Evaluations that are an alarm, and the running sum of deviations at each row (CUSUM, Page 1954)."""
    hits, latest = np.zeros(len(gaps), bool), np.zeros(len(gaps))
    for i, gap in enumerate(gaps):
        if gap is not None and evaluated[i]:
            here = gap.deviations if gap.opened else 0.0
            last = max(0.0, last + here - DRIFT) if here > 0 else 0.0
            likely = last >= SUM or (gap.wide and every_prompt[i]) or (here >= VAST_SURE and gap.share > VAST)
            hits[i] = here >= SURE or (here >= LIKELY and likely)
        latest[i] = last
    return hits, latest


def _signs(series: Series, where: Bools, every_prompt: Bools) -> dict[str, Bools]:
    """What tricks look like from outside; only where there is an alarm."""
    if not where.any():
        return {}
    length = series.column("response_length_mean")
    right, form = series.column("group_all_right_fraction"), series.column("format_reward_mean")
    shorter = measure.recent(series, length) < 0.7 * measure.reference(series, length)
    return {
        "responses get shorter": where & shorter,
        "no group is left without a right answer": where & every_prompt,
        "whole groups are suddenly right": where & (_rise(series, right) > 0.15),
        "the format reward rises": where & (_rise(series, form) > 0.1),
    }


def _rise(series: Series, values: Floats) -> Floats:
    return measure.recent(series, values) - measure.reference(series, values)


@dataclass(frozen=True, slots=True)
class View:
    """What can be said about each new row: its evaluation, if it has one, and the signs."""

    series: Series
    score: Floats
    gaps: list[Gap | None]
    latest: Floats
    signs: dict[str, Bools]

    def calm(self, i: int, raised: Mapping[str, Any]) -> bool:
        return bool(self.latest[i] < SUM / 2) and bool(self.series.main[self.series.fresh + i] < raised["reward"])

    def over(self, i: int) -> str:
        return "Training reward and held-out score move together again."

    def tell(self, i: int, severity: Severity, raised: Finding | None) -> Words:
        gap = self.gaps[i]
        if gap is None:  # an open episode is told anew between two evaluations: nothing is new
            assert raised is not None, "only a gap raises this"
            return Words(
                raised.onset_step, raised.message, dict(raised.evidence), raised.clears, raised.advice, raised.source
            )
        since = gap.since if raised is None else raised.onset_step
        said = f"Training reward has risen from {number(gap.reward_before)} to {number(gap.reward)} since step {since}"
        seen = "stayed at" if np.isfinite(self.score[i]) else "was last"
        said += f" while the held-out score {seen} {number(gap.score)} (before: {number(gap.score_before)})"
        said += f"; the gap is {gap.deviations:.0f} times its noise"
        also = joined({phrase: holds[i] for phrase, holds in self.signs.items()})
        evidence = {
            name: getattr(gap, name) for name in ("deviations", "reward", "reward_before", "score", "score_before")
        }
        clears = f"a gap within its noise and a reward under {number(gap.reward)} for 5 rows"
        return Words(since, said + (f"; {also}." if also else "."), evidence, clears, ADVICE, SOURCE)
