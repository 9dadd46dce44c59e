"""What a message says, and the channels that carry it.

The first line says what, which run, which step and how sure; then the numbers, what to try, and where to look.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from alerts.lifecycle import World
from alerts.plan import ALIVE, Due
from alerts.rules import Rule
from alerts.sureness import interval, sure
from analyses.contract import RANK
from db.alerts import Alert

SCHEMA = 1
"""Of the webhook's JSON (docs/alerts.md): fields are added, never renamed or removed."""

RAISED = {"firing", "escalated"}
SEEN = {"repeat": "still firing", "escalated": "worse", "unanswered": "nobody has answered", "resolved": "over"}


def body(world: World, rule: Rule | None, alert: Alert, due: Due, *, now: float, link: str = "") -> dict[str, Any]:
    """One message as plain JSON: the object of `messages` in the webhook's schema."""
    finding = json.loads(due.said)
    evidence = finding.get("evidence") or {}
    estimate = interval(alert.rule, evidence)
    over = due.kind == "resolved" and alert.resolved_step is not None
    step = alert.resolved_step if over and alert.resolved_step is not None else world.step
    message = {
        "kind": due.kind,
        "n": due.n,
        "alert": alert.id,
        "rule": alert.rule,
        "severity": due.severity,
        "state": alert.state,
        "project": world.project,
        "run": world.name,
        "step": step,
        "onset_step": alert.onset_step,
        "detected_step": alert.detected_step,
        "resolved_step": alert.resolved_step,
        "attempt": alert.attempt,
        "sure": sure(alert, step),
        "interval": None if estimate is None else estimate.as_dict(),
        "message": finding.get("message", ""),
        "evidence": {name: _plain(value) for name, value in evidence.items()},
        "clears": finding.get("clears", ""),
        "advice": finding.get("advice", ""),
        "source": finding.get("origin") or finding.get("source") or "",
        "annotations": dict(rule.annotations) if rule else {},
        "labels": dict(rule.labels) if rule else {},
        "tags": list(world.tags),
        "url": _url(link, world.run_id, alert),
        "opened_at": alert.opened_at,
        "at": now,
    }
    return {**message, "title": title(message)}


def title(message: Mapping[str, Any]) -> str:
    """What, which run, which step, how sure."""
    what = str(message["rule"]).replace("_", " ").replace("blowup", "blow-up")
    kind = SEEN.get(str(message["kind"]))
    head = "RESOLVED" if message["kind"] == "resolved" else str(message["severity"]).upper()
    told = f"{head} {what}" + (f" ({kind})" if kind and message["kind"] != "resolved" else "")
    since = "" if message["onset_step"] == message["step"] else f", since step {message['onset_step']}"
    return _line(f"{told} · {message['project']}/{message['run']} · step {message['step']}{since} · {message['sure']}")


def text(messages: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """(title, body) of one delivery: messages of one run."""
    shown, parts = heard(messages), []
    for number, one in enumerate(shown):
        lines = [] if number == 0 else [str(one["title"])]
        lines += [str(one["message"])]
        if one["evidence"]:
            lines.append(", ".join(f"{name} {_number(value)}" for name, value in one["evidence"].items()))
        if one["kind"] != "resolved":
            lines += [f"Try: {one['advice']}"] if one["advice"] else []
            lines += [f"Clears: {one['clears']}"] if one["clears"] else []
        lines += [f"{name}: {value}" for name, value in one["annotations"].items()]
        lines += [str(one["url"])] if one["url"] else []
        parts.append("\n".join(filter(None, lines)))
    more = f" (+{len(shown) - 1} more)" if len(shown) > 1 else ""
    return str(shown[0]["title"]) + more, "\n\n".join(parts)


def heard(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those worth reading: one that got worse before anybody was told is told as it is now."""
    raised = {one["alert"]: number for number, one in enumerate(messages) if one["kind"] in RAISED}
    return [one for number, one in enumerate(messages) if one["kind"] not in RAISED or raised[one["alert"]] == number]


def webhook(batch: str, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The documented JSON of a generic webhook. id: the same whenever this delivery is tried again."""
    head, told = text(messages)
    return {"schema": SCHEMA, "id": batch, "title": head, "text": told, "messages": list(messages)}


def alertmanager(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Alertmanager's POST /api/v2/alerts. What fires is told again every ten minutes and ends by itself an hour after
    the last time, so that a cron that died leaves nothing firing for ever."""
    return [each for one in messages for each in _alertmanager(one)]


def _alertmanager(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Severity is a label, so that routes can use it; then a worse severity is another alert, and ends the milder."""
    ends = one["at"] + 6 * ALIVE
    found = []
    for severity in RANK:
        over = one["kind"] == "resolved" or RANK[severity] < RANK[one["severity"]]
        if RANK[severity] > RANK[one["severity"]] or (severity != one["severity"] and one["kind"] != "escalated"):
            continue
        labels = {"alertname": one["rule"], "project": one["project"], "run": one["run"], "episode": str(one["alert"])}
        entry: dict[str, Any] = {"labels": {**one.get("labels", {}), **labels, "severity": severity}}
        entry["annotations"] = {"summary": one["title"], "description": text([one])[1], **one["annotations"]}
        # Not a label: by its labels an alert is known, and people give and take tags while it fires.
        entry["annotations"] |= {"tags": ", ".join(one["tags"])} if one.get("tags") else {}
        entry["startsAt"], entry["endsAt"] = _time(one["opened_at"]), _time(one["at"] if over else ends)
        found.append(entry | ({"generatorURL": one["url"]} if one["url"] else {}))
    return found


def _url(link: str, run_id: int, alert: Alert) -> str:
    if not link:
        return ""
    return f"{link.rstrip('/')}/run?{urlencode({'run': run_id, 'step': alert.detected_step})}"


def _plain(value: Any) -> Any:
    """JSON knows no NaN and no infinity: null, there is no such number or no bound."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _line(words: str) -> str:
    """Names come from logs: no line breaks or control characters in a title."""
    return "".join(letter if letter.isprintable() else " " for letter in words)


def _time(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat()
