"""One row per run with the newest value of each of its metrics: for tables, lists and alerts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa

from db.block import Block, Floats, Ints
from db.prepared import Prepared
from db.schema import attempts, latest
from db.series import metrics_ever, series

SAME_METRICS = Prepared(  # the live step: every metric that the row holds is new
    sa.update(latest)
    .where(latest.c.run_id == sa.bindparam("of"), latest.c.metric_ids == sa.bindparam("ids"))
    .values({name: sa.bindparam(name) for name in ("step", "wall", "steps", "vals")})
)


def update(connection: sa.Connection, run_id: int, metric_ids: Sequence[int] | Ints, block: Block) -> None:
    """Keep the run's row of newest values; the block is newer than what the row holds."""
    ids, steps, values = _last_of_each(np.asarray(metric_ids, np.int32), block)
    wall = float(block.walls[-1])
    new = {"step": int(block.steps[-1]), "wall": None if np.isnan(wall) else wall}
    row = {**new, "steps": steps.tobytes(), "vals": values.tobytes()}
    if SAME_METRICS.run(connection, {"of": run_id, "ids": ids.tobytes(), **row}).rowcount:
        return
    old = connection.execute(sa.select(latest).where(latest.c.run_id == run_id)).one_or_none()
    if old is None:
        connection.execute(sa.insert(latest).values(run_id=run_id, metric_ids=ids.tobytes(), **row))
        return
    ids, steps, values = _merged(old, ids, steps, values)
    row = {**new, "metric_ids": ids.tobytes(), "steps": steps.tobytes(), "vals": values.tobytes()}
    connection.execute(sa.update(latest).where(latest.c.run_id == run_id).values(row))


def _last_of_each(ids: np.ndarray, block: Block) -> tuple[np.ndarray, Ints, Floats]:
    order = np.argsort(ids, kind="stable")
    if block.present is None:
        return ids[order], np.full(len(ids), block.steps[-1]), block.values[-1, order]
    held = np.asarray(block.present.any(axis=0))
    here = order[held[order]]
    row = len(block) - 1 - block.present[::-1].argmax(axis=0)
    return ids[here], block.steps[row[here]], block.values[row[here], here]


def _merged(old: sa.Row, ids: np.ndarray, steps: Ints, values: Floats) -> tuple[np.ndarray, Ints, Floats]:  # type: ignore[type-arg]
    all_ids = np.concatenate([ids, np.frombuffer(old.metric_ids, np.int32)])
    unique, first = np.unique(all_ids, return_index=True)  # the first of two equal ids is the new one
    all_steps = np.concatenate([steps, np.frombuffer(old.steps, np.int64)])
    all_values = np.concatenate([values, np.frombuffer(old.vals)])
    return unique, all_steps[first], all_values[first]


def rebuild(connection: sa.Connection, run_id: int) -> None:
    """After an attempt has superseded another: back to the newest values of the live line."""
    wanted = [metric.id for metric in metrics_ever(connection, run_id)]
    curves = {key: curve for key, curve in series(connection, [run_id], wanted).items() if len(curve)}
    ids = np.array(sorted(metric for _, metric in curves), np.int32)
    lines = [curves[run_id, metric] for metric in ids.tolist()]
    steps = np.array([line.steps[-1] for line in lines], np.int64)
    values = np.array([line.values[-1] for line in lines])
    row = {"metric_ids": ids.tobytes(), "steps": steps.tobytes(), "vals": values.tobytes()}
    newest = sa.select(sa.func.max(attempts.c.last_step)).where(
        attempts.c.run_id == run_id, attempts.c.ends_at.is_(None)
    )
    step = connection.scalar(newest)
    if step is None:
        connection.execute(sa.delete(latest).where(latest.c.run_id == run_id))
        return
    connection.execute(sa.update(latest).where(latest.c.run_id == run_id).values(**row, step=step))
