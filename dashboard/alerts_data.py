"""What the pages show of alerts: asked through dashboard/data.py, kept until somebody or something moves."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
import streamlit as st

from alerts import heartbeat
from alerts.heartbeat import Beat
from alerts.lifecycle import covers
from dashboard import data
from dashboard.episodes import Episodes
from db import alerts, outbox
from db.alerts import Alert, Flip, Silence
from db.engine import reading
from db.outbox import Act, Delivery, Line, Message
from db.runs import Run

NEWEST, MOST = 2000, 20_000  # alerts that are over and still listed; open ones


@dataclass(frozen=True, slots=True)
class Board:
    """Every alert that is open and the newest that are over. told: alert id -> channel -> when it first took it.

    flips: alert id -> what people did to it. silences: not ended; whether their time is over is for the reader to see.
    """

    alerts: list[Alert]
    told: Mapping[int, Mapping[str, float]]
    people: Mapping[int, list[Flip]]
    silences: list[Silence]
    tags: Mapping[int, tuple[str, ...]]
    waiting: Mapping[str, int]
    lines: Mapping[str, Line]

    @property
    def open(self) -> list[Alert]:
        return [one for one in self.alerts if one.state in alerts.OPEN]

    def in_force(self, now: float) -> list[Silence]:
        return [one for one in self.silences if one.until is None or one.until > now]

    def silenced(self, one: Alert, run: Run, now: float) -> Silence | None:
        """The silence that keeps its messages back."""
        tags = self.tags.get(one.run_id, ())
        return next((each for each in self.in_force(now) if covers(each, run, one.rule, tags)), None)


PEOPLE = ("acknowledged", "comment")


def _board(connection: sa.Connection) -> Board:
    found = {one.id: one for one in alerts.alerts_of(connection, still_open=True, limit=MOST)}
    found |= {one.id: one for one in alerts.alerts_of(connection, limit=NEWEST)}
    flips = alerts.flips_of(connection, found, kinds=PEOPLE)
    return Board(
        alerts=sorted(found.values(), key=lambda one: (-one.opened_at, -one.id)),
        told=outbox.first_told(connection, found),
        people=flips,
        silences=alerts.silences_at(connection, 0.0),
        tags=alerts.tags_of(connection, {one.run_id for one in found.values()}),
        waiting=outbox.waiting(connection),
        lines=outbox.lines(connection),
    )


def board(now: data.Pulse) -> Board:
    """As new as the pulse."""
    return data.ask(_board, now.all)


@dataclass(frozen=True, slots=True)
class Story:
    """One alert with all that happened to it, oldest first."""

    flips: list[Flip]
    messages: list[Message]
    tries: Mapping[tuple[str, str], list[Delivery]]
    acts: list[Act]


def _story(connection: sa.Connection, alert_id: int) -> Story:
    messages = outbox.messages_of(connection, [alert_id])
    return Story(
        alerts.flips_of(connection, [alert_id]).get(alert_id, []),
        messages,
        outbox.tries_of(connection, {one.batch for one in messages if one.batch}),
        outbox.acts_of(connection, [alert_id]),
    )


def story(alert_id: int, now: data.Pulse) -> Story:
    return data.ask(_story, now.all, alert_id)


@dataclass(frozen=True, slots=True)
class Post:
    """A page of the messages, newest first, of `count` in all."""

    count: int
    messages: list[Message]
    tries: Mapping[tuple[str, str], list[Delivery]]


def _post(connection: sa.Connection, run_id: int | None, limit: int, offset: int) -> Post:
    messages = outbox.newest_messages(connection, limit, offset, run_id=run_id)
    batches = {one.batch for one in messages if one.batch}
    return Post(outbox.count_messages(connection, run_id), messages, outbox.tries_of(connection, batches))


def post(run_id: int | None, limit: int, offset: int, now: data.Pulse) -> Post:
    return data.ask(_post, now.all, run_id, limit, offset)


def tries(now: data.Pulse) -> list[Delivery]:
    """The newest tries to deliver, newest first."""
    return data.ask(outbox.deliveries_of, now.all)


def _steps_told(connection: sa.Connection, alert_ids: Sequence[int]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = defaultdict(list)
    for one in outbox.messages_of(connection, alert_ids):
        if one.state == "delivered" and isinstance(step := one.body.get("step"), int):
            found[one.alert_id].append(float(step))
    return {alert_id: sorted(set(steps)) for alert_id, steps in found.items()}


def steps_told(alert_ids: Collection[int], now: data.Pulse) -> dict[int, list[float]]:
    """alert id -> the steps of its run at which somebody was told of it."""
    return data.ask(_steps_told, now.all, tuple(sorted(alert_ids)))


@st.cache_data(show_spinner=False, ttl=1.5)
def beat(url: str) -> Beat | None:
    """The last check; None where nobody has ever checked."""
    with reading(data.engine(url)) as connection:
        return heartbeat.last(connection)


def episodes(run_id: int, now: data.Pulse) -> Episodes:
    """The alerts of a run, for its charts."""
    return data.ask(_episodes, now.all, run_id)


def _episodes(connection: sa.Connection, run_id: int) -> Episodes:
    found = alerts.alerts_of(connection, [run_id], limit=NEWEST)
    return Episodes(found, outbox.first_told(connection, [one.id for one in found]))


def late(beat: Beat | None) -> float | None:
    """s since the last check, where that is far longer than usual."""
    return None if beat is None else beat.late(time.time())
