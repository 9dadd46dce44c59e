"""Alerts: what was said of a run, the life of each episode, what people did to it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from db.points import insert_new
from db.schema import alerts, config, findings, flips, positions, rule_states, runs, silences, statements, tags, watched

OPEN = ("pending", "firing", "no-data", "error")
_TAGS = re.compile(r"(?:^|[._])tags(?:\[\d+\])?$")


@dataclass(frozen=True, slots=True)
class Statement:
    """What a detector or rule said at one row. step, wall (s since the epoch): of that row. late: it was learnt from
    rows that had been judged before, by other rules. said: the whole finding, JSON."""

    run_id: int
    source_id: int
    attempt: int
    trouble: str
    detected_step: int
    severity: str
    state: str
    step: int
    wall: float | None
    late: bool
    said: str

    @property
    def finding(self) -> dict[str, Any]:
        return dict(json.loads(self.said))


@dataclass(frozen=True, slots=True)
class Position:
    """The last row that was judged of a source."""

    attempt: int
    step: int
    wall: float | None


@dataclass(frozen=True, slots=True)
class RuleState:
    """How far a rule of the team's own has judged a source."""

    definition: str
    attempt_id: int
    seq: int
    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Alert:
    """The life of one episode. state: pending, firing, resolved, inactive (never fired), no-data or error.

    opened_at, fired_at, resolved_at, acked_at: s since the epoch, of the pass or the person that made it so.
    streak: consecutive critical evaluations, the last of them at streak_at. said: the latest finding, JSON.
    """

    id: int
    run_id: int
    rule: str
    episode: str
    state: str
    severity: str
    source_id: int
    attempt: int
    onset_step: int
    detected_step: int
    resolved_step: int | None
    opened_at: float
    fired_at: float | None = None
    resolved_at: float | None = None
    acked_at: float | None = None
    acked_by: str | None = None
    streak: int = 0
    streak_at: str = ""
    said: str = "{}"

    @property
    def finding(self) -> dict[str, Any]:
        return dict(json.loads(self.said))


@dataclass(frozen=True, slots=True)
class Flip:
    """A change of an alert, or what a person did to it. n tells repeated ones of a kind apart."""

    kind: str
    n: int
    at: float
    step: int | None = None
    who: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """Tell nothing of these alerts until a time (s since the epoch) or a step of the run. Patterns: * is everything."""

    id: int
    run: str
    rule: str
    tag: str
    until: float | None
    until_step: int | None
    made_at: float
    who: str
    why: str
    ended_at: float | None = None


STATEMENT = [statements.c[name] for name in Statement.__dataclass_fields__]
SAID = ["source_id", "attempt", "trouble", "detected_step", "state", "severity"]
ALERT = [alerts.c[name] for name in Alert.__dataclass_fields__]


def state(connection: sa.Connection, said: Sequence[Statement]) -> None:
    """Keep what was said; what is known already stays where it is, in its newest words: those that speak of a trouble
    that goes on say its numbers anew."""
    rows = [asdict(one) for one in said]
    if rows:
        new = insert_new(connection, statements)
        over = {"said": new.excluded.said}
        changed = statements.c.said != new.excluded.said
        connection.execute(new.on_conflict_do_update(index_elements=SAID, set_=over, where=changed), rows)


def statements_of(connection: sa.Connection, run_ids: Collection[int]) -> dict[int, list[Statement]]:
    """run id -> everything that was said of it."""
    found: dict[int, list[Statement]] = defaultdict(list)
    query = sa.select(*STATEMENT).where(statements.c.run_id.in_(run_ids)).order_by(statements.c.id)
    for row in connection.execute(query):
        found[row.run_id].append(Statement(*row))
    return found


def set_positions(connection: sa.Connection, at: Mapping[int, Position]) -> None:
    """source id -> its last judged row."""
    rows = [{"source_id": source_id, **asdict(one)} for source_id, one in at.items()]
    if rows:
        new = insert_new(connection, positions)
        over = {name: new.excluded[name] for name in Position.__dataclass_fields__}
        connection.execute(new.on_conflict_do_update(index_elements=["source_id"], set_=over), rows)


def positions_of(connection: sa.Connection, source_ids: Collection[int]) -> dict[int, Position]:
    """source id -> its last judged row."""
    rows = connection.execute(sa.select(positions).where(positions.c.source_id.in_(source_ids)))
    return {row.source_id: Position(row.attempt, row.step, row.wall) for row in rows}


def rule_states_of(connection: sa.Connection, source_ids: Collection[int]) -> dict[tuple[int, str], RuleState]:
    """(source id, rule) -> how far it has judged."""
    rows = connection.execute(sa.select(rule_states).where(rule_states.c.source_id.in_(source_ids)))
    return {
        (row.source_id, row.rule): RuleState(row.definition, row.attempt_id, row.seq, json.loads(row.state))
        for row in rows
    }


def set_rule_state(connection: sa.Connection, source_id: int, rule: str, to: RuleState) -> None:
    row = {**asdict(to), "state": json.dumps(to.state)}
    new = insert_new(connection, rule_states).values(source_id=source_id, rule=rule, **row)
    connection.execute(new.on_conflict_do_update(index_elements=["source_id", "rule"], set_=row))


def unsay(connection: sa.Connection, source_id: int, rule: str) -> None:
    """A rule has changed: what its old wording said of a source is forgotten."""
    for table in (statements, findings):
        connection.execute(sa.delete(table).where(table.c.source_id == source_id, table.c.trouble == rule))


def watch(connection: sa.Connection, run_id: int, now: float) -> None:
    """From now on, what is found late in old rows of this run is no news."""
    new = insert_new(connection, watched).values(run_id=run_id, since=now)
    connection.execute(new.on_conflict_do_nothing())


