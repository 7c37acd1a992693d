//! Every function once more, computed for each bar from all bars before it, as its definition reads: slow and plain.

use crate::domain::bar::Bar;

const U: f64 = f64::NAN;

/// A series of bars on a grid.
#[derive(Debug, Clone)]
pub(crate) struct Market {
    pub(crate) bars: Vec<Bar>,
    pub(crate) closes_ms: Vec<i64>,
    pub(crate) timeframe_ms: i64,
}

impl Market {
    /// Without holes, the first bar opening at `open_ms`.
    pub(crate) fn new(bars: Vec<Bar>, open_ms: i64, timeframe_ms: i64) -> Self {
        let closes_ms = (1..=bars.len() as i64).map(|i| open_ms + i * timeframe_ms).collect();
        Self { bars, closes_ms, timeframe_ms }
    }

    /// A price or the volume, by name.
    pub(crate) fn series(&self, name: &str) -> Vec<f64> {
        let of = |bar: &Bar| match name {
            "open" => bar.open(),
            "high" => bar.high(),
            "low" => bar.low(),
            "close" => bar.close(),
            "volume" => bar.volume(),
            "hlc3" => (bar.high() + bar.low() + bar.close()) / 3.0,
            name => panic!("{name} is not a price"),
        };
        self.bars.iter().map(of).collect()
    }
}

/// What the function is at each bar. `args` are its number series, `lengths` its lengths in order. The kernels agree to rounding.
#[expect(clippy::many_single_char_names, reason = "the letters of the definitions")]
pub(crate) fn eval(
    name: &str,
    market: &Market,
    args: &[&[f64]],
    lengths: &[u32],
    k: f64,
) -> Vec<f64> {
    let n = lengths.first().map_or(1, |n| *n as usize);
    let x = args.first().copied().unwrap_or(&[]);
    let close = &market.series("close");
    match name {
        "sma" | "bb_mid" => windows(x, n, mean),
        "wma" => windows(x, n, weighted),
        "hma" => {
            let (half, whole) = (windows(x, (n / 2).max(1), weighted), windows(x, n, weighted));
            let ahead: Vec<f64> =
                half.iter().zip(whole).map(|(half, whole)| 2.0 * half - whole).collect();
            windows(&ahead, (n as f64).sqrt() as usize, weighted)
        }
        "vwma" => vwma(x, &market.series("volume"), n),
        "ema" => each(x.len(), |i| average(x, i, n, 2.0 / (n as f64 + 1.0))),
        "rma" => each(x.len(), |i| average(x, i, n, 1.0 / n as f64)),
        "rsi" => each(x.len(), |i| rsi(x, i, n)),
        "macd" => each(x.len(), |i| macd(x, i, n, lengths[1] as usize)),
        "macd_signal" => macd_signal(x, n, lengths),
        "macd_hist" => {
            let line = each(x.len(), |i| macd(x, i, n, lengths[1] as usize));
            line.iter()
                .zip(macd_signal(x, n, lengths))
                .map(|(line, signal)| line - signal)
                .collect()
        }
        "mom" => steps(x, n, |before, now| now - before),
        "roc" => steps(
            x,
            n,
            |before, now| {
                if before == 0.0 { 0.0 } else { 100.0 * (now / before - 1.0) }
            },
        ),
        "log_return" => steps(x, n, log_ratio),
        "volatility" => windows(&steps(close, 1, log_ratio), n, |w| {
            sd(w) * (n as f64 / (n as f64 - 1.0)).sqrt()
        }),
        "stdev" => windows(x, n, sd),
        "bb_upper" => windows(x, n, |w| mean(w) + k * sd(w)),
        "bb_lower" => windows(x, n, |w| mean(w) - k * sd(w)),
        "zscore" => windows(x, n, zscore),
        "volume_z" => windows(&market.series("volume"), n, zscore),
        "highest" => windows(x, n, highest),
        "lowest" => windows(x, n, lowest),
        "rank" => windows(x, n, |w| {
            w.iter().filter(|y| **y <= w[w.len() - 1]).count() as f64 / w.len() as f64
        }),
        "corr" => each(x.len(), |i| match (last(x, i, n), last(args[1], i, n)) {
            (Some(a), Some(b)) => corr(a, b),
            _ => U,
        }),
        "rising" => windows(x, n + 1, |w| truth(w.windows(2).all(|two| two[1] > two[0]))),
        "falling" => windows(x, n + 1, |w| truth(w.windows(2).all(|two| two[1] < two[0]))),
        "count" => windows(x, n, |w| w.iter().sum()),
        "delay" => each(x.len(), |i| if i < n { U } else { x[i - n] }),
        "bars_since" => each(x.len(), |i| match newest(x, i, n) {
            Newest::True(age) => age as f64,
            Newest::None => n as f64,
            Newest::Unknown => U,
        }),
        "value_when" => each(x.len(), |i| match newest(x, i, n) {
            Newest::True(age) => args[1][i - age],
            Newest::None | Newest::Unknown => U,
        }),
        name => on_bars(name, market, lengths, k),
    }
}

