"""Which files under a folder are logs, in which format, and of which run."""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import collectors.formats
from collectors.contract import Format, Part, Sample, as_format
from collectors.tail import Log
from db.text import storable

HEAD = 1 << 16
MORE = 1 << 21
SKIPPED_FOLDERS = {
    ".git",
    ".hg",
    ".svn",
    ".venv",
    "venv",
    "node_modules",
    "__pycache__",
    ".cache",
    ".mypy_cache",
}
STORES = frozenset(["mlruns"])
"""Folders that are read as a tracker's store, not file by file."""
SKIPPED_ENDINGS = (
    ".py .md .so .o .a .pt .pth .bin .safetensors .ckpt .npy .npz .parquet .arrow .png .jpg .jpeg .gif .svg .pdf .mp4 "
    ".zip .tar .whl .db .db-wal .db-shm .sqlite .pkl .lock .html .css .js .ts"
)
ENDINGS = tuple(SKIPPED_ENDINGS.split())
ROLLOUTS = re.compile(r"(completions_\d+|tokens|rollouts)\.parquet")
# File names that say no more than "a log": there the folder is the run.
PLAIN_NAMES = set(
    "metrics metric train training trainer log logs logging output out stdout stderr console main history progress "
    "results stats scalars events trainer_state step_logs experiment_log run nohup slurm eval evaluation val "
    "validation test".split()
)
KINDS = "jsonl|json|ndjson|csv|tsv|log|txt|out|err"
LIFTED = re.compile(
    r"checkpoint-\d+|[A-Z][a-z]{2}\d{2}_\d{2}-\d{2}-\d{2}(_.*)?|runs|tb|tensorboard|tb_logs|tensorboard_logs?|logs"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may be a log. root: the collected path it was found under."""

    path: Path
    root: Path
    size: int
    modified: float

    @property
    def name(self) -> str:
        """The path as the store knows it."""
        return storable(str(self.path))


@dataclass(frozen=True, slots=True)
class Identity:
    """Which run a file belongs to. place tells runs of one name apart; it is where the run lives."""

    project: str
    run: str
    place: str


@functools.cache
def formats() -> dict[str, Format]:
    """Every reader of `collectors/formats/`, by NAME; a new file there is found without being listed anywhere."""
    modules = [
        importlib.import_module(f"collectors.formats.{m.name}")
        for m in pkgutil.iter_modules(collectors.formats.__path__)
    ]
    return {module.NAME: as_format(module) for module in modules}


def _is_passed_by(name: str) -> bool:
    """By its ending a file is no log; tables of rollouts are looked at."""
    return name.endswith(ENDINGS) and not ROLLOUTS.fullmatch(name)


def walk(
    paths: Sequence[Path], unreadable: dict[Path, str] | None = None, stores: list[Path] | None = None
) -> Iterator[Found]:
    """Every file under the paths, each once, links followed once. Raises FileNotFoundError if a path is not there.

    unreadable: gets each file and folder that could not be looked into, and why.  stores: each folder of STORES.
    """
    problems = {} if unreadable is None else unreadable
    passed = [] if stores is None else stores
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(path)
        root = path.resolve()
        yield from _walk(root, root if root.is_dir() else root.parent, seen, problems, passed)


def _walk(
    top: Path, root: Path, seen: set[tuple[int, int]], unreadable: dict[Path, str], stores: list[Path]
) -> Iterator[Found]:
    waiting: list[Path | os.DirEntry[str]] = [top]
    while waiting:
        here = waiting.pop()  # mostly a DirEntry: of thousands of files at every pass, a Path costs more than its stat
        try:
            status = here.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            if stat.S_ISREG(status.st_mode):
                yield Found(Path(here), root, status.st_size, status.st_mtime)
            elif stat.S_ISDIR(status.st_mode) and here.name in STORES:
                stores.append(Path(here))
            elif stat.S_ISDIR(status.st_mode):
                waiting += reversed(_inside(here))
        except FileNotFoundError:
            continue  # gone since it was listed, or a link to nowhere
        except OSError as error:
            unreadable[Path(here)] = error.strerror or str(error)


def _inside(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        mine = [one for one in entries if one.name not in SKIPPED_FOLDERS and not _is_passed_by(one.name)]
    return sorted(mine, key=lambda one: _order(one.name))


def _order(name: str) -> list[tuple[int, int, str]]:
    """Names in the order people mean: checkpoint-80 before checkpoint-160."""
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in re.split(r"(\d+)", name)]


def recognise(path: Path) -> Format | None:
    """The format of a file, by its content; None if no reader claims it. Raises OSError."""
    with Log(path) as log:
        head = log.read(0, HEAD)
        found = _claimed(Sample(path, head, head))
        if found is None and len(head) == HEAD and _is_text(head):
            found = _claimed(Sample(path, head, log.read(0, MORE)))
        return found


def _claimed(sample: Sample) -> Format | None:
    return next((fmt for fmt in formats().values() if fmt.recognises(sample)), None)


def _is_text(head: bytes) -> bool:
    odd = sum(head.count(byte) for byte in (b"\0", b"\1", b"\2", b"\3"))
    return odd < len(head) // 100


def identify(found: Found, fmt: Format, part: Part, project: str | None) -> Identity:
    """Where a log belongs: the name in its own config first, then what its file's name says, then its folder."""
    folder, stem = lifted(found.path.parent, found.root), _stem(found.path)
    relative = folder.relative_to(found.root).as_posix() if folder.is_relative_to(found.root) else folder.name
    name = found.root.name if relative == "." else relative
    project = project or part.project or found.root.name
    own = part.run or (None if is_nameless(found) else stem)
    if own is None:
        return Identity(project, name, f"{folder}/{stem}" if fmt.RUN_PER_FILE else str(folder))
    if part.run or relative == "." or own == folder.name:
        name = own if part.run or relative == "." else relative
    else:
        name = f"{relative}/{own}"
    return Identity(project, name, f"{folder}#{own}")


def is_nameless(found: Found) -> bool:
    """Whether a file's name says no more than "a log"."""
    return _stem(found.path).lower() in PLAIN_NAMES


def alone(found: Found, part: Part, project: str | None) -> Identity:
    """A file that is a run of its own, named by its path."""
    inside = found.path.is_relative_to(found.root)
    name = found.path.relative_to(found.root).as_posix() if inside else found.path.name
    return Identity(project or part.project or found.root.name, name, str(found.path))


def lifted(folder: Path, root: Path) -> Path:
    """Out of checkpoint-80/ or runs/Nov20_10-00-00/: those are places inside a run, not its name."""
    while LIFTED.fullmatch(folder.name) and folder != root and folder.is_relative_to(root):
        folder = folder.parent
    return folder


def _stem(path: Path) -> str:
    """The file's name without what compression, rotation, checkpoints and the kind of file put there."""
    if path.name.startswith("events.out.tfevents"):
        return "events"
    name = re.sub(r"\.gz$", "", path.name)
    name = re.sub(rf"(\.({KINDS}))[.-]\d+$", r"\1", name)
    stem = re.sub(rf"\.({KINDS})$", "", name)
    return re.sub(r"^checkpoint-\d+\.", "", stem)
