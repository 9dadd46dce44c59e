"""What a trainer's names mean: one table per trainer in `collectors/trainers/`, found by a scan of the folder.

A table opens with what the trainer is told by, then names, then patterns, then config keys (settings.py):

    about = "verl, and what descends from it"
    extends = "verl"                       # everything the other table says, unless this one says otherwise
    family = "verl"                        # tables that may write the same container
    prefixes = ["train/"]                  # what a container puts before the trainer's own name
    signature = ['^actor/pg_loss$']        # names that only this trainer writes
    without = ['^perf/']                   # names that it never writes
    evaluation = ['^val/']                 # names that belong to an evaluation, not to training
    aside = ['^train_runtime$']            # names of a summary: a record of only these is no row
    prefer = ['^train/agg/']               # of several names for one quantity: the first pattern that fits wins

    [names]
    "actor/lr" = "learning_rate"
    "perf/mfu" = { is = "mfu", unit = "percent", scale = 0.01, caveat = "In percent.", rank = 1 }

    [patterns]                             # in order; {group} of the pattern may stand in the quantity
    '^critic/score/(?P<stat>mean|max|min)$' = "score_{stat}"

    [how]                                  # what to switch on where a quantity is missing (db/understood.py, WANTED)
    log = "trainer.logger=['console','file']: the container that loses least"
    kl_ref = "actor_rollout_ref.actor.use_kl_loss=true"
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from collectors import own_names
from db.quantities import quantity

FOLDER = Path(__file__).with_name("trainers")
HANDWRITTEN = "handwritten"
ENOUGH = 2
"""Signature names a log must hold before it is taken for a trainer's: a script of one's own may borrow one."""

OWN = -1
"""Rank of a team's own name: before any of the trainer's for the same quantity."""

SPOKEN = {"avg": "mean"}
"""A statistic as a trainer spells it -> as a quantity spells it."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """quantity: canonical name, or None where the name has none or the log cannot say which.

    unit: of the values as logged; logged * scale is in the quantity's own unit.
    caveat: one sentence on what the name does not tell.
    rank: where several names of a run have one quantity, the lowest is the one to read.
    """

    quantity: str | None
    unit: str | None
    caveat: str | None
    scale: float = 1.0
    rank: int = 0


UNKNOWN = Meaning(None, None, None)


@dataclass(slots=True)
class Pattern:
    """A regular expression that is compiled only when a name starts as it must (`stem`)."""

    text: str
    entry: Any = None
    stem: str = field(init=False)
    _match: Callable[[str], re.Match[str] | None] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.stem = literal_start(self.text)

    def match(self, name: str) -> re.Match[str] | None:
        if not name.startswith(self.stem):
            return None
        if self._match is None:
            self._match = re.compile(self.text).search
        return self._match(name)


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the first section of a table: enough to tell a trainer by its names."""

    trainer: str
    about: str
    extends: str | None
    family: str
    prefixes: tuple[str, ...]
    signature: tuple[Pattern, ...]
    without: tuple[Pattern, ...]
    evaluation: tuple[Pattern, ...]
    aside: tuple[Pattern, ...]
    prefer: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A whole table, with what the table that it extends says."""

    header: Header
    names: Mapping[str, Any]
    patterns: tuple[Pattern, ...]
    settings: Mapping[str, Any]
    how: Mapping[str, str]

    @property
    def trainer(self) -> str:
        return self.header.trainer


def tables() -> dict[str, Table]:
    """Every trainer's table, by name of the trainer."""
    return {trainer: table(trainer) for trainer in headers()}


def table(trainer: str) -> Table:
    """The trainer's table; that of hand-written logs for a trainer nobody has written one for."""
    return _table(trainer if trainer in _files() else HANDWRITTEN)


def understand(trainer: str, name: str) -> Meaning:
    """What a name means: what the team itself says of it (own_names.py), else what the trainer's table says."""
    if (entry := own_names.entry(name)) is not None:
        return _meaning({"rank": OWN, **entry}, {}, 0)
    return _understand(trainer, name)[0]


def parts(trainer: str, name: str) -> dict[str, str]:
    """What the name itself says, e.g. source, n and k of an evaluation, agent, reason of termination."""
    return dict(_understand(trainer, name)[1])


def is_evaluation(trainer: str, name: str) -> bool:
    """Whether the value was measured on validation data rather than in training."""
    return _any(table(trainer).header.evaluation, name)


def is_training(trainer: str, name: str) -> bool:
    """Whether a record that holds this name is a row: neither an evaluation nor a summary (HOUSE.md)."""
    header = table(trainer).header
    return not _any(header.evaluation, name) and not _any(header.aside, name)


def evidence(trainer: str, names: Iterable[str]) -> list[str]:
    """The names that this trainer, or one that it descends from, is told by; one for each of its signatures."""
    held = list(names)
    first = (next((name for name in held if pattern.match(name)), None) for pattern in signatures(trainer))
    return list(dict.fromkeys(name for name in first if name is not None))


def signatures(trainer: str) -> list[Pattern]:
    """What this trainer is told by, and then what those are told by that it descends from."""
    found = headers().get(trainer, headers()[HANDWRITTEN])
    patterns = list(found.signature)
    while found.extends is not None:
        found = headers()[found.extends]
        patterns += found.signature
    return patterns


def recognise(names: Iterable[str], hint: str | None = None) -> str:
    """Which trainer wrote these names. hint: the container's trainer, which a closer relative may outdo."""
    held = list(dict.fromkeys(names))
    known = headers()
    family = known[hint].family if hint in known else None
    told = {t: _told_by(h, held) for t, h in known.items() if family in (None, h.family) and not _barred(h, held)}
    best = max(told, key=lambda trainer: told[trainer], default=HANDWRITTEN)
    if hint is not None and hint in known and told.get(best, 0) <= told.get(hint, 0):
        return hint
    return best if told.get(best, 0) >= ENOUGH else hint or HANDWRITTEN


