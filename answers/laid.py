"""The runs of a chain laid on one axis: their stages in place, what each spent, a quantity stage by stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analyses.handoff import Side
from analyses.stages import Stage, running_total
from answers.chain import Chain, Member
from answers.limits import Floats, Known, how, spoken

Ints = NDArray[np.int64]
Good = Literal["up", "down"]

MAIN: tuple[tuple[str, str, Good], ...] = (
    ("reward_mean", "reward", "up"),
    ("score_mean", "score", "up"),
    ("perplexity", "perplexity", "down"),
    ("total_loss", "loss", "down"),
    ("policy_loss", "loss", "down"),
)
"""What a stage is to move, the first that every run of the chain logs: quantity, word, direction that is better."""
ROWS = ("truncation_fraction", "response_length_mean", "time_step", "tokens_per_step", "tokens_total")


@dataclass(frozen=True, slots=True)
class Span:
    """A stage in its place. start, stop: steps of the chain; tokens, hours: spent in it (NaN unknown; GPU-hours where
    the number of GPUs is known). run: name; first: its own first step, for declaring and for links."""

    number: int
    run_id: int
    run: str
    first: int
    start: int
    stop: int
    limit: float | None
    origin: str
    how: str
    name: str
    tokens: float
    hours: float

    @property
    def label(self) -> str:
        return f"{spoken(self.limit)}{f' · {self.name}' if self.name else ''}"


@dataclass(frozen=True)
class Piece:
    """One quantity in one stage. steps, tokens, hours (n,): of the chain, cumulative, NaN unknown; own: the run's."""

    span: int
    run_id: int
    own: Ints
    steps: Ints
    tokens: Floats
    hours: Floats
    values: Floats


class Laid:
    """The runs of a chain with what they spent, on one axis."""

    def __init__(self, line: Chain, every: Sequence[Known]) -> None:
        self.runs = list(zip(line.members, every, strict=True))
        self.spent: list[tuple[Ints, Floats, Floats]] = []
        self.before: list[tuple[float, float]] = []  # tokens and hours spent before each run
        tokens = hours = 0.0
        for member, run in self.runs:
            self.before.append((tokens, hours))
            steps, used, clock = _spent(member, run)
            self.spent.append((steps, used + tokens, clock + hours))
            tokens, hours = (
                float(one[-1]) if len(one) else now for one, now in ((used + tokens, tokens), (clock + hours, hours))
            )
        self.spans = tuple(self._spans())

    def _spans(self) -> list[Span]:
        found: list[Span] = []
        for i, (member, run) in enumerate(self.runs):
            for stage in run.stages:
                if stage.first <= member.end:
                    found.append(self._span(len(found), i, member, run, stage))
        return found

    def _span(self, number: int, i: int, member: Member, run: Known, stage: Stage) -> Span:
        start, stop = stage.first + member.offset, min(stage.last, member.end) + member.offset
        steps, tokens, hours = self.spent[i]
        inside = (steps >= stage.first) & (steps <= min(stage.last, member.end))
        cost = [_cost(one, inside, base) for one, base in zip((tokens, hours), self.before[i], strict=True)]
        named = (run.run.id, run.run.name, stage.first, start, stop)
        return Span(number, *named, stage.limit, stage.origin, how(stage), stage.name, *cost)

    def pieces(self, name: str) -> tuple[Piece, ...]:
        """A quantity span by span; spans that do not log it are left out."""
        found = []
        for span, (i, stage_end) in zip(self.spans, self._places(), strict=True):
            member, run = self.runs[i]
            if name not in run.curves:
                continue
            own, (values,) = run.curves.rows(name)
            mine = (own >= (span.first if span.first > member.first else own.min(initial=0))) & (own <= stage_end)
            if mine.any():
                tokens, hours = (_at(own[mine], self.spent[i][0], one) for one in self.spent[i][1:])
                place = (own[mine], own[mine] + member.offset, tokens, hours)
                found.append(Piece(span.number, span.run_id, *place, values[mine]))
        return tuple(found)

    def _places(self) -> list[tuple[int, int]]:
        """(which run, the span's last own step) of each span."""
        return [
            (i, min(stage.last, member.end))
            for i, (member, run) in enumerate(self.runs)
            for stage in run.stages
            if stage.first <= member.end
        ]

    def run_of(self, span: Span) -> tuple[Member, Known]:
        return self.runs[self._places()[span.number][0]]

    def side(self, span: Span, name: str | None, switch: int) -> Side:
        """The rows of a span, counted from the chain's step `switch`."""
        member, run = self.run_of(span)
        end = self._places()[span.number][1]
        main = name or "reward_mean"
        own, (value, cut, long, seconds, tokens, total) = run.curves.rows(main, *ROWS)
        mine = (own >= span.first) & (own <= end) & (np.isfinite(value) | np.isfinite(cut) | np.isfinite(long))
        if np.isfinite(total).any() and not np.isfinite(tokens).any():
            tokens = np.diff(total, prepend=np.nan) / np.maximum(np.diff(own, prepend=own[:1] - 1), 1)
        value, cut, long, tokens, seconds = (one[mine] for one in (value, cut, long, tokens, seconds))
        scores = self._scores(member, run, span, end, switch)
        return Side(own[mine] + member.offset - switch, value, cut, long, tokens, seconds, scores)

    def _scores(self, member: Member, run: Known, span: Span, end: int, switch: int) -> tuple[Ints, Floats]:
        if "val_score" not in run.curves:
            return np.zeros(0, np.int64), np.zeros(0)
        own, (values,) = run.curves.rows("val_score")
        mine = (own >= (span.first if span.first > member.first else 0)) & (own <= end) & np.isfinite(values)
        return own[mine] + member.offset - switch, values[mine]


