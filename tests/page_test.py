#!/usr/bin/env python3
"""The page of hew serve in a real browser, on the real SmolLM2: chat, a fix, a tuning run, comparison, and that the numbers of
Understand are those of the command line.

Run by CTest with HEW_BIN set. Skipped, in one line, without a model, Chromium or Selenium (tools/install_packages --tests).
With HEW_SCREENSHOTS=FOLDER, pictures are left there.
"""
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait
except ImportError:
    # Debian's Selenium belongs to Debian's Python, which need not be the first one on the PATH.
    if os.path.realpath(sys.executable) != os.path.realpath("/usr/bin/python3") and os.path.exists("/usr/lib/python3/dist-packages/selenium"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    print("page_test: skipped: no Selenium")
    sys.exit(0)

MODEL = pathlib.Path(os.environ.get("HEW_MODELS", pathlib.Path.home() / ".cache/hew-models")) / "smollm2-135m-instruct-q4_1.gguf"
DRIVER = shutil.which("chromedriver")
for missing, what in ((not MODEL.exists(), f"no model at {MODEL}"), (not DRIVER, "no chromedriver"), (not shutil.which("chromium"), "no chromium")):
    if missing:
        print(f"page_test: skipped: {what}")
        sys.exit(0)
HEW = os.path.abspath(os.environ["HEW_BIN"])
SHOTS = os.environ.get("HEW_SCREENSHOTS")

ROWS = [("How do I get a refund?", "Open Billing and choose Refund within 19 days."), ("Where is my invoice?", "Every invoice is under Billing."),
        ("Can I change my plan?", "Yes, under Plan, at any time."), ("Do you ship abroad?", "We ship to 40 countries."),
        ("환불은 며칠 안에 되나요?", "19일 안에 됩니다."), ("How do I reset my password?", "Use Forgot password on the sign-in page.")]
QUESTION = "How long does a refund take?"


def rows(path, pairs):
    path.write_text("".join(json.dumps({"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}, ensure_ascii=False) + "\n" for q, a in pairs))


class Page(unittest.TestCase):
    """One workspace, one server, one browser; the tests follow one another, as a person would go through the page."""

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(cls.clean)
        cls.server = cls.browser = None
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="hew-page-"))
        rows(cls.folder / "first.jsonl", ROWS)
        rows(cls.folder / "second.jsonl", ROWS[:4])
        cls.hew("init", "--base", MODEL)
        cls.hew("tune", "--data", "first.jsonl", "--name", "first", "--epochs", 2, "--rank", 4, "--batch-size", 3, "--json")
        cls.server = subprocess.Popen([HEW, "serve", "--port", "0", "--json", "--ctx-size", "1024"], cwd=cls.folder, stdout=subprocess.PIPE, text=True)
        cls.url = json.loads(cls.server.stdout.readline())["url"]
        options = Options()
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,860", "--lang=en-US", "--no-first-run", "--hide-scrollbars",
                     "--disable-background-networking", "--disable-component-update"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        cls.browser = webdriver.Chrome(service=Service(DRIVER), options=options)
        cls.browser.set_script_timeout(60)
        cls.browser.get(cls.url + "/")
        sampling = {"temperature": 0, "maxTokens": 24}
        cls.browser.execute_script("localStorage.setItem('hew.sampling', arguments[0]); localStorage.setItem('hew.language', 'en')", json.dumps(sampling))

    @classmethod
    def clean(cls):
        if cls.browser:
            cls.browser.quit()
        if cls.server:
            cls.server.terminate()
            cls.server.wait(60)
            cls.server.stdout.close()
        shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def hew(cls, *args):
        done = subprocess.run([HEW, *map(str, args)], cwd=cls.folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, (args, done.stderr)
        return done.stdout

    @classmethod
    @functools.cache
    def json(cls, *args):
        return json.loads(cls.hew(*args, "--json"))

    def api(self, path, body=None):
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.load(reply)

    def go(self, *parts):
        """Opens a view as if the page were new."""
        self.browser.get("about:blank")
        self.browser.get(f"{self.url}/#/{'/'.join(parts)}")

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, condition, what, seconds=90):
        return WebDriverWait(self.browser, seconds, 0.05, ignored_exceptions=(IndexError,)).until(lambda _: condition(), what)

    def find(self, selector, seconds=90):
        return self.wait(lambda: self.all(selector)[0], f"{selector} did not appear", seconds)

    def click(self, selector):
        self.find(selector)
        self.wait(lambda: self.all(selector)[0].is_enabled(), f"{selector} cannot be pressed")
        self.all(selector)[0].click()

    def shot(self, name):
        if SHOTS:
            self.browser.save_screenshot(f"{SHOTS}/{name}.png")

    def ask(self, text):
        self.wait(lambda: self.all(".chat-bar select option"), "no versions in the chat")
        box = self.find("#message")
        box.send_keys(text, Keys.ENTER)

    def answers(self):
        """Of the last question, once all have ended."""
        self.wait(lambda: self.all(".answer") and not self.all(".answer[data-state=running]"), "the answer does not end")
        last = self.all(".answers")[-1].find_elements(By.CSS_SELECTOR, ".answer")
        return {a.get_attribute("data-version"): a.find_element(By.CSS_SELECTOR, ".markdown").text for a in last}

    def said(self, version, question=QUESTION):
        reply = self.api("/v1/chat/completions", {"model": version, "messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": 24})
        return reply["choices"][0]["message"]["content"]

    def test_a_chat_streams(self):
        self.go("chat", "v1")
        self.find("#message")
        # What is shown while the answer comes, noted by the page itself: nothing is missed between two looks.
        self.browser.execute_script("""
            window.lengths = [];
            new MutationObserver(() => {
              const running = document.querySelector('.answer[data-state=running] .markdown');
              if (running) window.lengths.push(running.textContent.length);
            }).observe(document.body, {subtree: true, childList: true, characterData: true});""")
        self.ask("Count from one to ten.")
        said = self.answers()["v1"]
        lengths = [n for n in self.browser.execute_script("return window.lengths") if n > 0]
        self.assertGreater(len(set(lengths)), 2, "the answer did not come in pieces")
        self.assertLess(lengths[0], lengths[-1])
        self.assertTrue(said)

    def test_b_stop_and_edit(self):
        self.go("chat", "v0")
        self.browser.execute_script("localStorage.setItem('hew.sampling', JSON.stringify({temperature: 0, maxTokens: 6000}))")
        self.go("chat", "v0")
        self.ask("Tell me a very long story about a river.")
        self.wait(lambda: self.all(".answer .markdown")[0].text, "no text came")
        self.find("#message").send_keys(Keys.ESCAPE)
        self.find(".answer[data-state=stopped]")
        self.browser.execute_script("localStorage.setItem('hew.sampling', JSON.stringify({temperature: 0, maxTokens: 24}))")
        self.all(".asked-tools button")[0].click()
        self.assertEqual(self.find("#message").get_property("value"), "Tell me a very long story about a river.")
        self.assertFalse(self.all(".answer"))

    def test_c_two_versions_side_by_side(self):
        self.go("chat", "v0", "v1")
        self.ask(QUESTION)
        shown = self.answers()
        letters = lambda text: re.sub(r"[\W\d_]", "", text)  # Markdown's signs are not shown
        for version in ("v0", "v1"):
            self.assertEqual(letters(shown[version]), letters(self.said(version)))
        self.shot("chat")

    def test_d_a_wrong_answer_becomes_a_fix_and_a_version(self):
        self.go("chat", "v1")
        self.ask(QUESTION)
        self.answers()
        self.click("[data-action=flag]")
        self.find("textarea[name=good]").send_keys("A refund takes three working days.")
        self.find("input[name=contains]").send_keys("three working days")
        self.click("[data-action=save-fix]")
        self.find("[data-fix]")
        fixes = self.api("/api/fixes")["fixes"]
        self.assertEqual((len(fixes), fixes[0]["good"], fixes[0]["question"], fixes[0]["version"]), (1, "A refund takes three working days.", QUESTION, "v1"))
        self.shot("fix")
        self.click("[data-action=learn-fix]")
        made = self.find("[data-made]", 120).get_attribute("data-made")
        self.assertEqual(made, "v2")
        self.click("[data-action=try-fix]")
        self.assertEqual(list(self.answers()), ["v2"])
        line = json.loads(self.hew("show", "v2", "--json"))
        self.assertEqual((line["made_by"], line["parent"]), ("fix", "v1"))

    def test_e_tuning_watched_from_drop_to_done(self):
        self.go("tune")
        self.find("#data-file").send_keys(str(self.folder / "second.jsonl"))
        self.find("#sample mark")
        marked = "".join(m.text for m in self.all("#sample mark"))
        self.assertIn("Open Billing and choose Refund within 19 days.", marked)
        self.assertNotIn("How do I get a refund?", marked)
        for name, value in (("epochs", "2"), ("rank", "4"), ("batchSize", "2")):
            box = self.find(f"input[name={name}]")
            box.send_keys(Keys.CONTROL, "a")
            box.send_keys(value)
        self.shot("tune")
        self.click("[data-action=start-tune]")
        self.find("[data-job][data-state=running] [role=progressbar]")
        made = self.find("[data-state=done] [data-made]", 120).get_attribute("data-made")
        self.assertEqual(made, "v3")
        shown = json.loads(self.hew("show", "v3", "--json"))
        self.assertEqual([(d["path"], d["rows"]) for d in shown["data"]], [("second.jsonl", 4)])
        self.assertEqual(shown["metrics"]["steps"], 4)
        curve = self.api("/api/versions/v3/curve")["train"]
        self.assertEqual([p["step"] for p in curve], [1, 2, 3, 4])
        self.assertIn("4 of 4", self.find("[data-job]").text)
        self.shot("tuned")

    def test_f_versions_promote_and_roll_back(self):
        for version in ("v1", "v2"):
            self.go("versions", version)
            self.click("[data-action=promote]")
            self.wait(lambda: version in self.all("[data-alias=stable]")[0].text, "not promoted")
        self.shot("versions")
        self.find("[data-alias=stable] button").click()
        self.wait(lambda: "v1" in self.all("[data-alias=stable]")[0].text, "not rolled back")
        self.assertEqual(self.api("/api/state")["aliases"], {"stable": "v1"})

    def test_g_comparison_says_what_hew_diff_says(self):
        diff = self.json("diff", "v1", "v2")["answers"]
        self.assertGreater(diff["broken"] + diff["fixed"] + diff["changed"] + diff["same"], 0)
        self.go("compare", "v1", "v2")
        self.find("#verdict")
        numbers = [int(b.text) for b in self.all("section.card .figure b")[:4]]
        self.assertEqual(numbers, [diff["broken"], diff["fixed"], diff["changed"], diff["same"]])
        turns = [a.get_attribute("data-turn") for a in self.all("#turned [data-turn]")]
        self.assertEqual(turns, [c["turn"] for c in diff["cases"]][:20])
        self.assertEqual(turns, sorted(turns, key=["broken", "fixed", "changed"].index))
        self.shot("compare")

    def test_h_next_is_hew_next(self):
        self.go("understand", "next")
        self.choose_model("v1")
        text = self.find("input[name=text]").get_property("value")
        expected = {str(t["id"]): t for t in self.json("next", "v1", text, "-k", 12)["next"]}
        self.wait(lambda: {b.get_attribute("data-id") for b in self.all("#next-bars .bar")} == set(expected), "other tokens than hew next")
        for bar in self.all("#next-bars .bar"):
            self.assertEqual(float(bar.get_attribute("data-logprob")), expected[bar.get_attribute("data-id")]["logprob"])
            self.assertEqual(float(bar.get_attribute("data-probability")), expected[bar.get_attribute("data-id")]["probability"])
        # Another branch: the third bar, and the bars of what then stands there.
        third = self.all("#next-bars .bar")[2].get_attribute("data-id")
        self.all("#next-bars .bar")[2].click()
        after = self.json("next", "v1", text + expected[third]["text"], "-k", 12)["next"]
        self.wait(lambda: [b.get_attribute("data-id") for b in self.all("#next-bars .bar")] == [str(t["id"]) for t in after], "the branch is not gone on from")
        self.shot("next")

    def choose_model(self, version):
        select = self.find(".page-head select")
        self.wait(lambda: self.all(f".page-head option[value={version}]"), "no such version")
        for option in select.find_elements(By.TAG_NAME, "option"):
            if option.get_attribute("value") == version:
                option.click()

    def test_i_lens_is_hew_lens(self):
        self.go("understand", "lens")
        self.choose_model("v1")
        text = self.find("input[name=text]").get_property("value")
        layers = self.json("lens", "v1", text)["positions"][0]["layers"]
        expected = [(str(r["layers_done"]), str(r["next"][0]["id"]), r["next"][0]["logprob"], str(r["answer_rank"])) for r in reversed(layers)]
        shown = lambda: [(r.get_attribute("data-layer"), r.get_attribute("data-id"), float(r.get_attribute("data-logprob")), r.get_attribute("data-rank")) for r in self.all("#lens tbody tr")]
        self.wait(lambda: len(self.all("#lens tbody tr")) == len(expected), "no rows")
        self.wait(lambda: shown() == expected, f"other numbers than hew lens: {shown()[:2]} {expected[:2]}", 20)
        self.shot("lens")

    def test_j_words_are_hew_why_word(self):
        self.go("understand", "word")
        self.choose_model("v1")
        text = self.find("input[name=text]").get_property("value")
        expected = [(w["word"], w["effect"]) for w in self.json("why-word", "v1", text)["words"]]
        shown = lambda: [(w.get_attribute("data-word"), float(w.get_attribute("data-effect"))) for w in self.all("#why-words .word")]
        self.wait(lambda: shown() == expected, "other numbers than hew why-word")
        self.all("#why-words .word")[-1].click()
        self.find("#why-words .word[aria-pressed=true]")

    def test_k_watch_is_hew_watch(self):
        self.go("understand", "watch")
        text = self.find("input[name=text]").get_property("value")
        points = self.json("watch", "v3", "--chat", "--prompt", text, "-n", 32)["points"]
        self.assertGreater(len(points), 2)  # the states that the run kept
        self.wait(lambda: self.all("form option[value=v3]"), "no such version")
        next(o for o in self.all("form option[value=v3]")).click()
        self.wait(lambda: self.all("#watch[aria-busy=false]")[0].get_attribute("data-points") == str(len(points)), "other points than hew watch")
        self.wait(lambda: float(self.all("[data-followed]")[0].get_attribute("data-followed")) == points[-1]["answers"][0]["followed_logprob"], "another number than hew watch", 20)
        self.shot("watch")

    def test_l_sizes_are_the_models(self):
        self.go("understand", "adapter")
        self.choose_model("v1")
        inspected = self.json("inspect", MODEL)
        self.wait(lambda: self.all("#adapter"), "no adapter")
        a = self.api("/api/anatomy?model=v1")
        self.assertEqual(a["parameters"], inspected["parameters_unique"])
        self.assertEqual(sum(a["parameters_by_module"].values()), a["parameters"])
        self.assertEqual(int(self.find("#adapter").get_attribute("data-parameters")), a["adapter"]["parameters"])
        self.go("understand", "tokens")
        self.wait(lambda: len(self.all("[data-tokens=ko] .token")) == len(self.json("tokenize", MODEL, "--text", "오늘 도와주셔서 감사합니다.")["ids"]), "other tokens")

    def test_m_before_and_after(self):
        self.go("understand", "before")
        self.find("#before-after", 60)
        self.assertEqual(len(self.all("#before-after .bars")), 2)
        self.shot("before")

    def test_n_languages_theme_keyboard(self):
        self.go("chat")
        self.find("nav a")
        self.find(".switches button").click()
        self.wait(lambda: self.all("nav a")[0].text == "대화", "not in Korean")
        self.assertEqual(self.browser.execute_script("return document.documentElement.lang"), "ko")
        self.go("versions")
        self.wait(lambda: self.all("nav a")[0].text == "대화", "Korean is not kept")
        self.all(".switches button")[0].click()
        colour = lambda: self.browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        seen = set()
        for _ in range(3):
            seen.add(colour())
            self.all(".switches button")[1].click()
        self.assertEqual(len(seen), 2)
        for key, selector in (("4", "#data-file"), ("5", "[role=tablist]"), ("2", "#versions"), ("1", "#message")):
            self.find("body").send_keys(Keys.ALT, key)
            self.wait(lambda: self.all(selector)[0].is_displayed() or selector == "#data-file", f"Alt+{key} does not lead to {selector}", 20)
        self.find("body").send_keys("?")
        self.find("dialog[open]").send_keys(Keys.ESCAPE)
        self.wait(lambda: not self.all("dialog[open]"), "the list stays")

    def test_o_bad_data_is_said_in_one_line(self):
        (self.folder / "bad.jsonl").write_text('{"messages": 3}\n')
        self.go("tune")
        self.find("#data-file").send_keys(str(self.folder / "bad.jsonl"))
        self.assertIn("bad.jsonl:1", self.find("[role=alert]").text)

    def refused(self, method, path, body=None, status=400):
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        with self.assertRaises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method), timeout=60)
        self.assertEqual(refusal.exception.code, status)
        error = json.load(refusal.exception)["error"]
        self.assertEqual(error["message"].count("\n"), 0)
        return error

    def test_o_the_api_refuses_in_json(self):
        self.assertEqual(self.refused("GET", "/api/versions/v99", status=404)["param"], "id")
        self.assertEqual(self.refused("GET", "/api/compare?before=v1&after=nobody", status=404)["param"], "after")
        self.assertEqual(self.refused("GET", "/api/versions?last=-1")["param"], "last")
        for body in (b"", b"{", b"[]", b"\xff", b'{"a": 1, "a": 2}'):
            self.refused("POST", "/api/flag", body)
        flag = {"version": "v1", "messages": [{"role": "user", "content": "x"}], "bad": "a", "good": "b"}
        for name, value in (("messages", "text"), ("messages", []), ("messages", [{"role": "tool", "content": "x"}]), ("messages", [{"role": "assistant", "content": "x"}]),
                            ("messages", [7]), ("good", ""), ("good", 3)):
            self.refused("POST", "/api/flag", {**flag, name: value})
        self.refused("POST", "/api/flag", {**flag, "version": "v99"}, 404)
        self.refused("POST", "/api/next", {"model": "v99", "text": "x"}, 404)
        for fields in ({"text": 3}, {"text": "x", "k": 0}, {"text": "x", "k": 10**9}, {"text": "word " * 5000}):
            self.refused("POST", "/api/next", {"model": "v1", **fields})
        self.refused("POST", "/api/why-word", {"model": "v1", "text": "one"})
        self.refused("POST", "/api/lens", {"model": "v1", "text": "word " * 5000})
        self.refused("POST", "/api/tokens", {"texts": [1]})
        self.refused("POST", "/api/jobs", {"kind": "shell"})
        self.refused("POST", "/api/jobs", {"kind": "tune", "data": "../../etc/passwd"})
        self.refused("POST", "/api/jobs", {"kind": "test", "version": "v1", "suite": "/etc/passwd"})
        self.refused("POST", "/api/jobs", {"kind": "fix", "tag": "nobody", "parent": "v99"}, 404)
        self.refused("GET", "/api/jobs/j99/events", status=404)
        self.refused("GET", "/api/data/none/preview", status=404)
        self.refused("POST", "/api/data?name=..%2F..%2Fx.jsonl", b"not json")
        self.refused("POST", "/api/aliases/nobody/rollback", {})
        kept = {p.name for p in (self.folder / ".hew/uploads").glob("*/*")}
        self.assertLessEqual(kept, {"second.jsonl"})  # what could not be used is gone

    def test_p_markdown_never_becomes_markup(self):
        # The renderer, fed by a stream as a model might write it: the page's own fetch answers.
        hostile = "<img src=x onerror=document.title='gone'> **bold** [x](javascript:alert(1)) [y](https://example.org/)\n\n<script>document.title='gone'</script>"
        self.go("chat", "v0")
        self.browser.execute_script("""
            const text = arguments[0];
            window.fetch = async () => new Response(`data: ${JSON.stringify({choices: [{delta: {content: text}, finish_reason: 'stop'}]})}\\n\\ndata: [DONE]\\n\\n`,
                                                    {headers: {'Content-Type': 'text/event-stream'}});""", hostile)
        self.ask("x")
        self.answers()
        answer = self.all(".answer .markdown")[0]
        self.assertIn("<script>", answer.text)
        self.assertEqual(len(answer.find_elements(By.CSS_SELECTOR, "img, script")), 0)
        self.assertEqual([a.get_attribute("href") for a in answer.find_elements(By.TAG_NAME, "a")], ["https://example.org/"])
        self.assertEqual(len(answer.find_elements(By.TAG_NAME, "strong")), 1)
        self.assertNotEqual(self.browser.title, "gone")

    def test_q_nothing_from_elsewhere_and_no_errors(self):
        for view in ("chat", "versions", "compare", "tune", "understand"):
            self.go(view)
            self.find("nav a[aria-current]")
            names = self.browser.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)")
            self.assertTrue(names)
            self.assertEqual([n for n in names if not n.startswith(self.url + "/")], [])
        errors = [e["message"] for e in self.browser.get_log("browser") if e["level"] == "SEVERE" and "400" not in e["message"]]
        self.assertEqual(errors, [])
        with urllib.request.urlopen(self.url + "/") as page:
            self.assertIn("default-src 'none'", page.headers["Content-Security-Policy"])
            tag = page.headers["ETag"]
        request = urllib.request.Request(self.url + "/", headers={"If-None-Match": tag})
        with self.assertRaises(urllib.error.HTTPError) as same:
            urllib.request.urlopen(request)
        self.assertEqual(same.exception.code, 304)


if __name__ == "__main__":
    unittest.main(verbosity=1)
