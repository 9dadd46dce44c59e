"""`stepwell tag`, `note`, `archive`, `delete`, `restore`, `edits`: what people do to runs, with who and when."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

import click
import sqlalchemy as sa

from db import edits, runs
from db.edits import SHELVES, BadTag
from db.engine import reading, writing
from stepwell import show
from stepwell.named import named, one_named

Act = Callable[..., list[int]]


def login() -> str:
    """Who is at the keyboard; "unknown" where the system cannot tell."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def tag(engine: sa.Engine, words: Sequence[str], who: str | None) -> None:
    """words: runs, then +tag and -tag. Raises click.UsageError where that is not so."""
    names = [word for word in words if word[:1] not in ("+", "-")]
    changes = [word for word in words if word[:1] in ("+", "-")]
    if not names or not changes:
        raise click.UsageError("say which run, and +tag or -tag: stepwell tag grpo-8k +paper -draft")
    with writing(engine) as connection:
        found = named(connection, names, shelves=SHELVES)
        for change in changes:
            act = edits.tag if change[0] == "+" else edits.untag
            try:
                act(connection, [run.id for run in found], change[1:], who=who or login(), at=time.time())
            except BadTag as error:
                raise click.UsageError(str(error)) from error
        given = edits.tags_given(connection)
    for run in found:
        click.echo(f"{run.label}: {', '.join(given.get(run.id, ())) or 'no tags'}")


def note(engine: sa.Engine, run: str, text: str | None, who: str | None) -> None:
    """Put the note in place of what stood there, or show it where no text is given."""
    with writing(engine) as connection:
        found = one_named(connection, run, shelves=SHELVES)
        if text is not None:
            edits.note(connection, found.id, text, who=who or login(), at=time.time())
        click.echo(edits.notes_of(connection, [found.id]).get(found.id, "no note"))


def archive(engine: sa.Engine, names: Sequence[str], who: str | None) -> None:
    _move(
        engine, names, partial(edits.shelve, how="archived"), who, "archived", "`stepwell runs --archived` lists them"
    )


def delete(engine: sa.Engine, names: Sequence[str], who: str | None) -> None:
    _move(engine, names, partial(edits.shelve, how="deleted"), who, "deleted", "`stepwell restore` brings them back")


def restore(engine: sa.Engine, names: Sequence[str], who: str | None) -> None:
    _move(engine, names, edits.restore, who, "back in sight", "")


def _move(engine: sa.Engine, names: Sequence[str], act: Act, who: str | None, done: str, more: str) -> None:
    with writing(engine) as connection:
        found = named(connection, names, shelves=SHELVES)
        moved = act(connection, [run.id for run in found], who=who or login(), at=time.time())
    for run in found:
        stays = f"nothing to do, it is {run.shelf or 'in sight'}"
        click.echo(f"{run.label}: {done if run.id in moved else stays}")
    if moved and more:
        click.echo(more)


def history(engine: sa.Engine, names: Sequence[str], limit: int, *, as_json: bool) -> None:
    """Who did what and when, newest first; of these runs, or of all."""
    with reading(engine) as connection:
        every = {run.id: run.label for run in runs.all_runs(connection, shelves=SHELVES)}
        of = [run.id for run in named(connection, names, shelves=SHELVES)] if names else [None]
        told = [one for run_id in of for one in edits.edits_of(connection, run_id, limit)]
    told = sorted(told, key=lambda one: -one.at)[:limit]
    if as_json:
        show.as_json({"edits": [asdict(one) | {"run": every.get(one.run_id or 0)} for one in told]})
        return
    cells = [(show.since(e.at), e.who, e.act, every.get(e.run_id or 0, ""), _short(e.detail)) for e in told]
    if not cells:
        click.echo("Nobody has changed anything yet.")
        return
    show.table(("ago", "who", "did", "run", ""), cells)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"
