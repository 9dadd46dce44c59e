"""ESFT's choice of experts for a task, `results/expert_configs/<task>.json`: what was tuned.

{"experts": {"1": [8, 26, 55, 6, 20], "2": […]}, "shared_experts": false, "non_expert_modules": false}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from collectors.contract import Sample, Unread
from collectors.documents.contract import Broken, Document, broken, parsed

NAME = "esft-config"
KIND = "expert_config"
MOST = 4096


def recognises(sample: Sample) -> bool:
    head = sample.head.lstrip()
    return head.startswith(b"{") and b'"experts"' in head[:100] and (b'"shared_experts"' in sample.head or _cut(sample))


def _cut(sample: Sample) -> bool:
    """Longer than what is shown, and it begins as one does."""
    return sample.head.lstrip().replace(b" ", b"").startswith(b'{"experts":{"') and not sample.head.rstrip().endswith(
        b"}"
    )


def read(path: Path, data: bytes) -> Document:
    try:
        said = parsed(data)
    except Broken as error:
        return broken(error)
    try:
        experts = chosen(said.get("experts") if isinstance(said, dict) else None)
    except ValueError as error:
        return Document(unread=[Unread(1, str(error))])
    rest = {name: bool(said.get(name)) for name in ("shared_experts", "non_expert_modules")}
    task = path.parent.name if path.stem.startswith("expert_config") else path.stem
    return Document(content=json.dumps({"task": task, "experts": experts, **rest}))


def chosen(told: Any) -> dict[str, list[int]]:
    """Layer -> experts, as they were chosen, highest score first. Raises ValueError."""
    if not isinstance(told, dict) or len(told) > MOST:
        raise ValueError("experts: expected an object of layers")
    for layer, experts in told.items():
        if not (layer.isascii() and layer.isdigit()) or len(layer) > 4:
            raise ValueError(f"experts: expected a layer's number, got {layer[:40]!r}")
        if not isinstance(experts, list) or not all(type(one) is int and 0 <= one < MOST for one in experts):
            raise ValueError(f"experts: layer {layer}: expected a list of expert numbers")
    return {layer: told[layer] for layer in sorted(told, key=int)}
