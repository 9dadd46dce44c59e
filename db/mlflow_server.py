"""The way into MLflow: the few calls that the mirror needs, with MLflow's many errors drawn to two.

* MirrorAway    MLflow cannot be reached or opened: nothing is lost, the next call goes on
* Refused       MLflow does not take this one request
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from db.mlflow_names import LONGEST_PARAM, LONGEST_TAG, accepted, text_of

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Metric, Param, RunTag
    from mlflow.entities import Run as MlflowRun

BATCH = 1000  # metrics per request: MLflow's limit
MOST = 100  # params or tags per request
LARGEST = 150_000  # characters of them: a request may have 1 MB, and JSON writes a character in up to 6 bytes
AWAY = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "UNAUTHENTICATED"}
KEY = "stepwell.mirror"
QUIET = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # else it tries an absent server for four minutes
    "MLFLOW_DISABLE_TELEMETRY": "true",  # else it tells its makers what it is used for
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""MLflow's own variables, where the user has not set them."""


class MirrorAway(Exception):
    """MLflow cannot be reached or opened; the message is one line."""


class Refused(Exception):
    """MLflow does not take this; the message is one line."""


@dataclass(slots=True)
class Page:
    """One MLflow run and what it holds, so that only news is sent. metrics: names that have points."""

    id: str
    name: str
    status: str
    experiment: str
    deleted: bool
    tags: dict[str, str]
    params: dict[str, str]
    metrics: set[str]

    def renamed(self, prefix: str, here: Mapping[str, object] | set[str]) -> dict[str, str]:
        """Name as logged -> name in MLflow, of everything in `here`; the tags under `prefix` hold the originals."""
        changed = {tag.removeprefix(prefix): name for tag, name in self.tags.items() if tag.startswith(prefix)}
        return {changed.get(name, name): name for name in {*here, *changed}}


class Server:
    """One MLflow store. Raises MirrorAway when it cannot be opened."""

    def __init__(self, target: str) -> None:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        self.target, self.experiments = target, dict[str, str]()
        try:
            with self._asking():
                self.client = MlflowClient(target)
                self.client.search_experiments(max_results=1)
        except Refused as error:
            raise MirrorAway(str(error)) from error

    @contextmanager
    def _asking(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            kind = MirrorAway if error.error_code in AWAY else Refused
            raise kind(self._said(error)) from error
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise MirrorAway(self._said(error)) from error

    def _said(self, error: Exception) -> str:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return f"MLflow at {shown(self.target)}: {shown(lines[0], self.target)[:300]}"

    def experiment(self, name: str) -> str:
        """The id of the experiment with this name; made when new."""
        name = name[:500]
        if name not in self.experiments:
            with self._asking():
                known: Experiment | None = self.client.get_experiment_by_name(name)
                if known is not None and known.lifecycle_stage == "deleted":
                    raise Refused(f"the experiment {name!r} was deleted in MLflow; restore it there to go on")
                folder = artifacts(self.target)
                place = (folder / accepted(name)).as_uri() if folder else None
                self.experiments[name] = known.experiment_id if known else self.client.create_experiment(name, place)
        return self.experiments[name]

    def open(self, run_id: str) -> Page | None:
        """The MLflow run with this id, deleted or not; None if MLflow never had it or has purged it."""
        from mlflow.exceptions import MlflowException

        with self._asking():
            try:
                return _page(self.client.get_run(run_id))
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return None
                raise

    def find(self, experiment: str, tag: str, value: str) -> list[Page]:
        """The runs of an experiment that have this tag, without those that were deleted."""
        with self._asking():
            return [_page(run) for run in self.client.search_runs([experiment], f"tags.`{tag}` = '{value}'")]

    def create(self, experiment: str, name: str, started: int, tags: Mapping[str, str]) -> Page:
        """A new MLflow run. started: ms since the epoch."""
        with self._asking():
            return _page(self.client.create_run(experiment, started, dict(tags), name))

    def delete(self, page: Page) -> None:
        """Move a run to MLflow's trash, from where it can be restored."""
        with self._asking():
            self.client.delete_run(page.id)

    def set_state(self, page: Page, name: str, status: str, ended: int) -> None:
        """Name and status. ended: ms since the epoch, where the status is FINISHED."""
        if (page.name, page.status) == (name, status):
            return
        with self._asking():
            if page.status != status and status == "FINISHED":
                self.client.set_terminated(page.id, status, ended)
            self.client.update_run(page.id, status, name)
        page.name, page.status = name, status

    def describe(self, page: Page, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Send those params and tags that MLflow does not have like this yet. A param must be new to the page."""
        from mlflow.entities import Param, RunTag

        tags = {name: text_of(value, LONGEST_TAG) for name, value in tags.items() if value}
        new_tags = [RunTag(*tag) for tag in tags.items() if page.tags.get(tag[0]) != tag[1]]
        new_params = [Param(name, value[:LONGEST_PARAM]) for name, value in params.items() if name not in page.params]
        for batch in _batches(new_tags):
            self._log(page, tags=batch)
        for batch in _batches(new_params):
            self._log(page, params=batch)
        page.tags.update(tags)
        page.params.update({param.key: param.value for param in new_params})

    def log(self, page: Page, metrics: Sequence[Metric]) -> None:
        """At most BATCH points, in one request."""
        self._log(page, metrics=metrics)
        page.metrics.update(metric.key for metric in metrics)

    def _log(self, page: Page, **entities: Sequence[Any]) -> None:
        with self._asking():
            self.client.log_batch(page.id, **entities, synchronous=True)


def _page(run: MlflowRun) -> Page:
    info, data = run.info, run.data
    name = info.run_name or ""
    deleted = info.lifecycle_stage == "deleted"
    tags, params = dict(data.tags), dict(data.params)
    return Page(info.run_id, name, info.status, info.experiment_id, deleted, tags, params, set(data.metrics))


def _batches(entities: Sequence[Param | RunTag]) -> Iterator[list[Param | RunTag]]:
    """At most as many, and as much text, as MLflow takes in one request."""
    batch: list[Param | RunTag] = []
    room = LARGEST
    for one in entities:
        size = len(one.key) + len(one.value)
        if len(batch) == MOST or (batch and size > room):
            yield batch
            batch, room = [], LARGEST
        batch.append(one)
        room -= size
    if batch:
        yield batch


def artifacts(target: str) -> Path | None:
    """Where MLflow would keep files of experiments in an SQLite store (we write none): beside it, not in whatever
    folder the command was given in. None: the server knows."""
    if not target.startswith("sqlite:///"):
        return None
    return Path(sa.make_url(target).database or "").resolve().parent / "mlflow-artifacts"


def shown(text: str, uri: str | None = None) -> str:
    """A URI with its password hidden; or a text that may quote `uri`."""
    password = urlsplit(uri or text).password
    return text.replace(f":{password}@", ":***@") if password else text
