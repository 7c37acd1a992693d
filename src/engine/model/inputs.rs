//! What a model sees: expressions of the rule language that depend on bars alone, brought to one scale.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::{domain::time::Timeframe, language::Features};

/// An expression without params, in its canonical text: `rsi(close, 14)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Feature(String);

/// A text that is not a feature.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a feature: {why}")]
pub struct FeatureError {
    text: String,
    why: String,
}

impl Feature {
    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Feature {
    type Err = FeatureError;

    /// Reads an expression, in any spelling. Whether its `tf` fits the bars is checked where they are known.
    fn from_str(text: &str) -> Result<Self, FeatureError> {
        let refused = |why: String| FeatureError { text: text.to_owned(), why };
        match Features::check(&[text.to_owned()], Timeframe::M1) {
            Ok(features) => Ok(Self(features.names()[0].clone())),
            Err(problems) => {
                let first = problems.into_iter().next();
                let why = first.map_or_else(String::new, |problem| match problem.help {
                    Some(help) => format!("{}; {help}", problem.message),
                    None => problem.message,
                });
                Err(refused(match today(text) {
                    Some(now) => format!("write {now}"),
                    None => why,
                }))
            }
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a feature of models from before the rule language is called today.
fn today(text: &str) -> Option<String> {
    let (kind, bars) = text.rsplit_once('_')?;
    let n: u32 = bars.parse().ok()?;
    Some(match kind {
        "log_return" => format!("log_return(close, {n})"),
        "volatility" => format!("volatility({n})"),
        "rsi" => format!("rsi(close, {n})"),
        "atr_pct" => format!("atr({n}) / close"),
        "ema_gap" => format!("(close - ema(close, {n})) / ema(close, {n})"),
        "range_place" => format!(
            "safe_div(close - lowest(low, {n}), highest(high, {n}) - lowest(low, {n}), 0.5)"
        ),
        "volume_z" => format!("volume_z({n})"),
        "close_z" => format!("zscore(close, {n})"),
        _ => return None,
    })
}

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
    fn a_feature_is_known_by_its_canonical_text() {
        let feature: Feature = "rsi( close,14 )".parse().unwrap();
        assert_eq!(feature.to_string(), "rsi(close, 14)");
        assert_eq!(feature, "rsi(close, 14)".parse().unwrap());
    }

    #[test]
    fn an_old_name_is_refused_with_the_new_one() {
        for (old, new) in [
            ("rsi_14", "write rsi(close, 14)"),
            ("atr_pct_20", "write atr(20) / close"),
            ("close_z_5", "write zscore(close, 5)"),
        ] {
            let message = old.parse::<Feature>().unwrap_err().to_string();
            assert!(message.ends_with(new), "{message}");
        }
        for bad in ["", "close", "nothing_14", "rsi(close, 0)", "held", "rsi(close, n)"] {
            assert!(bad.parse::<Feature>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_new_name_is_a_feature() {
        for kind in [
            "log_return",
            "volatility",
            "rsi",
            "atr_pct",
            "ema_gap",
            "range_place",
            "volume_z",
            "close_z",
        ] {
            today(&format!("{kind}_20")).unwrap().parse::<Feature>().unwrap();
        }
    }

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
