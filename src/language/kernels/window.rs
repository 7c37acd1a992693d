//! The last `n` values, merged into one, at constant cost per value and without subtracting anything.

/// What a window keeps of its values: anything that can be merged, older part first.
pub(super) trait Merge: Copy {
    /// What is put into the window.
    type Input: Copy + Default;

    /// What stands for one value.
    fn of(value: Self::Input) -> Self;

    /// What stands for both parts.
    fn merge(older: Self, newer: Self) -> Self;
}

/// A sliding window in a fixed ring.
///
/// A running sum that adds the new value and subtracts the old one keeps the rounding error of everything it ever saw, and
/// one huge value wipes out the small ones beside it. So nothing is subtracted here. `ring[..at]` are the values of this round;
/// `ring[at..]` are those of the round before, each already merged with all after it; `newer` is this round so far. The window is
/// always `ring[at]` merged with `newer`. When a round ends it is merged from its end to its start, one merge per value.
///
/// So a NaN in a sum or in moments makes them NaN as long as it is in the window, and leaves nothing behind.
#[derive(Debug, Clone)]
pub(super) struct SlidingWindow<M> {
    ring: Box<[M]>,
    at: usize,
    newer: Option<M>,
    full: bool,
}

impl<M: Merge> SlidingWindow<M> {
    /// An empty window of `n` values.
    pub(super) fn new(n: Length) -> Self {
        let ring = vec![M::of(M::Input::default()); n.get() as usize].into_boxed_slice();
        Self { ring, at: 0, newer: None, full: false }
    }

    /// Takes in a value, lets the oldest go, and gives what stands for the last `n`; `None` until there are that many.
    #[inline]
    pub(super) fn push(&mut self, value: M::Input) -> Option<M> {
        let one = M::of(value);
        let newer = self.newer.map_or(one, |newer| M::merge(newer, one));
        self.ring[self.at] = one;
        self.at += 1;
        if self.at == self.ring.len() {
            self.start_round();
            self.full = true;
            return Some(newer);
        }
        self.newer = Some(newer);
        self.full.then(|| M::merge(self.ring[self.at], newer))
    }

    /// The same for inputs that follow each other: `value` of every window and its newest input, NaN until there is one.
    #[inline]
    pub(super) fn run(
        &mut self,
        mut inputs: &[M::Input],
        mut out: &mut [f64],
        value: impl Fn(M, M::Input) -> f64,
    ) {
        while let Some((input, _)) = inputs.split_first() {
            // Behind the first of a round and before its last, every input is like the one before: a tight loop.
            let (many, newer) = match self.newer {
                Some(newer) if self.at + 1 < self.ring.len() => {
                    ((self.ring.len() - self.at - 1).min(inputs.len()), newer)
                }
                Some(_) | None => {
                    out[0] = self.push(*input).map_or(f64::NAN, |all| value(all, *input));
                    (inputs, out) = (&inputs[1..], &mut out[1..]);
                    continue;
                }
            };
            let (now, later) = inputs.split_at(many);
            let (into, rest) = out.split_at_mut(many);
            self.newer =
                Some(within(&mut self.ring[self.at..=self.at + many], newer, now, |at, all, x| {
                    into[at] = if self.full { value(all, x) } else { f64::NAN };
                }));
            self.at += many;
            (inputs, out) = (later, rest);
        }
    }

    fn start_round(&mut self) {
        for i in (1..self.ring.len()).rev() {
            self.ring[i - 1] = M::merge(self.ring[i - 1], self.ring[i]);
        }
        self.at = 0;
        self.newer = None;
    }
}

/// Inputs of one round, none of them its first or last. `ring` begins at their place.
#[inline]
fn within<M: Merge>(
    ring: &mut [M],
    mut newer: M,
    inputs: &[M::Input],
    mut each: impl FnMut(usize, M, M::Input),
) -> M {
    assert_eq!(ring.len(), inputs.len() + 1, "one more, which the oldest window begins with");
    for at in 0..inputs.len() {
        let one = M::of(inputs[at]);
        newer = M::merge(newer, one);
        ring[at] = one;
        each(at, M::merge(ring[at + 1], newer), inputs[at]);
    }
    newer
}

/// Whether the last inputs are all known; for windows whose value would not show a NaN.
#[derive(Debug, Clone)]
pub(super) struct Known {
    bars: u32,
    /// Known inputs still missing since the start or the last unknown one.
    missing: u32,
}

impl Known {
    /// Asks for `bars` known inputs in a row.
    pub(super) fn new(bars: u32) -> Self {
        Self { bars, missing: bars }
    }

    /// Takes in the next input; true if it and those before it are finite.
    #[inline]
    pub(super) fn take(&mut self, x: f64) -> bool {
        self.missing = if x.is_finite() { self.missing.saturating_sub(1) } else { self.bars };
        self.missing == 0
    }
}

