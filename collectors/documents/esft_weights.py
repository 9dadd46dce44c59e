"""The routing that ESFT's model writes, `expert_weights_<layer>.txt`: a line per sequence, the numbers of the 6 experts
of each token one after the other, two tabs, their gate weights. The scores are counted from it where no summary stands.

8	26	56	57	60	11	2	7	8	39	61	56		0.0812	0.0651	…
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from collectors.contract import Sample, Unread
from collectors.documents.contract import Document

NAME = "esft-weights"
KIND = "expert_scores"
K = 6  # experts of a token, as in the repository's own script
MOST = 4096
IDS = re.compile(rb"\d{1,4}(\t\d{1,4}){5,}(\t\t\d*\.\d+\t|\t?\d*\Z)")
LAYER = re.compile(r"expert_weights_(\d{1,4})\.txt")


def recognises(sample: Sample) -> bool:
    return LAYER.fullmatch(sample.path.name) is not None and IDS.match(sample.head) is not None


def read(path: Path, data: bytes) -> Document:
    named = LAYER.fullmatch(path.name)
    count, gate, unread = np.zeros(MOST), np.zeros(MOST), []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            ids, weights = _routing(line)
        except (ValueError, OverflowError) as error:
            unread.append(Unread(number, str(error)))
            continue
        count += np.bincount(ids, minlength=MOST)
        gate += np.bincount(ids, weights=weights, minlength=MOST)
    used = int(np.flatnonzero(count).max(initial=-1)) + 1
    tokens = count.sum() / K
    told = {
        "task": path.parent.parent.name if path.parent.name.startswith("rank") else path.parent.name,
        "layer": int(named[1]) if named else 0,
        "tokens": int(tokens),
        "token": (count[:used] / max(count.sum(), 1)).tolist(),
        "gate": (gate[:used] / max(tokens, 1)).tolist(),
    }
    return Document(content=json.dumps(told), unread=unread)


def _routing(line: bytes) -> tuple[np.ndarray, np.ndarray]:
    left, _, right = line.partition(b"\t\t")
    ids, weights = np.array(left.split(b"\t"), np.int64), np.array(right.split(b"\t"), np.float64)
    if len(ids) != len(weights) or len(ids) % K or ids.min() < 0 or ids.max() >= MOST or not np.isfinite(weights).all():
        raise ValueError(f"expected {K} experts a token and a weight for each, got {len(ids)} and {len(weights)}")
    return ids, weights
