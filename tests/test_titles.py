"""What a config calls its run, where the log itself does not say; and a run whose trainer changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from collectors import titles
from collectors.follow import Collector
from db import runs
from db.engine import reading
from stepwell.collecting import one_pass
from tests.logs import jsonl, live, trl_console


def names(engine: sa.Engine) -> list[tuple[str, str]]:
    with reading(engine) as connection:
        return sorted((run.project, run.name) for run in runs.all_runs(connection))


def collected(engine: sa.Engine, *paths: Path) -> list[tuple[str, str]]:
    one_pass(Collector(engine, paths))
    return names(engine)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"trainer.project_name": "sums", "trainer.experiment_name": "grpo"}, ("sums", "grpo")),
        ({"trainer.project_name": "sums", "trainer.run_name": "skyrl"}, ("sums", "skyrl")),
        ({"logger.wandb.project": "sums", "logger.wandb.name": "nemo"}, ("sums", "nemo")),
        ({"args.run_name": "trl-数学", "args.output_dir": "out"}, (None, "trl-数学")),
        ({"run_name": "out", "output_dir": "out"}, (None, None)),
        ({"trainer.experiment_name": "${name}", "project_name": "None", "wandb.project": " "}, (None, None)),
        ({"experiment_name": "areal", "trial_name": "t0"}, (None, "areal/t0")),
        ({"trainer.experiment_name": 7, "exp_name": "roll"}, (None, "roll")),
    ],
)
def test_what_a_config_says(config: dict[str, object], expected: tuple[str | None, str | None]) -> None:
    assert titles.of(config) == expected


HYDRA = "trainer:\n  project_name: sums\n  experiment_name: grpo-plus\n"


def test_a_hydra_folder_names_the_log_in_it(engine: sa.Engine, tmp_path: Path) -> None:
    run = tmp_path / "outputs" / "2025-03-10" / "22-25-37"
    (run / ".hydra").mkdir(parents=True)
    (run / ".hydra" / "config.yaml").write_text(HYDRA, encoding="utf-8")
    (run / "main_ppo.jsonl").write_bytes(jsonl(range(1, 4)))
    assert collected(engine, tmp_path) == [("sums", "grpo-plus")]
    with (run / "main_ppo.jsonl").open("ab") as file:
        file.write(jsonl(range(4, 6)))
    (run / ".hydra" / "config.yaml").write_text(HYDRA.replace("grpo", "later"), encoding="utf-8")
    assert collected(engine, tmp_path) == [("sums", "grpo-plus")]  # only when the run is first made


def test_a_config_above_several_logs_names_their_project_alone(engine: sa.Engine, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(HYDRA, encoding="utf-8")
    for name in ("a", "b"):
        (tmp_path / f"{name}.log").write_bytes(trl_console(range(1, 4)))
    assert collected(engine, tmp_path) == [("sums", "a"), ("sums", "b")]


def test_a_config_in_the_log_names_it_whatever_the_file_is_called(engine: sa.Engine, tmp_path: Path) -> None:
    rows = [{"step": step, "loss": 0.5, "reward": 0.5, "kl": 0.1} for step in range(1, 4)]
    first = {"config": {"run_name": "one", "wandb_project": "sums"}, **rows[0]}
    (tmp_path / "what-ever.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [first, *rows[1:]]))
    assert collected(engine, tmp_path) == [("sums", "one")]


TRL = {
    "loss": 0.5, "grad_norm": 0.1, "learning_rate": 1e-6, "reward": 0.5, "completions/mean_length": 9.0,
    "completions/clipped_ratio": 0.1, "clip_ratio/region_mean": 0.01, "frac_reward_zero_std": 0.5, "entropy": 0.25,
}  # fmt: skip


def test_a_log_that_takes_another_one_s_place_may_be_another_trainer_s(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text(
        "".join(f"step:{s} - actor/entropy:0.5 - actor/pg_loss:0.1 - critic/score/mean:0.5\n" for s in range(1, 99))
    )
    assert collected(engine, tmp_path) == [(tmp_path.name, tmp_path.name)]
    log.write_text("".join(f"{TRL | {'epoch': s / 100}}\n" for s in range(1, 9)))
    collected(engine, tmp_path)
    with reading(engine) as connection:
        [run] = runs.all_runs(connection)
        [source] = runs.sources_of(connection)
        assert (run.trainer, source.trainer, source.format) == ("trl", "trl", "trl-console")
        assert runs.unread_of(connection, [source.id])[source.id] == []
    assert live(engine, "entropy") == [(step, 0.25) for step in range(1, 9)]
