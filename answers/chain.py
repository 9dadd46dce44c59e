"""Which runs continue each other? The lineage of a run in order, laid on one count of steps."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from analyses.stages import offsets
from db import runs
from db.runs import Run

CHECKPOINT = re.compile(r"(?:global_step|checkpoint|step|iter)[_\-=]?(\d{1,12})(?!.*\d)")
NUMBERED = re.compile(r"^(?P<stem>.*?)(?P<word>stage|phase|part)[ _-]?(?P<number>\d{1,3})(?!\d)", re.IGNORECASE)
GUESSED = "only the names suggest it"


@dataclass(frozen=True, slots=True)
class Member:
    """One run of a chain. offset: what to add to its steps. end: its own step at which the next run took over, else its
    last. why: what says that it continues the one before ("" for the first)."""

    run: Run
    first: int
    end: int
    offset: int
    why: str


@dataclass(frozen=True, slots=True)
class Chain:
    """members: in order. guessed: no log and nobody says so, only the names. others: runs that continue one of these
    too, on another branch."""

    members: tuple[Member, ...]
    guessed: bool
    others: tuple[str, ...]


def chain(connection: sa.Connection, run_id: int) -> Chain:
    """The chain that a run is part of, itself alone where it continues nothing. Raises KeyError where it is gone."""
    known = {run.id: run for run in runs.all_runs(connection)}
    if run_id not in known:
        raise KeyError(run_id)
    return _laid(connection, _line(known, runs.parents(connection), run_id))


def chains(connection: sa.Connection) -> list[tuple[Run, ...]]:
    """Every chain of two runs or more, told or guessed from names; a run that is in none is left out."""
    known = {run.id: run for run in runs.all_runs(connection)}
    told = runs.parents(connection)
    guesses = _guesses(known.values(), told)
    lines = {tuple(line) for line in guesses.values()}
    continued = {parent for parent, _ in told.values()}
    for run_id in told.keys() - continued:
        if run_id in known:
            lines.add(tuple(_line(known, told, run_id)[0]))
    return sorted((line for line in lines if len(line) > 1), key=lambda line: (line[0].project, line[0].name))


Line = tuple[list[Run], dict[int, str], tuple[str, ...]]


def _line(known: Mapping[int, Run], told: Mapping[int, tuple[int, str]], run_id: int) -> Line:
    """The runs in order, why each continues the one before it, and what else continues one of them."""
    if not any(run_id in (child, parent) for child, (parent, _) in told.items()):
        guess = _guesses(known.values(), told).get(run_id, [known[run_id]])
        return guess, {run.id: GUESSED for run in guess[1:]}, ()
    line, why = [run_id], {}
    while line[0] in told and told[line[0]][0] in known and told[line[0]][0] not in line:
        parent, why[line[0]] = told[line[0]]
        line.insert(0, parent)
    others: list[str] = []
    while children := sorted(c for c, (p, _) in told.items() if p == line[-1] and c in known and c not in line):
        why[children[-1]] = told[children[-1]][1]
        others += [known[child].name for child in children[:-1]]
        line.append(children[-1])
    siblings = [c for c, (p, _) in told.items() if p in line and c not in line and c in known]
    names = [*others, *(known[c].name for c in siblings)]
    return [known[one] for one in line], why, tuple(dict.fromkeys(names))


def _guesses(known: Iterable[Run], told: Mapping[int, tuple[int, str]]) -> dict[int, list[Run]]:
    """run id -> its line, for runs of one project called like stages of one thing and numbered without a gap (stage1…,
    stage2…), where nothing is known of what any of them continues."""
    linked = {*told, *(parent for parent, _ in told.values())}
    families: dict[tuple[str, str, str], dict[int, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in known:
        if run.id not in linked and (key := _numbered(run)) is not None:
            families[key[0]][key[1]].append(run)
    found: dict[int, list[Run]] = {}
    for family in families.values():
        numbers = sorted(family)
        gapless = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        if gapless and len(numbers) > 1 and all(len(same) == 1 for same in family.values()):
            line = [family[number][0] for number in numbers]
            found |= {run.id: line for run in line}
    return found


def _numbered(run: Run) -> tuple[tuple[str, str, str], int] | None:
    found = NUMBERED.match(run.name)
    return None if found is None else ((run.project, run.trainer, found["stem"]), int(found["number"]))


def _laid(connection: sa.Connection, line: Line) -> Chain:
    """The runs with their places on the chain's steps."""
    order, why, others = line
    firsts, lasts = _reach(connection, order)
    ends = [lasts[run.id] for run in order]
    for i, run in enumerate(order[1:]):
        step = _checkpoint(connection, run, why[run.id])
        if step is not None and firsts[order[i].id] <= step <= ends[i]:
            ends[i] = step
    added = offsets([firsts[run.id] for run in order], ends) if order else []
    members = tuple(
        Member(run, firsts[run.id], end, offset, why.get(run.id, ""))
        for run, end, offset in zip(order, ends, added, strict=True)
    )
    return Chain(members, GUESSED in why.values(), others)


def _checkpoint(connection: sa.Connection, run: Run, why: str) -> int | None:
    """The parent's step that a run started from, where the checkpoint's name tells it."""
    said = str(runs.settings_of(connection, run.id).get("starts_from") or why)
    found = CHECKPOINT.search(said)
    return int(found[1]) if found else None


def _reach(connection: sa.Connection, order: Sequence[Run]) -> tuple[dict[int, int], dict[int, int]]:
    """First and last step of each run."""
    lasts = {run.id: run.step or 0 for run in order}
    firsts = dict(lasts)
    for one in runs.attempts_of(connection, list(firsts)):
        firsts[one.run_id] = min(one.first_step, firsts[one.run_id])
    return firsts, lasts
