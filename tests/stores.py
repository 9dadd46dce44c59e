"""Stores for tests: runs that were never logged by anyone, written as the collector writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import sqlalchemy as sa

from collectors.contract import Part
from collectors.store import put, put_torn, take_back
from db import runs, sources
from db.block import Block, block_of
from db.sources import Place

MODIFIED = 1_700_000_000.0
"""When the files of these runs were last written, in s since the epoch."""


def ramp(first: int, last: int, names: Sequence[str] = ("actor/loss", "critic/score/mean"), base: float = 0.0) -> Block:
    """Steps first..last, ten seconds apart; metric k has the value base + step + k/10."""
    steps = list(range(first, last + 1))
    records = [{name: base + step + k / 10 for k, name in enumerate(names)} for step in steps]
    return block_of(steps, records, [MODIFIED - 100_000 + 10 * step for step in steps])


def points(step: int, values: Mapping[str, float], wall: float = float("nan")) -> Block:
    """One record."""
    return block_of([step], [values], [wall])


def make_run(
    connection: sa.Connection,
    project: str,
    name: str,
    blocks: Sequence[Block],
    *,
    trainer: str = "verl",
    file: str = "train.log",
    container: str = "verl-console",
    modified: float = MODIFIED,
) -> int:
    """A run with one file that holds these blocks (or one more file of a run that there is). Returns its id.

    Where a metric's steps go back, a new attempt begins and supersedes the older ones, as in the collector.
    """
    folder = f"/logs/{project}/{name}"
    run_id = runs.make(connection, project, name, folder)
    runs.set_trainer(connection, run_id, trainer)
    path = f"{folder}/{file}"
    sources.add(connection, Place(path, container, run_id=run_id, trainer=trainer, modified=modified))
    log_more(connection, path, blocks)
    return run_id


def log_more(
    connection: sa.Connection,
    path: str,
    blocks: Sequence[Block],
    *,
    torn: Block | None = None,
    modified: float | None = None,
) -> None:
    """What a pass of the collector stores when a file has grown. torn: what its unfinished end says, provisionally."""
    place = take_back(connection, sources.places(connection, [path])[path])
    place = replace(place, modified=place.modified if modified is None else modified)
    steps = np.concatenate([block.steps for block in blocks]).tolist() if blocks else []
    part = Part(
        blocks=list(blocks),
        rows=len(steps),
        first_step=steps[0] if steps else None,
        last_step=steps[-1] if steps else None,
    )
    place = put(connection, place, part, restarted=False, modified=place.modified)
    if torn is not None:
        place = put_torn(connection, place, Part(blocks=[torn]), modified=place.modified)
    sources.claim(connection, place)
