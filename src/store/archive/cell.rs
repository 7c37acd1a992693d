//! One field of a row, whatever the format of its file, and the number, stamp or word in it.

use super::stamp::{self, Kind, Reading, Stamp, Unit, shown};

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
            Self::Text(text) if is_rounded(text) => {
                Err(format!("{name} `{}` is rounded: write it with all its digits", shown(text)))
            }
            Self::Text(text) => text.trim().parse().map_err(|_| {
                let why = match marks(text) {
                    Some(Marks::DecimalComma) => ": it has a decimal comma",
                    Some(Marks::Thousands) => ": it has separators of thousands",
                    None => "",
                };
                format!("{name} `{}` is not a number{why}", shown(text))
            }),
        }
    }

    /// How a number is written that is not written as others are.
    pub(super) fn marks(self) -> Option<Marks> {
        match self {
            Self::Text(text) => marks(text),
            Self::Null | Self::Int(_) | Self::Float(_) | Self::Stamp(_) => None,
        }
    }

    /// The stamp.
    pub(super) fn stamp(self, reading: Reading) -> Result<Stamp, String> {
        let Reading { unit, offset_ms, order: _ } = reading;
        match self {
            Self::Null => Err("the time is null".to_owned()),
            Self::Text(text) => stamp::from_text(text, reading),
            Self::Int(value) => stamp::from_int(value, unit, offset_ms),
            Self::Float(value) => stamp::from_float(value, unit, offset_ms),
            Self::Stamp(Stamp { ms, kind: Kind::Exact }) => Ok(Stamp::exact(ms)),
            Self::Stamp(Stamp { ms, kind: kind @ (Kind::Naive | Kind::Day) }) => {
                Stamp::naive(ms, kind, offset_ms).ok_or_else(|| format!("`{ms}` is not a time"))
            }
        }
    }

    /// What it counts, if it is a number that its size tells the unit of.
    pub(super) fn counted(self) -> Option<Unit> {
        let of = |value: i64| stamp::counted(value);
        match self {
            Self::Text(text) => text.trim().parse().ok().and_then(of).or_else(|| {
                let value = text.trim().parse::<f64>().ok()?;
                of(value as i64)
            }),
            Self::Int(value) => of(value),
            Self::Float(value) => of(value as i64),
            Self::Null | Self::Stamp(_) => None,
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

/// How a number is written that is not written as others are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    DecimalComma,
    Thousands,
}

fn marks(text: &str) -> Option<Marks> {
    let text = text.trim();
    if !text.starts_with(|c: char| c.is_ascii_digit()) || text.parse::<f64>().is_ok() {
        return None;
    }
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let groups = |whole: &str, mark: char| {
        let mut parts = whole.split(mark);
        parts.next().is_some_and(|first| is_digits(first) && first.len() <= 3)
            && parts.all(|part| is_digits(part) && part.len() == 3)
    };
    let is_grouped = |text: &str, mark: char, point: char| {
        let (whole, rest) = text.rsplit_once(point).unwrap_or((text, "0"));
        whole.contains(mark) && groups(whole, mark) && is_digits(rest)
    };
    match text.split_once(',') {
        Some((whole, rest)) if is_digits(whole) && is_digits(rest) => Some(Marks::DecimalComma),
        _ if text.contains(',') && is_grouped(text, '.', ',') => Some(Marks::DecimalComma),
        _ => {
            let is = [',', '\'', ' ', '_', '.', '\u{a0}']
                .iter()
                .any(|mark| is_grouped(text, *mark, '.'))
                || groups(text, '.');
            is.then_some(Marks::Thousands)
        }
    }
}

/// Whether a number is written as spreadsheets show long ones, with few of its digits: `4.23E+04`.
fn is_rounded(text: &str) -> bool {
    /// Above this, other programs write so, too.
    const PLAIN_MAX: f64 = 1e15;
    let text = text.trim();
    text.contains("E+") && text.parse::<f64>().is_ok_and(|value| value.abs() < PLAIN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_numbers_are_seen() {
        for (text, marks) in [
            ("1,5", Some(Marks::DecimalComma)),
            ("1,234", Some(Marks::DecimalComma)),
            ("42.283,58", Some(Marks::DecimalComma)),
            ("1,234.5", Some(Marks::Thousands)),
            ("1,234,567", Some(Marks::Thousands)),
            ("1.234.567", Some(Marks::Thousands)),
            ("1'234.5", Some(Marks::Thousands)),
            ("1 234", Some(Marks::Thousands)),
            ("1234.5", None),
            ("12,34,5", None),
            ("null", None),
            ("", None),
        ] {
            assert_eq!(Cell::Text(text).marks(), marks, "{text}");
        }
    }

    #[test]
    fn words_and_rounded_numbers_are_not_numbers() {
        for text in ["null", "None", "", "-", "1,5", "4.23E+04", "$5", "5%", "1.5K"] {
            assert!(Cell::Text(text).number("open").is_err(), "{text}");
        }
        for (text, value) in [("1e-9", 1e-9), ("1E16", 1e16), ("1.5E+17", 1.5e17), (" 5 ", 5.0)] {
            assert_eq!(Cell::Text(text).number("open"), Ok(value), "{text}");
        }
        assert!(Cell::Text("NaN").number("open").is_ok_and(f64::is_nan), "a bar refuses it");
    }
}
