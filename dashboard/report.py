"""A report: one HTML file of a run or of a comparison, which opens anywhere without a network.

It holds what the pages hold: verdicts, the sentences of the answers, the same charts, settings, attempts and what the
logs left open. Everything that a log may have written is escaped; nothing in it depends on when it was made, so the
same store gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import sqlalchemy as sa

from analyses.level import level
from answers.clipping import clipping
from answers.comparison import comparison
from answers.curves import said
from answers.entropy import entropy
from answers.length import length
from answers.logged import logged
from answers.signal import signal
from answers.throughput import throughput
from charts.lines import Style
from charts.smooth import Smoothing
from charts.theme import LIGHT, run_colours
from dashboard import curves
from dashboard.panels import PANELS, WANTED, Panel
from dashboard.report_html import Report, figures, folded, page, table
from dashboard.run_drawing import Drawing, How, Made
from dashboard.words import number, sentence, trouble
from db import findings, runs, series
from db.findings import Finding
from db.quantities import quantity
from db.runs import Run
from db.series import Series
from db.understood import understood

QUESTIONS: dict[str, Callable[[sa.Connection, int], Any]] = {
    "Entropy": entropy,
    "Length": length,
    "Clipping and KL": clipping,
    "Signal": signal,
    "Throughput": throughput,
    "Metrics": logged,
}
"""What a report of a run answers; each answer has a `sentence`."""
MEASURED = 8  # quantities whose differences are tested
SCORES = 9  # validation metrics that are drawn
HALF_LIVES = (2, 5, 10, 20, 50, 100, 200)


def of_runs(connection: sa.Connection, run_ids: Sequence[int]) -> Report:
    """The report of one run, or of the comparison of several. Raises LookupError where there is no such run."""
    chosen = {run.id: run for run in runs.all_runs(connection, run_ids)}
    if not run_ids or not all(run_id in chosen for run_id in run_ids):
        raise LookupError(f"no such run: {[run_id for run_id in run_ids if run_id not in chosen]}")
    these = [chosen[run_id] for run_id in dict.fromkeys(run_ids)]
    return _of_one(connection, these[0]) if len(these) == 1 else _of_many(connection, these)


# -- one run


def _of_one(connection: sa.Connection, run: Run) -> Report:
    known = series.by_quantity(connection, [run.id], (*WANTED, *curves.NEEDED))
    found = _said_once(findings.findings_of(connection, (run.id,)))
    settings, config = runs.settings_of(connection, run.id), runs.config_of(connection, run.id)
    tries = runs.attempts_of(connection, [run.id])
    drawing = Drawing(run, settings, config, tries, found, known, How(smoothing=_smoothing([run])), LIGHT)
    made = [drawing.of_panel(panel) for panel in PANELS if drawing.has(panel)]
    scores = _validation(connection, run, drawing)
    body = [
        f"<h1>{escape(run.name)}</h1>",
        f'<p class="muted">{escape(_facts(run))}</p>',
        _verdicts(found),
        "<h2>In words</h2>",
        _sentences(connection, run),
        "<h2>Curves</h2>",
        figures(made),
        *(["<h2>Validation</h2>", figures(scores)] if scores else []),
        _quality(connection, run),
        _attempts(connection, run),
        _config(settings, config),
    ]
    return page(run.label, body, [*made, *scores])


def _facts(run: Run) -> str:
    step = f"step {run.step:,}" if run.step is not None else "no step yet"
    return " · ".join(part for part in (run.project, run.trainer, step, _when(run.wall)) if part)


def _when(wall: float | None) -> str:
    """The time of the newest record, in UTC: it belongs to the data, the time of making would not."""
    if wall is None or not np.isfinite(wall):
        return ""
    return f"newest record {np.datetime64(int(wall), 's').astype(str).replace('T', ' ')} UTC"


def _said_once(found: Sequence[Finding]) -> list[Finding]:
    once = {(f.run_id, f.trouble, f.onset_step, f.state, f.message): f for f in found}
    rank = {"critical": 0, "warning": 1}
    return sorted(once.values(), key=lambda f: (f.state != "firing", rank.get(f.severity, 2), f.onset_step))


def _verdicts(found: Sequence[Finding]) -> str:
    open_ones = [finding for finding in found if finding.state == "firing"]
    over = [finding for finding in found if finding.state != "firing" and finding.severity != "info"]
    cards = [
        f'<div class="card {escape(f.severity)}"><b>{escape(f.severity.upper())}</b> '
        f"<b>{escape(sentence(trouble(f.trouble)))}</b> <span class=muted>since step {f.onset_step:,}</span>"
        f"<p>{escape(f.message)}</p>{f'<p><b>Try:</b> {escape(f.advice)}</p>' if f.advice else ''}</div>"
        for f in open_ones
    ]
    if not cards:
        cards = ["<p>Nothing is firing.</p>"]
    if over:
        rows = [(trouble(f.trouble), f"{f.onset_step:,}", f.message) for f in over]
        cards.append(folded(f"{len(over)} earlier, resolved", table(("found", "step", ""), rows)))
    return "\n".join(cards)


def _sentences(connection: sa.Connection, run: Run) -> str:
    rows = [(title, str(ask(connection, run.id).sentence)) for title, ask in QUESTIONS.items()]
    told = "".join(f"<dt>{escape(title)}</dt><dd>{escape(text)}</dd>" for title, text in rows if text)
    return f'<dl class="answers">{told}</dl>'


def _validation(connection: sa.Connection, run: Run, drawing: Drawing) -> list[Made]:
    logged_here = [metric for metric, _, _ in series.metrics_of(connection, run.id) if metric.evaluation]
    scores = [m for m in logged_here if m.quantity is not None and m.quantity.startswith("val_")] or logged_here
    found = series.series(connection, [run.id], [metric.id for metric in scores[:SCORES]])
    return [
        drawing.made(f"m{m.id}", m.name, (m.unit or "") * (m.scale == 1), {m.name: found[run.id, m.id]}, log=False)
        for m in scores[:SCORES]
        if (run.id, m.id) in found
    ]


def _quality(connection: sa.Connection, run: Run) -> str:
    """Files, what could not be read of them, and what the log does not say."""
    sources = runs.sources_of(connection, [run.id])
    rows = [
        (source.path, source.format, f"{source.records:,}", f"{source.points:,}", f"{source.unread:,}")
        for source in sources
    ]
    told = understood(connection, [run.id])
    missing = [f"{m.label}{f' ({m.how})' if m.how else ''}" for one in told for m in one.missing]
    unknown = sum(len(one.unknown) for one in told)
    parts = [table(("file", "format", "records", "points", "unread"), rows, right=3)]
    if missing:
        parts.append(f"<p>Not logged: {escape('; '.join(missing))}.</p>")
    if unknown:
        parts.append(f"<p>{unknown:,} names without a known meaning are kept as they are.</p>")
    return "<h2>Where it comes from</h2>" + "\n".join(parts)


def _attempts(connection: sa.Connection, run: Run) -> str:
    tries = runs.attempts_of(connection, [run.id])
    if len(tries) < 2:
        return ""
    rows = [
        (
            a.number,
            f"{a.first_step:,} – {a.last_step:,}",
            f"{a.records:,}",
            "–" if a.ends_at is None else f"{a.ends_at:,}",
        )
        for a in tries
    ]
    heads = ("attempt", "steps", "records", "superseded from step")
    return folded(f"{len(tries)} attempts", table(heads, rows, right=4))


def _config(settings: dict[str, Any], config: dict[str, Any]) -> str:
    parts = ["<h2>Configuration</h2>"]
    if not settings and not config:
        return parts[0] + '<p class="muted">The logs say nothing about it.</p>'
    if settings:
        parts.append(table(("setting", "as understood"), [(k, _value(v)) for k, v in sorted(settings.items())]))
    if config:
        rows = [(key, _value(value)) for key, value in sorted(config.items())]
        parts.append(folded(f"As the trainer wrote it: {len(config):,} keys", table(("key", "value"), rows)))
    return "\n".join(parts)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


# -- several runs


def _of_many(connection: sa.Connection, these: Sequence[Run]) -> Report:
    known = series.by_quantity(connection, [run.id for run in these], (*WANTED, *curves.NEEDED))
    made = [
        chart
        for panel in PANELS
        for name in (panel.quantities if panel.many else panel.quantities[:1])
        if (chart := _side_by_side(name, these, known, panel)) is not None
    ]
    names = ", ".join(run.name for run in these)
    body = [
        f"<h1>{escape(f'{len(these)} runs side by side')}</h1>",
        f"<p>{''.join(f'{_swatch(run, these)}{escape(run.label)} &emsp; ' for run in these)}</p>",
        _compared(connection, these, known),
        "<h2>Where they stand</h2>",
        _standing(these, known),
        "<h2>Curves</h2>",
        figures(made),
        "<h2>What is wrong with them</h2>",
        *(_troubles(connection, run, these) for run in these),
        _differences(connection, these),
    ]
    return page(names, body, made)


def _compared(connection: sa.Connection, these: Sequence[Run], known: dict[tuple[int, str], Series]) -> str:
    """What of the differences is more than noise, with intervals."""
    names = tuple(name for name in WANTED if any((run.id, name) in known for run in these))[:MEASURED]
    told = comparison(connection, tuple(run.id for run in these), names)
    rows = []
    for pair in told.pairs:
        meant, one = quantity(pair.quantity), pair.difference
        unit = meant.unit if meant else ""
        between = f"{number(one.low, unit)} to {number(one.high, unit)}" if np.isfinite(one.low) else "–"
        label = sentence(meant.label) if meant else pair.quantity
        means = (number(pair.first, unit), number(pair.second, unit), number(one.value, unit))
        rows.append((label, pair.other, *means, between, pair.verdict))
    heads = ("", "against the first", "first", "this one", "difference", "95 %", "")
    measured = f"<h2>What of it is more than noise</h2>{table(heads, rows)}" if rows else ""
    return f"<p>{escape(told.sentence)}</p>{measured}"


def _side_by_side(name: str, these: Sequence[Run], known: dict[tuple[int, str], Series], panel: Panel) -> Made | None:
    held = [run for run in these if (run.id, name) in known]
    if not held:
        return None
    meant, colours = quantity(name), run_colours(LIGHT, [run.id for run in these])
    drawn = [
        curves.curve(
            known[run.id, name],
            curves.axis("step", run.id, known),
            label=_label(run, these),
            run_id=run.id,
            colour=colours[run.id],
        )
        for run in held
    ]
    style = Style(unit=meant.unit if meant else "", log=panel.log, smoothing=_smoothing(these), keys=False)
    title = sentence(meant.label.split(" (")[0]) if meant else name
    caveats = {one.metric.name: one.metric.caveat for run in held if (one := known[run.id, name]).metric.caveat}
    return Made(f"compare-{name}", title, drawn, style, [(k, str(v)) for k, v in caveats.items()], "", [], [], [])


def _label(run: Run, these: Sequence[Run]) -> str:
    return run.name if [one.name for one in these].count(run.name) == 1 else f"{run.label} ({run.id})"


def _swatch(run: Run, these: Sequence[Run]) -> str:
    colour = run_colours(LIGHT, [one.id for one in these])[run.id]
    return f'<span class="swatch" style="background:{colour}"></span>'


def _standing(these: Sequence[Run], known: dict[tuple[int, str], Series]) -> str:
    rows: list[list[object]] = [["step", *("–" if run.step is None else f"{run.step:,}" for run in these)]]
    for name in WANTED:
        meant = quantity(name)
        found = [level(known[run.id, name].values) if (run.id, name) in known else None for run in these]
        if meant is not None and any(found):
            share = meant.unit == "fraction"
            rows.append([sentence(meant.label), *(said(one, share=share) if one else "–" for one in found)])
    note = "Means of the newest 20 rows with 95 % intervals within the run: what seeds would do is not in them."
    heads = ["", *(run.label for run in these)]
    return table(heads, rows, right=len(these)) + f'<p class="muted">{note}</p>'


def _troubles(connection: sa.Connection, run: Run, these: Sequence[Run]) -> str:
    found = [f for f in _said_once(findings.findings_of(connection, (run.id,))) if f.severity != "info"]
    told = [
        (f.severity, "open" if f.state == "firing" else "resolved", f"{f.onset_step:,}", trouble(f.trouble), f.message)
        for f in found
    ]
    head = f"<h3>{_swatch(run, these)}{escape(run.label)}</h3>"
    return head + (table(("", "", "since step", "what", ""), told) if told else "<p>Nothing was found.</p>")


def _differences(connection: sa.Connection, these: Sequence[Run]) -> str:
    settings = _differing(these, {run.id: runs.settings_of(connection, run.id) for run in these})
    raw = _differing(these, {run.id: runs.config_of(connection, run.id) for run in these})
    heads = ("", *(run.label for run in these))
    parts = ["<h2>What differs in their configuration</h2>"]
    parts.append(table(heads, settings) if settings else "<p>None of the settings that matter here.</p>")
    if raw:
        parts.append(folded(f"As the trainers wrote it: {len(raw):,} keys differ", table(heads, raw)))
    return "\n".join(parts)


def _differing(these: Sequence[Run], configs: Mapping[int, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """(key, its value in each run) of the keys that the runs do not agree in."""
    rows = []
    for key in sorted({key for config in configs.values() for key in config}):
        values = [_value(configs[run.id][key]) if key in configs[run.id] else "–" for run in these]
        if len(set(values)) > 1:
            rows.append((key, *values))
    return rows


def _smoothing(these: Sequence[Run]) -> Smoothing:
    """About a fiftieth of the longest run."""
    steps = max([run.step or 1 for run in these])
    return Smoothing("ema", min(HALF_LIVES, key=lambda span: abs(np.log(span * 50 / max(steps, 1)))))
