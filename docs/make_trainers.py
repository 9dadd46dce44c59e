"""Writes docs/trainers.md from the tables of names: `python docs/make_trainers.py`. A test holds the page to the code."""
# ruff: noqa: E501 - the rows of a table

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from collectors import names
from collectors.names import Table
from db.quantities import quantity

PAGE = Path(__file__).with_name("trainers.md")
VERL = "verl-console verl-jsonl tensorboard wandb"
READ: dict[str, tuple[str, str]] = {
    "verl": (VERL, "Console of every version (three decimals up to v0.4.1, `np.float64(…)` since v0.5), the `file` logger, "
             "TensorBoard; the config that it prints, `.hydra/config.yaml`."),
    "verl-v1": (VERL, "The V1 trainer (default since v0.9), told by `training/num_turns/*` and `training/off_policy/*`."),
    "deepcoder": ("verl-console", "DeepScaleR and DeepCoder: one run per context stage, each from step 1; `stepwell link` "
                  "joins them where the config does not say."),
    "rllm": (VERL, "rLLM where the log does not tell which trainer: whether `batch/solve_*` are counts stays open."),
    "rllm-agent": (VERL, "`agent_ppo_trainer` of 0.1 to 0.2: `batch/solve_*` are counts."),
    "rllm-tasks": (VERL, "The workflow and unified trainers (0.2 on): `batch/solve_*` are shares of tasks."),
    "trl": ("trl-state trl-console tensorboard json-rows notebook wandb", "`trainer_state.json`, the console's dicts (numbers, or "
            "numbers as text), TensorBoard with its `args`, the table that a notebook keeps; `training_args.txt`."),
    "ms-swift": ("plain-jsonl tensorboard wandb", "`logging.jsonl` with steps such as \"12/500\"; `args.json`."),
    "openrlhf": ("openrlhf-console tensorboard wandb", "TensorBoard and the Ray console's `Global step` dicts."),
    "nemo-rl": ("tensorboard nemo-rl-console wandb", "TensorBoard, `config.yaml`; the console's results, times and speed, rounded "
                "as printed, with the config that it prints; `train_data_step*.jsonl` are rollouts, not metrics."),
    "prime-rl": ("plain-jsonl step-lines wandb", "`metrics.jsonl`, several rows a step; the `Step N | …` lines of `trainer.log` and "
                 "`orchestrator.log`, rounded as printed; `configs/` of every process."),
    "slime": ("slime-console tensorboard wandb", "The console's `rollout N: {…}` and `perf N: {…}`, TensorBoard of every "
              "process; the command line in `wandb-metadata.json`."),
    "areal": ("areal-console tensorboard wandb", "The console's table, TensorBoard; `config.yaml`."),
    "skyrl": ("skyrl-console tensorboard wandb", "The console's `Step N:` dict, TensorBoard."),
    "easyr1": ("easyr1-console plain-jsonl tensorboard wandb", "`experiment_log.jsonl`, the console's nested YAML; "
               "`experiment_config.json`."),
    "roll": ("roll-log tensorboard wandb", "JSON inside the logs of the ranks; history replayed on resume is not doubled."),
    "open-instruct": ("wandb tensorboard", "W&B's offline file."),
    "tinker": ("plain-jsonl wandb", "`metrics.jsonl` and `config.json` in `log_path`."),
    "deepspeed-chat": ("deepspeed-chat", "The two-line text of step 3."),
    "handwritten": ("plain-jsonl plain-csv json-rows step-lines tensorboard", "JSONL, CSV, TensorBoard or lines of text "
                    "(`Step 12 | loss 0.53 | reward: 0.21`, MiniMind's, torchtune's) with names that no trainer above writes."),
}  # fmt: skip
"""Table of names -> the containers that it comes in, and what is read."""

MIND = (
    "reward_mean", "score_mean", "entropy_token_mean", "entropy_estimate", "response_length_mean", "truncation_fraction",
    "clip_fraction_total", "clip_fraction_low", "clip_fraction_dual", "kl_policy_old", "kl_ref", "grad_norm",
    "group_all_wrong_fraction", "group_all_wrong_count", "group_zero_std_fraction", "mismatch_kl",
)  # fmt: skip
"""The quantities whose caveats stand on the page."""

