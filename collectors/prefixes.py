r"""What stands before a process's own words on a line of a console log, and after them.

\x1b[36m(Runner pid=4021, ip=10.0.0.7)\x1b[0m Step 3                  Ray
0: Step 3     [rank0]: Step 3     [default0]:Step 3                    srun --label, torchrun --tee
2025-01-01T10:00:00.123456Z stdout F Step 3                            a container's or a terminal's clock
INFO:2025-01-01 10:00:00,123:Step 3     2025-01-01 10:00:00,123 - __main__ - INFO - Step 3      Python's logging
 5%|▌         | 10/200 [00:31<10:02,  3.17s/it]Step 3                  a progress bar that ended without a newline
"""

from __future__ import annotations

import re

COLOUR = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
RAY = re.compile(rb" ?\((?:[^()\r\n]{0,200}? )?pid=\d+(?:, ip=[^()\s]{1,99})?\) ?")
RANK = re.compile(rb"\[default\d{1,5}\]:|\[rank[ _]?\d{1,5}\]:? ?|rank[ _]?\d{1,5}: ?|\d{1,4}: ")
CLOCK = re.compile(
    rb"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?"
    rb"(?: std(?:out|err) [FP]| - [\w.]{1,80} - [A-Z]{4,8} -)? "
)
LEVEL = re.compile(
    rb"(?:DEBUG|INFO|WARNING|ERROR)"
    rb"(?::\d{4}-\d\d-\d\d[ T][\d:.,]{8,20}:|:[\w.]{1,80}:| \d\d-\d\d [\d:]{8} [^\s\]]{1,80}\] ?)"
)
BAR = re.compile(rb"\s*(?:[^|\r\n{}]{0,80}: *)?\d{1,3}%\|[^|\r\n]*\|[^\[\r\n|]{0,40}\[[^\]\r\n]*\](?:: )?")
LAYERS = 4


def said(raw: bytes) -> tuple[bytes, bytes]:
    """(who said it: Ray's process, the rank, both or b""; what was said) of a line, without colours and padding.

    What stood before a carriage return was overwritten; where another process of Ray wrote on without a newline
    between, only the first one's words are given.
    """
    if b"\x1b" in raw:
        raw = COLOUR.sub(b"", raw)
    text = raw.rstrip(b"\r\n\0 ").rpartition(b"\r")[2]
    source, text = unwrapped(text)
    if b"pid=" in text and (other := RAY.search(text)):
        text = text[: other.start()]
    return source, text


def unwrapped(text: bytes) -> tuple[bytes, bytes]:
    """Who said it, and the text without what launchers, clocks, bars and Ray put before it."""
    source = b""
    for _ in range(LAYERS):
        if b"%|" in text[:200] and (bar := BAR.match(text)):
            text = text[bar.end() :]
        elif found := RANK.match(text) or (RAY.match(text) if b"pid=" in text[:300] else None):
            source += found[0].strip()
            text = text[found.end() :]
        elif clock := CLOCK.match(text) or LEVEL.match(text):
            text = text[clock.end() :]
        else:
            break
    return source, text
