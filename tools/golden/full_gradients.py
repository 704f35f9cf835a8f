#!/usr/bin/env python3
"""Golden values for src/model: the gradients of all weights of tiny models in tests/golden, as PyTorch finds them for the
summed loss of one document of 12 tokens, id i being (7 i i + 3 i + 1) modulo the vocabulary.

Usage: full_gradients.py tests/golden/tiny_llama tests/golden/families/gpt2 ...      (needs torch, transformers)
"""
import os
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)
for folder in sys.argv[1:]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.tensor([[(7 * i * i + 3 * i + 1) % model.config.vocab_size for i in range(12)]])
    logits = model(ids).logits[0, :-1]
    torch.nn.functional.cross_entropy(logits.float(), ids[0, 1:], reduction="sum").backward()
    gradients = {name: p.grad.contiguous() for name, p in model.named_parameters()}
    save_file(gradients, os.path.join(folder, "full_gradients.golden"))
