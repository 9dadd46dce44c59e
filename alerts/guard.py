"""The guard: what is done about a run, outside its trainer, and only where a rule asks for it.

After so many consecutive critical evaluations (those that saw new rows) it writes a stop file, signals a process or
runs a command: once per episode. The act is recorded before it is done, so that a pass which dies meanwhile never
does it twice; then nobody knows how it ended, and the record says so.
"""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import sqlalchemy as sa

from alerts.rules import Book, Guard
from db import alerts, outbox
from db.alerts import Alert
from db.engine import reading, writing
from db.runs import Run

LIMIT = 30.0  # s for a command
UNSAFE = re.compile(r"[^\w.@+=-]")


def guard(engine: sa.Engine, book: Book, runs: dict[int, Run], now: float) -> list[str]:
    """Do what is due for these runs. Returns what was done, in words."""
    if not book.guards:
        return []
    with reading(engine) as connection:
        found = alerts.alerts_of(connection, runs.keys(), still_open=True)
        done = {(one.alert_id, one.guard, one.dry_run) for one in outbox.acts_of(connection, [a.id for a in found])}
    told = []
    for alert in found:
        rule = book.of(alert.rule)
        wanted = book.guards.get(rule.guard) if rule and rule.guard else None
        if wanted is None or alert.state != "firing" or alert.streak < wanted.after:
            continue
        if (alert.id, wanted.name, wanted.dry_run) not in done:
            told += _once(engine, wanted, alert, runs[alert.run_id], now)
    return told


def _once(engine: sa.Engine, wanted: Guard, alert: Alert, run: Run, now: float) -> list[str]:
    what = words(wanted, run, alert)
    with writing(engine) as connection:
        act = outbox.begin_act(connection, alert.id, wanted.name, dry_run=wanted.dry_run, what=what, now=now)
    if act is None:
        return []
    result = "dry run" if wanted.dry_run else _act(wanted, run, alert)
    with writing(engine) as connection:
        outbox.end_act(connection, act, result=result, now=time.time())
    return [f"guard {wanted.name} for {run.label} ({alert.rule}): {what}: {result}"]


def words(wanted: Guard, run: Run, alert: Alert) -> str:
    """What it does, or would do."""
    if wanted.stop_file:
        return f"write {_filled(wanted.stop_file, run, alert)}"
    if wanted.pid_file:
        return f"send {wanted.signal} to the process of {_filled(wanted.pid_file, run, alert)}"
    return f"run {[_filled(word, run, alert) for word in wanted.command]}"


def _act(wanted: Guard, run: Run, alert: Alert) -> str:
    """ "done", or why not."""
    try:
        if wanted.stop_file:
            path = Path(_filled(wanted.stop_file, run, alert))
            path.write_text(f"stepwell: {alert.rule} since step {alert.onset_step}\n", encoding="utf-8")
        elif wanted.pid_file:
            os.kill(_pid(Path(_filled(wanted.pid_file, run, alert))), getattr(signal, wanted.signal))
        else:
            return _run([_filled(word, run, alert) for word in wanted.command])
    except (OSError, ValueError) as error:
        return f"failed: {error}"
    return "done"


def _run(command: list[str]) -> str:
    import subprocess

    try:
        ended = subprocess.run(command, capture_output=True, timeout=LIMIT, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"failed: no end within {LIMIT:g} s"
    said = ended.stderr.decode("utf-8", "replace").strip()[-200:]
    return "done" if ended.returncode == 0 else f"failed: exit {ended.returncode} {said}"


def _pid(path: Path) -> int:
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if not text.isdigit() or len(text) > 9 or int(text) < 2:
        raise ValueError(f"{path} holds no process id")
    return int(text)


def _filled(text: str, run: Run, alert: Alert) -> str:
    """{run}, {project}, {rule}, {step} filled in. Names come from logs: they can be no path and no option."""
    values = {"run": run.name, "project": run.project, "rule": alert.rule, "step": str(alert.onset_step)}
    for name, value in values.items():
        text = text.replace("{" + name + "}", UNSAFE.sub("_", value).lstrip("-.") or "_")
    return text
