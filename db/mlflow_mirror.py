"""Copies what was collected into MLflow, so that its UI shows what Stepwell knows.

An experiment per project, an MLflow run per run. Three things that MLflow cannot do decide the shape:

* **It cannot take a point back**, and its latest value is the highest (step, timestamp, value). So points that a later
  attempt has superseded (step >= `attempts.ends_at`) go to a child run, "<run> · attempt 1 (superseded)". Where points
  that were already copied become superseded, the MLflow run is deleted (MLflow keeps it in its trash) and written
  anew. How each attempt was divided stands in the tag `stepwell.attempt.<number>`; a tag that no longer tells the truth
  is what starts the run anew. A name that two files of a run log (JSON lines and TensorBoard of one job) is taken from
  the file that had it first; the other file's points go to a child run too, so that nothing doubles.
* **It has no transaction with our store.** A batch is written first and recorded in `mirrors` after. A process that
  dies in between sends the batch again, and MLflow's SQL store, whose primary key is (key, timestamp, step, run, value,
  is_nan), drops the copies. For that a point must bear the same time again: where the log has none it bears the
  modification time of its file, and that choice stands in the attempt's tag before the points are sent. An MLflow run
  that was made but not recorded is found by its tag `stepwell.mirror`.
* **It has no infinity**: its SQL store makes inf 1.8e308, a number that nobody logged and that flattens every curve
  beside it. NaN it keeps, and its UI shows a gap and, as the latest value, NaN. So inf is written as NaN (a point left
  out would show the last finite value as the latest), and the tag `stepwell.nonfinite.<name>` says at which steps it
  was +inf or -inf.

What the torn end of a log gave may be taken back, so it waits until it is confirmed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from db import settings
from db.block import Bools, Floats
from db.engine import reading
from db.evaluations import evaluations, in_lines
from db.mlflow_names import LONGEST_PARAM, LONGEST_TAG, mapped, text_of
from db.mlflow_server import BATCH, KEY, MirrorAway, Page, Refused, Server, artifacts, shown
from db.mlflow_state import (
    Points,
    State,
    Stretch,
    advance,
    begin,
    forget,
    furthest_step,
    pieces_since,
    points_between,
    state_of,
)
from db.runs import Run, all_runs
from db.series import Piece

__all__ = ["UI_ENVIRONMENT", "MirrorAway", "Mirrored", "default_uri", "mirror", "ui_command"]

WINDOW = 1024  # records that are turned into points at a time
MOST_STEPS = 150  # listed per metric and sign in `stepwell.nonfinite.<name>`
OVERTAKEN = "another process copies or collects it too; the next pass goes on"
PARENT = "mlflow.parentRunId"  # what nests a run under another in MLflow's UI
ATTEMPT, NAME, PARAM, CHANGED, NONFINITE = (
    f"stepwell.{what}." for what in ("attempt", "name", "param", "changed", "nonfinite")
)
SCORES = "stepwell.evaluations"
LAST_TIME = 8.64e12  # s since the epoch: JavaScript's clock goes no further

UI_ENVIRONMENT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
"""For `ui_command`: without it MLflow starts eight more processes, for jobs that a mirror does not have."""

Progress = Callable[[str, int, int], None]
"""(project/run, records copied, records to copy), after every batch."""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What one call copied. runs: how many got points; problems: one line each, of runs that MLflow refused."""

    runs: int
    points: int
    problems: tuple[str, ...] = ()


def default_uri() -> str:
    """MLFLOW_TRACKING_URI, else the setting `mlflow`, else mlflow.db in the user's data folder. Raises BadSettings."""
    return settings.load()["mlflow"].value


