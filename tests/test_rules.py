"""Rules: what stepwell.toml may say, what is wrong in it and where, what a rule of one's own sees."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from alerts.expressions import Cells, scan
from alerts.lines import line_of
from alerts.reading import Amount, Span
from alerts.rules import Book, Rule, builtin, load, read_text
from analyses.judge import detectors
from db.settings import BadSettings
from stepwell.alerting import STARTER
from tests.alerting import START, book, collect, look, rows, told


def read(text: str) -> Book:
    return read_text(text, "stepwell.toml", Book(builtin()))


def test_every_detector_has_a_rule_and_every_default_a_detector() -> None:
    assert set(detectors()) | {"no_data"} == set(builtin())
    differing = tomllib.loads((Path(__file__).parents[1] / "alerts/builtin.toml").read_text(encoding="utf-8"))
    assert set(differing) <= set(builtin())


def test_a_team_overrides_one_value_and_keeps_the_rest() -> None:
    rule = read('[rules.loss_spike]\nseverity = "critical"\n').rules["loss_spike"]
    assert rule.severity == "critical"
    assert (rule.keep, rule.tell_resolved) == (builtin()["loss_spike"].keep, False)


def test_a_later_file_overrides_an_earlier_one(tmp_path: Path) -> None:
    user, project = tmp_path / "user.toml", tmp_path / "project.toml"
    user.write_text('[rules.low]\nmetric = "a/b"\nbelow = 1\nfor = "5 steps"\n[rules.stalled]\nenabled = false\n')
    project.write_text('[rules.low]\nfor = "9 steps"\n')
    found = load([user, project, tmp_path / "none.toml"])
    assert (found.rules["low"].hold, found.rules["low"].severity) == (Span(steps=9), "warning")
    assert not found.rules["stalled"].enabled


def test_both_ways_of_writing_tables_go_together() -> None:
    found = read('[[rules]]\nname = "a b"\nmetric = "x"\nabove = 1\n[rules.stalled]\nenabled = false\n')
    assert found.rules["a b"].expression is not None
    assert not found.rules["stalled"].enabled


def test_the_starter_is_all_comments_and_every_example_in_it_is_good(tmp_path: Path) -> None:
    text = STARTER.read_text(encoding="utf-8")
    assert tomllib.loads(text) == {}
    lines = [
        line[2:] for line in text.splitlines() if line.startswith("# ") and ("=" in line or line.startswith("# ["))
    ]
    found = read("\n".join(line for line in lines if not line.startswith("---")))
    assert {"reward too low", "silent", "behind the baseline"} <= set(found.rules)
    assert set(found.channels) == {"team", "pager", "hook"} and set(found.guards) == {"stop"}


BAD = {
    'live_for = "1d"\n[rules.entropy_colapse]\nfor = "1m"': (2, "did you mean 'entropy_collapse'"),
    '[rules.stalled]\n\nseverity = "fatal"': (3, '"info" or "warning" or "critical"'),
    '[rules.stalled]\nfro = "1m"': (2, "did you mean for?"),
    '[rules.stalled]\nfor = "soon"': (2, "steps or a time"),
    "[rules.stalled]\nabove = 1": (2, "built-in rule"),
    '[[rules]]\nmetric = "x"\nabove = 1': (1, "needs a name"),
    '[[rules]]\nname = "a"\nmetric = "x"\nabove = 1\n[[rules]]\nname = "b"\nmetric = "x"\nabove = "much"': (
        8,
        "a number",
    ),
    '[rules.a]\nmetric = "x"': (1, "needs one of above, below, change"),
    '[rules.a]\nmetric = "x"\nabove = 1\nbelow = 0': (4, "needs one of"),
    '[rules.a]\nquantity = "reward_men"\nabove = 1': (2, "reward_mean"),
    "[rules.a]\nabove = 1": (2, "of what?"),
    '[rules.a]\nmetric = "x"\nchange = 1': (3, "Add over"),
    '[rules.a]\nmetric = "x"\nbelow = "5%"': (3, "baseline"),
    '[rules.a]\nmetric = "x"\nnot_improved_for = "5 steps"': (3, "better"),
    '[rules.stalled]\nchannels = ["nowhere"]': (2, "there is no [channels.nowhere]"),
    '[channels.c]\nurl_env = "A"\nurl = "json://x"': (2, "exactly one of"),
    "[guards.g]\nafter = 2": (1, "exactly one of"),
    "[rules.stalled]\nrepeat_interval = 0": (2, "never"),
    '[rules.stalled]\nlabels = { severity = "x" }': (2, "other than alertname"),
    '[rules.stalled]\nlabels = { "my team" = "x" }': (2, "letters, digits and _"),
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_told_with_its_line_and_the_fix(text: str) -> None:
    line, fix = BAD[text]
    with pytest.raises(BadSettings) as error:
        read(text)
    assert f"stepwell.toml:{line}: " in str(error.value)
    assert fix in str(error.value)


@given(st.text(max_size=60), st.sampled_from(["rules.a", "rules", "x"]), st.sampled_from([None, "k", "for"]))
def test_a_line_is_found_in_any_text(text: str, table: str, key: str | None) -> None:
    assert 1 <= line_of(text, (table, 0), key) <= max(1, len(text.splitlines()))


KEYS = st.sampled_from(["severity", "for", "above", "metric", "quantity", "over", "change", "channels", "zzz"])
VALUES = st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=8), st.lists(st.integers(), max_size=2))


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_no_value_of_any_kind_is_a_traceback(values: dict[str, object]) -> None:
    spelled = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items() if "NaN" not in repr(value))
    try:
        read(f"[rules.mine]\n{spelled}")
    except BadSettings as error:
        assert "stepwell.toml" in str(error)


def fired(
    rule: str, values: Sequence[float], *, now: float | None = None, cuts: int = 1
) -> list[tuple[int, int | None]]:
    """(detected step, resolved step) of each finding; steps from 1, a minute each."""
    [mine] = [one for one in read(rule).rules.values() if one.expression is not None]
    n = len(values)
    steps = np.arange(1, n + 1)
    there = np.array([value is not None for value in values])
    data = np.array([math.nan if value is None else value for value in values], float)
    every = Cells(steps, START + 60.0 * steps, np.ones(n, np.int64), data, there)
    state, found = {}, {}
    for start in range(0, max(n, 1), cuts if cuts else n):
        state, said = scan(mine, state, every.part(start, start + cuts), now if start + cuts >= n else None)
        found |= {one.detected_step: one.resolved_step for one in said}
    return list(found.items())


N: float = None  # type: ignore[assignment]  # not logged at this step


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        ("below = 0.5", [1, 0.4, 0.5, 0.3], [(2, 3), (4, None)]),
        ("above = 0.5", [1, math.nan, N, 0.4, math.inf], [(1, 4), (5, None)]),
        ("below = 0.5\nover = 2", [1, 0.4, 0.4, 0.7], [(3, 4)]),
        ("change = -0.5\nover = 2", [1, 0.9, 0.6, 0.4, 0.4], [(4, 5)]),
        ('change = "50%"\nover = 2', [1, 1, 1.5, 1.4, 1.5], [(3, 4)]),
        ('not_improved_for = "2 steps"\nbetter = "up"', [1, 2, 2, 1, 3], [(4, 5)]),
        ('not_improved_for = "2m"\nbetter = "down"\nby = 0.5', [5, 4.8, 4.6, 4.0], [(3, 4)]),
        ('no_data_for = "2 steps"', [1, N, N, 1], [(3, 4)]),
    ],
)
def test_what_a_rule_sees(rule: str, values: list[float], expected: list[tuple[int, int | None]]) -> None:
    text = f'[rules.mine]\nmetric = "x"\n{rule}'
    assert fired(text, values, cuts=len(values)) == expected
    assert fired(text, values, cuts=1) == expected


def test_no_data_by_the_clock() -> None:
    rule = '[rules.mine]\nno_data_for = "10m"'
    assert fired(rule, [1, 1], now=START + 60 * 11) == []
    assert fired(rule, [1, 1], now=START + 60 * 12) == [(2, None)]


def test_a_rule_watches_the_runs_that_its_labels_name() -> None:
    rule = Rule("r", projects=("math*",), runs=("7b-*", "8b-*"), tags=("prod",))
    assert rule.applies("math", "8b-a", ["x", "prod"])
    assert not rule.applies("math", "8b-a", ["x"])
    assert not rule.applies("code", "8b-a", ["prod"])
    assert not rule.applies("math", "1b", ["prod"])


def test_a_baseline_is_compared_step_by_step(engine: sa.Engine, tmp_path: Path) -> None:
    for name, rewards in (("good", [0.5] * 6), ("mine", [0.5, 0.5, 0.44, 0.5, 0.3, 0.3])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_bytes(rows(rewards))
    collect(engine, tmp_path)
    rule = '[rules.behind]\nquantity = "reward_mean"\nbaseline = "good"\nbelow = "-20%"\n'
    look(engine, book(rule), minute=7)
    assert [one[:5] for one in told(engine) if one[1] == "behind"] == [("mine", "behind", 1, 5, "firing")]


def test_a_metric_is_named_as_it_is_logged(engine: sa.Engine, tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_text(
        "".join(f'{{"step": {s}, "timestamp": {START + s}, "my/奖励": {s}, "loss": 1}}\n' for s in range(1, 5))
    )
    collect(engine, log)
    look(engine, book('[rules.mine]\nmetric = "my/奖励"\nabove = 2\n'), minute=1)
    assert [one[1:5] for one in told(engine)] == [("mine", 1, 3, "firing")]


def test_amounts_and_spans_say_themselves() -> None:
    assert (str(Amount(-0.2, True)), str(Amount(0.5)), str(Span(5, 60.0))) == ("-20 %", "0.5", "5 steps and 60 s")
