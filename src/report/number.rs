//! Numbers and times as the page shows them: digits in groups, a real minus, UTC.

use super::figures::Unit;
use crate::domain::time::UtcMs;

/// Between groups of digits: a thin space at which no line breaks.
const GROUP: char = '\u{202f}';
/// Where there is no value.
pub const DASH: &str = "–";

/// With so many decimals, digits in groups of three, a real minus; what is rounded to zero has no sign.
pub fn fixed(value: f64, places: usize) -> String {
    if !value.is_finite() {
        return DASH.to_owned();
    }
    signed(&format!("{value:.places$}"))
}

fn signed(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("−", digits));
    let sign = if digits.bytes().all(|byte| matches!(byte, b'0' | b'.')) { "" } else { sign };
    let (whole, rest) = digits.split_once('.').map_or((digits, None), |(w, r)| (w, Some(r)));
    let mut out = sign.to_owned();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(GROUP);
        }
        out.push(digit);
    }
    if let Some(rest) = rest {
        out.push('.');
        out.push_str(rest);
    }
    out
}

/// An amount of money: two decimals, more where it is small.
pub fn money(value: f64) -> String {
    if value == 0.0 || value.abs() >= 0.01 { fixed(value, 2) } else { significant(value, 3) }
}

/// The same with its sign always shown.
pub fn gain(value: f64) -> String {
    let text = money(value);
    if value > 0.0 { format!("+{text}") } else { text }
}

/// A price: up to eight digits that count, whatever its size.
pub fn price(value: f64) -> String {
    significant(value, 8)
}

/// Up to so many digits that count, never an exponent.
pub fn significant(value: f64, digits: i32) -> String {
    if !value.is_finite() {
        return DASH.to_owned();
    }
    let size = if value == 0.0 { 0 } else { libm::floor(libm::log10(value.abs())) as i32 };
    let places = (digits - 1 - size).clamp(0, 18) as usize;
    let text = format!("{value:.places$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    signed(text)
}

/// A part of one in percent.
pub fn percent(part: f64) -> String {
    let places = if part != 0.0 && part.abs() < 0.001 {
        3
    } else if part.abs() >= 10.0 {
        0
    } else {
        2
    };
    format!("{}{GROUP}%", fixed(part * 100.0, places))
}

/// The same with its sign always shown.
pub fn percent_gain(part: f64) -> String {
    let text = percent(part);
    if part > 0.0 { format!("+{text}") } else { text }
}

/// How many.
pub fn count(value: u64) -> String {
    signed(&value.to_string())
}

/// A value of a figure.
pub fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Money => money(value),
        Unit::Part => percent(value),
        Unit::Ratio => fixed(value, 2),
        Unit::Days => format!("{}{GROUP}d", fixed(value, 1)),
        Unit::Count => fixed(value, 0),
    }
}

/// A length of time in the largest unit that fits.
pub fn span(ms: i64) -> String {
    let minutes = ms as f64 / 60_000.0;
    if minutes < 120.0 {
        format!("{} minutes", fixed(minutes, 0))
    } else if minutes < 2_880.0 {
        format!("{} hours", fixed(minutes / 60.0, 1))
    } else {
        format!("{} days", fixed(minutes / 1_440.0, 0))
    }
}

/// An instant by a pattern, UTC.
pub fn by(ts_ms: i64, pattern: &str) -> String {
    UtcMs::new(ts_ms).map_or_else(|_| ts_ms.to_string(), |at| at.format(pattern))
}

/// Day and minute, UTC.
pub fn minute(ts_ms: i64) -> String {
    by(ts_ms, "%Y-%m-%d %H:%M")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_groups_and_zero_has_no_sign() {
        for (got, expected) in [
            (fixed(1_234_567.891, 2), "1 234 567.89"),
            (fixed(-1_234.5, 0), "−1 234"),
            (fixed(-0.004, 2), "0.00"),
            (fixed(999.999, 2), "1 000.00"),
            (fixed(f64::NAN, 2), "–"),
            (money(0.0), "0.00"),
            (money(-0.001_234_5), "−0.00123"),
            (gain(12.0), "+12.00"),
            (gain(0.0), "0.00"),
            (gain(-12.0), "−12.00"),
            (price(27_344.11), "27 344.11"),
            (price(0.000_000_012_345), "0.000000012345"),
            (price(100.0), "100"),
            (price(123_456_789_012.0), "123 456 789 012"),
            (percent(0.123_4), "12.34 %"),
            (percent(0.000_12), "0.012 %"),
            (percent(12.0), "1 200 %"),
            (percent_gain(0.05), "+5.00 %"),
            (count(1_000), "1 000"),
            (shown(41.0, Unit::Days), "41.0 d"),
            (span(90 * 60_000), "90 minutes"),
            (span(41 * 86_400_000), "41 days"),
            (minute(1_700_000_000_000), "2023-11-14 22:13"),
            (minute(-1), "-1"),
        ] {
            assert_eq!(got.replace(GROUP, " "), expected);
        }
    }
}
