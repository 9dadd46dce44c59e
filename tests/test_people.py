"""Who may see the dashboard, who may change something, and that what they do is written down under their name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import dashboard
from dashboard import data, editing, person
from dashboard.person import Allowed, MayNotEdit, Person, judged
from db import edits
from db.engine import StoreAway, open_store, reading, writing
from db.settings import BadSettings
from tests.stores import make_run, ramp

DOOR = Path(dashboard.__file__).parent / "door" / "main.py"
LISTS = Allowed(editors=("ada@lab.edu",), viewers=("*@lab.edu", "guest@else.org"))


def claims(email: str, **more: Any) -> dict[str, Any]:
    return {"is_logged_in": True, "email": email, "sub": "1", **more}


@pytest.mark.parametrize(
    ("user", "lists", "sign_in", "here", "expected"),
    [
        ({}, Allowed(), False, True, Person("local", "editor")),
        ({}, Allowed(), False, False, Person("network", "viewer")),
        ({}, Allowed(editors=("*",)), False, False, Person("network", "editor")),
        ({}, LISTS, True, True, Person("", "stranger")),
        ({"is_logged_in": False}, LISTS, True, True, Person("", "stranger")),
        (claims("Ada@Lab.edu"), LISTS, True, False, Person("ada@lab.edu", "editor", True)),
        (claims("bob@lab.edu"), LISTS, True, True, Person("bob@lab.edu", "viewer", True)),
        (claims("guest@else.org"), LISTS, True, True, Person("guest@else.org", "viewer", True)),
        (claims("eve@else.org"), LISTS, True, True, Person("eve@else.org", "stranger", True)),
        (claims("eve@lab.edu.else.org"), LISTS, True, True, Person("eve@lab.edu.else.org", "stranger", True)),
        (claims("ada@lab.edu"), Allowed(), True, True, Person("ada@lab.edu", "stranger", True)),
        (claims("ada@lab.edu", email_verified=False), LISTS, True, True, Person("1", "stranger", True)),
        (claims("ada@lab.edu", email_verified=True), LISTS, True, True, Person("ada@lab.edu", "editor", True)),
        (claims(""), Allowed(viewers=("*",)), True, True, Person("1", "stranger", True)),
    ],
)
def test_who_that_is(user: Mapping[str, Any], lists: Allowed, sign_in: bool, here: bool, expected: Person) -> None:
    assert judged(user, lists, sign_in=sign_in, here=here) == expected


def test_the_lists_stand_in_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("stepwell.toml").write_text('[dashboard]\neditors = ["Ada@lab.edu "]\n', encoding="utf-8")
    assert person.allowed() == Allowed(editors=("ada@lab.edu",))
    Path("stepwell.toml").write_text('[dashboard]\neditors = "ada@lab.edu"\n', encoding="utf-8")
    with pytest.raises(BadSettings, match="editors must be a list"):
        person.allowed()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 's.db'}"
    engine = open_store(url)
    with writing(engine) as connection:
        make_run(connection, "lab", "secret-run", [ramp(1, 20)])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEPWELL_STORE", url)
    return url


def shown(monkeypatch: pytest.MonkeyPatch, user: dict[str, Any], toml: str, path: str = "20_runs") -> AppTest:
    class User:
        def to_dict(self) -> dict[str, Any]:
            return user

    Path("stepwell.toml").write_text(toml, encoding="utf-8")
    monkeypatch.setattr(person, "sign_in_needed", lambda: True)
    monkeypatch.setattr(person.st, "user", User())
    test = AppTest.from_file(str(DOOR), default_timeout=30).run()
    test.switch_page(str(DOOR.parents[1] / "pages" / f"{path}.py")).run()
    assert not test.exception
    return test


def told(test: AppTest) -> str:
    return " ".join(str(e.value) for kind in (test.subheader, test.markdown, test.caption, test.code) for e in kind)


def test_a_stranger_sees_nothing_of_the_store(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for user, said in (({}, "Who is there?"), (claims("eve@else.org"), "not on the list")):
        test = shown(monkeypatch, user, '[dashboard]\nviewers = ["*@lab.edu"]\n')
        assert said in told(test)
        assert not test.dataframe
        assert "run" not in told(test).replace("runs this dashboard", "")


def test_a_viewer_may_look_and_an_editor_may_edit(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = '[dashboard]\nviewers = ["*@lab.edu"]\neditors = ["ada@lab.edu"]\n'
    viewer = shown(monkeypatch, claims("bob@lab.edu"), toml)
    assert viewer.dataframe[0].value["run"].tolist() == ["secret-run"]
    assert "bob\\@lab\\.edu, viewer" in told(viewer) or "bob@lab\\.edu, viewer" in told(viewer)
    assert "edit tags and notes" not in [toggle.label for toggle in viewer.toggle]
    with pytest.raises(MayNotEdit, match="editors"):
        person.engine()
    editor = shown(monkeypatch, claims("ada@lab.edu"), toml)
    assert "edit tags and notes" in [toggle.label for toggle in editor.toggle]
    assert person.engine() is open_store(store)


def test_what_is_done_is_written_down_under_the_name(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person, "person", lambda: Person("ada@lab.edu", "editor", True))
    editing.tag([1], "paper")
    assert editing.set_tags(1, ["paper"], ["best", "a,b"]) != ""
    editing.note(1, "学习率太高")
    editing.shelve([1], "deleted")
    editing._undo()
    with reading(open_store(store)) as connection:
        assert edits.tags_given(connection) == {1: ("best",)}
        assert edits.shelved_of(connection) == {}
        record = edits.edits_of(connection)
    assert [edit.act for edit in reversed(record)] == ["tag", "tag", "untag", "note", "delete", "restore"]
    assert {edit.who for edit in record} == {"ada@lab.edu"}


def test_a_viewer_cannot_do_it_either_way(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person, "person", lambda: Person("bob@lab.edu", "viewer", True))
    for act in (
        lambda: editing.tag([1], "x"),
        lambda: editing.note(1, "x"),
        lambda: editing.shelve([1], "deleted"),
        lambda: editing.restore([1]),
    ):
        with pytest.raises(MayNotEdit):
            act()
    with pytest.raises(StoreAway, match="readonly"), writing(data.engine(store)) as connection:
        edits.tag(connection, [1], "x", who="bob", at=0.0)
