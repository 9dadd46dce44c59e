"""Pages as they once were found good: small pictures in tests/screens/, compared with a tolerance.

Fonts, ages and paths differ from machine to machine, so a picture is kept at 80 x 56 pixels: what it shows is where
things stand and how dark they are. After a change that is meant, look at the pages, then

    STEPWELL_SCREENS=write python -m pytest tests/test_browser_pages.py
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FOLDER = Path(__file__).with_name("screens")
SIZE = (80, 56)
MEAN, FAR, SHARE = 3.0, 25.0, 0.025  # of 255: mean difference; a cell that is far off; how many of these may be


def small(picture: bytes) -> NDArray[np.float64]:
    """A screenshot (any size) as (56, 80, 3) values of 0 to 255."""
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB").resize(SIZE, Image.Resampling.BOX), np.float64)


def unlike(picture: bytes, name: str) -> str:
    """How a page differs from its stored picture; "" where it does not, beyond the tolerance."""
    path, now = FOLDER / f"{name}.png", small(picture)
    if os.environ.get("STEPWELL_SCREENS") == "write":
        FOLDER.mkdir(exist_ok=True)
        Image.fromarray(now.astype(np.uint8)).save(path, optimize=True)
    if not path.is_file():
        return f"no picture of {name} is stored: see tests/screens.py"
    return difference(now, small(path.read_bytes()))


def difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> str:
    apart = np.abs(one - other).mean(axis=2)
    mean, far = float(apart.mean()), float((apart > FAR).mean())
    return "" if mean <= MEAN and far <= SHARE else f"mean difference {mean:.1f}, {100 * far:.1f} % of it far off"
