"""What verl prints and writes, from a trainer that is not verl: grammar, keys and their meaning as in v0.8.

console   (TaskRunner pid=4242) step:3 - actor/entropy:0.41 - actor/pg_loss:np.float64(0.012) - ...
file      {"step":3,"data":{"actor/entropy":0.41,"actor/pg_loss":0.012,...}}
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from pprint import pformat
from typing import Any

from recipes import Recipe
from tqdm import tqdm

PROJECT = "toy"
SOURCE = "toy/running_sum"
TEST_EVERY, SAVE_EVERY = 6, 6
VAL_PROMPTS, VAL_SAMPLES = 128, 2


class Tracking:
    """Console as Ray's driver shows it, and verl's `file` logger, which empties its file at every start."""

    def __init__(self, recipe: Recipe, first: int) -> None:
        folder = Path("verl", recipe.name)
        folder.mkdir(parents=True, exist_ok=True)
        self.file = (folder / f"{recipe.name}.jsonl").open("w", buffering=1)
        self.prefix = f"\x1b[36m(TaskRunner pid={os.getpid()})\x1b[0m "
        self.total, self.first, self.since = recipe.batches, first, time.monotonic()

    def say(self, text: str, stream: Any = None) -> None:
        for line in text.splitlines():
            print(self.prefix + line, file=stream or sys.stdout, flush=True)

    def log(self, step: int, metrics: dict[str, Any]) -> None:
        self.say(f"step:{step} - " + " - ".join(f"{key}:{value!r}" for key, value in metrics.items()))
        self.file.write(json.dumps({"step": step, "data": metrics}, separators=(",", ":")) + "\n")

    def progress(self, step: int) -> None:
        spent = time.monotonic() - self.since
        self.say(
            tqdm.format_meter(step, self.total, spent, prefix="Training Progress", initial=self.first),
            sys.stderr,
        )


def checkpoint_folder(name: str) -> Path:
    return Path("checkpoints") / PROJECT / name


def config(recipe: Recipe, start: str, seed: int) -> dict[str, Any]:
    """The resolved settings under verl's keys; only what this trainer really has."""
    return {
        "actor_rollout_ref": {
            "actor": _actor(recipe),
            "model": {"path": start, "enable_gradient_checkpointing": False},
            "rollout": {
                "name": "pytorch", "n": recipe.group, "response_length": recipe.max_len,
                "temperature": recipe.temperature, "top_k": -1, "top_p": 1.0,
                "val_kwargs": {"do_sample": True, "n": VAL_SAMPLES, "temperature": 1.0, "top_p": 1.0},
            },
        },
        "algorithm": {
            "adv_estimator": "grpo", "gamma": 1.0, "lam": 1.0, "kl_penalty": "kl",
            "mask_truncated_samples": recipe.overlong_filter,
            "norm_adv_by_std_in_grpo": True, "use_kl_in_reward": False,
        },
        "data": {
            "max_prompt_length": 30, "max_response_length": recipe.max_len, "seed": seed, "shuffle": False,
            "train_batch_size": recipe.prompts, "truncation": "error", "val_batch_size": VAL_PROMPTS,
        },
        "trainer": {
            "default_local_dir": str(checkpoint_folder(recipe.name)), "device": "cpu",
            "experiment_name": recipe.name, "logger": ["console", "file"], "n_gpus_per_node": 0, "nnodes": 1,
            "project_name": PROJECT, "resume_from_path": None, "resume_mode": "auto", "save_freq": SAVE_EVERY,
            "test_freq": TEST_EVERY, "total_epochs": 1, "total_training_steps": recipe.batches,
            "val_before_train": True,
        },
    }  # fmt: skip


def _actor(recipe: Recipe) -> dict[str, Any]:
    return {
        "clip_ratio": recipe.clip_low, "clip_ratio_c": 3.0, "clip_ratio_high": recipe.clip_high,
        "clip_ratio_low": recipe.clip_low, "entropy_coeff": recipe.entropy_coef, "grad_clip": 1.0,
        "kl_loss_coef": 0.0, "loss_agg_mode": "token-mean",
        "optim": {"betas": [0.9, 0.99], "lr": recipe.rate, "lr_warmup_steps": 0, "weight_decay": 0.0},
        "policy_loss": {"loss_mode": "vanilla"}, "ppo_epochs": 1,
        "ppo_mini_batch_size": recipe.prompts // recipe.minibatches, "use_kl_loss": False,
    }  # fmt: skip


def dump(settings: dict[str, Any]) -> str:
    return pformat(settings, width=80)
