"""The command as cron and people meet it: news once, a lock, a limit, a heartbeat, pings, a metrics file, verbs."""

# ruff: noqa: F811
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from alerts import heartbeat, lock
from alerts.heartbeat import Beat
from db.engine import open_store, reading, writing
from stepwell import checking, labels
from tests.servers import http
from tests.test_cli import ROOT, Stepwell, blow_up, calm, stepwell  # noqa: F401


def test_a_quiet_check_says_everything_once(stepwell: Stepwell, tmp_path: Path) -> None:
    log = blow_up(tmp_path)
    code, out, _ = stepwell("check", log.parent, "--quiet")
    assert code == 1 and len(re.findall("entropy_blowup", out)) == 1
    code, out, _ = stepwell("check", log.parent, "--quiet")
    assert (code, out) == (1, "")
    with log.open("a") as file:
        for step in range(61, 121):
            row = {"step": step, "timestamp": time.time() - 60, "entropy": 0.3, "reward_mean": 0.6, "trunc_frac": 0.02}
            file.write(json.dumps(row) + "\n")
    code, out, _ = stepwell("check", log.parent, "--quiet")
    assert "RESOLVED blowup: entropy_blowup at step" in out
    assert stepwell("check", log.parent, "--quiet")[1] == ""


def test_a_run_without_data_is_news_once(stepwell: Stepwell, tmp_path: Path) -> None:
    calm(tmp_path, seconds_ago=3 * 3600)
    code, out, _ = stepwell("check", tmp_path, "--quiet")
    assert code == 3 and out
    code, out, _ = stepwell("check", tmp_path, "--quiet")
    assert (code, out) == (3, "")


def test_bad_rules_are_exit_2_with_file_and_line(stepwell: Stepwell, tmp_path: Path) -> None:
    (tmp_path / "stepwell.toml").write_text("[rules.entropy_collapse]\nseverity = 'fatal'\n")
    for command in (["check"], ["rules", "test"]):
        code, _, err = stepwell(*command)
        assert code == 2
        assert "stepwell.toml:2: rules.entropy_collapse.severity" in err


def test_a_rule_that_is_off_does_not_fire(stepwell: Stepwell, tmp_path: Path) -> None:
    blow_up(tmp_path)
    firing = {one["rule"] for one in json.loads(stepwell("check", tmp_path, "--json")[1])["alerts"]}
    (tmp_path / "stepwell.toml").write_text("".join(f"[rules.{name}]\nenabled = false\n" for name in firing))
    assert stepwell("check", "--quiet")[0] == 0


def test_init_writes_what_rules_test_can_read(stepwell: Stepwell, tmp_path: Path) -> None:
    assert stepwell("init")[0] == 0
    assert stepwell("init")[0] == 2
    assert stepwell("init", "--force")[0] == 0
    blow_up(tmp_path)
    stepwell("collect", tmp_path)
    code, out, _ = stepwell("rules", "test", "--json")
    told = json.loads(out)
    fired = {one["rule"] for one in told["rules"] if one["episodes"]}
    assert code == 0 and "entropy_blowup" in fired and told["runs"] == 1
    assert "entropy_blowup: would have fired 1 time" in stepwell("rules", "test")[1]
    assert stepwell("alerts")[1].startswith("No alert is open")


