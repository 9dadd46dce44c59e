"""A chart as a picture, for messages. Drawn by a process of its own: it may fail, hang or die, and nothing else does.

python -P -m charts.still < told.json > picture.png
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

LIMIT = 15.0  # s; a second is usual
WIDTH, HEIGHT, SCALE = 560, 220, 1.5  # px, and how many dots each of them gets


class NotDrawn(Exception):
    """There is no picture; the message says why."""


@dataclass(frozen=True, slots=True)
class Still:
    """What to draw: one curve, steps (n,) and values (n,) as lists (NaN and ±inf as they are), and where trouble began.

    stop: the step at which it was over, None while it lasts. colour, tone: of the curve and of the mark, #rrggbb.
    """

    title: str
    unit: str
    label: str
    steps: Sequence[int]
    values: Sequence[float]
    mark: str
    start: int
    stop: int | None
    colour: str = "#3f5bd9"
    tone: str = "#c62828"


def png(still: Still, limit: float = LIMIT) -> bytes:
    """The picture. Raises NotDrawn, also when it takes longer than limit seconds."""
    command = [sys.executable, "-P", "-m", "charts.still"]
    try:
        done = subprocess.run(
            command, input=json.dumps(asdict(still)).encode(), capture_output=True, timeout=limit, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotDrawn(type(error).__name__) from None
    if done.returncode or not done.stdout.startswith(b"\x89PNG"):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise NotDrawn(said[-1][:200] if said else f"exit {done.returncode}")
    return done.stdout


def drawn(told: Mapping[str, Any]) -> bytes:
    """The picture of a Still, in this process. Heavy: loads pandas, Altair and the renderer."""
    import numpy as np
    import vl_convert

    from charts import lines
    from charts.curve import Curve, Mark
    from charts.smooth import Smoothing

    still = Still(**told)
    steps, values = np.array(still.steps, np.int64), np.array(still.values, np.float64)
    one, live = np.ones(len(steps), np.int64), np.ones(len(steps), bool)
    curve = Curve(still.label, "1", still.colour, steps.astype(np.float64), values, steps, one, live)
    stop = float("nan") if still.stop is None else float(still.stop)
    marks = [Mark(float(still.start), still.mark, still.tone, stop)]
    span = max(2, int(steps[-1] - steps[0]) // 50) if len(steps) else 2
    style = lines.Style(unit=still.unit, title=still.title, height=HEIGHT, smoothing=Smoothing("ema", span))
    table = lines.rows([curve], style, marks=marks)
    spec = lines.spec(lines.names([curve]), style, table.extras)
    # On paper nobody points at anything.
    spec["layer"] = [layer for layer in spec["layer"] if '"near"' not in json.dumps(layer)]
    spec |= {"data": {"values": json.loads(table.rows.to_json(orient="records"))}, "width": WIDTH}
    spec["config"]["background"] = style.look.surface
    return bytes(vl_convert.vegalite_to_png(spec, scale=SCALE, allowed_base_urls=[]))


if __name__ == "__main__":
    sys.stdout.buffer.write(drawn(json.load(sys.stdin)))
