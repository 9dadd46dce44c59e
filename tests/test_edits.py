"""What people do to runs: each act once, with who and when, and nothing lost that an undo wants back."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa

from alerts.check import check
from db import edits, runs
from db.alerts import tags_of
from db.edits import BadTag, Edit
from db.engine import reading, writing
from db.series import by_quantity
from tests.stores import log_more, make_run, ramp

WHO = {"who": "ada", "at": 100.0}


def two_runs(engine: sa.Engine) -> tuple[int, int]:
    with writing(engine) as connection:
        return tuple(make_run(connection, "lab", name, [ramp(1, 20)]) for name in ("a", "b"))  # type: ignore[return-value]


def test_a_tag_is_given_once_and_recorded_once(engine: sa.Engine) -> None:
    a, b = two_runs(engine)
    with writing(engine) as connection:
        assert edits.tag(connection, [a], "  long \n context ", **WHO) == [a]
        assert edits.tag(connection, [a, b, b], "long context", who="bob", at=101.0) == [b]
        runs.set_config(connection, a, {"wandb_tags": ["paper"]}, {})
        assert edits.tags_given(connection) == {a: ("long context",), b: ("long context",)}
        assert tags_of(connection, [a])[a] == ("long context", "paper")
        assert edits.untag(connection, [a, b], "long context", who="ada", at=102.0) == [a, b]
        assert edits.untag(connection, [a, b], "long context", who="ada", at=103.0) == []
        assert edits.edits_of(connection) == [
            Edit(102.0, "ada", "untag", b, "long context"),
            Edit(102.0, "ada", "untag", a, "long context"),
            Edit(101.0, "bob", "tag", b, "long context"),
            Edit(100.0, "ada", "tag", a, "long context"),
        ]
        assert [edit.act for edit in edits.edits_of(connection, a)] == ["untag", "tag"]


@pytest.mark.parametrize("text", ["", " \n", "a,b", "x" * 65])
def test_a_tag_that_is_none_is_refused(engine: sa.Engine, text: str) -> None:
    with writing(engine) as connection, pytest.raises(BadTag):
        edits.tag(connection, [1], text, **WHO)


def test_a_note_replaces_the_one_before(engine: sa.Engine) -> None:
    a, b = two_runs(engine)
    with writing(engine) as connection:
        assert edits.note(connection, a, " 学习率太高\0 ", **WHO)
        assert not edits.note(connection, a, "学习率太高\\0", **WHO)
        assert edits.notes_of(connection) == {a: "学习率太高\\0"}
        assert edits.note(connection, a, "", **WHO)
        assert edits.notes_of(connection, [a, b]) == {}
        assert [edit.act for edit in edits.edits_of(connection)] == ["note", "note"]


def test_what_is_deleted_is_out_of_sight_and_comes_back_whole(engine: sa.Engine) -> None:
    a, b = two_runs(engine)
    with writing(engine) as connection:
        assert edits.shelve(connection, [a], "deleted", **WHO) == [a]
        assert edits.shelve(connection, [a], "deleted", **WHO) == []
        log_more(connection, "/logs/lab/a/train.log", [ramp(21, 30)])  # collecting goes on
        assert [run.id for run in runs.all_runs(connection)] == [b]
        assert runs.all_runs(connection, [a]) == []
        assert [run.shelf for run in runs.all_runs(connection, [a], shelves=edits.SHELVES)] == ["deleted"]
        with pytest.raises(KeyError):
            runs.find(connection, ["lab/a"])
        [gone] = runs.find(connection, ["lab/a"], shelves=edits.SHELVES)
        assert edits.restore(connection, [gone.id, b], **WHO) == [a]
        assert [run.id for run in runs.all_runs(connection)] == [a, b]
        assert len(by_quantity(connection, [a], ["score_mean"])[a, "score_mean"]) == 30
        assert [(edit.act, edit.run_id) for edit in edits.edits_of(connection)] == [("restore", a), ("delete", a)]


def test_an_archived_run_is_found_by_who_asks_for_it(engine: sa.Engine) -> None:
    a, b = two_runs(engine)
    with writing(engine) as connection:
        edits.shelve(connection, [a], "archived", **WHO)
        assert [run.id for run in runs.all_runs(connection)] == [b]
        assert [run.id for run in runs.all_runs(connection, [a])] == [a]
        assert [run.id for run in runs.find(connection, ["a"])] == [a]


def test_check_judges_what_is_archived_and_nothing_that_is_deleted(engine: sa.Engine) -> None:
    a, b = two_runs(engine)
    with writing(engine) as connection:
        edits.shelve(connection, [a], "deleted", **WHO)
        edits.shelve(connection, [b], "archived", **WHO)
    assert check(engine, now=time.time(), live_for=None).runs.keys() == {b}


def test_an_act_that_fails_leaves_no_record(engine: sa.Engine) -> None:
    a, _ = two_runs(engine)
    with pytest.raises(ZeroDivisionError), writing(engine) as connection:
        edits.tag(connection, [a], "x", **WHO)
        raise ZeroDivisionError
    with reading(engine) as connection:
        assert edits.edits_of(connection) == []
        assert edits.tags_given(connection) == {}