fn on_bars(name: &str, market: &Market, lengths: &[u32], k: f64) -> Vec<f64> {
    let n = lengths.first().map_or(1, |n| *n as usize);
    let [high, low, close, hlc3] = ["high", "low", "close", "hlc3"].map(|name| market.series(name));
    let len = close.len();
    let ranges = true_ranges(market);
    let atr = |i| average(&ranges, i, n, 1.0 / n as f64);
    let place = |empty: f64, i| match (last(&high, i, n), last(&low, i, n)) {
        (Some(h), Some(l)) if highest(h) > lowest(l) => {
            100.0 * (close[i] - lowest(l)) / (highest(h) - lowest(l))
        }
        (Some(_), Some(_)) => empty,
        _ => U,
    };
    let smooth = |x: Vec<f64>, i: usize| windows(&x, lengths[i] as usize, mean);
    // The channel begins with the first true range: its middle knows nothing of the first bar.
    let typical: Vec<f64> = std::iter::once(U).chain(hlc3.iter().skip(1).copied()).collect();
    let middle = |i| average(&typical, i, n, 2.0 / (n as f64 + 1.0));
    match name {
        "tr" => ranges,
        "atr" => each(len, atr),
        "natr" => each(len, |i| 100.0 * atr(i) / close[i]),
        "stoch_k" => smooth(each(len, |i| place(50.0, i)), 1),
        "stoch_d" => smooth(smooth(each(len, |i| place(50.0, i)), 1), 2),
        "willr" => each(len, |i| place(50.0, i) - 100.0),
        "cci" => windows(&hlc3, n, cci),
        "mfi" => each(len, |i| mfi(&hlc3, &market.series("volume"), i, n)),
        "plus_di" => each(len, |i| directions(market, &ranges, i, n).0),
        "minus_di" => each(len, |i| directions(market, &ranges, i, n).1),
        "adx" => {
            let index = each(len, |i| {
                let (up, down) = directions(market, &ranges, i, n);
                if up + down == 0.0 { 0.0 } else { 100.0 * (up - down).abs() / (up + down) }
            });
            each(len, |i| average(&index, i, n, 1.0 / n as f64))
        }
        "kc_mid" => each(len, middle),
        "kc_upper" => each(len, |i| middle(i) + k * atr(i)),
        "kc_lower" => each(len, |i| middle(i) - k * atr(i)),
        "supertrend" => supertrend(market, &each(len, atr), k),
        "day_open" => of_day(market, |bars| bars[0].open()),
        "day_high" => of_day(market, |bars| bars.iter().map(Bar::high).fold(0.0, f64::max)),
        "day_low" => of_day(market, |bars| bars.iter().map(Bar::low).fold(f64::MAX, f64::min)),
        "day_vwap" => of_day(market, |bars| {
            let price = |bar: &Bar| (bar.high() + bar.low() + bar.close()) / 3.0;
            let volume: f64 = bars.iter().map(Bar::volume).sum();
            let value: f64 = bars.iter().map(|bar| price(bar) * bar.volume()).sum();
            if volume == 0.0 { price(&bars[bars.len() - 1]) } else { value / volume }
        }),
        name => panic!("{name} is not a function"),
    }
}

fn each(len: usize, at: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..len).map(at).collect()
}

/// The `n` values up to `i`, if there are as many and all are known.
fn last(x: &[f64], i: usize, n: usize) -> Option<&[f64]> {
    let w = &x[(i + 1).checked_sub(n)?..=i];
    w.iter().all(|x| x.is_finite()).then_some(w)
}

