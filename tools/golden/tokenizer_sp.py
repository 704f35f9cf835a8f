#!/usr/bin/env python3
"""Makes tests/golden/tokenizer/sp_cases.json: the ids that the real programs give for small SentencePiece vocabularies,
BPE and unigram, which are trained here on a text of our own.

Usage: tokenizer_sp.py LLAMA_TOKENIZE > tests/golden/tokenizer/sp_cases.json      (needs sentencepiece, tokenizers, gguf)

"gguf" cases hold the vocabulary as GGUF metadata, with the ids of llama.cpp's llama-tokenize; "json" cases hold a
tokenizer.json, with the ids of the `tokenizers` library: `plain` (special tokens are text), `parsed`, `added`.
"""
import base64
import io
import json
import subprocess
import sys
import tempfile

import gguf
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from sentencepiece import sentencepiece_model_pb2

CORPUS = [
    "The cat sat on the mat, and the dog did not mind; they said it was fine.",
    "def add(a, b):\n    return a + b\n\nfor i in range(10):\n    print(add(i, 2))",
    "안녕하세요, 반갑습니다. 오늘 날씨가 참 좋네요. 안녕히 가세요. 내일 또 만나요.",
    "今日は天気がいいですね。明日も晴れるでしょう。猫が窓の外を見ています。",
    "In 2024 there were 1,234 users; in 2025 there are 56,789 of them.",
    "Größe, café, naïve, façade, über, Straße. Der Hund schläft, die Katze wacht.",
    "the theme of the thesis is there, then they thanked them for the other things",
    "<html><body>the page</body></html> a==b && c!=d || !(e<=f)",
] * 6
TEXTS = [
    "The cat sat on the mat.", "Hello world", " leading", "trailing  ", "a  b   c    d", "tabs\t\tand\nnew\n\n lines\r\n x", "", " ", "   ", "\n",
    "2024-12-31 1,234,567.89", "안녕하세요 world, 반갑습니다!", "뷁 쀍 똠방각하", "猫が窓の外を見ています。漢字", "café cafe\u0301 Å A\u030a ﬁ ①", "😀 👩‍👩‍👧 🇰🇷", "İstanbul straße STRASSE",
    "<s>hello</s> there", "<unk>", "x <|end|>  y <|end|>", "hewn Hew hew, Hew.", "HewHew Hew가", "the<tool>the", "▁under▁score", "the ▁ the", "<0x0A>", "!!! ... ---",
    "\u00a0\u2003 wide\u3000space", "𝔘𝔫𝔦 ½ ²", "th" * 40, "a" * 70 + " " + "ab" * 20, "def f(x):\n    return x  # ok\n", "ＦＵＬＬ ｗｉｄｔｈ ｶﾞ", "don't they'd\u200b it\ufeff",
]
SIGN = "\u2581"


def train(kind, **options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for text in CORPUS for line in text.split("\n")), model_writer=model, model_type=kind, vocab_size=options.pop("size"),
        character_coverage=0.995, user_defined_symbols=["Hew", "<tool>", "<|end|>"] + options.pop("symbols", []), minloglevel=2, num_threads=1, **options)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    return proto


def metadata(proto, model, **more):
    pieces = proto.pieces
    # As converters have it: a user's own token is spelled with spaces.
    tokens = [p.piece.replace(SIGN, " ") if p.type == 4 else p.piece for p in pieces]
    return {"tokenizer.ggml.model": model, "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.scores": [p.score for p in pieces],
            "tokenizer.ggml.token_type": [p.type for p in pieces], "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
            "tokenizer.ggml.unknown_token_id": 0, **more}


def llama_ids(meta):
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/vocab.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        for key, value in meta.items():
            if isinstance(value, bool):
                writer.add_bool(key, value)
            elif isinstance(value, int):
                writer.add_uint32(key, value)
            elif isinstance(value, str) and key.endswith("charsmap"):
                writer.add_array(key, base64.b64decode(value))
            elif isinstance(value, str):
                writer.add_string(key, value)
            else:
                writer.add_array(key, value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        out = []
        for text in TEXTS:
            with open(folder + "/text", "wb") as file:
                file.write(text.encode())
            run = [sys.argv[1], "-m", path, "-f", folder + "/text", "--ids", "--no-escape", "--log-disable"]
            ids = [json.loads(subprocess.run(run + more, capture_output=True, text=True, check=True).stdout)
                   for more in (["--no-bos", "--no-parse-special"], ["--no-bos"])]
            out.append({"text": text, "plain": ids[0], "parsed": ids[1]})
    return out


def json_ids(tokenizer):
    out = []
    for text in TEXTS:
        parsed, added = (tokenizer.encode(text, add_special_tokens=add).ids for add in (False, True))
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = False
        out.append({"text": text, "plain": plain, "parsed": parsed, "added": added, "decoded": tokenizer.decode(plain, skip_special_tokens=True)})
    return out


def special_tokens(tokenizer, proto):
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    tokenizer.add_tokens([AddedToken(p.piece, special=False, normalized=False) for p in proto.pieces if p.type == 4])


def merges_of(proto):
    """Every pair of tokens that makes a token, best score first: how a SentencePiece BPE is said in merges."""
    scores = {p.piece: p.score for p in proto.pieces if p.type == 1}
    found = []
    for token, score in scores.items():
        pairs = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in scores and token[i:] in scores]
        found += [(score, pair) for pair in pairs]
    return [pair for _, pair in sorted(found, key=lambda x: -x[0])]


