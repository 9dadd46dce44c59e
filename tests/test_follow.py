"""Exactly once: whatever happens to a log and to the collector, each point is in the store, and once."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors import follow, store
from db.engine import engine_for, open_store, reading
from db.metrics import Meant
from db.runs import all_runs, attempts_of, sources_of
from tests.logs import LINES, Point, collect, console, jsonl, live, plain, told


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty migrated store, to be copied: thousands are needed."""
    path = tmp_path_factory.mktemp("blank") / "store.db"
    open_store(f"sqlite:///{path}").dispose()
    return path


def fresh(blank: Path, path: Path) -> sa.Engine:
    shutil.copy(blank, path)
    return engine_for(f"sqlite:///{path}")


@pytest.mark.parametrize("name", LINES)
def test_a_log_cut_at_every_byte_and_continued_gives_the_same_store(name: str, tmp_path: Path, blank: Path) -> None:
    whole, engine = LINES[name]([1, 2, 2, 3]), fresh(blank, tmp_path / "store.db")

    def collected(cut: int) -> list[Point]:
        log = tmp_path / f"cut{cut}" / name
        log.parent.mkdir()
        log.write_bytes(whole[:cut])
        collect(engine, log)
        log.write_bytes(whole)
        [report] = collect(engine, log).known()
        assert report.place.provisional is None
        return [point[1:] for point in told(engine, report.place.run_id)]

    expected = collected(0)
    assert expected
    for cut in range(1, len(whole) + 1):
        assert collected(cut) == expected, f"cut at byte {cut}: {whole[max(0, cut - 30) : cut]!r}"


@settings(max_examples=25, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(LINES)))
def test_it_does_not_matter_how_a_log_grows(
    data: st.DataObject, name: str, tmp_path_factory: pytest.TempPathFactory, blank: Path
) -> None:
    folder = tmp_path_factory.mktemp("grow")
    steps = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=12))
    whole = LINES[name](steps)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    log = folder / name
    log.write_bytes(whole)
    straight, grown = fresh(blank, folder / "straight.db"), fresh(blank, folder / "grown.db")
    collect(straight, log)
    log.write_bytes(b"")
    for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        with log.open("ab") as file:
            file.write(whole[start:stop])
        collect(grown, log)
    assert told(grown) == told(straight)


def test_a_second_pass_reads_nothing(engine: sa.Engine, tmp_path: Path) -> None:
    for name, make in LINES.items():
        (tmp_path / name).write_bytes(make(range(9)))
    collect(engine, tmp_path)
    before = told(engine)
    assert collect(engine, tmp_path).pending() == []
    assert told(engine) == before


def test_a_log_truncated_and_restarted_is_a_new_attempt_and_the_old_one_is_kept(
    engine: sa.Engine, tmp_path: Path
) -> None:
    log = tmp_path / "exp.jsonl"
    log.write_bytes(jsonl(range(1, 9)))
    collect(engine, log)
    log.write_bytes(jsonl(range(6, 12), seed=0.5))  # verl opens its file anew at every start
    collect(engine, log)
    assert live(engine, "actor/entropy") == [(s, 1 / (s + 1)) for s in range(1, 6)] + [
        (s, 1 / (s + 1) + 0.5) for s in range(6, 12)
    ]
    assert len([1 for point in told(engine) if point[3] == "actor/entropy"]) == 8 + 6
    with reading(engine) as connection:
        [run] = all_runs(connection)
        first, second = attempts_of(connection, [run.id])
    assert (run.step, run.attempts) == (11, 2)
    assert (first.ends_at, second.ends_at, second.first_step) == (6, None, 6)


