# ruff: noqa: E402
"""GRPO+ with Hugging Face TRL's own GRPOTrainer, on one CPU core and without any download.

    python trl_runs.py grpo_plus_48

Relative paths: run it in a folder of its own, after warmup.py (and after the stage that a stage starts from).
"""

from __future__ import annotations

import argparse
import random
import socket
from pathlib import Path
from typing import Any

socket.gethostname = lambda: "node0"  # TensorBoard and transformers write the host's name into file names

import numpy as np
import pandas as pd
import task
import torch
from datasets import Dataset
from policy import HEADS, HIDDEN, LAYERS, ROPE_BASE, WIDTH, ragged
from recipes import TRL, Recipe, find
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

CHECKPOINTS = Path("checkpoints/toy_trl")
TOKENS_EVERY = 4  # rollout batches between those whose tokens are kept
WITH_TOKENS = ("grpo_plus_48", "entropy_bonus")


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token per character, <bos> before the prompt."""
    tokenizer = Tokenizer(models.WordLevel(task.TOKEN, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", task.BOS)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        padding_side="left",
    )


def save_warmup() -> None:
    """The warm-up policy as a transformers checkpoint: the same names, and the embedding tied."""
    weights = torch.load("checkpoints/warmup/policy.pt", weights_only=True)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(task.VOCABULARY),
            hidden_size=WIDTH,
            intermediate_size=HIDDEN,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS,
            max_position_embeddings=256,
            tie_word_embeddings=True,
            rms_norm_eps=1e-6,
            rope_parameters={"rope_type": "default", "rope_theta": ROPE_BASE},
            pad_token_id=task.PAD,
            bos_token_id=task.BOS,
            eos_token_id=task.EOS,
        )
    )
    model.load_state_dict(weights | {"lm_head.weight": weights["model.embed_tokens.weight"]})
    model.save_pretrained(CHECKPOINTS / "warmup")


def exact_answer(
    prompts: list[str], completions: list[str], completion_ids: list[list[int]], **_: Any
) -> list[float]:
    """The reward function, whose name TRL logs."""
    triples = zip(prompts, completions, completion_ids, strict=True)
    return [task.reward(prompt, text, ids[-1] == task.EOS) for prompt, text, ids in triples]


class TokenKeepingTrainer(GRPOTrainer):
    """Also keeps the tokens of every fourth rollout batch; TRL itself logs only their means."""

    folder: Path

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        output = super()._generate_and_score_completions(inputs)
        batch = self.state.global_step // self.args.steps_per_generation
        if batch % TOKENS_EVERY == 0:
            self.keep(output, self.state.global_step + self.args.steps_per_generation)
        return output

    def keep(self, output: dict[str, torch.Tensor], step: int) -> None:
        """step: that of TRL's own completions parquet for the same rollouts, whose order is the same."""
        ids = output["completion_ids"]
        # TRL's completion_mask is all 0 where the overlong filter acts, and with it its own per-token values
        real = (ids != task.PAD).long()
        with torch.no_grad():
            logprobs, entropies, _ = self._get_per_token_logps_and_entropies(
                self.model,
                torch.cat([output["prompt_ids"], ids], 1),
                torch.cat([output["prompt_mask"], real], 1),
                ids.shape[1],
                compute_entropy=True,
            )
        rows, lengths = ids.tolist(), real.sum(1)
        prompts, texts = ([task.decode(r) for r in x] for x in (output["prompt_ids"].tolist(), rows))
        truncated = [task.EOS not in r for r in rows]
        triples = zip(prompts, texts, truncated, strict=True)
        table = pd.DataFrame(
            {
                "step": step,
                "group": [i // self.num_generations for i in range(len(rows))],
                "prompt": prompts,
                "completion": texts,
                "reward": [task.reward(p, t, not cut_off) for p, t, cut_off in triples],
                "advantage": output["advantages"].tolist(),
                "truncated": truncated,
                "masked": (output["completion_mask"].sum(1) == 0).tolist(),
                "token_ids": ragged(ids, lengths, np.int16),
                "logprobs": ragged(logprobs, lengths, np.float32),
                "entropies": ragged(entropies, lengths, np.float32),
            }
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        table.to_parquet(self.folder / f"{step:05d}.parquet")


def settings(r: Recipe) -> GRPOConfig:
    """Clip ratios would be 0 for ever with one optimizer step per rollout batch: hence the mini-batches."""
    return GRPOConfig(
        output_dir=f"trl/{r.name}",
        seed=r.seed,
        max_steps=r.minibatches * r.batches,
        logging_steps=r.minibatches,
        learning_rate=r.rate,
        lr_scheduler_type="constant",
        max_grad_norm=1.0,
        num_generations=r.group,
        per_device_train_batch_size=r.completions // r.minibatches,
        steps_per_generation=r.minibatches,
        max_completion_length=r.max_len,
        temperature=r.temperature,
        beta=0.0,
        epsilon=r.clip_low,
        epsilon_high=r.clip_high,
        loss_type="dapo",
        mask_truncated_completions=r.overlong_filter,
        entropy_coef=r.entropy_coef,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        save_strategy="no",
        report_to=["tensorboard"],
        log_completions=True,
        num_completions_to_print=0,
        disable_tqdm=True,
    )


def run(recipe: Recipe) -> None:
    if recipe.start == "warmup":
        save_warmup()
    rng = random.Random(recipe.seed)
    prompts = [task.make_prompt(rng) for _ in range(recipe.prompts * recipe.batches)]
    model = LlamaForCausalLM.from_pretrained(CHECKPOINTS / recipe.start)
    kind = TokenKeepingTrainer if recipe.name in WITH_TOKENS else GRPOTrainer
    trainer = kind(
        model=model,
        reward_funcs=exact_answer,
        args=settings(recipe),
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        processing_class=build_tokenizer(),
    )
    trainer.folder = Path("tokens/trl", recipe.name)
    trainer.train()
    trainer.save_state()
    model.save_pretrained(CHECKPOINTS / recipe.name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=[r.name for r in TRL])
    run(find(TRL, parser.parse_args().name))
