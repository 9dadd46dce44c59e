#!/bin/sh
# Makes every sample run from nothing, in the current (empty) folder: about 10 minutes on one free core.
#   sh path/to/sample_runs/make/make_all.sh [python]
# Needs: pip install torch==2.13.0 && pip install trl==1.16.0 transformers datasets accelerate tensorboard
set -eu
make=$(dirname "$0")
python=${1:-python3}
export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1 COLUMNS=100

train() {  # one launch of a run of the plain PyTorch trainer, appended to its console log
    mkdir -p "verl/$1"
    "$python" "$make/torch_runs.py" "$1" >> "verl/$1/train.log" 2>&1
}

train_killed_after() {  # the same, killed without warning once its log shows the given step
    mkdir -p "verl/$1"
    "$python" "$make/torch_runs.py" "$1" >> "verl/$1/train.log" 2>&1 &
    victim=$!
    until grep -q "step:$2 - " "verl/$1/train.log"; do sleep 0.05; done
    kill -KILL "$victim"
    wait "$victim" 2> /dev/null || true
}

[ -e checkpoints/warmup/policy.pt ] || "$python" "$make/warmup.py"
train_killed_after grpo_plus 29  # the last checkpoint is that of step 24
train grpo_plus
for run in stage1_24 stage2_36 stage3_48 entropy_bonus; do train "$run"; done
for run in grpo_plus_48 stage1_24 stage2_36 stage3_48 no_overlong_24 entropy_bonus entropy_collapse; do
    "$python" "$make/trl_runs.py" "$run" > "trl_$run.out" 2>&1
done
"$python" "$make/context_matrix.py"
"$python" "$make/publish.py" "$make/.."
