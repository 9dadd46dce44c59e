"""Is the update held back, and on which side?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from analyses.clipping import asymmetry
from answers.clipping import CLIPS, Clipping, clipping
from answers.curves import said
from dashboard import data, parts, run_head, run_view
from dashboard.panels import Panel
from dashboard.words import number, sentence

PANELS = (
    Panel(
        "sides",
        "Clipped tokens",
        ("clip_fraction_low", "clip_fraction_high", "clip_fraction_dual", "clip_fraction_total"),
        ("below", "above", "dual clip", "total"),
    ),
    Panel("entropy", "Entropy", ("entropy_token_mean", "entropy_estimate")),
    Panel("kl", "KL", ("kl_policy_old", "kl_ref"), ("old policy", "reference")),
    Panel("mismatch", "KL between rollout engine and trainer", ("mismatch_kl",), log=True),
    Panel("gap", "Gap of the probabilities, rollout against trainer", ("mismatch_prob_mean", "mismatch_logprob_mean")),
    Panel("ess", "Effective sample size", ("is_ess",)),
    Panel("weight", "Importance weight", ("is_ratio_mean", "is_ratio_max", "is_ratio_std"), ("mean", "max", "spread")),
    Panel("pearson", "Correlation of the probabilities", ("mismatch_pearson",)),
    Panel("reward", "Reward", ("reward_mean", "score_mean")),
)
WANTED = tuple(dict.fromkeys(name for panel in PANELS for name in panel.quantities))
SETTINGS = {
    "clip_low": "clip below: ratio under 1 −",
    "clip_high": "clip above: ratio over 1 +",
    "clip_dual": "dual clip: ratio over, at A < 0",
    "kl_coef": "KL coefficient",
    "mini_batch": "mini-batch",
    "prompts_per_step": "prompts a step",
    "algorithm": "algorithm",
}


def main() -> None:
    one = run_head.page(__doc__ or "")
    found = data.ask(clipping, one.cursor, one.run.id)
    one.say(found.sentence)
    view = run_view.view(one, WANTED)
    draw(view, found)
    view.not_logged(("clip_fraction_total", "kl_policy_old", "kl_ref", "mismatch_kl"))
    left, right = st.columns(2, gap="large")
    with left:
        settings(one, found)
    with right:
        mismatch(found)


def draw(view: run_view.View, found: Clipping) -> None:
    """The sides beside entropy, which they steer: clipping above holds rare tokens down, clipping below keeps them."""
    drawn: list[Callable[[], None]] = [partial(view.panel, panel) for panel in PANELS if view.has(panel)]
    if found.asymmetry is not None:
        drawn.insert(2, partial(lean, view))
    if drawn:
        parts.grid(drawn)
    else:
        st.markdown(":gray[This run logs nothing about clipping, KL or the rollout engine.]")


def lean(view: run_view.View) -> None:
    low, high = (view.known[view.run.id, name] for name in ("clip_fraction_low", "clip_fraction_high"))
    steps, at_low, at_high = np.intersect1d(low.steps[low.live], high.steps[high.live], return_indices=True)
    values = asymmetry(low.values[low.live][at_low], high.values[high.live][at_high])
    made = view.computed("clip_fraction_low", steps, values)
    view.draw("asymmetry", "Asymmetry: −1 all below, +1 all above", "", {"asymmetry": made}, log=False)


def settings(one: run_head.One, found: Clipping) -> None:
    """What the config sets, and what follows from it."""
    st.markdown("#### What the config sets")
    known = one.about.settings
    rows = [(label, _shown(known[name])) for name, label in SETTINGS.items() if name in known]
    if found.updates is not None:
        rows.append(("updates of the policy per batch (from the two)", number(found.updates)))
    if found.expected is not None:
        rows.append(("asymmetry that the bounds alone would give", number(found.expected)))
    if rows:
        st.dataframe(_table(rows, ("setting", "value")), hide_index=True, height="content")
    else:
        st.markdown(":gray[The log of this run says nothing of its clip bounds.]")
    names = {"low": "below", "high": "above", "dual": "dual clip", "total": "in all"}
    shares = [
        (f"clipped {names[name.rpartition('_')[2]]}", said(found.levels[name], share=True))
        for name in CLIPS
        if name in found.levels
    ]
    if shares:
        st.dataframe(_table(shares, ("newest 20 rows", "share of tokens (95 %)")), hide_index=True, height="content")


def mismatch(found: Clipping) -> None:
    """Rollout engine against trainer, each measure beside what is unsuspicious."""
    st.markdown("#### Does the rollout engine say the same as the trainer?")
    if not found.checks:
        st.markdown(":gray[Not measured by this run.]")
        return
    rows = [
        {
            "measure": sentence(check.label),
            "newest 20 rows (95 %)": said(check.level),
            "unsuspicious": _between(check.low, check.high),
            "verdict": "suspicious" if check.worries else "–",
        }
        for check in found.checks
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content")


def _between(low: float, high: float) -> str:
    if not np.isfinite(high):
        return f"over {number(low)}" if low > 0 else "–"
    return f"{number(low)} to {number(high)}" if np.isfinite(low) and low > 0 else f"under {number(high)}"


def _shown(value: object) -> str:
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _table(rows: list[tuple[str, str]], heads: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(heads))


main()
