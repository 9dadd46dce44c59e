"""Takes the pictures of the documentation from a store of the sample runs.

    python docs/images/make.py

Needs chromium (or CHROMIUM=/path/to/one). Writes docs/images/*.png, each below 250 kB.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from db import runs  # noqa: E402
from db.engine import open_store, reading  # noqa: E402
from tests.browser import CHROMIUM, FLAGS, PAINTED, PATIENCE, collect, served  # noqa: E402

LARGEST = 250_000  # bytes of a picture
DESK, PHONE = (1440, 900), (390, 844)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store.db"
        collect(url, *(ROOT / "sample_runs" / name for name in ("verl", "trl", "evaluations", "published")))
        sick, several = chosen(url)
        with served(url) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
            take(browser, f"{address}/", "overview", DESK)
            take(browser, f"{address}/run?run={sick}", "run", (1440, 1180))
            take(browser, f"{address}/run?run={sick}", "run-dark", DESK, scheme="dark")
            take(browser, f"{address}/run?run={sick}", "run-phone", PHONE)
            take(browser, f"{address}/compare?runs={','.join(several)}", "compare", (1440, 1000))
            take(browser, f"{address}/entropy?run={sick}", "entropy", (1440, 1100))
            take(browser, f"{address}/stages?run={several[-1]}", "stages", (1440, 1300))
            take(browser, f"{address}/length?run={several[0]}", "length", (1440, 1100))
            take(browser, f"{address}/evaluations", "evaluations", (1440, 1000))
            browser.close()


def chosen(url: str) -> tuple[str, list[str]]:
    """The run whose entropy blows up, and the three stages of one lineage."""
    with reading(open_store(url)) as connection:
        known = {run.name: str(run.id) for run in runs.all_runs(connection) if run.project == "toy"}
    stages = [number for name, number in known.items() if name.startswith("stage")]
    return known["entropy_bonus"], stages[:3]


def take(browser: Browser, address: str, name: str, size: tuple[int, int], scheme: str = "light") -> None:
    """One picture, when the page has stopped changing."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(address, wait_until="domcontentloaded")
    page.wait_for_function(
        f"{PAINTED} || document.querySelector('[data-testid=\"stDataFrame\"] canvas')", timeout=PATIENCE
    )
    page.wait_for_function("!document.querySelector('[data-stale=\"true\"]')", timeout=PATIENCE)
    picture = settled(page)
    page.close()
    if len(picture) > LARGEST:
        raise SystemExit(f"{name}.png has {len(picture):,} bytes, more than {LARGEST:,}")
    (HERE / f"{name}.png").write_bytes(picture)
    print(f"{name}.png  {len(picture):,} bytes")


def settled(page) -> bytes:  # type: ignore[no-untyped-def]
    """The first picture that equals the one before it."""
    before, picture = b"", page.screenshot()
    while picture != before:
        page.wait_for_timeout(400)
        before, picture = picture, page.screenshot()
    return picture


if __name__ == "__main__":
    main()
