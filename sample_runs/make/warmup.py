"""Supervised warm-up: the start of every run. Writes checkpoints/warmup/policy.pt (2 minutes of CPU)."""

from __future__ import annotations

import argparse
import math
import random
from pathlib import Path

import task
import torch
import torch.nn.functional as F
from policy import Policy, evaluate

OUT = Path("checkpoints/warmup")
PEAK_RATE, BATCH = 2e-3, 64


def rate(step: int, steps: int) -> float:
    """Linear start, cosine end."""
    return PEAK_RATE * min(step / 50, 1) * 0.5 * (1 + math.cos(math.pi * step / steps))


def train(steps: int) -> Policy:
    torch.manual_seed(0)
    policy, rng = Policy(), random.Random(0)
    optimizer = torch.optim.AdamW(policy.parameters(), weight_decay=0.0, betas=(0.9, 0.98))
    for step in range(1, steps + 1):
        optimizer.param_groups[0]["lr"] = rate(step, steps)
        ids, labels = map(torch.tensor, task.warmup_batch(rng, BATCH, step / steps))
        logits = policy(ids, (ids != task.PAD).long())[:, :-1]
        loss = F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=task.IGNORED)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0:
            score, cut, length = evaluate(policy, 48, 256)
            print(
                f"warm-up {step} loss {loss.item():.3f} score {score:.3f} length {length:.1f} cut {cut:.3f}",
                flush=True,
            )
    return policy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    OUT.mkdir(parents=True, exist_ok=True)
    torch.save(train(parser.parse_args().steps).state_dict(), OUT / "policy.pt")
