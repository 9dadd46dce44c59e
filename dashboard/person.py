"""Who is in front of the page: for the record of what people do."""

from __future__ import annotations

import streamlit as st


def who() -> str:
    """The address of whoever is logged in; "dashboard" where nobody needs to."""
    return str(st.user.get("email") or "dashboard") if st.user.get("is_logged_in") else "dashboard"
