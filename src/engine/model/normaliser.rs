//! Features on one scale: centred, divided by their spread, and cut off where they are absurd.

use thiserror::Error;

/// `z = clamp((x - mean) * inv_sd)`, fitted on training data only.
#[derive(Debug, Clone, PartialEq)]
pub struct Normaliser {
    mean: Vec<f64>,
    inv_sd: Vec<f64>,
    clamp: f64,
}

/// Why numbers make no normaliser.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum NormaliserError {
    /// Two lists of different lengths.
    #[error(
        "{means} means and {inv_sds} inverse deviations: there must be one of each per feature"
    )]
    Lengths {
        /// How many means.
        means: usize,
        /// How many inverse deviations.
        inv_sds: usize,
    },
    /// A number that cannot be meant.
    #[error("`{name}` of feature {at} is {value}; it must be finite, a scale above 0")]
    Number {
        /// Which list.
        name: &'static str,
        /// Which feature, from 0.
        at: usize,
        /// What was given.
        value: f64,
    },
    /// A clamp that cuts everything, or nothing.
    #[error("`clamp` is {0}; it must be a finite number above 0, in deviations")]
    Clamp(f64),
}

impl Normaliser {
    /// Checks the numbers.
    pub fn new(mean: Vec<f64>, inv_sd: Vec<f64>, clamp: f64) -> Result<Self, NormaliserError> {
        if mean.len() != inv_sd.len() {
            return Err(NormaliserError::Lengths { means: mean.len(), inv_sds: inv_sd.len() });
        }
        if let Some(at) = mean.iter().position(|value| !value.is_finite()) {
            return Err(NormaliserError::Number { name: "mean", at, value: mean[at] });
        }
        let good = |value: &f64| value.is_finite() && *value > 0.0;
        if let Some(at) = inv_sd.iter().position(|value| !good(value)) {
            return Err(NormaliserError::Number { name: "inv_sd", at, value: inv_sd[at] });
        }
        if !good(&clamp) {
            return Err(NormaliserError::Clamp(clamp));
        }
        Ok(Self { mean, inv_sd, clamp })
    }

    /// Fits mean and sample deviation of each column, in one fixed order (Welford 1962). A column without spread is divided by 1.
    /// `None` with fewer than two rows.
    pub fn fit<R: AsRef<[f64]>>(rows: impl IntoIterator<Item = R>, clamp: f64) -> Option<Self> {
        let (mut mean, mut squares, mut count) = (Vec::new(), Vec::new(), 0.0_f64);
        for row in rows {
            let row = row.as_ref();
            mean.resize(row.len(), 0.0);
            squares.resize(row.len(), 0.0);
            count += 1.0;
            for ((mean, squares), x) in mean.iter_mut().zip(&mut squares).zip(row) {
                let delta = x - *mean;
                *mean += delta / count;
                *squares += delta * (x - *mean);
            }
        }
        let inv_sd = |squares: &f64| {
            let sd = (squares / (count - 1.0)).sqrt();
            if sd > 0.0 { 1.0 / sd } else { 1.0 }
        };
        (count > 1.0).then(|| Self::new(mean, squares.iter().map(inv_sd).collect(), clamp).ok())?
    }

    /// Puts the normalised values of `values` into the start of `out`.
    #[inline]
    pub fn apply(&self, values: &[f64], out: &mut [f64]) {
        let scales = self.mean.iter().zip(&self.inv_sd);
        for ((out, x), (mean, inv_sd)) in out.iter_mut().zip(values).zip(scales) {
            *out = ((x - mean) * inv_sd).clamp(-self.clamp, self.clamp);
        }
    }

    /// How many features it is for.
    pub fn len(&self) -> usize {
        self.mean.len()
    }

    /// Whether it is for none.
    pub fn is_empty(&self) -> bool {
        self.mean.is_empty()
    }

    /// Mean of each feature.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// One over the deviation of each feature.
    pub fn inv_sd(&self) -> &[f64] {
        &self.inv_sd
    }

    /// Where it is cut off, in deviations.
    pub fn clamp(&self) -> f64 {
        self.clamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_centres_scales_and_cuts() {
        let rows = [[1.0, 7.0], [2.0, 7.0], [3.0, 7.0]];
        let normaliser = Normaliser::fit(rows, 2.5).unwrap();
        assert_eq!((normaliser.mean(), normaliser.inv_sd()), (&[2.0, 7.0][..], &[1.0, 1.0][..]));
        let mut out = [0.0; 4];
        normaliser.apply(&[1.5, 900.0], &mut out);
        assert_eq!(out, [-0.5, 2.5, 0.0, 0.0]);
        assert!(Normaliser::fit([[1.0]], 1.0).is_none());
    }

    #[test]
    fn numbers_that_cannot_be_meant_are_refused() {
        for (mean, inv_sd, clamp, word) in [
            (vec![1.0], vec![], 1.0, "1 means"),
            (vec![f64::NAN], vec![1.0], 1.0, "`mean` of feature 0"),
            (vec![1.0, 2.0], vec![1.0, 0.0], 1.0, "`inv_sd` of feature 1"),
            (vec![1.0], vec![-1.0], 1.0, "`inv_sd`"),
            (vec![1.0], vec![1.0], 0.0, "`clamp`"),
            (vec![1.0], vec![1.0], f64::INFINITY, "`clamp`"),
        ] {
            let error = Normaliser::new(mean, inv_sd, clamp).unwrap_err().to_string();
            assert!(error.starts_with(word), "{error}");
        }
    }
}
