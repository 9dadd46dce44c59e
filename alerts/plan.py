"""From episodes to what changes and what is to be told: pure functions, time is an argument.

A message is due once, for it has a key: (alert, channel, kind, n). What is due is told from what is known now and what
the outbox holds, so a pass that comes later says what an earlier one was kept from saying.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from alerts.lifecycle import Episode, World, silenced, standing
from alerts.rules import TERMINAL, Book, Channel, Rule
from analyses.contract import RANK
from db.alerts import OPEN, Alert, Flip

NO_DATA = "no_data"
OVER = {"error": "It can be evaluated again.", "no-data": "Data comes again."}
ALIVE = 600.0  # s: how often an Alertmanager is told that an alert is still firing


@dataclass(frozen=True, slots=True)
class Due:
    """A message to be put into the outbox of one channel."""

    channel: str
    kind: str  # firing, escalated, unanswered, repeat, resolved, error, no-data
    n: int
    severity: str
    said: str  # the finding that it tells, JSON


@dataclass(frozen=True, slots=True)
class Change:
    """What a pass makes of one alert (id 0: a new one)."""

    before: Alert | None
    alert: Alert
    flips: tuple[Flip, ...]
    due: tuple[Due, ...]

    def __bool__(self) -> bool:
        return self.before != self.alert or bool(self.due)


def plan(world: World, book: Book, now: float) -> list[Change]:
    """What this pass changes and what is to be told of one run."""
    there = {(one.rule, one.episode): one for one in world.alerts}
    found = standing(world, book)
    kept = {(one.rule.name, one.key) for one in found}
    lost = [one for one in world.alerts if (one.rule, one.episode) not in kept and one.state in OPEN]
    changes = []
    for episode in found:
        before = there.get((episode.rule.name, episode.key))
        if before is None and episode.first.late and episode.state == "firing":  # judged anew: the old one goes on
            same = [one for one in lost if one.rule == episode.rule.name and _of_rows(one)]
            before = same[0] if same else None
            lost = [one for one in lost if one is not before]
        changes.append(_change(world, book, episode, before, now))
    plights = [_plight(world, book, there, each, now) for each in _plights(world, book, found)]
    current = {(one.alert.rule, one.alert.episode) for one in plights}
    gone = [_gone(world, book, one, now) for one in lost if (one.rule, one.episode) not in current]
    return [change for change in [*changes, *plights, *gone] if change]


def _of_rows(one: Alert) -> bool:
    return not one.episode.startswith(("error:", "no-data:"))


def _change(world: World, book: Book, episode: Episode, before: Alert | None, now: float) -> Change:
    if before is not None and before.state in ("resolved", "inactive") and episode.state == before.state:
        return Change(before, before, (), ())
    fired, over = episode.state in ("firing", "resolved"), episode.state in ("resolved", "inactive")
    state = "no-data" if world.stale and not over and not _about_data(episode.rule) else episode.state
    old = before or _new(world, episode, now)
    alert = replace(
        old,
        episode=episode.key,
        state=state,
        severity=episode.severity,
        resolved_step=episode.closing.step if over and episode.closing else None,
        fired_at=old.fired_at if old.fired_at is not None or not fired else now,
        resolved_at=(old.resolved_at or now) if over else None,
        said=episode.latest.said,
    )
    alert = _streak(alert, episode, world)
    due = _due(world, book, episode, before, alert, now)
    return Change(before, alert, _flips(before, alert, episode, world, now), tuple(due))


def _about_data(rule: Rule) -> bool:
    return rule.trouble == "stalled" or (rule.expression is not None and rule.expression.no_data_for is not None)


def _new(world: World, episode: Episode, now: float) -> Alert:
    first = episode.first
    onset = first.finding.get("onset_step", first.detected_step)
    return Alert(
        id=0,
        run_id=world.run_id,
        rule=episode.rule.name,
        episode=episode.key,
        state="",
        severity=episode.severity,
        source_id=first.source_id,
        attempt=first.attempt,
        onset_step=onset,
        detected_step=first.detected_step,
        resolved_step=None,
        opened_at=now,
    )


def _streak(alert: Alert, episode: Episode, world: World) -> Alert:
    """Evaluations count where rows have come since the last one: a cron that looks more often sees no more. They are
    counted for the guard alone: else every step of a critical run would cost a write."""
    if episode.rule.guard is None:
        return alert
    if alert.state != "firing" or episode.closing is not None or episode.severity != "critical":
        return replace(alert, streak=0, streak_at="")
    at = world.positions.get(alert.source_id)
    place = "" if at is None else f"{at.attempt}:{at.step}"
    return alert if place == alert.streak_at else replace(alert, streak=alert.streak + 1, streak_at=place)


def _flips(before: Alert | None, alert: Alert, episode: Episode, world: World, now: float) -> tuple[Flip, ...]:
    found = [] if before else [Flip("pending", 0, now, episode.first.step)]
    if alert.fired_at is not None:
        found.append(
            Flip("firing", 0, alert.fired_at, episode.first.step, note=episode.first.finding.get("message", ""))
        )
        found += [
            Flip("escalated", RANK[one.severity], now, note=one.finding.get("message", "")) for one in episode.steps[1:]
        ]
    if alert.state in ("resolved", "inactive"):
        note = episode.latest.finding.get("message", "")
        found.append(Flip(alert.state, 0, now, alert.resolved_step, note=note))
    if alert.state == "no-data" and (before is None or before.state != "no-data"):
        found.append(Flip("no-data", world.step, now, world.step))
    if alert.state != "no-data" and before is not None and before.state == "no-data":
        found.append(Flip("data", world.step, now, world.step))
    return tuple(found)


def _due(world: World, book: Book, episode: Episode, before: Alert | None, alert: Alert, now: float) -> list[Due]:
    """Messages that have not been told. A silence keeps them back; what is over when it ends is not told any more."""
    if alert.fired_at is None or silenced(world, alert.rule) is not None:
        return []
    fresh = before is None or before.fired_at is None
    if fresh and alert.state == "resolved" and _no_news(world, episode):
        return []
    found: list[Due] = []
    for channel in routes(book, episode.rule):
        told = _told(world, alert, channel.name)
        if alert.state != "resolved" or fresh:
            found += [one for one in _raised(episode, channel) if (one.kind, one.n) not in told]
        if alert.state == "firing" and told:
            found += _again(episode, alert, channel, told, now)
    if alert.state == "resolved":
        return [*found, *_resolved(world, book, episode.rule, alert, {one.channel for one in found})]
    return [*found, *_unanswered(world, book, episode, alert, now)]


def _told(world: World, alert: Alert, channel: str) -> Mapping[tuple[str, int], float]:
    return world.told.get((alert.id, channel), {}) if alert.id else {}


def _resolved(world: World, book: Book, rule: Rule | None, alert: Alert, also: Collection[str] = ()) -> list[Due]:
    """Whoever heard that it began hears that it is over. also: those who hear of it in this very pass."""
    if rule is not None and not rule.tell_resolved:
        return []
    heard = [one for one in book.channels.values() if one.name in also or _told(world, alert, one.name)]
    return [
        Due(one.name, "resolved", 0, alert.severity, alert.said)
        for one in heard
        if one.resolved and ("resolved", 0) not in _told(world, alert, one.name)
    ]


def _no_news(world: World, episode: Episode) -> bool:
    """It was over before anybody could look: long ago, or in rows that were judged before by other rules."""
    wall = episode.latest.wall
    late = episode.first.late and (world.watched or wall is None)
    return late or (wall is not None and wall < world.old)


def _raised(episode: Episode, channel: Channel) -> list[Due]:
    found = []
    for number, one in enumerate(episode.steps):
        severity = episode.rule.severity_of(one.severity)
        if RANK[severity] >= RANK[channel.at_least] and (number == 0 or severity != episode.rule.severity):
            kind, n = ("firing", 0) if number == 0 else ("escalated", RANK[severity])
            found.append(Due(channel.name, kind, n, severity, one.said))
    return found


def _again(
    episode: Episode, alert: Alert, channel: Channel, told: Mapping[tuple[str, int], float], now: float
) -> list[Due]:
    """The newest repeat that is due: those that nobody was there to tell are left out."""
    every = ALIVE if channel.kind == "alertmanager" else None if alert.acked_at else episode.rule.repeat
    if every is None:
        return []
    n = int((now - min(told.values())) // every)
    last = max((number for kind, number in told if kind == "repeat"), default=0)
    return [Due(channel.name, "repeat", n, episode.severity, alert.said)] if n > last else []


def _unanswered(world: World, book: Book, episode: Episode, alert: Alert, now: float) -> list[Due]:
    """Nobody has acknowledged it for `escalate_after`: those of `escalate_to` are told."""
    after = episode.rule.escalate_after
    if after is None or alert.state not in ("firing", "no-data") or alert.acked_at or alert.fired_at is None:
        return []
    if now - alert.fired_at < after:
        return []
    return [
        Due(name, "unanswered", 1, episode.severity, alert.said)
        for name in episode.rule.escalate_to
        if name in book.channels and ("unanswered", 1) not in _told(world, alert, name)
    ]


def routes(book: Book, rule: Rule) -> list[Channel]:
    """The channels that hear of a rule first; one that is only escalated to waits."""
    return [
        one
        for one in book.channels.values()
        if one.kind == TERMINAL
        or (one.name in rule.channels if rule.channels is not None else one.name not in rule.escalate_to)
    ]


@dataclass(frozen=True, slots=True)
class _Plight:
    """Why a run or a rule cannot be judged: a state of its own, told once."""

    rule: str
    state: str  # error, no-data
    episode: str
    why: str


def _plights(world: World, book: Book, found: list[Episode]) -> list[_Plight]:
    plights = [_Plight(rule, "error", f"error:{why[:200]}", why) for rule, why in sorted(world.errors.items())]
    silent = book.of(NO_DATA)
    stalled = any(_about_data(one.rule) and one.state == "firing" for one in found)
    if world.stale and not stalled and silent and silent.applies(world.project, world.name, world.tags):
        why = f"No new data since step {world.step}, for far longer than a step takes."
        plights.append(_Plight(NO_DATA, "no-data", f"no-data:{world.step}", why))
    return plights


def _plight(world: World, book: Book, there: Mapping[tuple[str, str], Alert], plight: _Plight, now: float) -> Change:
    before, rule = there.get((plight.rule, plight.episode)), book.of(plight.rule)
    said = json.dumps({"message": plight.why}, ensure_ascii=False)
    severity = rule.severity_of("warning") if rule else "warning"
    fresh = Alert(0, world.run_id, plight.rule, plight.episode, "", severity, 0, 0, world.step, world.step, None, now)
    old = before or fresh
    alert = replace(old, state=plight.state, fired_at=old.fired_at or now, resolved_at=None, said=said)
    if before == alert:
        flips: tuple[Flip, ...] = ()
    else:
        flips = (Flip(plight.state, int(now * 1000), now, world.step, note=plight.why),)
    hears = [] if silenced(world, plight.rule) else routes(book, rule) if rule else list(book.channels.values())
    due = [
        Due(channel.name, plight.state, 0, severity, said)
        for channel in hears
        if RANK[severity] >= RANK[channel.at_least] and (plight.state, 0) not in _told(world, alert, channel.name)
    ]
    return Change(before, alert, flips, tuple(due))


def _gone(world: World, book: Book, before: Alert, now: float) -> Change:
    """Nobody says it any more: the rule is gone or off, the log was replaced, or the error is over."""
    rule = book.of(before.rule)
    why = OVER.get(before.state if not _of_rows(before) else "", "It is not found any more: rule or log changed.")
    said = json.dumps({**before.finding, "message": why}, ensure_ascii=False)
    state = "resolved" if before.fired_at is not None else "inactive"
    alert = replace(before, state=state, resolved_at=now, said=said, streak=0, streak_at="")
    due = _resolved(world, book, rule, alert) if state == "resolved" and silenced(world, before.rule) is None else []
    return Change(before, alert, (Flip(state, 0, now, world.step, note=why),), tuple(due))
