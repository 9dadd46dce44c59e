"""The script that links the charts of a page under one pointer: for the dashboard, and for reports."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def hover() -> str:
    """JavaScript that defines stepwellHover(); it loads nothing and writes text from logs as text only."""
    return Path(__file__).with_name("hover.js").read_text(encoding="utf-8")