def test_a_restart_that_outgrew_the_old_log_between_two_passes_is_noticed(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_bytes(console(range(1, 4)))
    collect(engine, log)
    log.write_bytes(console(range(1, 9), seed=0.25))
    collect(engine, log)
    assert live(engine, "actor/entropy") == [(s, 1 / (s + 1) + 0.25) for s in range(1, 9)]
    assert len([1 for point in told(engine) if point[3] == "actor/entropy"]) == 3 + 8


def test_rotation_moves_the_place_with_the_bytes(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_bytes(plain(range(4)))
    collect(engine, tmp_path)
    log.write_bytes(plain(range(6)))  # two rows not yet read when it is rotated
    log.rename(tmp_path / "metrics.jsonl.1")
    log.write_bytes(plain(range(6, 8)))
    collect(engine, tmp_path)
    (tmp_path / "metrics.jsonl.1").rename(tmp_path / "metrics.jsonl.2")
    log.rename(tmp_path / "metrics.jsonl.1")
    log.write_bytes(plain(range(8, 9)))
    collect(engine, tmp_path)
    assert [step for step, _ in live(engine, "reward_mean")] == list(range(9))
    assert len([1 for point in told(engine) if point[3] == "reward_mean"]) == 9
    with reading(engine) as connection:
        assert len(all_runs(connection)) == 1
        assert sorted(Path(s.path).name for s in sources_of(connection)) == [
            "metrics.jsonl",
            "metrics.jsonl.1",
            "metrics.jsonl.2",
        ]


def test_a_compressed_log_reads_like_a_plain_one(engine: sa.Engine, tmp_path: Path, blank: Path) -> None:
    for name, make in LINES.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(make(range(5))) + gzip.compress(make(range(5, 9))[:0]))
    collect(engine, tmp_path)
    packed = told(engine)
    other = fresh(blank, tmp_path / "other.db")
    for name, make in LINES.items():
        (tmp_path / f"{name}.gz").unlink()
        (tmp_path / name).write_bytes(make(range(5)))
    collect(other, tmp_path)
    assert packed == told(other)


def test_a_cut_compressed_log_gives_what_is_there_and_says_so(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "exp.jsonl.gz"
    whole = gzip.compress(jsonl(range(2000)))
    log.write_bytes(whole[: len(whole) // 2])
    [report] = collect(engine, log).known()
    assert 0 < report.place.rows < 2000
    assert "gzip" in report.place.provisional["unread"][-1][1]  # type: ignore[index]
    log.write_bytes(whole)
    [report] = collect(engine, log).known()
    assert (report.place.rows, report.place.provisional) == (2000, None)
    assert [step for step, _ in live(engine, "actor/entropy")] == list(range(2000))


def test_a_document_that_is_rewritten_adds_only_its_new_rows(engine: sa.Engine, tmp_path: Path) -> None:
    def state(steps: int, first: float = 1.0) -> str:
        import json

        rows = [{"step": s, "reward": s * first, "entropy": 0.5} for s in range(1, steps + 1)]
        return json.dumps({"global_step": steps, "log_history": rows}, indent=2)

    log = tmp_path / "trainer_state.json"
    log.write_text(state(3))
    collect(engine, log)
    log.write_text(state(5)[:-40])  # half written
    collect(engine, log)
    assert len(live(engine, "reward")) == 3
    log.write_text(state(5))
    collect(engine, log)
    assert [point[1:3] for point in told(engine) if point[3] == "reward"] == [(1, s) for s in range(1, 6)]
    log.write_text(state(4, first=2.0))  # another history: a new attempt
    collect(engine, log)
    assert live(engine, "reward") == [(s, s * 2.0) for s in range(1, 5)]
    assert len([1 for point in told(engine) if point[3] == "reward"]) == 5 + 4


def test_two_collectors_at_once_store_each_point_once(engine: sa.Engine, tmp_path: Path) -> None:
    logs = [tmp_path / f"run{i}" / "metrics.jsonl" for i in range(4)]
    for log in logs:
        log.parent.mkdir()
        log.write_bytes(b"")

    def write() -> None:
        for step in range(60):
            for log in logs:
                with log.open("ab") as file:
                    file.write(plain([step]))

    stop = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            collector = follow.Collector(engine, [tmp_path])
            while not stop.is_set():
                for found, place in collector.pending():
                    collector.read(found, place)
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    write()
    stop.set()
    for reader in readers:
        reader.join()
    collect(engine, tmp_path)
    assert not failures
    assert [step for step, _ in live(engine, "reward_mean")] == [*range(60)] * 4
    assert len(told(engine)) == 4 * (60 + 60 + 20)


def test_killed_at_any_moment_and_run_again(engine: sa.Engine, store_url: str, tmp_path: Path) -> None:
    """SIGKILL a real process in the middle of its work, again and again: nothing is lost or doubled."""
    steps = 9000
    log = tmp_path / "exp.jsonl"
    log.write_bytes(jsonl(range(steps)))
    code = "from collectors import follow; follow.PIECE = 4096; from stepwell.cli import main; main()"
    command = [sys.executable, "-c", code, "collect", "--store", store_url, str(log)]

    def records() -> int:
        with reading(engine) as connection:
            return sum(source.records for source in sources_of(connection))

    chance = random.Random(7)
    for _ in range(5):
        before = records()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while records() == before and process.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.02)  # anywhere in one of the next transactions
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 0 < records() < steps  # else nothing was interrupted, and this test has shown nothing
    collect(engine, log)
    assert live(engine, "actor/entropy") == [(s, 1 / (s + 1)) for s in range(steps)]
    assert len(told(engine)) == 2 * steps


def test_a_crash_before_the_commit_leaves_the_place_where_it_was(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_bytes(plain(range(5)))

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(follow, "claim", broken)
        with pytest.raises(RuntimeError):
            collect(engine, log)
    assert told(engine) == []
    collect(engine, log)
    assert len(live(engine, "reward_mean")) == 5


def test_a_validation_at_the_resumed_step_hides_no_training_row(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    first = "".join(f"step:{s} - actor/entropy:{s}.5 - val/test_score/gsm8k:0.{s}\n" for s in range(1, 6))
    resumed = "step:3 - val/test_score/gsm8k:0.33\nstep:4 - actor/entropy:40.5\n"
    log.write_text(first + resumed)
    collect(engine, log)
    assert live(engine, "actor/entropy") == [(1, 1.5), (2, 2.5), (3, 3.5), (4, 40.5)]
    assert live(engine, "val/test_score/gsm8k") == [(1, 0.1), (2, 0.2), (3, 0.33)]


def test_files_that_tell_different_things_do_not_supersede_each_other(engine: sa.Engine, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("".join(f'{{"step": {s}, "reward": {s}}}\n' for s in range(5)))
    (tmp_path / "eval.jsonl").write_text(
        "".join(f'{{"step": {s}, "eval/acc": {s}, "kl": 1}}\n' for s in range(0, 5, 2))
    )
    collect(engine, tmp_path)
    assert len(live(engine, "reward")) == 5
    assert len(live(engine, "eval/acc")) == 3


def test_a_gone_file_an_unreadable_one_and_a_loop_are_no_crash(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "dangling.log").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a" / "metrics.jsonl").write_bytes(plain(range(3)))
    collector = follow.Collector(engine, [tmp_path])
    [(found, place)] = collector.pending()
    (tmp_path / "a" / "metrics.jsonl").unlink()
    assert collector.read(found, place) is None
    assert told(engine) == []


def test_names_are_understood_anew_when_the_tables_change(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_text("".join(f'{{"step": {s}, "reward": {s}, "our_own_number": {s}}}\n' for s in range(5)))
    collector = collect(engine, log)
    original = store.understand

    def changed(trainer: str, name: str) -> Meant:
        meant = original(trainer, name)
        return meant._replace(caveat="new") if name == "our_own_number" else meant

    monkeypatch.setattr(follow, "understand", changed)
    monkeypatch.setattr(follow.names, "fingerprint", lambda: "tomorrow's")
    assert collector.refresh_names() == 1
    assert collector.refresh_names() == 0


def test_names_that_no_database_takes_are_kept_readable(engine: sa.Engine, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))  # Latin-1 on a UTF-8 system
    folder.mkdir()
    trainer = "{'project_name': 'p\\x00q', 'experiment_name': 'half \\ud83d emoji'}"
    config = f"{{'trainer': {trainer}, 'data': {{'max_response_length': 8}}}}\n"
    (folder / "train.log").write_text(config + "step:1 - actor/entropy:0.5 - odd\0name:0.25\nstep:2 - actor/en")
    (folder / "metrics.jsonl").write_text(
        '{"step": 1, "a\\u0000b": 1.5, "half \\ud83d": 2.5, "reward": 1}\n{"step": "\\u0000"}\n'
    )
    collect(engine, folder)
    assert collect(engine, folder).pending() == []
    assert {point[3] for point in told(engine)} >= {"actor/entropy", "reward"}
    assert len(told(engine)) == 5
