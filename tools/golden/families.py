#!/usr/bin/env python3
"""Golden values for src/model, one tiny random model per family: the folder that Transformers saves, an adapter that PEFT
saves, the logits of two documents without and with it, and the gradients of its numbers. Everything is chosen so that each
family's own arithmetic shows: sequences longer than the window, all three regimes of llama3's frequencies, short and long
sequences of longrope, heads that are not hidden_size / heads wide.

Usage: families.py tests/golden/families [NAME...]      (needs torch, transformers 5, peft, safetensors)
"""
import json
import os
import shutil
import sys

import torch
import transformers as t
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

DOCUMENTS = [[1, 17, 42, 9, 63, 5, 30, 8, 8, 51, 22, 40, 3],
             [1, 19, 60, 2, 33, 14, 27, 55, 12, 6, 48, 31, 9, 20, 62, 4, 44, 11, 37, 25, 58, 7, 16, 29]]
LEARNED = [[2, 3, 5, 11], [0, 4, 5, 6, 9, 17, 21, 22]]  # rows whose next token is learned
SIZES = dict(vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=None)
SEPARATE = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
FUSED = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
ATTENTION = SEPARATE[:4]  # where there are experts, which no adapter changes
YARN = dict(rope_type="yarn", rope_theta=1e4, factor=4.0, original_max_position_embeddings=16)
LLAMA3 = dict(rope_type="llama3", rope_theta=5e5, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)
GEMMA = dict(head_dim=16, num_key_value_heads=1, tie_word_embeddings=True, hidden_activation="gelu_pytorch_tanh")
GEMMAS = (t.GemmaForCausalLM, t.Gemma2ForCausalLM, t.Gemma3ForCausalLM)
LONGROPE = dict(rope_type="longrope", rope_theta=1e4, short_factor=[1.0, 1.1, 1.3, 1.4], long_factor=[1.5, 2.0, 3.5, 4.0],
                original_max_position_embeddings=16)


# Of a mixture of experts a seed is taken that leaves no row undecided between two of them: rounding to bf16 would decide.
SEED = {"mixtral": 10, "qwen3_moe": 11, "qwen3_moe_mixed": 26}


def family(config, model, targets=SEPARATE, lora={}, **changes):
    return lambda: (model, config(**{**SIZES, **changes}), targets, lora)


FAMILIES = {
    "llama3": family(t.LlamaConfig, t.LlamaForCausalLM, head_dim=16, rope_parameters=LLAMA3),
    "llama_linear": family(t.LlamaConfig, t.LlamaForCausalLM, rope_parameters=dict(rope_type="linear", rope_theta=1e4, factor=2.0)),
    "llama_yarn": family(t.LlamaConfig, t.LlamaForCausalLM, head_dim=16, rope_parameters=YARN, mlp_bias=True),
    "smollm3": family(t.SmolLM3Config, t.SmolLM3ForCausalLM, num_hidden_layers=4, no_rope_layer_interval=4, tie_word_embeddings=True,
                      lora=dict(layers_to_transform=[0, 3])),
    "mistral": family(t.MistralConfig, t.MistralForCausalLM, sliding_window=6, head_dim=12),
    "qwen2": family(t.Qwen2Config, t.Qwen2ForCausalLM, tie_word_embeddings=True),
    "qwen2_window": family(t.Qwen2Config, t.Qwen2ForCausalLM, use_sliding_window=True, sliding_window=6, max_window_layers=1),
    "qwen3": family(t.Qwen3Config, t.Qwen3ForCausalLM, head_dim=16),
    "mixtral": family(t.MixtralConfig, t.MixtralForCausalLM, ATTENTION, head_dim=16, num_local_experts=5,
                      num_experts_per_tok=2, sliding_window=None),
    "qwen3_moe": family(t.Qwen3MoeConfig, t.Qwen3MoeForCausalLM, ATTENTION, head_dim=16, num_experts=8, num_experts_per_tok=3,
                        moe_intermediate_size=24, norm_topk_prob=True),
    "qwen3_moe_mixed": family(t.Qwen3MoeConfig, t.Qwen3MoeForCausalLM, ATTENTION, num_hidden_layers=3, head_dim=16, num_experts=6,
                              num_experts_per_tok=2, moe_intermediate_size=40, mlp_only_layers=[1], norm_topk_prob=False),
    "gemma": family(t.GemmaConfig, t.GemmaForCausalLM, **GEMMA),
    "gemma2": family(t.Gemma2Config, t.Gemma2ForCausalLM, **GEMMA, sliding_window=6, query_pre_attn_scalar=16,
                     attn_logit_softcapping=2.0, final_logit_softcapping=3.0),
    "gemma2_scale": family(t.Gemma2Config, t.Gemma2ForCausalLM, **GEMMA, sliding_window=6, query_pre_attn_scalar=5,
                           attn_logit_softcapping=None, final_logit_softcapping=None, lora=dict(use_dora=True)),
    "gemma3": family(t.Gemma3TextConfig, t.Gemma3ForCausalLM, **GEMMA, num_hidden_layers=6, sliding_window=6, query_pre_attn_scalar=16,
                     intermediate_size=32, lora=dict(layers_to_transform=[1, 5]), rope_parameters={
                         "full_attention": dict(rope_type="linear", rope_theta=1e6, factor=8.0),
                         "sliding_attention": dict(rope_type="default", rope_theta=1e4)}),
    "phi3": family(t.Phi3Config, t.Phi3ForCausalLM, FUSED, sliding_window=6),
    "phi3_longrope": family(t.Phi3Config, t.Phi3ForCausalLM, FUSED, lora=dict(use_dora=True), num_attention_heads=2,
                            original_max_position_embeddings=16, rope_parameters=dict(**LONGROPE, partial_rotary_factor=0.5)),
    "gpt2": lambda: (t.GPT2LMHeadModel, t.GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=4, n_positions=64, n_inner=48,
                                                     bos_token_id=1, eos_token_id=2),
                     ["c_attn", "c_proj", "c_fc"], dict(fan_in_fan_out=True)),
}


