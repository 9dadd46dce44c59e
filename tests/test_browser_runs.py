"""The list of runs and the keyboard in a real browser, and what survives when news comes in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from db import edits
from db.engine import open_store, reading
from tests.browser import CHROMIUM, FLAGS, PAINTED, PATIENCE, collect, record, served, write_logs

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).is_file(), reason=f"no browser at {CHROMIUM}: install chromium or set CHROMIUM to one"
)
LINE = 36  # px of a line of the table
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("listed")
    write_logs(folder / "runs")
    collect(store(folder), folder / "runs")
    return folder


@pytest.fixture(scope="module")
def address(logs: Path) -> Iterator[str]:
    with served(store(logs)) as address:
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda told: said.append(told.text) if told.type == "error" else None)
    yield page
    assert said == []
    context.close()


def store(folder: Path) -> str:
    return f"sqlite:///{folder / 'store.db'}"


def listed(page: Page, address: str, query: str = "") -> Locator:
    page.goto(f"{address}/runs{query}", wait_until="domcontentloaded")
    table = page.locator('[data-testid="stDataFrame"]')
    expect(table.locator("canvas").first).to_be_visible()
    return table


def click(page: Page, table: Locator, line: int, x: int) -> None:
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + x, box["y"] + LINE * line + LINE / 2)


def grow(logs: Path, first: int, last: int) -> None:
    with (logs / "runs" / "lab" / "calm-8k.jsonl").open("a", encoding="utf-8") as log:
        rng = np.random.default_rng(3)
        lines = [record(step, rng, entropy=0.4, reward=0.6) for step in range(first, last)]
        log.writelines(line.replace("actor/grad_norm", "actor/other_norm") for line in lines)
    collect(store(logs), logs / "runs")


def test_the_keyboard(page: Page, address: str) -> None:
    listed(page, address, "?sort=name")
    page.keyboard.press("/")
    box = page.get_by_placeholder("filter:")
    expect(box).to_be_focused()
    page.keyboard.type("j?k")  # while typing they are letters
    expect(box).to_have_value("j?k")
    box.fill("")
    page.keyboard.press("Enter")
    box.blur()
    page.keyboard.press("?")
    help = page.get_by_role("dialog", name="Keyboard")
    expect(help).to_be_visible()
    page.keyboard.press("Escape")
    expect(help).to_be_hidden()
    page.keyboard.press("j")
    page.wait_for_timeout(300)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="lab/", exact=False).first).to_be_visible()
    expect(page).to_have_url(re.compile(r"/run\?run=\d+"))
    page.wait_for_function(PAINTED)
    here = page.url
    page.keyboard.press("j")
    expect(page).not_to_have_url(here)
    expect(page.get_by_text("drawn 120 of 120").or_(page.get_by_text("drawn 160 of 160")).first).to_be_visible()
    page.keyboard.press("k")
    expect(page).to_have_url(here)


def test_what_is_deleted_comes_back(page: Page, logs: Path, address: str) -> None:
    table = listed(page, address, "?sort=name&f=calm")
    click(page, table, 1, 16)
    page.get_by_role("button", name="delete").click()
    expect(page.get_by_text("No run is like that.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("1 run", exact=False).first).to_be_visible()
    expect(page.locator('[data-testid="stDataFrame"] canvas').first).to_be_visible()
    with reading(open_store(store(logs))) as connection:
        assert edits.shelved_of(connection) == {}
        assert [(edit.act, edit.who) for edit in edits.edits_of(connection)] == [
            ("restore", "local"),
            ("delete", "local"),
        ]


def test_a_tick_belongs_to_its_run_whatever_news_comes(page: Page, logs: Path, address: str) -> None:
    table = listed(page, address, "?sort=step")  # nasty 30, calm 120, blowup 160
    click(page, table, 2, 16)
    acts = page.locator(".st-key-acts")
    expect(acts).to_contain_text("calm-8k")
    grow(logs, 121, 181)  # now calm is the one with the most steps
    expect(page.locator('[data-testid="stDataFrame"]')).to_contain_text("180")
    expect(acts).to_contain_text("calm-8k")


WATCH = """() => { window.moved = [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')].map(chart => {
  const seen = { changes: 0, svg: chart.querySelector('svg') };
  const all = { subtree: true, childList: true, attributes: true };
  new MutationObserver(list => seen.changes += list.length).observe(chart, all);
  return seen; }) }"""
MOVED = """() => window.moved.map(({ changes, svg }) => [changes, svg.isConnected])"""
SCROLLED = """document.querySelector('[data-testid="stMain"]').scrollTop"""


def test_news_redraws_what_moved_and_leaves_the_rest_alone(page: Page, logs: Path, address: str) -> None:
    page.goto(f"{address}/run?run=lab%2Fcalm-8k", wait_until="domcontentloaded")
    page.wait_for_function(PAINTED)
    notes = page.get_by_text(re.compile(r"drawn \d+ of \d+ points"))
    expect(notes.nth(7)).to_be_visible()
    told = notes.all_inner_texts()
    [still] = [place for place, text in enumerate(told) if text.startswith("drawn 120")]  # its gradient norm ended
    page.mouse.move(640, 500)
    page.mouse.wheel(0, 300)
    page.wait_for_function(f"{SCROLLED} > 100")
    page.mouse.move(2, 400)
    page.wait_for_timeout(500)
    page.evaluate(WATCH)
    scrolled = page.evaluate(SCROLLED)
    grow(logs, 181, 191)
    expect(page.get_by_text("drawn 190 of 190").first).to_be_visible()
    page.wait_for_timeout(500)
    changes, alive = zip(*page.evaluate(MOVED), strict=True)
    assert changes[still] == 0
    assert all(count > 0 for place, count in enumerate(changes) if place != still)
    assert all(alive)  # none was made anew: a zoom would be lost
    assert page.evaluate(SCROLLED) == scrolled
