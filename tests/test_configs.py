"""Config files beside a log: found, understood, redacted, and less than what the log itself printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from collectors import configs
from collectors.follow import Collector
from db import runs
from db.engine import reading
from tests.logs import console, jsonl, plain

HYDRA = """
data: {max_response_length: 24576, max_prompt_length: 2048, train_batch_size: 128}
actor_rollout_ref:
  actor: {clip_ratio_low: 0.2, clip_ratio_high: 0.28, entropy_coeff: 0, optim: {lr: 1e-6}}
  rollout: {n: 8, response_length: '${data.max_response_length}', temperature: "${oc.select:a.b,0.6}"}
trainer: {experiment_name: stage2, wandb_api_key: 0123456789abcdef0123456789abcdef01234567}
"""


def collected(engine: sa.Engine, *paths: Path) -> Collector:
    collector = Collector(engine, paths)
    one_pass(collector)
    return collector


def one_pass(collector: Collector) -> int:
    for found, place in collector.pending():
        collector.read(found, place)
    return collector.read_configs()


def told(engine: sa.Engine) -> dict[str, dict[str, object]]:
    """run -> its canonical settings."""
    with reading(engine) as connection:
        return {run.name: runs.settings_of(connection, run.id) for run in runs.all_runs(connection)}


def put(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def test_hydra_s_folder_beside_the_log(engine: sa.Engine, tmp_path: Path) -> None:
    put(tmp_path / "out" / "metrics.jsonl", jsonl(range(3)))
    put(tmp_path / "out" / ".hydra" / "config.yaml", HYDRA)
    put(tmp_path / "out" / ".hydra" / "overrides.yaml", "- data.max_response_length=32768\n- ~trainer.x\n- +a@b=c\n")
    put(tmp_path / "out" / ".hydra" / "hydra.yaml", "hydra: {verbose: false}")
    collector = collected(engine, tmp_path)
    assert told(engine)["stage2"] == {
        "context_limit": 32768,
        "prompt_limit": 2048,
        "clip_low": 0.2,
        "clip_high": 0.28,
        "entropy_coef": 0.0,
        "learning_rate": 1e-6,
        "rollouts_per_prompt": 8,
        "prompts_per_step": 128,
    }
    with reading(engine) as connection:
        kept = runs.config_of(connection, 1)
    assert kept["actor_rollout_ref.rollout.response_length"] == 32768
    assert kept["trainer.wandb_api_key"] == "[redacted]"
    assert not collector.unreadable
    assert not any(path.name == "config.yaml" for path in collector.refused)


@pytest.mark.parametrize(
    ("name", "text", "trainer", "expected"),
    [
        ("args.json", '{"max_completion_length": 4096, "beta": 0.04, "overlong_filter": true}', "ms-swift",
         {"context_limit": 4096, "kl_coef": 0.04, "kl_on": True, "overlong_mask": True}),
        ("training_args.txt", "GRPOConfig(\nbeta=0.0,\nmax_completion_length=512,\noutput_dir='a',\n)", "trl",
         {"context_limit": 512, "kl_coef": 0.0, "kl_on": False}),
        ("experiment_config.json", '{"data": {"max_response_length": 2048}, "worker": {"rollout": {"n": 5}}}', "easyr1",
         {"context_limit": 2048, "rollouts_per_prompt": 5}),
        ("config.yaml", "grpo: {num_generations_per_prompt: 16, overlong_filtering: true}", "nemo-rl",
         {"rollouts_per_prompt": 16, "overlong_mask": True}),
        ("config.yaml", "_wandb: {desc: null, value: {}}\nmax_tokens: {desc: null, value: 8192}", "tinker",
         {"context_limit": 8192}),
        ("configs/orchestrator.toml", "[sampling]\nmax_tokens = 24576", "prime-rl", {"context_limit": 24576}),
        ("wandb-metadata.json",
         '{"args": ["--eps-clip", "0.2", "--eps-clip-high", "0.28", "--use-kl-loss", "--lr", "1e-6"]}', "slime",
         {"clip_low": 0.2, "clip_high": 0.28, "kl_on": True, "learning_rate": 1e-6}),
    ],
)  # fmt: skip
def test_each_trainer_s_own_file(
    name: str, text: str, trainer: str, expected: dict[str, object], tmp_path: Path
) -> None:
    from collectors.settings import settings

    put(tmp_path / name, text)
    assert configs.is_config(tmp_path / name)
    assert settings(trainer, configs.merged([tmp_path / name], {})) == expected


def test_what_the_log_printed_goes_before_and_the_nearest_folder_rules(engine: sa.Engine, tmp_path: Path) -> None:
    printed = b"{'data': {'max_response_length': 8192}}\n"
    put(tmp_path / "exp" / "run" / "train.log", printed + console(range(3)))
    put(tmp_path / "exp" / "run" / "config.json", '{"data": {"max_response_length": 1, "max_prompt_length": 99}}')
    put(tmp_path / "exp" / "config.yaml", "data: {train_batch_size: 5}")
    collected(engine, tmp_path)
    assert told(engine) == {"exp/run": {"context_limit": 8192, "prompt_limit": 99}}


def test_up_to_two_folders_above_inside_what_is_collected(engine: sa.Engine, tmp_path: Path) -> None:
    put(tmp_path / "config.json", '{"max_len": 7}')
    put(tmp_path / "in" / "a" / "config.json", '{"max_len": 1024}')
    put(tmp_path / "in" / "a" / "b" / "c" / "metrics.jsonl", plain(range(3)))
    put(tmp_path / "in" / "a" / "b" / "c" / "d" / "metrics.jsonl", plain(range(3)))
    put(tmp_path / "in" / "e" / "metrics.jsonl", plain(range(3)))
    collected(engine, tmp_path / "in")
    assert told(engine) == {"a/b/c": {"context_limit": 1024}, "a/b/c/d": {}, "e": {}}


def test_a_log_that_is_collected_alone_has_the_files_beside_it(engine: sa.Engine, tmp_path: Path) -> None:
    put(tmp_path / "run" / "metrics.jsonl", plain(range(3)))
    put(tmp_path / "run" / ".hydra" / "config.yaml", "max_len: 512")
    put(tmp_path / "config.yaml", "max_len: 1")
    collected(engine, tmp_path / "run" / "metrics.jsonl")
    assert told(engine) == {"run": {"context_limit": 512}}


def test_a_model_s_config_is_no_run_s(engine: sa.Engine, tmp_path: Path) -> None:
    put(tmp_path / "run" / "checkpoint-2" / "config.json", '{"model_type": "qwen2", "temperature": 9}')
    put(tmp_path / "run" / "checkpoint-2" / "metrics.jsonl", plain(range(3)))
    put(tmp_path / "run" / "config.json", '{"temperature": 0.6}')
    collected(engine, tmp_path)
    assert told(engine) == {"run": {"temperature": 0.6}}


def test_read_once_and_again_when_it_has_changed(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "metrics.jsonl", plain(range(3)))
    collector = collected(engine, tmp_path)
    assert one_pass(collector) == 0
    put(tmp_path / "config.yaml", "max_len: 512")
    assert one_pass(collector) == 1
    with monkeypatch.context() as patched:
        patched.setattr(configs, "load", None)
        assert one_pass(collector) == 0
        assert one_pass(Collector(engine, [tmp_path])) == 0
    put(tmp_path / "config.yaml", "max_len: 1024")
    assert one_pass(Collector(engine, [tmp_path])) == 1
    assert list(told(engine).values()) == [{"context_limit": 1024}]


def test_what_cannot_be_read_is_said(engine: sa.Engine, tmp_path: Path) -> None:
    broken = {
        "config.yaml": "a: [1, 2\nb: }",
        "config.json": '{"a": 1',
        "args.json": b"\xff\xfe",
        "hparams.yaml": "x" * (configs.LARGEST + 1),
        "training_args.json": "[" * 100_000,
    }
    for name, text in broken.items():
        put(tmp_path / name, text)
    put(tmp_path / "metrics.jsonl", plain(range(3)))
    collector = collected(engine, tmp_path)
    assert {path.name for path in collector.unreadable} == broken.keys()
    assert all(collector.unreadable.values())


def test_aliases_that_multiply_do_not_fill_the_memory(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    put(tmp_path / "config.yaml", "\n".join(lines))
    assert len(configs.merged([tmp_path / "config.yaml"], {})) <= 20_000


def test_only_references_into_the_config_are_followed() -> None:
    flat = {"a": "${b}", "b": "${c}", "c": 5, "d": "${env:HOME}", "e": "${e}", "f": "${missing}"}
    assert configs.resolved(flat) == {"a": 5, "b": 5, "c": 5, "d": "${env:HOME}", "e": "${e}", "f": "${missing}"}


CELL = st.none() | st.booleans() | st.floats() | st.text()
NESTED = st.recursive(CELL, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(text=st.text(max_size=200) | NESTED.map(json.dumps))
def test_any_text_is_a_config_or_a_reason(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("config")
    unread: dict[Path, str] = {}
    for name in ("config.yaml", "config.json", "overrides.yaml", "training_args.txt", "rl.toml", "wandb-metadata.json"):
        put(folder / name, text)
        configs.merged([folder / name], unread)
    assert all(unread.values())


def test_each_file_a_run(engine: sa.Engine, tmp_path: Path) -> None:
    named = b"{'trainer': {'experiment_name': 'same', 'project_name': 'p'}}\n"
    for name in ("a/metrics.jsonl", "a/train.jsonl", "b/metrics.jsonl"):
        put(tmp_path / name, plain(range(3)))
    put(tmp_path / "a" / "train.log", named + console(range(3)))
    collector = Collector(engine, [tmp_path], run_per_file=True)
    one_pass(collector)
    one_pass(Collector(engine, [tmp_path], run_per_file=True))
    assert sorted(told(engine)) == ["a/metrics.jsonl", "a/train.jsonl", "a/train.log", "b/metrics.jsonl"]
    with reading(engine) as connection:
        assert {run.project for run in runs.all_runs(connection)} == {tmp_path.name, "p"}
