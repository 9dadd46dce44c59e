"""What becomes of an episode: pure functions of what was said, of the rules and of the time.

    statements -> episodes (pending, firing, resolved, inactive) -> alerts/plan.py: changes, and messages that are due

Everything is computed anew from the statements, which are only ever added: a pass that was killed, two at once, or one
instead of ten come to the same episodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from alerts.reading import Span
from alerts.rules import Book, Rule
from analyses.contract import RANK
from db.alerts import Alert, Position, Silence, Statement
from db.runs import Run


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of trouble as its rule sees it. steps: the first statement of each new highest severity.
    closing: what ended it, as far as it has ended."""

    rule: Rule
    steps: tuple[Statement, ...]
    closing: Statement | None
    state: str

    @property
    def first(self) -> Statement:
        return self.steps[0]

    @property
    def key(self) -> str:
        return f"{self.first.source_id}:{self.first.attempt}:{self.first.detected_step}"

    @property
    def severity(self) -> str:
        return self.rule.severity_of(self.steps[-1].severity)

    @property
    def latest(self) -> Statement:
        return self.closing or self.steps[-1]


@dataclass(frozen=True, slots=True)
class World:
    """What is known of one run.

    formats, merits (how far it was read), positions: by source id. ended: (source id, attempt) that a later attempt has
    superseded. told: (alert id, channel) -> {(kind, n): when}. stale: no data since too long. errors: rule -> why it
    could not be evaluated. old: news must be younger, s since the epoch. watched: its alerts have been told before.
    """

    run_id: int
    project: str
    name: str
    step: int
    tags: tuple[str, ...] = ()
    statements: Sequence[Statement] = ()
    alerts: Sequence[Alert] = ()
    formats: Mapping[int, str] = field(default_factory=dict)
    merits: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    positions: Mapping[int, Position] = field(default_factory=dict)
    ended: Collection[tuple[int, int]] = ()
    told: Mapping[tuple[int, str], Mapping[tuple[str, int], float]] = field(default_factory=dict)
    silences: Sequence[Silence] = ()
    stale: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)
    old: float = 0.0
    watched: bool = True


def standing(world: World, book: Book) -> list[Episode]:
    """Every episode of the run, rule by rule; rules that do not watch this run are left out."""
    said: dict[str, list[Statement]] = defaultdict(list)
    for one in world.statements:
        said[one.trouble].append(one)
    found = []
    for trouble, statements in said.items():
        rule = book.of(trouble)
        if rule is not None and rule.applies(world.project, world.name, world.tags):
            chosen = _one_container(world, trouble, statements)
            found += episodes(chosen, rule, world.positions, world.ended)
    return found


def _one_container(world: World, trouble: str, said: list[Statement]) -> list[Statement]:
    """One history told in two containers says everything twice: hear the one that has been heard before, else the one
    that was read furthest."""
    formats = {world.formats.get(one.source_id, "") for one in said}
    if len(formats) == 1:
        return said
    heard = [one for one in world.alerts if one.rule == trouble and one.source_id in world.formats]
    best = (
        max(heard, key=lambda one: one.id).source_id
        if heard
        else max((one.source_id for one in said), key=lambda i: world.merits.get(i, (0, 0)))
    )
    return [one for one in said if world.formats.get(one.source_id) == world.formats.get(best)]


def episodes(
    said: Sequence[Statement],
    rule: Rule,
    positions: Mapping[int, Position],
    ended: Collection[tuple[int, int]] = (),
) -> list[Episode]:
    """What was said under one rule as episodes, oldest first; findings that follow each other within
    `keep_firing_for` are one.

    positions: source id -> its last judged row. ended: (source id, attempt) that a later attempt has superseded.
    """
    found: list[list[Statement]] = []
    for one in sorted(said, key=_order):
        if found and (_same(found[-1][-1], one) or _goes_on(found[-1][-1], one, rule.keep)):
            found[-1].append(one)
        elif one.state == "firing":
            found.append([one])
    return [
        _episode(
            group,
            rule,
            positions.get(group[-1].source_id),
            later=group is not found[-1],
            restarted=(group[-1].source_id, group[-1].attempt) in ended,
        )
        for group in found
    ]


def _order(one: Statement) -> tuple[int, int, int, int]:
    return (one.attempt, one.detected_step, one.state == "resolved", RANK[one.severity])


def _same(before: Statement, one: Statement) -> bool:
    return (before.source_id, before.attempt, before.detected_step) == (one.source_id, one.attempt, one.detected_step)


def _goes_on(before: Statement, one: Statement, keep: Span) -> bool:
    """A new finding while the last is open (in another file of the run), or soon after it."""
    if before.state != "resolved":
        return one.state == "firing" and before.attempt == one.attempt
    return bool(keep) and before.attempt == one.attempt and not _after(before, one.step, one.wall, keep)


def _passed(since: Statement, step: int, wall: float | None, span: Span) -> bool:
    """Whether as many steps and seconds have passed. Times that are not known count as passed."""
    seconds = span.seconds if since.wall is None or wall is None else wall - since.wall
    return step - since.step >= span.steps and seconds >= span.seconds


def _episode(group: list[Statement], rule: Rule, at: Position | None, *, later: bool, restarted: bool) -> Episode:
    """later: another episode has begun since. restarted: the run goes on in another attempt, and so not in this one."""
    steps: list[Statement] = []
    for one in group:
        if one.state == "firing" and (not steps or RANK[one.severity] > RANK[steps[-1].severity]):
            steps.append(one)
    closing = group[-1] if group[-1].state == "resolved" else None
    over = restarted
    if closing is not None:
        over = over or later or not rule.keep or _expired(closing, rule.keep, at)
    if _lasted(steps[0], closing, rule.hold, at):
        return Episode(rule, tuple(steps), closing, "resolved" if over else "firing")
    return Episode(rule, tuple(steps), closing, "inactive" if over else "pending")


def _lasted(first: Statement, closing: Statement | None, hold: Span, at: Position | None) -> bool:
    """`for`: whether it held for so long, up to its end or to the last row."""
    if not hold:
        return True
    if closing is not None:
        return closing.attempt == first.attempt and _passed(first, closing.step, closing.wall, hold)
    return at is not None and at.attempt == first.attempt and _passed(first, at.step, at.wall, hold)


def _expired(closing: Statement, keep: Span, at: Position | None) -> bool:
    return at is not None and (at.attempt != closing.attempt or _after(closing, at.step, at.wall, keep))


def _after(since: Statement, step: int, wall: float | None, keep: Span) -> bool:
    """Whether `keep_firing_for` is over at this row: its last step still belongs to it."""
    return _passed(since, step, wall, Span(keep.steps + 1 if keep.steps else 0, keep.seconds))


def silenced(world: World, rule: str) -> Silence | None:
    """The first silence that covers this rule on this run."""
    run = Run(world.run_id, world.project, world.name, "", world.step, None, 0)
    return next((one for one in world.silences if covers(one, run, rule, world.tags)), None)


def covers(one: Silence, run: Run, rule: str, tags: Collection[str]) -> bool:
    """Whether a silence keeps back what this rule says of this run, which has these tags. Its time is not looked at."""
    ends = one.until_step is not None and (run.step or 0) >= one.until_step
    named = any(fnmatchcase(name, one.run) for name in (run.name, run.label))
    tagged = one.tag == "*" or any(fnmatchcase(tag, one.tag) for tag in tags)
    return not ends and named and tagged and fnmatchcase(rule, one.rule)
