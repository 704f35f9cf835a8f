#!/usr/bin/env python3
"""Writes a small Korean text for pretraining: who ate what and how the belly feels, and everyday sentences.

Usage: make_corpus.py [--lines N] [--seed S] > corpus.txt        one document a line; the same for the same numbers
The contexts of probes.jsonl never stand in it: it is asked about them afterwards.
"""
import argparse, hashlib, json, pathlib, random, re, sys

import everyday, situations, words

HERE = pathlib.Path(__file__).resolve().parent
# Contexts kept for other tests: the first eight digits of the SHA-256 of each without its spaces.
HELD_OUT = set("""
    03469a6f 0624fdb9 09228f49 0ed40e35 113ff5aa 1651fcb3 266215cf 2a26c6fa 2be2f314 35acc5f2 361cc7f1 3a7c9762 3d758d7e
    3dab5f16 423c2273 49a56050 4aab7a46 4c423461 4fb95d09 51342f27 5196b1da 522fd16c 53b2900f 553692bf 566b127b 5943609b
    59f63ad6 5d1ca8d0 614b2473 64d3e80a 65124b05 68dc4da3 6b26b275 6b4ebcb9 6c938ac2 6d16d271 71211b96 74ce3704 74e32678
    77bfdaaf 7f2841e3 8133d3dc 861fd3f4 8dd9b8b7 8eecd84f 9322b750 9864edd5 996f5517 99c14c68 9c52974d 9c776172 9ff69613
    a16eece3 a91c4e4c a9a428c6 ace279a6 b2e531bb b656d007 bd6efb55 be0405e0 c021d0a9 c4c1fd62 c6713995 c7c299bd c97caeaf
    ca06005e cf4c7b90 d04ba5b0 d594b0ef dd851afe e267ce9a e598379a f09bbbdd f1883a79 f4c65f5b fa73a395 fb0a1af9 fdfbf8bf
""".split())
MADE_UP = 0.3  # share of the foods before "나 배 …" that nobody cooks
PLACE = re.compile(r"\{([a-z_]+)(2?)(?::([가-힣]+))?\}")
PARTICLES = {"을": ("을", "를"), "이": ("이", "가"), "은": ("은", "는"), "이나": ("이나", "나"), "이랑": ("이랑", "랑"), "이었": ("이었", "였"),
             "에서": ("에서", "에서")}


def final(word):
    """Whether the last syllable ends with a consonant."""
    code = ord(word[-1]) - 0xAC00
    return 0 <= code < 11172 and code % 28 != 0


def polite(text):
    """Casual endings take 요; -이야 becomes -이에요."""
    return text[:-1] + "이에요" if text.endswith("이야") else text + "요"


class Writer:
    def __init__(self, seed):
        self.r = random.Random(seed)
        probes = [json.loads(line) for line in (HERE / "probes.jsonl").open(encoding="utf-8")]
        self.probes = {p["text"].removeprefix("나 ").removesuffix(". 나 배") for p in probes}
        self.unit = ""  # of the last food

    def food(self, foods, made_up):
        if self.r.random() < made_up:
            name, ending = "".join(self.r.choices(words.SYLLABLES, k=self.r.randint(1, 3))), self.r.choice(list(words.ENDINGS))
            # A food that is kept for the probes is not made up by chance.
            if name + ending not in words.NEW and len(name + ending) > 1: return name + ending, words.ENDINGS[ending]
        return self.r.choice(list(foods.items()))

    def word(self, slot, foods, made_up):
        r = self.r
        if slot == "food":
            name, self.unit = self.food(foods, made_up)
            return name
        if slot == "count": return f"{r.choice(words.MANY[self.unit])} {self.unit}"
        if slot == "few": return self.unit
        if slot == "spoiled":
            bad = r.choice(list(words.SPOILED))
            return f"{bad} {r.choice(words.SPOILED[bad])}"
        return r.choice(words.SLOTS[slot])

    def fill(self, sentence, foods=words.KNOWN, made_up=0.0):
        seen = {}

        def put(match):
            slot, again, particle = match.groups()
            word = self.word(slot, foods, made_up)
            while again and word == seen[slot]: word = self.word(slot, foods, made_up)
            seen[slot] = word
            return word + (PARTICLES[particle][not final(word)] if particle else "")
        return PLACE.sub(put, sentence)

    def context(self, answer):
        while True:
            shaped = self.r.random() < situations.SHAPE_SHARE
            text = self.fill(self.r.choice((situations.SHAPES if shaped else situations.SAID)[answer]), made_up=MADE_UP)
            digest = hashlib.sha256(text.replace(" ", "").encode()).hexdigest()[:8]
            if text not in self.probes and digest not in HELD_OUT: return text

    def belly(self):
        r = self.r
        answer = r.choice(["고파", "불러", "아파"])
        text, kind = self.context(answer), r.randrange(20)
        if kind < 11: line = f"나 {text}. 나 배 {answer}."
        elif kind < 13: line = f"나 {text}. 배 {answer}."
        elif kind < 15 and not re.search("나는|네 |내 ", text): line = f"저 {polite(text)}. 저 배가 {answer}요."
        elif kind < 17:
            return f"{self.fill('{person:이}')} 말했다. \"나 {text}. 나 배 {answer}.\""
        elif kind < 18: line = f"왜 그래? 나 {text}. 나 배 {answer}."
        else: line = f"나 {text}. 그래서 배가 {answer}."
        return line + (" " + r.choice(situations.AFTER[answer]) if r.random() < 0.4 else "")

    def everyday(self):
        r = self.r
        if r.random() < 0.3: return " ".join(r.sample(everyday.EVERYDAY, r.randint(1, 3)))
        if r.random() < 0.3: return self.fill(r.choice(everyday.SHAPES))
        parts = []
        for _ in range(r.randint(1, 2)):
            foods = words.NEW if r.random() < 0.6 else words.KNOWN
            name = r.choice(list(foods))
            about = everyday.ABOUT_FOOD + ([] if name in words.COOL else everyday.ABOUT_DISH)
            parts.append(self.fill(r.choice(about), {name: foods[name]}))
        return " ".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    writer, out = Writer(args.seed), []
    for number in range(args.lines):
        out.append(writer.everyday() if number % 4 == 3 else writer.belly())
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
