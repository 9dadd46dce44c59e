"""Names and values as MLflow accepts them.

MLflow refuses a metric, param or tag whose name holds anything but letters, digits, `_ - . : /` and blanks, is longer
than 250 characters, or would be another path when read as one (`a//b`, `/a`, `a/./b`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

LONGEST_NAME = 220  # of MLflow's 250: a tag `stepwell.nonfinite.<name>` must fit too
LONGEST_PARAM = 6000
LONGEST_TAG = 8000


def accepted(name: str) -> str:
    """The name in MLflow's characters; names that it accepts are unchanged.

    >>> accepted("val-core/gsm8k/acc//mean@8")
    'val-core/gsm8k/acc/mean_at_8'
    """
    text = re.sub(r"[^/\w.\- :]", "_", name.replace("@", "_at_"))[:LONGEST_NAME]
    parts = ["_" * len(part) if part in {".", ".."} else part for part in text.split("/") if part]
    return re.sub(r"^\.\.", "__", "/".join(parts)) or "_"


def mapped(names: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """name -> MLflow's name, no two alike. known: what earlier passes chose, which stays.

    >>> mapped(["acc@8", "acc_at_8"], {})
    {'acc_at_8': 'acc_at_8', 'acc@8': 'acc_at_8_2'}
    """
    result, taken = dict(known), set(known.values())
    for name in sorted(set(names) - known.keys(), key=lambda name: (accepted(name) != name, name)):
        result[name] = _free(accepted(name), taken)
        taken.add(result[name])
    return result


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name[: LONGEST_NAME - 8]}_{number}", number + 1
    return free


def text_of(value: Any, longest: int) -> str:
    """A setting as text: strings as they are, the rest as JSON. Empty text is `""`, for MLflow shows nothing there."""
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")[:longest]  # PostgreSQL has no NUL
