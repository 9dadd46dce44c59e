"""Gives bytes to a reader as the collector does, and lays what it said side by side."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from collectors.contract import Part, Sample, Unread

CYAN, DIM, END = "\x1b[36m", "\x1b[2m", "\x1b[0m"
Record = tuple[int, float, dict[str, float]]


class Read(NamedTuple):
    records: list[Record]
    unread: list[Unread]
    rows: int
    first_step: int | None
    last_step: int | None
    config: dict[str, Any]
    run: str | None
    project: str | None


def feed(reader: ModuleType, *pieces: bytes) -> Read:
    """Gives the pieces as the collector does: what was not used comes again with the next one, the rest as torn."""
    memory: dict[str, Any] = {}
    parts: list[Part] = []
    waiting = b""
    for piece in pieces:
        waiting += piece
        parts.append(reader.read(waiting, memory, torn=False))
        waiting = waiting[parts[-1].used :]
        memory = json.loads(json.dumps(memory))
    if waiting:
        parts.append(reader.read(waiting, json.loads(json.dumps(memory)), torn=True))
    return joined(parts)


def joined(parts: list[Part]) -> Read:
    with_rows = [part for part in parts if part.rows]
    config: dict[str, Any] = {}
    for part in parts:
        config.update(part.config)
    return Read(
        [record for part in parts for record in records_of(part)],
        [unread for part in parts for unread in part.unread],
        sum(part.rows for part in parts),
        with_rows[0].first_step if with_rows else None,
        with_rows[-1].last_step if with_rows else None,
        config,
        next((part.run for part in parts if part.run), None),
        next((part.project for part in parts if part.project), None),
    )


def records_of(part: Part) -> list[Record]:
    found = []
    for block in part.blocks:
        assert len(set(block.names)) == len(block.names)
        assert block.values.shape == (len(block.steps), len(block.names)) == block.mask().shape
        assert block.values.dtype == np.float64 and block.steps.dtype == np.int64
        for step, wall, row in zip(block.steps.tolist(), block.walls.tolist(), block.values.tolist(), strict=True):
            found.append((step, wall, dict(zip(block.names, row, strict=True))))
    return found


def same(one: object, other: object) -> bool:
    """Equal, with NaN equal to NaN."""
    return repr(one) == repr(other)


def sample(text: str | bytes, name: str = "x.log") -> Sample:
    data = text.encode() if isinstance(text, str) else text
    return Sample(Path(name), data[: 1 << 16], data[: 2 << 20])


BODY = "step:7 - actor/lr:1e-06 - critic/score/mean:0.500"

CONFIG = f"""{CYAN}(TaskRunner pid=7){END} {{'actor_rollout_ref': {{'actor': {{'clip_ratio_high': 0.28,
{CYAN}(WorkerDict pid=8){END} {{'trainer': 'not this one',
{CYAN}(TaskRunner pid=7){END}                                  'note': 'a {{ - brace, '
{CYAN}(TaskRunner pid=7){END}                                          'and more',
{CYAN}(TaskRunner pid=7){END} WARNING: another thread of the same process
{CYAN}(TaskRunner pid=7){END}                                  'betas': [0.9,
{CYAN}(TaskRunner pid=7){END}                                            0.999],
{CYAN}(TaskRunner pid=7){END}                                  'scale': -inf,
{CYAN}(TaskRunner pid=7){END}                                  'loss_agg_mode': 'token-mean'}}}},
{CYAN}(TaskRunner pid=7){END}  'trainer': {{'experiment_name': 'dapo-7b',{CYAN}(pid=9){END} libgomp
{CYAN}(TaskRunner pid=7){END}              'logger': ['console', 'wandb'],
{CYAN}(TaskRunner pid=7){END}              'project_name': '数学',
{CYAN}(TaskRunner pid=7){END}              'total_training_steps': None}}}}
{CYAN}(TaskRunner pid=7){END} step:1 - a:1.0 - b:2.0
"""
