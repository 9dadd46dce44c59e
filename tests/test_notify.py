"""What a message says, and that it arrives: webhook, Alertmanager, e-mail and pings on real servers on loopback."""

from __future__ import annotations

import email
import io
import json
import math
import subprocess
from dataclasses import replace
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from alerts import notify, picture, sureness
from alerts.carriers import _without, address, masked, takes_pictures
from alerts.check import check
from alerts.lifecycle import World
from alerts.outbox import Failed, deliver
from alerts.plan import Due
from alerts.rules import Book, Channel, Rule
from charts import still
from charts.still import Still
from db import outbox
from db.alerts import Alert
from db.engine import open_store, reading
from tests.alerting import START, book, collect, row
from tests.servers import http, smtp

DOCS = (Path(__file__).parents[1] / "docs/alerts.md").read_text(encoding="utf-8")
RUN = "数学-grpo-7b"
LINK = "http://dash.example:8501/"


def blow_up(engine: sa.Engine, folder: Path, rules: Book, *, calm_after: int | None = None) -> None:
    """Entropy doubles every 8 steps from step 20 on; judged at the end."""
    log = folder / RUN / "metrics.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    entropies = [0.3 * 2 ** (max(0, s - 20) / 8) for s in range(1, 61)]
    lines = [row(s, 0.6 - 0.005 * s, entropy=e) for s, e in enumerate(entropies, 1)]
    if calm_after:
        lines += [row(s, 0.5, entropy=0.3) for s in range(61, 61 + calm_after)]
    log.write_bytes(b"".join(lines))
    collect(engine, log)
    check(engine, now=START + 60 * len(lines) + 1, live_for=86_400, book=rules, link=LINK)


def send(engine: sa.Engine, rules: Book) -> None:
    served = deliver(engine, rules.channels.values(), clock=lambda: START + 1e6, limit=20)
    assert [one.trouble for one in served.values()] == [""] * len(served)


def test_a_webhook_gets_the_documented_json(engine: sa.Engine, tmp_path: Path) -> None:
    with http() as hook:
        rules = book("", Channel("hook", "webhook", url=hook.url))
        blow_up(engine, tmp_path, rules)
        send(engine, rules)
    told: dict[str, Any] = next(t for t in hook.taken if any(m["rule"] == "entropy_blowup" for m in t["messages"]))
    assert set(told) == {"schema", "id", "title", "text", "messages"}
    [first, worse] = [one for one in told["messages"] if one["rule"] == "entropy_blowup"]
    assert (first["kind"], first["severity"], worse["kind"], worse["severity"]) == (
        "firing",
        "warning",
        "escalated",
        "critical",
    )
    assert first["run"] == RUN
    assert worse["url"].startswith("http://dash.example:8501/run?run=")
    documented = {line.split("`")[1] for line in DOCS.splitlines() if line.startswith("| `")}
    assert set(first) <= documented


def test_the_first_line_says_what_which_run_which_step_and_how_sure(engine: sa.Engine, tmp_path: Path) -> None:
    with http() as hook:
        rules = book("", Channel("hook", "webhook", url=hook.url))
        blow_up(engine, tmp_path, rules)
        send(engine, rules)
    [told] = hook.taken
    line = next(one["title"] for one in told["messages"] if one["kind"] == "escalated")
    assert line.startswith("CRITICAL entropy blow-up (worse) · ")
    assert f"{RUN} · step 60, since step " in line
    assert line.endswith(" · doubling time 8 steps (8–8, 99 %)")  # as it was planted
    assert "Try: " in told["text"] and "http://dash.example" in told["text"] and "Clears: " in told["text"]
    # What got worse before anybody was told is told once, as it is now.
    assert told["text"].count("entropy blow-up") + told["title"].count("entropy blow-up") == 1


def test_labels_of_a_rule_reach_alertmanager_and_tags_are_none() -> None:
    rule = Rule("low", labels={"team": "rl"}, annotations={"runbook": "https://wiki/low"})
    alert = Alert(7, 1, "low", "1:1:10", "firing", "warning", 1, 1, 10, 12, None, START)
    world = World(1, "p", "数学", 12, tags=("16K", "grpo"))
    [entry] = notify.alertmanager([notify.body(world, rule, alert, Due("am", "firing", 0, "warning", "{}"), now=START)])
    ours = {"alertname": "low", "project": "p", "run": "数学", "episode": "7", "severity": "warning"}
    assert entry["labels"] == {"team": "rl", **ours}
    assert (entry["annotations"]["tags"], entry["annotations"]["runbook"]) == ("16K, grpo", "https://wiki/low")


