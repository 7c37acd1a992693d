//! How far apart the rows of a file are, in rows and in words (`5m`, `PT1H`, `hourly`), and whether that is the timeframe asked for.

use std::collections::BTreeMap;

use super::when::instant;
use crate::domain::time::Timeframe;

/// Below this chance, a run of equal holes is not a run of holes.
const CHANCE_MIN: f64 = 1e-4;
/// Fewer rows than this do not show another timeframe.
const RUN_MIN: u64 = 4;
/// Rows in one direction that are judged by themselves.
const PART_MIN: usize = 10;
/// Of the distances in such a part, so many must be the same before it has another timeframe.
const PART_SHARE: f64 = 0.7;
/// Of all distances, so many may be shorter than the timeframe.
const SHORT_SHARE: f64 = 0.05;
/// So many may be in any file.
const SHORT_MAX: usize = 6;

/// Whether the parts of a file, each of which goes one way, can be bars of `timeframe`: they may lie over each other.
/// `closes` are in the order of the file.
pub(super) fn judge_parts(
    closes: &[i64],
    timeframe: Timeframe,
    is_sparse: bool,
) -> Result<(), String> {
    let mut start = 0;
    while start + 1 < closes.len() {
        let is_up = closes[start + 1] > closes[start];
        let goes_on = |pair: &&[i64]| pair[0] != pair[1] && (pair[1] > pair[0]) == is_up;
        let steps = closes[start..].windows(2).take_while(goes_on).count();
        if steps >= PART_MIN && steps + 1 < closes.len() {
            let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
            for pair in closes[start..=start + steps].windows(2) {
                *counts.entry((pair[1] - pair[0]).abs()).or_default() += 1;
            }
            let most = counts.into_iter().max_by_key(|(_, count)| *count);
            if let Some((distance, count)) = most
                && distance != timeframe.ms()
                && !(is_sparse && distance > timeframe.ms())
                && count as f64 >= PART_SHARE * steps as f64
            {
                return Err(two_timeframes(closes[start], steps + 1, distance, timeframe));
            }
        }
        start += steps.max(1);
    }
    Ok(())
}

fn two_timeframes(from_ms: i64, rows: usize, distance: i64, timeframe: Timeframe) -> String {
    let (from, apart) = (instant(from_ms), length(distance));
    format!(
        "{rows} rows from {from} on are {apart} apart, not {timeframe}: the file holds bars of two timeframes, bring them in from a file each"
    )
}

