"""The alerts page as the server makes it, and what its buttons do to the store."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from alerts import hands, heartbeat
from alerts.check import check
from alerts.heartbeat import Beat
from alerts.outbox import Failed, deliver
from alerts.rules import Channel
from charts.theme import LIGHT
from dashboard import app, cron, person
from dashboard.person import Person
from dashboard.run_drawing import Drawing, How
from db import alerts, edits
from db.alerts import Silence
from db.engine import open_store, reading, writing
from db.metrics import Metric
from db.outbox import Message
from db.runs import Run
from db.series import Series
from tests.alerting import RULES, TEAM, book, collect
from tests.test_dashboard_apptest import page, shown, text

DOWN = Channel("pager", "webhook", url="http://127.0.0.1:9/x")
RUN = "数学-7b"


@pytest.fixture(scope="module")
def told_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose reward was low twice, the second time until now; the team has heard of it, the pager is down."""
    tmp_path = tmp_path_factory.mktemp("told")
    url, now = f"sqlite:///{tmp_path / 'store.db'}", time.time()
    log = tmp_path / RUN / "metrics.jsonl"
    log.parent.mkdir()
    engine = open_store(url)
    for step in range(1, 41):
        row = {"step": step, "timestamp": now - 60 * (40 - step), "entropy": 0.3, "other": step / 10}
        row["reward_mean"] = 0.1 if 10 <= step < 15 or step >= 30 else 0.5
        with log.open("a") as file:
            file.write(json.dumps(row) + "\n")
        if step % 5 == 0:
            collect(engine, log)
            check(engine, now=now - 60 * (40 - step) + 1, live_for=86_400, book=book(RULES, TEAM, DOWN))
            deliver(engine, (TEAM, DOWN), send=post, clock=lambda: now)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return tmp_path / "store.db"


@pytest.fixture
def store(told_store: Path, tmp_path: Path) -> str:
    """A copy of it for each test."""
    shutil.copy(told_store, tmp_path / "store.db")
    return f"sqlite:///{tmp_path / 'store.db'}"


def post(channel: Channel, batch: str, messages: Sequence[Message], limit: float) -> None:
    if channel.name == "pager":
        raise Failed("HTTP 503")


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person, "person", lambda: Person("ada@lab.edu", "editor"))


def look(store: str, monkeypatch: pytest.MonkeyPatch, **choices: str) -> AppTest:
    return shown(page("alerts"), store, monkeypatch, **choices)


def said(test: AppTest) -> str:
    return text(test).replace("\\", "")