@pytest.mark.parametrize(
    ("rule", "said", "sure"),
    [
        ("non_finite", {}, "certain"),
        ("low", {"source": "stepwell.toml", "evidence": {"value": 0.1}}, "certain: the rule's own limit"),
        ("entropy_collapse", {"time": 78.6, "time_low": 68.2, "time_high": 96.3}, "halving time 78.6 steps (68.2–96.3"),
        ("entropy_blowup", {"time": 84.0, "time_low": 63.5, "time_high": math.inf}, "time 84 steps (63.5–∞, 99 %)"),
        ("reward_collapse", {"noises": 9.949}, "9.9 times its noise, over 20 steps"),
        ("dead_signal", {"level": 1.0}, "seen over 20 steps"),
        ("entropy_blowup", {"time": math.nan}, "seen over 20 steps"),
    ],
)
def test_how_sure_is_a_number_with_its_interval_where_there_is_one(rule: str, said: dict[str, Any], sure: str) -> None:
    told = json.dumps(said if "source" in said else {"evidence": said})
    alert = Alert(1, 1, rule, "1:1:10", "firing", "warning", 1, 1, 10, 12, None, START, said=told)
    assert sure in sureness.sure(alert, 30)


def test_the_payload_has_no_number_that_json_lacks() -> None:
    said = {"evidence": {"time": 84.0, "time_low": 63.5, "time_high": math.inf, "x": math.nan, "why": "∞"}}
    alert = Alert(1, 1, "entropy_blowup", "1:1:10", "firing", "warning", 1, 1, 10, 12, None, START)
    due = Due("hook", "firing", 0, "warning", json.dumps(said))
    told = notify.body(World(1, "p", "r", 12), None, alert, due, now=START)
    json.dumps(told, allow_nan=False)
    assert told["evidence"] == {"time": 84.0, "time_low": 63.5, "time_high": None, "x": None, "why": "∞"}
    interval = {"what": "doubling time", "value": 84.0, "low": 63.5, "high": None, "unit": "steps", "level": 0.99}
    assert told["interval"] == interval


def test_names_from_logs_cannot_break_a_line() -> None:
    message = {"kind": "firing", "severity": "warning", "rule": "r", "project": "p", "run": "a\r\nBcc: x\x1b[2J"}
    line = notify.title(message | {"step": 1, "onset_step": 1, "sure": "certain"})
    assert line.isprintable()


def test_an_alertmanager_hears_of_start_and_end(engine: sa.Engine, tmp_path: Path) -> None:
    with http() as hook:
        rules = book("", Channel("am", "alertmanager", url=f"http://127.0.0.1:{hook.port}"))
        blow_up(engine, tmp_path, rules)
        send(engine, rules)
        blow_up(engine, tmp_path, rules, calm_after=60)
        send(engine, rules)
    assert {path for path, *_ in hook.got} == {"/api/v2/alerts"}
    said = [one for told in hook.taken for one in told if one["labels"]["alertname"] == "entropy_blowup"]
    assert {one["labels"]["run"] for one in said} == {RUN}
    assert len({one["labels"]["episode"] for one in said}) == 1
    ends = {one["labels"]["severity"]: one["endsAt"] for one in said}
    at = said[0]["startsAt"]
    assert ends["warning"] == at  # the worse one has taken its place
    assert said[-1]["labels"]["severity"] == "critical" and ends["critical"] > at
    assert said[-1]["endsAt"] == notify._time(START + 60 * 120 + 1)  # when it was seen to be over


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_mail_arrives_through_apprise_with_its_chinese_names(engine: sa.Engine, tmp_path: Path) -> None:
    with smtp() as (port, mails):
        url = f"mailto://127.0.0.1:{port}?from=a@example.org&to=b@example.org&mode=insecure"
        rules = book("", Channel("mail", "apprise", url=url, picture=False))
        blow_up(engine, tmp_path, rules)
        send(engine, rules)
    [mail] = map(email.message_from_string, mails)
    subject = str(make_header(decode_header(str(mail["Subject"]))))
    assert RUN in subject.replace("\n ", "")
    parts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    assert any("Entropy has doubled" in part.decode() for part in parts if isinstance(part, bytes))


MAIL = "mailto://127.0.0.1:{port}?from=a@example.org&to=b@example.org&mode=insecure"


