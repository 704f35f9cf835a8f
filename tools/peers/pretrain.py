#!/usr/bin/env python3
"""Trains the same model from the same start on the same windows with Hew and with PyTorch, and compares losses and speed.

Usage: pretrain.py --hew build/release/hew --data TEXT [--shape 320,864,6,5,5] [--vocab 8192] [--steps 200]
                   [--batch-tokens 4096] [--max-length 512] [--lr 1e-3] [--precision bf16] [--pairs 1]
TEXT: one document a line. Needs torch, transformers and tokenizers (a peer's, not Hew's). PyTorch runs under
torch.autocast(bfloat16) unless fp32 is asked of both, fused AdamW, all threads; losses are means of a step's tokens. Pairs are
the same run again, Hew's and PyTorch's in turn.
"""
import argparse, copy, json, math, pathlib, shutil, subprocess, tempfile, time

import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("--hew", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--shape", default="320,864,6,5,5", help="hidden, intermediate, layers, heads, key heads")
    p.add_argument("--vocab", type=int, default=8192)
    p.add_argument("--steps", type=int, default=200)
    p.add_argument("--batch-tokens", type=int, default=4096)
    p.add_argument("--micro-tokens", type=int, default=2048, help="PyTorch's, as Hew's own")
    p.add_argument("--max-length", type=int, default=512)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    p.add_argument("--pairs", type=int, default=1)
    return p.parse_args()


def start_model(args, folder, vocab):
    hidden, intermediate, layers, heads, key_heads = map(int, args.shape.split(","))
    config = LlamaConfig(vocab_size=vocab, hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
                         num_attention_heads=heads, num_key_value_heads=key_heads, tie_word_embeddings=True,
                         max_position_embeddings=args.max_length, rms_norm_eps=1e-5)
    torch.manual_seed(1)
    model = LlamaForCausalLM(config).float()
    model.save_pretrained(folder)
    return model


def token_stream(args, folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    end = tokenizer.token_to_id("</s>")
    documents = [line for line in pathlib.Path(args.data).read_text(encoding="utf-8").split("\n") if line.strip()]
    ids = []
    for encoding in tokenizer.encode_batch(documents, add_special_tokens=True):
        ids += encoding.ids
        if ids[-1] != end: ids.append(end)
    return torch.tensor(ids)


def run_hew(args, folder):
    out = folder / "hew"
    shutil.rmtree(out, ignore_errors=True)
    command = [args.hew, "pretrain", "--base", str(folder), "--data", args.data, "--documents", "lines", "--steps",
               str(args.steps), "--no-shuffle", "--batch-tokens", str(args.batch_tokens), "--max-length",
               str(args.max_length), "--lr", str(args.lr), "--warmup", "10", "--save-every", "10h", "--out", str(out)]
    if args.precision == "fp32": command += ["--precision", "fp32"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return [json.loads(line) for line in (out / "metrics.jsonl").open() if "grad_norm" in line]


def run_torch(args, model, ids):
    decays = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() < 2]
    optimiser = torch.optim.AdamW([{"params": decays, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}],
                                  lr=args.lr, betas=(0.9, 0.95), eps=1e-8, fused=True)
    length, windows = args.max_length, args.batch_tokens // args.max_length
    at_once = max(1, args.micro_tokens // length)
    per_epoch = ((len(ids) - 1) // length) // windows
    lines = []
    for step in range(args.steps):
        began = time.perf_counter()
        warm, left = 10, args.steps - 10
        rate = args.lr * (step / warm if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / left)))
        for group in optimiser.param_groups: group["lr"] = rate
        optimiser.zero_grad(set_to_none=True)
        total = 0.0
        first = step % per_epoch * windows
        for w in range(first, first + windows, at_once):
            rows = torch.stack([ids[k * length:(k + 1) * length + 1] for k in range(w, min(w + at_once, first + windows))])
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16"):
                logits = model(input_ids=rows[:, :-1]).logits
            loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten(), reduction="sum")
            (loss / (windows * length)).backward()
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
        optimiser.step()
        lines.append({"step": step + 1, "loss": total / (windows * length), "grad_norm": norm,
                      "tokens_per_s": windows * length / (time.perf_counter() - began)})
    return lines


def middle(values):
    return sorted(values)[len(values) // 2]


def main():
    args = parse()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([args.hew, "train-tokenizer", "--data", args.data, "--vocab-size", str(args.vocab), "--out",
                        str(folder / "tokenizer.json")], check=True, stdout=subprocess.DEVNULL)
        vocab = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
        model = start_model(args, folder, vocab)
        weights = sum(p.numel() for p in model.parameters())
        ids, runs = token_stream(args, folder), []
        for _ in range(args.pairs):
            runs.append((run_hew(args, folder), run_torch(args, copy.deepcopy(model), ids)))
            # The first step of each also sets things up.
            speeds = [middle([line["tokens_per_s"] for line in lines[1:]]) for lines in runs[-1]]
            print(f"{args.precision}, {weights} weights, {args.steps} steps: {speeds[0]:.0f} tok/s and PyTorch {speeds[1]:.0f}: "
                  f"{speeds[0] / speeds[1]:.2f}x", flush=True)
    hew, peer = runs[0]
    apart = [abs(a["loss"] - b["loss"]) for a, b in zip(hew, peer)]
    for k in sorted({0, 1, 9, 49, 99, 149, len(hew) - 1}):
        if k < len(hew):
            print(f"step {k + 1}: loss {hew[k]['loss']:.4f} and PyTorch {peer[k]['loss']:.4f}, gradient norm "
                  f"{hew[k]['grad_norm']:.4f} and {peer[k]['grad_norm']:.4f}")
    print(f"losses apart by {max(apart):.4f} at most, {sum(apart) / len(apart):.4f} in the mean")


if __name__ == "__main__":
    main()
