"""That somebody still looks: when `stepwell check` last began and ended, for the dashboard to notice a dead cron."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median

import sqlalchemy as sa

from db.facts import facts_like, remember

KEY = "heartbeat:check"
KEPT = 10
LEAST = 900.0  # s without a check before anything is said
TIMES = 3.0  # x the usual time between two checks


@dataclass(frozen=True, slots=True)
class Beat:
    """The last check. s since the epoch; finished and code are None while it runs (or if it was killed).

    starts: when the last ones began, newest last. limit: s that it gave itself.
    """

    started: float
    finished: float | None = None
    code: int | None = None
    runs: int = 0
    limit: float = 0.0
    starts: Sequence[float] = ()

    @property
    def every(self) -> float | None:
        """s between two checks; None while too few are known."""
        gaps = [later - before for before, later in zip(self.starts, self.starts[1:], strict=False)]
        return median(gaps) if len(gaps) >= 3 else None

    def late(self, now: float) -> float | None:
        """s since the last check if that is far longer than usual: the cron is dead. None where all is well, or where
        checks do not come regularly."""
        every, age = self.every, now - self.started
        return age if every is not None and age > max(LEAST, TIMES * every) else None


def last(connection: sa.Connection) -> Beat | None:
    """None where nobody has ever checked."""
    text = facts_like(connection, KEY).get(KEY)
    return None if text is None else Beat(**json.loads(text))


def begin(connection: sa.Connection, now: float, limit: float) -> None:
    before = last(connection)
    starts = [*(before.starts if before else ()), now][-KEPT:]
    _keep(connection, Beat(now, limit=limit, starts=starts))


def end(connection: sa.Connection, started: float, now: float, code: int, runs: int) -> None:
    beat = last(connection) or Beat(started, starts=[started])
    _keep(connection, replace(beat, finished=now, code=code, runs=runs))


def _keep(connection: sa.Connection, beat: Beat) -> None:
    remember(connection, KEY, json.dumps(asdict(beat)))
