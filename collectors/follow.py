"""One pass over the logs: discover, read, store. The points and the place in the file move in one transaction."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from collectors import configs, discover, names, titles
from collectors.contract import Format, Part, Unread
from collectors.discover import Found
from collectors.documents.following import Papers
from collectors.refusals import Refusals
from collectors.renames import base_of, families_of, has_moved
from collectors.retold import retelling, without
from collectors.settings import flatten
from collectors.store import keep_config, put, put_torn, take_back, understand
from collectors.stores import following
from collectors.stores.contract import StoreProblem, Tracker
from collectors.tail import HEAD, MARK, Log, head_of, mark_of, matches
from db import metrics, runs
from db.engine import reading, writing
from db.mlflow_server import shown
from db.sources import (
    AFRESH,
    Overtaken,
    Place,
    add,
    attempts_in,
    claim,
    hold,
    names_of,
    places,
    rename,
    set_aside,
    start_over,
)
from db.understood import remember_how, remember_signatures

PIECE = 8 << 20
MEETING = 50  # records, while which the trainer may still turn out to be another one
CLEAR = 3  # signatures of a trainer, before a log that has taken another one's place is taken for its
LONGEST_LINE = 64 << 20
WHOLE_LIMIT = 64 << 20  # bytes; what JSON makes of them in memory is several times that


@dataclass(frozen=True, slots=True)
class FileReport:
    """What is known of one file after a pass, and how many points that pass stored."""

    place: Place
    new_points: int


class Collector:
    """Reads what is new under some paths, pass after pass.

    paths: files, folders, and trackers (`mlflow:URI`). project: overrides what logs and folders say.
    run_per_file: whatever they say, each file is a run.
    """

    def __init__(
        self, engine: sa.Engine, paths: Sequence[Path | str], project: str | None = None, *, run_per_file: bool = False
    ) -> None:
        self.engine, self.project = engine, project
        self.arguments = [path if following.is_tracker(str(path)) else Path(path) for path in paths]
        self.paths = [path for path in self.arguments if isinstance(path, Path)]
        self.run_per_file = run_per_file
        self.refusals = Refusals(engine, self.paths)
        self.unreadable: dict[Path, str] = {}  # what could not be opened or listed, and why
        self.trackers: dict[tuple[str, str], Tracker] = {}  # (kind, where) -> those that could be opened
        self._stores: list[Path] = []  # folders of trackers that were met on the way
        self.config_files: list[Found] = []
        self._logs: list[Found] = []
        self._configs_read: list[Found] | None = None  # those that the runs have been told of
        self._met: dict[str, dict[str, None]] = {}  # path -> the names by which its trainer was told
        self.papers = Papers(engine)
        self.places: dict[str, Place] | None = None  # as this collector left them; a stale one fails its claim

    def refresh_names(self) -> int:
        """Understand the stored names by today's tables; no log is read again. Returns how many rows changed."""
        with writing(self.engine) as connection:
            if not metrics.is_fresh(connection, names.fingerprint()):
                remember_how(connection, {trainer: table.how for trainer, table in names.tables().items()})
                told = {trainer: [one.text for one in names.signatures(trainer)] for trainer in names.headers()}
                remember_signatures(connection, told)
            return metrics.refresh(connection, understand, names.fingerprint())

    def pending(self) -> list[tuple[Found, Place | None]]:
        """The files that may hold something new. Raises FileNotFoundError for a path that is not there."""
        if self.places is None:
            with reading(self.engine) as connection:
                self.places = places(connection)
                self.papers.load(connection)
            self.refusals.load()
        known = self.places
        news = [one for one in self._walk() if self._is_news(one, known.get(one.name))]
        self._follow_renames(news, known)
        return [(one, known.get(one.name)) for one in news if self._is_news(one, known.get(one.name))]

    def _walk(self) -> list[Found]:
        """Every file that may be a log; what may be a config is put aside for `read_configs`."""
        self.unreadable, self._stores = {}, []
        every = list(discover.walk(self.paths, self.unreadable, self._stores))
        found = [one for one in every if not following.is_database(one.path)]
        self._stores += [one.path.parent for one in every if following.is_names(one.path)]
        alone = [one for path in self.paths if path.is_file() for one in configs.beside(path.resolve())]
        self.config_files, self._logs = [], []
        for one in found:
            (self.config_files if configs.is_config(one.path) else self._logs).append(one)
        self.config_files += alone
        return self._logs

    def read_configs(self) -> int:
        """Tell the runs what the config files beside their logs say; after a pass. Returns to how many it was news."""
        if self.config_files == self._configs_read or self.places is None:
            return 0
        self._configs_read = self.config_files
        known = [(log, self.places[log.name]) for log in self._logs if log.name in self.places]
        return configs.of_runs(self.engine, known, self.config_files, self.unreadable) if self.config_files else 0

    def read_trackers(self) -> list[FileReport]:
        """Read what is new in the trackers that the arguments name or that lie under them; after `pending`."""
        self.places = {} if self.places is None else self.places
        reports = []
        for tracker in self._opened():
            try:
                for place, new in following.read_tracker(self.engine, tracker, self.places, self.project):
                    self.places[place.path] = place
                    reports.append(FileReport(place, new))
            except StoreProblem as problem:
                self.unreadable[Path(tracker.where)] = str(problem)
        return reports

    def _opened(self) -> list[Tracker]:
        """Every tracker, once; what does not open is tried again with the next pass."""
        for argument in [*self.arguments, *self._stores]:
            for kind, where in following.places(argument):
                if (kind, where) not in self.trackers:
                    try:
                        self.trackers[kind, where] = following.opened(kind, where)
                    except StoreProblem as problem:
                        self.unreadable[Path(shown(where))] = str(problem)
        return list(self.trackers.values())

    @property
    def refused(self) -> list[Path]:
        """The files that no reader claimed."""
        return list(self.refusals.now)

    def _is_news(self, found: Found, place: Place | None) -> bool:
        if place is not None:
            return (place.size, place.modified) != (found.size, found.modified)
        paper = self.papers.known.get(found.name)
        if paper is not None:
            return (paper.size, paper.modified) != (found.size, found.modified)
        return not self.refusals.has(found)

    def _follow_renames(self, found: Iterable[Found], known: dict[str, Place]) -> None:
        """train.log became train.log.1 (and perhaps a new train.log began): the place moves with the old bytes."""
        new = {(one.path.parent, base_of(one.path.name)) for one in found if one.name not in known and one.size}
        families = families_of(known, new) if new else {}
        for one in sorted(found if families else [], key=lambda one: one.path.name, reverse=True):
            relatives = families.get((one.path.parent, base_of(one.path.name)), [])  # log.2 first: room for log.1
            if one.name in known or not one.size:
                continue
            before = next((place for place in relatives if place.path in known and has_moved(place, one.path)), None)
            if before is not None:
                with writing(self.engine) as connection:
                    hold(connection, before)
                    known[one.name] = claim(connection, rename(connection, before, one.name))
                del known[before.path]

    def known(self) -> list[FileReport]:
        """What is known of every collected file under the paths that is still there."""
        roots = [path.resolve() for path in self.paths]
        with reading(self.engine) as connection:
            every = places(connection).values()
        starts = tuple(f"{tracker.NAME}:{tracker.where}#" for tracker in self.trackers.values())
        mine = [place for place in every if place.path.startswith(starts) or _under(Path(place.path), roots)]
        return [FileReport(place, 0) for place in mine]

    def read(self, found: Found, place: Place | None) -> FileReport | None:
        """Read what is new in one file; None if it is no log (or is gone). Raises db.engine.StoreError."""
        while True:
            try:
                report = self._read(found, place)
            except Overtaken:
                with reading(self.engine) as connection:
                    place = places(connection, [found.name]).get(found.name)
                continue
            except FileNotFoundError:
                return None
            except OSError as error:
                self.unreadable[found.path] = error.strerror or str(error)
                return None
            if report is not None and self.places is not None:
                if report.place.path not in self.places:
                    self._configs_read = None  # a new log: its run may have a config
                self.places[report.place.path] = report.place
            return report

    def _read(self, found: Found, place: Place | None) -> FileReport | None:
        if place is None and self.papers.take(found):
            return None
        fmt = discover.formats().get(place.format) if place else discover.recognise(found.path)
        if fmt is None:
            self.refusals.add(found)
            return None
        place = place or Place(found.name, fmt.NAME)
        before = place.points
        with Log(found.path) as log:
            another = bool(place.head) and not fmt.WHOLE and not matches(log, place.head, place.mark, place.offset)
            if another:  # a log that stands there instead, perhaps another trainer's
                fmt = discover.recognise(found.path) or fmt
                place = replace(place, format=fmt.NAME)
            for step in _steps(log, fmt, place, restarted=another):
                place = self._store(found, fmt, place, step)
                if place.size == AFRESH:
                    return self._read(found, place)
        return FileReport(place, place.points - before)

    def _store(self, found: Found, fmt: Format, place: Place, step: _Step) -> Place:
        """One step of a file into the store: all of it or nothing."""
        with writing(self.engine) as connection:
            if not place.id:
                place = self._begin(connection, found, fmt, place, step.part)
            else:
                hold(connection, place)
                place = take_back(connection, place)
            if not place.records or (step.restarted and self._is_told(fmt, place, step)):
                place = self._meet_trainer(connection, fmt, place, step)
            elif place.records < MEETING and self._is_another_s(connection, fmt, place, step):
                return claim(connection, start_over(connection, place))
            place = set_aside(connection, place, [(one.line, one.why) for one in step.part.unread])
            place = put(connection, place, step.part, restarted=step.restarted, modified=found.modified)
            if self.run_per_file:
                step.part.run = None
            keep_config(connection, place, step.part, self.project)
            place = replace(place, **step.place)
            if step.torn is not None:
                place = put_torn(connection, place, step.torn, modified=found.modified)
            return claim(connection, place)

    def _begin(self, connection: sa.Connection, found: Found, fmt: Format, place: Place, part: Part) -> Place:
        who = self._who(found, fmt, part)
        run_id = runs.make(connection, who.project, who.run, who.place)
        return add(connection, replace(place, run_id=run_id))

    def _who(self, found: Found, fmt: Format, part: Part) -> discover.Identity:
        """Named by the log's own config first, then by one that lies beside it, then by its file and folder."""
        project = not (self.project or part.project)
        if self.run_per_file:
            who = discover.alone(found, part, self.project)
            return titles.completed(who, flatten(part.config), project=project, run=False)
        who = discover.identify(found, fmt, part, self.project)
        beside, is_own = configs.beside_of(found, self.config_files, self.unreadable)
        nameless = not part.run and (is_own or discover.is_nameless(found))
        who = titles.completed(who, beside, project=project, run=nameless)
        return titles.completed(who, flatten(part.config), project=project, run=not part.run)

    def _meet_trainer(self, connection: sa.Connection, fmt: Format, place: Place, step: _Step) -> Place:
        """Whose names these are is told by the first names that come."""
        held = _names(step)
        trainer = names.recognise(held, fmt.TRAINER)
        self._met[place.path] = held
        if held:
            runs.set_trainer(connection, place.run_id, trainer)
        return replace(place, trainer=trainer)

    def _is_told(self, fmt: Format, place: Place, step: _Step) -> bool:
        """Whether a new log in this place is clearly another trainer's. What the old one said keeps its meaning."""
        held = _names(step)
        trainer = names.recognise(held, fmt.TRAINER)
        return trainer != place.trainer and len(names.evidence(trainer, held)) >= CLEAR

    def _is_another_s(self, connection: sa.Connection, fmt: Format, place: Place, step: _Step) -> bool:
        """Do names that came later (after an evaluation before the first step, say) tell another trainer? Then the
        file is to be read afresh, while that costs little and all that was stored of it still stands in it."""
        new, met = _names(step), self._met.get(place.path, {})
        if new.keys() <= met.keys() or step.restarted:
            return False
        before = met or dict.fromkeys(names_of(connection, place.id))
        held = self._met[place.path] = before | new
        return names.recognise(held, fmt.TRAINER) != place.trainer and attempts_in(connection, place.id) == 1


