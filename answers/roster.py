"""Which runs are there, and how do they stand? The rows of the list of runs, for the page and the command."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from answers.filter import CONFIG, quantity_of
from db import edits, findings, runs, series
from db.alerts import tags_of
from db.quantities import quantity
from db.runs import Run
from db.schema import config, settings

Cell = float | str
Floats = NDArray[np.float64]

LAST = 20  # newest steps that a mean is taken over
RANK = {"info": 0, "warning": 1, "critical": 2}
_SEED = re.compile(r"(?i)[-_. /]?(?:random[-_ ]?)?seed[-_=. ]?\d+|[-_.]s\d{1,6}(?=$|[-_.])")


@dataclass(frozen=True, slots=True)
class Entry:
    """A run as the list shows it. given: those of its tags that people gave it (the others stand in its config).

    troubles: what is firing, the gravest first; severity: of the gravest, "" where nothing is.
    """

    run: Run
    tags: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    note: str = ""
    troubles: tuple[str, ...] = ()
    severity: str = ""


@dataclass(frozen=True, slots=True)
class Spread:
    """Of a column over a group. sd: sample standard deviation, NaN for fewer than two values; n: how many have one."""

    mean: float
    sd: float
    n: int


@dataclass(slots=True)
class Roster:
    """Runs as a filter takes them (answers.filter.Table). states: run id -> live, stalled, finished; ages: in s;
    columns: name -> run id -> value."""

    entries: Sequence[Entry]
    states: Mapping[int, str] = field(default_factory=dict)
    ages: Mapping[int, float] = field(default_factory=dict)
    columns: Mapping[str, Mapping[int, Cell]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries)

    def texts(self, name: str) -> Sequence[tuple[str, ...]]:
        return [tuple(filter(None, self._texts(name, one))) for one in self.entries]

    def _texts(self, name: str, one: Entry) -> Iterable[str]:
        if name in self.columns:
            value = self.columns[name].get(one.run.id)
            return () if value is None else (value if isinstance(value, str) else f"{value:g}",)
        return {
            "name": (one.run.name,),
            "project": (one.run.project,),
            "trainer": (one.run.trainer,),
            "state": (self.states.get(one.run.id, ""),),
            "tag": one.tags,
            "note": (one.note,),
            "trouble": one.troubles,
            "severity": (one.severity,),
        }.get(name, ())

    def numbers(self, name: str) -> Floats:
        return np.array([self.number(name, one) for one in self.entries], np.float64)

    def number(self, name: str, one: Entry) -> float:
        if name == "step":
            return math.nan if one.run.step is None else float(one.run.step)
        if name == "age":
            return self.ages.get(one.run.id, math.nan)
        if name == "attempts":
            return float(one.run.attempts)
        return as_number(self.columns.get(name, {}).get(one.run.id))


def as_number(value: Cell | None) -> float:
    """NaN where it is none; yes and no are no numbers."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return math.nan
    return math.nan if value is None else float(value)


def entries(connection: sa.Connection, shelf: str = "") -> list[Entry]:
    """The runs in sight, or those on a shelf (archived, deleted), by project and name."""
    found = [one for one in runs.all_runs(connection, shelves=(shelf,)) if one.shelf == shelf]
    tags, given = tags_of(connection, [run.id for run in found]), edits.tags_given(connection)
    notes = edits.notes_of(connection)
    firing: dict[int, list[findings.Finding]] = {}
    for one in findings.findings_of(connection, firing=True):
        firing.setdefault(one.run_id, []).append(one)
    made = []
    for run in found:
        grave = sorted(firing.get(run.id, ()), key=lambda f: (-RANK.get(f.severity, 0), f.onset_step))
        troubles = tuple(dict.fromkeys(f.trouble for f in grave))
        severity = grave[0].severity if grave else ""
        own = given.get(run.id, ())
        made.append(Entry(run, tuple(tags.get(run.id, own)), own, notes.get(run.id, ""), troubles, severity))
    return made


def newest(connection: sa.Connection, names: Collection[str]) -> dict[str, dict[int, Cell]]:
    """name -> run id -> value, of the names that cost little: newest values of quantities, keys of the config."""
    keys = [name for name in names if name.startswith(CONFIG)]
    found = {name: _config(connection, name.removeprefix(CONFIG)) for name in keys}
    wanted = {name: meant[0] for name in names if (meant := quantity_of(name)) and meant[1] == "last"}
    values = series.newest(connection, None, set(wanted.values())) if wanted else {}
    for name, of in wanted.items():
        found[name] = {run_id: value for (run_id, quantity), (_, _, value) in values.items() if quantity == of}
    return found


def _config(connection: sa.Connection, key: str) -> dict[int, Cell]:
    """As the trainer calls it, else as Stepwell does (context_limit, clip_high …)."""
    canonical = sa.select(settings.c.run_id, settings.c.value).where(settings.c.name == key)
    own = sa.select(config.c.run_id, config.c.value).where(config.c.key == key)
    found = {run_id: value for query in (canonical, own) for run_id, value in connection.execute(query)}
    return {run_id: _cell(json.loads(text)) for run_id, text in found.items()}