fn windows(x: &[f64], n: usize, of: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    each(x.len(), |i| last(x, i, n).map_or(U, &of))
}

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn mean(w: &[f64]) -> f64 {
    w.iter().sum::<f64>() / w.len() as f64
}

fn weighted(w: &[f64]) -> f64 {
    let weights = 1..=w.len();
    let sum: f64 = weights.clone().map(|i| i as f64 * w[i - 1]).sum();
    sum / weights.sum::<usize>() as f64
}

fn equal(w: &[f64]) -> bool {
    w.iter().all(|x| *x == w[0])
}

fn sd(w: &[f64]) -> f64 {
    let mean = if equal(w) { w[0] } else { mean(w) };
    (w.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / w.len() as f64).sqrt()
}

fn zscore(w: &[f64]) -> f64 {
    if equal(w) { 0.0 } else { (w[w.len() - 1] - mean(w)) / sd(w) }
}

fn highest(w: &[f64]) -> f64 {
    w.iter().copied().fold(f64::MIN, f64::max)
}

fn lowest(w: &[f64]) -> f64 {
    w.iter().copied().fold(f64::MAX, f64::min)
}

/// Of the value `n` bars ago and the newest one.
fn steps(x: &[f64], n: usize, of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    each(x.len(), |i| match i.checked_sub(n).map(|at| x[at]) {
        Some(before) if before.is_finite() && x[i].is_finite() => of(before, x[i]),
        _ => U,
    })
}

fn log_ratio(before: f64, now: f64) -> f64 {
    if before > 0.0 && now > 0.0 { libm::log(now / before) } else { U }
}

fn corr(a: &[f64], b: &[f64]) -> f64 {
    if equal(a) || equal(b) {
        return 0.0;
    }
    let (mean_a, mean_b) = (mean(a), mean(b));
    let products: f64 = a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum();
    products / a.len() as f64 / (sd(a) * sd(b))
}

fn cci(w: &[f64]) -> f64 {
    if equal(w) {
        return 0.0;
    }
    let mean = mean(w);
    let deviation = w.iter().map(|x| (x - mean).abs()).sum::<f64>() / w.len() as f64;
    (w[w.len() - 1] - mean) / (0.015 * deviation)
}

fn vwma(x: &[f64], volume: &[f64], n: usize) -> Vec<f64> {
    let at = |i| {
        let (Some(w), Some(v)) = (last(x, i, n), last(volume, i, n)) else { return U };
        let all: f64 = v.iter().sum();
        let value: f64 = w.iter().zip(v).map(|(x, v)| x * v).sum();
        if all == 0.0 { mean(w) } else { value / all }
    };
    each(x.len(), at)
}

/// The average of the known values up to `i`, the mean of the first `n` of them at first.
fn average(x: &[f64], i: usize, n: usize, alpha: f64) -> f64 {
    let known: Vec<f64> = x[..=i].iter().copied().filter(|x| x.is_finite()).collect();
    if known.len() < n || !x[i].is_finite() {
        return U;
    }
    known[n..].iter().fold(mean(&known[..n]), |value, x| value + (x - value) * alpha)
}

fn rsi(x: &[f64], i: usize, n: usize) -> f64 {
    let known: Vec<f64> = x[..=i].iter().copied().filter(|x| x.is_finite()).collect();
    if known.len() < n + 1 || !x[i].is_finite() {
        return U;
    }
    let of = |sign: f64| {
        let moves: Vec<f64> = known.windows(2).map(|w| (sign * (w[1] - w[0])).max(0.0)).collect();
        average(&moves, moves.len() - 1, n, 1.0 / n as f64)
    };
    let (gain, loss) = (of(1.0), of(-1.0));
    if gain + loss == 0.0 { 50.0 } else { 100.0 - 100.0 * loss / (gain + loss) }
}

fn macd(x: &[f64], i: usize, fast: usize, slow: usize) -> f64 {
    let known: Vec<f64> = x[..=i].iter().copied().filter(|x| x.is_finite()).collect();
    if known.len() < slow || !x[i].is_finite() {
        return U;
    }
    let ema = |x: &[f64], n: usize| average(x, x.len() - 1, n, 2.0 / (n as f64 + 1.0));
    ema(&known[slow - fast..], fast) - ema(&known, slow)
}

