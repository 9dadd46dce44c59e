"""What a run's config says to expect, before the first row: the traps in it, and how the detectors take it.

notes({"entropy_coef": 0.001, "clip_low": 0.2, "clip_high": 0.28})   # one Note per thing worth a word
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Note:
    """name: for scripts. severity: "warning" where others have lost runs to it, else "info". says: one sentence.
    source: where it comes from."""

    name: str
    severity: str
    says: str
    source: str


Settings = Mapping[str, Any]
Rule = Callable[[Settings], Note | None]


def notes(settings: Settings) -> list[Note]:
    """Every note that applies to these canonical settings (context_limit, entropy_coef, …), gravest first.

    A setting that is not stated says nothing: trainers' defaults are not guessed.
    """
    said = [note for rule in RULES if (note := rule(settings)) is not None]
    return sorted(said, key=lambda note: note.severity != "warning")


def _entropy_bonus(settings: Settings) -> Note | None:
    coefficient = _number(settings, "entropy_coef")
    if not coefficient > 0:
        return None
    said = f"An entropy bonus of {coefficient:g} can make entropy grow exponentially; DeepCoder removed it for that"
    said += " reason. A rise is taken for a blow-up sooner than without it."
    return Note("entropy_bonus", "warning", said, "dynamics 2.1; DeepCoder model card")


def _adaptive_entropy(settings: Settings) -> Note | None:
    if not _number(settings, "entropy_target") > 0:
        return None
    said = "Entropy is held at a target: that it stays there says nothing about exploration, and reward as a function"
    return Note("adaptive_entropy", "info", said + " of entropy cannot be extrapolated.", "dynamics 1.3; Skywork-OR1")


def _clip_higher(settings: Settings) -> Note | None:
    low, high = _number(settings, "clip_low"), _number(settings, "clip_high")
    if not high > low:
        return None
    said = f"The upper clip ({high:g}) is wider than the lower ({low:g}): entropy may rise and settle, so a rise alone"
    return Note("clip_higher", "info", said + " is no alarm.", "dynamics 1.3; DAPO, DeepCoder model card")


def _no_reference(settings: Settings) -> Note | None:
    off = settings.get("kl_on") is False or _number(settings, "kl_coef") == 0
    if not off or settings.get("kl_on") is True:
        return None
    return Note(
        "no_reference", "info", "KL to the reference is off: its curve, if any, steers nothing.", "dynamics 1.3"
    )


def _overlong_mask(settings: Settings) -> Note | None:
    if settings.get("overlong_mask") is not True:
        return None
    said = (
        "Truncated responses are masked: they count in the group's mean and in the token count, but teach nothing, so"
    )
    return Note("overlong_mask", "info", said + " reward may look better than ability.", "dynamics 3.5; rLLM")


def _off_policy(settings: Settings) -> Note | None:
    batch, mini = _number(settings, "prompts_per_step"), _number(settings, "mini_batch")
    if not 0 < mini < batch:
        return None
    updates = math.ceil(batch / mini)
    said = (
        f"{updates} updates a batch: all but the first are off-policy, so clipping and ratios away from 1 are normal."
    )
    return Note("off_policy", "info", said, "dynamics 1.3")


def _on_policy(settings: Settings) -> Note | None:
    batch, mini = _number(settings, "prompts_per_step"), _number(settings, "mini_batch")
    if not (batch > 0 and batch == mini):
        return None
    return Note("on_policy", "info", "One update a batch: a clipped share of exactly 0 is correct.", "dynamics 4.2")


def _sequence_clip(settings: Settings) -> Note | None:
    if "gspo" not in str(settings.get("algorithm", "")).lower():
        return None
    said = "GSPO clips whole sequences: bounds near 3e-4 and a clipped share near 0.15 are normal."
    high = _number(settings, "clip_high")
    if high > 0.05:
        said = f"GSPO with an upper clip of {high:g}: its bounds are for sequences (near 4e-4), these clip nothing."
        return Note("sequence_clip", "warning", said, "dynamics 1.3; GSPO arXiv 2507.18071")
    return Note("sequence_clip", "info", said, "dynamics 1.3; GSPO arXiv 2507.18071")


def _small_groups(settings: Settings) -> Note | None:
    size = _number(settings, "rollouts_per_prompt")
    if not 1 <= size < 4:
        return None
    silent = f"a prompt solved half of the time has no signal in {2 * 0.5**size:.0%} of its groups"
    said = f"{size:.0f} rollouts a prompt: {silent}." if size > 1 else "One rollout a prompt: a group has no spread."
    return Note("small_groups", "warning", said, "dynamics 5.1")


def _temperature(settings: Settings) -> Note | None:
    temperature = _number(settings, "temperature")
    if not temperature > 0 or temperature == 1:
        return None
    said = f"Rollouts are sampled at temperature {temperature:g}: entropy at 1.0 differs, and so do the probabilities"
    return Note("temperature", "info", said + " unless the trainer divides its logits too.", "dynamics 2.1, 4.1")


def _number(settings: Settings, name: str) -> float:
    """NaN where it is not stated or is no number: every comparison with it is False."""
    value = settings.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


RULES: tuple[Rule, ...] = (
    _entropy_bonus,
    _adaptive_entropy,
    _clip_higher,
    _no_reference,
    _overlong_mask,
    _off_policy,
    _on_policy,
    _sequence_clip,
    _small_groups,
    _temperature,
)
