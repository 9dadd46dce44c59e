"""The one way to a verdict."""

from __future__ import annotations

import json
from dataclasses import replace

from analyses import synthetic
from analyses.contract import Context, Finding, Rows, State
from analyses.judge import detectors, episodes, judge, missing, open_findings, quantities, verdict

RAISED = Finding("kl_blowup", "warning", "firing", onset_step=8, detected_step=10, message="…")


def judged(rows: Rows) -> list[Finding]:
    return judge({}, rows, Context())[1]


def test_every_file_of_the_folder_is_a_detector_under_its_own_name() -> None:
    assert {"entropy_blowup", "entropy_collapse"} <= detectors().keys()
    assert all(trouble == detector.TROUBLE for trouble, detector in detectors().items())
    assert {"entropy_token_mean", "reward_mean", "context_limit"} <= quantities()


def test_a_healthy_run_has_no_verdict_and_a_dissolving_one_is_critical() -> None:
    assert verdict(judged(synthetic.healthy())) is None
    worst, *_ = open_findings(judged(synthetic.entropy_blowup()))
    assert (worst.severity, worst.state) == ("critical", "firing")


def test_the_verdict_is_the_same_when_the_rows_come_one_by_one() -> None:
    rows = synthetic.entropy_blowup(90, onset=30, doubling=8)
    state: State = {}
    said: list[Finding] = []
    for i in range(len(rows)):
        state, found = judge(json.loads(json.dumps(state)), rows.part(i, i + 1), Context())
        said += found
    by_story = sorted(said, key=lambda f: f.trouble)
    assert by_story == sorted(judged(rows), key=lambda f: f.trouble)


def test_no_rows_are_a_fair_question() -> None:
    state, found = judge({}, synthetic.healthy().part(0, 0), Context())
    assert found == [] and state.keys() == detectors().keys()


def test_what_cannot_be_judged_is_named() -> None:
    lacking = missing(["reward_mean", "response_length_mean"])
    assert lacking["entropy_blowup"] == ("entropy_token_mean",)
    assert "entropy_blowup" not in missing(["entropy_estimate"])


def test_a_later_statement_replaces_an_earlier_one_of_the_same_episode() -> None:
    worse = replace(RAISED, severity="critical")
    over = replace(worse, state="resolved", resolved_step=30)
    again = replace(RAISED, onset_step=50, detected_step=55)
    assert episodes([RAISED, worse]) == [worse]
    assert verdict([RAISED, worse]) == "critical"
    assert verdict([RAISED, worse, over]) is None
    assert open_findings([RAISED, worse, over, again]) == [again]
