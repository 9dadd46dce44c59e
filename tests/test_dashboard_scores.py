"""The pages about scores: on the samples, on odd and on Chinese-named data; their charts against Vega-Lite's schema."""

from __future__ import annotations

import json
import math
from pathlib import Path

import altair as alt
import pytest

from charts.scores import Axes, Line, rows, spec
from charts.theme import DARK
from collectors.follow import Collector
from db.engine import open_store
from stepwell.collecting import one_pass
from tests.test_dashboard_apptest import drawn, page, shown, text

SAMPLES = Path(__file__).parents[1] / "sample_runs"
PAGES = ("evaluations", "leaderboard", "reports")


def store_of(folder: Path, *paths: Path) -> str:
    url = f"sqlite:///{folder / 'store.db'}"
    engine = open_store(url)
    one_pass(Collector(engine, paths))
    engine.dispose()
    return url


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("scores")
    formats = [SAMPLES / "formats" / name for name in ("lm-eval", "rllm-eval", "lighteval")]
    return store_of(folder, SAMPLES / "published", SAMPLES / "evaluations", SAMPLES / "verl/stage1_24", *formats)


def test_the_page_answers_with_the_limit_that_decides(samples: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("evaluations"), samples, monkeypatch, benchmark="LiveCodeBench v5")
    told = text(test).replace("\\", "")
    assert "At the 16K limit DeepCoder-14B-Preview ranks below its base, DeepSeek-R1-Distill-Qwen-14B" in told
    (matrix, every) = (table.value for table in test.dataframe)
    assert matrix[["16K", "32K", "64K"]].values.tolist() == [["50.2", "53.0", "53.0"], ["45.6", "57.9", "60.6"]]
    assert matrix["32K → 64K"].tolist() == ["+0.0", "+2.7"]
    assert len(every) == 15 and drawn(test) == 1


def test_two_scores_are_held_side_by_side_and_tries_drawn(samples: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = text(shown(page("evaluations"), samples, monkeypatch, benchmark="gsm8k")).replace("\\", "")
    assert "on the 40 questions of both" in told and "four times of five" in told
    test = shown(page("evaluations"), samples, monkeypatch, benchmark="aime")
    assert "no further than every question has samples" in text(test).replace("\\", "")
    assert drawn(shown(page("evaluations"), samples, monkeypatch, benchmark="toy/running_sum")) == 1


def test_the_leaderboard_has_limits_scales_and_stars(samples: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("leaderboard"), samples, monkeypatch)
    board, figures = (table.value for table in test.dataframe)
    row = board.set_index("system").loc["DeepCoder-14B-Preview"]
    assert (row["LiveCodeBench v5"], row["limit · LiveCodeBench v5"]) == (60.6, "64K")
    assert (row["Codeforces · rating"], row["Codeforces · percentile"], row["AIME 2024"]) == (1936, 95.3, 73.8)
    assert row["limit · AIME 2024"] == "not stated"
    assert set(board[board[""] == "★"]["system"]) >= {"toy/stage1_24"} and "o1-preview" in set(board["system"])
    assert all(link == "" or link.startswith(("http://", "https://")) for link in figures["link"])
    yours = shown(page("leaderboard"), samples, monkeypatch, whose="yours").dataframe[0].value
    assert set(yours[""]) == {"★"}


def test_the_reports_are_told_from_their_figures(samples: str, monkeypatch: pytest.MonkeyPatch) -> None:
    test = shown(page("reports"), samples, monkeypatch)
    told = text(test).replace("\\", "")
    assert "DeepScaleR reached 33 → 38 → 43 % of AIME 2024 as its training limit went 8K → 16K → 24K." in told
    tables = [table.value for table in test.dataframe]
    assert tables[0]["%"].tolist() == ["54", "58", "60.6"]
    assert tables[1].values.tolist() == [
        ["DeepCoder-14B-Preview", "45.6", "57.9", "60.6"],
        ["DeepSeek-R1-Distill-Qwen-14B", "50.2", "53.0", "53.0"],
    ]
    printed = tables[2].set_index("model")
    assert printed.loc["DeepCoder-14B-Preview"].tolist()[:5] == ["60.6", "1936", "95.3", "92.6", "73.8"]
    assert printed.loc["o1-preview"].tolist()[:5] == ["42.7", "1658", "88.5", "89", "40.0"]
    assert printed.loc["Llama-4-Behemoth"].tolist()[:5] == ["49.4", "–", "–", "–", "–"]
    assert len(printed) == 9
    assert tables[3]["tokens"].tolist() == ["1.8T", "200B", "2B", "not stated"]
    assert tables[4]["figure"].tolist() == ["not stated"] * 3
    assert tables[5]["context"].tolist()[:2] == ["16K", "128K"]
    assert drawn(test) == 4


@pytest.mark.parametrize("name", PAGES)
def test_odd_scores_are_designed_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One point, no number at all, a value beyond its scale, names that are markup or Chinese."""
    odd = [
        {"model": "算术模型", "benchmark": "数学竞赛", "score": 0.5, "max_tokens": 4096},
        {"model": "<b>x</b> [a](http:evil)", "benchmark": "$y$ :red[b]", "score": float("nan")},
        {"model": "m", "benchmark": "huge", "score": 1e300, "max_tokens": 10**30, "step": 10**30},
        {"model": "m", "benchmark": "none", "score": None, "source": "javascript:alert(1)"},
    ]
    lines = "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in odd)
    (tmp_path / "scores.jsonl").write_text(lines, encoding="utf-8")
    url = store_of(tmp_path, tmp_path / "scores.jsonl")
    for benchmark in ("数学竞赛", "$y$ :red[b]", "huge", "none") if name == "evaluations" else ("",):
        test = shown(page(name), url, monkeypatch, benchmark=benchmark)
        assert "stumbled" not in text(test)


def test_the_chart_is_vega_lite_and_leaves_out_what_is_no_number() -> None:
    line = Line(
        "系统", "#123456", [16384, 32768, math.nan], [45.6, math.nan, 3.0], [2.9, 1.0, 1.0], ["a", "b", "c"], True
    )
    held = rows([line], share=True)
    assert held[["x", "low", "high", "kind"]].values.tolist() == [[16384, 45.6 - 2.9, 45.6 + 2.9, "published"]]
    assert rows([Line("a", "#123456", [1.0], [99.0], [5.0], ["t"])], share=True)["high"].tolist() == [100.0]
    axes = Axes("limit", "%", (16384, 32768), tokens=True, log=True, look=DARK)
    alt.LayerChart.from_dict(spec([line], axes, "what it shows"))
