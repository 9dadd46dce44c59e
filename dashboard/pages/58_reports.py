"""What did the reports show, from their own figures?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from answers.evaluations import Scored, limit_words
from answers.reports import Phase, Reports, climbed, reports, stages
from answers.reward_kinds import CHECKED, GRADED, MODEL, reward_kinds
from answers.tries import tries
from charts.curve import Curve
from charts.lines import Style
from charts.scores import Axes, Line
from dashboard import data, parts, scored
from dashboard.words import number, plain, several

NAN = math.nan
EACH = 4  # runs of each kind of reward
TABLE = (
    ("LCB", "LiveCodeBench v5", "accuracy"),
    ("Codeforces rating", "Codeforces", "rating"),
    ("percentile", "Codeforces", "percentile"),
    ("HumanEval+ pass@1", "HumanEval+", "accuracy"),
    ("AIME 2024", "AIME 2024", "accuracy"),
)


def main() -> None:
    url = data.store_url()
    now = data.pulse(url)
    found = data.ask(reports, now.all)
    wall = data.newest_wall(data.every_run(url))
    parts.head(str(__doc__), plain(found.sentence, 500), wall, now)
    if not found.figures:
        st.markdown("No published figures have been collected. They come with Stepwell, each with its source:")
        st.code("stepwell collect sample_runs/published", language="bash")
        st.stop()
    deepscaler(found)
    deepcoder(found)
    coder_v1(found)
    coder_v2(found)
    both_rewards(now)
    mathematics(found)
    prover(found, now)
    st.caption(
        f"{several(len(found.figures), 'figure')} as their reports print them; what a report does not state is shown "
        "as not stated. Sources: page Leaderboard."
    )


def deepscaler(found: Reports) -> None:
    staged = stages(found, "DeepScaleR", "AIME 2024")
    if not staged:
        return
    st.markdown("#### DeepScaleR: a longer limit, stage by stage")
    st.markdown(plain(climbed(staged), 500))
    over_training([("DeepScaleR-1.5B-Preview, AIME 2024", staged)], "deepscaler")


def over_training(series: Sequence[tuple[str, Sequence[Scored]]], key: str) -> None:
    lines = [
        Line(
            name, scored.colour(name, None), [one.said.train_context or NAN for one in held],
            [one.percent or NAN for one in held], [NAN] * len(held),
            [f"{one.printed} %, trained at {limit_words(one.said.train_context)}" for one in held], True,
        )
        for name, held in series
    ]  # fmt: skip
    ticks = tuple(sorted({x for line in lines for x in line.x if math.isfinite(x)}))
    axes = Axes("limit of an answer in training, tokens", "%", ticks, tokens=True, look=parts.look(), height=200)
    told = "; ".join(f"{line.name}: {', '.join(line.told)}" for line in lines)
    scored.chart(key, lines, axes, told)


def deepcoder(found: Reports) -> None:
    mine = found.of("DeepCoder-14B")
    if not mine:
        return
    st.markdown("#### DeepCoder: trained at 16K and 32K, evaluated to 64K")
    st.markdown(plain(found.limits.sentence, 500))
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**LiveCodeBench v5 over training**, and at last at 64K, where it never trained")
        staged = stages(found, "DeepCoder-14B", "LiveCodeBench v5")
        last = [one for one in mine if one.said.eval_context == 65536]
        rows = [(f"trained at {limit_words(one.said.train_context)}", one) for one in staged]
        rows += [("evaluated at 64K", one) for one in last]
        frame = [
            {"stage": stage, "%": one.printed, "limit": scored.limit(one.said.eval_context)} for stage, one in rows
        ]
        st.dataframe(pd.DataFrame(frame), hide_index=True, height="content")
        limits = [
            {"model": line.system} | {limit_words(limit): f"{value:.1f}" for limit, (value, _) in line.cells.items()}
            for line in reversed(found.limits.lines)
            if line.published
        ]
        st.dataframe(pd.DataFrame(limits), hide_index=True, height="content")
    with right:
        st.markdown("**LiveCodeBench v5 by the limit of the evaluation**")
        by_limit(found)
    st.markdown("**Benchmarks**, as printed")
    printed(found)


def by_limit(found: Reports) -> None:
    held = [line for line in found.limits.lines if line.published]
    lines = [
        Line(
            line.system, scored.colour(line.system, None), list(line.cells),
            [value for value, _ in line.cells.values()],
            [NAN] * len(line.cells), [f"{v:.1f} % at {limit_words(at)}" for at, (v, _) in line.cells.items()], True,
        )
        for line in held
    ]  # fmt: skip
    if lines:
        axes = Axes("tokens an answer may have", "%", found.limits.limits, tokens=True, log=True, look=parts.look())
        scored.chart("deepcoder", lines, axes, found.limits.sentence)


def printed(found: Reports) -> None:
    """The table of the report, digit for digit."""
    cells: dict[str, dict[str, Scored]] = {}
    for one in found.figures:
        for name, benchmark, metric in TABLE:
            said = one.said
            if (said.benchmark, said.metric) == (benchmark, metric) and _in_table(one):
                cells.setdefault(said.system, {})[name] = one
    rows = []
    for system, told in cells.items():
        row = {"model": system} | {name: _printed(told.get(name)) for name, _, _ in TABLE}
        lcb = told.get("LCB")
        rows.append(row | {"limit of LCB": "–" if lcb is None else scored.limit(lcb.said.eval_context)})
    right = {name: st.column_config.Column(alignment="right") for name, _, _ in TABLE}
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content", column_config=right)
    st.caption("rating in points, the others in percent; limits of all but LiveCodeBench are not stated")


def _printed(one: Scored | None) -> str:
    return "–" if one is None else one.printed or "not stated"


def _in_table(one: Scored) -> bool:
    """Of the scores at several limits, the report's table has the one at 64K."""
    return (
        one.said.eval_context in (None, 65536) and "over training" not in one.said.note and "stage" not in one.said.note
    )


