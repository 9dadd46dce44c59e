"""Writes a small log for every format: `python sample_runs/formats/make.py`; with `wandb` as argument the W&B file too.

The figures are invented (a seeded random walk); the shape of each line is the trainer's own, see README.md.
The W&B file is written by the wandb library itself, which must be installed for that: it is none of our dependencies.
"""

from __future__ import annotations

import importlib
import json
import os
import pprint
import random
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CYAN, END = "\x1b[36m", "\x1b[0m"
Row = dict[str, float]

dice = random.Random(7)


def walk(start: float, drift: float, noise: float, low: float = -1e9, high: float = 1e9) -> Iterator[float]:
    value = start
    while True:
        yield min(max(value + dice.gauss(0, noise), low), high)
        value += drift


class Figures:
    """The curves of one run: `run.reward` is its next value, however often it is asked for."""

    def __init__(self) -> None:
        self.walks = {
            "reward": walk(0.3, 0.008, 0.02, 0, 1),
            "entropy": walk(0.6, -0.01, 0.01, 0.05),
            "kl": walk(1e-3, 1e-5, 1e-4),
            "length": walk(700, 12, 20),
            "seconds": walk(60, 0.4, 2),
            "loss": walk(0, 0, 0.02),
            "grad": walk(0.4, 0, 0.05),
        }

    def __getattr__(self, name: str) -> float:
        return next(self.walks[name])


def ray(actor: str, text: str, pid: int = 4021) -> str:
    return "".join(f"{CYAN}({actor} pid={pid}){END} {line}\n" for line in text.split("\n"))


def write(path: str, text: str) -> None:
    (HERE / path).parent.mkdir(parents=True, exist_ok=True)
    (HERE / path).write_text(text, encoding="utf-8")


# --- DeepSpeed-Chat ------------------------------------------------------------------------------------------------


def deepspeed_chat() -> None:
    """Two epochs of eight steps, as of April 2023; then the wording of August 2023."""
    run = Figures()
    command = (
        "cmd = deepspeed main.py --max_answer_seq_len 256 --max_prompt_seq_len 256 --actor_learning_rate 9.65e-6\n"
    )
    old = "***** Running training *****\n" + "".join(
        f"epoch: {epoch}|step: {step}|ppo_ep: 1|act_loss: {run.loss}|cri_loss: {run.grad}|unsuper_loss: 0.0\n"
        f"average reward score: {run.reward}\n{'-' * 85}\n"
        f"|E2E latency={run.seconds:.2f}s |Gather latency=0.00s (0.00%) |Generate time=2.78s (74.61%) "
        f"|Training time=0.74s (19.84%) |Others=0.21 (5.55%)|CurSamplesPerSec=17.17 |AvgSamplesPerSec=10.92\n"
        for epoch in range(2)
        for step in range(8)
    )
    write("deepspeed-chat/training.log", command + old)
    write(
        "deepspeed-chat/training_2023_08.log",
        "".join(
            f"Epoch: 0 | Step: {step} | PPO Epoch: 1 | Actor Loss: {run.loss} | Critic Loss: {run.grad} "
            f"| Unsupervised Loss: 0.0\n"
            f"End-to-End => Latency: {run.seconds:.2f}s, TFLOPs: 1.38, Samples/sec: 17.17, Time/seq 0.06s, "
            f"Batch Size: 64, Total Seq. Length: 512\n"
            f"Generation => Latency: 2.73s, Per-token Latency 10.66 ms, TFLOPs: 1.38, BW: 100.12 GB/sec, "
            f"Answer Seq. Length: 256\nTraining   => Latency: 1.00s, TFLOPs: 5.38\n"
            f"Actor Model Parameters => 1.316 B, Critic Model Parameters => 0.331 B\n"
            f"Average reward score: {run.reward} | EMA reward score: {run.reward}\n{'-' * 85}\n"
            for step in range(10)
        ),
    )


# --- consoles of Python dicts --------------------------------------------------------------------------------------


