"""How much of the batch teaches anything?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from analyses.signal import half_wrong
from answers.curves import said
from answers.signal import Groups, Signal, groups_of, signal
from answers.sources import Sources, sources
from charts.curve import Level
from dashboard import data, parts, run_head, run_view
from dashboard.panels import Panel
from dashboard.words import number, plain

PANELS = (
    Panel("reward", "Reward", ("reward_mean", "score_mean")),
    Panel("accuracy", "Share of right responses", ("accuracy",)),
    Panel("spread", "Spread of the rewards", ("group_reward_std", "reward_std")),
    Panel("rounds", "Generation rounds for one step", ("dynamic_sampling_gen_batches",)),
    Panel("pass", "Groups that passed the filter", ("dynamic_sampling_pass_rate",)),
    Panel("gradient", "Gradient norm", ("grad_norm",), log=True),
)
GROUPS = tuple(
    f"group_{kind}_{unit}" for kind in ("all_right", "all_wrong", "mixed", "zero_std") for unit in ("fraction", "count")
)
WANTED = (*(name for panel in PANELS for name in panel.quantities), "advantage_max")


def main() -> None:
    one = run_head.page(__doc__ or "")
    found = data.ask(signal, one.cursor, one.run.id)
    one.say(found.sentence)
    view = run_view.view(one, (*WANTED, *GROUPS))
    groups = data.ask(groups_of, one.cursor, one.run.id)
    drawn = of_groups(view, groups, found) if len(groups.steps) and view.known else []
    drawn += [partial(view.panel, panel) for panel in PANELS if view.has(panel)]
    if (one.run.id, "advantage_max") in view.known:
        drawn.append(partial(advantages, view, found))
    if drawn:
        parts.grid(drawn)
    else:
        st.markdown(":gray[This run logs neither groups nor rewards.]")
    view.not_logged(("reward_mean",) if found.silent else ("group_zero_std_fraction", "reward_mean"))
    numbers(found)
    by_source(data.ask(sources, one.cursor, one.run.id))


def by_source(found: Sources | None) -> None:
    """Whether the reward moved within the sources, or because their mix did."""
    if found is None:
        return
    st.markdown("#### Better answers, or other prompts?")
    st.markdown(plain(found.sentence, 300))
    columns = (found.names, found.before, found.after, found.share_before, found.share_after)
    rows = [
        (name, *map(number, rewards), *(number(share, "fraction") for share in shares))
        for name, *rewards, shares in zip(*columns[:3], zip(*columns[3:], strict=True), strict=True)
    ]
    heads = ["source", "reward, first 20 rows", "newest 20 rows", "share, first 20 rows", "newest 20 rows "]
    right = {head: st.column_config.TextColumn(alignment="right") for head in heads[1:]}
    st.dataframe(pd.DataFrame(rows, columns=heads), hide_index=True, height="content", column_config=right)


def of_groups(view: run_view.View, groups: Groups, found: Signal) -> list[Callable[[], None]]:
    """The groups of each batch, stacked, and the prompts that are left to learn from."""
    like = next(name for run, name in view.known if run == view.run.id)
    along = view.computed(like, groups.steps, groups.silent)
    split = np.isfinite(groups.all_right).any() and np.isfinite(groups.all_wrong).any()
    look = view.look
    shown = {"teach something": (1 - groups.silent, look.runs[0])}
    if split:
        shown["all right"] = (groups.all_right, look.runs[2])
        shown["all wrong"] = (groups.all_wrong, look.fine)
    else:
        shown["no spread"] = (groups.silent, look.fine)
    made: list[Callable[[], None]] = [partial(view.shares, "groups", "Groups of a batch", along, shown)]
    if found.prompts:
        left = view.computed(like, groups.steps, found.prompts * (1 - groups.silent))
        title = "Prompts with signal a step"
        made.append(lambda: view.draw("effective", title, "prompts", {"prompts": left}, log=view.choice.log))
    return made


def advantages(view: run_view.View, found: Signal) -> None:
    """The largest advantage beside what a group of that size can hold at most."""
    series = {"largest": view.known[view.run.id, "advantage_max"]}
    levels = [Level(found.bound, f"most that {found.rollouts:.0f} rollouts can give")] if found.bound else []
    view.draw("advantage", "Largest advantage", "", series, log=False, levels=levels)


def numbers(found: Signal) -> None:
    """What the sentence is made of, and what chance alone would do."""
    rows = [
        ("groups all right", said(found.all_right, share=True) if found.all_right else "", found.how),
        ("groups all wrong", said(found.all_wrong, share=True) if found.all_wrong else "", found.how),
        ("groups without signal", said(found.silent, share=True) if found.silent else "", found.how),
        ("prompts with signal a step", number(found.effective), "prompts × share with signal"),
        (
            "at least without signal by chance",
            number(found.expected, "fraction"),
            "p^G + (1 − p)^G at today's mean accuracy; prompts of unequal difficulty make it more",
        ),
        ("rollouts a prompt", f"{found.rollouts:g}" if found.rollouts else "", "from the config, else the log"),
        (
            "accuracy at which half of the groups are all wrong",
            number(half_wrong(int(found.rollouts)) if found.rollouts else None, "fraction"),
            "1 − 2^(−1/G)",
        ),
        ("spread of the rewards", said(found.reward_std) if found.reward_std else "", "as logged"),
    ]
    kept = [row for row in rows if row[1] not in ("", "–")]
    if kept:
        st.markdown("#### The numbers behind it")
        frame = pd.DataFrame(kept, columns=["", "newest 20 rows (95 %)", "how it is found"])
        st.dataframe(frame, hide_index=True, height="content")
    if found.advantage_max is not None and found.bound is not None and found.advantage_max > 1.001 * found.bound:
        st.markdown(
            plain(
                f"The largest advantage, {number(found.advantage_max)}, is more than a group of "
                f"{found.rollouts:.0f} can give ({number(found.bound)}): are the groups put together rightly?",
                300,
            )
        )


main()
