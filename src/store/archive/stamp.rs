//! Time stamps of others: numbers in seconds to nanoseconds, or text with or without an offset, of a bar's open or its close.
//! Of dates with the year last a whole column can decide whether the day or the month is first, and a single date cannot.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};

/// Whether a stamp is the open or the close of its bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StampMeaning {
    /// The bar starts there.
    Open,
    /// The bar ends there.
    Close,
}

/// What a stamp counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StampUnit {
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
    Days,
    /// Nothing: it is a date.
    Dates,
}

impl StampUnit {
    /// The unit in which a number is a time of our century.
    fn by_magnitude(value: i64) -> Self {
        match value.unsigned_abs() {
            0..100_000_000_000 => Self::Seconds,
            100_000_000_000..100_000_000_000_000 => Self::Millis,
            100_000_000_000_000..100_000_000_000_000_000 => Self::Micros,
            _ => Self::Nanos,
        }
    }

    /// What it is called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Millis => "milliseconds",
            Self::Micros => "microseconds",
            Self::Nanos => "nanoseconds",
            Self::Days => "days",
            Self::Dates => "dates",
        }
    }

    pub(super) fn to_ms(self, value: i64) -> Option<i64> {
        match self {
            Self::Seconds => value.checked_mul(1000),
            Self::Millis => Some(value),
            Self::Micros => Some(value.div_euclid(1000)),
            Self::Nanos => Some(value.div_euclid(1_000_000)),
            Self::Days => value.checked_mul(86_400_000),
            Self::Dates => None,
        }
    }
}

/// How much a stamp says. In order: the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StampKind {
    /// An instant: a number, or a date with an offset.
    Exact,
    /// A date and a time of day without an offset.
    Naive,
    Day,
}

/// A stamp that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ArchiveStamp {
    /// Milliseconds since 1970.
    pub ms: i64,
    pub kind: StampKind,
}

impl ArchiveStamp {
    pub(super) const fn exact(ms: i64) -> Self {
        Self { ms, kind: StampKind::Exact }
    }

    /// A date and a time of day, taken at `offset_ms` east of UTC.
    pub(super) fn naive(ms: i64, kind: StampKind, offset_ms: i64) -> Option<Self> {
        Some(Self { ms: ms.checked_sub(offset_ms)?, kind })
    }
}

/// How the stamps of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Reading {
    /// What a number counts; unless it is told, its size tells.
    pub unit: Option<StampUnit>,
    /// East of UTC, where a stamp has no offset of its own.
    pub offset_ms: i64,
    /// Whether the day or the month is first in dates with the year last.
    pub order: Option<DayOrder>,
}

/// A whole number: a date written as YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, or a count in `unit` or in the unit its size suggests.
pub(super) fn from_int(
    value: i64,
    unit: Option<StampUnit>,
    offset_ms: i64,
) -> Result<ArchiveStamp, String> {
    if matches!(unit, None | Some(StampUnit::Dates))
        && let Some(stamp) = calendar(&value.to_string(), offset_ms)
    {
        return Ok(stamp);
    }
    if unit == Some(StampUnit::Dates) {
        return Err(format!("`{value}` is a number, and the unit asked for is dates"));
    }
    let ms = unit.unwrap_or_else(|| StampUnit::by_magnitude(value)).to_ms(value);
    ms.map(ArchiveStamp::exact).ok_or_else(|| not_a_time(&value.to_string()))
}

/// The unit that the size of a number suggests; `None` for a date written as one number.
pub(super) fn counted(value: i64) -> Option<StampUnit> {
    calendar(&value.to_string(), 0).is_none().then(|| StampUnit::by_magnitude(value))
}

/// A number that may have a fraction.
pub(super) fn from_float(
    value: f64,
    unit: Option<StampUnit>,
    offset_ms: i64,
) -> Result<ArchiveStamp, String> {
    const EXACT_MAX: f64 = 9.2e18;
    let refuse = || not_a_time(&value.to_string());
    if !value.is_finite() || value.abs() > EXACT_MAX {
        return Err(refuse());
    }
    if value.fract() == 0.0 {
        return from_int(value as i64, unit, offset_ms);
    }
    match unit.unwrap_or_else(|| StampUnit::by_magnitude(value as i64)) {
        StampUnit::Seconds if value.abs() < EXACT_MAX / 1000.0 => {
            Ok(ArchiveStamp::exact((value * 1000.0).round() as i64))
        }
        _ => Err(refuse()),
    }
}

