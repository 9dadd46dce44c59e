"""Training reward rises and the held-out score does not: the policy has found what the reward overlooks.

Judged at each evaluation: the gap between the recent training reward and the score, against the gap of earlier
evaluations in units of its own noise. Only a gap that opens because reward rises counts. A trick works on every
prompt alike, skill does not: where groups in which nothing was right vanish and those in which all is right hardly
grow, less of a gap is enough, and a reward that leaps between two evaluations is not waited for.
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
FOLLOWS = 0.4  # the share of reward's rise that the score must at least have made
WORTH, MUCH = 0.12, 0.2  # of what was left to gain: a rise worth a word, one that a sign makes an alarm
LEAST = 3  # earlier evaluations
EVALUATIONS = 12  # remembered
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
class Gap:
    """One evaluation against the earlier ones: how far the gap has opened, reward and score now and before."""

    deviations: float
    reward: float
    reward_before: float
    score: float
    score_before: float
    since: int

    @property
    def left(self) -> float:
        """What there was to gain, of a reward between 0 and 1; 0 of any other."""
        return 1 - self.reward_before if 0 <= self.reward_before <= 1 and self.reward <= 1 else 0.0

    @property
    def opened(self) -> bool:
        rise, gain = self.reward - self.reward_before, self.score - self.score_before
        return rise > WORTH * self.left and gain <= FOLLOWS * rise

    @property
    def wide(self) -> bool:
        return self.opened and self.reward - self.reward_before > MUCH * self.left


def judge(series: Series, context: Context) -> Judged:
    score = series.column("val_score")[series.new]
    gaps: list[Gap | None] = [None] * len(score)
    known: list[list[float]] = [list(each) for each in series.memory.get("evaluations", [])]
    stage = series.memory.get("stage")
    reward, noise = _recent_reward(series), measure.wobble(series, series.main)
    counts = [series.column(name)[series.new] for name in ("val_n", "val_k")]
    every_prompt = _every_prompt(series, reward, noise)
    error = float(series.memory.get("error", 0.0))
    for i in np.flatnonzero(np.isfinite(noise) & (np.isfinite(score) | every_prompt)):
        if stage != int(series.stages[series.fresh + i]):
            stage, known = int(series.stages[series.fresh + i]), []
        if not np.isfinite(score[i]):  # between two evaluations: against the last score
            if len(known) > LEAST:
                gaps[i] = _gap(known, float(reward[i]), known[-1][2], np.hypot(0.6 * float(noise[i]), error))
            continue
        error = _error(float(score[i]), *(float(count[i]) for count in counts))
        gaps[i] = _gap(known, float(reward[i]), float(score[i]), np.hypot(0.6 * float(noise[i]), error))
        step = int(series.steps[series.fresh + i])
        known = [*known, [step, float(reward[i]), float(score[i])]][-EVALUATIONS:]
    evaluated = np.isfinite(score)
    hits, latest = _verdicts(gaps, evaluated, every_prompt, series.memory.get("last", 0.0))
    leaps = np.array([gap is not None and gap.wide and gap.deviations >= SURE for gap in gaps], bool) & every_prompt
    series.memory.update(evaluations=known, stage=stage, last=float(latest[-1]), error=error)
    signs = _signs(series, hits | leaps, every_prompt)
    signals = (
        Signal("warning", hits, 1, 1),
        Signal("warning", leaps, 3, 4),
        Signal("critical", hits & (sum(sign.astype(int) for sign in signs.values()) >= 2), 1, 1),
    )
    view = View(series, gaps, latest, signs)
    return Judged(signals, view.calm, view.tell, view.over)


def _recent_reward(series: Series) -> Floats:
    """The median of 5 rows, of 3 where a row is several steps: what is asked is the reward at this step."""
    steps = series.past(series.steps.astype(np.float64), 5)
    sparse = steps[:, 4] - steps[:, 0] > 6
    return np.where(sparse, measure.recent(series, series.main, 3), measure.recent(series, series.main, 5))


def _every_prompt(series: Series, reward: Floats, noise: Floats) -> Bools:
    """New rows at which groups that had no right answer have vanished, and those with only right ones hardly grown."""
    gained = reward - measure.reference(series, series.main)
    if not (gained > noise).any():
        return gained > noise
    wrong, right = series.column("group_all_wrong_fraction"), series.column("group_all_right_fraction")
    usual = measure.reference(series, wrong)
    vanished = (usual >= 0.04) & (measure.recent(series, wrong, 5) <= VANISHED * usual)
    return vanished & (gained > noise) & (_rise(series, right) <= 0.6 * gained)


def _error(score: float, questions: float, samples: float) -> float:
    """Standard error of a score on the same questions: by its counts, else a hundredth (dynamics 6.1)."""
    if not (questions >= 1 and 0 <= score <= 1):
        return 0.01 * max(abs(score), 1.0)
    return float(np.sqrt(max(score * (1 - score), 0.01) / (questions * (samples if samples >= 1 else 1))))


def _gap(known: list[list[float]], reward: float, score: float, error: float) -> Gap | None:
    """This evaluation against the earlier ones but the last, whose reward may have begun to rise already."""
    if len(known) < LEAST:
        return None
    earlier = known[:-1] if len(known) > LEAST else known
    rewards, scores = [each[1] for each in earlier], [each[2] for each in earlier]
    gaps = [each[1] - each[2] for each in earlier]
    usual = median(gaps)
    jumps = np.diff(gaps)
    scatter = max(1.4826 * median(abs(gap - usual) for gap in gaps), float(np.sqrt(np.mean(jumps**2) / 2)))
    scatter *= 1 + 1.5 / len(gaps)  # few show less than their spread
    deviations = (reward - score - usual) / max(scatter, error, 1e-9)
    return Gap(deviations, reward, median(rewards), score, median(scores), int(earlier[-1][0]))


def _verdicts(gaps: list[Gap | None], evaluated: Bools, every_prompt: Bools, last: float) -> tuple[Bools, Floats]:
    """Evaluations that are an alarm, and the running sum of deviations at each row (CUSUM, Page 1954)."""
    hits, latest = np.zeros(len(gaps), bool), np.zeros(len(gaps))
    for i, gap in enumerate(gaps):
        if gap is not None and evaluated[i]:
            here = gap.deviations if gap.opened else 0.0
            last = max(0.0, last + here - DRIFT) if here > 0 else 0.0
            hits[i] = here >= SURE or (here >= LIKELY and (last >= SUM or (gap.wide and every_prompt[i])))
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
        said = (
            f"Training reward has risen from {number(gap.reward_before)} to {number(gap.reward)} since step {gap.since}"
        )
        said += f" while the held-out score stayed at {number(gap.score)} (before: {number(gap.score_before)})"
        said += f"; the gap is {gap.deviations:.0f} times its noise"
        also = joined({phrase: holds[i] for phrase, holds in self.signs.items()})
        evidence = {
            name: getattr(gap, name) for name in ("deviations", "reward", "reward_before", "score", "score_before")
        }
        clears = f"a gap within its noise and a reward under {number(gap.reward)} for 5 rows"
        return Words(gap.since, said + (f"; {also}." if also else "."), evidence, clears, ADVICE, SOURCE)
