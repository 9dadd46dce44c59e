from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charts import lines
from charts.curve import OLD, RAW, Band, Curve, Level, Mark
from charts.downsample import extremes, one_each
from charts.lines import Style
from charts.smooth import Kind, Smoothing, smooth
from charts.sparkline import image, spark, svg
from charts.theme import DARK, LIGHT, Look, run_colour

VALUES = st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=400)


def curve(y: list[float] | np.ndarray, label: str = "reward", **changes: Any) -> Curve:
    values = np.asarray(y, np.float64)
    n = len(values)
    usual: dict[str, Any] = {
        "label": label,
        "key": "1",
        "colour": "#3f5bd9",
        "x": np.arange(n, dtype=np.float64),
        "y": values,
        "steps": np.arange(n),
        "segment": np.ones(n, np.int64),
        "live": np.ones(n, bool),
    }
    return Curve(**{**usual, **changes})


RAW_LINE = Style(smoothing=Smoothing("none"), columns=50)


# -- thinning


def test_a_spike_of_one_step_among_twenty_thousand_stays() -> None:
    y = np.ones(20_000)
    y[12_345] = 100.0
    kept = extremes(np.arange(20_000.0), y, 300)
    assert 12_345 in kept
    assert len(kept) <= 602


@given(VALUES, st.integers(1, 40), st.booleans())
def test_every_column_keeps_its_extremes_and_the_curve_its_ends(values: list[float], columns: int, log: bool) -> None:
    y = np.array(values)
    x = np.cumsum(np.abs(y) % 7 + 0.5)
    kept = extremes(x, y, columns, log=log)
    assert (np.diff(kept) > 0).all()
    assert {0, len(y) - 1} <= set(kept.tolist())
    assert len(kept) <= 2 * columns + 2
    shown = np.log(x) if log else x
    width = shown[-1] - shown[0]
    column = (
        np.minimum(((shown - shown[0]) / width * columns).astype(int), columns - 1)
        if width > 0
        else np.zeros(len(y), int)
    )
    for one in np.unique(column):
        inside, left = y[column == one], y[kept][column[kept] == one]
        assert inside.min() == left.min()
        assert inside.max() == left.max()


def test_log_columns_are_even_in_log_x() -> None:
    x = np.arange(1.0, 100_001.0)
    kept = extremes(x, np.sin(x), 50, log=True)
    assert (x[kept] < 1_000).sum() > len(kept) / 3  # linear columns would leave one or two


def test_one_mark_per_column() -> None:
    assert one_each(np.arange(10_000.0), 100).tolist() == list(range(0, 10_000, 100))


# -- smoothing


def test_the_half_life_is_a_half_life_in_steps() -> None:
    steps = np.array([0, 10])
    smoothed = smooth(steps, np.array([0.0, 1.0]), Smoothing("ema", 10))
    assert smoothed[1] == pytest.approx(1 / 1.5)  # weights 1 and 1/2


def test_a_gap_counts_as_the_steps_that_it_spans() -> None:
    near = smooth(np.array([0, 1]), np.array([0.0, 1.0]), Smoothing("ema", 10))[1]
    far = smooth(np.array([0, 100]), np.array([0.0, 1.0]), Smoothing("ema", 10))[1]
    assert near < 0.52
    assert far > 0.99


def test_the_mean_looks_back_only() -> None:
    smoothed = smooth(np.arange(6), np.array([0.0, 0, 0, 3, 0, 0]), Smoothing("mean", 3))
    assert smoothed.tolist() == pytest.approx([0, 0, 0, 1, 1, 1])


def test_the_gaussian_is_symmetric_and_sums_to_one() -> None:
    y = np.zeros(101)
    y[50] = 1.0
    smoothed = smooth(np.arange(101), y, Smoothing("gauss", 4))
    assert smoothed.sum() == pytest.approx(1.0)
    assert smoothed[46] == pytest.approx(smoothed[54])


@pytest.mark.parametrize("kind", ["ema", "mean", "gauss"])
def test_smoothing_leaves_a_constant_alone_whatever_is_missing(kind: Kind) -> None:
    steps = np.array([1, 2, 3, 7, 8, 20, 21, 5000])
    values = np.array([2.0, np.nan, 2.0, np.inf, 2.0, 2.0, -np.inf, 2.0])
    smoothed = smooth(steps, values, Smoothing(kind, 5))
    assert np.isnan(smoothed).tolist() == [False, True, False, True, False, False, True, False]
    assert smoothed[np.isfinite(values)] == pytest.approx(2.0)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    st.sampled_from(["ema", "mean", "gauss"]),
    st.integers(1, 50),
)
def test_a_smoothed_value_stays_within_the_raw_ones(values: list[float], kind: Kind, span: int) -> None:
    smoothed = smooth(np.arange(len(values)) * 3 + 7, np.array(values), Smoothing(kind, span))
    slack = 1e-6 * (1 + max(map(abs, values)))
    assert min(values) - slack <= smoothed.min() <= smoothed.max() <= max(values) + slack


