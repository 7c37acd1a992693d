//! Wilder's directional movement: +DI, -DI and ADX.

use super::{averages::Ema, ranges::TrueRange, window::Length};
use crate::domain::bar::Bar;

/// Wilder's sums of the movements up, the movements down and the true ranges.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    up: f64,
    down: f64,
    range: f64,
}

impl Sums {
    fn map(self, newest: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            up: f(self.up, newest.up),
            down: f(self.down, newest.down),
            range: f(self.range, newest.range),
        }
    }

    /// +DI and -DI; 0 without any range.
    fn indicators(self) -> (f64, f64) {
        if self.range == 0.0 {
            return (0.0, 0.0);
        }
        (100.0 * (self.up / self.range), 100.0 * (self.down / self.range))
    }

    /// How one-sided the movement is, 0 to 100; 0 without any.
    fn index(self) -> f64 {
        let both = self.up + self.down;
        if both == 0.0 { 0.0 } else { 100.0 * ((self.up - self.down).abs() / both) }
    }
}

/// The sums as in TA-Lib (`ta_PLUS_DI.c`): `n - 1` movements are added up, and from the next one on a sum loses its `n`th part
/// before the movement is added.
#[derive(Debug, Clone)]
struct Movement {
    n: f64,
    /// Movements that are only added up.
    to_add: u32,
    range: TrueRange,
    last: Option<(f64, f64)>,
    sums: Sums,
}

impl Movement {
    fn new(n: Length) -> Self {
        Self {
            n: n.float(),
            to_add: n.get() - 1,
            range: TrueRange::new(),
            last: None,
            sums: Sums::default(),
        }
    }

    #[inline]
    fn update(&mut self, bar: &Bar) -> Option<Sums> {
        let range = self.range.update(bar);
        let (high, low) = self.last.replace((bar.high(), bar.low()))?;
        let (rise, fall) = (bar.high() - high, low - bar.low());
        let up = if rise > 0.0 && rise > fall { rise } else { 0.0 };
        let down = if fall > 0.0 && fall > rise { fall } else { 0.0 };
        let newest = Sums { up, down, range };
        if self.to_add > 0 {
            self.to_add -= 1;
            self.sums = self.sums.map(newest, |sum, new| sum + new);
            return None;
        }
        let n = self.n;
        self.sums = self.sums.map(newest, |sum, new| sum - sum / n + new);
        Some(self.sums)
    }
}

/// +DI, 0 to 100: the share of the movements up in the true ranges, as in TA-Lib (`ta_PLUS_DI.c`).
///
/// One difference: `n` = 1 has the scale of the others; TA-Lib's lacks the factor 100.
#[derive(Debug, Clone)]
pub struct PlusDi {
    movement: Movement,
}

impl PlusDi {
    /// Over `n` movements.
    pub fn new(n: Length) -> Self {
        Self { movement: Movement::new(n) }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        self.movement.update(bar).map_or(f64::NAN, |sums| sums.indicators().0)
    }
}

/// -DI, 0 to 100: the share of the movements down in the true ranges, as in TA-Lib (`ta_MINUS_DI.c`), but for what
/// [`PlusDi`] says.
#[derive(Debug, Clone)]
pub struct MinusDi {
    movement: Movement,
}

impl MinusDi {
    /// Over `n` movements.
    pub fn new(n: Length) -> Self {
        Self { movement: Movement::new(n) }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        self.movement.update(bar).map_or(f64::NAN, |sums| sums.indicators().1)
    }
}

/// ADX, 0 to 100: Wilder's average of how far +DI and -DI are apart, as a share of both, as in TA-Lib (`ta_ADX.c`).
///
/// One difference: without any movement the two are 0 apart, and that is taken in; TA-Lib keeps the value before, for ever if
/// the market stays dead.
#[derive(Debug, Clone)]
pub struct Adx {
    movement: Movement,
    average: Ema,
}

impl Adx {
    /// Over `n` movements, and again over `n` of their indices.
    pub fn new(n: Length) -> Self {
        Self { movement: Movement::new(n), average: Ema::wilder(n) }
    }

    /// Takes in the next bar; NaN until warm.
    #[inline]
    pub fn update(&mut self, bar: &Bar) -> f64 {
        match self.movement.update(bar) {
            Some(sums) => self.average.update(sums.index()),
            None => f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::kernels::sample::{check, length, outputs};

    #[test]
    fn a_dead_market_has_no_direction() {
        let bar = Bar::new([0.1, 0.1, 0.1, 0.1, 1.0]).unwrap();
        let (mut plus, mut minus) = (PlusDi::new(length(3)), MinusDi::new(length(3)));
        let mut adx = Adx::new(length(3));
        let all = [
            outputs((0..20).map(|_| plus.update(&bar)), 4),
            outputs((0..20).map(|_| minus.update(&bar)), 4),
            outputs((0..20).map(|_| adx.update(&bar)), 6),
        ];
        assert!(all.iter().flatten().all(|x| *x == 0.0), "{all:?}");
    }

    #[test]
    fn a_market_that_only_rises_is_all_direction() {
        let bars: Vec<Bar> = (0..20)
            .map(|i| f64::from(i) + 10.0)
            .map(|x| Bar::new([x, x + 1.0, x, x + 1.0, 1.0]).unwrap())
            .collect();
        // By hand: each high is 1 above the one before, and 1 is the true range (the last close is the new low).
        let mut plus = PlusDi::new(length(4));
        check(bars.iter().map(|bar| plus.update(bar)), 5, &[100.0; 16]);
        let mut minus = MinusDi::new(length(4));
        check(bars.iter().map(|bar| minus.update(bar)), 5, &[0.0; 16]);
        let mut adx = Adx::new(length(4));
        check(bars.iter().map(|bar| adx.update(bar)), 8, &[100.0; 13]);
    }

    #[test]
    fn when_the_market_dies_the_index_goes_down() {
        let mut adx = Adx::new(length(2));
        let mut last = f64::NAN;
        for i in 0..6 {
            let x = f64::from(i) + 10.0;
            last = adx.update(&Bar::new([x, x + 1.0, x, x + 1.0, 1.0]).unwrap());
        }
        assert_eq!(last, 100.0);
        let dead = Bar::new([15.0, 16.0, 15.0, 16.0, 0.0]).unwrap();
        for _ in 0..200 {
            last = adx.update(&dead);
        }
        assert!((0.0..=100.0).contains(&last), "{last}");
    }
}
