"""The head of the pages about one run: which run, how it trains, what is wrong with it, and the way between the pages.

A page about one run begins with `one = run_head.page(__doc__)` and ends early there when there is no run to show;
`one.say(sentence)` writes the answer under the question once it is computed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import streamlit as st

from answers import roster
from dashboard import alerts_data, data, hand, parts, report_button, state
from dashboard.health import RANK, gravest_first
from dashboard.words import number, plain, sentence, tokens, trouble
from db.alerts import OPEN, Alert
from db.findings import Finding
from db.runs import Run
from db.series import Series

COURSE = ("reward_mean", "entropy_token_mean")
KEPT = ("x", "smooth", "span", "log", "history", "trim", "pause")  # choices that go along from page to page
PAGES = {
    "30_run": "Curves",
    "31_entropy": "Entropy",
    "32_length": "Length",
    "33_clipping": "Clipping & KL",
    "34_signal": "Signal",
    "35_throughput": "Throughput",
    "37_rewards": "Rewards",
    "36_metrics": "Metrics",
}


@dataclass(frozen=True)
class One:
    """The run that a page is about. found: its findings, newest first; runs: every run of the store."""

    run: Run
    about: data.About
    found: list[Finding]
    now: data.Pulse
    runs: list[Run]
    _answer: Any

    @property
    def cursor(self) -> tuple[tuple[int, int], ...]:
        """Moves with the run's data: for the reads of dashboard/data.py."""
        return self.now.of([self.run.id])

    def say(self, sentence: str) -> None:
        """The answer, under the question. It may hold names from a log."""
        with self._answer, st.container(key="answer"):
            st.markdown(plain(sentence, 600))


def page(question: str) -> One:
    """The head of a page about one run: the question, room for the answer, whose it is, links to the other pages.

    Stops the page where the store is empty or the address names a run that is not here.
    """
    question = question.splitlines()[0]
    run, runs, now = chosen(question)
    parts.head(question, "", run.wall, now, [run.id])
    about = data.about(data.store_url(), run.id, now.versions.get(run.id, 0))
    answer = st.container()
    said = " · ".join(plain(fact) for fact in facts(run, about, runs))
    st.markdown(f":gray[**{plain(run.name)}** · {said}]")
    links(run, runs)
    return One(run, about, data.found(data.store_url(), (run.id,), now.all), now, runs, answer)


def verdicts(question: str) -> One:
    """The head of the first page about a run: its name, how it trains, what is wrong with it, the other pages."""
    run, runs, now = chosen(question)
    about = data.about(data.store_url(), run.id, now.versions.get(run.id, 0))
    found = data.found(data.store_url(), (run.id,), now.all)
    show(run, about, found, now, runs)
    links(run, runs)
    return One(run, about, found, now, runs, st.container())


def chosen(question: str) -> tuple[Run, list[Run], data.Pulse]:
    """The run of the address, every run, and how far the store is; without a run the page ends with what to do."""
    url = data.store_url()
    now = data.pulse(url)
    runs = data.every_run(url)
    run = choose(runs, now) or _archived(now) if runs or state.read("run") else None
    if run is not None:
        return run, runs if run in runs else [*runs, run], now
    parts.head(question, "", None, now)
    if runs:
        parts.no_such_run(state.read("run"))
    else:
        parts.nothing_yet()
    st.stop()


def _archived(now: data.Pulse) -> Run | None:
    """Out of the lists, but a link to it still leads there."""
    away = [one.run for one in data.ask(roster.entries, now.all, "archived")]
    return next((run for run in away if state.read("run") in (str(run.id), run.label, run.name)), None)


def links(run: Run, runs: Sequence[Run]) -> None:
    """The other pages about this run, which keep how curves are drawn, and another run."""
    along = {"run": str(run.id)} | {name: state.read(name) for name in KEPT if state.read(name)}
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="about-run"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content", key="run-pages"):
            for name, label in PAGES.items():
                file = parts.HERE / "pages" / f"{name}.py"
                if file.is_file():
                    st.page_link(file, label=label, query_params=along)
        switch(run, runs)


def choose(runs: Sequence[Run], now: data.Pulse) -> Run | None:
    """The run that the address names, by id or name; without one, the run that needs somebody most, else the newest.

    None where the address names a run that is not here.
    """
    named = state.read("run")
    if named:
        return next((run for run in runs if named in (str(run.id), run.label, run.name)), None)
    worst = data.found(data.store_url(), None, now.all, firing=True)
    gravity = {run.id: 0 for run in runs}
    for finding in worst:
        gravity[finding.run_id] = max(gravity.get(finding.run_id, 0), RANK.get(finding.severity, 0))
    return max(runs, key=lambda run: (gravity[run.id], run.wall or 0.0))


def switch(run: Run, runs: Sequence[Run]) -> None:
    """Another run, or this one beside others."""
    names = {str(other.id): other.label for other in runs}
    _, tied = state.one_of("run", list(names), str(run.id))
    with st.container(horizontal=True, width="content", vertical_alignment="center"):
        st.selectbox("run", list(names), format_func=names.__getitem__, label_visibility="collapsed", width=280, **tied)
        report_button.offer([run.id], run.name)
        st.page_link(
            parts.COMPARE, label="compare", icon=":material/stacked_line_chart:", query_params={"runs": str(run.id)}
        )