/// A stamp as text; without an offset it is taken at `offset_ms` east of UTC.
pub(super) fn from_text(text: &str, reading: Reading) -> Result<ArchiveStamp, String> {
    let Reading { unit, offset_ms, order } = reading;
    let text = text.trim();
    let is_number = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    if is_number && let Ok(value) = text.parse::<f64>() {
        if text.contains(['e', 'E']) {
            let shown = shown(text);
            return Err(format!("`{shown}` is rounded: write the stamp with all its digits"));
        }
        return match text.parse::<i64>() {
            Ok(value) => from_int(value, unit, offset_ms),
            Err(_) => from_float(value, unit, offset_ms),
        };
    }
    if unit.is_some_and(|unit| unit != StampUnit::Dates) {
        return Err(format!("`{}` is not a number, and the unit asked for is one", shown(text)));
    }
    if !text.is_ascii() || text.len() > 64 {
        return Err(not_a_time(text));
    }
    let (text, is_utc) =
        match [" UTC", " GMT", "UTC", "Z"].iter().find_map(|s| text.strip_suffix(s)) {
            Some(text) => (text, true),
            None => (text, false),
        };
    let (day, clock) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let day = day_of(day, order)?;
    let clock = clock.trim_start();
    if clock.is_empty() {
        let midnight =
            day.and_hms_opt(0, 0, 0).expect("a midnight is").and_utc().timestamp_millis();
        return ArchiveStamp::naive(midnight, StampKind::Day, offset_ms)
            .ok_or_else(|| not_a_time(text));
    }
    if let (false, Some(ms)) = (is_utc, time_of_day(clock)) {
        let ms = day.and_hms_opt(0, 0, 0).expect("a midnight is").and_utc().timestamp_millis() + ms;
        return ArchiveStamp::naive(ms, StampKind::Naive, offset_ms)
            .ok_or_else(|| not_a_time(text));
    }
    let whole = format!("{day} {clock}{}", if is_utc { "+00:00" } else { "" });
    ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z", "%Y-%m-%d %H:%M%#z"]
        .iter()
        .find_map(|form| DateTime::parse_from_str(&whole, form).ok())
        .map(|found| ArchiveStamp::exact(found.timestamp_millis()))
        .ok_or_else(|| not_a_time(text))
}

/// A time of day as text, in milliseconds: `HH:MM`, `HH:MM:SS`, `HHMM`, `HHMMSS`.
pub(super) fn time_of_day(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let forms: &[&str] = match (digits, text.len()) {
        (true, 4) => &["%H%M"],
        (true, 6) => &["%H%M%S"],
        (true, _) => &[],
        (false, _) => &["%H:%M:%S%.f", "%H:%M"],
    };
    let time = forms.iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok())?;
    // A leap second would be a second of the next minute.
    (time.nanosecond() < 1_000_000_000).then(|| {
        i64::from(time.num_seconds_from_midnight()) * 1000
            + i64::from(time.nanosecond()) / 1_000_000
    })
}

/// A date: the year first, or last if it is known whether the day or the month is first.
fn day_of(text: &str, order: Option<DayOrder>) -> Result<NaiveDate, String> {
    let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    let refuse = || not_a_time(text);
    let number = |part: &str| part.parse::<u32>().map_err(|_| refuse());
    let [first, second, third] = parts[..] else {
        let day = text.parse::<i64>().ok().and_then(|_| calendar(text, 0));
        let day = day.filter(|stamp| stamp.kind == StampKind::Day).ok_or_else(refuse)?;
        let day = DateTime::from_timestamp_millis(day.ms).ok_or_else(refuse)?;
        return Ok(day.date_naive());
    };
    let (year, month, day) = match (first.len(), third.len(), order) {
        (4, 1 | 2, _) => (first, second, third),
        (1 | 2, 4, Some(DayOrder::DayFirst)) => (third, second, first),
        (1 | 2, 4, Some(DayOrder::MonthFirst)) => (third, first, second),
        (1 | 2, 2, _) | (1 | 2, 4, None) => {
            let shown = shown(text);
            return Err(format!(
                "`{shown}` is a date with an order that is unclear: write YYYY-MM-DD"
            ));
        }
        _ => return Err(refuse()),
    };
    let year = year.parse().map_err(|_| refuse())?;
    NaiveDate::from_ymd_opt(year, number(month)?, number(day)?).ok_or_else(refuse)
}

