#!/usr/bin/env python3
"""Makes tests/golden/tokenizer/json_cases.json: what the `tokenizers` library gives for a small byte-level BPE that it
trains itself, with many pre-tokenizers, normalisers, added tokens and post-processors around the same model.

Usage: tokenizer_json.py > tests/golden/tokenizer/json_cases.json        (needs `tokenizers`)

The file holds the model once; each case holds the rest of its tokenizer.json and, for every text, three lists of ids:
`plain` (special tokens are text), `parsed` (special tokens are found) and `added` (found, and BOS and the like put on).
"""
import json
import sys

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

CORPUS = [
    "The cat sat on the mat, and the dog didn't mind; they'd said it's fine.",
    "def add(a, b):\n    return a + b\n\nfor i in range(10):\n    print(add(i, 2))\n",
    "안녕하세요, 반갑습니다. 오늘 날씨가 참 좋네요. 안녕히 가세요.",
    "In 2024 there were 1,234 users; in 2025 there are 56,789 of them.",
    "Größe café naïve façade über Straße",
    "the theme of the thesis is there, then they thanked them",
] * 4

TEXTS = [
    "The cat sat on the mat.", " leading", "trailing  ", "a  b   c", "tabs\t\tand\nnew\n\n lines\r\n x", "don't they'd WE'LL It'S",
    "2024-12-31 1,234,567.89", "안녕하세요 world, 반갑습니다!", "café cafe\u0301 Å A\u030a ﬁ ①", "😀 👩‍👩‍👧 🇰🇷", "İstanbul ǅ ΑΣ straße STRASSE",
    "<s>hello<|end|> there", "x<|end|>  y <|end|>", "<mask>", "a <mask> b", "hewn Hew hew, Hew.", "HewHew Hew가 Hew。 _Hew", "the<tool>the", "<tool> <|end|><s>",
    "  <pad>  x  <pad>\u3000y", "!!! ... ---", "\u00a0\u2003 wide\u3000space", "𝔘𝔫𝔦 ½ ²", "a" * 70 + " " + "ab" * 40, "def f(x):\n    return x  # ok\n", "ＦＵＬＬ ｗｉｄｔｈ",
]
SPECIAL = [
    AddedToken("<s>", special=True, normalized=False),
    AddedToken("<|end|>", special=True, normalized=False),
    AddedToken("<mask>", special=True, normalized=False, lstrip=True),
    AddedToken("<pad>", special=True, normalized=False, lstrip=True, rstrip=True),
]
WORDS = [
    AddedToken("Hew", special=False, single_word=True, normalized=False),
    AddedToken("<tool>", special=False, normalized=True),
    AddedToken("<tool> <", special=False, normalized=True),
    AddedToken("café", special=False, normalized=True),
]
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(pattern, behavior, invert)


def bos(tokenizer):
    return processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))])


def both(tokenizer):
    ids = [(t, tokenizer.token_to_id(t)) for t in ("<s>", "<|end|>")]
    return processors.Sequence([processors.ByteLevel(trim_offsets=False),
                                processors.TemplateProcessing(single="<s> $A <|end|>", pair="$A $B", special_tokens=ids)])


def chain(*parts):
    return pre_tokenizers.Sequence(list(parts))


CASES = {  # name: (normaliser, pre-tokenizer, post-processor, ignore_merges)
    "gpt2": (None, GPT2, None, False),
    "prefix-space": (None, pre_tokenizers.ByteLevel(add_prefix_space=True), bos, False),
    "digits": (None, chain(pre_tokenizers.Digits(individual_digits=True), GPT2), None, False),
    "digit-runs": (None, chain(pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.ByteLevel(add_prefix_space=True)), None, False),
    "llama3": (None, chain(split(Regex(LLAMA3)), BYTES), bos, True),
    "qwen2": (normalizers.NFC(), chain(split(Regex(LLAMA3.replace("{1,3}", ""))), BYTES), None, False),
    "both-ends": (normalizers.NFKC(), GPT2, both, False),
    "nfd-lower": (normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase()]), GPT2, None, False),
    "nfkd": (normalizers.NFKD(), GPT2, None, False),
    "strip-prepend": (normalizers.Sequence([normalizers.Strip(), normalizers.Prepend("the ")]), GPT2, None, False),
    "replace": (normalizers.Sequence([normalizers.Replace("cat", "dog"), normalizers.Replace(Regex(r"\s+"), " ")]), GPT2, None, False),
    "removed": (None, chain(split(Regex(r"\s+"), "removed"), BYTES), None, False),
    "previous": (None, chain(split("a", "merged_with_previous"), BYTES), None, False),
    "next": (None, chain(split(" ", "merged_with_next"), BYTES), None, False),
    "contiguous": (None, chain(split(Regex(r"[a-e]"), "contiguous"), BYTES), None, False),
    "inverted": (None, chain(split(Regex(r"\p{L}+"), "isolated", True), BYTES), None, False),
    "inverted-removed": (None, chain(split(Regex(r"\p{L}+"), "removed", True), BYTES), None, False),
    "punctuation": (None, chain(pre_tokenizers.Punctuation(), GPT2), None, False),
    "lines": (None, chain(split(Regex(r"^.|x$")), split(Regex(r"\s?\p{P}+")), BYTES), None, False),
}

base = Tokenizer(models.BPE())
base.pre_tokenizer = GPT2
base.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
model = json.loads(base.to_str())["model"]
cases = []
for name, (normalizer, pre, post, ignore_merges) in CASES.items():
    tokenizer = Tokenizer.from_str(json.dumps({**json.loads(base.to_str()), "model": {**model, "ignore_merges": ignore_merges}}))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens(WORDS)
    if post:
        tokenizer.post_processor = post(tokenizer)
    rest = {k: v for k, v in json.loads(tokenizer.to_str()).items() if k in ("added_tokens", "normalizer", "pre_tokenizer", "post_processor")}
    texts = []
    for text in TEXTS:
        parsed, added = (tokenizer.encode(text, add_special_tokens=add).ids for add in (False, True))
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = False
        texts.append({"text": text, "plain": plain, "parsed": parsed, "added": added})
    cases.append({"name": name, "ignore_merges": ignore_merges, "rest": rest, "texts": texts})
lines = ['{"model": ' + json.dumps(model, ensure_ascii=False) + ', "cases": [']
for i, case in enumerate(cases):
    lines.append(json.dumps({k: v for k, v in case.items() if k != "texts"}, ensure_ascii=False)[:-1] + ', "texts": [')
    lines.append(",\n".join(json.dumps(t, ensure_ascii=False) for t in case["texts"]))
    lines.append("]}" + ("," if i + 1 < len(cases) else ""))
sys.stdout.write("\n".join(lines) + "\n]}\n")
