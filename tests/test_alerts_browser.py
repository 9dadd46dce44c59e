"""Alerts as a reader has them in a real browser: taken in hand from a card, and looked at where a message leads."""

# ruff: noqa: F811
from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from alerts.check import check
from db import alerts
from db.engine import open_store, reading
from tests.alerting import TEAM, book, collect
from tests.browser import CHROMIUM, served
from tests.test_browser import CHART, browser, context, page, painted, ticks  # noqa: F401

pytestmark = pytest.mark.skipif(not Path(CHROMIUM).is_file(), reason=f"no browser at {CHROMIUM}")
RUN = "数学-7b"


def live_run(folder: Path) -> str:
    """A store with one run whose entropy blows up just now."""
    log, now, url = folder / RUN / "metrics.jsonl", time.time(), f"sqlite:///{folder / 'store.db'}"
    log.parent.mkdir()
    rows = [
        {
            "step": s,
            "timestamp": now - 60 * (240 - s),
            "entropy": 0.3 * 2 ** (max(0, s - 180) / 20),
            "reward_mean": 0.6 - 0.005 * max(0, s - 180),
        }
        for s in range(1, 241)
    ]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    engine = open_store(url)
    collect(engine, log)
    check(engine, now=now, live_for=86_400, book=book("", TEAM))
    engine.dispose()
    return url


def test_from_the_card_to_the_hand_and_from_a_message_to_the_step(page: Page, tmp_path: Path) -> None:
    url = live_run(tmp_path)
    with served(url) as address:
        page.set_viewport_size({"width": 400, "height": 800})
        page.goto(address, wait_until="domcontentloaded")
        page.get_by_role("button", name="ack").first.click()
        page.get_by_label("a word for the others").fill("在看")
        page.get_by_role("button", name="I have it in hand").click()
        expect(page.get_by_text("in the hands of local").first).to_be_visible()
        page.goto(f"{address}/alerts", wait_until="domcontentloaded")
        expect(page.get_by_text("“在看”").first).to_be_visible()
        painted(page)
        page.get_by_role("button", name="history").first.click()
        expect(page.get_by_text("What was told")).to_be_visible()
        page.get_by_role("link", name="All alerts").click()
        expect(page.get_by_text("What was told")).to_be_hidden()
        expect(page.get_by_role("heading", name="Silences")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(f"{address}/run?run={RUN}&step=200", wait_until="domcontentloaded")
        painted(page)
        expect(page.get_by_text("Step 200 is marked.")).to_be_visible()
        seen = ticks(page.locator(CHART).first)
        assert min(seen) >= 165 and max(seen) <= 235
        page.get_by_role("button", name="the whole run").click()
        expect(page.get_by_text("Step 200 is marked.")).to_be_hidden()
    engine = open_store(url)
    with reading(engine) as connection:
        assert all(one.acked_by == "local" for one in alerts.alerts_of(connection, still_open=True))
    engine.dispose()
