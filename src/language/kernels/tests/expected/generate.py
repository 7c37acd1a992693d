#!/usr/bin/env python3
"""Writes expected.txt: what TA-Lib (and, where it has no such function, NumPy) gives for the functions of the rule language.

    pip install TA-Lib==0.8.2 numpy && python generate.py > expected.txt

A line is: series, function, arguments, "|", index of the first value, distance of those shown, "|", values. The series are the
24 bars of ../../sample.rs and 300 bars that ../expected.rs makes in the same way as here.
"""

import re
from pathlib import Path

import numpy as np
import talib

HOUR_MS = 3_600_000
FIRST_OPEN_MS = 1_700_000_000_000 // HOUR_MS * HOUR_MS


def sample():
    text = (Path(__file__).parent.parent.parent / "sample.rs").read_text()
    rows = re.findall(r"^    \[([0-9., ]+)\],$", text, re.M)
    bars = [[float(x) for x in row.split(",")] for row in rows]
    assert len(bars) == 24
    return bars


def random_bars():
    """A walk in cents; only exact or once-rounded operations, so that Rust makes the same bits."""
    state = 20_260_207

    def below(n):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % n

    bars, close = [], 10_000
    for i in range(300):
        open_ = close + below(41) - 20
        close = open_ + below(401) - 200
        high = max(open_, close) + below(60)
        low = min(open_, close) - below(60)
        volume = below(1_000_000)
        if i % 37 == 36:
            open_ = high = low = close
            volume = 0
        bars.append([x / 100 for x in (open_, high, low, close)] + [volume / 1000])
    return bars


def windows(x, n, of):
    """`of` the last n values, NaN before."""
    return np.array([np.nan] * (n - 1) + [of(x[i - n + 1 : i + 1]) for i in range(n - 1, len(x))])


def log_returns(x, n):
    return np.concatenate([np.full(n, np.nan), np.log(x[n:] / x[:-n])])


def days(ohlcv):
    """Columns of day_open, day_high, day_low, day_vwap; the first day is known if it opens with the first bar."""
    _, h, l, c, v = ohlcv
    o = ohlcv[0]
    day = (FIRST_OPEN_MS + HOUR_MS * np.arange(len(o))) // 86_400_000
    whole = FIRST_OPEN_MS % 86_400_000 == 0
    out = np.full((4, len(o)), np.nan)
    for d in np.unique(day):
        at = np.flatnonzero(day == d)
        if d == day[0] and not whole:
            continue
        out[0, at] = o[at[0]]
        out[1, at] = np.maximum.accumulate(h[at])
        out[2, at] = np.minimum.accumulate(l[at])
        out[3, at] = talib.VWAP(h[at], l[at], c[at], v[at]) if len(at) > 1 else (h[at] + l[at] + c[at]) / 3
    return out


def cases(name, bars):
    o, h, l, c, v = ohlcv = np.array(bars).T.copy()
    yield from averages(h, l, c, v)
    yield from momentum(h, l, c, v)
    yield from ranges(h, l, c)
    for n in (6, 15):
        yield f"zscore close {n}", windows(c, n, lambda w: (w[-1] - w.mean()) / w.std() if w.std() else 0.0)
        yield f"volume_z {n}", windows(v, n, lambda w: (w[-1] - w.mean()) / w.std() if w.std() else 0.0)
        yield f"rank close {n}", windows(c, n, lambda w: (w <= w[-1]).mean())
        yield f"log_return close {n}", log_returns(c, n)
        yield f"volatility {n}", np.concatenate([[np.nan], windows(log_returns(c, 1)[1:], n, lambda w: w.std(ddof=1))])
        yield f"corr close volume {n}", talib.CORREL(c, v, n)
    if name == "random":
        for column, of in zip(("open", "high", "low", "vwap"), days(ohlcv)):
            yield f"day_{column}", of


def averages(h, l, c, v):
    for n in (2, 5, 14):
        yield f"sma close {n}", talib.SMA(c, n)
        yield f"ema close {n}", talib.EMA(c, n)
        yield f"wma close {n}", talib.WMA(c, n)
        yield f"rma close {n}", talib.RMA(c, n)
        yield f"hma close {n}", talib.HMA(c, n)
        yield f"vwma close {n}", talib.VWMA(c, v, n)


def momentum(h, l, c, v):
    for n in (3, 8):
        yield f"rsi close {n}", talib.RSI(c, n)
        yield f"cci {n}", talib.CCI(h, l, c, n)
        yield f"mfi {n}", talib.MFI(h, l, c, v, n)
        yield f"willr {n}", talib.WILLR(h, l, c, n)
        yield f"adx {n}", talib.ADX(h, l, c, n)
        yield f"plus_di {n}", talib.PLUS_DI(h, l, c, n)
        yield f"minus_di {n}", talib.MINUS_DI(h, l, c, n)
        yield f"roc close {n}", talib.ROC(c, n)
        yield f"mom close {n}", talib.MOM(c, n)
        yield f"stoch_k {n} 3", talib.STOCH(h, l, c, n, 3, 0, 1, 0)[0]
        yield f"stoch_d {n} 3 4", talib.STOCH(h, l, c, n, 3, 0, 4, 0)[1]
    for fast, slow, signal in ((4, 9, 3), (5, 12, 6)):
        yield f"macd close {fast} {slow}", talib.MACD(c, fast, slow, 1)[0]
        yield f"macd_signal close {fast} {slow} {signal}", talib.MACD(c, fast, slow, signal)[1]
        yield f"macd_hist close {fast} {slow} {signal}", talib.MACD(c, fast, slow, signal)[2]


def ranges(h, l, c):
    yield "tr", talib.TRANGE(h, l, c)
    for n, k in ((4, 1.5), (10, 2.5)):
        yield f"atr {n}", talib.ATR(h, l, c, n)
        yield f"natr {n}", talib.NATR(h, l, c, n)
        yield f"stdev close {n}", talib.STDDEV(c, n, 1.0)
        upper, middle, lower = talib.BBANDS(c, n, k, k)
        yield f"bb_upper close {n} k={k}", upper
        yield f"bb_mid close {n}", middle
        yield f"bb_lower close {n} k={k}", lower
        upper, middle, lower = talib.KC(h, l, c, n, n, k)
        yield f"kc_upper {n} k={k}", upper
        yield f"kc_mid {n}", middle
        yield f"kc_lower {n} k={k}", lower
        yield f"supertrend {n} k={k}", talib.SUPERTREND(h, l, c, n, k)[0]
        yield f"highest high {n}", talib.MAX(h, n)
        yield f"lowest low {n}", talib.MIN(l, n)


def main():
    for name, bars, most in (("sample", sample(), 8), ("random", random_bars(), 12)):
        for call, values in cases(name, bars):
            first = int(np.flatnonzero(~np.isnan(values))[0])
            assert not np.isnan(values[first:]).any(), call
            # Odd, so that the hours of the day differ.
            step = (len(values) - first) // most | 1
            shown = " ".join(f"{x:.13g}" for x in values[first::step])
            print(f"{name} {call} | {first} {step} | {shown}")


main()
