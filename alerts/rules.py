"""Rules from TOML: which trouble or which expression, since when, how grave, whom to tell.

Built-in rules cover every detector; a table in stepwell.toml overrides single values, or adds a rule of its own.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from alerts import reading as read
from alerts.lines import Place, line_of
from alerts.reading import Amount, Span
from analyses.judge import detectors
from db.quantities import quantity
from db.settings import BadSettings

FINDING = "finding"
"""As a rule's severity: that of the finding."""
NOW = Span()
TERMINAL = "terminal"
"""The kind of a channel that is what a --quiet pass prints: cron mails it, so it too says nothing twice."""


@dataclass(frozen=True, slots=True)
class Expression:
    """What a rule of the team's own looks at: one metric (as logged) or quantity (canonical); neither: the run itself.

    One of these: above or below (of the value, of its mean over `over` steps, or of the difference to a baseline run);
    change over `over` steps; no_data_for; not_improved_for (in the direction `better`, by at least `by`).
    """

    metric: str | None = None
    quantity: str | None = None
    above: Amount | None = None
    below: Amount | None = None
    change: Amount | None = None
    over: int = 1
    baseline: str | None = None
    no_data_for: Span | None = None
    not_improved_for: Span | None = None
    better: str | None = None
    by: float = 0.0

    @property
    def column(self) -> str | None:
        """Its name among the columns of `db.rows.rows_of`."""
        return self.quantity if self.metric is None else f"metric {self.metric}"

    @property
    def subject(self) -> str:
        return self.metric or self.quantity or "the log"


@dataclass(frozen=True, slots=True)
class Rule:
    """trouble: of the detector that it listens to; expression: what it looks at itself. hold: `for`, keep:
    `keep_firing_for`. repeat, escalate_after in s, None for never. channels: None for all."""

    name: str
    trouble: str | None = None
    expression: Expression | None = None
    enabled: bool = True
    severity: str = FINDING
    hold: Span = NOW
    keep: Span = NOW
    projects: tuple[str, ...] = ("*",)
    runs: tuple[str, ...] = ("*",)
    tags: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[str, ...] | None = None
    repeat: float | None = 43_200.0
    tell_resolved: bool = True
    escalate_after: float | None = None
    escalate_to: tuple[str, ...] = ()
    guard: str | None = None

    def applies(self, project: str, run: str, tags: Iterable[str] = ()) -> bool:
        """Whether it watches this run. Patterns are those of a shell: * ? [abc]."""
        return (
            self.enabled
            and any(fnmatchcase(project, each) for each in self.projects)
            and any(fnmatchcase(run, each) for each in self.runs)
            and (not self.tags or any(fnmatchcase(tag, each) for tag in tags for each in self.tags))
        )

    def severity_of(self, found: str) -> str:
        return found if self.severity == FINDING else self.severity

    @property
    def definition(self) -> str:
        """Fingerprint of what it looks at: a rule that looks at something else starts afresh."""
        return hashlib.blake2b(repr((self.expression, self.severity)).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages go. Exactly one of url, url_env, url_file is given. at_least: the lowest severity it is told;
    picture: the curve goes along where the service takes pictures."""

    name: str
    kind: str
    url: str = ""
    url_env: str = ""
    url_file: str = ""
    at_least: str = "warning"
    resolved: bool = True
    picture: bool = True


@dataclass(frozen=True, slots=True)
class Guard:
    """What to do after so many consecutive critical evaluations; with dry_run only recorded."""

    name: str
    after: int = 3
    dry_run: bool = True
    stop_file: str = ""
    pid_file: str = ""
    signal: str = "SIGTERM"
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Book:
    """Everything that stepwell.toml says about alerts."""

    rules: Mapping[str, Rule]
    channels: Mapping[str, Channel] = field(default_factory=dict)
    guards: Mapping[str, Guard] = field(default_factory=dict)

    def of(self, trouble: str) -> Rule | None:
        """The rule that hears what is said under this name."""
        return self.rules.get(trouble)

    @property
    def expressions(self) -> list[Rule]:
        return [rule for rule in self.rules.values() if rule.enabled and rule.expression is not None]


def load(paths: Iterable[Path] | None = None) -> Book:
    """The built-in rules with what the files say over them, later files over earlier ones. Raises BadSettings."""
    files = (user_config_path("stepwell") / "stepwell.toml", Path("stepwell.toml")) if paths is None else paths
    book = Book(builtin())
    for path in files:
        if path.is_file():
            book = read_text(path.read_text(encoding="utf-8", errors="replace"), str(path), book)
    return book


@cache
def builtin() -> dict[str, Rule]:
    """A rule for every detector."""
    differing = tomllib.loads(Path(__file__).with_name("builtin.toml").read_text(encoding="utf-8"))
    rules = {}
    for trouble in [*detectors(), "no_data"]:  # no_data: nothing comes, and no detector can say so
        rules[trouble] = replace(Rule(trouble, trouble), **_values(differing.get(trouble, {}), RULE))
    return rules


def read_text(text: str, path: str, book: Book) -> Book:
    """The book with what this TOML says over it. Raises BadSettings with path, line and the fix."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{path}: {error}{_hint(text)}") from error
    at = _Where(path, text)
    rules, channels, guards = dict(book.rules), dict(book.channels), dict(book.guards)
    for place, name, values in _tables(table, at):
        rules[name] = _rule(rules.get(name), name, values, place, at)
    for name, values in _named(table, "channels", at):
        channels[name] = _channel(name, values, (f"channels.{name}", 0), at)
    for name, values in _named(table, "guards", at):
        guards[name] = _guard(name, values, (f"guards.{name}", 0), at)
    found = Book(rules, channels, guards)
    for place, name, _ in _tables(table, at):
        _check_references(found, rules[name], place, at)
    return found


