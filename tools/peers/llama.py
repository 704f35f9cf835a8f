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

    def complete(self, ids, n_predict, n_probs):
        body = {"prompt": ids, "n_predict": n_predict, "n_probs": n_probs, "temperature": 0, "cache_prompt": True, "return_tokens": True}
        request = urllib.request.Request(self.url + "/completion", json.dumps(body).encode(), {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=600))

    def logprobs(self, ids, first):
        """Of ids[first:], each given those before; None where a token is not among the likeliest 1000."""
        out = [None] * first
        for i in range(first, len(ids)):
            top = self.complete(ids[:i], 1, 1000)["completion_probabilities"][0]["top_logprobs"]
            out.append(next((t["logprob"] for t in top if t["id"] == ids[i]), None))
        return out
