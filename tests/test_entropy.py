"""Entropy's two troubles and the fit beneath them, against answers known beforehand (dynamics 2.1, 2.2)."""

from __future__ import annotations

import numpy as np
import pytest

from analyses import entropy, measure, synthetic, trend
from analyses.contract import Context, Finding, Rows
from analyses.detectors import entropy_blowup, entropy_collapse
from analyses.series import Series, join

STEPS = np.arange(30.0)


def said(detector: object, rows: Rows) -> list[Finding]:
    return detector.scan({}, rows, Context())[1]  # type: ignore[attr-defined, no-any-return]


def alarms(detector: object, rows: Rows) -> list[Finding]:
    return [f for f in said(detector, rows) if f.state == "firing" and f.severity != "info"]


def test_an_exact_exponential_has_an_exact_doubling_time_and_no_interval() -> None:
    line = trend.fit(STEPS, np.log(0.3 * 2 ** (STEPS / 40)))
    assert trend.doubling(line.slope) == pytest.approx(40)
    assert (trend.doubling(line.low), trend.doubling(line.high)) == pytest.approx((40, 40))
    assert line.level == pytest.approx(np.log(0.3 * 2 ** (29 / 40)))


@pytest.mark.parametrize(("stickiness", "least"), [(0.0, 0.97), (0.5, 0.95)])
def test_the_interval_covers_the_truth_also_when_noise_is_autocorrelated(stickiness: float, least: float) -> None:
    rng = np.random.default_rng(7)
    noise = rng.normal(0, 0.03, (2000, 60))
    for i in range(1, 60):
        noise[:, i] += stickiness * noise[:, i - 1]
    line = trend.fit(np.broadcast_to(STEPS, (2000, 30)), np.log(2) / 40 * STEPS + noise[:, 30:])
    covered = (line.low <= np.log(2) / 40) & (np.log(2) / 40 <= line.high)
    assert covered.mean() >= least


def test_many_windows_at_once_are_the_windows_one_by_one() -> None:
    values = np.random.default_rng(0).normal(0, 1, 60)
    ends, widths = np.arange(5, 60), np.clip(np.arange(6, 61), 0, 30)
    together = trend.ending_at(np.arange(60), values, ends, widths)
    for i, end in enumerate(ends):
        alone = trend.ending_at(np.arange(60), values, ends[i : i + 1], widths[i : i + 1])
        for one, many in ((alone.slope, together.slope), (alone.low, together.low), (alone.level, together.level)):
            np.testing.assert_array_equal(one[0], many[i], str(end))


def test_a_forecast_is_the_crossing_of_the_line() -> None:
    rate = np.log(2) / 30
    ahead = trend.steps_until(np.log([2.0, 0.4, 0.5]), np.log([0.5, 0.5, 0.5]), np.array([rate, rate, rate]))
    assert ahead == pytest.approx([60, 0, 0])
    assert trend.steps_until(np.array([1.0, -1.0]), np.zeros(2), np.array([0.0, -0.1])) == pytest.approx([np.inf, 10])


@pytest.mark.parametrize("doubling", [12, 25, 40])
@pytest.mark.parametrize("seed", range(3))
def test_a_blow_up_is_found_early_with_its_doubling_time(doubling: float, seed: int) -> None:
    first, *_ = alarms(entropy_blowup, synthetic.entropy_blowup(onset=200, doubling=doubling, seed=seed))
    assert 200 < first.detected_step <= 200 + 1.2 * doubling + 8
    assert abs(first.onset_step - 200) <= 8
    assert first.evidence["time_low"] <= doubling * 1.15 and doubling * 0.85 <= first.evidence["time_high"]
    assert "doubled every" in first.message and "passes" in first.message


def test_a_blow_up_becomes_critical_when_reward_falls_and_stays_one_episode() -> None:
    found = said(entropy_blowup, synthetic.entropy_blowup(doubling=25))
    assert [f.severity for f in found][-1] == "critical"
    assert len({(f.detected_step, f.attempt) for f in found if f.severity != "info"}) == 1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rows", [synthetic.healthy, synthetic.benign_rise, synthetic.staged, synthetic.benign_decline])
def test_what_is_benign_alarms_nobody(rows: object, seed: int) -> None:
    run = rows(seed=seed)  # type: ignore[operator]
    assert alarms(entropy_blowup, run) == []
    assert alarms(entropy_collapse, run) == []


def test_a_hundred_thousand_flat_rows_at_3_percent_noise_are_silent() -> None:
    flat = synthetic.rows_of({"entropy_token_mean": synthetic.noisy(np.full(100_000, 0.4), 0.03, 1)})
    assert said(entropy_blowup, flat) == []
    assert said(entropy_collapse, flat) == []


@pytest.mark.parametrize("half_life", [10, 30, 60])
@pytest.mark.parametrize("seed", range(3))
def test_a_collapse_is_found_with_its_half_life(half_life: float, seed: int) -> None:
    first, *_ = alarms(entropy_collapse, synthetic.entropy_collapse(onset=150, half_life=half_life, seed=seed))
    assert 150 < first.detected_step <= 150 + 1.5 * half_life + 12
    assert first.evidence["time_low"] <= half_life * 1.2 and half_life * 0.8 <= first.evidence["time_high"]
    assert "halved every" in first.message


