//! How far a Sharpe ratio can be believed: chance and length, after Bailey and López de Prado (2012); and how it changed in time.

use super::curve::{DayReturn, sharpe};

/// The one-sided 95 % point of the normal distribution.
const Z_95: f64 = 1.644_853_626_951_472_2;

/// What the daily returns of a curve say about its Sharpe ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confidence {
    /// Days with a return.
    pub days: u64,
    /// Third standardised moment of the daily returns; 0 is even.
    pub skewness: f64,
    /// Fourth standardised moment; 3 is that of the normal distribution.
    pub kurtosis: f64,
    /// Probabilistic Sharpe ratio: the chance that the true ratio is above zero, `phi(s sqrt(n - 1) / sqrt v)` with the ratio `s` of
    /// daily returns and `v = 1 - skewness s + (kurtosis - 1) / 4 s^2`.
    pub psr: Option<f64>,
    /// Minimum track record: days after which that chance is 95 % if all goes on like this, `1 + v (1.645 / s)^2`; `None` at or below
    /// zero.
    pub track_days_min: Option<f64>,
}

impl Confidence {
    /// Of daily returns; `None` without spread, or below three of them.
    pub fn of(days: &[DayReturn]) -> Option<Self> {
        let returns: Vec<f64> = days.iter().map(|day| day.part).collect();
        let (mean, sd) = mean_and_sd(&returns).filter(|_| returns.len() >= 3)?;
        let many = returns.len() as f64;
        let moment =
            |power: i32| returns.iter().map(|part| (part - mean).powi(power)).sum::<f64>() / many;
        let variance = moment(2);
        let skewness = moment(3) / (variance * variance.sqrt());
        let kurtosis = moment(4) / (variance * variance);
        let ratio = mean / sd;
        let spread = 1.0 - skewness * ratio + (kurtosis - 1.0) / 4.0 * ratio * ratio;
        let usable = spread > 0.0 && spread.is_finite();
        let psr = usable.then(|| phi(ratio * (many - 1.0).sqrt() / spread.sqrt()));
        let track_days_min =
            (usable && ratio > 0.0).then(|| 1.0 + spread * (Z_95 / ratio) * (Z_95 / ratio));
        Some(Self { days: returns.len() as u64, skewness, kurtosis, psr, track_days_min })
    }
}

/// The annualised Sharpe ratio of the last `span` days, at the end of each day that has so many behind it.
pub fn rolling_sharpe(days: &[DayReturn], span: usize) -> Vec<(i64, Option<f64>)> {
    let of = |window: &[DayReturn]| {
        let parts: Vec<f64> = window.iter().map(|day| day.part).collect();
        (window[span - 1].end_ms, sharpe(&parts))
    };
    days.windows(span).map(of).collect()
}

/// The standard normal distribution function.
fn phi(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// The mean; `None` of nothing.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Mean and sample standard deviation (divisor n - 1); `None` below two values, or when all are equal.
pub(super) fn mean_and_sd(values: &[f64]) -> Option<(f64, f64)> {
    let mean = mean(values).filter(|_| values.len() >= 2)?;
    // Equal values can miss their own mean by a rounding, which would pass for a tiny spread and give a huge ratio.
    if values.iter().all(|x| *x == values[0]) {
        return None;
    }
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    Some((mean, (squares / (values.len() - 1) as f64).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::DAY_MS;

    fn days(parts: &[f64]) -> Vec<DayReturn> {
        parts
            .iter()
            .zip(1..)
            .map(|(part, n)| DayReturn { end_ms: n * DAY_MS, part: *part })
            .collect()
    }

    #[track_caller]
    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() <= 1e-9 * expected.abs(), "{got}, expected {expected}");
    }

    /// By Python's `statistics`: `mean`, `stdev`, sums of powers over n, `NormalDist().cdf` and `inv_cdf(.95)`.
    #[test]
    fn chance_and_track_record_of_ten_days() {
        let returns = [0.02, -0.01, 0.005, 0.03, -0.02, 0.01, 0.0, 0.015, -0.005, 0.025];
        let got = Confidence::of(&days(&returns)).unwrap();
        assert_eq!(got.days, 10);
        close(got.skewness, -0.169_187_578_703_940_55);
        close(got.kurtosis, 1.978_354_978_354_978_3);
        close(got.psr.unwrap(), 0.892_186_993_270_111);
        close(got.track_days_min.unwrap(), 16.881_273_999_836_736);
    }

    #[test]
    fn a_loss_has_a_chance_and_never_proves_itself() {
        let lost = Confidence::of(&days(&[-0.02, 0.01, -0.01, 0.0])).unwrap();
        assert!(lost.psr.unwrap() < 0.5 && lost.track_days_min.is_none());
        assert_eq!(Confidence::of(&days(&[0.01; 50])), None, "without spread");
        assert_eq!(Confidence::of(&days(&[0.01, 0.02])), None, "two days");
    }

    #[test]
    fn phi_is_that_of_a_table() {
        close(phi(1.96), 0.975_002_104_851_779_6);
        close(phi(-0.5), 0.308_537_538_725_986_9);
        assert_eq!(phi(0.0), 0.5);
    }

    /// Days of 1 % and 3 %: any two have mean 2 % and sample sd sqrt 2 %. Two equal days have no ratio.
    #[test]
    fn a_rolling_ratio_begins_with_its_first_whole_window() {
        let got = rolling_sharpe(&days(&[0.01, 0.03, 0.01, 0.01]), 2);
        assert_eq!(got.iter().map(|(ms, _)| ms / DAY_MS).collect::<Vec<_>>(), [2, 3, 4]);
        close(got[0].1.unwrap(), 2.0_f64.sqrt() * 365.0_f64.sqrt());
        close(got[1].1.unwrap(), 2.0_f64.sqrt() * 365.0_f64.sqrt());
        assert_eq!(got[2].1, None);
        assert!(rolling_sharpe(&days(&[0.01]), 2).is_empty());
    }

    #[test]
    fn a_spread_needs_two_different_values() {
        for (values, expected) in [
            (&[][..], None),
            (&[3.0], None),
            (&[0.1; 10], None),
            // Mean 5; squared deviations 9 + 1 + 1 + 9 = 20; 20 / 3.
            (&[2.0, 4.0, 6.0, 8.0], Some((5.0, (20.0_f64 / 3.0).sqrt()))),
        ] {
            assert_eq!(mean_and_sd(values), expected);
        }
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[1.0, 2.0]), Some(1.5));
    }
}
