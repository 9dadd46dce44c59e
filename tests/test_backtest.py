"""`stepwell backtest`: logs without a store, per file, as seen live; scores where labels stand beside them."""

from __future__ import annotations

import gzip
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from analyses import synthetic
from analyses.backtest import Event, Labelled, alarms, intervals, labelled, score, score_run
from analyses.contract import Context, Finding, Rows, Severity
from analyses.episodes import Judged, Signal, Words, watch
from analyses.judge import episodes
from analyses.series import Series
from stepwell.cli import cli
from tests.logs import collect

NAMES = {
    "entropy_token_mean": "entropy",
    "response_length_mean": "len_mean",
    "truncation_fraction": "trunc_frac",
    "reward_mean": "reward_mean",
    "grad_norm": "grad_norm",
}
BLOWUP = {"type": "entropy_blowup", "onset": 200, "end": 400, "t_fatal": 260}


def write(path: Path, rows: Rows) -> Path:
    """As a hand-written loop logs it, with seconds since its own start."""
    walls = rows.walls - rows.walls[0]
    records = [
        {"step": int(step), "wall_time": float(wall)}
        | {name: float(rows.columns[quantity][i]) for quantity, name in NAMES.items()}
        for i, (step, wall) in enumerate(zip(rows.steps, walls, strict=True))
    ]
    data = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def backtest(*arguments: object) -> Any:
    result = CliRunner().invoke(cli, ["backtest", "--json", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dissolving run (compressed), a healthy one, one that stops for ever, and what happened."""
    logs = tmp_path / "logs"
    logs.mkdir()
    write(logs / "blowup.jsonl.gz", synthetic.entropy_blowup(seed=1))
    write(logs / "healthy.jsonl", synthetic.healthy(seed=2))
    write(logs / "hung.jsonl", synthetic.healthy(150, seed=3))
    stall = {"type": "stall", "onset": 150, "end": 150, "t_fatal": None, "final": True}
    labels = {
        "blowup": {"events": [BLOWUP], "ignore": [], "config": {"C": 8192, "eps_lo": 0.2}},
        "healthy": {"events": [], "ignore": []},
        "hung.jsonl": {"events": [stall], "ignore": [], "config": {}},
    }
    (logs / "labels.json").write_text(json.dumps(labels))
    return logs


def test_each_file_has_its_rows_and_its_findings(folder: Path) -> None:
    told = backtest(folder)
    files = {Path(each["path"]).name: each for each in told["files"]}
    assert {name: each["rows"] for name, each in files.items()} == {
        "blowup.jsonl.gz": 400,
        "healthy.jsonl": 400,
        "hung.jsonl": 150,
    }
    first = next(f for f in files["blowup.jsonl.gz"]["findings"] if f["severity"] != "info")
    assert first["trouble"] == "entropy_blowup" and first["counts"] == "hit"
    assert 200 < first["detected_step"] <= 240 and first["onset_step"] <= first["detected_step"]
    assert files["healthy.jsonl"]["findings"] == [] and told["skipped"] == []


def test_a_run_that_hung_is_seen_by_a_clock_beyond_its_last_row(folder: Path) -> None:
    told = backtest(folder / "hung.jsonl")
    assert [(f["trouble"], f["detected_step"]) for f in told["files"][0]["findings"]] == [("stalled", 150)]
    (folder / "labels.json").unlink()
    alone = shutil.move(folder / "hung.jsonl", folder.parent / "alone.jsonl")
    assert backtest(alone)["files"][0]["findings"] == []


def test_scores_stand_where_labels_do(folder: Path) -> None:
    scores = backtest(folder)["scores"]
    assert scores.keys() == {"all", "entropy_blowup", "stall"}
    assert (scores["all"]["events"], scores["all"]["recall"], scores["all"]["precision"]) == (2, 1, 1)
    assert scores["all"]["intervals"]["precision"] == [1, 1]
    (folder / "labels.json").unlink()
    other = shutil.copytree(folder, folder.parent / "unlabelled")
    assert "scores" not in backtest(other)


@pytest.mark.parametrize("labels", ["[1, 2]", "{", '{"a": {"events": 3}}', '{"healthy": null}', '"healthy"'])
def test_labels_of_another_kind_are_no_labels(folder: Path, labels: str) -> None:
    other = Path(shutil.copytree(folder, folder.parent / "other"))
    (other / "labels.json").write_text(labels)
    told = backtest(other)
    assert len(told["files"]) == 3 and "scores" not in told


def test_steps_are_those_at_which_a_live_look_would_have_raised_it(folder: Path) -> None:
    whole = backtest(folder / "blowup.jsonl.gz")["files"][0]["findings"][0]
    lines = gzip.decompress((folder / "blowup.jsonl.gz").read_bytes()).splitlines(keepends=True)
    for rows, seen in ((whole["detected_step"], []), (whole["detected_step"] + 1, [whole["detected_step"]])):
        cut = folder.parent / f"cut{rows}.jsonl"
        cut.write_bytes(b"".join(lines[:rows]))
        assert [f["detected_step"] for f in backtest(cut)["files"][0]["findings"]] == seen


def test_the_same_from_the_store_and_nothing_is_kept_there(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from db.engine import open_store, reading
    from db.findings import findings_of

    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/s.db"
    engine = open_store(url)
    collect(engine, folder)
    stored = backtest("--store", url)
    assert stored["files"] == backtest(folder)["files"]
    with reading(engine) as connection:
        assert findings_of(connection, [1, 2, 3]) == []


def test_the_table_for_people(folder: Path) -> None:
    said = CliRunner().invoke(cli, ["backtest", str(folder)], catch_exceptions=False).output
    assert "entropy_blowup [hit]" in said and "950 rows judged" in said and "false alarms per 1,000" in said


def test_a_missing_path_is_wrong_usage(tmp_path: Path) -> None:
    assert CliRunner().invoke(cli, ["backtest", str(tmp_path / "nowhere")]).exit_code == 2


# -- scoring


def test_a_label_says_what_is_asked_and_what_is_not() -> None:
    hidden = {"type": "grad_spike", "onset": 50, "end": 51, "t_fatal": 52, "observable": False}
    stage = {"type": "stage_change", "onset": 90, "end": 99, "neutral": True}
    restart = {"type": "restart", "onset": 166, "end": 166, "t_fatal": None, "rewind_to": 148}
    label = {"events": [BLOWUP, hidden, stage, restart], "ignore": [["mismatch", 1, 2]]}
    assert labelled("run", label, [0, 1]) == Labelled(
        "run",
        (Event("entropy_blowup", 200, 400, 260), Event("restart", 166, 166, None, 148)),
        (0, 1),
        (("mismatch", 1, 2), ("grad_spike", 50, 101)),
    )


def test_the_interval_of_a_share_is_that_of_the_binomial() -> None:
    """40 runs with one event each, 30 found: 0.75 ± 1.96 sqrt(0.75 x 0.25 / 40) = 0.616 to 0.884."""
    event = Event("entropy_blowup", 10, 20, 15)
    found = Finding("entropy_blowup", "warning", "firing", onset_step=10, detected_step=14, message="…")
    runs = [score_run(Labelled(str(i), (event,), tuple(range(100))), [found] * (i < 30)) for i in range(40)]
    low, high = intervals(runs)["recall"]
    assert score(runs).recall == 0.75
    assert low == pytest.approx(0.616, abs=0.03) and high == pytest.approx(0.884, abs=0.03)
    assert all(math.isnan(bound) for bound in intervals([])["recall"])
    assert np.isnan(score([]).recall)


# -- a note that becomes an alarm


def test_a_note_that_becomes_an_alarm_is_an_alarm_from_that_row_on() -> None:
    """Notes from row 10, alarms from row 20, critical from 30: detected at 23 (4 of 5 rows), whatever the onset."""
    step = np.arange(60)

    def judge(series: Series, context: Context) -> Judged:
        now = series.steps[series.new]
        levels: tuple[Severity, ...] = ("info", "warning", "critical")
        signals = [Signal(level, (now >= at) & (now < 40)) for level, at in zip(levels, (10, 20, 30), strict=True)]
        return Judged(
            signals, lambda i, raised: i >= 40, lambda i, level, raised: Words(8, "So it is."), lambda i: "Over."
        )

    rows = synthetic.rows_of({"reward_mean": np.ones(60)}, steps=step)
    needs = (("reward_mean",),)
    _, said = watch({}, rows, Context(), judge, trouble="kl_blowup", needs=needs, uses=(), keep=10)
    assert [(f.severity, f.detected_step, f.onset_step, f.resolved_step) for f in episodes(said)] == [
        ("info", 13, 8, 23),
        ("critical", 23, 8, 45),
    ]
    assert [(f.severity, f.detected_step) for f in alarms(said)] == [("warning", 23)]
