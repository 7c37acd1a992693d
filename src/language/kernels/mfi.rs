//! The money flow index.

use super::{
    length::Length,
    window::{Merge, ROUNDING, Window},
};
use crate::domain::bar::Bar;

/// What was traded at rising and at falling prices.
#[derive(Debug, Clone, Copy)]
struct Flow {
    up: f64,
    down: f64,
}

impl Merge for Flow {
    /// What was traded; negative at a falling price.
    type Input = f64;

    #[inline]
    fn of(value: f64) -> Self {
        if value > 0.0 {
            Self { up: value, down: 0.0 }
        } else {
            Self { up: 0.0, down: 0.0 - value }
        }
    }

    #[inline]
    fn merge(older: Self, newer: Self) -> Self {
        Self { up: older.up + newer.up, down: older.down + newer.down }
    }
}

/// The share of the value traded at rising typical prices (`hlc3`) in that at rising and falling ones, 0 to 100, over the last
/// `n` changes, as in TA-Lib (`ta_MFI.c`).
///
/// Prices that only rounding parts are equal, as there. One difference: without any flow it is 50, not 0.
#[derive(Debug, Clone)]
pub struct Mfi {
    last_price: Option<f64>,
    window: Window<Flow>,
}

impl Mfi {
    /// Over `n` changes.
    pub fn new(n: Length) -> Self {
        Self { last_price: None, window: Window::new(n) }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        let price = (bar.high() + bar.low() + bar.close()) / 3.0;
        let Some(last) = self.last_price.replace(price) else { return f64::NAN };
        let (change, traded) = (price - last, price * bar.volume());
        let flow =
            if change.abs() <= ROUNDING * (price + last) { 0.0 } else { traded.copysign(change) };
        let Some(Flow { up, down }) = self.window.push(flow) else { return f64::NAN };
        let both = up + down;
        if both == 0.0 { 50.0 } else { 100.0 * (up / both) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, length, outputs};

    fn bar(price: f64, volume: f64) -> Bar {
        Bar::new([price, price, price, price, volume]).unwrap()
    }

    #[test]
    fn it_is_the_share_of_what_was_traded_at_rising_prices() {
        // By hand: + 2 x 3, - 1 x 6 (50 %), 0 of 1 (equal price), + 4 x 1: 100 x 4 / 4.
        let bars = [bar(1.0, 9.0), bar(2.0, 3.0), bar(1.0, 6.0), bar(1.0, 5.0), bar(4.0, 1.0)];
        let mut mfi = Mfi::new(length(2));
        check(bars.iter().map(|bar| mfi.update(bar)), 3, &[50.0, 0.0, 100.0]);
    }

    #[test]
    fn no_flow_is_neutral_and_a_small_one_counts() {
        let mut mfi = Mfi::new(length(2));
        let got = outputs((1..20).map(|i| mfi.update(&bar(f64::from(i), 0.0))), 3);
        assert!(got.iter().all(|x| *x == 50.0), "{got:?}");
        let mut mfi = Mfi::new(length(2));
        let got = outputs((1..20).map(|i| mfi.update(&bar(f64::from(i) * 1e-9, 1e-9))), 3);
        assert!(got.iter().all(|x| *x == 100.0), "{got:?}");
    }
}
