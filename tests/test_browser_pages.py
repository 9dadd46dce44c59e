"""Every page as a reader has it, on a phone at night and on a desk by day: nothing to scroll sideways, nothing that the
browser complains of, no text too pale, no control and no chart without words for who cannot see it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

from dashboard import app
from tests.browser import CHROMIUM, FLAGS, PATIENCE, collect, served, write_logs
from tests.looks import missed
from tests.screens import FOLDER, difference, small, unlike

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).is_file(), reason=f"no browser at {CHROMIUM}: install chromium or set CHROMIUM to one"
)
PAGES = [app.name(path) for path in app.pages()]
RESTS = """() => document.querySelector('.st-key-beat') && !document.querySelector('[data-stale="true"]')
  && !document.querySelector('[data-testid="stStatusWidget"], [data-testid="stSkeleton"]')
  && [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')].every(c => c.querySelector('svg, canvas'))"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("walked")
    write_logs(folder / "runs")
    collect(f"sqlite:///{folder / 'store.db'}", folder / "runs")
    with served(f"sqlite:///{folder / 'store.db'}") as address:
        yield address


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True)
        context.set_default_timeout(PATIENCE)
        yield context
        browser.close()


def rested(page: Page) -> None:
    page.wait_for_function(RESTS)
    page.wait_for_timeout(300)
    page.wait_for_function(RESTS)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_for_every_reader(context: BrowserContext, address: str, name: str) -> None:
    page, said = context.new_page(), list[str]()
    page.on("console", lambda told: said.append(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{address}/{name}", wait_until="domcontentloaded")
    rested(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert "stumbled" not in page.inner_text("body")
    assert missed(page, "pale") == []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})
    rested(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert missed(page, "pale") == []
    assert missed(page, "nameless") == []
    assert missed(page, "silent") == []
    assert said == []
    assert unlike(page.screenshot(), name) == ""
    page.close()


def test_a_page_that_lost_its_charts_would_be_noticed() -> None:
    run, nothing = small((FOLDER / "run.png").read_bytes()), small((FOLDER / "run.png").read_bytes())
    nothing[nothing.shape[0] // 3 :] = 255.0
    assert difference(run, run) == ""
    assert difference(run, nothing) != ""
    assert difference(run, small((FOLDER / "overview.png").read_bytes())) != ""
