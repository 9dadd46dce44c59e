"""Errors, paired comparison, pass@k, context matrix: numbers computed by hand (dynamics 3.6, 6.1, 6.2, 6.5)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analyses import evaluations as ev


def points(pair: tuple[float, float]) -> tuple[float, float]:
    return round(100 * pair[0], 2), round(100 * pair[1], 2)


def test_the_errors_of_aime() -> None:
    assert points(ev.errors(0.43, 0.12, 30, 16)) == (6.53, 1.61)
    assert points(ev.errors(0.43, 0.12, 30, 1)) == (9.04, 6.46)
    assert round(100 * ev.errors(0.43, 0.12, 30, 10**9)[0], 2) == 6.32  # more samples never get below


def test_reported_differences() -> None:
    one = ev.errors(0.43, 0.12, 30, 16)[1]
    deepscaler = ev.difference(0.38, one, 0.43, one)
    assert (round(100 * deepscaler.error, 2), round(deepscaler.z, 1)) == (2.28, 2.2)
    livecodebench = ev.difference(0.579, ev.largest_error(0.579, 279), 0.606, ev.largest_error(0.606, 279))
    assert round(livecodebench.z, 2) == 0.65
    assert not livecodebench.distinguishable


def drawn(rng: np.random.Generator, n: int, k: int) -> ev.Questions:
    return ev.of_counts(rng.binomial(k, rng.beta(0.45, 0.6, n)), np.full(n, k))


def test_both_errors_are_unbiased_and_the_interval_covers() -> None:
    rng, truth = np.random.default_rng(1), 0.45 / 1.05
    scores = [ev.score(drawn(rng, 60, 4)) for _ in range(1500)]
    assert np.mean([(s.total or 0) ** 2 for s in scores]) == pytest.approx(np.var([s.value for s in scores]), rel=0.1)
    assert 0.93 <= np.mean([s.low <= truth <= s.high for s in scores]) <= 0.97
    rates = rng.beta(0.45, 0.6, 60)
    again = [ev.score(ev.of_counts(rng.binomial(4, rates), np.full(60, 4))) for _ in range(1500)]
    assert np.mean([(s.conditional or 0) ** 2 for s in again]) == pytest.approx(
        np.var([s.value for s in again]), rel=0.1
    )


def test_one_sample_tells_nothing_of_the_conditional_error() -> None:
    assert ev.score(ev.of_counts([1, 0, 1], [1, 1, 1])).conditional is None
    with pytest.raises(ValueError, match="no question"):
        ev.score(ev.of_counts([], []))
    lone = ev.score(ev.of_counts([1], [2]))
    assert (lone.total, lone.low, lone.high) == (None, 0.0, 1.0)


def test_all_right_is_not_certain() -> None:
    perfect = ev.score(ev.of_counts([1] * 30, [1] * 30))
    assert perfect.value == 1
    assert perfect.low == pytest.approx(0.8865, abs=1e-3)  # Wilson


def test_questions_that_share_a_stem_count_less() -> None:
    right, stems = np.repeat([1, 0, 1, 0, 1, 1], 10), [str(i // 10) for i in range(60)]
    alone = ev.score(ev.of_counts(right, np.ones(60, int)))
    shared = ev.score(ev.of_counts(right, np.ones(60, int), clusters=stems))
    assert shared.clusters == 6
    assert shared.total is not None
    assert shared.total == pytest.approx(np.std([1, 0, 1, 0, 1, 1], ddof=1) / math.sqrt(6))
    assert alone.total is not None
    assert shared.total > 3 * alone.total


def test_students_quantile_is_the_books() -> None:
    for freedom, book in ((1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (29, 2.045), (10**9, 1.960)):
        assert ev.student(freedom) == pytest.approx(book, rel=4e-3)


def test_identical_systems_have_a_uniform_p() -> None:
    rng = np.random.default_rng(2)
    p = [ev.sign_flip(rng.normal(0, 1, 40), flips=499, seed=i) for i in range(400)]
    assert 0.03 <= np.mean(np.array(p) <= 0.05) <= 0.08
    assert 0.43 <= np.mean(p) <= 0.57
    same = ev.of_counts(rng.integers(0, 5, 50), np.full(50, 4))
    still = ev.paired(same, same)
    assert (still.value, still.p, still.distinguishable) == (0, 1, False)


def test_power_at_the_detectable_difference_is_four_of_five() -> None:
    rng, n, sd = np.random.default_rng(3), 100, 0.107
    shift = ev.POWER * sd / math.sqrt(n)
    assert shift == pytest.approx(0.03, abs=1e-4)  # three points
    seen = [ev.sign_flip(rng.normal(shift, sd, n), flips=499, seed=i) <= 0.05 for i in range(400)]
    assert 0.75 <= np.mean(seen) <= 0.85


def test_pairing_is_by_name_and_beats_apart() -> None:
    rng = np.random.default_rng(4)
    rates, names = rng.beta(0.5, 0.5, 200), [f"题{i}" for i in range(200)]
    first = ev.of_counts(rng.binomial(32, rates), np.full(200, 32), names)
    mixed = rng.permutation(200)
    second = ev.of_counts(
        rng.binomial(32, np.minimum(rates + 0.04, 1))[mixed], np.full(200, 32), [names[i] for i in mixed]
    )
    told = ev.paired(first, ev.of_counts(np.r_[second.rates * 32, 3], np.full(201, 32), [*second.names, "extra"]))
    one, two = ev.score(first), ev.score(second)
    assert (told.n, told.alone) == (200, (0, 1))
    assert told.distinguishable
    assert told.p < 0.01
    assert not ev.difference(one.value, one.total or 0, two.value, two.total or 0).distinguishable
    assert told.conditional is not None
    assert told.mde == pytest.approx(2.8 * told.total)
    with pytest.raises(ValueError, match="share 0 questions"):
        ev.paired(first, ev.of_counts([1], [2], ["other"]))


def test_pass_at_k_is_unbiased() -> None:
    assert ev.pass_at(3, 10, [1, 5, 8, 11])[0] == pytest.approx([0.3, 11 / 12, 1.0, math.nan], nan_ok=True)
    assert ev.pass_at(3, 10, 5)[0, 0] - (1 - 0.7**5) > 0.08  # the naive one is wrong
    assert ev.pass_at(0, 4, [1, 4])[0].tolist() == [0, 0]
    every = [(c, n) for n in range(1, 9) for c in range(n + 1)]
    for c, n in every:
        exact = [1 - math.comb(n - c, k) / math.comb(n, k) for k in range(1, n + 1)]
        assert ev.pass_at(c, n, np.arange(1, n + 1))[0] == pytest.approx(exact)
    assert ev.pass_at(5, 4096, 4096)[0, 0] == 1.0


def test_the_curve_ends_where_the_samples_end() -> None:
    rng = np.random.default_rng(5)
    curve = ev.pass_curve(rng.binomial(40, rng.beta(0.3, 2, 80)), np.r_[np.full(79, 40), 24])
    assert curve.k.tolist() == [1, 2, 4, 8, 16, 24]
    assert (np.diff(curve.value) > 0).all()
    assert ((curve.low < curve.value) & (curve.value < curve.high)).all()
    assert len(ev.pass_curve([], []).k) == 0


def test_the_majority_of_k() -> None:
    answers = [["4", "4", "5"], ["a", "b"], ["", "7", ""], ["x", "x", "x", "y"]]
    told = ev.majority_at(answers, ["4", "a", "7", "y"], 2)
    assert ev.majority_at(answers[:1], ["4"], 3)[0] == 1
    assert told[1] == 0.5  # a tie is shared
    assert told[0] == pytest.approx(2 / 3, abs=0.1)  # of three pairs two are ties: (1 + .5 + .5) / 3
    assert told[2] == pytest.approx(2 / 3, abs=0.1)  # silence is no vote
    assert np.isnan(ev.majority_at(answers, ["4", "a", "7", "y"], 3)[1])
    assert ev.average_at([1, 2], [4, 4]) == 0.375


def test_what_deepcoder_gains_per_doubling() -> None:
    limits = (65536, 16384, 32768)  # in any order
    trained = ev.gains([(c, v, None) for c, v in zip(limits, (60.6, 45.6, 57.9), strict=True)])
    base = ev.gains([(c, v, None) for c, v in zip(limits, (53.0, 50.2, 53.0), strict=True)])
    assert [round(g.value, 1) for g in trained] == [12.3, 2.7]
    assert [round(g.value, 1) for g in base] == [2.8, 0.0]
    assert trained[0].error is None
    assert [round(g.value, 3) for g in ev.gains([(4096, 0.2, 0.01), (32768, 0.5, 0.02)])] == [0.1]  # three doublings


def test_gains_are_paired_where_questions_are_known() -> None:
    rng = np.random.default_rng(6)
    rates = rng.beta(0.4, 0.4, 300)
    short = ev.of_counts(rng.binomial(16, rates), np.full(300, 16))
    long = ev.of_counts(rng.binomial(16, np.minimum(1, rates + 0.05)), np.full(300, 16))
    scores = [(c, ev.score(q).value, ev.score(q).total) for c, q in ((1024, short), (2048, long))]
    (alone,) = ev.gains(scores)
    (both,) = ev.gains(scores, [short, long])
    assert both.paired
    assert both.error is not None
    assert alone.error is not None
    assert both.error < alone.error / 3
    assert both.value == pytest.approx(alone.value)


def test_a_score_at_another_limit() -> None:
    lengths, names = [100, 900, 400, 1000], ["a", "a", "b", "b"]
    right = [True, True, True, False]
    assert ev.score_at(500, lengths, right, names, cap=1000) == pytest.approx((0.5 * 1 + 0.5 * 1) / 2)
    assert ev.score_at(1000, lengths, right, names, cap=1000) == pytest.approx((1 + 0.5) / 2)
    assert ev.score_at(2000, lengths, right, names, cap=1000, tail=0.5) == pytest.approx((1 + 0.75) / 2)
    with pytest.raises(ValueError, match="a doubling"):
        ev.score_at(2001, lengths, right, names, cap=1000, tail=0.5)