def randomise(model, generator):
    for name, p in model.named_parameters():
        norm = any(word in name for word in ("norm", "ln_")) and not name.endswith("bias")
        spread = 0.1 if norm or name.endswith("bias") else 0.2
        middle = 1.0 if norm and not isinstance(model, GEMMAS) else 0.0  # Gemma's weights lack the 1
        p.data = (middle + spread * torch.randn(p.shape, generator=generator)).to(torch.bfloat16).to(torch.float32)


# The least difference, over all rows and sparse layers, between the logits of the last expert taken and the first left out.
def least_margin(model):
    margins = []
    def look(module, inputs, outputs):
        logits = outputs[0].sort(descending=True).values
        margins.append((logits[:, module.top_k - 1] - logits[:, module.top_k]).min().item())
    hooks = [m.register_forward_hook(look) for m in model.modules() if type(m).__name__.endswith("TopKRouter")]
    with torch.no_grad(): logits_of(model)
    for hook in hooks: hook.remove()
    return min(margins, default=None)


def logits_of(model):
    return [model(torch.tensor([ids])).logits[0] for ids in DOCUMENTS]


def loss_of(logits):
    total = 0
    for rows, ids, learned in zip(logits, DOCUMENTS, LEARNED):
        logp = rows.log_softmax(-1)
        total = total - sum(logp[i, ids[i + 1]] for i in learned)
    return total


def make(name, out):
    cls, config, targets, lora = FAMILIES[name]()
    config._attn_implementation = "eager"
    model = cls(config).float().eval()
    randomise(model, torch.Generator().manual_seed(SEED.get(name, 7)))
    model.tie_weights()
    folder = os.path.join(out, name)
    shutil.rmtree(folder, ignore_errors=True)
    half = cls(config).to(torch.bfloat16)
    half.load_state_dict(model.state_dict())
    half.save_pretrained(folder)
    os.remove(os.path.join(folder, "generation_config.json"))
    tensors = {}
    with torch.no_grad():
        tensors["logits"] = torch.cat(logits_of(model))
    peft = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=2, lora_alpha=3, target_modules=targets, **lora)).eval()
    generator = torch.Generator().manual_seed(11)
    for parameter_name, p in peft.named_parameters():
        if not p.requires_grad:
            continue
        if "magnitude" in parameter_name:
            p.data *= 1 + 0.1 * torch.randn(p.shape, generator=generator)
        else:
            p.data = 0.2 * torch.randn(p.shape, generator=generator)
    peft.save_pretrained(os.path.join(folder, "adapter"))
    os.remove(os.path.join(folder, "adapter", "README.md"))
    logits = logits_of(peft)
    loss = loss_of(logits)
    loss.backward()
    tensors["adapted_logits"] = torch.cat(logits).detach()
    for parameter_name, p in peft.named_parameters():
        if p.requires_grad:
            tensors["gradient." + parameter_name.replace(".default", "")] = p.grad
    save_file({k: v.contiguous() for k, v in tensors.items()}, os.path.join(folder, "expected.golden"))
    with open(os.path.join(folder, "expected.json"), "w") as f:
        json.dump({"loss": loss.item()}, f)
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(folder) for f in files)
    print(f"{name}: {size // 1000} kB, loss {loss.item():.4f}, margin {least_margin(peft)}")


def main():
    torch.set_num_threads(1)
    out, names = sys.argv[1], sys.argv[2:] or FAMILIES
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "documents.json"), "w") as f:
        json.dump({"documents": DOCUMENTS, "learned": LEARNED}, f)
    for name in names:
        make(name, out)


main()
