"""What was it trained on?"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from analyses.curation import Source
from answers.training_data import TrainingSet, training_data
from charts import bars
from dashboard import data, parts, state
from dashboard.words import listed, plain, several

FEW = ("2", "3", "5", "10", "15")
HELP = {
    "repeated": "a prompt that stood before, but for case and white space",
    "never solved": "pass rate 0 in the file: no gradient comes from them",
    "always solved": "pass rate 1 in the file: no gradient comes from them",
    "in test": "the same prompt, but for case and white space, in the test split",
}
MANY = 40  # tests; problems with more are one bar


def main() -> None:
    url = data.store_url()
    now = data.pulse(url)
    given = state.read("few", "5")
    few = int(given) if given in FEW else 5
    told = data.ask(training_data, (now.noted, now.all), few)
    names = [one.path for one in told]
    chosen, tied = state.one_of("set", names, names[0] if names else "")
    shown = next((one for one in told if one.path == chosen), None)
    wall = data.newest_wall(data.every_run(url))
    parts.head(str(__doc__), plain(shown.sentence, 500) if shown else "", wall, now)
    if shown is None:
        nothing()
        st.stop()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.selectbox("data set", names, label_visibility="collapsed", width=420, **tied)
        _, tied = state.one_of("few", FEW, "5")
        st.selectbox(
            "weak", FEW, format_func="weak below {} tests".format, label_visibility="collapsed", width=190, **tied
        )
    about(shown)
    left, right = st.columns([3, 2], gap="large")
    with left:
        sources(shown)
    with right:
        tests(shown)


def nothing() -> None:
    st.markdown("No data set is known. Name the files that the trainer reads, and the test split to hold them against:")
    st.code("stepwell data train.parquet --test test.parquet", language="bash")
    st.caption("Parquet, JSONL or JSON, as verl, rLLM and Hugging Face keep them. Prompts are kept as hashes only.")


def about(one: TrainingSet) -> None:
    used = f"named in the config of {listed(one.runs)}" if one.runs else "no run's config names this file"
    against = f"held against {listed(one.against, 2)}" if one.against else "no test split was given"
    st.markdown(f":gray[{plain(used, 300)} · {plain(against, 300)}]")
    if one.unread:
        st.markdown(f":orange[{several(one.unread, 'record')} set aside:] {plain(one.why, 200)}")
    if one.beyond:
        st.markdown(f":orange[{several(one.beyond, 'record')} beyond the first half million] were not looked at.")


def sources(one: TrainingSet) -> None:
    st.markdown("#### Where the problems come from")
    every = (*one.sources, *([one.total] if len(one.sources) > 1 else []))
    st.dataframe(
        pd.DataFrame([row(source, one.few) for source in every]),
        hide_index=True,
        height="content",
        column_config={
            name: st.column_config.Column(help=HELP.get(name), alignment="right")
            for name in row(one.total, one.few)
            if name != "source"
        },
    )
    st.caption("A dash: the file does not say. Paraphrases of test problems are not found.")


def row(source: Source, few: int) -> dict[str, str]:
    def told(count: float | None) -> str:
        return "–" if count is None else f"{count:,.0f}"

    return {
        "source": source.name,
        "problems": f"{source.problems:,}",
        "repeated": f"{source.repeated:,}",
        "tests (median)": "–" if source.tests_median is None else f"{source.tests_median:g}",
        f"below {few} tests": told(source.few),
        "no solution": told(source.without_solution),
        "never solved": told(source.never),
        "always solved": told(source.always),
        "in test": told(source.shared),
    }


def tests(one: TrainingSet) -> None:
    st.markdown("#### Tests per problem")
    if not one.tests:
        st.markdown(":gray[The file does not hold tests, or only a final answer per problem.]")
        return
    many = sum(problems for count, problems in one.tests if count >= MANY)
    counts = {str(count): (problems, count < one.few) for count, problems in one.tests if count < MANY}
    counts |= {f"{MANY}+": (many, False)} if many else {}
    table = pd.DataFrame(
        {"tests": list(counts), "problems": [n for n, _ in counts.values()], "weak": [w for _, w in counts.values()]}
    )
    said = f"Problems by number of tests; {one.total.few} have fewer than {one.few}"
    spec = bars.spec(x="tests", y="problems", weak="weak", alt_text=said, look=parts.look())
    st.vega_lite_chart(table, spec, theme=None, key="tests-per-problem")


main()