def openrlhf() -> None:
    run = Figures()
    text = ""
    for step in range(1, 21):
        row: dict[str, Any] = {
            "policy_loss": run.loss, "ppo_clip_ratio": 0.002, "ppo_kl": run.kl, "vllm_kl": run.kl, "kl": run.kl,
            "reward": run.reward, "return": run.reward, "group_reward_std": 0.31, "response_length": run.length,
            "total_length": run.length + 90, "truncated": 0.02, "actor_lr": 1e-06, "actor_grad_norm": run.grad,
            "entropy_loss": float("nan") if step == 13 else run.entropy, "rollout/reward_mean": run.reward,
            "rollout/reward_std": 0.45, "rollout/response_length_mean": run.length, "rollout/truncated_rate": 0.02,
            "rollout/num_samples": 512, "timing/make_experience": run.seconds, "timing/ppo_train": run.seconds,
            "timing/broadcast": 1.5, "timing/generation": run.seconds, "timing/step_total": 3 * run.seconds,
            "dynamic_filtering_pass_rate": 61.3,
        }  # fmt: skip
        begin = f"INFO 08-13 10:{step:02d}:11 ppo_trainer.py:410] "
        text += ray("PolicyModelActor", f"Train epoch [1/1]: 100%|██████████| 8/8 [00:4{step % 10}<00:00]", 5100)
        text += ray("PPOTrainer", f"{begin}✨ Global step {step}: {row}")
        if step % 10 == 0:
            scores = {
                "eval_math_pass1": run.reward,
                "eval_math_pass4": run.reward,
                "eval_truncated_rate": 0.04,
            }
            text += ray(
                "PPOTrainer",
                f"{begin}✨ Evaluation completed in 00:00:31, global_step {step}, eval_metrics: {scores}",
            )
    write("openrlhf/train.log", text)


def slime() -> None:
    """Killed after rollout 11, resumed from the checkpoint of rollout 7."""
    run = Figures()
    text = ""
    for rollout in [*range(12), *range(8, 16)]:
        rolled = {
            "rollout/response_len/mean": run.length, "rollout/response_len/median": run.length,
            "rollout/response_len/max": 2048.0, "rollout/response_len/min": 12.0, "rollout/truncated_ratio": 0.03,
            "rollout/repetition_frac": 0.0, "rollout/zero_std/count_0.0": 3, "rollout/zero_std/count_1.0": 5,
        }  # fmt: skip
        trained = {
            "rollout/raw_reward": run.reward, "rollout/rewards": 1e-09, "rollout/advantages": 1e-09,
            "rollout/response_lengths": run.length, "rollout/log_probs": -run.entropy, "rollout/truncated": 0.03,
        }  # fmt: skip
        perf = {"perf/rollout_time": run.seconds, "perf/tokens_per_gpu_per_sec": 1480.5}
        clock = f"[2026-08-21 10:{rollout:02d}:11"
        text += ray("RolloutManager", f"{clock}] rollout.py:512 - rollout {rollout}: {rolled}", 4107)
        text += ray("RolloutManager", f"{clock}] rollout.py:530 - perf {rollout}: {perf}", 4107)
        text += ray("MegatronTrainRayActor", f"{clock} rank0] data.py:310 - rollout {rollout}: {trained}", 4108)
        if rollout % 5 == 4:
            text += ray(
                "RolloutManager", f"{clock}] rollout.py:498 - eval {rollout}: {{'eval/aime': {run.reward}}}", 4107
            )
    write("slime/train.log", text)


def nemo_rl() -> None:
    """Two epochs of eight steps; validated before the first one and after every eighth."""
    run = Figures()
    rule = "=" * 25
    config = {
        "checkpointing": {"enabled": True, "save_period": 10},
        "grpo": {"max_num_steps": 16, "num_generations_per_prompt": 8, "num_prompts_per_step": 32},
        "logger": {"log_dir": "logs/exp_001", "wandb": {"name": "grpo-sums", "project": "grpo-dev"}},
        "loss_fn": {"ratio_clip_max": 0.2, "ratio_clip_min": 0.2, "reference_policy_kl_penalty": 0.01},
        "policy": {"generation": {"max_new_tokens": 1024, "temperature": 1.0}, "model_name": "Qwen/Qwen2.5-1.5B"},
    }
    text = f"Final config:\n{pprint.pformat(config)}\n📊 Using log directory: logs/exp_001\n"
    text += f"\n🔍 Running initial validation...\n{_nemo_validation(run, 0)}"
    for step in range(1, 17):
        text += f"\n{rule} Epoch {step // 8 + 1}/2 {rule}\n" if step % 8 == 1 else ""
        text += f"\n{rule} Step {(step - 1) % 8 + 1}/8 {rule}\n▶ Preparing batch...\n▶ Generating responses ...\n"
        text += ray(
            "VllmGenerationWorker", f"Processed prompts: 100%|██████████| 256/256 [00:1{step % 10}<00:00]", 5100
        )
        text += "▶ Processing rewards...,\n▶ Computing logprobs...\n▶ Training policy...\n"
        text += _nemo_validation(run, step) if step % 8 == 0 else ""
        text += _nemo_results(run)
    write("nemo-rl/driver.log", text)


