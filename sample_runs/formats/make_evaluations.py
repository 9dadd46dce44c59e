"""Result files of evaluations, invented figures in the exact shape that each harness writes. Seeded: always the same.

python sample_runs/formats/make_evaluations.py
"""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from statistics import mean, stdev

HERE = Path(__file__).parent
TIME = "2026-01-05T10-12-31.512345"
MODEL = "checkpoints/invented/global_step_120"
LIMIT = 32768


def main() -> None:
    draw = random.Random(6)
    lm_eval(draw)
    lighteval(draw)
    evalplus(draw)
    livecodebench(draw)
    rllm(draw)
    plain(draw)


def write(path: str, text: str) -> None:
    (HERE / path).parent.mkdir(parents=True, exist_ok=True)
    (HERE / path).write_text(text, encoding="utf-8")


def error(values: list[float]) -> float:
    return stdev(values) / len(values) ** 0.5


def lm_eval(draw: random.Random) -> None:
    """After lm-evaluation-harness 0.4.9, lm_eval/loggers/evaluation_tracker.py."""
    strict = [float(draw.random() < 0.6) for _ in range(40)]
    flexible = [max(one, float(draw.random() < 0.2)) for one in strict]
    choice = [float(draw.random() < 0.45) for _ in range(60)]
    sampling = {"until": ["Question:", "</s>"], "do_sample": False, "temperature": 0.0, "max_gen_toks": 2048}
    told = {
        "results": {
            "gsm8k": {
                "alias": "gsm8k",
                "exact_match,strict-match": mean(strict),
                "exact_match_stderr,strict-match": error(strict),
                "exact_match,flexible-extract": mean(flexible),
                "exact_match_stderr,flexible-extract": error(flexible),
            },
            "arc_challenge": {"alias": "arc_challenge", "acc,none": mean(choice), "acc_stderr,none": error(choice)},
            "wikitext": {
                "alias": "wikitext",
                "word_perplexity,none": 11.8312,
                "word_perplexity_stderr,none": "N/A",
                "bits_per_byte,none": 0.6521,
                "bits_per_byte_stderr,none": "N/A",
            },
        },
        "group_subtasks": {"gsm8k": [], "arc_challenge": [], "wikitext": []},
        "configs": {
            "gsm8k": {"task": "gsm8k", "num_fewshot": 5, "repeats": 1, "generation_kwargs": sampling},
            "arc_challenge": {"task": "arc_challenge", "num_fewshot": 0, "repeats": 1},
            "wikitext": {"task": "wikitext", "num_fewshot": 0, "repeats": 1},
        },
        "versions": {"gsm8k": 3.0, "arc_challenge": 1.0, "wikitext": 2.0},
        "n-shot": {"gsm8k": 5, "arc_challenge": 0, "wikitext": 0},
        "higher_is_better": {
            "gsm8k": {"exact_match": True},
            "arc_challenge": {"acc": True},
            "wikitext": {"word_perplexity": False, "bits_per_byte": False},
        },
        "n-samples": {
            "gsm8k": {"original": 1319, "effective": 40},
            "arc_challenge": {"original": 1172, "effective": 60},
            "wikitext": {"original": 62, "effective": 62},
        },
        "config": {
            "model": "vllm",
            "model_args": f"pretrained={MODEL},dtype=bfloat16",
            "limit": 40,
            "gen_kwargs": None,
        },
        "model_source": "vllm",
        "model_name": MODEL,
        "model_name_sanitized": MODEL.replace("/", "__"),
        "total_evaluation_time_seconds": "412.5",
    }
    folder = f"lm-eval/{MODEL.replace('/', '__')}"
    write(f"{folder}/results_{TIME}.json", json.dumps(told, indent=2, ensure_ascii=False))
    lines = []
    for chosen, scores in (("strict-match", strict), ("flexible-extract", flexible)):
        for number, score in enumerate(scores):
            said = {"doc_id": number, "doc": {"question": f"What is {number} + {number}?"}, "target": str(2 * number)}
            answer = str(2 * number if score else 2 * number + 1)
            said |= {"arguments": {"gen_args_0": {"arg_0": "…", "arg_1": sampling}}, "resps": [[f"It is {answer}."]]}
            said |= {"filtered_resps": [answer], "filter": chosen, "metrics": ["exact_match"]}
            said |= {"doc_hash": f"{number:064x}", "prompt_hash": f"{number + 1:064x}", "target_hash": f"{number:064x}"}
            lines.append(json.dumps(said | {"exact_match": score}, ensure_ascii=False))
    write(f"{folder}/samples_gsm8k_{TIME}.jsonl", "".join(f"{line}\n" for line in lines))


