"""The readers of line formats: each spelling with its known answer, any bytes, any cut, any name."""

from __future__ import annotations

import json
from math import inf, isnan, nan
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from collectors.contract import Part, Sample, Unread, as_format
from collectors.formats import plain_csv, plain_jsonl, verl_console, verl_jsonl

FORMATS = [verl_console, verl_jsonl, plain_jsonl, plain_csv]
CYAN, DIM, END = "\x1b[36m", "\x1b[2m", "\x1b[0m"
Record = tuple[int, float, dict[str, float]]


class Read(NamedTuple):
    records: list[Record]
    unread: list[Unread]
    rows: int
    first_step: int | None
    last_step: int | None
    config: dict[str, Any]
    run: str | None
    project: str | None


def feed(reader: ModuleType, *pieces: bytes) -> Read:
    """Gives the pieces as the collector does: what was not used comes again with the next one, the rest as torn."""
    memory: dict[str, Any] = {}
    parts: list[Part] = []
    waiting = b""
    for piece in pieces:
        waiting += piece
        parts.append(reader.read(waiting, memory, torn=False))
        waiting = waiting[parts[-1].used :]
        memory = json.loads(json.dumps(memory))
    if waiting:
        parts.append(reader.read(waiting, json.loads(json.dumps(memory)), torn=True))
    return joined(parts)


def joined(parts: list[Part]) -> Read:
    with_rows = [part for part in parts if part.rows]
    config: dict[str, Any] = {}
    for part in parts:
        config.update(part.config)
    return Read(
        [record for part in parts for record in records_of(part)],
        [unread for part in parts for unread in part.unread],
        sum(part.rows for part in parts),
        with_rows[0].first_step if with_rows else None,
        with_rows[-1].last_step if with_rows else None,
        config,
        next((part.run for part in parts if part.run), None),
        next((part.project for part in parts if part.project), None),
    )


def records_of(part: Part) -> list[Record]:
    found = []
    for block in part.blocks:
        assert len(set(block.names)) == len(block.names)
        assert block.values.shape == (len(block.steps), len(block.names)) == block.mask().shape
        assert block.values.dtype == np.float64 and block.steps.dtype == np.int64
        for step, wall, row in zip(block.steps.tolist(), block.walls.tolist(), block.values.tolist(), strict=True):
            found.append((step, wall, dict(zip(block.names, row, strict=True))))
    return found


def same(one: object, other: object) -> bool:
    """Equal, with NaN equal to NaN."""
    return repr(one) == repr(other)


def metrics(line: str) -> list[dict[str, float]]:
    return [values for _, _, values in feed(verl_console, line.encode() + b"\n").records]


def sample(text: str | bytes, name: str = "x.log") -> Sample:
    data = text.encode() if isinstance(text, str) else text
    return Sample(Path(name), data[: 1 << 16], data[: 2 << 20])


# --- verl's console line --------------------------------------------------------------------------------------------

BODY = "step:7 - actor/lr:1e-06 - critic/score/mean:0.500"
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


def test_a_line_that_wandb_cut_at_4096_characters_loses_its_last_value() -> None:
    line = "step:3 - " + " - ".join(f"长/metric{i:05}:0.12345" for i in range(400))
    read = feed(verl_console, line[:4096].encode() + b"\nstep:4 - a:1\n")
    assert [step for step, _, _ in read.records] == [3, 4]
    whole = line[:4096].split(" - ")[1:-1]
    assert list(read.records[0][2]) == [segment.partition(":")[0] for segment in whole]
    assert [unread.line for unread in read.unread] == [1]


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


CONFIG = f"""{CYAN}(TaskRunner pid=7){END} {{'actor_rollout_ref': {{'actor': {{'clip_ratio_high': 0.28,
{CYAN}(WorkerDict pid=8){END} {{'trainer': 'not this one',
{CYAN}(TaskRunner pid=7){END}                                  'note': 'a {{ - brace, '
{CYAN}(TaskRunner pid=7){END}                                          'and more',
{CYAN}(TaskRunner pid=7){END} WARNING: another thread of the same process
{CYAN}(TaskRunner pid=7){END}                                  'betas': [0.9,
{CYAN}(TaskRunner pid=7){END}                                            0.999],
{CYAN}(TaskRunner pid=7){END}                                  'scale': -inf,
{CYAN}(TaskRunner pid=7){END}                                  'loss_agg_mode': 'token-mean'}}}},
{CYAN}(TaskRunner pid=7){END}  'trainer': {{'experiment_name': 'dapo-7b',{CYAN}(pid=9){END} libgomp
{CYAN}(TaskRunner pid=7){END}              'logger': ['console', 'wandb'],
{CYAN}(TaskRunner pid=7){END}              'project_name': '数学',
{CYAN}(TaskRunner pid=7){END}              'total_training_steps': None}}}}
{CYAN}(TaskRunner pid=7){END} step:1 - a:1.0 - b:2.0
"""


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


