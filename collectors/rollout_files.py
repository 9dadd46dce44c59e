"""Files of rollouts: one record per response, which is no metric. Told by what the trainers put in them.

{"input": "…", "output": "…", "gts": "42", "score": 1.0, "step": 3}
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson

KEYS: tuple[tuple[str, frozenset[str]], ...] = (
    ("prime-rl token export", frozenset({"token_ids", "loss_mask", "inference_logprobs"})),
    ("NeMo-RL train data", frozenset({"token_ids", "rewards"})),
    ("NeMo-RL train data", frozenset({"content", "rewards", "idx"})),
    ("open-instruct rollouts", frozenset({"prompt_tokens", "response_tokens", "reward"})),
    ("AReaL rollouts", frozenset({"task_id", "prompt", "completion"})),
    ("rLLM episode", frozenset({"episode_id", "trajectories"})),
    ("prime-rl traces", frozenset({"traces"})),
    ("SkyRL evaluation", frozenset({"input_prompt", "output_response"})),
    ("verl rollouts", frozenset({"input", "output", "score"})),
    ("completions", frozenset({"prompt", "completion"})),
    ("completions", frozenset({"prompt", "response"})),
    ("chat messages", frozenset({"messages"})),
    ("chat messages", frozenset({"role", "content"})),
)
"""What such a file is called, and the keys of its first record that tell; the closest first."""
PARQUET = re.compile(r"completions_\d+\.parquet")
TABLES = {"tokens.parquet": "table of rollouts", "rollouts.parquet": "table of rollouts"}
BLOCKS = b"[prompt]"  # EasyR1's generations.log


def what(path: Path, head: bytes) -> str | None:
    """What a file holds if it holds rollouts. head: its first bytes."""
    if head.startswith(b"PAR1"):
        return "TRL completions" if PARQUET.fullmatch(path.name) else TABLES.get(path.name)
    if head.lstrip().startswith(BLOCKS):
        return "EasyR1 generations"
    record = _first(head)
    return (kind_of(record) if isinstance(record, dict) else None) or _by_long_line(head)


def kind_of(record: dict[str, Any]) -> str | None:
    """What a record is if it is a rollout."""
    return next((name for name, told in KEYS if told <= record.keys()), None)


def _first(head: bytes) -> Any:
    """The first record: a line, the first of a list, or a whole document."""
    for text in (head.partition(b"\n")[0], head):
        try:
            found = orjson.loads(text)
        except ValueError:
            continue
        return found[0] if isinstance(found, list) and found else found
    return None


def _by_long_line(head: bytes) -> str | None:
    """A record that goes on beyond the first bytes: the names that stand there with a colon."""
    if not head.lstrip().startswith(b"{"):
        return None
    names = {one.decode("ascii") for one in re.findall(rb'"([a-z_]{1,40})"\s{0,2}:', head)}
    return next((name for name, told in KEYS if told <= names), None)