/// Whether rows that close at these times, sorted and unique, can be bars of `timeframe`.
/// `is_sparse`: there may be more holes than bars.
pub(super) fn judge(closes: &[i64], timeframe: Timeframe, is_sparse: bool) -> Result<(), String> {
    let tf_ms = timeframe.ms();
    let distances: Vec<i64> = closes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
    for distance in &distances {
        *counts.entry(*distance).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or(0);
    let Some((commonest, _)) = counts.iter().find(|(_, count)| **count == most) else {
        return Ok(());
    };
    let is_multiple = commonest % tf_ms == 0;
    let is_timeframe = counts.get(&tf_ms) == Some(&most);
    if !is_timeframe && !(is_multiple && (is_sparse || is_thin(&counts, most, tf_ms))) {
        let help = if is_multiple && *commonest > tf_ms {
            "ask for the timeframe of the file, or say sparse=true if it has more holes than bars"
        } else {
            "ask for the timeframe of the file"
        };
        return Err(format!("the rows are {} apart, not {timeframe}: {help}", length(*commonest)));
    }
    runs(closes, &distances, &counts, timeframe, is_sparse)?;
    let is_short = |distance: &&i64| **distance < tf_ms;
    let short = distances.iter().filter(is_short).count();
    let at = distances.iter().position(|distance| *distance < tf_ms);
    if let Some(at) = at
        && short > SHORT_MAX
        && short as f64 > SHORT_SHARE * distances.len() as f64
    {
        return Err(two_timeframes(closes[at], short + 1, distances[at], timeframe));
    }
    if is_sparse { Ok(()) } else { holes(closes, &distances, timeframe) }
}

/// Whether rows that follow each other in equal distances, or in short ones, are bars of another timeframe.
fn runs(
    closes: &[i64],
    distances: &[i64],
    counts: &BTreeMap<i64, u64>,
    timeframe: Timeframe,
    is_sparse: bool,
) -> Result<(), String> {
    /// Rows in a row that are too near to each other, however near.
    const SHORT_RUN: usize = 3;
    let tf_ms = timeframe.ms();
    let mut at = 0;
    while at < distances.len() {
        let distance = distances[at];
        let run = distances[at..].iter().take_while(|next| **next == distance).count();
        let short = distances[at..].iter().take_while(|next| **next < tf_ms).count();
        let is_finer = distance < tf_ms && (run >= 2 || short >= SHORT_RUN);
        let is_coarser = !is_sparse
            && distance > tf_ms
            && distance % tf_ms == 0
            && is_no_chance(run as u64, counts[&distance], distances.len());
        if is_finer || is_coarser {
            return Err(two_timeframes(closes[at], run + 1, distance, timeframe));
        }
        at += run;
    }
    Ok(())
}

/// Whether a run of holes, equal or not, is one of a longer timeframe that has holes itself: each of them a multiple of it.
fn holes(closes: &[i64], distances: &[i64], timeframe: Timeframe) -> Result<(), String> {
    let tf_ms = timeframe.ms();
    let count = distances.iter().filter(|distance| **distance > tf_ms).count();
    let longer = Timeframe::ALL.into_iter().map(Timeframe::ms).chain([7 * Timeframe::D1.ms()]);
    // Every second bar is missing often enough in a thin market; three and more in a row by the same measure are not.
    for long_ms in longer.filter(|long| long % tf_ms == 0 && long / tf_ms >= 3).rev() {
        let is_long = |distance: &i64| distance % long_ms == 0;
        let of_all = distances.iter().filter(|distance| is_long(distance)).count();
        let mut at = 0;
        while at < distances.len() {
            let run = distances[at..].iter().take_while(|distance| is_long(distance)).count();
            // Among holes of all lengths, one in so many is a multiple by chance.
            let by_chance = 1.0 / (long_ms / tf_ms) as f64;
            let elsewhere = (of_all - run + 1) as f64 / (count + 1) as f64;
            let share = by_chance.max(elsewhere);
            if run as u64 >= RUN_MIN && count as f64 * share.powf(run as f64) < CHANCE_MIN {
                return Err(two_timeframes(closes[at], run + 1, long_ms, timeframe));
            }
            at += run.max(1);
        }
    }
    Ok(())
}

/// Whether so many distances differ that no longer timeframe explains them: a market in which many bars have no trade.
fn is_thin(counts: &BTreeMap<i64, u64>, most: u64, tf_ms: i64) -> bool {
    let neighbours = counts.get(&tf_ms).copied().unwrap_or(0);
    2 * most < counts.values().sum() && 2 * neighbours >= most
}

/// Whether a run of equal holes is too long to come from holes that are as frequent as elsewhere in the file.
fn is_no_chance(run: u64, of_all: u64, distances: usize) -> bool {
    let distances = distances as f64;
    let share = (of_all - run + 1) as f64 / (distances + 1.0);
    run >= RUN_MIN && distances * share.powf(run as f64) < CHANCE_MIN
}

/// A length as people write it. One that ends with the last millisecond of a bar is that of the bar.
pub(super) fn length(ms: i64) -> String {
    let ms = ms + i64::from(ms.rem_euclid(1000) == 999);
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")] {
        if ms % unit == 0 {
            return format!("{}{name}", ms / unit);
        }
    }
    format!("{ms}ms")
}

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

    const M: i64 = 60_000;

    /// Closes of rows that are so many minutes apart.
    fn closes(minutes: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let mut close = 1_704_067_200_000;
        let mut closes = vec![close];
        for minutes in minutes {
            close += minutes * M;
            closes.push(close);
        }
        closes
    }

    #[test]
    fn holes_are_no_other_timeframe() {
        let week = [5; 200].into_iter().chain([2885]);
        let sessions = [5; 77].into_iter().chain([1060]);
        let fair: [(&str, Vec<i64>); 8] = [
            ("one row", vec![]),
            ("two rows", vec![5]),
            ("a hole", vec![5, 15]),
            ("weekends", week.clone().chain(week.clone()).chain(week).collect()),
            ("sessions", std::iter::repeat_n(sessions, 9).flatten().collect()),
            ("every second bar for a while", [[5; 40].as_slice(), &[10; 3], &[5; 40]].concat()),
            ("a thin market", [5, 10, 25, 10, 5, 35, 15, 10, 20, 10, 5, 45].to_vec()),
            ("a stray row", vec![5, 5, 2, 3, 5]),
        ];
        for (what, minutes) in fair {
            assert_eq!(judge(&closes(minutes), Timeframe::M5, false), Ok(()), "{what}");
        }
        let daily = [1440, 1440, 1440, 1440, 4320].repeat(9);
        assert_eq!(judge(&closes(daily), Timeframe::D1, false), Ok(()));
    }

    #[test]
    fn another_timeframe_is_seen() {
        let (all, part) = ("the rows are", "the file holds bars of two timeframes");
        for (what, minutes, timeframe, told) in [
            ("minutes", vec![1; 30], Timeframe::M5, all),
            ("hours", vec![60; 5], Timeframe::M5, all),
            ("two rows", vec![15], Timeframe::M5, all),
            ("hours with holes", vec![60, 60, 120, 60, 180, 60], Timeframe::M5, all),
            ("hours with a stray row", vec![60, 60, 55, 5, 60, 60], Timeframe::M5, all),
            ("weeks", vec![10_080; 8], Timeframe::D1, all),
            ("months", vec![44_640, 41_760, 44_640, 43_200, 44_640], Timeframe::D1, all),
            ("months of spring", vec![41_760, 44_640, 43_200, 44_640, 43_200], Timeframe::D1, all),
            ("minutes at the end", [[5; 50].as_slice(), &[1; 9]].concat(), Timeframe::M5, part),
            ("hours at the end", [[5; 50].as_slice(), &[60; 9]].concat(), Timeframe::M5, part),
            ("hours at the start", [[60; 5].as_slice(), &[5; 10]].concat(), Timeframe::M5, part),
            (
                "hours with holes at the end",
                [[5; 50].as_slice(), &[60, 60, 120, 60, 180, 60, 60, 120]].concat(),
                Timeframe::M5,
                part,
            ),
            (
                "weeks with holes at the end",
                [[1440; 50].as_slice(), &[10_080, 20_160, 10_080, 10_080, 20_160, 10_080, 10_080]]
                    .concat(),
                Timeframe::D1,
                part,
            ),
            (
                "minutes with holes at the end",
                [[5; 50].as_slice(), &[1, 2, 1, 3, 1, 2]].concat(),
                Timeframe::M5,
                part,
            ),
            (
                "a minute here and there",
                [[5; 8].as_slice(), &[2, 3]].concat().repeat(9),
                Timeframe::M5,
                part,
            ),
            (
                "three minutes inside",
                [[5; 9].as_slice(), &[1; 2], &[3], &[5; 9]].concat(),
                Timeframe::M5,
                part,
            ),
        ] {
            let error = judge(&closes(minutes.clone()), timeframe, false).expect_err(what);
            assert!(error.contains(told), "{what}: {error}");
        }
        let hours = closes([60; 5]);
        assert_eq!(judge(&hours, Timeframe::M5, true), Ok(()), "it is said that holes are many");
        let error = judge(&hours, Timeframe::M5, false).unwrap_err();
        assert!(error.starts_with("the rows are 1h apart, not 5m"), "{error}");
        assert!(judge(&closes([1; 30]), Timeframe::M5, true).is_err());
    }

    #[test]
    fn parts_that_lie_over_each_other_are_judged_by_themselves() {
        let start = 1_704_067_200_000;
        let run = |count: i64, minutes: i64| (0..count).map(move |n| start + n * minutes * M);
        let both: Vec<i64> = run(200, 5).chain(run(15, 60)).collect();
        let error = judge_parts(&both, Timeframe::M5, false).unwrap_err();
        assert!(error.contains("15 rows from 2024-01-01"), "{error}");
        let twice: Vec<i64> = run(200, 5).chain(run(200, 5)).collect();
        assert_eq!(judge_parts(&twice, Timeframe::M5, false), Ok(()));
        let back: Vec<i64> = run(20, 5).chain(run(200, 5).rev()).collect();
        assert_eq!(judge_parts(&back, Timeframe::M5, false), Ok(()));
    }

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
