"""`stepwell doctor`: recognised and why, found and missing, not understood, not read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from collectors import discover, names, rollout_files
from collectors.contract import Sample
from db.engine import reading, writing
from db.understood import WANTED, remember_how, understood
from stepwell.cli import cli
from tests.logs import collect, console, plain

LONG = "长文本 and text " * 60
ROLLOUTS: dict[str, tuple[str, Any]] = {
    "rollouts/5.jsonl": ("verl rollouts", {"input": LONG, "output": LONG, "gts": "42", "score": 1.0, "step": 3}),
    "validation/6.jsonl": (
        "verl rollouts",
        {"input": "q", "output": "a", "score": 1.0, "step": 3, "acc": 1.0, "overlong": False, "overlong_reward": 0.0},
    ),
    "v1/7.jsonl": (
        "verl rollouts",
        {"input": "q", "output": "a", "gts": "1", "score": 1.0, "step": 3, "uid": "u_0_0"},
    ),
    "episodes/episode_hash1_id2.json": (
        "rLLM episode",
        {"training_step": 1, "epoch": 0, "episode_id": "a", "is_correct": True, "trajectories": [{"reward": 1.0}]},
    ),
    "chat_completions/3.jsonl": ("chat messages", [{"role": "user", "content": "q"}]),
    "rollouts/step_1/train/all/traces.jsonl": (
        "prime-rl traces",
        {"id": "a", "traces": [{"reward": 1.0, "metrics": {"x": 1}}], "timing": {"total": 1.0}, "step": 1},
    ),
    "token_exports/step_1/rank_0.jsonl": (
        "prime-rl token export",
        {"step": 3, "rank": 0, "micro_step": 0, "token_ids": [1, 2], "loss_mask": [1, 1], "inference_logprobs": [-1.0]},
    ),
    "train_data_step3.jsonl": (
        "NeMo-RL train data",
        {"content": ["q"], "rewards": 1.0, "token_ids": [1, 2], "sample_loss_mask": 1.0, "idx": 0},
    ),
    "completions.jsonl": (
        "completions",
        {"step": ["1"], "prompt": ["q"], "completion": ["a"], "accuracy": [1.0], "advantages": [1.0]},
    ),
    "run_rollouts_000000.jsonl": (
        "open-instruct rollouts",
        {"step": 1, "prompt_tokens": [1], "response_tokens": [2], "reward": 1.0, "advantage": 0.5},
    ),
    "dumped_evals/math.jsonl": (
        "SkyRL evaluation",
        {"input_prompt": "q", "output_response": "a", "score": 1.0, "stop_reason": "stop"},
    ),
    "rollout/0/1.jsonl": (
        "AReaL rollouts",
        {"task_id": 0, "sample_idx": 0, "seqlen": 10, "prompt_len": 5, "reward": 1.0, "prompt": "q", "completion": "a"},
    ),
}


@pytest.mark.parametrize("name", ROLLOUTS)
def test_rollouts_are_no_metrics(name: str, tmp_path: Path) -> None:
    kind, record = ROLLOUTS[name]
    data = (json.dumps(record, ensure_ascii=False).encode() + b"\n") * 5
    path = tmp_path / name
    assert [fmt.NAME for fmt in discover.formats().values() if fmt.recognises(Sample(path, data, data))] == []
    assert rollout_files.what(path, data) == kind
    assert rollout_files.what(path, data[: len(data) // 5 - 4]) in (kind, None)  # cut in its first record


def test_metrics_are_no_rollouts() -> None:
    assert rollout_files.what(Path("metrics.jsonl"), plain(range(3))) is None
    assert rollout_files.what(Path("train.log"), console(range(3))) is None
    assert rollout_files.what(Path("x"), b"\0\xff{") is None


def report(*paths: Path) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["doctor", "--json", *map(str, paths)], catch_exceptions=False)
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_a_folder_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_bytes(console(range(1, 4)) + b"step:4 - our/own:1.5 - actor/entropy:0.1\n")
    (tmp_path / "config.yaml").write_text("data: {max_response_length: 4096}")
    (tmp_path / "notes.txt").write_text("nothing here")
    (tmp_path / "7.jsonl").write_text(json.dumps(ROLLOUTS["rollouts/5.jsonl"][1]) + "\n")
    (tmp_path / "completions_00004.parquet").write_bytes(b"PAR1")
    (tmp_path / "args.json").write_text("{")
    found = report(tmp_path)
    [run] = found["runs"]
    assert (run["trainer"], run["told_by"]) == ("verl", ["actor/entropy", "critic/score/mean"])
    assert run["settings"] == {"context_limit": 4096}
    assert [(file["format"], file["rows"], file["last_step"]) for file in run["files"]] == [("verl-console", 4, 4)]
    assert run["found"]["score_mean"][0]["name"] == "critic/score/mean"
    assert run["unknown"] == ["our/own", "数学/acc@8"]
    lacking = {lack["quantity"]: lack["how"] for lack in run["missing"]}
    assert lacking.keys().isdisjoint({"reward_mean", "entropy_token_mean"})
    assert lacking["kl_ref"] == names.table("verl").how["kl_ref"]
    assert {Path(one["path"]).name: one["kind"] for one in found["rollouts"]} == {
        "7.jsonl": "verl rollouts",
        "completions_00004.parquet": "TRL completions",
    }
    assert [Path(path).name for path in found["configs"]] == ["args.json", "config.yaml"]
    assert [Path(path).name for path in found["not_logs"]] == ["notes.txt"]
    assert [Path(one["path"]).name for one in found["unreadable"]] == ["args.json"]


def test_lines_that_could_not_be_read_are_shown(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(plain(range(5)) + b"[1, 2]\n" + plain(range(5, 7)))
    [run] = report(tmp_path)["runs"]
    assert run["files"][0]["unread"] == [{"line": 6, "why": "no JSON object"}]
    text = CliRunner().invoke(cli, ["doctor", str(tmp_path)], catch_exceptions=False).stdout
    assert "line 6: no JSON object" in text
    assert "✓ entropy: entropy" in text
    assert "✗ gradient norm: Log the norm before clipping as grad_norm." in text


def test_it_says_when_there_is_nothing(tmp_path: Path) -> None:
    assert "No log was recognised" in CliRunner().invoke(cli, ["doctor", str(tmp_path)]).stdout
    assert isinstance(CliRunner().invoke(cli, ["doctor", str(tmp_path / "gone")]).exception, SystemExit)


def test_what_was_understood_is_in_the_store_with_the_trainer_s_advice(engine: sa.Engine, tmp_path: Path) -> None:
    (tmp_path / "train.log").write_bytes(console(range(1, 4)))
    collector = collect(engine, tmp_path)
    collector.refresh_names()
    with reading(engine) as connection:
        [one] = understood(connection)
    assert one.log == names.table("verl").how["log"]
    assert one.told_by == ["actor/entropy", "critic/score/mean"] == names.evidence("verl", one.names)
    assert {lack.quantity: lack.how for lack in one.missing}["val_score"] == names.table("verl").how["val_score"]
    with writing(engine) as connection:
        remember_how(connection, {"verl": {"log": "new"}})
    with reading(engine) as connection:
        assert understood(connection)[0].log == "new"


def test_advice_is_about_quantities_that_are_looked_for() -> None:
    for trainer, table in names.tables().items():
        assert "log" in table.how, trainer
        assert table.how.keys() - {"log"} <= WANTED.keys(), trainer
        assert all(text.endswith(".") for text in table.how.values()), trainer


def test_a_store_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPWELL_STORE", str(tmp_path / "mine.db"))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "metrics.jsonl").write_bytes(plain(range(3)))
    report(tmp_path / "logs")
    assert not (tmp_path / "mine.db").exists()
