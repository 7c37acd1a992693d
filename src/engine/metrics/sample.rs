//! Mean and spread of a sample.

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
