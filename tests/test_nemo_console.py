"""NeMo-RL's console: results, times and speeds of a step under the names that NeMo-RL logs them by."""

from __future__ import annotations

import pytest
from feeding import CYAN, END, feed, same, sample

from collectors import discover
from collectors.formats import nemo_console

RULE = "=" * 25
CONFIG = """Final config:
{'checkpointing': {'enabled': True},
 'grpo': {'num_generations_per_prompt': 16, 'num_prompts_per_step': 32},
 'policy': {'generation': {'max_new_tokens': 512}}}
"""
VALIDATION = """▶ Starting validation at step {}...

📊 Validation Results:
    • Accuracy: 0.4120
    • Average response length: 512.5 tokens
    • Samples processed: 256

  ⏱️  Validation Timing:
    • Total validation time: 21.50s
"""
RESULTS = """
📊 Training Results:
  • Loss: {}
  • Generation KL Error: 0.0012
  • Avg Filtered Reward: 0.5000
  • Avg Total Reward: 0.2500
  • Avg Trajectory Age: 1.50 steps
  • Mean Generation Length: 812.5000

⏱️  Timing:
  • Total step time: 61.20s
  • policy_training: 30.10s (49.2%)

🔍 Performance Metrics:
  • vLLM Logger Metrics:
  - inflight_batch_sizes:
    - Max value: 64
    - Generation Worker   0: ■■□□ (Active: 3.00 s, Idle: 1.00 s)
  • Training Worker Idle Time Ratio: 2.50%
  • Throughputs (per GPU):
    - E2E (Tokens/sec/gpu): 641.20
  • Training FLOPS: 812.40 TFLOPS (101.55 TFLOPS per rank)
"""
RECORD = {
    "train/loss": 0.25, "train/gen_kl_error": 0.0012, "train/filtered_reward": 0.5, "train/reward": 0.25,
    "train/avg_trajectory_age": 1.5, "train/mean_gen_tokens_per_sample": 812.5,
    "timing/train/total_step_time": 61.2, "timing/train/policy_training": 30.1,
    "performance/training_worker_idle_time_ratio": 0.025, "performance/tokens_per_sec_per_gpu": 641.2,
    "performance/train_flops_per_gpu": 101.55,
}  # fmt: skip


def step(at: int, of: int = 3, loss: str = "0.2500") -> str:
    return f"\n{RULE} Step {at}/{of} {RULE}\n▶ Preparing batch...\n{RESULTS.format(loss)}"


def epoch(at: int) -> str:
    return f"\n{RULE} Epoch {at}/2 {RULE}\n"


LOG = CONFIG + VALIDATION.format(0) + epoch(1) + step(1) + step(2, loss="nan") + VALIDATION.format(2) + step(3)


def test_labels_become_the_names_that_are_logged_and_percent_a_fraction() -> None:
    read = feed(nemo_console, LOG.encode())
    assert [at for at, _, _ in read.records] == [0, 1, 2, 2, 3]
    assert same(read.records[1][2], RECORD)
    assert same(read.records[2][2], RECORD | {"train/loss": float("nan")})
    assert read.records[0][2] == {
        "validation/accuracy": 0.412, "validation/avg_length": 512.5, "validation/num_samples": 256.0,
        "timing/validation/total_validation_time": 21.5,
    }  # fmt: skip
    assert (read.rows, read.first_step, read.last_step, read.unread) == (3, 1, 3, [])
    assert read.config["grpo"]["num_generations_per_prompt"] == 16


def test_steps_go_on_where_the_epoch_before_ended() -> None:
    log = epoch(1) + step(1) + step(2) + step(3) + epoch(2) + step(1) + step(2)
    assert [at for at, _, _ in feed(nemo_console, log.encode()).records] == [1, 2, 3, 4, 5]
    resumed = epoch(2) + step(2) + step(3)
    assert [at for at, _, _ in feed(nemo_console, resumed.encode()).records] == [5, 6]
    asynchronous = step(311, of=500) + step(312, of=500)
    assert [at for at, _, _ in feed(nemo_console, asynchronous.encode()).records] == [311, 312]


def test_what_workers_say_in_between_does_not_matter() -> None:
    worker = f"{CYAN}(VllmGenerationWorker pid=7){END}   • Loss: 9.0\n"
    noisy = "".join(line + worker for line in step(1).splitlines(keepends=True))
    (record,) = feed(nemo_console, noisy.encode()).records
    assert same(record[2], RECORD)


def test_results_without_a_step_are_set_aside() -> None:
    read = feed(nemo_console, (RESULTS.format("0.1") + step(1)).encode())
    assert [(one.line, one.why) for one in read.unread] == [(2, "results before the first step")]
    assert len(read.records) == 1


def test_claimed_by_its_reader_alone() -> None:
    shown = sample(LOG)
    assert [fmt.NAME for fmt in discover.formats().values() if fmt.recognises(shown)] == ["nemo-rl-console"]


@pytest.mark.parametrize("text", ["📊 Training Results:\n  • Loss: 1.0\n", f"{RULE} Step 1/3 {RULE}\n  • Loss: 1.0\n"])
def test_what_only_looks_alike_is_not_claimed(text: str) -> None:
    assert not nemo_console.recognises(sample(text))


def test_it_does_not_matter_where_the_file_was_cut() -> None:
    log = LOG.encode()
    whole = feed(nemo_console, log)
    for cut in range(0, len(log) + 1, 7):
        assert same(feed(nemo_console, log[:cut], log[cut:]), whole)
