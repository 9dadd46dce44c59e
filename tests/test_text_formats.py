"""The readers of line formats: plain JSONL and CSV by known answers; for all: whose file, any bytes, any cut."""

from __future__ import annotations

import json
from math import inf, isnan, nan
from types import ModuleType
from typing import Any

import pytest
from feeding import BODY, CONFIG, CYAN, END, Read, feed, same, sample
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from collectors.contract import as_format
from collectors.formats import plain_csv, plain_jsonl, verl_console, verl_jsonl

FORMATS = [verl_console, verl_jsonl, plain_jsonl, plain_csv]

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


def test_a_column_that_was_empty_may_fill() -> None:
    read = plain({"step": 1, "a": 1, "b": None}, {"step": 2, "a": 1, "b": 5}, {"step": 3, "a": None, "b": "6"})
    assert [values for _, _, values in read.records] == [{"a": 1.0}, {"a": 1.0, "b": 5.0}, {"b": 6.0}]


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
    [
        b"step:",
        b"1",
        b" - ",
        b":",
        b"a/b",
        b"0.5",
        b"\n",
        b"\r",
        b"\x00",
        b"nan",
        b"np.float64(",
        b")",
        b"(x pid=3) ",
        b"{'actor_rollout_ref': {",
        b"}}",
        b" 'x': 1,\n",
        b'{"step": 1, "data": {',
        b'"a": 1',
        b'{"',
        b'": ',
        b"null",
        b",",
        b'"',
        b"step,a\n",
        b"1,2\n",
        b"\xff",
        b"[",
        b"]",
        b"}",
        b"\x1b[0m",
        "数".encode(),
        b"1e999",
        b"Infinity",
        b"1760000000",
        b'"step": 2',
        b'"time": ',
        b"\\ud800",
        b"-",
    ]
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


NAMES = st.text(min_size=1, max_size=20).map(lambda name: "m/" + " ".join(name.replace("\0", "").split()))
FLOATS = st.floats(width=64)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(NAMES, FLOATS, min_size=1, max_size=6), min_size=1, max_size=4))
def test_plain_jsonl_round_trip(rows: list[dict[str, float]]) -> None:
    read = plain(*({"step": i, **row} for i, row in enumerate(rows)))
    assert same([(step, values) for step, _, values in read.records], list(enumerate(rows)))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(NAMES, FLOATS, min_size=1, max_size=6))
def test_plain_csv_round_trip(values: dict[str, float]) -> None:
    quoted = ['"' + name.replace('"', '""') + '"' for name in values]
    assume(all(len(name.split()) <= 8 for name in values))
    table = f"step,{','.join(quoted)}\n4,{','.join(map(repr, values.values()))}\n"
    assert same([(step, found) for step, _, found in feed(plain_csv, table.encode()).records], [(4, values)])


CELLS = st.sampled_from(
    [1, 2.5, None, "text", "0.5", "12/500", True, [1], {"b": 1}, 1760000000, "2025-10-09", float("nan")]
)
COLUMNS = st.lists(st.sampled_from(["step", "time", "loss", "note", "_step", "eval/a"]), unique=True, max_size=5)


@settings(max_examples=200, deadline=None)
@given(COLUMNS.flatmap(lambda names: st.lists(st.fixed_dictionaries(dict.fromkeys(names, CELLS)), max_size=6)))
def test_a_record_reads_the_same_whatever_stood_before_it(rows: list[dict[str, Any]]) -> None:
    """The quick way for records with the columns of the one before must agree with the careful way."""
    lines = [json.dumps(row).encode() + b"\n" for row in rows]
    assert same(feed(plain_jsonl, b"".join(lines)), feed(plain_jsonl, *lines))
