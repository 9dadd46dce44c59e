from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import dashboard
from charts.theme import LIGHT
from dashboard import app, curves, health, launch, words
from dashboard.health import answer, judged, status
from db.findings import Finding
from db.metrics import Metric
from db.runs import Run
from db.series import Series
from tests.browser import NASTY, collect, write_logs

HERE = Path(dashboard.__file__).parent
PAGES = app.pages()
UNKNOWN = {
    "run": "999",
    "runs": "999,x",
    "q": "nothing",
    "x": "moons",
    "smooth": "?",
    "span": "-1",
    "page": "99999999",
    "tab": "y",
}


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("small")
    write_logs(folder / "runs")
    collect(f"sqlite:///{folder / 'store.db'}", folder / "runs")
    return f"sqlite:///{folder / 'store.db'}"


def shown(path: Path, store: str, monkeypatch: pytest.MonkeyPatch, **choices: str) -> AppTest:
    """The page as the server would make it."""
    monkeypatch.setenv("STEPWELL_STORE", store)
    test = AppTest.from_file(str(HERE / "door" / "main.py"), default_timeout=30).run()
    test.switch_page(str(path))
    for name, value in choices.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def text(test: AppTest) -> str:
    kinds = (test.subheader, test.markdown, test.caption, test.code)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def page(name: str) -> Path:
    return next(path for path in PAGES if app.name(path) == name)


def drawn(test: AppTest) -> int:
    return len(test.get("vega_lite_chart"))


# -- every page


@pytest.mark.parametrize("path", PAGES, ids=app.name)
def test_a_page_is_a_question(path: Path) -> None:
    assert app.question(path).endswith("?")


