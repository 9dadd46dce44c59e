"""What the tests share: a store on each database, and where the reference logs are, if they are."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from db.engine import engine_for, open_store

SHARED = Path(__file__).parents[2] / "shared"
# Real public logs stand beside some checkouts only: elsewhere these tests do not exist, so that nothing is skipped.
collect_ignore = [] if SHARED.is_dir() else ["shared"]

POSTGRES = os.environ.get("STEPWELL_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
_numbers = itertools.count()


def postgres_answers() -> bool:
    try:
        with engine_for(POSTGRES).connect():
            return True
    except sa.exc.OperationalError:
        return False


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty place for a store, on each database in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    if not postgres_answers():
        pytest.skip(f"no PostgreSQL server answers at {POSTGRES} (STEPWELL_TEST_POSTGRES names another)")
    schema = f"stepwell_test_{os.getpid()}_{next(_numbers)}"
    admin = engine_for(POSTGRES)
    with admin.begin() as connection:
        connection.execute(sa.text(f'CREATE SCHEMA "{schema}"'))
    url = f"{POSTGRES}?options=-csearch_path%3D{schema}"
    try:
        yield url
    finally:
        engine_for(url).dispose()
        with admin.begin() as connection:
            connection.execute(sa.text(f'DROP SCHEMA "{schema}" CASCADE'))


@pytest.fixture
def engine(store_url: str) -> Iterator[sa.Engine]:
    """An empty, migrated store on each database in turn."""
    engine = open_store(store_url)
    yield engine
    engine.dispose()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and os.environ.get("STEPWELL_NO_SKIPS"):
        terminalreporter.write_line(f"{len(skipped)} skipped tests, and here none may be (STEPWELL_NO_SKIPS)", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and reporter.stats.get("skipped") and os.environ.get("STEPWELL_NO_SKIPS"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