def _cell(value: object) -> Cell:
    if isinstance(value, str):
        return value
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain else json.dumps(value, ensure_ascii=False)  # type: ignore[arg-type]


def config_keys(connection: sa.Connection) -> list[str]:
    """Every key that the config of any run has, canonical settings first."""
    canonical = connection.scalars(sa.select(settings.c.name).distinct().order_by(settings.c.name))
    own = connection.scalars(sa.select(config.c.key).distinct().order_by(config.c.key))
    return list(dict.fromkeys([*canonical, *own]))


def quantities_logged(connection: sa.Connection) -> list[str]:
    """Every quantity that any run has a newest value of."""
    from db.metrics import by_id
    from db.schema import latest

    layouts = connection.scalars(sa.select(latest.c.metric_ids).distinct())
    ids = {metric for packed in layouts for metric in np.frombuffer(packed, np.int32).tolist()}
    return sorted({one.quantity for one in by_id(connection).values() if one.id in ids and one.quantity})


def statistics(connection: sa.Connection, run_ids: Sequence[int], names: Sequence[str]) -> dict[str, dict[int, float]]:
    """name -> run id -> value, of names that need the whole curve: `reward_mean.best`, `reward_mean.mean`."""
    wanted = {name: meant for name in names if (meant := quantity_of(name)) and meant[1] != "last"}
    curves = series.by_quantity(connection, run_ids, {meant[0] for meant in wanted.values()})
    found: dict[str, dict[int, float]] = {name: {} for name in wanted}
    for name, (of, statistic) in wanted.items():
        for run_id in run_ids:
            if (curve := curves.get((run_id, of))) is not None:
                value = best(of, curve.values) if statistic == "best" else recent(curve.steps, curve.values)
                if not math.isnan(value):
                    found[name][run_id] = value
    return found


def best(name: str, values: Floats) -> float:
    """The highest value, or the lowest where lower is better; NaN where neither is good, or nothing is finite."""
    finite, meant = values[np.isfinite(values)], quantity(name)
    if not len(finite) or meant is None or meant.good == "neither":
        return math.nan
    return float(finite.max() if meant.good == "up" else finite.min())


def recent(steps: NDArray[np.int64], values: Floats) -> float:
    """Mean of the finite values of the last 20 steps."""
    late = values[steps > steps[-1] - LAST] if len(steps) else values
    late = late[np.isfinite(late)]
    return float(late.mean()) if len(late) else math.nan


def seedless(name: str) -> str:
    """A run's name without its seed: `grpo-8k-seed3` and `grpo-8k_s3` are runs of `grpo-8k`."""
    return _SEED.sub("", name) or name


def grouped(roster: Roster, by: str) -> dict[str, list[Entry]]:
    """Groups by `tag` (a run stands in several), `project`, `trainer`, `name` (without its seed) or `config.<key>`;
    runs that have none of it are not in any."""
    found: dict[str, list[Entry]] = {}
    for one in roster.entries:
        if by == "name":
            labels: Iterable[str] = (f"{one.run.project}/{seedless(one.run.name)}",)
        elif by.startswith(CONFIG):
            value = roster.columns.get(by, {}).get(one.run.id)
            labels = () if value is None else (value if isinstance(value, str) else f"{value:g}",)
        else:
            labels = {"tag": one.tags, "project": (one.run.project,), "trainer": (one.run.trainer,)}.get(by, ())
        for label in filter(None, labels):
            found.setdefault(label, []).append(one)
    return dict(sorted(found.items()))


def spread(values: Floats) -> Spread:
    """Mean and standard deviation of those that are finite."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Spread(math.nan, math.nan, 0)
    return Spread(float(finite.mean()), float(finite.std(ddof=1)) if len(finite) > 1 else math.nan, len(finite))


def sentence(roster: Roster) -> str:
    """How many, and how they stand or ended."""
    states = [roster.states.get(one.run.id) for one in roster.entries]
    count = {state: states.count(state) for state in ("live", "stalled", "finished")}
    unhappy = [one for one in roster.entries if RANK.get(one.severity, 0) > 0]
    over = sum(roster.states.get(one.run.id) == "finished" for one in unhappy)
    told = [f"{number:,} {state}" for state, number in count.items() if number]
    trouble = [f"{over:,} ended in trouble"] if over else []
    trouble += [f"{len(unhappy) - over:,} {'is' if len(unhappy) - over == 1 else 'are'} in trouble now"]
    trouble = trouble if len(unhappy) > over else trouble[:-1]
    many = f"{len(roster):,} {'run' if len(roster) == 1 else 'runs'}"
    return f"{many}{': ' if told else ''}{', '.join(told)}." + (f" {' and '.join(trouble)}." if trouble else "")
