"""What the readers of rollouts share: of every response its length, whether it was right, and to which prompt.

The texts themselves are not kept. Lengths are tokens where the file holds token ids or counts, else characters: within
one prompt their ratio says the same.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from collectors.contract import Unread
from collectors.documents.contract import Document

PROMPTS = ("prompt_id", "group", "input", "prompt")
OUTPUTS = ("output", "completion", "response")
TOKENS = ("token_ids", "response_tokens", "completion_ids", "output_ids")
COUNTS = ("response_length", "completion_length", "num_tokens")
RIGHT = ("score", "reward", "acc", "correct", "is_correct")
BESIDE = frozenset(["step", "advantage", "index", "epoch", "group", "truncated", "masked", *PROMPTS, *COUNTS])
BATCHES, RESPONSES = 8, 2048  # newest batches of a file, responses of a batch, that are kept
TAIL, LEAST, FOLD = 4000, 500, 5.0  # characters at the end that are looked at for a loop; how well a loop compresses

Row = Mapping[str, Any]


def read_rows(rows: Iterable[tuple[int, Row]], unread: list[Unread]) -> Document:
    """rows: (line, record). What is no rollout is set aside."""
    batches: dict[int | None, list[dict[str, Any]]] = defaultdict(list)
    for line, row in rows:
        try:
            step, told = _response(row)
        except (TypeError, ValueError) as error:
            unread.append(Unread(line, f"no rollout: {error}"))
            continue
        if len(batches[step]) < RESPONSES:
            batches[step].append(told)
    kept = sorted(batches, key=lambda step: -1 if step is None else step)[-BATCHES:]
    content = {"batches": [_batch(step, batches[step]) for step in kept]} if kept else None
    return Document(unread=unread, content=json.dumps(content) if content else "")


def _batch(step: int | None, told: list[dict[str, Any]]) -> dict[str, Any]:
    """Columns; prompts as small numbers in the order in which they come."""
    numbers: dict[str, int] = {}
    return {
        "step": step,
        "unit": "tokens" if all(one["unit"] == "tokens" for one in told) else "characters",
        "prompt": [numbers.setdefault(one["prompt"], len(numbers)) for one in told],
        "length": [one["length"] for one in told],
        "right": [one["right"] for one in told],
        "cut": [one["cut"] for one in told],
        "loop": [one["loop"] for one in told],
    }


def _response(row: Row) -> tuple[int | None, dict[str, Any]]:
    """Raises ValueError where there is no text and no length."""
    output = next((row[name] for name in OUTPUTS if row.get(name) is not None), None)
    text = _text(output)
    count = _count(row)
    if count is None and output is None:
        raise ValueError("no response")
    prompt = next((_text(row[name]) for name in PROMPTS if row.get(name) is not None), "")
    step = row.get("step")
    cut = row.get("truncated")
    told = {
        "prompt": prompt,
        "unit": "characters" if count is None else "tokens",
        "length": len(text) if count is None else count,
        "right": _right(row),
        "cut": int(cut) if isinstance(cut, bool) else None,
        "loop": int(loops(text)),
    }
    return (step if isinstance(step, int) and not isinstance(step, bool) else None), told


def _count(row: Row) -> int | None:
    ids = next((row[name] for name in TOKENS if isinstance(row.get(name), list)), None)
    if ids is not None:
        return len(ids)
    return next((row[name] for name in COUNTS if isinstance(row.get(name), int)), None)


def _text(value: Any) -> str:
    """Plain text of a prompt or response; of a chat its last message."""
    if isinstance(value, list):
        last = value[-1] if value else ""
        return _text(last.get("content", "")) if isinstance(last, dict) else str(last)
    return "" if value is None else str(value)


def _right(row: Row) -> int | None:
    """1, 0, or None where the score is no matter of right and wrong."""
    value = next((row[name] for name in RIGHT if row.get(name) is not None), None)
    if value is None:  # TRL names a column after each reward function
        others = [v for name, v in row.items() if name not in BESIDE and isinstance(v, int | float)]
        value = others[0] if len(others) == 1 else None
    if isinstance(value, int | float) and value in (-1, 0, 1):
        return int(value > 0)
    return None


def loops(text: str) -> bool:
    """Does a response end in a repetition loop? Its last 4,000 characters (about 1,000 tokens) compress more than
    fivefold: no longer limit would help it."""
    import zlib

    tail = text[-TAIL:].encode(errors="replace")
    return len(tail) >= LEAST and len(tail) > FOLD * len(zlib.compress(tail, 6))
