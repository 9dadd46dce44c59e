"""Who is in front of the page, and what they may do: for the doors of the dashboard and the record of what people do.

Without sign-in whoever sits at the machine is an editor called "local", and whoever comes over the network may look.
With sign-in (`[auth]` in .streamlit/secrets.toml, see docs/dashboard.md) the lists of `[dashboard]` in stepwell.toml
decide; who is on neither is not let in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import sqlalchemy as sa
import streamlit as st
from streamlit.auth_util import get_secrets_auth_section

from dashboard import data
from db.settings import BadSettings, section

Role = Literal["editor", "viewer", "stranger"]


class MayNotEdit(PermissionError):
    """A viewer asked for what only an editor may do."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The lists of `[dashboard]`: addresses or patterns (`*@lab.edu`); "*" is everybody."""

    editors: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """name: for the record of what people do. signed_in: by OIDC, and so may sign out."""

    name: str
    role: Role
    signed_in: bool = False


def sign_in_needed() -> bool:
    """Is a sign-in configured? Then nothing is shown without one."""
    return bool(get_secrets_auth_section())


def allowed() -> Allowed:
    """Raises BadSettings where a list is none."""
    table = section("dashboard")
    return Allowed(_names(table, "editors"), _names(table, "viewers"))


def _names(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadSettings(f"[dashboard] {key} must be a list of addresses, found {value!r}")
    return tuple(one.strip().casefold() for one in value)


def judged(user: Mapping[str, Any], lists: Allowed, *, sign_in: bool, here: bool) -> Person:
    """Who that is. user: the claims of the identity provider; here: the request comes from this machine itself.

    An address that the provider says it has not verified is nobody's.
    """
    if not sign_in:
        return Person("local" if here else "network", "editor" if here or "*" in lists.editors else "viewer")
    if not user.get("is_logged_in"):
        return Person("", "stranger")
    known = user.get("email_verified") in (None, True, "true")
    email = str(user.get("email") or "").strip().casefold() if known else ""
    name = email or str(user.get("name") or user.get("sub") or "")
    if _listed(email, lists.editors):
        return Person(name, "editor", True)
    return Person(name, "viewer" if _listed(email, lists.viewers) else "stranger", True)


def _listed(email: str, patterns: Sequence[str]) -> bool:
    return bool(email) and any(fnmatchcase(email, pattern) for pattern in patterns)


def person() -> Person:
    """Whoever this page is being made for. Raises BadSettings."""
    far = isinstance(
        st.context.ip_address, str
    )  # None for this machine; Streamlit's test harness has no network at all
    here = not far and not any(name.lower() == "x-forwarded-for" for name in st.context.headers)
    return judged(st.user.to_dict(), allowed(), sign_in=sign_in_needed(), here=here)


def who() -> str:
    """The name that goes into the record."""
    return person().name


def may_edit() -> bool:
    """Should this page offer what changes something?"""
    return person().role == "editor"


def engine() -> sa.Engine:
    """The store for an act of an editor; pages read through `data`, which cannot write. Raises MayNotEdit.

    Asked when the act is done, not when its button is drawn: a button is no protection.
    """
    if not may_edit():
        raise MayNotEdit(f"{who() or 'nobody'} may look, not change: [dashboard] editors in stepwell.toml says who may")
    return data.writable(data.store_url())
