"""A verifiable task that one CPU core can learn: the running sum of lettered digits, modulo 5.

prompt      F3G4H1I2=
completion  F33G47H13I25#0     entries (letter, its digit, running sum), then '#', the answer, <eos>

A running sum v may be written v or v+5 (so 2 and 7 say the same): a choice of words that costs nothing, as in
real text, and without which the entropy of a policy that has learned would go to zero. Entries may stop early
(`F33#0`, or just `#0`): shorter, but the rest must be added in the head, which a tiny model can only guess
(chance 0.2). So longer reasoning earns more, and n letters in full cost 3n+3 tokens (12..45 for 3..14
letters), which a short context cuts off.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
VOCABULARY = ["<pad>", "<bos>", "<eos>", *"0123456789", *LETTERS, "=", "#"]
TOKEN = {text: number for number, text in enumerate(VOCABULARY)}
PAD, BOS, EOS = 0, 1, 2
MODULUS = 5
FEWEST, MOST = 3, 14
IGNORED = -100  # what cross-entropy skips


def make_prompt(rng: random.Random, letters: int | None = None) -> str:
    """Consecutive letters, each with a digit 0..4, closed by '='."""
    count = letters or rng.randint(FEWEST, MOST)
    first = rng.randrange(len(LETTERS))
    names = [LETTERS[(first + i) % len(LETTERS)] for i in range(count)]
    return "".join(f"{name}{rng.randrange(MODULUS)}" for name in names) + "="


def digits(prompt: str) -> list[int]:
    return [int(c) for c in prompt if c.isdigit()]


def spell(total: int, rng: random.Random) -> int:
    """One of the two digits that stand for a running sum."""
    return total % MODULUS + MODULUS * rng.randrange(2)


def demonstration(prompt: str, entries: int, rng: random.Random) -> str:
    """A right answer that writes down the first `entries` running sums and no more."""
    values = digits(prompt)
    written = [f"{prompt[2 * i : 2 * i + 2]}{spell(sum(values[: i + 1]), rng)}" for i in range(entries)]
    return "".join(written) + f"#{spell(sum(values), rng)}"


def reward(prompt: str, completion: str, finished: bool) -> float:
    """1 where the completion ended by itself on '#' and a right digit, else 0: cut off counts as wrong."""
    last = re.search(r"#(\d)$", completion)
    return float(finished and last is not None and int(last[1]) % MODULUS == sum(digits(prompt)) % MODULUS)


def encode(text: str) -> list[int]:
    return [TOKEN[c] for c in text]


def decode(ids: Sequence[int]) -> str:
    return "".join(VOCABULARY[i] for i in ids if i > EOS)


def warmup_batch(rng: random.Random, size: int, progress: float) -> tuple[list[list[int]], list[list[int]]]:
    """Right-padded token ids and labels, (size, width) each.

    Over progress 0..1: short prompts worked out in full, then all lengths, then the mixture of habits that
    reinforcement learning starts from.
    """
    longest = 6 + round((MOST - 6) * min(max(progress - 0.35, 0) / 0.3, 1))
    pairs = []
    for _ in range(size):
        prompt = make_prompt(rng, rng.randint(FEWEST, longest))
        entries = _habit(len(digits(prompt)), mixed=progress > 0.75, rng=rng)
        pairs.append(([BOS, *encode(prompt)], [*encode(demonstration(prompt, entries, rng)), EOS]))
    width = max(len(p) + len(c) for p, c in pairs)
    ids = [p + c + [PAD] * (width - len(p) - len(c)) for p, c in pairs]
    labels = [[IGNORED] * len(p) + c + [IGNORED] * (width - len(p) - len(c)) for p, c in pairs]
    return ids, labels


def _habit(letters: int, *, mixed: bool, rng: random.Random) -> int:
    """How many entries a demonstration writes. mixed: 20 % all, 30 % none, 50 % any; else 95 % all."""
    share = rng.random()
    if share < (0.2 if mixed else 0.95):
        return letters
    return 0 if share > 0.7 else rng.randrange(letters)
