"""Pages look at the store through an engine that cannot write."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from db import edits
from db.engine import StoreAway, StoreError, open_store, open_view, reading, writing
from db.runs import all_runs
from tests.stores import make_run, ramp


def test_a_view_sees_what_is_written_and_writes_nothing(store_url: str) -> None:
    view = open_view(store_url)
    engine = open_store(store_url)
    with writing(engine) as connection:
        run = make_run(connection, "lab", "a", [ramp(1, 5)])
    with reading(view) as connection:
        assert [one.id for one in all_runs(connection)] == [run]
    with pytest.raises((StoreError, DBAPIError), match=r"read-?only"), writing(view) as connection:
        edits.tag(connection, [run], "x", who="eve", at=0.0)
    with pytest.raises((StoreError, DBAPIError), match=r"read-?only"), reading(view) as connection:
        connection.execute(sa.text("DELETE FROM runs"))
    with reading(engine) as connection:
        assert edits.tags_given(connection) == {}
    view.dispose()
    engine.dispose()


def test_a_store_that_is_not_ours_to_write_can_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / '库 1.db'}"
    with writing(open_store(url)) as connection:
        make_run(connection, "lab", "a", [ramp(1, 5)])

    def refused(_: str) -> sa.Engine:
        raise StoreAway("attempt to write a readonly database")

    monkeypatch.setattr("db.engine.open_store", refused)
    with reading(open_view(url)) as connection:
        assert [run.name for run in all_runs(connection)] == ["a"]
    with pytest.raises(StoreAway, match="readonly"):
        open_view(f"sqlite:///{tmp_path / 'none.db'}")


def test_a_view_of_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError):
        open_view(f"sqlite:///{tmp_path / 'no.db'}")
