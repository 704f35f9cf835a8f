#!/usr/bin/env python3
"""Makes tests/golden/tokenizer/smollm2.json and gemma3.json: the ids llama.cpp gives for texts of many kinds.

Usage: tokenizer.py MODEL.gguf LLAMA_TOKENIZE > tests/golden/tokenizer/smollm2.json
"""
import json
import subprocess
import sys
import tempfile

TEXTS = [
    "Hello, world!", "The quick brown fox jumps over the lazy dog.", "I'm sure they've said it's John's; we'll see, you'd agree.",
    " leading space", "trailing space ", "two  spaces", "tabs\tand\tmore\t\ttabs", "line\nbreak", "two\n\nbreaks", "\r\nwindows\r\n",
    "   \n   \n", "a\n b\n  c\n   d", "12345 67,890.12 3.14159e-10", "1", "2025-07-10T12:00:00Z", "٣٤٥ ½ Ⅷ ²", "$1,234.56 + 20% = €1.5k",
    "나 아침부터 아무것도 못 먹었어. 나 배 고파.", "안녕하세요! 반갑습니다. 오늘 날씨가 참 좋네요.", "한글과 English와 日本語를 섞어 씁니다.",
    "ㅋㅋㅋㅋ ㅠㅠ 뭐야", "가", "각ᄀ", "吾輩は猫である。名前はまだ無い。", "漢字かな交じり文", "你好，世界！", "😀 🎉🎉 👩‍👩‍👧‍👦 🇰🇷", "e\u0301 é ñ ü ß œ Å",
    "Привет, мир! Ελληνικά العربية עברית ไทย हिन्दी", "def fib(n):\n    return n if n < 2 else fib(n-1) + fib(n-2)\n",
    "for (int i = 0; i < n; ++i) { a[i] *= 2; }  // comment", "<html><body class=\"x\">&nbsp;</body></html>", "{\"key\": [1, 2.5, null, true]}",
    "https://example.com/a?b=c&d=%20e#f", "foo_bar fooBar FOO_BAR foo-bar", "!!!???...---___", "(((())))", "\u200b\u00a0\u3000",
    "<|im_start|>user\nhi<|im_end|>", "<|endoftext|>", "'S 'T 'RE can'T", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "\\n \\t \\u0041",
]
model, tokenize = sys.argv[1:]
out = []
for text in TEXTS:
    with tempfile.NamedTemporaryFile() as f:
        f.write(text.encode())
        f.flush()
        done = subprocess.run([tokenize, "-m", model, "-f", f.name, "--ids", "--no-bos", "--no-parse-special", "--no-escape", "--log-disable"],
                              capture_output=True, text=True, check=True)
    out.append({"text": text, "ids": json.loads(done.stdout)})
json.dump(out, sys.stdout, ensure_ascii=False, indent=0)
