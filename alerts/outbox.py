"""Delivery, apart from firing: each channel in its own thread, in order, with a time limit, retries and back-off.

At least once: a process that dies between sending and recording sends again, under the same key.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from alerts.notify import heard
from alerts.rules import TERMINAL, Channel
from db import outbox
from db.engine import StoreError, reading, writing
from db.outbox import Delivery, Line, Message

LIMIT = 10.0  # s for one delivery
LEASE = 60.0  # s beyond the limit after which a channel is taken from a process that has died
PICTURES = 3  # deliveries of a pass that get a picture, in each channel: it takes a second to draw one
FIRST, LONGEST = 30.0, 3600.0  # s of waiting after the first failure, doubled up to this

Clock = Callable[[], float]


class Failed(Exception):
    """Not delivered; to be tried again. wait: s that the receiver asked for."""

    def __init__(self, detail: str, wait: float = 0.0) -> None:
        super().__init__(detail)
        self.wait = wait


class Refused(Exception):
    """The receiver will never take this message: it is set aside, and the next ones go on."""


Send = Callable[[Channel, str, Sequence[Message], float], None]
"""(channel, batch, messages of one run, time limit in s); raises Failed or Refused."""


@dataclass(slots=True)
class Served:
    """What became of one channel in this pass. trouble: why it stopped; failures: how many in a row."""

    delivered: int = 0
    refused: int = 0
    trouble: str = ""
    failures: int = 0
    pictures: int = 0


def deliver(
    engine: sa.Engine,
    channels: Iterable[Channel],
    *,
    send: Send | None = None,
    clock: Clock = time.time,
    limit: float = LIMIT,
    budget: float = 60.0,
) -> dict[str, Served]:
    """Send what waits, every channel beside the others. budget: s after which what is left waits for the next pass.

    Raises db.engine.StoreError only where nothing can be read; a channel's own trouble is in its Served.
    """
    with reading(engine) as connection:
        waits = outbox.waiting(connection)
    served: dict[str, Served] = {}
    threads = []
    for channel in channels:
        if channel.kind != TERMINAL and waits.get(channel.name):
            served[channel.name] = Served()
            each = _Serving(engine, channel, send, clock, limit, time.monotonic() + budget)
            threads.append(threading.Thread(target=each.run, args=(served[channel.name],), daemon=True))
    for thread in threads:
        thread.start()
    end = time.monotonic() + budget + limit
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return served


@dataclass(frozen=True, slots=True)
class _Serving:
    engine: sa.Engine
    channel: Channel
    send: Send | None
    clock: Clock
    limit: float
    end: float

    def run(self, served: Served) -> None:
        owner = f"{os.getpid()}-{uuid4().hex}"
        try:
            while time.monotonic() < self.end and self._one(owner, served):
                pass
            with writing(self.engine) as connection:
                outbox.give_back(connection, self.channel.name, owner)
        except StoreError as error:
            served.trouble = f"the store: {error}"

    def _one(self, owner: str, served: Served) -> bool:
        """One delivery. False when there is nothing more to do now."""
        now, name = self.clock(), self.channel.name
        with writing(self.engine) as connection:
            if not outbox.lease(connection, name, owner, now=now, until=now + self.limit + LEASE):
                return False
            batch = outbox.next_batch(connection, name)
            failures = outbox.lines(connection)[name].failures
        if not batch:
            return False
        start = time.monotonic()
        carry = self._carrier(batch, served)
        result, detail, wait = self._try(carry)
        took = time.monotonic() - start
        line = Line(failures + 1, now + max(backoff(failures), wait)) if result == "failed" else Line(0, 0.0)
        delivery = Delivery(name, batch[0].batch or batch[0].key, now, took, len(batch), result, detail)
        with writing(self.engine) as connection:
            outbox.log(connection, delivery, line)
            if result != "failed":
                outbox.done(connection, batch, result, self.clock())
        served.delivered += len(batch) if result == "delivered" else 0
        served.refused += len(batch) if result == "refused" else 0
        served.trouble, served.failures = detail if result != "delivered" else "", line.failures
        return result != "failed"

    def _carrier(self, batch: Sequence[Message], served: Served) -> Callable[[], None]:
        """How these travel. Only a first try carries a picture: it may be what the service did not take."""
        key, limit = batch[0].batch or batch[0].key, self.limit
        if (given := self.send) is not None:
            return lambda: given(self.channel, key, batch, limit)
        from alerts import carriers

        shown = None
        if served.pictures < PICTURES and carriers.takes_pictures(self.channel) and not self._tried(key):
            from alerts.picture import picture

            served.pictures += 1
            shown = picture(self.engine, batch)
        return lambda: carriers.send(self.channel, key, batch, limit, shown)

    def _tried(self, key: str) -> bool:
        with reading(self.engine) as connection:
            return bool(outbox.tries_of(connection, [key]).get((self.channel.name, key)))

    def _try(self, carry: Callable[[], None]) -> tuple[str, str, float]:
        """(result, detail, s to wait)."""
        try:
            within(self.limit, carry)
        except Refused as error:
            return "refused", str(error), 0.0
        except Failed as error:
            return "failed", str(error), error.wait
        except Exception as error:  # whatever a carrier stumbles over delays this channel only
            return "failed", type(error).__name__, 0.0
        return "delivered", "", 0.0


def backoff(failures: int) -> float:
    """s to wait after so many failures before this one."""
    return float(min(LONGEST, FIRST * 2 ** min(failures, 20)))


def within(limit: float, call: Callable[[], None]) -> None:
    """Run it, but wait no longer: a receiver that drips a byte a second outlives every timeout of a socket."""
    failure: list[Exception] = []

    def run() -> None:
        try:
            call()
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit)
    if thread.is_alive():
        raise Failed(f"no answer within {limit:g} s")
    if failure:
        raise failure[0]


def print_waiting(engine: sa.Engine, channel: str, show: Callable[[Mapping[str, Any]], None], now: float) -> int:
    """Hand every waiting message of a channel to `show`, then mark them told. Returns how many there were."""
    count = 0
    while True:
        with writing(engine) as connection:
            batch = outbox.next_batch(connection, channel)
        if not batch:
            return count
        for body in heard([message.body for message in batch]):
            show(body)
        with writing(engine) as connection:
            outbox.done(connection, batch, "delivered", now)
        count += len(batch)