def ui_command(tracking_uri: str, port: int, host: str = "127.0.0.1") -> list[str]:
    """What starts MLflow's UI on a database, with UI_ENVIRONMENT. Raises ValueError for a server: it has its own UI."""
    if tracking_uri.startswith(("http:", "https:", "databricks")):
        raise ValueError(f"{shown(tracking_uri)} is a server with a UI of its own")
    folder = artifacts(tracking_uri)
    root = ["--default-artifact-root", folder.as_uri()] if folder else []
    # -P: without it `python -m` puts the user's folder first on sys.path.
    command = [sys.executable, "-P", "-m", "mlflow", "ui", "--backend-store-uri", tracking_uri]
    return [*command, "--host", host, "--port", str(port), "--workers", "1", "--no-serve-artifacts", *root]


def mirror(
    engine: sa.Engine,
    tracking_uri: str | None = None,
    *,
    run_ids: Collection[int] | None = None,
    progress: Progress | None = None,
) -> Mirrored:
    """Bring MLflow up to date with the store: what is new of every run (or of these).

    Raises MirrorAway when MLflow cannot be reached: what was copied is recorded, the next call goes on. Raises
    db.engine.StoreError for our own store.
    """
    target = tracking_uri or default_uri()
    with reading(engine) as connection:
        chosen = [run for run in all_runs(connection, run_ids) if run.attempts]
    if not chosen:
        return Mirrored(0, 0)
    copier = _Copier(engine, target, Server(target), progress)
    counts, problems = [], []
    for run in chosen:
        try:
            counts.append(copier.copy(run))
        except Refused as error:
            problems.append(f"{run.label}: {error}")
    return Mirrored(sum(count > 0 for count in counts), sum(counts), tuple(problems))


