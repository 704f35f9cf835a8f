#!/usr/bin/env python3
"""Asks a model each probe: which of 고파, 아파, 불러 is likeliest to follow.

Usage: evaluate.py HEW MODEL [PROBES]      prints the wrong ones and the share of right answers, by kind
"""
import collections, json, pathlib, subprocess, sys

ANSWERS = ["고파", "아파", "불러"]


def logprob(hew, model, text):
    out = subprocess.run([hew, "score", model, "--text", text, "--json"], check=True, capture_output=True, text=True)
    return sum(p for p in json.loads(out.stdout)["logprobs"] if p is not None)


def main():
    hew, model = sys.argv[1:3]
    probe_file = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else pathlib.Path(__file__).parent / "probes.jsonl"
    right, asked = collections.Counter(), collections.Counter()
    for line in probe_file.open(encoding="utf-8"):
        probe = json.loads(line)
        found = max(ANSWERS, key=lambda answer: logprob(hew, model, f"{probe['text']} {answer}"))
        asked[probe["kind"]] += 1
        right[probe["kind"]] += found == probe["expected"]
        if found != probe["expected"]: print(f"  {probe['text']}: {found}, not {probe['expected']}")
    for kind in asked: print(f"{kind}: {right[kind]} of {asked[kind]}")


if __name__ == "__main__":
    main()
