"""What a training set consists of: problems per source, tests per problem, difficulty, overlap with a test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

FEW_TESTS = 5
"""DeepCoder's filter: a problem with fewer tests rewards wrong programs too easily (DeepCoder report, April 2025)."""
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Problems:
    """n problems. sources: the names; source (n,): which of them; tests (n,): how many, UNKNOWN where the file does not
    say; solved (n,): 1 with a reference solution, 0 without, UNKNOWN; difficulty (n,): pass rate in [0, 1] or NaN;
    prompt (n,): hash of the normalised prompt."""

    sources: tuple[str, ...]
    source: NDArray[np.int32]
    tests: NDArray[np.int32]
    solved: NDArray[np.int8]
    difficulty: NDArray[np.float32]
    prompt: Hashes

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True, slots=True)
class Source:
    """One source of problems. Counts are of the problems of which the file tells it; None where it tells it of none.

    few: problems with fewer tests than asked for. never, always: of pass rate 0 and 1, which give no gradient.
    shared: prompts that stand in the test split too; None without one.
    """

    name: str
    problems: int
    repeated: int
    tests_median: float | None
    few: int | None
    without_solution: int | None
    never: int | None
    always: int | None
    shared: int | None


def by_source(train: Problems, test: Hashes | None = None, *, few: int = FEW_TESTS) -> list[Source]:
    """Every source, the largest first. test: hashes of the test split's prompts."""
    first = np.zeros(len(train), bool)
    first[np.unique(train.prompt, return_index=True)[1]] = True
    shared = np.isin(train.prompt, test) if test is not None else None
    told = [_source(train, number, first, shared, few) for number in range(len(train.sources))]
    return sorted((one for one in told if one.problems), key=lambda one: (-one.problems, one.name))


def _source(
    train: Problems, number: int, first: NDArray[np.bool_], shared: NDArray[np.bool_] | None, few: int
) -> Source:
    mine = train.source == number
    tests, solved, passes = train.tests[mine], train.solved[mine], train.difficulty[mine]
    counted, known, rated = tests[tests != UNKNOWN], solved[solved != UNKNOWN], passes[np.isfinite(passes)]
    return Source(
        name=train.sources[number],
        problems=int(mine.sum()),
        repeated=int((mine & ~first).sum()),
        tests_median=float(np.median(counted)) if len(counted) else None,
        few=int((counted < few).sum()) if len(counted) else None,
        without_solution=int((known == 0).sum()) if len(known) else None,
        never=int((rated <= 0).sum()) if len(rated) else None,
        always=int((rated >= 1).sum()) if len(rated) else None,
        shared=None if shared is None else int(shared[mine].sum()),
    )


def total(sources: Sequence[Source]) -> Source:
    """All sources as one. A count is known where any source tells it; the median, which cannot be added, is not."""

    def added(name: str) -> int | None:
        known = [value for one in sources if (value := getattr(one, name)) is not None]
        return sum(known) if known else None

    return Source(
        name="all",
        problems=sum(one.problems for one in sources),
        repeated=sum(one.repeated for one in sources),
        tests_median=None,
        few=added("few"),
        without_solution=added("without_solution"),
        never=added("never"),
        always=added("always"),
        shared=added("shared"),
    )
