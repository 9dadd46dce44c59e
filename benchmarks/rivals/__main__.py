"""Other watchers of RL runs and ours on the same runs, scored alike.

    python -m benchmarks.rivals [--runs 10] [--labelled FOLDER] [--python PATH]

Makes an environment of its own for rldoctor, rlwatch and rlprobe (from PyPI), or takes the Python given. Planted runs
of every trouble and calm ones (analyses/planted.py); with --labelled, a folder of hand-written JSONL with labels.json.
A rival's alarm counts for the trouble that it names, where it could mean several for the one that is there. Writes
the tables of docs/troubles/README.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import subprocess
import tempfile
import venv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analyses.backtest import Labelled, Outcome, labelled, score, score_run
from analyses.contract import Context, Finding, Rows
from analyses.judge import judge
from analyses.planted import CALM, TROUBLES, draw
from benchmarks.detectors import PAGES, fill
from collectors.names import HANDWRITTEN, understand

PACKAGES = ("rldoctor==0.2.0", "rlwatch==0.5.1", "rlprobe==0.1.0")
QUIET = 100  # steps in which the same alarm again is the same alarm (rlwatch's own cooldown)
MEANS: Mapping[str, tuple[str, ...]] = {
    # rldoctor
    "advantage_collapse": ("dead_signal",),
    "entropy_collapse": ("entropy_collapse",),
    "reward_hacking": ("reward_hacking",),
    "length_pathology": ("length_explosion", "truncation_surge", "length_collapse"),
    "clip_saturation": ("clip_saturation",),
    "kl_drift": ("kl_blowup", "mismatch"),
    "gradient_pathology": ("gradient_blowup", "gradient_spike", "non_finite"),
    "plateau": (),  # advice, not an alarm: no trouble of ours
    "reward_composition": (),
    # rlwatch
    "kl_explosion": ("kl_blowup", "mismatch"),
    "advantage_variance": ("dead_signal",),
    "loss_nan": ("non_finite",),
    "gradient_norm_spike": ("gradient_spike", "gradient_blowup"),
    "reward_mean_drift": ("reward_hacking", "reward_collapse"),
    # rlprobe
    "KL_BLOWUP": ("kl_blowup", "mismatch"),
    "ENTROPY_COLLAPSE": ("entropy_collapse",),
    "REWARD_HACK_LENGTH": ("reward_hacking", "length_explosion"),
    "FORMAT_GAMING": ("reward_hacking",),
    "CLIP_SATURATION": ("clip_saturation",),
    "DEGENERATE_GROUPS": ("dead_signal",),
    "ADV_COLLAPSE": ("dead_signal",),
    "VALUE_DIVERGENCE": (),
    "GRAD_PATHOLOGY": ("gradient_blowup", "gradient_spike", "non_finite"),
    "TRUNCATION_STARVE": ("truncation_surge", "length_explosion"),
    "REPETITION_SPIRAL": ("length_explosion",),
    "REWARD_STD_DEATH": ("dead_signal",),
    "REF_POLICY_DRIFT_ASYMMETRY": (),
    "THROUGHPUT_ROT": ("throughput_drop",),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rivals", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="planted runs of each kind")
    parser.add_argument("--labelled", type=Path, help="a folder of JSONL logs with a labels.json")
    parser.add_argument("--python", type=Path, help="a Python that has the rivals")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="stepwell-rivals-") as folder:
        python = chosen.python or installed(Path(folder))
        said = [compare("Planted runs", list(planted(chosen.runs)), python, Path(folder))]
        if chosen.labelled:
            title = chosen.labelled.name.replace("_", " ").capitalize()
            said.append(compare(title, list(read(chosen.labelled)), python, Path(folder)))
    print("\n\n".join(said))
    fill(PAGES / "README.md", "\n\n".join(said), "rivals")


def installed(folder: Path) -> Path:
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def planted(runs: int) -> Iterator[tuple[Rows, Labelled]]:
    for kind in (*TROUBLES, *CALM):
        rng = np.random.default_rng([7, *kind.encode()])
        for _ in range(runs):
            run = draw(kind, rng)
            yield run.rows, run.truth


def read(folder: Path) -> Iterator[tuple[Rows, Labelled]]:
    """Hand-written JSONL, one record a line, as the labels name them."""
    for name, label in json.loads((folder / "labels.json").read_bytes()).items():
        path = next(folder.glob(f"{name}.jsonl*"))
        data = path.read_bytes()
        records = [json.loads(one) for one in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()]
        steps = np.array([record["step"] for record in records], np.int64)
        columns: dict[str, Any] = {}
        for raw in {raw for record in records for raw in record}:
            if quantity := understand(HANDWRITTEN, raw).quantity:
                values = [record.get(raw) for record in records]
                columns[quantity] = np.array([math.nan if v is None else v for v in values], np.float64)
        walls = columns.pop("wall_time", np.full(len(steps), np.nan))
        tries = 1 + np.cumsum(np.diff(steps, prepend=steps[:1] - 1) <= 0)
        logged = {one: np.array([raw_has(record, one) for record in records]) for one in columns}
        yield Rows(steps, walls, tries, columns, logged), labelled(name, label, steps.tolist())


def raw_has(record: Mapping[str, Any], quantity: str) -> bool:
    return any(understand(HANDWRITTEN, raw).quantity == quantity for raw in record)


def compare(title: str, runs: Sequence[tuple[Rows, Labelled]], python: Path, folder: Path) -> str:
    told = said_by_rivals([rows for rows, _ in runs], python, folder)
    told["stepwell"] = [judge({}, rows, Context())[1] for rows, _ in runs]
    lines = [
        f"{title}: {len(runs)} runs, {sum(len(rows) for rows, _ in runs):,} rows.\n",
        "| | precision | recall | in time | false alarms per 1,000 steps | calm runs with any alarm |",
        "|---|---|---|---|---|---|",
    ]
    for rival, said in told.items():
        outcomes = [score_run(truth, meant(each, truth)) for (_, truth), each in zip(runs, said, strict=True)]
        lines.append(line(rival, outcomes))
    return "\n".join(lines)


def said_by_rivals(runs: Sequence[Rows], python: Path, folder: Path) -> dict[str, list[list[Finding]]]:
    asked = "\n".join(json.dumps({"run": i, "rows": records(rows)}) for i, rows in enumerate(runs))
    script = Path(__file__).with_name("alarms.py")
    answer = subprocess.run([python, script], input=asked, capture_output=True, text=True, check=True, cwd=folder)
    told: dict[str, list[list[Finding]]] = {}
    for one in map(json.loads, answer.stdout.splitlines()):
        for rival, alarms in one.items():
            if rival != "run":
                told.setdefault(rival, []).append(episodes(alarms))
    return told


def records(rows: Rows) -> list[dict[str, Any]]:
    plain: list[dict[str, Any]] = [{"step": step} for step in rows.steps.tolist()]
    for name, column in rows.columns.items():
        for record, value, there in zip(plain, column.tolist(), rows.logged[name].tolist(), strict=True):
            if there:
                record[name] = value if math.isfinite(value) else None
    return plain


def episodes(alarms: Sequence[Sequence[Any]]) -> list[Finding]:
    """The same alarm again within QUIET steps is the same episode."""
    last: dict[str, int] = {}
    found = []
    for what, step in alarms:
        if what not in last or step - last[what] > QUIET:
            found.append(Finding(what, "warning", "firing", onset_step=step, detected_step=step, message=what))
        last[what] = step
    return found


def meant(said: Sequence[Finding], truth: Labelled) -> list[Finding]:
    """A rival's findings under our names: that of a trouble which is there, else the first that it can mean."""
    found = []
    for one in said:
        means = MEANS.get(one.trouble, (one.trouble,))
        there = [event for event in truth.events if event.holds(one.detected_step)]
        fits = [name for name in means if any(event.explained_by(name) for event in there)]
        if means:
            found.append(Finding(**{**one.as_dict(), "trouble": (fits or list(means))[0]}))
    return found


def line(rival: str, outcomes: Sequence[Outcome]) -> str:
    reached = score(outcomes)
    calm = [one for one in outcomes if not one.found]
    woken = sum(bool(one.false) for one in calm)
    numbers = (reached.precision, reached.recall, reached.in_time, reached.false_per_1000)
    return f"| {rival} | {' | '.join(f'{value:.2f}' for value in numbers)} | {woken} of {len(calm)} |"


if __name__ == "__main__":
    main()
