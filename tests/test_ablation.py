"""Factor grids (dynamics 9.3), runs alike, and what good runs have in common."""

from __future__ import annotations

import numpy as np

from analyses import ablation, alike


def test_crossing_effects_are_a_trade_off() -> None:
    scores = {
        ("0 %", "completion"): [0.620, 0.622, 0.621],
        ("50 %", "completion"): [0.602, 0.601, 0.603],
        ("100 %", "completion"): [0.50, 0.51, 0.49],
        ("0 %", "infilling"): [0.10, 0.11, 0.09],
        ("50 %", "infilling"): [0.58, 0.59, 0.57],
        ("100 %", "infilling"): [0.66, 0.65, 0.67],
    }
    told = ablation.grid(scores)
    assert told.verdict == "trade-off"
    assert told.level == ""
    assert {outcome for outcome, _ in told.clash} == {"completion", "infilling"}
    assert set(told.pareto) == {"0 %", "50 %", "100 %"}


def test_one_that_beats_all_is_best_and_noise_is_none() -> None:
    better = {("a", "x"): [1.0, 1.1], ("b", "x"): [0.1, 0.2], ("a", "y"): [1.0, 1.1], ("b", "y"): [1.0, 1.15]}
    told = ablation.grid(better)
    assert (told.verdict, told.level, told.pareto) == ("best", "a", ("a",))
    assert ablation.grid(better, good={"x": "down"}).level == "b"
    few = {("a", "x"): [0.50, 0.52], ("b", "x"): [0.55, 0.57]}  # 3.5 standard errors, with two degrees of freedom
    assert ablation.grid(few).verdict == "not distinguishable"
    alone = ablation.grid({("a", "x"): [1.0], ("b", "x"): [0.1]})
    assert alone.verdict == "not distinguishable"  # one run each, no error known
    assert (
        ablation.grid(
            {("a", "x"): [1.0], ("b", "x"): [0.1]}, errors={("a", "x"): (0.01, 30.0), ("b", "x"): (0.01, 30.0)}
        ).level
        == "a"
    )
    assert ablation.grid({("a", "x"): [1.0, 2.0]}).verdict == "too few"
    assert ablation.grid({}).verdict == "too few"


def course(kind: str, seed: int) -> dict[str, tuple[list[float], list[float]]]:
    rng, steps = np.random.default_rng(seed), np.arange(100.0)
    entropy = np.exp(steps / 50) if kind == "blow-up" else np.exp(-steps / 50)
    reward = 0.5 - steps / 300 if kind == "blow-up" else 0.3 + steps / 300
    noisy = {
        "entropy_token_mean": 0.4 * entropy * rng.lognormal(0, 0.05, 100),
        "reward_mean": reward + rng.normal(0, 0.02, 100),
        "truncation_fraction": np.full(100, np.nan) if seed == 3 else rng.uniform(0, 0.1, 100),
    }
    return {name: (steps.tolist(), values.tolist()) for name, values in noisy.items()}


def test_runs_alike_are_those_of_the_same_kind() -> None:
    known = {i: alike.features(course("blow-up" if i < 5 else "calm", i)) for i in range(10)}
    near = alike.like(0, known, most=4)
    assert {one.run for one in near} == {1, 2, 3, 4}
    assert near[0].distance < 0.7
    assert all(one.shared >= alike.LEAST_SHARED for one in near)
    assert alike.like(0, {0: known[0], 1: known[1]}) == []
    assert alike.like(99, known) == []
    assert alike.features({"reward_mean": ([1.0], [2.0]), "grad_norm": ([], [])}) == {}


def runs(n: int, seed: int) -> tuple[list[dict[str, object]], list[float]]:
    rng = np.random.default_rng(seed)
    configs: list[dict[str, object]] = []
    for i in range(n):
        clip = float(rng.choice([0.2, 0.28]))
        configs.append(
            {"clip_high": clip, "wide": clip > 0.2, "lr": float(rng.choice([1e-6, 2e-6])), "name": f"r{i}", "k": 8}
        )
    return configs, [0.4 + 2 * (float(str(c["clip_high"])) - 0.2) + float(rng.normal(0, 0.02)) for c in configs]


def test_what_good_runs_have_in_common() -> None:
    told = alike.common(*runs(30, 1))
    assert told.why == ""
    assert [key.key for key in told.keys][:1] == ["clip_high"]
    assert told.keys[0].same == ("wide",)  # never differs without it
    assert (told.keys[0].better, told.keys[0].others) == ("0.28", "0.2")
    assert "lr" not in {key.key for key in told.keys}
    assert told.n == 30


def test_it_refuses_where_nothing_can_be_said() -> None:
    configs, outcomes = runs(30, 2)
    assert "12 are needed" in alike.common(configs[:8], outcomes[:8]).why
    assert "no config key" in alike.common([{"a": 1}] * 20, outcomes[:20]).why
    assert "alike" in alike.common(configs, [0.5] * 30).why
    noise = np.random.default_rng(3).normal(0, 1, 30).tolist()
    assert "do not predict" in alike.common(configs, noise).why
    assert alike.common([], []).n == 0
