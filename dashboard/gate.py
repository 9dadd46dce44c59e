"""Who is let in, and who they are told to be; all of it only where a sign-in is configured."""

from __future__ import annotations

import streamlit as st

from dashboard import parts, person
from dashboard.words import plain


def let_in() -> bool:
    """May this person see the page? If not, it says what to do instead. Raises BadSettings."""
    one = person.person()
    if one.role != "stranger":
        return True
    st.image(str(parts.LOGO), width=170)
    if not one.signed_in:
        st.subheader("Who is there?", anchor=False)
        st.markdown("This dashboard is shown to people who sign in.")
        st.button("Sign in", type="primary", on_click=st.login)
        return False
    st.subheader("You are signed in, but not on the list", anchor=False)
    st.markdown(f"Whoever runs this dashboard can let **{plain(one.name)}** in, in their `stepwell.toml`:")
    st.code(f'[dashboard]\nviewers = ["{one.name}"]  # may look\neditors = []  # may also tag, note, delete …', "toml")
    st.button("Sign out", on_click=st.logout)
    return False


def sign() -> None:
    """At the foot of the page: who is signed in, as what, and the way out."""
    one = person.person()
    if one.signed_in:
        st.caption(f"{plain(one.name)}, {one.role}", width="content")
        st.button("Sign out", type="tertiary", on_click=st.logout)
    elif one.role == "viewer":
        st.caption("you may look, not change", width="content")