def _nemo_validation(run: Figures, step: int) -> str:
    return (
        f"▶ Starting validation at step {step}...\n\n📊 Validation Results:\n    • Accuracy: {run.reward:.4f}\n"
        f"    • Average response length: {run.length:.1f} tokens\n    • Samples processed: 256\n"
        "\n  ⏱️  Validation Timing:\n    • Total validation time: 21.50s\n"
    )


def _nemo_results(run: Figures) -> str:
    seconds = 3 * run.seconds
    return (
        f"\n📊 Training Results:\n  • Loss: {run.loss:.4f}\n  • Generation KL Error: {run.kl:.4f}\n"
        f"  • Avg Reward: {run.reward:.4f}\n  • Mean Generation Length: {run.length:.4f}\n"
        f"\n⏱️  Timing:\n  • Total step time: {seconds:.2f}s\n  • generation: {seconds / 2:.2f}s (50.0%)\n"
        f"  • policy_training: {seconds / 4:.2f}s (25.0%)\n  • weight_sync: 1.50s (0.8%)\n"
        "\n🔍 Performance Metrics:\n  • Mean Total Tokens per Sample: 903.25\n  • Throughputs (per GPU):\n"
        "    - E2E (Samples/sec/gpu): 0.71\n    - E2E (Tokens/sec/gpu): 641.20\n"
        "    - Policy Training (Tokens/sec/gpu): 2564.80\n    - Generation Worker Group (Tokens/sec/gpu): 1282.40\n"
        "  • Throughputs (per Group):\n    - E2E (Samples/sec): 5.68\n    - E2E (Tokens/sec): 5129.60\n"
        "  • Training FLOPS: 812.40 TFLOPS (101.55 TFLOPS per rank)\n"
        "  • Training Model Floating Point Utilization: 10.27%\n"
    )


def step_lines() -> None:
    """A loop of one's own as MiniMind prints it, two epochs; prime-rl's trainer.log."""
    run = Figures()
    text = "Model Params: 30.03M\nLoading checkpoint shards: 100%|██████████| 2/2 [00:00<00:00, 130.45it/s]\n"
    for epoch in (1, 2):
        for step in range(1, 13):
            text += (
                f"Epoch:[{epoch}/2]({step}/12), Reward: {run.reward:.4f}, KL_ref: {run.kl:.4f}, Adv Std: 0.9258, Adv Mean: -0.0000, "
                f"Actor Loss: {run.loss:.4f}, Avg Response Len: {run.length:.2f}, Learning Rate: 0.00000030\n"
            )
            text += "[DEBUG] gen[3] reward=-2.0242\n" if step % 4 == 0 else ""
    write("handwritten/grpo_minimind.log", text)
    text = "10:00:01    INFO Starting training loop (max_steps=20)\n"
    for step in range(1, 21):
        text += f"10:{step:02d}:09   DEBUG Micro Step 1/8 | Loss {run.loss:.4f} | Entropy {run.entropy:.4f}\n"
        text += (
            f"10:{step:02d}:11 SUCCESS Step {step} |     {run.seconds:.0f}s | Loss {run.loss:.4f} | Entropy {run.entropy:.4f} | "
            f"Mismatch KL {run.kl:.4f} | Grad. Norm {run.grad:.4f} | LR 1.00e-06 | Throughput 12400 tokens/s | MFU 31.4% | Peak Mem. 61.2 GiB\n"
        )
    write("prime-rl/trainer.log", text)


