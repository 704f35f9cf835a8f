#!/usr/bin/env python3
"""What matching strings gives on the probes: the answer of the training context that shares most pairs of letters.

Usage: baseline.py CORPUS [PROBES]      prints the share of right answers, by kind
Checks first that the probes are what they claim: no context stands in the corpus; the words of a recombined one all
stand in contexts there, a new one has words that do not.
"""
import collections, json, pathlib, re, sys

CONTEXT = re.compile(r"나 ([^.\"]+)\. (?:나 |그래서 )?배가? (고파|불러|아파)")


def pairs(text):
    text = f" {text} "
    return collections.Counter(text[k:k + 2] for k in range(len(text) - 1))

def likeness(a, b):
    return 2 * sum((a & b).values()) / (sum(a.values()) + sum(b.values()))  # Dice

def main():
    corpus = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
    probe_file = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(__file__).parent / "probes.jsonl"
    known = {c: a for c, a in CONTEXT.findall(corpus)}
    words = {word for context in known for word in context.split()}
    trained = [(pairs(c), c, a) for c, a in known.items()]
    right, asked = collections.Counter(), collections.Counter()
    for line in probe_file.open(encoding="utf-8"):
        probe = json.loads(line)
        context = probe["text"].removeprefix("나 ").removesuffix(". 나 배")
        new = [word for word in context.split() if word not in words]
        if f"나 {context}" in corpus: sys.exit(f"baseline: stands in the corpus: {context}")
        if (probe["kind"] == "new") != bool(new): sys.exit(f"baseline: {probe['kind']}, but with new words {new}: {context}")
        asked[probe["kind"]] += 1
        mine = pairs(context)
        _, near, answer = max(trained, key=lambda t: (likeness(mine, t[0]), t[1]))
        right[probe["kind"]] += answer == probe["expected"]
        if answer != probe["expected"]: print(f"  {context}: {answer}, not {probe['expected']} (nearest: {near})")
    for kind in asked: print(f"{kind}: {right[kind]} of {asked[kind]}")


if __name__ == "__main__":
    main()
