"""What a detector gets and gives: one file per trouble in `analyses/detectors/`, a fold over rows.

    state, findings = scan(state, rows, context)

State in, new rows, state and findings out. Rows one by one or all at once give the same findings: a detector
cannot look ahead because it never holds the future. No clock, no database, no chart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
State = dict[str, Any]
"""Plain JSON, small (a few windows of numbers): stored between two cron passes. {} is a detector's first state."""

Severity = Literal["info", "warning", "critical"]
RANK: dict[str, int] = {"info": 0, "warning": 1, "critical": 2}


@dataclass(frozen=True, slots=True)
class Rows:
    """n records of one source in emission order (after a restart steps repeat, with a higher attempt).

    steps (n,), walls (n,) seconds, attempts (n,) from 1.
    columns: canonical quantity -> (n,) value, NaN where absent *or* logged as NaN; logged: quantity -> (n,) bool
    tells the two apart. A quantity that the source never logs is in neither.
    """

    steps: Ints
    walls: Floats
    attempts: Ints
    columns: Mapping[str, Floats]
    logged: Mapping[str, Bools]

    def __len__(self) -> int:
        return len(self.steps)

    def part(self, start: int, stop: int) -> Rows:
        cut = slice(start, stop)
        return Rows(
            self.steps[cut],
            self.walls[cut],
            self.attempts[cut],
            {name: column[cut] for name, column in self.columns.items()},
            {name: column[cut] for name, column in self.logged.items()},
        )


@dataclass(frozen=True, slots=True)
class Stretch:
    """An attempt of the same run that another file tells: a trainer may open a file at every launch.

    first, last: its steps. pace: seconds a step; None where that is not known.
    """

    attempt: int
    first: int
    last: int
    pace: float | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What the run's config says to expect; None or empty where the config does not say.

    now: the time (seconds since the epoch) at which a live run is judged; None where no clock is to be trusted.
    elsewhere: what other files tell of the run, by attempt; an attempt of this file restarts those before it.
    newest: when the run's newest record came, in whichever file (seconds since the epoch): one that lags is no stall.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)  # canonical: entropy_coef, clip_high, context_limit …
    trainer: str | None = None
    now: float | None = None
    elsewhere: tuple[Stretch, ...] = ()
    newest: float | None = None

    def between(self, before: int | None, attempt: int) -> list[Stretch]:
        """What other files tell of the attempts between two of this file (None: before its first)."""
        return [one for one in self.elsewhere if (before or 0) < one.attempt < attempt]


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement of a detector about one episode; an episode is (trouble, detected_step, attempt).

    state: "firing" when raised or escalated, "resolved" when cleared. A later statement replaces an earlier one
    of the same episode. severity: the highest reached so far.
    message: one sentence with the numbers. evidence: the arithmetic (JSON). clears: what would clear it.
    advice: what to try, with the config key. source: where the rule comes from.
    """

    trouble: str
    severity: Severity
    state: Literal["firing", "resolved"]
    onset_step: int
    detected_step: int
    message: str
    attempt: int = 1
    resolved_step: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    clears: str = ""
    advice: str = ""
    source: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Detector(Protocol):
    """A module of `analyses/detectors/`. NEEDS: quantities without which it cannot judge; USES: others it reads.

    Each of NEEDS is a tuple of those that may stand for one another: ("entropy_token_mean", "entropy_estimate").
    """

    TROUBLE: str
    NEEDS: tuple[tuple[str, ...], ...]
    USES: tuple[str, ...]

    def scan(self, state: State, rows: Rows, context: Context) -> tuple[State, list[Finding]]: ...