def skyrl() -> None:
    run = Figures()
    text = ""
    for step in range(1, 17):
        row = {
            "reward/avg_raw_reward": run.reward, "reward/avg_pass_at_8": run.reward,
            "reward/mean_positive_reward": 0.4,
            "loss/avg_final_rewards": run.reward, "loss/avg_raw_advantages": 0.0, "loss/avg_raw_advantages_abs": 0.51,
            "generate/avg_num_tokens": run.length, "generate/min_num_tokens": 12, "generate/max_num_tokens": 2048,
            "generate/std_num_tokens": 210.5, "policy/policy_loss": run.loss, "policy/final_loss": run.loss,
            "policy/policy_entropy": run.entropy, "policy/policy_lr": 1e-06, "policy/grad_norm": run.grad,
            "policy/loss_metrics/clip_ratio": 0.0031, "trainer/global_step": step, "trainer/epoch": 0,
            "timing/step": 3 * run.seconds, "timing/generate": run.seconds, "timing/policy_train": run.seconds,
        }  # fmt: skip
        if step % 8 == 0:
            row["eval/all/avg_score"] = run.reward
        texts = {name: f"{value:.4f}" if isinstance(value, float) else value for name, value in row.items()}
        clock = f"2026-08-21 10:{step:02d}:11.123 | INFO     | "
        text += ray("skyrl_entrypoint", f"{clock}skyrl.train.trainer:train:210 - Started: 'step'")
        text += ray(
            "skyrl_entrypoint", f"{clock}skyrl.train.utils.tracking:log:176 - Step {step}: \n{pprint.pformat(texts)}"
        )
    write("skyrl/train.log", text)


# --- tables, YAML, JSON --------------------------------------------------------------------------------------------


