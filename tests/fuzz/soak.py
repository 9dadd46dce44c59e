"""The readers under damaged samples for some time, without atheris: `python tests/fuzz/soak.py 60`.

Prints the input that failed as a file under /tmp, to be given to `exercise` again.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from readers import exercise, seeds

ODD = [
    b"\0" * 4,
    b"\n",
    b"\r",
    b"\xff\xfe",
    b"nan",
    b"}",
    b"{'",
    b'"',
    b"1e999",
    b"-",
    b":",
    b"[" * 50,
    b"\x1b[36m(a pid=1) ",
]


def damaged(data: bytes, chance: random.Random, every: list[bytes]) -> bytes:
    """A few edits: cut out, doubled, overwritten, or spliced with another sample."""
    for _ in range(chance.randint(1, 5)):
        start = chance.randrange(2, max(3, len(data)))
        stop = start + chance.choice([0, 1, 8, 64, len(data) // 4])
        other = chance.choice(every)
        at = chance.randrange(len(other))
        piece = chance.choice(
            [b"", data[start:stop] * 2, chance.choice(ODD), chance.randbytes(8), other[at : at + 200]]
        )
        data = data[:start] + piece + data[stop:]
    return data if chance.random() < 0.9 else bytes([chance.randrange(256)]) + data[1:]


def main(seconds: float, seed: int) -> int:
    chance, every, tried = random.Random(seed), list(seeds().values()), 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        data = damaged(chance.choice(every), chance, every)
        try:
            exercise(data)
        except Exception:
            with tempfile.NamedTemporaryFile(prefix="stepwell-fuzz-", delete=False) as file:
                file.write(data)
            print(f"failed after {tried:,} inputs (seed {seed}): {Path(file.name)}", file=sys.stderr)
            raise
        tried += 1
    return tried


if __name__ == "__main__":
    count = main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    print(f"{count:,} inputs, none of them a trouble")
