"""Lines of text with a step and named numbers, as loops of one's own, MiniMind, torchtune and prime-rl print them.

Epoch:[1/1](20/4292), Reward: -1.7663, KL_ref: -0.0023, Avg Response Len: 174.75, Learning Rate: 0.00000030
16:43:08 SUCCESS Step 5 | Time: 5.23s | Reward: 0.3498 | Throughput: 3500.7 tokens/s | MFU: 12.3% | Peak Mem. 7.1 GiB
Step 12 | loss:2.31 lr:1e-05 tokens_per_second_per_gpu:512
[2025-01-01 10:00:00] INFO: step=12/500 loss=0.53 reward/mean=0.21

A percentage is kept as a fraction, any other unit is left out. Where an epoch is told and the step begins anew with
it, the steps go on where the epoch before has ended. Of several ranks, or processes of Ray, that print the same names
at one step the first is read. A file that another reader knows is none of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from collectors.console import could_hold
from collectors.contract import Memory, Part, Sample, Unread
from collectors.lines import Records, is_plain_row, number, step_of, whole_lines
from collectors.prefixes import said

NAME = "step-lines"
WHOLE = False
RUN_PER_FILE = True
TRAINER = None

MOST_EPOCHS = 100
LONGEST = 4096  # bytes; a longer line is a text or a dump
TABLES = (".csv", ".tsv", ".json", ".jsonl")
MOST_WORDS, FEW_WORDS = 5, 3  # of a name with a colon, or with nothing but a space behind it; more is prose
ENOUGH = 3  # lines, before a file is taken for one of these

UNIT = rb"(?:global[ _]?)?(?:steps?|iter(?:ation)?s?|updates?)"
MARK = re.compile(
    rb"(?i)epoch:?\s*\[?(?P<epoch>\d{1,6})(?:/\d+)?\]?(?:\s*\(|[\s,|:]+" + UNIT + rb"\s*[:=#]?\s*[\[(]?)"
    rb"(?P<inner>\d{1,18})(?:\s*/\s*(?P<of>\d{1,18}))?[\])]?(?![\w.])"
    rb"|(?<![\w./\-])" + UNIT + rb"\s*[:=#]?\s*[\[(]?(?P<step>\d{1,18})(?:\s*(?:/|of)\s*\d+)?[\])]?(?![\w.])"
)
"""An epoch with a step of it, or a step. It may stand behind a clock, a logger's name, a level."""
HINT = re.compile(rb"(?i)step|iter|update|epoch:? ?\[")
WORD_BEFORE = re.compile(rb"([A-Za-z]+)[ _\-]*$")
MAY_STAND_BEFORE = frozenset(b"train training trainer global policy ppo grpo info success debug warning".split())
BAR = re.compile(rb"\d{1,3}%\|")
RANK = re.compile(rb"(?i)\brank[ _:=]?(\d{1,5})\b")
EVALUATION = re.compile(rb"(?i)\b(?:eval(?:uation)?|valid(?:ation)?|test)\b")

NUMBER = r"(?:[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?))"
WRAPPED = re.compile(rf"(?:np\.\w+|numpy\.\w+|tensor|array)\(({NUMBER})[^()]*\)", re.IGNORECASE)
BETWEEN = re.compile(r"\s*(?:\|+|,\s|;|\t| - )\s*")
SEGMENT = re.compile(
    rf"\s*(?P<name>[A-Za-z][^:=|]{{0,60}}?)\s*(?:[:=]\s*|\s)(?P<value>{NUMBER})"
    r"\s*(?P<unit>%|[A-Za-z]+(?:/[A-Za-z]+)*)?\s*(?:[/(].*)?", re.IGNORECASE
)  # fmt: skip
PAIR = re.compile(
    rf"(?<![\w.])(?P<name>[A-Za-z_][\w./@%\-]{{0,60}})\s*[:=]\s*(?P<value>{NUMBER})(?P<unit>%|(?:ms|s|x)\b)?(?![\w:])",
    re.IGNORECASE,
)
SPACED = re.compile(rf"(?P<name>[A-Za-z_][\w./@\-]{{0,60}}) (?P<value>{NUMBER})(?P<unit>%)?(?:\s+|$)", re.IGNORECASE)

METRICS = re.compile(
    r"(?i)loss|reward|entropy|(?<![a-z])(?:kl|lr)(?![a-z])|grad|learning.?rate|acc|score|return|adv|len"
)
FOREIGN = re.compile(
    rb"\bstep:-?\d+ - [\w/.\-]+:|ppo_ep: ?\d|PPO Epoch: ?\d|Train step \d+/\d+ done"
    rb"|\{'(?:loss|reward|epoch|eval_loss|train_runtime)'|={5,} Step \d+/\d+ ={5,}"
)
"""Lines of readers that know better what they read."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a line says. epoch: None where it tells none.  of: how many steps its epoch has, 0 where it does not say."""

    epoch: int | None
    step: int
    of: int
    values: dict[str, float]
    source: str


