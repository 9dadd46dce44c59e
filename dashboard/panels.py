"""Which curves stand together, the ones that matter first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart. one_of: of these quantities the first that the run logs; all: every one of these that it logs.

    short: what the legend calls the quantities of `all`. log: a log axis says more than a linear one.
    """

    name: str
    title: str
    quantities: tuple[str, ...]
    short: tuple[str, ...] = ()
    log: bool = False

    @property
    def many(self) -> bool:
        return bool(self.short)


PANELS = (
    Panel("reward", "Reward", ("reward_mean", "score_mean")),
    Panel(
        "length",
        "Response length",
        ("response_length_mean", "response_length_p95"),
        ("mean", "p95"),
    ),
    Panel("entropy", "Entropy", ("entropy_token_mean", "entropy_estimate")),
    Panel(
        "clip",
        "Clipped tokens",
        ("clip_fraction_total", "clip_fraction_low", "clip_fraction_high", "clip_fraction_dual"),
        ("total", "below", "above", "dual"),
    ),
    Panel(
        "truncation",
        "Truncated and masked responses",
        ("truncation_fraction", "overlong_masked_fraction"),
        ("truncated", "masked as overlong"),
    ),
    Panel("gradient", "Gradient norm", ("grad_norm",), log=True),
    Panel("kl", "KL", ("kl_policy_old", "kl_ref", "mismatch_kl"), ("old policy", "reference", "rollout/trainer")),
    Panel(
        "groups",
        "Groups without signal",
        ("group_all_right_fraction", "group_all_wrong_fraction", "group_zero_std_fraction"),
        ("all right", "all wrong", "no spread"),
    ),
    Panel("time", "Time of a step", ("time_step", "time_generation", "time_update"), ("step", "generation", "update")),
)
WANTED = tuple(dict.fromkeys(quantity for panel in PANELS for quantity in panel.quantities))
