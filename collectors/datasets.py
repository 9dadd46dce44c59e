"""A training set as trainers read it: one record per problem, in Parquet, JSONL or JSON.

DeepCoder:  {"problem": "…", "tests": "[{\\"input\\": \\"2 3\\", \\"output\\": \\"5\\"}, …]", "solutions": ["…"]}
verl:       {"data_source": "taco", "prompt": [{"role": "user", "content": "…"}], "extra_info": {"split": "train"},
             "reward_model": {"ground_truth": "{\\"inputs\\": […], \\"outputs\\": […]}"}}
"""

from __future__ import annotations

import base64
import hashlib
import math
import unicodedata
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

PROMPTS = ("problem", "question", "prompt", "query", "instruction", "input", "content")
SOURCES = ("data_source", "source", "dataset", "domain", "ability")
TESTS = ("tests", "test_cases", "input_output", "reward_model.ground_truth", "ground_truth", "test_list", "test")
SOLUTIONS = ("solutions", "solution", "canonical_solution", "verified_solution")
PASSES = ("pass_rate", "solve_rate", "difficulty", "extra_info.pass_rate", "extra_info.difficulty")
UNKNOWN = -1
MOST = 500_000  # problems of one file; more are counted and not looked at
ROWS = 16  # of Parquet at a time: one problem may hold 100 MB of tests
LONGEST = 1 << 24  # bytes of a JSON line


class NotADataset(ValueError):
    """The file holds no problems: no record has a prompt."""


@dataclass
class Dataset:
    """Problem by problem: number of its source, tests, reference solution (1, 0, UNKNOWN), pass rate, prompt's hash."""

    split: str = ""
    sources: dict[str, int] = field(default_factory=dict)
    source: array[int] = field(default_factory=lambda: array("i"))
    tests: array[int] = field(default_factory=lambda: array("i"))
    solved: array[int] = field(default_factory=lambda: array("b"))
    difficulty: array[float] = field(default_factory=lambda: array("f"))
    prompt: array[int] = field(default_factory=lambda: array("Q"))
    beyond: int = 0
    unread: int = 0
    why: str = ""

    def add(self, record: Mapping[str, Any], default_source: str) -> None:
        """Take a record up, or count it as unread where it has no prompt."""
        text = _prompt(record)
        if not text:
            self.set_aside("a record without a prompt")
            return
        source = _first(record, SOURCES)
        name = source if isinstance(source, str) and source.strip() else default_source
        self.source.append(self.sources.setdefault(name[:200], len(self.sources)))
        self.tests.append(_count(_first(record, TESTS)))
        solution = _first(record, SOLUTIONS)
        self.solved.append(UNKNOWN if solution is None else int(bool(_unpacked(solution))))
        self.difficulty.append(_rate(_first(record, PASSES)))
        self.prompt.append(fingerprint(text))
        split = _first(record, ("split", "extra_info.split"))
        self.split = self.split or (split if isinstance(split, str) else "")

    def set_aside(self, why: str) -> None:
        self.unread += 1
        self.why = self.why or why

    def content(self) -> str:
        """As JSON for the store; the columns are little-endian and in base64."""
        columns = {n: _packed(getattr(self, n)) for n in ("source", "tests", "solved", "difficulty", "prompt")}
        told = {"split": self.split, "sources": list(self.sources), "problems": len(self.source), "beyond": self.beyond}
        return orjson.dumps(told | columns).decode()


def read(path: Path) -> Dataset:
    """The problems of one file. Raises NotADataset, OSError."""
    made = Dataset(split=next((name for name in ("train", "test") if name in path.stem.lower()), ""))
    default = path.parent.name or path.stem
    for number, record in enumerate(_records(path, made), 1):
        if number > MOST:
            made.beyond += 1
        elif isinstance(record, Mapping):
            made.add(record, default)
        else:
            made.set_aside(f"record {number} is no object")
    if not made.source:
        raise NotADataset(f"{path}: no record has a prompt (looked for {', '.join(PROMPTS)})")
    return made


def fingerprint(text: str) -> int:
    """Hash of a prompt: the same for texts that differ in case, white space and Unicode forms only."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return int.from_bytes(hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _records(path: Path, made: Dataset) -> Iterator[Any]:
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"PAR1"):
        yield from _parquet(path)
    elif head.lstrip()[:1] == b"[":
        try:
            yield from orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError as error:
            raise NotADataset(f"{path}: no JSON list: {error}") from error
    else:
        yield from _lines(path, made)


def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        roots = {name.partition(".")[0] for names in (PROMPTS, SOURCES, TESTS, SOLUTIONS, PASSES) for name in names}
        wanted = [name for name in file.schema_arrow.names if name in roots | {"split", "extra_info"}]
        for batch in file.iter_batches(batch_size=ROWS, columns=wanted):
            yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise NotADataset(f"{path}: no Parquet that can be read: {error}") from error


def _lines(path: Path, made: Dataset) -> Iterator[Any]:
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), 1):
            if not line.strip():
                continue
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError as error:
                made.set_aside(f"line {number}: {error}")


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The first of these fields that is there; a dot looks into one that is itself an object."""
    for name in names:
        outer, _, inner = name.partition(".")
        value = record.get(outer)
        if inner:
            value = value.get(inner) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None


def _prompt(record: Mapping[str, Any]) -> str:
    for name in PROMPTS:
        value = record.get(name)
        if isinstance(value, list):  # chat messages: what the user says
            said = [one.get("content") for one in value if isinstance(one, Mapping) and one.get("role") != "system"]
            value = "\n".join(text for text in said if isinstance(text, str))
        if isinstance(value, str) and value.strip():
            return value
    return ""


def _unpacked(value: Any) -> Any:
    """A text that holds JSON, opened; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _count(value: Any) -> int:
    """How many tests: a list's length, or that of the inputs (or asserts) in it; UNKNOWN for a plain answer."""
    tests = _unpacked(value)
    if isinstance(tests, Mapping):
        tests = next((tests[name] for name in ("inputs", "input", "asserts", "functional") if name in tests), None)
        tests = _unpacked(tests)
    return len(tests) if isinstance(tests, list) else UNKNOWN


def _rate(value: Any) -> float:
    """A pass rate in [0, 1]; NaN for words, stars and ratings."""
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    return number if 0 <= number <= 1 else math.nan


def _packed(column: array[Any]) -> str:
    return base64.b64encode(column.tobytes()).decode()