def grid(row: Row, columns: int = 4) -> str:
    """The table that tabulate draws as `fancy_grid`: pairs of name and value, down the columns first."""
    items = [(name, f"{value:.4e}") for name, value in row.items()]
    height = -(-len(items) // columns)
    lines = [[*items[at::height], *[("", "")] * columns][:columns] for at in range(height)]
    cells = [[text for pair in line for text in pair] for line in lines]
    width = [max(len(line[at]) for line in cells) + 2 for at in range(2 * columns)]

    def rule(left: str, fill: str, middle: str, right: str) -> str:
        return left + middle.join(fill * size for size in width) + right

    drawn = [
        "│" + "│".join(f" {text:<{size - 1}}" for text, size in zip(line, width, strict=True)) + "│" for line in cells
    ]
    between = "\n" + rule("├", "─", "┼", "┤") + "\n"
    return "\n".join([rule("╒", "═", "╤", "╕"), between.join(drawn), rule("╘", "═", "╧", "╛")])


def areal() -> None:
    run = Figures()
    text = ""
    for step in range(1, 13):
        row = {
            "ppo_actor/task_reward/avg": run.reward, "ppo_actor/task_reward/min": 0.0,
            "ppo_actor/task_reward/max": 1.0, "ppo_actor/seq_len/avg": run.length, "ppo_actor/prompt_len/avg": 91.5,
            "ppo_actor/no_eos_ratios/avg": 0.0156,
            "ppo_actor/update/actor_loss/avg": run.loss, "ppo_actor/update/entropy/avg": run.entropy,
            "ppo_actor/update/clip_ratio/avg": 0.003, "ppo_actor/update/approx_kl/avg": run.kl,
            "ppo_actor/update/importance_weight/avg": 1.0, "ppo_actor/update/grad_norm": run.grad,
            "ppo_actor/update/lr": 1.7e-05, "rollout/reward": run.reward, "rollout/accepted": 256.0,
            "rollout/rejected": 3.0, "timeperf/rollout": run.seconds, "timeperf/train_step": run.seconds,
        }  # fmt: skip
        if step % 6 == 0:
            row["eval-rollout/reward"] = run.reward
        begin = f"\x1b[1;38;2;180;140;80m[AReaL]\x1b[0m \x1b[92m20260521-10:{step:02d}:11.123 StatsLogger INFO: "
        text += f"{begin}Epoch 1/10 Step {step}/58 Train step {step}/580 done.{END}\n{begin}Stats (1/1):{END}\n"
        text += f"{begin}\n{grid(row)}{END}\n"
    write("areal/main.log", text)


def easyr1_row(run: Figures, step: int) -> dict[str, Row]:
    row: dict[str, Row] = {
        "actor": {
            "entropy_loss": run.entropy, "grad_norm": run.grad, "kl_loss": run.kl, "lr": 1e-06,
            "pg_clipfrac_higher": 0.003, "pg_clipfrac_lower": 0.0, "pg_loss": run.loss, "ppo_kl": run.kl,
        },
        "critic": {"score/mean": run.reward, "rewards/mean": run.reward},
        "perf": {"mfu_actor": 0.31, "throughput": 1480.5, "time_per_step": run.seconds, "total_num_tokens": 412345},
        "response_length": {"clip_ratio": 0.02, "max": 2048.0, "mean": run.length, "min": 12.0},
        "reward": {"accuracy": run.reward, "format": 0.97, "overall": run.reward},
        "timing_s": {"gen": run.seconds, "step": 3 * run.seconds, "update_actor": run.seconds},
    }  # fmt: skip
    if step % 10 == 0:
        row["val"] = {"accuracy_reward": run.reward, "reward_score": run.reward}
    return row


def unflattened(row: dict[str, Row]) -> dict[str, Any]:
    """{"critic": {"score/mean": 1.0}} -> {"critic": {"score": {"mean": 1.0}}}"""
    nested: dict[str, Any] = {}
    for group, values in row.items():
        for name, value in values.items():
            *path, last = [group, *name.split("/")]
            inner = nested
            for key in path:
                inner = inner.setdefault(key, {})
            inner[last] = value
    return nested


def scalar(value: Any) -> str:
    """As EasyR1 has PyYAML write a float: three decimals, but in full where Python writes an exponent."""
    if not isinstance(value, float):
        return str(value)
    text = str(value)
    if "e" in text:
        return text if "." in text else text.replace("e", ".0e")
    return str(round(value, 3))


def yaml(nested: dict[str, Any], indent: str = "") -> str:
    text = ""
    for key in sorted(nested):
        value = nested[key]
        text += (
            f"{indent}{key}:\n{yaml(value, indent + '  ')}"
            if isinstance(value, dict)
            else f"{indent}{key}: {scalar(value)}\n"
        )
    return text


def easyr1() -> None:
    """The console and the file log of one run."""
    run = Figures()
    config = {
        "algorithm": {"adv_estimator": "grpo", "kl_coef": 0.01, "use_kl_loss": "true"},
        "data": {"max_prompt_length": 2048, "max_response_length": 2048, "rollout_batch_size": 512},
        "trainer": {"experiment_name": "qwen2_5_vl_7b_geo", "max_steps": "null", "project_name": "easy_r1"},
        "worker": {"actor": {"clip_ratio_high": 0.3, "clip_ratio_low": 0.2}, "rollout": {"n": 5}},
    }
    console, lines = ray("Runner", f"Config\n{yaml(config)}"), []
    for step in range(1, 21):
        row = unflattened(easyr1_row(run, step))
        lines.append(json.dumps({"step": step, **row}) + "\n")
        console += ray("WorkerDict", f"Update policy: 100%|██████████| 4/4 [00:1{step % 10}<00:00]", 4107)
        console += ray("Runner", f"Step {step}\n{yaml(row)}")
    write("easyr1/console.log", console)
    write("easyr1/experiment_log.jsonl", "".join(lines))


def roll() -> None:
    """Resumed at step 8: the file is new and begins with the history of the steps before."""
    run = Figures()
    text = ""
    rows: list[Row] = []
    for step in range(16):
        row = {
            "system/global_step": step, "system/batch_size": 128, "system/tps": 5120.5, "system/tps_gpu": 640.1,
            "critic/score/mean": run.reward, "critic/score/max": 1.0, "critic/score/min": 0.0,
            "critic/correct/mean": run.reward, "critic/entropy/mean": run.entropy, "critic/kl": run.kl,
            "token/response_length/mean": run.length, "token/response_length/max": 2048.0,
            "token/total_response_length/clip": 3.0, "group/all_correct_groups_ratio": 0.11,
            "group/all_incorrect_groups_ratio": 0.2, "actor/pg_loss@sum": run.loss,
            "actor/grad_norm@mean": run.grad,
            "actor/lr": 1e-06, "actor/clipfrac@mean": 0.003, "actor/max_len_mask_ratio": 0.98,
            "time/step_generate": run.seconds, "time/step_train": run.seconds,
        }  # fmt: skip
        rows.append(row)
        begin = f"[2026-08-19 10:{step:02d}:11] [{{}}] [INFO] [DRIVER 0 / 1][PID 4021] "
        if step == 8:
            text = "".join(_roll_tagged(begin, old) for old in rows[:8])
        text += _roll_tagged(begin, row) + begin.format("rlvr_pipeline.py (740)") + json.dumps(row) + "\n"
        text += begin.format("rlvr_pipeline.py (752)") + f"pipeline step {step} finished\n"
    write("roll/log_rank_DRIVER_0_1.log", text)


def _roll_tagged(begin: str, row: Row) -> str:
    plain = {name.partition("@")[0]: value for name, value in row.items()}
    message = {"step": row["system/global_step"], "metrics": plain}
    return begin.format("tracking.py (146)") + f"metrics_tag: {json.dumps(message)}\n"


# --- logs of one's own, and those of trainers that write plain JSON --------------------------------------------------


def plain() -> None:
    run = Figures()
    rows = [
        {
            "step": step,
            "loss": run.loss,
            "reward_mean": run.reward,
            "entropy": run.entropy,
            "len_mean": run.length,
        }
        for step in range(1, 21)
    ]
    write("handwritten/metrics.jsonl", "".join(json.dumps({**row, "note": "样本"}) + "\n" for row in rows))
    write("handwritten/step_logs.json", json.dumps(rows, indent=1))
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    write("handwritten/table.csv", "".join(",".join(line) + "\n" for line in cells))
    trl = [
        {
            "loss": round(run.loss, 4), "grad_norm": round(run.grad, 4), "learning_rate": 1e-06,
            "reward": round(run.reward, 4), "completions/mean_length": round(run.length, 2),
            "entropy": round(run.entropy, 4), "epoch": step / 100,
        }
        for step in range(1, 21)
    ]  # fmt: skip
    write("trl/train.log", "".join(f"{row}\n" for row in trl) + "{'train_runtime': 648.26, 'epoch': 0.2}\n")


def notebook() -> None:
    """transformers' table as its NotebookProgressCallback draws it, with unsloth's names, after a cell of prose."""
    run = Figures()
    names = [
        "Step",
        "Training Loss",
        "reward",
        "reward_std",
        "completions / mean_length",
        "kl",
        "rewards / format / mean",
    ]
    rows = [
        [str(step), f"{run.loss:.6f}", f"{run.reward:.6f}", f"{abs(run.loss):.6f}", f"{run.length:.6f}", f"{run.kl:.6f}",
         f"{run.reward / 2:.6f}"]
        for step in range(1, 21)
    ]  # fmt: skip
    head = "".join(f"      <th>{name}</th>\n" for name in names)
    body = "".join("    <tr>\n" + "".join(f"      <td>{cell}</td>\n" for cell in row) + "    </tr>\n" for row in rows)
    table = (
        "\n    <div>\n      <progress value='20' max='20' style='width:300px; height:20px;'></progress>\n"
        '      [20/20 05:12, Epoch 0/1]\n    </div>\n    <table border="1" class="dataframe">\n  <thead>\n'
        f' <tr style="text-align: left;">\n{head}    </tr>\n  </thead>\n  <tbody>\n{body}  </tbody>\n</table><p>'
    )
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# GRPO 数学\n"]},
        {
            "cell_type": "code", "execution_count": 1, "metadata": {}, "source": ["trainer.train()"],
            "outputs": [
                {"name": "stderr", "output_type": "stream", "text": ["Unsloth: Will smartly offload gradients\n"]},
                {
                    "data": {"text/html": table.splitlines(keepends=True), "text/plain": ["<IPython.core.display.HTML object>"]},
                    "metadata": {}, "output_type": "display_data",
                },
            ],
        },
    ]  # fmt: skip
    document = {"cells": cells, "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}
    write("notebook/grpo.ipynb", json.dumps(document, indent=1, ensure_ascii=False) + "\n")


SWANLAB = """
CREATE TABLE project (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(100) NOT NULL);
CREATE TABLE experiment (id INTEGER NOT NULL PRIMARY KEY, project_id INTEGER NOT NULL, run_id TEXT NOT NULL, name VARCHAR(100) NOT NULL);
CREATE TABLE tag (id INTEGER NOT NULL PRIMARY KEY, experiment_id INTEGER NOT NULL, name VARCHAR(255) NOT NULL, folder VARCHAR(255), type VARCHAR(10) NOT NULL);
INSERT INTO project VALUES (1, 'sums');
INSERT INTO experiment VALUES (1, 1, 'run-20261120_123546-os1366rg', 'grpo-plus');
"""


def swanlab() -> None:
    """A run in local mode: the table of names, and for each metric a file of 1000 points."""
    run = Figures()
    names = ("actor/entropy", "actor/pg_loss", "actor/grad_norm", "critic/score/mean", "response_length/mean")
    store = HERE / "swanlab" / "swanlog"
    store.mkdir(parents=True, exist_ok=True)
    (store / "runs.swanlab").unlink(missing_ok=True)
    with closing(sqlite3.connect(store / "runs.swanlab")) as tables:
        tables.executescript("PRAGMA page_size = 512;" + SWANLAB)
        tags = [(at, 1, name, str(at - 1), "line") for at, name in enumerate(names, 1)]
        tables.executemany("INSERT INTO tag VALUES (?, ?, ?, ?, ?)", tags)
        tables.commit()
    home = "swanlab/swanlog/run-20261120_123546-os1366rg"
    write(f"{home}/files/config.yaml", "data:\n  desc: ''\n  sort: 0\n  value:\n    max_response_length: 2048\n")
    for at, walk_of in enumerate(("entropy", "loss", "grad", "reward", "length")):
        points = (
            {"index": step, "data": getattr(run, walk_of), "create_time": f"2026-11-20T12:{35 + step}:47.542206+00:00"}
            for step in range(1, 21)
        )
        write(f"{home}/logs/{at}/1000.log", "".join(json.dumps(point) + "\n" for point in points))


def wandb_offline() -> None:
    """By the library itself; what names the host or the folder is turned off."""
    run = Figures()
    wandb = importlib.import_module("wandb")
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_CONSOLE": "off"}
    quiet = wandb.Settings(x_disable_stats=True, x_disable_meta=True, disable_git=True, disable_code=True, host="node0")
    config = {"actor_rollout_ref": {"actor": {"clip_ratio_low": 0.2, "clip_ratio_high": 0.28}}}
    with tempfile.TemporaryDirectory() as folder:
        wandb_run = wandb.init(
            project="sums", name="grpo-plus", id="sample01", config=config, dir=folder, settings=quiet
        )
        for step in range(1, 31):
            row = {
                "actor/entropy": float("nan") if step == 17 else run.entropy, "actor/pg_loss": run.loss,
                "actor/grad_norm": run.grad, "actor/ppo_kl": run.kl, "critic/score/mean": run.reward,
                "response_length/mean": run.length, "timing_s/gen": run.seconds, "timing_s/step": 3 * run.seconds,
            }  # fmt: skip
            wandb_run.log(row | ({"val-core/sums/reward/mean@1": run.reward} if step % 10 == 0 else {}), step=step)
        wandb_run.finish()
        wandb.teardown()  # waits until the file is written
        written = next(Path(folder).glob("wandb/offline-run-*/*.wandb"))
        (HERE / "wandb").mkdir(exist_ok=True)
        (HERE / "wandb" / written.name).write_bytes(written.read_bytes())


if __name__ == "__main__":
    for make in (deepspeed_chat, openrlhf, slime, skyrl, areal, easyr1, roll, plain, notebook, nemo_rl, swanlab, step_lines):
        make()
    if "wandb" in sys.argv:
        wandb_offline()
