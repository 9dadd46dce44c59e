"""MLflow: any tracking URI (`mlflow:http://host:5000`, `mlflow:sqlite:///mlflow.db`), an mlflow.db; mlruns/ is read
by mlflow_files.py.

What Stepwell itself copied there (db/mlflow_mirror.py) is left out. A metric's history only ever grows, so the number
of its points that have been read is the place. Metrics of the machine (system/…, on an axis of their own) are left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from collectors.contract import Memory, Part
from collectors.stores.contract import StoredRun, StoreProblem, merged, part_of
from db.mlflow_server import KEY, MirrorAway, Server, shown

if TYPE_CHECKING:
    from mlflow.entities import Run as MlflowRun

OF_THE_MACHINE = "system/"


class MlflowStore:
    """One tracking URI. Raises StoreProblem where it cannot be opened."""

    NAME = "mlflow"

    def __init__(self, uri: str) -> None:
        self.where = re.sub(r"^sqlite:/+", "/", shown(uri))
        try:
            self.client = Server(uri).client
        except MirrorAway as error:
            raise StoreProblem(str(error)) from error
        self.uri = uri

    def runs(self) -> Iterable[StoredRun]:
        for run, project in self._all():
            if KEY not in run.data.tags:
                newest = max((one.timestamp for one in _latest(run)), default=run.info.start_time or 0)
                yield StoredRun(
                    run.info.run_id, project, run.info.run_name or run.info.run_id, _stamp(run), newest / 1e3
                )

    def read(self, run: StoredRun, memory: Memory) -> Part:
        known: dict[str, list[Any]] = memory.setdefault("metrics", {})
        try:
            held = self.client.get_run(run.key)
            part = part_of(merged(self._news(held, known)), memory)
        except Exception as error:  # MLflow raises what its stores and its HTTP client raise
            raise StoreProblem(shown(str(error).partition("\n")[0], self.uri)[:300]) from error
        part.config = dict(held.data.params)
        part.run, part.project = run.name, run.project
        return part

    def _all(self) -> Iterator[tuple[MlflowRun, str]]:
        try:
            for experiment in self._pages(self.client.search_experiments):
                oldest_first = ["attributes.start_time ASC"]  # a later run of the same name is a restart of it
                search = partial(self.client.search_runs, [experiment.experiment_id], order_by=oldest_first)
                for run in self._pages(search):
                    yield run, experiment.name
        except Exception as error:
            raise StoreProblem(shown(str(error).partition("\n")[0], self.uri)[:300]) from error

    @staticmethod
    def _pages(search: Any) -> Iterator[Any]:
        token = None
        while True:
            page = search(max_results=500, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _news(self, run: MlflowRun, known: dict[str, list[Any]]) -> Iterator[tuple[float, int, str, float]]:
        for newest in _latest(run):
            name = newest.key
            at = [newest.step, newest.timestamp]
            count, *before = known.get(name, [0])
            if before == at:
                continue
            history = self.client.get_metric_history(run.info.run_id, name)
            history = sorted(history, key=lambda one: (one.timestamp, one.step))
            for one in history[count:]:
                yield one.timestamp / 1e3, one.step, name, float(one.value)
            known[name] = [len(history), *at]


def _latest(run: MlflowRun) -> list[Any]:
    """The newest point of each metric, with its step; `run.data.metrics` has the values alone."""
    return [one for one in run.data._metric_objs if not one.key.startswith(OF_THE_MACHINE)]


def _stamp(run: MlflowRun) -> str:
    told = hashlib.blake2b(digest_size=12)
    for one in sorted(_latest(run), key=lambda one: str(one.key)):
        told.update(f"{one.key} {one.step} {one.timestamp}\n".encode())
    told.update(f"{run.info.status} {run.info.run_name} {sorted(run.data.params)}".encode())
    return told.hexdigest()
