"""What is known of a run's context limit: its stages, from whoever says it best, and the curves read for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from analyses.stages import Declared, Evidence, Stage, stages
from analyses.words import percent
from answers import gpus
from answers.curves import Curves
from db import runs
from db import stages as said
from db.runs import Run

Floats = NDArray[np.float64]
EVIDENCE = ("context_limit", "response_length_max", "truncation_fraction")
SPOKEN = {
    "declared": "declared",
    "config": "from the config",
    "logged": "from the log",
    "inferred": "inferred",
    "unknown": "not known",
}


@dataclass(frozen=True)
class Known:
    """A run with its stages (of its own steps), its curves, settings, config and GPUs (None: not stated)."""

    run: Run
    stages: list[Stage]
    curves: Curves
    settings: dict[str, Any]
    config: dict[str, Any]
    gpus: int | None


def known(connection: sa.Connection, run_id: int, quantities: Sequence[str]) -> Known:
    """Raises KeyError for a run that is gone."""
    found = runs.all_runs(connection, [run_id])
    if not found:
        raise KeyError(run_id)
    settings, config = runs.settings_of(connection, run_id), runs.config_of(connection, run_id)
    curves = Curves(connection, run_id, [*dict.fromkeys((*quantities, *EVIDENCE))])
    people = said.of_run(connection, found[0], said.rules_said()[0])
    declared = [Declared(one.first_step, one.context_limit, one.name) for one in people]
    spans = stages(_evidence(curves, quantities), setting_limit(settings), declared)
    return Known(found[0], spans, curves, settings, config, gpus.gpus(config))


def setting_limit(settings: dict[str, Any]) -> float | None:
    """The response limit that a config says, in tokens."""
    value = settings.get("context_limit")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _evidence(curves: Curves, quantities: Sequence[str]) -> Evidence:
    steps, table = curves.rows(*dict.fromkeys((*EVIDENCE, *(q for q in quantities if not q.startswith("val_")))))
    logged, longest, cut = table[: len(EVIDENCE)]
    return Evidence(steps, logged, longest, cut)


def spoken(limit: float | None) -> str:
    """A limit as people say it: 16384 is 16K; "unknown limit" where it is not known.

    >>> spoken(16384), spoken(6000), spoken(None)
    ('16K', '6,000 tokens', 'unknown limit')
    """
    if limit is None:
        return "unknown limit"
    return f"{int(limit) // 1024}K" if limit >= 1024 and limit % 1024 == 0 else f"{limit:,.0f} tokens"


def switch(before: float | None, after: float | None) -> str:
    """
    >>> switch(8192, 16384), switch(24, 36)
    ('8K → 16K', '24 → 36 tokens')
    """
    one, two = spoken(before), spoken(after)
    return f"{one.removesuffix(' tokens') if two.endswith(' tokens') else one} → {two}"


def share(fraction: float) -> str:
    """A share as people say it, without digits that mean nothing.

    >>> share(0.123), share(1e-9), share(0.0)
    ('12 %', 'under 0.01 %', '0 %')
    """
    return "under 0.01 %" if 0 < fraction < 1e-4 else percent(max(fraction, 0.0))


def how(stage: Stage) -> str:
    """Where the limit of a stage is known from, and of an inferred one how sure it is."""
    if stage.origin != "inferred":
        return SPOKEN[stage.origin]
    return f"inferred: in {stage.touched:,} of {stage.rows:,} rows the longest response ends exactly there"
