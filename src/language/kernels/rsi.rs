//! The relative strength index.

use super::{ema::Ema, length::Length};

/// Wilder's RSI, 0 to 100: the share of the gains in the averaged gains and losses, as in TA-Lib (`ta_RSI.c`).
///
/// One difference: when there was no movement at all the value is 50, not 0. TA-Lib's 0 reads as "heavily sold" and would
/// make a mean-reversion rule buy a dead market.
///
/// An unknown input (NaN or infinite) is not taken in: NaN for that bar, and the next change is from the last known input.
#[derive(Debug, Clone)]
pub struct Rsi {
    last: Option<f64>,
    gain: Ema,
    loss: Ema,
}

impl Rsi {
    /// Over `n` changes.
    pub fn new(n: Length) -> Self {
        Self { last: None, gain: Ema::wilder(n), loss: Ema::wilder(n) }
    }

    /// Takes in the next input; NaN until warm, and for an unknown input.
    #[inline]
    pub fn update(&mut self, close: f64) -> f64 {
        if !close.is_finite() {
            return f64::NAN;
        }
        let Some(last) = self.last.replace(close) else { return f64::NAN };
        let change = close - last;
        // Two choices of a number and not one branch: which way a price goes cannot be foreseen.
        let up = if change > 0.0 { change } else { 0.0 };
        let down = if change > 0.0 { 0.0 } else { 0.0 - change };
        let gain = self.gain.update(up);
        let both = gain + self.loss.update(down);
        if both == 0.0 { 50.0 } else { 100.0 * (gain / both) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, closes, length, outputs};

    #[test]
    fn it_agrees_with_ta_lib() {
        // TA-Lib 0.8.1: RSI(close, 5).
        let expected = [
            67.37967914438501,
            61.42595978062161,
            49.69189055952674,
            49.69189055952674,
            57.12297471179853,
            71.75456065977528,
            68.56906997930287,
            27.55751540538734,
            32.03587582234969,
            27.534883222584877,
            27.534883222584877,
            46.05293540646038,
            43.776541808707485,
            56.15956851238182,
            63.269681495287614,
            62.42598577712014,
            46.050525397085266,
            43.59369854358876,
            56.714717184721906,
        ];
        let mut rsi = Rsi::new(length(5));
        check(closes().map(|x| rsi.update(x)), 6, &expected);
    }

    #[test]
    fn no_movement_is_neutral() {
        let mut rsi = Rsi::new(length(3));
        let got = outputs(std::iter::repeat_n(27.5, 50).map(|x| rsi.update(x)), 4);
        assert!(got.iter().all(|x| *x == 50.0), "{got:?}");
    }

    #[test]
    fn one_way_markets_give_the_ends_of_the_scale() {
        for n in [1, 3] {
            let (mut up, mut down) = (Rsi::new(length(n)), Rsi::new(length(n)));
            for i in 1..20 {
                let (rising, falling) = (up.update(f64::from(i)), down.update(f64::from(100 - i)));
                let warm = i > n as i32;
                assert_eq!((rising == 100.0, falling == 0.0), (warm, warm));
            }
        }
    }

    #[test]
    fn huge_prices_stay_on_the_scale() {
        let mut rsi = Rsi::new(length(2));
        let got = outputs([1.0, 1e300, 2.0, 1e300, 1e299].into_iter().map(|x| rsi.update(x)), 3);
        assert!(got.iter().all(|x| (0.0..=100.0).contains(x)), "{got:?}");
    }
}