@dataclass(frozen=True, slots=True)
class _Where:
    path: str
    text: str

    def error(self, place: Place, key: str | None, said: str) -> BadSettings:
        name = ".".join(filter(None, (place[0], key)))
        return BadSettings(f"{self.path}:{line_of(self.text, place, key)}: {name}: {said}")


def _hint(text: str) -> str:
    mixed = "[[rules]]" in text and "[rules." in text
    return ". Put every [[rules]] before the first [rules.…], or name them all [rules.…]" if mixed else ""


def _tables(table: Mapping[str, Any], at: _Where) -> list[tuple[Place, str, dict[str, Any]]]:
    """(place, name, values) of every rule: [rules.name], [[rules]] with a name, and [rules.name] after [[rules]]."""
    given = table.get("rules", {})
    if isinstance(given, dict):
        return [((f"rules.{name}", 0), name, values) for name, values in _named(table, "rules", at)]
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise at.error(("rules", 0), None, "expected tables: [[rules]] or [rules.name]")
    found = []
    for number, one in enumerate(given):
        inner = {key: value for key, value in one.items() if isinstance(value, dict) and key not in RULE}
        own = {key: value for key, value in one.items() if key not in inner and key != "name"}
        if not isinstance(one.get("name"), str) or not one["name"].strip():
            raise at.error(("rules", number), None, 'a rule needs a name: name = "reward too low"')
        found.append((("rules", number), one["name"].strip(), own))
        found += [((f"rules.{name}", 0), name, values) for name, values in inner.items()]
    return found


def _named(table: Mapping[str, Any], what: str, at: _Where) -> list[tuple[str, dict[str, Any]]]:
    given = table.get(what, {})
    if not isinstance(given, dict) or not all(isinstance(one, dict) for one in given.values()):
        raise at.error((what, 0), None, f"expected tables, one for each name: [{what}.name]")
    return list(given.items())


def _rule(before: Rule | None, name: str, values: Mapping[str, Any], place: Place, at: _Where) -> Rule:
    given = _read(values, {**RULE, **EXPRESSION}, place, at)
    looks = {key: given.pop(key) for key in list(given) if key in EXPRESSION}
    if before is not None and before.trouble is not None:
        if looks:
            key = next(iter(looks))
            raise at.error(place, key, f"{name} is a built-in rule: give a rule that looks at a metric another name")
        return replace(before, **given)
    if before is None and not looks:
        known = difflib.get_close_matches(name, builtin(), 1)
        like = f"did you mean {known[0]!r}? " if known else ""
        raise at.error(place, None, f"no built-in rule has this name; {like}A new rule needs {', '.join(WAYS)}")
    if before is None:
        given.setdefault("severity", "warning")
    if given.get("severity") == FINDING:
        raise at.error(place, "severity", "expected info, warning or critical: a metric has no severity of its own")
    expression = replace((before and before.expression) or Expression(), **looks)
    _check_expression(expression, place, at)
    return replace(before or Rule(name), **given, expression=expression)


WAYS = ("above", "below", "change", "no_data_for", "not_improved_for")


def _check_expression(one: Expression, place: Place, at: _Where) -> None:
    ways = [way for way in WAYS if getattr(one, way) is not None]
    if len(ways) != 1:
        said = "it has " + " and ".join(ways) if ways else "it has none"
        raise at.error(place, ways[1] if ways else None, f"a rule needs one of {', '.join(WAYS)}; {said}")
    if one.metric is not None and one.quantity is not None:
        raise at.error(place, "quantity", "name a metric (as logged) or a quantity (canonical), not both")
    if one.metric is None and one.quantity is None and ways != ["no_data_for"]:
        raise at.error(place, ways[0], 'of what? Add quantity = "reward_mean" or metric = "critic/score/mean"')
    if one.quantity is not None and quantity(one.quantity) is None:
        raise at.error(place, "quantity", _unknown_quantity(one.quantity))
    if one.change is not None and one.over < 2:
        raise at.error(place, "change", "over how many steps? Add over = 50")
    if one.baseline is not None and one.above is None and one.below is None:
        raise at.error(place, "baseline", 'how far from it? Add below = "-10%" or above = 0.5')
    relative = [way for way in ("above", "below") if (amount := getattr(one, way)) is not None and amount.relative]
    if relative and one.baseline is None:
        raise at.error(place, relative[0], 'per cent of what? Add baseline = "run", or use change = "-20%" with over')
    if one.not_improved_for is not None and better_of(one) is None:
        raise at.error(place, "not_improved_for", 'which direction is better? Add better = "up" or better = "down"')


