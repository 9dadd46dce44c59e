"""GRPO+ in plain PyTorch on one CPU core, logging as verl does. All paths are relative: use an own folder.

    python torch_runs.py grpo_plus >> verl/grpo_plus/train.log 2>&1

Killed at any moment and started again, it goes on from its last checkpoint: the steps since then are trained
again, on the same prompts but with other dice, as a rollout engine's are not part of a checkpoint.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import task
import torch
from policy import Policy, Rollouts, evaluate, generate, load, ragged, token_logprobs
from recipes import VERL, Recipe, find
from torch import Tensor
from verl_log import (
    SAVE_EVERY,
    SOURCE,
    TEST_EVERY,
    VAL_PROMPTS,
    VAL_SAMPLES,
    Tracking,
    checkpoint_folder,
    config,
    dump,
)

DUAL_CLIP = 3.0
TOKENS_EVERY = 4  # rollout batches between those whose tokens are kept
WITH_TOKENS = ("grpo_plus",)


@dataclass(frozen=True)
class Batch:
    """One batch of rollouts with what the loss needs. loss_mask: the response mask less what was overlong."""

    prompts: list[str]
    rollouts: Rollouts
    rewards: Tensor
    advantages: Tensor
    old: Tensor
    entropy: Tensor
    loss_mask: Tensor
    group: int


class Stopwatch:
    """Seconds per stage, under verl's `timing_s/` names."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[f"timing_s/{stage}"], self.last = now - self.last, now


def group_advantages(rewards: Tensor, group: int) -> Tensor:
    """(r - mean) / std within each group (GRPO, DeepSeekMath 2024); 0 where a group is of one opinion."""
    g = rewards.view(-1, group)
    return ((g - g.mean(1, keepdim=True)) / (g.std(1, keepdim=True) + 1e-6)).flatten()


def collect(policy: Policy, recipe: Recipe, step: int, dice: torch.Generator, watch: Stopwatch) -> Batch:
    rng = random.Random(
        f"{recipe.seed}/{step}"
    )  # the data order belongs to the step, so a restart sees it again
    prompts = [p for p in (task.make_prompt(rng) for _ in range(recipe.prompts)) for _ in range(recipe.group)]
    rollouts = generate(policy, prompts, recipe.max_len, dice, recipe.temperature)
    watch.lap("gen")
    rewards = rollouts.rewards(prompts)
    watch.lap("reward")
    with torch.no_grad():
        old, entropy = token_logprobs(policy, rollouts, slice(None), recipe.temperature)
    watch.lap("old_log_prob")
    advantages = group_advantages(rewards, recipe.group)
    kept = rollouts.finished[:, None] if recipe.overlong_filter else True
    watch.lap("adv")
    return Batch(prompts, rollouts, rewards, advantages, old, entropy, rollouts.mask * kept, recipe.group)


def clipped_loss(
    new: Tensor, old: Tensor, advantage: Tensor, mask: Tensor, r: Recipe
) -> tuple[Tensor, dict[str, Tensor]]:
    """verl's policy loss (token mean, raised upper bound, dual clip) and its shares of clipped tokens."""
    count = mask.sum().clamp(min=1)

    def mean(x: Tensor) -> Tensor:
        return (x * mask).sum() / count

    ratio = (new - old).exp()
    plain, clipped = -advantage * ratio, -advantage * ratio.clamp(1 - r.clip_low, 1 + r.clip_high)
    either, bound = torch.maximum(plain, clipped), -advantage * DUAL_CLIP
    loss = torch.where(advantage < 0, torch.minimum(bound, either), either)
    shares = {
        "actor/pg_loss": mean(loss),
        "actor/pg_clipfrac": mean(clipped > plain),  # both sides together
        "actor/ppo_kl": mean(old - new),
        "actor/pg_clipfrac_lower": mean(
            (either > bound) & (advantage < 0)
        ),  # the dual clip, not the lower bound
    }
    return mean(loss), shares