@pytest.mark.parametrize("path", PAGES, ids=app.name)
def test_an_empty_store_says_what_to_do(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(path, f"sqlite:///{tmp_path / 'empty.db'}", monkeypatch)
    assert "stumbled" not in text(test)
    assert re.search("stepwell (collect|data) ", text(test))


@pytest.mark.parametrize("path", PAGES, ids=app.name)
def test_a_page_shows_a_small_store(path: Path, small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "stumbled" not in text(shown(path, small_store, monkeypatch))


@pytest.mark.parametrize("path", PAGES, ids=app.name)
def test_a_broken_choice_is_no_accident(path: Path, small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "stumbled" not in text(shown(path, small_store, monkeypatch, **UNKNOWN))


@pytest.mark.parametrize("path", PAGES, ids=app.name)
def test_a_store_that_is_away_is_said_calmly(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no.db").write_bytes(b"this is no database" * 100)
    test = shown(path, f"sqlite:///{tmp_path / 'no.db'}", monkeypatch)
    assert "cannot be read" in text(test)


def test_a_page_that_fails_folds_the_details_away(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "answer", lambda _: 1 / 0)
    test = shown(page("overview"), small_store, monkeypatch)
    assert "stumbled" in text(test)
    assert "ZeroDivisionError" in test.expander[0].code[0].value


# -- overview


def test_the_overview_answers_its_question(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("overview"), small_store, monkeypatch)
    said = text(test)
    assert words.plain("1 of 3 running runs needs you: entropy blow-up.") in said
    assert "Entropy has doubled every" in said
    table = test.dataframe[0].value
    assert table["run"].tolist()[0] == "lab/blowup-16k"
    assert table["verdict"].tolist()[0].startswith("entropy blow-up since ")
    assert all(len(curve) <= 60 for curve in table["reward curve"])


def test_the_table_is_searched_and_filtered(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("overview"), small_store, monkeypatch, q="CALM verl")
    assert test.dataframe[0].value["run"].tolist() == ["lab/calm-8k"]
    test = shown(page("overview"), small_store, monkeypatch, show="needs")
    assert test.dataframe[0].value["run"].tolist() == ["lab/blowup-16k"]
    test = shown(page("overview"), small_store, monkeypatch, q="no such thing")
    assert "No run is like that" in text(test)


# -- run


def run_id(store: str, name: str) -> str:
    from db import runs
    from db.engine import open_store, reading

    with reading(open_store(store)) as connection:
        return str(next(run.id for run in runs.all_runs(connection) if name in run.name))


def test_a_run_shows_its_verdict_and_its_curves(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("run"), small_store, monkeypatch, run=run_id(small_store, "blowup"))
    said = text(test)
    assert "**Entropy blow\\-up**" in said
    assert "**Try:** Set the entropy bonus to 0" in said
    assert drawn(test) >= 7
    assert "drawn 160 of 160 points" in said


def test_a_run_is_found_by_name_too(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "calm" in shown(page("run"), small_store, monkeypatch, run="lab/calm-8k").subheader[0].value


def test_an_unknown_run_is_a_sentence_and_a_link(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("run"), small_store, monkeypatch, run="nobody *at* home")
    assert "This store holds no run “nobody \\*at\\* home”" in text(test)
    assert test.get("page_link")[0].proto.label == "See all runs"


def test_superseded_attempts_are_shown_on_request(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calm = run_id(small_store, "calm")
    live = shown(page("run"), small_store, monkeypatch, run=calm)
    assert "drawn 120 of 120 points · attempts 1–2 of 2" in text(live)
    everything = shown(page("run"), small_store, monkeypatch, run=calm, history="1")
    assert "drawn 140 of 140 points · attempts 1–2 of 2" in text(everything)
    assert "1 NaN on the frame · 1 \\+inf on the frame" in text(everything)


def test_a_choice_goes_into_the_address_and_the_default_out_of_it(
    small_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = shown(page("run"), small_store, monkeypatch, run=run_id(small_store, "calm"))
    test.toggle(key="w_log").set_value(True).run()
    assert test.query_params["log"] == "1"
    test.selectbox(key="w_span").select("50").run()
    assert test.query_params["span"] == "50"
    test.toggle(key="w_log").set_value(False).run()
    assert "log" not in test.query_params


def test_the_run_page_leads_to_all_metrics(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("run"), small_store, monkeypatch, run=run_id(small_store, "calm"))
    assert any("All 12 metrics" in link.proto.label for link in test.get("page_link"))


def test_files_and_what_was_set_aside_are_listed(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("run"), small_store, monkeypatch, run=run_id(small_store, "calm"), tab="sources")
    assert test.dataframe[0].value["unread"].tolist() == [1]
    assert test.dataframe[1].value["line"].tolist() == [51]
    attempts = (
        shown(page("run"), small_store, monkeypatch, run=run_id(small_store, "calm"), tab="attempts").dataframe[0].value
    )
    assert attempts["superseded from step"].tolist() == ["71", "–"]


def test_the_odd_steps_of_a_run_are_named(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("run"), small_store, monkeypatch, run=run_id(small_store, "calm"), tab="odd")
    said = " ".join(one.value for one in test.markdown)
    assert "unlike the rest" in said or "No step stands out" in said
    assert not test.exception


def test_what_is_not_logged_is_said(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = text(shown(page("run"), small_store, monkeypatch, run=run_id(small_store, "calm")))
    assert "Not logged by this run: groups without signal" in said.replace("\\", "")
    assert "So nobody watches for" in said


def test_a_log_without_times_says_so(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = text(shown(page("run"), small_store, monkeypatch, run=run_id(small_store, "calm"), x="hours"))
    assert "This log carries no times" in said


# -- compare


def test_runs_are_compared_in_one_chart_per_quantity(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [run_id(small_store, name) for name in ("blowup", "calm")]
    test = shown(page("compare"), small_store, monkeypatch, runs=",".join(ids), q="reward_mean,grad_norm")
    assert drawn(test) == 2
    tables = [frame.value for frame in test.dataframe]
    assert next(t for t in tables if "run" in t)["run"].tolist() == ["lab/blowup-16k", "lab/calm-8k"]
    assert "Reward of lab/calm\\-8k is" in text(test)


# -- data quality


def test_what_was_read_and_what_is_missing_is_counted(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("data_quality"), small_store, monkeypatch)
    assert "3 files of 3 runs are read; 1 line was set aside; " in text(test).replace("\\", "")
    table = test.dataframe[0].value
    assert table["run"].tolist()[0] == "lab/calm-8k"  # the one with a broken line comes first
    assert table["set aside"].tolist() == [1, 0, 0]
    assert (table["found"] > 8).all()


def test_a_run_says_what_was_understood_and_what_was_not(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("data_quality"), small_store, monkeypatch, run=run_id(small_store, "calm"))
    files, aside, names = (frame.value for frame in test.dataframe[:3])
    assert files["format"].tolist() == ["verl-jsonl"]
    assert aside["line"].tolist() == [51]
    assert names.loc[names["logged as"] == "actor/entropy", "quantity"].tolist() == ["entropy"]
    said = text(test).replace("\\", "")
    assert "The names are those of **verl**" in said
    assert "**Groups without signal** — " in said
    assert "without it nobody sees dead signal" in said


def test_markup_in_a_run_stays_text_here_too(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("data_quality"), small_store, monkeypatch, run=run_id(small_store, "<b>"))
    assert words.plain(f"lab/{NASTY}") in text(test)
    assert not any(element.allow_html for element in test.markdown)


# -- text from logs


def test_markdown_in_a_name_stays_text(small_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("run"), small_store, monkeypatch, run=run_id(small_store, "<b>"))
    assert test.subheader[0].value == words.plain(f"lab/{NASTY}")
    assert not any(element.allow_html for element in test.markdown)


@pytest.mark.parametrize(
    "nasty",
    ["[a](http://b)", "**x**", ":red[x]", "$x$", "<script>", "`x`", "# x", "1. x", "![i](j)", "x\ny", "a|b", "www.b.c"],
)
def test_plain_leaves_nothing_that_markdown_would_read(nasty: str) -> None:
    assert not re.search(r"(?<!\\)[\[\]()*_`$<>#!|:.~]", words.plain(nasty))
    assert words.plain(nasty).replace("\\", "") == " ".join(nasty.split())


def test_plain_cuts_what_is_too_long() -> None:
    assert words.plain("中" * 500, 10) == "中" * 9 + "…"


# -- words


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.41234, "", "0.412"),
        (0.0, "", "0"),
        (1.0, "", "1.00"),
        (12.3456, "", "12.3"),
        (5507.1, "", "5507"),
        (11_234, "", "11.2K"),
        (2_500_000, "", "2.50M"),
        (0.1432, "fraction", "14.3 %"),
        (0.00031, "", "3.10e−4"),
        (-0.5, "", "−0.500"),
        (np.nan, "", "NaN"),
        (np.inf, "", "∞"),
        (None, "", "–"),
    ],
)
def test_numbers_have_three_digits(value: float | None, unit: str, said: str) -> None:
    assert words.number(value, unit) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(8.4, "8 s"), (119, "119 s"), (180, "3 min"), (9000, "2 h"), (3e5, "3 d"), (None, "–")]
)
def test_ages(seconds: float | None, said: str) -> None:
    assert words.ago(seconds) == said


# -- health


@pytest.mark.parametrize(
    ("age", "step_seconds", "step", "end", "expected"),
    [
        (60, None, 10, None, "live"),
        (3600, None, 10, None, "stalled"),
        (3600, 1500.0, 10, None, "live"),  # its steps take 25 minutes
        (2 * 86400, None, 10, None, "finished"),
        (60, None, 100, 100.0, "finished"),
        (None, None, 10, None, "finished"),
    ],
)
def test_status_follows_the_age_of_the_data(
    age: float | None, step_seconds: float | None, step: int, end: float | None, expected: str
) -> None:
    assert status(age, step_seconds, step, end) == expected


def a_run(number: int, wall: float) -> Run:
    return Run(number, "lab", f"run {number}", "verl", 100, wall, 1)


def a_finding(run: int, severity: str, trouble: str = "entropy_blowup") -> Finding:
    return Finding(run, 1, 1, trouble, severity, "firing", 90, 95, None, "It grows.", {}, "", "", "")


def test_who_needs_somebody_comes_first() -> None:
    runs = [a_run(1, 1000.0), a_run(2, 900.0), a_run(3, 1000.0 - 3600), a_run(4, 1000.0)]
    everyone = judged(runs, [a_finding(2, "warning"), a_finding(4, "critical"), a_finding(1, "info")], 1000.0, {}, {})
    assert [h.run.id for h in everyone] == [4, 2, 1, 3]
    assert answer(everyone) == "2 of 4 running runs need you: entropy blow-up."


def test_all_is_calm() -> None:
    assert (
        answer(judged([a_run(1, 1000.0), a_run(2, 1000.0)], [], 1000.0, {}, {}))
        == "Nothing needs you: all 2 live runs are calm."
    )
    assert answer(judged([a_run(1, 0.0)], [a_finding(1, "critical")], 1e6, {}, {})) == (
        "No run is live. 1 finished run ended in trouble."
    )


# -- findings on charts


def along(steps: int) -> Series:
    axis, ones = np.arange(1, steps + 1), np.ones(steps)
    metric = Metric(1, "verl", "actor/entropy", "entropy_token_mean", None, None, 1.0, 0, False)
    return Series(metric, axis, ones * np.nan, ones, axis * 0 + 1, ones.astype(bool))


def test_a_finding_is_named_where_it_was_found() -> None:
    found = [a_finding(1, "critical"), a_finding(1, "warning", "reward_collapse"), a_finding(1, "info", "restart")]
    made = curves.marks(found, curves.Axis("step"), along(200), LIGHT, {"entropy_token_mean"})
    assert [(mark.text, mark.x, mark.named) for mark in made] == [
        ("entropy blow-up", 90, True),
        ("reward collapse", 90, False),
    ]
    assert np.isnan(made[0].stop)  # its ground reaches to the end; that of the second would lie on top
    assert made[1].stop == 90
    everywhere = curves.marks([a_finding(1, "warning", "restart")], curves.Axis("step"), along(200), LIGHT, set())
    assert everywhere[0].named  # needs no quantity: concerns every chart


def test_what_is_over_is_grey() -> None:
    over = replace(a_finding(1, "critical"), state="resolved", resolved_step=120)
    mark = curves.marks([over], curves.Axis("step"), along(200), LIGHT)[0]
    assert (mark.colour, mark.stop) == (LIGHT.fine, 120)


def test_stages_are_bands_only_where_the_limit_changed() -> None:
    limit = along(100)
    assert curves.stages(limit, curves.Axis("step")) == []
    values = np.where(limit.steps <= 60, 8192.0, 16384.0)
    bands = curves.stages(replace(limit, values=values), curves.Axis("step"))
    assert [(band.start, band.stop, band.text) for band in bands] == [(1, 61, "8K"), (61, 100, "16K")]


def test_tokens_add_up_where_only_those_of_a_step_are_logged() -> None:
    each = replace(along(4), values=np.array([10.0, 20.0, 30.0, 40.0]))
    assert curves.axis("tokens", 1, {(1, "tokens_per_step"): each}).place(along(4)).tolist() == [10, 30, 60, 100]
    assert curves.axis("tokens", 1, {(1, "tokens_total"): each}).place(along(4)).tolist() == [10, 20, 30, 40]
    assert np.isnan(curves.axis("tokens", 1, {}).place(along(4))).all()


def test_hours_come_from_the_log_s_times_or_else_from_the_time_of_each_step() -> None:
    took = replace(along(3), values=np.full(3, 1800.0))
    assert curves.axis("hours", 1, {(1, "time_step"): took}).place(along(3)).tolist() == [0.5, 1.0, 1.5]
    timed = replace(took, walls=np.array([1e9, 1e9 + 3600, 1e9 + 9000]))
    assert curves.axis("hours", 1, {(1, "time_step"): timed}).place(timed).tolist() == [0.0, 1.0, 2.5]


# -- launch


def test_the_command_shadows_nothing_and_tells_nobody_the_password() -> None:
    command = launch.command(8765)
    assert command[1:5] == ["-P", "-m", "streamlit", "run"]
    assert {"--server.port=8765", "--server.address=127.0.0.1", "--browser.gatherUsageStats=false"} <= set(command)
    assert launch.environment("postgresql://me:secret@db/x")["STEPWELL_STORE"] == "postgresql://me:secret@db/x"
    assert not any("secret" in part for part in command)
