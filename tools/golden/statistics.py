#!/usr/bin/env python3
"""Golden values of src/studio/statistics.h from SciPy (and, for Tango's interval, its root finder on the score statistic
maximised numerically, another way than ours). Writes tests/golden/studio/statistics.json."""
import json
import pathlib

import numpy as np
from scipy import optimize, stats

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/studio/statistics.json"
Z = stats.norm.ppf(0.975)


def tango(broken, fixed, n):
    """Score interval of the difference: the constrained likelihood is maximised by search, not by a formula."""
    same = n - broken - fixed

    def score(delta):
        def loss(q):  # q: share of broken; share of fixed = q + delta
            terms = [(broken, q), (fixed, q + delta), (same, 1 - 2 * q - delta)]
            return -sum(k * np.log(max(p, 1e-300)) for k, p in terms if k > 0)
        low, high = max(0.0, -delta), (1 - delta) / 2
        q = optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-14}).x
        for edge in (low, high):  # a bounded search never tries its ends
            if loss(edge) <= loss(q):
                q = edge
        return (fixed - broken - n * delta) / np.sqrt(n * (2 * q + delta * (1 - delta)))

    estimate = (fixed - broken) / n
    low = -1.0 if score(-1 + 1e-9) < Z else optimize.brentq(lambda d: score(d) - Z, -1 + 1e-9, estimate - 1e-12)
    high = 1.0 if score(1 - 1e-9) > -Z else optimize.brentq(lambda d: score(d) + Z, estimate + 1e-12, 1 - 1e-9)
    return [low, high]


golden = {"wilson": [], "mcnemar": [], "tango": [], "paired": [], "student": [], "spearman": []}
for passed, total in [(0, 5), (5, 5), (96, 105), (1, 1000), (500, 1000)]:
    interval = stats.binomtest(passed, total).proportion_ci(0.95, method="wilson")
    golden["wilson"].append({"passed": passed, "total": total, "interval": [interval.low, interval.high]})
for broken, fixed in [(0, 0), (0, 5), (1, 8), (10, 10), (30, 12), (3, 250), (700, 640)]:
    p = stats.binomtest(min(broken, fixed), broken + fixed, 0.5).pvalue if broken + fixed else 1.0
    golden["mcnemar"].append({"broken": broken, "fixed": fixed, "p": p})
for broken, fixed, n in [(0, 0, 20), (0, 0, 400), (2, 5, 105), (9, 0, 50), (0, 10, 20), (14, 8, 1000), (1, 1, 3)]:
    golden["tango"].append({"broken": broken, "fixed": fixed, "n": n, "interval": tango(broken, fixed, n)})
rng = np.random.default_rng(7)
for n in (2, 5, 40, 600):
    before, after = rng.normal(size=n), rng.normal(0.2, 1, size=n)
    interval = stats.ttest_rel(after, before).confidence_interval(0.95)
    golden["paired"].append({"before": before.tolist(), "after": after.tolist(), "mean": (after - before).mean(), "interval": [interval.low, interval.high]})
for p, degrees in [(0.975, 1), (0.975, 4), (0.9, 30), (0.995, 599), (0.2, 3)]:
    golden["student"].append({"p": p, "degrees": degrees, "t": stats.t.ppf(p, degrees)})
for n in (5, 30):
    x = rng.integers(0, 8, size=n).astype(float)
    y = x + rng.normal(size=n)
    golden["spearman"].append({"x": x.tolist(), "y": y.tolist(), "rho": stats.spearmanr(x, y).statistic})
OUT.parent.mkdir(parents=True, exist_ok=True)
OUT.write_text(json.dumps(golden, indent=None, default=float) + "\n")
