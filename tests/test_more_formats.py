"""DeepSpeed-Chat, OpenRLHF, slime, SkyRL, AReaL, EasyR1 and ROLL: known answers, any cut, restarts, torn ends."""

from __future__ import annotations

import json
from math import inf, isnan, nan
from types import ModuleType

import pytest
from feeding import CYAN, END, Read, feed, same, sample

from collectors import discover
from collectors.formats import (
    areal_console,
    deepspeed_chat,
    easyr1_console,
    openrlhf_console,
    plain_jsonl,
    roll_log,
    skyrl_console,
    slime_console,
)


def ray(text: str, actor: str = "Main pid=7") -> str:
    return "".join(f"{CYAN}({actor}){END} {line}\n" for line in text.split("\n"))


def steps(read: Read) -> list[int]:
    return [step for step, _, _ in read.records]


# --- DeepSpeed-Chat -------------------------------------------------------------------------------------------------


def losses(epoch: int, step: int, loss: float = 0.5) -> str:
    return f"epoch: {epoch}|step: {step}|ppo_ep: 1|act_loss: {loss}|cri_loss: 0.25|unsuper_loss: 0.0\n"


REWARD = "average reward score: -0.75\n" + "-" * 85 + "\n"
TIMING = "|E2E latency=3.73s |Gather latency=0.00s (0.00%) |Others=0.21 (5.55%)|CurSamplesPerSec=17.16 |Avg=nan\n"
OVERFLOW = "[2023-04-18 08:48:09,105] [INFO] [loss_scaler.py:181] OVERFLOW! Attempted loss scale: 32768, step=3\n"
DEEPSPEED = (
    losses(0, 0) + REWARD + TIMING + OVERFLOW + losses(0, 1, -1.5) + OVERFLOW + REWARD + losses(0, 2, nan) + "saved\n"
)


def test_losses_reward_and_timing_make_one_record() -> None:
    read = feed(deepspeed_chat, DEEPSPEED.encode())
    first = {"epoch": 0.0, "ppo_ep": 1.0, "act_loss": 0.5, "cri_loss": 0.25, "unsuper_loss": 0.0, "avg_reward": -0.75}
    timing = {"E2E latency": 3.73, "Gather latency": 0.0, "Others": 0.21, "CurSamplesPerSec": 17.16, "Avg": nan}
    assert same(read.records[0][2], first | timing)
    assert same(read.records[1][2], first | {"act_loss": -1.5})
    assert isnan(read.records[2][2]["act_loss"]) and "avg_reward" not in read.records[2][2]
    assert (read.rows, read.first_step, read.last_step, read.unread) == (3, 0, 2, [])


def test_steps_go_on_where_the_epoch_before_ended() -> None:
    log = "".join(losses(epoch, step) for epoch in range(3) for step in range(4))
    assert steps(feed(deepspeed_chat, log.encode())) == list(range(12))


def test_a_restart_repeats_the_steps_that_it_repeats() -> None:
    log = [losses(0, step) for step in range(4)] + [losses(1, step) for step in range(3)]
    again = [losses(1, step) for step in range(1, 4)]
    read = feed(deepspeed_chat, *(line.encode() for line in log + again))
    assert steps(read) == [0, 1, 2, 3, 4, 5, 6, 5, 6, 7]


def test_a_log_that_begins_in_a_later_epoch() -> None:
    assert steps(feed(deepspeed_chat, (losses(2, 7) + losses(2, 8)).encode())) == [7, 8]


def test_the_wording_since_august_2023() -> None:
    log = (
        "Epoch: 0 | Step: 3 | PPO Epoch: 1 | Actor Loss: 0.5 | Critic Loss: 0.25 | Unsupervised Loss: 0.0\n"
        "End-to-End => Latency: 3.73s, TFLOPs: 1.38, Samples/sec: 17.17, Time/seq 0.06s, Batch Size: 64\n"
        "Generation => Latency: 2.73s, Per-token Latency 10.66 ms, BW: 100.12 GB/sec\n"
        "Average reward score: -0.5 | EMA reward score: -0.4\n"
    )
    assert feed(deepspeed_chat, log.encode()).records[0][2] == {
        "epoch": 0.0, "PPO Epoch": 1.0, "Actor Loss": 0.5, "Critic Loss": 0.25, "Unsupervised Loss": 0.0,
        "End-to-End/Latency": 3.73, "End-to-End/TFLOPs": 1.38, "End-to-End/Samples/sec": 17.17,
        "End-to-End/Time/seq": 0.06, "End-to-End/Batch Size": 64.0, "Generation/Latency": 2.73,
        "Generation/Per-token Latency": 10.66, "Generation/BW": 100.12, "avg_reward": -0.5, "EMA reward score": -0.4,
    }  # fmt: skip