def _names(step: _Step) -> dict[str, None]:
    """Every name in a step, in order."""
    blocks = step.part.blocks or (step.torn.blocks if step.torn else [])
    return {name: None for block in blocks for name in block.names}


@dataclass(slots=True)
class _Step:
    """What one transaction stores: a part, where it leaves the file, and what its unfinished end may say."""

    part: Part
    place: dict[str, Any]
    restarted: bool = False
    torn: Part | None = None


def _steps(log: Log, fmt: Format, place: Place, *, restarted: bool) -> Iterator[_Step]:
    """The file from its place to its end, as steps of bounded size; at least one, so that the row knows the file.

    restarted: the file is not the one that was read up to the place, so all of it is new.
    """
    if fmt.WHOLE:
        yield _whole(log, fmt, place)
        return
    offset, memory = (0, {}) if restarted else (place.offset, copy.deepcopy(place.memory))
    known = not restarted and place.head.startswith(f"{HEAD}:")  # it has just been compared in full
    head, size, before, first = place.head if known else head_of(log), PIECE, b"", True
    while True:
        data = log.read(offset, size)
        ended = len(data) < size
        part = fmt.read(data, memory, torn=False)
        if not part.used and not ended:
            if size < LONGEST_LINE:
                size *= 2
                continue
            part = _skip_line(data, memory)
        before, offset = (before + data[: part.used])[-MARK:], offset + part.used
        if ended or part.used:
            where = _where(log, offset, memory) | {"head": head, "mark": mark_of(log, offset, before)}
            torn = _torn(fmt, data[part.used :], memory, log) if ended else None
            if not ended:
                where["size"] = -1  # killed here, the file must still look as if it held something new
            yield _Step(part, where, restarted and first, torn)
        if ended:
            return
        first, size = False, PIECE


