"""NeMo-RL's console: after each step the results, the times and the speed, as points of a list, rounded.

========================= Step 12/500 =========================
▶ Starting validation at step 12...
📊 Validation Results:
    • Accuracy: 0.4120
📊 Training Results:
  • Loss: 0.0123
  • Mean Generation Length: 812.5000
⏱️  Timing:
  • Total step time: 61.20s
  • policy_training: 30.10s (49.2%)
🔍 Performance Metrics:
  • Throughputs (per GPU):
    - E2E (Tokens/sec/gpu): 1480.50

A label gets the name under which NeMo-RL logs the same number elsewhere, and its unit: shares are printed in percent.
Steps count from 1, in each epoch anew: here they go on where the epoch before has ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from collectors.console import Entry, Grammar, Next, could_hold, entries, read_entries
from collectors.contract import Memory, Part, Sample, Unread
from collectors.lines import Records, evaluation_only, number, step_of
from collectors.printed_config import gather

NAME = "nemo-rl-console"
WHOLE = False
RUN_PER_FILE = True
TRAINER = "nemo-rl"

OPENING = re.compile(
    rb"={5,} (?P<unit>Step|Epoch) (?P<at>\d{1,18})/(?P<of>\d{1,18}) ={5,}"
    rb"|Starting validation at step (?P<validated>\d{1,18})\b"
    rb"|(?P<what>Training|Validation) Results(?: for [^\n:]{1,80})?:\s*$"
)
HINT = re.compile(rb"={5,} (?:Step|Epoch) \d|Starting validation at|(?:Training|Validation) Results")
CONFIG = re.compile(rb"\{'(?:checkpointing|cluster)': ")
POINT = re.compile(r"\s*(?:•|-) ([^:]{1,120}): (.+)")
TIMING, SPEED = "Timing:", "Performance Metrics:"
VALUE = re.compile(r"(-?(?:[\d.]+(?:e[-+]?\d+)?|nan|inf))\s*(%|s|tokens|steps|TFLOPS)?\s*(?:\((.*)\))?\s*$")
PER_RANK = re.compile(r"([\d.]+) TFLOPS per rank")

TRAINING = {
    "Loss": "train/loss", "Draft Loss": "train/draft_loss", "Generation KL Error": "train/gen_kl_error",
    "Avg Reward": "train/reward", "Avg Total Reward": "train/reward", "Avg Filtered Reward": "train/filtered_reward",
    "Mean Generation Length": "train/mean_gen_tokens_per_sample", "Buffer Size": "train/buffer_size",
    "Avg Trajectory Age": "train/avg_trajectory_age",
}  # fmt: skip
VALIDATION = {
    "Accuracy": "validation/accuracy", "Average response length": "validation/avg_length",
    "Samples processed": "validation/num_samples", "Total validation time": "timing/validation/total_validation_time",
}  # fmt: skip
SPEEDS = {
    "Mean Total Tokens per Sample": "train/mean_total_tokens_per_sample",
    "Average Token Imbalance": "performance/average_token_imbalance",
    "Training Worker Idle Time Ratio": "performance/training_worker_idle_time_ratio",
    "Training FLOPS": "performance/train_flops_per_gpu",
    "Training Model Floating Point Utilization": "performance/train_fp_utilization",
    "E2E (Samples/sec/gpu)": "performance/samples_per_sec_per_gpu",
    "E2E (Tokens/sec/gpu)": "performance/tokens_per_sec_per_gpu",
    "Policy Training (Tokens/sec/gpu)": "performance/policy_training_tokens_per_sec_per_gpu",
    "Policy and Reference Logprobs (Tokens/sec/gpu)":
        "performance/policy_and_reference_logprobs_tokens_per_sec_per_gpu",
    "Training Worker Group (Tokens/sec/gpu)": "performance/training_worker_group_tokens_per_sec_per_gpu",
    "Generation Worker Group (Tokens/sec/gpu)": "performance/generation_tokens_per_sec_per_gpu",
    "E2E (Samples/sec)": "performance/samples_per_sec", "E2E (Tokens/sec)": "performance/tokens_per_sec",
    "Training Worker Group (Tokens/sec)": "performance/training_worker_group_tokens_per_sec",
    "Generation Worker Group (Tokens/sec)": "performance/generation_tokens_per_sec",
}  # fmt: skip


def goes_on(entry: Entry, said: bytes) -> Next:
    """The points of a list, and the headings between its parts."""
    if entry.opened["what"] is None:
        return Next.OVER
    text = said.decode("utf-8", "replace")
    return Next.PART if POINT.match(text) or text.rstrip().endswith((TIMING, SPEED)) else Next.FOREIGN


GRAMMAR = Grammar(OPENING, HINT, goes_on)


def recognises(sample: Sample) -> bool:
    """Results of a step, with a name that NeMo-RL gives them."""
    if not could_hold(sample) or b"Results" not in sample.more:
        return False
    known = {*TRAINING.values(), *VALIDATION.values()}
    told = (dict(points(entry)) for entry in entries(sample.more, 1, GRAMMAR) if entry.opened["what"])
    return any(len(known & values.keys()) > 1 for values in told)


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    first = int(memory.get("lines", 0)) + 1
    part = read_entries(data, memory, GRAMMAR, take, is_row, torn=torn)
    if not torn:
        gather(data[: part.used], first, memory, part, CONFIG)
    part.unread.sort(key=lambda one: one.line)
    return part


def is_row(names: Sequence[str]) -> bool:
    return not evaluation_only(names, ("validation/", "timing/validation/"))


def take(entry: Entry, memory: Memory, records: Records) -> None:
    """memory["epoch"], ["step"], ["validated"]: what the last headings said; ["gone"]: steps of the epochs before."""
    opened = entry.opened
    if opened["validated"]:
        memory["validated"] = int(opened["validated"])
    elif opened["unit"]:
        _turn_the_page(opened["unit"], int(opened["at"]), int(opened["of"]), memory)
    else:
        place = "validated" if opened["what"] == b"Validation" else "step"
        values = dict(points(entry))
        step = step_of(memory.get(place))
        if step is None:
            records.part.unread.append(Unread(entry.line, "results before the first step"))
        elif values:
            records.add(entry.line, list(values), step, np.array(list(values.values()), np.float64))


def _turn_the_page(unit: bytes, at: int, of: int, memory: Memory) -> None:
    """An epoch has as many steps as its headings say ("Step 12/58"), where there is more than one epoch."""
    if unit == b"Epoch":
        memory["epoch"] = at
    else:
        memory["step"] = (memory.get("epoch", 1) - 1) * of + at


def points(entry: Entry) -> Iterator[tuple[str, float]]:
    """Name and number of every point that says one. A label that is not known stays as it is printed."""
    is_validation = entry.opened["what"] == b"Validation"
    under = "results"
    for line in entry.lines:
        text = line.decode("utf-8", "replace").rstrip()
        if text.endswith((TIMING, SPEED)):
            under = "timing" if text.endswith(TIMING) else "speed"
        elif (point := POINT.match(text)) and (value := amount(point[2])) is not None:
            name = _name_of_validation(point[1]) if is_validation else _name(point[1], under)
            if name:
                yield name, value


def _name_of_validation(label: str) -> str:
    return VALIDATION.get(label, f"validation/{label}")


def _name(label: str, under: str) -> str | None:
    if under == "timing":
        return f"timing/train/{'total_step_time' if label == 'Total step time' else label}"
    return (
        SPEEDS.get(label) if under == "speed" else TRAINING.get(label, label)
    )  # idle workers are drawn as points, too


def amount(text: str) -> float | None:
    """ "61.20s (49.2%)" -> 61.2; "45.00%" -> 0.45; "8.0 TFLOPS (1.0 TFLOPS per rank)" -> 1.0: of one GPU, as logged."""
    found = VALUE.match(text)
    if found is None:
        return None
    value = number(found[1])
    if found[2] == "TFLOPS" and found[3] and (one := PER_RANK.match(found[3])):
        value = number(one[1])
    return value / 100 if value is not None and found[2] == "%" else value
