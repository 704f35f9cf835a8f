#!/usr/bin/env python3
"""Checks Hew's training against PEFT: the same adapter to begin with, the same rows in the same order, fp32, and the
loss of each of N steps from both. Saves PEFT's fresh adapter (B is zero, as PEFT starts), trains it with torch's AdamW and
the linear schedule of Transformers, then lets Hew do the same from the same file, and prints both curves.

Usage: peft_curve.py HEW MODEL.gguf TRAIN.messages.jsonl FOLDER [--steps 20] [--batch 8] [--lr 5e-4] [--clip 1.0]
Ends with status 1 if any step's losses differ by more than --tolerance (1e-3).
"""
import argparse
import json
import os
import subprocess
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, get_linear_schedule_with_warmup

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def parse():
    p = argparse.ArgumentParser()
    for name in ("hew", "model", "train", "folder"):
        p.add_argument(name)
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--rank", type=int, default=16)
    p.add_argument("--lr", type=float, default=5e-4)
    p.add_argument("--clip", type=float, default=1.0)
    p.add_argument("--tolerance", type=float, default=1e-3)
    p.add_argument("--extra", default="", help="more flags for hew tune")
    return p.parse_args()


def encode(tokenizer, messages):
    """ids, and where the answer begins and ends (its end-of-turn token included, the newline after it not)."""
    prompt = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    full = tokenizer.apply_chat_template(messages, tokenize=False)
    ids = tokenizer(full, add_special_tokens=False).input_ids
    begin = len(tokenizer(prompt, add_special_tokens=False).input_ids)
    return ids, begin, len(ids) - 1 - ids[::-1].index(tokenizer.eos_token_id) + 1


def peft_losses(a):
    torch.manual_seed(0)
    folder, name = os.path.split(os.path.abspath(a.model))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(r=a.rank, lora_alpha=2 * a.rank, task_type="CAUSAL_LM", target_modules=TARGETS))
    model.save_pretrained(os.path.join(a.folder, "initial"))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=a.lr, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, a.steps)
    rows = [json.loads(line)["messages"] for line in open(a.train, encoding="utf-8")][: a.steps * a.batch]
    data = [encode(tokenizer, row) for row in rows]
    model.train()
    losses = []
    for step in range(a.steps):
        chunk = data[step * a.batch : (step + 1) * a.batch]
        width = max(len(ids) for ids, _, _ in chunk)
        ids = torch.full((len(chunk), width), tokenizer.pad_token_id)
        labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
        for j, (x, begin, end) in enumerate(chunk):
            ids[j, : len(x)] = torch.tensor(x)
            mask[j, : len(x)] = 1
            labels[j, begin:end] = torch.tensor(x[begin:end])
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, a.clip)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def hew_losses(a):
    out = os.path.join(a.folder, "hew")
    subprocess.run([a.hew, "tune", "--base", a.model, "--data", a.train, "--out", out, "--init-adapter", os.path.join(a.folder, "initial"),
                    "--no-shuffle", "--steps", str(a.steps), "--batch-size", str(a.batch), "--lr", str(a.lr), "--warmup", "0",
                    "--clip", str(a.clip), "--precision", "fp32", *a.extra.split()], check=True, stderr=subprocess.DEVNULL)
    lines = [json.loads(line) for line in open(os.path.join(out, "metrics.jsonl"), encoding="utf-8")]
    return [line["loss"] for line in lines if "loss" in line]


def main():
    a = parse()
    os.makedirs(a.folder, exist_ok=True)
    theirs, ours = peft_losses(a), hew_losses(a)
    worst = 0.0
    print("step      peft       hew  difference")
    for step, (x, y) in enumerate(zip(theirs, ours, strict=True)):
        worst = max(worst, abs(x - y))
        print(f"{step + 1:4} {x:9.6f} {y:9.6f}  {y - x:+.2e}")
    print(f"largest difference {worst:.2e}, allowed {a.tolerance:.0e}")
    return 0 if worst <= a.tolerance else 1


if __name__ == "__main__":
    sys.exit(main())
