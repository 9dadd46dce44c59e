"""The contracts of docs/cli.md, through the command itself, on both databases."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db.engine import open_store, reading
from db.runs import all_runs
from stepwell import cli
from tests.logs import jsonl, plain

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_runs"
DOCS = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")

Stepwell = Callable[..., tuple[int, str, str]]


@pytest.fixture
def stepwell(
    store_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Stepwell:
    """Run the command on an empty store: (exit code, stdout, stderr)."""
    monkeypatch.setenv("STEPWELL_STORE", store_url)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["stepwell", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    return run


def blow_up(folder: Path, *, seconds_ago: float = 0.0, n: int = 60) -> Path:
    """A hand-written log whose entropy doubles every 8 steps while its reward falls, ending some time ago."""
    log, now = folder / "blowup" / "metrics.jsonl", time.time() - seconds_ago
    log.parent.mkdir(parents=True)
    rows = [
        {
            "step": s,
            "timestamp": now - 60 * (n - s),
            "entropy": 0.3 * 2 ** (max(0, s - 20) / 8),
            "reward_mean": 0.6 - 0.01 * max(0, s - 20),
            "trunc_frac": min(1.0, 0.02 * max(1, s - 20)),
        }
        for s in range(1, n + 1)
    ]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return log


def calm(folder: Path, *, seconds_ago: float = 0.0, n: int = 60) -> Path:
    log, now = folder / "calm" / "metrics.jsonl", time.time() - seconds_ago
    log.parent.mkdir(parents=True)
    rows = [
        {"step": s, "timestamp": now - 60 * (n - s), "entropy": 0.3, "reward_mean": 0.2 + s / 200}
        for s in range(1, n + 1)
    ]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return log


def test_collect_says_what_was_and_was_not_read(stepwell: Stepwell, tmp_path: Path) -> None:
    log = tmp_path / "exp" / "metrics.jsonl"
    log.parent.mkdir()
    log.write_bytes(plain(range(1, 5)) + b"not json\n" + plain([5]))
    (tmp_path / "exp" / "notes.txt").write_text("nothing to see")
    code, out, _ = stepwell("collect", tmp_path / "exp", "--json")
    told = json.loads(out)
    assert code == 0
    [file] = told["files"]
    assert (file["path"], file["format"], file["run"], file["rows"]) == (str(log), "plain-jsonl", "exp", 5)
    assert (file["first_step"], file["last_step"], told["runs"], told["points"]) == (1, 5, 1, 11)
    assert [one["line"] for one in file["unread"]] == [5]
    assert told["not_logs"] == [str(tmp_path / "exp" / "notes.txt")]
    with log.open("ab") as more:
        more.write(plain([6]))
    told = json.loads(stepwell("collect", tmp_path / "exp", "--json")[1])
    assert (told["files"][0]["rows"], told["files"][0]["last_step"], told["points"]) == (6, 6, 3)


def test_collect_of_a_path_that_is_not_there_is_wrong_usage(stepwell: Stepwell, tmp_path: Path) -> None:
    code, _, err = stepwell("collect", tmp_path / "nowhere")
    assert code == 2
    assert "nowhere" in err


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["collect"], ["check", "--fail-on", "doom"], ["check", "--live-for", "soon"]]
)
def test_wrong_usage_is_exit_2(stepwell: Stepwell, arguments: list[str]) -> None:
    assert stepwell(*arguments)[0] == 2


def test_a_broken_settings_file_is_exit_2_and_says_where(stepwell: Stepwell, tmp_path: Path) -> None:
    (tmp_path / "stepwell.toml").write_text("store = [broken")
    code, _, err = stepwell("runs")
    assert code == 2
    assert "stepwell.toml" in err


@pytest.mark.parametrize("verb", [["runs"], ["check"], ["collect", "."], ["export"], ["query", "SELECT 1"]])
@pytest.mark.parametrize("away", ["postgresql://postgres@127.0.0.1:1/none", "sqlite:////dev/null/store.db"])
def test_a_store_that_is_away_is_exit_3(verb: list[str], away: str, stepwell: Stepwell) -> None:
    code, _, err = stepwell(*verb, "--store", away)
    assert code == 3
    assert "store" in err
    assert "Traceback" not in err


def test_check_is_1_when_something_fires_and_0_when_nothing_does(stepwell: Stepwell, tmp_path: Path) -> None:
    code, out, _ = stepwell("check", calm(tmp_path).parent, "--quiet")
    assert (code, out) == (0, "")
    log = blow_up(tmp_path)
    code, out, _ = stepwell("check", tmp_path, "--json")
    told = json.loads(out)
    assert (code, told["exit_code"]) == (1, 1)
    found = [one for one in told["findings"] if one["trouble"] == "entropy_blowup"]
    assert [(one["run"], one["source"], one["state"]) for one in found] == [("blowup", str(log), "firing")]
    assert found[0]["severity"] in {"warning", "critical"}
    assert 15 <= found[0]["onset_step"] <= found[0]["detected_step"] <= 40
    assert isinstance(found[0]["evidence"], dict)
    assert str(found[0]["onset_step"]) in found[0]["message"] or "nats" in found[0]["message"]
    code, out, _ = stepwell("check", "--quiet")
    assert code == 1
    assert "entropy_blowup" in out


def test_fail_on_decides_what_is_worth_a_1(stepwell: Stepwell, tmp_path: Path) -> None:
    blow_up(tmp_path, n=36)
    told = json.loads(stepwell("check", tmp_path, "--json")[1])
    worst = {one["severity"] for one in told["findings"] if one["state"] == "firing"}
    assert worst
    code, *_ = stepwell("check", "--fail-on", "critical")
    assert code == (1 if "critical" in worst else 0)


def test_a_stale_live_run_is_3_and_an_old_one_is_not_judged(stepwell: Stepwell, tmp_path: Path) -> None:
    calm(tmp_path, seconds_ago=3 * 3600)
    code, out, _ = stepwell("check", tmp_path, "--json")
    told = json.loads(out)
    assert (code, [one["run"] for one in told["stale"]]) == (3, ["calm"])
    code, out, _ = stepwell("check", "--live-for", "1h", "--quiet")
    assert (code, out) == (0, "")
    code, *_ = stepwell("check", "--all", "--quiet")  # there age is not judged
    assert code == 0


def test_judging_pass_by_pass_says_what_judging_at_once_says(stepwell: Stepwell, tmp_path: Path) -> None:
    log = blow_up(tmp_path)
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"")
    for start in range(0, len(lines), 7):
        with log.open("ab") as file:
            file.write(b"".join(lines[start : start + 7]))
        stepwell("check", log.parent, "--all", "--quiet")
    by_pass = json.loads(stepwell("check", "--all", "--json")[1])["findings"]
    at_once = json.loads(stepwell("check", log.parent, "--all", "--json", "--store", tmp_path / "other.db")[1])[
        "findings"
    ]
    assert by_pass == at_once


def test_the_sample_runs_that_blow_up_and_collapse_are_found_and_no_other(stepwell: Stepwell) -> None:
    for folder in ("trl", "verl"):
        assert stepwell("collect", SAMPLES / folder)[0] == 0
    told = json.loads(stepwell("check", "--all", "--json")[1])["findings"]
    firing = {(one["run"], one["trouble"]) for one in told if one["state"] == "firing" and one["severity"] != "info"}
    entropy = {(Path(run).name, trouble) for run, trouble in firing if trouble.startswith("entropy")}
    assert entropy == {("entropy_bonus", "entropy_blowup"), ("entropy_collapse", "entropy_collapse")}
    healthy = {run for run, _ in firing if "grpo_plus" in run}
    assert not healthy


def test_export_gives_every_value_back_exactly(stepwell: Stepwell, tmp_path: Path) -> None:
    log = tmp_path / "exp.jsonl"
    log.write_bytes(jsonl([1, 2, 3, 2, 3, 4], seed=0.125))
    stepwell("collect", log, "--project", "数学")
    rows = list(csv.DictReader(io.StringIO(stepwell("export")[1])))
    assert list(rows[0]) == ["project", "run", "source", "attempt", "step", "metric", "quantity", "value", "wall_time"]
    entropy = [row for row in rows if row["metric"] == "actor/entropy"]
    assert [(r["attempt"], r["step"]) for r in entropy] == [("1", "1"), ("2", "2"), ("2", "3"), ("2", "4")]
    assert [float(r["value"]) for r in entropy] == [1 / (s + 1) + 0.125 for s in (1, 2, 3, 4)]
    assert {r["quantity"] for r in entropy} == {"entropy_token_mean"}
    assert {(r["project"], r["run"], r["source"]) for r in rows} == {("数学", "exp", str(log))}
    told = [json.loads(line) for line in stepwell("export", "exp", "--format", "jsonl", "--history")[1].splitlines()]
    assert len([row for row in told if row["metric"] == "actor/entropy"]) == 6
    file = tmp_path / "points.parquet"
    assert stepwell("export", "--format", "parquet", "-o", file)[0] == 0
    import pyarrow.parquet as pq

    assert pq.read_table(file).num_rows == len(rows)
    assert stepwell("export", "nobody")[0] == 2


def test_non_finite_values_survive_from_log_to_export(stepwell: Stepwell, tmp_path: Path) -> None:
    log = tmp_path / "metrics.csv"
    log.write_text("step,loss,grad_norm\n1,nan,inf\n2,-inf,0.5\n3,,1.5\n")
    stepwell("collect", log)
    rows = list(csv.DictReader(io.StringIO(stepwell("export")[1])))
    assert [(r["metric"], r["step"], r["value"]) for r in rows] == [
        ("grad_norm", "1", "inf"),
        ("grad_norm", "2", "0.5"),
        ("grad_norm", "3", "1.5"),
        ("loss", "1", "nan"),
        ("loss", "2", "-inf"),
    ]
    told = [json.loads(line) for line in stepwell("export", "--format", "jsonl")[1].splitlines()]
    assert [r["value"] for r in told] == ["inf", 0.5, 1.5, "nan", "-inf"]


def test_query_is_sql_over_the_logical_tables_and_cannot_write(stepwell: Stepwell, tmp_path: Path) -> None:
    log = tmp_path / "exp.jsonl"
    log.write_bytes(jsonl(range(5)))
    stepwell("collect", log)
    sql = "SELECT run, count(*) AS n, max(step) AS last FROM points GROUP BY run"
    assert stepwell("query", sql, "--format", "csv")[1] == "run,n,last\nexp,10,4\n"
    assert stepwell("query", "SELECT name FROM runs", "--format", "jsonl")[1] == '{"name":"exp"}\n'
    for bad in ("DELETE FROM runs", "SELECT 1; SELECT 2", "SELEC 1", "SELECT * FROM read_csv('/etc/hostname')"):
        code, _, err = stepwell("query", bad)
        assert (code, "Traceback" in err) == (2, False)


def test_runs_lists_the_newest_of_each(stepwell: Stepwell, tmp_path: Path) -> None:
    blow_up(tmp_path)
    stepwell("collect", tmp_path / "blowup")
    [run] = json.loads(stepwell("runs", "--json")[1])["runs"]
    assert (run["run"], run["step"], run["attempts"], run["after"]) == ("blowup", 60, 1, None)
    assert run["latest"]["entropy_token_mean"] == 0.3 * 2 ** (40 / 8)
    assert run["verdict"] in {"warning", "critical"}
    code, out, _ = stepwell("runs")
    assert code == 0
    assert "blowup" in out


def test_link_and_the_lineage_that_a_config_tells(stepwell: Stepwell, store_url: str) -> None:
    stepwell("collect", SAMPLES / "verl")
    after = {run["run"]: run["after"] for run in json.loads(stepwell("runs", "--json")[1])["runs"]}
    assert (after["stage2_36"], after["stage3_48"], after["stage1_24"]) == ("stage1_24", "stage2_36", None)
    assert stepwell("link", "grpo_plus", "--after", "nobody")[0] == 2
    assert stepwell("link", "grpo_plus", "--after", "stage1_24")[0] == 0
    after = {run["run"]: run["after"] for run in json.loads(stepwell("runs", "--json")[1])["runs"]}
    assert after["grpo_plus"] == "stage1_24"


def test_config_says_where_each_value_comes_from(
    stepwell: Stepwell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stepwell.toml").write_text('live_for = "6h"\nstore = "postgresql://me:hunter2@127.0.0.1/x"\n')
    monkeypatch.delenv("STEPWELL_STORE")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5999")
    out = stepwell("config")[1]
    assert re.search(r"live_for +6h +stepwell\.toml", out)
    assert re.search(r"mlflow +http://127\.0\.0\.1:5999 +MLFLOW_TRACKING_URI", out)
    assert re.search(r"host +127\.0\.0\.1 +default", out)
    assert "hunter2" not in out


def test_secrets_in_a_config_never_reach_the_store(stepwell: Stepwell, tmp_path: Path, store_url: str) -> None:
    trainer = {"project_name": "p", "experiment_name": "secretive", "api_key": "sk-abcdefghijklmnopqrstuvwxyz123456"}
    config = f"{{'trainer': {trainer!r},\n 'data': {{'max_response_length': 8}}}}\n"
    log = tmp_path / "train.log"
    log.write_text(config + "step:1 - actor/entropy:0.5 - actor/lr:0.1\nstep:2 - actor/entropy:0.25 - actor/lr:0.1\n")
    stepwell("collect", log)
    told = stepwell("query", "SELECT key, value FROM config")[1]
    assert "max_response_length" in told
    assert "sk-abc" not in told


def test_follow_reads_a_new_line_while_it_runs(tmp_path: Path, store_url: str) -> None:
    log = tmp_path / "exp.jsonl"
    log.write_bytes(jsonl([1]))
    command = [sys.executable, "-m", "stepwell", "collect", str(log), "--follow", "--store", store_url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    engine = open_store(store_url)

    def reaches(step: int) -> bool:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with reading(engine) as connection:
                if [run.step for run in all_runs(connection)] == [step]:
                    return True
            time.sleep(0.05)
        return False

    try:
        assert reaches(1)
        with log.open("ab") as file:
            file.write(jsonl([2]))
        assert reaches(2)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        engine.dispose()


def verbs() -> set[str]:
    return set(cli.cli.commands)


def test_the_documents_name_only_commands_that_exist_and_all_of_them() -> None:
    for text in (README, DOCS):
        told = set(re.findall(r"(?:^|[`\s])stepwell ([a-z]+)", text))
        assert told <= verbs()
    assert verbs() <= set(re.findall(r"stepwell ([a-z]+)", DOCS))


def test_every_option_is_in_the_help(stepwell: Stepwell) -> None:
    for verb in verbs():
        code, out, _ = stepwell(verb, "--help")
        assert code == 0
        assert "Usage: " in out


def test_help_lists_options_that_the_documents_promise(stepwell: Stepwell) -> None:
    for heading in re.findall(r"`stepwell ([^`]*?)`", "".join(re.findall(r"^## .*$", DOCS, re.M))):
        verb, _, rest = heading.partition(" ")
        helped: Any = stepwell(verb, "--help")[1]
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in helped, (verb, option)


def test_environment_is_as_the_documents_say() -> None:
    assert "STEPWELL_STORE" in DOCS
    assert os.environ.get("STEPWELL_STORE") is None
