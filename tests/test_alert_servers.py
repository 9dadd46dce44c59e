"""Alerts against what is real: processes that are killed, a receiver that is down for hours, an Alertmanager."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from alerts.check import check
from alerts.outbox import deliver
from alerts.rules import Channel, load
from db import alerts, outbox, runs
from db.alerts import Alert
from db.engine import open_store, reading, writing
from db.outbox import Message
from tests.alerting import START, book, collect
from tests.servers import Hook, http

ALERTMANAGER = os.environ.get("ALERTMANAGER") or shutil.which("prometheus-alertmanager") or ""
RULES = '[[rules]]\nname = "low reward"\nquantity = "reward_mean"\nbelow = 0.2\n'


def log_of(folder: Path, rewards: list[float], now: float) -> None:
    """Rows a minute apart, the newest just now."""
    folder.mkdir(exist_ok=True)
    rows = [
        {"step": step, "timestamp": now - 60 * (len(rewards) - step), "reward_mean": reward, "entropy": 0.3}
        for step, reward in enumerate(rewards, 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def said(hook: Hook) -> list[tuple[Any, ...]]:
    """What arrived, each message once: by its id, and the same whenever it came."""
    once: dict[str, Any] = {}
    for told in hook.taken:
        for one in told["messages"]:
            assert once.setdefault(one["id"], one) == one
    return sorted((one["rule"], one["detected_step"], one["kind"], one["n"]) for one in once.values())


def checking(home: Path, logs: Path) -> subprocess.Popen[bytes]:
    """A real `stepwell check`."""
    environment = os.environ | {"STEPWELL_STORE": f"sqlite:///{home / 'store.db'}", "XDG_CONFIG_HOME": str(home)}
    command = [sys.executable, "-m", "stepwell", "check", str(logs), "--quiet"]
    # The tests' own folder comes first: the command under test is that of this checkout.
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    return subprocess.Popen(
        command, cwd=home, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def test_kill_minus_nine_at_any_moment_changes_no_message(tmp_path: Path) -> None:
    rewards, dice, now = [0.5, 0.1, 0.1, 0.5, 0.5, 0.1], random.Random(7), time.time()
    logs, home, calm = tmp_path / "run", tmp_path / "killed", tmp_path / "calm"
    with http() as killed, http() as whole:
        for folder, hook in ((home, killed), (calm, whole)):
            folder.mkdir()
            channel = f'[channels.hook]\ntype = "webhook"\nurl = "{hook.url}"\nat_least = "info"\n'
            (folder / "stepwell.toml").write_text(RULES + channel)
        log_of(logs, rewards * 20, now)
        start = time.monotonic()
        assert checking(calm, logs).wait(60) == 1
        long = time.monotonic() - start
        for _ in range(5):
            process = checking(home, logs)
            time.sleep(long * dice.uniform(0.3, 1.0))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert checking(home, logs).wait(60) == 1
        engine = open_store(f"sqlite:///{home / 'store.db'}")
        channels = load([home / "stepwell.toml"]).channels.values()
        deliver(engine, channels, clock=lambda: time.time() + 600)  # a killed one holds its channel for a while
        with reading(engine) as connection:
            assert outbox.waiting(connection) == {}
        engine.dispose()
        assert said(killed) == said(whole)
        assert [one[2] for one in said(whole)].count("firing") == 40


def test_a_thousand_episodes_wait_for_a_server_that_is_down(engine: sa.Engine) -> None:
    with http() as hook:
        hook.answers = [503]
        channel = Channel("team", "webhook", url=hook.url)
        with writing(engine) as connection:
            ids = [runs.make(connection, "p", f"run{i}", f"/run{i}") for i in range(10)]
            for n in range(1000):
                told(connection, ids[n % 10], n, channel)
        for hour in range(4):
            [served] = deliver(engine, [channel], clock=lambda hour=hour: START + 7200 * hour, limit=5).values()  # type: ignore[misc]
            assert served.trouble == "HTTP 503"
        hook.answers = [200]
        [served] = deliver(engine, [channel], clock=lambda: START + 86_400, limit=5).values()
    assert (served.delivered, served.trouble) == (1000, "")
    got = [one["n_th"] for one in (m for t in hook.taken for m in t["messages"])]
    assert sorted(got) == list(range(1000))
    for i in range(10):
        assert [n for n in got if n % 10 == i] == list(range(i, 1000, 10))
    assert len(hook.taken) == 20  # fifty of one run together
    assert all(len({m["n_th"] % 10 for m in t["messages"]}) == 1 for t in hook.taken)
    assert len({head["idempotency-key"] for _, head, _ in hook.got}) == 20


def told(connection: sa.Connection, run_id: int, n: int, channel: Channel) -> None:
    alert = alerts.keep(connection, Alert(0, run_id, "r", f"1:1:{n}", "firing", "warning", 1, 1, n, n, None, START))
    body = {"title": f"第 {n}", "kind": "firing", "alert": alert, "n_th": n, "message": "", "evidence": {}}
    body |= {"advice": "", "clears": "", "annotations": {}, "url": ""}
    outbox.put(connection, Message(0, alert, run_id, channel.name, "firing", 0, START, f"key-{n}", body))


# A real Alertmanager ------------------------------------------------------------------------------------------------


@contextmanager
def alertmanager(folder: Path, hook: Hook) -> Iterator[str]:
    """Its address; what it makes of the alerts goes to the hook."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    route = {"receiver": "hook", "group_by": ["run"], "group_wait": "0s", "group_interval": "1s"}
    receivers = [{"name": "hook", "webhook_configs": [{"url": hook.url}]}]
    (folder / "am.yml").write_text(json.dumps({"route": route, "receivers": receivers}))  # JSON is YAML
    listen = [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    command = [ALERTMANAGER, f"--config.file={folder / 'am.yml'}", f"--storage.path={folder / 'am'}", *listen]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2).status == 200)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def wait_for(done: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if done():
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise TimeoutError


def active(address: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{address}/api/v2/alerts", timeout=10) as answer:
        return list(json.load(answer))


def real_alertmanager(tmp_path: Path) -> None:
    """It hears of the start and of the end, and tells its own receiver, by run."""
    engine, run = open_store(f"sqlite:///{tmp_path / 'store.db'}"), tmp_path / "数学-7b"
    with http() as hook, alertmanager(tmp_path, hook) as address:
        rules, now = book(RULES, Channel("am", "alertmanager", url=address)), time.time()
        for rewards, fires in ([0.5, 0.1], True), ([0.5, 0.1, 0.5], False):
            log_of(run, rewards, now - 60 * (3 - len(rewards)))
            collect(engine, run)
            check(engine, now=time.time(), live_for=86_400, book=rules, link="http://dash:8501")
            [served] = deliver(engine, rules.channels.values()).values()
            assert (served.trouble, served.delivered) == ("", 1)
            wait_for(lambda fires=fires: bool(active(address)) == fires)  # type: ignore[misc]
            if fires:
                [one] = active(address)
                assert one["labels"] | {"project": ""} == {
                    "alertname": "low reward",
                    "project": "",
                    "run": run.name,
                    "severity": "warning",
                    "episode": "1",
                }
                assert one["status"]["state"] == "active" and "/run?run=1&step=2" in one["generatorURL"]
                assert "the rule's limit is below 0.2" in one["annotations"]["description"]
        wait_for(lambda: "resolved" in [one["status"] for one in hook.taken])
    engine.dispose()
    assert [one["status"] for one in hook.taken] == ["firing", "resolved"]
    assert {one["groupLabels"]["run"] for one in hook.taken} == {run.name}


if ALERTMANAGER:  # elsewhere the test does not exist, so that nothing is skipped
    test_a_real_alertmanager_groups_tells_and_forgets = real_alertmanager