def pictures(mail: str) -> list[bytes]:
    parts = [part for part in email.message_from_string(mail).walk() if part.get_content_type() == "image/png"]
    return [bytes(part.get_payload(decode=True)) for part in parts]  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_mail_carries_the_curve_as_a_picture(tmp_path: Path) -> None:
    engine = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    with smtp() as (port, mails):
        rules = book("", Channel("mail", "apprise", url=MAIL.format(port=port)))
        blow_up(engine, tmp_path, rules)
        send(engine, rules)
    engine.dispose()
    [[shown_png]] = map(pictures, mails)
    shown = np.asarray(Image.open(io.BytesIO(shown_png)).convert("RGB"), np.int64)
    assert shown.shape[0] > 200 and shown.shape[1] > 600

    def inked(colour: str) -> bool:
        return bool((np.abs(shown - [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).sum(axis=2) < 60).any())

    assert inked("#3f5bd9") and inked("#c62828") and not inked("#2a9d7c")


def test_the_picture_shows_what_the_alert_is_about(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Still] = []
    monkeypatch.setattr(picture, "png", lambda still: drawn.append(still) or b"x")
    rules = book('[rules."my own"]\nmetric = "毒性/rate"\nabove = 0.5\n[rules.stalled]\nenabled = false\n')
    log = tmp_path / RUN / "metrics.jsonl"
    log.parent.mkdir()
    log.write_bytes(b"".join(row(s, 0.5, **{"毒性/rate": 0.1 if s < 8 else 0.9}) for s in range(1, 11)))
    collect(engine, log)
    check(engine, now=START + 601, live_for=86_400, book=rules)
    with reading(engine) as connection:
        messages = outbox.newest_messages(connection, 10)
    assert picture.picture(engine, messages) == b"x"
    [one] = drawn
    assert (one.label, one.mark, one.start, one.stop) == ("毒性/rate", "my own", 8, None)
    assert one.values == [0.1] * 7 + [0.9] * 3 and RUN in one.title
    assert picture.picture(engine, [replace(messages[0], body=messages[0].body | {"kind": "no-data"})]) is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("trouble", [["false"], ["sleep", "60"], ["no-such-program"]])
def test_a_picture_that_cannot_be_drawn_keeps_no_message_back(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: list[str]
) -> None:
    run = subprocess.run
    monkeypatch.setattr(still.subprocess, "run", lambda _, **how: run(trouble, **{**how, "timeout": 0.3}))
    with smtp() as (port, mails):
        rules = book("", Channel("mail", "apprise", url=MAIL.format(port=port)))
        blow_up(engine, tmp_path, rules)
        send(engine, rules)
    assert [pictures(mail) for mail in mails] == [[]]


def test_a_picture_goes_only_where_it_is_taken_and_wanted() -> None:
    assert takes_pictures(Channel("a", "apprise", url="slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#g"))
    assert not takes_pictures(Channel("a", "apprise", url="slack://T1/A1/TIi/#g", picture=False))
    assert not takes_pictures(Channel("a", "apprise", url="dingtalk://abcd1234abcdef"))
    assert not takes_pictures(Channel("a", "webhook", url="http://127.0.0.1:1/"))
    assert not takes_pictures(Channel("a", "apprise", url_env="NOT_THERE"))


def test_secrets_come_from_environment_or_file_and_are_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "slack://T0/B0/hunter2hunter2"
    monkeypatch.setenv("MY_URL", secret)
    (tmp_path / "url").write_text(secret + "\n")
    from_env, from_file = Channel("a", "apprise", url_env="MY_URL"), Channel("b", "apprise", url_file=f"{tmp_path}/url")
    assert address(from_env) == address(from_file) == secret
    for channel in (
        from_env,
        from_file,
        Channel("c", "apprise", url=secret),
        Channel("d", "webhook", url="https://h/s3cret"),
    ):
        assert "hunter2" not in masked(channel) and "s3cret" not in masked(channel)
    with pytest.raises(Failed, match="NO_URL"):
        address(Channel("a", "apprise", url_env="NO_URL"))
    assert "hunter2" not in _without(secret, f"could not reach {secret}: hunter2hunter2 refused")


def test_a_failure_is_logged_without_its_secret(engine: sa.Engine, tmp_path: Path) -> None:
    rules = book("", Channel("hook", "webhook", url="http://127.0.0.1:1/t0psecret/hook"))
    blow_up(engine, tmp_path, rules)
    served = deliver(engine, rules.channels.values(), clock=lambda: START, limit=5)["hook"]
    assert "refused" in served.trouble
    assert "t0psecret" not in served.trouble


def test_the_payload_is_json_whatever_a_log_says() -> None:
    message = {"title": "\ud800", "message": "x", "evidence": {"a": None}, "kind": "firing", "alert": 1}
    rest = {"advice": "", "clears": "", "annotations": {}, "url": ""}
    assert json.dumps(notify.webhook("k", [message | rest]))
