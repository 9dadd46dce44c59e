"""Responses in Parquet: TRL's `completions/completions_00104.parquet` (`log_completions`), and tables of tokens.

step  prompt           completion       exact_answer  advantage
104   F11G45H49=       F11G45H49#4      0.0           -0.93

Kept are length, outcome and prompt's number of each, not the texts.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from collectors.contract import Sample, Unread
from collectors.discover import ROLLOUTS
from collectors.documents.contract import Document
from collectors.documents.rollouts import BESIDE, OUTPUTS, PROMPTS, RIGHT, TOKENS, Row, read_rows

NAME = "rollouts-parquet"
KIND = "rollouts"
TOGETHER = 512  # rows that are held as Python objects at once


def recognises(sample: Sample) -> bool:
    """By name and first bytes: of a Parquet file the names of its columns stand at its end."""
    return sample.head.startswith(b"PAR1") and ROLLOUTS.fullmatch(sample.path.name) is not None


def read(path: Path, data: bytes) -> Document:
    unread: list[Unread] = []
    try:
        return read_rows(_rows(data), unread)
    except Exception as error:  # pyarrow raises what it likes on broken bytes
        why = " ".join(str(error).split())[:200]
        return Document(unread=[Unread(1, f"no Parquet: {why}")], torn=not data.endswith(b"PAR1"))


def _rows(data: bytes) -> Iterator[tuple[int, Row]]:
    """Without columns of floats per token, which would be most of the memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(io.BytesIO(data))
    schema = file.schema_arrow
    wanted = {*PROMPTS, *OUTPUTS, *TOKENS, *RIGHT, *BESIDE}
    columns = [
        one.name
        for one in schema
        if one.name in wanted or pa.types.is_floating(one.type) or pa.types.is_integer(one.type)
    ]
    line = 0
    for batch in file.iter_batches(TOGETHER, columns=columns):
        rows: list[dict[str, Any]] = batch.to_pylist()
        for row in rows:
            line += 1
            yield line, row
