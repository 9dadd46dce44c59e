"""Charts under a reader's hand: the crosshair over a page, the address to copy, files to take away."""

from __future__ import annotations

import json

from playwright.sync_api import Browser, Page, expect

from tests.browser import PATIENCE
from tests.test_browser import CHART, address, browser, context, logs, page, painted, pytestmark

__all__ = ["address", "browser", "context", "logs", "page", "pytestmark"]


def test_one_crosshair_stands_over_all_charts_of_the_page(page: Page, address: str) -> None:
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{address}/run?run=lab%2Fcalm-8k", wait_until="domcontentloaded")
    painted(page)
    expect(page.locator(CHART)).to_have_count(8)
    page.wait_for_function(f"[...document.querySelectorAll('{CHART} svg')].length === 8", timeout=PATIENCE)
    box = page.locator(CHART).nth(1).bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    layer = page.locator("#stepwell-hover")
    expect(layer).to_contain_text("as logged")  # in full where the pointer is
    rules = layer.locator("div[style*='width: 1px']")
    expect(rules).not_to_have_count(0)
    assert rules.count() >= 3  # one in every chart in sight
    page.mouse.move(5, 5)
    expect(layer).to_have_text("")
    assert wrong == []


def test_the_address_is_copied_short(browser: Browser, address: str) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{address}/metrics?run=lab%2Fcalm-8k&pause=1&pin=1%2C2&log=1", wait_until="domcontentloaded")
    page.get_by_role("button", name="copy link").click(timeout=PATIENCE)
    expect(page.get_by_text("copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{address}/metrics?run=lab/calm-8k&pin=1,2&log=1"
    context.close()


def test_a_chart_is_taken_away_as_a_file(page: Page, address: str) -> None:
    page.goto(f"{address}/run?run=lab%2Fcalm-8k&history=1", wait_until="domcontentloaded")
    painted(page)
    page.get_by_role("button", name="save").click()
    for label, check in (
        ("CSV, every point", lambda body: len(body.decode().splitlines()) == 141),  # 140 points and the heads
        ("SVG", lambda body: body.startswith(b"<svg")),
        ("Vega-Lite", lambda body: "layer" in json.loads(body)),
    ):
        with page.expect_download(timeout=PATIENCE) as download:
            page.get_by_role("button", name=label, exact=True).click()
        assert check(download.value.path().read_bytes())
