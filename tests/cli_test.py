#!/usr/bin/env python3
"""The command line as a user meets it: statuses, one-line errors, JSON, and the whole loop on the real SmolLM2.

Run by CTest with HEW_BIN set; the classes that need the model are skipped where HEW_MODELS has none.
"""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from in_folder import HEW, MODEL, ROOT

HELPDESK = ROOT / "examples/helpdesk"


def hew(*args, stdin=None, env=None):
    """Runs hew; returns the finished process with text output."""
    return subprocess.run([HEW, *map(str, args)], input=stdin, capture_output=True, text=True, env={**os.environ, **(env or {})})


def report(*args):
    done = hew(*args, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Usage(unittest.TestCase):
    def test_version_and_help(self):
        self.assertRegex(hew("--version").stdout, r"^hew \d+\.\d+\.\d+")
        for command in ("inspect", "tokenize", "render", "next", "score", "chat", "generate", "tune", "pretrain", "test", "merge", "convert", "quantize", "bench", "plan",
                        "train-tokenizer"):
            done = hew(command, "--help")
            self.assertEqual(done.returncode, 0, command)
            self.assertIn("Example", done.stdout, command)

    def assert_refused(self, done, *words):
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        for word in words:
            self.assertIn(word, lines[0])

    def test_bad_usage_is_one_line_and_status_2(self):
        self.assert_refused(hew("frobnicate"), "frobnicate")
        self.assert_refused(hew("chat"), "MODEL")
        self.assert_refused(hew("chat", "absent.gguf", "-m", "x"), "absent.gguf")
        self.assert_refused(hew("score", "absent.gguf", "--text", "x", "--threads", "-3"), "--threads")
        self.assert_refused(hew("score", "absent.gguf", "--text", "x", "--isa", "mmx"), "--isa", "mmx")
        self.assert_refused(hew("score", "absent.gguf", "--text", "x", "--precision", "int4"), "--precision", "int8", "'int4'")
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as data:
            for command in (("tune", "--base", "absent.gguf"), ("pretrain",)):
                done = hew(*command, "--data", data.name, "--out", data.name + ".out", "--precision", "int8")
                self.assert_refused(done, "--precision", "where gradients are taken", "int8")

    def test_types_and_sizes_that_there_are_not(self):
        self.assert_refused(hew("quantize", "absent.gguf", "out.gguf", "--type", "Q4"), "--type", "Q4_K_M", "'Q4'")
        self.assert_refused(hew("convert", "absent.gguf", "out", "--max-shard-size", "5 parsecs"), "--max-shard-size", "parsecs")

    def test_plan_of_known_and_unknown_runs(self):
        gpt3 = report("plan", "gpt3-175b")
        self.assertAlmostEqual(gpt3["flops"] / 3.14e23, 1, delta=0.15)
        self.assertAlmostEqual(gpt3["cost"] / 4.6e6, 1, delta=0.15)
        self.assertEqual(gpt3["memory_bytes"], sum(gpt3["memory"].values()))
        self.assertIn("this machine", [device["name"] for device in gpt3["on"]])
        own = report("plan", "--params", "1e6", "--tokens", "2e7", "--price", "0.5")
        self.assertEqual(own["flops"], 6 * 1e6 * 2e7)
        self.assertAlmostEqual(own["cost"], own["seconds"] / 3600 * 0.5)
        self.assertIn("355", hew("plan", "gpt3-175b").stdout)
        self.assert_refused(hew("plan", "absent.gguf"), "absent.gguf", "gpt3-175b")
        self.assert_refused(hew("plan", "--params", "1e9"), "--tokens")
        self.assert_refused(hew("plan", "gpt3-175b", "--device", "abacus"), "--device", "abacus")

    def test_train_tokenizer(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            (path / "a.txt").write_text("나 배 고파. the cat and the hat\n" * 50)
            for kind in ("bpe", "unigram"):
                out = path / kind / "tokenizer.json"
                done = report("train-tokenizer", "--data", path / "a.txt", "--vocab-size", 400, "--kind", kind, "--out", out)
                self.assertEqual(done["path"], str(out))
                self.assertEqual(done["bytes"], len((path / "a.txt").read_bytes()))
                self.assertLess(done["tokens_per_byte"], 0.5)
                self.assertEqual(json.loads(out.read_text())["model"]["type"].lower(), kind)
                self.assertTrue((out.parent / "tokenizer_config.json").exists())
            ids = report("tokenize", path / "bpe" / "tokenizer.json", "--text", "나 배 고파", "--add-special")["ids"]
            self.assertEqual(ids[0], 1)
            args = ("train-tokenizer", "--data", path / "a.txt", "--out", path / "t.json", "--vocab-size")
            self.assert_refused(hew(*args, 100), "vocab_size", "100")
            self.assertFalse((path / "t.json").exists())

    def test_files_that_are_no_models(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, content in (("empty.gguf", b""), ("three.gguf", b"GGU"), ("text.gguf", b"hello world, not a model"),
                                  ("cut.gguf", b"GGUF\x03\0\0\0" + b"\xff" * 16)):
                path = pathlib.Path(folder) / name
                path.write_bytes(content)
                self.assert_refused(hew("inspect", path), name)
                self.assert_refused(hew("chat", path, "-m", "x"), name)

    def test_render_needs_no_model(self):
        with tempfile.TemporaryDirectory() as folder:
            template, context = pathlib.Path(folder) / "t.jinja", pathlib.Path(folder) / "c.json"
            template.write_text("{% for m in messages %}[{{ m.role }}] {{ m.content | upper }}\n{% endfor %}{{ strftime_now('%d %b %Y') }}")
            context.write_text(json.dumps({"messages": [{"role": "user", "content": "안녕 hi"}]}))
            done = hew("render", "--template", template, "--context", context, env={"HEW_NOW": "2025-07-10T12:00:00"})
            self.assertEqual((done.returncode, done.stdout), (0, "[user] 안녕 HI\n10 Jul 2025"))
            template.write_text("{% for m in messages %}")
            self.assert_refused(hew("render", "--template", template, "--context", context), "t.jinja")


@unittest.skipUnless(MODEL.exists(), f"no model at {MODEL}")
class RealModel(unittest.TestCase):
    TEXT = "Hew carves models. 나 배 고파. 🎉 x = [1, 2, 3]"

    def test_inspect(self):
        model = report("inspect", MODEL)
        self.assertEqual(model["architecture"], "llama")
        self.assertEqual(model["parameters_unique"], 134515008)
        self.assertEqual(model["config"]["num_hidden_layers"], 30)
        self.assertEqual(model["tokenizer"], {"kind": "bpe", "vocab_size": 49152})
        shapes = {t["name"]: t["shape"] for t in model["tensors"]}
        self.assertEqual(shapes["blk.0.ffn_gate.weight"], [1536, 576])

    def test_bench_beside_a_peer(self):
        with tempfile.TemporaryDirectory() as folder:
            peer = pathlib.Path(folder) / "llama-bench"
            peer.write_text("#!/bin/sh\necho '[{\"avg_ts\": 10.0}]'\n")
            peer.chmod(0o755)
            small = ("--prompt-tokens", 8, "--generated-tokens", 2, "--train-rows", 64, "--repeats", 1, "--pairs", 2)
            measured = report("bench", MODEL, *small, "--compare", f"llama.cpp={folder}")
            self.assertEqual([m["threads"] for m in measured["machine"]["by_threads"]][-1], measured["machine"]["threads"])
            results = {r["name"]: r for r in measured["results"]}
            for name in ("load", "first token of 8", "prompt 8", "generate 2", "lora step, 64 rows"):
                self.assertGreater(results[name]["value"], 0, name)
                self.assertGreater(results[name]["limit"], 0, name)
                self.assertGreater(results[name + ", memory"]["value"], 98, name)  # megabytes: the weights alone
            pair = results["prompt 8, hew / llama.cpp"]
            ratios = sorted(ours / 10 for ours, _ in pair["pairs"])
            self.assertEqual((len(ratios), pair["min"], pair["max"]), (2, ratios[0], ratios[1]))
            peer.write_text("#!/bin/sh\necho cannot open >&2\nexit 1\n")
            done = hew("bench", MODEL, *small, "--compare", f"llama.cpp={folder}")
            self.assertEqual(done.returncode, 3)
            self.assertIn("cannot open", done.stderr)
        self.assertEqual(hew("bench", MODEL, "--compare", "vllm=x").returncode, 2)

    def test_memory_is_planned(self):
        plan = report("inspect", MODEL)["memory"]
        self.assertGreater(plan["loaded_bytes"], MODEL.stat().st_size)
        self.assertGreater(plan["chat_bytes"], plan["loaded_bytes"])
        self.assertGreater(plan["tune_bytes"], plan["loaded_bytes"])

    def test_tokenize_both_ways(self):
        ids = report("tokenize", MODEL, "--text", self.TEXT)["ids"]
        self.assertEqual(report("tokenize", MODEL, "--ids", " ".join(map(str, ids)))["text"], self.TEXT)
        plain = report("tokenize", MODEL, "--text", "<|im_start|>")["ids"]
        self.assertGreater(len(plain), 1)
        self.assertEqual(report("tokenize", MODEL, "--text", "<|im_start|>", "--parse-special")["ids"], [1])

    def test_score_does_not_depend_on_threads(self):
        one, two = (report("score", MODEL, "--text", self.TEXT, "--threads", n) for n in (1, 2))
        self.assertEqual(one, two)
        self.assertIsNone(one["logprobs"][0])
        self.assertTrue(all(x <= 0 for x in one["logprobs"][1:]))

    def test_int8_is_near_and_does_not_depend_on_rows_or_threads(self):
        text = ("--text", "The quick brown fox jumps over the lazy dog and runs far away from the farm.")
        exact = report("score", MODEL, *text, "--precision", "fp32")["logprobs"][1:]
        one, two = (report("score", MODEL, *text, "--precision", "int8", "--threads", n)["logprobs"][1:] for n in (1, 2))
        self.assertEqual(one, two)
        self.assertNotEqual(one, exact)
        self.assertLess(sum(abs(a - b) for a, b in zip(one, exact)) / len(exact), 0.2)
        tokens = report("next", MODEL, "The capital of France is", "-k", 1, "--precision", "int8")["next"]
        self.assertEqual(tokens[0]["text"], " Paris")

    def test_a_second_start_maps_what_the_first_left(self):
        with tempfile.TemporaryDirectory() as home:
            ask = ("next", MODEL, "The capital of France is", "--json")
            env = {"HEW_HOME": home}
            plain = hew(*ask, env={**env, "HEW_PACKED_GB": "0"})
            self.assertFalse((pathlib.Path(home) / "packed").exists())
            first, second = (hew(*ask, env=env) for _ in range(2))
            self.assertEqual({plain.stdout, first.stdout, second.stdout}, {plain.stdout})
            copies = list((pathlib.Path(home) / "packed").iterdir())
            self.assertEqual(len(copies), 1)
            copies[0].write_bytes(copies[0].read_bytes()[:1000])
            self.assertEqual(hew(*ask, env=env).stdout, plain.stdout)
            self.assertGreater(next((pathlib.Path(home) / "packed").iterdir()).stat().st_size, 90e6)  # made anew

    def test_next_is_the_head_of_the_distribution(self):
        tokens = report("next", MODEL, "The capital of France is", "-k", 5)["next"]
        self.assertEqual(tokens[0]["text"], " Paris")
        self.assertEqual([t["logprob"] for t in tokens], sorted((t["logprob"] for t in tokens), reverse=True))
        done = hew("next", MODEL, "The capital of France is")
        self.assertIn("█", done.stdout)

    def test_greedy_and_seeded_answers_repeat(self):
        ask = ("chat", MODEL, "-m", "Name three colours.", "--max-tokens", 24)
        for options in (("--temperature", 0), ("--seed", 7)):
            first, second = (report(*ask, *options) for _ in range(2))
            self.assertEqual(first["ids"], second["ids"])
            self.assertEqual(first["usage"]["completion_tokens"], len(first["ids"]))
        self.assertNotEqual(report(*ask, "--seed", 1)["ids"], report(*ask, "--seed", 2)["ids"])

    def test_quantize_writes_a_mix_and_removes_what_a_killed_one_left(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "small.gguf"
            quantize = [HEW, "quantize", MODEL, out, "--type", "Q4_K_M", "--json"]
            process = subprocess.Popen(quantize, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            deadline = time.time() + 60
            while not any(pathlib.Path(folder).iterdir()) and process.poll() is None and time.time() < deadline:
                time.sleep(0.005)
            process.kill()
            process.wait()
            self.assertFalse(out.exists())
            self.assertEqual(len(list(pathlib.Path(folder).iterdir())), 1)
            done = subprocess.run(quantize, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("writing", done.stderr)
            self.assertEqual(json.loads(done.stdout)["type"], "Q4_K_M")
            self.assertEqual([p.name for p in pathlib.Path(folder).iterdir()], ["small.gguf"])
            types = {t["name"]: t["type"] for t in report("inspect", out)["tensors"]}
            # Rows of 576 take the fallbacks; those of 1536 do not need them.
            self.assertEqual([types[f"blk.{n}.ffn_down.weight"] for n in (0, 4, 5, 29)], ["Q6_K", "Q4_K", "Q6_K", "Q6_K"])
            self.assertEqual([types[f"blk.{n}.attn_v.weight"] for n in (0, 4)], ["Q8_0", "Q5_0"])
            self.assertEqual(types["token_embd.weight"], "Q8_0")

    def test_stop_text_ends_and_is_left_out(self):
        whole = report("generate", MODEL, "--prompt", "1 2 3 4", "--temperature", 0, "--max-tokens", 16)
        self.assertEqual(whole["finish_reason"], "length")
        cut = report("generate", MODEL, "--prompt", "1 2 3 4", "--temperature", 0, "--max-tokens", 16, "--stop", " 7")
        self.assertEqual(cut["finish_reason"], "stop")
        self.assertEqual(cut["text"], whole["text"].split(" 7")[0])

    def test_a_prompt_that_does_not_fit_is_refused_with_the_numbers(self):
        done = hew("generate", MODEL, "--prompt", "word " * 100, "--ctx-size", 32)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"expected at most 32 tokens.*found 10\d")

    def test_conversation_from_standard_input(self):
        done = hew("chat", MODEL, "--temperature", 0, "--max-tokens", 8, stdin="Hello.\n/clear\nHello.\n/quit\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.strip().splitlines()
        self.assertEqual(lines[0], lines[len(lines) // 2])  # after /clear the same question has the same answer


@unittest.skipUnless(MODEL.exists(), f"no model at {MODEL}")
class Loop(unittest.TestCase):
    """Tune, test, resume after kill -9, merge: on a few rows of the help desk."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)
        rows = (HELPDESK / "train.jsonl").read_text().splitlines()[:16]
        (self.path / "train.jsonl").write_text("\n".join(rows) + "\n")

    def tune_args(self, out, *more):
        return ("tune", "--base", MODEL, "--data", self.path / "train.jsonl", "--out", self.path / out, "--rank", 4, "--lr", "2e-3",
                "--batch-size", 4, *more)

    def test_tune_test_merge(self):
        tuned = report(*self.tune_args("adapter", "--epochs", 6))
        self.assertEqual(tuned["steps"], 24)
        self.assertGreater(tuned["useful_tokens"], 0)
        self.assertLessEqual(tuned["peak_rss_bytes"], tuned["planned_bytes"])
        self.assertLess(tuned["planned_bytes"], 1.2 * tuned["peak_rss_bytes"])
        rows = [json.loads(line) for line in (self.path / "train.jsonl").read_text().splitlines()]
        suite = self.path / "suite.jsonl"
        suite.write_text("\n".join(json.dumps({"id": str(i), **row}) for i, row in enumerate(rows)))
        before = hew("test", MODEL, "--suite", suite, "--json")
        after = hew("test", MODEL, "--adapter", tuned["adapter"], "--suite", suite, "--json")
        self.assertEqual(before.returncode, 1)
        self.assertEqual(json.loads(before.stdout)["passed"], 0)
        self.assertGreaterEqual(json.loads(after.stdout)["passed"], 14)  # it was taught these very rows
        merged = report("merge", "--base", MODEL, "--adapter", tuned["adapter"], "--out", self.path / "merged.gguf", "--type", "F16")
        self.assertLess(merged["max_logit_diff"], 0.5)
        again = hew("test", self.path / "merged.gguf", "--suite", suite, "--json")
        self.assertGreaterEqual(json.loads(again.stdout)["passed"], 14)

    def test_a_sweep_keeps_the_best(self):
        sweep = self.path / "sweep.toml"
        sweep.write_text("lr = [1e-6, 2e-3]\nseed = [1, 2]\n")
        args = self.tune_args("swept", "--epochs", 2, "--eval-data", self.path / "train.jsonl", "--sweep", sweep)
        swept = report(*args)
        states = sorted(c["state"] for c in swept["sweep"]["candidates"])
        self.assertEqual(states, ["finished", "stopped", "stopped", "stopped"])
        winner = swept["sweep"]["candidates"][swept["sweep"]["winner"] - 1]
        self.assertEqual((winner["values"]["lr"], winner["state"], winner["eval_loss"]), (0.002, "finished", swept["eval_loss"]))
        alone = report(*self.tune_args("alone", "--epochs", 2, "--eval-data", self.path / "train.jsonl", "--seed", winner["values"]["seed"]))
        name = "adapter_model.safetensors"
        self.assertEqual((pathlib.Path(swept["adapter"]) / name).read_bytes(), (pathlib.Path(alone["adapter"]) / name).read_bytes())
        again = hew(*args, "--resume")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn("stopped", again.stdout)
        self.assertNotIn("candidate 1 of 4", again.stderr)  # nothing is done twice

    def test_resume_after_kill_gives_the_same_bits(self):
        whole = report(*self.tune_args("whole", "--epochs", 3))
        process = subprocess.Popen([HEW, *map(str, self.tune_args("killed", "--epochs", 3, "--save-every", 1))],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        metrics = self.path / "killed" / "metrics.jsonl"
        deadline = time.time() + 120
        while process.poll() is None and time.time() < deadline:
            if metrics.exists() and metrics.read_text().count("\n") >= 4:
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        resumed = report(*self.tune_args("killed", "--epochs", 3, "--save-every", 1, "--resume"))
        self.assertEqual(resumed["train_loss"], whole["train_loss"])
        name = "adapter_model.safetensors"
        self.assertEqual((pathlib.Path(resumed["adapter"]) / name).read_bytes(), (pathlib.Path(whole["adapter"]) / name).read_bytes())

    def test_a_run_that_memory_cannot_hold_is_refused_with_the_numbers(self):
        done = hew(*self.tune_args("refused", "--memory", "50MB"))
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertRegex(done.stderr.splitlines()[-1], r"needs \d+\.\d MB .* has 50\.0 MB; lower")

    def test_a_run_that_cannot_be_right_is_refused(self):
        for more, word in ((("--lr", "nan"), "lr"), (("--rank", "0"), "rank"), (("--batch-size", "0"), "batch"),
                           (("--epochs", "-1"), "epochs"), (("--targets", "q_proj,z_proj"), "z_proj")):
            done = hew(*self.tune_args("refused", *more))
            self.assertEqual(done.returncode, 2, (more, done.stderr))
            self.assertIn(word, done.stderr)
            self.assertFalse((self.path / "refused" / "adapter_model.safetensors").exists())
        (self.path / "train.jsonl").write_text('{"messages": [{"role": "user", "content": "hi"}]}\n')
        done = hew(*self.tune_args("refused"))
        self.assertEqual(done.returncode, 2, done.stderr)
        (self.path / "train.jsonl").write_text('{"messages": [{"role": "user", "content": "hi"}\n')
        done = hew(*self.tune_args("refused"))
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("train.jsonl:1", done.stderr)


if __name__ == "__main__":
    unittest.main()
