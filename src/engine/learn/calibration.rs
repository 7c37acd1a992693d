//! Whether what is called thirty percent happens in three of ten cases: the probability of an up, in ten bins.

use super::label::Class;

/// Bins of equal width between 0 and 1.
pub const BINS: usize = 10;

/// Rows whose probability of an up lies in one bin.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bin {
    /// How many.
    pub rows: u64,
    /// Mean of the probabilities; 0 without rows.
    pub said: f64,
    /// How often it went up; 0 without rows.
    pub happened: f64,
}

/// The bins, and how far said and happened lie apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// From the lowest probability to the highest.
    pub bins: [Bin; BINS],
    /// Mean distance of said and happened over all rows: the expected calibration error.
    pub error: f64,
}

impl Calibration {
    /// Of probabilities and what happened; `None` without rows.
    pub fn of(probabilities: &[[f64; 3]], classes: &[Class]) -> Option<Self> {
        assert_eq!(probabilities.len(), classes.len(), "every row has a class");
        let mut bins = [Bin::default(); BINS];
        for (given, class) in probabilities.iter().zip(classes) {
            let up = given[Class::Up.place()];
            let bin = &mut bins[((up * BINS as f64) as usize).min(BINS - 1)];
            bin.rows += 1;
            bin.said += up;
            bin.happened += if *class == Class::Up { 1.0 } else { 0.0 };
        }
        let mut error = 0.0;
        for bin in bins.iter_mut().filter(|bin| bin.rows > 0) {
            error += (bin.said - bin.happened).abs();
            bin.said /= bin.rows as f64;
            bin.happened /= bin.rows as f64;
        }
        (!classes.is_empty()).then(|| Self { bins, error: error / classes.len() as f64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn said_and_happened_are_compared_bin_by_bin() {
        let up = |p: f64| [1.0 - p, 0.0, p];
        let given = [up(0.25), up(0.25), up(1.0), up(0.0)];
        let classes = [Class::Up, Class::Down, Class::Up, Class::Down];
        let found = Calibration::of(&given, &classes).unwrap();
        assert_eq!(found.bins[2], Bin { rows: 2, said: 0.25, happened: 0.5 });
        assert_eq!(found.bins[9], Bin { rows: 1, said: 1.0, happened: 1.0 });
        assert_eq!(found.bins[0].rows, 1);
        assert_eq!(found.error, 0.125);
        assert_eq!(Calibration::of(&[], &[]), None);
    }
}