def watched_runs(connection: sa.Connection, run_ids: Collection[int]) -> set[int]:
    return set(connection.execute(sa.select(watched.c.run_id).where(watched.c.run_id.in_(run_ids))).scalars())


def hold_run(connection: sa.Connection, run_id: int) -> None:
    """Until the end of this transaction nobody else changes the alerts of this run (SQLite queues writers itself)."""
    connection.execute(sa.select(runs.c.id).where(runs.c.id == run_id).with_for_update(key_share=True))


def alerts_of(
    connection: sa.Connection,
    run_ids: Collection[int] | None = None,
    *,
    still_open: bool = False,
    limit: int | None = None,
) -> list[Alert]:
    """Every alert of these runs (of all when None), newest first; with a limit the newest so many."""
    query = sa.select(*ALERT).order_by(alerts.c.opened_at.desc(), alerts.c.id.desc()).limit(limit)
    if run_ids is not None:
        query = query.where(alerts.c.run_id.in_(run_ids))
    if still_open:
        query = query.where(alerts.c.state.in_(OPEN))
    return [Alert(*row) for row in connection.execute(query)]


def alert(connection: sa.Connection, alert_id: int) -> Alert | None:
    row = connection.execute(sa.select(*ALERT).where(alerts.c.id == alert_id)).one_or_none()
    return None if row is None else Alert(*row)


def keep(connection: sa.Connection, one: Alert) -> int:
    """Write an alert, new where its id is 0; whether somebody has it in hand is for people alone to change, who may do
    so while a pass is at work. Returns its id."""
    row = {name: value for name, value in asdict(one).items() if name != "id"}
    if one.id:
        row = {name: value for name, value in row.items() if not name.startswith("acked_")}
        connection.execute(sa.update(alerts).where(alerts.c.id == one.id).values(row))
        return one.id
    made = connection.execute(sa.insert(alerts).values(row).returning(alerts.c.id))
    return int(made.scalar_one())


def flip(connection: sa.Connection, alert_id: int, changes: Iterable[Flip]) -> None:
    """Add to an alert's history; what stands there already stays."""
    rows = [{"alert_id": alert_id, **asdict(one)} for one in changes]
    if rows:
        connection.execute(insert_new(connection, flips).on_conflict_do_nothing(), rows)


def flips_of(
    connection: sa.Connection, alert_ids: Collection[int], *, kinds: Collection[str] | None = None
) -> dict[int, list[Flip]]:
    """alert id -> its history, oldest first; of these kinds only, if any are named."""
    found: dict[int, list[Flip]] = defaultdict(list)
    query = sa.select(flips).where(flips.c.alert_id.in_(alert_ids)).order_by(flips.c.at, flips.c.id)
    if kinds is not None:
        query = query.where(flips.c.kind.in_(kinds))
    for row in connection.execute(query):
        found[row.alert_id].append(Flip(row.kind, row.n, row.at, row.step, row.who, row.note))
    return found


def acknowledge(connection: sa.Connection, alert_id: int, *, now: float, who: str, note: str = "") -> None:
    """Somebody has it in hand: no repeats, no escalation for want of an answer."""
    connection.execute(sa.update(alerts).where(alerts.c.id == alert_id).values(acked_at=now, acked_by=who))
    flip(connection, alert_id, [Flip("acknowledged", int(now * 1000), now, None, who, note)])


def comment(connection: sa.Connection, alert_id: int, *, now: float, who: str, note: str) -> None:
    flip(connection, alert_id, [Flip("comment", int(now * 1000), now, None, who, note)])


def silence(connection: sa.Connection, wanted: Silence) -> int:
    """Make a silence; its id is given anew and returned."""
    row = {name: value for name, value in asdict(wanted).items() if name != "id"}
    return int(connection.execute(sa.insert(silences).values(row).returning(silences.c.id)).scalar_one())


def end_silence(connection: sa.Connection, silence_id: int, now: float) -> bool:
    """False where there is no such silence, or it has ended before."""
    mine = sa.update(silences).where(silences.c.id == silence_id, silences.c.ended_at.is_(None))
    return connection.execute(mine.values(ended_at=now)).rowcount == 1


def silences_at(connection: sa.Connection, now: float) -> list[Silence]:
    """Those in force; one that ends at a step is in force until its run gets there. now: s since the epoch."""
    query = sa.select(*[silences.c[name] for name in Silence.__dataclass_fields__])
    query = query.where(silences.c.ended_at.is_(None), sa.or_(silences.c.until.is_(None), silences.c.until > now))
    return [Silence(*row) for row in connection.execute(query.order_by(silences.c.id))]


def tags_of(connection: sa.Connection, run_ids: Collection[int]) -> Mapping[int, tuple[str, ...]]:
    """run id -> the tags that people gave it, and those that its config names (`tags`, `wandb.tags[0]` …)."""
    found: dict[int, list[str]] = defaultdict(list)
    given = sa.select(tags.c.run_id, tags.c.tag).where(tags.c.run_id.in_(run_ids)).order_by(tags.c.tag)
    for run_id, tag in connection.execute(given):
        found[run_id].append(tag)
    query = sa.select(config.c.run_id, config.c.key, config.c.value)
    for run_id, key, text in connection.execute(
        query.where(config.c.run_id.in_(run_ids), config.c.key.contains("tags")).order_by(config.c.key)
    ):
        value = json.loads(text) if _TAGS.search(key) else None
        values = value if isinstance(value, list) else [value]
        found[run_id] += [tag.strip() for one in values if isinstance(one, str) for tag in one.split(",")]
    return {run_id: tuple(dict.fromkeys(filter(None, named))) for run_id, named in found.items()}
