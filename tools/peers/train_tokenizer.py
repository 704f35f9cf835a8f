#!/usr/bin/env python3
"""Learns vocabularies of the same text with Hew and with `tokenizers`, in turn, and compares times and what the vocabularies are worth.

Usage: train_tokenizer.py --hew build/release/bin/hew --data TEXT [--kind bpe|unigram] [--vocab 16000] [--pairs 3] [--lines N]
TEXT: lines, .gz too; every 100th is kept for judging: tokens for each character of it, and for unigram also how likely it is
under each vocabulary (the best cut, scores made to sum to one), over the lines that both spell without unknown parts.
"""
import argparse, gzip, json, math, pathlib, subprocess, tempfile, time

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", "<|im_start|>", "<|im_end|>"]


def learn_hew(args, text, out):
    began = time.perf_counter()
    subprocess.run([args.hew, "train-tokenizer", "--data", text, "--kind", args.kind, "--vocab-size", str(args.vocab), "--out", out],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began, Tokenizer.from_file(out)


def learn_peer(args, text, like):
    """With the normaliser and the words of Hew's, so that both learn from the same pieces of text."""
    bpe = args.kind == "bpe"
    tokenizer = Tokenizer(models.BPE() if bpe else models.Unigram())
    if like.normalizer: tokenizer.normalizer = like.normalizer
    tokenizer.pre_tokenizer = like.pre_tokenizer
    # Hew's unigram vocabulary holds the 256 bytes too, with which it spells what its pieces cannot.
    common = {"vocab_size": args.vocab if bpe else args.vocab - 256, "special_tokens": SPECIAL, "show_progress": False}
    trainer = (trainers.BpeTrainer(min_frequency=2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **common) if bpe
               else trainers.UnigramTrainer(unk_token="<unk>", **common))
    began = time.perf_counter()
    tokenizer.train([text], trainer)
    return time.perf_counter() - began, tokenizer


def scores(tokenizer):
    """Log-probability of each id, None for what spells nothing; the probabilities sum to one."""
    vocab = json.loads(tokenizer.to_str())["model"]["vocab"]
    known = [s for t, s in vocab if t not in SPECIAL and not t.startswith("<0x")]
    total = math.log(sum(math.exp(s) for s in known))
    return [None if t in SPECIAL or t.startswith("<0x") else s - total for t, s in vocab]


def judge(name, tokenizer, lines):
    tokens = sum(len(e.ids) for e in tokenizer.encode_batch(lines, add_special_tokens=False))
    print(f"  {name}: {tokenizer.get_vocab_size()} tokens; {tokens / sum(map(len, lines)):.4f} tokens a character", flush=True)


def judge_likelihood(names, tokenizers, lines):
    of = [scores(t) for t in tokenizers]
    sums, characters = [0.0, 0.0], 0
    for a, b, line in zip(*(t.encode_batch(lines, add_special_tokens=False) for t in tokenizers), lines):
        ways = [[of[k][i] for i in e.ids] for k, e in enumerate((a, b))]
        if any(None in way for way in ways): continue
        characters += len(line)
        for k in range(2): sums[k] += sum(ways[k])
    for name, total in zip(names, sums): print(f"  {name}: {total / characters:.4f} nats a character over {characters} characters")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--hew", required=True)
    p.add_argument("--data", required=True, type=pathlib.Path)
    p.add_argument("--kind", choices=["bpe", "unigram"], default="bpe")
    p.add_argument("--vocab", type=int, default=16000)
    p.add_argument("--pairs", type=int, default=3)
    p.add_argument("--lines", type=int, default=0, help="of the text, 0: all")
    args = p.parse_args()
    raw = gzip.decompress(args.data.read_bytes()) if args.data.suffix == ".gz" else args.data.read_bytes()
    lines = raw.decode("utf-8").split("\n")
    if args.lines: lines = lines[:args.lines]
    kept = [line for line in lines[::100] if line]
    with tempfile.TemporaryDirectory() as folder:
        text = str(pathlib.Path(folder) / "text.txt")
        learned = "\n".join(line for i, line in enumerate(lines) if i % 100) + "\n"
        pathlib.Path(text).write_text(learned, encoding="utf-8")
        print(f"{args.kind}, {args.vocab} tokens of {len(learned.encode()) / 1e6:.1f} MB", flush=True)
        for pair in range(args.pairs):
            seconds, ours = learn_hew(args, text, str(pathlib.Path(folder) / f"tokenizer{pair}.json"))
            print(f"  Hew {seconds:.1f} s", end="", flush=True)
            theirs_seconds, theirs = learn_peer(args, text, ours)
            print(f", tokenizers {theirs_seconds:.1f} s: {theirs_seconds / seconds:.2f}x", flush=True)
    for name, tokenizer in (("Hew", ours), ("tokenizers", theirs)): judge(name, tokenizer, kept)
    if args.kind == "unigram": judge_likelihood(("Hew", "tokenizers"), (ours, theirs), kept)


if __name__ == "__main__":
    main()
