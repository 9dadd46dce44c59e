"""NaN or infinity in what is trained on: from here on the weights may be lost. And zeros that hide a NaN."""

from __future__ import annotations

import numpy as np

from analyses.contract import Bools, Context, Finding, Rows, State
from analyses.episodes import Words
from analyses.moments import Moments

TROUBLE = "non_finite"
SPOKEN = {
    "grad_norm": "gradient norm",
    "total_loss": "loss",
    "policy_loss": "policy loss",
    "value_loss": "value loss",
    "entropy_token_mean": "entropy",
    "entropy_estimate": "entropy estimate",
    "reward_mean": "reward",
    "score_mean": "score",
    "kl_policy_old": "KL of the update",
    "kl_ref": "KL to the reference",
}
NEEDS = (tuple(SPOKEN),)
USES = tuple(SPOKEN)

CLEAR_ROWS = 5
CLEARS = f"{CLEAR_ROWS} rows in which all of them are finite"
SOURCE = "dynamics 7.1"
ADVICE = (
    "Stop and go back to the last checkpoint from before it. Look for an empty or fully masked batch, a log of zero, "
    "or an overflow in half precision. Gradient clipping (verl: actor_rollout_ref.actor.grad_clip; TRL: max_grad_norm) "
    "does not help against NaN; skipping the step does."
)


def scan(state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]:
    """Critical at once, without persistence; a warning where exact zeros look like laundered NaN."""
    moments, quiet = Moments(TROUBLE, state), int(state.get("quiet", 0))
    there = [name for name in SPOKEN if name in rows.columns]
    broken = {name: rows.logged[name] & ~np.isfinite(rows.columns[name]) for name in there}
    hidden = _hidden(rows)
    odd = np.any([*broken.values(), hidden], axis=0)
    for i in range(len(rows)) if moments.open is not None or odd.any() else ():
        step, attempt = int(rows.steps[i]), int(rows.attempts[i])
        if moments.open is not None and moments.open.attempt != attempt:
            moments.close(step, "The run was restarted.")
        if odd[i]:
            values = {name: rows.columns[name][i] for name, bad in broken.items() if bad[i]}
            moments.say("critical" if values else "warning", step, attempt, _words(step, values))
        quiet = 0 if odd[i] else quiet + 1
        if quiet >= CLEAR_ROWS:
            moments.close(step, f"All numbers have been finite for {CLEAR_ROWS} rows.")
    return {**moments.state(), "quiet": min(quiet, CLEAR_ROWS)}, moments.findings


def _hidden(rows: Rows) -> Bools:
    """Entropy exactly zero, with gradient or loss exactly zero, while reward is earned: a logger that hides NaN."""
    hidden = _zero(rows, "entropy_token_mean", "entropy_estimate") & _zero(
        rows, "grad_norm", "policy_loss", "total_loss"
    )
    earned = np.zeros(len(rows), bool)
    for name in ("reward_mean", "score_mean"):
        if name in rows.columns:
            earned |= rows.columns[name] > 0
    return hidden & earned


def _zero(rows: Rows, *names: str) -> Bools:
    zero = np.zeros(len(rows), bool)
    for name in names:
        if name in rows.columns:
            zero |= rows.columns[name] == 0
    return zero


def _words(step: int, values: dict[str, float]) -> Words:
    if not values:
        said = f"Entropy and gradient (or loss) are exactly 0 at step {step} while reward is earned: a NaN logged as 0."
        return Words(step, said, {"zeros": True}, CLEARS, ADVICE, SOURCE)
    named = ", ".join(f"{SPOKEN[name]} {_symbol(value)}" for name, value in values.items())
    evidence = {name: _symbol(value) for name, value in values.items()}
    return Words(step, f"Not a number at step {step}: {named}.", evidence, CLEARS, ADVICE, SOURCE)


def _symbol(value: float) -> str:
    return "NaN" if np.isnan(value) else ("∞" if value > 0 else "−∞")
