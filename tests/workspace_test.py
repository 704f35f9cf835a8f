#!/usr/bin/env python3
"""The workspace as a user meets it: versions of the real SmolLM2 tuned, tested, compared, flagged, fixed, taken back.

Run by CTest with HEW_BIN set; what needs the model is skipped where HEW_MODELS has none.
"""
import json
import signal
import subprocess
import time
import unittest

from in_folder import HEW, InFolder, MODEL, ROOT

HELPDESK = ROOT / "examples/helpdesk"


class Empty(InFolder):
    def test_help_has_examples(self):
        for command in ("init", "list", "show", "diff", "promote", "rollback", "verify", "gc", "rebuild", "flag", "fix", "gate", "bisect", "why"):
            self.assertIn("Example", self.hew(command, "--help").stdout, command)

    def test_commands_outside_a_workspace_say_how_to_make_one(self):
        for command in (["list"], ["show", "v1"], ["diff", "v1", "v2"], ["promote", "v1", "stable"], ["verify"], ["gc"], ["gate", "v1"], ["fix", "--tag", "x"], ["why", "v1", "--chat", "1"]):
            self.assertIn("hew init", self.refused(*command))

    def test_an_empty_one(self):
        self.hew("init")
        self.assertIn("found one", self.refused("init"))
        self.assertEqual(self.report("list"), {"versions": []})
        self.assertIn("hew tune", self.hew("list").stdout)
        self.assertIn("아직", self.hew("list", LC_ALL="ko_KR.UTF-8").stdout)
        self.assertIn("아직", self.hew("list", "--lang", "ko").stdout)
        self.assertIn("v7", self.refused("show", "v7"))
        self.assertIn("stable", self.refused("rollback", "stable"))
        self.assertIn("--base", self.refused("tune", "--data", "x.jsonl"))
        self.assertIn("v3", self.refused("chat", "v3", "-m", "hi"))
        self.hew("verify")
        below = self.path / "a/b"
        below.mkdir(parents=True)
        self.assertEqual(subprocess.run([HEW, "list", "--json"], cwd=below, capture_output=True).returncode, 0)


