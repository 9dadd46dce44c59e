"""What every reader in `collectors/formats/` must do, the moment its file exists."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from feeding import feed, same
from hypothesis import given, settings
from hypothesis import strategies as st

import collectors.formats
from collectors import discover, names
from collectors.contract import Sample, as_format
from collectors.stores import following

SAMPLES = Path(__file__).parents[1] / "sample_runs"
READERS = [
    importlib.import_module(f"collectors.formats.{m.name}") for m in pkgutil.iter_modules(collectors.formats.__path__)
]
EVERY_READER = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.NAME)
GROWING = pytest.mark.parametrize("reader", [r for r in READERS if not r.WHOLE], ids=lambda reader: reader.NAME)
NOT_UNDERSTOOD = {
    "_runtime",  # W&B's own clock
    "batch/overlong_masked",  # a count of our own trainer that logs as verl does
    "train/total_flos", "train/train_loss", "train/train_runtime",  # a summary at the end, no training metrics
    "train/train_samples_per_second", "train/train_steps_per_second",
}  # fmt: skip


@cache
def content(path: Path) -> bytes:
    return path.read_bytes()


@cache
def claims() -> dict[Path, list[ModuleType]]:
    """Every sample that a collector would look at -> the readers that claim it."""
    found = [one.path for one in discover.walk([SAMPLES]) if not following.is_database(one.path)]
    return {path: [reader for reader in READERS if reader.recognises(shown(path))] for path in found}


def shown(path: Path) -> Sample:
    data = content(path)
    return Sample(path, data[: discover.HEAD], data[: discover.MORE])


def own_samples(reader: ModuleType) -> list[Path]:
    """Its samples, the smallest first."""
    return sorted((path for path, by in claims().items() if reader in by), key=lambda path: len(content(path)))


@EVERY_READER
def test_it_is_a_reader(reader: ModuleType) -> None:
    assert discover.formats()[reader.NAME] is as_format(reader)
    assert reader.TRAINER is None or reader.TRAINER in names.tables()
    assert reader.__doc__ and len(reader.__doc__.strip().splitlines()) > 2, "opens with a piece of what it reads"


def test_no_two_have_one_name() -> None:
    assert len({reader.NAME for reader in READERS}) == len(READERS)


def test_no_sample_is_claimed_twice() -> None:
    assert {path.name: [reader.NAME for reader in by] for path, by in claims().items() if len(by) > 1} == {}


@EVERY_READER
def test_it_reads_its_own_sample(reader: ModuleType) -> None:
    assert own_samples(reader), "a sample of each format stands in sample_runs/formats"
    for path in own_samples(reader):
        read = feed(reader, content(path))
        assert read.rows > 9 and not read.unread, path


@EVERY_READER
def test_its_names_are_understood(reader: ModuleType) -> None:
    for path in own_samples(reader):
        held = {name: None for _, _, values in feed(reader, content(path)).records for name in values}
        trainer = names.recognise(held, reader.TRAINER)
        unknown = {name for name in held if names.understand(trainer, name) == names.UNKNOWN}
        assert unknown <= NOT_UNDERSTOOD, (path, trainer)


@EVERY_READER
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_bytes_make_it_raise(reader: ModuleType, data: st.DataObject) -> None:
    """Its own sample with pieces cut out, doubled, swapped or overwritten; and bytes of any kind."""
    damaged = data.draw(st.binary(max_size=40) | st.builds(_edited, st.just(_start(reader)), EDITS))
    reader.recognises(Sample(Path("x.log"), damaged[: discover.HEAD], damaged))
    feed(reader, damaged)


@GROWING
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_it_does_not_matter_how_it_came(reader: ModuleType, data: st.DataObject) -> None:
    damaged = data.draw(st.builds(_edited, st.just(_start(reader)), EDITS))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(damaged)), max_size=4)))
    pieces = [damaged[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(damaged)], strict=True)]
    assert same(feed(reader, *pieces), feed(reader, damaged))


def _start(reader: ModuleType) -> bytes:
    """Some records of its smallest sample, or all of it where half of it is nothing."""
    data = content(own_samples(reader)[0])
    return data if reader.WHOLE else data[:6000]


ODD = st.sampled_from(
    [b"", b"\0\0\0\0", b"\n", b"\r", b"\xff\xfe", b"nan", b"}", b"{'", b'"', b"1e999", b"\x1b[36m(a pid=1) "]
)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.1), ODD | st.binary(max_size=8)), max_size=4)


def _edited(data: bytes, edits: list[tuple[float, float, bytes]]) -> bytes:
    """edits: (where, how much of it goes, what comes instead), as fractions of the length."""
    for where, size, instead in edits:
        start = int(where * len(data))
        data = data[:start] + instead + data[start + int(size * len(data)) :]
    return data
