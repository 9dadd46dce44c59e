"""Files that are no logs are looked into once, not in every pass of a cron job."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from collectors import discover, refusals
from collectors.follow import Collector
from stepwell.collecting import one_pass
from tests.logs import jsonl


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were looked into."""
    names: list[str] = []
    real = discover.recognise

    def recognise(path: Path) -> object:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(discover, "recognise", recognise)
    return names


def test_a_file_is_looked_into_again_only_when_it_changed(engine: sa.Engine, tmp_path: Path, looked: list[str]) -> None:
    for at in range(5):
        (tmp_path / f"诗-{at}.txt").write_text(f"no log, number {at}\n", encoding="utf-8")
    (tmp_path / "run.jsonl").write_bytes(jsonl(range(1, 4)))
    one_pass(Collector(engine, [tmp_path]))
    assert sorted(looked) == ["run.jsonl", *(f"诗-{at}.txt" for at in range(5))]
    looked.clear()
    second = Collector(engine, [tmp_path])
    one_pass(second)
    assert looked == []
    assert sorted(path.name for path in second.refused) == [f"诗-{at}.txt" for at in range(5)]
    (tmp_path / "诗-3.txt").write_bytes(jsonl(range(1, 9)))
    third = Collector(engine, [tmp_path])
    assert [report.new_points for report in one_pass(third) if report.new_points] == [16]
    assert looked == ["诗-3.txt"]
    assert len(third.refused) == 4


def test_a_new_reader_looks_anew(
    engine: sa.Engine, tmp_path: Path, looked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("no log\n")
    one_pass(Collector(engine, [tmp_path]))
    monkeypatch.setattr(refusals, "readers", lambda: "others")
    one_pass(Collector(engine, [tmp_path]))
    assert looked == ["a.txt", "a.txt"]


def test_what_is_kept_comes_back_and_damage_is_forgotten() -> None:
    hashes = frozenset([0, 1, 7, 2**63, 2**64 - 1])
    assert refusals._unpacked(refusals._packed(hashes)) == hashes
    assert refusals._unpacked(refusals._packed([])) == frozenset()
    assert refusals._unpacked("no base64 at all") == refusals._unpacked("AAAA") == frozenset()
