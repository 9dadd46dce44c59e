"""What a reader with other eyes, or none, would miss on a page: see looks.js."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

LOOKS = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def missed(page: Page, what: str) -> list[Any]:
    """what: pale (text), nameless (controls), silent (charts)."""
    return list(page.evaluate(f"() => {LOOKS.partition(chr(10))[2].rstrip()}.{what}()"))