# --- plain JSONL ----------------------------------------------------------------------------------------------------


def plain(*records: Any) -> Read:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    return feed(plain_jsonl, "".join(line + "\n" for line in lines).encode())


@pytest.mark.parametrize(
    ("record", "step", "values"),
    [
        ({"step": 3, "loss": 0.5}, 3, {"loss": 0.5}),
        ({"loss": 0.5, "global_step": 4}, 4, {"loss": 0.5}),
        ({"step": 5, "global_step": 9, "loss": 0.5}, 5, {"global_step": 9.0, "loss": 0.5}),
        ({"_step": 5.0, "loss": True}, 5, {"loss": 1.0}),
        ({"global_step/max_steps": "12/500", "loss": "0.25", "left": "1h 2m"}, 12, {"loss": 0.25}),
        ({"train": {"global_step": 6, "loss": {"pg": 1}}}, 6, {"train/loss/pg": 1.0}),
        ({"step": 1, "loss": None, "kl": "NaN", "tags": [1, 2]}, 1, {"kl": nan}),
        ({"step": 1.5, "loss": 2}, 1, {"step": 1.5, "loss": 2.0}),
        ('{"step": 2, "loss": Infinity}', 2, {"loss": inf}),
        ({"Step": 2, "loss": 10**400}, 2, {"loss": inf}),
    ],
)
def test_every_spelling_of_a_plain_record(record: Any, step: int, values: dict[str, float]) -> None:
    for read in (plain(record), plain({"step": 0, "x": 1}, record)):
        if not isinstance(record, str) and record.get("step") == 1.5 and len(read.records) > 1:
            continue
        assert same([read.records[-1][0], read.records[-1][2]], [step, values])
        assert not read.unread


@pytest.mark.parametrize(
    ("clock", "wall"),
    [
        ({"timestamp": 1760000000.5}, 1760000000.5),
        ({"time": 1760000000500}, 1760000000.5),
        ({"created_at": "2025-10-09T08:53:20Z"}, 1760000000.0),
        ({"timestamp": "2025-10-09T08:53:20"}, 1760000000.0),
        ({"wall_time": 12.5, "_timestamp": 1760000000}, 1760000000.0),
    ],
)
def test_wall_times(clock: dict[str, Any], wall: float) -> None:
    assert [record[1] for record in plain({"step": 1, "a": 1.0, **clock}).records] == [wall]


def test_a_relative_wall_time_stays_a_metric() -> None:
    assert same(plain({"step": 1, "wall_time": 12.5}).records, [(1, nan, {"wall_time": 12.5})])


def test_rows_are_counted_where_no_record_has_a_step() -> None:
    read = plain({"loss": 3}, {"loss": 2}, {"eval/acc": 0.5}, {"loss": 1}, {"train_runtime": 9})
    assert [step for step, _, _ in read.records] == [1, 2, 2, 3, 3]
    assert (read.rows, read.first_step, read.last_step) == (3, 1, 3)


def test_a_summary_and_evaluations_are_no_rows_and_belong_to_their_step() -> None:
    read = plain({"step": 5, "loss": 3}, {"step": 6, "eval_acc": 1, "epoch": 2}, {"train_runtime": 9, "epoch": 2})
    assert [step for step, _, _ in read.records] == [5, 6, 6]
    assert (read.rows, read.first_step, read.last_step) == (1, 5, 5)


def test_a_record_of_settings_becomes_the_config() -> None:
    read = plain({"config": {"lr": 0.1}}, {"step": 1, "loss": 2})
    assert read.config == {"lr": 0.1}
    assert same(read.records, [(1, nan, {"loss": 2.0})])


def test_no_json_is_set_aside_with_its_line() -> None:
    read = plain({"step": 1, "a": 1}, "oops", "[1, 2]", {"step": 2, "a": 1})
    assert [(unread.line, unread.why) for unread in read.unread] == [(2, "no JSON object"), (3, "no JSON object")]
    assert read.rows == 2


def test_a_plain_line_without_an_end_gives_what_is_whole() -> None:
    read = feed(plain_jsonl, b'{"step": 1, "a": 1, "b": 2}\n{"step": 2, "a": 3, "b": 4')
    assert same(read.records, [(1, nan, {"a": 1.0, "b": 2.0}), (2, nan, {"a": 3.0})])
    assert [unread.line for unread in read.unread] == [2]


