//! Words that are the length of a bar: `5m`, `PT1H`, `hourly`, `00:05:00`, a number of seconds.

use crate::domain::time::Timeframe;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Whether a length is that of the bars. What cannot be read as a length is not.
pub(super) fn is_interval(word: &str, timeframe: Timeframe) -> bool {
    lengths(word).is_some_and(|lengths| lengths.contains(&timeframe.ms()))
}

/// Whether a word is a length that names its unit.
pub(super) fn is_length(word: &str) -> bool {
    // So many millions are written so, too.
    let is_million = word.ends_with('M') && word.len() > 2;
    !is_million && word.parse::<f64>().is_err() && word.len() <= 20 && lengths(word).is_some()
}

/// What a word can mean as a length, in milliseconds.
fn lengths(word: &str) -> Option<Vec<i64>> {
    let word = word.trim();
    // A month has no length, and in no other spelling is it one of ours.
    if matches!(word, "1M" | "M") {
        return Some(vec![30 * DAY]);
    }
    if let Some(ms) = clock(word) {
        return Some(vec![ms]);
    }
    let lower = word.to_ascii_lowercase();
    let mut lower = lower.strip_suffix(".0").unwrap_or(&lower);
    for prefix in
        ["candle", "kline_interval_", "interval_", "period_", "timeframe_", "tf_", "pt", "p"]
    {
        if let Some(rest) = lower.strip_prefix(prefix)
            && !rest.is_empty()
            && (prefix.len() > 2 || rest.starts_with(|c: char| c.is_ascii_digit()))
        {
            lower = rest;
        }
    }
    let (mut count, mut unit) = (None, None);
    for part in parts(lower)? {
        match number(part) {
            Some(number) if count.is_none() => count = Some(number),
            None if unit.is_none() => unit = Some(units(part)?),
            Some(_) | None => return None,
        }
    }
    let (count, units) = match (count, unit) {
        (None, None) => return None,
        (count, Some(unit)) => (count.unwrap_or(1), vec![unit]),
        (Some(count), None) => (count, vec![1, SECOND, MINUTE, HOUR, DAY]),
    };
    Some(units.into_iter().filter_map(|unit| count.checked_mul(unit)).collect())
}

/// The length of one of a unit.
fn units(word: &str) -> Option<i64> {
    Some(match word {
        "ms" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" | "minutely" | "t" => MINUTE,
        "h" | "hr" | "hrs" | "hour" | "hours" | "hourly" => HOUR,
        "d" | "day" | "days" | "daily" => DAY,
        "w" | "wk" | "week" | "weeks" | "weekly" => 7 * DAY,
        "mo" | "mn" | "mon" | "month" | "months" | "monthly" | "mth" => 30 * DAY,
        "y" | "year" | "years" | "yearly" => 365 * DAY,
        _ => return None,
    })
}

fn number(word: &str) -> Option<i64> {
    Some(match word {
        "one" => 1,
        "two" => 2,
        "three" => 3,
        "four" => 4,
        "five" => 5,
        "six" => 6,
        "eight" => 8,
        "twelve" => 12,
        "fifteen" => 15,
        "thirty" => 30,
        "sixty" => 60,
        digits => return digits.parse().ok(),
    })
}

/// The runs of digits and of letters in a word that has nothing else but a few marks between them.
fn parts(word: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let is_like = |c: char| if is_digit { c.is_ascii_digit() } else { c.is_ascii_alphabetic() };
        let end = rest.find(|c: char| !is_like(c)).unwrap_or(rest.len());
        if end > 0 {
            parts.push(&rest[..end]);
            rest = &rest[end..];
        } else if matches!(first, ' ' | '_' | '-') {
            rest = &rest[1..];
        } else {
            return None;
        }
    }
    Some(parts)
}

/// A length as a clock shows it: `00:05:00`, `0 days 00:05:00`.
fn clock(word: &str) -> Option<i64> {
    let (days, clock) = match word.split_once(" days ").or_else(|| word.split_once(" day ")) {
        Some((days, clock)) => (days.parse::<i64>().ok()?, clock),
        None => (0, word),
    };
    let parts: Vec<i64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts[..] else { return None };
    let is_clock = (0..=24 * 366).contains(&hours) && (0..60).contains(&minutes);
    let is_clock = is_clock && (0..60).contains(&seconds) && (0..=366).contains(&days);
    is_clock.then_some(days * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_known_in_the_usual_spellings() {
        for word in [
            "5m",
            "5 min",
            "5min",
            "300",
            "300s",
            "5",
            "5.0",
            "PT5M",
            "M5",
            "5T",
            "candle5m",
            "5 minutes",
            "300000",
            "FIVE_MINUTE",
            "00:05:00",
            "0 days 00:05:00",
            "MINUTE_5",
            "KLINE_INTERVAL_5MINUTE",
            "PERIOD_M5",
            "5MIN",
        ] {
            assert!(is_interval(word, Timeframe::M5), "{word}");
        }
        for word in [
            "1h", "60", "1d", "15", "M15", "1", "PT1H", "1M", "week", "hourly", "1 hour", "P1D",
            "spot", "", "PT1H5M", "01:00:00", "ONE_HOUR", "1HRS",
        ] {
            assert!(!is_interval(word, Timeframe::M5), "{word}");
        }
        for (word, timeframe) in [
            ("1D", Timeframe::D1),
            ("D", Timeframe::D1),
            ("H1", Timeframe::H1),
            ("1 hour", Timeframe::H1),
            ("60", Timeframe::H1),
            ("PT1H", Timeframe::H1),
            ("hourly", Timeframe::H1),
            ("P1D", Timeframe::D1),
            ("1:00:00", Timeframe::H1),
            ("1 days 00:00:00", Timeframe::D1),
            ("ONE_HOUR", Timeframe::H1),
            ("1HRS", Timeframe::H1),
        ] {
            assert!(is_interval(word, timeframe), "{word}");
        }
        for (word, is) in [("1h", true), ("5M", true), ("12M", false), ("60", false), ("x", false)]
        {
            assert_eq!(is_length(word), is, "{word}");
        }
    }
}