@dataclass(frozen=True, slots=True)
class _Copier:
    """Our store, MLflow, and what is copied from one to the other."""

    engine: sa.Engine
    target: str
    server: Server
    progress: Progress | None

    def copy(self, run: Run) -> int:
        """Bring one run up to date. Returns how many points were sent."""
        with reading(self.engine) as connection:
            state = state_of(connection, run, self.target)
        if not state.stretches:
            return 0
        page = self._page(state)
        if not begin(self.engine, state, self.target, page.id):
            self.server.delete(page)
            raise Refused(OVERTAKEN)
        quiet = time.time() - state.modified > settings.seconds(settings.load()["live_for"].value)
        ended = _milliseconds(state.modified if run.wall is None else run.wall)
        self.server.set_state(page, run.name, "FINISHED" if quiet else "RUNNING", ended)
        self._describe(page, state)
        return sum(self._copy(one, page, state) for one in state.stretches if (one.seq or 0) < one.confirmed)

    def _page(self, state: State) -> Page:
        """The MLflow run, if it still tells the truth; else a new one."""
        experiment = self.server.experiment(state.run.project)
        recorded = next((one.mlflow_run for one in state.stretches if one.mlflow_run), None)
        page = self.server.open(recorded) if recorded else None
        if page is not None and page.deleted:
            raise Refused("deleted in MLflow; restore it there to go on")
        purged = page is None and recorded is not None
        page = page or next(iter(self.server.find(experiment, KEY, state.key)), None)
        if page is not None and not purged and page.experiment == experiment and not self._is_stale(page, state):
            return page
        self._discard(page, state)
        return self.server.create(experiment, state.run.name, _milliseconds(state.started), {KEY: state.key})

    def _is_stale(self, page: Page, state: State) -> bool:
        """Does the MLflow run hold points that our store no longer has, or has superseded since?"""
        now = {_attempt_tag(one): one for one in state.stretches}
        told = {tag: _json(text) for tag, text in page.tags.items() if tag.startswith(ATTEMPT)}
        with reading(self.engine) as connection:
            return any(_has_moved(connection, layout, now.get(tag)) for tag, layout in told.items())

    def _discard(self, page: Page | None, state: State) -> None:
        forget(self.engine, state, self.target)
        if page is not None:
            # The children first: a pass that is interrupted here finds the run itself, and is taken up again.
            for child in self.server.find(page.experiment, PARENT, page.id):
                self.server.delete(child)
            self.server.delete(page)

    def _describe(self, page: Page, state: State) -> None:
        """Params and tags. A param can be set once: its later values become tags."""
        paths = dict.fromkeys(one.source.path for one in state.stretches)
        tags = {
            "stepwell.run_id": str(state.run.id),
            "stepwell.trainer": state.run.trainer,
            "stepwell.source": "\n".join(paths),
            "stepwell.attempts": str(len(state.stretches)),
            "stepwell.verdict": state.verdict,
            "mlflow.source.name": next(iter(paths)),
        }
        with reading(self.engine) as connection:
            scores = in_lines(evaluations(connection, run_ids=[state.run.id]), LONGEST_TAG)
        if scores or SCORES in page.tags:  # a metric could not be taken back when its document changes; a tag can
            tags[SCORES] = scores or "none"
        names = mapped(state.params, page.renamed(PARAM, page.params))
        values = {names[name]: text_of(value, LONGEST_PARAM) for name, value in state.params.items()}
        changed = {
            name: value
            for name, value in values.items()
            if page.params.get(name, value) != value or f"{CHANGED}{name}" in page.tags
        }
        tags |= {f"{PARAM}{names[name]}": name for name in state.params if names[name] != name}
        tags |= {f"{CHANGED}{name}": value for name, value in changed.items()}
        tags |= {_attempt_tag(one): json.dumps(_layout(page, one)) for one in state.stretches}
        self.server.describe(page, values, tags)

    def _copy(self, stretch: Stretch, page: Page, state: State) -> int:
        """Send the new records of one attempt, batch by batch. Returns how many points that were."""
        with reading(self.engine) as connection:
            found, names = pieces_since(connection, stretch)
        undated = self._undated(stretch, page, found)
        elsewhere = [i for i, name in names.items() if state.is_told_by_another(name, stretch)]
        child, sent, first = None, 0, stretch.seq or 0
        for batch, seq in _batches(found, first, stretch.confirmed):
            aside = _superseded(batch, stretch) | np.isin(batch.metric_ids, elsewhere)
            if aside.any():
                child = child or self._child(stretch, page, state)
                self._send(batch[aside], child, names, undated)
            if not aside.all():
                self._send(batch[~aside], page, names, undated)
            if not advance(self.engine, stretch, self.target, seq):
                raise Refused(OVERTAKEN)
            sent += len(batch)
            if self.progress is not None:
                self.progress(state.run.label, seq - first, stretch.confirmed - first)
        return sent

    def _undated(self, stretch: Stretch, page: Page, found: list[Piece]) -> int:
        """The time, in ms, of points whose log has none. What a pass chose holds until all that it meant to send is
        recorded: after an interruption the same points must bear the same time."""
        if all(_has_time(piece.walls).all() for piece in found):
            return 0
        until, chosen = _told(page, stretch).get("undated", (0, 0))
        if (stretch.seq or 0) >= until:
            # Where two attempts hold one step, the later one must be MLflow's latest: a millisecond apart is enough.
            chosen = _milliseconds(stretch.source.modified) + stretch.attempt.number - 1
        layout = _layout(page, stretch) | {"undated": (stretch.confirmed, chosen)}
        self.server.describe(page, {}, {_attempt_tag(stretch): json.dumps(layout)})
        return int(chosen)

    def _child(self, stretch: Stretch, page: Page, state: State) -> Page:
        """The MLflow run for what an attempt holds beside the run's own line."""
        key = f"{page.id}/{stretch.attempt.number}"
        found = self.server.find(page.experiment, KEY, key)
        if found:
            return found[0]
        why = "told by another file too" if stretch.attempt.ends_at is None else "superseded"
        name = f"{state.run.name} · attempt {stretch.attempt.number} ({why})"
        about = {"stepwell.run_id": str(state.run.id), "stepwell.source": stretch.source.path}
        child = self.server.create(
            page.experiment, name, _milliseconds(state.started), {KEY: key, PARENT: page.id, **about}
        )
        self.server.set_state(child, name, "FINISHED", _milliseconds(stretch.source.modified))
        return child

    def _send(self, points: Points, page: Page, names: dict[int, str], undated: int) -> None:
        """One batch into one MLflow run, and before it what must be said of its names and values."""
        from mlflow.entities import Metric

        logged = {names[i] for i in points.metric_ids.tolist()}
        chosen = mapped(logged, page.renamed(NAME, page.metrics))
        keys = {i: chosen[name] for i, name in names.items() if name in logged}
        tags = {f"{NAME}{chosen[name]}": name for name in logged if chosen[name] != name}
        self.server.describe(page, {}, tags | _infinite(points, keys, page))
        dated = _has_time(points.walls)
        times = np.where(dated, np.rint(np.where(dated, points.walls, 0) * 1000), undated).astype(np.int64)
        values = np.where(np.isinf(points.values), np.nan, points.values)
        rows = zip(points.metric_ids.tolist(), values.tolist(), times.tolist(), points.steps.tolist(), strict=True)
        self.server.log(page, [Metric(keys[i], value, time, step) for i, value, time, step in rows])


