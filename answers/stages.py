"""Did the longer context help? A chain of runs on one axis, its stages, and what each switch did."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from analyses import length
from analyses.handoff import Handoff, Side, hand_off, mean, signed, window
from analyses.stages import Level, level_at
from answers import readiness as ready
from answers.chain import Chain, chain
from answers.changed import changes
from answers.laid import MAIN, ROWS, Good, Laid, Piece, Span
from answers.limits import Known, known, switch
from answers.readiness import Ready

SHOWN = ("reward_mean", "score_mean", "total_loss", "perplexity", "response_length_mean", "truncation_fraction")
SHOWN_TOO = ("val_score", "response_length_max", "entropy_token_mean")
LOSSES = ("total_loss", "policy_loss")  # compared where there is no reward, in nats per token: pretraining
FORECAST_SPAN = 50  # steps over which a forecast is compared with what came


@dataclass(frozen=True, slots=True)
class Foretold:
    """The truncated share that the rows before a switch foretold for the new limit, and what came within 50 steps."""

    share: float
    low: float
    high: float
    came: float


@dataclass(frozen=True)
class Switch:
    """From span to the next. changes: every other setting that differs, (key, before, after)."""

    before: Span
    after: Span
    report: Handoff
    foretold: Foretold | None

    @property
    def label(self) -> str:
        return switch(self.before.limit, self.after.limit) + (f" ({self.after.name})" if self.after.name else "")


@dataclass(frozen=True)
class Stages:
    """The chain of a run. quantity, word, good: what is compared; equal: (tokens, level of each span once it has spent
    so many, None where it has not); ready: of the chain's newest run; readiness: run id -> of each run."""

    chain: Chain
    spans: tuple[Span, ...]
    switches: tuple[Switch, ...]
    pieces: dict[str, tuple[Piece, ...]]
    quantity: str | None
    word: str
    good: Good
    equal: tuple[float, tuple[Level | None, ...]] | None
    readiness: dict[int, Ready]
    gpus_known: bool
    sentence: str

    @property
    def ready(self) -> Ready:
        return self.readiness[self.chain.members[-1].run.id]


def stages(connection: sa.Connection, run_id: int) -> Stages:
    """The stages of the chain that a run is part of. Raises KeyError for a run that is gone."""
    line = chain(connection, run_id)
    wanted = (*ready.QUANTITIES, *ROWS, *SHOWN, *SHOWN_TOO, *(name for name, _, _ in MAIN))
    every = [known(connection, member.run.id, wanted) for member in line.members]
    main, word, good = _main(every)
    laid = Laid(line, every)
    switches = _switches(laid, main, word, good)
    told = {run.run.id: ready.of(run) for run in every}
    pieces = {name: laid.pieces(name) for name in dict.fromkeys((*SHOWN, *SHOWN_TOO, *([main] if main else [])))}
    if main in LOSSES and not pieces["perplexity"]:
        pieces["perplexity"] = tuple(replace(one, values=np.exp(np.minimum(one.values, 50))) for one in pieces[main])
    return Stages(
        chain=line,
        spans=laid.spans,
        switches=switches,
        pieces={name: found for name, found in pieces.items() if found},
        quantity=main,
        word=word,
        good=good,
        equal=_equal(laid, main),
        readiness=told,
        gpus_known=all(run.gpus is not None for run in every),
        sentence=_sentence(laid.spans, switches, word, told[line.members[-1].run.id]),
    )


def _main(every: Sequence[Known]) -> tuple[str | None, str, Good]:
    for name, word, good in MAIN:
        if all(name in run.curves for run in every):
            return name, word, good
    return None, "reward", "up"


def _switches(laid: Laid, main: str | None, word: str, good: Good) -> tuple[Switch, ...]:
    found = []
    for before, after in zip(laid.spans, laid.spans[1:], strict=False):
        if before.limit == after.limit and not after.name and before.run_id != after.run_id:
            continue  # the same stage goes on in another run
        at = after.start - 1 if before.run_id == after.run_id else laid.run_of(after)[0].offset
        pre, post = laid.side(before, main, at), laid.side(after, main, at)
        old, new = laid.run_of(before)[1], laid.run_of(after)[1]
        changed = changes(old, new) if before.run_id != after.run_id else None
        report = hand_off(pre, post, (before.limit, after.limit), good=good, name=word, changed=changed, gpus=new.gpus)
        found.append(Switch(before, after, report, _foretold(pre, post, before.limit, after.limit)))
    return tuple(found)


