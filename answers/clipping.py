"""Is the update held back, and on which side? Clip shares, KL, and how far the rollout engine is from the trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from analyses.clipping import asymmetry, shares, spread_of
from analyses.level import ROWS, Drift, Level, level
from analyses.words import number, percent
from answers.curves import Curves, said
from db import runs

CLIPS = ("clip_fraction_total", "clip_fraction_low", "clip_fraction_high", "clip_fraction_dual")
KLS = ("kl_policy_old", "kl_ref")
CHECKS: dict[str, tuple[str, float, float]] = {
    "mismatch_kl": ("rollout/trainer KL (k3)", 0.0, 0.1),
    "is_ess": ("effective sample size", 0.3, np.inf),
    "is_ratio_mean": ("mean importance weight", 0.5, 2.0),
    "is_ratio_std": ("spread of the importance weight", 0.0, 1.0),
    "mismatch_chi2": ("chi-square", -np.inf, 1.0),
    "mismatch_pearson": ("correlation of the probabilities", 0.99, np.inf),
    "mismatch_prob_mean": ("mean gap of the probabilities", 0.0, np.inf),
}
"""Quantity -> what it is called, and between which values it is unsuspicious: the levels of verl's own health check,
and for the correlation those of MiniMax-M1."""
BASE = slice(10, 60)
"""Rows that "at first" is taken over."""


@dataclass(frozen=True)
class Check:
    """How far the rollout engine is from the trainer by one measure. low, high: unsuspicious between them."""

    quantity: str
    label: str
    level: Level
    low: float
    high: float

    @property
    def worries(self) -> bool:
        return not self.low <= self.level.value <= self.high


@dataclass(frozen=True)
class Clipping:
    """levels: share of tokens by quantity of CLIPS, and KLs in nats per token, over the newest rows.

    asymmetry: (above - below) / (above + below); expected: what the bounds alone would make of it, where the ratio
    moved evenly both ways with the same share clipped in all; at_first: the whole share in rows 10 to 60.
    only_nan: what is logged of clipping is never finite. idle: never was anything clipped.
    updates: of the policy per batch, None where the config does not say.
    bounds: clip_low, clip_high, clip_dual as far as the config says.
    """

    levels: dict[str, Level]
    drifts: dict[str, Drift]
    asymmetry: Level | None
    expected: float | None
    at_first: float | None
    idle: bool
    updates: float | None
    bounds: dict[str, float]
    kl_coef: float | None
    checks: list[Check]
    only_nan: bool
    sentence: str


def clipping(connection: sa.Connection, run_id: int) -> Clipping:
    """The numbers of one run."""
    curves = Curves(connection, run_id, [*CLIPS, *KLS, *CHECKS])
    known = runs.settings_of(connection, run_id)
    levels = {name: found for name in (*CLIPS, *KLS) if (found := curves.level(name)) is not None}
    drifts = {name: way for name in KLS if (way := curves.drift(name)) is not None}
    _, (low, high) = curves.rows("clip_fraction_low", "clip_fraction_high")
    whole = _whole(curves)
    first = whole[np.isfinite(whole)][BASE]
    bounds = {name: float(known[name]) for name in ("clip_low", "clip_high", "clip_dual") if _number(known.get(name))}
    parts: dict[str, Any] = {
        "levels": levels,
        "drifts": drifts,
        "asymmetry": level(asymmetry(low, high)),
        "expected": _expected(level(whole), bounds),
        "at_first": float(first.mean()) if np.isfinite(whole).sum() >= BASE.stop + ROWS else None,
        "idle": bool(len(whole) and np.isfinite(whole).any() and (whole[np.isfinite(whole)] == 0).all()),
        "updates": _updates(known),
        "bounds": bounds,
        "kl_coef": 0.0 if known.get("kl_on") is False else _number(known.get("kl_coef")),
        "checks": [
            Check(name, label, found, least, most)
            for name, (label, least, most) in CHECKS.items()
            if (found := curves.level(name)) is not None
        ],
    }
    parts["only_nan"] = curves.only_nan(*CLIPS)
    return Clipping(**parts, sentence=_sentence(Clipping(**parts, sentence=""), level(whole)))


def _whole(curves: Curves) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Share clipped in all, row by row: as logged, else above and below together."""
    if "clip_fraction_total" in curves:
        return curves.held["clip_fraction_total"].values
    _, (low, high) = curves.rows("clip_fraction_low", "clip_fraction_high")
    return low + high


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _updates(known: dict[str, Any]) -> float | None:
    """Batches over mini-batches, both in prompts."""
    batch, mini = _number(known.get("prompts_per_step")), _number(known.get("mini_batch"))
    return batch / mini if batch and mini and batch >= mini else None


