"""docs/trainers.md says what the code does."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from collectors import discover, names
from tests.test_names import NAMES_OF

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_trainers", DOCS / "make_trainers.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_tables_say(make: ModuleType) -> None:
    page = (DOCS / "trainers.md").read_text(encoding="utf-8")
    assert page == make.page(), "run: python docs/make_trainers.py"


def test_every_table_and_every_container_is_on_it(make: ModuleType) -> None:
    assert set(make.READ) == set(names.tables())
    listed = {container for containers, _ in make.READ.values() for container in containers.split()}
    assert listed == set(discover.formats())


def test_a_trainer_is_told_in_each_container_that_it_is_said_to_come_in(make: ModuleType) -> None:
    for trainer, (containers, _) in make.READ.items():
        for container in containers.split():
            hint = discover.formats()[container].TRAINER
            assert names.recognise(NAMES_OF[trainer], hint) == trainer, (trainer, container)


def test_early_verl_is_no_deepcoder() -> None:
    early = ["actor/pg_loss", "actor/entropy_loss", "actor/ppo_kl", "critic/kl", "critic/score/mean", "timing/gen"]
    assert names.recognise(early) == names.recognise(early, "verl") == "verl"
    assert names.recognise([*early, "batch/solve_none"], "verl") == "deepcoder"