def test_open_alerts_come_first_with_all_that_is_known_of_them(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = look(store, monkeypatch)
    told = said(test)
    assert "2 alerts are open in 1 run: low for long and low reward. Nobody has any of them in hand" in told
    assert "Not delivered yet: 6 messages for pager." in told
    assert ":red[**CRITICAL**] &nbsp; **Low for long** &nbsp; " in told
    assert "since step 30" in told and "certain: the rule's own limit" in told and "told team" in told
    episodes, messages = (frame.value for frame in test.dataframe[:2])
    assert episodes["steps"].tolist() == ["30 – now", "30 – now", "10 – 15", "10 – 15"]
    assert sorted(messages["channel"]) == ["pager"] * 6 + ["team"] * 6
    waits = messages[messages["channel"] == "pager"]["became"]
    assert all(one.startswith("waits") for one in waits) and any("HTTP 503, next try" in one for one in waits)
    assert all(one.startswith("delivered") for one in messages[messages["channel"] == "team"]["became"])
    assert len(test.get("vega_lite_chart")) == 1


def test_a_timeline_shows_when_it_began_was_told_and_was_over(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = look(store, monkeypatch)
    rows = pa.ipc.open_stream(test.get("vega_lite_chart")[0].proto.data.data).read_pandas()
    spans = rows[rows["kind"] == "span"].sort_values(["x", "lane"])
    assert list(zip(spans["x"], spans["x2"], strict=True)) == [(10, 15), (10, 15), (30, 40), (30, 40)]
    assert sorted(rows[rows["kind"] == "told"]["x"]) == [10, 15, 15, 30, 35]
    assert sorted(rows[rows["kind"] == "name"]["value"]) == ["low for long", "low reward"]
    assert len(rows[rows["kind"] == "curve"]) == 40


def test_one_alert_can_be_looked_at_alone(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_store(store)
    with reading(engine) as connection:
        one = alerts.alerts_of(connection, still_open=True)[0]
    hands.comment(engine, one.id, who="陈", now=time.time(), note="在看 **this**")
    test = look(store, monkeypatch, alert=str(one.id))
    history, told = (frame.value for frame in test.dataframe[:2])
    assert history["what"].tolist()[:2] == ["pending", "firing"]
    assert ("陈", "在看 **this**") in zip(history["who"], history["note"], strict=True)
    assert set(told["channel"]) == {"team", "pager"}
    assert "“在看 **this**”" in said(test)
    assert "Nobody has any" in said(look(store, monkeypatch, alert="999"))
    engine.dispose()


def form(store: str, monkeypatch: pytest.MonkeyPatch, call: str) -> AppTest:
    """A form of dashboard/hand.py as its button opens it."""
    monkeypatch.setenv("STEPWELL_STORE", store)
    return AppTest.from_string(f"from dashboard import alerts_data, data, hand\n{call}", default_timeout=30).run()


def press(test: AppTest, label: str) -> None:
    next(one for one in test.button if one.label == label).click().run()
    assert not test.exception


def test_to_acknowledge_is_recorded_with_who_and_when(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    open_ones = "alerts_data.board(data.pulse(data.store_url())).open"
    test = form(store, monkeypatch, f"hand.acknowledging({open_ones}[:1])")
    test.text_input[0].set_value("在看")
    press(test, "I have it in hand")
    engine = open_store(store)
    with reading(engine) as connection:
        [acked] = [one for one in alerts.alerts_of(connection) if one.acked_at]
        [edit] = edits.edits_of(connection)
        [flip] = alerts.flips_of(connection, [acked.id], kinds=["acknowledged"])[acked.id]
    engine.dispose()
    assert abs((acked.acked_at or 0) - time.time()) < 60
    assert (edit.act, edit.run_id, flip.note, flip.who) == ("acknowledge", acked.run_id, "在看", acked.acked_by)
    assert flip.who == edit.who == "ada@lab.edu"
    assert "in the hands of ada@lab.edu" in said(look(store, monkeypatch))
    assert "in the hands of ada@lab.edu" in said(shown(page("overview"), store, monkeypatch))


def test_a_silence_is_made_and_ended_here(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = form(store, monkeypatch, f'hand.silencing("{RUN}", "low for long")')
    test.radio[0].set_value("1 week").run()
    press(test, "Silence")
    engine = open_store(store)
    with reading(engine) as connection:
        [made] = alerts.silences_at(connection, time.time())
    assert (made.run, made.rule, made.who) == (RUN, "low for long", "ada@lab.edu")
    assert made.until is not None and made.until - made.made_at == 7 * 86_400
    test = look(store, monkeypatch)
    assert "silenced by" in said(test) and "rule low for long for 7 d" in said(test)
    press(test, "end now")
    with reading(engine) as connection:
        assert alerts.silences_at(connection, time.time()) == []
        assert [one.act for one in edits.edits_of(connection)] == ["end silence", "silence"]
    engine.dispose()


def test_a_silence_may_end_at_a_step(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = form(store, monkeypatch, "hand.silencing()")
    test.radio[0].set_value("until a step").run()
    test.number_input[0].set_value(2000)
    press(test, "Silence")
    engine = open_store(store)
    with reading(engine) as connection:
        [made] = alerts.silences_at(connection, time.time())
    engine.dispose()
    assert (made.run, made.rule, made.tag, made.until, made.until_step) == ("*", "*", "*", None, 2000)


def test_a_form_that_a_viewer_sends_does_nothing_and_says_so(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = form(store, monkeypatch, "hand.silencing()")
    monkeypatch.setattr(person, "person", lambda: Person("eve", "viewer"))
    press(test, "Silence")
    assert "eve may look, not change" in test.error[0].value.replace("\\", "")
    engine = open_store(store)
    with reading(engine) as connection:
        assert alerts.silences_at(connection, time.time()) == []
    engine.dispose()


def run_page(store: str, monkeypatch: pytest.MonkeyPatch, **choices: str) -> tuple[str, pd.DataFrame, dict[str, Any]]:
    """(what it says, rows of its first chart, that chart's specification)."""
    test = shown(page("run"), store, monkeypatch, run=RUN, **choices)
    chart = test.get("vega_lite_chart")[0].proto
    return said(test), pa.ipc.open_stream(chart.data.data).read_pandas(), json.loads(chart.spec)


def test_charts_mark_where_alerts_of_own_rules_opened_were_told_and_were_over(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, rows, spec = run_page(store, monkeypatch)
    marks = rows[(rows["kind"] == "mark") & (rows["curve"] == "low reward")].sort_values("x")
    assert list(zip(marks["x"], marks["shape"] == "over", strict=True)) == [(10, True), (30, False)]
    assert marks["x2"].tolist()[0] == 15
    assert all(re.match(r"opened \d+ \w+ \d\d:\d\d, told team ", one) for one in marks["part"])
    assert "over" in marks["part"].tolist()[0]
    assert "marked" not in told and "value" not in json.dumps([layer.get("params") for layer in spec["layer"]])


def test_the_page_of_a_run_has_the_buttons_too(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("run"), store, monkeypatch, run=RUN)
    assert {"ack", "silence"} <= {one.label for one in test.button}


def test_the_link_of_a_message_marks_its_step_and_looks_at_it(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told, rows, _ = run_page(store, monkeypatch, step="30")
    assert "Step 30 is marked." in told
    [x] = rows[(rows["kind"] == "mark") & (rows["curve"] == "step 30")]["x"]
    assert x == 30
    assert "marked" not in run_page(store, monkeypatch, step="thirty")[0]


def test_a_step_of_a_long_run_is_looked_at_closely() -> None:
    metric = Metric(1, "t", "m", None, None, None, 1.0, 0, False)
    run = Run(1, "p", "r", "t", 1000, None, 1)

    def looked_at(step: int | None, x: str = "step", n: int = 1000) -> tuple[float, float] | None:
        steps = np.arange(1, n + 1)
        series = Series(metric, steps, steps * 60.0, steps * 0.1, steps * 0 + 1, steps > 0)
        return Drawing(run, {}, {}, [], [], {(1, "m"): series}, How(x=x, step=step), LIGHT).focus(series)

    assert looked_at(500) == (376, 624)
    assert looked_at(10) == (1, 134) and looked_at(999) == (875, 1000)
    assert looked_at(500, x="time") == (376 * 60, 624 * 60)
    assert looked_at(None) is None and looked_at(5000) is None and looked_at(20, n=60) is None


def test_brackets_in_a_name_are_no_pattern() -> None:
    from fnmatch import fnmatchcase

    from dashboard.hand import _literal

    for name in ("a[1]*b?", "计划*", "[x]"):
        assert fnmatchcase(name, _literal(name))
    assert not fnmatchcase("a1xxb?", _literal("a[1]*b?"))
    assert _literal("*") == "*"


def test_a_viewer_sees_no_buttons(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person, "person", lambda: Person("eve", "viewer"))
    test = look(store, monkeypatch)
    assert {one.label for one in test.button} == {"history"}


def test_a_silence_that_never_ends_is_none(store: str) -> None:
    engine = open_store(store)
    never = Silence(0, "*", "*", "*", None, None, time.time(), "me", "")
    for wrong in (never, replace(never, until=never.made_at - 1)):
        with pytest.raises(ValueError):
            hands.silence(engine, wrong)
    engine.dispose()


def test_a_dead_cron_is_told_on_both_pages(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, now = open_store(store), time.time()
    for ago in (5400, 5100, 4800, 4500):
        with writing(engine) as connection:
            heartbeat.begin(connection, now - ago, 600)
            heartbeat.end(connection, now - ago, now - ago + 2, 1, 3)
    engine.dispose()
    for name in ("alerts", "overview"):
        test = shown(page(name), store, monkeypatch)
        assert "**NOBODY LOOKS**" in text(test)
        assert "`stepwell check` last ran 75 min ago, and used to run every 5 min." in text(test)


def test_a_cron_that_lives_is_no_news() -> None:
    beat = Beat(900.0, 902.0, 1, 3, 600, [0.0, 300.0, 600.0, 900.0])
    assert cron.dead(beat, 1700.0) is None and cron.dead(None, 0.0) is None
    assert cron.usual(beat, 960.0) == (
        "The last check began 60 s ago, took 2 s, ended with 1 (something firing), 3 live runs judged;"
        " usually one every 5 min."
    )
    assert "No check has ever run" in cron.usual(None, 0.0)


def test_a_page_of_a_thousand_alerts_shows_the_gravest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'many.db'}"
    engine, now = open_store(url), time.time()
    from db import runs
    from db.alerts import Alert

    with writing(engine) as connection:
        ids = [runs.make(connection, "p", f"run{i}", f"/run{i}") for i in range(100)]
        for i in range(1000):
            severity = "critical" if i == 500 else "warning"
            made = Alert(0, ids[i % 100], "r", f"1:1:{i}", "firing", severity, 1, 1, i, i, None, now - i, said="{}")
            alerts.keep(connection, made)
    engine.dispose()
    test = look(url, monkeypatch, page="1")
    assert "1,000 alerts are open in 100 runs" in said(test)
    cards = [one.value for one in test.markdown if "since step" in str(one.value)]
    assert len(cards) == 10 and "CRITICAL" in cards[0]


def test_the_page_is_among_the_pages() -> None:
    assert app.question(page("alerts")) == "What is firing, and who has it in hand?"