def _where(log: Log, offset: int, memory: dict[str, Any]) -> dict[str, Any]:
    stat = log.stat
    return {
        "offset": offset,
        "memory": copy.deepcopy(memory),
        "size": stat.st_size,
        "modified": stat.st_mtime,
    }


def _skip_line(data: bytes, memory: dict[str, Any]) -> Part:
    """A line that is longer than any log's: set it aside up to its end, or as far as it is here."""
    end = data.find(b"\n")
    used = len(data) if end < 0 else end + 1
    return Part(used=used, unread=[Unread(int(memory.get("line", 0)) + 1, f"a line of over {LONGEST_LINE >> 20} MiB")])


def _torn(fmt: Format, rest: bytes, memory: dict[str, Any], log: Log) -> Part | None:
    """What the unfinished end can be trusted to say; the next pass reads those bytes again."""
    part = fmt.read(rest, copy.deepcopy(memory), torn=True) if rest else Part()
    if log.problem:
        part.unread.append(Unread(0, log.problem))
    return part if part.blocks or part.unread else None


def _whole(log: Log, fmt: Format, place: Place) -> _Step:
    """A document that its writer rewrites: read from its start, and only what it adds to the last time is new."""
    data = log.read(0, WHOLE_LIMIT + 1)
    if len(data) > WHOLE_LIMIT:
        too_large = Unread(1, f"a document of over {WHOLE_LIMIT >> 20} MiB is not read")
        return _Step(Part(), _where(log, place.offset, place.memory), torn=Part(unread=[too_large]))
    memory = copy.deepcopy(place.memory)
    part = fmt.read(data, memory.setdefault("reader", {}), torn=False)
    if not part.used:  # half written: what was stored stands, the next pass reads it again
        return _Step(Part(), _where(log, len(data), place.memory), torn=Part(unread=part.unread))
    known = int(memory.get("records", 0))
    retold = known <= sum(map(len, part.blocks)) and retelling(part.blocks, known) == memory.get(
        "digest", retelling([], 0)
    )
    total = sum(map(len, part.blocks))
    memory |= {"records": total, "digest": retelling(part.blocks, total)}
    counts = {"rows": part.rows, "first_step": part.first_step, "last_step": part.last_step}
    if retold:
        part.blocks = list(without(part.blocks, known))
    return _Step(part, _where(log, len(data), memory) | counts, restarted=not retold)


def _under(path: Path, roots: Sequence[Path]) -> bool:
    return any(path == root or root in path.parents for root in roots)