def test_the_command_line_is_the_config() -> None:
    command = "cmd = deepspeed main.py --max_answer_seq_len 256 --deepspeed --lr 9.65e-6 --name 'a b'\n"
    read = feed(deepspeed_chat, (command + losses(0, 0)).encode())
    assert read.config == {"max_answer_seq_len": "256", "deepspeed": True, "lr": "9.65e-6", "name": "a b"}


def test_what_is_no_number_is_reported() -> None:
    read = feed(deepspeed_chat, losses(0, 0).replace("0.25", "oops").encode())
    assert [(one.line, one.why) for one in read.unread] == [(1, "no number under 'cri_loss': b'oops'")]


# --- dicts on one line ----------------------------------------------------------------------------------------------

OPENRLHF = (
    ray("INFO 08-13 10:02:11 ppo_trainer.py:410] ✨ Global step 1: {'policy_loss': -0.5, 'kl': nan, 'note': 'x'}")
    + "Train epoch [1/1]: 100%|█| 8/8\r"
    + ray("INFO x] Global step 2: {'policy_loss': tensor(0.25), 'lr': np.float64(1e-06), 'none': None, 'a': -inf}")
    + ray("INFO x] ✨ Evaluation completed in 00:31, global_step 2, eval_metrics: {'eval_math_pass1': 0.5}")
)


def test_openrlhf() -> None:
    read = feed(openrlhf_console, OPENRLHF.encode())
    assert same(
        [(step, values) for step, _, values in read.records],
        [
            (1, {"policy_loss": -0.5, "kl": nan}),
            (2, {"policy_loss": 0.25, "lr": 1e-06, "a": -inf}),
            (2, {"eval_math_pass1": 0.5}),
        ],
    )
    assert (read.rows, read.last_step) == (2, 2)
    assert [(one.line, one.why) for one in read.unread] == [(1, "no number under 'note'")]


def test_a_dict_without_its_end_gives_what_is_whole() -> None:
    read = feed(openrlhf_console, b"] Global step 3: {'policy_loss': 0.5, 'kl': 0.2")
    assert [values for _, _, values in read.records] == [{"policy_loss": 0.5}]
    assert [one.line for one in read.unread] == [1]


def test_a_dict_that_is_none_is_set_aside() -> None:
    read = feed(
        openrlhf_console, b"] Global step 3: {'policy_loss': f(0.5), **x}\n] Global step 4: {'policy_loss': 1}\n"
    )
    assert steps(read) == [4] and [one.line for one in read.unread] == [1]


SLIME = ray(
    "[2026-08-21 10:02:11] a.py:1 - rollout 0: {'rollout/response_len/mean': 8.5, 'rollout/zero_std/count_0.0': 3}"
)
SLIME += ray("[2026-08-21 10:02:12] a.py:2 - perf 0: {'perf/rollout_time': 61.5}")
SLIME += ray("[2026-08-21 10:02:13 rank0] b.py:3 - rollout 0: {'rollout/raw_reward': 0.25}", "Train pid=8")
SLIME += ray("[2026-08-21 10:02:14] a.py:4 - eval 0: {'eval/aime': 0.5}")
SLIME += ray("[2026-08-21 10:03:14] a.py:1 - rollout 1: {'rollout/response_len/mean': 9.5}")


def test_slime() -> None:
    read = feed(slime_console, SLIME.encode())
    assert [(step, values) for step, _, values in read.records] == [
        (0, {"rollout/response_len/mean": 8.5, "rollout/zero_std/count_0.0": 3.0}),
        (0, {"perf/rollout_time": 61.5}),
        (0, {"rollout/raw_reward": 0.25}),
        (0, {"eval/aime": 0.5}),
        (1, {"rollout/response_len/mean": 9.5}),
    ]
    assert (read.rows, read.first_step, read.last_step, read.unread) == (4, 0, 1, [])


# --- records of several lines ---------------------------------------------------------------------------------------

