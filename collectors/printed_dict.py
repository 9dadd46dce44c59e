"""A record that a trainer prints as a Python dict: `{'reward': 0.5, 'kl': nan, 'lr': tensor(1e-06), 'name': None}`."""

from __future__ import annotations

from typing import Any

from collectors.contract import Unread
from collectors.formats.trl_console import NON_FINITE, WRAPPED, as_record

LONGEST = 1 << 18  # bytes


def printed_dict(text: bytes, line: int, *, cut: bool) -> tuple[dict[str, Any], Unread | None]:
    """What stands in the text from its start `{` to its last `}`, and what of it could not be read.

    cut: whether the text may end in the middle of it; then its last value is left out.
    """
    body, closed, _ = text[:LONGEST].rpartition(b"}")
    why = None
    if cut or not closed:
        body = text[:LONGEST].rpartition(b", '")[0]
        why = Unread(line, "the line has no end: its last value was left out")
    record = as_record(NON_FINITE.sub(rb"\1'\2'", WRAPPED.sub(rb"\1", body + b"}"))) if body else {}
    if record is None:
        return {}, Unread(line, f"no plain dict: {text[:60].decode('utf-8', 'replace')!r}")
    return record, why
