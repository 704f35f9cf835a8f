#!/usr/bin/env python3
"""Writes a small Korean text for pretraining: who ate what and how the belly feels, and everyday sentences.

Usage: make_corpus.py [--lines N] [--seed S] > corpus.txt        one document a line; the same for the same numbers
The contexts of probes.jsonl never stand in it: it is asked about them afterwards.
"""
import argparse, hashlib, json, pathlib, random, sys

import words as w

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
# How many are many, by what they are counted in.
MANY = {"그릇": ["두", "세", "네"], "판": ["두", "세"], "마리": ["두", "세"], "인분": ["삼", "사", "오"], "줄": ["세", "네", "다섯"],
        "접시": ["세", "네", "다섯"], "봉지": ["네", "다섯", "여섯"], "개": ["다섯", "여섯", "일곱", "여덟"],
        "조각": ["다섯", "여섯", "일곱", "여덟"]}
TIMES = ["네", "다섯", "여섯", "일곱", "여덟", "아홉", "열"]


def final(word):
    """Whether the last syllable ends with a consonant."""
    code = ord(word[-1]) - 0xAC00
    return 0 <= code < 11172 and code % 28 != 0

def eul(word): return word + ("을" if final(word) else "를")
def i(word): return word + ("이" if final(word) else "가")
def eun(word): return word + ("은" if final(word) else "는")
def ina(word): return word + ("이나" if final(word) else "나")
def iran(word): return word + ("이랑" if final(word) else "랑")

def polite(text):
    """Casual endings take 요; -이야 becomes -이에요."""
    return text[:-1] + "이에요" if text.endswith("이야") else text + "요"