/// A date written as one number.
fn calendar(digits: &str, offset_ms: i64) -> Option<ArchiveStamp> {
    /// Years that are meant when a number looks like a date.
    const YEARS: std::ops::Range<i32> = 1900..2200;
    let (form, kind) = match digits.len() {
        8 => ("", StampKind::Day),
        12 => ("%H%M", StampKind::Naive),
        14 => ("%H%M%S", StampKind::Naive),
        _ => return None,
    };
    let part = |range: std::ops::Range<usize>| digits.get(range)?.parse::<u32>().ok();
    let year = i32::try_from(part(0..4)?).ok().filter(|year| YEARS.contains(year))?;
    let day = NaiveDate::from_ymd_opt(year, part(4..6)?, part(6..8)?)?;
    let time = match form {
        "" => NaiveTime::MIN,
        form => NaiveTime::parse_from_str(&digits[8..], form).ok()?,
    };
    ArchiveStamp::naive(NaiveDateTime::new(day, time).and_utc().timestamp_millis(), kind, offset_ms)
}

fn not_a_time(text: &str) -> String {
    format!("`{}` is not a time", shown(text))
}

/// A field in a message: escaped, and not longer than a line.
pub(super) fn shown(text: &str) -> String {
    /// Longest field shown in a reason, in characters.
    const SHOWN_MAX: usize = 60;
    text.escape_debug().take(SHOWN_MAX).collect()
}

/// Which of the two comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DayOrder {
    DayFirst,
    MonthFirst,
}

/// What the dates of a column say about their order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DateEvidence {
    /// Dates with more than 12 in the first place.
    day_first: u64,
    /// Dates with more than 12 in the second place.
    month_first: u64,
    /// Dates that would be another day the other way round.
    open: u64,
    /// Dates with another mark than a dot.
    marked: u64,
    all: u64,
}

impl DateEvidence {
    /// Takes in a date; other words say nothing.
    pub(super) fn see(&mut self, text: &str) {
        let Some((first, second, mark)) = year_last(text) else { return };
        self.all += 1;
        self.day_first += u64::from(first > 12);
        self.month_first += u64::from(second > 12);
        self.open += u64::from(first != second && first <= 12 && second <= 12);
        self.marked += u64::from(mark != '.');
    }

    /// The order, if all dates together leave only one. `is_custom`: the name of the column says that the day is first.
    pub(super) const fn order(self, is_custom: bool) -> Option<DayOrder> {
        if self.day_first > 0 && self.month_first > 0 {
            return None;
        }
        if self.month_first > 0 {
            return Some(DayOrder::MonthFirst);
        }
        // With dots the month is seldom first, so dates that are the same either way need no more.
        let is_settled = self.all > 0 && self.marked == 0 && (is_custom || self.open == 0);
        if self.day_first > 0 || is_settled { Some(DayOrder::DayFirst) } else { None }
    }
}

