"""Streamlit pages: one question each."""