def recognises(sample: Sample) -> bool:
    """Some lines with the same names at steps that go forward, a metric among them."""
    if not could_hold(sample) or sample.path.suffix in TABLES or FOREIGN.search(sample.more):
        return False
    last, alike = -1, dict[tuple[str, ...], int]()
    for _, line in lines(sample.more, 1):
        names = tuple(line.values)
        if len(names) > 1 and line.step >= last and any(METRICS.search(name) for name in names):
            alike[names] = alike.get(names, 0) + (line.step > last)
        last = line.step
        if max(alike.values(), default=0) >= ENOUGH:
            return True
    return False


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    """memory["at"], ["said"]: the last step, and who said what of it; ["epochs"], ["last"]: see `placed`."""
    text, first, part = whole_lines(data, memory, torn=torn)
    if torn and text:
        text, _, rest = text.rpartition(b"\n")  # a value that may be cut is not trusted
        if HINT.search(rest):
            part.unread.append(Unread(first + text.count(b"\n") + bool(text), "the line has no end yet"))
    records = Records(part, is_plain_row)
    for at, line in lines(text, first):
        step = step_of(placed(line, memory))
        if step is None or is_echo(line, step, memory):
            continue
        records.add(at, list(line.values), step, np.array(list(line.values.values()), np.float64))
    records.close()
    return part


def lines(text: bytes, first: int) -> Iterator[tuple[int, Line]]:
    """(number, what it says) of every line with a step and a number."""
    at, counted, number_of = 0, 0, first
    while found := HINT.search(text, at):
        begin = text.rfind(b"\n", 0, found.start()) + 1
        end = text.find(b"\n", begin)
        end = len(text) if end < 0 else end
        number_of += text.count(b"\n", counted, begin)
        counted = begin
        if end - begin <= LONGEST and (line := told(text[begin:end])):
            yield number_of, line
        at = end


def told(raw: bytes) -> Line | None:
    source, words = said(raw)
    if BAR.search(words):  # what stands behind a progress bar is about a part of the step
        return None
    mark = next((found for found in MARK.finditer(words) if _may_stand_there(words[: found.start()])), None)
    if mark is None:
        return None
    before, after = words[: mark.start()], words[mark.end() :].decode("utf-8", "replace")
    values = dict(amounts(after.lstrip(" :,|-–>])")))
    if not values:
        return None
    if EVALUATION.search(before):
        values = {name if EVALUATION.match(name.encode()) else f"eval/{name}": value for name, value in values.items()}
    rank = RANK.search(before)
    epoch = mark["epoch"]
    return Line(
        int(epoch) if epoch else None,
        int(mark["inner"] or mark["step"]),
        int(mark["of"] or 0),
        values,
        (rank[0] if rank else source).decode("utf-8", "replace"),
    )


def _may_stand_there(before: bytes) -> bool:
    """No "Micro Step 3", no "saved at step 3"."""
    word = WORD_BEFORE.search(before)
    return word is None or word[1].lower() in MAY_STAND_BEFORE


def amounts(text: str) -> Iterator[tuple[str, float]]:
    """Name and number of each segment; of one that holds several pairs, of each pair."""
    for segment in BETWEEN.split(WRAPPED.sub(r"\1", text)):
        for found in _in_segment(segment):
            value = number(found["value"])
            if value is not None:
                yield found["name"].strip(), _share(found["value"], value) if found["unit"] == "%" else value


def _share(text: str, value: float) -> float:
    """12.3% is 0.123, not 0.12300000000000001."""
    return number(f"{text}e-2") or value / 100


def _in_segment(segment: str) -> list[re.Match[str]]:
    pairs = list(PAIR.finditer(segment))
    if len(pairs) > 1:
        return pairs
    spaced = list(SPACED.finditer(segment))
    if len(spaced) > 1 and "".join(found[0] for found in spaced) == segment.strip():
        return spaced
    one = SEGMENT.fullmatch(segment)
    if one is None:
        return pairs
    most = MOST_WORDS if re.search(r"[:=]", segment) else FEW_WORDS
    return [one] if len(one["name"].split()) <= most else []


def placed(line: Line, memory: Memory) -> int:
    """The step in the whole run. memory["epochs"]: epoch -> the step that it adds to; ["last"]: the last [epoch, step
    or, where it is told, the number of steps in that epoch].

    Where the step goes on from one epoch to the next nothing is added. A restart goes back to an epoch that was there.
    """
    if line.epoch is None:
        return line.step
    began: dict[str, int] = memory.setdefault("epochs", {})
    before, last, ended = memory.get("last", [line.epoch, -1, 0])
    if str(line.epoch) not in began:
        anew = line.epoch > before and line.step <= last
        began[str(line.epoch)] = began.get(str(before), 0) + (ended if anew else 0)
        for old in list(began)[:-MOST_EPOCHS]:
            del began[old]
    memory["last"] = [line.epoch, line.step, max(line.of, line.step)]
    return began[str(line.epoch)] + line.step


def is_echo(line: Line, step: int, memory: Memory) -> bool:
    """Whether another process (or rank) told of these names at this step before, or this one said the very same."""
    told_before: dict[str, Any] = memory.get("said", {}) if memory.get("at") == step else {}
    here = {name: repr(value) for name, value in line.values.items()}
    others = {name for name, (source, _) in told_before.items() if source != line.source}
    if others & here.keys() or all(told_before.get(name) == [line.source, here[name]] for name in here):
        return True
    memory |= {"at": step, "said": told_before | {name: [line.source, value] for name, value in here.items()}}
    return False
