"""Are answers being cut off?"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from answers.length import Length, length
from answers.limits import share, spoken
from answers.rollouts import rollouts
from charts import export, forecast
from charts.curve import Band, Level
from dashboard import data, downloads, parts, readiness_view, run_head, run_view
from dashboard.panels import Panel
from dashboard.words import number, plain
from db import stages as said

LENGTHS = Panel(
    "lengths",
    "Response length",
    ("response_length_mean", "response_length_p90", "response_length_p95", "response_length_max"),
    ("mean", "p90", "p95", "longest"),
)
CUT = Panel(
    "truncation",
    "Truncated and masked responses",
    ("truncation_fraction", "overlong_masked_fraction"),
    ("truncated", "masked as overlong"),
)
OUTCOME = Panel(
    "outcome",
    "Length of right and of wrong responses",
    ("response_length_correct_mean", "response_length_wrong_mean"),
    ("right", "wrong"),
)
WANTED = tuple(dict.fromkeys(name for panel in (LENGTHS, CUT, OUTCOME) for name in panel.quantities))
RARE = 0.005  # truncated share under which a fit to it says little
HIDDEN = (
    "If a response that is cut off scores 0, the reward of the finished ones is the reward divided by their share; "
    "without a limit the reward would lie between the logged one (every cut response wrong) and the highest line "
    "(every one right). These are bounds, no estimate (Manski 1990)."
)


def main() -> None:
    one = run_head.page(__doc__ or "")
    found = data.ask(length, (one.cursor, one.now.noted, said.rules_said()), one.run.id)
    one.say(found.sentence)
    view = run_view.view(one, (*WANTED, "reward_mean", "score_mean"))
    view.bands = bands(found, view) or view.bands
    charts(view, found)
    view.not_logged(("truncation_fraction", "response_length_mean", "response_length_max", "context_limit"))
    readiness_view.show(f"length-{one.run.id}", found.ready, view.colour)
    left, right = st.columns(2, gap="large")
    with left:
        other_limits(found)
    with right:
        accounting(found)
    by_prompt(one)


def bands(found: Length, view: run_view.View) -> list[Band]:
    """A band for each limit of the run, if it moved."""
    limit, steps = found.course.limit, found.course.steps
    starts = np.flatnonzero(np.diff(np.nan_to_num(limit), prepend=-1)) if len(limit) else np.zeros(0, np.int64)
    if len(starts) < 2 or view.choice.x != "step":
        return []
    ends = [*steps[starts[1:]].tolist(), int(steps[-1])]
    return [
        Band(float(steps[a]), float(b), spoken(float(limit[a]) if np.isfinite(limit[a]) else None))
        for a, b in zip(starts.tolist(), ends, strict=True)
    ]


def charts(view: run_view.View, found: Length) -> None:
    drawn: list[Callable[[], None]] = [partial(lengths, view, found)] if view.has(LENGTHS) else []
    drawn += [partial(view.panel, CUT)] if view.has(CUT) else []
    drawn += [partial(hidden, view, found)] if found.bounds is not None else []
    drawn += [partial(ahead, view, found)] if found.curve is not None else []
    drawn += [partial(view.panel, OUTCOME)] if view.has(OUTCOME) else []
    if drawn:
        parts.grid(drawn, across=2)
    else:
        st.markdown(":gray[This run logs nothing about the length of its responses.]")


def lengths(view: run_view.View, found: Length) -> None:
    labels = dict(zip(LENGTHS.quantities, LENGTHS.short, strict=True))
    series = {labels[name]: view.known[view.run.id, name] for name in labels if (view.run.id, name) in view.known}
    levels = [Level(found.limit, f"limit {found.limit:,.0f}")] if found.limit is not None and not view.bands else []
    view.draw("lengths", LENGTHS.title, "tokens", series, log=view.choice.log, levels=levels)


def hidden(view: run_view.View, found: Length) -> None:
    """Reward as logged, of the finished responses, and as it would be if every cut one were right."""
    like = "reward_mean" if (view.run.id, "reward_mean") in view.known else "score_mean"
    course = found.course
    drawn = {
        "if every cut one were right": course.best,
        "finished ones only": course.finished,
        "reward": course.reward,
    }
    series = {name: view.computed(like, course.steps, values) for name, values in drawn.items()}
    view.draw("hidden", "Reward, and what truncation may hide of it", "reward", series, log=False)
    st.caption(HIDDEN)


def ahead(view: run_view.View, found: Length) -> None:
    """The truncated share at other limits."""
    told = found.curve
    if told is None or found.limit is None:
        return
    frame = forecast.rows(told.limits, told.cut, told.low, told.high, [(found.limit, found.cut)])
    ticks = [found.limit * times for times in (0.5, 1, 2, 4)]
    spec = forecast.spec(view.look, view.colour, ticks)
    title = "Truncated share at other limits, as lognormal lengths would have it"
    key = f"forecast-{view.run.id}"
    downloads.add(
        key,
        downloads.Drawn(
            title,
            lambda: export.with_data(spec, frame) | {"title": title},
            lambda: str(frame.to_csv(index=False)),
        ),
    )
    with st.container(key=f"panel-{key}"):
        st.markdown(f"**{title}**", help=f"Fitted to {told.basis} of the last {told.rows} rows; the band is 95 %.")
        st.vega_lite_chart(frame, spec, theme=None, key=key, alt=f"{title}, with the measured share as a dot")
        st.caption("dot: measured · band: 95 %")


def other_limits(found: Length) -> None:
    st.markdown("#### What would another limit do?")
    told = found.forecast
    if told is None:
        st.markdown(f":gray[No forecast: {found.no_forecast}.]")
        return
    rows = [
        {"limit": spoken(limit), "truncated": share(cut), "95 %": f"{share(low)} to {share(high)}"}
        for limit, cut, low, high in zip(
            *(one.tolist() for one in (told.limits, told.cut, told.low, told.high)), strict=True
        )
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content")
    if found.cut < RARE and "truncated" in told.basis:
        st.caption("So few responses are cut off that the spread of lengths is little more than a guess.")
    later = found.later
    grows = ""
    if np.isfinite(later.value):
        grows = (
            f" At the limit in force, if lengths go on as in the last {found.ahead:,} steps for as many more: "
            f"{share(later.value)} ({share(later.low)} to {share(later.high)})."
        )
    st.caption(
        "The interval is of the rows' noise; that lengths may not be lognormal, and that a policy uses the room it is "
        f"given, is not in it. Responses in a repetition loop count as truncated at any limit.{grows}"
    )


def accounting(found: Length) -> None:
    """What the overlong mask takes out of a batch, in numbers."""
    st.markdown("#### What does the overlong mask take out?")
    known = found.accounting
    if known is None:
        said = {
            False: "The config says that truncated responses are not masked: each counts with the reward it got.",
            True: "Masking is on; how many responses it takes out is not logged, nor can it be told from the lengths.",
            None: "The config does not say whether truncated responses are masked, and no count of them is logged.",
        }
        st.markdown(f":gray[{said[found.mask]}]")
        return
    at_most = "" if np.isfinite(found.masked) else "at most "
    rows = [
        ("responses masked", f"{at_most}{share(known.share)}"),
        ("tokens that still teach", f"{'at least ' if at_most else ''}{share(known.tokens)}"),
        ("mean of all (masked ones count as 0)", number(known.shown)),
        ("mean of those that are kept", number(known.alone)),
    ]
    st.dataframe(pd.DataFrame(rows, columns=["newest 10 steps", ""]), hide_index=True, height="content")
    st.caption(
        "Masked responses still enter the mean and the spread of their group, so the others' advantages are measured "
        "against the lower mean; they also count in the token denominator. Whether masking helps is not settled: "
        "published runs did well with it and without."
    )


def by_prompt(one: run_head.One) -> None:
    """What no log of metrics can tell: responses to the same prompt against each other."""
    st.markdown("#### Are wrong answers longer, prompt by prompt?")
    found = data.ask(rollouts, (one.cursor, one.now.noted), one.run.id)
    if found is None:
        st.markdown(
            ":gray[Means over a batch mix easy prompts with hard ones; this takes the responses themselves. Collected "
            "beside the log are verl's] `trainer.rollout_data_dir` :gray[and TRL's] `log_completions=True`:gray[.]"
        )
        return
    st.markdown(plain(found.sentence, 500))
    told = found.within
    rows = [
        ("wrong ÷ right, within a prompt (median, 95 %)", ratio(told.median, told.low, told.high)),
        ("prompts that have both", f"{told.prompts:,}"),
        ("p of the sign test", number(told.p) if np.isfinite(told.p) else "–"),
        ("wrong ÷ right, all prompts mixed", ratio(told.pooled)),
        ("of which only the mix of prompts", ratio(told.gap)),
        ("responses that end in a loop", share(found.looping)),
    ]
    if found.extended is not None:
        more = found.extended
        rows.append(
            ("reward that more room could gain, at most", f"{more.gain:.2g} ({more.low:.2g} to {more.high:.2g})")
        )
    if found.fitted is not None:
        double = f"truncated at {spoken(2 * found.fitted.limit)}, by a lognormal through every response"
        rows.append((double, share(found.fitted.doubled)))
    steps = ", ".join(f"{step:,}" for step in found.steps)
    st.dataframe(pd.DataFrame(rows, columns=["", "lengths"]), hide_index=True, height="content")
    st.caption(f"{found.responses:,} responses of the batches at step {steps}; lengths in {found.unit}")


def ratio(log: float, low: float = math.nan, high: float = math.nan) -> str:
    """A difference of logarithms as a ratio."""
    if not math.isfinite(log):
        return "–"
    between = f" ({math.exp(low):.2f} to {math.exp(high):.2f})" if math.isfinite(low) else ""
    return f"{math.exp(log):.2f}×{between}"


main()