HEAD = """\
# Trainers: what is read, what to switch on, what to mind

Container and names are told apart: a reader per container (`collectors/formats/`) and a table of names per trainer
(`collectors/trainers/`), whatever container they came in. `stepwell doctor PATH` says the same of a folder of yours: what
was recognised and why, which quantities are missing and which setting logs them, which names have no meaning yet.

Names of your own stand in `stepwell.toml`, and go before a trainer's:

```toml
[quantities]
"my/entropy" = "entropy_token_mean"
"rollout/cut_pct" = { is = "truncation_fraction", unit = "percent", scale = 0.01, caveat = "Before filtering." }
'^eval/aime\\d+$' = "val_score"          # what begins with ^ is a pattern
```

| trainer | table | containers | what is read | switch on |
|---|---|---|---|---|
"""

TRACKERS = """\
## Trackers

| tracker | argument | what is read |
|---|---|---|
| MLflow | `mlflow:URI`, `mlruns/`, `mlflow.db` | every run of every experiment, params as its config; not what Stepwell itself copied there, not `system/…` |
| trackio | a project's `.db`, or the folder of them | every run and its config |
| SwanLab | a local-mode folder with `runs.swanlab`, or the folder of its `swanlog/` | every run and its config; not media, not `__swanlab__.…`; what runs in cloud mode leave (`backup.swanlab`) is not read |
| W&B | `run-*.wandb` (offline), `output.log` | history and config; lines that W&B cut at 4096 characters lose their last value |

A run that was logged twice under one name is one run with two attempts; SwanLab numbers such names itself (`grpo-2`), and
replaces a step that is logged again: what was there before is known only where it had been read.
"""


def page() -> str:
    rows = [_row(names.table(trainer)) for trainer in READ]
    minds = [text for name in MIND if (text := _caveats(name))]
    return (
        HEAD
        + "\n".join(rows)
        + "\n\n"
        + TRACKERS
        + "\n## What a number does not tell\n\nThe caveat is kept with the metric and shown with it.\n\n"
        + "\n".join(minds)
    )


def _row(table: Table) -> str:
    containers, read = READ[table.trainer]
    listed = ", ".join(f"`{one}`" for one in containers.split())
    how = table.how["log"].replace("<", "&lt;")
    return f"| {table.header.about} | `{table.trainer}` | {listed} | {read} | {how} |"


def _caveats(name: str) -> str:
    known = quantity(name)
    assert known is not None
    rows = [row for trainer in READ for row in _held(names.table(trainer), name)]
    if not rows:
        return ""
    return f"### {known.label}: `{name}`\n\n| trainer | name | caveat |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _held(table: Table, name: str) -> Iterator[str]:
    """The preferred name of a quantity in this table, where it has a caveat that the elder's table has not."""
    found = {raw: names.understand(table.trainer, raw) for raw in _examples(table)}
    mine = [(meaning.rank, raw) for raw, meaning in found.items() if meaning.quantity == name]
    if not mine:
        return
    raw = min(mine)[1]
    caveat, elder = found[raw].caveat, table.header.extends
    if caveat and not (elder and names.understand(elder, raw).caveat == caveat):
        yield f"| {table.header.about} | `{raw}` | {caveat} |"


def _examples(table: Table) -> Iterator[str]:
    """A name for each entry; of a pattern the first of its alternatives."""
    yield from table.names
    for pattern in table.patterns:
        plain = re.sub(r"\(\?P<\w+>", "(", pattern.text.strip("^$"))
        plain = re.sub(r"\(([\w@]+)(?:\|[^()]*)?\)\??", r"\1", plain)
        plain = re.sub(r"\((?:\[\^/\]|\.)\+\)|\[\^/\]\+", "x", plain).replace(r"\d+", "8").replace("\\", "")
        if re.fullmatch(r"[\w/@.\-]+", plain):
            yield plain


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
