"""What names of columns and metrics mean in files of scores, whoever wrote them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from collectors.contract import Unread
from collectors.documents.contract import Document, others
from collectors.lines import number, step_of
from db.evaluations import Entry, Score

COLUMNS: dict[str, str] = {
    "system": "system model model_name model_id model_path policy run run_name",
    "checkpoint": "checkpoint ckpt checkpoint_path",
    "step": "step global_step training_step train_step global_steps",
    "benchmark": "benchmark task dataset eval_dataset eval_set test_set data_source suite benchmark_name task_name",
    "metric": "metric metric_name",
    "unit": "unit units",
    "k": "k",
    "standard_error": "standard_error stderr se std_err score_stderr acc_stderr accuracy_stderr score_se",
    "n_questions": "n n_questions num_questions n_problems num_problems questions problems n_items",
    "k_samples": "k_samples n_samples num_samples samples samples_per_question n_rollouts rollouts n_passes",
    "temperature": "temperature temp",
    "top_p": "top_p",
    "train_context": "train_context training_context train_max_tokens train_context_length trained_at",
    "eval_context": "eval_context max_tokens max_gen_toks max_new_tokens max_response_length max_completion_length "
    "eval_max_tokens evaluation_context eval_context_length response_length_limit generation_limit",
    "truncated_fraction": "truncated_fraction truncation_fraction clip_ratio truncated trunc_frac truncation_rate",
    "response_length_mean": "response_length_mean mean_response_length mean_length avg_length mean_tokens avg_tokens",
    "published": "published",
    "origin": "source origin reference url citation",
    "note": "note notes comment comments remark",
}
"""What a column tells -> what it may be called, the likeliest first."""
VALUES = "score value accuracy acc exact_match em f1 pass_rate solve_rate success_rate win_rate rating percentile"
VALUE_NAMES = frozenset(VALUES.split())
PLAIN_VALUES = frozenset(["score", "value"])
ABSENT = frozenset(["", "null", "none", "na", "n/a", "-", "–"])
AT_K = re.compile(r"(pass|avg|mean|maj|cons|best|worst)[@_](\d{1,6}|k)", re.IGNORECASE)
SAME = {"mean": "avg", "cons": "maj", "acc": "accuracy", "em": "exact_match"}
PERCENT = re.compile(r"[ _]*(\(?%\)?|percent|pct)$")
TRAINING = re.compile(
    r"(.*[_/])?(loss|lr|learning_rate|grad_norm|entropy|kl|reward|rewards|advantage|advantages|epoch|clip_frac"
    r"|clipfrac|tokens_per_second|throughput)([_/].*)?"
)
"""A column of these is of a log: such a table is none of scores, whatever else it holds."""
STEP_IN_NAME = re.compile(r"(?:global_step|checkpoint|step|iter)[-_](\d{1,12})(?:\D|$)")


def spelt(name: str) -> str:
    """A column's name without case, units and separators: "Max Tokens" is max_tokens."""
    return re.sub(r"[\s\-]+", "_", PERCENT.sub("", name.strip().lower()))


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column tells what. role: what it tells -> its name; values: the columns that hold scores."""

    role: dict[str, str]
    values: tuple[str, ...]


def columns(names: Sequence[str]) -> Columns | None:
    """How to read a table with these columns as scores; None where it is something else, a log for instance."""
    by_spelling: dict[str, str] = {}
    for name in names:
        by_spelling.setdefault(spelt(name), name)
    if any(TRAINING.fullmatch(one) for one in by_spelling):
        return None
    role = {}
    for what, called in COLUMNS.items():
        found = next((by_spelling[name] for name in called.split() if name in by_spelling), None)
        if found is not None:
            role[what] = found
    values = tuple(name for one, name in by_spelling.items() if one in VALUE_NAMES or AT_K.fullmatch(one))
    named = {spelt(name) for name in values} - PLAIN_VALUES or "system" in role or "checkpoint" in role
    return Columns(role, values) if values and named and "benchmark" in role else None


def metric_of(name: str) -> tuple[str, int | None]:
    """A metric and its k: "pass@16" is (pass@k, 16), "mean@8" is (avg@k, 8), "acc" is (accuracy, None)."""
    found = AT_K.search(name)
    if found is None:
        plain = PERCENT.sub("", name.strip())
        return SAME.get(plain.lower(), plain), None
    k = int(found[2]) if found[2].isdecimal() else None
    kind = found[1].lower()
    return f"{SAME.get(kind, kind)}@k", k


def unit_of(metric: str, said: str, column: str, values: Iterable[float]) -> tuple[str, str]:
    """(unit, caveat) of a score: what is said; else what metric and column are called; else, told so, its range."""
    if metric.lower() in ("rating", "elo") or "rating" in said.lower():
        return "rating", ""
    if metric.lower() == "percentile":
        return "percentile", ""
    if said:
        return {"%": "percent", "pct": "percent", "fractions": "fraction", "0-1": "fraction"}.get(said, said), ""
    if PERCENT.search(column.strip().lower()):
        return "percent", ""
    finite = [value for value in values if abs(value) < 1e300]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    if low >= 0 and high <= 1:
        return "fraction", "unit not stated: all values lie within 0 and 1"
    if low >= 0 and high <= 100:
        return "percent", "unit not stated: the values reach beyond 1 and not beyond 100"
    return "score", "unit not stated"


Row = tuple[int, Mapping[str, Any]]
"""A line's number in the document, and its cells by column."""


