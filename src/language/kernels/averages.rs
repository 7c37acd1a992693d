//! Averages: simple, exponential, linearly weighted with Hull's, weighted by volume.

use super::window::{Bounds, Length, Merge, SlidingWindow};

#[derive(Debug, Clone, Copy)]
struct Plain {
    sum: f64,
    bounds: Bounds,
}

impl Merge for Plain {
    type Input = f64;

    #[inline]
    fn of(value: f64) -> Self {
        Self { sum: value, bounds: Bounds::of(value) }
    }

    #[inline]
    fn merge(older: Self, newer: Self) -> Self {
        let bounds = Bounds::merge(older.bounds, newer.bounds);
        Self { sum: older.sum + newer.sum, bounds }
    }
}

/// The mean of the last `n` inputs (TA-Lib `ta_SMA.c`), each summed up anew and none subtracted. Of equal inputs it is
/// exactly that input.
#[derive(Debug, Clone)]
pub struct Sma {
    n: Length,
    window: SlidingWindow<Plain>,
}

impl Sma {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { n, window: SlidingWindow::new(n) }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.window.push(x).map_or(f64::NAN, |all| all.bounds.around(all.sum / self.n.float()))
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        let n = self.n.float();
        self.window.run(x, out, |all, _| all.bounds.around(all.sum / n));
    }
}

/// `value += (x - value) * alpha`, started from the mean of the first `n` inputs, as in TA-Lib (`ta_EMA.c`, "classic" start).
///
/// An unknown input (NaN or infinite) is not taken in: NaN for that bar, and the average goes on as if the bar had not been. The
/// same goes for an input so large that the average would become infinite, which it would stay for ever.
#[derive(Debug, Clone, Copy)]
pub struct Ema {
    n: Length,
    alpha: f64,
    /// Inputs still missing before there is an average.
    missing: u32,
    /// The sum of the inputs while some are missing, the average from then on.
    value: f64,
}

impl Ema {
    /// `alpha = 2 / (n + 1)`.
    pub fn new(n: Length) -> Self {
        Self::with_alpha(n, 2.0 / (n.float() + 1.0))
    }

    /// Wilder's average, `alpha = 1 / n`: as slow as an [`Ema::new`] of `2 n - 1`.
    pub fn wilder(n: Length) -> Self {
        Self::with_alpha(n, 1.0 / n.float())
    }

    fn with_alpha(n: Length, alpha: f64) -> Self {
        Self { n, alpha, missing: n.get(), value: 0.0 }
    }

    /// Takes in the next input; NaN until warm, and for an unknown input.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        if self.missing > 0 {
            let (seeded, value) = self.seed(x);
            *self = seeded;
            return value;
        }
        let next = self.value + (x - self.value) * self.alpha;
        if !next.is_finite() {
            return f64::NAN;
        }
        self.value = next;
        next
    }

    /// The same for a column, in place.
    pub fn run(&mut self, column: &mut [f64]) {
        let mut inputs = column.iter_mut();
        while self.missing > 0 {
            let Some(x) = inputs.next() else { return };
            *x = self.update(*x);
        }
        let (alpha, mut value) = (self.alpha, self.value);
        while !inputs.as_slice().is_empty() {
            // What is unknown leaves the loop: inside it the next value waits for three operations only.
            for x in &mut inputs {
                let next = value + (*x - value) * alpha;
                if !next.is_finite() {
                    *x = f64::NAN;
                    break;
                }
                (value, *x) = (next, next);
            }
        }
        self.value = value;
    }

    /// By value, so that an average in a loop over a column stays in registers.
    #[inline]
    fn seed(mut self, x: f64) -> (Self, f64) {
        let sum = self.value + x;
        if !sum.is_finite() {
            return (self, f64::NAN);
        }
        self.value = sum;
        self.missing -= 1;
        if self.missing > 0 {
            return (self, f64::NAN);
        }
        self.value /= self.n.float();
        (self, self.value)
    }
}

/// The values with weights 1, 2, 3... from the oldest to the newest.
#[derive(Debug, Clone, Copy)]
struct Weighted {
    count: f64,
    sum: f64,
    /// The sum of the values times their weights.
    product: f64,
    bounds: Bounds,
}

impl Merge for Weighted {
    type Input = f64;

    #[inline]
    fn of(value: f64) -> Self {
        Self { count: 1.0, sum: value, product: value, bounds: Bounds::of(value) }
    }

    #[inline]
    fn merge(older: Self, newer: Self) -> Self {
        Self {
            count: older.count + newer.count,
            sum: older.sum + newer.sum,
            product: older.product + (newer.product + older.count * newer.sum),
            bounds: Bounds::merge(older.bounds, newer.bounds),
        }
    }
}

/// The mean of the last `n` inputs with weights 1 (the oldest) to `n` (the newest), as in TA-Lib (`ta_WMA.c`).
#[derive(Debug, Clone)]
pub struct Wma {
    weights: f64,
    window: SlidingWindow<Weighted>,
}

