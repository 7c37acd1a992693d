//! The supertrend line.

use super::{atr::Atr, length::Length};
use crate::domain::bar::Bar;

/// What is carried from bar to bar.
#[derive(Debug, Clone, Copy)]
struct State {
    upper: f64,
    lower: f64,
    rising: bool,
    close: f64,
}

/// The line that follows the price at `k` ATRs of `n` from the middle of the bar, as in TA-Lib (`ta_SUPERTREND.c`): below the price
/// while the trend is up, above while it is down. A band only moves towards the price until a close is beyond it; a close beyond
/// the band in use turns the trend.
///
/// The first trend is up, as there. Where the line is depends on where it began, beyond any warm-up, until the trend turns.
#[derive(Debug, Clone)]
pub struct Supertrend {
    atr: Atr,
    k: f64,
    state: Option<State>,
}

impl Supertrend {
    /// At `k` ATRs of `n`.
    pub fn new(n: Length, k: f64) -> Self {
        Self { atr: Atr::new(n), k, state: None }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        let atr = self.atr.update(bar);
        if atr.is_nan() {
            return f64::NAN;
        }
        let middle = 0.5 * (bar.high() + bar.low());
        let (top, bottom, close) = (middle + self.k * atr, middle - self.k * atr, bar.close());
        let next = match self.state {
            None => State { upper: top, lower: bottom, rising: true, close },
            Some(last) => {
                let free = top < last.upper || last.close > last.upper;
                let upper = if free { top } else { last.upper };
                let free = bottom > last.lower || last.close < last.lower;
                let lower = if free { bottom } else { last.lower };
                let rising = if last.rising { close >= lower } else { close > upper };
                State { upper, lower, rising, close }
            }
        };
        self.state = Some(next);
        if next.rising { next.lower } else { next.upper }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, length};

    fn bar(close: f64) -> Bar {
        Bar::new([close, close + 1.0, close - 1.0, close, 1.0]).unwrap()
    }

    #[test]
    fn the_line_follows_waits_and_turns() {
        // By hand, n = 1, k = 1: true ranges 2, 2, 3 (from 20 down to 17 - 1 = 4), ...
        // 20 (range 2): 18..22, up: 18.  21 (range 2): 19..23: 19.  20 (range 2): 18..22, the lower band waits: 19.
        // 16 (range 20 - 15 = 5): 11..21, lower waits at 19, close below: down, upper is 21.
        // 15 (range 2): upper 17, lower was closed below and is free: 13; down: 17.
        // 19 (range 20 - 15 = 5): upper waits at 17, close above: up; lower 14.
        let bars = [20.0, 20.0, 21.0, 20.0, 16.0, 15.0, 19.0].map(bar);
        let mut line = Supertrend::new(length(1), 1.0);
        let got = bars.iter().map(|bar| line.update(bar));
        check(got, 2, &[18.0, 19.0, 19.0, 21.0, 17.0, 14.0]);
    }

    #[test]
    fn a_dead_market_has_its_line_on_the_price() {
        let dead = Bar::new([5.0, 5.0, 5.0, 5.0, 0.0]).unwrap();
        let mut line = Supertrend::new(length(3), 2.0);
        check((0..20).map(|_| line.update(&dead)), 4, &[5.0; 17]);
    }
}
