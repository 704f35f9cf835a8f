#!/usr/bin/env python3
"""Values and gradients from PyTorch for the kernels' tests: writes tests/golden/kernels/*.json.

    python3 tools/golden/kernels.py     needs torch; computed in float64, inputs are short decimals
"""
import json
import pathlib

import torch

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "kernels"


def values(*shape, scale=1.0):
    return (torch.randn(*shape, dtype=torch.float64) * scale).mul(256).round().div(256).requires_grad_()


def save(name, **tensors):
    def plain(x):
        if not isinstance(x, torch.Tensor):
            return x
        return [float(f"{v:.9g}") for v in x.detach().flatten().tolist()]

    (OUT / f"{name}.json").write_text(json.dumps({k: plain(v) for k, v in tensors.items()}) + "\n")


def attention(name, lengths, heads, kv_heads, dim, window, softcap):
    rows = sum(lengths)
    q, k, v = values(rows, heads * dim), values(rows, kv_heads * dim), values(rows, kv_heads * dim)
    position = torch.arange(rows)
    document = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    seen = (document[:, None] == document[None]) & (position[None] <= position[:, None])
    if window:
        seen &= position[None] > position[:, None] - window
    split = lambda x, n: x.view(rows, n, dim).transpose(0, 1).repeat_interleave(heads // n, 0)
    scores = split(q, heads) @ split(k, kv_heads).transpose(1, 2) * dim**-0.5
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    out = torch.softmax(scores.masked_fill(~seen, float("-inf")), -1) @ split(v, kv_heads)
    out = out.transpose(0, 1).reshape(rows, heads * dim)
    d_out = values(rows, heads * dim)
    out.backward(d_out)
    save(name, lengths=lengths, heads=heads, kv_heads=kv_heads, head_dim=dim, window=window, softcap=softcap, q=q, k=k, v=v,
         out=out, d_out=d_out, d_q=q.grad, d_k=k.grad, d_v=v.grad)


def rms_norm():
    x, gain, d_y = values(5, 48, scale=2), values(48), values(5, 48)
    y = torch.nn.functional.rms_norm(x, (48,), gain, eps=1e-5)
    y.backward(d_y)
    save("rms_norm", rows=5, cols=48, eps=1e-5, x=x, gain=gain, y=y, d_y=d_y, d_x=x.grad, d_gain=gain.grad)


def rope(interleaved):
    dim, heads, positions = 16, 2, [0, 1, 7, 300]
    x, d_y = values(4, heads * dim), values(4, heads * dim)
    angle = torch.tensor(positions, dtype=torch.float64)[:, None] * 10000.0 ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    h = x.view(4, heads, dim)
    a, b = (h[..., 0::2], h[..., 1::2]) if interleaved else h.chunk(2, -1)
    turned = torch.view_as_complex(torch.stack([a, b], -1)) * torch.polar(torch.ones_like(angle), angle)[:, None]
    y = torch.stack([turned.real, turned.imag], -1 if interleaved else -2).reshape(4, heads * dim)
    y.backward(d_y)
    save("rope_interleaved" if interleaved else "rope_halves", rows=4, heads=heads, head_dim=dim, positions=positions, x=x, y=y,
         d_y=d_y, d_x=x.grad)


def gated(name, act):
    gate, up, d_out = values(3, 50, scale=3), values(3, 50), values(3, 50)
    out = act(gate) * up
    out.backward(d_out)
    save(name, rows=3, cols=50, gate=gate, up=up, out=out, d_out=d_out, d_gate=gate.grad, d_up=up.grad)


def cross_entropy():
    logits, targets, weights = values(4, 61, scale=4), [3, 60, 0, 17], [1.0, 0.5, 0.0, 0.25]
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(targets), reduction="none")
    loss.backward(torch.tensor(weights, dtype=torch.float64))
    save("cross_entropy", rows=4, cols=61, logits=logits, targets=targets, weights=weights, loss=loss, d_logits=logits.grad,
         log_sum_exp=torch.logsumexp(logits, -1))


def adamw():
    parameter = values(40).detach()
    gradients = [values(40).detach() for _ in range(3)]
    x = torch.nn.Parameter(parameter.clone())
    optimizer = torch.optim.AdamW([x], lr=0.01, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    for g in gradients:
        x.grad = g.clone()
        optimizer.step()
    state = optimizer.state[x]
    save("adamw", lr=0.01, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.1, parameter=parameter,
         gradients=torch.stack(gradients), after=x, first_moment=state["exp_avg"], second_moment=state["exp_avg_sq"])


OUT.mkdir(parents=True, exist_ok=True)
torch.manual_seed(1)
attention("attention", [7, 3, 12], 6, 2, 16, 0, 0.0)
attention("attention_window_softcap", [20], 2, 2, 8, 5, 2.0)
rms_norm()
rope(False)
rope(True)
gated("silu", torch.nn.functional.silu)
gated("gelu", torch.nn.functional.gelu)
gated("gelu_tanh", lambda x: torch.nn.functional.gelu(x, approximate="tanh"))
cross_entropy()
adamw()
