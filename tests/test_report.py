"""The report: the same bytes for the same store, nothing from outside, nothing of a log's that is not text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, sync_playwright

from charts import export
from charts.figure import figure
from charts.theme import LIGHT, run_colours
from dashboard import report as making
from dashboard.report import Report
from db import runs
from db.engine import open_store, reading
from stepwell.cli import cli
from tests.browser import CHROMIUM, FLAGS, PATIENCE, collect, write_logs

NASTY = "<script>alert(1)<-script>中文"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("reported")
    write_logs(folder / "runs")
    row = {"actor/entropy": 0.5, "val-core/aime</script><img src=x onerror=alert(2)>/acc/mean@8": 0.25}
    lines = [json.dumps({"step": step, "data": row}) + "\n" for step in (1, 2)]
    (folder / "runs" / "lab" / f"{NASTY}.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "runs" / "lab" / "nan.jsonl").write_text('{"step": 1, "data": {"actor/entropy": NaN}}\n')
    collect(f"sqlite:///{folder / 's.db'}", folder / "runs")
    return f"sqlite:///{folder / 's.db'}"


def made(store: str, *names: str) -> Report:
    """Each report once: half a second of bootstraps."""
    return _made(store, names)


@cache
def _made(store: str, names: tuple[str, ...]) -> Report:
    with reading(open_store(store)) as connection:
        every = runs.all_runs(connection)
        chosen = [next(run.id for run in every if name in run.name) for name in names]
        return making.of_runs(connection, chosen)


def test_a_report_says_what_the_pages_say(store: str) -> None:
    sick = made(store, "blowup")
    assert "<h1>lab/blowup-16k</h1>" in sick.html
    assert "Entropy has doubled every" in sick.html
    assert "CRITICAL" in sick.html
    assert set(sick.charts) >= {"Reward", "Entropy", "Gradient norm"}
    calm = made(store, "calm").html
    assert "Nothing is firing." in calm
    assert "2 attempts" in calm
    assert re.search(r"calm-8k\.jsonl</td><td>[\w-]+</td>.*?<td class=n>1</td></tr>", calm)  # a line was set aside


def test_the_same_store_gives_the_same_bytes(store: str) -> None:
    assert _made.__wrapped__(store, ("calm",)).html == made(store, "calm").html


def test_what_a_log_wrote_stays_text(store: str) -> None:
    html = made(store, NASTY).html
    body = html.partition("<body>")[2]
    assert "<h1>lab/&lt;script&gt;alert(1)&lt;-script&gt;中文</h1>" in body
    assert "<img src=x" not in html
    assert html.count("</script>") == html.count("<script")  # none opened or closed by a name


def test_runs_beside_each_other_have_colours_of_their_own(store: str) -> None:
    both = made(store, "calm", "blowup", "nan")
    assert "3 runs side by side" in both.html
    assert "0.4" in both.html
    colours = run_colours(LIGHT, [1, 9, 17, 2])
    assert len(set(colours.values())) == 4
    assert colours[1] == LIGHT.runs[0]
    assert run_colours(LIGHT, [9])[9] == LIGHT.runs[0]


def test_little_to_say_is_said(store: str) -> None:
    assert "1 NaN on the frame" in made(store, "nan").html
    with reading(open_store(store)) as connection, pytest.raises(LookupError):
        making.of_runs(connection, [999])


def test_a_picture_for_a_paper(store: str, tmp_path: Path) -> None:
    pictures = made(store, "calm", "blowup")
    png = export.png(figure(pictures.title, pictures.charts))
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(ValueError, match="no chart"):
        figure("nothing", {})


def test_the_command_writes_files(store: str, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    done = CliRunner().invoke(cli, ["report", "lab/calm-8k", "--store", store, "-o", str(page)])
    assert done.exit_code == 0
    assert page.read_text(encoding="utf-8") == made(store, "calm").html
    lost = CliRunner().invoke(cli, ["report", "nobody", "--store", store])
    assert lost.exit_code == 2
    assert "there is no run" in lost.output


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.skipif(not Path(CHROMIUM).is_file(), reason=f"no browser at {CHROMIUM}")
def test_a_report_opens_without_a_network(store: str, browser: Browser, tmp_path: Path) -> None:
    for names in (("blowup",), ("calm", "blowup"), (NASTY,)):
        file = tmp_path / "report.html"
        report = made(store, *names)
        file.write_text(report.html, encoding="utf-8")
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        asked: list[str] = []
        wrong: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("console", lambda said, wrong=wrong: wrong.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
        page.on("dialog", lambda dialog, wrong=wrong: wrong.append(dialog.message))
        page.goto(file.as_uri())
        page.wait_for_function(f"document.querySelectorAll('.stepwell-chart svg').length === {len(report.charts)}")
        chart = page.locator(".stepwell-chart").first
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        assert box
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_function("document.querySelector('#stepwell-hover').innerText.includes('as logged')")
        assert asked == [file.as_uri()]
        assert wrong == []
        page.close()
