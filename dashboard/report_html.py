"""The HTML of a report: tables, charts with their data, and the page around them.

Everything that a log may have written is escaped, in the text and in the JSON of the charts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

from charts import export, lines, script
from charts.lines import Style
from dashboard.run_drawing import Made

PAGE = Path(__file__).parent / "theme" / "report.html"
COLUMNS = 300  # pixel columns of a chart


@dataclass(frozen=True)
class Report:
    """title: of the page; html: all of it; charts: what it draws, by title, with data."""

    title: str
    html: str
    charts: dict[str, dict[str, Any]]


def _drawn(made: Made) -> tuple[dict[str, Any], str]:
    """(the specification with its data, the small print)."""
    style = Style(**{name: getattr(made.style, name) for name in Style.__dataclass_fields__} | {"columns": COLUMNS})
    behind: dict[str, Any] = {"bands": made.bands, "marks": made.marks, "levels": made.levels}
    rows = lines.rows(made.curves, style, **behind)
    spec = lines.spec(lines.names(made.curves), style, rows.extras) | {
        "description": lines.spoken(made.title, made.curves, style),
        "autosize": {"type": "fit-x", "contains": "padding"},
    }
    return export.with_data(spec, rows.rows, "container"), lines.note(rows, made.attempts)


def figures(made: Sequence[Made]) -> str:
    if not made:
        return '<p class="muted">None of the usual quantities is logged.</p>'
    figures = []
    for one in made:
        spec, note = _drawn(one)
        caveats = "".join(
            f'<figcaption class="caveat">{escape(name)}: {escape(caveat)}</figcaption>' for name, caveat in one.caveats
        )
        figures.append(
            f'<figure><h3>{escape(one.title)}</h3><div class="stepwell-chart"></div>'
            f'<script type="application/json">{_json(spec)}</script>'
            f"<figcaption>{escape(note)}</figcaption>{caveats}</figure>"
        )
    return f'<div class="charts">{"".join(figures)}</div>'


def _json(value: Any) -> str:
    """JSON that cannot leave its script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], right: int = 0) -> str:
    """right: how many of the last columns hold numbers."""

    def cells(tag: str, row: Sequence[object]) -> str:
        first = len(row) - right
        return "".join(f"<{tag}{' class=n' * (i >= first)}>{escape(str(cell))}</{tag}>" for i, cell in enumerate(row))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{cells("th", heads)}</tr>{body}</table></div>'


def folded(title: str, inside: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{inside}</details>"


def page(title: str, body: Sequence[str], made: Sequence[Made]) -> Report:
    foot = f"<footer>Made by Stepwell {escape(version('stepwell'))} from what the trainer logged.</footer>"
    page = PAGE.read_text(encoding="utf-8")
    parts = {
        "title": escape(f"{title} · Stepwell report"),
        "body": "\n".join([*body, foot]),
        "bundle": _bundle(),
        "hover": script.hover(),
    }
    html = re.sub(r"@(title|body|bundle|hover)@", lambda place: parts[place[1]], page)
    return Report(title, html, {one.title: _drawn(one)[0] for one in made})


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one script: they travel in the file."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")).replace("</script", "<\\/script")