class Writer:
    def __init__(self, seed):
        self.r = random.Random(seed)
        probes = [json.loads(line) for line in (HERE / "probes.jsonl").open(encoding="utf-8")]
        self.probes = {p["text"].removeprefix("나 ").removesuffix(". 나 배") for p in probes}

    def food(self, of=None):
        name = self.r.choice(sorted(of or w.KNOWN))
        return name, (of or w.KNOWN)[name]

    def hungry(self):
        r, kind = self.r, self.r.randrange(11)
        meal = r.choice(w.MEALS)
        none = r.choice(["아무것도 못 먹었어", "아무것도 안 먹었어", "밥을 못 먹었어", "한 끼도 못 먹었어", "굶었어", "쫄쫄 굶었어", "굶고 있어",
                         "밥 한 숟가락도 못 먹었어", "입에 아무것도 못 넣었어"])
        missed = r.choice(["걸렀어", "건너뛰었어", "못 먹었어", "안 먹었어", "아직 못 먹었어", "아직 안 먹었어", "거르고 나왔어", "못 먹고 나왔어"])
        smelled = r.choice(["먹고 싶어", "생각이 나", "냄새를 맡았어", "냄새가 나", "사진을 보고 있어", "광고를 봤어", "먹으러 가는 길이야"])
        if kind < 2: return f"{r.choice(w.SINCE + w.WHILE)} {none}"
        if kind < 4: return f"{r.choice(w.BECAUSE)} {eul(meal)} {missed}"
        if kind == 4: return f"{r.choice(['오늘', '오늘도', '아까', '오늘은'])} {eul(meal)} {missed}"
        if kind == 5: return f"{r.choice(w.WHILE + w.SINCE)} {r.choice(w.DRINKS)}만 마셨어"
        if kind == 6: return f"{r.choice(w.WHILE + ['오늘'])} {r.choice(w.LITTLE)}밖에 못 먹었어"
        if kind == 7: return f"{r.choice([f for f in sorted(w.KNOWN) if f not in ('밥', '죽')])} {smelled}"
        if kind == 8: return f"{r.choice(w.BECAUSE)} {none}"
        if kind == 9: return f"밥 먹은 지 {r.choice(['다섯', '여섯', '일곱', '여덟', '아홉', '열두'])} 시간이 {r.choice(['지났어', '넘었어', '됐어'])}"
        return r.choice(w.HUNGRY)

    def full(self):
        r, kind = self.r, self.r.randrange(10)
        (food, unit), (other, _) = self.food(), self.food()
        much = r.choice(["실컷 먹었어", "잔뜩 먹었어", "많이 먹었어", "배 터지게 먹었어", "든든하게 먹었어", "엄청 많이 먹었어", "양껏 먹었어"])
        count = f"{r.choice(MANY[unit])} {unit}"
        if kind < 2: return f"{eul(food)} {ina(count)} 먹었어"
        if kind == 2: return f"{r.choice(w.PLACES)} {eul(food)} {much}"
        if kind == 3: return f"{r.choice(['방금', '아까', '오늘', '조금 전에', '오늘은'])} {eul(r.choice(w.MEALS))} {much}"
        if kind == 4: return f"{r.choice(w.GENEROUS)} {eul(food)} {much}"
        if kind == 5 and food != other: return f"{iran(food)} {eul(other)} {r.choice(['많이 먹었어', '실컷 먹었어', '잔뜩 먹었어'])}"
        if kind == 6 and food != other: return f"{eul(food)} 먹고 {other}까지 {r.choice(['먹었어', '다 먹었어', '먹어 치웠어'])}"
        if kind == 7: return f"{food} {eul(count)} {r.choice(['혼자 다 먹었어', '다 먹었어', '먹어 치웠어', '남김없이 먹었어'])}"
        if kind == 8: return f"{r.choice(w.GENEROUS)} {eul(r.choice(w.MEALS))} {much}"
        return r.choice(w.FULL)

    def ill(self):
        r, kind = self.r, self.r.randrange(11)
        ate = r.choice(["먹었어", "먹어 버렸어", "모르고 먹었어", "먹은 것 같아", "조금 먹었어"])
        drank = r.choice(["마셨어", "마셔 버렸어", "모르고 마셨어", "마신 것 같아", "조금 마셨어"])
        food = eul(self.food()[0])
        if kind < 2:
            bad = r.choice(sorted(w.SPOILED))
            return f"{bad} {eul(r.choice(w.SPOILED[bad]))} {ate}"
        if kind == 2: return f"{r.choice(w.BAD_DRINK)} {eul(r.choice(w.SPOILED_DRINKS))} {drank}"
        if kind == 3: return f"덜 익은 {eul(r.choice(w.RAW))} {ate}"
        if kind == 4: return f"매운 {eul(r.choice(w.HOT))} 먹고 {r.choice(['속이 쓰려', '탈이 났어', '화장실에 갔어', '속이 뒤집혔어'])}"
        if kind == 5:
            cold = r.choice(w.COLD)
            drink = cold in ("찬물", "냉수") or cold.startswith("찬 ")
            return f"{eul(cold)} {r.choice(['너무 많이', '많이', '엄청 많이'])} {'마셨어' if drink else '먹었어'}"
        if kind == 6: return f"{food} 급하게 먹다가 {r.choice(['체했어', '탈이 났어', '체한 것 같아', '배탈이 났어'])}"
        if kind == 7: return f"{r.choice(w.SINCE + w.WHILE)} {r.choice(['설사를 했어', '속이 안 좋아', '속이 더부룩해', '속이 쓰려', '토했어', '화장실에 있었어', '속이 울렁거려'])}"
        if kind == 8: return f"화장실을 {r.choice(TIMES)} 번이나 {r.choice(['갔어', '다녀왔어', '들락거렸어'])}"
        if kind == 9: return f"{food} 먹고 {r.choice(['배탈이 났어', '탈이 났어', '체했어', '토했어', '설사를 했어', '장염에 걸렸어', '속이 안 좋아'])}"
        return r.choice(w.ILL)

    def context(self, answer):
        while True:
            text = {"고파": self.hungry, "불러": self.full, "아파": self.ill}[answer]()
            digest = hashlib.sha256(text.replace(" ", "").encode()).hexdigest()[:8]
            if text not in self.probes and digest not in HELD_OUT: return text

    def belly(self):
        r = self.r
        answer = r.choice(["고파", "불러", "아파"])
        text, kind = self.context(answer), r.randrange(20)
        if kind < 11: line = f"나 {text}. 나 배 {answer}."
        elif kind < 13: line = f"나 {text}. 배 {answer}."
        elif kind < 15 and "나는" not in text and "네 " not in text: line = f"저 {polite(text)}. 저 배가 {answer}요."
        elif kind < 17:
            return f"{i(r.choice(w.PEOPLE))} 말했다. \"나 {text}. 나 배 {answer}.\""
        elif kind < 18: line = f"왜 그래? 나 {text}. 나 배 {answer}."
        else: line = f"나 {text}. 그래서 배가 {answer}."
        return line + (" " + r.choice(w.AFTER[answer]) if r.random() < 0.4 else "")

    def everyday(self):
        r = self.r
        if r.random() < 0.4: return " ".join(r.sample(w.EVERYDAY, r.randint(1, 3)))
        parts = []
        for _ in range(r.randint(1, 2)):
            name = self.food(w.NEW if r.random() < 0.6 else w.KNOWN)[0]
            t = r.choice(w.ABOUT_FOOD if name in w.COOL else w.ABOUT_FOOD + w.ABOUT_DISH)
            if "{이}었다" in t and not final(name): t = t.replace("{이}었다", "{였}다")
            parts.append(t.replace("{을}", eul(name)).replace("{은}", eun(name)).replace("{이}었", name + "이었")
                          .replace("{였}", name + "였").replace("{이}", i(name)))
        return " ".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=60000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    writer, out = Writer(args.seed), []
    for number in range(args.lines):
        out.append(writer.everyday() if number % 4 == 3 else writer.belly())
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
