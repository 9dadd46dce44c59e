"""Is the reward rising, or have the prompts changed? A change of the mean, split into better within the sources and
another mix of them, where the log holds shares and rewards source by source."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from analyses.level import ROWS
from analyses.signal import within_and_mix
from analyses.words import number
from db import series
from db.metrics import Metric

Floats = NDArray[np.float64]

SHARE, REWARDS = "env_share", ("reward_mean", "reward_component_mean", "accuracy")


@dataclass(frozen=True)
class Sources:
    """names: of the sources. before, after: mean reward of each over the first and the newest 20 rows; shares likewise.

    within, mix: the change of the mean reward, by better answers within the sources and by another mix of them.
    """

    names: list[str]
    before: list[float]
    after: list[float]
    share_before: list[float]
    share_after: list[float]
    within: float
    mix: float
    sentence: str


def sources(connection: sa.Connection, run_id: int) -> Sources | None:
    """None where the log does not tell shares and rewards source by source, of two sources at least."""
    pairs = _pairs([metric for metric, _, _ in series.metrics_of(connection, run_id)])
    if len(pairs) < 2:
        return None
    ids = [metric.id for pair in pairs.values() for metric in pair]
    found = {metric_id: curve for (_, metric_id), curve in series.series(connection, [run_id], ids).items()}
    names = [name for name, pair in pairs.items() if all(metric.id in found for metric in pair)]
    shares, rewards = ([_ends(found[pairs[name][i].id].values) for name in names] for i in (0, 1))
    table = np.array([shares, rewards])  # (share or reward, source, before or after)
    if len(names) < 2 or not np.isfinite(table).all() or (table[0].sum(axis=0) <= 0).any():
        return None
    mixed = table[0] / table[0].sum(axis=0)
    within, mix = within_and_mix(table[1, :, 0], table[1, :, 1], mixed[:, 0], mixed[:, 1])
    before, after, share_before, share_after = (
        column.tolist() for column in (table[1, :, 0], table[1, :, 1], mixed[:, 0], mixed[:, 1])
    )
    return Sources(names, before, after, share_before, share_after, within, mix, _sentence(within, mix))


def _pairs(metrics: list[Metric]) -> dict[str, tuple[Metric, Metric]]:
    """Source -> the metric of its share and that of its reward, which has the source's name as a part of its own."""
    shares = {re.split(r"[/.]", metric.name)[-1]: metric for metric in metrics if metric.quantity == SHARE}
    rewards = [metric for metric in metrics if metric.quantity in REWARDS]
    rewards.sort(key=lambda metric: (REWARDS.index(str(metric.quantity)), metric.rank, metric.name))
    found = {}
    for source, share in sorted(shares.items()):
        mine = [metric for metric in rewards if source in re.split(r"[/.]", metric.name)]
        if mine:
            found[source] = (share, mine[0])
    return found


def _ends(values: Floats) -> tuple[float, float]:
    """Means of the first and the newest rows that are finite; NaN where they would overlap."""
    known = values[np.isfinite(values)]
    if len(known) < 2 * ROWS:
        return float("nan"), float("nan")
    return float(known[:ROWS].mean()), float(known[-ROWS:].mean())


def _sentence(within: float, mix: float) -> str:
    whole = within + mix
    told = f"Of the reward's change of {number(whole)} since the first 20 rows, {number(within)} is within the sources"
    return f"{told} and {number(mix)} comes from another mix of them.".replace("-", "−")