def test_a_collapse_without_any_other_quantity_is_still_judged_by_its_trend() -> None:
    run = synthetic.entropy_collapse(half_life=20)
    alone = synthetic.rows_of({"entropy_token_mean": run.columns["entropy_token_mean"]})
    assert alarms(entropy_collapse, alone)


def test_the_estimate_is_used_where_there_is_no_exact_entropy_and_the_message_says_so() -> None:
    run = synthetic.entropy_blowup(doubling=25)
    estimate = synthetic.rows_of({"entropy_estimate": run.columns["entropy_token_mean"]})
    assert alarms(entropy_blowup, estimate)[0].message.startswith("The entropy estimate has doubled")


def test_a_run_that_dies_within_ten_rows_is_caught() -> None:
    young = synthetic.rows_of(
        {
            "entropy_token_mean": [0.2, 0.19, 0.2, 0.4, 1.2, 3.0, 6.0, 7.0, 7.2, 7.3],
            "reward_mean": [0.9, 0.88, 0.9, 0.8, 0.4, 0.1, 0, 0, 0, 0],
            "truncation_fraction": [0.02, 0.0, 0.02, 0.02, 0.2, 0.7, 1, 1, 1, 1],
        }
    )
    found = alarms(entropy_blowup, young)
    assert found and found[0].detected_step <= 6 and found[-1].severity == "critical"


def test_a_blow_up_that_recovers_is_resolved() -> None:
    run = synthetic.entropy_blowup(n=300, onset=100, doubling=15)
    entropy = np.where(np.arange(300) < 160, run.columns["entropy_token_mean"], 0.3)
    length = np.where(np.arange(300) < 160, run.columns["response_length_mean"], 4500)
    found = said(entropy_blowup, synthetic.changed(run, entropy_token_mean=entropy, response_length_mean=length))
    resolved = [f for f in found if f.state == "resolved"]
    assert len(resolved) == 1 and resolved[0].resolved_step is not None
    assert 160 < resolved[0].resolved_step <= 200
    assert "back at" in resolved[0].message


# -- shape, plateau, chance


def series_of(curve: object) -> Series:
    series = join({}, synthetic.rows_of({"entropy_token_mean": curve}), entropy_blowup.NEEDS, (), 100)
    assert series is not None
    return series


def test_a_logistic_rise_settles_and_an_exponential_one_does_not() -> None:
    step = np.arange(60)
    logistic = series_of(synthetic.noisy(0.3 * (1 + 2 / (1 + np.exp(-(step - 30) / 4))), 0.003, 0))
    settles = entropy.settles(logistic, entropy.logs(logistic), np.ones(60, bool), 30)
    assert settles[46:52].all() and not settles[:40].any()
    grown = series_of(synthetic.noisy(0.3 * synthetic.ramp(60, 0, np.log(2) / 20), 0.003, 0))
    assert not entropy.settles(grown, entropy.logs(grown), np.ones(60, bool), 30).any()


def test_a_plateau_is_shown_and_not_assumed() -> None:
    """0.2 ± 3 % over 90 rows rests; over 12 rows nobody can say; a decline of a half per 200 steps does not."""
    flat, falling = synthetic.noisy(np.full(90, 0.2), 0.03, 0), 0.2 * 0.5 ** (np.arange(90) / 200)
    for curve, width, rests in ((flat, 90, True), (flat, 12, False), (falling, 90, False)):
        series = series_of(curve)
        line = measure.line(series, entropy.logs(series), np.arange(90) == 89, width)
        assert bool(entropy.rests(line)[89]) is rests


def test_the_chance_of_a_forecast_is_sure_where_the_line_is_and_even_where_it_just_arrives() -> None:
    step = np.arange(60)
    grown = series_of(synthetic.noisy(0.3 * 2 ** (step / 40), 0.03, 3))
    arrives = 0.3 * 2 ** ((59 + entropy.AHEAD) / 40)
    assert entropy.chance(grown, 59, arrives / 1.6) == 1.0
    assert entropy.chance(grown, 59, arrives * 3) == 0.0
    assert 0.1 < entropy.chance(grown, 59, arrives) < 0.95
    assert np.isnan(entropy.chance(grown, 3, 1.0))


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("heat", [0.4, 2.0])
def test_few_rows_noise_and_other_levels_hide_neither_trouble(heat: float, noise: float, every: int) -> None:
    """Doubling (halving) every 12 steps from step 200: seen within 2 doublings and 3 rows of grace, and not before."""
    weather = {"heat": heat, "noise": noise, "every": every, "seed": 5}
    for detector, make in (
        (entropy_blowup, synthetic.entropy_blowup(onset=200, doubling=12)),
        (entropy_collapse, synthetic.entropy_collapse(onset=200, half_life=12)),
    ):
        first, *_ = alarms(detector, synthetic.disturbed(make, **weather))
        assert 200 <= first.detected_step <= 200 + 36 + 3 * every
    for calm in (synthetic.healthy(), synthetic.benign_decline()):
        disturbed = synthetic.disturbed(calm, **weather)
        assert alarms(entropy_blowup, disturbed) == [] == alarms(entropy_collapse, disturbed)