def _at(steps: Ints, known: Ints, spent: Floats) -> Floats:
    """What had been spent at these steps; NaN where nothing is known."""
    return np.interp(steps, known, spent) if len(known) else np.full(len(steps), np.nan)


def _cost(total: Floats, inside: NDArray[np.bool_], base: float) -> float:
    """What was spent in the rows `inside`. base: what had been spent before the first row of all."""
    at = np.flatnonzero(inside)
    return float(total[at[-1]] - (total[at[0] - 1] if at[0] else base)) if len(at) else math.nan


def _spent(member: Member, run: Known) -> tuple[Ints, Floats, Floats]:
    """(own steps, tokens, hours or GPU-hours) that a run has spent up to each row, from its own start."""
    steps, (main, seconds, each, total) = run.curves.rows(
        "response_length_mean", "time_step", "tokens_per_step", "tokens_total"
    )
    if not len(steps):
        names = [name for name, _, _ in MAIN if name in run.curves]
        steps = run.curves.rows(*names)[0]
        return steps, np.full(len(steps), np.nan), np.full(len(steps), np.nan)
    mine = (steps <= member.end) & (np.isfinite(main) | np.isfinite(seconds) | np.isfinite(each) | np.isfinite(total))
    steps, (seconds, each, total) = steps[mine], (one[mine] for one in (seconds, each, total))
    first = int(steps[0] - (np.median(np.diff(steps)) if len(steps) > 1 else 1)) if len(steps) else 0
    hours = running_total(steps, seconds, first) / 3600 * (run.gpus or 1)
    tokens = _since_start(steps, total) if np.isfinite(total).any() else running_total(steps, each, first)
    return steps, tokens, hours


def _since_start(steps: Ints, total: Floats) -> Floats:
    """A counter of tokens, from the run's own start: a job that goes on may count on."""
    there = np.isfinite(total)
    filled = np.interp(steps, steps[there], total[there])
    step = float(np.median(np.diff(filled))) if len(filled) > 1 else float(filled[0])
    return np.asarray(filled - filled[0] + min(float(filled[0]), step), np.float64)
