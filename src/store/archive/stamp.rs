//! Time stamps of others: numbers in seconds to nanoseconds, or text with or without an offset, of a bar's open or its close.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// Whether a stamp is the open or the close of its bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// The bar starts there.
    Open,
    /// The bar ends there.
    Close,
}

/// What a numeric stamp counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
    /// Days.
    Days,
}

impl Unit {
    /// The unit in which a number is a time of our century.
    fn by_magnitude(value: i64) -> Self {
        match value.unsigned_abs() {
            0..100_000_000_000 => Self::Seconds,
            100_000_000_000..100_000_000_000_000 => Self::Millis,
            100_000_000_000_000..100_000_000_000_000_000 => Self::Micros,
            _ => Self::Nanos,
        }
    }

    fn to_ms(self, value: i64) -> Option<i64> {
        match self {
            Self::Seconds => value.checked_mul(1000),
            Self::Millis => Some(value),
            Self::Micros => Some(value.div_euclid(1000)),
            Self::Nanos => Some(value.div_euclid(1_000_000)),
            Self::Days => value.checked_mul(86_400_000),
        }
    }
}

/// A stamp that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Milliseconds since 1970.
    pub ms: i64,
    /// It had no offset of its own.
    pub is_naive: bool,
}

/// A whole number, in `unit` or in the unit its size suggests.
pub(super) fn from_int(value: i64, unit: Option<Unit>) -> Option<Stamp> {
    let ms = unit.unwrap_or_else(|| Unit::by_magnitude(value)).to_ms(value)?;
    Some(Stamp { ms, is_naive: false })
}

/// A number that may have a fraction.
pub(super) fn from_float(value: f64, unit: Option<Unit>) -> Option<Stamp> {
    const EXACT_MAX: f64 = 9.2e18;
    if !value.is_finite() || value.abs() > EXACT_MAX {
        return None;
    }
    let unit = unit.unwrap_or_else(|| Unit::by_magnitude(value as i64));
    let ms = match unit {
        Unit::Seconds if value.abs() < EXACT_MAX / 1000.0 => (value * 1000.0).round() as i64,
        unit => unit.to_ms(value as i64)?,
    };
    Some(Stamp { ms, is_naive: false })
}

/// A stamp as text; without an offset it is taken at `offset_ms` east of UTC.
pub(super) fn from_text(text: &str, unit: Option<Unit>, offset_ms: i64) -> Option<Stamp> {
    let text = text.trim();
    if let Ok(value) = text.parse::<i64>() {
        return from_int(value, unit);
    }
    if let Ok(value) = text.parse::<f64>() {
        return from_float(value, unit);
    }
    if !text.is_ascii() || text.len() > 64 {
        return None;
    }
    let (text, is_utc) = match text.strip_suffix(" UTC").or_else(|| text.strip_suffix('Z')) {
        Some(text) => (text, true),
        None => (text, false),
    };
    let mut text = text.replacen('T', " ", 1);
    if is_utc {
        text.push_str("+00:00");
    }
    let with_offset = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z", "%Y-%m-%d %H:%M%#z"];
    let found = with_offset.iter().find_map(|form| DateTime::parse_from_str(&text, form).ok());
    if let Some(found) = found {
        return Some(Stamp { ms: found.timestamp_millis(), is_naive: false });
    }
    let naive = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok())
        .or_else(|| NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    let ms = naive.and_utc().timestamp_millis().checked_sub(offset_ms)?;
    Some(Stamp { ms, is_naive: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_every_kind_are_read() {
        const MS: i64 = 1_749_000_000_000;
        for text in [
            "1749000000",
            "1749000000000",
            "1749000000000000",
            "1749000000000000000",
            "1749000000.0",
            "1.749e9",
            "2025-06-04T01:20:00Z",
            "2025-06-04 01:20:00+00:00",
            "2025-06-04 01:20:00.000000+00:00",
            "2025-06-03 21:20:00-04:00",
            "2025-06-03T21:20:00-0400",
            "2025-06-04 01:20:00 UTC",
            "2025-06-04 01:20:00 +0000",
            " 2025-06-04 01:20+00:00 ",
        ] {
            let stamp = from_text(text, None, 7).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(stamp, Stamp { ms: MS, is_naive: false }, "{text}");
        }
        for text in ["2025-06-04 03:20:00", "2025-06-04T03:20", "2025-06-04 03:20:00.000"] {
            let stamp = from_text(text, None, 7_200_000).unwrap();
            assert_eq!(stamp, Stamp { ms: MS, is_naive: true }, "{text}");
        }
        assert_eq!(from_text("1970-01-02", None, 0).unwrap().ms, 86_400_000);
        assert_eq!(from_text("1970", Some(Unit::Millis), 0).unwrap().ms, 1970);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "x",
            "NaN",
            "inf",
            "1e300",
            "2025-13-01",
            "04/06/2025",
            "٣",
            "99999999999999999999",
        ] {
            assert_eq!(from_text(text, None, 0).filter(|s| s.ms < 1 << 60), None, "{text}");
        }
        assert_eq!(from_text(&i64::MAX.to_string(), Some(Unit::Seconds), 0), None);
    }
}
