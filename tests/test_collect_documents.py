"""Documents in the collector's pass: read, replaced, laid beside runs; and what the answers make of their scores."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from answers.context_matrix import matrix
from answers.evaluations import Scored, evaluations
from answers.two_scores import compared
from collectors.documents import following
from collectors.follow import Collector
from db import documents, runs
from db.engine import open_store, reading
from stepwell.cli import cli
from stepwell.collecting import one_pass

SAMPLES = Path(__file__).parents[1] / "sample_runs"
FORMATS = SAMPLES / "formats"
HEAD = "model,benchmark,accuracy,step\n"


@pytest.fixture
def store(tmp_path: Path) -> sa.Engine:
    return open_store(f"sqlite:///{tmp_path / 'store.db'}")


def collected(engine: sa.Engine, *paths: Path) -> Collector:
    collector = Collector(engine, paths)
    one_pass(collector)
    return collector


def scores(engine: sa.Engine) -> list[Scored]:
    with reading(engine) as connection:
        return list(evaluations(connection).scores)


def told(one: Scored) -> tuple[object, ...]:
    said = one.said
    return said.benchmark, said.metric, said.k, said.value, said.unit


def test_every_published_figure_digit_for_digit(tmp_path: Path) -> None:
    store = str(tmp_path / "s.db")
    runner = CliRunner()
    summary = runner.invoke(cli, ["collect", str(SAMPLES / "published"), "--store", store, "--json"])
    assert json.loads(summary.output)["runs"] == 0 and json.loads(summary.output)["not_logs"] == []
    listed = json.loads(runner.invoke(cli, ["evaluations", "--store", store, "--json"]).output)["evaluations"]
    with (SAMPLES / "published/published.csv").open(encoding="utf-8", newline="") as file:
        figures = list(csv.DictReader(file))
    assert len(listed) == len(figures) > 60
    for row, one in zip(figures, listed, strict=True):
        assert (one["system"], one["benchmark"], one["printed"]) == (row["system"], row["benchmark"], row["value"])
        assert one["value"] == (float(row["value"]) if row["value"] else None)
        assert one["eval_context"] == (int(row["eval_context"]) if row["eval_context"] else None)
        assert one["published"] and one["source"] == row["source"] and one["note"] == row["note"]
    scale = {row["metric"]: one["unit"] for row, one in zip(figures, listed, strict=True)}
    assert (scale["rating"], scale["percentile"], scale["accuracy"]) == ("rating", "percentile", "percent")


def test_scores_as_text_as_an_export_and_in_sql(tmp_path: Path) -> None:
    store, runner = str(tmp_path / "s.db"), CliRunner()
    assert "No score is known" in runner.invoke(cli, ["evaluations", "--store", store]).output
    runner.invoke(cli, ["collect", str(SAMPLES / "published"), "--store", store])
    told = runner.invoke(cli, ["evaluations", "--store", store, "--benchmark", "Codeforces"]).output
    assert "DeepCoder-14B-Preview (published)" in told and "95.3  percentile" in told and "limit not stated" in told
    assert runner.invoke(cli, ["evaluations", "--store", store, "--run", "none"], standalone_mode=False).exception
    out = tmp_path / "scores.csv"
    runner.invoke(cli, ["export", "--evaluations", "--store", store, "-o", str(out)])
    with out.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["benchmark"] == "Codeforces"]
    assert [row["value"] for row in rows if row["system"] == "DeepCoder-14B-Preview"] == ["1936.0", "95.3"]
    sql = "SELECT count(*) AS n FROM evaluations e JOIN documents d ON d.id = e.document_id WHERE e.unit = 'rating'"
    assert runner.invoke(cli, ["query", sql, "--store", store, "--format", "csv"]).output == "n\n8\n"


def test_a_changed_file_is_replaced_and_a_moved_one_is_not_doubled(store: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "results" / "scores.csv"
    path.parent.mkdir()
    path.write_text(HEAD + "m,AIME,0.4,10\nm,AIME,0.5,20\n", encoding="utf-8")
    collector = collected(store, path.parent)
    assert [one.said.value for one in scores(store)] == [0.4, 0.5]
    assert collector.pending() == []
    path.write_text(HEAD + "m,AIME,0.45,10\n", encoding="utf-8")
    one_pass(collector)
    assert [one.said.value for one in scores(store)] == [0.45]
    path.rename(path.with_name("scores_old.csv"))
    one_pass(collector)
    assert [one.said.path for one in scores(store)] == [str(path.with_name("scores_old.csv"))]
    path.with_name("scores_old.csv").write_text("step,loss\n1,0.5\n2,0.4\n", encoding="utf-8")
    one_pass(collector)
    with reading(store) as connection:
        assert documents.known(connection) == [] and len(runs.all_runs(connection)) == 1


def test_half_a_document_waits_and_what_was_read_stands(store: sa.Engine, tmp_path: Path) -> None:
    sample = next(FORMATS.glob("lm-eval/*/results_*.json")).read_text(encoding="utf-8")
    path = tmp_path / "results_2026.json"
    path.write_text(sample, encoding="utf-8")
    collector = collected(store, path)
    before = [told(one) for one in scores(store)]
    path.write_text(sample[:900], encoding="utf-8")
    one_pass(collector)
    assert [told(one) for one in scores(store)] == before and len(before) == 5
    path.write_text(sample.replace("11.8312", "10.5"), encoding="utf-8")
    one_pass(collector)
    assert 10.5 in [one.said.value for one in scores(store)]


def test_what_cannot_be_read_is_counted_with_its_place(store: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(HEAD + "m,AIME,many,10\nm,MATH,0.5\nm,GSM8K,0.7,x\nm,MMLU,0.8,3\n", encoding="utf-8")
    collected(store, path)
    with reading(store) as connection:
        (document,) = documents.known(connection)
    assert document.unread == 3 and document.why == "line 2: no number under 'accuracy': 'many'"
    assert [(one.said.benchmark, one.said.step) for one in scores(store)] == [("GSM8K", None), ("MMLU", 3)]


def test_a_document_that_is_too_large_is_set_aside(
    store: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LIMIT", 50)
    (tmp_path / "scores.csv").write_text(HEAD + "m,AIME,0.5,10\n" * 9, encoding="utf-8")
    collected(store, tmp_path / "scores.csv")
    with reading(store) as connection:
        assert documents.known(connection)[0].why.endswith("is not read") and scores(store) == []


@pytest.mark.parametrize(
    ("head", "is_log"),
    [
        ("step,loss,accuracy", True),
        ("step,dataset,accuracy,loss", True),
        ("step,train/reward,benchmark,score", True),
        ("step,dataset,accuracy", False),
        ("model,task,pass@1,pass@16", False),
        ("model,score", True),
    ],
)
def test_a_table_is_a_log_or_of_scores_by_its_columns(
    store: sa.Engine, tmp_path: Path, head: str, is_log: bool
) -> None:
    cells = {"dataset": "aime", "benchmark": "aime", "task": "aime", "model": "7"}
    lines = [",".join(cells.get(name, str(step)) for name in head.split(",")) for step in range(1, 9)]
    (tmp_path / "table.csv").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    collector = collected(store, tmp_path / "table.csv")
    assert (len(collector.papers.read), len(collector.known())) == ((0, 1) if is_log else (1, 0))


def test_a_score_belongs_to_the_run_that_it_names_or_lies_with(store: sa.Engine, tmp_path: Path) -> None:
    for name in ("exp_a", "exp_b"):
        (tmp_path / name / "evals").mkdir(parents=True)
        (tmp_path / name / "metrics.csv").write_text("step,loss\n1,0.5\n2,0.4\n", encoding="utf-8")
    (tmp_path / "exp_a/evals/scores.csv").write_text(HEAD + "checkpoint-2,AIME,0.4,2\n", encoding="utf-8")
    lines = "ckpt/exp_b/global_step_7,AIME,0.5,\nexp_a,MATH,0.6,\nDeepSeek-R1,MATH,0.9,\nexp_a/exp_b,MATH,0.1,\n"
    (tmp_path / "all.csv").write_text(HEAD + lines, encoding="utf-8")
    collected(store, tmp_path)
    found = {one.said.system: one.said.run.rpartition("/")[2] for one in scores(store)}
    of_both = "exp_a/exp_b"
    assert found == {
        "checkpoint-2": "exp_a", "ckpt/exp_b/global_step_7": "exp_b", "exp_a": "exp_a", "DeepSeek-R1": "", of_both: "",
    }  # fmt: skip
    assert {one.said.step for one in scores(store) if one.said.run.endswith("exp_b")} == {7}


def test_totals_and_questions_of_one_evaluation_are_one_score(store: sa.Engine) -> None:
    collected(store, FORMATS / "lm-eval")
    strict, flexible = (one for one in scores(store) if one.said.benchmark == "gsm8k")
    assert (strict.said.metric, flexible.said.metric) == (
        "exact_match (strict-match)",
        "exact_match (flexible-extract)",
    )
    assert strict.said.has_questions and strict.said.eval_context == 2048 and strict.said.temperature == 0
    assert strict.how == "as stated" and strict.error == pytest.approx((0.525 * 0.475 / 39) ** 0.5)
    with reading(store) as connection:
        pair = compared(connection, strict.said.id, flexible.said.id).paired
    assert pair is not None and pair.n == 40 and pair.value == pytest.approx(0.15)


def test_the_harness_of_old_wrote_no_filter(store: sa.Engine, tmp_path: Path) -> None:
    told = {
        "results": {"hellaswag": {"acc": 0.5, "acc_stderr": 0.05, "acc_norm": 0.6, "acc_norm_stderr": 0.04}},
        "versions": {"hellaswag": 0},
        "config": {"model": "hf-causal", "model_args": "pretrained=runs/a/checkpoint-80,dtype=float16"},
    }
    (tmp_path / "results.json").write_text(json.dumps(told), encoding="utf-8")
    collected(store, tmp_path)
    assert [(one.said.metric, one.said.value, one.error, one.said.step) for one in scores(store)] == [
        ("accuracy", 0.5, 0.05, 80),
        ("acc_norm", 0.6, 0.04, 80),
    ]


def test_equal_scores_under_different_limits_are_two(store: sa.Engine, tmp_path: Path) -> None:
    for limit in (16384, 32768):
        said = {"model": "m", "benchmark": "AIME", "accuracy": 0.5, "max_tokens": limit}
        (tmp_path / f"scores_{limit}.jsonl").write_text(json.dumps(said) + "\n", encoding="utf-8")
    collected(store, tmp_path)
    assert [one.said.eval_context for one in scores(store)] == [16384, 32768]


def test_livecodebench_rllm_and_evalplus_by_known_answers(store: sa.Engine, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "m-14B"
    folder.mkdir(parents=True)
    grades = [[True] * 3 + [False] * 7, [False] * 10]
    asked = [{"question_title": str(n), "question_id": f"q{n}", "graded_list": one} for n, one in enumerate(grades)]
    (folder / "Scenario.codegeneration_10_0.6_eval_all.json").write_text(json.dumps(asked), encoding="utf-8")
    shutil.copytree(FORMATS / "rllm-eval", tmp_path / "rllm")
    shutil.copytree(FORMATS / "evalplus", tmp_path / "evalplus")
    collected(store, tmp_path)
    found = {told(one)[:3]: one for one in scores(store)}
    assert found["LiveCodeBench", "pass@k", 1].said.value == pytest.approx(0.15)
    assert found["LiveCodeBench", "pass@k", 5].said.value == pytest.approx(11 / 24)  # (1 - C(7,5)/C(10,5)) / 2
    assert found["LiveCodeBench", "pass@k", 1].said.k_samples == 10
    assert found["HumanEval", "pass@k", 1].said.value == 0.9 and found["HumanEval+", "pass@k", 1].said.value == 0.75
    assert found["aime", "pass@k", 1].said.has_questions and len(found) == 3 + 4 + 2  # results.json retells pass.csv


def test_the_matrix_of_deepcoder_and_what_a_16k_limit_does(store: sa.Engine) -> None:
    """dynamics.md 3.6: +12.3 then +2.7 per doubling; its base +2.8 then 0.0."""
    collected(store, SAMPLES / "published")
    with reading(store) as connection:
        found = matrix(connection, "LiveCodeBench v5")
    assert found.limits == (16384, 32768, 65536) and found.unstated == 9
    gains = {line.system: [round(100 * gain.value, 1) for gain in line.gains] for line in found.lines}
    assert gains == {"DeepCoder-14B-Preview": [12.3, 2.7], "DeepSeek-R1-Distill-Qwen-14B": [2.8, 0.0]}
    with reading(store) as connection:
        rating = matrix(connection, "Codeforces").sentence
    assert rating.startswith("The highest rating on Codeforces is o1-2024-12-17 (low) with 1991, but no score there")
    assert found.sentence == (
        "At the 16K limit DeepCoder-14B-Preview ranks below its base, DeepSeek-R1-Distill-Qwen-14B (45.6 against "
        "50.2 %, −4.6 points, errors not known); at 64K above it (+7.6)."
    )
