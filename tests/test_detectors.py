"""One contract for the whole family of detectors: a new file is tested the moment it exists."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyses import synthetic
from analyses.contract import RANK, Context, Detector, Finding, Rows, State
from analyses.judge import detectors

ALL = detectors()
EACH = pytest.mark.parametrize("detector", ALL.values(), ids=ALL.keys())
PLANTED = {
    "healthy": synthetic.healthy(),
    "blow-up": synthetic.entropy_blowup(),
    "collapse": synthetic.entropy_collapse(),
    "staged": synthetic.staged(),
    "restarted": synthetic.restarted(),
    "blow-up, cut short": synthetic.entropy_blowup(60, onset=10, doubling=4),
    "length crisis": synthetic.length_crisis(),
    "reward hack": synthetic.reward_hack(),
    "drifting apart": synthetic.drifting_apart(),
    "diverging": synthetic.diverging(),
    "stalled": synthetic.stalled(),
}


def level_run(value: float, n: int) -> Rows:
    """Every quantity that any detector reads, all of one value."""
    names = {name for each in ALL.values() for group in each.NEEDS for name in group} | {
        name for each in ALL.values() for name in each.USES
    }
    return synthetic.rows_of({name: np.full(n, value) for name in names})


def fold(detector: Detector, rows: Rows, cuts: list[int]) -> tuple[State, list[Finding]]:
    state: State = {}
    said: list[Finding] = []
    for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        before = copy.deepcopy(state)
        kept, found = detector.scan(state, rows.part(start, stop), Context())
        assert state == before, "scan changed the state it was given"
        state = json.loads(json.dumps(kept, allow_nan=False))
        said += found
    return state, said


@EACH
def test_a_detector_says_what_it_needs(detector: Detector) -> None:
    assert detector.__name__.rsplit(".")[-1] == detector.TROUBLE  # type: ignore[attr-defined]
    assert all(isinstance(group, tuple) and group for group in detector.NEEDS)
    assert detector.__doc__


@EACH
@pytest.mark.parametrize("n", [0, 1, 3, 300])
def test_nothing_to_see_means_nothing_said(detector: Detector, n: int) -> None:
    assert fold(detector, level_run(0.7, n), [])[1] == []


@EACH
def test_rows_that_hold_no_number_are_no_news(detector: Detector) -> None:
    said = fold(detector, level_run(np.nan, 200), [])[1]
    assert said == [] or detector.TROUBLE == "non_finite"


@EACH
def test_a_source_without_its_quantities_is_survived(detector: Detector) -> None:
    nothing = synthetic.rows_of({"some_other_quantity": np.arange(50.0)})
    assert [f for f in fold(detector, nothing, [])[1] if f.severity != "info"] == []


@EACH
@pytest.mark.parametrize("name", ["healthy", "staged"])
def test_a_healthy_run_alarms_nobody(detector: Detector, name: str) -> None:
    assert [f.message for f in fold(detector, PLANTED[name], [])[1] if f.severity != "info"] == []


@EACH
@pytest.mark.parametrize("name", PLANTED)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_row_by_row_equals_all_at_once(detector: Detector, name: str, data: Any) -> None:
    rows = PLANTED[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=12)))
    assert fold(detector, rows, cuts) == fold(detector, rows, [])


@EACH
def test_every_single_row_on_its_own_too(detector: Detector) -> None:
    rows = PLANTED["blow-up, cut short"]
    assert fold(detector, rows, list(range(1, len(rows)))) == fold(detector, rows, [])


@EACH
@pytest.mark.parametrize("name", PLANTED)
def test_findings_are_complete_and_tell_one_story_at_a_time(detector: Detector, name: str) -> None:
    said = fold(detector, PLANTED[name], [])[1]
    still: Finding | None = None
    for finding in said:
        json.dumps(finding.as_dict(), allow_nan=False)
        assert finding.trouble == detector.TROUBLE and finding.severity in RANK
        assert finding.onset_step <= finding.detected_step
        assert finding.message.endswith(".") and "nan" not in finding.message.lower().split()
        key = (finding.detected_step, finding.attempt)
        if finding.state == "resolved":
            assert still is not None and key == (still.detected_step, still.attempt)
            still = None
            continue
        assert finding.evidence and finding.clears and finding.source
        assert finding.advice or finding.severity == "info"
        if still is not None:
            assert key == (still.detected_step, still.attempt)
            assert RANK[finding.severity] >= RANK[still.severity]  # escalated, or stated anew with the numbers of today
        still = finding


@EACH
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_numbers_at_all_are_survived(detector: Detector, data: Any) -> None:
    wild = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1e308, -1e308, 1e-320]))
    names = sorted({name for group in detector.NEEDS for name in group} | set(detector.USES))
    n = data.draw(st.integers(1, 40))
    columns = {name: data.draw(st.lists(wild, min_size=n, max_size=n)) for name in names}
    rows = synthetic.rows_of(columns, walls=data.draw(st.lists(wild, min_size=n, max_size=n)))
    state, _ = fold(detector, rows, [n // 2])
    assert len(json.dumps(state)) < 200_000