impl Wma {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { weights: n.float() * (n.float() + 1.0) / 2.0, window: SlidingWindow::new(n) }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        self.window.push(x).map_or(f64::NAN, |all| all.bounds.around(all.product / self.weights))
    }

    /// The same for a column.
    pub fn run(&mut self, x: &[f64], out: &mut [f64]) {
        self.window.run(x, out, |all, _| all.bounds.around(all.product / self.weights));
    }
}

/// Hull's average, as in TA-Lib (`ta_HMA.c`): `wma(2 wma(x, n / 2) - wma(x, n), sqrt(n))`, both lengths rounded down, the first
/// at least 1.
#[derive(Debug, Clone)]
pub struct Hma {
    /// Boxed, since a program holds many kernels of one size.
    half: Box<Wma>,
    whole: Box<Wma>,
    smooth: Wma,
}

impl Hma {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self {
            half: Box::new(Wma::new(n.shorter(n.get() / 2))),
            whole: Box::new(Wma::new(n)),
            smooth: Wma::new(n.shorter(n.get().isqrt())),
        }
    }

    /// Takes in the next input; NaN until warm, and while an unknown input is among those it looks at.
    #[inline]
    pub fn update(&mut self, x: f64) -> f64 {
        let ahead = 2.0 * self.half.update(x) - self.whole.update(x);
        self.smooth.update(ahead)
    }
}

#[derive(Debug, Clone, Copy)]
struct Traded {
    sum: f64,
    volume: f64,
    value: f64,
    bounds: Bounds,
}

impl Merge for Traded {
    /// A number and its volume.
    type Input = (f64, f64);

    #[inline]
    fn of((x, volume): (f64, f64)) -> Self {
        Self { sum: x, volume, value: x * volume, bounds: Bounds::of(x) }
    }

    #[inline]
    fn merge(older: Self, newer: Self) -> Self {
        Self {
            sum: older.sum + newer.sum,
            volume: older.volume + newer.volume,
            value: older.value + newer.value,
            bounds: Bounds::merge(older.bounds, newer.bounds),
        }
    }
}

/// The mean of the last `n` inputs, each with the volume of its bar as weight, as in TA-Lib (`ta_VWMA.c`).
///
/// One difference: when none of the `n` bars has volume it is their plain mean, not NaN.
#[derive(Debug, Clone)]
pub struct Vwma {
    n: Length,
    window: SlidingWindow<Traded>,
}

impl Vwma {
    /// Over `n` inputs.
    pub fn new(n: Length) -> Self {
        Self { n, window: SlidingWindow::new(n) }
    }

    /// Takes in the next input and its volume; NaN until warm, and while an unknown input is among the last `n`.
    #[inline]
    pub fn update(&mut self, x: f64, volume: f64) -> f64 {
        let Some(traded) = self.window.push((x, volume)) else { return f64::NAN };
        if traded.volume == 0.0 {
            return traded.bounds.around(traded.sum / self.n.float());
        }
        traded.bounds.around(traded.value / traded.volume)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, closes, length, outputs};

    #[test]
    fn it_agrees_with_numpy() {
        // NumPy 2.4.6: mean(close[i-4..=i]).
        let expected = [
            101.22,
            102.52000000000001,
            103.53,
            103.46,
            104.61000000000001,
            105.94000000000001,
            106.4,
            107.04,
            105.35,
            103.92,
            101.58,
            98.22999999999999,
            95.85,
            96.28,
            97.09,
            98.9,
            100.67999999999999,
            100.96,
            101.27,
            101.44000000000001,
        ];
        let mut sma = Sma::new(length(5));
        check(closes().map(|x| sma.update(x)), 5, &expected);
    }

    #[test]
    fn a_length_of_one_follows_the_input() {
        let mut sma = Sma::new(length(1));
        for x in [3.0, 1e300, 4.0] {
            assert_eq!(sma.update(x), x);
        }
    }

    #[test]
    fn values_too_large_to_add_up_do_not_stay() {
        let mut sma = Sma::new(length(2));
        let got = [f64::MAX, f64::MAX, 1.0, 3.0].map(|x| sma.update(x));
        assert_eq!(got[1], f64::INFINITY);
        assert_eq!(got[3], 2.0);
    }

    #[test]
    fn constant_inputs_are_given_back_exactly() {
        for (n, x) in [(5, 581.12), (7, 659.62), (3, 0.1), (48, 27_344.11), (200, 1e-9 / 3.0)] {
            let (mut sma, mut wma) = (Sma::new(length(n)), super::Wma::new(length(n)));
            let mut hma = super::Hma::new(length(n));
            let mut vwma = super::Vwma::new(length(n));
            for i in 0..3 * n {
                let volume = f64::from(i % 7) + 0.3;
                let all = [sma.update(x), wma.update(x), hma.update(x), vwma.update(x, volume)];
                assert!(all.iter().all(|got| got.is_nan() || *got == x), "{n}, bar {i}: {all:?}");
            }
        }
    }