def update(
    policy: Policy, optimizer: torch.optim.Optimizer, b: Batch, r: Recipe, dice: torch.Generator
) -> dict[str, Any]:
    """One pass over the batch in mini-batches; the mean of what each of them reported."""
    rows: list[dict[str, float]] = []
    for idx in torch.randperm(len(b.prompts), generator=dice).chunk(r.minibatches):
        mask = b.loss_mask[idx].float()
        new, entropy = token_logprobs(policy, b.rollouts, idx, r.temperature)
        loss, shares = clipped_loss(new, b.old[idx], b.advantages[idx, None], mask, r)
        bonus = (entropy * mask).sum() / mask.sum().clamp(min=1)
        optimizer.zero_grad()
        (loss - r.entropy_coef * bonus).backward()
        norm = torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        rows.append(
            {k: v.item() for k, v in shares.items()} | {"actor/grad_norm": norm.item(), "actor/lr": r.rate}
        )
    return {key: np.mean([row[key] for row in rows]) for key in rows[0]}


def spread(name: str, values: Tensor) -> dict[str, float]:
    v = values.float()
    return {f"{name}/mean": v.mean().item(), f"{name}/max": v.max().item(), f"{name}/min": v.min().item()}


def describe(b: Batch) -> dict[str, Any]:
    """verl's data metrics. Advantages are per token there, so that a long answer weighs more."""
    lengths, prompt_lengths = b.rollouts.lengths(), b.rollouts.prompt_mask.sum(1)
    per_token = b.advantages[:, None].expand_as(b.old)[b.rollouts.mask.bool()]
    return {
        **spread("critic/score", b.rewards),
        **spread("critic/rewards", b.rewards),
        **spread("critic/advantages", per_token),
        **spread("critic/returns", per_token),
        **spread("response_length", lengths),
        "response_length/clip_ratio": 1 - b.rollouts.finished.float().mean().item(),
        "response/aborted_ratio": 0.0,
        **spread("prompt_length", prompt_lengths),
        "prompt_length/clip_ratio": 0.0,
    }


def groups(b: Batch) -> dict[str, int]:
    """Counts as DeepCoder logs them, and one more: responses that the overlong filter masked out."""
    right = b.rewards.view(-1, b.group).sum(1)
    none, every = int((right == 0).sum()), int((right == b.group).sum())
    return {
        "batch/solve_none": none,
        "batch/solve_all": every,
        "batch/solve_partial": len(right) - none - every,
        "batch/overlong_masked": int((b.loss_mask.sum(1) == 0).sum()),
    }


def speed(b: Batch, seconds: dict[str, float]) -> dict[str, Any]:
    responses = int(b.rollouts.mask.sum())
    tokens = responses + int(b.rollouts.prompt_mask.sum())
    step = sum(
        v for k, v in seconds.items() if not k.endswith("testing")
    )  # verl leaves validation out of the step
    return {
        **seconds,
        "timing_s/step": step,
        "timing_per_token_ms/gen": 1000 * seconds["timing_s/gen"] / responses,
        "timing_per_token_ms/update_actor": 1000 * seconds["timing_s/update_actor"] / tokens,
        "perf/total_num_tokens": tokens,
        "perf/time_per_step": step,
        "perf/throughput": tokens / step,
    }


def validate(policy: Policy, recipe: Recipe) -> dict[str, Any]:
    """Held-out prompts at the training context, as verl's validation does."""
    score, cut, length = evaluate(policy, recipe.max_len, VAL_PROMPTS, VAL_SAMPLES)
    return {
        f"val-core/{SOURCE}/acc/mean@{VAL_SAMPLES}": np.float64(score),
        f"val-aux/{SOURCE}/truncated/mean@{VAL_SAMPLES}": np.float64(cut),
        f"val-aux/{SOURCE}/response_length/mean@{VAL_SAMPLES}": np.float64(length),
    }


