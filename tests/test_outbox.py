"""Delivery: nothing lost, nothing delayed by another channel, the same delivery under the same key."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts import carriers
from alerts.outbox import Failed, Refused, Served, backoff, deliver
from alerts.rules import Channel
from db import alerts, outbox, runs
from db.alerts import Alert
from db.engine import reading, writing
from db.outbox import Message
from tests.alerting import DAY, START, Killed, dying, emptied
from tests.servers import http

TEAM, OTHER = Channel("team", "webhook", url="x"), Channel("other", "webhook", url="y")


BODY = {"message": "数学", "evidence": {}, "advice": "", "clears": "", "annotations": {}, "url": ""}


class Post:
    """A carrier that remembers. failing: what it raises, by channel."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, list[str]]] = []
        self.failing: dict[str, Exception] = {}

    def __call__(self, channel: Channel, batch: str, messages: Sequence[Message], limit: float) -> None:
        if channel.name in self.failing:
            raise self.failing[channel.name]
        self.sent.append((channel.name, batch, [one.key for one in messages]))

    def got(self, channel: str = "team") -> list[str]:
        return [key for name, _, keys in self.sent if name == channel for key in keys]


def fill(engine: sa.Engine, per_run: dict[str, int], *, channels: Sequence[Channel] = (TEAM,)) -> None:
    """So many messages of each run, in turns, in each channel."""
    turn = [(run, n) for n in range(max(per_run.values())) for run in per_run if n < per_run[run]]
    with writing(engine) as connection:
        ids = {run: runs.make(connection, "p", run, f"/{run}") for run in per_run}
        for run, n in turn:
            episode = f"1:1:{n}"
            made = Alert(0, ids[run], "rule", episode, "firing", "warning", 1, 1, n, n, None, START)
            alert = alerts.keep(connection, made)
            for channel in channels:
                body = {"title": f"{run} {n}", "kind": "firing", "alert": alert} | BODY
                key = f"{run}-{n}"
                outbox.put(connection, Message(0, alert, ids[run], channel.name, "firing", 0, START, key, body))


def serve(engine: sa.Engine, post: Post, *channels: Channel, now: float = START) -> dict[str, Served]:
    return deliver(engine, channels or (TEAM,), send=post, clock=lambda: now, limit=5)


def test_messages_of_a_run_go_together_and_in_order(engine: sa.Engine) -> None:
    fill(engine, {"a": 3, "b": 2})
    post = Post()
    served = serve(engine, post)
    assert [keys for _, _, keys in post.sent] == [["a-0", "a-1", "a-2"], ["b-0", "b-1"]]
    assert served["team"].delivered == 5
    serve(engine, post)
    assert len(post.sent) == 2


def test_what_fails_is_tried_again_later_under_the_same_key_and_waits_longer_each_time(engine: sa.Engine) -> None:
    fill(engine, {"a": 2})
    post, now, tries = Post(), START, []
    post.failing["team"] = Failed("HTTP 500")
    for failures in range(3):
        assert serve(engine, post, now=now)["team"].trouble == "HTTP 500"
        assert serve(engine, post, now=now + backoff(failures) - 1)["team"].trouble == ""  # not yet
        now += backoff(failures)
        fill_more(engine)
    post.failing.clear()
    serve(engine, post, now=now)
    assert [keys for _, _, keys in post.sent] == [["a-0", "a-1"], ["late-0", "late-1", "late-2"]]
    with reading(engine) as connection:
        tries = [(one.result, one.batch, one.detail) for one in reversed(outbox.deliveries_of(connection))]
    assert tries[:4] == [("failed", "a-0", "HTTP 500")] * 3 + [("delivered", "a-0", "")]


