"""Text as both databases take it."""

from __future__ import annotations


def storable(text: str) -> str:
    """No lone surrogates (a file name that is no UTF-8, half an emoji cut by a log), no NUL (PostgreSQL has none)."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
