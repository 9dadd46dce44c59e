"""What TRL writes beside its event files: trainer_state.json, dumped rows, and dicts on the console."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from feeding import feed, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.contract import Memory, Part, Sample, Unread
from collectors.formats import json_rows, trl_console, trl_state

Point = tuple[int, str, float]

STATE = """{
  "best_metric": null,
  "best_model_checkpoint": "out/检查点-20",
  "epoch": 0.5,
  "eval_steps": 20,
  "global_step": 2,
  "log_history": [
    {
      "epoch": 0.25,
      "loss": 0.0021,
      "reward": -0.87,
      "grad_norm": NaN,
      "step": 1
    },
    {
      "epoch": 0.5,
      "loss": "0.125",
      "reward": null,
      "grad_norm": Infinity,
      "step": 2
    },
    {
      "epoch": 0.5,
      "eval_reward": 0.5,
      "eval_runtime": 402.5,
      "step": 2
    },
    {
      "epoch": 0.5,
      "step": 2,
      "total_flos": 0.0,
      "train_loss": 0.06,
      "train_runtime": 12.5
    }
  ],
  "logging_steps": 1,
  "max_steps": 2,
  "num_train_epochs": 1,
  "stateful_callbacks": {"TrainerControl": {"args": {"should_log": false}, "attributes": {}}},
  "train_batch_size": 8,
  "trial_name": null
}"""
CLEAN_STATE = STATE.replace("NaN", "1.5").replace("Infinity", "2.5")


def read(reader: ModuleType, text: str | bytes, torn: bool = False) -> Part:
    data = text.encode() if isinstance(text, str) else text
    part: Part = reader.read(data, {}, torn=torn)
    assert 0 <= part.used <= len(data)
    return part


def points(parts: Iterable[Part]) -> list[Point]:
    return [
        (step, name, value)
        for part in parts
        for block in part.blocks
        for step, row, there in zip(block.steps.tolist(), block.values.tolist(), block.mask(), strict=True)
        for name, value, known in zip(block.names, row, there, strict=True)
        if known
    ]


def series(part: Part, name: str) -> dict[int, float]:
    return {step: value for step, other, value in points([part]) if other == name}


def claims(text: str | bytes) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    sample = Sample(Path("a.log"), data[: 1 << 16], data)
    return [reader.NAME for reader in (trl_state, json_rows, trl_console) if reader.recognises(sample)]


# --- trainer_state.json --------------------------------------------------------------------------------------------


def test_state_rows_evaluations_and_summary() -> None:
    part = read(trl_state, STATE)
    assert (part.used, part.unread) == (len(STATE.encode()), [])
    assert (part.rows, part.first_step, part.last_step) == (2, 1, 2)
    assert series(part, "loss") == {1: 0.0021, 2: 0.125}
    assert series(part, "reward") == {1: -0.87}
    assert series(part, "eval_reward") == {2: 0.5}
    assert math.isnan(series(part, "grad_norm")[1]) and series(part, "grad_norm")[2] == math.inf
    assert [step for step, name, _ in points([part]) if name == "epoch"] == [1, 2]
    assert part.config == {
        "eval_steps": 20,
        "logging_steps": 1,
        "max_steps": 2,
        "num_train_epochs": 1,
        "train_batch_size": 8,
        "summary": {"epoch": 0.5, "step": 2.0, "total_flos": 0.0, "train_loss": 0.06, "train_runtime": 12.5},
    }


def test_state_of_a_trainer_without_rewards() -> None:
    history = [{"loss": 2.5, "mean_token_accuracy": 0.5, "learning_rate": 1e-5, "epoch": 0.1, "step": 10}]
    part = read(trl_state, json.dumps({"global_step": 10, "log_history": history}))
    assert series(part, "mean_token_accuracy") == {10: 0.5}
    assert part.rows == 1


def test_state_says_the_epoch_once_a_step() -> None:
    history = [
        {"loss": 1.0, "epoch": 0.1, "step": 1},
        {"custom": 2.0, "epoch": 0.1, "step": 1},
        {"epoch": 0.1, "step": 1},
    ]
    part = read(trl_state, json.dumps({"log_history": history}))
    assert points([part]) == [(1, "loss", 1.0), (1, "epoch", 0.1), (1, "custom", 2.0)]


def test_a_later_state_only_adds_records() -> None:
    document = json.loads(CLEAN_STATE)
    whole = points([read(trl_state, json.dumps(document))])
    for cut in range(len(document["log_history"])):
        earlier = points([read(trl_state, json.dumps(document | {"log_history": document["log_history"][:cut]}))])
        assert earlier == whole[: len(earlier)]


@pytest.mark.parametrize("state", [STATE, CLEAN_STATE], ids=["with NaN", "plain JSON"])
def test_half_a_state_is_unread_and_nothing_else(state: str) -> None:
    data = state.encode()
    for cut in range(len(data)):
        part = read(trl_state, data[:cut])
        (unread,) = part.unread
        assert part == Part(unread=[unread])
        assert 1 <= unread.line <= 1 + data[:cut].count(b"\n")


def test_state_sets_aside_what_it_cannot_read_with_its_line() -> None:
    text = STATE.replace('"grad_norm": NaN', '"grad_norm": {"a": 1}').replace('"loss": "0.125"', '"loss": "low"')
    evaluation = '    {\n      "epoch": 0.5,\n      "eval_reward"'
    text = text.replace(evaluation, "    17,\n" + evaluation)
    part = read(trl_state, text)
    assert part.unread == [
        Unread(8, "no numbers: 'grad_norm'"),
        Unread(15, "no numbers: 'loss'"),
        Unread(22, "no object"),
    ]
    assert series(part, "eval_reward") == {2: 0.5}
    assert read(trl_state, '{"log_history": 3}').unread == [Unread(1, "no log_history in this document")]


def test_state_survives_what_json_allows() -> None:
    history = '[{"step": 1e400, "loss": 1}, {"step": 1, "\\ud800": 1, "a\\u0000": 2, "big": 1' + "0" * 400 + "}]"
    part = read(trl_state, '{"log_history": ' + history + "}")
    for name in (name for block in part.blocks for name in block.names):
        assert "\0" not in name and name.encode()
    assert read(trl_state, "[" * 100_000).used == 0
    assert read(trl_state, '{"log_history": [' + "[" * 100_000).used == 0


# --- a list of rows ------------------------------------------------------------------------------------------------

ROWS = [
    {"loss": 0.5, "reward": 0.125, "epoch": 0.1, "step": 5},
    {"loss": 0.25, "reward": 0.5, "epoch": 0.2, "step": 10},
    {"train_runtime": 4966.9, "train_loss": 0.375, "epoch": 0.2, "step": 10},
]


def test_rows_of_a_dumped_history() -> None:
    part = read(json_rows, json.dumps(ROWS, indent=2))
    assert points([part]) == [
        (5, "loss", 0.5),
        (5, "reward", 0.125),
        (5, "epoch", 0.1),
        (10, "loss", 0.25),
        (10, "reward", 0.5),
        (10, "epoch", 0.2),
    ]
    assert (part.rows, part.first_step, part.last_step, part.unread) == (2, 5, 10, [])
    assert part.config["summary"]["train_runtime"] == 4966.9


def test_half_a_list_is_unread_and_nothing_else() -> None:
    data = json.dumps(ROWS, indent=2).encode()
    for cut in range(len(data)):
        part = read(json_rows, data[:cut])
        assert part == Part(unread=part.unread) and len(part.unread) == 1


def test_rows_with_other_things_between() -> None:
    part = read(json_rows, json.dumps([ROWS[0], [1], "a", ROWS[1] | {"note": "hi"}], indent=1))
    assert part.unread == [Unread(8, "no object"), Unread(11, "no object"), Unread(12, "no numbers: 'note'")]
    assert part.rows == 2
    assert read(json_rows, '{"a": 1}').unread == [Unread(1, "no list of rows")]


# --- who claims what -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "by"),
    [
        (STATE, ["trl-state"]),
        (json.dumps(json.loads(CLEAN_STATE)), ["trl-state"]),
        (STATE[:600], ["trl-state"]),
        (json.dumps(ROWS), ["json-rows"]),
        (json.dumps(ROWS, indent=2)[:200], ["json-rows"]),
        ("noise\n\r  5%|▌ | 10/200 [00:31<10:02]{'loss': 0.1, 'epoch': 0.01}\n", ["trl-console"]),
        ("x" * 100_000 + "\n{'loss': '0.1', 'grad_norm': 'nan', 'epoch': '0.01'}\n", ["trl-console"]),
        ("{'loss': nan, 'learning_rate': 1e-06}\n", ["trl-console"]),
        ("", []),
        ("[]", []),
        ("{}", []),
        ('{"log_history": 3}', []),
        ('{"text": "{\\"log_history\\": [{"}', []),
        ('[{"prompt": "1+1", "completion": "2", "reward": 1.0, "step": 1}]', []),
        ('[{"x": 1, "y": 2}]', []),
        ('[{"step": 1, "tokens": [1, 2], "loss": 1}]', []),
        ('{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.4}\n', []),
        ('{"step": 1, "text": "{\'loss\': 1, \'epoch\': 1}"}\n', []),
        ("step:1 - actor/loss:0.1 - critic/score/mean:0.5\n", []),
        ("{'loss': 0.1, 'epoch': 1}\nstep:1 - actor/loss:0.1 - critic/score/mean:0.5\n", []),
        ("Updated tokens: {'eos_token_id': 248046, 'pad_token_id': 248044}.\n", []),
        ("{'loss': Loss(0.1), 'epoch': 1}\n", []),
        ("{'prompt': 'why', 'epoch': 1}\n", []),
    ],
)
def test_is_claimed_by_content(text: str, by: list[str]) -> None:
    assert claims(text) == by


# --- the console ---------------------------------------------------------------------------------------------------

CONSOLE = (
    "2026-04-04 [INFO] Training: rho=0.10\n"
    "Updated tokens: {'eos_token_id': 248046, 'pad_token_id': 248044}.\r\n"
    "\rMap:  60%|██████    | 4467/7473 [00:00<00:00, 44463.75 examples/s]\n"
    "\r  0%|          | 0/4 [00:00<?, ?it/s]\r 25%|██▌       | 1/4 [00:05<17:04,  5.15s/it]"
    "\r                      \r{'loss': 0.5, 'grad_norm': nan, 'reward': -inf, 'epoch': 0.25}\n"
    "\r 25%|██▌       | 1/4 [00:05<17:04,  5.15s/it]\r 50%|█████     | 2/4 [00:08<00:08,  4.13s/it]"
    "{'loss': '0.25', 'grad_norm': 'nan', 'reward': '1e-3', 'epoch': '0.5'}\n"
    "\r 50%|█████     | 1/2 [00:01<00:01]\r          \r{'eval_loss': 0.125, 'eval_runtime': 3.5, 'epoch': 0.5}\n"
    "\r100%|██████████| 4/4 [00:16<00:00,  4.1s/it]\r       \r"
    "{'loss': np.float64(0.75), \"rewards/it's\": 1.0, 'kl': None, 'reward': 2.0, 'epoch': 1.0}\n"
    "{'train_runtime': 16.5, 'train_loss': 0.5, 'epoch': 1.0}\n"
    "bye {'loss': 1\n"
)


def read_cut(data: bytes, cuts: Iterable[int]) -> tuple[list[Part], Memory]:
    memory: Memory = {}
    parts, place = [], 0
    for cut in [*cuts, len(data)]:
        parts.append(trl_console.read(data[place:cut], memory, torn=False))
        place += parts[-1].used
    assert place == len(data)
    return parts, memory


def flat(parts: Iterable[Part]) -> list[Any]:
    return [repr(point) for point in points(parts)]


def test_console_rows_evaluations_and_progress() -> None:
    part = read(trl_console, CONSOLE)
    assert series(part, "loss") == {1: 0.5, 2: 0.25, 3: 0.75}
    assert {step: repr(value) for step, value in series(part, "grad_norm").items()} == {1: "nan", 2: "nan"}
    assert series(part, "reward") == {1: -math.inf, 2: 0.001, 3: 2.0}
    assert series(part, "rewards/it's") == {3: 1.0}
    assert series(part, "epoch") == {1: 0.25, 2: 0.5, 3: 1.0}
    assert series(part, "eval_loss") == {2: 0.125}
    assert series(part, "progress/step") == {1: 1.0, 2: 2.0, 3: 4.0}
    assert (part.rows, part.first_step, part.last_step) == (3, 1, 3)
    assert part.config == {"summary": {"train_runtime": 16.5, "train_loss": 0.5, "epoch": 1.0}}
    assert part.unread == [Unread(9, "a row that is cut or nested: \"{'loss': 1\\n\"")]


def test_console_cut_anywhere_reads_the_same() -> None:
    data = CONSOLE.encode()
    whole, memory_at_once = read_cut(data, [])
    for cut in range(len(data)):
        parts, memory = read_cut(data, [cut])
        assert flat(parts) == flat(whole)
        assert sum(part.rows for part in parts) == 3
        assert [one for part in parts for one in part.unread] == whole[0].unread
        assert memory == memory_at_once


def test_console_torn_end_is_read_up_to_its_last_whole_dict() -> None:
    assert read(trl_console, "{'loss': 1.0, 'epoch': 0.1}", torn=False).used == 0
    part = read(trl_console, "{'loss': 1.0, 'epoch': 0.1}{'loss': 2.0, 'epo", torn=True)
    assert points([part]) == [(1, "loss", 1.0), (1, "epoch", 0.1)]
    assert part.unread == []


def test_console_several_dicts_on_a_line_and_rank_prefixes() -> None:
    part = read(trl_console, "[rank0]:{'loss': 1, 'epoch': 1}{'loss': 2, 'epoch': 2} {'eval_x': 3, 'epoch': 2}\n")
    assert points([part]) == [(1, "loss", 1), (1, "epoch", 1), (2, "loss", 2), (2, "epoch", 2), (2, "eval_x", 3)]


def test_console_gives_up_the_bar_where_stdout_is_buffered() -> None:
    bar = "\r 20%|██        | 40/200 [02:23<08:06,  3.04s/it]\r        \r"
    rows = ["{'loss': 1.0, 'epoch': 0.1}\n"] * 4
    part = read(trl_console, bar + rows[0] + rows[1] + bar + rows[2] + rows[3])
    assert series(part, "progress/step") == {1: 40.0}
    assert part.rows == 4


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{'loss': Loss(0.5, of='x'), 'epoch': 0.1}", "a row that is no plain dict: "),
        ("{'loss': 0.5, 'by': {'a': 1}, 'epoch': 0.1}", "a row that is cut or nested: "),
        ("{'loss': 0.5, 'text': 'a \\x", "a row that is cut or nested: "),
        ("{'loss': 0.5, 'answer': 'forty-two', 'epoch': 0.1}", "no numbers: 'answer'"),
    ],
)
def test_console_sets_aside_rows_that_it_cannot_read(line: str, why: str) -> None:
    part = read(trl_console, f"first\n{line}\n{{'loss': 1.0, 'epoch': 0.2}}\n")
    (unread,) = part.unread
    assert (unread.line, unread.why[: len(why)]) == (2, why)
    assert part.rows == (2 if "answer" in line else 1)


def test_console_is_silent_about_other_dicts() -> None:
    part = read(trl_console, "{'a': {'b': 1}} {'x': object()} {'eos': 1} {'epoch': 3}\n")
    assert (part.blocks, part.unread, part.rows) == ([], [], 0)


def test_console_line_of_30000_characters() -> None:
    bars = "".join(f"\r {i // 2}%|█ | {i}/200 [02:23<08:06, 3.04s/it]\r      \r" for i in range(1, 700))
    part = read(trl_console, bars + "{'loss': 0.5, 'epoch': 0.1}\n")
    assert points([part]) == [(1, "loss", 0.5), (1, "epoch", 0.1), (1, "progress/step", 699.0)]


# --- anything ------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.binary(max_size=200) | st.text("{}[]'\":,. \n\r0123loss epoch-naif\\u", max_size=80).map(str.encode),
    st.booleans(),
)
@pytest.mark.parametrize("reader", [trl_state, json_rows, trl_console])
def test_survives_any_bytes(reader: ModuleType, data: bytes, torn: bool) -> None:
    read(reader, data, torn)
    claims(data)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 2000))
def test_survives_damage(changes: list[tuple[int, int]], cut: int) -> None:
    rows = json.dumps(ROWS)
    for text, reader in ((CONSOLE, trl_console), (STATE, trl_state), (CLEAN_STATE, trl_state), (rows, json_rows)):
        damaged = bytearray(text.encode())
        for place, byte in changes:
            damaged[place % len(damaged)] = byte
        read(reader, bytes(damaged))
        read(reader, bytes(damaged[:cut]), torn=True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
records = st.dictionaries(st.sampled_from(["step", "loss", "epoch", "eval_x", "time", "a"]), json_values, max_size=5)


@settings(deadline=None)
@given(st.lists(records | json_values, max_size=8))
def test_survives_any_document(history: list[object]) -> None:
    for text in (json.dumps({"log_history": history}), json.dumps(history, indent=1)):
        for reader in (trl_state, json_rows):
            part = read(reader, text)
            assert part.used == len(text)
            assert all(block.points for block in part.blocks)


@settings(deadline=None)
@given(st.lists(st.floats(), min_size=1, max_size=10), st.lists(st.integers(0, 400), max_size=3))
def test_console_reads_every_float_wherever_it_is_cut(values: list[float], cuts: list[int]) -> None:
    rows: list[dict[str, Any]] = [{"loss": value, "as_text": f"{value:.4g}", "epoch": 0.5} for value in values]
    data = "".join(f"{row}\n" for row in rows).encode()
    parts, _ = read_cut(data, sorted(cut for cut in cuts if cut < len(data)))
    expected = [(i, name, float(row[name])) for i, row in enumerate(rows, 1) for name in ("loss", "as_text", "epoch")]
    assert flat(parts) == [repr(point) for point in expected]


def test_numbers_that_numpy_and_torch_wrap_are_read() -> None:
    row = "{'loss': np.float64(0.5), 'grad_norm': tensor(0.25, device='cuda:0'), 'reward': tensor(nan), 'epoch': 0.1}\n"
    assert trl_console.recognises(sample(row))
    (record,) = feed(trl_console, row.encode()).records
    assert repr(record[2]) == "{'loss': 0.5, 'grad_norm': 0.25, 'reward': nan, 'epoch': 0.1}"