/// 0; NaN of an unknown number.
#[inline]
pub(super) fn zero_of(x: f64) -> f64 {
    if x.is_finite() { 0.0 } else { f64::NAN }
}

/// The share of two sums of prices by which rounding alone may part them (TA-Lib's `TA_EPSILON`): as numbers in decimal they are
/// equal.
pub(super) const ROUNDING: f64 = 1e-14;

/// The least and the greatest of the values. A mean lies between them, whatever rounding makes of it: of equal values it is that value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    low: f64,
    high: f64,
}

impl Bounds {
    #[inline]
    pub(super) const fn of(value: f64) -> Self {
        Self { low: value, high: value }
    }

    #[inline]
    pub(super) fn merge(a: Self, b: Self) -> Self {
        Self {
            low: if b.low < a.low { b.low } else { a.low },
            high: if b.high > a.high { b.high } else { a.high },
        }
    }

    /// A mean of the values, brought back between them. One whose sum overflowed stays what it is: nobody knows it.
    #[inline]
    pub(super) fn around(self, mean: f64) -> f64 {
        if mean.is_infinite() {
            mean
        } else if mean < self.low {
            self.low
        } else if mean > self.high {
            self.high
        } else {
            mean
        }
    }
}

/// The sum of the values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum(pub(super) f64);

impl Merge for Sum {
    type Input = f64;

    #[inline]
    fn of(value: f64) -> Self {
        Self(value)
    }

    #[inline]
    fn merge(older: Self, newer: Self) -> Self {
        Self(older.0 + newer.0)
    }
}

/// Count, mean and sum of squared deviations of the values; merged as in Chan, Golub, LeVeque, "Updating formulae and a
/// pairwise algorithm for computing sample variances" (1979). Equal values have a deviation of exactly zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    count: f64,
    pub(super) mean: f64,
    squares: f64,
}

impl Moments {
    /// Standard deviation with divisor n.
    #[inline]
    pub(super) fn population_sd(self) -> f64 {
        (self.squares / self.count).sqrt()
    }

    /// Standard deviation with divisor n - 1; NaN for one value.
    #[inline]
    pub(super) fn sample_sd(self) -> f64 {
        (self.squares / (self.count - 1.0)).sqrt()
    }
}

impl Merge for Moments {
    type Input = f64;

    #[inline]
    fn of(value: f64) -> Self {
        // One value alone has no deviation, but must not hide that it is unknown.
        Self { count: 1.0, mean: value, squares: zero_of(value) }
    }

    #[inline]
    fn merge(older: Self, newer: Self) -> Self {
        let count = older.count + newer.count;
        let delta = newer.mean - older.mean;
        let share = newer.count / count;
        Self {
            count,
            mean: older.mean + delta * share,
            squares: older.squares + newer.squares + delta * delta * (older.count * share),
        }
    }
}

/// A number of bars from 1 to [`Length::MAX`]. The bound keeps windows small and counters far from overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Length(u32);

impl Length {
    /// The longest length, in bars.
    pub const MAX: u32 = 10_000;

    /// `None` for 0 and for more than [`Length::MAX`].
    pub const fn new(bars: u32) -> Option<Self> {
        if bars >= 1 && bars <= Self::MAX { Some(Self(bars)) } else { None }
    }

    /// In bars.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// `bars`, but at least 1 and at most this length.
    pub(super) fn shorter(self, bars: u32) -> Self {
        Self(bars.clamp(1, self.0))
    }

    /// In bars, as a divisor.
    pub(super) fn float(self) -> f64 {
        f64::from(self.0)
    }
}

const DAY_MS: i64 = 86_400_000;

/// Of `tr`: the close before.
pub const TRUE_RANGE: u64 = 1;

/// Of `crosses_above` and `crosses_below`: both sides one bar ago.
pub const CROSSES: u64 = 1;

fn bars(n: Length) -> u64 {
    u64::from(n.get())
}

/// Of a window of `n` bars, the newest included: `n - 1`.
pub fn window(n: Length) -> u64 {
    bars(n) - 1
}

/// From `n` bars ago to now: `n`. Also a window of `n` changes from bar to bar.
pub fn change(n: Length) -> u64 {
    bars(n)
}

/// Of an EMA of `n`: `4 n - 1`. Its start then weighs about `exp(-8)`.
pub fn ema(n: Length) -> u64 {
    4 * bars(n) - 1
}

/// Of Wilder's average of `n`, which is as slow as an EMA of `2 n - 1`: `4 (2 n - 1) - 1`.
pub fn wilder(n: Length) -> u64 {
    4 * (2 * bars(n) - 1) - 1
}

