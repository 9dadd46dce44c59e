"""Did the longer context help?"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from analyses.handoff import Handoff, Interval, signed
from answers.chain import chains
from answers.evaluations import limit_words
from answers.limits import share
from answers.stage_matrix import matrices
from answers.stages import Stages, Switch, stages
from charts.smooth import Smoothing
from charts.theme import run_colour
from dashboard import data, parts, person, readiness_view, scored, stage_curves, state
from dashboard.controls import usual_span
from dashboard.stage_curves import BY, LAYOUTS, Picture
from dashboard.words import number, plain, tokens
from db import edits, runs
from db import stages as said
from db.edits import Edit
from db.engine import writing
from db.runs import Run
from db.stages import MOST_TOKENS, Stage

UNKNOWN = ("–", "– → –")
QUESTION = (__doc__ or "").splitlines()[0]


def main() -> None:
    url = data.store_url()
    now = data.pulse(url)
    every = data.every_run(url)
    if not every:
        parts.head(QUESTION, "", None, now)
        parts.nothing_yet()
        st.stop()
    lines = data.ask(chains, now.all)
    run = chosen(every, lines)
    if run is None:
        parts.head(QUESTION, "", None, now)
        parts.no_such_run(state.read("run"))
        st.stop()
    rules, broken = said.rules_said()
    near = sorted({one.id for line in lines if run in line for one in line} | {run.id})
    found = data.ask(stages, (now.of(near), now.noted, rules), run.id)
    members = [member.run for member in found.chain.members]
    wall = max((one.wall for one in members if one.wall is not None), default=None)
    parts.head(QUESTION, plain(found.sentence, 700), wall, now)
    picker(run, every, lines)
    if broken:
        st.warning(plain(f"Stages of stepwell.toml are not followed: {broken}", 400))
    guessed(found)
    curves(found)
    hand_offs(found)
    if found.good == "up":  # where it is a loss that is compared, nothing answers and nothing is cut off
        ready(found)
    spent(found)
    scores([one.id for one in members], now)
    declare(members, now)


def chosen(every: Sequence[Run], lines: Sequence[tuple[Run, ...]]) -> Run | None:
    """The run of the address; without one the newest of the longest chain, else the newest of all."""
    named = state.read("run")
    if named:
        return next((run for run in every if named in (str(run.id), run.label, run.name)), None)
    if lines:
        return max(lines, key=lambda line: (len(line), line[-1].wall or 0.0))[-1]
    return max(every, key=lambda run: run.wall or 0.0)


def picker(run: Run, every: Sequence[Run], lines: Sequence[tuple[Run, ...]]) -> None:
    """Chains first, then single runs."""
    names = {str(line[-1].id): f"{line[0].project}: " + " → ".join(one.name for one in line) for line in lines}
    of = {one.id: str(line[-1].id) for line in lines for one in line}
    names |= {str(one.id): one.label for one in every if one.id not in of}
    now = of.get(run.id, str(run.id))
    if state.read("run") not in names:
        state.write("run", now)
    _, tied = state.one_of("run", list(names), now)
    st.selectbox("chain or run", list(names), format_func=names.__getitem__, label_visibility="collapsed", **tied)


def guessed(found: Stages) -> None:
    """A chain that only names suggest is said to be one, and can be made one."""
    chain = found.chain
    if chain.others:
        st.caption(plain(f"Another branch continues one of these runs: {', '.join(chain.others)}.", 300))
    if not chain.guessed:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="guessed"):
        st.markdown(
            ":material/help: No log says that these runs continue each other: **only their names suggest it.**",
            width="content",
        )
        if person.may_edit() and st.button("They do: keep it", type="secondary"):
            keep(found)
            again()


def keep(found: Stages) -> None:
    """Each run started from the one before it, as a person said."""
    who, at = person.who(), time.time()
    with writing(person.engine()) as connection:
        for before, after in zip(found.chain.members, found.chain.members[1:], strict=False):
            runs.link(connection, after.run.id, before.run.id, f"said so by {who}")
            edits.record(connection, Edit(at, who, "link", after.run.id, f"continues {before.run.label}"))


def curves(found: Stages) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="controls"):
        layout, tied = state.one_of("layout", list(LAYOUTS), "continuous")
        st.segmented_control(
            "layout", list(LAYOUTS), format_func=LAYOUTS.__getitem__, label_visibility="collapsed", **tied
        )
        by, tied = state.one_of("by", list(BY), "steps")
        names = BY if found.gpus_known else BY | {"hours": "hours"}
        st.segmented_control("by", list(BY), format_func=names.__getitem__, label_visibility="collapsed", **tied)
        raw = st.toggle("raw only", **state.flag("raw"))
    steps = max((span.stop for span in found.spans), default=0)
    smoothing = Smoothing("none") if raw else Smoothing("ema", int(usual_span(steps)))
    last = found.chain.members[-1].run.id
    picture = Picture(found, layout, by, smoothing, parts.look(), f"{last}-{layout}-{by}")
    panels = stage_curves.panels(picture)
    if panels:
        parts.grid(panels, across=2)
    else:
        st.markdown(":gray[These runs log neither a reward nor a loss, nor how long their responses are.]")


def hand_offs(found: Stages) -> None:
    st.markdown("#### What did each switch do?")
    if not found.switches:
        st.markdown(
            ":gray[There is one stage only. Where a later run continues this one, say so with] "
            "`stepwell link RUN --after RUN`:gray[; where the limit changed within the run, declare it below.]"
        )
        return
    columns = {one.label: column(one, found) for one in found.switches}
    frame = pd.DataFrame(columns)
    frame = frame[~frame.isin(UNKNOWN).all(axis=1)].reset_index(names="")
    right = {name: st.column_config.Column(alignment="right") for name in columns}
    st.dataframe(frame, hide_index=True, height="content", column_config=right)
    st.caption(
        "Windows are 50 steps on either side of the switch (8 rows at least), levels 25. In brackets: 95 %, by block "
        "bootstrap, of the noise within these runs (of 20 or 30 rows they hold in about 90 %); another seed may differ "
        "by more. Recovery: smoothed, back at the median before for 5 rows."
    )
    for one in found.switches:
        with st.expander(f"{one.label}: in words, and what else changed"):
            st.markdown(plain(sentence_of(one), 900))
            changed(one.report)


def sentence_of(one: Switch) -> str:
    return one.report.sentence[:1].upper() + one.report.sentence[1:]


def column(one: Switch, found: Stages) -> dict[str, str]:
    """What one switch did, row by row of the table."""
    report, word = one.report, found.word
    gains = {50: "–", 100: "–"}
    for gain in report.gains:
        if not gain.whole:
            gains[gain.steps] = interval(gain.change)
    whole = report.gains[-1] if report.gains else None
    unit = "GPU-hour" if found.gpus_known else "hour"
    gained = "gain" if found.good == "up" else "change"
    told = one.foretold
    return {
        "at step": f"{one.after.start:,}",
        f"{word} before": known(report.level),
        "deepest dip" if found.good == "up" else "highest bump": "none" if report.dip == 0 else known(report.dip),
        "back after": back(report),
        f"{word} per 100 steps, before": interval(report.slope_before),
        f"{word} per 100 steps, after": interval(report.slope_after),
        f"{gained} at 50 steps": gains[50],
        f"{gained} at 100 steps": gains[100],
        f"{gained} at the end of the stage": "–"
        if whole is None
        else f"{interval(whole.change)} · {whole.steps:,} steps",
        "validation score": known(report.score_gain, sign=True),
        "truncated, before → after": f"{part(report.cut_before)} → {part(report.cut_after)}",
        "truncated, as foretold": "–"
        if told is None
        else f"{share(told.share)} ({share(told.low)} to {share(told.high)})",
        "mean length, before → after": f"{known(report.length_before)} → {known(report.length_after)}",
        "length elasticity": known(report.elasticity),
        "tokens of a step": times(report.tokens_ratio),
        "seconds of a step": times(report.seconds_ratio),
        f"{gained} per {unit} since": known(report.per_hour, sign=True),
        "other settings changed": "not known" if report.changed is None else str(len(report.changed) or "none"),
    }


def back(report: Handoff) -> str:
    if not math.isfinite(report.dip):
        return "–"
    if report.dip == 0:
        return "at once"
    return f"{report.recovered:,} steps" if report.recovered is not None else f"not within {report.seen:,} steps"


def known(value: float, *, sign: bool = False) -> str:
    if not math.isfinite(value):
        return "–"
    return signed(value) if sign else number(value)


def part(value: float) -> str:
    return share(value) if math.isfinite(value) else "–"


def times(value: float) -> str:
    return f"{value:.2f}×" if math.isfinite(value) else "–"


def interval(one: Interval) -> str:
    return f"{signed(one.value)} ({signed(one.low)} to {signed(one.high)})" if math.isfinite(one.value) else "–"


def changed(report: Handoff) -> None:
    if report.changed is None:
        st.caption("The limit changed within one run: its config holds one state only.")
    elif report.changed:
        frame = pd.DataFrame(report.changed, columns=["setting", "before", "after"])
        st.dataframe(frame, hide_index=True, height="content")
        st.caption("Names, folders and lengths of the run are left out.")


def ready(found: Stages) -> None:
    last = found.chain.members[-1]
    pasts = [(found.readiness[member.run.id].past, member.offset) for member in found.chain.members]
    colour = run_colour(parts.look(), last.run.id)
    readiness_view.show(
        f"stages-{last.run.id}",
        found.ready,
        colour,
        pasts=pasts,
        title=f"Is {plain(last.run.name)} ready for more room?",
    )


def spent(found: Stages) -> None:
    """What each stage cost, and where it stood when all had spent the same."""
    st.markdown("#### What did each stage cost?")
    hours = "GPU-hours" if found.gpus_known else "hours"
    rows = []
    for span in found.spans:
        row = {
            "stage": span.label,
            "run": span.run,
            "steps": f"{span.start:,} – {span.stop:,}",
            "tokens": known(span.tokens),
            hours: known(span.hours),
            "limit": span.how,
        }
        if found.equal is not None and any(found.equal[1]):
            level = found.equal[1][span.number]
            name = f"{found.word} after {number(found.equal[0])} tokens of the stage"
            row[name] = "–" if level is None else f"{number(level.value)} ({number(level.low)} to {number(level.high)})"
        rows.append(row)
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content")


def scores(run_ids: list[int], now: data.Pulse) -> None:
    """Train context x eval context, of what the runs of the chain scored."""
    for found in data.ask(matrices, now.all, tuple(run_ids)):
        st.markdown(f"#### Does it hold at other limits? {plain(found.benchmark)}")
        rows = []
        for line in found.lines:
            row = {"run": line.system, "trained at": scored.limit(line.train_context)}
            for limit in found.limits:
                cell = line.cells.get(limit)
                row[f"at {limit_words(limit)}"] = "–" if cell is None else scored.plus_minus(*cell)
            for gain in line.gains:
                error = "" if gain.error is None else f" ± {100 * gain.error:.1f}"
                row[f"{limit_words(gain.start)} → {limit_words(gain.stop)}"] = f"{100 * gain.value:+.1f}{error}"
            rows.append(row)
        frame = pd.DataFrame(rows).fillna("–")
        right = {name: st.column_config.Column(alignment="right") for name in frame.columns[1:]}
        st.dataframe(frame, hide_index=True, height="content", column_config=right)
        st.caption("percent ± one standard error · rows: trained at, columns: evaluated at · →: points per doubling")


def declare(members: Sequence[Run], now: data.Pulse) -> None:
    """Stages as people said them, and a form to say one."""
    held = data.ask(said.declared, now.noted, tuple(run.id for run in members))
    with st.expander(f"Declare where a stage begins ({sum(map(len, held.values())) or 'none'} declared)"):
        for run in members:
            for stage in held.get(run.id, []):
                listed(run, stage)
        if not person.may_edit():
            st.caption("Looking only: who may edit is said in `[dashboard] editors` of stepwell.toml.")
            return
        with st.form("declare", border=False):
            columns = st.columns([3, 2, 2, 3, 1], vertical_alignment="bottom")
            names = {run.id: run.name for run in members}
            run_id = columns[0].selectbox("run", list(names), format_func=names.__getitem__, index=len(names) - 1)
            at = columns[1].number_input("from its step", min_value=0, step=1)
            limit = columns[2].number_input(
                "limit, tokens (0: as before)", min_value=0, max_value=MOST_TOKENS - 1, step=1024
            )
            name = columns[3].text_input("name", max_chars=80, placeholder="16K, new data, …")
            if columns[4].form_submit_button("declare"):
                put(int(run_id), int(at), int(limit), name)


def put(run_id: int, at: int, limit: int, name: str) -> None:
    if not limit and not name.strip():
        st.error("Say the limit, a name, or both.")
        return
    with writing(person.engine()) as connection:
        said.put(connection, Stage(run_id, at, limit or None, name, person.who(), time.time()))
    again()


def again() -> None:
    """Whoever did it sees it at once."""
    data.pulse.clear()
    st.rerun()


def listed(run: Run, stage: Stage) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        limit = "" if stage.context_limit is None else f" {tokens(stage.context_limit)}"
        told = f"{plain(run.name)}: from step {stage.first_step:,}{limit} {plain(stage.name)}"
        st.markdown(f"{told} :gray[by {plain(stage.who)}]", width="content")
        if person.may_edit() and st.button("take back", key=f"unstage-{run.id}-{stage.first_step}", type="tertiary"):
            with writing(person.engine()) as connection:
                said.remove(connection, run.id, stage.first_step, who=person.who(), at=time.time())
            again()


main()
