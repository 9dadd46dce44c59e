"""The little that happens in the reader's browser alone: the crosshair over all charts, and copying the address.

The scripts are ours, travel with the page, and get nothing from logs.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import streamlit as st

from charts import script

# What is in the address stands as it is read: a comma or a slash is none the worse for not being escaped.
COPY_JS = """
export default function ({ parentElement }) {
  const button = parentElement.querySelector("button");
  const told = button.querySelector("span");
  async function write(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = document.createElement("textarea");  // no clipboard without https
      field.value = text;
      field.style.cssText = "position:fixed;opacity:0";
      document.body.appendChild(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
  }
  button.onclick = async () => {
    const here = new URL(location.href);
    here.searchParams.delete("pause");
    await write(here.href.replace(/%2C/gi, ",").replace(/%2F/gi, "/").replace(/%3A/gi, ":"));
    told.textContent = "copied";
    setTimeout(() => (told.textContent = "copy link"), 1500);
  };
}
"""
COPY_HTML = (
    '<button type="button" title="Copy the address of this view" aria-label="copy link">'
    '<svg width="14" height="14" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
    'stroke-linecap="round" aria-hidden="true"><path d="M10 14a5 5 0 0 0 7 0l3-3a5 5 0 0 0-7-7l-1.5 1.5"/>'
    '<path d="M14 10a5 5 0 0 0-7 0l-3 3a5 5 0 0 0 7 7l1.5-1.5"/></svg> '
    '<span aria-live="polite">copy link</span></button>'
)
COPY_CSS = """
button { all: unset; cursor: pointer; display: inline-flex; align-items: center; gap: .35rem; white-space: nowrap;
  font: inherit; font-size: .875rem; color: var(--st-text-color); opacity: .75; padding: .25rem .1rem;
  border-radius: 4px; }
button:hover { opacity: 1; color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); }
span { min-width: 3.6rem; }
@media (max-width: 640px) { span { display: none; } }
"""


def crosshair() -> None:
    """Links the charts of the page under one pointer; once for a page."""
    _crosshair()(key="crosshair", height=1)


def copy_link() -> None:
    """A button that copies the address of the view."""
    _copy()(key="copy-link", width="content", height=32)


@cache
def _crosshair() -> Any:
    return st.components.v2.component(
        "stepwell.crosshair", js=f"{script.hover()}\nexport default function () {{ stepwellHover(); }}\n"
    )


@cache
def _copy() -> Any:
    return st.components.v2.component("stepwell.copy_link", html=COPY_HTML, css=COPY_CSS, js=COPY_JS)