fn macd_signal(x: &[f64], fast: usize, lengths: &[u32]) -> Vec<f64> {
    let line = each(x.len(), |i| macd(x, i, fast, lengths[1] as usize));
    let n = lengths[2] as usize;
    each(x.len(), |i| average(&line, i, n, 2.0 / (n as f64 + 1.0)))
}

enum Newest {
    True(usize),
    Unknown,
    None,
}

/// The newest condition that is not false, of the `n` up to `i`; what lies before the first one is unknown.
fn newest(c: &[f64], i: usize, n: usize) -> Newest {
    for age in 0..n {
        match i.checked_sub(age).map(|at| c[at]) {
            Some(0.0) => {}
            Some(1.0) => return Newest::True(age),
            _ => return Newest::Unknown,
        }
    }
    Newest::None
}

fn true_ranges(market: &Market) -> Vec<f64> {
    let of = |i: usize| {
        if i == 0 {
            return U;
        }
        let (bar, last) = (&market.bars[i], market.bars[i - 1].close());
        let ends = [bar.high() - bar.low(), (bar.high() - last).abs(), (bar.low() - last).abs()];
        highest(&ends)
    };
    each(market.bars.len(), of)
}

fn mfi(prices: &[f64], volumes: &[f64], i: usize, n: usize) -> f64 {
    if i < n {
        return U;
    }
    let flow = |sign: f64| -> f64 {
        let one = |j: &usize| sign * (prices[*j] - prices[*j - 1]) > 0.0;
        (i + 1 - n..=i).filter(one).map(|j| prices[j] * volumes[j]).sum()
    };
    let (up, down) = (flow(1.0), flow(-1.0));
    if up + down == 0.0 { 50.0 } else { 100.0 * up / (up + down) }
}

/// +DI and -DI at `i`.
fn directions(market: &Market, ranges: &[f64], i: usize, n: usize) -> (f64, f64) {
    if i < n {
        return (U, U);
    }
    let moves = |sign: f64, j: usize| {
        let (bar, last) = (&market.bars[j], &market.bars[j - 1]);
        let (rise, fall) = (bar.high() - last.high(), last.low() - bar.low());
        let (this, other) = if sign > 0.0 { (rise, fall) } else { (fall, rise) };
        if this > other && this > 0.0 { this } else { 0.0 }
    };
    let smooth = |of: &dyn Fn(usize) -> f64| {
        let start: f64 = (1..n).map(of).sum();
        (n..=i).fold(start, |sum, j| sum * (1.0 - 1.0 / n as f64) + of(j))
    };
    let range = smooth(&|j| ranges[j]);
    let share = |sign| if range == 0.0 { 0.0 } else { 100.0 * smooth(&|j| moves(sign, j)) / range };
    (share(1.0), share(-1.0))
}

fn supertrend(market: &Market, atr: &[f64], k: f64) -> Vec<f64> {
    let mut out = vec![U; atr.len()];
    let Some(first) = atr.iter().position(|x| x.is_finite()) else { return out };
    let middle = |i: usize| 0.5 * (market.bars[i].high() + market.bars[i].low());
    let (mut upper, mut lower, mut up) = (f64::MAX, f64::MIN, true);
    for i in first..atr.len() {
        let (top, bottom) = (middle(i) + k * atr[i], middle(i) - k * atr[i]);
        let before = if i == first { 0.0 } else { market.bars[i - 1].close() };
        let close = market.bars[i].close();
        upper = if i > first && before > upper { top } else { top.min(upper) };
        lower = if i > first && before < lower { bottom } else { bottom.max(lower) };
        let turns = i > first && if up { close < lower } else { close > upper };
        up ^= turns;
        out[i] = if up { lower } else { upper };
    }
    out
}

/// Of the bars from the start of the day to each bar; unknown on a first day that is not seen from its start.
fn of_day(market: &Market, of: impl Fn(&[Bar]) -> f64) -> Vec<f64> {
    let day_ms = 86_400_000;
    let open_ms = |i: usize| market.closes_ms[i] - market.timeframe_ms;
    let day = |i: usize| open_ms(i).div_euclid(day_ms);
    let at = |i: usize| {
        let start = (0..=i).rev().take_while(|j| day(*j) == day(i)).last().unwrap_or(i);
        let seen = start > 0 || open_ms(0).rem_euclid(day_ms) == 0;
        if seen { of(&market.bars[start..=i]) } else { U }
    };
    each(market.bars.len(), at)
}
