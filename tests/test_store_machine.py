"""The store against a plain dict: ragged blocks, restarts, torn ends, crashes and seals, on both databases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from collectors.contract import Part
from collectors.store import put, put_torn, take_back
from db import points, runs
from db.block import block_of
from db.engine import reading, writing
from db.schema import metadata
from db.series import metrics_ever, metrics_of, newest, series
from db.sources import Place, add, claim, places

NAMES = ("reward", "entropy", "actor/lr", "val/score@8", "混合 度")
values = st.floats(width=64) | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324])
records = st.dictionaries(st.sampled_from(NAMES), values, min_size=1)
Told = list[tuple[int, int, str, float]]  # attempt, step, name, value


class Boom(Exception):
    """A crash in the middle of a transaction."""


class Model:
    """What the store must say, kept the slow and obvious way."""

    def __init__(self) -> None:
        self.told: list[list[tuple[int, dict[str, float]]]] = []  # attempts, each (step, record)

    def add(self, step: int, record: dict[str, float]) -> None:
        repeats = self.told and any(step <= s and record.keys() & r.keys() for s, r in self.told[-1])
        if not self.told or repeats:
            self.told.append([])
        self.told[-1].append((step, record))

    def first_step(self, attempt: int) -> int:
        """Of the first training row; of the first record before there is one."""
        rows = [step for step, record in self.told[attempt] if any(not name.startswith("val/") for name in record)]
        return rows[0] if rows else self.told[attempt][0][0]

    def history(self, name: str) -> list[tuple[int, int, float]]:
        return [(a + 1, s, r[name]) for a, told in enumerate(self.told) for s, r in told if name in r]

    def live(self, name: str) -> list[tuple[int, float]]:
        kept: dict[int, float] = {}
        for attempt, step, value in self.history(name):
            if all(step < self.first_step(later) for later in range(attempt, len(self.told))):
                kept[step] = value
        return sorted(kept.items())


class StoreMachine(RuleBasedStateMachine):
    engine: sa.Engine
    torn: tuple[int, dict[str, float]] | None

    @initialize()
    def empty(self) -> None:
        with self.engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(sa.delete(table))
        with self.engine.connect() as connection:  # ids that were remembered are gone with their rows
            connection.info.clear()
        self.engine.dispose()
        self.model, self.torn = Model(), None
        with writing(self.engine) as connection:
            run = runs.make(connection, "project", "run", "/runs/run")
            self.place = add(
                connection, Place("/runs/run/metrics.jsonl", "plain-jsonl", run_id=run, trainer="handwritten")
            )

    def write(self, told: list[tuple[int, dict[str, float]]], *, torn: bool = False, crash: bool = False) -> None:
        block = block_of([step for step, _ in told], [record for _, record in told])
        part = Part(blocks=[block], used=1, rows=len(told))
        with writing(self.engine) as connection:
            place = take_back(connection, self.place)
            store = put_torn if torn else put
            extra = {} if torn else {"restarted": False}
            place = store(connection, place, part, modified=1.0, **extra)  # type: ignore[arg-type]
            place = claim(connection, place)
            if crash:
                raise Boom
        self.place = place

    @rule(start=st.integers(0, 12), gaps=st.lists(st.integers(0, 2), max_size=12), data=st.data())
    def append(self, start: int, gaps: list[int], data: st.DataObject) -> None:
        """A piece of log: steps that mostly go forward, repeat at times, from anywhere."""
        self.tell([(step, data.draw(records)) for step in np.cumsum([start, *gaps]).tolist()])

    @rule(n=st.integers(1, 30), record=records)
    def append_forward(self, n: int, record: dict[str, float]) -> None:
        """The ordinary live run: the next steps, all metrics alike."""
        last = max((s for s, _ in self.model.told[-1]), default=0) if self.model.told else 0
        self.tell([(last + 1 + i, record) for i in range(n)])

    def tell(self, told: list[tuple[int, dict[str, float]]]) -> None:
        told = [*self.forget_torn({}), *told]
        self.write(told)
        for step, record in told:
            self.model.add(step, record)

    @rule(step=st.integers(0, 12), record=records)
    def torn_end(self, step: int, record: dict[str, float]) -> None:
        """An unfinished line shows at once, and is read again, with more of it there, before whatever comes next."""
        [(step, record)] = self.forget_torn(record) or [(step, record)]
        self.write([(step, record)], torn=True)
        self.before_torn, self.torn = [list(told) for told in self.model.told], (step, record)
        self.model.add(step, record)

    def forget_torn(self, more: dict[str, float]) -> list[tuple[int, dict[str, float]]]:
        """The model without the unfinished line; that line, as it is read now."""
        if self.torn is None:
            return []
        (step, record), self.torn, self.model.told = self.torn, None, self.before_torn
        return [(step, record | more)]

    @rule(step=st.integers(0, 12), record=records)
    def crash(self, step: int, record: dict[str, float]) -> None:
        """Killed before the commit: nothing of it is there, and the torn end still is."""
        with pytest.raises(Boom):
            self.write([(step, record)] * 1, crash=True)

    @precondition(lambda self: self.model.told)
    @rule()
    def forget_what_is_remembered(self) -> None:
        """Another process goes on from what the store holds."""
        self.engine.dispose()
        with reading(self.engine) as connection:
            self.place = places(connection)[self.place.path]

    @invariant()
    def says_what_was_told(self) -> None:
        if not hasattr(self, "model"):
            return
        with reading(self.engine) as connection:
            ids = {metric.name: metric.id for metric in metrics_ever(connection, self.place.run_id)}
            history = series(connection, [self.place.run_id], list(ids.values()), history=True)
            live = series(connection, [self.place.run_id], list(ids.values()))
            shown = {metric.name for metric, _s, _v in metrics_of(connection, self.place.run_id)}
            last = newest(connection, [self.place.run_id], ["reward_mean"])
        for name in NAMES:
            told = self.model.history(name)
            if not told:
                assert name not in ids
                continue
            past = history[self.place.run_id, ids[name]]
            assert same(list(zip(past.attempts, past.steps, past.values, strict=True)), told)
            now = live.get((self.place.run_id, ids[name]))
            line = [] if now is None else list(zip(now.steps, now.values, strict=True))
            assert same(line, self.model.live(name))
            assert (name in shown) == bool(line)
        if last and not self.place.provisional and (rewards := self.model.live("reward")):
            _metric, step, value = last[self.place.run_id, "reward_mean"]
            assert same([(step, value)], rewards[-1:])


def same(found: list[tuple], told: list[tuple]) -> bool:  # type: ignore[type-arg]
    """Equal to the last bit, NaN being NaN."""
    return [(*map(int, row[:-1]), float(row[-1]).hex()) for row in found] == [
        (*row[:-1], float(row[-1]).hex()) for row in told
    ]


def test_the_store_says_what_was_told(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "SEAL", 8)  # seal often
    monkeypatch.setattr(points, "LONGEST", 13)
    machine = type("Machine", (StoreMachine,), {"engine": engine})
    many = 60 if engine.dialect.name == "sqlite" else 25
    # No shrinking: on a store it takes minutes; the seed that is printed gives the case again.
    options = settings(
        max_examples=many,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    run_state_machine_as_test(machine, settings=options)
