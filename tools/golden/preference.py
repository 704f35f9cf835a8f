#!/usr/bin/env python3
"""Golden values of the preference losses: TRL's own DPO and ORPO on the tiny Llama of tiny_llama.py with a LoRA adapter.

Usage: preference.py tests/golden/tiny_llama tests/golden/preference      (needs torch, transformers, peft, trl, safetensors)
DPO: DPOTrainer's loss, the reference being the model without the adapter. ORPO: ORPOTrainer's loss. That counts the question's
tokens in its likelihood, too, where the paper and Hew count the answer's alone: "orpo" has questions of one token, for which
both are the same, and "orpo_answers" takes TRL's odds ratio and the likelihood of the answers.
"""
import collections
import json
import os
import sys
import types

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaForCausalLM
from trl import DPOTrainer
from trl.experimental.orpo import ORPOTrainer

MODEL, OUT = sys.argv[1:]
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LONG = [  # prompt, chosen, rejected
    ([1, 17, 42, 9, 63, 5, 30, 8, 8, 51, 22], [40, 3, 19, 60, 2], [33, 12, 2]),
    ([1, 17, 42, 9, 63, 5, 30, 8, 8, 7, 25, 11], [6, 2], [6, 13, 54, 20, 31, 44, 2]),  # answers with a common beginning
    ([1, 50, 4], [21, 37, 2], [58, 29, 10, 2]),  # too short a question to be shared
]
SHORT = [([1], chosen, rejected) for _, chosen, rejected in LONG]
CASES = {"dpo": (LONG, 0.3), "orpo": (SHORT, 0.25), "orpo_answers": (LONG, 0.25)}
PAD = 0


def make_model():
    model = LlamaForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager")
    peft = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, lora_dropout=0.0, target_modules=TARGETS))
    generator = torch.Generator().manual_seed(23)
    for _, p in peft.named_parameters():
        if p.requires_grad:
            p.data = 0.2 * torch.randn(p.shape, generator=generator)
    return peft.train()


def padded(rows, value):
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])


def stub(**fields):
    same = types.SimpleNamespace(device=torch.device("cpu"), gather=lambda x: x, gather_for_metrics=lambda x: x)
    return types.SimpleNamespace(accelerator=same, aux_loss_enabled=False, **fields)