def keep_tokens(b: Batch, recipe: Recipe, step: int) -> None:
    """Every rollout of this step, masked or not, with id, log-probability and entropy of each token."""
    lengths = b.rollouts.lengths()
    table = pd.DataFrame(
        {
            "step": step,
            "group": [i // recipe.group for i in range(len(b.prompts))],
            "prompt": b.prompts,
            "completion": b.rollouts.texts(),
            "reward": b.rewards.tolist(),
            "advantage": b.advantages.tolist(),
            "truncated": (~b.rollouts.finished).tolist(),
            "masked": (b.loss_mask.sum(1) == 0).tolist(),
            "token_ids": ragged(b.rollouts.ids, lengths, np.int16),
            "logprobs": ragged(b.old, lengths, np.float32),
            "entropies": ragged(b.entropy, lengths, np.float32),
        }
    )
    folder = Path("tokens/verl", recipe.name)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / f"{step:05d}.parquet")


def save(policy: Policy, optimizer: torch.optim.Optimizer, recipe: Recipe, step: int) -> None:
    folder = checkpoint_folder(recipe.name) / f"global_step_{step}"
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(policy.state_dict(), folder / "policy.pt")
    torch.save(optimizer.state_dict(), folder / "optimizer.pt")
    (folder.parent / "latest_checkpointed_iteration.txt").write_text(str(step))


def latest(name: str) -> Path | None:
    """The folder of a run's last complete checkpoint."""
    pointer = checkpoint_folder(name) / "latest_checkpointed_iteration.txt"
    return pointer.parent / f"global_step_{pointer.read_text()}" if pointer.exists() else None


def resume(policy: Policy, optimizer: torch.optim.Optimizer, folder: Path | None, log: Tracking) -> int:
    """The step of the checkpoint that was loaded, 0 where there is none."""
    if folder is None:
        log.say("Training from scratch")
        return 0
    policy.load_state_dict(torch.load(folder / "policy.pt", weights_only=True))
    optimizer.load_state_dict(torch.load(folder / "optimizer.pt", weights_only=True))
    step = int(folder.name.rpartition("_")[2])
    log.say(f"Load from checkpoint folder: {folder}\nSetting global step to {step}\nResuming from {folder}")
    return step


def train_step(
    policy: Policy, optimizer: torch.optim.Optimizer, r: Recipe, step: int, dice: torch.Generator
) -> dict[str, Any]:
    """Collect, update, validate and save where due: the row of this step."""
    watch = Stopwatch()
    b = collect(policy, r, step, dice, watch)
    trained = update(policy, optimizer, b, r, dice)
    watch.lap("update_actor")
    last = step == r.batches
    validated = validate(policy, r) if step % TEST_EVERY == 0 or last else {}
    if validated:
        watch.lap("testing")
    if step % SAVE_EVERY == 0 or last:
        save(policy, optimizer, r, step)
        watch.lap("save_checkpoint")
    if r.name in WITH_TOKENS and (step % TOKENS_EVERY == 0 or step == 1):
        keep_tokens(b, r, step)
    entropy = (b.entropy * b.rollouts.mask).sum() / b.rollouts.mask.sum()
    return {
        "actor/entropy": entropy.item(),
        **trained,
        **validated,
        "training/global_step": step,
        "training/epoch": 0,
        **describe(b),
        **groups(b),
        **speed(b, watch.seconds),
    }


def run(recipe: Recipe) -> None:
    begun = latest(recipe.start)
    start = begun / "policy.pt" if begun else Path("checkpoints", recipe.start, "policy.pt")
    policy = load(start)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=recipe.rate, weight_decay=0.0, betas=(0.9, 0.99))
    checkpoint = latest(recipe.name)
    first = int(checkpoint.name.rpartition("_")[2]) if checkpoint else 0
    log = Tracking(recipe, first)
    log.say(dump(config(recipe, str(start.parent), recipe.seed)))
    log.say(f"Total training steps: {recipe.batches}")
    resume(policy, optimizer, checkpoint, log)
    dice = torch.Generator().manual_seed(1000 * recipe.seed + first)
    initial = validate(policy, recipe)
    log.say(dump(f"Initial validation metrics: {initial}"))
    log.log(first, initial)
    for step in range(first + 1, recipe.batches + 1):
        log.log(step, train_step(policy, optimizer, recipe, step, dice))
        log.progress(step)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=[r.name for r in VERL])
    run(find(VERL, parser.parse_args().name))
