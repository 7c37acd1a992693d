//! What a model sees: an expression of the rule language that depends on bars alone.

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
}
