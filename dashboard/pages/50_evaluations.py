"""What does it score, at which limit?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from answers.context_matrix import Matrix, matrix
from answers.evaluations import Evaluations, Scored, evaluations, limit_words, steps_of
from answers.tries import Tries, tries
from answers.two_scores import compared
from answers.validation import Curve
from charts.scores import Axes, Line
from dashboard import data, parts, scored, state
from dashboard.words import number, plain, several

LINES = 8  # in one chart
NAN = math.nan


def main() -> None:
    url = data.store_url()
    now = data.pulse(url)
    told = data.ask(evaluations, now.all)
    wall = data.newest_wall(data.every_run(url))
    if not told.scores:
        parts.head(str(__doc__), "", wall, now)
        nothing()
        st.stop()
    names = told.benchmarks()
    benchmark, tied = state.one_of("benchmark", names, usual(told))
    found = data.ask(matrix, now.all, benchmark)
    parts.head(str(__doc__), plain(found.sentence or told.sentence, 500), wall, now)
    st.selectbox("benchmark", names, width=320, **tied)
    mine = [one for one in told.scores if one.said.benchmark == benchmark]
    by_limit(found)
    over_steps(benchmark, data.ask(steps_of, now.all, benchmark))
    with_more_tries(data.ask(tries, now.all, benchmark))
    two(mine, now)
    every(mine)
    st.caption(plain(told.sentence, 300))


def nothing() -> None:
    st.markdown(
        "No score has been collected. A trainer's own validation appears here by itself; results of "
        "lm-evaluation-harness, lighteval, EvalPlus, LiveCodeBench, rLLM and tables of scores (CSV, JSONL) are read "
        "where they lie:"
    )
    st.code("stepwell collect ~/runs ~/eval_results", language="bash")


def usual(told: Evaluations) -> str:
    """The benchmark to begin with: that of most of the user's scores at several limits."""
    limits: dict[str, set[int]] = {}
    for one in told.scores:
        if one.said.eval_context and not one.said.published:
            limits.setdefault(one.said.benchmark, set()).add(one.said.eval_context)
    return max(told.benchmarks(), key=lambda name: len(limits.get(name, ())))


def by_limit(found: Matrix) -> None:
    if not found.lines:
        return
    st.markdown("#### By the limit of the evaluation")
    for text in found.turns[1:3]:
        st.markdown(plain(text, 400))
    if len(found.limits) > 1:
        curves_of(found)
    table(found)


def curves_of(found: Matrix) -> None:
    """Score over limit, for the systems that are chosen; at first those that reach highest."""
    names = list(dict.fromkeys(line.system for line in found.lines))
    best = sorted(found.lines, key=lambda line: -max(value for value, _ in line.cells.values()))
    chosen = st.multiselect(
        "systems", names, label_visibility="collapsed",
        **state.some_of("systems", names, list(dict.fromkeys(line.system for line in best[:LINES])), scored.no_comma),
    )  # fmt: skip
    lines = [
        Line(
            line.system,
            scored.colour(line.system, line.run_id),
            list(line.cells),
            [value for value, _ in line.cells.values()],
            [NAN if error is None else error for _, error in line.cells.values()],
            [f"{scored.plus_minus(v, e)} % at {limit_words(limit)}" for limit, (v, e) in line.cells.items()],
            line.published,
        )
        for line in found.lines
        if line.system in chosen
    ]
    if lines:
        axes = Axes("tokens an answer may have", "%", found.limits, tokens=True, log=True, look=parts.look())
        scored.chart("limits", lines, axes, f"Scores on {found.benchmark} by evaluation limit. {found.sentence}")


def table(found: Matrix) -> None:
    """Training limit down, evaluation limit across; then what a doubling of the limit gains."""
    rows = []
    for line in found.lines:
        row: dict[str, str] = {"system": line.system + (" ★" if not line.published else "")}
        row["trained at"] = scored.limit(line.train_context)
        for limit in found.limits:
            cell = line.cells.get(limit)
            row[limit_words(limit)] = "–" if cell is None else scored.plus_minus(*cell)
        for gain in line.gains:
            error = None if gain.error is None else 100 * gain.error
            signed = f"{100 * gain.value:+.1f}" + ("" if error is None else f" ± {error:.1f}")
            row[f"{limit_words(gain.start)} → {limit_words(gain.stop)}"] = signed
        rows.append(row)
    frame = pd.DataFrame(rows).fillna("–")
    right = {name: st.column_config.Column(alignment="right") for name in frame.columns[1:]}
    right |= {
        name: st.column_config.Column(help="points per doubling", alignment="right") for name in right if "→" in name
    }
    st.dataframe(frame, hide_index=True, height="content", column_config=right)
    beside = (
        f" · {several(found.unstated, 'score')} without a stated limit stand in the list below"
        if found.unstated
        else ""
    )
    st.caption(f"percent ± one standard error, where it is known · → gain per doubling of the limit · ★ yours{beside}")