def _expected(whole: Level | None, bounds: dict[str, float]) -> float | None:
    if whole is None or "clip_low" not in bounds or "clip_high" not in bounds:
        return None
    spread = spread_of(whole.value, bounds["clip_low"], bounds["clip_high"])
    if spread is None:
        return None
    below, above = shares(spread, bounds["clip_low"], bounds["clip_high"])
    return (above - below) / (above + below)


def _sentence(found: Clipping, whole: Level | None) -> str:
    return " ".join(part for part in (_of_clip(found, whole), _of_kl(found), _of_mismatch(found)) if part)


def _of_clip(found: Clipping, whole: Level | None) -> str:
    if whole is None and found.only_nan:
        return "Of its clipped tokens this run has logged nothing that is a number."
    if whole is None:
        return "This run logs no share of clipped tokens."
    if found.idle:
        why = "right for one update per batch; the config does not say how many there are"
        if found.updates is not None:
            many = f"although each batch makes {number(found.updates)} updates: the bounds are never reached"
            why = "as it must be with one update per batch" if found.updates == 1 else many
        return f"Nothing has ever been clipped: {why}."
    low, high = found.levels.get("clip_fraction_low"), found.levels.get("clip_fraction_high")
    if low is None or high is None or found.asymmetry is None:
        told = f"The clip cuts {said(whole, share=True)} of the tokens{_since(found, whole)}"
        return f"{told}; on which side, the log does not say."
    lean = found.asymmetry
    side = "above" if lean.low > 0 else "below" if lean.high < 0 else ""
    begin = f"The update is held back mostly {side}" if side else "The update is held back on both sides alike"
    told = f"{begin}: {percent(high.value)} of the tokens are clipped above and {percent(low.value)} below"
    return f"{told}, asymmetry {said(lean)}{_by_bounds(found)}."


def _by_bounds(found: Clipping) -> str:
    if found.expected is None:
        return ""
    return f", where the bounds alone would give {number(found.expected)}".replace("-", "−")


def _since(found: Clipping, whole: Level) -> str:
    times = whole.value / found.at_first if found.at_first else 1.0
    return f", {number(times)} times its share in rows 10 to 60" if not 0.5 < times < 2 else ""


def _of_kl(found: Clipping) -> str:
    ref, old = found.levels.get("kl_ref"), found.levels.get("kl_policy_old")
    if ref is None:
        off = "KL to the reference is off." if found.kl_coef == 0 else ""
        return f"{off} {'' if old is None else f'KL to the old policy is {said(old)} nats a token.'}".strip()
    drift = found.drifts.get("kl_ref")
    told = f"KL to the reference is {said(ref)} nats a token"
    if drift is not None and drift.clear:
        way = "up" if drift.slope > 0 else "down"
        told += f", {way} by {number(abs(drift.moved))} over the last {drift.span:,} steps"
    return f"{told}."


def _of_mismatch(found: Clipping) -> str:
    worries = [check for check in found.checks if check.worries]
    if not worries:
        return ""
    told = [
        f"{check.label} is {number(check.level.value)}, "
        + (f"under {number(check.low)}" if check.level.value < check.low else f"over {number(check.high)}")
        for check in worries
    ]
    return f"Rollout engine and trainer disagree: {'; '.join(told)}."
