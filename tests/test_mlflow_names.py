"""Names that MLflow refuses are mapped, the same way on every pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from mlflow_stores import empty_mlflow, grpo, history, more, named
from stores import points

from db.engine import open_store
from db.mlflow_mirror import mirror
from db.mlflow_names import LONGEST_NAME, accepted, mapped


@pytest.fixture
def target(tmp_path: Path) -> str:
    return empty_mlflow(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("logged", "shown"),
    [
        ("val-core/openai/gsm8k/reward/mean@8", "val-core/openai/gsm8k/reward/mean_at_8"),
        ("a//b/", "a/b"),
        ("/abs", "abs"),
        ("a/../b", "a/__/b"),
        ("loss (clipped) %", "loss _clipped_ _"),
        ("奖励/均值", "奖励/均值"),
        ("", "__"),
        ("x" * 300, "x" * LONGEST_NAME),
    ],
)
def test_names_that_mlflow_refuses_are_mapped(store: sa.Engine, target: str, logged: str, shown: str) -> None:
    grpo(store, points(1, {logged: 0.5}), points(2, {logged: 0.6}))
    assert mirror(store, target).problems == ()
    run = named(target)
    assert history(target, run, shown) == [(1, 0.5), (2, 0.6)]
    assert run.data.tags.get(f"stepwell.name.{shown}") == (None if shown == logged else logged or '""')


def test_names_that_collide_stay_apart_whenever_they_come(store: sa.Engine, target: str) -> None:
    grpo(store, points(1, {"acc@8": 1.0}))
    mirror(store, target)
    more(store, points(2, {"acc@8": 2.0, "acc_at_8": 20.0, "acc_at_8_2": 200.0}))
    mirror(store, target)
    more(store, points(3, {"acc@8": 3.0, "acc_at_8": 30.0, "acc@8_2": 2000.0}))
    mirror(store, target)
    run = named(target)
    original = {run.data.tags.get(f"stepwell.name.{key}", key): key for key in run.data.metrics}
    assert history(target, run, original["acc@8"]) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert history(target, run, original["acc_at_8"]) == [(2, 20.0), (3, 30.0)]
    assert history(target, run, original["acc_at_8_2"]) == [(2, 200.0)]
    assert history(target, run, original["acc@8_2"]) == [(3, 2000.0)]


@given(st.lists(st.text(max_size=300), max_size=8), st.lists(st.text(alphabet="a@_/.", max_size=8), max_size=8))
def test_every_name_is_accepted_and_no_two_are_alike(some: list[str], others: list[str]) -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_tag_name

    earlier = mapped(some, {})
    later = mapped(others, earlier)
    assert earlier.items() <= later.items()
    assert later.keys() == {*some, *others}
    assert len(set(later.values())) == len(later)
    for name in later.values():
        _validate_metric_name(name)  # type: ignore[no-untyped-call]
        _validate_tag_name(f"stepwell.nonfinite.{name}")  # type: ignore[no-untyped-call]
        assert len(f"stepwell.nonfinite.{name}") <= 250
        assert accepted(name) == name