def coder_v1(found: Reports) -> None:
    phases = found.phases_of("DeepSeek-Coder")
    if not phases:
        return
    st.markdown("#### DeepSeek-Coder: phases and length extension")
    table(phases)
    rates = [one for one in found.figures if "fill-in-the-middle rate" in one.said.system]
    if rates:
        st.markdown("**Fill-in-the-middle rate, ablation**")
        rows = [
            {
                "rate": one.said.system.rpartition("rate ")[2],
                "figure": _printed(one),
                "what the report says": one.said.note,
            }
            for one in rates
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True, height="content")


def table(phases: Sequence[Phase]) -> None:
    rows = [
        {
            "phase": phase.phase,
            "tokens": "not stated" if phase.tokens is None else tokens(phase.tokens),
            "context": scored.limit(phase.context),
            "steps": "not stated" if phase.steps is None else f"{phase.steps:,}",
            "batch": "not stated" if phase.batch is None else f"{phase.batch:,}",
            "note": phase.note,
            "source": phase.source,
        }
        for phase in phases
    ]
    right = {name: st.column_config.Column(alignment="right") for name in ("tokens", "context", "steps", "batch")}
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content", column_config=right)


def tokens(count: int) -> str:
    """1.8T, 200B."""
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M")):
        if count >= size:
            return f"{count / size:g}{letter}"
    return f"{count:,}"


def figures(held: Sequence[Scored]) -> None:
    rows = [
        {"system": one.said.system, "benchmark": one.said.benchmark, "metric": one.said.metric, "figure": _printed(one),
         "unit": one.said.unit, "limit": scored.limit(one.said.eval_context), "note": one.said.note}
        for one in held
    ]  # fmt: skip
    right = {"figure": st.column_config.Column(alignment="right")}
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content", column_config=right)


def coder_v2(found: Reports) -> None:
    phases, mine = found.phases_of("DeepSeek-Coder-V2"), found.of("DeepSeek-Coder-V2")
    if not phases and not mine:
        return
    st.markdown("#### DeepSeek-Coder-V2: 16K to 128K")
    if phases:
        table(phases)
    if mine:
        figures(mine)


def both_rewards(now: data.Pulse) -> None:
    """V2 learnt from a model of the compiler's verdict: the user's runs by the kind of their reward, told apart."""
    told = data.ask(reward_kinds, now.all)
    if not told.runs:
        return
    st.markdown("**A checked 0 or 1, or a reward model?** Your runs by their kind of reward")
    st.markdown(plain(told.sentence, 300))
    kinds = [kind for kind in (CHECKED, GRADED, MODEL) if any(one.kind == kind for one in told.runs)]
    shown = [one for kind in kinds for one in [run for run in told.runs if run.kind == kind][:EACH]]
    curves = [
        Curve(
            f"{one.kind} · {one.run.label}", str(one.run.id), ink, one.curve.steps.astype(float), one.curve.values,
            one.curve.steps, one.curve.attempts, one.curve.live,
        )
        for one, ink in zip(shown, parts.look().runs, strict=False)
    ]  # fmt: skip
    if curves:
        style = Style(look=parts.look(), unit="reward", height=240)
        parts.chart("rewards", curves, style, title="Mean reward", caveat="kinds of reward have scales of their own")


def mathematics(found: Reports) -> None:
    phases, mine = found.phases_of("DeepSeekMath-7B"), found.of("DeepSeekMath")
    if not phases and not mine:
        return
    st.markdown("#### DeepSeekMath: where GRPO came from")
    if phases:
        table(phases)
    if mine:
        figures(mine)


def prover(found: Reports, now: data.Pulse) -> None:
    """pass@N on a log axis. What a search solved has no N of this kind: it stands in the table alone."""
    mine = [*found.of("DeepSeek-Prover"), *found.of("next best prover")]
    if not mine:
        return
    st.markdown("#### DeepSeek-Prover: pass@N, and search apart from sampling")
    sampled = [one for one in mine if one.said.k is not None and one.percent is not None]
    lines = [
        Line(
            f"{one.said.system}, {one.said.benchmark}", scored.colour(one.said.system, None), [float(one.said.k or 1)],
            [one.percent or NAN], [NAN], [f"pass@{one.said.k}: {one.printed} %"], True,
        )
        for one in sampled
    ]  # fmt: skip
    for one in data.ask(tries, now.all):
        told = [f"pass@{k}: {number(value)} %" for k, value in zip(one.k, one.value, strict=True)]
        name = f"{one.name}, {one.said.benchmark} (yours)"
        ink = scored.colour(name, one.said.run_id)
        lines.append(Line(name, ink, one.k.tolist(), one.value.tolist(), one.errors.tolist(), told))
    if lines:
        ticks = tuple(float(2**i) for i in range(14) if 2**i <= 2 * max(max(line.x) for line in lines))
        axes = Axes("N, samples a problem (log)", "%", ticks, log=True, look=parts.look(), height=260)
        scored.chart("prover", lines, axes, "pass@N over N: " + "; ".join(line.name for line in lines))
        st.caption("sampling only · what tree search solved is cumulative over a budget of its own: in the table alone")
    figures(mine)


main()
