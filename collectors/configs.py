"""Config files that stand beside a log or up to two folders above it: what the run was told to do.

run/.hydra/config.yaml (its `${...}` resolved as far as they point into the file) and overrides.yaml · config.yaml,
config.json, experiment_config.json, args.json · training_args.txt as transformers prints it · wandb-metadata.json
(the command line) · configs/trainer.toml and the like, one file per process.

The nearest folder that has one rules. What the log itself printed goes before.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from collectors.discover import Found, lifted
from collectors.settings import flatten, settings, whose
from db import runs
from db.edits import SHELVES
from db.engine import reading, writing
from db.facts import facts_like, remember
from db.sources import Place

LARGEST = 1 << 20  # bytes; a config is written by people
ABOVE = 2  # folders over that of the log
REFERENCES = 4  # how often a `${...}` may lead to another one
FACT = "config files of run "

PARTS = "trainer|orchestrator|inference|rl|train|eval"
OURS = re.compile(
    rf"(?:\.hydra/(?:config|overrides)|configs?/(?:{PARTS})|config|args|training_args|experiment_config|hparams"
    r"|wandb-metadata)\.(?:ya?ml|json|toml|txt)"
)
"""The end of the path of what may be a run's config."""
INSIDE = (".hydra", "config", "configs")
"""Folders whose files are about the folder that holds them."""
PRINTED = re.compile(r"^\s*([A-Za-z_]\w*)=(.*?),?$", re.MULTILINE)
REFERENCE = re.compile(r"\$\{(?:oc\.select:)?\s*([\w.\-]+)\s*(?:,[^{}]*)?\}")


class BadConfig(Exception):
    """A config file that cannot be read; the message says why."""


def is_config(path: Path) -> bool:
    folder = f"{path.parent.name}/{path.name}"
    return bool(OURS.fullmatch(path.name) or OURS.fullmatch(folder))


def beside(log: Path) -> list[Found]:
    """The config files in a log's own folder, for a log that is collected alone."""
    places = (log.parent, *(log.parent / name for name in INSIDE))
    found = [path for place in places if place.is_dir() for path in sorted(place.iterdir()) if is_config(path)]
    stats = [(path, path.stat()) for path in found if path.is_file()]
    return [Found(path, log.parent, stat.st_size, stat.st_mtime) for path, stat in stats]


def beside_of(log: Found, files: Sequence[Found], unread: dict[Path, str]) -> tuple[dict[str, Any], bool]:
    """(what the nearest of these config files say, flat; whether they are those of the log's own folder in `.hydra/`,
    which is made anew for each run)."""
    if not files:
        return {}, False
    near = {log.path.parent, *list(log.path.parents)[: ABOVE + 2]}
    by_folder: dict[Path, list[Found]] = defaultdict(list)
    for file in files:
        if (home := _home(file.path)) in near:
            by_folder[home].append(file)
    held = _nearest(log, by_folder)
    own = bool(held) and all(file.path.parent == log.path.parent / ".hydra" for file in held)
    return merged((file.path for file in held), unread), own


def load(path: Path) -> dict[str, Any]:
    """The settings of one file; {} for what is no run's config (a model's, a list). Raises BadConfig, OSError."""
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise BadConfig(f"larger than {LARGEST >> 20} MiB")
    try:
        found = READERS[path.suffix](data.decode("utf-8"))
    except RecursionError as error:
        raise BadConfig("nested too deeply") from error
    except ValueError as error:
        raise BadConfig(" ".join(str(error).split())[:200]) from error
    if path.name == "overrides.yaml":
        return _overrides(found) if isinstance(found, list) else {}
    if not isinstance(found, dict) or _tells_of_a_model(found):
        return {}
    if path.name == "wandb-metadata.json":
        return _command_line(found.get("args"))
    prefix = path.stem if path.parent.name in ("config", "configs") and path.stem not in ("rl", "config") else ""
    found.pop("_wandb", None)
    return {prefix: found} if prefix else found


