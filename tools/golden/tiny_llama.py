#!/usr/bin/env python3
"""Golden values for src/model: a tiny random Llama as a Hugging Face folder, its logits by Transformers, and PEFT's adapter
gradients of a loss over two documents.

Usage: tiny_llama.py tests/golden/tiny_llama      (needs torch, transformers, peft, safetensors)
"""
import json
import os
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

OUT = sys.argv[1]
DOCUMENTS = [[1, 17, 42, 9, 63, 5, 30], [1, 8, 8, 51, 22, 40, 3, 19, 60, 2, 33]]
LEARNED = [[2, 3, 5], [0, 4, 5, 6, 9]]  # rows whose next token is learned
VARIANTS = {
    "lora": dict(r=4, lora_alpha=8),
    "rslora": dict(r=2, lora_alpha=3, use_rslora=True, target_modules=["q_proj", "v_proj", "down_proj"]),
    "dora": dict(r=3, lora_alpha=6, use_dora=True),
}
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def randomise(model, generator):
    for name, p in model.named_parameters():
        spread = 0.1 if "norm" in name or name.endswith("bias") else 0.2
        p.data = (1.0 if "norm" in name else 0.0) + spread * torch.randn(p.shape, generator=generator)


def make_model():
    config = LlamaConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                         num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, attention_bias=True,
                         tie_word_embeddings=False, attn_implementation="eager")
    model = LlamaForCausalLM(config).eval()
    randomise(model, torch.Generator().manual_seed(7))
    return model


def loss_of(model):
    total = 0
    for ids, learned in zip(DOCUMENTS, LEARNED):
        logp = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        total = total - sum(logp[i, ids[i + 1]] for i in learned)
    return total


def main():
    torch.set_num_threads(1)
    os.makedirs(OUT, exist_ok=True)
    model = make_model()
    model.save_pretrained(OUT)
    os.remove(os.path.join(OUT, "generation_config.json"))
    with torch.no_grad():
        logits = torch.cat([model(torch.tensor([ids])).logits[0] for ids in DOCUMENTS])
    save_file({"logits": logits}, os.path.join(OUT, "logits.golden"))
    expected = {"documents": DOCUMENTS, "learned": LEARNED, "loss": loss_of(model).item(), "variants": {}}
    for variant, settings in VARIANTS.items():
        settings = {"target_modules": ALL, **settings}
        peft = get_peft_model(make_model(), LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, **settings)).eval()
        generator = torch.Generator().manual_seed(11)
        tensors, trainable = {}, {}
        for name, p in peft.named_parameters():
            if not p.requires_grad:
                continue
            short = name.removeprefix("base_model.model.").replace(".default", "").removesuffix(".weight")
            trainable[short] = p
            if "magnitude" in short:
                p.data *= 1 + 0.1 * torch.randn(p.shape, generator=generator)
            else:
                p.data = 0.2 * torch.randn(p.shape, generator=generator)
            tensors[short] = p.data.clone()
        loss = loss_of(peft)
        loss.backward()
        for short, p in trainable.items():
            tensors["gradient." + short] = p.grad
        save_file({k: v.contiguous() for k, v in tensors.items()}, os.path.join(OUT, variant + ".golden"))
        expected["variants"][variant] = {"rank": settings["r"], "alpha": settings["lora_alpha"], "loss": loss.item(),
                                         "rslora": settings.get("use_rslora", False), "dora": settings.get("use_dora", False),
                                         "targets": settings["target_modules"]}
    with open(os.path.join(OUT, "expected.json"), "w") as f:
        json.dump(expected, f, separators=(",", ":"))


main()
