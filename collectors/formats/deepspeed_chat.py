"""DeepSpeed-Chat's step 3 (PPO): two or three lines of text per step, among those of DeepSpeed itself.

epoch: 0|step: 3|ppo_ep: 1|act_loss: 0.296630859375|cri_loss: 0.1690673828125|unsuper_loss: 0.0
average reward score: -0.0648193359375
|E2E latency=3.73s |Gather latency=0.00s (0.00%) |Generate time=2.78s (74.61%) | ... |CurSamplesPerSec=17.17

Since August 2023:

Epoch: 0 | Step: 3 | PPO Epoch: 1 | Actor Loss: 0.29 | Critic Loss: 0.16 | Unsupervised Loss: 0.0
End-to-End => Latency: 3.73s, TFLOPs: 1.38, Samples/sec: 17.17, Time/seq 0.06s, Batch Size: 64, ...
Average reward score: -0.064 | EMA reward score: -0.051

The reward is kept as `avg_reward`; the lines name it in words only. `step` begins anew with each epoch: here it goes on
where the epoch before has ended.
"""

from __future__ import annotations

import re
import shlex

import numpy as np

from collectors.console import Entry, Grammar, Next, could_hold, entries, read_entries
from collectors.contract import Memory, Part, Sample, Unread
from collectors.lines import Records, is_plain_row, number, step_of

NAME = "deepspeed-chat"
WHOLE = False
RUN_PER_FILE = True
TRAINER = "deepspeed-chat"

MOST_LINES = 40  # from the losses to the timing, the lines of all ranks between them included
MOST_EPOCHS = 100

LOSSES = rb"epoch: ?(?P<epoch>\d+) ?\| ?step: ?(?P<step>\d+)(?:/\d+)? ?\|(?P<losses>.*(?:act_loss|actor loss): .*)"
COMMAND = rb"^cmd = (?P<command>deepspeed .*)"
OPENING = re.compile(rb"(?i:" + LOSSES + rb")|" + COMMAND)
REWARD = re.compile(rb"(?i:average reward score): ?(?P<mean>[^ |]+)(?: \| EMA reward score: ?(?P<ema>[^ |]+))?")
PHASE = re.compile(rb"(End-to-End|Generation|Training) +=> (.*)")
FIGURE = re.compile(rb"([A-Za-z][\w ./-]*?):? ([^\s:]+?)(?: ?(?:s|ms|GB/sec))?")


def goes_on(entry: Entry, said: bytes) -> Next:
    """The reward and the timing come in either order; with both the record is whole."""
    if entry.opened["command"] is not None:
        return Next.OVER
    is_reward = bool(REWARD.match(said))
    if not is_reward and not said.startswith(b"|E2E latency=") and not PHASE.match(said):
        return Next.FOREIGN
    others = {bool(REWARD.match(line)) for line in entry.lines}
    return Next.LAST if (not is_reward) in others else Next.PART


GRAMMAR = Grammar(OPENING, re.compile(rb"[Ee]poch: ?\d|cmd = "), goes_on, MOST_LINES)


def recognises(sample: Sample) -> bool:
    """The losses of one step; a loss beside an epoch is not enough."""
    text = sample.more[: sample.more.rfind(b"\n") + 1]
    return could_hold(sample) and any(entry.opened["losses"] is not None for entry in entries(text, 1, GRAMMAR))


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    return read_entries(data, memory, GRAMMAR, take, is_plain_row, torn=torn)


def take(entry: Entry, memory: Memory, records: Records) -> None:
    if entry.opened["command"] is not None:
        records.part.config.update(arguments(entry.opened["command"].decode("utf-8", "replace")))
        return
    step = across_epochs(int(entry.opened["epoch"][:18]), int(entry.opened["step"][:18]), memory)
    values = {"epoch": float(entry.opened["epoch"])}
    for name, cell in cells(entry):
        value = number(cell.decode("utf-8", "replace"))
        if value is None:
            records.part.unread.append(Unread(entry.line, f"no number under {name[:60]!r}: {cell[:40]!r}"))
        else:
            values[name] = value
    if step_of(step) is not None:
        records.add(entry.line, list(values), step, np.array(list(values.values()), np.float64))


def across_epochs(epoch: int, step: int, memory: Memory) -> int:
    """memory["epochs"]: epoch -> the step with which it began; ["epoch_step"]: the last [epoch, step as printed].

    A restart goes back to an epoch that was there: the steps that it repeats get the numbers that they had.
    """
    began: dict[str, int] = memory.setdefault("epochs", {})
    before, last = memory.get("epoch_step", [epoch, -1])
    if str(epoch) not in began:
        ended = began.get(str(before), 0) + last + 1 if epoch > before else 0
        began[str(epoch)] = ended
        for old in list(began)[:-MOST_EPOCHS]:
            del began[old]
    memory["epoch_step"] = [epoch, step]
    return began[str(epoch)] + step


def cells(entry: Entry) -> list[tuple[str, bytes]]:
    """(name, what stands under it) of all lines."""
    pairs = [split(part, b":") for part in entry.opened["losses"].split(b"|")]
    for line in entry.lines:
        if reward := REWARD.match(line):
            pairs.append((b"avg_reward", reward["mean"]))
            pairs += [(b"EMA reward score", reward["ema"])] if reward["ema"] else []
        elif phase := PHASE.match(line):
            figures = [FIGURE.fullmatch(part.strip()[:200]) for part in phase[2].split(b", ")]
            pairs += [(phase[1] + b"/" + figure[1], figure[2]) for figure in figures if figure]
        else:
            timings = [split(part.partition(b"(")[0], b"=") for part in line.split(b"|")]
            pairs += [(name, cell.removesuffix(b"s")) for name, cell in timings]
    return [(name.decode("utf-8", "replace"), cell) for name, cell in pairs if name]


def split(part: bytes, at: bytes) -> tuple[bytes, bytes]:
    name, _, cell = part.partition(at)
    return name.strip(), cell.strip()


def arguments(command: str) -> dict[str, str | bool]:
    """The options of a command line, without their dashes."""
    try:
        words = shlex.split(command)
    except ValueError:
        return {}
    options: dict[str, str | bool] = {}
    for word, after in zip(words, [*words[1:], "--"], strict=True):
        if word.startswith("--") and len(word) > 2:
            options[word[2:]] = True if after.startswith("--") else after
    return options
