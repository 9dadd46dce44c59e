"""ESFT's scores and the load of experts, against numbers known beforehand (dynamics 9.1, 9.2)."""

from __future__ import annotations

import numpy as np
import pytest

from analyses import experts
from analyses.experts import Load


def test_the_smallest_set_that_reaches_p() -> None:
    table = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.1, 0.1, 0.7]])
    assert experts.select(table, 0.7).tolist() == [[True, True, False, False], [False, False, False, True]]
    assert experts.select(table, 0.71)[0].tolist() == [True, True, True, False]
    assert experts.select(table, 1.0).all()


def test_of_equal_scores_the_lower_number_comes_first() -> None:
    assert np.flatnonzero(experts.select(np.full((1, 8), 1 / 8), 0.25)[0]).tolist() == [0, 1]


@pytest.mark.parametrize("p", [0.0, -0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="share p"):
        experts.select(np.ones((1, 2)), p)


def test_which_normalisation_a_file_uses() -> None:
    rng = np.random.default_rng(0)
    raw = rng.gamma(0.5, size=(26, 64))
    per_layer = (raw / raw.sum(axis=1, keepdims=True)).round(4)
    over_layers = (raw / raw.sum(axis=0)).round(4)
    assert experts.normalisation(per_layer) == "per layer"
    assert experts.normalisation(over_layers) == "over layers"
    assert experts.normalisation(per_layer * 0.36) == "none"


def test_jaccard_of_two_tasks() -> None:
    one, other = np.array([[1, 1, 0, 0]], bool), np.array([[0, 1, 1, 0]], bool)
    assert experts.jaccard(one, other) == pytest.approx(1 / 3)
    assert np.isnan(experts.jaccard(one & ~one, one & ~one))


def test_an_even_load_and_all_tokens_on_one() -> None:
    assert experts.load(np.full(64, 5.0)) == Load(0.0, 0.0, 1.0, 0.0)
    one = experts.load(np.eye(64)[3])
    assert one.max_violation == pytest.approx(63)
    assert (one.evenness, one.dead) == (0.0, 63 / 64)
    assert np.isnan(experts.load(np.zeros(4)).max_violation)


def test_routers_that_agree_and_that_do_not() -> None:
    routed = np.array([[0, 1], [2, 3]])
    assert experts.router_shift(routed, routed[:, ::-1]) == 0.0
    assert experts.router_shift(routed, np.array([[0, 5], [6, 7]])) == 0.75


def test_scores_from_a_routing() -> None:
    token, gate = experts.tally(np.array([0, 1, 0, 2]), np.array([0.5, 0.1, 0.3, 0.2]), experts=4, k=2)
    assert token.tolist() == [0.5, 0.25, 0.25, 0.0]
    assert gate.tolist() == pytest.approx([0.4, 0.05, 0.1, 0.0])
