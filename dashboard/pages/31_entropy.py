"""Is the policy still exploring?"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from analyses.entropy_course import HIGH, Course
from analyses.entropy_law import Law
from analyses.forecast import FLAT, Forecast, Known
from analyses.onset import Order
from answers.entropy import ENTROPIES, Entropy, Scores, entropy
from charts import export, ribbon
from charts.curve import Level
from charts.lines import Style
from dashboard import data, downloads, parts, run_head, run_view, state
from dashboard.panels import Panel
from dashboard.words import number, plain, sentence, several

CLIPS = ("clip_fraction_total", "clip_fraction_low", "clip_fraction_high", "clip_fraction_dual")
BESIDE = (
    Panel("clip", "Clipped tokens", CLIPS, ("total", "below", "above", "dual")),
    Panel("reward", "Reward", ("reward_mean", "score_mean")),
    Panel("length", "Response length", ("response_length_mean", "response_length_p95"), ("mean", "p95")),
)
SPREAD = ("entropy_distribution", "entropy_threshold")
MOST = 6  # metrics of the distribution over tokens in one chart
STEERS = {
    "entropy_coef": "entropy bonus",
    "entropy_target": "entropy target",
    "clip_low": "clip below: ratio under 1 −",
    "clip_high": "clip above: ratio over 1 +",
    "temperature": "temperature of the rollouts",
}
LAW = (
    "Without anything that steers it, policy gradients buy score with entropy at a steady price: R = b − a·e^H. "
    "Where entropy is gone, b − a is what remains to be reached. It holds for one recipe and one evaluation set, and "
    "breaks as soon as a bonus, a wider upper clip, a target or covariance clipping moves entropy (Cui et al. 2025)."
)
AHEAD = (
    "R(C) = R0 + (A − R0) / (1 + (Cmid / C)^B), fitted to the newest stage (ScaleRL). The ceiling A is told only where "
    "the compute so far is surely past the half-way point and the profile interval of A is narrow; before that, data "
    "fit any ceiling. Whether to stop is advice, never an act."
)


def main() -> None:
    one = run_head.page(__doc__ or "")
    found = data.ask(entropy, one.cursor, one.run.id)
    one.say(found.sentence)
    answer = st.container()
    st.markdown("#### Beside it")  # the controls stand near the charts that they change
    view = run_view.view(one, (*ENTROPIES, *(name for panel in BESIDE for name in panel.quantities)))
    with answer:
        evidence(view, found)
    drawn: list[Callable[[], None]] = [partial(view.panel, panel) for panel in BESIDE if view.has(panel)]
    over_tokens = [metric for metric in view.logged if metric.quantity in SPREAD]
    if over_tokens:
        drawn.insert(0, partial(view.together, over_tokens[:MOST], "nats/token"))
    parts.grid(drawn)
    if not drawn:
        st.markdown(":gray[Neither clipping nor reward nor length is logged by this run.]")
    steers(view, found)


def evidence(view: run_view.View, found: Entropy) -> None:
    """Where it is going, what moved first, what it is spent on, where the score is heading."""
    if found.quantity:
        growth(view, found)
    else:
        view.not_logged(ENTROPIES)
    left, right = st.columns(2, gap="large")
    with left:
        first_to_move(found.order)
    with right:
        law(view, found)
    reward(view, found.ahead, found.scores, found.unit)


def growth(view: run_view.View, found: Entropy) -> None:
    """Entropy on a log axis, what was fitted to it, and where that leads."""
    going = found.course
    curve = view.known[view.run.id, found.quantity]
    live = curve.live & (curve.values > 0)
    linear, tied = state.one_of("axis", ["log", "linear"], "log")
    st.segmented_control("axis", ["log", "linear"], label_visibility="collapsed", **tied)
    name = "entropy" if found.quantity == ENTROPIES[0] else "entropy (an estimate)"
    dots = [ribbon.Dots(name, view.colour, curve.steps[live], curve.values[live])]
    lines = fitted(going, view.look.ink)
    if going.before is not None:
        lines += fitted(going.before, view.look.ink)[:1]  # what came after it is known
    bends = []
    if going.since is not None:
        text = f"since {going.since.step:,.0f} ({going.since.low:,.0f}–{going.since.high:,.0f})"
        bends = [ribbon.Bend(going.since.step, going.since.low, going.since.high, text, view.look.fine)]
    top = max(float(np.max(curve.values[live], initial=0.0)), max(going.fit, default=0.0))
    levels = [Level(limit, f"{limit:g} nat{'s' if limit > 1 else ''}") for limit in (1.0, HIGH) if 0.7 * limit < top]
    style = Style(look=view.look, unit="nats/token", x_title="step", log=linear == "log", height=320)
    draw(
        "entropy", view, dots, lines, style, title="Entropy, its trend and where that leads", levels=levels, bends=bends
    )
    metric = curve.metric
    said = f"from {metric.name}" + (f": {metric.caveat}" if metric.caveat else "")
    where = "" if found.stage[1] is None else f" · stage of {found.stage[1]:,.0f} tokens from step {found.stage[0]:,}"
    st.caption(plain(f"{said}{where} · {several(going.rows, 'row')} of the newest stage · ribbon: 95 %", 500))


def fitted(going: Course, ink: str) -> list[ribbon.Ribbon]:
    """The line through the past, and dashed what lies ahead of it."""
    if not going.steps:
        return []
    x, y, low, high = (np.array(each) for each in (going.steps, going.fit, going.low, going.high))
    word = "doubling" if going.way == "growing" else "halving"
    past, later = x <= going.last, x >= going.last
    made = [ribbon.Ribbon(f"fitted {word}", ink, x[past], y[past], low[past], high[past])]
    if going.until is not None or going.since is not None:
        made.append(ribbon.Ribbon("if it goes on", ink, x[later], y[later], low[later], high[later], ahead=True))
    return made


def draw(
    key: str,
    view: run_view.View,
    dots: list[ribbon.Dots],
    lines: list[ribbon.Ribbon],
    style: Style,
    *,
    title: str,
    caveat: str = "",
    y_title: str = "",
    **more: Any,
) -> None:
    """One chart of measured points and lines with intervals."""
    names = list(({each.label: each.colour for each in dots} | {each.label: each.colour for each in lines}).items())
    table = ribbon.rows(dots, lines, **more)
    spec = ribbon.spec(names, style, alt_text=f"{title}: {several(len(table), 'point')}", y_title=y_title)
    name = f"chart-{view.run.id}-{key}-{style.log}"
    downloads.add(
        name, downloads.Drawn(title, lambda: export.with_data(spec, table), lambda: table.map(safe).to_csv(index=False))
    )
    with st.container(key=f"panel-{key}"):
        st.markdown(f"**{plain(title)}**", help=caveat or None)
        st.vega_lite_chart(table, spec, theme=None, key=name)


def safe(cell: object) -> object:
    return export.harmless(cell) if isinstance(cell, str) else cell


def first_to_move(found: Order) -> None:
    """Which signal bent first, as far as that can be told."""
    st.markdown(
        "#### Which signal moved first?",
        help="Each signal is a straight line up to its bend and another from there on; the interval is from redrawn "
        "residuals. Signals of one rank cannot be told apart. That one moved first is no proof that it moved the rest.",
    )
    if not found.moved:
        st.markdown(":gray[No signal bends beyond its noise in the newest stage.]")
        return
    rows = [
        {
            "order": f"{one.rank}{' =' if sum(other.rank == one.rank for other in found.moved) > 1 else ''}",
            "signal": sentence(one.name),
            "turns": "up" if one.up else "down",
            "at step": f"{one.step:,.0f}",
            "95 %": f"{one.low:,.0f}–{one.high:,.0f}",
        }
        for one in found.moved
    ]
    right = {name: st.column_config.TextColumn(alignment="right") for name in ("at step", "95 %")}
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content", column_config=right)
    if found.still:
        st.caption(f"without a bend: {', '.join(found.still)}")


def law(view: run_view.View, found: Entropy) -> None:
    """R = b - a e^H, or why not."""
    st.markdown("#### What is entropy spent on?", help=LAW)
    told = found.law
    if not told.applies:
        st.markdown(f"The law R = b − a·e^H is not applicable: {plain(told.why)}.")
    if found.scores is None or len(told.entropies) < 2:
        return
    unit = "fraction" if found.scores.share else ""
    x = np.exp(np.array(told.entropies))
    dots = [
        ribbon.Dots(
            "evaluations" if found.scores.own else "training reward, averaged",
            view.colour,
            x,
            told.scores,
            joined=False,
        )
    ]
    lines, levels = list[ribbon.Ribbon](), list[Level]()
    if told.applies and told.a and told.b and told.ceiling:
        grid = np.linspace(1.0, float(x.max()), 30)
        lines = [ribbon.Ribbon("R = b − a·e^H", view.look.ink, grid, told.b.value - told.a.value * grid)]
        levels = [Level(told.ceiling.value, f"ceiling {shown(told.ceiling, unit)}")]
    style = Style(look=view.look, unit=unit, x_title="e^H (1 is no entropy left)", height=240)
    title = sentence(f"{found.scores.name} against entropy")
    draw("law", view, dots, lines, style, title=title, levels=levels)
    if told.applies:
        own = "" if found.scores.own else " · of the training reward: a hacked one obeys it too"
        st.caption(plain(of_law(told) + own, 300))


def of_law(told: Law) -> str:
    spent = f" · {100 * told.spent:.0f} % of the way there" if math.isfinite(told.spent) else ""
    return f"R² {told.fit:.2f} · error on the last 40 %, held out: {number(told.held_out)}{spent}"


def reward(view: run_view.View, ahead: Forecast, scores: Scores | None, unit: str) -> None:
    """Where the score is heading, and whether more compute is worth it."""
    st.markdown("#### Where is the score heading?", help=AHEAD)
    if scores is None or not ahead.x:
        st.markdown(f"No forecast: {plain(ahead.why)}.")
        return
    of = "fraction" if scores.share else ""
    what = "score" if scores.own else "training reward"
    if ahead.identifiable and ahead.ceiling and ahead.gain:
        advice = {"stop": "More compute would hardly help", "go on": "More compute still helps"}.get(
            ahead.advice, "Whether to stop cannot be told"
        )
        st.markdown(plain(f"The {what} is heading for {shown(ahead.ceiling, of)}. {advice}: {ahead.because}.", 400))
    elif ahead.why == FLAT:
        st.markdown(f"The {what} does not rise: there is no ceiling to tell.")
    else:
        st.markdown(plain(f"The ceiling is not identifiable yet: {ahead.why}.", 400))
    left, right = st.columns([3, 2], gap="large", vertical_alignment="center")
    with left:
        levels = list[Level]()
        if ahead.identifiable and ahead.ceiling:
            levels = [Level(ahead.ceiling.value, f"ceiling {shown(ahead.ceiling, of)}")]
        dots = [ribbon.Dots(scores.name, view.colour, ahead.spent, scores.values, joined=False)]
        style = Style(look=view.look, unit=of, x_title=f"{unit} spent in this stage", height=260)
        draw("ahead", view, dots, sigmoid(ahead, view.look.ink), style, title=sentence(scores.name), levels=levels)
    with right:
        facts(ahead, of, unit)


def sigmoid(ahead: Forecast, ink: str) -> list[ribbon.Ribbon]:
    """The curve through the past; what lies ahead of it, and an interval, only where it is identifiable."""
    x, y, low, high = (np.array(each) for each in (ahead.x, ahead.fit, ahead.low, ahead.high))
    now = int(np.searchsorted(x, max(ahead.spent, default=x[-1]) * 1.0001))
    if ahead.why == FLAT:
        return []
    if not ahead.identifiable:
        return [ribbon.Ribbon("sigmoid, not identifiable", ink, x[:now], y[:now])]
    return [
        ribbon.Ribbon("sigmoid", ink, x[:now], y[:now], low[:now], high[:now]),
        ribbon.Ribbon("a quarter more", ink, x[now - 1 :], y[now - 1 :], low[now - 1 :], high[now - 1 :], ahead=True),
    ]


def facts(ahead: Forecast, of: str, unit: str) -> None:
    """The numbers behind the curve, and which law foretold the last fifth best."""
    rows = []
    if ahead.identifiable and ahead.ceiling and ahead.middle:
        rows += [("ceiling A", shown(ahead.ceiling, of)), (f"half-way point Cmid ({unit})", shown(ahead.middle))]
        rows += [("steepness B", number(ahead.steepness)), ("start R0", number(ahead.start, of))]
    if ahead.gain and ahead.identifiable:
        rows.append(
            (
                "gain of a quarter more compute (90 % below)",
                f"{number(ahead.gain.value, of)} ({number(ahead.gain.high, of)})",
            )
        )
    rows += [(f"error of the {name} on the last fifth", number(error, of)) for name, error in ahead.errors]
    rows.append(("evaluations in the fit", f"{ahead.n:,}"))
    right = {"value (95 %)": st.column_config.TextColumn(alignment="right")}
    st.dataframe(
        pd.DataFrame(rows, columns=["of the curve", "value (95 %)"]),
        hide_index=True,
        height="content",
        column_config=right,
    )


def shown(known: Known, unit: str = "") -> str:
    """0.66 (0.61–0.72)"""
    return f"{number(known.value, unit)} ({number(known.low, unit)}–{number(known.high, unit)})"


def steers(view: run_view.View, found: Entropy) -> None:
    """What in the config moves entropy."""
    known = view.about.settings
    rows = [(label, number(known[name])) for name, label in STEERS.items() if isinstance(known.get(name), int | float)]
    if not rows:
        return
    st.markdown("#### What the config does to it")
    if found.steered:
        st.markdown(f"Entropy is steered: {plain(found.steered)}.")
    right = {"value": st.column_config.TextColumn(alignment="right")}
    st.dataframe(
        pd.DataFrame(rows, columns=["setting", "value"]), hide_index=True, height="content", column_config=right
    )


main()
