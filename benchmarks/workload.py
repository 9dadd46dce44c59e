"""Made-up runs in the forms that trainers write. Every number follows from a seed, so two machines read the same bytes.

W1 is one run of 200 metrics x 5,000 steps: a million points.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from collectors.records import masked_crc
from db.block import Block, Floats

SEED = 5_000_200
START = 1_750_000_000.0  # s since the epoch
PACE = 40.0  # s per step
STEPS, METRICS = 5_000, 200

GROUPS = {
    "actor": "entropy pg_loss kl_loss ppo_kl pg_clipfrac pg_clipfrac_lower grad_norm lr",
    "critic": "score/mean score/max score/min rewards/mean rewards/max rewards/min advantages/mean returns/mean",
    "response_length": "mean max min clip_ratio",
    "prompt_length": "mean max min clip_ratio",
    "timing_s": "gen reward old_log_prob ref adv update_actor step",
    "perf": "total_num_tokens time_per_step throughput mfu/actor max_memory_allocated_gb",
}


def metric_names(count: int) -> list[str]:
    """verl's own names first, then those of a large evaluation suite."""
    known = [f"{group}/{name}" for group, names in GROUPS.items() for name in names.split()]
    suite = [f"val-core/set_{i // 8:02d}/reward/mean@{1 << i % 8}" for i in range(max(0, count - len(known)))]
    return (known + suite)[:count]


def curves(steps: int, metrics: int, run: int = 0) -> Floats:
    """(steps, metrics): a drift, noise and rare spikes; every eighth metric counts in whole numbers."""
    rng = np.random.default_rng((SEED, run))
    size = np.exp(rng.normal(size=metrics))
    drift = np.cumsum(rng.normal(size=(steps, metrics)), axis=0) / np.sqrt(steps)
    values: Floats = size * (1 + drift + rng.normal(scale=0.1, size=(steps, metrics)))
    values[rng.random(values.shape) < 5e-4] *= 30
    values[:, ::8] = np.rint(1000 * values[:, ::8])
    return values


def block(steps: int, metrics: int, run: int = 0, since: float = START) -> Block:
    """The same numbers as the store takes them: steps from 1, PACE seconds apart."""
    axis = np.arange(1, steps + 1)
    return Block(tuple(metric_names(metrics)), axis, np.float64(since) + PACE * axis, curves(steps, metrics, run))


TENSOR = b"\x42\x0a\x08\x01\x12\x00\x22\x04", b"\x4a\x0b\x0a\x09\x0a\x07scalars"
"""tensor = 8 { dtype = 1: DT_FLOAT, tensor_shape = 2 {}, tensor_content = 4: the number }, metadata = 9 { plugin_data =
1 { plugin_name = 1: "scalars" } }: what stands before the number, and after it."""


# --- one run in the forms of its writers ---------------------------------------------------------------------------


def jsonl_lines(steps: int, metrics: int, run: int = 0) -> list[bytes]:
    """verl's file logger: {"step": 1, "data": {…}}."""
    names = metric_names(metrics)
    return [
        orjson.dumps({"step": step, "data": dict(zip(names, row, strict=True))}) + b"\n"
        for step, row in enumerate(curves(steps, metrics, run).tolist(), 1)
    ]


def console_lines(steps: int, metrics: int, run: int = 0, form: str = "{!r}") -> list[bytes]:
    """verl's console; form "np.float64({!r})" is how it prints where numpy 2 says its types."""
    names = metric_names(metrics)
    return [
        f"step:{step} - {' - '.join(f'{n}:{form.format(v)}' for n, v in zip(names, row, strict=True))}\n".encode()
        for step, row in enumerate(curves(steps, metrics, run).tolist(), 1)
    ]


