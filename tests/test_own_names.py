"""A team's own names in stepwell.toml, and what has been stored before they were said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from collectors import names, own_names
from collectors.follow import Collector
from db.engine import reading
from db.metrics import by_id
from db.settings import BadSettings
from tests.logs import collect


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder of its own, and no user's settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    own_names.forget()
    yield tmp_path
    own_names.forget()


def say(text: str) -> None:
    Path("stepwell.toml").write_text(f"[quantities]\n{text}\n", encoding="utf-8")
    own_names.forget()


def test_own_names_go_before_the_trainer_s() -> None:
    assert names.understand("verl", "my/熵").quantity is None
    say('"my/熵" = "entropy_token_mean"\n"actor/entropy" = { is = "entropy_estimate", caveat = "Ours." }')
    assert names.understand("verl", "my/熵").quantity == "entropy_token_mean"
    ours = names.understand("verl", "actor/entropy")
    assert (ours.quantity, ours.caveat, ours.unit, ours.rank) == ("entropy_estimate", "Ours.", "nats/token", -1)
    assert names.understand("trl", "entropy").quantity == "entropy_token_mean"


def test_units_and_patterns() -> None:
    say("""'^eval/aime\\d+$' = "val_score"\ncut = { is = "truncation_fraction", unit = "percent", scale = 0.01 }""")
    assert names.understand("handwritten", "eval/aime24").quantity == "val_score"
    cut = names.understand("handwritten", "cut")
    assert (cut.quantity, cut.unit, cut.scale) == ("truncation_fraction", "percent", 0.01)


def test_the_project_s_word_counts_over_the_user_s(here: Path) -> None:
    user = here / "xdg" / "stepwell"
    user.mkdir(parents=True)
    (user / "stepwell.toml").write_text('[quantities]\na = "grad_norm"\nb = "grad_norm"\n')
    say('a = "learning_rate"')
    assert [names.understand("x", name).quantity for name in "ab"] == ["learning_rate", "grad_norm"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('a = "entropy_tokn_mean"', "do you mean entropy_token_mean"),
        ("a = 3", "must name a quantity"),
        ('a = { is = "grad_norm", colour = "red" }', "colour"),
        ('a = { is = "grad_norm", scale = "x" }', "scale"),
        ("""'^(' = "grad_norm\"""", "no pattern"),
    ],
)
def test_mistakes_are_told(text: str, why: str) -> None:
    say(text)
    with pytest.raises(BadSettings, match=why):
        names.understand("verl", "a")


def test_a_table_that_is_none() -> None:
    Path("stepwell.toml").write_text("quantities = 3\n")
    own_names.forget()
    with pytest.raises(BadSettings, match="must be a table"):
        names.fingerprint()


def test_what_is_stored_is_understood_anew(engine: sa.Engine, here: Path) -> None:
    before = names.fingerprint()
    (here / "logs").mkdir()
    (here / "logs" / "metrics.jsonl").write_text("".join(f'{{"step": {s}, "reward": 1, "h": {s}}}\n' for s in range(3)))
    collector = collect(engine, here / "logs")
    collector.refresh_names()

    def meaning() -> str | None:
        with reading(engine) as connection:
            return next(metric.quantity for metric in by_id(connection).values() if metric.name == "h")

    assert meaning() is None
    say('h = "entropy_token_mean"')
    assert names.fingerprint() != before
    assert Collector(engine, [here / "logs"]).refresh_names() == 1
    assert meaning() == "entropy_token_mean"
    say("")
    assert names.fingerprint() == before
    assert Collector(engine, [here / "logs"]).refresh_names() == 1
    assert meaning() is None
