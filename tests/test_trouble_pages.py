"""Every trouble has its page, its picture, its rates and its planted runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from analyses.backtest import score, score_run
from analyses.contract import Context
from analyses.judge import detectors, judge
from analyses.planted import CALM, TROUBLES, draw

PAGES = Path(__file__).parents[1] / "docs" / "troubles"
EACH = pytest.mark.parametrize("trouble", detectors())


@EACH
def test_a_trouble_has_a_page_with_a_picture_and_rates(trouble: str) -> None:
    page = (PAGES / f"{trouble}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert headings == ["What it means", "What to try", "How we detect it", "How often we are wrong"]
    assert (PAGES / "images" / f"{trouble}.png").read_bytes().startswith(b"\x89PNG")
    assert re.search(r"found in \d\.\d\d \(\d\.\d\d–\d\.\d\d\)", page)
    assert f"| [{trouble}]({trouble}.md) |" in (PAGES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith("http") and not (PAGES / link).resolve().exists()] == []


@EACH
def test_most_planted_runs_are_found(trouble: str) -> None:
    rng = np.random.default_rng([11, *trouble.encode()])
    runs = [draw(trouble, rng) for _ in range(5)]
    reached = score([score_run(run.truth, judge({}, run.rows, Context())[1]) for run in runs], trouble)
    assert reached.events == 5 and reached.recall >= 0.6 and reached.false <= 1


@pytest.mark.parametrize("kind", CALM)
def test_calm_runs_are_left_in_peace(kind: str) -> None:
    rng = np.random.default_rng([11, *kind.encode()])
    outcomes = [score_run(run.truth, judge({}, run.rows, Context())[1]) for run in (draw(kind, rng) for _ in range(5))]
    assert sum(len(each.false) for each in outcomes) == 0


def test_the_same_draw_is_the_same_run() -> None:
    first, again = (draw("kl_blowup", np.random.default_rng(3)) for _ in range(2))
    assert first.truth == again.truth and TROUBLES.keys() == detectors().keys()
    assert all(np.array_equal(first.rows.columns[n], again.rows.columns[n], equal_nan=True) for n in first.rows.columns)
