"""Runs: list them, note something about them, say what continues what."""

from __future__ import annotations

from collections.abc import Sequence

import click

from stepwell.arguments import opened, with_store


@click.command()
@with_store
@click.option("--filter", "wanted", default="", help="Such as: trainer:verl reward_mean>0.5 -state:live config.lr<1e-5")
@click.option("--tag", "tags", multiple=True, help="Only runs with this tag.")
@click.option("--archived", is_flag=True, help="Those that were archived.")
@click.option("--deleted", is_flag=True, help="Those that were deleted, and can be restored.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def runs(store: str | None, wanted: str, tags: Sequence[str], archived: bool, deleted: bool, as_json: bool) -> None:
    """List the runs with their newest step, age, reward and entropy."""
    from stepwell import listing

    engine, _settings = opened({"store": store})
    shelf = "deleted" if deleted else "archived" if archived else ""
    listing.runs(engine, wanted, tags, shelf, as_json=as_json)


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@with_store
@click.option("--who", help="Your name (the login).")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="RUN… +TAG -TAG…")
def tag(store: str | None, words: Sequence[str], who: str | None) -> None:
    """Give runs a tag (+paper), or take one away (-draft)."""
    from stepwell import editing

    engine, _settings = opened({"store": store})
    editing.tag(engine, words, who)


@click.command()
@with_store
@click.option("--who", help="Your name (the login).")
@click.argument("run")
@click.argument("text", required=False)
def note(store: str | None, run: str, text: str | None, who: str | None) -> None:
    """Write down TEXT about RUN, in place of what stood there; without TEXT, show it."""
    from stepwell import editing

    engine, _settings = opened({"store": store})
    editing.note(engine, run, text, who)


@click.command()
@with_store
@click.option("--who", help="Your name (the login).")
@click.argument("run", nargs=-1, required=True)
def archive(store: str | None, run: Sequence[str], who: str | None) -> None:
    """Put runs out of the lists; what their logs say goes on being stored."""
    from stepwell import editing

    engine, _settings = opened({"store": store})
    editing.archive(engine, run, who)


@click.command()
@with_store
@click.option("--who", help="Your name (the login).")
@click.argument("run", nargs=-1, required=True)
def delete(store: str | None, run: Sequence[str], who: str | None) -> None:
    """Put runs out of sight and judgement until somebody restores them; no point is lost."""
    from stepwell import editing

    engine, _settings = opened({"store": store})
    editing.delete(engine, run, who)


@click.command()
@with_store
@click.option("--who", help="Your name (the login).")
@click.argument("run", nargs=-1, required=True)
def restore(store: str | None, run: Sequence[str], who: str | None) -> None:
    """Bring runs back that were archived or deleted."""
    from stepwell import editing

    engine, _settings = opened({"store": store})
    editing.restore(engine, run, who)


@click.command()
@with_store
@click.argument("run", nargs=-1)
@click.option("--limit", type=int, default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def edits(store: str | None, run: Sequence[str], limit: int, as_json: bool) -> None:
    """Show what people did: who, when, what, to which run."""
    from stepwell import editing

    engine, _settings = opened({"store": store})
    editing.history(engine, run, limit, as_json=as_json)


@click.command()
@with_store
@click.argument("run")
@click.option("--after", required=True, metavar="RUN", help="The run whose checkpoint it started from.")
def link(store: str | None, run: str, after: str) -> None:
    """Say that RUN started from a checkpoint of another run."""
    from stepwell import listing

    engine, _settings = opened({"store": store})
    listing.link(engine, run, after)


@click.command()
@with_store
@click.argument("run")
@click.option("--at", "step", type=click.IntRange(0), default=0, show_default=True, help="Its first step.")
@click.option("--limit", metavar="TOKENS", help="Tokens that a response may have: 16384, or 16K.")
@click.option("--name", default="", help="What it is called.")
@click.option("--remove", is_flag=True, help="Take back the stage that was declared there.")
@click.option("--who", help="Your name (the login).")
def stage(store: str | None, run: str, step: int, limit: str | None, name: str, remove: bool, who: str | None) -> None:
    """Say where a stage of RUN begins, over what configs and logs say."""
    from stepwell import staging

    engine, _settings = opened({"store": store})
    staging.stage(engine, run, step, limit, name, who, remove=remove)


@click.command()
@with_store
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def stages(store: str | None, run: str, as_json: bool) -> None:
    """Show the stages of the chain that RUN is part of: limits, hand-offs, readiness for a longer context."""
    from stepwell import staging

    engine, _settings = opened({"store": store})
    staging.tell(engine, run, json=as_json)