def test_steps_that_are_far_apart_need_no_grid_of_their_range() -> None:
    steps = np.array([0, 3_000_000_001, 9_000_000_007])
    assert smooth(steps, np.array([1.0, 2.0, 3.0]), Smoothing("mean", 2)).tolist() == [1.0, 1.5, 2.5]


# -- what is drawn


def kinds(drawn: lines.Table) -> dict[str, int]:
    return {str(kind): int(n) for kind, n in drawn.rows["kind"].value_counts().items()}


def test_attempts_are_segments_and_superseded_ones_are_told_apart() -> None:
    segment = np.repeat([1, 2], 60)
    live = np.concatenate([np.arange(60) < 40, np.ones(60, bool)])
    drawn = lines.rows([curve(np.ones(120), segment=segment, live=live)], RAW_LINE)
    assert kinds(drawn) == {RAW: 100, OLD: 20}
    assert set(drawn.rows["part"]) == {"1/1", "1/2"}
    assert lines.note(drawn, "attempts 1–2 of 2") == "drawn 120 of 120 points · attempts 1–2 of 2"


def test_what_is_not_finite_stands_on_the_frame() -> None:
    drawn = lines.rows([curve([1.0, np.nan, np.inf, -np.inf, 2.0])], RAW_LINE)
    edges = drawn.rows[drawn.rows["kind"] == "edge"]
    assert dict(zip(edges["shape"], edges["x"], strict=True)) == {"NaN": 1.0, "+inf": 2.0, "−inf": 3.0}
    assert edges["y"].isna().all()
    assert drawn.odd == {"NaN": 1, "+inf": 1, "−inf": 1}
    assert lines.note(drawn) == "drawn 5 of 5 points · 1 NaN on the frame · 1 +inf on the frame · 1 −inf on the frame"


def test_a_log_axis_marks_what_it_cannot_show() -> None:
    log = Style(smoothing=Smoothing("none"), log=True)
    drawn = lines.rows([curve([1.0, 0.0, -3.0, 10.0])], log)
    assert drawn.odd == {"≤ 0": 2}
    assert drawn.rows.loc[drawn.rows["kind"] == RAW, "y"].tolist() == [1.0, 10.0]
    y = [
        layer["encoding"]["y"]
        for layer in lines.spec((("a", "#000000"),), log)["layer"]
        if "scale" in layer["encoding"].get("y", {})
    ]
    assert {one["scale"]["type"] for one in y} == {"log"}


def test_a_finding_that_is_not_named_here_takes_no_lane() -> None:
    marks = [
        Mark(1.0, "restart", "#000000"),
        Mark(2.0, "mismatch", "#000000", named=False),
        Mark(3.0, "stalled", "#000000"),
    ]
    drawn = lines.rows([curve(np.arange(9.0))], RAW_LINE, marks=marks).rows
    found = drawn[drawn["kind"] == "mark"]
    assert found["value"].tolist() == ["restart", "", "stalled"]
    assert found["curve"].tolist() == ["restart", "mismatch", "stalled"]
    assert found["y"].tolist() == [0, 0, 1]
    assert found["x2"].tolist() == [8.0, 8.0, 8.0]


def test_what_is_zoomed_to_is_drawn_in_full() -> None:
    y = np.random.default_rng(2).random(20_000)
    far, near = (lines.rows([curve(y)], RAW_LINE, window=window).rows for window in (None, (5_000.0, 5_080.0)))
    assert near["x"].between(5_000, 5_080).sum() == 81
    assert set(far["x"]) < set(near["x"])


def test_the_small_print_says_how_much_is_drawn() -> None:
    drawn = lines.rows([curve(np.random.default_rng(1).random(20_000))], Style(columns=100))
    assert drawn.drawn <= 202
    assert lines.note(drawn).startswith(f"drawn {drawn.drawn} of 20,000 points")


def test_superseded_points_take_no_part_in_the_smoothing() -> None:
    live = np.array([True, True, False, True])
    drawn = lines.rows([curve([1.0, 1.0, 1e9, 1.0], live=live)], Style(smoothing=Smoothing("ema", 2)))
    assert drawn.rows.loc[drawn.rows["kind"] == "EMA, half-life 2 steps", "y"].tolist() == pytest.approx(
        [1.0, 1.0, 1.0]
    )


