//! What a Sharpe ratio is worth after a search: the luck of the best of many, and the chance that it is more than that.
//! After Bailey and López de Prado, "The Deflated Sharpe Ratio" (2014). Ratios are daily, never yearly.

use super::normal::{phi, quantile};

/// The one-sided 95 % point of the normal distribution.
pub const Z_95: f64 = 1.644_853_626_951_472_2;

/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

/// Days of a year: this market never closes.
const YEAR_DAYS: f64 = 365.0;

/// The moments of daily returns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Days.
    pub days: u32,
    /// Mean by sample standard deviation (divisor n - 1).
    pub sharpe: f64,
    /// Third standardised population moment; 0 is even.
    pub skew: f64,
    /// Fourth standardised population moment; 3 is that of the normal distribution.
    pub kurtosis: f64,
}

impl Sample {
    /// `1 - g3 SR + (g4 - 1) / 4 SR^2`; `None` where it is not above zero and finite.
    fn spread(&self) -> Option<f64> {
        let Self { sharpe, skew, kurtosis, .. } = *self;
        let spread = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe;
        (spread > 0.0 && spread.is_finite()).then_some(spread)
    }

    /// The chance that the true ratio is above `bar`. With the luck of a search it is the deflated Sharpe ratio, with 0 the
    /// probabilistic one.
    pub fn chance_above(&self, bar: f64) -> Option<f64> {
        let days = f64::from(self.days) - 1.0;
        let chance = phi((self.sharpe - bar) * libm::sqrt(days) / libm::sqrt(self.spread()?));
        chance.is_finite().then_some(chance)
    }

    /// Days after which the ratio is above zero with 95 %; `None` at or below zero.
    pub fn days_min(&self) -> Option<f64> {
        let times = Z_95 / self.sharpe;
        let days = 1.0 + self.spread()? * times * times;
        (self.sharpe > 0.0 && days.is_finite()).then_some(days)
    }

    /// From where to where the true ratio is with 90 %.
    pub fn interval(&self) -> Option<[f64; 2]> {
        let half = Z_95 * libm::sqrt(self.spread()? / (f64::from(self.days) - 1.0));
        let ends = [self.sharpe - half, self.sharpe + half];
        ends.iter().all(|end| end.is_finite()).then_some(ends)
    }
}

/// How far above the mean the best of `n` useless trials is expected, in standard deviations; 0 for one.
pub fn best_of(n: u64) -> f64 {
    if n < 2 {
        return 0.0;
    }
    let n = n as f64;
    (1.0 - EULER) * quantile(1.0 - 1.0 / n)
        + EULER * quantile(1.0 - 1.0 / (n * std::f64::consts::E))
}

/// Sample variance of the ratios of trials; 0 below two.
pub fn variance(ratios: &[f64]) -> f64 {
    if ratios.len() < 2 {
        return 0.0;
    }
    let n = ratios.len() as f64;
    let mean = ratios.iter().sum::<f64>() / n;
    ratios.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0)
}

/// The ratio that the best of `n` useless trials is expected to show, with the variance of their ratios.
pub fn luck(n: u64, variance: f64) -> f64 {
    if n < 2 || variance <= 0.0 { 0.0 } else { libm::sqrt(variance) * best_of(n) }
}

/// A daily ratio as a yearly one.
pub fn yearly(daily: f64) -> f64 {
    daily * libm::sqrt(YEAR_DAYS)
}

/// The part of a chance that whole searches on markets without direction did at least as well.
pub fn p_value(at_least: u32, markets: u32) -> f64 {
    f64::from(1 + at_least) / f64::from(markets + 1)
}

/// Whether `p` can still become 0.05 or less if no further market does as well.
pub fn p_can_pass(at_least: u32, markets_in_all: u32) -> bool {
    p_value(at_least, markets_in_all) <= P_MAX
}

/// Largest `p` that passes.
pub const P_MAX: f64 = 0.05;

#[cfg(test)]
mod tests {
    use super::*;

    /// Bailey and López de Prado (2014), section "A numerical example": 100 trials whose yearly ratios have the variance 1/2, five years
    /// of 250 days, the best at a yearly 2.5 with skew -3 and kurtosis 10.
    #[test]
    fn the_example_of_the_paper() {
        let luck = luck(100, 0.5 / 250.0);
        assert_eq!(format!("{luck:.4}"), "0.1132");
        let best =
            Sample { days: 1250, sharpe: 2.5 / 250.0_f64.sqrt(), skew: -3.0, kurtosis: 10.0 };
        assert_eq!(format!("{:.4}", best.chance_above(luck).unwrap()), "0.9004");
    }

    #[test]
    fn one_trial_and_no_variance_have_no_luck() {
        assert_eq!((best_of(0), best_of(1)), (0.0, 0.0));
        assert_eq!((luck(1, 0.5), luck(100, 0.0), luck(0, 1.0)), (0.0, 0.0, 0.0));
        assert!(best_of(2) > 0.0 && best_of(1_000_000) > best_of(999_999));
        assert_eq!((variance(&[]), variance(&[1.0]), variance(&[2.0, 2.0])), (0.0, 0.0, 0.0));
        assert_eq!(variance(&[1.0, 3.0]), 2.0);
    }

    #[test]
    fn a_figure_without_meaning_is_none() {
        let odd = Sample { days: 100, sharpe: 2.0, skew: 10.0, kurtosis: 5.0 };
        assert_eq!((odd.chance_above(0.0), odd.days_min(), odd.interval()), (None, None, None));
        let lost = Sample { days: 100, sharpe: -0.1, skew: 0.0, kurtosis: 3.0 };
        assert!(lost.days_min().is_none() && lost.chance_above(0.0).unwrap() < 0.5);
        let nothing = Sample { sharpe: f64::NAN, ..lost };
        assert_eq!((nothing.chance_above(0.0), nothing.days_min()), (None, None));
        let two = Sample { days: 2, sharpe: 0.5, skew: 0.0, kurtosis: 1.0 };
        assert!(two.chance_above(0.0).is_some_and(f64::is_finite));
    }

    #[test]
    fn p_counts_the_real_market_too() {
        assert_eq!((p_value(0, 39), p_value(1, 39)), (0.025, 0.05));
        assert!(p_can_pass(1, 39) && !p_can_pass(2, 39) && !p_can_pass(0, 18));
    }
}