def test_rules_are_scored_where_labels_say_what_happened(stepwell: Stepwell, tmp_path: Path) -> None:
    blow_up(tmp_path)
    calm(tmp_path)
    (tmp_path / "stepwell.toml").write_text('[rules.short]\nquantity = "reward_mean"\nabove = 0.3\n')
    stepwell("collect", tmp_path)
    assert "No labels.json stands beside these logs" in stepwell("rules", "test")[1]
    event = {"type": "entropy_blowup", "onset": 21, "end": 60, "t_fatal": 60}
    (tmp_path / "blowup" / "labels.json").write_text(json.dumps({"metrics": {"events": [event]}}))
    (tmp_path / "calm" / "labels.json").write_text(json.dumps({"metrics": {"events": []}}))
    labels._labels.cache_clear()
    code, out, _ = stepwell("rules", "test", "--json")
    told = json.loads(out)
    counts = {one["rule"]: (one["right"], one["false"]) for one in told["rules"] if one["episodes"]}
    assert code == 0 and told["labelled"] == 2
    assert counts["entropy_blowup"] == (1, 0)
    assert counts["short"] == (0, 2)  # nothing had happened yet, and in the calm run never does
    assert told["scores"]["entropy_blowup"]["recall"] == 1.0
    out = stepwell("rules", "test")[1]
    assert "entropy_blowup: would have fired 1 time; by the labels 1 right, 0 false" in out
    assert "No labels.json" not in out


def test_alerts_are_listed_acknowledged_and_silenced(stepwell: Stepwell, tmp_path: Path) -> None:
    blow_up(tmp_path)
    stepwell("check", tmp_path)
    [one] = [a for a in json.loads(stepwell("alerts", "--json")[1])["alerts"] if a["rule"] == "entropy_blowup"]
    assert (one["state"], one["run"], [flip["kind"] for flip in one["history"]][:2]) == (
        "firing",
        "blowup",
        ["pending", "firing"],
    )
    assert stepwell("ack", one["id"], "--note", "在看", "--who", "陈")[0] == 0
    assert "acknowledged by 陈" in stepwell("alerts")[1]
    assert stepwell("ack", 999)[0] == 2
    assert stepwell("silence", "--run", "blow*")[0] == 2  # for ever is not a while
    code, out, _ = stepwell("silence", "--run", "blow*", "--for", "6h", "--note", "known")
    assert code == 0 and "silence 1: run blow* for 6 h" in out
    assert "known" in stepwell("silence", "--list")[1]
    assert stepwell("silence", "--end", 1)[0] == 0
    assert stepwell("silence", "--end", 1)[0] == 2


def test_a_channel_is_told_once_and_its_log_can_be_read(stepwell: Stepwell, tmp_path: Path) -> None:
    blow_up(tmp_path)
    with http() as hook:
        (tmp_path / "stepwell.toml").write_text(f'[channels.hook]\ntype = "webhook"\nurl = "{hook.url}"\n')
        for _ in range(2):
            stepwell("check", tmp_path, "--quiet")
    assert len(hook.taken) == 1
    assert "delivered" in stepwell("alerts", "--deliveries")[1]


def test_runs_are_silenced_by_the_tags_that_people_gave_them(stepwell: Stepwell, tmp_path: Path) -> None:
    blow_up(tmp_path)
    stepwell("collect", tmp_path)
    with http() as hook:
        (tmp_path / "stepwell.toml").write_text(f'[channels.hook]\ntype = "webhook"\nurl = "{hook.url}"\n')
        assert stepwell("tag", "blowup", "+试验 32K")[0] == 0
        assert stepwell("silence", "--tag", "试验*", "--for", "1h")[0] == 0
        assert stepwell("check", tmp_path)[0] == 1
        assert hook.taken == []
        stepwell("silence", "--end", 1)
        stepwell("check", tmp_path)
    [told] = hook.taken
    assert told["messages"][0]["tags"] == ["试验 32K"]
    acts = [one["act"] for one in json.loads(stepwell("edits", "--json")[1])["edits"]]
    assert acts == ["end silence", "silence", "tag"]


def test_a_channel_that_is_away_keeps_its_messages(stepwell: Stepwell, tmp_path: Path) -> None:
    blow_up(tmp_path)
    (tmp_path / "stepwell.toml").write_text('[channels.hook]\nurl = "http://127.0.0.1:1/hunter2"\n')
    code, out, err = stepwell("check", tmp_path)
    assert code == 1
    assert "channel hook" in err and "hunter2" not in err + out
    assert "messages wait for channel hook" in stepwell("alerts")[1]
    assert "hunter2" not in stepwell("alerts", "--deliveries")[1]


