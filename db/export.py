"""Points as long rows in Arrow, for `stepwell export` and `stepwell query`.

The columns are a promise (docs/cli.md): project, run, source, attempt, step, metric, quantity, value, wall_time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa

from db.runs import all_runs, attempts_of, sources_of
from db.series import Series, metrics_ever, series

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("project", "run", "source", "attempt", "step", "metric", "quantity", "value", "wall_time")
METRICS_AT_ONCE = 100


def points(connection: sa.Connection, run_ids: Collection[int], *, history: bool = False) -> Iterator[pa.RecordBatch]:
    """Batches of long rows with COLUMNS, run by run and metric by metric; values as logged.

    history=False gives the live line, one value per step; history=True every attempt, in emission order.
    """
    paths = {source.id: source.path for source in sources_of(connection, run_ids)}
    for run in all_runs(connection, run_ids):
        by_number = {one.number: paths[one.source_id] for one in attempts_of(connection, [run.id])}
        ids = [metric.id for metric in metrics_ever(connection, run.id)]
        for start in range(0, len(ids), METRICS_AT_ONCE):
            curves = series(connection, [run.id], ids[start : start + METRICS_AT_ONCE], history=history)
            for key in sorted(curves, key=lambda key: curves[key].metric.name):
                yield _batch(run.project, run.name, by_number, curves[key])


def _batch(project: str, run: str, paths: dict[int, str], curve: Series) -> pa.RecordBatch:
    import pyarrow as pa

    n = len(curve)
    numbers = np.unique(curve.attempts)
    source = pa.DictionaryArray.from_arrays(
        pa.array(np.searchsorted(numbers, curve.attempts), pa.int32()), pa.array([paths[i] for i in numbers.tolist()])
    )
    texts = (project, run, curve.metric.name, curve.metric.quantity or "")
    same = [pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([text])) for text in texts]
    # from_pandas=False: NaN is a value here, not a missing one
    columns = [
        same[0],
        same[1],
        source,
        pa.array(curve.attempts, pa.int32()),
        pa.array(curve.steps),
        same[2],
        same[3],
        pa.array(curve.values, from_pandas=False),
        pa.array(curve.walls, from_pandas=True),
    ]
    return pa.RecordBatch.from_arrays(columns, names=list(COLUMNS))


def schema() -> pa.Schema:
    """The schema of the batches, for a store without points too."""
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    kinds = (text, text, text, pa.int32(), pa.int64(), text, text, pa.float64(), pa.float64())
    return pa.schema(list(zip(COLUMNS, kinds, strict=True)))
