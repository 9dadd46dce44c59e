"""Lines with a step and named numbers: what is a pair, what is a step, who is an echo, and what is none of it."""

from __future__ import annotations

import pytest
from feeding import CYAN, END, feed, sample

from collectors import discover, names
from collectors.formats import step_lines

nan = float("nan")
LINES = {
    "16:43:08 SUCCESS Step 5 | Time: 5.23s | Reward: 0.3498 | Throughput: 3500.7 tokens/s | Max. Off-Policy Level: 1":
        (5, {"Time": 5.23, "Reward": 0.3498, "Throughput": 3500.7, "Max. Off-Policy Level": 1.0}),
    "12:00:01 SUCCESS Step 5 |  1m 2s | Loss 0.1234 | Grad. Norm -0.1 | LR 1.00e-06 | MFU 12.3% | Peak Mem. 45.6 GiB":
        (5, {"Loss": 0.1234, "Grad. Norm": -0.1, "LR": 1e-6, "MFU": 0.123, "Peak Mem.": 45.6}),
    "Step 1 | loss:2.3 lr:1e-05 tokens_per_second_per_gpu:512 ":
        (1, {"loss": 2.3, "lr": 1e-5, "tokens_per_second_per_gpu": 512.0}),
    "[Step 10/500] loss=0.53, reward/mean=.21, acc@8=50%": (10, {"loss": 0.53, "reward/mean": 0.21, "acc@8": 0.5}),
    "step 10: loss 0.53 reward 0.2": (10, {"loss": 0.53, "reward": 0.2}),
    "iter 100: loss 0.4242, time 12.3ms, mfu 40.1%": (100, {"loss": 0.4242, "time": 12.3, "mfu": 0.401}),
    "INFO:root:global_step=5 loss=NaN acc=tensor(0.5, device='cuda:0') r=np.float64(0.25) kl=-inf":
        (5, {"loss": nan, "acc": 0.5, "r": 0.25, "kl": float("-inf")}),
    "2025-01-01 10:00:00,123 - INFO - [Train] step: 12, loss: 0.5, 奖励: 0.25, eta: 1:02:03": (12, {"loss": 0.5}),
    "Epoch:[1/1](20/4292), Reward:-1.7663, KL_ref: -0.0023, Avg Response Len: 174.75":
        (20, {"Reward": -1.7663, "KL_ref": -0.0023, "Avg Response Len": 174.75}),
    "Epoch [1/10], Step [100/1000], Loss: 0.1234": (100, {"Loss": 0.1234}),
    "[Eval] step 10 | accuracy: 0.5 | eval reward: 0.3": (10, {"eval/accuracy": 0.5, "eval reward": 0.3}),
}  # fmt: skip
NOT_LINES = [
    "Micro Step 3/8 | Loss 0.1234 | Entropy 0.5678", "Saved checkpoint at step 100: 0.3 GB", "Step 5",
    "Iter 1 groups:  75%|###5  | 15/20 [01:37<00:30, 6.04s/q, loss=-0.0011, mean_r=0.894]",
    "next_step 3: loss 0.5 reward 0.2", "v1.step 3: loss 0.5", "Step 3.5 | loss 0.5 | reward 0.5",
]  # fmt: skip


@pytest.mark.parametrize("text", LINES)
def test_what_a_line_says(text: str) -> None:
    line = step_lines.told(text.encode())
    assert line is not None
    assert repr((line.step, line.values)) == repr(LINES[text])


@pytest.mark.parametrize("text", NOT_LINES)
def test_what_is_no_step_of_training(text: str) -> None:
    assert step_lines.told(text.encode()) is None


def log(*steps: int, epoch: int | None = None, of: int = 4, loss: float = 0.5) -> str:
    mark = "Step {}" if epoch is None else f"Epoch:[{epoch}/9]({{}}/{of})"
    return "".join(f"{mark.format(step)} | loss: {loss + step} | reward: 0.25\n" for step in steps)


def steps(text: str) -> list[int]:
    return [step for step, _, _ in feed(step_lines, text.encode()).records]


def test_steps_go_on_where_the_epoch_before_ended() -> None:
    text = log(1, 3, epoch=1) + log(1, 3, epoch=2) + log(1, 4, epoch=3)
    assert steps(text) == [1, 3, 5, 7, 9, 12]
    assert steps(text + log(1, 3, epoch=2, loss=9)) == [1, 3, 5, 7, 9, 12, 5, 7]  # a restart
    assert steps(log(1, 3, epoch=1) + log(5, 7, epoch=2)) == [1, 3, 5, 7]  # steps of the whole run


def test_of_several_ranks_and_processes_the_first_is_read() -> None:
    text = "".join(
        f"[rank{rank}] Step {at} | loss: {at + rank} | reward: 0.5\n" for at in range(1, 4) for rank in (1, 0)
    )
    assert [(at, values["loss"]) for at, _, values in feed(step_lines, text.encode()).records] == [
        (1, 2),
        (2, 3),
        (3, 4),
    ]
    text = "".join(
        f"{CYAN}(W pid={pid}){END} Step {at} | {said}\n"
        for at in range(1, 3)
        for pid, said in ((7, "loss: 1.5 | kl: 0.5"), (8, "loss: 2.5 | kl: 0.7"), (9, "reward: 0.5 | len: 7"))
    )
    found = [(at, values) for at, _, values in feed(step_lines, text.encode()).records]
    assert found == [(at, v) for at in (1, 2) for v in ({"loss": 1.5, "kl": 0.5}, {"reward": 0.5, "len": 7.0})]


def test_a_line_said_twice_is_read_once_and_a_restart_at_the_last_step_is_kept() -> None:
    assert steps(log(1, 2) + log(2) + log(3)) == [1, 2, 3]
    assert steps(log(1, 2) + log(2, loss=7) + log(3)) == [1, 2, 2, 3]


def test_a_torn_line_waits() -> None:
    read = feed(step_lines, (log(1, 2, 3) + "Step 4 | loss: 0.5 | rew").encode())
    assert [step for step, _, _ in read.records] == [1, 2, 3]
    assert [(one.line, one.why) for one in read.unread] == [(4, "the line has no end yet")]


@pytest.mark.parametrize(
    "text",
    [
        log(1, 2),  # two lines may be anything
        "".join(f"Step {at}: open the lid by {at} cm, len 7\n" for at in range(9)),
        "".join(f"step:{at} - actor/pg_loss:0.5 - actor/kl:0.1\n" for at in range(9)),
        log(*range(9)) + "{'loss': 0.5, 'reward': 0.2, 'epoch': 0.1}\n",
        "step,loss,reward\n" + "".join(f"{at},0.5,0.2\n" for at in range(9)),
        "\0\0\0\0" + log(*range(9)),
    ],
)  # fmt: skip
def test_what_others_read_or_nobody_is_not_claimed(text: str) -> None:
    assert not step_lines.recognises(sample(text))


def test_claimed_by_its_reader_alone_and_understood() -> None:
    shown = sample("loading\n" + log(*range(9)))
    assert [fmt.NAME for fmt in discover.formats().values() if fmt.recognises(shown)] == ["step-lines"]
    told = {
        name: names.understand("handwritten", name).quantity for name in ("Avg Response Len", "KL_ref", "Grad. Norm")
    }
    assert told == {"Avg Response Len": "response_length_mean", "KL_ref": "kl_ref", "Grad. Norm": "grad_norm"}
    assert names.recognise(["Loss", "Entropy", "Mismatch KL", "Peak Mem."]) == "prime-rl"
    assert names.recognise(["Loss", "Reward", "Grad. Norm", "LR"]) == "handwritten"
