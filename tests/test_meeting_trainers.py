"""Whose log it is may only be told by what comes after an evaluation before the first step."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from collectors.follow import MEETING
from db.engine import reading
from db.runs import all_runs, attempts_of, sources_of
from db.series import metrics_ever
from tests.logs import collect, live, told

BEFORE = "step:0 - val-core/gsm8k/acc/mean@8:0.25 - actor/entropy:0.9\n"
V1 = (
    "step:{s} - training/num_turns/mean:2 - training/off_policy/trajectory_spans/mean:1 - actor/entropy:0.{s}"
    " - response_length/clip_ratio:0.01\n"
)
PLAIN = "step:{s} - actor/entropy:0.{s} - critic/score/mean:0.5\n"


def state(engine: sa.Engine) -> tuple[str, str, int]:
    """(the run's trainer, its source's, how many attempts)."""
    with reading(engine) as connection:
        [run] = all_runs(connection)
        [source] = sources_of(connection)
        return run.trainer, source.trainer, len(attempts_of(connection, [run.id]))


def quantities(engine: sa.Engine) -> dict[str, str | None]:
    with reading(engine) as connection:
        [run] = all_runs(connection)
        return {metric.name: metric.quantity for metric in metrics_ever(connection, run.id)}


def test_a_closer_relative_is_told_by_its_first_step(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text(BEFORE)
    collector = collect(engine, log)
    assert state(engine) == ("verl", "verl", 1)
    with log.open("a") as file:
        file.write(V1.format(s=1))
    for found, place in collector.pending():
        collector.read(found, place)
    with log.open("a") as file:
        file.write(V1.format(s=2))
    collect(engine, log)
    assert state(engine) == ("verl-v1", "verl-v1", 1)
    assert quantities(engine)["response_length/clip_ratio"] is None
    assert live(engine, "actor/entropy") == [(0, 0.9), (1, 0.1), (2, 0.2)]
    assert len(told(engine)) == 2 + 4 + 4
    with reading(engine) as connection:
        [source] = sources_of(connection)
    assert (source.rows, source.records, source.first_step, source.last_step) == (3, 3, 0, 2)


def test_the_same_as_when_it_is_read_at_once(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text(BEFORE)
    collect(engine, log)
    text = BEFORE + V1.format(s=1) + "step:2 - actor/entropy"
    log.write_text(text)
    collect(engine, log)
    log.write_text(text + ":0.2 - critic/score/mean:1.0\n")
    collect(engine, log)
    assert state(engine)[:2] == ("verl-v1", "verl-v1")
    assert live(engine, "actor/entropy") == [(0, 0.9), (1, 0.1), (2, 0.2)]
    assert live(engine, "critic/score/mean") == [(2, 1.0)]


def test_other_names_of_the_same_trainer_change_nothing(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text(BEFORE)
    collect(engine, log)
    with reading(engine) as connection:
        [before] = attempts_of(connection, [1])
    log.write_text(BEFORE + PLAIN.format(s=1))
    collect(engine, log)
    with reading(engine) as connection:
        [after] = attempts_of(connection, [1])
    assert (state(engine)[0], after.id) == ("verl", before.id)


def test_what_no_longer_stands_in_the_file_is_not_thrown_away(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("".join(PLAIN.format(s=s) for s in range(1, 6)))
    collect(engine, log)
    log.write_text(BEFORE + V1.format(s=1))  # truncated, and begun anew by another version
    collect(engine, log)
    log.write_text(BEFORE + V1.format(s=1) + V1.format(s=2) + PLAIN.format(s=3))
    collect(engine, log)
    assert len([1 for point in told(engine) if point[3] == "critic/score/mean"]) == 5 + 1


def test_a_long_log_keeps_its_trainer(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    text = "".join(PLAIN.format(s=s) for s in range(1, MEETING + 2))
    log.write_text(text)
    collect(engine, log)
    log.write_text(text + V1.format(s=MEETING + 3))
    collect(engine, log)
    assert state(engine)[:2] == ("verl", "verl")
