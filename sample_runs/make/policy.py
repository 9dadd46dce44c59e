"""A Llama of 0.1 million weights in plain PyTorch, with the parameter names of transformers' Llama.

So one warm-up serves both trainers, and one evaluation serves the checkpoints of both.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import task
import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH, HIDDEN, LAYERS, HEADS, EPS, ROPE_BASE = 64, 192, 2, 4, 1e-6, 10000.0
Cache = list[tuple[Tensor, Tensor] | None]


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Rotary positions on (batch, heads, tokens, size), angles (batch, 1, tokens, size / 2)."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (
            nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4)
        )

    def forward(self, x: Tensor, angles: Tensor, visible: Tensor, cache: Cache | None, layer: int) -> Tensor:
        q, k, v = (
            p(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(q, angles), rotate(k, angles)
        if cache is not None:
            if (past := cache[layer]) is not None:
                k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
            cache[layer] = k, v
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible)
        return self.o_proj(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = (nn.Linear(WIDTH, HIDDEN, bias=False) for _ in range(2))
        self.down_proj = nn.Linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(WIDTH, eps=EPS)
        self.self_attn = Attention()
        self.post_attention_layernorm = nn.RMSNorm(WIDTH, eps=EPS)
        self.mlp = FeedForward()

    def forward(self, x: Tensor, angles: Tensor, visible: Tensor, cache: Cache | None, layer: int) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), angles, visible, cache, layer)
        return x + self.mlp(self.post_attention_layernorm(x))


class Policy(nn.Module):
    """Logits (batch, tokens, vocabulary) for ids; mask covers cached and new tokens, (batch, total)."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.ModuleDict(
            {
                "embed_tokens": nn.Embedding(len(task.VOCABULARY), WIDTH),
                "layers": nn.ModuleList(Layer() for _ in range(LAYERS)),
                "norm": nn.RMSNorm(WIDTH, eps=EPS),
            }
        )
        nn.init.normal_(self.model["embed_tokens"].weight, std=0.02)
        size = WIDTH // HEADS
        self.register_buffer("speed", ROPE_BASE ** (-torch.arange(0, size, 2) / size), persistent=False)

    def forward(self, ids: Tensor, mask: Tensor, cache: Cache | None = None) -> Tensor:
        new, total = ids.shape[1], mask.shape[1]
        position = (mask.cumsum(1) - 1).clamp(min=0)[:, -new:]
        angles = (position[..., None] * self.speed)[:, None]
        visible = mask[:, None, None, :].bool()
        if new > 1:
            visible = visible & torch.ones(new, total, dtype=torch.bool).tril(total - new)
            visible = visible | torch.eye(
                new, total, dtype=torch.bool
            )  # a padded row must see something: itself
        x = self.model["embed_tokens"](ids)
        for i, layer in enumerate(self.model["layers"]):
            x = layer(x, angles, visible, cache, i)
        return self.model["norm"](x) @ self.model["embed_tokens"].weight.T


@dataclass(frozen=True)
class Rollouts:
    """Sampled completions. Masks are 1 on real tokens; prompts are padded on the left."""

    prompt_ids: Tensor
    prompt_mask: Tensor
    ids: Tensor
    mask: Tensor
    finished: Tensor

    def texts(self) -> list[str]:
        return [task.decode(row) for row in self.ids.tolist()]

    def rewards(self, prompts: list[str]) -> Tensor:
        triples = zip(prompts, self.texts(), self.finished.tolist(), strict=True)
        return torch.tensor([task.reward(*triple) for triple in triples])

    def lengths(self) -> Tensor:
        return self.mask.sum(1)


@torch.no_grad()
def generate(
    policy: Policy, prompts: list[str], limit: int, dice: torch.Generator, temperature: float = 1.0
) -> Rollouts:
    """One completion per prompt, of at most `limit` tokens (<eos> counts)."""
    rows = [[task.BOS, *task.encode(p)] for p in prompts]
    width = max(map(len, rows))
    prompt_ids = torch.tensor([[task.PAD] * (width - len(r)) + r for r in rows])
    prompt_mask = (prompt_ids != task.PAD).long()
    ids, mask, cache, sampled = prompt_ids, prompt_mask, [None] * LAYERS, []
    finished = torch.zeros(len(rows), dtype=torch.bool)
    while len(sampled) < limit and not finished.all():
        chances = (policy(ids, mask, cache)[:, -1] / temperature).softmax(-1)
        ids = torch.multinomial(chances, 1, generator=dice).masked_fill(finished[:, None], task.PAD)
        sampled.append(ids)
        finished = finished | (ids[:, 0] == task.EOS)
        mask = torch.cat([mask, torch.ones_like(ids)], 1)
    completion = torch.cat(sampled, 1)
    ended = (completion == task.EOS).int().argmax(1) + 1
    lengths = torch.where(finished, ended, completion.shape[1])
    real = (torch.arange(completion.shape[1]) < lengths[:, None]).long()
    return Rollouts(prompt_ids, prompt_mask, completion, real, finished)


def token_logprobs(
    policy: Policy, r: Rollouts, rows: Tensor | slice, temperature: float
) -> tuple[Tensor, Tensor]:
    """Log-probability of each sampled token and exact entropy of its distribution, nats, (rows, tokens)."""
    ids = torch.cat([r.prompt_ids[rows], r.ids[rows]], 1)
    mask = torch.cat([r.prompt_mask[rows], r.mask[rows]], 1)
    logits = policy(ids, mask)[:, r.prompt_ids.shape[1] - 1 : -1] / temperature
    logp = logits.log_softmax(-1)
    return logp.gather(2, r.ids[rows][..., None])[..., 0], -(logp.exp() * logp).sum(-1)


def ragged(values: Tensor, lengths: Tensor, kind: type[np.generic]) -> list[np.ndarray]:
    """Rows of (rows, tokens) cut to their lengths, for a list column of a table."""
    table = values.numpy().astype(kind)
    return [row[:n] for row, n in zip(table, lengths.tolist(), strict=True)]


def evaluate(
    policy: Policy, limit: int, questions: int, samples: int = 1, seed: int = 12345
) -> tuple[float, float, float]:
    """(score, truncated fraction, mean response length) on held-out prompts, temperature 1."""
    rng, dice = random.Random(seed), torch.Generator().manual_seed(seed)
    prompts = [task.make_prompt(rng) for _ in range(questions)] * samples
    rollouts = generate(policy, prompts, limit, dice)
    cut = 1 - rollouts.finished.float().mean().item()
    return rollouts.rewards(prompts).mean().item(), cut, rollouts.lengths().float().mean().item()


def load(path: Path) -> Policy:
    """A policy from a file of weights, ours (policy.pt) or transformers' (model.safetensors)."""
    if path.suffix == ".pt":
        weights = torch.load(path, weights_only=True)
    else:
        from safetensors.torch import load_file

        weights = load_file(path)
    weights.pop("lm_head.weight", None)  # tied to the embedding
    policy = Policy()
    policy.load_state_dict(weights)
    return policy
