"""Who says that it got better?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from answers.curves import said
from answers.rewards import KINDS, Reward, Rewards, rewards
from charts import two_kinds
from charts.lines import Style
from charts.two_kinds import Line
from dashboard import data, run_head, run_view
from dashboard.words import number, plain


def main() -> None:
    one = run_head.page(__doc__ or "")
    found = data.ask(rewards, one.cursor, one.run.id)
    one.say(found.sentence)
    view = run_view.view(one, ("reward_mean", "score_mean"))
    if found.rewards:
        draw(view, found)
        table(found)
    else:
        view.not_logged(("reward_mean",))
    st.caption(
        "Who gives a reward is told by its name and its values: a mean of zeros and ones lies between them. "
        "Rewards of models have units of their own; only their course can be compared with a share that passes."
    )


def draw(view: run_view.View, found: Rewards) -> None:
    """Shares that pass on the left; what models, rules and others give on the right, dashed."""
    shown = [one for one in found.rewards if one.level is not None]
    lines = [line(view, one, place) for place, one in enumerate(shown)]
    time = view.choice.x == "time"
    style = Style(look=view.look, x_title=view.axis.title, time=time, log_x=view.choice.log_x, height=340)
    only_right = bool(lines) and all(one.right for one in lines)
    frame = two_kinds.rows(lines, view.choice.smoothing, time=time)
    spec = two_kinds.spec(
        lines,
        style,
        left="" if only_right else "share that passes (0/1 rewards)",
        right="reward, in its own units (dashed)",
        alt_text=plain(found.sentence, 300),
    )
    st.vega_lite_chart(frame, spec, theme=None, key=f"rewards-{view.run.id}")


def line(view: run_view.View, one: Reward, place: int) -> Line:
    colour = view.look.runs[place % len(view.look.runs)]
    live = one.curve.live
    x = view.axis.place(one.curve)
    return Line(one.name, colour, one.kind != "checker", x[live], one.curve.values[live], one.curve.steps[live])


def table(found: Rewards) -> None:
    rows = [
        {
            "reward": one.name,
            "newest 20 rows (95 %)": said(one.level, share=one.kind == "checker") if one.level else "no finite value",
            "per 100 steps (99 %)": course(one),
            "who gives it": KINDS[one.kind],
            "caveat": one.metric.caveat or "",
        }
        for one in found.rewards
    ]
    right = {name: st.column_config.Column(alignment="right") for name in list(rows[0])[1:3]}
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content", column_config=right)


def course(one: Reward) -> str:
    if one.drift is None:
        return "too few rows"
    return f"{number(one.drift.slope)} ({number(one.drift.low)} to {number(one.drift.high)})"


main()
