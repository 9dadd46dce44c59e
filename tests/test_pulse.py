"""What the dashboard keeps is read anew when the tables of names have changed, though no log has."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors import own_names
from collectors.follow import Collector
from dashboard import data
from db.engine import open_store
from stepwell.collecting import one_pass
from tests.logs import jsonl


def test_new_names_move_the_cursor_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.jsonl").write_bytes(jsonl(range(1, 4)))
    url = f"sqlite:///{tmp_path / 'store.db'}"
    engine = open_store(url)
    one_pass(Collector(engine, [tmp_path / "run.jsonl"]))
    data.pulse.clear()
    before = data.pulse(url).versions
    data.pulse.clear()
    assert data.pulse(url).versions == before
    monkeypatch.setattr(own_names, "told", lambda: "a table that says something else")
    assert (
        Collector(engine, [tmp_path / "run.jsonl"]).refresh_names() == 0
    )  # no row changed, but how they were understood
    data.pulse.clear()
    after = data.pulse(url).versions
    assert after.keys() == before.keys() and all(after[run] != before[run] for run in before)
    data.pulse.clear()
    engine.dispose()
