#!/usr/bin/env python3
"""The inside of a model as a user meets it: lens, why-word, watch, diff-model and the tour, on the real SmolLM2.

Run by CTest with HEW_BIN set; what needs the model is skipped where HEW_MODELS has none.
"""
import json
import math
import pathlib
import tempfile
import unittest

from in_folder import InFolder, MODEL

FRANCE = "The capital of France is"


class Small(InFolder):
    """On a model of its own, made here in a second."""

    def pretrain(self, out, *more):
        text = "".join(f"the cat number {i % 7} sat on the mat and then it slept\n" for i in range(200))
        (self.path / "text.txt").write_text(text)
        return self.report("pretrain", "--data", "text.txt", *(["--out", out] if out else []), "--documents", "lines", "--vocab-size", 300, "--hidden-size", 32,
                           "--intermediate-size", 64, "--num-hidden-layers", 2, "--num-attention-heads", 2, "--max-length", 24, "--batch-tokens", 96,
                           "--steps", 60, "--lr", "1e-2", *more)

    def test_help_has_examples(self):
        for command in ("lens", "why-word", "watch", "diff-model", "tour"):
            self.assertIn("Example", self.hew(command, "--help").stdout, command)

    def test_watching_a_run_and_versions(self):
        self.pretrain("run", "--snapshots", 4, "--sample", "the cat", "--sample-every", 20)
        self.assertEqual(len(list((self.path / "run/snapshots").iterdir())), 5)
        watched = self.report("watch", "run")
        self.assertEqual([p["prompt"] for p in watched["prompts"]], ["the cat"])
        steps = [p["step"] for p in watched["points"]]
        self.assertEqual((steps[0], steps[-1], len(steps)), (0, 60, 5))
        self.assertEqual(len(watched["losses"]), 60)
        self.assertLess(watched["points"][-1]["loss"], watched["points"][1]["loss"])
        self.assertEqual([s["step"] for s in watched["samples"]], [20, 40, 60])
        # What the last state says is what the model says.
        last = watched["points"][-1]["answers"][0]["next"][0]
        first = self.report("next", "run", "the cat", "-k", 1)["next"][0]
        self.assertEqual(last, first)
        self.assertIn("the cat", self.hew("watch", "run", "--prompt", "the cat", "-n", 6, "--lang", "ko").stdout)
        self.assertIn("--snapshots", self.hew("watch", self.pretrain("bare")["model"]).stdout)
        self.assertIn("--snapshots 8", self.refused("watch", "bare", "--prompt", "the"))
        two = self.report("watch", "bare", "run", "--prompt", "the cat")
        self.assertEqual([p["name"] for p in two["points"]], ["bare", "run"])
        diff = self.report("diff-model", "run", "run/snapshots/step-000000", "--prompt", "the cat")
        self.assertGreater(diff["change_norm"], 0)
        self.assertGreater(diff["prompts"][0]["kl"], 0)
        self.hew("diff-model", "run", "run/snapshots/step-000000", "--prompt", "the cat")

    def test_a_pretrained_model_is_a_version(self):
        self.hew("init")
        made = self.pretrain(None, "--name", "cats", "--snapshots", 2)
        self.assertEqual(made["version"], "v1")
        self.assertEqual(list((self.path / ".hew/runs").iterdir()), [])
        shown = self.report("show", "cats")
        self.assertEqual((shown["kind"], shown["made_by"]), ("model", "pretrain"))
        self.assertIn("number", self.report("generate", "v1", "--prompt", "the cat", "--temperature", 0, "--max-tokens", 8)["text"])
        self.assertEqual(len(self.report("watch", "v1", "--prompt", "the cat")["points"]), 3)
        self.assertEqual(self.report("verify")["faults"], [])
        self.report("gc")
        self.assertEqual(self.report("verify")["faults"], [])
        # Going on from it.
        more = self.report("pretrain", "--base", "v1", "--data", "text.txt", "--documents", "lines", "--max-length", 24, "--batch-tokens", 96, "--steps", 3)
        self.assertEqual(more["version"], "v2")
        self.assertEqual(self.report("show", "v2")["parent"], "v1")
        self.assertEqual([v["version"] for v in self.report("list")["versions"]], ["v2", "v1"])


