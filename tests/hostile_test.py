#!/usr/bin/env python3
"""Hostile files through the whole program: exit status 2, one line that names file and fault, no output file, bounded memory.
Run by CTest with HEW_BIN set; needs no model but a tiny one that it makes."""
import json
import os
import pathlib
import resource
import subprocess
import tempfile
import unittest

import hostile_files
from in_folder import HEW, ROOT

ROOM = 3 << 30  # of address space: what a file of a few hundred bytes may make the program take, and far more than it should
SMALL = ["--vocab-size", "300", "--hidden-size", "32", "--intermediate-size", "32", "--num-hidden-layers", "1", "--num-attention-heads", "2", "--num-key-value-heads", "2"]


def bounded(room):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (room, room))


# The address sanitizer reserves more than any limit.
BOUNDS = subprocess.run([HEW, "--version"], preexec_fn=bounded(ROOM), capture_output=True).returncode == 0


def hew(folder, *args, room=ROOM):
    return subprocess.run([HEW, *map(str, args)], cwd=folder, capture_output=True, text=True, errors="replace", timeout=120, stdin=subprocess.DEVNULL,
                          preexec_fn=bounded(room) if BOUNDS else None)


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.temporary.name)
        cls.put("a.txt", "the cat and the hat sat on the mat\n\nanother line of words to learn\n" * 20)
        cls.put("rows.jsonl", '{"prompt": "a", "completion": " b"}\n')
        for args in (["pretrain", "--data", "a.txt", "--out", "base", "--steps", "1", "--max-length", "64", *SMALL],
                     ["tune", "--base", "base", "--data", "rows.jsonl", "--out", "adapter", "--steps", "1", "--rank", "2"]):
            done = hew(cls.path, *args)
            assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    @classmethod
    def put(cls, name, content):
        path = cls.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def refused(self, args, *mentions, status=2):
        """Runs hew, which must refuse; nothing may be called `out` afterwards, nor begin with it."""
        before = sorted(p.name for p in self.path.iterdir())
        done = hew(self.path, *args)
        self.assertEqual(done.returncode, status, f"{args}: {done.stdout[-300:]}{done.stderr[-500:]}")
        line = [shown for shown in done.stderr.splitlines() if shown.startswith("hew: ")]  # tune shows a row first
        self.assertEqual(len(line), 1, done.stderr[-500:])
        self.assertEqual(done.stderr.strip().splitlines()[-1], line[0])
        for word in mentions:
            self.assertIn(word, line[0])
        self.assertLess(len(line[0]), 1000)
        self.assertEqual(sorted(p.name for p in self.path.iterdir()), before, "nothing is written")
        return line[0]

    def copied(self, source, name, **files):
        """A copy of a folder with some files replaced; None leaves one out."""
        for path in (self.path / source).iterdir():
            if path.is_file() and path.name not in files:
                self.put(f"{name}/{path.name}", path.read_bytes())
        for file, content in files.items():
            if content is not None:
                self.put(f"{name}/{file}", content)
        return name

    def test_gguf(self):
        for name, content, mentions in hostile_files.gguf_cases():
            with self.subTest(name):
                self.put("bad.gguf", content)
                self.refused(["convert", "bad.gguf", "out.gguf"], "bad.gguf", mentions)

    def test_safetensors(self):
        for name, content, mentions in hostile_files.safetensors_cases():
            with self.subTest(name):
                self.copied("base", "bad", **{"model.safetensors": content})
                self.refused(["convert", "bad", "out.gguf"], "model.safetensors", mentions)
        self.copied("base", "shards", **{"model.safetensors": None, "model.safetensors.index.json": json.dumps({"weight_map": {"a": "one.safetensors"}})})
        (self.path / "shards/model.safetensors").unlink(missing_ok=True)
        self.refused(["convert", "shards", "out.gguf"], "one.safetensors")
        self.put("shards/model.safetensors.index.json", json.dumps({"weight_map": {"a": "../base/model.safetensors"}}))
        self.refused(["convert", "shards", "out.gguf"], "../base/model.safetensors")

    def test_tokenizer(self):
        good = (self.path / "base/tokenizer.json").read_text()
        for name, content, mentions in hostile_files.tokenizer_cases(good):
            with self.subTest(name):
                self.put("t/tokenizer.json", content)
                self.refused(["tokenize", "t/tokenizer.json", "--text", "x"], "tokenizer.json", mentions)
        larger = json.loads(good)
        larger["model"]["vocab"].update({f"more{i}": 2000 + i for i in range(3)})
        self.copied("base", "larger", **{"tokenizer.json": json.dumps(larger)})
        self.refused(["score", "larger", "--text", "x"], "embedding")

    def test_catastrophic_pattern_and_a_megabyte_of_one_letter(self):
        good = json.loads((self.path / "base/tokenizer.json").read_text())
        self.put("letters.txt", "a" * (1 << 20))
        for pattern in ("(a+)+$", "(a|a)*b"):
            good["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "Split", "behavior": "Isolated", "pattern": {"Regex": pattern}},
                                                                           {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}]}
            self.put("slow/tokenizer.json", json.dumps(good))
            done = hew(self.path, "tokenize", "slow/tokenizer.json", "--text", "a" * 30000 + "c", "--json")
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_templates(self):
        self.put("c.json", '{"messages": []}')
        for name, content, mentions in hostile_files.template_cases():
            with self.subTest(name):
                self.put("t.jinja", content)
                self.refused(["render", "--template", "t.jinja", "--context", "c.json"], "t.jinja", mentions)

    def test_rows(self):
        for name, content, mentions in hostile_files.row_cases():
            with self.subTest(name):
                self.put("bad.jsonl", content)
                self.refused(["tune", "--base", "base", "--data", "bad.jsonl", "--out", "out"], "bad.jsonl" + mentions)
        self.put("bad.jsonl", "\ufeff" + '{"prompt": "a", "completion": " b"}')
        done = hew(self.path, "tune", "--base", "base", "--data", "bad.jsonl", "--out", "marked", "--steps", "1", "--rank", "1")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_adapters(self):
        config = json.loads((self.path / "adapter/adapter_config.json").read_text())
        weights = (self.path / "adapter/adapter_model.safetensors").read_bytes()
        size = int.from_bytes(weights[:8], "little")
        header, data = weights[8:8 + size], weights[8 + size:]
        wrong_base = header.replace(b".layers.0.", b".layers.9.")
        unknown = header.replace(b"q_proj", b"z_proj")
        for name, files, mentions in (
            ("rank", {"adapter_config.json": json.dumps({**config, "r": 3})}, "expected rank 3"),
            ("wrong base", {"adapter_model.safetensors": hostile_files.safetensors(wrong_base, data)}, "below 1"),
            ("unknown target", {"adapter_model.safetensors": hostile_files.safetensors(unknown, data)}, "z_proj"),
            ("NaN weights", {"adapter_model.safetensors": hostile_files.safetensors(header, b"\0\0\xc0\x7f" * (len(data) // 4))}, "nan"),
            ("method", {"adapter_config.json": json.dumps({**config, "peft_type": "LOHA"})}, "LOHA"),
        ):
            with self.subTest(name):
                self.copied("adapter", "bad-adapter", **files)
                self.refused(["merge", "--base", "base", "--adapter", "bad-adapter", "--out", "out.gguf"], "bad-adapter", mentions)

    def test_settings(self):
        tune = ["tune", "--base", "base", "--data", "rows.jsonl", "--out", "out"]
        for args, mentions in ((["--lr", "nan"], "lr"), (["--batch-size", "0"], "batch"), (["--steps", "-1"], "steps")):
            with self.subTest(args):
                self.refused([*tune, *args], mentions)
        self.put("recipe.toml", "learning_rat = 1\n")
        self.refused([*tune, "--recipe", "recipe.toml"], "recipe.toml: line 1", "learning_rat")

    def test_checkpoints(self):
        tune = ["tune", "--base", "base", "--data", "rows.jsonl", "--out", "run", "--steps", "2", "--rank", "2", "--resume"]
        for content, mentions in ((b"", "found 0"), (hostile_files.safetensors({}), "format"), (hostile_files.safetensors({"__metadata__": {"format": "hew-checkpoint-1", "state": "{"}}), "state")):
            self.put("run/checkpoint.safetensors", content)
            self.refused(tune, "checkpoint.safetensors", mentions)

    @unittest.skipUnless(BOUNDS, "a sanitizer takes the limit's place")
    def test_too_little_memory_is_said(self):
        """With ever more address space, each command is refused in one line, with status 3, or succeeds."""
        for args in (["score", "base", "--text", "the cat and the hat"], ["convert", "base", "out.gguf"]):
            seen = set()
            for megabytes in (*range(20, 120, 4), 200, 400, 3000):
                (self.path / "out.gguf").unlink(missing_ok=True)
                done = hew(self.path, *args, "--threads", "3", room=megabytes << 20)
                if done.returncode == 127 or "error while loading shared libraries" in done.stderr or (done.returncode < 0 and not done.stderr):
                    continue  # the system could not even start it
                self.assertIn(done.returncode, (0, 3), f"{megabytes} MB: {done.returncode} {done.stderr}")
                if done.returncode == 3:
                    lines = [line for line in done.stderr.strip().splitlines() if not line.startswith("writing")]  # its bar
                    self.assertEqual(len(lines), 1, done.stderr)
                    self.assertFalse((self.path / "out.gguf").exists())
                seen.add(done.returncode)
            self.assertEqual(seen, {0, 3})


if __name__ == "__main__":
    unittest.main()