def test_the_smoothing_is_named_in_the_legend() -> None:
    text = json.dumps(lines.spec((("a", "#000000"),), Style(smoothing=Smoothing("gauss", 7))))
    assert '"values": ["as logged", "Gaussian, \\u03c3 7 steps"]' in text


@pytest.mark.parametrize(("look", "time", "log"), [(LIGHT, False, False), (DARK, True, True)])
def test_every_chart_is_valid_vega_lite(look: Look, time: bool, log: bool) -> None:
    y = np.concatenate([np.linspace(-1, 5, 500), [np.nan, np.inf]])
    x = 1.7e9 + np.arange(502) * 60.0 if time else np.arange(502.0)
    style = Style(look=look, time=time, log=log, unit="fraction", title="Reward")
    made = lines.lines(
        [curve(y, x=x), curve(y * 2, "second", x=x, colour="#2a9d7c")],
        style,
        bands=[Band(x[0], x[100], "8K"), Band(x[100], x[-1], "16K")],
        marks=[Mark(x[200], "entropy blow-up", look.critical), Mark(x[300], "restart", look.warning, x[310])],
        levels=[Level(3.0, "limit")],
    )
    drawn = made.to_dict()  # validates against the schema of Vega-Lite
    assert drawn["$schema"].startswith("https://vega.github.io/schema/vega-lite/v6")


def test_the_specification_does_not_change_while_a_run_grows() -> None:
    short, long = curve([1.0, 2.0, 3.0]), curve([1.0, 2.0, 3.0, 4.0])
    style = Style()
    specs = [lines.spec(lines.names([c]), style, lines.rows([c], style).extras) for c in (short, long)]
    assert specs[0] == specs[1]
    assert "rows" not in json.dumps(specs[0].get("data", {}))


@pytest.mark.parametrize("curves", [[], [curve([])], [curve([np.nan, np.nan])]])
def test_nothing_to_draw_is_drawn_as_nothing(curves: list[Curve]) -> None:
    made = lines.lines(curves, Style())
    assert made.to_dict(validate=False)["layer"]


# -- small curves and colours


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=300))
def test_a_sparkline_is_short_and_keeps_the_extremes(values: list[float]) -> None:
    thin = spark(np.array(values, np.float64))
    finite = [value for value in values if np.isfinite(value)]
    assert len(thin) <= 60
    assert bool(thin) == bool(finite)
    if finite:
        assert (min(thin), max(thin), thin[0], thin[-1]) == (min(finite), max(finite), finite[0], finite[-1])


def test_an_inline_image_holds_no_more_than_a_line_and_a_dot() -> None:
    assert svg(np.array([]), "#000") == ""
    assert image(np.array([np.nan]), "#000") == ""
    drawn = svg(np.array([1.0, 2.0, 1.0]), "#123456", width=100, height=20)
    assert drawn.count("<polyline") == drawn.count("<circle") == 1
    assert 'points="2.0,16.0 48.5,4.0 95.0,16.0"' in drawn
    assert image(np.array([1.0]), "#000").startswith("data:image/svg+xml;base64,")


def test_a_run_keeps_its_colour() -> None:
    assert run_colour(LIGHT, 1) == LIGHT.runs[0] == run_colour(LIGHT, 1 + len(LIGHT.runs))
    assert len(set(LIGHT.runs)) == len(set(DARK.runs)) == 8


def linear(colours: tuple[str, ...]) -> np.ndarray:
    srgb = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in colours])
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("look", [LIGHT, DARK])
def test_runs_stand_out_from_the_ground(look: Look) -> None:
    luminance = linear((*look.runs, look.surface)) @ np.array([0.2126, 0.7152, 0.0722])
    runs, ground = luminance[:-1], luminance[-1]
    contrast = (np.maximum(runs, ground) + 0.05) / (np.minimum(runs, ground) + 0.05)
    assert contrast.min() >= 3.0  # WCAG 2.2, 1.4.11: graphical objects


# Machado, Oliveira, Fernandes 2009: how protanopes and deuteranopes see linear RGB.
BLIND = (
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
)
TO_LMS = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])
TO_LAB = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])


@pytest.mark.parametrize("look", [LIGHT, DARK])
@pytest.mark.parametrize("eyes", [np.eye(3), *map(np.array, BLIND)])
def test_runs_are_told_apart_by_colour_blind_eyes(look: Look, eyes: np.ndarray) -> None:
    seen = np.clip(linear(look.runs) @ eyes.T, 0, 1)
    lab = np.cbrt(seen @ TO_LMS.T) @ TO_LAB.T
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)[np.triu_indices(len(lab), 1)]
    assert apart.min() >= 0.02  # a step in Oklab that is seen side by side