def _unknown_quantity(name: str) -> str:
    from db.quantities import QUANTITIES

    known = difflib.get_close_matches(name, QUANTITIES, 3, 0.5)
    like = f"; near it: {', '.join(known)}" if known else ""
    return f"{name!r} is no quantity{like}. A name as logged goes under metric"


def better_of(one: Expression) -> str | None:
    """up or down; None where neither the rule nor the quantity says."""
    known = quantity(one.quantity) if one.quantity else None
    good = one.better or (known.good if known else "neither")
    return None if good == "neither" else good


def _channel(name: str, values: Mapping[str, Any], place: Place, at: _Where) -> Channel:
    given = _read(values, CHANNEL, place, at)
    ways = [key for key in ("url", "url_env", "url_file") if given.get(key)]
    if len(ways) != 1:
        fix = 'one of url_env = "SLACK_URL", url_file = "/run/secrets/slack", url = "ntfy://topic"'
        raise at.error(place, ways[1] if ways else None, f"a channel needs exactly {fix}")
    given.setdefault("kind", "webhook" if str(given.get("url", "")).startswith(("http://", "https://")) else "apprise")
    return Channel(name, **given)


def _guard(name: str, values: Mapping[str, Any], place: Place, at: _Where) -> Guard:
    given = _read(values, GUARD, place, at)
    if sum(bool(given.get(key)) for key in ("stop_file", "pid_file", "command")) != 1:
        fix = 'stop_file = "/logs/{run}/STOP", pid_file = "/logs/{run}/pid", command = ["scancel", "{run}"]'
        raise at.error(place, None, f"a guard needs exactly one of {fix}")
    return Guard(name, **given)


def _check_references(book: Book, rule: Rule, place: Place, at: _Where) -> None:
    for key, names, known in (
        ("channels", rule.channels or (), book.channels),
        ("escalate_to", rule.escalate_to, book.channels),
        ("guard", [rule.guard] if rule.guard else [], book.guards),
    ):
        for name in names:
            if name not in known:
                table = "guards" if key == "guard" else "channels"
                there = ", ".join(known) or "none"
                raise at.error(place, key, f"there is no [{table}.{name}]; there: {there}")


def _read(values: Mapping[str, Any], keys: Mapping[str, read.Key], place: Place, at: _Where) -> dict[str, Any]:
    for key, value in values.items():
        if key not in keys:
            known = difflib.get_close_matches(key, keys, 1)
            like = f"did you mean {known[0]}?" if known else f"known: {', '.join(sorted(keys))}"
            raise at.error(place, key, f"unknown key; {like}")
        try:
            keys[key].read(value)
        except ValueError as error:
            raise at.error(place, key, f"expected {error}, found {value!r}") from error
    return _values(values, keys)


def _values(values: Mapping[str, Any], keys: Mapping[str, read.Key]) -> dict[str, Any]:
    return {keys[name].field or name: keys[name].read(value) for name, value in values.items()}


RULE = {
    "enabled": read.Key(read.flag),
    "severity": read.Key(read.one_of("info", "warning", "critical", FINDING)),
    "for": read.Key(read.span, "hold"),
    "keep_firing_for": read.Key(read.span, "keep"),
    "projects": read.Key(read.names),
    "runs": read.Key(read.names),
    "tags": read.Key(read.names),
    "annotations": read.Key(read.texts),
    "labels": read.Key(read.labels),
    "channels": read.Key(read.names),
    "repeat_interval": read.Key(read.interval, "repeat"),
    "tell_resolved": read.Key(read.flag),
    "escalate_after": read.Key(read.interval),
    "escalate_to": read.Key(read.names),
    "guard": read.Key(read.text),
}
EXPRESSION = {
    "metric": read.Key(read.text),
    "quantity": read.Key(read.text),
    "above": read.Key(read.amount),
    "below": read.Key(read.amount),
    "change": read.Key(read.amount),
    "over": read.Key(read.steps),
    "baseline": read.Key(read.text),
    "no_data_for": read.Key(read.span),
    "not_improved_for": read.Key(read.span),
    "better": read.Key(read.one_of("up", "down")),
    "by": read.Key(read.number),
}
CHANNEL = {
    "type": read.Key(read.one_of("apprise", "webhook", "alertmanager"), "kind"),
    "url": read.Key(read.text),
    "url_env": read.Key(read.text),
    "url_file": read.Key(read.text),
    "at_least": read.Key(read.one_of("info", "warning", "critical")),
    "resolved": read.Key(read.flag),
    "picture": read.Key(read.flag),
}
GUARD = {
    "after": read.Key(read.steps),
    "dry_run": read.Key(read.flag),
    "stop_file": read.Key(read.text),
    "pid_file": read.Key(read.text),
    "signal": read.Key(read.one_of("SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGKILL")),
    "command": read.Key(read.names),
}
