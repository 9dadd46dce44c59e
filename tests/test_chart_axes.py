"""What stands on x, what is trimmed, and what is written to files."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest

from answers.gpus import gpus
from charts import export, lines, shares
from charts.curve import RAW, Curve
from charts.lines import Style
from charts.smooth import Smoothing
from dashboard import curves
from db.metrics import Metric
from db.series import Series
from tests.test_charts import curve

RAW_LINE = Style(smoothing=Smoothing("none"), columns=50)


def series(values: list[float], steps: list[int], *, attempts: list[int] | None = None, name: str = "m") -> Series:
    n = len(steps)
    metric = Metric(1, "verl", name, None, None, None, 1.0, 0, False)
    walls = 1e9 + 3600.0 * np.arange(n)
    tries = np.array(attempts or [1] * n)
    live = np.array([steps[i] not in steps[i + 1 :] for i in range(n)])
    return Series(metric, np.array(steps), walls, np.array(values, float), tries, live)


# -- x


def test_a_log_x_keeps_the_spike_at_its_small_end_and_counts_what_it_cannot_place() -> None:
    y = np.ones(100_000)
    y[7] = 50.0
    drawn = lines.rows([curve(y)], Style(smoothing=Smoothing("none"), columns=50, log_x=True))
    assert drawn.rows["y"].max() == 50.0
    assert drawn.left_out == 1  # step 0
    assert "1 left out: a log axis has no place for x ≤ 0" in lines.note(drawn)
    assert (drawn.rows["x"] < 1_000).sum() > len(drawn.rows) / 3


def test_gpu_hours_are_hours_times_the_gpus_of_the_config() -> None:
    known = {(1, "reward_mean"): series([1, 2, 3], [1, 2, 3])}
    along = known[1, "reward_mean"]
    axis = curves.axis("gpu", 1, known, 64)
    assert axis.place(along).tolist() == [0.0, 64.0, 128.0]
    assert axis.title == "GPU-hours"
    unknown = curves.axis("gpu", 1, known, None)
    assert unknown.place(along).tolist() == [0.0, 1.0, 2.0]
    assert "unknown" in unknown.title


@pytest.mark.parametrize(
    ("config", "many"),
    [
        ({"trainer.n_gpus_per_node": 8, "trainer.nnodes": 4}, 32),
        ({"trainer.n_gpus_per_node": 8}, None),
        ({"world_size": "16"}, 16),
        ({"trainer.n_gpus_per_node": "${n}", "trainer.nnodes": 1}, None),
        ({"num_gpus": True}, None),
        ({}, None),
    ],
)
def test_gpus_are_never_guessed(config: dict[str, object], many: int | None) -> None:
    assert gpus(config) == many


def test_a_metric_on_x_is_taken_from_the_same_record() -> None:
    on_x = series([10, 20, 15, 25], [1, 2, 2, 3], attempts=[1, 1, 2, 2], name="entropy")
    y = series([0.1, 0.2, 0.3, 0.4, 0.5], [1, 2, 2, 3, 4], attempts=[1, 1, 2, 2, 2])
    axis = curves.axis("metric:entropy", 1, {(1, curves.CHOSEN): on_x})
    assert np.array_equal(axis.place(y), [10, 20, 15, 25, np.nan], equal_nan=True)
    assert axis.title == "entropy"
    drawn = curves.curve(y, axis, label="y", run_id=1, colour="#000000")
    assert not drawn.path  # the live line 10, 15, 25 only grows
    back = series([3, 1, 2], [1, 2, 3])
    assert curves.curve(back, curves.Axis("metric:m", metric=back), label="y", run_id=1, colour="#000000").path


def test_a_path_goes_in_the_order_of_its_steps_and_keeps_its_extremes() -> None:
    n = 5_000
    x = np.sin(np.arange(n) / 300)
    x[1_234], y = 9.0, np.cos(np.arange(n) / 170)
    y[4_321] = -7.0
    drawn = lines.rows([curve(y, x=x, path=True)], RAW_LINE).rows
    assert (drawn["step"].diff().dropna() > 0).all()
    assert drawn["x"].max() == 9.0
    assert drawn["y"].min() == -7.0
    assert len(drawn) <= 4 * 50 + 4


# -- outliers


def test_outliers_go_to_the_frame_only_when_asked() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(1.0, 0.1, 2_000)
    y[100], y[200], y[300] = 80.0, -60.0, np.inf
    untouched = lines.rows([curve(y)], RAW_LINE)
    assert untouched.rows["y"].max() == 80.0
    assert untouched.odd == {"+inf": 1}
    trimmed = lines.rows([curve(y)], Style(smoothing=Smoothing("none"), columns=50, trim=True))
    assert trimmed.rows.loc[trimmed.rows["kind"] == RAW, "y"].between(0, 2).all()
    assert trimmed.odd == {"+inf": 1, "trimmed above": 1, "trimmed below": 1}
    assert "1 trimmed above" in lines.note(trimmed)
    flat = lines.rows([curve(np.r_[np.ones(100), 5.0])], Style(smoothing=Smoothing("none"), trim=True))
    assert flat.rows["y"].max() == 5.0  # a curve without any spread has no outliers


def test_a_steady_decline_has_no_outliers() -> None:
    drawn = lines.rows(
        [curve(np.geomspace(1_000, 0.001, 500))], Style(smoothing=Smoothing("none"), trim=True, log=True)
    )
    assert not drawn.odd


# -- the same view is the same bytes, and bounded by pixels


def test_the_same_view_is_the_same_bytes_and_bounded_by_its_pixels() -> None:
    rng = np.random.default_rng(2)
    y = rng.normal(size=1_000_000)
    made = [lines.rows([curve(y)], Style(columns=400), window=(250_000.0, 251_000.0)).rows for _ in range(2)]
    first, second = (frame.to_json().encode() for frame in made)
    assert first == second
    assert len(made[0]) <= 2 * 2 * (400 + 200) + 8


def test_a_spike_among_a_million_points_is_there_at_every_zoom() -> None:
    y = np.random.default_rng(3).normal(size=1_000_000)
    y[654_321] = 40.0
    made = curve(y)
    for width, log_x in ((1e6, True), (1e5, False), (1e3, True), (10.0, False)):
        style = Style(smoothing=Smoothing("none"), columns=300, log_x=log_x)
        drawn = lines.rows([made], style, window=(654_321 - 0.3 * width, 654_321 + 0.7 * width)).rows
        assert drawn.loc[drawn["y"] == 40.0, "step"].tolist() == [654_321]
        inside = drawn["x"].between(654_321 - 0.3 * width, 654_321 + 0.7 * width).sum()
        assert inside >= min(width * 0.9, 200)


# -- shares


def test_shares_are_means_of_their_pixel_column_and_stand_on_each_other() -> None:
    x = np.arange(1_000.0)
    drawn = shares.rows(x, {"a": np.full(1_000, 0.25), "b": np.where(x < 500, 0.5, 0.7)}, columns=10)
    assert len(drawn) == 20
    assert drawn.loc[drawn["part"] == "a", "y2"].tolist() == [0.25] * 10
    assert drawn.loc[drawn["part"] == "b", "share"].tolist() == pytest.approx([0.5] * 5 + [0.7] * 5)
    assert drawn.loc[drawn["part"] == "b", "y"].tolist() == [0.25] * 10
    assert shares.rows(np.full(3, np.nan), {"a": np.ones(3)}).empty


# -- files


def test_the_csv_has_every_point_and_no_formula() -> None:
    made: Curve = curve(np.arange(5_000.0), label="=HYPERLINK(1)")
    read = list(csv.reader(io.StringIO(export.table([made]))))
    assert len(read) == 5_001
    assert read[1] == ["'=HYPERLINK(1)", "0", "0.0", "0.0", "1", "True"]


def test_the_specification_of_a_chart_holds_its_data() -> None:
    spec = export.full([curve([1.0, float("nan"), 3.0])], Style(title="Reward"))
    values = json.loads(json.dumps(spec, allow_nan=False))["data"]["values"]
    assert [row["y"] for row in values if row["kind"] == RAW] == [1.0, 3.0]
    assert export.svg(spec).startswith("<svg")
    assert export.png(spec)[:4] == b"\x89PNG"


def test_times_are_written_in_milliseconds() -> None:
    rows = pd.DataFrame({"x": pd.to_datetime([1.5], unit="s", utc=True), "y": [1.0]})
    assert export.records(rows) == [{"x": 1500.0, "y": 1.0}]
