"""Which run started from another run's checkpoint, where the configs say so."""

from __future__ import annotations

from pathlib import PurePath

import sqlalchemy as sa

from db import runs
from db.edits import SHELVES
from db.engine import reading, writing


def link_runs(engine: sa.Engine) -> int:
    """Link each run whose config names a checkpoint that lies in a folder called like another run of its project.
    Returns how many links are new. A run that is linked already (by a person, or before) is left alone."""
    with reading(engine) as connection:
        linked, known = runs.parents(connection), runs.all_runs(connection, shelves=SHELVES)
        starts = {
            run_id: checkpoint
            for run_id, checkpoint in runs.setting_of_all(connection, "starts_from").items()
            if run_id not in linked and isinstance(checkpoint, str)
        }
    by_id = {run.id: run for run in known}
    made = 0
    for run_id, checkpoint in starts.items():
        folders = set(PurePath(checkpoint).parts)
        mine = by_id[run_id]
        parents = [
            r for r in known if r.id != run_id and r.project == mine.project and PurePath(r.name).name in folders
        ]
        if len(parents) == 1:  # two candidates: the log cannot say which
            with writing(engine) as connection:
                runs.link(connection, run_id, parents[0].id, f"starts from {checkpoint}")
            made += 1
    return made