def test_pings_say_start_and_exit_code(stepwell: Stepwell, tmp_path: Path) -> None:
    calm(tmp_path)
    with http() as hook:
        stepwell("check", tmp_path, "--ping-url", hook.url)
        stepwell("check", tmp_path / "nowhere", "--ping-url", hook.url)
        blow_up(tmp_path)
        stepwell("check", tmp_path, "--ping-url", hook.url)
    paths = [path for path, *_ in hook.got]
    assert paths == [f"/hook/{what}" for what in ("start", "0", "start", "2", "start", "1")]


def test_a_ping_url_is_a_secret(stepwell: Stepwell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPWELL_PING_URL", "https://hc-ping.example/hunter2")
    assert "hunter2" not in stepwell("config")[1]


def test_the_metrics_file_is_what_node_exporter_reads(stepwell: Stepwell, tmp_path: Path) -> None:
    blow_up(tmp_path)
    (tmp_path / "stepwell.toml").write_text('[rules.entropy_blowup]\nlabels = { team = "rl" }\n')
    file = tmp_path / "out" / "stepwell.prom"
    stepwell("check", tmp_path, "--metrics-file", file)
    text = file.read_text(encoding="utf-8")
    sample = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\\n]|\\.)*",?)*\})? [0-9.e+-]+')
    for line in text.splitlines():
        assert line.startswith("# ") or sample.fullmatch(line), line
    assert re.search(r'stepwell_alert\{team="rl",.*rule="entropy_blowup".*state="firing"\} 1\n', text)
    assert "stepwell_check_exit_code 1\n" in text and text.endswith("# EOF\n")
    assert [path.name for path in file.parent.iterdir()] == ["stepwell.prom"]


def test_a_second_check_waits_and_then_says_that_it_could_not(
    stepwell: Stepwell,
    store_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checking, "PATIENCE", 0.3)
    stepwell("check")
    engine = open_store(store_url)
    with writing(engine) as connection:
        heartbeat.begin(connection, time.time(), 600)
    with lock.alone(engine, wait=0):
        code, _, err = stepwell("check", "--quiet")
    assert (code, "another" in err) == (3, True)
    with writing(engine) as connection:
        heartbeat.begin(connection, time.time() - 700, 600)  # hung, beyond its own limit: passed by
    with lock.alone(engine, wait=0):
        assert stepwell("check", "--quiet")[0] == 0
    engine.dispose()


def test_a_lock_ends_with_its_process(store_url: str, tmp_path: Path) -> None:
    engine = open_store(store_url)
    code = (
        "import sys, time; from alerts import lock; from db.engine import open_store\n"
        f"with lock.alone(open_store({store_url!r}), wait=0): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    with pytest.raises(lock.Busy), lock.alone(engine, wait=0):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with lock.alone(engine, wait=30):
        pass
    engine.dispose()


def test_a_check_ends_itself(stepwell: Stepwell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calm(tmp_path)
    monkeypatch.setattr(checking, "judge_runs", lambda *_, **__: time.sleep(60))
    code, _, err = stepwell("check", tmp_path, "--quiet", "--time-limit", "1s")
    assert (code, "time limit" in err) == (3, True)


def test_a_check_leaves_a_heartbeat(stepwell: Stepwell, store_url: str, tmp_path: Path) -> None:
    calm(tmp_path)
    stepwell("check", tmp_path)
    engine: sa.Engine = open_store(store_url)
    with reading(engine) as connection:
        beat = heartbeat.last(connection)
    engine.dispose()
    assert beat is not None and beat.finished is not None
    assert (beat.code, beat.runs, len(beat.starts)) == (0, 1, 1)


def test_a_dead_cron_is_noticed_and_a_person_at_the_keyboard_is_none() -> None:
    starts = [0.0, 300.0, 600.0, 900.0]
    assert Beat(900.0, starts=starts).late(1700.0) is None
    assert Beat(900.0, starts=starts).late(1900.0) == 1000.0
    assert Beat(600.0, starts=starts[:3]).late(1e6) is None
