"""Broken and hostile input: never a crash, never silence, bounded memory, and the good lines are still there."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors import follow, tail
from collectors.discover import walk
from collectors.follow import Collector
from collectors.tail import Log
from db.engine import engine_for, open_store
from stepwell.collecting import one_pass
from tests.logs import LINES, collect, console, jsonl, live, plain, told

ROOT = Path(__file__).parents[1]
MEGABYTES = 500  # the promise for any log


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def all_unread(collector: Collector) -> list[str]:
    """Why something was set aside, of every file."""
    from db.engine import reading
    from db.runs import unread_of

    known = [report.place for report in collector.known()]
    with reading(collector.engine) as connection:
        lines = unread_of(connection, [place.id for place in known])
    torn = [why for place in known for _, why in (place.provisional or {}).get("unread", [])]
    return [why for found in lines.values() for _, why in found] + torn


# --- bytes ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> sa.Engine:
    return open_store(f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'store.db'}")


NAMES = [
    *LINES,
    "x.txt",
    "events.out.tfevents.1.host.1.0",
    "run-a.wandb",
    "trainer_state.json",
    "a.log.gz",
    "config.yaml",
]
STARTS = [b"", b"\x1f\x8b\x08\0", b":W&B\xbe\xee\x00", b"[{", b'{"step": 1', b"step:1 - a/b:1 - c/d:2\n", b"\xff\xfe\0"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(NAMES),
    start=st.sampled_from(STARTS),
    rest=st.binary(max_size=400),
    grown=st.binary(max_size=60),
)
def test_any_bytes_under_any_name(
    name: str,
    start: bytes,
    rest: bytes,
    grown: bytes,
    shared_store: sa.Engine,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = put(tmp_path_factory.mktemp("any") / name, start + rest)
    collector = Collector(shared_store, [path])
    one_pass(collector)
    with path.open("ab") as file:
        file.write(grown)
    one_pass(collector)


@pytest.mark.parametrize("name", ["verl.jsonl", "train.log", "metrics.jsonl", "progress.csv", "trl.log"])
def test_good_lines_among_garbage(name: str, engine: sa.Engine, tmp_path: Path) -> None:
    chance = random.Random(name)
    lines = [line + b"\n" for line in LINES[name](range(1, 81)).split(b"\n")[:-1]]
    noise = [b"\xff\xfe\x80 broken \xc3\n", b"\0" * 300 + b"\n", chance.randbytes(500).replace(b"\n", b"") + b"\n"]
    mixed = b"".join(line + (noise[i % 3] if i > 55 else b"") for i, line in enumerate(lines))
    put(tmp_path / name, mixed)
    collector = collect(engine, tmp_path)
    metric = (
        "reward" if name == "trl.log" else "entropy" if name in ("metrics.jsonl", "progress.csv") else "actor/entropy"
    )
    steps = [step for step, _ in live(engine, metric)]
    assert steps == list(range(1, 81))
    if name in ("verl.jsonl", "metrics.jsonl", "progress.csv"):  # a console holds prints of every kind
        assert all_unread(collector)


@pytest.mark.parametrize("end", [b"\r\n", b"\r\n\r\n", b" \t\n"])
def test_mixed_line_ends(end: bytes, engine: sa.Engine, tmp_path: Path) -> None:
    lines = plain(range(6)).splitlines()
    data = b"".join(line + (end if i % 2 else b"\n") for i, line in enumerate(lines))
    put(tmp_path / "metrics.jsonl", b"\xef\xbb\xbf" + data)
    collect(engine, tmp_path)
    assert [step for step, _ in live(engine, "reward_mean")] == list(range(6))


def test_a_hole_of_nul_bytes_as_a_crash_leaves_it(engine: sa.Engine, tmp_path: Path) -> None:
    put(tmp_path / "exp.jsonl", jsonl(range(3)) + b"\0" * 70_000 + b"\n" + jsonl(range(3, 6)))
    collect(engine, tmp_path)
    assert [step for step, _ in live(engine, "actor/entropy")] == list(range(6))


# --- size ----------------------------------------------------------------------------------------------------------

MEASURE = """
import json, re, sys
from pathlib import Path
from collectors.follow import Collector
from db.engine import open_store
from stepwell.collecting import one_pass
collector = Collector(open_store(sys.argv[1]), [Path(sys.argv[2])])
one_pass(collector)
rows = {Path(r.place.path).name: (r.place.rows, r.place.unread) for r in collector.known()}
# VmHWM, not ru_maxrss: that one starts at what the process that started us was holding
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(json.dumps({"rows": rows, "megabytes": peak / 1024}))
"""


def measured(store: Path, folder: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """What one pass of a process of its own read, and the most memory that it ever held."""
    command = [sys.executable, "-c", MEASURE, f"sqlite:///{store}", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env={**os.environ})
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_lines_of_a_hundred_megabytes_and_bombs_in_bounded_memory(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    long = put(folder / "a" / "metrics.jsonl", plain(range(3)))
    with long.open("ab") as file:  # NUL bytes that take no room on the disk
        file.truncate(100 << 20)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + plain(range(3, 6)))
    text = put(folder / "b" / "train.log", console(range(3)))
    with text.open("ab") as file:
        file.writelines([b"x" * (1 << 20)] * 100)
        file.write(b"\n" + console(range(3, 6)))
    press = zlib.compressobj(9, wbits=31)
    bomb = press.compress(jsonl(range(3)))
    bomb += b"".join(press.compress(b"\0" * (1 << 20)) for _ in range(300)) + press.compress(b"\n" + jsonl(range(3, 6)))
    put(folder / "c" / "exp.jsonl.gz", bomb + press.flush())
    put(folder / "d" / "trainer_state.json", b'{"log_history": [' + b'{"step": 1, "loss": 0.5}, ' * 3_000_000)
    found = measured(tmp_path / "store.db", folder)
    assert found["rows"]["metrics.jsonl"] == [6, 1]
    assert found["rows"]["train.log"][0] == 6
    assert found["rows"]["exp.jsonl.gz"][0] == 6
    assert found["rows"]["trainer_state.json"][0] == 0
    assert found["megabytes"] < MEGABYTES  # type: ignore[operator]


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    """Two logs, one eight times the other: the difference is what 1 GB and more would cost again and again."""
    line = json.dumps({"step": 0, "data": {f"actor/metric_{i}": i / 7 for i in range(60)}}).encode()
    peaks = []
    for name, copies in (("small", 6_000), ("large", 48_000)):
        rows = b"".join(line.replace(b'"step": 0', b'"step": %d' % step) + b"\n" for step in range(copies))
        put(tmp_path / name / "exp.jsonl", rows)
        peaks.append(float(measured(tmp_path / f"{name}.db", tmp_path / name)["megabytes"]))  # type: ignore[arg-type]
    assert peaks[1] < peaks[0] + 80
    assert peaks[1] < MEGABYTES


def test_pieces_of_any_size_give_the_same_store(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, make in LINES.items():
        put(tmp_path / name, make(range(1, 40)))
    collect(engine, tmp_path)
    expected = told(engine)
    for piece in (64, 1000):
        monkeypatch.setattr(follow, "PIECE", piece)
        other = open_store(f"sqlite:///{tmp_path / f'{piece}.db'}")
        collect(other, tmp_path)
        assert told(other) == expected
        other.dispose()


# --- compressed ----------------------------------------------------------------------------------------------------


def test_damaged_compressed_logs_say_so(engine: sa.Engine, tmp_path: Path) -> None:
    whole = gzip.compress(jsonl(range(3000)))
    middle = len(whole) // 2
    put(tmp_path / "a.jsonl.gz", whole[:middle])
    put(tmp_path / "b.jsonl.gz", whole[:middle] + b"\xff" * 40 + whole[middle + 40 :])
    put(tmp_path / "c.jsonl.gz", whole + b"not compressed\n")
    put(tmp_path / "d.jsonl.gz", whole[:-8] + b"\0" * 8)
    collector = collect(engine, tmp_path)
    said = {Path(r.place.path).name: (r.place.provisional or {}).get("unread") for r in collector.known()}
    assert said.keys() == {"a.jsonl.gz", "b.jsonl.gz", "c.jsonl.gz", "d.jsonl.gz"}
    assert all(said.values()), said
    rows = {Path(r.place.path).name: r.place.rows for r in collector.known()}
    assert rows["c.jsonl.gz"] == 3000
    assert 0 < rows["a.jsonl.gz"] < 3000


@pytest.mark.parametrize("read", [1, 7, 1 << 16])
def test_streams_one_after_another_read_as_one(read: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "x.gz", gzip.compress(b"one\n") + gzip.compress(b"") + gzip.compress(b"two\n"))
    with Log(path) as log:
        original = log.file.read
        log.file.read = lambda size=-1: original(min(size, read) if size > 0 else read)  # type: ignore[method-assign]
        assert log.read(0, 100) == b"one\ntwo\n"
        assert log.problem is None or "cut" in log.problem


# --- files ---------------------------------------------------------------------------------------------------------


def test_links_that_go_round(engine: sa.Engine, tmp_path: Path) -> None:
    log = put(tmp_path / "a" / "b" / "metrics.jsonl", plain(range(3)))
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
    (tmp_path / "a" / "other.jsonl").symlink_to(log)
    (tmp_path / "a" / "nowhere.jsonl").symlink_to(tmp_path / "gone")
    collector = collect(engine, tmp_path)
    assert len(collector.known()) == 1
    assert [path.name for path in collector.unreadable] == ["self"]


def test_folders_as_deep_as_they_go(tmp_path: Path) -> None:
    folders = [tmp_path]
    for _ in range(1200):
        folders.append(folders[-1] / "d")
        folders[-1].mkdir()
    log = put(folders[-1] / "metrics.jsonl", plain(range(3)))
    try:
        found = [one.path.name for one in walk([tmp_path])]
    finally:
        log.unlink()
        for folder in reversed(folders[1:]):
            folder.rmdir()
    assert found == ["metrics.jsonl"]


def test_pipes_and_devices_are_no_logs(engine: sa.Engine, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "metrics.jsonl")
    assert collect(engine, tmp_path).known() == []


def test_what_may_not_be_opened_is_said(engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "metrics.jsonl", plain(range(3)))
    put(tmp_path / "locked.jsonl", plain(range(3)))
    original = Log.__init__

    def opened(self: Log, path: Path) -> None:
        if path.name == "locked.jsonl":
            raise PermissionError(13, "Permission denied")
        original(self, path)

    with monkeypatch.context() as patched:
        patched.setattr(tail.Log, "__init__", opened)
        collector = collect(engine, tmp_path)
    assert {path.name: why for path, why in collector.unreadable.items()} == {"locked.jsonl": "Permission denied"}
    assert len(collector.known()) == 1
    one_pass(collector)
    assert (len(collector.known()), collector.unreadable) == (2, {})


def test_a_folder_that_may_not_be_listed_is_said(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a" / "metrics.jsonl", plain(range(3)))
    put(tmp_path / "b" / "metrics.jsonl", plain(range(3)))
    original = os.scandir

    def listed(path: str | os.PathLike[str]) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "scandir", listed)
    collector = collect(engine, tmp_path)
    assert [path.name for path in collector.unreadable] == ["b"]
    assert len(collector.known()) == 1


def test_a_file_that_goes_while_it_is_read(engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = put(tmp_path / "exp.jsonl", jsonl(range(2000)))
    monkeypatch.setattr(follow, "PIECE", 4096)
    original = Log.read

    def read(self: Log, offset: int, size: int) -> bytes:
        log.unlink(missing_ok=True)
        return original(self, offset, size)

    with monkeypatch.context() as patched:
        patched.setattr(Log, "read", read)
        collect(engine, tmp_path)
    assert len(live(engine, "actor/entropy")) in (0, 2000)
    log.write_bytes(jsonl(range(2000)))
    collect(engine, tmp_path)
    assert len(live(engine, "actor/entropy")) == 2000


def test_a_file_that_shrinks_while_it_is_read(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = put(tmp_path / "exp.jsonl", jsonl(range(2000)))
    monkeypatch.setattr(follow, "PIECE", 4096)
    original, reads = Log.read, [0]

    def read(self: Log, offset: int, size: int) -> bytes:
        reads[0] += 1
        if reads[0] == 9:
            os.truncate(log, 100)
        return original(self, offset, size)

    with monkeypatch.context() as patched:
        patched.setattr(Log, "read", read)
        collect(engine, tmp_path)
    log.write_bytes(jsonl(range(2000), seed=1.0))
    collect(engine, tmp_path)
    assert [step for step, _ in live(engine, "actor/entropy")] == list(range(2000))


def test_a_folder_of_twenty_thousand_files(tmp_path: Path) -> None:
    for i in range(20_000):
        (tmp_path / f"part-{i}.txt").write_bytes(b"some words\n" if i % 4000 else b"")
    for i in range(5):
        put(tmp_path / f"run{i}" / "metrics.jsonl", plain(range(3)))
    engine = engine_for(f"sqlite:///{tmp_path / 'store.db'}")
    open_store(f"sqlite:///{tmp_path / 'store.db'}").dispose()
    collector = collect(engine, tmp_path)
    assert len(collector.known()) == 5
    assert len(collector.refused) >= 20_000
    assert collector.pending() == []
    engine.dispose()


def test_two_collectors_at_once_on_hostile_logs(engine: sa.Engine, tmp_path: Path) -> None:
    for i in range(6):
        put(tmp_path / f"run{i}" / "metrics.jsonl", plain(range(200)) + b"\xff\0garbage\n" + plain(range(200, 400)))
        put(tmp_path / f"run{i}" / "config.yaml", b"max_len: 512")
    failures: list[BaseException] = []

    def read() -> None:
        try:
            one_pass(Collector(engine, [tmp_path]))
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert not failures
    assert [step for step, _ in live(engine, "reward_mean")] == list(range(400)) * 6
