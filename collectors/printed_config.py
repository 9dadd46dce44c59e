"""The config that a trainer prints with `pprint` before it trains: a Python dict over many lines of a console log.

(TaskRunner pid=4021) {'actor_rollout_ref': {'actor': {'clip_ratio': 0.2,
(WorkerDict pid=4907) Loading checkpoint shards ...
(TaskRunner pid=4021)                                  'grad_clip': 1.0}}}

Other processes write between its lines, and sometimes its end is lost: what is complete of it is kept.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any

import orjson

from collectors.contract import Memory, Part, Unread
from collectors.prefixes import said

LONGEST_CONFIG = 256_000  # characters
MOST_LINES = 10_000  # between its first line and its last, those of other processes included

OPENING = re.compile(rb"\{'(?:actor_rollout_ref|algorithm|data|trainer)': ")
"""How verl's family begins: pprint sorts the keys."""
GOES_ON = re.compile(r"\s+(?:['\"\[{(]|-?\d[\w.+\-]*[,\])}]|(?:None|True|False|-?inf|nan)[,\])}])")
LITERAL = re.compile(
    r"""('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")|(-?\b(?:nan|inf)\b)"""
    r"""|(?<![\w.])-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?(?![\w.])|\b(?:True|False|None)\b"""
)
CLOSING = {"{": "}", "[": "]", "(": ")"}


def opens(text: bytes) -> bool:
    """Whether the beginning of such a config stands in this text."""
    return any(_source(text, found.start()) is not None for found in OPENING.finditer(text))


def gather(text: bytes, line: int, memory: Memory, part: Part, opening: re.Pattern[bytes] = OPENING) -> None:
    """Puts the configs of these lines into the part; one that is not over yet waits in memory["config"]."""
    waiting: dict[str, Any] | None = memory.pop("config", None)
    at = 0
    while at < len(text):
        if waiting is None:
            found = opening.search(text, at)
            if found is None:
                return
            source = _source(text, found.start())
            at = found.end()
            if source is not None:
                begin = text.rfind(b"\n", 0, at) + 1
                waiting = {"line": line + text.count(b"\n", 0, begin), "source": source, "lines": 0, "text": ""}
                at = begin
            continue
        end = text.find(b"\n", at) + 1 or len(text)
        taken, over = _take(waiting, text[at:end])
        at = end if taken else at
        if over:
            _settle(waiting, part)
            waiting = None
    if waiting is not None:
        memory["config"] = waiting


def _source(text: bytes, at: int) -> str | None:
    """Who says a message that starts at `at` ("" where no one is named); None where something else stands before it."""
    begin = max(text.rfind(b"\n", 0, at) + 1, at - 500)
    source, rest = said(text[begin:at] + b"{")  # not a space, which is padding
    return source.decode("utf-8", "replace") if rest == b"{" else None


def _take(waiting: dict[str, Any], raw: bytes) -> tuple[bool, bool]:
    """Adds the line to the config if it belongs there. -> (done with the line?, is the config over, whole or not?)"""
    waiting["lines"] += 1
    source, message = _message(raw)
    if source == waiting["source"] and (not waiting["text"] or GOES_ON.match(message)):
        waiting["text"] += message + "\n"
        waiting["depth"] = waiting.get("depth", 0) + _depth(message)
        return True, waiting["depth"] <= 0 or len(waiting["text"]) > LONGEST_CONFIG
    if message.startswith("{'actor_rollout_ref': "):  # a restart prints it anew
        return False, True
    return True, message.startswith("step:") or waiting["lines"] > MOST_LINES


def _message(raw: bytes) -> tuple[str, str]:
    source, text = said(raw[:20_000])
    return source.decode("utf-8", "replace"), text.decode("utf-8", "replace")


def _depth(message: str) -> int:
    bare = LITERAL.sub("", message)
    return sum(bare.count(opening) - bare.count(closing) for opening, closing in CLOSING.items())


def _settle(waiting: dict[str, Any], part: Part) -> None:
    text = waiting["text"]
    config = _evaluated(text if waiting.get("depth", 0) == 0 else _closed(text))
    if config is None:
        part.unread.append(Unread(waiting["line"], "a printed config that is no plain dict"))
        return
    part.config.update(config)
    trainer = config.get("trainer")
    if isinstance(trainer, dict):
        part.run = _name(trainer.get("experiment_name")) or part.run
        part.project = _name(trainer.get("project_name")) or part.project


def _name(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _closed(text: str) -> str:
    """The text up to its last comma, with the brackets closed that are open there."""
    still_open: list[str] = []
    end, closing = 0, ""
    for token in re.finditer(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[{}\[\](),]", text):
        mark = token[0]
        if mark in CLOSING:
            still_open.append(CLOSING[mark])
        elif mark == ",":
            end, closing = token.start(), "".join(reversed(still_open))
        elif still_open and mark == still_open[-1]:
            still_open.pop()
    return text[:end] + closing


def _evaluated(text: str) -> dict[str, Any] | None:
    """The dict that the text writes, as JSON would hold it; None where it is anything but literals and brackets.

    The check comes before literal_eval: a long chain of operators could exhaust the C stack there.
    """
    if not re.fullmatch(r"[\s{}\[\](),:]*", LITERAL.sub("", text)):
        return None
    words = LITERAL.sub(lambda found: repr(found[2]) if found[2] else found[0], text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an escape such as '\d' is worth no warning here
            config = orjson.loads(orjson.dumps(ast.literal_eval(words)))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return config if isinstance(config, dict) else None
