"""The one way to a verdict, and how verdicts are scored."""

from __future__ import annotations

import doctest
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analyses import synthetic, words
from analyses.backtest import Event, Labelled, Score, score, score_run
from analyses.contract import Context, Finding, Rows, Severity, State
from analyses.judge import code, detectors, episodes, judge, missing, open_findings, quantities, verdict
from analyses.planted import TROUBLES, draw

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


def test_the_rules_are_the_files_that_the_detectors_load() -> None:
    told = "from analyses.judge import detectors; detectors(); import sys; print(*(m.__file__ for n, m in"
    told += " sys.modules.items() if n.startswith('analyses.')), sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", told], capture_output=True, check=True, text=True).stdout.split()
    assert {Path(one).resolve() for one in loaded} == {one.resolve() for one in code()}


def test_words_say_what_their_examples_say() -> None:
    assert doctest.testmod(words).failed == 0


INTERVALS = ({"level_low", "level_high"}, {"usual_low", "usual_high"}, {"noise"}, {"deviations"})
MOMENTS = {"non_finite", "stalled", "restart", "restart_loop"}  # a count or a time: there is nothing to estimate


@pytest.mark.parametrize("trouble", TROUBLES)
def test_every_trouble_is_told_with_its_numbers_their_interval_and_what_to_try(trouble: str) -> None:
    rng = np.random.default_rng([9, *trouble.encode()])
    drawn = (draw(trouble, rng).rows for _ in range(4))
    said = [one for rows in drawn for one in judge({}, rows, Context(trainer="verl"))[1] if one.trouble == trouble]
    assert said
    for one in said:
        assert one.message and one.clears and one.source and one.evidence
        assert one.severity == "info" or ("verl:" not in one.advice and "TRL" not in one.advice)
        assert trouble in MOMENTS or any(pair <= one.evidence.keys() for pair in INTERVALS)


# -- scoring

BLOWUP = Event("entropy_blowup", onset=100, end=140, fatal=120)


def alarm(trouble: str, step: int, severity: Severity = "warning") -> Finding:
    return Finding(trouble, severity, "firing", onset_step=step, detected_step=step, message="…")


def scored(*findings: Finding, events: tuple[Event, ...] = (BLOWUP,)) -> Score:
    run = Labelled("run", events, tuple(range(1000)), (("grad_spike", 300, 301),))
    return score([score_run(run, findings)])


def test_a_hit_a_symptom_a_false_alarm_and_what_is_ignored() -> None:
    reached = scored(
        alarm("entropy_blowup", 115),
        alarm("reward_collapse", 130),  # another trouble inside the window: a symptom
        alarm("gradient_spike", 300),  # ignored
        alarm("kl_blowup", 500),
        alarm("kl_blowup", 600, "info"),
    )
    assert (reached.precision, reached.recall, reached.in_time, reached.delay_median) == (0.5, 1.0, 1.0, 15)
    assert reached.false == 1 and reached.false_per_1000 == pytest.approx(1000 / (1000 - 91))


def test_a_late_hit_is_a_hit_but_not_in_time_and_one_before_the_onset_is_false() -> None:
    late = scored(alarm("entropy_blowup", 190))
    assert (late.precision, late.recall, late.in_time) == (1.0, 1.0, 0.0)
    early = scored(alarm("entropy_blowup", 99))
    assert (early.precision, early.recall, early.false) == (0.0, 0.0, 1)


def test_a_restart_may_be_information_and_its_window_opens_where_it_rewinds_to() -> None:
    restart = Event("restart", onset=166, end=166, begins=148)
    assert scored(alarm("restart", 148, "info"), events=(restart,)).recall == 1.0


def test_nothing_said_has_no_precision_and_a_stage_change_excuses_nothing() -> None:
    assert math.isnan(scored().precision) and scored().recall == 0.0
    stage = Event("stage_change", 90, 140, neutral=True)
    assert scored(alarm("entropy_blowup", 100), events=(stage,)).false == 1