class LogProbs(torch.nn.Module):
    """A model with the outputs that TRL's fused head gives."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, labels, **_):
        logits = self.model(input_ids=input_ids, attention_mask=attention_mask).logits[:, :-1]
        logp, next_ids, learned = logits.log_softmax(-1), input_ids[:, 1:], labels[:, 1:] != -100
        taken = logp.gather(-1, next_ids.unsqueeze(-1)).squeeze(-1)
        return types.SimpleNamespace(log_probs=taken * learned, entropy=-(logp.exp() * logp).sum(-1), mean_logits=logits.mean(-1),
                                     is_top1=logits.argmax(-1) == next_ids)


def dpo(model, pairs, beta):
    sides = [(p, answer) for p, answer, _ in pairs] + [(p, answer) for p, _, answer in pairs]
    inputs = {"input_ids": padded([p + a for p, a in sides], PAD), "attention_mask": padded([[1] * len(p + a) for p, a in sides], 0),
              "completion_mask": padded([[0] * len(p) + [1] * len(a) for p, a in sides], 0)}
    labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
    wrapped = LogProbs(model)
    with torch.no_grad(), model.disable_adapter():
        reference = wrapped(inputs["input_ids"], inputs["attention_mask"], labels).log_probs.sum(1)
    inputs["ref_chosen_logps"], inputs["ref_rejected_logps"] = reference.chunk(2)
    trainer = stub(model=model, ld_alpha=None, precompute_ref_logps=True, f_divergence_type="reverse_kl", loss_types=["sigmoid"], loss_weights=[1.0],
                   beta=beta, use_weighting=False, label_smoothing=0.0, _metrics=collections.defaultdict(lambda: collections.defaultdict(list)),
                   _total_train_tokens=0, _tp_size=1)
    loss = DPOTrainer._compute_loss(trainer, wrapped, inputs, False)
    logps = wrapped(inputs["input_ids"], inputs["attention_mask"], labels).log_probs.sum(1)
    metrics = {key: values[0] for key, values in trainer._metrics["train"].items() if key.startswith("rewards/")}
    return loss, metrics, {"logps": logps.tolist(), "reference": reference.tolist()}


def orpo_trainer(beta):
    trainer = stub(beta=beta, is_encoder_decoder=False, padding_value=PAD, get_batch_logps=ORPOTrainer.get_batch_logps,
                   concatenated_inputs=ORPOTrainer.concatenated_inputs)
    for name in ("odds_ratio_loss", "concatenated_forward"):
        setattr(trainer, name, types.MethodType(getattr(ORPOTrainer, name), trainer))
    return trainer


def orpo_batch(pairs):
    batch = {"prompt_input_ids": padded([p for p, _, _ in pairs], PAD), "prompt_attention_mask": padded([[1] * len(p) for p, _, _ in pairs], 0)}
    for side, of in (("chosen", 1), ("rejected", 2)):
        batch[side + "_input_ids"] = padded([pair[0] + pair[of] for pair in pairs], PAD)
        batch[side + "_attention_mask"] = padded([[1] * len(pair[0] + pair[of]) for pair in pairs], 0)
        batch[side + "_labels"] = padded([[-100] * len(pair[0]) + pair[of] for pair in pairs], -100)
    return batch


def orpo(model, pairs, beta):
    trainer = orpo_trainer(beta)
    loss, metrics = ORPOTrainer.get_batch_loss_metrics(trainer, model, orpo_batch(pairs))
    chosen, rejected = ORPOTrainer.concatenated_forward(trainer, model, orpo_batch(pairs))[:2]
    return loss, {k: float(v) for k, v in metrics.items() if k.startswith("rewards/")}, {"mean_logps": chosen.tolist() + rejected.tolist()}


def orpo_answers(model, pairs, beta):
    trainer, batch = orpo_trainer(beta), orpo_batch(pairs)
    chosen, rejected, chosen_logits = ORPOTrainer.concatenated_forward(trainer, model, batch)[:3]
    labels = F.pad(batch["chosen_labels"][:, 1:], (0, chosen_logits.shape[1] - batch["chosen_labels"].shape[1] + 1), value=-100)
    nll = F.cross_entropy(chosen_logits.reshape(-1, chosen_logits.shape[-1]), labels.reshape(-1), ignore_index=-100)
    losses, chosen_rewards, rejected_rewards, _, _ = trainer.odds_ratio_loss(chosen, rejected)
    metrics = {"rewards/chosen": chosen_rewards.mean().item(), "rewards/rejected": rejected_rewards.mean().item(),
               "rewards/accuracies": (chosen_rewards > rejected_rewards).float().mean().item(),
               "rewards/margins": (chosen_rewards - rejected_rewards).mean().item()}
    return nll - losses.mean(), metrics, {"mean_logps": chosen.tolist() + rejected.tolist()}


def main():
    torch.set_num_threads(1)
    os.makedirs(OUT, exist_ok=True)
    expected, tensors = {"rank": 4, "alpha": 8, "cases": {}}, {}
    for name, (pairs, beta) in CASES.items():
        model = make_model()
        loss, metrics, more = globals()[name](model, pairs, beta)
        loss.backward()
        for key, p in model.named_parameters():
            if p.requires_grad:
                short = key.removeprefix("base_model.model.").replace(".default", "").removesuffix(".weight")
                tensors[short] = p.data
                tensors[name + "." + short] = p.grad
        expected["cases"][name] = {"method": name.split("_")[0], "beta": beta, "loss": loss.item(), "metrics": metrics, **more,
                                   "pairs": [{"prompt": p, "chosen": c, "rejected": r} for p, c, r in pairs]}
    save_file({k: v.contiguous() for k, v in tensors.items()}, os.path.join(OUT, "gradients.golden"))
    with open(os.path.join(OUT, "expected.json"), "w") as f:
        json.dump(expected, f, separators=(",", ":"))
        f.write("\n")


main()
