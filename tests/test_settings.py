"""Canonical settings from the configs that trainers print: only what they say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.names import tables
from collectors.settings import READ, flatten, settings

VERL = {
    "data": {"max_prompt_length": 1024, "max_response_length": 16384, "train_batch_size": 128},
    "actor_rollout_ref": {
        "model": {"path": "ckpt/8k/global_step_480"},
        "actor": {
            "ppo_mini_batch_size": 64, "clip_ratio": 0.2, "clip_ratio_low": 0.2, "clip_ratio_high": 0.28,
            "clip_ratio_c": 10.0,
            "entropy_coeff": 0, "use_kl_loss": False, "kl_loss_coef": 0.001,
            "loss_agg_mode": "token-mean", "optim": {"lr": 1e-06},
        },
        "rollout": {"n": 8, "temperature": 0.6,
        "response_length": "${oc.select:data.max_response_length,512}"},
    },
    "algorithm": {"adv_estimator": "grpo", "use_kl_in_reward": False, "mask_truncated_samples": True},
    "trainer": {"total_training_steps": None, "test_freq": 20, "resume_from_path": None},
}  # fmt: skip
SAID = {
    "context_limit": 16384, "prompt_limit": 1024, "clip_low": 0.2, "clip_high": 0.28, "clip_dual": 10.0,
    "entropy_coef": 0.0,
    "kl_coef": 0.001, "kl_on": False, "rollouts_per_prompt": 8, "prompts_per_step": 128, "mini_batch": 64,
    "loss_aggregation": "token-mean", "algorithm": "grpo", "learning_rate": 1e-6, "temperature": 0.6,
    "starts_from": "ckpt/8k/global_step_480", "eval_every": 20,
}  # fmt: skip


def test_a_whole_verl_config() -> None:
    assert settings("verl", VERL) == SAID


def test_deepcoder_knows_its_overlong_mask_and_shares_the_rest() -> None:
    assert settings("deepcoder", VERL) == SAID | {"overlong_mask": True}


@pytest.mark.parametrize("separator", [".", "/"])
def test_flat_and_nested_say_the_same(separator: str) -> None:
    flat = {key.replace(".", separator): value for key, value in flatten(VERL).items()}
    assert settings("verl", flat) == SAID
    assert settings("verl", {key: str(value) for key, value in flat.items()}) == SAID


@pytest.mark.parametrize("wrapped", [{"config": VERL}, {key: {"desc": None, "value": v} for key, v in VERL.items()}])
def test_a_containers_wrapper_is_taken_off(wrapped: dict[str, Any]) -> None:
    assert settings("verl", wrapped) == SAID


def test_trl() -> None:
    config = {
        "max_completion_length": 1024, "max_prompt_length": 512, "num_generations": 8,
        "generation_batch_size": 64, "beta": 0.0,
        "epsilon": 0.2, "epsilon_high": None, "delta": None, "loss_type": "dapo",
        "mask_truncated_completions": True,
        "learning_rate": 1e-06, "temperature": 1.0, "logging_steps": 10, "max_steps": -1,
        "eval_strategy": "no", "eval_steps": 500,
        "resume_from_checkpoint": None,
    }  # fmt: skip
    assert settings("trl", config) == {
        "context_limit": 1024, "prompt_limit": 512, "rollouts_per_prompt": 8, "prompts_per_step": 8,
        "kl_coef": 0.0,
        "kl_on": False, "clip_low": 0.2, "clip_high": 0.2, "loss_aggregation": "dapo", "algorithm": "dapo",
        "overlong_mask": True, "learning_rate": 1e-6, "temperature": 1.0, "logging_steps": 10,
    }  # fmt: skip
    assert settings("trl", config | {"eval_strategy": "steps"})["eval_every"] == 500


def test_the_keys_of_the_labelled_runs() -> None:
    config = {
        "B": 64,
        "G": 8,
        "C": 32768,
        "eps_lo": 0.2,
        "eps_hi": 0.28,
        "mask_overlong": False,
        "val_every": 20,
        "log_every": 5,
    }
    assert settings("handwritten", config) == {
        "prompts_per_step": 64, "rollouts_per_prompt": 8, "context_limit": 32768, "clip_low": 0.2,
        "clip_high": 0.28,
        "overlong_mask": False, "eval_every": 20, "logging_steps": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, {}),
        (
            {"actor_rollout_ref.actor.clip_ratio_low": -1, "actor_rollout_ref.actor.clip_ratio": 0.2},
            {"clip_low": 0.2, "clip_high": 0.2},
        ),
        ({"trainer.test_freq": -1, "trainer.total_training_steps": "null"}, {}),
        ({"data.max_response_length": "${data.x}"}, {}),
        ({"data.max_response_length": float("nan"), "data.train_batch_size": float("inf")}, {}),
        ({"data.max_response_length": True}, {}),
        ({"actor_rollout_ref.actor.use_kl_loss": "False", "algorithm.use_kl_in_reward": "True"}, {"kl_on": True}),
        ({"actor_rollout_ref.actor.kl_loss_coef": 0.001}, {"kl_coef": 0.001}),
        ({"actor_rollout_ref.actor.entropy_coeff": 0.0}, {"entropy_coef": 0.0}),
        ({"trainer.resume_from_path": False}, {}),
    ],
)
def test_only_what_the_config_says(config: dict[str, Any], said: dict[str, Any]) -> None:
    assert settings("verl", config) == said


def test_two_bounds_in_a_list() -> None:
    assert settings("openrlhf", {"actor": {"eps_clip_low_high": [0.2, 0.28]}}) == {"clip_low": 0.2, "clip_high": 0.28}


@pytest.mark.parametrize("trainer", sorted(tables()))
def test_a_table_names_only_settings_that_are_read(trainer: str) -> None:
    said = tables()[trainer].settings
    assert said.keys() <= READ.keys()
    assert all(isinstance(keys, list) and all(isinstance(key, str) for key in keys) for keys in said.values())
    assert said, "a trainer without settings cannot be compared"


def test_flatten() -> None:
    nested = {"a": {"b": [1, {"c": "x"}], "d": {}}, "e": None, "f": {1: 2.5}, "g": (True,)}
    assert flatten(nested) == {"a.b[0]": 1, "a.b[1].c": "x", "e": None, "f.1": 2.5, "g[0]": True}


def test_a_config_without_bottom_is_cut() -> None:
    config: dict[str, Any] = {}
    for _ in range(5000):
        config = {"deeper": config, "n": 1}
    assert len(flatten(config)) < 100
    assert len(flatten({"many": list(range(100_000))})) <= 20_000


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=12,
)


@given(st.sampled_from(sorted(tables())), st.dictionaries(st.text(), JSON, max_size=4), JSON)
def test_any_config_is_survived(trainer: str, config: dict[str, Any], value: Any) -> None:
    keys = [key for keys in tables()[trainer].settings.values() for key in keys]
    said = settings(trainer, config | dict.fromkeys(keys, value))
    assert said.keys() <= READ.keys()
    assert all(isinstance(found, str | int | float | bool) for found in said.values())


def test_evaluation_has_settings_of_its_own_and_a_target_counts_only_where_it_is_in_force() -> None:
    rollout = {"temperature": 1.0, "val_kwargs": {"temperature": 0.6}}
    assert settings("verl", {"actor_rollout_ref": {"rollout": rollout}}) == {
        "temperature": 1.0,
        "eval_temperature": 0.6,
    }
    assert settings("slime", {"eval_max_response_len": 16384, "rollout_max_response_len": 8192}) == {
        "context_limit": 8192,
        "eval_context_limit": 16384,
    }
    adaptive = {"entropy_target": 0.2, "use_adaptive_entropy": False}
    assert settings("trl", adaptive) == {}
    assert settings("trl", adaptive | {"use_adaptive_entropy": True}) == {"entropy_target": 0.2}
