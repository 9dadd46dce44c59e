"""How often the detectors are right: writes the rates that docs/troubles/ publishes.

    python -m benchmarks.detectors [--runs 100] [--labelled FOLDER]

Planted runs (analyses/planted.py), the same ones at every call; with --labelled also a folder of logs with a
`labels.json`. Fills docs/troubles/README.md and the line of rates in each trouble's page, between their markers.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from analyses.backtest import Outcome, Score, intervals, score, score_run
from analyses.contract import Context
from analyses.judge import judge
from analyses.planted import CALM, TROUBLES, draw

PAGES = Path(__file__).parents[1] / "docs" / "troubles"
SEED = 2_026
RULE = "|---|---|---|---|---|---|---|"
HEAD = f"| trouble | events | precision | recall | delay, median | 90 % within | false alarms |\n{RULE}"
LABELLED_HEAD = f"| event | events | precision | recall | in time | delay, median | false alarms |\n{RULE}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detectors", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="planted runs of each trouble and each calm kind")
    parser.add_argument("--labelled", type=Path, help="a folder of logs with a labels.json")
    chosen = parser.parse_args(arguments)
    measured = {name: outcomes(name, chosen.runs) for name in (*TROUBLES, *CALM)}
    said = [planted(measured, chosen.runs)]
    if chosen.labelled:
        said.append(labelled(chosen.labelled))
    fill(PAGES / "README.md", "\n\n".join(said))
    whole = [one for each in measured.values() for one in each]
    for trouble in TROUBLES:
        fill(PAGES / f"{trouble}.md", sentence(trouble, measured[trouble], whole))
    print("\n\n".join(said))


def outcomes(name: str, runs: int) -> list[Outcome]:
    """Planted runs of one kind, judged as the command judges them."""
    rng = np.random.default_rng([SEED, *name.encode()])
    drawn = [draw(name, rng) for _ in range(runs)]
    return [score_run(run.truth, judge({}, run.rows, Context())[1]) for run in drawn]


def planted(measured: Mapping[str, Sequence[Outcome]], runs: int) -> str:
    whole = [one for each in measured.values() for one in each]
    calm = [one for name in CALM for one in measured[name]]
    woken = sum(bool(one.false) for one in calm)
    quiet = score(calm)
    steps = sum(one.quiet_steps for one in calm)
    bounds = intervals(calm)["false_per_1000"]
    return "\n".join(
        [
            "## Planted runs",
            "",
            f"{runs} runs of each of {len(TROUBLES)} troubles and of {len(CALM)} calm kinds, 150 to 500 steps long,",
            f"made by [`analyses/planted.py`](../../analyses/planted.py) (seed {SEED}): speeds over a factor of 5,",
            "noise of 0, 3 and 10 % on top, entropy from 0.4 to 2.5 times the usual, logged every step, every second",
            "or every fourth.",
            "",
            HEAD,
            *(row(trouble, measured[trouble], whole) for trouble in TROUBLES),
            f"| all | {score(whole).events} | {share(score(whole), intervals(whole), 'precision')} | "
            f"{share(score(whole), intervals(whole), 'recall')} | | | {score(whole).false} |",
            "",
            f"Calm runs ({', '.join(CALM).replace('_', ' ')}): {woken} of {len(calm)} had an alarm, "
            f"{number(quiet.false_per_1000)} ({number(bounds[0])}–{number(bounds[1])}) per 1,000 of {steps:,} steps.",
        ]
    )


def row(trouble: str, mine: Sequence[Outcome], whole: Sequence[Outcome]) -> str:
    """Recall and delay in the runs of this trouble; precision over all runs, the others and the calm ones too."""
    here, everywhere = score(mine, trouble), score(whole, trouble)
    return (
        f"| [{trouble}]({trouble}.md) | {here.events} | {share(everywhere, intervals(whole, trouble), 'precision')} | "
        f"{share(here, intervals(mine, trouble), 'recall')} | {steps(here.delay_median)} | {steps(here.delay_p90)} | "
        f"{everywhere.false} |"
    )


def sentence(trouble: str, mine: Sequence[Outcome], whole: Sequence[Outcome]) -> str:
    here, everywhere = score(mine, trouble), score(whole, trouble)
    return (
        f"Planted in {here.events} simulated runs, it was found in {share(here, intervals(mine, trouble), 'recall')}, "
        f"half of the time within {steps(here.delay_median)} and in nine of ten within {steps(here.delay_p90)}. "
        f"Over all {len(whole):,} runs {share(everywhere, intervals(whole, trouble), 'precision')} of its alarms were "
        f"right; {everywhere.false} were not. How this was measured: [README.md](README.md)."
    )


def labelled(folder: Path) -> str:
    """What `stepwell backtest` says of a folder with labels."""
    command = [sys.executable, "-m", "stepwell", "backtest", "--json", str(folder)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    rows = sum(each["rows"] for each in told["files"])
    lines = [
        f"## {folder.name.replace('_', ' ').capitalize()}",
        "",
        f"{len(told['files'])} runs, {rows:,} rows, simulated by others. The rules were tuned with these in sight, so",
        "take the numbers for an upper bound. Intervals: 95 %, bootstrap over runs.",
        "",
        LABELLED_HEAD,
    ]
    for kind, of in told["scores"].items():
        cells = [between(of[name], of["intervals"][name]) for name in ("precision", "recall", "in_time")]
        lines.append(f"| {kind} | {of['events']} | {' | '.join(cells)} | {steps(of['delay_median'])} | {of['false']} |")
    return "\n".join(lines)


def between(value: float | None, bounds: Sequence[float] | None) -> str:
    if value is None or bounds is None:
        return "–"
    return f"{value:.2f} ({bounds[0]:.2f}–{bounds[1]:.2f})"


def share(of: Score, bounds: Mapping[str, tuple[float, float]], name: str) -> str:
    value = getattr(of, name)
    return between(None if math.isnan(value) else value, bounds[name])


def steps(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else "1 step" if round(value) == 1 else f"{value:.0f} steps"


def number(value: float) -> str:
    return f"{value:.2f}"


def fill(page: Path, text: str, marker: str = "rates") -> None:
    """Replace what stands between the page's markers."""
    before = page.read_text(encoding="utf-8")
    opens, closes = f"<!-- {marker} -->", f"<!-- /{marker} -->"
    after = re.sub(f"{opens}.*{closes}", lambda _: f"{opens}\n{text}\n{closes}", before, flags=re.DOTALL)
    page.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
