"""A table of training phases, as reports tell them: how many tokens at which context.

system,phase,tokens,context,steps,batch,source,note
DeepSeek-Coder,pretraining,1.8T,4096,,,"DeepSeek-Coder (2024), arXiv:2401.14196",87 % code
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from collectors.contract import Sample, Unread
from collectors.documents.contract import Document
from collectors.documents.scores import context_of, is_absent, text
from collectors.documents.scores_csv import cells_of, rows_of, separator
from collectors.lines import BOM

NAME = "phases"
KIND = "phases"
NEEDED = frozenset(["system", "phase", "tokens", "context"])
COUNT = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s?([kKMBT]?)")
TIMES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
MOST = 2000
TEXTS = ("system", "phase", "source", "note")


def recognises(sample: Sample) -> bool:
    first, newline, _ = sample.head.removeprefix(BOM).lstrip().partition(b"\n")
    return bool(newline) and len(first) < 8000 and set(_names(first.decode("utf-8", "replace"))) >= NEEDED


def _names(first: str) -> list[str]:
    return [cell.lower() for cell in cells_of(first, separator(first))]


def read(path: Path, data: bytes) -> Document:
    """content: {"phases": [{system, phase, tokens, context, steps, batch, source, note}]}; null is not stated."""
    whole = data.removeprefix(BOM).decode("utf-8", "replace").replace("\0", "").lstrip()
    first = whole.partition("\n")[0]
    names = _names(first)
    if not set(names) >= NEEDED:
        return Document(unread=[Unread(1, "no line of names that tells of phases")])
    rows, unread = rows_of(whole, cells_of(first, separator(first)), separator(first))
    document = Document(unread=list(unread))
    phases = []
    for line, row in rows[:MOST]:
        cells = {name.lower(): cell for name, cell in row.items()}
        phase: dict[str, str | int | None] = {
            name: text(cells.get(name)) for name in ("system", "phase", "source", "note")
        }
        for name in ("tokens", "context", "steps", "batch"):
            said = cells.get(name)
            phase[name] = None if is_absent(said) else context_of(said) if name == "context" else count_of(str(said))
            if phase[name] is None and not is_absent(said):
                document.unread.append(Unread(line, f"no number as {name}: {str(said)[:40]!r}"))
        phases.append(phase)
    document.content = json.dumps({"phases": phases}, ensure_ascii=False)
    return document


def count_of(said: str) -> int | None:
    """1.8T, 200B, 2M, 1000."""
    found = COUNT.fullmatch(said.strip())
    return round(float(found[1]) * TIMES[found[2]]) if found else None
