"""What the tests of the command line share: the program, the model, and a folder of its own for each test. Not a test."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEW = os.environ["HEW_BIN"]
MODEL = pathlib.Path(os.environ.get("HEW_MODELS", pathlib.Path.home() / ".cache/hew-models")) / "smollm2-135m-instruct-q4_1.gguf"


class InFolder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def hew(self, *args, status=0, **env):
        done = subprocess.run([HEW, *map(str, args)], cwd=self.path, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={**os.environ, "LC_ALL": "C", **env})
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def report(self, *args, status=0):
        return json.loads(self.hew(*args, "--json", status=status).stdout)

    def refused(self, *args):
        done = self.hew(*args, status=2)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        return done.stderr
