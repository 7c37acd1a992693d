#!/usr/bin/env python3
"""Writes expected.txt: what SciPy and NumPy give for the statistics of sweeps.

    pip install scipy==1.17.1 numpy==2.4.6 && python generate.py > expected.txt

A line is: what, arguments, "|", values. Daily returns come from a walk that ../expected.rs makes in the same way as here. Moments are
those of scipy.stats; the cross-validation is written out naively, over the days themselves.
"""

from itertools import combinations

import numpy as np
from scipy import stats
from scipy.stats import norm, qmc, rankdata

EULER = 0.5772156649015329


def returns(seed, days, quiet):
    """Ten-millionths, so that Rust makes the same bits; every `quiet`th day is zero."""
    state = seed
    out = []
    for day in range(days):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        r = (state >> 33) % 600_001 - 290_000
        out.append(0.0 if quiet and day % quiet == 0 else r / 1e7)
    return np.array(out)


def best_of(n):
    return (1 - EULER) * norm.ppf(1 - 1 / n) + EULER * norm.ppf(1 - 1 / (n * np.e))


def chance(sr, bar, days, g3, g4):
    return norm.cdf((sr - bar) * np.sqrt(days - 1) / np.sqrt(1 - g3 * sr + (g4 - 1) / 4 * sr**2))


def show(*words, values):
    print(*words, "|", *(format(float(v), ".13g") for v in values))


def moments(name, r):
    sr = r.mean() / r.std(ddof=1)
    g3, g4 = stats.skew(r), stats.kurtosis(r, fisher=False)
    days = len(r)
    v = 1 - g3 * sr + (g4 - 1) / 4 * sr**2
    least = 1 + v * (norm.ppf(0.95) / sr) ** 2 if sr > 0 else np.nan
    show("moments", *name, values=[sr, g3, g4, chance(sr, 0, days, g3, g4), chance(sr, 0.05, days, g3, g4), least])


def sharpe(days):
    if len(days) < 2 or days.std(ddof=1) ** 2 <= 1e-12 * (days**2).mean():
        return 0.0
    return days.mean() / days.std(ddof=1)


def pbo(trials, blocks):
    length = len(trials[0]) // blocks
    rest = len(trials[0]) - length * blocks
    below, splits = 0, 0
    for half in combinations(range(blocks), blocks // 2):
        day = np.arange(len(trials[0]))
        block = (day - rest) // length
        inside = np.isin(block, half) & (day >= rest)
        outside = ~inside & (day >= rest)
        a = np.array([sharpe(t[inside]) for t in trials])
        b = np.array([sharpe(t[outside]) for t in trials])
        w = rankdata(b)[int(a.argmax())] / (len(trials) + 1)
        below += w <= 0.5
        splits += 1
    return below / splits, splits


for p in [1e-300, 1e-15, 1e-6, 0.01, 0.024, 0.03, 0.3, 0.5, 0.7, 0.975, 0.999999]:
    show("quantile", p, values=[norm.ppf(p)])
for x in [-38, -8.5, -2, -0.1, 0, 0.7, 1.96, 5]:
    show("phi", x, values=[norm.cdf(x)])
for n in [2, 3, 10, 100, 600, 10**6, 10**9]:
    show("best_of", n, values=[best_of(n)])
for seed, days, quiet in [(1, 400, 0), (2, 400, 3), (3, 37, 2), (4, 3, 0), (5, 5000, 0)]:
    moments((seed, days, quiet), returns(seed, days, quiet))
one = np.zeros(300)
one[17] = 0.05
moments(("one", 300, 0), one)
moments(("two", 2, 0), np.array([0.01, 0.03]))
for seed, many, days, blocks in [(1, 5, 97, 8), (9, 12, 160, 16), (20, 3, 45, 4)]:
    share, splits = pbo([returns(seed + k, days, k % 4) for k in range(many)], blocks)
    show("pbo", seed, many, days, blocks, values=[share, splits])
for axes in [1, 2, 5, 10, 16]:
    points = qmc.Sobol(axes, scramble=False, bits=32).random(64)
    for index in [1, 2, 5, 37, 63]:
        show("sobol", axes, index, values=points[index])