SKYRL = (
    ray("2026-08-21 10:02:11.1 | INFO | t:log:1 - Step 1: \n{'policy/policy_lr': '0.0000',\n 'policy/kl': 'nan',")
    + ray("Step 9: to be ignored: another process, in the middle", "Worker pid=9")
    + ray(" 'a/b': {'c': '2.5000'},\n 'trainer/global_step': 1}")
    + ray("2026-08-21 10:02:11.1 | INFO | t:log:1 - Step 2: \n{'policy/policy_lr': '-1.5000'}\nend")
)


def test_skyrl() -> None:
    read = feed(skyrl_console, SKYRL.encode())
    assert same(
        [(step, values) for step, _, values in read.records],
        [
            (1, {"policy/policy_lr": 0.0, "policy/kl": nan, "a/b/c": 2.5, "trainer/global_step": 1.0}),
            (2, {"policy/policy_lr": -1.5}),
        ],
    )
    assert read.unread == []


TABLE = """╒═════════════════════════╤════════════╤═══════════════════╤════════════╕
│ ppo_actor/seq_len/avg   │ 8.1250e+02 │ timeperf/rollout  │ 6.1000e+01 │
├─────────────────────────┼────────────┼───────────────────┼────────────┤
│ ppo_actor/update/lr     │        nan │                   │            │
╘═════════════════════════╧════════════╧═══════════════════╧════════════╛"""
STATS = "[AReaL] 20260521-10:02:11.123 StatsLogger INFO: "


def areal(step: int, tables: int = 1) -> str:
    text = f"{STATS}Epoch 1/10 Step {step}/58 Train step {step}/580 done.\n"
    return text + "".join(f"{STATS}Stats ({i + 1}/{tables}):\n{STATS}\n{TABLE}\n" for i in range(tables))


AREAL = areal(3) + "another line\n" + areal(4)


def test_areal() -> None:
    read = feed(areal_console, AREAL.encode())
    values = {"ppo_actor/seq_len/avg": 812.5, "ppo_actor/update/lr": nan, "timeperf/rollout": 61.0}
    assert steps(read) == [3, 4] and not read.unread
    assert {name: repr(value) for name, value in read.records[0][2].items()} == {n: repr(v) for n, v in values.items()}


def test_areal_gives_each_table_of_a_step_a_step_of_its_own() -> None:
    assert steps(feed(areal_console, (areal(1, 2) + areal(2, 2) + areal(2, 2)).encode())) == [1, 2, 3, 4, 3, 4]


def test_an_areal_table_that_came_before_any_step_is_set_aside() -> None:
    read = feed(areal_console, f"{STATS}Stats (1/1):\n{TABLE}\n".encode())
    assert read.records == [] and [one.line for one in read.unread] == [1]


EASYR1 = (
    ray("Config\ndata:\n  max_response_length: 2048\n  files:\n  - a.parquet\n  - b.parquet\n  shuffle: true")
    + ray("  prompt: one that is folded\n    over two lines\n  none: null\ntrainer:\n  experiment_name: geo")
    + ray("  project_name: 数学\n  empty: {}\n")
    + ray("Step 1\nactor:\n  lr: 1.0e-06\n  pg_loss: .nan")
    + ray("Step of another process", "Worker pid=9")
    + ray("critic:\n  score:\n    mean: -0.125\n'odd: name':\n  x: .inf\n")
    + ray("Step 2\nval:\n  reward_score: 0.5\n")
)


def test_easyr1() -> None:
    read = feed(easyr1_console, EASYR1.encode())
    assert same(
        [(step, values) for step, _, values in read.records],
        [(1, {"actor/lr": 1e-06, "actor/pg_loss": nan, "critic/score/mean": -0.125, "odd: name/x": inf}),
         (2, {"val/reward_score": 0.5})],
    )  # fmt: skip
    assert (read.rows, read.first_step, read.last_step) == (1, 1, 1)
    assert read.config["data"] == {
        "max_response_length": 2048, "files": ["a.parquet", "b.parquet"], "shuffle": True,
        "prompt": "one that is folded over two lines", "none": None,
    }  # fmt: skip
    assert (read.run, read.project, read.config["trainer"]["empty"]) == ("geo", "数学", None)


def test_easyr1_s_file_log_is_plain_jsonl() -> None:
    line = json.dumps({"step": 3, "actor": {"pg_loss": 0.5}, "critic": {"score": {"mean": 1.0}}})
    log = f"{line}\n".encode() * 2
    assert plain_jsonl.recognises(sample(log, "experiment_log.jsonl"))
    assert feed(plain_jsonl, log).records[0][2] == {"actor/pg_loss": 0.5, "critic/score/mean": 1.0}


