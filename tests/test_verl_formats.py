"""verl's console line and its JSONL: each spelling with its known answer, any name, any value."""

from __future__ import annotations

import json
from math import inf, nan

import numpy as np
import pytest
from feeding import BODY, CONFIG, CYAN, DIM, END, feed, same, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.contract import Unread
from collectors.formats import verl_console, verl_jsonl


def metrics(line: str) -> list[dict[str, float]]:
    return [values for _, _, values in feed(verl_console, line.encode() + b"\n").records]


# --- verl's console line --------------------------------------------------------------------------------------------

NUMBERS = {"actor/lr": 1e-06, "critic/score/mean": 0.5}


@pytest.mark.parametrize(
    "line",
    [
        BODY,
        f"(TaskRunner pid=12) {BODY}",
        f"{CYAN}(TaskRunner pid=12){END} {BODY}",
        f"{CYAN}(TaskRunner pid=12, ip=10.0.0.43){END} {BODY}",
        f"{DIM}{CYAN}(main_task pid=926049){END} {BODY}",
        f"{CYAN}(pid=12){END} {BODY}",
        f"{CYAN}(wiQkzJWorkerDict_0:0 WorkerDict pid=3){END} {BODY}",
        f"{END}{BODY}",
        f"{BODY}\r",
        f"{BODY}{CYAN} [repeated 63x across cluster]{END}",
        f"{BODY}{CYAN}(WorkerDict pid=5){END} Flash Attention 2.0 only supports torch.float16",
        f"\rTraining Progress:   1%|▏ | 2/200 [07:59<13:02:32, 237.13s/it]\rstep: {BODY}",
        f"Training Progress:   1%|▏ | 2/200 [07:59<13:02:32, 237.13s/it]{BODY}",
        f"\0\0\0{BODY}",
        f"some other text without a newline {BODY}",
        "step:7 - actor/lr:np.float64(1e-06) - critic/score/mean:np.float32(0.5)",
        "step:7 - actor/lr: 1e-06 - critic/score/mean:0.5 ",
    ],
)
def test_every_spelling_of_a_verl_line(line: str) -> None:
    assert metrics(line) == [NUMBERS]


@pytest.mark.parametrize(
    ("segment", "name", "value"),
    [
        ("a/b:nan", "a/b", nan),
        ("a/b:np.float64(nan)", "a/b", nan),
        ("a/b:inf", "a/b", inf),
        ("a/b:-inf", "a/b", -inf),
        ("a/b:np.float64(-inf)", "a/b", -inf),
        ("a/b:np.int64(3)", "a/b", 3.0),
        ("a/b:True", "a/b", 1.0),
        ("a/b:np.False_", "a/b", 0.0),
        ("a/b:-0.000", "a/b", -0.0),
        ("a/b:12345678901234567890123", "a/b", 12345678901234567890123.0),
        ("actor/lr(1e-4):0.010", "actor/lr(1e-4)", 0.01),
        ("val-core/my data/acc/mean@8:0.5", "val-core/my data/acc/mean@8", 0.5),
        ("val-core/a:b/acc:0.5", "val-core/a:b/acc", 0.5),
        ("val-core/a - b/acc:0.5", "val-core/a - b/acc", 0.5),
        ('val-core/"a"\\n/acc:0.5', 'val-core/"a"\\n/acc', 0.5),
        ("val-core/数学/acc:0.5", "val-core/数学/acc", 0.5),
        ("val/\\u0041/acc:0.5", "val/\\u0041/acc", 0.5),
        ("training/global_step:7", "training/global_step", 7.0),
        ("step:8", "step", 8.0),
    ],
)
def test_every_name_and_value_of_a_verl_line(segment: str, name: str, value: float) -> None:
    for odd_neighbour, beside in (("1.5", 1.5), ("np.float64(2.5)", 2.5), ("inf", inf)):
        found = metrics(f"step:7 - first:{odd_neighbour} - {segment} - last:1.0")
        assert same(found, [{"first": beside, name: value, "last": 1.0}])


