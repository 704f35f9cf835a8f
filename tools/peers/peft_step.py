#!/usr/bin/env python3
"""PEFT's side of `hew bench --compare peft=PYTHON`: one LoRA step, forward and backward, on a model that Transformers opens.

As in Hew: --rows tokens in documents of --length, the last third of each learned, rank --rank on all linear layers, bf16, no
optimiser. Prints {"rows_per_s"}: the best of three steps after one to warm up. Needs torch, transformers, peft and gguf.
"""
import argparse
import json
import pathlib
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--model", type=pathlib.Path, required=True, help="a .gguf file or a folder")
for name, default in (("rows", 512), ("length", 64), ("rank", 16), ("threads", 2)):
    parser.add_argument("--" + name, type=int, default=default)
options = parser.parse_args()

import torch  # noqa: E402  (after the arguments: it takes seconds)
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

torch.set_num_threads(options.threads)
torch.manual_seed(0)
names = {"pretrained_model_name_or_path": str(options.model)}
if options.model.suffix == ".gguf":
    names = {"pretrained_model_name_or_path": str(options.model.parent), "gguf_file": options.model.name}
model = AutoModelForCausalLM.from_pretrained(**names, dtype=torch.bfloat16)
model = get_peft_model(model, LoraConfig(r=options.rank, lora_alpha=2 * options.rank, target_modules="all-linear"))
model.train()

documents = max(1, options.rows // options.length)
ids = torch.randint(0, model.config.vocab_size, (documents, options.length))
labels = ids.clone()
labels[:, :options.length * 2 // 3 + 1] = -100


def step():
    start = time.perf_counter()
    model(input_ids=ids, labels=labels, use_cache=False).loss.backward()
    model.zero_grad()
    return time.perf_counter() - start


step()
print(json.dumps({"rows_per_s": documents * options.length / min(step() for _ in range(3))}))
