#!/usr/bin/env python3
"""hew serve as its clients meet it, over HTTP with the real SmolLM2: OpenAI's and Anthropic's endpoints, streams, what is refused,
versions that come and go, the end.

Run by CTest with HEW_BIN set; skipped where HEW_MODELS has no model. tools/check_clients does the same with the real clients.
"""
import base64
import concurrent.futures
import http.client
import json
import math
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

from in_folder import HEW, MODEL, ROOT

BASE = MODEL.stem
HELLO = [{"role": "user", "content": "What is the capital of France?"}]


class Server:
    """A running hew serve; `status` after stop()."""

    def __init__(self, *args, cwd=None):
        self.process = subprocess.Popen([HEW, "serve", *map(str, args), "--port", "0", "--json"], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate()[1])
        self.ready = json.loads(line)
        self.host, port = self.ready["url"].split("://")[1].rsplit(":", 1)
        self.port = int(port)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def ask(self, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            data = body if isinstance(body, (bytes, str, type(None))) else json.dumps(body)
            connection.request(method, path, data, headers or {})
            reply = connection.getresponse()
            text = reply.read().decode()
            return reply.status, json.loads(text) if reply.headers["Content-Type"] == "application/json" else text, reply.headers
        finally:
            connection.close()

    def events(self, path, body):
        """The data of each event of a stream, with its name where it has one."""
        connection = self.connect()
        connection.request("POST", path, json.dumps({**body, "stream": True}))
        reply = connection.getresponse()
        assert reply.status == 200, reply.read()
        assert reply.headers["Content-Type"] == "text/event-stream"
        events = []
        for block in reply.read().decode().split("\n\n"):
            lines = [line for line in block.split("\n") if line and not line.startswith(":")]
            if lines:
                fields = dict(line.split(": ", 1) for line in lines)
                events.append((fields.get("event"), fields["data"]))
        connection.close()
        return events

    def raw(self, data):
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as s:
            s.sendall(data)
            reply = b""
            while b"\r\n\r\n" not in reply:
                piece = s.recv(65536)
                if not piece:
                    break
                reply += piece
            return int(reply.split()[1]) if reply else 0

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.ended()

    def ended(self):
        """The exit status, once it has ended by itself: a second signal would end it at once."""
        if self.process.poll() is None or not self.process.stdout.closed:
            self.output = self.process.communicate(timeout=60)
        return self.process.returncode


@unittest.skipUnless(MODEL.exists(), f"no model at {MODEL}")
class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(MODEL, "--ctx-size", 512, "--parallel", 4)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0, cls.server.output

    def ok(self, method, path, body=None):
        status, reply, _ = self.server.ask(method, path, body)
        self.assertEqual(status, 200, reply)
        return reply

    def chat(self, **fields):
        return self.ok("POST", "/v1/chat/completions", {"model": BASE, "messages": HELLO, "temperature": 0, "max_tokens": 16, **fields})

    def complete(self, prompt, **fields):
        return self.ok("POST", "/v1/completions", {"model": BASE, "prompt": prompt, "temperature": 0, **fields})

    def refused(self, path, body, status=400, param=None):
        found, reply, _ = self.server.ask("POST", path, body)
        self.assertEqual(found, status, reply)
        error = reply["error"]
        self.assertEqual({"message", "type", "param", "code"} - set(error), set())
        self.assertNotIn("\n", error["message"])
        if param:
            self.assertEqual(error["param"], param, error)
        return error

    def test_chat(self):
        reply = self.chat()
        self.assertEqual(reply["object"], "chat.completion")
        self.assertEqual(reply["model"], BASE)
        self.assertRegex(reply["system_fingerprint"], r"^hew-\d+\.\d+\.\d+-[0-9a-f]{12}$")
        choice = reply["choices"][0]
        self.assertIn("Paris", choice["message"]["content"])
        self.assertEqual(choice["message"]["role"], "assistant")
        self.assertIn(choice["finish_reason"], ("stop", "length"))
        usage = reply["usage"]
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + usage["completion_tokens"])

    def test_chat_says_what_the_command_line_says(self):
        done = subprocess.run([HEW, "chat", str(MODEL), "-m", HELLO[0]["content"], "--temperature", "0", "--max-tokens", "16", "--json"], capture_output=True, text=True)
        self.assertEqual(self.chat()["choices"][0]["message"]["content"], json.loads(done.stdout)["text"])

    def test_a_stream_is_the_same_answer_in_pieces(self):
        whole = self.chat()
        events = self.server.events("/v1/chat/completions", {"messages": HELLO, "temperature": 0, "max_tokens": 16, "stream_options": {"include_usage": True}})
        self.assertEqual(events[-1][1], "[DONE]")
        chunks = [json.loads(data) for _, data in events[:-1]]
        self.assertEqual({c["object"] for c in chunks}, {"chat.completion.chunk"})
        self.assertEqual(len({c["id"] for c in chunks}), 1)
        self.assertEqual(chunks[0]["choices"][0]["delta"]["role"], "assistant")
        text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks[:-1])
        self.assertEqual(text, whole["choices"][0]["message"]["content"])
        self.assertEqual(chunks[-2]["choices"][0]["finish_reason"], whole["choices"][0]["finish_reason"])
        self.assertEqual(chunks[-1]["choices"], [])
        for field in ("prompt_tokens", "completion_tokens", "total_tokens"):
            self.assertEqual(chunks[-1]["usage"][field], whole["usage"][field])

    def test_korean_streams_whole_characters(self):
        events = self.server.events("/v1/completions", {"prompt": "안녕하세요, 저는", "max_tokens": 24, "seed": 1, "temperature": 1})
        pieces = [json.loads(data)["choices"][0]["text"] for _, data in events[:-1]]
        whole = self.ok("POST", "/v1/completions", {"prompt": "안녕하세요, 저는", "max_tokens": 24, "seed": 1, "temperature": 1})
        self.assertEqual("".join(pieces), whole["choices"][0]["text"])

    def test_seeds_n_and_stop(self):
        args = {"temperature": 1, "seed": 7, "n": 3, "max_tokens": 12}
        first, again = self.chat(**args), self.chat(**args)
        texts = [c["message"]["content"] for c in first["choices"]]
        self.assertEqual(texts, [c["message"]["content"] for c in again["choices"]])
        self.assertEqual([c["index"] for c in first["choices"]], [0, 1, 2])
        self.assertGreater(len(set(texts)), 1)
        stopped = self.chat(stop=["France"])["choices"][0]
        self.assertEqual(stopped["finish_reason"], "stop")
        self.assertNotIn("France", stopped["message"]["content"])
        self.assertEqual(self.chat(stop="France")["choices"][0]["message"], stopped["message"])
        self.assertEqual(self.chat(max_tokens=1)["choices"][0]["finish_reason"], "length")
        self.assertEqual(self.chat(max_tokens=None, max_completion_tokens=2)["usage"]["completion_tokens"], 2)

    def test_logit_bias(self):
        ids = self.ok("POST", "/tokenize", {"prompt": " Paris", "add_special_tokens": False})["tokens"]
        said = self.chat(logit_bias={str(ids[0]): -100})["choices"][0]["message"]["content"]
        self.assertNotIn(" Paris", said)

    def test_content_parts_and_roles(self):
        plain = self.chat(messages=[{"role": "system", "content": "Be brief."}, *HELLO])
        parts = self.chat(messages=[{"role": "developer", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": HELLO[0]["content"]}]}])
        self.assertEqual(plain["choices"][0]["message"], parts["choices"][0]["message"])

    def test_control_tokens_in_messages_are_text(self):
        plain = self.chat(messages=[{"role": "user", "content": "x"}], max_tokens=1)["usage"]["prompt_tokens"]
        spelled = self.chat(messages=[{"role": "user", "content": "x<|im_end|>"}], max_tokens=1)["usage"]["prompt_tokens"]
        self.assertGreater(spelled, plain + 1)

    def test_chat_logprobs(self):
        choice = self.chat(logprobs=True, top_logprobs=3)["choices"][0]
        content = choice["logprobs"]["content"]
        self.assertEqual("".join(t["token"] for t in content), choice["message"]["content"])
        for token in content:
            self.assertEqual(len(token["top_logprobs"]), 3)
            self.assertEqual(token["logprob"], token["top_logprobs"][0]["logprob"])  # greedy
            self.assertEqual(bytes(token["bytes"]).decode(), token["token"])
        events = self.server.events("/v1/chat/completions", {"messages": HELLO, "temperature": 0, "max_tokens": 16, "logprobs": True, "top_logprobs": 3})
        streamed = []
        for _, data in events[:-1]:
            logprobs = json.loads(data)["choices"][0]["logprobs"]
            streamed += logprobs["content"] if logprobs else []
        self.assertEqual(streamed, content)

    def test_completions_echo_and_logprobs(self):
        ids = self.ok("POST", "/tokenize", {"prompt": "The capital of France is", "add_special_tokens": False})["tokens"]
        reply = self.complete([ids, ids[:3]], echo=True, logprobs=1, max_tokens=1)
        self.assertEqual(len(reply["choices"]), 2)
        for prompt, choice in zip((ids, ids[:3]), reply["choices"]):
            logprobs = choice["logprobs"]
            for field in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
                self.assertEqual(len(logprobs[field]), len(prompt) + 1, field)
            self.assertIsNone(logprobs["token_logprobs"][0])
            self.assertIsNone(logprobs["top_logprobs"][0])
            for i in range(1, len(prompt) + 1):
                top = logprobs["top_logprobs"][i]
                self.assertEqual(top[logprobs["tokens"][i]], logprobs["token_logprobs"][i])
                self.assertLessEqual(logprobs["token_logprobs"][i], max(top.values()))
            self.assertEqual(logprobs["token_logprobs"][-1], max(logprobs["top_logprobs"][-1].values()))
            self.assertEqual("".join(logprobs["tokens"]), choice["text"])
            for at, token in zip(logprobs["text_offset"], logprobs["tokens"]):
                self.assertTrue(choice["text"][at:].startswith(token))
        scored = subprocess.run([HEW, "score", str(MODEL), "--ids", " ".join(map(str, ids)), "--json"], capture_output=True, text=True)
        for ours, theirs in zip(reply["choices"][0]["logprobs"]["token_logprobs"][1:], json.loads(scored.stdout)["logprobs"][1:]):
            self.assertAlmostEqual(ours, theirs, places=4)

    def test_an_end_token_has_its_logprob(self):
        prompt = self.ok("POST", "/apply-template", {"messages": [{"role": "user", "content": "Say: ok"}, {"role": "assistant", "content": "ok"}], "add_generation_prompt": False})["prompt"]
        ids = self.ok("POST", "/tokenize", {"prompt": prompt, "add_special_tokens": False})["tokens"]
        end = ids.index(self.ok("POST", "/tokenize", {"prompt": "<|im_end|>", "add_special_tokens": False})["tokens"][0], ids.index(ids[0]) + 8)
        reply = self.complete(ids[:end], logprobs=1, max_tokens=1, logit_bias={str(ids[end]): 100})["choices"][0]
        self.assertEqual(reply["finish_reason"], "stop")
        self.assertEqual(len(reply["logprobs"]["token_logprobs"]), 1)
        self.assertEqual(reply["text"], "")

    def test_prompts_in_every_form(self):
        text = "Once upon a time"
        ids = self.ok("POST", "/tokenize", {"prompt": text})["tokens"]
        said = self.complete(text, max_tokens=8)["choices"][0]["text"]
        self.assertEqual(self.complete(ids, max_tokens=8)["choices"][0]["text"], said)
        many = self.complete([text, "Hello"], max_tokens=8, n=2)
        self.assertEqual([c["index"] for c in many["choices"]], [0, 1, 2, 3])
        self.assertEqual([c["text"] for c in many["choices"][:2]], [said, said])
        self.assertEqual(self.complete(text, max_tokens=8, echo=True)["choices"][0]["text"], text + said)
        self.assertEqual(self.complete(text, max_tokens=0, echo=True)["choices"][0]["text"], text)

    def test_together_as_alone(self):
        prompts = [f"Number {i}:" for i in range(8)]
        alone = [self.complete(p, max_tokens=12)["choices"][0]["text"] for p in prompts]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda p: self.complete(p, max_tokens=12)["choices"][0]["text"], prompts))
        self.assertEqual(alone, together)

    def test_json(self):
        schema = {"type": "object", "properties": {"도시": {"type": "string", "enum": ["서울", "부산"]}, "인구": {"type": "integer"}}, "required": ["도시", "인구"], "additionalProperties": False}
        reply = self.chat(response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": schema, "strict": True}}, max_tokens=80)
        answer = json.loads(reply["choices"][0]["message"]["content"])
        self.assertIn(answer["도시"], ("서울", "부산"))
        self.assertIsInstance(answer["인구"], int)
        loose = self.chat(response_format={"type": "json_object"}, max_tokens=200)["choices"][0]
        if loose["finish_reason"] == "stop":
            self.assertIsInstance(json.loads(loose["message"]["content"]), dict)
        self.refused("/v1/chat/completions", {"messages": HELLO, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}}}, param="response_format.json_schema.schema")

    def test_embeddings(self):
        reply = self.ok("POST", "/v1/embeddings", {"model": BASE, "input": ["A cat sat.", "한국의 수도는 서울이다."]})
        rows = [d["embedding"] for d in reply["data"]]
        for row in rows:
            self.assertAlmostEqual(math.sqrt(sum(x * x for x in row)), 1, places=4)
        packed = self.ok("POST", "/v1/embeddings", {"input": "A cat sat.", "encoding_format": "base64"})["data"][0]["embedding"]
        data = base64.b64decode(packed)
        self.assertEqual(list(struct.unpack(f"<{len(data) // 4}f", data)), [struct.unpack("<f", struct.pack("<f", x))[0] for x in rows[0]])
        self.refused("/v1/embeddings", {"input": []}, param="input")
        self.refused("/v1/embeddings", {"input": [{}]}, param="input[0]")

    def test_responses(self):
        reply = self.ok("POST", "/v1/responses", {"model": BASE, "input": HELLO[0]["content"], "temperature": 0, "max_output_tokens": 16})
        text = reply["output"][0]["content"][0]["text"]
        self.assertEqual(text, self.chat()["choices"][0]["message"]["content"])
        events = self.server.events("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_text", "text": HELLO[0]["content"]}]}], "temperature": 0, "max_output_tokens": 16})
        data = [json.loads(d) for _, d in events]
        self.assertEqual([name for name, _ in events], [d["type"] for d in data])
        self.assertEqual([d["sequence_number"] for d in data], list(range(len(data))))
        self.assertEqual("".join(d["delta"] for d in data if d["type"] == "response.output_text.delta"), text)
        self.assertIn(data[-1]["type"], ("response.completed", "response.incomplete"))

    def test_messages(self):
        body = {"model": BASE, "max_tokens": 16, "temperature": 0, "messages": HELLO}
        reply = self.ok("POST", "/v1/messages", body)
        self.assertEqual(reply["content"][0]["text"], self.chat()["choices"][0]["message"]["content"])
        self.assertIn(reply["stop_reason"], ("end_turn", "max_tokens"))
        stopped = self.ok("POST", "/v1/messages", {**body, "stop_sequences": ["never said", "France"]})
        self.assertEqual((stopped["stop_reason"], stopped["stop_sequence"]), ("stop_sequence", "France"))
        events = self.server.events("/v1/messages", body)
        data = [json.loads(d) for _, d in events]
        self.assertEqual([name for name, _ in events], [d["type"] for d in data])
        self.assertEqual(data[0]["type"], "message_start")
        self.assertEqual(data[-1]["type"], "message_stop")
        self.assertEqual("".join(d["delta"]["text"] for d in data if d["type"] == "content_block_delta"), reply["content"][0]["text"])
        status, error, _ = self.server.ask("POST", "/v1/messages", {"messages": HELLO})
        self.assertEqual((status, error["type"], error["error"]["param"]), (400, "error", "max_tokens"))

    def test_models_and_the_rest(self):
        models = self.ok("GET", "/v1/models")
        self.assertEqual([m["id"] for m in models["data"]], [BASE])
        self.assertEqual(self.ok("GET", f"/v1/models/{BASE}")["id"], BASE)
        self.assertEqual(self.ok("GET", f"//v1//models/{BASE}")["id"], BASE)
        self.assertEqual(self.server.ask("GET", "/v1/models/none")[0], 404)
        self.assertEqual(self.ok("GET", "/health"), {"status": "ok"})
        info = self.ok("GET", "/tokenizer_info")
        self.assertEqual(info["eos_token"], "<|im_end|>")
        self.assertIn("im_start", info["chat_template"])
        tokens = self.ok("POST", "/tokenize", {"prompt": "<|im_start|>user 안녕", "add_special_tokens": False})["tokens"]
        self.assertEqual(self.ok("POST", "/detokenize", {"tokens": tokens})["prompt"], "<|im_start|>user 안녕")
        metrics = self.ok("GET", "/metrics")
        for name in ("hew_num_requests_running", "hew_generation_tokens_total", "hew_time_to_first_token_seconds_bucket", "hew_http_connections"):
            self.assertIn(name, metrics)

    def test_wrong_requests_are_named(self):
        chat = "/v1/chat/completions"
        for body in ("{:", "", "[]", '"x"', '{"model": "a", "model": "b"}', "[" * 5000, b'{"model": "\xff\xfe"}', '{"a": 1e999}'):
            self.refused(chat, body)
        self.refused(chat, {}, param="messages")
        long = "word " * 600
        for param, fields in (
            ("messages", {"messages": "hello"}),
            ("messages", {"messages": []}),
            ("messages[0]", {"messages": ["hello"]}),
            ("messages[0].role", {"messages": [{"role": "wizard", "content": "x"}]}),
            ("messages[0].role", {"messages": [{"content": "x"}]}),
            ("messages[0].content", {"messages": [{"role": "user"}]}),
            ("messages[0].content", {"messages": [{"role": "user", "content": 5}]}),
            ("messages[0].content[0].type", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
            ("max_tokens", {"max_tokens": -1}),
            ("max_tokens", {"max_tokens": 2**63}),
            ("max_tokens", {"max_tokens": "many"}),
            ("max_tokens", {"max_tokens": 1.5}),
            ("n", {"n": 10**6}),
            ("n", {"n": 0}),
            ("temperature", {"temperature": 1e308}),
            ("temperature", {"temperature": -0.1}),
            ("temperature", {"temperature": "hot"}),
            ("top_p", {"top_p": 1.1}),
            ("top_k", {"top_k": -2}),
            ("min_p", {"min_p": 2}),
            ("presence_penalty", {"presence_penalty": 3}),
            ("frequency_penalty", {"frequency_penalty": -3}),
            ("seed", {"seed": 1.5}),
            ("stop", {"stop": 5}),
            ("stop", {"stop": ["x"] * 1000}),
            ("logit_bias", {"logit_bias": {"999999": 1}}),
            ("logit_bias", {"logit_bias": {"1": 101}}),
            ("logit_bias", {"logit_bias": {"x": 1}}),
            ("top_logprobs", {"top_logprobs": 3}),
            ("top_logprobs", {"logprobs": True, "top_logprobs": 21}),
            ("stream", {"stream": "yes"}),
            ("stream_options", {"stream_options": {"include_usage": True}}),
            ("response_format.type", {"response_format": {"type": "xml"}}),
            ("response_format", {"response_format": "json"}),
            ("tools", {"tools": [{"type": "function", "function": {"name": "f"}}]}),
            ("tool_choice", {"tool_choice": "required"}),
            ("messages", {"messages": [{"role": "user", "content": long}]}),
        ):
            with self.subTest(param=param, fields=str(fields)[:80]):
                self.refused(chat, {"messages": HELLO, "max_tokens": 1, **fields}, param=param)
        error = self.refused(chat, {"messages": [{"role": "user", "content": long}]})
        self.assertEqual((error["code"], error["n_ctx"]), ("context_length_exceeded", 512))
        self.assertGreater(error["n_prompt_tokens"], 600)
        self.assertEqual(self.refused(chat, {"messages": HELLO, "model": "gpt-9"}, 404, "model")["code"], "model_not_found")
        for param, fields in (("prompt", {}), ("prompt", {"prompt": []}), ("prompt", {"prompt": 5}), ("prompt", {"prompt": [-1]}), ("prompt", {"prompt": [10**9]}), ("prompt[1]", {"prompt": ["a", {}]}), ("logprobs", {"prompt": "x", "logprobs": 99}), ("best_of", {"prompt": "x", "best_of": 4}), ("suffix", {"prompt": "x", "suffix": "y"}), ("prompt", {"prompt": ["x"] * 100, "n": 128})):
            with self.subTest(param=param, fields=str(fields)[:80]):
                self.refused("/v1/completions", fields, param=param)
        self.assertEqual(self.server.ask("GET", chat)[0], 405)
        self.assertEqual(self.server.ask("GET", "/v2/models")[0], 404)
        self.chat()  # and the next one succeeds

    def test_wrong_http_is_refused(self):
        post = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
        for data, status in (
            (post + b"Transfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n", 400),
            (post + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            (b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
            (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100000, 431),
            (b"GET /health HTTP/1.1\r\nHost: localhost\r\nRange: bytes=" + b"0-0," * 1000 + b"0-0\r\n\r\n", 200),
        ):
            self.assertEqual(self.server.raw(data), status, data[:80])
            self.ok("GET", "/health")

    def test_a_client_that_leaves_frees_its_place(self):
        def running():
            lines = self.ok("GET", "/metrics").splitlines()
            return sum(float(line.split()[1]) for line in lines if line.startswith(("hew_num_requests_running ", "hew_num_requests_waiting ")))

        connections = []
        for _ in range(12):  # three times what runs together
            connection = self.server.connect()
            connection.request("POST", "/v1/completions", json.dumps({"prompt": "Once", "max_tokens": 500, "stream": True, "temperature": 0, "logit_bias": {"2": -100, "0": -100}}))
            connections.append(connection)
        self.assertEqual(connections[0].getresponse().status, 200)
        for connection in connections:
            connection.sock.shutdown(socket.SHUT_RDWR) if connection.sock else None
            connection.close()
        connections.clear()
        self.chat(max_tokens=2)
        done = threading.Event()
        for _ in range(600):
            if running() == 0:
                break
            done.wait(0.1)
        self.assertEqual(running(), 0)


@unittest.skipUnless(MODEL.exists(), f"no model at {MODEL}")
class Lifetime(unittest.TestCase):
    def serve(self, *args, **kwargs):
        server = Server(*args, **kwargs)
        self.addCleanup(server.stop)
        return server

    def test_keys_and_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            cert, key = f"{folder}/cert.pem", f"{folder}/key.pem"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert], check=True, capture_output=True)
            server = self.serve(MODEL, "--api-key", "one", "--tls-cert", cert, "--tls-key", key)
            self.assertTrue(server.ready["url"].startswith("https://"))
            import ssl

            context = ssl.create_default_context(cafile=cert)
            for headers, status in (({}, 401), ({"Authorization": "Bearer two"}, 401), ({"Authorization": "Bearer one"}, 200), ({"x-api-key": "one"}, 200)):
                connection = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=60)
                connection.request("POST", "/v1/completions", json.dumps({"prompt": "Hi", "max_tokens": 2, "stream": True}), headers)
                reply = connection.getresponse()
                self.assertEqual(reply.status, status, reply.read())
                reply.read()
                connection.request("GET", "/health")  # the same connection
                self.assertEqual(connection.getresponse().status, 200)
                connection.close()

    def test_stopping_finishes_streams(self):
        server = self.serve(MODEL, "--grace", 30)
        connection = server.connect()
        connection.request("POST", "/v1/completions", json.dumps({"prompt": "Once upon a time", "max_tokens": 60, "stream": True, "temperature": 0}))
        reply = connection.getresponse()
        first = reply.readline()
        server.process.send_signal(signal.SIGTERM)
        rest = (first + reply.read()).decode()
        connection.close()
        self.assertTrue(rest.endswith("data: [DONE]\n\n"), rest[-200:])
        self.assertNotIn('"error"', rest)
        self.assertEqual(server.ended(), 0)

    def test_ctrl_c_and_no_grace(self):
        server = self.serve(MODEL, "--grace", 0)
        connection = server.connect()
        connection.request("POST", "/v1/completions", json.dumps({"prompt": "Once", "max_tokens": 8000, "stream": True, "temperature": 0, "logit_bias": {"2": -100, "0": -100}}))
        reply = connection.getresponse()
        reply.readline()
        server.process.send_signal(signal.SIGINT)
        self.assertIn("the server is stopping", reply.read().decode())
        connection.close()
        self.assertEqual(server.ended(), 130)

    def test_mistakes_on_the_command_line(self):
        def refused(*args, cwd=None):
            done = subprocess.run([HEW, "serve", *map(str, args)], cwd=cwd, capture_output=True, text=True, timeout=60)
            self.assertIn(done.returncode, (2, 3), done.stderr)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
            return done.stderr

        self.assertIn("--api-key", refused(MODEL, "--host", "0.0.0.0"))
        self.assertIn("--port", refused(MODEL, "--port", 99999))
        self.assertIn("--tls-cert", refused(MODEL, "--tls-key", "x.pem"))
        self.assertIn("--ctx-size", refused(MODEL, "--ctx-size", 10**9))
        with tempfile.TemporaryDirectory() as folder:
            self.assertIn("hew init", refused(cwd=folder))
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                taken.listen()
                self.assertIn("--port", refused(MODEL, "--port", taken.getsockname()[1]))

    def test_versions_come_and_go_under_a_running_server(self):
        with tempfile.TemporaryDirectory() as folder:
            hew = lambda *args: subprocess.run([HEW, *map(str, args)], cwd=folder, check=True, capture_output=True, text=True)  # noqa: E731
            rows = (ROOT / "examples/helpdesk/train.jsonl").read_text().splitlines()[:8]
            (pathlib.Path(folder) / "faq.jsonl").write_text("\n".join(rows) + "\n")
            hew("init", "--base", MODEL)
            tune = ("tune", "--data", "faq.jsonl", "--rank", 4, "--lr", "3e-3", "--batch-size", 4)
            hew(*tune, "--epochs", 4, "--name", "first")
            hew("promote", "v1", "stable")
            server = self.serve(cwd=folder)
            question = {"messages": json.loads(rows[0])["messages"][:-1], "temperature": 0, "max_tokens": 24}

            def says(model):
                status, reply, _ = server.ask("POST", "/v1/chat/completions", {**question, "model": model})
                self.assertEqual(status, 200, reply)
                return reply["model"], reply["choices"][0]["message"]["content"]

            base = says(BASE)
            self.assertEqual(base[0], BASE)
            self.assertEqual(says("v0")[1], base[1])
            v1 = says("v1")
            self.assertNotEqual(v1[1], base[1])
            self.assertEqual(says("stable"), v1)
            self.assertEqual(says("first"), v1)
            self.assertEqual(server.ask("POST", "/v1/chat/completions", {**question, "model": "v2"})[0], 404)
            hew(*tune, "--epochs", 2, "--seed", 5, "--name", "second")
            v2 = says("v2")
            hew("promote", "v2", "stable")
            self.assertEqual(says("stable"), v2)
            hew("rollback", "stable")
            self.assertEqual(says("stable"), v1)
            self.assertEqual(says(BASE), base)  # no adapter's cache answers for another
            with concurrent.futures.ThreadPoolExecutor(6) as pool:  # mixed in one batch
                self.assertEqual(list(pool.map(says, [BASE, "v1", "v2"] * 2)), [base, v1, v2] * 2)
            names = {m["id"] for m in server.ask("GET", "/v1/models")[1]["data"]}
            self.assertEqual(names, {BASE, "v0", "v1", "v2", "first", "second", "stable"})


if __name__ == "__main__":
    unittest.main(verbosity=1)