def fill_more(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        run = runs.make(connection, "p", "late", "/late")
        n = len(alerts.alerts_of(connection, [run]))
        alert = alerts.keep(connection, Alert(0, run, "r", str(n), "firing", "warning", 1, 1, n, n, None, START))
        outbox.put(connection, Message(0, alert, run, "team", "firing", 0, START, f"late-{n}", {}))


def test_a_dead_channel_delays_no_other(engine: sa.Engine) -> None:
    fill(engine, {"a": 2, "b": 1}, channels=(TEAM, OTHER))
    post = Post()
    post.failing["team"] = Failed("no answer")
    serve(engine, post, TEAM, OTHER)
    assert post.got("other") == ["a-0", "a-1", "b-0"]
    assert post.got("team") == []
    with reading(engine) as connection:
        assert outbox.waiting(connection) == {"team": 3}


def test_what_a_receiver_will_never_take_is_set_aside(engine: sa.Engine) -> None:
    fill(engine, {"a": 1, "b": 1})

    class Picky(Post):
        def __call__(self, channel: Channel, batch: str, messages: Sequence[Message], limit: float) -> None:
            if batch == "a-0":
                raise Refused("HTTP 400")
            super().__call__(channel, batch, messages, limit)

    post = Picky()
    served = serve(engine, post)["team"]
    assert (served.delivered, served.refused, post.got()) == (1, 1, ["b-0"])


def test_a_receiver_that_hangs_is_left_after_the_time_limit(engine: sa.Engine) -> None:
    fill(engine, {"a": 1})
    free = threading.Event()

    def hang(*_: object) -> None:
        free.wait(30)

    start = time.monotonic()
    served = deliver(engine, [TEAM], send=hang, clock=lambda: START, limit=0.2)
    free.set()
    assert served["team"].trouble == "no answer within 0.2 s"
    assert time.monotonic() - start < 20


def test_a_process_that_dies_while_it_delivers_keeps_the_others_out_only_for_a_while(engine: sa.Engine) -> None:
    fill(engine, {"a": 1})
    with writing(engine) as connection:
        assert outbox.lease(connection, "team", "dead", now=START, until=START + 70)
    post = Post()
    serve(engine, post, now=START + 69)
    assert post.sent == []
    serve(engine, post, now=START + 70)
    assert post.got() == ["a-0"]


def test_two_at_once_send_everything_once(engine: sa.Engine) -> None:
    fill(engine, {"a": 5, "b": 5, "c": 5})
    post = Post()
    both = [threading.Thread(target=serve, args=(engine, post)) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    serve(engine, post, now=START + DAY)
    assert sorted(post.got()) == sorted(f"{run}-{n}" for run in "abc" for n in range(5))


def test_a_thousand_messages_wait_for_a_channel_and_come_in_order(engine: sa.Engine) -> None:
    fill(engine, {f"run{i}": 100 for i in range(10)})
    post = Post()
    post.failing["team"] = Failed("down")
    for hour in range(5):
        serve(engine, post, now=START + 3600 * hour)
    post.failing.clear()
    serve(engine, post, now=START + 3600 * 9)
    assert len(post.got()) == len(set(post.got())) == 1000
    for i in range(10):
        assert [key for key in post.got() if key.startswith(f"run{i}-")] == [f"run{i}-{n}" for n in range(100)]
    assert len(post.sent) == 20


@pytest.mark.parametrize("examples", [30])
def test_nothing_is_lost_however_deliveries_die(engine: sa.Engine, examples: int) -> None:
    few = examples if engine.dialect.name == "sqlite" else examples // 3

    @settings(max_examples=few, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.integers(0, 40), max_size=5))
    def check(kills: list[int]) -> None:
        fill(emptied(engine), {"a": 3, "b": 2})
        post = Post()
        for turn, after in enumerate(kills):
            try:
                with dying(engine, after):
                    serve(engine, post, now=START + DAY * turn)
            except Killed:
                pass
        serve(engine, post, now=START + DAY * 9)
        first = list(dict.fromkeys(post.got()))
        assert first == ["a-0", "a-1", "a-2", "b-0", "b-1"]
        batches = {}
        for _, batch, keys in post.sent:
            assert batches.setdefault(batch, keys) == keys  # what is sent again is the same, under the same key

    check()


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        (None, 0.0),
        ("120", 120.0),
        ("999999", 3600.0),
        ("soon", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 3600.0),
        ("Fri, 01 Jan 2100 00:00:00 -0000", 3600.0),
        ("99999999999999999999", 3600.0),
    ],
)
def test_a_receiver_says_when_to_come_again(said: str | None, wait: float) -> None:
    assert carriers._wait(said) == wait


def test_a_real_server_that_fails_and_comes_back(engine: sa.Engine) -> None:
    troubles, now = [], START
    with http() as hook:
        hook.answers, hook.wait = [500, 429, "hang", 200], "7200"
        channel = Channel("team", "webhook", url=hook.url)
        fill(engine, {"math": 2})
        for pause in (31, 3600, 3601, 121, 0):
            served = deliver(engine, [channel], clock=lambda now=now: now, limit=1)["team"]  # type: ignore[misc]
            troubles.append(served.trouble)
            now += pause
    # The receiver's own word counts, up to an hour: the second pass comes too early.
    assert troubles == ["HTTP 500", "", "HTTP 429", "no answer within 1 s", ""]
    assert {head["idempotency-key"] for _, head, _ in hook.got} == {"math-0"}
    [told] = hook.taken
    assert [one["id"] for one in told["messages"]] == ["math-0", "math-1"]
    assert told["messages"][0]["message"] == "数学"
