"""What is run, with which settings. A stage has its own seed, so that no two stages see the same prompts."""

from __future__ import annotations

from dataclasses import dataclass, replace

CONTEXTS = (24, 36, 48, 64)  # evaluation limits, tokens; nothing was trained at 64


@dataclass(frozen=True)
class Recipe:
    """One run. start: the run whose last checkpoint it begins with. group: completions per prompt."""

    name: str
    start: str = "warmup"
    max_len: int = 48
    batches: int = 48
    prompts: int = 16
    group: int = 8
    minibatches: int = 4
    rate: float = 1.5e-4
    clip_low: float = 0.2
    clip_high: float = 0.28
    entropy_coef: float = 0.0
    overlong_filter: bool = True
    temperature: float = 1.0
    seed: int = 1

    @property
    def completions(self) -> int:
        """Per rollout batch."""
        return self.prompts * self.group


VERL = [
    Recipe("grpo_plus", batches=48, seed=11),
    Recipe("stage1_24", max_len=24, batches=36, seed=12),
    Recipe("stage2_36", start="stage1_24", max_len=36, batches=36, seed=13),
    Recipe("stage3_48", start="stage2_36", max_len=48, batches=30, seed=14),
    Recipe("entropy_bonus", batches=44, entropy_coef=0.2, seed=15),
]

# Several settings at once were needed for a collapse: it must not be put down to any single one of them.
COLLAPSE = Recipe("entropy_collapse", batches=120, prompts=4, group=4, rate=4e-4, clip_high=0.05, temperature=0.8)

TRL = [
    Recipe("grpo_plus_48", batches=40, seed=21),
    Recipe("stage1_24", max_len=24, batches=28, seed=22),
    Recipe("stage2_36", start="stage1_24", max_len=36, batches=28, seed=23),
    Recipe("stage3_48", start="stage2_36", max_len=48, batches=28, seed=24),
    Recipe("no_overlong_24", max_len=24, batches=28, overlong_filter=False, seed=25),
    Recipe("entropy_bonus", batches=48, entropy_coef=0.2, seed=26),
    replace(COLLAPSE, seed=27),
]


def find(recipes: list[Recipe], name: str) -> Recipe:
    """Raises KeyError for a run that nobody described."""
    return {r.name: r for r in recipes}[name]
