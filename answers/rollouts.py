"""Are wrong answers longer than right ones to the same prompt, and what would more room gain? From the responses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import sqlalchemy as sa
from numpy.typing import NDArray

from analyses.length import Extended, Within, cut_at, if_extended, tobit, within
from analyses.words import number, percent
from db import documents

Ints = NDArray[np.int64]
BATCHES = 8  # newest ones that are looked at


@dataclass(frozen=True, slots=True)
class Fitted:
    """A lognormal through every response, those at the limit censored (Tobit). limit: where they are cut off, tokens;
    doubled: the truncated share at twice that."""

    limit: float
    mu: float
    sigma: float
    doubled: float


@dataclass(frozen=True, slots=True)
class Rollouts:
    """steps: of the batches looked at; unit: of the lengths. within: wrong against right. cut: share that was cut off,
    NaN where the files do not say; looping: share of responses that end in a repetition loop. extended: what a longer
    limit could gain at most, None where nothing is known to be cut off; fitted: None there, too, and of characters."""

    steps: tuple[int, ...]
    responses: int
    unit: str
    within: Within
    cut: float
    looping: float
    extended: Extended | None
    fitted: Fitted | None
    sentence: str


def rollouts(connection: sa.Connection, run_id: int) -> Rollouts | None:
    """Of the newest batches that files beside the run hold; None where there are none."""
    batches = _newest(documents.of_kind(connection, "rollouts", [run_id]))
    if not batches:
        return None
    unit = "tokens" if all(one["unit"] == "tokens" for one in batches) else "characters"
    columns = [_columns(one, i) for i, one in enumerate(batches)]
    prompt, length, right, cut, loop = (np.concatenate(part) for part in zip(*columns, strict=True))
    known = right >= 0
    told = within(prompt[known], length[known].astype(np.float64), right[known] == 1)
    room = known & (cut >= 0)
    extended = None
    if (cut[room] == 1).any():
        extended = if_extended(prompt[room], (cut[room] == 1) & (loop[room] == 0), right[room] == 1)
    share = float((cut[cut >= 0] == 1).mean()) if (cut >= 0).any() else math.nan
    steps = tuple(int(one["step"]) for one in batches if one["step"] is not None)
    looping = float((loop == 1).mean())
    fitted = _fitted(length[cut >= 0], cut[cut >= 0]) if unit == "tokens" else None
    words = _sentence(told, extended, looping)
    return Rollouts(steps, len(prompt), unit, told, share, looping, extended, fitted, words)


def _fitted(length: Ints, cut: Ints) -> Fitted | None:
    if not (cut == 1).any():
        return None
    limit = float(np.median(length[cut == 1]))
    mu, sigma = tobit(np.minimum(length.astype(np.float64), limit), limit)
    return Fitted(limit, mu, sigma, float(cut_at(mu, sigma, 2 * limit))) if math.isfinite(sigma) else None


def _newest(held: list[documents.Document]) -> list[dict[str, Any]]:
    """The newest batches, each step once, told in tokens rather than in characters."""
    by_step: dict[int, dict[str, Any]] = {}
    for document in held:
        for batch in orjson.loads(document.content)["batches"] if document.content else []:
            step = -1 if batch["step"] is None else int(batch["step"])
            if step not in by_step or batch["unit"] == "tokens":
                by_step[step] = batch
    newest = [by_step[step] for step in sorted(by_step)[-BATCHES:]]
    units = {batch["unit"] for batch in newest}
    return newest if len(units) == 1 else [batch for batch in newest if batch["unit"] == "tokens"]


def _columns(batch: dict[str, Any], number_: int) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """prompt (of this batch alone), length, right, cut, loop; -1 for what is not known."""
    columns = [[-1 if v is None else v for v in batch[name]] for name in ("prompt", "length", "right", "cut", "loop")]
    prompt, length, right, cut, loop = (np.array(column, np.int64) for column in columns)
    return prompt + number_ * 1_000_000, length, right, cut, loop


def _sentence(told: Within, extended: Extended | None, looping: float) -> str:
    said = [_longer(told)]
    if extended is not None:
        between = f"{number(extended.low)} to {number(extended.high)}"
        said.append(
            f"if every truncated response were as right as the finished ones to its prompt, the reward would gain "
            f"+{extended.gain:.2g} ({between})"
        )
    if looping:
        said.append(f"{percent(looping)} of the responses end in a repetition loop, which no limit helps")
    return "; ".join(said) + "."


def _longer(told: Within) -> str:
    if not told.prompts:
        return "No prompt has both right and wrong answers that could be compared"
    low, value, high = (math.exp(one) for one in (told.low, told.median, told.high))
    if told.low <= 0 <= told.high:
        return f"To the same prompt right and wrong answers are about as long ({low:.2f} to {high:.2f} times)"
    word = "wrong answers are" if told.median > 0 else "right answers are"
    if told.median < 0:
        low, value, high = 1 / high, 1 / value, 1 / low
    return f"To the same prompt {word} {value:.2g} times as long ({low:.2g} to {high:.2g}, {told.prompts:,} prompts)"
