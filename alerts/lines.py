"""On which line of a TOML text a key stands: tomllib reads values, but tells no places."""

from __future__ import annotations

import re
from collections import Counter

_TABLE = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*(?:"([^"]+)"|'([^']+)'|([\w-]+))\s*(?:=|\.)""")

Place = tuple[str, int]
"""A table's name as written, without quotes ("rules.entropy_collapse"), and which of that name, from 0."""


def line_of(text: str, table: Place, key: str | None = None) -> int:
    """The line (from 1) of a key in a table, or of the table itself; 1 where it cannot be told."""
    seen: Counter[str] = Counter()
    here, start = False, 0
    for number, line in enumerate(text.splitlines(), 1):
        if head := _TABLE.match(line):
            name = re.sub(r"\s*\.\s*", ".", head[2]).replace('"', "").replace("'", "")
            here = (name, seen[name]) == table
            seen[name] += 1
            start = number if here else start
            if here and key is None:
                return number
        elif here and key is not None and (found := _KEY.match(line)) and key in found.groups():
            return number
    return start or _anywhere(text, key or table[0].rpartition(".")[2])


def _anywhere(text: str, word: str) -> int:
    """Inline tables and dotted keys: the first line that holds the word."""
    return next((number for number, line in enumerate(text.splitlines(), 1) if word in line), 1)
