"""A few seconds of the soak in tests/fuzz, so that the fuzzers themselves stay whole."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

FUZZ = Path(__file__).parent / "fuzz"


def test_damaged_samples_for_a_while() -> None:
    sys.path.insert(0, str(FUZZ))
    try:
        spec = importlib.util.spec_from_file_location("soak", FUZZ / "soak.py")
        assert spec and spec.loader
        soak = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(soak)
        every = soak.seeds()
        assert len({data[0] for data in every.values()}) >= 15  # every reader has a seed
        for data in every.values():
            soak.exercise(data)
        assert soak.main(3.0, 7) > 20
    finally:
        sys.path.remove(str(FUZZ))
