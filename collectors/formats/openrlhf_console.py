"""OpenRLHF's console: one Python dict per step, among what Ray's processes print. Names are bare here.

(PPOTrainer pid=4021) INFO 08-13 10:02:11 ppo_trainer.py:410] ✨ Global step 12: {'policy_loss': 0.01, 'kl': 0.002}
(PPOTrainer pid=4021) INFO ... ✨ Evaluation completed in 31s, global_step 20, eval_metrics: {'eval_math_pass1': 0.4}
"""

from __future__ import annotations

import re

from collectors.console import add_numbers, could_hold, lines_with
from collectors.contract import Memory, Part, Sample
from collectors.lines import Records, is_plain_row, step_of, whole_lines
from collectors.printed_dict import printed_dict

NAME = "openrlhf-console"
WHOLE = False
RUN_PER_FILE = True
TRAINER = "openrlhf"

LINE = re.compile(rb"(?:Global step |global_step )(\d{1,18})(?:: |, eval_metrics: )(\{.*)")
ITS_OWN = {"policy_loss", "actor_lr", "critic_loss", "rollout/reward_mean", "ppo_clip_ratio", "response_length"}


def recognises(sample: Sample) -> bool:
    """A step's dict with names that OpenRLHF gives; an evaluation may stand before the first step, and says little."""
    if not could_hold(sample):
        return False
    found = (printed_dict(line[2], 1, cut=unfinished)[0] for _, line, unfinished in lines_with(sample.more, 1, LINE))
    return any(ITS_OWN & record.keys() for record in found)


def read(data: bytes, memory: Memory, *, torn: bool) -> Part:
    text, first, part = whole_lines(data, memory, torn=torn)
    records = Records(part, is_plain_row)
    for at, line, unfinished in lines_with(text, first, LINE):
        record, unread = printed_dict(line[2], at, cut=unfinished)
        part.unread += [unread] if unread else []
        step = step_of(int(line[1]))
        if step is not None:
            add_numbers(at, step, record, memory, records)
    records.close()
    return part