def show(run: Run, about: data.About, found: Sequence[Finding], now: data.Pulse, runs: Sequence[Run]) -> None:
    """Name, how it trains, and its verdict."""
    parts.head(plain(run.name), "", run.wall, now, [run.id])
    st.markdown(f":gray[{' · '.join(plain(fact) for fact in facts(run, about, runs))}]")
    verdicts = [finding for finding in found if finding.state == "firing"]
    closed = [finding for finding in found if finding.state != "firing" and finding.severity != "info"]
    verdicts.sort(key=gravest_first)
    for finding in verdicts[:1]:
        verdict(finding, run, [one for one in alerts_data.episodes(run.id, now).alerts if one.state in OPEN])
    for finding in verdicts[1:]:
        with st.expander(f"{named(finding)} {plain(finding.message, 400)}"):
            reasons(finding)
    if not verdicts:
        st.markdown(plain(calm(run, now), 400))
    if closed:
        with st.expander(f"{len(closed)} earlier, resolved"):
            for finding in closed:
                st.markdown(
                    f"**{plain(trouble(finding.trouble))}**, step {finding.onset_step:,}: {plain(finding.message, 600)}"
                )


def calm(run: Run, now: data.Pulse) -> str:
    """What to say of a run that nothing is wrong with: where reward and entropy went."""
    known = data.quantities(data.store_url(), now.of([run.id]), COURSE)
    went = [
        course(label, known[run.id, name])
        for name, label in zip(COURSE, ("reward", "entropy"), strict=True)
        if (run.id, name) in known
    ]
    return " ".join(
        ["Nothing is firing.", sentence("; ".join(part for part in went if part)) + "." if any(went) else ""]
    )


def course(label: str, series: Series) -> str:
    """From where to where a curve went: means of its first and its last tenth."""
    values = series.values[np.isfinite(series.values)]
    tenth = max(1, len(values) // 10)
    if len(values) < 4:
        return ""
    before, after = float(values[:tenth].mean()), float(values[-tenth:].mean())
    spread = float(np.std(np.diff(values))) / np.sqrt(tenth)
    if abs(after - before) <= max(2 * spread, 0.05 * abs(before)):
        return f"{label} stayed near {number(after)}"
    return f"{label} {'rose' if after > before else 'fell'} from {number(before)} to {number(after)}"


def facts(run: Run, about: data.About, runs: Sequence[Run]) -> list[str]:
    """How the run trains, as far as its log says."""
    known = about.settings
    said = [
        run.project,
        str(known.get("algorithm", "")).upper(),
        run.trainer,
        f"{tokens(known['context_limit'])} context" if _is_number(known.get("context_limit")) else "",
        _clip(known),
        _kl(known),
        _mask(known.get("overlong_mask")),
        f"entropy bonus {number(known['entropy_coef'])}" if known.get("entropy_coef") else "",
    ]
    if run.step is not None:
        end = known.get("max_steps")
        said.append(f"step {run.step:,}" + (f" of {end:,.0f}" if _is_number(end) and end else ""))
    if about.parent is not None:
        parent = next((other.name for other in runs if about.parent and other.id == about.parent[0]), None)
        said.append(f"continues {parent}" if parent else "")
    return [fact for fact in said if fact]


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _clip(known: dict[str, Any]) -> str:
    low, high = known.get("clip_low"), known.get("clip_high")
    if not _is_number(low) and not _is_number(high):
        return ""
    return f"clip {number(low)} / {number(high)}"


def _kl(known: dict[str, Any]) -> str:
    if known.get("kl_on") is False or known.get("kl_coef") == 0:
        return "no KL"
    coef = known.get("kl_coef")
    return f"KL {number(coef)}" if _is_number(coef) else ""


def _mask(on: Any) -> str:
    return {True: "overlong mask on", False: "overlong mask off"}.get(on, "") if isinstance(on, bool) else ""


def named(finding: Finding) -> str:
    """Severity, trouble and where it began, in Markdown."""
    since = f":gray[since step {finding.onset_step:,}]"
    return f"{parts.severity(finding)} &nbsp; **{plain(sentence(trouble(finding.trouble)))}** {since} &nbsp;"


def verdict(finding: Finding, run: Run, open_ones: Sequence[Alert]) -> None:
    """The gravest open finding: the sentence, what to try, and the arithmetic folded away. open_ones: alerts."""
    with st.container(border=True, key=f"card-{finding.severity}-verdict"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(named(finding))
            hand.buttons(open_ones, run, "verdict")
        st.markdown(plain(finding.message, 800))
        if finding.advice:
            st.markdown(f"**Try:** {plain(finding.advice, 800)}")
        with st.expander("evidence"):
            reasons(finding, advice=False)


def reasons(finding: Finding, *, advice: bool = True) -> None:
    """What to try, what would clear it, the numbers behind it and whose rule it is."""
    if advice and finding.advice:
        st.markdown(f"**Try:** {plain(finding.advice, 800)}")
    clears = f" Clears when: {plain(finding.clears, 800)}" if finding.clears else ""
    st.markdown(f"Noticed at step {finding.detected_step:,}.{clears}")
    if finding.evidence:
        st.code(json.dumps(finding.evidence, indent=1, ensure_ascii=False, default=str), language="json")
    if finding.origin:
        st.caption(f"Rule: {plain(finding.origin, 400)}")
