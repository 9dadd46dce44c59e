"""What other watchers say of runs, row by row; runs in their environment, with nothing of ours.

    python alarms.py < runs.jsonl > alarms.jsonl

In: {"run", "rows": [{"step", canonical quantity: value}]}; out: {"run", rival: [[what, step], …]}, warnings and worse.
Each is used as its own documentation says a live run should be watched, with its own defaults. The KL that all three
ask for is the one to the reference: these runs log none, and KL of an update would only make them ring.
"""

from __future__ import annotations

import json
import logging
import math
import sys
from typing import Any

Row = dict[str, float]
Alarms = list[list[Any]]

RLDOCTOR = {
    "entropy_token_mean": "entropy",
    "reward_mean": "reward_mean",
    "reward_std": "reward_std",
    "grad_norm": "grad_norm",
    "policy_loss": "policy_loss",
    "total_loss": "policy_loss",
    "response_length_mean": "response_len_mean",
    "truncation_fraction": "response_len_clip_ratio",
    "group_zero_std_fraction": "zero_var_group_frac",
    "clip_fraction_total": "pg_clipfrac",
    "clip_fraction_high": "pg_clipfrac_high",
    "clip_fraction_low": "pg_clipfrac_low",
    "val_score": "eval_score",
    "throughput_tokens_per_s_per_gpu": "throughput",
    "time_step": "time_per_step",
}
RLPROBE = {
    "entropy_token_mean": "entropy_mean",
    "reward_mean": "reward_mean",
    "reward_std": "reward_std",
    "grad_norm": "grad_norm",
    "policy_loss": "loss",
    "total_loss": "loss",
    "response_length_mean": "completion_len_mean",
    "truncation_fraction": "max_len_hit_frac",
    "group_zero_std_fraction": "zero_variance_group_frac",
    "clip_fraction_total": "clip_fraction",
    "clip_fraction_high": "clip_fraction",
}
EVERY = 5  # rows between two looks of those that judge the whole run anew


def rldoctor(rows: list[Row]) -> Alarms:
    from rl_doctor.live import LiveMonitor  # type: ignore[import-not-found]

    said: Alarms = []
    step = 0
    monitor = LiveMonitor(check_every=25, on_finding=lambda finding: said.append([finding.detector, step]))
    for row in rows:
        step = int(row["step"])
        monitor.log(named(row, RLDOCTOR), step=step)
    return said


def rlwatch(rows: list[Row]) -> Alarms:
    from rlwatch.config import RLWatchConfig  # type: ignore[import-not-found]
    from rlwatch.detectors import DetectorSuite  # type: ignore[import-not-found]

    suite = DetectorSuite(RLWatchConfig())
    said: Alarms = []
    for row in rows:
        told = {
            "entropy": row.get("entropy_token_mean"),
            "reward_mean": row.get("reward_mean"),
            "reward_std": row.get("reward_std"),
            "loss": row.get("policy_loss", row.get("total_loss")),
            "grad_norm": row.get("grad_norm"),
        }
        said += [[alert.detector, int(row["step"])] for alert in suite.check_step(int(row["step"]), **told)]
    return said


def rlprobe(rows: list[Row]) -> Alarms:
    from rlprobe.doctor.engine import diagnose_view  # type: ignore[import-not-found]
    from rlprobe.doctor.runview import RunView  # type: ignore[import-not-found]
    from rlprobe.schemas import RunManifest, StepRecord  # type: ignore[import-not-found]

    manifest = RunManifest(run_id="run", created_at="2026-01-01T00:00:00Z", algorithm="grpo")
    records = [StepRecord(step=int(row["step"]), **named(row, RLPROBE)) for row in rows]
    said: Alarms = []
    seen: set[str] = set()
    for end in [*range(30, len(records), EVERY), len(records)]:
        for finding in diagnose_view(RunView(manifest, records[:end], samples_provider=list)):
            if finding.severity != "info" and finding.signature_id not in seen:
                seen.add(finding.signature_id)
                said.append([finding.signature_id, records[end - 1].step])
    return said


def named(row: Row, names: dict[str, str]) -> dict[str, float]:
    return {names[name]: value for name, value in row.items() if name in names}


def main() -> None:
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        run = json.loads(line)
        rows = [{name: math.nan if value is None else value for name, value in row.items()} for row in run["rows"]]
        told = {rival.__name__: rival(rows) for rival in (rldoctor, rlwatch, rlprobe)}
        print(json.dumps({"run": run["run"], **told}), flush=True)


if __name__ == "__main__":
    main()
