"""What every reader must stand: any bytes, in any two pieces, without an error, a hang or a lie about what it used."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from feeding import records_of  # noqa: E402

import collectors.formats  # noqa: E402
from collectors import configs, rollout_files  # noqa: E402
from collectors.contract import Sample  # noqa: E402
from collectors.documents.contract import Reader, readers  # noqa: E402

READERS: list[ModuleType] = [
    importlib.import_module(f"collectors.formats.{m.name}") for m in pkgutil.iter_modules(collectors.formats.__path__)
]
PAPERS = list(readers().values())
SAMPLES = ROOT / "sample_runs"
LARGEST = 6000  # bytes of a sample that are a seed: the opening of any log
SLOWEST = 2.0  # s for an input of a few kB: anything slower is a hang in the making
CONFIG_NAMES = ("config.yaml", "config.json", "training_args.txt", "rl.toml", "overrides.yaml", "wandb-metadata.json")


def seeds() -> dict[str, bytes]:
    """name -> an input for `exercise`, from the samples: which reader, where to cut, and the bytes."""
    found: dict[str, bytes] = {}
    files = sorted((one for one in SAMPLES.rglob("*") if one.is_file()), key=lambda one: one.stat().st_size)
    for path in (one for one in files if one.suffix not in (".py", ".md", ".parquet")):
        data = path.read_bytes()
        for number, reader in enumerate(READERS):
            name = f"{reader.NAME}{path.suffix}"
            if name not in found and reader.recognises(Sample(path, data[: 1 << 16], data)):
                piece = data if reader.WHOLE else data[:LARGEST]
                found[name] = bytes([number, 128]) + piece[: 4 * LARGEST]
        for number, paper in enumerate(PAPERS, len(READERS) + 1):
            name = f"{paper.NAME}{path.suffix}"
            if name not in found and paper.recognises(Sample(path, data[: 1 << 16], data)):
                found[name] = bytes([number, 128]) + data[: 4 * LARGEST]
    return found


def exercise(data: bytes) -> None:
    """The first byte names the reader (beyond them: the config files, the documents), the second where the text is cut
    in two."""
    if len(data) < 2:
        return
    began = time.monotonic()
    which, text = data[0] % (len(READERS) + 1 + len(PAPERS)), data[2:]
    if which == len(READERS):
        _config(text)
    elif which > len(READERS):
        _document(PAPERS[which - len(READERS) - 1], text)
    else:
        _read(READERS[which], text, len(text) * data[1] // 256)
    took = time.monotonic() - began
    assert took < SLOWEST, f"{took:.1f} s for {len(text)} bytes"


def _read(reader: ModuleType, text: bytes, cut: int) -> None:
    for path in (Path("x.log"), Path("x.jsonl")):
        reader.recognises(Sample(path, text, text))
    rollout_files.what(Path("x.jsonl"), text)
    memory: dict[str, Any] = {}
    pieces = [text] if reader.WHOLE else [text[:cut], text]
    done = 0
    for torn, piece in [*((False, one) for one in pieces), (True, text)]:
        part = reader.read(piece[done:], memory, torn=torn)
        assert 0 <= part.used <= len(piece) - done
        records_of(part)
        assert all(one.why for one in part.unread)
        done += 0 if torn or reader.WHOLE else part.used


def _document(reader: Reader, text: bytes) -> None:
    reader.recognises(Sample(Path("x.json"), text, text))
    said = reader.read(Path("x.json"), text)
    assert len({entry.position for entry in said.entries}) == len(said.entries)
    assert all(one.why for one in said.unread)


def _config(text: bytes) -> None:
    for name in CONFIG_NAMES:
        try:
            found = configs.READERS[Path(name).suffix](text.decode("utf-8"))
        except (ValueError, RecursionError):  # what `load` turns into a reason
            continue
        if isinstance(found, dict):
            configs.resolved(configs.flatten(found))