# --- plain CSV ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table(separator: str) -> None:
    table = 'step,"loss, mean",note,time,reward\n1,0.5,warm-up,1760000000,nan\n2,,,,-inf\r\n'
    read = feed(plain_csv, table.replace(", ", "\0").replace(",", separator).replace("\0", ", ").encode())
    assert same(
        read.records,
        [(1, 1760000000.0, {"loss, mean": 0.5, "reward": nan}), (2, nan, {"reward": -inf})],
    )
    assert (read.rows, read.first_step, read.last_step, read.unread) == (2, 1, 2, [])


def test_a_restart_writes_the_names_again() -> None:
    read = feed(plain_csv, b"step,a\n1,0.1\n2,0.2\nstep,a,b\n2,0.3,9\n")
    assert same(read.records, [(1, nan, {"a": 0.1}), (2, nan, {"a": 0.2}), (2, nan, {"a": 0.3, "b": 9.0})])


def test_what_a_table_cannot_say_is_set_aside_with_its_line() -> None:
    read = feed(plain_csv, b"step,a,b\n1,2,3\n2,x,3\n3,1\n4,1,2,\n5,1,2,3\n6,1.5,2")
    assert [(step, values) for step, _, values in read.records] == [
        (1, {"a": 2.0, "b": 3.0}),
        (2, {"b": 3.0}),
        (4, {"a": 1.0, "b": 2.0}),
        (6, {"a": 1.5}),
    ]
    assert [unread.line for unread in read.unread] == [3, 4, 6, 7]


def test_a_table_without_steps_is_counted_and_an_unnamed_index_left_out() -> None:
    read = feed(plain_csv, b",loss,acc\n0,3.5,0.1\n1,2.5,0.2\n")
    assert same(read.records, [(1, nan, {"loss": 3.5, "acc": 0.1}), (2, nan, {"loss": 2.5, "acc": 0.2})])


# --- whose file is it -----------------------------------------------------------------------------------------------

VERL_JSONL = '{"step": 1, "data": {"actor/lr": 1e-06, "critic/score/mean": null}}\n' * 3
PLAIN_JSONL = '{"step": 1, "loss": 0.5, "note": "warm-up"}\n{"step": 2, "loss": 0.25}\n'
PLAIN_CSV = "step,loss,note\n1,0.5,warm-up\n2,0.25,\n"
SAMPLES = {verl_console: CONFIG, verl_jsonl: VERL_JSONL, plain_jsonl: PLAIN_JSONL, plain_csv: PLAIN_CSV}


@pytest.mark.parametrize("reader", FORMATS, ids=lambda reader: reader.NAME)
def test_each_reader_claims_its_own_sample_alone(reader: ModuleType) -> None:
    assert as_format(reader).NAME
    assert [other for other in FORMATS if other.recognises(sample(SAMPLES[reader]))] == [reader]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "Some prose, with commas, in it.\nAnd more, of it, here.\n",
        "name,city\nAda,London\nKurt,Wien\n",
        'file,notes,rows\na.log,"healthy, flat",3\nb.log,short,4\n',
        "1,2,3\n4,5,6\n",
        '{\n  "step": 1,\n  "loss": 2\n}\n',
        '[{"step": 1, "loss": 2}]\n',
        '{"step": 1, "loss": 2}',
        '{"input": "1+1=", "output": "2", "gts": "2", "score": 1.0, "step": 3}\n' * 4,
        '{"prompt": ["a", "b"], "completion": ["c", "d"], "advantages": [0.1, 0.2]}\n' * 4,
        '{"messages": [{"role": "user", "content": "hi"}], "reward": 1}\n' * 4,
        '{"level": 30, "time": 1760000000000, "pid": 3, "hostname": "a", "msg": "started", "name": "b"}\n' * 4,
        '{"best_metric": null, "log_history": [{"loss": 1.0, "step": 1}], "global_step": 1}\n',
        "{'loss': 0.1, 'reward': 0.5}\n" * 4,
        "Let us think step by step:1 - we have 3 - 4\n" * 4,
        "\0\0\0\0\x18\0\0\0step:1 - a:1 - b:2\n",
        ":W&B\n step:1 - a:1 - b:2\n",
    ],
)
def test_nobody_claims_what_is_no_metrics_file(text: str) -> None:
    assert [reader.NAME for reader in FORMATS if reader.recognises(sample(text, "x.txt"))] == []


def test_a_metric_line_may_come_late() -> None:
    late = "noise, more noise\n" * 50_000 + BODY + "\n"
    assert verl_console.recognises(sample(late))


# --- any bytes, any cut, any name -----------------------------------------------------------------------------------

