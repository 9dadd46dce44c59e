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


STAGE = Recipe("stage", batches=30, prompts=24, rate=1e-4)  # lengths and rate chosen after pilot runs

VERL = [
    Recipe("grpo_plus", seed=11),
    replace(STAGE, name="stage1_24", max_len=24, seed=12),
    replace(STAGE, name="stage2_36", start="stage1_24", max_len=36, seed=13),
    replace(STAGE, name="stage3_48", start="stage2_36", seed=14),
    Recipe("entropy_bonus", batches=64, entropy_coef=0.25, seed=16),
]

TRL = [
    Recipe("grpo_plus_48", batches=40, seed=21),
    replace(STAGE, name="stage1_24", max_len=24, seed=22),
    replace(STAGE, name="stage2_36", start="stage1_24", max_len=36, seed=23),
    replace(STAGE, name="stage3_48", start="stage2_36", seed=24),
    replace(STAGE, name="no_overlong_24", max_len=24, overlong_filter=False, seed=22),
    Recipe("entropy_bonus", start="grpo_plus_48", batches=64, entropy_coef=0.35, seed=26),
    # the entropy bonus with a wrong sign
    Recipe("entropy_collapse", batches=120, prompts=8, entropy_coef=-0.2, seed=27),
]


def find(recipes: list[Recipe], name: str) -> Recipe:
    """Raises KeyError for a run that nobody described."""
    return {r.name: r for r in recipes}[name]
