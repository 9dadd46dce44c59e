"""Documents that their writer rewrites as a whole: which of their records were there the last time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np

from db.block import Block


def retelling(blocks: Iterable[Block], first: int) -> str:
    """A hash of the first so many records, whatever blocks they came in."""
    told, left = hashlib.blake2b(digest_size=16), first
    for block in blocks:
        order = np.argsort(block.names)
        sorted_names = np.array(block.names)[order]
        cells, has = block.values[:, order], block.mask()[:, order]
        for i in range(min(left, len(block))):
            told.update(f"{block.steps[i]} {' '.join(sorted_names[has[i]])}".encode())
            told.update(cells[i, has[i]].tobytes())
        left -= min(left, len(block))
    return told.hexdigest()


def without(blocks: Iterable[Block], first: int) -> Iterator[Block]:
    for block in blocks:
        if first < len(block):
            yield block.rows(first, len(block))
        first = max(0, first - len(block))
