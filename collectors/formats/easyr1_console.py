"""EasyR1's console: "Step n" and a nested YAML of the metrics, rounded to three decimals; before it, the config.

(Runner pid=4021) Config
(Runner pid=4021) data:
(Runner pid=4021)   max_response_length: 2048
(Runner pid=4021)
(Runner pid=4021) Step 3
(Runner pid=4021) actor:
(Runner pid=4021)   lr: 1.0e-06
(Runner pid=4021)   pg_loss: -0.012

A name is what its YAML keys make, joined with "/".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from collectors.console import Entry, Grammar, Next, could_hold, entries, read_entries
from collectors.contract import Memory, Part, Sample, Unread
from collectors.lines import Records, is_verl_row, number, step_of

NAME = "easyr1-console"
WHOLE = False
RUN_PER_FILE = True
TRAINER = "easyr1"

DEEPEST = 16
OPENING = re.compile(rb"^(?:Step (?P<step>\d{1,18})|(?P<config>Config))$")
YAML = re.compile(rb" *(?:- |[\w'\"][^:]{0,500}:(?: |$)) *")
KEY = re.compile(r"( *)('(?:[^']|'')*'|\"[^\"]*\"|[^\s:'\"-][^:]*):(?: (.*))?")
ITS_OWN = ("actor/", "critic/", "reward/", "response_length/", "val/", "timing_s/", "perf/")
CONFIGS = {"data", "worker", "algorithm", "trainer"}
WORDS: dict[str, Any] = {"null": None, "true": True, "false": False, "[]": None, "{}": None}


def goes_on(entry: Entry, said: bytes) -> Next:
    """Over at the first line that is no YAML: it is printed at once, and an empty line follows."""
    return Next.PART if YAML.match(said) or (said.startswith(b" ") and said.strip()) else Next.OVER


GRAMMAR = Grammar(OPENING, re.compile(rb"Step \d|Config"), goes_on)


def recognises(sample: Sample) -> bool:
    return could_hold(sample) and any(_is_own(entry) for entry in entries(sample.more, 1, GRAMMAR))


def _is_own(entry: Entry) -> bool:
    if entry.opened["config"] is not None:
        return nested(entry.lines).keys() >= CONFIGS
    names = [name for name, _ in numbers(entry.lines)]
    return sum(name.startswith(ITS_OWN) for name in names) > 1


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    return read_entries(data, memory, GRAMMAR, take, is_verl_row, torn=torn)


def take(entry: Entry, memory: Memory, records: Records) -> None:
    part = records.part
    if entry.opened["config"] is not None:
        config = nested(entry.lines)
        part.config.update(config)
        trainer = config.get("trainer")
        if isinstance(trainer, dict):
            part.run = _text(trainer.get("experiment_name")) or part.run
            part.project = _text(trainer.get("project_name")) or part.project
        return
    values, step = dict(numbers(entry.lines)), step_of(int(entry.opened["step"]))
    if values and step is not None:
        records.add(entry.line, list(values), step, np.array(list(values.values()), np.float64))
    else:
        part.unread.append(Unread(entry.line, "a step without numbers"))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


# --- YAML, as far as it is printed here ----------------------------------------------------------------------------


def leaves(lines: list[bytes]) -> Iterator[tuple[tuple[str, ...], str]]:
    """(keys from the outside in, what stands behind the last); a key without a value has "" and may have more below.

    An item of a list stands under the list's key; a folded text gives its later lines under the same key.
    """
    above: list[tuple[int, str]] = []
    for line in lines:
        text = line.decode("utf-8", "replace")
        found = KEY.fullmatch(text)
        if found is None or len(above) > DEEPEST:
            yield tuple(name for _, name in above), text.strip()
            continue
        indent = len(found[1])
        while above and above[-1][0] >= indent:
            above.pop()
        above.append((indent, _unquoted(found[2])))
        yield tuple(name for _, name in above), (found[3] or "").strip()


def numbers(lines: list[bytes]) -> Iterator[tuple[str, float]]:
    for keys, text in leaves(lines):
        value = number(text.replace(".nan", "nan").replace(".inf", "inf"))
        if value is not None and keys:
            yield "/".join(keys), value


def nested(lines: list[bytes]) -> dict[str, Any]:
    """The YAML as mappings, lists of scalars and scalars."""
    config: dict[str, Any] = {}
    for keys, text in leaves(lines):
        inner = config
        for key in keys[:-1]:
            if not isinstance(inner.get(key), dict):
                inner[key] = {}
            inner = inner[key]
        if keys:
            _put(inner, keys[-1], text)
    return config


def _put(inner: dict[str, Any], key: str, text: str) -> None:
    before = inner.get(key)
    if text.startswith("- "):
        items = before if isinstance(before, list) else []
        inner[key] = [*items, _scalar(text[2:])]
    elif isinstance(before, str) and before:
        inner[key] = f"{before} {text}"
    elif text or key not in inner:
        inner[key] = _scalar(text)


def _scalar(text: str) -> Any:
    if text in WORDS:
        return WORDS[text]
    value = number(text)
    if value is None:
        return _unquoted(text)
    return int(text) if text.lstrip("-").isdecimal() and len(text) < 20 else value


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].replace("''", "'")
    return text