@unittest.skipUnless(MODEL.exists(), f"no model at {MODEL}")
class Loop(InFolder):
    ROWS = 16

    def setUp(self):
        super().setUp()
        rows = [json.loads(line) for line in (HELPDESK / "train.jsonl").read_text().splitlines()[: self.ROWS]]
        (self.path / "faq.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (self.path / "suite.jsonl").write_text("".join(json.dumps({"id": f"q{i}", **row}) + "\n" for i, row in enumerate(rows[:6])))
        self.hew("init", "--base", MODEL)

    def tune(self, *more):
        return self.report("tune", "--rank", 4, "--lr", "2e-3", "--batch-size", 4, *more)

    def test_the_loop(self):
        tuned = self.tune("--data", "faq.jsonl", "--epochs", 6, "--name", "first")
        self.assertEqual(tuned["version"], "v1")
        self.assertEqual(list((self.path / ".hew/runs").iterdir()), [])
        # Tested by number, by name, by alias; answers are kept and not asked for again.
        first = self.hew("test", "v1", "--suite", "suite.jsonl", "--json", status=None)
        self.assertEqual(self.hew("test", "first", "--suite", "suite", "--json", status=None).stdout, first.stdout)
        self.hew("promote", "v1", "stable")
        self.assertEqual(self.report("chat", "stable", "-m", "Can I get my money back?", "--temperature", 0)["chat"], 1)
        self.assertGreaterEqual(json.loads(first.stdout)["passed"], 4)  # it was taught these very rows
        shown = self.report("show", "v1")
        self.assertEqual(shown["aliases"], ["stable"])
        self.assertEqual(shown["data"][0]["rows"], self.ROWS)
        self.assertEqual(shown["parent"], "v0")
        # A wrong answer, flagged from the chat, becomes a fix.
        flagged = self.report("flag", "--chat", 1, "--good", "Ask Mia at desk 7.", "--contains", "desk 7", "--tag", "mia")
        self.assertEqual(flagged["training_row"]["messages"][-1]["content"], "Ask Mia at desk 7.")
        self.assertIn("--tag other", self.refused("fix", "--tag", "other"))
        fixed = self.report("fix", "--tag", "mia", "--epochs", 6, "--lr", "2e-3", "--keep", 4, status=None)
        self.assertEqual((fixed["version"], fixed["parent"], fixed["fixes"]), ("v2", "v1", 1))
        questions = {(line["question"], line.get("suite")): line for line in fixed["gate"]["lines"]}
        self.assertEqual(questions["fixed", None]["numbers"]["cases"], 2)
        six_cases = questions["suite", "suite"]
        self.assertEqual(six_cases["numbers"]["cases"], 6)
        self.assertIn(six_cases["verdict"], ("inconclusive", "fail"))  # six cases cannot show less than a point of loss
        self.assertGreater(six_cases.get("cases_missing", 1), 0)
        gate = self.hew("gate", "v2", "--vs", "v1", status=None)
        self.assertIn(gate.returncode, (1, 4), gate.stderr)
        for line in self.report("gate", "v2", "--vs", "v1", "--no-cost", status=None)["lines"]:
            self.assertIn(line["measured"], gate.stdout)
            self.assertIn(line["rule"], gate.stdout)
        korean = self.hew("gate", "v2", "--vs", "v1", "--no-cost", "--lang", "ko", status=None).stdout
        for words in ("따로 둔 표현의 90% 이상", "95% 구간", "토큰당", "구간의 아래 끝이 -1점 초과"):
            self.assertIn(words, korean)
        # What changed.
        diff = self.report("diff", "v1", "v2")
        self.assertGreater(diff["rows"]["added"], 3)
        self.assertGreater(diff["weights"]["difference_norm"], 0)
        self.assertEqual(diff["answers"]["only_before"], 0)
        self.hew("diff", "v1", "v2", "--lang", "ko")
        # Out and back.
        self.hew("promote", "v2", "stable")
        self.assertEqual(self.report("rollback", "stable")["version"], "v1")
        # The same bits again, though the file has changed since.
        (self.path / "faq.jsonl").write_text("{}\n")
        rebuilt = self.report("rebuild", "v2")
        self.assertTrue(rebuilt["same"], rebuilt)
        merged = self.report("merge", "--base", "v1", "--name", "whole", "--type", "F16")
        self.assertEqual(merged["version"], "v3")
        answers = [self.report("chat", v, "-m", "Can I get my money back?", "--temperature", 0)["text"] for v in ("v1", "v3")]
        self.assertEqual(answers[0], answers[1])
        # The same fix as preference pairs.
        ranked = self.report("fix", "--tag", "mia", "--parent", "v1", "--method", "orpo", "--epochs", 2, "--no-gate")
        self.assertEqual((ranked["version"], ranked["replayed_rows"]), ("v4", 0))
        shown = self.report("show", "v4")
        self.assertEqual((shown["recipe"]["method"], shown["recipe"]["lr"]), ("orpo", 5e-5))
        self.assertIn("rewards/margins", shown["metrics"])
        self.assertTrue(self.report("rebuild", "v4")["same"])
        self.assertIn("lora_A", self.report("inspect", "v1")["tensors"][0]["name"])
        why = self.report("why", "v1", "--case", "q0", "--suite", "suite", "-k", 3)
        for tier in ("words_bm25", "words_cosine", "gradients"):
            self.assertEqual(len(why[tier]), 3, tier)
        turned = self.report("bisect", "--case", "q0", "--suite", "suite", "--bad", "v0")
        self.assertIn(turned["outcome"], ("never passed", "passes"))
        self.assertEqual(self.report("verify")["faults"], [])
        self.report("gc")
        self.assertEqual(self.report("verify")["faults"], [])
        self.assertEqual(self.report("chat", "v1", "-m", "Can I get my money back?", "--temperature", 0)["text"], answers[0])

    def test_a_killed_run_goes_on_and_is_recorded_once(self):
        whole = self.tune("--data", "faq.jsonl", "--epochs", 3)
        process = subprocess.Popen([HEW, "tune", "--rank", "4", "--lr", "2e-3", "--batch-size", "4", "--data", "faq.jsonl", "--epochs", "3", "--name", "killed", "--save-every", "1"],
                                   cwd=self.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        metrics = self.path / ".hew/runs/killed/metrics.jsonl"
        deadline = time.time() + 120
        while process.poll() is None and time.time() < deadline and not (metrics.exists() and metrics.read_text().count("\n") >= 4):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertEqual([v["version"] for v in self.report("list")["versions"]], ["v1", "v0"])
        resumed = self.report("tune", "--resume", "--name", "killed")
        self.assertEqual(resumed["version"], "v2")
        files = [{f["name"]: f["sha256"] for f in self.report("show", v)["files"]}["adapter_model.safetensors"] for v in ("v1", "v2")]
        self.assertEqual(files[0], files[1])
        self.assertEqual(resumed["train_loss"], whole["train_loss"])

    def test_a_pretrained_version_is_made_again_while_its_text_is_the_same(self):
        text = self.path / "text.txt"
        text.write_text("".join(f"{who} puts {what} on the {where}.\n\n" for who in ("Mia", "Jon", "Ada") for what in ("bread", "salt", "a cup", "a book")
                                for where in ("table", "shelf", "chair")))
        made = self.report("pretrain", "--data", "text.txt", "--preset", "1m", "--vocab-size", 300, "--steps", 4, "--batch-tokens", 128, "--max-length", 64)
        self.report("pretrain", "--base", made["version"], "--data", "text.txt", "--steps", 2, "--batch-tokens", 128, "--max-length", 64)
        for version in ("v1", "v2"):
            rebuilt = self.report("rebuild", version)
            self.assertTrue(rebuilt["same"], rebuilt)
        text.write_text(text.read_text() + "Mia sleeps.\n")
        for version in ("v1", "v2"):
            rebuilt = self.report("rebuild", version, status=1)
            self.assertFalse(rebuilt["same"])
            self.assertIn(str(text), rebuilt["changed"][0])


if __name__ == "__main__":
    unittest.main()