bpe = train("bpe", size=560, byte_fallback=True, normalization_rule_name="identity", add_dummy_prefix=True, remove_extra_whitespaces=False, symbols=["\u2581\u2581"])
# A small table of the kind that SentencePiece's own (a quarter of a megabyte) is.
RULES = {"\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "\u2003": " ", "\u3000": " ", "\u200b": "", "\ufeff": " ", "ﬁ": "fi", "①": "1", "½": "1\u20442", "²": "2",
         "ｶ": "カ", "ｶﾞ": "ガ", "e\u0301": "é", "A\u030a": "Å", "Ｆ": "F", "Ｕ": "U", "Ｌ": "L", "ｗ": "w", "ｉ": "i", "ｄ": "d", "ｔ": "t", "ｈ": "h"}
with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
    rules.write("".join(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n" for a, b in RULES.items()))
    rules.flush()
    unigram = train("unigram", size=330, hard_vocab_limit=False, normalization_rule_tsv=rules.name)
vocab = {p.piece: i for i, p in enumerate(bpe.pieces)}
cases = []


def add_gguf(name, meta):
    cases.append({"name": name, "metadata": meta, "texts": llama_ids(meta)})


def add_json(name, model, normalizer, pre, decoder, proto):
    tokenizer = Tokenizer(model)
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoder
    special_tokens(tokenizer, proto)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)])
    cases.append({"name": name, "tokenizer": json.loads(tokenizer.to_str()), "texts": json_ids(tokenizer)})


add_gguf("spm", metadata(bpe, "llama"))
add_gguf("spm-no-prefix", metadata(bpe, "llama", **{"tokenizer.ggml.add_space_prefix": False}))
charsmap = base64.b64encode(unigram.normalizer_spec.precompiled_charsmap).decode()
add_gguf("unigram", metadata(unigram, "t5", **{"tokenizer.ggml.add_space_prefix": True, "tokenizer.ggml.remove_extra_whitespaces": True}))
sys.stderr.write(f"charsmap of {len(charsmap)} characters\n")

llama = models.BPE(vocab, merges_of(bpe), unk_token="<unk>", fuse_unk=True, byte_fallback=True)
fallback = [decoders.Replace(SIGN, " "), decoders.ByteFallback(), decoders.Fuse()]
add_json("llama-legacy", llama, normalizers.Sequence([normalizers.Prepend(SIGN), normalizers.Replace(" ", SIGN)]), None,
         decoders.Sequence(fallback + [decoders.Strip(" ", 1, 0)]), bpe)
add_json("gemma", llama, normalizers.Replace(" ", SIGN), pre_tokenizers.Split(" ", "merged_with_previous"), decoders.Sequence(fallback), bpe)
add_json("metaspace-first", llama, None, pre_tokenizers.Metaspace(SIGN, "first", False), decoders.Sequence(fallback + [decoders.Strip(" ", 1, 0)]), bpe)
no_bytes = {p.piece: i for i, p in enumerate(bpe.pieces)}
add_json("unknown", models.BPE(no_bytes, merges_of(bpe), unk_token="<unk>", fuse_unk=False), None, pre_tokenizers.Metaspace(SIGN, "never", True), decoders.Metaspace(SIGN, "never"), bpe)
add_json("whitespace", models.BPE(no_bytes, merges_of(bpe), unk_token="<unk>", fuse_unk=True), normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]),
         pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits(True)]), decoders.Fuse(), bpe)
pieces = [(p.piece, p.score) for p in unigram.pieces]
add_json("unigram-metaspace", models.Unigram(pieces, 0, False), normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]),
         pre_tokenizers.Metaspace(SIGN, "always", True), decoders.Metaspace(SIGN, "always"), unigram)
add_json("unigram-precompiled", models.Unigram(pieces, 0, False), normalizers.Sequence([normalizers.Precompiled(base64.b64decode(charsmap)), normalizers.Strip(False, True)]),
         pre_tokenizers.Metaspace(SIGN, "always", True), decoders.Metaspace(SIGN, "always"), unigram)
bytes_too = [(p.piece, p.score) for p in bpe.pieces if p.type != 1] + [(p.piece, p.score) for p in unigram.pieces if p.type == 1]
add_json("unigram-bytes", models.Unigram(bytes_too, 0, True), None, pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(SIGN, "always", True)]),
         decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(SIGN, "always")]), bpe)

lines = []
for case in cases:
    texts = ",\n".join(json.dumps(t, ensure_ascii=False) for t in case.pop("texts"))
    lines.append(json.dumps(case, ensure_ascii=False, separators=(",", ":"))[:-1] + ',"texts": [\n' + texts + "]}")
sys.stdout.write("[" + ",\n".join(lines) + "]\n")
