"""Logs that were rotated: train.log became train.log.1, and its place in the store moves with its bytes."""

from __future__ import annotations

import re
from pathlib import Path

from collectors.tail import Log, matches
from db.sources import Place


def base_of(name: str) -> str:
    """train.log of train.log, train.log.1, train.log-20261120 and train.log.2.gz."""
    return re.sub(r"([.-]\d+)?(\.gz)?$", "", name)


def families_of(known: dict[str, Place], of: set[tuple[Path, str]]) -> dict[tuple[Path, str], list[Place]]:
    """The known files that differ from a new one by no more than a rotation's suffix."""
    families: dict[tuple[Path, str], list[Place]] = {}
    for place in known.values():
        path = Path(place.path)
        family = (path.parent, base_of(path.name))
        if place.head and family in of:
            families.setdefault(family, []).append(place)
    return families


def has_moved(place: Place, to: Path) -> bool:
    """Do the bytes that were read from this place now stand in another file, and no longer where they were?"""
    try:
        with Log(to) as log:
            if not matches(log, place.head, place.mark, place.offset):
                return False
        old = Path(place.path)
        if not old.exists():
            return True
        with Log(old) as log:
            return not matches(log, place.head, place.mark, place.offset)
    except OSError:
        return False