def of_runs(
    engine: sa.Engine, logs: Iterable[tuple[Found, Place]], files: Sequence[Found], unread: dict[Path, str]
) -> int:
    """Store what the config files say of the runs of these logs, where that is news. Returns of how many runs.

    files: those of the last walk. unread: gets each file that could not be read, and why.
    """
    by_folder: dict[Path, list[Found]] = defaultdict(list)
    for file in files:
        by_folder[_home(file.path)].append(file)
    mine: dict[int, dict[Path, Found]] = {}
    for log, place in logs:
        mine.setdefault(place.run_id, {}).update({file.path: file for file in _nearest(log, by_folder)})
    told = {run_id: _stamp(held.values()) for run_id, held in mine.items() if held}
    with reading(engine) as connection:
        known = facts_like(connection, FACT)
        every = runs.all_runs(connection, list(told), shelves=SHELVES) if told else []
        trainers = {run.id: run.trainer for run in every}
    news = [run_id for run_id in told if known.get(f"{FACT}{run_id}") != told[run_id]]
    for run_id in news:
        config = merged((file.path for file in mine[run_id].values()), unread)
        with writing(engine) as connection:
            remember(connection, f"{FACT}{run_id}", told[run_id])
            flat, canonical = flatten(config), settings(whose(trainers[run_id], config), config)
            runs.set_config(connection, run_id, flat, canonical, under=f"{FACT}{run_id}" not in known)
    return len(news)


def merged(paths: Iterable[Path], unread: dict[Path, str]) -> dict[str, Any]:
    """Several files of one run as one flat config; of two that state a key the later one counts."""
    flat: dict[str, Any] = {}
    for path in paths:
        flat |= flatten(_loaded(path, unread))
    return resolved(flat)


def resolved(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`${a.b}` and `${oc.select:a.b,…}` replaced by the value they point at, where the config holds it."""
    return {key: _followed(value, flat) for key, value in flat.items()}


def _followed(value: Any, flat: Mapping[str, Any]) -> Any:
    for _ in range(REFERENCES):
        found = REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if found is None or found[1] not in flat:
            break
        value = flat[found[1]]
    return value


def _nearest(log: Found, by_folder: Mapping[Path, list[Found]]) -> list[Found]:
    folder = lifted(log.path.parent, log.root)
    for near in (log.path.parent, folder, *list(folder.parents)[:ABOVE]):
        if not near.is_relative_to(log.root):
            break
        if held := [file for file in by_folder.get(near, ()) if not _is_a_models(file.path)]:
            return held
    return []


def _home(path: Path) -> Path:
    """The folder whose runs a config file is about."""
    return path.parent.parent if path.parent.name in INSIDE else path.parent


def _loaded(path: Path, unread: dict[Path, str]) -> dict[str, Any]:
    try:
        return load(path)
    except FileNotFoundError:
        return {}
    except (BadConfig, OSError) as error:
        unread[path] = str(error)
        return {}


def _stamp(files: Iterable[Found]) -> str:
    return json.dumps([[str(file.path), file.size, file.modified] for file in files])


def _yaml(text: str) -> Any:
    import yaml  # type: ignore[import-untyped]

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, Loader=loader)  # a safe loader: no objects, and aliases share what they stand for
    except yaml.YAMLError as error:
        raise ValueError(error) from error


def _printed(text: str) -> dict[str, Any]:
    """GRPOConfig(\nbeta=0.04,\noutput_dir='runs/a',\n ...)"""
    return {found[1]: _scalar(found[2]) for found in PRINTED.finditer(text)}


def _scalar(text: str) -> Any:
    try:
        return ast.literal_eval(text[:2000])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text.strip("'\"")


READERS: dict[str, Callable[[str], Any]] = {
    ".json": json.loads, ".yaml": _yaml, ".yml": _yaml, ".toml": tomllib.loads, ".txt": _printed,
}  # fmt: skip


def _overrides(found: Sequence[Any]) -> dict[str, Any]:
    """What Hydra was told on the command line: ["data.max_response_length=4096", "+trainer.x=1", "~y"]."""
    pairs = (str(one).lstrip("+").partition("=") for one in found if not str(one).startswith("~"))
    return {key: _yaml_scalar(value) for key, equals, value in pairs if equals and "@" not in key}


def _yaml_scalar(text: str) -> Any:
    try:
        return _yaml(text)
    except ValueError:
        return text


def _command_line(arguments: Any) -> dict[str, Any]:
    """`--eps-clip 0.2 --use-kl-loss --rollout.batch_size=128 data.train_batch_size=64` as settings."""
    return dict(_pairs([str(one) for one in arguments])) if isinstance(arguments, list) else {}


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for word, after in zip(words, [*words[1:], "--"], strict=True):
        name, equals, value = word.partition("=")
        key = name.lstrip("-+").replace("-", "_")
        if equals:
            yield key, _yaml_scalar(value)
        elif word.startswith("--"):
            yield key, True if after.startswith("--") else _yaml_scalar(after)


def _is_a_models(path: Path) -> bool:
    """transformers writes a model's own config.json into every checkpoint."""
    unread: dict[Path, str] = {}
    return path.name == "config.json" and not _loaded(path, unread) and not unread


def _tells_of_a_model(found: Mapping[str, Any]) -> bool:
    return "model_type" in found or "architectures" in found or "_class_name" in found