def _batches(found: list[Piece], start: int, stop: int) -> Iterator[tuple[Points, int]]:
    """(points, the record that is next when they are sent) of records start..stop."""
    for first in range(start, stop, WINDOW):
        last = min(first + WINDOW, stop)
        points = points_between(found, first, last)
        for at in range(0, max(len(points), 1), BATCH):
            rest = points.records[at + BATCH : at + BATCH + 1].tolist()
            yield points[at : at + BATCH], rest[0] if rest else last


def _superseded(points: Points, stretch: Stretch) -> Bools:
    ends = stretch.attempt.ends_at
    return np.zeros(len(points), bool) if ends is None else points.steps >= ends


def _has_time(walls: Floats) -> Bools:
    return (walls >= 0) & (walls < LAST_TIME)


def _milliseconds(seconds: float) -> int:
    return int(min(max(seconds, 0), LAST_TIME) * 1000)


def _infinite(points: Points, keys: dict[int, str], page: Page) -> dict[str, str]:
    """The tags that say which NaN are infinities, with those that the page has already."""
    tags: dict[str, dict[str, Any]] = {}
    at = np.flatnonzero(np.isinf(points.values))
    these = points[at]
    for i, step, value in zip(these.metric_ids.tolist(), these.steps.tolist(), these.values, strict=True):
        tag = f"{NONFINITE}{keys[i]}"
        told = tags.setdefault(tag, _json(page.tags.get(tag)))
        steps = told.setdefault("+inf" if value > 0 else "-inf", [])
        if step not in steps and len(steps) < MOST_STEPS:
            steps.append(step)
        elif step not in steps:
            told["and more"] = True
    return {tag: json.dumps(told) for tag, told in tags.items()}


def _attempt_tag(stretch: Stretch) -> str:
    return f"{ATTEMPT}{stretch.attempt.number}"


def _told(page: Page, stretch: Stretch) -> dict[str, Any]:
    return _json(page.tags.get(_attempt_tag(stretch)))


def _json(tag: str | None) -> dict[str, Any]:
    """A tag of ours; {} where someone else has written over it."""
    try:
        told = json.loads(tag or "{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _layout(page: Page, stretch: Stretch) -> dict[str, Any]:
    """How an attempt is divided: its points from this step on are not in the run itself."""
    return _told(page, stretch) | {"id": stretch.attempt.id, "superseded_from": stretch.attempt.ends_at}


def _has_moved(connection: sa.Connection, layout: dict[str, Any], stretch: Stretch | None) -> bool:
    """Did the attempt vanish, or is a point of it now on the other side of `superseded_from`?"""
    if stretch is None or stretch.attempt.id != layout.get("id") or stretch.seq is None:
        return True
    if stretch.seq > stretch.attempt.records:
        return True
    ends = {layout.get("superseded_from"), stretch.attempt.ends_at}
    if len(ends) == 1:
        return False
    # A batch may be in MLflow and not recorded: it counts as sent.
    furthest = furthest_step(connection, stretch.attempt.id, stretch.seq + BATCH)
    return furthest is not None and furthest >= min(end for end in ends if end is not None)
