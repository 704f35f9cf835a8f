#!/usr/bin/env python3
"""Serves the page with made-up answers, to work on its looks without a model: web/dev/mock.py [--port 8090] [--dist FOLDER].

Builds the page with esbuild first, unless --dist names one that is built. Nothing here is used by tests or by Hew itself.
"""
import argparse, http.server, json, math, os, pathlib, re, subprocess, tempfile, time, urllib.parse

WEB = pathlib.Path(__file__).resolve().parent.parent
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
ANSWER = ("You can get a refund within **19 days** of buying:\n\n1. Open *Billing*.\n2. Choose `Refund`.\n3. Write why, in one line.\n\n"
          "```\nBilling > Refund > Send\n```\n\nThe money is back in three working days.")
QUESTIONS = ["How do I get a refund?", "Where is my invoice?", "Can I change my plan?", "환불은 며칠 안에 되나요?", "Do you ship abroad?"]


def versions():
    out = [{"version": f"v{i}", "name": {1: "first", 3: "polite", 6: "korean"}.get(i, ""), "made_by": "fix" if i % 3 == 2 else "tune", "created": f"2026-11-{10 + i:02}T09:30:00Z",
            "parent": f"v{i - 1}" if i > 1 else None, "aliases": ["stable"] if i == 6 else [], "passed": 70 + 4 * i, "cases": 105} for i in range(7, 0, -1)]
    return out + [{"version": "v0", "name": "", "made_by": "base", "created": "2026-11-09T09:00:00Z", "parent": None, "aliases": [], "passed": 31, "cases": 105}]


def curve(n, top=3.2):
    return [{"step": i + 1, "loss": 0.35 + top * math.exp(-i / (n / 5)) + 0.12 * math.sin(i * 1.7)} for i in range(n)]


def next_tokens(text, k=40):
    words = [" to", " that", " the", " learning", " it", " you", " how", " when", " being", " not", " a", " knowing", ",", " always", " finding", " understanding"]
    weights = [math.exp(-0.33 * i - 0.01 * (len(text) % 7) * i) for i in range(k)]
    s = sum(weights) * 1.25
    return [{"id": 100 + i, "text": words[i] if i < len(words) else f" w{i}", "logprob": math.log(w / s), "probability": w / s} for i, w in enumerate(weights)]


def turned(turn, i):
    q = QUESTIONS[i % len(QUESTIONS)]
    good, bad = "You can return it within 19 days from Billing > Refund.", "You can return it within 30 days by calling us."
    return {"suite": "examples/helpdesk/test", "id": f"case-{i}", "turn": turn, "must_pass": i == 0, "tags": ["refund"], "question": q, "why": "does not contain '19 days'" if turn == "broken" else "",
            "before": good if turn == "broken" else bad, "after": bad if turn == "broken" else good}


JOBS = {}


