"""An OpenMetrics text file, for node_exporter's textfile collector: which alerts stand, how old the data is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from db.alerts import Alert
from db.runs import Run

Sample = tuple[Mapping[str, str], float]


def write(path: Path, text: str) -> None:
    """All of it or nothing: a scraper never sees half a file. Raises OSError."""
    from tempfile import NamedTemporaryFile

    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def text(
    runs: Mapping[int, Run],
    alerts: Iterable[Alert],
    waiting: Mapping[str, int],
    *,
    now: float,
    code: int,
    labels: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> str:
    """What stands after a check at `now` (s since the epoch). labels: rule -> those that it gives its alerts."""
    open_ = [
        (
            {**labels.get(one.rule, {}), **_of(runs[one.run_id])}
            | {"rule": one.rule, "severity": one.severity, "state": one.state},
            1.0,
        )
        for one in alerts
        if one.run_id in runs
    ]
    steps = [(_of(run), float(run.step)) for run in runs.values() if run.step is not None]
    ages = [(_of(run), round(now - run.wall, 1)) for run in runs.values() if run.wall is not None]
    parts = [
        _family("stepwell_alert", "Alerts that are not over.", open_),
        _family("stepwell_run_step", "Newest step of each live run.", steps),
        _family("stepwell_run_data_age_seconds", "Age of each live run's newest data.", ages),
        _family(
            "stepwell_outbox_waiting", "Messages not yet delivered.", [({"channel": k}, v) for k, v in waiting.items()]
        ),
        _family("stepwell_check_timestamp_seconds", "When the last check ended.", [({}, round(now, 3))]),
        _family("stepwell_check_exit_code", "How the last check ended.", [({}, float(code))]),
    ]
    return "".join(parts) + "# EOF\n"


def _of(run: Run) -> dict[str, str]:
    return {"project": run.project, "run": run.name}


def _family(name: str, meaning: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {meaning}\n# TYPE {name} gauge\n"]
    spelled = {",".join(f'{key}="{_escaped(one)}"' for key, one in labels.items()): value for labels, value in samples}
    for told, value in spelled.items():
        lines.append(f"{name}{{{told}}} {value:.16g}\n" if told else f"{name} {value:.16g}\n")
    return "".join(lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
