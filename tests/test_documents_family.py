"""What every reader in `collectors/documents/` must do, the moment its file exists."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors import discover
from collectors.contract import Sample
from collectors.documents.contract import KINDS, Document, Reader, readers

SAMPLES = Path(__file__).parents[1] / "sample_runs"
EVERY_READER = pytest.mark.parametrize("reader", readers().values(), ids=lambda reader: reader.NAME)


def shown(path: Path, data: bytes) -> Sample:
    return Sample(path, data[: discover.HEAD], data[: discover.MORE])


@cache
def claims() -> dict[Path, list[str]]:
    """Every sample that a collector would look at -> the readers of documents that claim it."""
    found: dict[Path, list[str]] = {}
    for one in discover.walk([SAMPLES]):
        sample = shown(one.path, one.path.read_bytes())
        found[one.path] = [name for name, reader in readers().items() if reader.recognises(sample)]
    return found


def own_samples(reader: Reader) -> list[Path]:
    """Its samples, the smallest first."""
    return sorted((path for path, by in claims().items() if reader.NAME in by), key=lambda path: path.stat().st_size)


@EVERY_READER
def test_it_is_a_reader(reader: Reader) -> None:
    assert reader.KIND in KINDS
    assert reader.__doc__ and len(reader.__doc__.strip().splitlines()) > 2, "opens with a piece of what it reads"


def test_no_sample_is_claimed_twice_or_is_a_log_as_well() -> None:
    assert {path.name: by for path, by in claims().items() if len(by) > 1} == {}
    documents = [path for path, by in claims().items() if by]
    assert {path.name: found.NAME for path in documents if (found := discover.recognise(path))} == {}


@EVERY_READER
def test_it_reads_its_own_sample(reader: Reader) -> None:
    assert own_samples(reader), "a sample of each kind stands in sample_runs"
    for path in own_samples(reader):
        said = reader.read(path, path.read_bytes())
        assert (said.entries or said.content) and not said.unread and not said.torn, path
        check(said)


def check(said: Document) -> None:
    """What the store takes: positions that are unique, reasons for what is unread, questions of one length."""
    assert len({entry.position for entry in said.entries}) == len(said.entries)
    assert all(one.why for one in said.unread)
    for entry in said.entries:
        score, questions = entry.score, entry.questions
        assert score.benchmark or score.system or score.value is not None
        assert score.unit != "fraction" or score.value is None or 0 <= score.value <= 1
        if questions is not None:
            assert len(questions.ids) == len(questions.samples) == len(questions.right)
            assert bool((questions.right <= questions.samples).all())


ODD = st.sampled_from(
    [b"", b"\0\0", b"\n", b"\r", b"\xff", b"NaN", b"}", b"[]", b'"', b"1e999", b"null", b"9" * 30, b"{}"]
)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.1), ODD | st.binary(max_size=6)), max_size=4)


def edited(data: bytes, edits: list[tuple[float, float, bytes]]) -> bytes:
    """edits: (where, how much of it goes, what comes instead), as fractions of the length."""
    for where, size, instead in edits:
        start = int(where * len(data))
        data = data[:start] + instead + data[start + int(size * len(data)) :]
    return data


@EVERY_READER
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_bytes_make_it_raise(reader: Reader, data: st.DataObject) -> None:
    """Its own sample with pieces cut out or overwritten; and bytes of any kind."""
    path = own_samples(reader)[0]
    whole = path.read_bytes()
    damaged = data.draw(st.binary(max_size=40) | st.builds(edited, st.just(whole), EDITS))
    reader.recognises(shown(path, damaged))
    check(reader.read(path, damaged))


@EVERY_READER
@settings(max_examples=30, deadline=None)
@given(cut=st.floats(0, 1))
def test_cut_anywhere_it_says_no_more_than_it_knows(reader: Reader, cut: float) -> None:
    path = own_samples(reader)[0]
    whole = path.read_bytes()
    said, part = reader.read(path, whole), reader.read(path, whole[: int(cut * len(whole))])
    check(part)
    assert len(part.entries) <= len(said.entries)
