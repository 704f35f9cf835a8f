#!/usr/bin/env python3
"""Multiple choice and last-word tasks scored by Transformers in fp32, as lm-evaluation-harness defines them, beside hew test.

Usage: eval_scores.py MODEL.gguf EVAL_FOLDER [--limit 100] [--hew build/release/bin/hew] [--precision fp32]
       (run with the Python of the peers' environment; EVAL_FOLDER has arc_easy.jsonl, copa.jsonl, piqa.jsonl, lambada_openai.jsonl)
Prints for each task how many picks are the same, and the largest difference of a log-likelihood. The reference is kept beside
the limit in /tmp, so that a second run only asks hew.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("folder")
parser.add_argument("--limit", type=int, default=100)
parser.add_argument("--hew", default="build/release/bin/hew")
parser.add_argument("--precision", default="fp32")
parser.add_argument("--reference", default=None)
options = parser.parse_args()
TASKS = ("arc_easy", "copa", "piqa", "lambada_openai")


def rows(task):
    lines = (pathlib.Path(options.folder) / f"{task}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[: options.limit]]


def pairs(row):
    """The contexts and continuations of a row."""
    if "context" in row:
        return [(row["context"], " " + row["continuation"])]
    query = row["query"]
    if query.startswith("Question:"):
        query = query.strip() + "\nAnswer:"
    return [(query, " " + choice) for choice in row["choices"]]


def encode_pair(tokenizer, context, continuation):  # as its documentation describes: encoded together, cut at the context's length
    spaces = len(context) - len(context.rstrip())
    if spaces:
        continuation, context = context[-spaces:] + continuation, context[:-spaces]
    whole, alone = tokenizer(context + continuation).input_ids, tokenizer(context).input_ids
    return alone, whole[len(alone):]


def reference():
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, name = os.path.split(os.path.abspath(options.model))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
    out = {}
    for task in TASKS:
        out[task] = []
        for row in rows(task):
            scores = []
            for context, continuation in pairs(row):
                before, after = encode_pair(tokenizer, context, continuation)
                with torch.no_grad():
                    logits = model(torch.tensor([before + after])).logits[0, len(before) - 1: -1]
                logp = logits.double().log_softmax(-1)
                scores.append([logp[range(len(after)), after].sum().item(), bool((logits.argmax(-1) == torch.tensor(after)).all())])
            out[task].append(scores)
    return out


def argmax(values):
    return max(range(len(values)), key=lambda i: (values[i], -i))


kept = pathlib.Path(options.reference or f"/tmp/hew-eval-reference-{pathlib.Path(options.model).stem}-{options.limit}.json")
if not kept.exists():
    kept.write_text(json.dumps(reference()))
golden = json.loads(kept.read_text())
for task in TASKS:
    data = rows(task)
    with tempfile.TemporaryDirectory() as folder:
        suite = pathlib.Path(folder) / "suite.jsonl"
        suite.write_text("".join(json.dumps({"id": str(i), **row}) + "\n" for i, row in enumerate(data)))
        begun = time.time()
        done = subprocess.run([options.hew, "test", options.model, "--suite", suite, "--json", "--precision", options.precision], capture_output=True, text=True)
        seconds = time.time() - begun
    cases = json.loads(done.stdout)["cases"]
    same = norm_same = right = 0
    worst = 0.0
    for row, case, scores in zip(data, cases, golden[task]):
        logps = [s[0] for s in scores]
        worst = max([worst] + [abs(a - b) for a, b in zip(case["logprobs"], logps)])
        if "context" in row:
            same += case["passed"] == scores[0][1]
            norm_same += 1
            right += scores[0][1]
        else:
            picks = [argmax(x) for x in (case["logprobs"], logps)]
            lengths = [len(c) for c in row["choices"]]
            norms = [argmax([v / n for v, n in zip(x, lengths)]) for x in (case["logprobs"], logps)]
            same += picks[0] == picks[1] and case["passed"] == (picks[1] == row["gold"])
            norm_same += norms[0] == norms[1] and case["passed_per_character"] == (norms[1] == row["gold"])
            right += picks[1] == row["gold"]
    print(f"{task:16} {len(data)} rows: {same} same picks, {norm_same} by acc_norm; largest difference {worst:.5f}; acc {right / len(data):.3f}; hew {seconds:.1f} s")