class Mock(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    dist = None

    def log_message(self, *args):
        pass

    def json(self, body, status=200):
        self.send(status, "application/json", json.dumps(body).encode())

    def send(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", CSP)
        self.end_headers()
        self.wfile.write(body)

    def events(self, items):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for wait, data in items:
            time.sleep(wait)
            self.wfile.write(f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode())
            self.wfile.flush()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        path, query = url.path, dict(urllib.parse.parse_qsl(url.query))
        file = self.dist / {"/": "index.html"}.get(path, path.removeprefix("/page/"))
        if (path == "/" or path.startswith("/page/")) and file.is_file():
            return self.send(200, TYPES[file.suffix], file.read_bytes())
        if path == "/api/state":
            return self.json({"program": "hew 0.1.0", "workspace": {"root": "/home/kim/helpdesk"}, "model": "smollm2-135m-instruct-q4_1", "architecture": "llama", "parameters": 134515008, "file_bytes": 98362432,
                              "layers": 30, "vocab_size": 49152, "context": 8192, "chat": True, "isa": "avx512", "threads": 8, "aliases": {"stable": "v6"}, "versions": 7, "running": None})
        if path == "/api/versions":
            return self.json({"versions": versions()})
        if m := re.fullmatch(r"/api/versions/(v\d+)/curve", path):
            c = curve(96)
            return self.json({"train": c, "eval": [{"step": s, "loss": 0.62 + 1.5 * math.exp(-s / 30)} for s in (32, 64, 96)]})
        if m := re.fullmatch(r"/api/versions/(v\d+)", path):
            line = next((v for v in versions() if v["version"] == m[1]), None)
            if not line:
                return self.json({"error": {"message": f"version: expected one of this workspace, found {m[1]}", "type": "invalid_request_error", "param": "id", "code": None}}, 404)
            return self.json({**line, "kind": "adapter", "program": "hew 0.1.0", "isa": "avx512", "recipe": {"epochs": 3, "batch_size": 8, "rank": 16, "lr": 0.0005, "schedule": "linear", "seed": 0},
                              "data": [{"role": "data", "path": "faq.jsonl", "sha256": "ab" * 32, "rows": 256}], "metrics": {"steps": 96, "train_loss": 0.412, "learned_tokens": 11840, "tokens_per_s": 2210.4},
                              "suites": [{"suite": "examples/helpdesk/test", "passed": line["passed"], "cases": 105, "at": line["created"]}],
                              "history": [{"alias": "stable", "action": "promote", "version": m[1], "from": "v3", "at": line["created"]}], "bytes": 19573120})
        if path == "/api/compare":
            cases = [turned("broken", 0), turned("broken", 3)] + [turned("fixed", i) for i in range(7)] + [turned("changed", 4)]
            return self.json({"rows": {"same": 256, "added": 12, "removed": 0}, "recipe": [{"field": "epochs", "before": 3, "after": 4}],
                              "answers": {"broken": 2, "fixed": 7, "changed": 1, "same": 95, "passed_before": 86, "passed_after": 91, "cases": cases},
                              "verdict": {"verdict": "inconclusive", "measured": "", "rule": "", "cases_missing": 140, "numbers": {"cases": 105, "difference": 0.048, "interval": [-0.012, 0.108], "mcnemar_p": 0.18}}})
        if path == "/api/map":
            names = ["helpdesk/test", "helpdesk/policy", "fixes", "base/arc", "korean"]
            return self.json({"suites": names, "versions": [{"version": v["version"], "name": v["name"], "counts": [None if (i + k) % 6 == 5 else [min(105, v["passed"] + 3 * k), 105] for k in range(5)]}
                                                            for i, v in enumerate(versions())]})
        if path == "/api/suites":
            return self.json({"suites": [{"name": "examples/helpdesk/test", "path": ""}]})
        if path == "/api/jobs":
            return self.json({"jobs": [self.job(i) for i in JOBS]})
        if m := re.fullmatch(r"/api/jobs/(\w+)/events", path):
            steps = [(0.08, {"type": "step", "step": p["step"], "total_steps": 96, "loss": p["loss"], "tokens_per_s": 2210, "seconds": 0.4}) for p in curve(96)]
            JOBS[m[1]].update(ends=time.time() + 8)
            return self.events([(0, {"type": "state", "job": self.job(m[1], "running")}), (0.2, {"type": "say", "text": "data: 256 rows, 20480 tokens, 11840 of them to be learned"})] + steps +
                               [(0.1, {"type": "state", "job": self.job(m[1], "done")})])
        if m := re.fullmatch(r"/api/data/(\w+)/preview", path):
            return self.json(self.preview(int(query.get("row", 0))))
        if path == "/api/anatomy":
            return self.json({"parameters": 134515008, "parameters_by_module": {"embedding": 28311552, "attention": 26542080, "mlp": 79626240, "norm": 35136}, "file_bytes": 98362432, "layers": 30, "hidden_size": 576,
                              "vocab_size": 49152, "type": "Q4_1", "sample": {"name": "layers.0.q_proj", "shape": [576, 576], "values": [[0.2 * math.sin(3 * i + 1.3 * k * k) for k in range(8)] for i in range(8)]},
                              "adapter": None if query.get("model") == "v0" else {"parameters": 4884480, "bytes": 19540992, "rank": 16, "matrices": 210}})
        return self.json({"error": {"message": "no such page"}}, 404)

    def do_POST(self):
        path = urllib.parse.urlsplit(self.path).path
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(raw) if raw[:1] == b"{" and path != "/api/data" else {}
        if path == "/v1/chat/completions":
            pieces = re.findall(r"\S+\s*|\s+", ANSWER if "한" not in str(body["messages"]) else "서울입니다.")
            chunk = lambda c: {"id": "c1", "object": "chat.completion.chunk", "model": body["model"], "choices": [c]}
            return self.events([(0.03, chunk({"index": 0, "delta": {"content": p}, "finish_reason": None})) for p in pieces] +
                               [(0, chunk({"index": 0, "delta": {}, "finish_reason": "stop"})), (0, {"choices": [], "usage": {"completion_tokens": len(pieces)}}), (0, "[DONE]")])
        if path == "/api/flag":
            return self.json({"fix": 4, "tag": body["tag"], "held_out_wordings": ["a", "b"]})
        if path == "/api/jobs":
            JOBS[f"j{len(JOBS) + 1}"] = {"kind": body["kind"], "ends": time.time() + 9}
            return self.json(self.job(list(JOBS)[-1]))
        if path == "/api/data":
            return self.json(self.preview(0))
        if path == "/api/next":
            return self.json({"ids": [1], "next": next_tokens(body["text"])[: body.get("k", 10)]})
        if path == "/api/tokens":
            return self.json({"texts": [{"ids": [200 + 37 * i for i in range(len(p))], "tokens": p} for p in (["Thank", " you", " for", " your", " help", " today", "."], ["\ufffd", "\ufffd", "늘", " ", "도", "\ufffd", "\ufffd", "와", "주", "셔", "서", " ", "감", "사", "합", "니다", "."])]})
        if path == "/api/lens":
            rows = [{"layers_done": n, "next": [{"id": 9 if n > 21 else n, "text": " Paris" if n > 21 else f" word{n}", "logprob": -1, "probability": 0.05 + 0.9 * (n / 30) ** 3}], "answer_logprob": -3, "answer_rank": 1 if n > 21 else 3000 // (n + 1)} for n in range(31)]
            return self.json({"layers": 30, "positions": [{"position": 4, "id": 3, "text": " is", "answer": {"id": 9, "text": " Paris", "logprob": -0.2, "probability": 0.8}, "layers": rows}]})
        if path == "/api/why-word":
            words, at, out = body["text"].split(" "), 0, []
            for i, w in enumerate(words):
                n = len(w.encode())
                out.append({"word": w, "text": 0, "begin": at, "end": at + n, "logprob_without": -2, "effect": [0.3, 2.1, -0.1, 4.4, 0.8][i % 5]})
                at += n + 1
            return self.json({"answer": " Paris.", "answer_given": False, "logprob": -0.4, "texts": [{"name": "prompt", "text": body["text"]}], "words": out})
        if path == "/api/watch":
            points = [{"name": f"v{i}", "step": None, "loss": 1.5 / i, "eval_loss": None, "answers": [{"prompt": body["text"], "next": next_tokens("x" * i, 3), "followed_logprob": -3 / i, "text": "Within 19 days." if i > 3 else "Please call us."}]} for i in range(1, 8)]
            return self.json({"kind": "versions", "prompts": [{"prompt": body["text"], "followed": next_tokens("", 1)[0]}], "points": points, "losses": [], "eval_losses": []})
        if path == "/api/diff-model":
            tokens = [{"id": i, "text": t["text"], "before": t["probability"], "after": next_tokens("", 8)[7 - i]["probability"]} for i, t in enumerate(next_tokens("", 8))]
            return self.json({"base": {}, "adapter": {}, "prompts": [{"prompt": body["text"], "kl": 0.4, "next": tokens, "before_text": "I'm sorry, please contact our support team.", "after_text": "Open **Billing > Refund** within 19 days."}]})
        return self.json({"alias": "stable", "version": "v6"})

    def job(self, id, state=None):
        j = JOBS[id]
        state = state or ("running" if time.time() < j["ends"] else "done")
        return {"id": id, "kind": j["kind"], "state": state, "title": "faq", "started": "2026-11-24T22:00:00Z", "version": "v8" if state == "done" else None, "parent": "v7", "error": None, "done": 0, "total": 96}

    def preview(self, row):
        return {"data": "d1", "name": "faq.jsonl", "rows": 256, "tokens": 20480, "learned_tokens": 11840, "longest": 143, "duplicates": 2, "row": row, "steps": 96, "trainable_parameters": 4884480, "memory_bytes": 612000000, "seconds": 41,
                "pieces": [{"text": "<|im_start|>user\nHow do I get a refund?<|im_end|>\n<|im_start|>assistant\n", "learned": False}, {"text": "Open Billing > Refund within 19 days.<|im_end|>", "learned": True}, {"text": "\n", "learned": False}]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--dist")
    args = parser.parse_args()
    dist = args.dist or tempfile.mkdtemp(prefix="hew-page-")
    if not args.dist:
        subprocess.run([WEB / "build.sh", dist], check=True)
    Mock.dist = pathlib.Path(dist)
    print(f"http://127.0.0.1:{args.port}/", flush=True)
    http.server.ThreadingHTTPServer(("127.0.0.1", args.port), Mock).serve_forever()


if __name__ == "__main__":
    main()
