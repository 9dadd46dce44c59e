"""The life of an alert: known answers, and the same story however the passes are cut, killed or doubled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from alerts import hands
from alerts.lifecycle import World, episodes, standing
from alerts.reading import Span
from alerts.rules import Channel, Rule
from db import alerts as store
from db import outbox, runs, schema
from db.alerts import Position, Silence, Statement
from db.engine import reading, writing
from tests.alerting import (
    RULES,
    START,
    TEAM,
    book,
    collect,
    lives,
    look,
    row,
    rows,
    told,
)

GOOD, BAD = 0.5, 0.1


def said(step: int, state: str = "firing", *, of: int | None = None, severity: str = "warning") -> Statement:
    """One statement at a step; of: the step at which its finding was detected."""
    text = json.dumps({"message": f"{state} at {step}"})
    return Statement(1, 1, 1, "t", step if of is None else of, severity, state, step, START + 60 * step, False, text)


def story(rule: Rule, at: int, *statements: Statement) -> list[tuple[int, str, int | None]]:
    """(first step, state, last step) of each episode when the run is at a step."""
    found = episodes(statements, rule, {1: Position(1, at, START + 60 * at)})
    return [(one.first.detected_step, one.state, one.closing.step if one.closing else None) for one in found]


@pytest.mark.parametrize("hold", [Span(steps=5), Span(seconds=300.0), Span(5, 300.0)])
def test_for_lets_a_trouble_fire_only_when_it_has_lasted(hold: Span) -> None:
    rule = Rule("t", hold=hold)
    assert story(rule, 14, said(10)) == [(10, "pending", None)]
    assert story(rule, 15, said(10)) == [(10, "firing", None)]
    assert story(rule, 30, said(10), said(14, "resolved", of=10)) == [(10, "inactive", 14)]
    assert story(rule, 30, said(10), said(15, "resolved", of=10)) == [(10, "resolved", 15)]


def test_keep_firing_for_makes_one_episode_of_what_comes_back_soon() -> None:
    rule, over = Rule("t", keep=Span(steps=3)), said(12, "resolved", of=10)
    assert story(rule, 15, said(10), over) == [(10, "firing", 12)]
    assert story(rule, 16, said(10), over) == [(10, "resolved", 12)]
    assert story(rule, 15, said(10), over, said(15)) == [(10, "firing", None)]
    assert story(rule, 16, said(10), over, said(16)) == [(10, "resolved", 12), (16, "firing", None)]


def test_a_restart_ends_what_nobody_can_end_any_more() -> None:
    [one] = episodes([said(10)], Rule("t"), {1: Position(1, 20, None)}, ended={(1, 1)})
    assert one.state == "resolved"


def test_one_history_in_two_containers_is_told_once_and_by_the_same_one() -> None:
    rules = book('[rules.t]\nmetric = "x"\nabove = 1')
    twice = [said(10), replace(said(12), source_id=2)]
    world = World(1, "p", "r", 20, statements=twice, formats={1: "console", 2: "tb"}, merits={1: (20, 9), 2: (19, 9)})
    assert [one.first.source_id for one in standing(world, rules)] == [1]
    ahead = replace(world, merits={1: (20, 9), 2: (30, 9)})
    assert [one.first.source_id for one in standing(ahead, rules)] == [2]
    heard = store.Alert(1, 1, "t", "1:1:10", "firing", "warning", 1, 1, 10, 10, None, START)
    assert [one.first.source_id for one in standing(replace(ahead, alerts=[heard]), rules)] == [1]


def test_an_alert_fires_once_and_is_over_once(engine: sa.Engine, tmp_path: Path) -> None:
    log, rules = tmp_path / "metrics.jsonl", book()
    states = []
    step = 0
    for rewards in ([GOOD] * 3, [BAD], [BAD] * 4, [GOOD], [GOOD] * 4):
        with log.open("ab") as file:
            file.write(rows(rewards, first=step + 1))
        step += len(rewards)
        collect(engine, log)
        for _ in range(2):
            look(engine, rules, minute=step + 0.5)
        states.append({one[0]: one[3] for one in lives(engine)})
    assert states == [
        {},
        {"low reward": "firing", "low for long": "pending"},
        {"low reward": "firing", "low for long": "firing"},
        {"low reward": "resolved", "low for long": "firing"},
        {"low reward": "resolved", "low for long": "resolved"},
    ]
    name = tmp_path.name
    assert told(engine) == [
        (name, rule, 1, 4, kind, 0) for rule in ("low for long", "low reward") for kind in ("firing", "resolved")
    ]


def test_it_is_repeated_until_somebody_has_it_in_hand(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_bytes(rows([GOOD, BAD]))
    collect(engine, log)
    rules = book(RULES.replace("below = 0.2\n", 'below = 0.2\nrepeat_interval = "1h"\n', 1))
    kinds = []
    for minute in (3, 30, 64, 65, 300):
        with log.open("ab") as file:
            file.write(row(minute, BAD))
        collect(engine, log)
        look(engine, rules, minute=minute)
        kinds.append([one[4:] for one in told(engine) if one[1] == "low reward"])
    once = [("firing", 0)]
    assert kinds == [once, once, [*once, ("repeat", 1)], [*once, ("repeat", 1)], [*once, ("repeat", 1), ("repeat", 4)]]
    with writing(engine) as connection:
        [one] = [a for a in store.alerts_of(connection) if a.rule == "low reward"]
        store.acknowledge(connection, one.id, now=START, who="陈")
    log.write_bytes(log.read_bytes() + row(899, BAD))
    collect(engine, log)
    look(engine, rules, minute=900)
    assert [one[4:] for one in told(engine) if one[1] == "low reward"] == kinds[-1]
    with reading(engine) as connection:
        assert [f.who for f in store.flips_of(connection, [one.id])[one.id] if f.kind == "acknowledged"] == ["陈"]


@pytest.mark.parametrize("together", [5, 7])
def test_what_is_repeated_has_the_numbers_of_now(engine: sa.Engine, tmp_path: Path, together: int) -> None:
    log = tmp_path / "metrics.jsonl"
    rules = book(RULES.replace("below = 0.2\n", 'below = 0.2\nrepeat_interval = "20m"\n', 1))
    for first in range(1, 36, together):
        with log.open("ab") as file:
            file.write(b"".join(row(s, 0.2 - s / 1000) for s in range(first, first + together)))
        collect(engine, log)
        look(engine, rules, minute=first + together - 0.5)
    with reading(engine) as connection:
        [one] = [a for a in store.alerts_of(connection) if a.rule == "low reward"]
        messages = [m for m in outbox.messages_of(connection, [one.id]) if m.kind == "repeat"]
    assert one.onset_step == 1 and one.finding["evidence"]["value"] == 0.2 - 31 / 1000  # told anew every ten rows
    assert messages[0].body["evidence"]["value"] < 0.2 - 11 / 1000
    assert "reward_mean is 0.169" in one.finding["message"]


def test_to_take_it_in_hand_while_a_pass_is_at_work_is_not_lost(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_bytes(rows([GOOD, BAD]))
    collect(engine, log)
    look(engine, book(), minute=3)
    with reading(engine) as connection:
        seen = store.alerts_of(connection)[0]
    hands.acknowledge(engine, [seen.id], who="陈", now=START)
    with writing(engine) as connection:
        store.keep(connection, replace(seen, state="resolved"))
        after = store.alert(connection, seen.id)
    assert after is not None and (after.state, after.acked_by, after.acked_at) == ("resolved", "陈", START)


def test_who_is_escalated_to_hears_of_it_only_when_nobody_answers(engine: sa.Engine, tmp_path: Path) -> None:
    log, pager = tmp_path / "metrics.jsonl", replace(TEAM, name="pager")
    log.write_bytes(rows([GOOD, BAD]))
    collect(engine, log)
    escalating = 'below = 0.2\nescalate_after = "1h"\nescalate_to = ["pager"]\n'
    channels = '[channels.pager]\nurl = "http://127.0.0.1:9/x"\n'
    rules = book(RULES.replace("below = 0.2\n", escalating, 1) + channels, TEAM, pager)
    look(engine, rules, minute=3)
    look(engine, rules, minute=62)
    assert not [one for one in told(engine, "pager") if one[1] == "low reward"]
    look(engine, rules, minute=64)
    log.write_bytes(rows([GOOD, BAD, GOOD]))
    collect(engine, log)
    look(engine, rules, minute=65)
    assert [one[4] for one in told(engine, "pager") if one[1] == "low reward"] == ["resolved", "unanswered"]


@pytest.mark.parametrize(
    ("silence", "heard_at_once"),
    [({"run": "*"}, False), ({"rule": "low*"}, False), ({"until_step": 4}, False), ({"run": "p*/other"}, True)],
)
def test_a_silence_keeps_it_back_until_it_ends(
    engine: sa.Engine, tmp_path: Path, silence: dict[str, object], heard_at_once: bool
) -> None:
    log, rules = tmp_path / "metrics.jsonl", book()
    log.write_bytes(rows([GOOD, BAD]))
    collect(engine, log)
    until = None if "until_step" in silence else START + 3600
    made = {"run": "*", "rule": "*", "tag": "*", "until": until, "until_step": None} | silence
    with writing(engine) as connection:
        store.silence(connection, Silence(0, made_at=START, who="me", why="", **made))  # type: ignore[arg-type]
    look(engine, rules, minute=3)
    assert bool(told(engine)) == heard_at_once
    assert ("low reward", "firing") in [(one[0], one[3]) for one in lives(engine)]
    if "until_step" in silence:
        with log.open("ab") as file:
            file.write(rows([BAD, BAD], first=3))
        collect(engine, log)
    look(engine, rules, minute=61)
    assert [one[4] for one in told(engine) if one[1] == "low reward"] == ["firing"]


def test_tags_of_people_and_of_configs_choose_rules_and_silences(engine: sa.Engine, tmp_path: Path) -> None:
    logs = {name: tmp_path / name / "metrics.jsonl" for name in ("given", "named", "bare")}
    for log in logs.values():
        log.parent.mkdir()
        log.write_bytes(rows([GOOD, BAD]))
    collect(engine, tmp_path)
    with writing(engine) as connection:
        ids = {run.name: run.id for run in runs.all_runs(connection)}
        connection.execute(sa.insert(schema.tags).values(run_id=ids["given"], tag="math 数学"))
        said = {"run_id": ids["named"], "key": "trainer.tags", "value": '["math", "32K"]'}
        connection.execute(sa.insert(schema.config).values(said))
        silence = Silence(0, "*", "*", "math*", START + 3600, None, START, "me", "")
        store.silence(connection, silence)
    look(engine, book(), minute=3)
    assert {one[0] for one in told(engine)} == {"bare"}
    assert {one[0] for one in lives(engine)} == {"low reward", "low for long"}
    look(engine, book(), minute=61)
    assert {one[0] for one in told(engine)} == {"bare", "given", "named"}
    only = book(RULES.replace("below = 0.2\n", 'below = 0.2\ntags = ["*数学"]\n'))
    look(emptied_of_alerts(engine), only, minute=62)
    assert {one[0] for one in told(engine)} == {"given"}


def emptied_of_alerts(engine: sa.Engine) -> sa.Engine:
    with engine.begin() as connection:
        for table in (schema.outbox, schema.flips, schema.alerts, schema.silences, schema.statements):
            connection.execute(sa.delete(table))
        for table in (schema.rule_states, schema.judgements, schema.findings, schema.watched):
            connection.execute(sa.delete(table))
    return engine


def test_a_worse_finding_is_told_as_worse(engine: sa.Engine, tmp_path: Path) -> None:
    critical = Channel("pager", "webhook", url="http://127.0.0.1:9/x", at_least="critical")
    entropies = [0.3 * 2 ** (max(0, s - 20) / 8) for s in range(1, 61)]
    log = tmp_path / "metrics.jsonl"
    log.write_bytes(b"".join(row(s, 0.5 - 0.005 * s, entropy=e) for s, e in enumerate(entropies, 1)))
    collect(engine, log)
    look(engine, book("", TEAM, critical), minute=61)
    team = [one[4:] for one in told(engine) if one[1] == "entropy_blowup"]
    assert team == [("escalated", 2), ("firing", 0)]
    assert [one[4:] for one in told(engine, "pager") if one[1] == "entropy_blowup"] == [("escalated", 2)]


def test_silence_of_the_log_itself_is_a_state_of_its_own(engine: sa.Engine, tmp_path: Path) -> None:
    log, rules = tmp_path / "metrics.jsonl", book()
    log.write_bytes(rows([GOOD, BAD]))
    collect(engine, log)
    look(engine, rules, minute=3)
    look(engine, rules, minute=90)
    look(engine, rules, minute=95)
    states = {one[0]: one[3] for one in lives(engine)}
    assert states == {"low reward": "no-data", "low for long": "no-data", "no_data": "no-data"}
    with log.open("ab") as file:
        file.write(row(3, BAD, at=96) + row(4, GOOD, at=97))
    collect(engine, log)
    look(engine, rules, minute=98)
    kinds = [(one[1], one[4]) for one in told(engine)]
    assert kinds == [
        ("low reward", "firing"),
        ("low reward", "resolved"),
        ("no_data", "no-data"),
        ("no_data", "resolved"),
    ]


SILENT = """
[rules.silent]
no_data_for = "15m"
[rules."no score"]
quantity = "score_mean"
no_data_for = "15m"
"""


def test_a_container_that_lags_or_lacks_a_metric_is_no_silence(engine: sa.Engine, tmp_path: Path) -> None:
    """As TRL writes: one file at every step, another at every checkpoint, and not the same metrics in both."""
    log, other = tmp_path / "metrics.jsonl", tmp_path / "metrics.csv"
    rules = book(SILENT)
    log.write_bytes(b"".join(row(s, GOOD, score_mean=0.5) for s in range(1, 11)))
    text = "step,timestamp,reward_mean\n" + "".join(f"{s},{START + 60 * s},0.5\n" for s in range(1, 11))
    other.write_text(text)
    for step in range(11, 61, 5):
        with log.open("ab") as file:
            file.write(b"".join(row(s, GOOD, score_mean=0.5) for s in range(step, step + 5)))
        collect(engine, tmp_path)
        look(engine, rules, minute=step + 4.5)
    assert lives(engine) == []
    look(engine, rules, minute=60 + 16)
    assert {one[0] for one in lives(engine)} == {"silent", "no score", "stalled"}


def test_a_rule_that_cannot_be_evaluated_says_so_once(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_bytes(rows([GOOD, BAD]))
    collect(engine, log)
    rules = book('[[rules]]\nname = "behind"\nquantity = "reward_mean"\nbaseline = "nobody"\nbelow = "-10%"\n')
    for minute in (3, 4):
        report = look(engine, rules, minute=minute)
        assert list(report.errors.values()) == [{"behind": "there is no run 'nobody' to compare with"}]
    assert [(one[1], one[4]) for one in told(engine)] == [("behind", "error")]
    assert [(one[0], one[3]) for one in lives(engine)] == [("behind", "error")]
    look(engine, book(""), minute=5)
    assert [(one[0], one[3]) for one in lives(engine)] == [("behind", "resolved")]


def test_what_was_over_long_ago_is_kept_and_not_told(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_bytes(rows([BAD, GOOD, GOOD]) + row(4, BAD, at=600))
    collect(engine, log)
    look(engine, book(), minute=601, live_for=3600)
    assert [one[2:5] for one in told(engine) if one[1] == "low reward"] == [(1, 4, "firing")]
    assert [one[3] for one in lives(engine) if one[0] == "low reward"] == ["resolved", "firing"]


def test_a_rule_that_is_new_tells_of_now_and_not_of_the_past(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_bytes(rows([BAD, GOOD, BAD]))
    collect(engine, log)
    look(engine, book(""), minute=4)
    look(engine, book(), minute=5)
    assert [one[2:5] for one in told(engine) if one[1] == "low reward"] == [(1, 3, "firing")]
