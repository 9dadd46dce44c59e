"""What is Stepwell set to, and who changed what?"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import pandas as pd
import streamlit as st

from alerts import rules
from alerts.rules import Book, Channel, Rule
from answers import store
from answers.store import Store
from dashboard import data, parts, person, state
from dashboard.words import ago, plain, several
from db import edits, settings
from db.settings import SETTINGS, Value, displayed

PARTS = {
    "settings": "Settings",
    "rules": "Rules",
    "channels": "Channels",
    "store": "Store",
    "history": "History",
    "versions": "Versions",
}
LIBRARIES = ("stepwell", "streamlit", "sqlalchemy", "alembic", "numpy", "pandas", "duckdb", "mlflow", "apprise")
ACTS = 500


def main() -> None:
    now = data.pulse(data.store_url())
    held = data.ask(store.store, now.all)
    values, book = settings.load(), rules.load()
    said = plain(answer(held, values, book), 500)
    parts.head(
        "What is Stepwell set to, and who changed what?", said, data.newest_wall(data.every_run(data.store_url())), now
    )
    part, tied = state.one_of("part", list(PARTS), "settings")
    st.segmented_control("part", list(PARTS), format_func=PARTS.__getitem__, label_visibility="collapsed", **tied)
    if part == "settings":
        show_settings(values)
    elif part == "rules":
        show_rules(book)
    elif part == "channels":
        show_channels(book)
    elif part == "store":
        show_store(held, values)
    elif part == "history":
        show_history(now)
    else:
        show_versions(held)
    if not held.counts["runs"]:
        parts.nothing_yet()


def answer(held: Store, values: Mapping[str, Value], book: Book) -> str:
    """The store in a sentence, what is set otherwise than usual, how many rules are in force, the last act."""
    own = [name for name, value in values.items() if value.origin != "default"]
    told = [held.sentence]
    told.append(f"Set otherwise than usual: {', '.join(own)}." if own else "Every setting is at its default.")
    force = sum(rule.enabled for rule in book.rules.values())
    heard = (
        f"{several(len(book.channels), 'channel')} will hear of them" if book.channels else "no channel hears of them"
    )
    told.append(f"{several(force, 'rule is', 'rules are')} in force; {heard}.")
    if held.edit is not None:
        told.append(f"Last change: {held.edit.act} by {held.edit.who}, {ago(time.time() - held.edit.at)} ago.")
    return " ".join(told)


def show_settings(values: Mapping[str, Value]) -> None:
    rows = [
        {
            "setting": s.name,
            "value": displayed(s.name, v.value),
            "from": v.origin,
            "what it is": s.meaning.replace("`", ""),
        }
        for s in SETTINGS
        if (v := values.get(s.name)) is not None
    ]
    table(rows, value=st.column_config.TextColumn(width=320))
    st.caption("A flag goes before the environment, that before the project's stepwell.toml, that before the user's.")
    lists = person.allowed()
    who = f"{several(len(lists.editors), 'entry', 'entries')} of editors and {len(lists.viewers):,} of viewers"
    if person.sign_in_needed():
        st.markdown(f"People sign in (OIDC); `[dashboard]` has {who}.")
    else:
        st.markdown("Nobody signs in: whoever sits at this machine may edit, whoever comes over the network may look.")


def show_rules(book: Book) -> None:
    """Those of the team first."""
    ordered = sorted(book.rules.values(), key=lambda rule: (rule.expression is None, rule.name))
    table([_rule(rule) for rule in ordered], rule=st.column_config.TextColumn(width=220))
    st.caption("Rules are read from stepwell.toml; `stepwell rules test` says what each would have done.")


def _rule(rule: Rule) -> dict[str, str]:
    own = rule.expression
    return {
        "rule": rule.name,
        "looks at": own.subject if own is not None else "built in",
        "in force": "yes" if rule.enabled else "no",
        "severity": rule.severity if rule.severity != rules.FINDING else "as found",
        "for": str(rule.hold) if rule.hold else "at once",
        "runs": ", ".join([*rule.projects, *rule.runs, *rule.tags]).replace("*, *", "all"),
        "told to": "all channels" if rule.channels is None else ", ".join(rule.channels) or "nobody",
        "again after": "never" if rule.repeat is None else ago(rule.repeat),
        "guard": rule.guard or "",
    }


def show_channels(book: Book) -> None:
    if not book.channels:
        st.markdown("No channel is set: what fires is seen on these pages and printed by `stepwell check` alone.")
        st.code('[channels.team]\nurl_env = "STEPWELL_SLACK_URL"\nat_least = "warning"', language="toml")
        return
    table([_channel(one) for one in book.channels.values()])
    guards = [
        {"guard": g.name, "after": f"{g.after} critical checks", "dry run": "yes" if g.dry_run else "no"}
        for g in book.guards.values()
    ]
    if guards:
        table(guards)


def _channel(one: Channel) -> dict[str, str]:
    """An address is a secret from its scheme on."""
    scheme = one.url.partition("://")[0]
    where = f"${one.url_env}" if one.url_env else one.url_file or (f"{scheme}://…" if scheme else "")
    pictures = "with a picture" if one.picture else ""
    return {"channel": one.name, "kind": one.kind, "address": where, "from": one.at_least, "": pictures}


def show_store(held: Store, values: Mapping[str, Value]) -> None:
    size = "not told" if held.size is None else f"{held.size:,} bytes"
    facts = {
        "address": displayed("store", values["store"].value),
        "database": held.database,
        "size": size,
        "schema": held.schema,
        "points": f"{held.points:,}",
        "lines set aside": f"{held.unread:,}",
        **{name: f"{count:,}" for name, count in held.counts.items()},
        "archived runs": f"{held.archived:,}",
        "deleted runs": f"{held.deleted:,}",
    }
    table([{"of the store": name, "is": value} for name, value in facts.items()])


def show_history(now: data.Pulse) -> None:
    """Who did what, newest first."""
    acts = data.ask(edits.edits_of, now.all, None, ACTS)
    if not acts:
        st.markdown(":gray[Nobody has changed anything yet.]")
        return
    names = data.ask(store.labels, now.all)
    wanted = st.text_input(
        "search", placeholder="search people, acts, runs", label_visibility="collapsed", width=320, **state.text("q")
    )
    rows = [
        {
            "when (UTC)": pd.Timestamp(one.at, unit="s"),
            "who": one.who,
            "did": one.act,
            "run": names.get(one.run_id or 0, "" if one.run_id is None else f"run {one.run_id}"),
            "what": one.detail,
        }
        for one in acts
    ]
    kept = [row for row in rows if wanted.lower() in " ".join(map(str, row.values())).lower()]
    st.dataframe(
        pd.DataFrame(kept, columns=list(rows[0])),
        hide_index=True,
        column_config={"when (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss", width=160)},
    )
    st.caption(f"the newest {len(acts):,}; `stepwell edits` shows more")


def show_versions(held: Store) -> None:
    rows = [{"what": "Python", "version": platform.python_version()}, {"what": "database", "version": held.database}]
    rows += [{"what": name, "version": metadata.version(name)} for name in LIBRARIES]
    table(rows)


def table(rows: list[dict[str, str]], **config: Any) -> None:
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content", column_config=config)


main()