def event_file(
    steps: int, metrics: int, run: int = 0, *, tensors: bool = False, spike: tuple[int, float] | None = None
) -> bytes:
    """TensorBoard: one event per number, float32, as SummaryWriter.add_scalar writes it; tensors: as TensorFlow 2 does
    (and PyTorch's writer with new_style=True). spike: a step at which every metric has this value instead."""
    values = curves(steps, metrics, run).astype("<f4")
    if spike:
        values[spike[0] - 1] = spike[1]
    columns = [_events(name.encode(), values[:, i], tensors) for i, name in enumerate(metric_names(metrics))]
    opening = b"\x09" + np.float64(START).tobytes() + b"\x1a\x0dbrain.Event:2"
    first: bytes = _framed(np.frombuffer(opening, np.uint8)[None])[0].tobytes()
    return first + b"".join(event for step in zip(*columns, strict=True) for event in step)


def _events(tag: bytes, values: np.ndarray, tensors: bool) -> list[bytes]:
    """One framed event per step. Those whose step takes equally many bytes are made at once."""
    events: list[bytes] = []
    for low, high in ((1, 1 << 7), (1 << 7, 1 << 14), (1 << 14, 1 << 21)):
        steps = np.arange(low, min(high, len(values) + 1))
        if len(steps):
            events += [row.tobytes() for row in _framed(_payloads(tag, steps, values[steps - 1], tensors))]
    return events


def _payloads(tag: bytes, steps: np.ndarray, values: np.ndarray, tensors: bool) -> np.ndarray:
    """wall_time = 1, step = 2, summary = 5 { value = 1 { tag = 1, and simple_value = 2 or what TENSOR says } }."""
    n = len(steps)
    before, after = TENSOR if tensors else (b"\x15", b"")
    value = _head(10, len(tag)) + tag + before
    summary = _head(10, len(value) + 4 + len(after)) + value
    return np.hstack(
        [
            _same(n, b"\x09"),
            (START + PACE * steps).astype("<f8").view(np.uint8).reshape(n, 8),
            _same(n, b"\x10"),
            _varints(steps),
            _same(n, _head(42, len(summary) + 4 + len(after)) + summary),
            np.ascontiguousarray(values).view(np.uint8).reshape(n, 4),
            _same(n, after),
        ]
    )


def _framed(payloads: np.ndarray) -> np.ndarray:
    n, size = payloads.shape
    length = np.full(n, size, "<u8").view(np.uint8).reshape(n, 8)
    sums = [masked_crc(part).astype("<u4").view(np.uint8).reshape(n, 4) for part in (length, payloads)]
    return np.hstack([length, sums[0], payloads, sums[1]])


def _same(n: int, data: bytes) -> np.ndarray:
    return np.tile(np.frombuffer(data, np.uint8), (n, 1))


def _head(key: int, size: int) -> bytes:
    return bytes([key, *_varints(np.array([size]))[0]])


def _varints(numbers: np.ndarray) -> np.ndarray:
    """(n, k): numbers that all take k bytes, 7 bits each, low ones first."""
    k = max(1, -(-int(numbers.max()).bit_length() // 7))
    bits = (numbers[:, None] >> (7 * np.arange(k))) & 0x7F
    bits[:, :-1] |= 0x80
    return bits.astype(np.uint8)


# --- on disk -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class W1:
    """The files of one run, told five times."""

    jsonl: Path
    console: Path
    wrapped: Path
    events: Path
    tensors: Path


def write_w1(folder: Path, steps: int = STEPS, metrics: int = METRICS) -> W1:
    events = "events.out.tfevents.1750000000.host.1.0"
    names = ("w1.jsonl", "w1.console.log", "w1.wrapped.log", f"tb/{events}", f"tb2/{events}")
    files = W1(*(folder / name for name in names))
    for path in (files.events, files.tensors):
        path.parent.mkdir()
    files.jsonl.write_bytes(b"".join(jsonl_lines(steps, metrics)))
    files.console.write_bytes(b"".join(console_lines(steps, metrics)))
    files.wrapped.write_bytes(b"".join(console_lines(steps, metrics, form="np.float64({!r})")))
    files.events.write_bytes(event_file(steps, metrics))
    files.tensors.write_bytes(event_file(steps, metrics, tensors=True))
    return files
