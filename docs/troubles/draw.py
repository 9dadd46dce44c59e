"""Takes the picture of every trouble: planted runs in our own charts.

    python docs/troubles/draw.py

Needs chromium (or CHROMIUM=/path/to/one). Writes docs/troubles/images/*.png.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from playwright.sync_api import sync_playwright  # noqa: E402

from analyses.planted import TROUBLES  # noqa: E402
from tests.browser import CHROMIUM, FLAGS, PATIENCE  # noqa: E402

CHARTS = '[data-testid="stVegaLiteChart"]'
QUIET = ("--server.headless", "true", "--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none")


def main() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(HERE / "page.py"), "--server.port", str(port), *QUIET]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/_stcore/health")
        take(address)
    finally:
        server.terminate()
        server.wait(30)


def take(address: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        page = browser.new_page(viewport={"width": 860, "height": 900}, color_scheme="light")
        page.goto(address)
        charts = page.locator(CHARTS)
        charts.nth(len(TROUBLES) - 1).locator("canvas, svg").first.wait_for(timeout=PATIENCE)
        page.wait_for_timeout(3000)
        for place, trouble in enumerate(TROUBLES):
            charts.nth(place).scroll_into_view_if_needed()
            charts.nth(place).screenshot(path=HERE / "images" / f"{trouble}.png")
        browser.close()


def wait_for(address: str) -> None:
    end = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(address, timeout=2).read()
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"no answer at {address}")


if __name__ == "__main__":
    main()
