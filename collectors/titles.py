"""What a config calls its run and its project, where the log itself has no name for them.

verl, rLLM, EasyR1: trainer.project_name, trainer.experiment_name · SkyRL: trainer.run_name · OpenRLHF and NeMo-RL:
logger.wandb.… · TRL: run_name (but not where it only repeats output_dir, as transformers fills it in) · slime,
prime-rl, open-instruct: wandb's · AReaL: experiment_name and trial_name · ROLL: exp_name
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from collectors.discover import Identity

PROJECT = (
    "trainer.project_name", "rllm.trainer.project_name", "logger.wandb.project", "wandb.project", "wandb_project",
    "wandb_project_name", "tb_project_name", "swanlab_project", "trackio_project", "project_name",
)  # fmt: skip
RUN = (
    "trainer.experiment_name", "rllm.trainer.experiment_name", "trainer.run_name", "logger.wandb.run_name",
    "logger.wandb.name", "wandb.name", "wandb_run_name", "wandb_exp_name", "tb_experiment_name", "swanlab_exp_name",
    "exp_name", "run_name",
)  # fmt: skip
TRIAL = ("experiment_name", "trial_name")
WRAPPERS = ("", "args.", "config.", "hparams.")
LONGEST = 200


def of(config: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """(project, run) of a flat config; None for what it does not say."""
    return _first(config, PROJECT), _first(config, RUN) or _trial(config)


def completed(who: Identity, config: Mapping[str, Any], *, project: bool, run: bool) -> Identity:
    """The identity with the config's names in place of those that only the folder gave it. The place stays: what
    belongs together is told by where it lies."""
    named, title = of(config)
    return Identity(named if project and named else who.project, title if run and title else who.run, who.place)


def _first(config: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    every = (_word(config.get(wrapper + key), config, wrapper) for key in keys for wrapper in WRAPPERS)
    return next((word for word in every if word), None)


def _trial(config: Mapping[str, Any]) -> str | None:
    told = [_word(config.get(key), config, "") for key in TRIAL]
    return "/".join(word for word in told if word) or None


def _word(value: Any, config: Mapping[str, Any], wrapper: str) -> str | None:
    """A name that says something: no null, no unresolved `${…}`, not the output folder once more."""
    if not isinstance(value, str) or "${" in value or value == config.get(f"{wrapper}output_dir"):
        return None
    text = value.strip()
    return text if text.lower() not in ("", "none", "null") and len(text) <= LONGEST else None
