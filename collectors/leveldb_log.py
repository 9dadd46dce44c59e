"""The framing of W&B's offline files: LevelDB's log format behind a header of seven bytes.

The file is cut into blocks of 32 KiB. A record lies in them as one or several fragments, each
`checksum: u32 | length: u16 | kind: u8 | bytes`, little endian: kind 1 is a whole record, 2, 3 and 4 are its first, a
middle and its last fragment. The checksum is crc32 (not LevelDB's crc32c) over kind and bytes. What is left of a block
when fewer than seven bytes are, is zeros. After damage the next block is the next place where a fragment begins.

Format: github.com/google/leveldb/blob/main/doc/log_format.md; the header and the checksum: wandb's own writer.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from collectors.contract import Memory, Unread

MAGIC = b":W&B"
OPENING = 7  # bytes: the magic, 0xBEE1, a version
BLOCK = 1 << 15
HEADER = 7
LARGEST = 4 << 20
"""No record of numbers is that big: it is passed over, not waited for."""
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4

header_at = struct.Struct("<IHB").unpack_from


class Fragments:
    """The fragments of a piece, up to one that is not all there.

    used: where the last one that was given ended.  damaged: how often bytes were passed over before it.
    """

    def __init__(self, data: bytes, began: int, *, torn: bool) -> None:
        """began: where the piece begins in the file."""
        self.data, self.began, self.torn = data, began, torn
        self.used = 0
        self.damaged = 0

    def __iter__(self) -> Iterator[tuple[int, int, bytes]]:
        """(where it begins, its kind, its bytes)"""
        data = self.data
        while len(data) - self.used >= HEADER:
            here = self.used
            left = BLOCK - (self.began + here) % BLOCK
            checksum, length, kind = header_at(data, here)
            end = here + HEADER + length
            if left < HEADER or HEADER + length > left:
                whole = False
            elif end > len(data):
                return
            else:
                whole = zlib.crc32(memoryview(data)[here + 6 : end]) == checksum and WHOLE <= kind <= LAST
            if whole:
                self.used = end
                yield here, kind, data[here + HEADER : end]
            elif not self._pass_over(here, left):
                return

    def _pass_over(self, here: int, left: int) -> bool:
        """On to the next block. False where that has not begun yet: zeros may still be written over."""
        if here + left >= len(self.data) and not self.torn:
            return False
        self.damaged += bool(self.data[here : here + left].strip(b"\0"))
        self.used = min(here + left, len(self.data))
        return True


def records(data: bytes, memory: Memory, unread: list[Unread], *, torn: bool) -> Iterator[tuple[int, bytes]]:
    """The whole records of a piece: (number, bytes). When it ends, memory["at"] says how far the file is used.

    memory["record"]: how many records were passed.
    """
    began = int(memory.get("at", 0))
    fragments = Fragments(data, began, torn=torn)
    if not began and len(data) >= OPENING:
        fragments.used = OPENING
    waiting: list[bytes] = []
    first, damaged = 0, 0
    for here, kind, body in fragments:
        if fragments.damaged > damaged:
            damaged, waiting = fragments.damaged, []
            _say(memory, unread, "a damaged block: set aside up to the next whole fragment")
        if kind in (WHOLE, FIRST):
            first, waiting = here, []
        elif not waiting:
            continue  # of a bulky record, or of one whose beginning was damaged
        waiting.append(body)
        if kind in (WHOLE, LAST):
            memory["record"] = int(memory.get("record", 0)) + 1
            yield int(memory["record"]), b"".join(waiting)
            waiting = []
        elif sum(map(len, waiting)) > LARGEST:
            waiting = []
            _say(memory, unread, f"a record of over {LARGEST >> 20} MiB")
    if fragments.damaged > damaged:
        _say(memory, unread, "a damaged block: set aside")
    memory["at"] = began + (first if waiting else fragments.used)


def _say(memory: Memory, unread: list[Unread], why: str) -> None:
    unread.append(Unread(int(memory.get("record", 0)) + 1, why))