def lighteval(draw: random.Random) -> None:
    """After lighteval 0.13, src/lighteval/logging/evaluation_tracker.py."""
    aime = [mean(float(draw.random() < p) for _ in range(16)) for p in [0.1, 0.3, 0.9] * 10]
    scores = {"math_pass@1:16_samples": mean(aime), "math_pass@1:16_samples_stderr": error(aime)}
    task = {"name": "aime24", "hf_repo": "HuggingFaceH4/aime_2024", "generation_size": LIMIT, "version": 2}
    told = {
        "config_general": {
            "lighteval_sha": "?",
            "num_fewshot_seeds": 1,
            "max_samples": None,
            "job_id": "0",
            "start_time": 50753.1,
            "end_time": 51428.4,
            "total_evaluation_time_secondes": "675.3",
            "model_config": {
                "model_name": MODEL,
                "generation_parameters": {"max_new_tokens": LIMIT, "temperature": 0.6, "top_p": 0.95, "seed": 42},
                "max_model_length": LIMIT,
            },
            "model_name": MODEL,
        },
        "results": {"aime24|0": scores, "all": scores},
        "versions": {"aime24|0": 2},
        "config_tasks": {"aime24|0": task | {"original_num_docs": 30, "effective_num_docs": 30}},
        "summary_tasks": {"aime24|0": {"hashes": {}, "truncated": 0, "non_truncated": 0, "padded": 0, "non_padded": 0}},
        "summary_general": {"hashes": {}, "truncated": 0, "non_truncated": 0, "padded": 0, "non_padded": 0},
    }
    write(f"lighteval/results/{MODEL}/results_{TIME}.json", json.dumps(told, indent=2, ensure_ascii=False))


def evalplus(draw: random.Random) -> None:
    """After EvalPlus 0.4, evalplus/evaluate.py."""
    tasks = {}
    for number in range(20):
        each = []
        for _ in range(2):
            base = draw.random() < 0.85
            plus = base and draw.random() < 0.9
            verdict = {"base_status": "pass" if base else "fail", "plus_status": "pass" if plus else "fail"}
            said = {"task_id": f"HumanEval/{number}", "solution": "def f(x):\n    return x\n"} | verdict
            each.append(said | {"base_fail_tests": [], "plus_fail_tests": []})
        tasks[f"HumanEval/{number}"] = each
    base = mean(one["base_status"] == "pass" for each in tasks.values() for one in each)
    plus = mean(one["plus_status"] == "pass" for each in tasks.values() for one in each)
    told = {"date": "2026-01-05 10:12", "hash": "fe585eb4df8c88d844eeb463ea4d0302", "eval": tasks}
    told |= {"pass_at_k": {"base": {"pass@1": base}, "plus": {"pass@1": plus}}}
    write(f"evalplus/{MODEL.replace('/', '--')}_vllm_temp_0.6.eval_results.json", json.dumps(told))


def livecodebench(draw: random.Random) -> None:
    """After LiveCodeBench 28fef95, lcb_runner/runner/main.py and evaluation/pass_k_utils.py."""
    questions, results = [], {}
    for number in range(12):
        graded = [draw.random() < 0.2 + 0.05 * number for _ in range(10)]
        said = {"question_title": f"Sums {number}", "question_content": "…", "platform": "atcoder"}
        said |= {"question_id": f"abc{380 + number}_b", "contest_id": f"abc{380 + number}"}
        said |= {"contest_date": f"2025-01-{number + 4:02}T00:00:00", "starter_code": "", "difficulty": "easy"}
        said |= {"output_list": ["…"] * 10, "code_list": ["…"] * 10, "graded_list": graded}
        questions.append(said | {"pass@1": mean(graded), "metadata": ["{}"] * 10})
        results[str(number)] = [[True, True] if one else [True, -2] for one in graded]
    each = {str(number): one["pass@1"] for number, one in enumerate(questions)}
    totals = {"pass@1": mean(each.values()), "detail": {"pass@1": each}}
    folder = "livecodebench/output/invented-14B"
    write(f"{folder}/Scenario.codegeneration_10_0.6_eval_all.json", json.dumps(questions, indent=4))
    metrics = [totals, results, [["{}"] * 10 for _ in questions]]
    write(f"{folder}/Scenario.codegeneration_10_0.6_eval.json", json.dumps(metrics, indent=4))


def rllm(draw: random.Random) -> None:
    """After rLLM 874daa4, scripts/eval/eval_model.sh and verl/verl/trainer/main_generation.py."""
    held = {name: [[float(draw.random() < p) for _ in range(16)] for _ in range(30)] for name, p in
            (("math", 0.86), ("aime", 0.43))}  # fmt: skip
    (HERE / "rllm-eval").mkdir(exist_ok=True)
    with (HERE / "rllm-eval/pass.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["model_path", "dataset", "pass@1", "pass@16"])
        for name, scores in held.items():
            average = mean(mean(one) for one in scores)
            table.writerow([MODEL, f"{name}.parquet", average, mean(max(one) for one in scores)])
    write("rllm-eval/results.json", json.dumps(held["aime"]))


def plain(draw: random.Random) -> None:
    """As scripts of one's own write them: one with percents, one in Chinese."""
    table = ["model,benchmark,accuracy (%),stderr,n,max_tokens,temperature\n"]
    for name in ("MATH-500", "AIME 2024", "数学竞赛"):
        score, n = draw.uniform(30, 90), draw.choice([30, 500])
        table.append(f"虚构-invented-7B,{name},{score:.1f},{(score * (100 - score) / n) ** 0.5:.2f},{n},16K,0.6\n")
    write("scores/scores.csv", "".join(table))
    lines = []
    for step in range(40, 161, 40):
        said = {"run": "invented", "step": step, "dataset": "aime24", "pass@1": round(draw.uniform(0.3, 0.5), 4)}
        lines.append(json.dumps(said | {"n_questions": 30, "n_samples": 16, "max_tokens": LIMIT, "temperature": 0.6}))
    write("scores/scores.jsonl", "".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
