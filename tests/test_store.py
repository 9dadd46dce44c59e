"""The store's own promises: migrations, exact numbers, snapshots, meanings."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from collectors.contract import Part
from collectors.store import put
from db import migrations, points, runs
from db.block import block_of
from db.engine import StoreAway, StoreTooNew, open_store, reading, shown, writing
from db.schema import metadata
from db.series import by_quantity, newest
from db.sources import Place, add, claim
from tests.logs import collect, live, plain


def test_the_migrations_arrive_at_the_tables_and_a_second_run_changes_nothing(
    engine: sa.Engine, store_url: str
) -> None:
    open_store(store_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_newest_step_is_the_one_that_upgrade_knows() -> None:
    folder = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert folder.get_current_head() == migrations.HEAD


def test_a_store_from_the_future_is_refused(engine: sa.Engine, store_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreTooNew, match="9999"):
        open_store(store_url)


def test_a_file_that_is_no_store_is_away_not_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("dear diary, " * 500)
    with pytest.raises(StoreAway, match=r"store\.db"):
        open_store(f"sqlite:///{tmp_path / 'store.db'}")


def test_a_password_is_never_shown() -> None:
    assert "hunter2" not in shown("postgresql://me:hunter2@db.example/x")


ODD = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2]


@pytest.mark.parametrize("seal", [1, 1000], ids=["sealed", "in the tail"])
def test_every_float_survives_a_round_trip(engine: sa.Engine, seal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "SEAL", seal)
    with writing(engine) as connection:
        run = runs.make(connection, "p", "r", "/r")
        place = add(connection, Place("/r/metrics.jsonl", "plain-jsonl", run_id=run, trainer="handwritten"))
        block = block_of(range(len(ODD)), [{"reward": value} for value in ODD], [float(s) for s in range(len(ODD))])
        claim(connection, put(connection, place, Part([block], rows=len(ODD)), restarted=False, modified=0.0))
    with reading(engine) as connection:
        curve = by_quantity(connection, [run], ["reward_mean"])[run, "reward_mean"]
        _metric, step, value = newest(connection, [run], ["reward_mean"])[run, "reward_mean"]
    assert [struct.pack("<d", v) for v in curve.values] == [struct.pack("<d", v) for v in ODD]
    assert curve.walls.tolist() == [float(s) for s in range(len(ODD))]
    assert (step, value) == (len(ODD) - 1, ODD[-1])


def test_a_reader_sees_one_snapshot_while_the_collector_seals(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "SEAL", 4)
    log = tmp_path / "metrics.jsonl"
    log.write_bytes(plain(range(3)))
    collector = collect(engine, log)
    with reading(engine) as connection:
        before = by_quantity(connection, [1], ["reward_mean"])[1, "reward_mean"]
        log.write_bytes(plain(range(9)))  # seals the tail that this reader has seen
        for found, place in collector.pending():
            collector.read(found, place)
        again = by_quantity(connection, [1], ["reward_mean"])[1, "reward_mean"]
    assert np.array_equal(before.steps, again.steps)
    assert [step for step, _ in live(engine, "reward_mean")] == list(range(9))


def test_two_names_of_one_quantity_give_the_preferred_one(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    both = "".join(
        f"step:{s} - actor/entropy:0.{s} - actor/entropy_loss:9.{s} - critic/score/mean:1\n" for s in range(1, 4)
    )
    log.write_text(both)
    collect(engine, log)
    with reading(engine) as connection:
        curve = by_quantity(connection, [1], ["entropy_token_mean"])[1, "entropy_token_mean"]
    assert (curve.metric.name, curve.values.tolist()) == ("actor/entropy", [0.1, 0.2, 0.3])


def test_a_percentage_is_read_as_the_fraction_it_is(engine: sa.Engine, tmp_path: Path) -> None:
    from collectors import names

    assert names.understand("prime-rl", "perf/mfu").scale == 0.01


def test_two_runs_of_one_name_keep_apart(engine: sa.Engine, tmp_path: Path) -> None:
    config = "{'trainer': {'project_name': 'p', 'experiment_name': 'same'}, 'data': {'max_response_length': 8}}\n"
    for folder in ("a", "b", "c/a"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "train.log").write_text(config + "step:1 - actor/entropy:0.5 - actor/lr:0.1\n" * 1)
    collect(engine, tmp_path)
    with reading(engine) as connection:
        names = [run.name for run in runs.all_runs(connection)]
    assert names == ["same", "same (a)", "same (b)"]