GRAINS = st.sampled_from(
    [b"step:", b"1", b" - ", b":", b"a/b", b"0.5", b"\n", b"\r", b"\0", b"nan", b"np.float64(", b")", b"(x pid=3) "]
    + [b"{'actor_rollout_ref': {", b"}}", b" 'x': 1,\n", b'{"step": 1, "data": {', b'"a": 1', b'{"', b'": ', b"null"]
    + [b",", b'"', b"step,a\n", b"1,2\n", b"\xff", b"[", b"]", b"}", b"\x1b[0m", "数".encode(), b"1e999", b"Infinity"]
    + [b"1760000000", b'"step": 2', b'"time": ', b"\\ud800", b"-"]
)
BYTES = st.lists(GRAINS | st.binary(max_size=6), max_size=40).map(b"".join)


@pytest.mark.parametrize("reader", FORMATS, ids=lambda reader: reader.NAME)
@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(BYTES, max_size=4))
def test_no_bytes_make_a_reader_raise(reader: ModuleType, pieces: list[bytes]) -> None:
    reader.recognises(sample(b"".join(pieces)))
    read = feed(reader, *pieces)
    assert same(read, feed(reader, b"".join(pieces)))
    for _, _, values in read.records:
        assert all(name.encode() and "\0" not in name for name in values)


def test_a_memory_of_another_file_makes_no_reader_raise() -> None:
    memory: dict[str, Any] = {}
    for text in SAMPLES.values():
        for reader in FORMATS:
            reader.read(text.encode(), memory, torn=True)
            reader.read(text.encode(), memory, torn=False)


LOGS = {
    verl_console: (
        CONFIG + f"{CYAN}(TaskRunner pid=7){END} step:2 - a:np.float64(1.0) - 数/b:nan\r\n{BODY}\n"
    ).encode(),
    verl_jsonl: (VERL_JSONL + '{"step":2,"data":{"数":NaN}}\n\n').encode(),
    plain_jsonl: (PLAIN_JSONL + '{"loss": 1}\n{"a": {"数": null, "b": 3}}\r\n').encode(),
    plain_csv: ("\ufeff" + PLAIN_CSV + '3,"0.5","a,b"\nstep,loss\n4,1\n').encode(),
}


@pytest.mark.parametrize("reader", FORMATS, ids=lambda reader: reader.NAME)
def test_it_does_not_matter_where_the_file_was_cut(reader: ModuleType) -> None:
    log = LOGS[reader]
    whole = feed(reader, log)
    assert whole.rows >= 2 and not whole.unread
    for cut in range(len(log) + 1):
        assert same(feed(reader, log[:cut], log[cut:]), whole)


@pytest.mark.parametrize("reader", FORMATS, ids=lambda reader: reader.NAME)
def test_a_torn_end_never_says_what_the_whole_line_does_not(reader: ModuleType) -> None:
    """Of a file cut anywhere, each value is one that the whole file has at that place, or that line is not there."""
    log = LOGS[reader]
    whole = feed(reader, log).records
    for cut in range(len(log)):
        for (step, wall, values), full in zip(feed(reader, log[:cut]).records, whole, strict=False):
            assert same((step, wall), full[:2]) or isnan(wall)
            assert step == full[0] and values.keys() <= full[2].keys() | {"time"}
            assert all(same(values[name], full[2][name]) for name in values)


def test_a_line_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.lines.LONGEST_LINE", 1000)
    read = feed(
        plain_jsonl, b'{"step": 1, "a": 1}\n', b'{"a": "' + b"x" * 2000, b"x" * 2000 + b'"}\n{"step": 2, "a": 1}\n'
    )
    assert [step for step, _, _ in read.records] == [1, 2]
    assert [unread.line for unread in read.unread] == [2]


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


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(NAMES.map("m/".__add__), FLOATS, min_size=1, max_size=6), min_size=1, max_size=4))
def test_plain_jsonl_round_trip(rows: list[dict[str, float]]) -> None:
    read = plain(*({"step": i, **row} for i, row in enumerate(rows)))
    assert same([(step, values) for step, _, values in read.records], list(enumerate(rows)))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(NAMES.map("m/".__add__), FLOATS, min_size=1, max_size=6))
def test_plain_csv_round_trip(values: dict[str, float]) -> None:
    quoted = ['"' + name.replace('"', '""') + '"' for name in values]
    assume(all(len(name.split()) <= 8 for name in values))
    table = f"step,{','.join(quoted)}\n4,{','.join(map(repr, values.values()))}\n"
    assert same([(step, found) for step, _, found in feed(plain_csv, table.encode()).records], [(4, values)])
