"""How many GPUs a run uses, where its config says so: GPU-hours are hours times that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from db import runs

WHOLE = ("n_gpus", "num_gpus", "world_size", "resources.n_gpus", "cluster.n_gpus")
PER_NODE = ("n_gpus_per_node", "num_gpus_per_node", "gpus_per_node")
NODES = ("nnodes", "num_nodes", "n_nodes")
MOST = 1_000_000


def of_run(connection: sa.Connection, run_id: int) -> int | None:
    """GPUs of a run; None where its config does not say."""
    return gpus(runs.config_of(connection, run_id))


def gpus(config: Mapping[str, Any]) -> int | None:
    """GPUs that a flat config (dotted keys) states, as a whole or per node times nodes; None where it does not.

    A count per node without a number of nodes says nothing of the whole. The shortest key decides where several match.
    """
    whole = _count(config, WHOLE)
    if whole is not None:
        return whole
    each, nodes = _count(config, PER_NODE), _count(config, NODES)
    return None if each is None or nodes is None else each * nodes


def _count(config: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    keys = [key for key in config if any(key == name or key.endswith(f".{name}") for name in names)]
    for key in sorted(keys, key=lambda key: (key.count("."), len(key), key)):
        value = config[key]
        number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
        if isinstance(number, int) and not isinstance(number, bool) and 0 < number < MOST:
            return number
    return None
