"""Copies what is worth shipping from the folder where the runs were made to sample_runs/: logs, no weights.

python publish.py path/to/sample_runs
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from recipes import TRL, VERL

COMPLETIONS_EVERY = 5  # rollout batches between those whose completions are shipped


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def join_tokens(source: Path, out: Path) -> None:
    """One file per run instead of one per step; lists of numbers, zstd."""
    parts = sorted(source.glob("*.parquet"))
    if not parts:
        return
    table = pa.concat_tables(pq.read_table(part) for part in parts).replace_schema_metadata(None)
    pq.write_table(table, out / "tokens.parquet", compression="zstd", compression_level=12)


def publish_verl(name: str, out: Path) -> None:
    for part in ("train.log", f"{name}.jsonl"):
        shutil.copy(Path("verl", name, part), out / part)
    join_tokens(Path("tokens/verl", name), out)


def publish_trl(name: str, out: Path) -> None:
    source = Path("trl", name)
    shutil.copy(source / "trainer_state.json", out)
    shutil.copytree(source / "runs", out / "runs")
    (out / "completions").mkdir()
    for completions in sorted(source.glob("completions/*.parquet"))[::COMPLETIONS_EVERY]:
        table = pq.read_table(completions).replace_schema_metadata(None)
        pq.write_table(table, out / "completions" / completions.name, compression="zstd")
    join_tokens(Path("tokens/trl", name), out)


def main(out: Path) -> None:
    for r in VERL:
        publish_verl(r.name, fresh(out / "verl" / r.name))
    for r in TRL:
        publish_trl(r.name, fresh(out / "trl" / r.name))
    shutil.copytree("evaluations", out / "evaluations", dirs_exist_ok=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    main(parser.parse_args().out)