def test_bytes_that_are_no_utf8_and_bytes_that_are_nul() -> None:
    read = feed(verl_console, b"\xff\xfe \0 noise\nstep:1 - a\xff:1.0 - b:2.0\nstep:2 - b:3.0 - c:4\0\0\0\n")
    assert [(step, values) for step, _, values in read.records] == [
        (1, {"a\ufffd": 1.0, "b": 2.0}),
        (2, {"b": 3.0, "c": 4.0}),
    ]


def test_a_torn_line_loses_its_last_value_and_says_so() -> None:
    read = feed(verl_console, b"noise\nstep:3 - a:1.25 - b:0.0")
    assert [values for _, _, values in read.records] == [{"a": 1.25}]
    assert read.unread == [Unread(2, "the line is cut in 'b:0.0'")]


@pytest.mark.parametrize("shift", range(0, 28, 3))
def test_a_line_that_wandb_cut_at_4096_characters_loses_its_last_value(shift: int) -> None:
    segments = [f"长/metric{i:05}:0.12345" for i in range(400)]
    line = ("step:3 - " + "x" * shift + " - ".join(segments))[:4096]
    read = feed(verl_console, line.encode() + b"\nstep:4 - a:1\n")
    assert [step for step, _, _ in read.records] == [3, 4]
    assert list(read.records[0][2])[1:] == [s.partition(":")[0] for s in segments[1:] if f"{s} -" in line]
    assert [unread.line for unread in read.unread] == ([] if line.endswith((" -", " - ")) else [1])


def test_a_segment_without_a_number_is_reported() -> None:
    read = feed(verl_console, b"\nstep:5 - a:1.0 - b:broken\nstep:99999999999999999999 - a:1 - b:2\n")
    assert [values for _, _, values in read.records] == [{"a": 1.0}]
    assert read.unread == [Unread(2, "no number in 'b:broken'"), Unread(3, "the step is out of range")]


@pytest.mark.parametrize(
    "prose",
    [
        "Let's think step by step:1 - we add:2",
        "first step:1 - so x is:2",
        "training/global_step:3 - a:1 - b:2",
        "step: 1 - a:1 - b:2",
        "step:1",
        "(TaskRunner pid=3) steps:1 - a:1 - b:2",
    ],
)
def test_prose_is_no_metric_line(prose: str) -> None:
    assert metrics(prose) == []
    assert not verl_console.recognises(sample(prose + "\n"))


def test_which_verl_records_are_rows() -> None:
    lines = [
        "step:0 - val/test_score/logic:0.1",
        "step:0 - test_score/openai/gsm8k:0.5",
        "step:1 - val-core/aime/acc/mean@32:0.1 - val-aux/num_turns/mean:2",
        "step:2 - actor/lr:0.1 - val/test_score/logic:0.2",
    ]
    read = feed(verl_console, "\n".join(lines).encode() + b"\n")
    assert len(read.records) == 4
    assert (read.rows, read.first_step, read.last_step) == (2, 1, 2)


def test_the_printed_config_is_read_between_the_lines_of_others() -> None:
    read = feed(verl_console, CONFIG.encode())
    assert read.config == {
        "actor_rollout_ref": {
            "actor": {
                "clip_ratio_high": 0.28,
                "note": "a { - brace, and more",
                "betas": [0.9, 0.999],
                "scale": "-inf",
                "loss_agg_mode": "token-mean",
            }
        },
        "trainer": {
            "experiment_name": "dapo-7b",
            "logger": ["console", "wandb"],
            "project_name": "数学",
            "total_training_steps": None,
        },
    }
    assert (read.run, read.project, read.unread, read.rows) == ("dapo-7b", "数学", [], 1)
    assert verl_console.recognises(sample(CONFIG[:400]))


def test_of_a_config_whose_end_is_lost_the_whole_entries_are_kept() -> None:
    lines = CONFIG.splitlines()
    read = feed(verl_console, "\n".join([*lines[:11], lines[-1], ""]).encode())
    assert read.config["trainer"] == {"experiment_name": "dapo-7b", "logger": ["console", "wandb"]}
    assert read.run == "dapo-7b"


def test_a_restart_prints_its_config_anew() -> None:
    first, second = CONFIG.splitlines()[:6], CONFIG.replace("dapo-7b", "dapo-7b-again")
    read = feed(verl_console, ("\n".join(first) + "\n" + second).encode())
    assert read.config["trainer"]["experiment_name"] == "dapo-7b-again"
    assert read.unread == []