# --- ROLL -----------------------------------------------------------------------------------------------------------


def tagged(step: int, loss: float, **more: float) -> str:
    message = {"step": step, "metrics": {"actor/pg_loss": loss, "system/tps": 5.0, **more}}
    return (
        f"[2026-08-19 10:02:11] [tracking.py (146)] [INFO] [DRIVER 0 / 1][PID 7] metrics_tag: {json.dumps(message)}\n"
    )


def bare(step: int, loss: float) -> str:
    message = {"system/global_step": step, "actor/pg_loss@sum": loss, "system/tps": 5.0}
    return f"[2026-08-19 10:02:11] [pipeline.py (74)] [INFO] [DRIVER 0 / 1][PID 7] {json.dumps(message)}\n"


ROLL = tagged(0, 0.5) + bare(0, 0.5) + "[x] [INFO] [DRIVER 0 / 1][PID 7] pipeline step 0 finished\n" + tagged(1, nan)


def test_roll_reads_what_was_said_twice_once() -> None:
    read = feed(roll_log, ROLL.encode())
    assert same(
        [(step, values) for step, _, values in read.records],
        [(0, {"actor/pg_loss": 0.5, "system/tps": 5.0}), (1, {"actor/pg_loss": nan, "system/tps": 5.0})],
    )
    assert read.unread == []


def test_roll_without_its_tracker() -> None:
    read = feed(roll_log, (bare(0, 0.5) + bare(1, 0.25)).encode())
    assert [(step, values["actor/pg_loss"]) for step, _, values in read.records] == [(0, 0.5), (1, 0.25)]


def test_a_replayed_history_is_one_line_without_gaps_or_doubles() -> None:
    before = [tagged(step, step / 2) for step in range(5)]
    replay = [tagged(step, step / 2) for step in range(3)]
    after = [tagged(step, step / 4) for step in range(3, 6)]
    assert steps(feed(roll_log, "".join(before + replay + after).encode())) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5]
    assert steps(feed(roll_log, "".join(replay + after).encode())) == list(range(6))


# --- all of them ----------------------------------------------------------------------------------------------------

LOGS = {
    deepspeed_chat: DEEPSPEED, openrlhf_console: OPENRLHF, slime_console: SLIME, skyrl_console: SKYRL,
    areal_console: AREAL, easyr1_console: EASYR1, roll_log: ROLL,
}  # fmt: skip
EVERY_READER = pytest.mark.parametrize("reader", LOGS, ids=lambda reader: reader.NAME)


@EVERY_READER
def test_each_is_claimed_by_its_reader_alone(reader: ModuleType) -> None:
    shown = sample(LOGS[reader])
    assert [fmt.NAME for fmt in discover.formats().values() if fmt.recognises(shown)] == [reader.NAME]


@EVERY_READER
def test_it_does_not_matter_where_the_file_was_cut(reader: ModuleType) -> None:
    log = LOGS[reader].encode()
    whole = feed(reader, log)
    assert whole.records
    for cut in range(0, len(log) + 1, 3):
        assert same(feed(reader, log[:cut], log[cut:]), whole)


@EVERY_READER
def test_a_torn_end_never_says_what_the_whole_does_not(reader: ModuleType) -> None:
    log = LOGS[reader].encode()
    whole = feed(reader, log).records
    for cut in range(len(log)):
        for (step, _, values), full in zip(feed(reader, log[:cut]).records, whole, strict=False):
            assert step == full[0]
            assert all(same(value, full[2][name]) for name, value in values.items())


@pytest.mark.parametrize(
    "text",
    [
        "Step 1\nname: value\n",
        "Step 1: download the data\n{'a/b': '1'}\n",
        "Step 1:\n{'a': 1}\n",
        "Global step 3: {'loss': 1}\n",
        "2026 - rollout 3: {'status': 'done'}\n",
        "Stats (1/1):\n│ a │ 1 │\n╘═══╛\n",
        "epoch: 1|step: 2|loss: 3\n",
        '[INFO] [PID 7] {"level": "info", "step": 3}\n',
        "Config\nname: value\n",
        '{"note": "epoch: 0|step: 0|act_loss: 1"}\n',
        "\0\0\0\0\x18\0\0\0" + DEEPSPEED,
    ],
)
def test_nobody_claims_what_is_no_metrics_file(text: str) -> None:
    shown = sample(text, "x.log")
    assert [fmt.NAME for fmt in discover.formats().values() if fmt.recognises(shown)] == []