def over_steps(benchmark: str, curves: Sequence[Curve]) -> None:
    held = [curve for curve in curves if len(set(curve.steps.tolist())) > 1]
    if not held:
        return
    st.markdown("#### Over training")
    units = sorted({curve.said.unit for curve in held}, key=lambda unit: (unit != "fraction", unit))
    for unit in units[:3]:
        lines = [curve_line(curve) for curve in held if curve.said.unit == unit][:LINES]
        axes = Axes("step", {"fraction": "%", "percent": "%"}.get(unit, unit), look=parts.look(), height=240)
        names = ", ".join(line.name for line in lines)
        scored.chart(f"steps-{unit}", lines, axes, f"Scores on {benchmark} over training steps: {names}")
    notes = {curve.said.note for curve in held if curve.said.note}
    st.caption(plain(" · ".join(sorted(notes)), 400))


def with_more_tries(held: Sequence[Tries]) -> None:
    """pass@N, where the questions of an evaluation were answered several times."""
    if not held:
        return
    st.markdown("#### With more tries")
    lines = []
    for one in held[:LINES]:
        told = [f"pass@{k}: {number(value)} %" for k, value in zip(one.k, one.value, strict=True)]
        ink = scored.colour(one.name, one.said.run_id)
        lines.append(Line(one.name, ink, one.k.tolist(), one.value.tolist(), one.errors.tolist(), told))
    ticks = tuple(sorted({float(k) for one in held for k in one.k}))
    axes = Axes("N, samples a question (log)", "%", ticks, log=True, look=parts.look(), height=220)
    scored.chart("tries", lines, axes, "pass@N over N: " + ", ".join(line.name for line in lines))
    st.caption("unbiased, no further than every question has samples · whiskers: bootstrap over the questions")


def curve_line(curve: Curve) -> Line:
    said, scale = curve.said, 100.0 if curve.said.unit == "fraction" else 1.0
    values = [scale * float(value) for value in curve.values]
    at = "" if said.eval_context is None else f" at {limit_words(said.eval_context)}"
    told = [f"{value:.4g}{at}, step {int(step):,}" for value, step in zip(values, curve.steps, strict=True)]
    name = f"{said.run or said.system} · {said.metric.replace('@k', f'@{said.k}' if said.k else '@k')}"
    errors = [scale * error for error in curve.errors()]
    return Line(name, scored.colour(name, said.run_id), [float(s) for s in curve.steps], values, errors, told)


def two(mine: Sequence[Scored], now: data.Pulse) -> None:
    """Two scores held side by side, question by question where both tell."""
    stored = {one.said.id: one for one in mine if one.said.id and one.percent is not None and one.said.k in (None, 1)}
    if len(stored) < 2:
        return
    st.markdown("#### Are two of them different?")
    order = sorted(stored, key=lambda of: by_worth(stored[of]))
    other = next((of for of in order if differs(stored[order[0]], stored[of])), order[1])
    labels = {of: label(stored[of]) for of in order}
    left, right = st.columns(2)
    options = [str(of) for of in order]
    first, tied = state.one_of("first", options, options[0])
    left.selectbox("first", options, format_func=lambda of: labels[int(of)], label_visibility="collapsed", **tied)
    second, tied = state.one_of("second", options, str(other))
    right.selectbox("second", options, format_func=lambda of: labels[int(of)], label_visibility="collapsed", **tied)
    if first == second:
        st.caption("the same score twice")
        return
    st.markdown(plain(data.ask(compared, now.all, int(first), int(second)).sentence, 500))


def by_worth(one: Scored) -> tuple[bool, bool, int, float]:
    """Those whose questions are known first, then the user's own, the longest limit, the highest score."""
    return not one.said.has_questions, one.said.published, -(one.said.eval_context or 0), -(one.percent or 0.0)


def differs(first: Scored, second: Scored) -> bool:
    """Two systems under one limit."""
    a, b = first.said, second.said
    return (a.system, a.metric) != (b.system, b.metric) and a.eval_context == b.eval_context


def label(one: Scored) -> str:
    step = "" if one.said.step is None else f", step {one.said.step:,}"
    return (
        f"{one.said.system}{step} · {scored.metric(one)} · {limit_words(one.said.eval_context)} · {scored.figure(one)}"
    )


def every(mine: Sequence[Scored]) -> None:
    st.markdown("#### Every score of this benchmark")
    rows = [
        {
            "system": one.said.system + ("" if one.said.published else " ★"),
            "metric": scored.metric(one),
            "score": one.percent if one.percent is not None else one.said.value,
            "unit": "%" if one.percent is not None else one.said.unit,
            "limit": scored.limit(one.said.eval_context),
            "± error": one.error_percent if one.percent is not None else one.error,
            "± same questions": one.conditional_percent,
            "error from": one.how,
            "questions": one.said.n_questions,
            "samples": one.said.k_samples,
            "temperature": one.said.temperature,
            "trained at": scored.limit(one.said.train_context),
            "step": one.said.step,
            "truncated": None if (cut := one.said.truncated_fraction) is None else number(cut, "fraction"),
            "note": one.said.note or None,
        }
        for one in mine
    ]
    frame = pd.DataFrame(rows).dropna(axis="columns", how="all")
    digits = {"score": "%.4g", "± error": "%.2g", "± same questions": "%.2g", "temperature": "%.2g"}
    columns = {name: st.column_config.NumberColumn(format=form) for name, form in digits.items()}
    st.dataframe(frame, hide_index=True, column_config=columns, placeholder="–")


main()