@unittest.skipUnless(MODEL.exists(), f"no model at {MODEL}")
class Real(InFolder):
    def test_the_lens_ends_with_next(self):
        lens = self.report("lens", MODEL, FRANCE, "-k", 5)
        following = self.report("next", MODEL, FRANCE, "-k", 5)["next"]
        rows = lens["positions"][0]["layers"]
        self.assertEqual(len(rows), 31)
        self.assertEqual(rows[-1]["next"], following)  # every digit
        self.assertEqual(rows[-1]["answer_rank"], 1)
        self.assertGreater(rows[-1]["answer_logprob"], rows[0]["answer_logprob"])
        every = self.report("lens", MODEL, FRANCE, "--all")
        self.assertEqual([p["text"] for p in every["positions"]], ["The", " capital", " of", " France", " is"])
        self.assertIn("Paris", self.hew("lens", MODEL, FRANCE).stdout)
        self.assertIn("층", self.hew("lens", MODEL, FRANCE, "--all", "--lang", "ko").stdout)
        followed = self.report("lens", MODEL, FRANCE, "--answer", " London")
        self.assertEqual(followed["positions"][0]["answer"]["text"], " London")
        self.refused("lens", MODEL, FRANCE, "-k", 0)

    def test_which_word_mattered(self):
        why = self.report("why-word", MODEL, FRANCE, "--answer", "Paris")
        self.assertEqual(why["answer"], " Paris")  # the likelier spelling
        effects = {w["word"]: w["effect"] for w in why["words"]}
        self.assertGreater(effects["France"], 3)
        self.assertGreater(effects["France"], effects["of"])
        scored = self.report("score", MODEL, "--text", FRANCE + " Paris")["logprobs"][-1]
        self.assertAlmostEqual(why["logprob"], scored, places=4)
        for word in why["words"]:
            self.assertAlmostEqual(word["effect"], why["logprob"] - word["logprob_without"])
        without = self.report("score", MODEL, "--text", "The capital of is Paris")["logprobs"][-1]
        self.assertAlmostEqual(why["logprob"] - effects["France"], without, places=4)
        chat = self.report("why-word", MODEL, "-m", "What is the capital of France?", "--system", "Answer in one word.")
        self.assertEqual([t["name"] for t in chat["texts"]], ["system", "user"])
        self.assertIn("France?", [w["word"] for w in chat["words"]])
        self.assertIn("nothing else", self.hew("why-word", MODEL, FRANCE).stdout)
        self.assertIn("뺀 효과", self.hew("why-word", MODEL, FRANCE, "--lang", "ko").stdout)
        self.assertIn("two words", self.refused("why-word", MODEL, "alone"))
        self.assertIn("neither", self.refused("why-word", MODEL))

    def test_before_and_after_an_adapter(self):
        rows = [{"messages": [{"role": "user", "content": "Who runs the shop?"}, {"role": "assistant", "content": "Mina runs the shop."}]}] * 4
        (self.path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.report("tune", "--base", MODEL, "--data", "data.jsonl", "--out", "adapter", "--rank", 8, "--lr", "2e-3", "--epochs", 20, "--batch-size", 4,
                    "--snapshots", 2, "--layers", "last:10")
        diff = self.report("diff-model", MODEL, "--adapter", "adapter", "--chat", "--prompt", "Who runs the shop?", "-n", 12)
        moved = [w for w in diff["weights"] if w["change_norm"] > 0]
        self.assertEqual({w["layer"] for w in moved}, set(range(20, 30)))
        self.assertAlmostEqual(diff["change_norm"], math.sqrt(sum(w["change_norm"] ** 2 for w in moved)), places=6)
        self.assertLess(diff["adapter"]["bytes"], diff["base"]["bytes"] / 10)
        self.assertIn("Mina", diff["prompts"][0]["after_text"])
        self.assertGreater(diff["prompts"][0]["kl"], 0)
        self.assertIn("층", self.hew("diff-model", MODEL, "--adapter", "adapter", "--lang", "ko").stdout)
        watched = self.report("watch", "adapter", "--chat", "--prompt", "Who runs the shop?")
        steps = [p["step"] for p in watched["points"]]
        self.assertEqual((len(steps), steps[0], steps[-1]), (3, 0, 20))
        followed = [p["answers"][0]["followed_logprob"] for p in watched["points"]]
        self.assertGreater(followed[-1], followed[0])

    def test_the_tour(self):
        before = set(pathlib.Path(tempfile.gettempdir()).glob("hew-tour-*"))
        whole = self.hew("tour", "--yes", "--model", MODEL)
        for word in ("Paris", "tokens", "Lantern Books", "Q4_0", "v2 says", "hew why-word"):
            self.assertIn(word, whole.stdout)
        self.assertEqual(set(pathlib.Path(tempfile.gettempdir()).glob("hew-tour-*")), before)  # nothing is left behind
        korean = self.report("tour", "--yes", "--model", MODEL, "--lang", "ko")
        steps = {s["step"]: s["result"] for s in korean["steps"]}
        self.assertEqual(sorted(steps), list(range(1, 10)))
        probes = steps[5]["small_model"]
        self.assertGreaterEqual(sum(p["right"] for p in probes), 3)
        taught = [a for a in steps[6]["answers"] if a["taught"]]
        self.assertGreaterEqual(sum(a["right_after"] for a in taught), 3)
        self.assertEqual(sum(a["right_before"] for a in taught), 0)
        self.assertTrue(steps[6]["same_without_adapter"])
        sizes = [m["bytes"] for m in steps[7]["models"]]
        self.assertEqual(sizes, sorted(sizes, reverse=True))
        self.assertIn("차가 없", steps[8]["after"])
        self.assertIn("expected 1 to 9", self.refused("tour", "--step", 12, "--model", MODEL))
        one = self.hew("tour", "--step", 2, "--only", "--lang", "ko", "--model", MODEL).stdout
        self.assertIn("토큰", one)
        self.assertNotIn("3.", one)


if __name__ == "__main__":
    unittest.main()