/// Of the ADX, Wilder's average of what comes from Wilder's averages: two of them.
pub fn adx(n: Length) -> u64 {
    2 * wilder(n)
}

/// Of Hull's average: a window of `n`, and one of the root of `n`.
pub fn hma(n: Length) -> u64 {
    window(n) + u64::from(n.get().isqrt()) - 1
}

/// Of the stochastic %K: a window of `n`, and one of `smooth`.
pub fn stoch_k(n: Length, smooth: Length) -> u64 {
    window(n) + window(smooth)
}

/// Of the stochastic %D: a window of `d` more.
pub fn stoch_d(n: Length, smooth: Length, d: Length) -> u64 {
    stoch_k(n, smooth) + window(d)
}

/// Of the MACD: its slow average.
pub fn macd(slow: Length) -> u64 {
    ema(slow)
}

/// Of the MACD's signal and of its histogram: an EMA of `signal` more.
pub fn macd_signal(slow: Length, signal: Length) -> u64 {
    macd(slow) + ema(signal)
}

/// Of what the day has shown so far, on bars of `timeframe_ms`: one day of bars, less one; 0 if a bar is a day or more.
pub fn day(timeframe_ms: i64) -> u64 {
    (DAY_MS / timeframe_ms.max(1)).max(1).unsigned_abs() - 1
}

/// Of `tf`: an expression of this lag, on bars that are `ratio` bars of the series long.
pub fn timeframe(ratio: u64, lag: u64) -> u64 {
    (ratio * (lag + 1) + ratio).saturating_sub(2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::language::kernels::sample::length;

    /// What a window of `n` must give after the last of `values`.
    fn plain(values: &[f64], n: usize) -> (f64, f64) {
        let last = &values[values.len() - n..];
        let mean = last.iter().sum::<f64>() / n as f64;
        let squares = last.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
        (mean, (squares / n as f64).sqrt())
    }

    proptest! {
        #[test]
        fn a_window_knows_exactly_its_last_values(
            values in prop::collection::vec(1.0_f64..1000.0, 1..200), n in 1_u32..40,
        ) {
            let length = Length::new(n).unwrap();
            let n = n as usize;
            let (mut sum, mut moments) = (SlidingWindow::<Sum>::new(length), SlidingWindow::<Moments>::new(length));
            for end in 1..=values.len() {
                let got = (sum.push(values[end - 1]), moments.push(values[end - 1]));
                let (Some(sum), Some(moments)) = got else {
                    prop_assert!(end < n);
                    continue;
                };
                prop_assert!(end >= n);
                let (mean, sd) = plain(&values[..end], n);
                prop_assert!((sum.0 / n as f64 / mean - 1.0).abs() < 1e-12);
                prop_assert!((moments.mean / mean - 1.0).abs() < 1e-12);
                prop_assert!((moments.population_sd() - sd).abs() < 1e-10);
            }
        }
    }

    #[test]
    fn a_huge_value_is_gone_without_trace_when_it_leaves() {
        let length = Length::new(3).unwrap();
        let (mut sum, mut moments) =
            (SlidingWindow::<Sum>::new(length), SlidingWindow::<Moments>::new(length));
        for value in [1.0, 1e17, 2.0, 3.0] {
            sum.push(value);
            moments.push(value);
        }
        assert_eq!(sum.push(4.0).unwrap().0, 9.0);
        let moments = moments.push(4.0).unwrap();
        assert_eq!((moments.mean, moments.sample_sd()), (3.0, 1.0));
    }

    #[test]
    fn a_length_is_between_one_and_ten_thousand() {
        for (bars, ok) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
            assert_eq!(Length::new(bars).is_some(), ok, "{bars}");
        }
    }

    #[test]
    fn the_two_built_in_strategies_need_what_they_always_needed() {
        // 201 bars for a cross of the averages of 20 and 50, 109 for a cross of the RSI of 14.
        assert_eq!(1 + CROSSES + ema(length(50)).max(ema(length(20))), 201);
        assert_eq!(1 + CROSSES + wilder(length(14)), 109);
    }

    #[test]
    fn a_day_of_bars_less_one() {
        let minute_ms = 60_000;
        for (minutes, bars) in [(1, 1439), (5, 287), (60, 23), (720, 1), (1440, 0), (10_080, 0)] {
            assert_eq!(day(minutes * minute_ms), bars, "{minutes}");
        }
    }

    #[test]
    fn a_longer_timeframe_needs_its_bars_and_one_that_is_not_whole() {
        // Its newest bar and the one being made, less the bar that closes it and the newest one.
        assert_eq!(timeframe(12, 0), 22);
        assert_eq!(timeframe(12, ema(length(20))), 12 * 80 + 10);
        // On bars of the same length nothing is added.
        assert_eq!(timeframe(1, 5), 5);
    }
}
