"""The config lint against a table of settings and what they say (dynamics 1.3)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyses.lint import notes

DEEPCODER = {
    "entropy_coef": 0.0,
    "clip_low": 0.2,
    "clip_high": 0.28,
    "kl_on": False,
    "overlong_mask": True,
    "prompts_per_step": 32,
    "mini_batch": 16,
    "rollouts_per_prompt": 8,
    "temperature": 0.6,
}


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, []),
        (DEEPCODER, ["clip_higher", "no_reference", "overlong_mask", "off_policy", "temperature"]),
        ({"entropy_coef": 0.001, "clip_low": 0.2, "clip_high": 0.2}, ["entropy_bonus"]),
        ({"entropy_target": 0.2}, ["adaptive_entropy"]),
        ({"kl_coef": 0.0}, ["no_reference"]),
        ({"kl_coef": 0.0, "kl_on": True}, []),
        ({"prompts_per_step": 64, "mini_batch": 64, "temperature": 1.0}, ["on_policy"]),
        ({"algorithm": "gspo", "clip_high": 4e-4}, ["sequence_clip"]),
        ({"rollouts_per_prompt": 2}, ["small_groups"]),
        ({"clip_high": True, "temperature": "0.6"}, []),
    ],
)
def test_settings_and_what_they_say(settings: dict[str, Any], names: list[str]) -> None:
    assert [note.name for note in notes(settings)] == names


def test_the_gravest_stands_first_and_the_numbers_are_said() -> None:
    first, *others = notes({**DEEPCODER, "entropy_coef": 0.002, "algorithm": "GSPO"})
    assert (first.name, first.severity) == ("entropy_bonus", "warning") and "0.002" in first.says
    clip = next(note for note in others if note.name == "sequence_clip")
    assert clip.severity == "warning" and "0.28" in clip.says
    assert "2 updates a batch" in next(note.says for note in others if note.name == "off_policy")
    assert "50%" in notes({"rollouts_per_prompt": 2})[0].says  # 2 x 0.5²


@given(
    st.dictionaries(st.sampled_from([*DEEPCODER, "algorithm", "kl_coef"]), st.one_of(st.floats(), st.text(), st.none()))
)
def test_any_config_is_survived(settings: dict[str, Any]) -> None:
    assert all(note.says.endswith(".") and note.source for note in notes(settings))