def read_rows(path: Path, rows: Sequence[Row], how: Columns) -> Document:
    """The scores of a table. A cell that should be a number and is none is set aside with its line."""
    document = Document()
    units = {value: _unit_by_range(value, rows, how) for value in how.values}
    published = "published" in (path.stem.lower(), path.parent.name.lower())
    for line, cells in rows:
        told = [name for name in how.values if not is_absent(cells.get(name))]
        for name in told or how.values[:1]:
            entry = _entry(line, cells, name, how, units[name], document)
            if entry is not None:
                score, printed = entry
                extra = {"line": line, "printed": printed} | _rest(cells, how)
                flags = {"published": published or score["published"], "others": others(extra.items())}
                document.entries.append(Entry(Score(**(score | flags)), len(document.entries) + 1))
    return document


def _rest(cells: Mapping[str, Any], how: Columns) -> dict[str, Any]:
    used = {*how.role.values(), *how.values} - {how.role.get("unit", "")}
    return {name: cell for name, cell in cells.items() if name not in used}


def _unit_by_range(value: str, rows: Sequence[Row], how: Columns) -> list[float]:
    found = (number_of(cells.get(value)) for _, cells in rows)
    return [one for one in found if one is not None]


def _entry(
    line: int, cells: Mapping[str, Any], column: str, how: Columns, seen: list[float], document: Document
) -> tuple[dict[str, Any], str] | None:
    """The fields of one score, and its value as it is written there."""
    written = "" if is_absent(cells.get(column)) else str(cells[column]).strip()
    value = number_of(written) if written else None
    if written and value is None:
        document.unread.append(Unread(line, f"no number under {column!r}: {written[:40]!r}"))
        return None
    said = {what: text(cells.get(name)) for what, name in how.role.items()}
    metric, k = metric_of(said.get("metric") or (column if spelt(column) not in PLAIN_VALUES else "score"))
    unit_said = "percent" if written.endswith("%") else said.get("unit", "")
    unit, caveat = unit_of(metric, unit_said, column, seen)
    fields: dict[str, Any] = {what: _field(what, said[what], line, document) for what in said if what in NUMBERS}
    fields["k"] = k if k is not None else fields.get("k")
    checkpoint = said.get("checkpoint", "")
    if fields.get("step") is None:
        fields["step"] = step_in(checkpoint or said.get("system", ""))
    texts = {"system": said.get("system", "") or _last(checkpoint), "checkpoint": checkpoint, "metric": metric}
    texts |= {"benchmark": said.get("benchmark", ""), "origin": said.get("origin", ""), "unit": unit}
    note = "; ".join(one for one in (said.get("note", ""), caveat) if one)
    flag = {"published": said.get("published", "").lower() in ("1", "true", "yes")}
    return fields | texts | flag | {"value": value, "note": note}, written


WHOLE = frozenset("step k n_questions k_samples train_context eval_context".split())
NUMBERS = WHOLE | frozenset("standard_error temperature top_p truncated_fraction response_length_mean".split())


def _field(what: str, said: str, line: int, document: Document) -> int | float | None:
    """A number beside the score; what is none is set aside, the score stays."""
    if not said:
        return None
    found = context_of(said) if what.endswith("_context") else step_of(said) if what in WHOLE else number_of(said)
    if found is None:
        document.unread.append(Unread(line, f"no number as {what.replace('_', ' ')}: {said[:40]!r}"))
    return found


def context_of(said: Any) -> int | None:
    """Tokens, from 16384, "16384.0" or "16K" (as reports write 16,384)."""
    found = re.fullmatch(r"(\d{1,6})\s?[kK]", str(said).strip())
    return int(found[1]) * 1024 if found else step_of(str(said).replace(",", ""))


def number_of(said: Any) -> float | None:
    """A finite number from a cell: 0.43, "0.43", "45.6%", "1,936"; None where it is none."""
    written = str(said).strip().rstrip("%").strip()
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", written):
        written = written.replace(",", "")
    found = None if written.lower() in ("true", "false") else number(written)
    return found if found is not None and abs(found) < float("inf") else None


def text(cell: Any) -> str:
    return "" if is_absent(cell) else " ".join(str(cell).split())[:2000]


def is_absent(cell: Any) -> bool:
    return cell is None or (
        isinstance(cell, str) and cell.strip().lower() in ("", "null", "none", "na", "n/a", "-", "–")
    )


def step_in(path: str) -> int | None:
    """The step that a checkpoint's path tells: global_step_120, checkpoint-120."""
    found = STEP_IN_NAME.search(path)
    return int(found[1]) if found else None


def pass_at(right: np.ndarray, samples: np.ndarray, k: int) -> float:
    """Mean over questions of 1 - C(n-c, k)/C(n, k), unbiased (Chen et al. 2021); k is at most every question's n."""
    each = zip(samples.tolist(), right.tolist(), strict=True)
    found = [1.0 if n - c < k else 1.0 - math.prod(1.0 - k / j for j in range(n - c + 1, n + 1)) for n, c in each]
    return float(np.mean(found))


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