    #[test]
    fn it_agrees_with_ta_lib() {
        // TA-Lib 0.8.1: EMA(close, 5).
        let expected = [
            101.22,
            103.67999999999999,
            104.83666666666666,
            104.57444444444444,
            104.39962962962963,
            104.88308641975308,
            106.88872427983539,
            108.04248285322359,
            103.89498856881572,
            101.56332571254381,
            99.09221714169588,
            97.44481142779726,
            97.77987428519818,
            97.76991619013212,
            98.82994412675475,
            100.28662941783651,
            101.20775294522434,
            100.75516863014956,
            100.27011242009971,
            100.78007494673314,
        ];
        let mut ema = Ema::new(length(5));
        check(closes().map(|x| ema.update(x)), 5, &expected);
    }

    #[test]
    fn constant_inputs_are_given_back_exactly_of_ema() {
        for mut ema in [Ema::new(length(7)), Ema::wilder(length(7))] {
            let got = outputs(std::iter::repeat_n(27.5, 100).map(|x| ema.update(x)), 7);
            assert!(got.iter().all(|x| *x == 27.5), "{got:?}");
        }
    }

    #[test]
    fn ema_a_length_of_one_follows_the_input() {
        for mut ema in [Ema::new(length(1)), Ema::wilder(length(1))] {
            for x in [3.0, 250.7, 0.1, 1e9, 27.3] {
                let got = ema.update(x);
                // The step is rounded in units of the larger of the two values.
                assert!((got - x).abs() <= 1e9 * f64::EPSILON, "{got}, expected {x}");
            }
        }
    }

    #[test]
    fn huge_inputs_stay_finite() {
        let mut ema = Ema::new(length(3));
        let inputs = [1e300, 1.0, 1e300, 1.0, f64::MAX / 4.0, 1.0];
        let got = outputs(inputs.into_iter().map(|x| ema.update(x)), 3);
        assert!(got.iter().all(|x| x.is_finite()), "{got:?}");
    }

    #[test]
    fn an_unknown_input_is_not_taken_in() {
        for unknown in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let (mut plain, mut holed) = (Ema::new(length(3)), Ema::new(length(3)));
            for x in closes() {
                assert!(holed.update(unknown).is_nan());
                assert_eq!(holed.update(x).to_bits(), plain.update(x).to_bits());
            }
        }
    }

    #[test]
    fn an_average_of_an_average_becomes_warm() {
        let (mut inner, mut outer) = (Ema::new(length(5)), Ema::new(length(5)));
        outputs(closes().map(|x| outer.update(inner.update(x))), 9);
    }

    #[test]
    fn the_newest_weighs_most() {
        // By hand: (1 x 1 + 2 x 10 + 3 x 100) / 6, then (10 + 200 + 3000) / 6.
        let mut wma = Wma::new(length(3));
        check([1.0, 10.0, 100.0, 1000.0].into_iter().map(|x| wma.update(x)), 3, &[53.5, 535.0]);
    }

    #[test]
    fn on_a_straight_line_hull_has_no_delay() {
        // wma(n) of a line lies (n - 1) / 3 behind: twice 1/3 less 1, and 1/3 for the last one, is 0 for n = 4.
        let mut hma = Hma::new(length(4));
        let line = (0..12).map(|i| f64::from(i) + 100.0);
        let expected: Vec<f64> = line.clone().skip(4).collect();
        check(line.map(|x| hma.update(x)), 5, &expected);
    }

    #[test]
    fn wma_a_length_of_one_follows_the_input() {
        let (mut wma, mut hma) = (Wma::new(length(1)), Hma::new(length(1)));
        for x in closes() {
            assert_eq!((wma.update(x), hma.update(x)), (x, x));
        }
    }

    #[test]
    fn an_unknown_input_is_gone_when_it_has_left() {
        let (mut holed, mut plain) = (Wma::new(length(3)), Wma::new(length(3)));
        let got: Vec<f64> = [1.0, 2.0, f64::NAN, 4.0, 5.0, 6.0].map(|x| holed.update(x)).to_vec();
        assert!(got[..5].iter().all(|x| x.is_nan()), "{got:?}");
        assert_eq!(got[5], [4.0, 5.0, 6.0].map(|x| plain.update(x))[2]);
    }

    #[test]
    fn volume_is_the_weight_and_without_any_all_weigh_the_same() {
        // By hand: (10 x 1 + 20 x 3) / 4, (20 x 3 + 30 x 0) / 3, then no volume: (30 + 40) / 2.
        let inputs = [(10.0, 1.0), (20.0, 3.0), (30.0, 0.0), (40.0, 0.0)];
        let mut vwma = Vwma::new(length(2));
        let got = inputs.into_iter().map(|(x, volume)| vwma.update(x, volume));
        check(got, 2, &[17.5, 20.0, 35.0]);
    }

    #[test]
    fn an_unknown_input_is_unknown_also_without_volume() {
        let mut vwma = Vwma::new(length(2));
        let inputs = [1.0, f64::NAN, 3.0, f64::INFINITY, 5.0, 7.0];
        let got = inputs.map(|x| vwma.update(x, 0.0));
        assert!(got[..5].iter().all(|x| !x.is_finite()), "{got:?}");
        assert_eq!(got[5], 6.0);
    }
}
