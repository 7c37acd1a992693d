//! One field of a row, whatever the format of its file, and the number, stamp or word in it.

use super::stamp::{self, Kind, Stamp, Unit, shown};

/// A field as its file holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    /// Nothing: a null.
    Null,
    /// Text, as in every CSV file.
    Text(&'a str),
    /// A whole number, exact.
    Int(i64),
    /// A number.
    Float(f64),
    /// A time whose unit the file declares.
    Stamp(Stamp),
}

impl Cell<'_> {
    pub(super) fn number(self, name: &str) -> Result<f64, String> {
        match self {
            Self::Null => Err(format!("{name} is null")),
            Self::Int(value) => Ok(value as f64),
            Self::Float(value) => Ok(value),
            Self::Stamp(_) => Err(format!("{name} is a time")),
            Self::Text(text) => text.trim().parse().map_err(|_| {
                let comma = if is_decimal_comma(text) { ": it has a decimal comma" } else { "" };
                format!("{name} `{}` is not a number{comma}", shown(text))
            }),
        }
    }

    /// The stamp, taken at `offset_ms` east of UTC where it has no offset of its own.
    pub(super) fn stamp(self, unit: Option<Unit>, offset_ms: i64) -> Result<Stamp, String> {
        match self {
            Self::Null => Err("the time is null".to_owned()),
            Self::Text(text) => stamp::from_text(text, unit, offset_ms),
            Self::Int(value) => stamp::from_int(value, unit, offset_ms),
            Self::Float(value) => stamp::from_float(value, unit, offset_ms),
            Self::Stamp(Stamp { ms, kind: Kind::Exact }) => Ok(Stamp::exact(ms)),
            Self::Stamp(Stamp { ms, kind: kind @ (Kind::Naive | Kind::Day) }) => {
                Stamp::naive(ms, kind, offset_ms).ok_or_else(|| format!("`{ms}` is not a time"))
            }
        }
    }

    /// The time of day in it.
    pub(super) fn time_of_day(self) -> Option<i64> {
        match self {
            Self::Text(text) => stamp::time_of_day(text),
            Self::Null | Self::Int(_) | Self::Float(_) | Self::Stamp(_) => None,
        }
    }

    /// The word in it; empty for a null.
    pub(super) fn word(self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => text.trim().to_owned(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Stamp(stamp) => stamp.ms.to_string(),
        }
    }
}

fn is_decimal_comma(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.trim().split_once(',').is_some_and(|(whole, rest)| digits(whole) && digits(rest))
}
