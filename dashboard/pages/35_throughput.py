"""Where does the time go?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from analyses.timing import bubble
from answers.curves import said
from answers.throughput import PARTS, SPEEDS, Throughput, throughput
from dashboard import data, parts, run_head, run_view
from dashboard.curves import look_up
from dashboard.panels import Panel
from dashboard.words import number, sentence

PANELS = (
    Panel("step", "Time of a step", ("time_step",)),
    Panel("speed", "Throughput", SPEEDS),
    Panel("length", "Response length", ("response_length_mean", "response_length_max"), ("mean", "longest")),
    Panel("mfu", "Model FLOPs utilisation", ("mfu",)),
    Panel("idle", "Idle time", ("idle_fraction",)),
    Panel("queue", "Staleness", ("staleness_mean", "staleness_max"), ("mean", "max")),
    Panel("validation", "Time of a validation", ("time_validation",)),
    Panel("memory", "GPU memory", ("memory_gb",)),
)
STAGES = tuple(name for names in PARTS.values() for name in names)
WANTED = (*(name for panel in PANELS for name in panel.quantities), *STAGES)


def main() -> None:
    one = run_head.page(__doc__ or "")
    found = data.ask(throughput, one.cursor, one.run.id)
    one.say(found.sentence)
    view = run_view.view(one, WANTED)
    drawn: list[Callable[[], None]] = []
    if found.shares:
        drawn.append(partial(stages if found.overlap else shares, view))
    drawn += [partial(view.panel, panel) for panel in PANELS if view.has(panel)]
    if found.bubble is not None:
        drawn.insert(min(3, len(drawn)), partial(waiting, view))
    if drawn:
        parts.grid(drawn)
    else:
        st.markdown(":gray[This run logs neither times nor throughput.]")
    view.not_logged(("time_step", "throughput_tokens_per_s_per_gpu"))
    table(view, found)


def seconds(view: run_view.View) -> dict[str, np.ndarray]:
    """Stage -> its seconds at the live steps of the step time; what is not logged at a step counts as nothing."""
    step = view.known[view.run.id, "time_step"]
    made: dict[str, np.ndarray] = {}
    for part, names in PARTS.items():
        held = [view.known[view.run.id, name] for name in names if (view.run.id, name) in view.known]
        if held:
            each = [look_up(step.steps, one.steps[one.live], one.values[one.live]) for one in held]
            made[part] = np.nansum(each, axis=0)
    return made


def shares(view: run_view.View) -> None:
    """Each stage as a share of the step; what no stage accounts for is other."""
    step, look = view.known[view.run.id, "time_step"], view.look
    with np.errstate(divide="ignore", invalid="ignore"):
        each = {part: np.where(step.values > 0, took / step.values, np.nan) for part, took in seconds(view).items()}
    other = np.clip(1 - np.sum(list(each.values()), axis=0), 0, 1)
    shown = {part: (share, look.runs[i % len(look.runs)]) for i, (part, share) in enumerate(each.items())}
    view.shares("stages", "What a step is spent on", step, {**shown, "other": (other, look.fine)})


def stages(view: run_view.View) -> None:
    """Stages that overlap stand beside each other, not on each other."""
    held = {name: view.known[view.run.id, name] for name in STAGES if (view.run.id, name) in view.known}
    labels = {name: name.removeprefix("time_").replace("_", " ") for name in held}
    shown = {labels[name]: curve for name, curve in held.items()}
    view.draw("stages", "Stages of a step (they overlap)", "s", shown, log=view.choice.log)


def waiting(view: run_view.View) -> None:
    """The slots that wait for the longest response."""
    mean, longest = (view.known[view.run.id, f"response_length_{kind}"] for kind in ("mean", "max"))
    steps, at, of = np.intersect1d(mean.steps[mean.live], longest.steps[longest.live], return_indices=True)
    made = view.computed(
        "response_length_mean", steps, bubble(mean.values[mean.live][at], longest.values[longest.live][of])
    )
    view.draw("bubble", "Slots that wait for the longest response", "fraction", {"waiting": made}, log=False)


def table(view: run_view.View, found: Throughput) -> None:
    """The numbers behind the sentence."""
    rows = []
    if found.step is not None:
        rows.append(("step", said(found.step) + " s", "–"))
        rows += [
            (sentence(part), f"{number(share * found.step.value)} s", number(share, "fraction"))
            for part, share in found.shares.items()
        ]
        if found.other is not None:
            rows.append(("Other", f"{number(found.other * found.step.value)} s", number(found.other, "fraction")))
    if rows:
        st.markdown("#### The newest 20 steps")
        frame = pd.DataFrame(rows, columns=["stage", "seconds (95 %)", "share of the step"])
        right = {name: st.column_config.TextColumn(alignment="right") for name in frame.columns[1:]}
        st.dataframe(frame, hide_index=True, height="content", column_config=right)
    told = []
    if found.straggler is not None and found.expected is not None:
        told.append(
            f"longest over mean {number(found.straggler.value)}, lognormal lengths would have {number(found.expected)}"
        )
    told.append(f"{found.gpus:,} GPUs" if found.gpus else "the config does not say how many GPUs")
    st.caption(" · ".join(told))


main()
