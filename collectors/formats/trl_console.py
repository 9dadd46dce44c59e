"""What a transformers Trainer (TRL) prints: one Python dict per logging event, among everything else.

  5%|▌         | 10/200 [00:31<10:02,  3.17s/it]{'loss': 0.157, 'grad_norm': 0.21, 'reward': 0.9, 'epoch': 0.01}
{'loss': '0.0123', 'grad_norm': 'nan', 'reward': '0.5', 'epoch': '0.1012'}            (transformers 5: all texts)
{'eval_loss': 0.035, 'eval_reward': -0.31, 'epoch': 0.33}
{'train_runtime': 648.2633, 'train_loss': 0.18, 'epoch': 0.05}

The dicts carry no step: rows are counted from 1, an evaluation stands at the row before it. What the progress bar
says on the line of a row is kept as progress/step. A buffered stdout puts rows behind the bar in clumps, so
that is given up at the first row that comes without a bar.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any

import numpy as np
import orjson

from collectors.contract import Memory, Part, Sample, Unread
from collectors.formats.trl_state import numbers
from collectors.lines import Records, evaluation_only, is_plain_row

NAME = "trl-console"
WHOLE = False
RUN_PER_FILE = True
TRAINER = "trl"

PROGRESS = "progress/step"
LONGEST = 1 << 16  # bytes; no row is as long, and literal_eval must have a bound
LITERAL = re.compile(rb"\{'[^{}\r\n]*\}")
LOOKS_LIKE_A_ROW = re.compile(rb"'(?:loss|reward|epoch)'\s*:")
CUT_OR_NESTED = re.compile(rb"\{'[^{}]*'(?:loss|reward|epoch)'\s*:|\{'(?:loss|reward|epoch)'\s*:")
BAR = re.compile(rb"\s*(?:\[[^\]]{1,40}\]:?\s*)?\d{1,3}%\|[^|]*\|\s*(\d{1,15})/\d+ \[")
NON_FINITE = re.compile(rb"(:\s*)(-?(?:nan|inf))\b")
WRAPPED = re.compile(rb"\b(?:(?:np|numpy)\.\w+|tensor|array)\(([-+.\w]*)(?:, [^()'\"]*(?:='[^']*')?)?\)")
JSON = re.compile(rb"\s*[\[{]\s*[\"\[{]")
VERL_LINE = re.compile(rb"\bstep:\d+ - [^\n:]{1,200}:")


def recognises(sample: Sample) -> bool:
    """A dict as the Trainer prints it: flat, all numbers, with an epoch (or a loss beside its learning rate)."""
    if JSON.match(sample.head) or VERL_LINE.search(sample.more):
        return False
    for found in LITERAL.finditer(sample.more):
        record = as_record(found[0]) if LOOKS_LIKE_A_ROW.search(found[0]) else None
        if record and ("epoch" in record or {"loss", "learning_rate"} <= record.keys()) and len(record) > 1:
            return not numbers(record)[1]
    return False


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    """Line by line; a carriage return ends a stretch as a newline does.

    memory: `line` and `row`, how many were passed; `bar`, what the bar said on this line; `no_bar`, see above.
    """
    end = len(data) if torn else max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    part = Part(used=end)
    records = Records(part, is_plain_row)
    for stretch in data[:end].splitlines(keepends=True):
        if bar := BAR.match(stretch):
            memory["bar"] = int(bar[1])
        if b"{'" in stretch:
            read_dicts(stretch, memory, records, torn=torn)
        if stretch.endswith(b"\n"):
            memory["line"] = memory.get("line", 0) + 1
            memory["bar"] = None
    records.close()
    return part


def read_dicts(stretch: bytes, memory: Memory, records: Records, *, torn: bool) -> None:
    """Every dict of one stretch; what looks like a row and cannot be read is set aside."""
    unread = records.part.unread
    line = memory.get("line", 0) + 1
    for found in LITERAL.finditer(stretch):
        record = as_record(found[0])
        looks = LOOKS_LIKE_A_ROW.search(found[0])
        if record is None:
            if looks:
                unread.append(Unread(line, f"a row that is no plain dict: {shown(found[0])}"))
        elif looks or any(name.startswith(("eval_", "train_runtime")) for name in record):
            take(record, memory, records)
    rest = LITERAL.sub(b"", stretch)
    if (cut := CUT_OR_NESTED.search(rest)) and not (torn and not stretch.endswith((b"\n", b"\r"))):
        unread.append(Unread(line, f"a row that is cut or nested: {shown(rest[cut.start() :])}"))


def take(record: dict[str, Any], memory: Memory, records: Records) -> None:
    """One dict: a row, an evaluation at the row before it, or the summary of the run."""
    values, others = numbers(record)
    if others:
        why = f"no numbers: {', '.join(sorted(others))[:200]!r}"
        records.part.unread.append(Unread(memory.get("line", 0) + 1, why))
    if "train_runtime" in values:
        records.part.config["summary"] = values
        return
    if is_plain_row(list(values)):
        memory["row"] = memory.get("row", 0) + 1
        values |= progress(memory)
    elif evaluation_only(values.keys() - {"epoch"}, ("eval_", "test_")):
        values.pop("epoch", None)  # the row before has it
    if values:
        line = memory.get("line", 0) + 1
        records.add(line, list(values), memory.get("row", 0), np.array(list(values.values()), np.float64))


def progress(memory: Memory) -> dict[str, float]:
    """What the bar said on this line."""
    bar, memory["bar"] = memory.get("bar"), None
    if bar is None:
        memory["no_bar"] = True
    return {} if bar is None or memory.get("no_bar") else {PROGRESS: float(bar)}


def as_record(literal: bytes) -> dict[str, Any] | None:
    """The dict that a literal says; None where it is no plain one."""
    if b'"' not in literal and b"\\" not in literal:
        try:
            found = orjson.loads(literal.replace(b"'", b'"'))
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
    return slowly(literal)


def slowly(literal: bytes) -> dict[str, Any] | None:
    """With nan, inf, None and the wrappers of numpy and torch, which JSON has not."""
    if len(literal) > LONGEST:
        return None
    plain = NON_FINITE.sub(rb"\1'\2'", WRAPPED.sub(rb"\1", literal))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = ast.literal_eval(plain.decode("utf-8", "replace"))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return found if isinstance(found, dict) and all(isinstance(name, str) for name in found) else None


def shown(literal: bytes) -> str:
    return repr(literal[:60].decode("utf-8", "replace"))
