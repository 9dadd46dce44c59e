"""SwanLab's local mode as a source: every point once, however its files grow, are replaced or damaged."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from collectors.follow import Collector
from collectors.stores.contract import StoredRun
from collectors.stores.swanlab import LARGEST, SwanlabStore, is_inside
from db import runs
from db.engine import reading
from stepwell.collecting import one_pass
from tests.logs import live, told

KEY = "run-20261120_123546-os1366rg"
NAMES = ("actor/entropy", "reward", "val-core/数学/acc")
CONFIG = """\
data:
  desc: ''
  sort: 0
  value:
    max_response_length: 512
wandb_api_key:
  desc: ''
  sort: 1
  value: sk-abcdef0123456789ab
name:
  desc: ''
  sort: 2
  value: 数学
"""


def folder(path: Path, *keys: str, by_name: bool = False) -> Path:
    """The tables that matter, as swanboard 0.1.9 makes them; by_name: as it did at first, without `folder`."""
    path.mkdir(parents=True)
    own = "" if by_name else ", folder VARCHAR(255)"
    with closing(sqlite3.connect(path / "runs.swanlab")) as connection:
        connection.executescript(
            "CREATE TABLE project (id INTEGER PRIMARY KEY, name VARCHAR(100));"
            "CREATE TABLE experiment (id INTEGER PRIMARY KEY, project_id INTEGER, run_id TEXT, name VARCHAR(100));"
            f"CREATE TABLE tag (id INTEGER PRIMARY KEY, experiment_id INTEGER, name TEXT, type VARCHAR(10){own});"
            "INSERT INTO project VALUES (1, 'sums')"
        )
        for number, key in enumerate(keys or [KEY], 1):
            connection.execute("INSERT INTO experiment VALUES (?, 1, ?, ?)", [number, key, f"grpo-{number}"])
            (path / key / "files").mkdir(parents=True)
            (path / key / "files" / "config.yaml").write_text(CONFIG, encoding="utf-8")
            for place, name in enumerate(NAMES, 1):
                tag(connection, number, name, "line", None if by_name else str(place))
        connection.commit()
    return path


def tag(connection: sqlite3.Connection, experiment: int, name: str, kind: str, place: str | None) -> None:
    values = [experiment, name, kind, *([] if place is None else [place])]
    named = "experiment_id, name, type" + ("" if place is None else ", folder")
    connection.execute(f"INSERT INTO tag ({named}) VALUES ({', '.join('?' * len(values))})", values)


def point(step: int, value: float | str, at: int | None = None) -> str:
    """A line, as 0.10 writes it; 0.7 wrote "NaN" and "INF" for what is not finite. at: seconds of the run."""
    when = step if at is None else at
    told = {"index": step, "data": value, "create_time": f"2026-11-20T12:{when // 60:02}:{when % 60:02}.542206+00:00"}
    return json.dumps(told) + "\n"


def slice_of(store: Path, metric: int | str, name: str = "1000.log", key: str = KEY) -> Path:
    file = store / key / "logs" / str(metric) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def log(store: Path, steps: range, key: str = KEY) -> None:
    for step in steps:
        reward = math.nan if step == 2 else -math.inf if step == 3 else step / 8
        for metric, value in enumerate([1 / (step + 1), reward, 0.5], 1):
            with slice_of(store, metric, key=key).open("a", encoding="utf-8") as file:
                file.write(point(step, value))


def collected(engine: sa.Engine, *paths: Path) -> Collector:
    collector = Collector(engine, paths)
    one_pass(collector)
    return collector


def test_every_point_comes_once(engine: sa.Engine, tmp_path: Path) -> None:
    store = folder(tmp_path / "swanlog")
    log(store, range(1, 5))
    collector = collected(engine, tmp_path)
    assert [report.new_points for report in one_pass(collector)] == []
    log(store, range(5, 8))
    one_pass(Collector(engine, [store]))
    assert live(engine, "actor/entropy") == [(s, 1 / (s + 1)) for s in range(1, 8)]
    reward = dict(live(engine, "reward"))
    assert math.isnan(reward.pop(2)) and reward.pop(3) == -math.inf
    assert reward == {s: s / 8 for s in (1, 4, 5, 6, 7)}
    assert [step for step, _ in live(engine, "val-core/数学/acc")] == list(range(1, 8))
    assert len(told(engine)) == 21
    [report] = collector.known()
    assert (report.place.format, report.place.rows, report.place.first_step, report.place.last_step) == (
        "swanlab",
        7,
        1,
        7,
    )


def test_run_project_config_and_time(engine: sa.Engine, tmp_path: Path) -> None:
    store = folder(tmp_path / "swanlog")
    log(store, range(1, 5))
    collected(engine, store / "runs.swanlab")
    with reading(engine) as connection:
        [run] = runs.all_runs(connection)
        assert (run.project, run.name, run.trainer, run.step) == ("sums", "grpo-1", "verl", 4)
        assert runs.settings_of(connection, run.id) == {"context_limit": 512}
        config = runs.config_of(connection, run.id)
    assert (config["wandb_api_key"], config["name"]) == ("[redacted]", "数学")
    part = SwanlabStore(store).read(next(iter(SwanlabStore(store).runs())), {})
    assert part.blocks[0].walls[0] == 1795176001.542206


def test_two_runs_of_one_name_are_the_two_that_swanlab_numbered(engine: sa.Engine, tmp_path: Path) -> None:
    other = "run-20261120_123549-ss99qzdm"
    store = folder(tmp_path / "swanlog", KEY, other)
    log(store, range(1, 5))
    log(store, range(1, 3), key=other)
    collected(engine, tmp_path)
    with reading(engine) as connection:
        assert sorted((run.name, run.step, run.attempts) for run in runs.all_runs(connection)) == [
            ("grpo-1", 4, 1),
            ("grpo-2", 2, 1),
        ]


def test_text_that_says_what_is_not_finite(engine: sa.Engine, tmp_path: Path) -> None:
    store = folder(tmp_path / "swanlog")
    slice_of(store, 1).write_text(point(1, "NaN") + point(2, "INF"))
    collected(engine, store)
    (one, nan), (two, inf) = live(engine, "actor/entropy")
    assert (one, two, inf) == (1, 2, math.inf) and math.isnan(nan)


def test_the_first_versions_named_the_folder_by_the_metric(engine: sa.Engine, tmp_path: Path) -> None:
    store = folder(tmp_path / "swanlog", by_name=True)
    slice_of(store, "actor%2Fentropy").write_text(point(1, 0.5))
    collected(engine, store)
    assert live(engine, "actor/entropy") == [(1, 0.5)]


def test_files_of_a_thousand_points_in_their_order(engine: sa.Engine, tmp_path: Path) -> None:
    store = folder(tmp_path / "swanlog")
    slice_of(store, 1, "9000.log").write_text(point(1, 0.5) + point(2, 0.25))
    collector = collected(engine, store)
    slice_of(store, 1, "10000.log").write_text(point(3, 0.125))
    one_pass(collector)
    assert live(engine, "actor/entropy") == [(1, 0.5), (2, 0.25), (3, 0.125)]
    assert len(told(engine)) == 3


def test_a_step_that_was_logged_again_is_replaced_in_its_file(engine: sa.Engine, tmp_path: Path) -> None:
    store = folder(tmp_path / "swanlog")
    file = slice_of(store, 1)
    file.write_text("".join(["garbage\n", *(point(s, s / 8) for s in range(1, 6))]))
    collector = collected(engine, store)
    again = [point(s, s / 8) if s < 4 else point(s, 9.0, at=s + 60) for s in range(1, 6)]
    slice_of(store, 1, "tmp").write_text("".join(["garbage\n", *again, point(6, 7.0, at=66), "more\n"]))
    slice_of(store, 1, "tmp").replace(file)
    one_pass(collector)
    assert live(engine, "actor/entropy") == [(1, 0.125), (2, 0.25), (3, 0.375), (4, 9.0), (5, 9.0), (6, 7.0)]
    assert len(told(engine)) == 8
    assert [report.place.unread for report in collector.known()] == [2]
    with reading(engine) as connection:
        assert [run.attempts for run in runs.all_runs(connection)] == [2]


@pytest.mark.parametrize("cut", [0, 1, 60, len(point(1, 0.5)) - 1, len(point(1, 0.5)), 120])
def test_a_line_without_an_end_waits(engine: sa.Engine, tmp_path: Path, cut: int) -> None:
    store = folder(tmp_path / "swanlog")
    text = point(1, 0.5) + point(2, 0.25)
    slice_of(store, 1).write_text(text[:cut])
    collector = collected(engine, store)
    slice_of(store, 1).write_text(text)
    one_pass(collector)
    assert live(engine, "actor/entropy") == [(1, 0.5), (2, 0.25)]
    assert len(told(engine)) == 2
    assert [report.place.unread for report in collector.known()] == [0]


def test_what_cannot_be_read_is_set_aside_once(engine: sa.Engine, tmp_path: Path) -> None:
    store = folder(tmp_path / "swanlog")
    (store / KEY / "files" / "config.yaml").write_text("a: [", encoding="utf-8")
    lines = [point(1, 0.5), "{garbage\n", "[1]\n", '{"index": 2, "data": ["text"]}\n', '{"index": 1e99, "data": 1}\n']
    slice_of(store, 1).write_text("".join(lines) + point(3, 0.125))
    slice_of(store, 2).write_bytes(b"\xff\xfe\0\n")
    with slice_of(store, 3).open("wb") as file:
        file.truncate(LARGEST + 1)
    collector = collected(engine, store)
    with slice_of(store, 1).open("a") as file:
        file.write(point(4, 2.0))
    one_pass(collector)
    assert live(engine, "actor/entropy") == [(1, 0.5), (3, 0.125), (4, 2.0)]
    [report] = collector.known()
    assert report.place.unread == 7
    assert collector.unreadable == {}


@given(data=st.binary(max_size=300) | st.text(max_size=80).map(lambda text: (point(1, text) + text).encode()))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    store = folder(tmp_path_factory.mktemp("any") / "swanlog")
    slice_of(store, 1).write_bytes(data + b"\n" + point(1, 0.5).encode())
    (store / KEY / "files" / "config.yaml").write_bytes(data)
    part = SwanlabStore(store).read(StoredRun(KEY, "sums", "grpo-1", "", 0.0), {})
    assert part.rows >= 1


@pytest.mark.parametrize("garbage", [b"", b"SQLite format 3\0" + b"garbage" * 100, b"no database"])
def test_names_that_cannot_be_read_are_said(engine: sa.Engine, tmp_path: Path, garbage: bytes) -> None:
    store = folder(tmp_path / "swanlog")
    log(store, range(1, 3))
    (store / "runs.swanlab").write_bytes(garbage)
    collector = collected(engine, tmp_path)
    assert len(collector.unreadable) == 1 and told(engine) == []


def test_media_the_machine_and_what_lies_elsewhere_are_left_out(engine: sa.Engine, tmp_path: Path) -> None:
    store = folder(tmp_path / "swanlog")
    log(store, range(1, 2))
    with closing(sqlite3.connect(store / "runs.swanlab")) as connection:
        tag(connection, 1, "samples", "text", "4")
        tag(connection, 1, "__swanlab__.cpu.pct", "line", "5")
        tag(connection, 1, "elsewhere", "line", "../../../elsewhere")
        connection.execute("INSERT INTO experiment VALUES (9, 1, '../elsewhere', 'other')")
        connection.commit()
    for place in (4, 5, "../../../elsewhere"):
        slice_of(store, place).write_text(point(1, 1.0))
    collected(engine, store)
    assert {metric for *_, metric, _ in told(engine)} == set(NAMES)
    with reading(engine) as connection:
        assert [run.name for run in runs.all_runs(connection)] == ["grpo-1"]


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("swanlog/runs.swanlab", True),
        (f"swanlog/{KEY}/logs/3/1000.log", True),
        (f"swanlog/{KEY}/logs/actor%2Fentropy/_summary.json", True),
        (f"swanlog/{KEY}/console/2026-11-20.log", False),
        (f"swanlog/{KEY}/backup.swanlab", False),
        ("runs/run-7/logs/3/1000.log", False),
        (f"wandb/{KEY}/logs/debug.log", False),
    ],
)
def test_which_files_are_no_logs_of_their_own(path: str, *, inside: bool) -> None:
    assert is_inside(Path("/data") / path) == inside


def test_the_sample_below_another_folder_is_found(engine: sa.Engine) -> None:
    samples = Path(__file__).parents[1] / "sample_runs" / "formats"
    [report] = [one for one in collected(engine, samples).known() if one.place.format == "swanlab"]
    assert (report.place.rows, report.place.first_step, report.place.last_step, report.place.points) == (20, 1, 20, 100)
    assert report.place.trainer == "verl"
