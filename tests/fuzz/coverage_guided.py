"""Coverage-guided fuzzing of every reader with atheris, which is none of our dependencies: `make fuzz`.

python tests/fuzz/coverage_guided.py CORPUS -max_total_time=3600 -rss_limit_mb=1000
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["collectors"]):
    import readers


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, data in readers.seeds().items():
            (Path(folder) / name).write_bytes(data)
        atheris.Setup([*sys.argv, folder], readers.exercise)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
