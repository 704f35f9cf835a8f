#!/usr/bin/env python3
"""Puts ordinary Korean text beside the corpus, one document a line, for the longer run.

Usage: larger_text.py CORPUS FOLDER [--reviews N] > text.txt
FOLDER holds ko_chatbot/train.messages.jsonl (questions and answers), ko_en_tatoeba/kor.txt (sentences) and
ko_nsmc/reviews.txt.gz (N film reviews); each has its own licence, and none of it belongs in this repository. A line that holds
the context of a probe is left out.
"""
import argparse, gzip, itertools, json, pathlib, sys

from make_corpus import Writer


def chats(folder):
    for line in (folder / "ko_chatbot" / "train.messages.jsonl").open(encoding="utf-8"):
        yield " ".join(message["content"] for message in json.loads(line)["messages"])

def sentences(folder):
    for line in (folder / "ko_en_tatoeba" / "kor.txt").open(encoding="utf-8"):
        yield line.split("\t")[1]

def reviews(folder, number):
    with gzip.open(folder / "ko_nsmc" / "reviews.txt.gz", "rt", encoding="utf-8") as file:
        yield from itertools.islice((line.strip() for line in file), number)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--reviews", type=int, default=150000)
    args = parser.parse_args()
    probes = Writer(0).probes
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(args.corpus.read_text(encoding="utf-8"))
    for line in itertools.chain(chats(args.folder), sentences(args.folder), reviews(args.folder, args.reviews)):
        if line.strip() and not any(context in line for context in probes): sys.stdout.write(line.strip() + "\n")


if __name__ == "__main__":
    main()
