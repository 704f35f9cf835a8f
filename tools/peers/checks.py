"""What the checks beside the peers share: a line per check, Hew's reports, a peer's log-probabilities."""
import json, subprocess

failures = []


def check(name, value, limit):
    ok = value <= limit
    print(f"{'ok  ' if ok else 'FAIL'}  {name}: {value:.3g} (at most {limit:g})", flush=True)
    if not ok: failures.append(name)


def finish():
    print("all checks passed" if not failures else f"{len(failures)} checks failed")
    return 1 if failures else 0


def run_hew(binary, *args):
    done = subprocess.run([binary, *map(str, args), "--json"], capture_output=True, text=True)
    if done.returncode: raise RuntimeError(f"hew {' '.join(map(str, args))}: status {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def differences(a, b):
    """Of two lists, where both have a value."""
    return [abs(x - y) for x, y in zip(a, b) if x is not None and y is not None]


def torch_logprobs(model, ids):
    """Of each token, given those before."""
    import torch
    with torch.no_grad():
        logp = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return [None] + [logp[i, t].item() for i, t in enumerate(ids[1:])]