def fingerprint() -> str:
    """Changes whenever a table does, the team's own too, so that what the store holds can be understood anew."""
    own = own_names.told()
    return _fingerprint() + (f"-{hashlib.sha256(own.encode()).hexdigest()[:8]}" if own else "")


@cache
def _fingerprint() -> str:
    digest = hashlib.sha256()
    for trainer, path in _files().items():
        digest.update(trainer.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def headers() -> dict[str, Header]:
    return {trainer: _header(trainer) for trainer in _files()}


def literal_start(pattern: str) -> str:
    """The text that every match of an anchored pattern, without alternatives at its top, begins with.

    >>> literal_start(r"^val-core/(?P<source>.+)/mean@\\d+$")
    'val-core/'
    """
    plain = re.match(r"\^((?:[\w/@ <>:=,%~#&'\"!-]|\\[^\w])*)", pattern)
    if plain is None:
        return ""
    text = plain[1]
    if pattern[plain.end() : plain.end() + 1] in ("?", "*", "{"):  # the last character may be missing
        text = text[:-2] if text[-2:-1] == "\\" else text[:-1]
    return text.replace("\\", "")


@lru_cache(maxsize=65536)
def _understand(trainer: str, name: str) -> tuple[Meaning, tuple[tuple[str, str], ...]]:
    found = table(trainer)
    for spelling in _spellings(found.header, name):
        entry, groups = _look_up(found, spelling)
        if entry is not None:
            return _meaning(entry, groups, _preference(found.header, name)), tuple(groups.items())
    return UNKNOWN, ()


def _spellings(header: Header, name: str) -> list[str]:
    """The name, and what it is without a prefix; of one written for people ("Avg. Reward") in plain letters, too."""
    plain = [] if header.trainer != HANDWRITTEN else [re.sub(r"[ _]+", "_", name.lower().replace(".", ""))]
    every = list(dict.fromkeys([name, *plain]))
    return every + [one[len(prefix) :] for one in every for prefix in header.prefixes if one.startswith(prefix)]


def _look_up(found: Table, name: str) -> tuple[Any, dict[str, str]]:
    entry = found.names.get(name)
    if entry is not None:
        return entry, {}
    for pattern in found.patterns:
        match = pattern.match(name)
        if match:
            return pattern.entry, {k: v for k, v in match.groupdict().items() if v is not None}
    return None, {}


def _meaning(entry: Any, groups: Mapping[str, str], preference: int) -> Meaning:
    if isinstance(entry, str):
        entry = {"is": entry}
    named = entry.get("is")
    if named is not None and "{" in named:
        named = named.format_map({key: SPOKEN.get(text, text) for key, text in groups.items()})
    known = quantity(named) if named else None
    return Meaning(
        quantity=known.name if known else None,
        unit=entry.get("unit") or (known.unit if known else None),
        caveat=entry.get("caveat"),
        scale=float(entry.get("scale", 1.0)),
        rank=int(entry.get("rank", 0)) + preference,
    )


def _preference(header: Header, name: str) -> int:
    fits = (10 * place for place, pattern in enumerate(header.prefer) if pattern.match(name))
    return next(fits, 10 * len(header.prefer))


def _told_by(header: Header, names: list[str]) -> int:
    """How many of the trainer's signatures the names hold; a closer relative counts its elders' too."""
    own = sum(_held(pattern, names) for pattern in header.signature)
    if own == 0 or header.extends is None:
        return own
    return own + _told_by(headers()[header.extends], names)


def _barred(header: Header, names: list[str]) -> bool:
    return any(_held(pattern, names) for pattern in header.without)


def _held(pattern: Pattern, names: list[str]) -> bool:
    return any(pattern.match(name) for name in names)


def _any(patterns: tuple[Pattern, ...], name: str) -> bool:
    return any(pattern.match(name) for pattern in patterns)


@cache
def _files() -> dict[str, Path]:
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


@cache
def _table(trainer: str) -> Table:
    raw = tomllib.loads(_files()[trainer].read_text(encoding="utf-8"))
    header = headers()[trainer]
    elder = _table(header.extends) if header.extends else None
    patterns = tuple(Pattern(text, entry) for text, entry in raw.get("patterns", {}).items())
    return Table(
        header=header,
        names={**(elder.names if elder else {}), **raw.get("names", {})},
        patterns=patterns + (elder.patterns if elder else ()),
        settings={**(elder.settings if elder else {}), **raw.get("settings", {})},
        how={**(elder.how if elder else {}), **raw.get("how", {})},
    )


@cache
def _header(trainer: str) -> Header:
    """Only what stands before the first section is parsed: recognising reads all tables, understanding one."""
    text = _files()[trainer].read_text(encoding="utf-8")
    head = tomllib.loads(re.split(r"^\[\w", text, maxsplit=1, flags=re.MULTILINE)[0])
    elder = _header(head["extends"]) if "extends" in head else None

    def patterns(key: str) -> tuple[Pattern, ...]:
        inherited = getattr(elder, key, ()) if key in ("evaluation", "aside", "prefer") else ()
        return tuple(map(Pattern, head[key])) if key in head else inherited

    return Header(
        trainer=trainer,
        about=head.get("about", ""),
        extends=head.get("extends"),
        family=head.get("family", elder.family if elder else trainer),
        prefixes=tuple(head.get("prefixes", elder.prefixes if elder else ())),
        signature=patterns("signature"),
        without=patterns("without"),
        evaluation=patterns("evaluation"),
        aside=patterns("aside"),
        prefer=patterns("prefer"),
    )
