"""The dashboard as a reader has it: the real server, a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.browser import CHROMIUM, FLAGS, NASTY, PAINTED, PATIENCE, collect, record, served, write_logs

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).is_file(), reason=f"no browser at {CHROMIUM}: install chromium or set CHROMIUM to one"
)
CHART = '[data-testid="stVegaLiteChart"]'
LOCAL = re.compile(r"^(https?|wss?)://127\.0\.0\.1[:/]|^(data|blob):")

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seen")
    write_logs(folder / "runs")
    collect(store(folder), folder / "runs")
    return folder


@pytest.fixture(scope="module")
def address(logs: Path) -> Iterator[str]:
    with served(store(logs)) as address:
        yield address


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def store(folder: Path) -> str:
    return f"sqlite:///{folder / 'store.db'}"


def painted(page: Page) -> None:
    page.wait_for_function(PAINTED, timeout=PATIENCE)


def ticks(chart: Locator) -> list[int]:
    """The numbers on the x axis."""
    texts = chart.locator("svg g.role-axis-label").first.locator("text").all_text_contents()
    return sorted(int(text) for text in texts if text.isdecimal())


def open_calm(page: Page, address: str, more: str = "") -> Locator:
    page.goto(f"{address}/run?run=lab%2Fcalm-8k{more}", wait_until="domcontentloaded")
    painted(page)
    return page.locator(CHART).first


def test_from_the_verdict_to_the_curve(page: Page, address: str) -> None:
    strangers: list[str] = []
    page.on("request", lambda request: None if LOCAL.match(request.url) else strangers.append(request.url))
    page.goto(address, wait_until="domcontentloaded")
    expect(page.get_by_text("1 of 3 running runs needs you: entropy blow-up.")).to_be_visible()
    expect(page.locator('[data-testid="stDataFrame"] canvas').first).to_be_visible()
    expect(page.locator(".curves img").first).to_be_visible()
    page.get_by_role("link", name="open").first.click()
    expect(page).to_have_url(re.compile(r"/run\?run=\d+$"))
    expect(page.get_by_role("heading", name="lab/blowup-16k")).to_be_visible()
    painted(page)
    expect(page.locator(CHART).nth(2).locator("svg")).to_contain_text("entropy blow-up")
    assert strangers == []  # nothing is fetched from, or told to, anybody else


def test_a_row_of_the_table_opens_its_run(page: Page, address: str) -> None:
    page.goto(f"{address}/?q=calm", wait_until="domcontentloaded")
    table = page.locator('[data-testid="stDataFrame"]')
    expect(table.locator("canvas").first).to_be_visible()
    expect(page.get_by_text("1 run of 3")).to_be_visible()
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + 120, box["y"] + 36 + 18)
    expect(page.get_by_role("heading", name="lab/calm-8k")).to_be_visible()


def test_a_choice_changes_the_address_and_the_address_gives_the_view_again(page: Page, address: str) -> None:
    open_calm(page, address)
    for widget, said in (
        (page.get_by_text("log axis"), "log=1"),
        (page.get_by_role("radio", name="tokens"), "x=tokens"),
        (page.get_by_text("superseded attempts"), "history=1"),
    ):
        if not widget.is_visible():
            page.get_by_role("button", name="more").click()
        widget.click()
        expect(page).to_have_url(re.compile(f"run=lab(%2F|/)calm-8k.*{said}"))  # on a busy machine one click at a time
    expect(page.get_by_text("drawn 140 of 140 points").first).to_be_visible()
    again = page.context.new_page()
    again.goto(page.url, wait_until="domcontentloaded")
    painted(again)
    expect(again.get_by_role("radio", name="tokens")).to_be_checked()
    expect(again.get_by_text("drawn 140 of 140 points").first).to_be_visible()
    expect(again.locator(CHART).first.locator("svg")).to_contain_text("tokens")


def test_going_back_takes_the_choice_back(page: Page, address: str) -> None:
    open_calm(page, address)
    page.get_by_role("radio", name="Config").click()
    expect(page).to_have_url(re.compile("tab=config"))
    expect(page.get_by_text("say nothing about its configuration")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("radio", name="Curves")).to_be_checked()
    painted(page)


HAS_TICK = """([chart, tick]) => [...chart.querySelectorAll('svg g.role-axis-label')[0].querySelectorAll('text')]
  .some(text => text.textContent === tick)"""


def zoomed(page: Page, chart: Locator) -> list[int]:
    """Zoom with Ctrl and the wheel until the axis shows less; the ticks that are left."""
    expect(chart.locator("svg g.role-axis-label text").first).to_be_attached()  # it may just be drawn anew
    last = str(ticks(chart)[-1])
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    page.wait_for_function(f"given => !({HAS_TICK})(given)", arg=[chart.element_handle(), last], timeout=PATIENCE)
    return ticks(chart)


def test_a_live_run_moves_and_the_zoom_stays(page: Page, logs: Path, address: str) -> None:
    chart = open_calm(page, address)
    expect(page.get_by_text("drawn 120 of 120 points").first).to_be_visible()
    before = zoomed(page, chart)
    assert max(before) < 120
    with (logs / "runs" / "lab" / "calm-8k.jsonl").open("a", encoding="utf-8") as log:
        rng = np.random.default_rng(3)
        log.writelines(record(step, rng, entropy=0.4, reward=0.6) for step in range(121, 131))
    collect(store(logs), logs / "runs")
    expect(page.get_by_text("drawn 130 of 130 points").first).to_be_visible()
    second = page.locator(CHART).nth(1)
    page.wait_for_function(HAS_TICK, arg=[second.element_handle(), "120"], timeout=PATIENCE)
    assert max(ticks(chart)) < 120


def test_paused_is_paused(page: Page, address: str) -> None:
    open_calm(page, address)
    page.get_by_text("pause", exact=True).click()
    expect(page).to_have_url(re.compile("pause=1"))
    expect(page.get_by_text("paused data")).to_be_visible()


def test_the_exact_value_is_shown_on_hover(page: Page, address: str) -> None:
    chart = open_calm(page, address)
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#stepwell-hover")).to_contain_text("as logged")
    value = re.search(r": (0\.\d+)", page.locator("#stepwell-hover").inner_text())
    assert value
    assert len(value[1]) > 12


def test_compare_draws_every_run_in_one_chart(page: Page, address: str) -> None:
    page.goto(f"{address}/compare?q=entropy_token_mean", wait_until="domcontentloaded")
    painted(page)
    expect(page.locator(CHART)).to_have_count(1)
    strokes = page.locator(f"{CHART} svg g.mark-line path").evaluate_all(
        "paths => paths.map(p => p.getAttribute('stroke'))"
    )
    assert len(set(strokes)) >= 3


def test_from_the_counts_to_the_line_that_could_not_be_read(page: Page, address: str) -> None:
    page.goto(address, wait_until="domcontentloaded")
    page.get_by_test_id("stTopNavSection").filter(has_text="Store").click()
    page.get_by_role("menuitem", name="Data quality").click()
    expect(page.get_by_text("3 files of 3 runs are read; 1 line was set aside")).to_be_visible()
    table = page.locator('[data-testid="stDataFrame"]')
    expect(table.locator("canvas").first).to_be_visible()
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + 120, box["y"] + 36 + 18)  # the run with the broken line stands first
    expect(page.get_by_role("heading", name="runs/lab/calm-8k")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/data_quality\?run=\d+$"))
    aside = page.locator('[data-testid="stDataFrame"]').nth(1).locator("tbody tr").first  # what a screen reader is told
    expect(aside).to_contain_text(re.compile(r"calm-8k\.jsonl\s*51\s*no JSON object"))
    page.get_by_role("button", name="all runs").click()
    expect(page).to_have_url(re.compile(r"/data_quality$"))


def test_markup_in_a_name_is_text(page: Page, address: str) -> None:
    page.goto(f"{address}/?q=evil", wait_until="domcontentloaded")
    table = page.locator('[data-testid="stDataFrame"]')
    expect(table.locator("canvas").first).to_be_visible()
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + 120, box["y"] + 36 + 18)
    expect(page.get_by_role("heading", name=f"lab/{NASTY}")).to_be_visible()
    assert page.locator('a[href*="evil"]').count() == 0


@pytest.mark.parametrize("path", ["", "run?run=lab%2Fblowup-16k", "compare", "data_quality?run=lab%2Fcalm-8k"])
def test_a_phone_needs_no_sideways_scrolling(browser: Browser, address: str, path: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page = context.new_page()
    page.goto(f"{address}/{path}", wait_until="domcontentloaded")
    if path.startswith("data_quality"):
        expect(page.get_by_role("heading", name="Not logged")).to_be_visible(timeout=PATIENCE)
    elif path:
        page.wait_for_function(PAINTED, timeout=PATIENCE)
    else:
        expect(page.get_by_text("needs you: entropy")).to_be_visible(timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_dark_is_dark(browser: Browser, address: str) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    open_calm(page, address)
    ground = page.locator('[data-testid="stApp"]').evaluate("app => getComputedStyle(app).backgroundColor")
    assert ground == "rgb(18, 21, 26)"
    expect(page.locator(f"{CHART} svg g.role-axis-label text").first).to_have_attribute("fill", "#98a1ae")
    context.close()


def test_an_empty_store_shows_the_next_command(page: Page, tmp_path: Path) -> None:
    with served(f"sqlite:///{tmp_path / 'empty.db'}") as address:
        page.goto(address, wait_until="domcontentloaded")
        expect(page.get_by_text("stepwell collect ~/runs")).to_be_visible()