def _foretold(pre: Side, post: Side, before: float | None, after: float | None) -> Foretold | None:
    if before is None or after is None:
        return None
    near = window(pre.steps, before=True)
    came = mean(post.cut[window(post.steps, before=False, span=FORECAST_SPAN)])
    try:
        told = length.forecast(pre.length[near], pre.cut[near], before, [after])
    except ValueError:
        return None
    return Foretold(*told.at(after), came) if math.isfinite(came) else None


def _equal(laid: Laid, main: str | None) -> tuple[float, tuple[Level | None, ...]] | None:
    """Every stage at the tokens that the shortest of them spent."""
    spent = [span.tokens for span in laid.spans]
    if main is None or len(spent) < 2 or not all(math.isfinite(one) and one > 0 for one in spent):
        return None
    by_span = {piece.span: piece for piece in laid.pieces(main)}
    levels: list[Level | None] = []
    for span in laid.spans:
        piece = by_span.get(span.number)
        if piece is None:
            levels.append(None)
            continue
        start = piece.tokens[-1] - span.tokens
        levels.append(level_at(piece.tokens - start, piece.values, min(spent)))
    return min(spent), tuple(levels)


def _sentence(spans: Sequence[Span], switches: Sequence[Switch], word: str, last: Ready) -> str:
    if not spans:
        return "Nothing has been logged yet that a stage could be made of."
    if not switches:
        known = spans[0].limit is not None
        stage = f", {spans[0].label} ({spans[0].how})" if known else "; its limit is not known"
        return f"One stage so far{stage}. {last.sentence}"
    told = "; ".join(_said(one, word) for one in switches) + "."
    more = [one.label for one in switches if one.report.changed]
    return (
        f"{told} Other settings changed at the same {'switch' if len(switches) == 1 else 'switches'}." if more else told
    )


def _said(one: Switch, word: str) -> str:
    """What a switch did, in a clause: "16K → 24K: reward +0.12 (+0.08 to +0.16) within 50 steps, 2.3× the time"."""
    report = one.report
    if not report.gains:
        return f"{one.label}: too few rows to tell"
    gain = report.gains[0]
    change = gain.change
    within = f"over its {gain.steps} steps" if gain.whole else f"within {gain.steps} steps"
    if not change.told_from_zero:
        said = f"{one.label}: {word} not distinguishable from before {within}"
    else:
        said = f"{one.label}: {word} {signed(change.value)} ({signed(change.low)} to {signed(change.high)}) {within}"
    ratio = report.seconds_ratio
    return f"{said}, {ratio:.2g}× the time per step" if math.isfinite(ratio) else said


def as_json(found: Stages) -> dict[str, Any]:
    """What `stepwell stages --json` says: everything but the curves."""
    return {
        "sentence": found.sentence,
        "chain": [
            {"run": m.run.label, "offset": m.offset, "end": m.end, "continues": m.why} for m in found.chain.members
        ],
        "guessed": found.chain.guessed,
        "branches": list(found.chain.others),
        "compared": {"quantity": found.quantity, "better": found.good},
        "hours_are": "GPU-hours" if found.gpus_known else "hours",
        "stages": [asdict(span) | {"label": span.label} for span in found.spans],
        "handoffs": [
            {
                "switch": one.label,
                "step": one.after.start,
                **asdict(one.report),
                "foretold": one.foretold and asdict(one.foretold),
            }
            for one in found.switches
        ],
        "at_equal_tokens": None
        if found.equal is None
        else {"tokens": found.equal[0], "levels": [one and asdict(one) for one in found.equal[1]]},
        "readiness": _ready(found.ready),
    }


def _ready(one: Ready) -> Mapping[str, Any]:
    past = [{"from": first, "to": last, "verdict": verdict} for first, last, verdict in one.past.spans()]
    return {**asdict(one.now), "missing": one.missing, "past": past}
