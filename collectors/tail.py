"""The bytes of a log that grows, tears, rotates, is truncated or replaced; compressed or not, in UTF-16 or not.

The place is a number of (decompressed) bytes; UTF-16, as PowerShell's `>` writes it, is given as UTF-8. Two short
hashes stand beside it: of the file's first bytes and of those just before the place. If either no longer matches, the
file is another one and is read from its start.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

HEAD = 4096
MARK = 256
GZIP = b"\x1f\x8b"
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Log:
    """An open log: `read(offset, n)` gives decompressed bytes; `problem` says why a compressed one ended early."""

    def __init__(self, path: Path) -> None:
        self.file: BinaryIO = path.open("rb")
        self.stat = os.fstat(self.file.fileno())
        opening = self.file.read(2)
        self.wide = opening in UTF16
        self.compressed = opening == GZIP
        self.problem: str | None = None
        self._ready = bytearray()  # decompressed, not yet asked for
        self._more = self._recode if self.wide else self._inflate
        self._rewind()

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer only at the end, as it was when the log was opened.

        Forward reads of a compressed log are cheap.
        """
        if not (self.compressed or self.wide):  # no more than is there: Python makes room for all that is asked for
            self.file.seek(offset)
            return self.file.read(min(size, max(0, self.stat.st_size - offset)))
        if offset < self._at - len(self._ready):
            self._rewind()
        self._skip_to(offset)
        while len(self._ready) < size and self._more(size):
            pass
        data, self._ready = bytes(self._ready[:size]), self._ready[size:]
        return data

    def _rewind(self) -> None:
        self.file.seek(0)
        self._inflater = zlib.decompressobj(wbits=31)
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
        self._ready.clear()
        self._at, self._pending = 0, b""  # bytes given so far; those that are read and not yet decompressed

    def _skip_to(self, offset: int) -> None:
        while self._at < offset:
            self._ready.clear()
            if not self._more(1 << 20):
                return
        start = self._at - len(self._ready)
        del self._ready[: max(0, offset - start)]

    def _recode(self, most: int) -> bool:
        data = self.file.read(min(most, 1 << 16) + 2 & ~1)
        text = self._decoder.decode(data).encode()
        self._ready += text
        self._at += len(text)
        return bool(data)

    def _inflate(self, most: int) -> bool:
        """Decompress a little more, never more than `most` bytes at once (a bomb must not fill the memory)."""
        try:
            if self._inflater.eof:
                if not self._next_stream():
                    return False
                self._inflater = zlib.decompressobj(wbits=31)
            self._pending = self._pending or self.file.read(1 << 16)
            if not self._pending:
                self.problem = "the gzip stream is cut: waiting for the rest"
                return False
            data = self._inflater.decompress(self._pending, most)
            self._pending = self._inflater.unconsumed_tail
        except zlib.error as error:
            self.problem = f"the gzip stream is damaged: {error}"
            return False
        self._ready += data
        self._at += len(data)
        return True

    def _next_stream(self) -> bool:
        """Whether another compressed stream follows the one that has ended, as after `gzip >> log.gz`."""
        self._pending = self._inflater.unused_data
        while len(self._pending) < len(GZIP) and (more := self.file.read(1 << 16)):
            self._pending += more
        if not self._pending.startswith(GZIP):
            if self._pending.strip(b"\0"):
                self.problem = "what follows the gzip stream is no gzip: it is not read"
            return False
        return True


def stamp(data: bytes) -> str:
    """ "length:hash" of a few bytes, to be held against the file later."""
    return f"{len(data)}:{hashlib.blake2b(data, digest_size=12).hexdigest()}"


def head_of(log: Log) -> str:
    return stamp(log.read(0, HEAD))


def mark_of(log: Log, offset: int, before: bytes = b"") -> str:
    """The stamp of the bytes just before `offset`; `before` are those that are at hand."""
    if len(before) >= min(MARK, offset):
        return stamp(before[-MARK:] if offset else b"")
    return stamp(log.read(max(0, offset - MARK), min(MARK, offset)))


def matches(log: Log, head: str, mark: str, offset: int) -> bool:
    """Is this still the file that was read up to `offset`? A head that was short when stamped is compared as far."""
    known = log.read(0, int(head.split(":", maxsplit=1)[0]))
    return stamp(known) == head and mark_of(log, offset) == mark