@pytest.mark.parametrize("value", ["__import__('os')", "1" + "-1" * 40_000, "[" * 5_000, "<object>", "'\\ud800'"])
def test_a_config_that_is_no_plain_dict_is_set_aside(value: str) -> None:
    read = feed(verl_console, f"{{'data': {{'a':\n {value},\n 'b': 1}}}}\nstep:1 - a:1.0\n".encode())
    assert read.config in ({}, {"data": {"b": 1}})
    assert read.rows == 1


# --- verl's JSONL ---------------------------------------------------------------------------------------------------


def test_a_null_in_verls_jsonl_is_a_non_finite_value() -> None:
    read = feed(verl_jsonl, b'{"step": 1, "data": {"a": 1, "b": null}}\n{"step":2,"data":{"a":NaN,"b":-Infinity}}\n')
    assert same(read.records, [(1, nan, {"a": 1.0, "b": nan}), (2, nan, {"a": nan, "b": -inf})])
    assert (read.rows, read.first_step, read.last_step, read.unread) == (2, 1, 2, [])


def test_what_verls_jsonl_cannot_say_is_set_aside_with_its_line() -> None:
    lines = [
        '{"step": 1, "data": {"a": 1.5, "who": "me", "list": [1.0]}}',
        "",
        "garbage",
        '{"step": "x", "data": {}}',
        '{"step": 2, "data": {"list": [1.0]}}',
        '{"step": 3, "data": {"a": "2.5"}}',
        '{"step": 9223372036854775807123, "data": {"a": 1}}',
        '{"step": 4, "data": {"a": 1.0, "b": 2.',
    ]
    read = feed(verl_jsonl, "\n".join(lines).encode())
    assert [(step, values) for step, _, values in read.records] == [(1, {"a": 1.5}), (3, {"a": 2.5}), (4, {"a": 1.0})]
    assert [unread.line for unread in read.unread] == [1, 1, 3, 4, 7, 8]


# --- any name, any value ---

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0\x1b"), min_size=1, max_size=20).filter(
    lambda name: name == name.strip() and "pid=" not in name and "[repeated" not in name
)
FLOATS = st.floats(width=64)


def console_safe(name: str) -> bool:
    """A name that ends in `:<number>` before a " - ", or begins or ends with a piece of one, cannot be told apart."""
    return " - " not in f" {name} " and not name.endswith("-") and ":" not in name[-1:]


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(NAMES.filter(console_safe), FLOATS, min_size=1, max_size=6), st.booleans())
def test_console_round_trip(values: dict[str, float], numpy_style: bool) -> None:
    spelled = [
        f"{name}:np.float64({value!r})" if numpy_style else f"{name}:{value!r}" for name, value in values.items()
    ]
    assert same(metrics("step:3 - " + " - ".join(spelled)), [values])


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(NAMES, FLOATS, min_size=1, max_size=6))
def test_verl_jsonl_round_trip(values: dict[str, float]) -> None:
    line = json.dumps({"step": 3, "data": values}).encode() + b"\n"
    assert same([v for _, _, v in feed(verl_jsonl, line, line).records], [values, values])


SEGMENTS = st.sampled_from(
    [
        "a:1",
        "b c:2.5",
        "x/y(1e-4):nan",
        "z:np.float64(-inf)",
        "n:null",
        "t:True",
        "q:[1]",
        'u:"5"',
        "\\u0041:1",
        "p:{}",
        "a",
        "",
        ":3",
        "k:-1e-7",
        "d:e:4",
        "big:1e400",
        "word:abc",
        "i:np.int64(7)",
        "o:np.float64(nan)",
        "数:0.5",
        "s: 6 ",
        "f:5.",
        "w:np.float64(x)",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(SEGMENTS, max_size=5))
def test_the_quick_way_reads_what_the_slow_one_reads(segments: list[str]) -> None:
    body = " - ".join(segments)
    quick, slow = verl_console._numbers(body.encode()), verl_console._one_by_one(body)
    assert (quick[0], quick[2]) == (slow[0], slow[2])
    np.testing.assert_array_equal(quick[1], slow[1])
