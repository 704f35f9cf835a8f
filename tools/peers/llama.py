"""llama.cpp's server as a reference: what it says of token ids."""
import json
import socket
import subprocess
import sys
import time
import urllib.request


class LlamaServer:
    def __init__(self, binaries, work, model, *more, context=2048):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{s.getsockname()[1]}"
        command = [binaries / "llama-server", "-m", model, "--port", self.url.rsplit(":", 1)[1], "-c", context, "-np", "1", "--no-webui",
                   *more]
        self.log = open(work / "llama-server.log", "a")
        self.process = subprocess.Popen(list(map(str, command)), stdout=self.log, stderr=subprocess.STDOUT)

    def __enter__(self):
        for _ in range(600):
            if self.process.poll() is not None: sys.exit(f"check_peers: llama-server ended, see {self.log.name}")
            try:
                urllib.request.urlopen(self.url + "/health", timeout=2)
                return self
            except OSError: time.sleep(0.2)
        sys.exit("check_peers: llama-server does not answer")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def post(self, path, body):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=600))

    def tokenize(self, text, add_special=True):
        return self.post("/tokenize", {"content": text, "add_special": add_special, "parse_special": False})["tokens"]

    def complete(self, ids, n_predict, n_probs, **more):
        return self.post("/completion", {"prompt": ids, "n_predict": n_predict, "n_probs": n_probs, "temperature": 0, "cache_prompt": True,
                                         "return_tokens": True, **more})

    def after(self, ids, n_probs):
        """What may come next: token ids and log-probabilities."""
        # The server holds back a token that is part of a letter, and what it knows of it too, so it is told to take a whole one; the
        # probabilities are those before that.
        whole = self.tokenize("a", add_special=False)
        answer = self.complete(ids, 1, n_probs, logit_bias=[[token, 1000] for token in whole[:1]])
        return {t["id"]: t["logprob"] for t in answer["completion_probabilities"][0]["top_logprobs"]}

    def logprobs(self, ids, first):
        """Of ids[first:], each given those before; None where a token is not among the likeliest 1000."""
        return [None] * first + [self.after(ids[:i], 1000).get(ids[i]) for i in range(first, len(ids))]