/// The two numbers before the year, and the mark between them, of a date that ends with a year of four digits.
pub(super) fn year_last(text: &str) -> Option<(u32, u32, char)> {
    let day = text.trim().split([' ', 'T']).next()?;
    let mark = day.chars().find(|c| !c.is_ascii_digit())?;
    let parts: Vec<&str> = day.split(['-', '/', '.']).collect();
    let [first, second, year] = parts[..] else { return None };
    let is_short = |part: &str| (1..=2).contains(&part.len());
    if !is_short(first) || !is_short(second) || year.len() != 4 {
        return None;
    }
    year.parse::<u32>().ok()?;
    Some((first.parse().ok()?, second.parse().ok()?, mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_text(
        text: &str,
        unit: Option<StampUnit>,
        offset_ms: i64,
    ) -> Result<ArchiveStamp, String> {
        let order = Some(DayOrder::DayFirst);
        super::from_text(text, Reading { unit, offset_ms, order })
    }

    #[test]
    fn the_order_of_a_date_is_known_or_it_is_refused() {
        let read = |text: &str, order| {
            super::from_text(text, Reading { order, ..Reading::default() }).map(|stamp| stamp.ms)
        };
        let (day_first, month_first) = (Some(DayOrder::DayFirst), Some(DayOrder::MonthFirst));
        for mark in ["/", ".", "-"] {
            let text = format!("02{mark}01{mark}1970");
            assert_eq!(read(&text, day_first), Ok(86_400_000));
            assert_eq!(read(&text, month_first), Ok(31 * 86_400_000));
            assert!(read(&text, None).unwrap_err().contains("an order that is unclear"));
            let short = format!("02{mark}01{mark}24");
            assert!(read(&short, day_first).is_err(), "the year may be first");
        }
    }

    #[test]
    fn stamps_of_every_kind_are_read() {
        const MS: i64 = 1_749_000_000_000;
        for text in [
            "1749000000",
            "1749000000000",
            "1749000000000000",
            "1749000000000000000",
            "1749000000.0",
            "2025-06-04T01:20:00Z",
            "2025-06-04 01:20:00+00:00",
            "2025-06-04 01:20:00.000000+00:00",
            "2025-06-03 21:20:00-04:00",
            "2025-06-03T21:20:00-0400",
            "2025-06-04 01:20:00 UTC",
            "2025-06-04 01:20:00 +0000",
            "2025/06/04 01:20:00Z",
            "04.06.2025 01:20:00.000 GMT",
            " 2025-06-04 01:20+00:00 ",
        ] {
            let stamp = from_text(text, None, 7);
            assert_eq!(stamp, Ok(ArchiveStamp::exact(MS)), "{text}");
        }
        for text in [
            "2025-06-04 03:20:00",
            "2025-06-04T03:20",
            "2025-06-04 03:20:00.000",
            "2025/06/04 03:20",
            "2025.06.04 03:20:00",
            "04.06.2025 03:20:00.000",
            "20250604 032000",
            "202506040320",
            "20250604032000",
        ] {
            let stamp = from_text(text, None, 7_200_000);
            assert_eq!(stamp, Ok(ArchiveStamp { ms: MS, kind: StampKind::Naive }), "{text}");
        }
        for text in ["1970-01-02", "1970/01/02", "02.01.1970", "19700102"] {
            assert_eq!(
                from_text(text, None, 0),
                Ok(ArchiveStamp { ms: 86_400_000, kind: StampKind::Day })
            );
        }
        assert_eq!(from_text("1970", Some(StampUnit::Millis), 0), Ok(ArchiveStamp::exact(1970)));
        // A number of seconds is one when it is said, whatever else it could be.
        assert_eq!(
            from_text("20250604", Some(StampUnit::Seconds), 0),
            Ok(ArchiveStamp::exact(20_250_604_000))
        );
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in [
            "",
            "x",
            "NaN",
            "inf",
            "1e300",
            "1.6122E+12",
            "1.749e9",
            "2025-13-01",
            "04/06/25",
            "04-06-25",
            "04.13.2025",
            "2025-06-04 24:00",
            "2025-06-04 03:20:60",
            "1749000000000.5",
            "٣",
            "99999999999999999999",
        ] {
            assert!(from_text(text, None, 0).is_err(), "{text}");
        }
        assert!(from_text(&i64::MAX.to_string(), Some(StampUnit::Seconds), 0).is_err());
        assert!(from_text("2025-06-04", Some(StampUnit::Seconds), 0).is_err());
        assert!(from_text("1749000000", Some(StampUnit::Dates), 0).is_err());
    }

    #[test]
    fn times_of_day_have_two_digits_each() {
        for (text, ms) in [
            ("00:05", Some(300_000)),
            ("23:59:59.5", Some(86_399_500)),
            ("0005", Some(300_000)),
            ("000500", Some(300_000)),
            ("5", None),
            ("500", None),
            ("2460", None),
            ("12 AM", None),
        ] {
            assert_eq!(time_of_day(text), ms, "{text}");
        }
    }

    #[test]
    fn only_a_day_above_twelve_tells_the_order() {
        use DayOrder::{DayFirst, MonthFirst};
        for (dates, is_custom, order) in [
            (vec!["01.02.2024 00:00", "13.02.2024 00:00"], false, Some(DayFirst)),
            (vec!["01/02/2024", "01/13/2024"], false, Some(MonthFirst)),
            (vec!["01-02-2024", "31-01-2024"], false, Some(DayFirst)),
            (vec!["01.02.2024", "12.02.2024"], false, None),
            (vec!["01.02.2024", "12.02.2024"], true, Some(DayFirst)),
            (vec!["01/02/2024"], true, None),
            (vec!["13.02.2024", "01.13.2024"], true, None),
            (vec!["03.03.2024 12:00"], false, Some(DayFirst)),
            (vec!["03/03/2024 12:00"], false, None),
            (vec!["1/2/24", "13/2/24", "2024-01-13", "x", ""], false, None),
        ] {
            let mut evidence = DateEvidence::default();
            for date in &dates {
                evidence.see(date);
            }
            assert_eq!(evidence.order(is_custom), order, "{dates:?}");
        }
    }
}
