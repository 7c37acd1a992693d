//! When something is due, again and again: by a cron line on the clocks of a zone, or at a fixed distance.

use std::{fmt, str::FromStr, time::Duration};

use chrono::{NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use croner::{
    JobType,
    parser::{CronParser, Seconds, Year},
};
use thiserror::Error;

use super::{
    time::UtcMs,
    zone::{Instants, Zone},
};

/// What becomes of a time that the clocks jump over, in spring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClockGap {
    /// It is due at the first instant after the jump.
    Shift,
    /// It is not due that day.
    Skip,
}

/// A rule that says which instants are due. They are strictly increasing, whatever the clocks do.
///
/// When clocks are set back, in autumn, a line with one fixed minute and hour is due once, at the first pass; any other line
/// (`*/5 * * * *`) goes on through both passes, as the time that elapses demands.
#[derive(Debug, Clone, PartialEq)]
pub enum Cadence {
    /// By a cron line.
    Cron {
        cron: Cron,
        /// On whose clocks.
        zone: Zone,
        /// What becomes of times that do not exist.
        gap: ClockGap,
    },
    /// At every whole multiple of a duration since 1970-01-01T00:00:00Z.
    Every(Duration),
}

/// What is special about an instant that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockChange {
    /// The time on the line does not exist that day: this is the first one after the jump.
    Shifted,
    /// This time comes twice that day, and this is the first pass.
    FirstPass,
    /// This time comes twice that day, and this is the second pass.
    SecondPass,
}

/// A day's changes of clock are no larger than this.
const CHANGE_MAX_MS: i64 = 3 * 3_600_000;

impl Cadence {
    /// The first instant after `after` that is due; `None` past the years this program knows.
    pub fn next(&self, after: UtcMs) -> Option<UtcMs> {
        match self {
            Self::Every(step) => {
                let step = i64::try_from(step.as_millis()).ok().filter(|step| *step > 0)?;
                UtcMs::new((after.get().div_euclid(step) + 1).checked_mul(step)?).ok()
            }
            Self::Cron { cron, zone, gap } => next_on_clocks(cron, *zone, *gap, after),
        }
    }

    /// The instants after `after` and up to `upto` that are due.
    pub fn between(&self, after: UtcMs, upto: UtcMs) -> impl Iterator<Item = UtcMs> + '_ {
        std::iter::successors(self.next(after), |last| self.next(*last))
            .take_while(move |at| *at <= upto)
    }

    /// What the clocks do at an instant that is due.
    pub fn clock_change(&self, at: UtcMs) -> Option<ClockChange> {
        let Self::Cron { cron, zone, .. } = self else { return None };
        if is_shifted(cron, *zone, at) {
            return Some(ClockChange::Shifted);
        }
        let reads_like = |other: UtcMs| {
            let wall = |at: UtcMs| at.get() + i64::from(zone.offset_s(at)) * 1000;
            wall(other) == wall(at)
        };
        let back = |at: UtcMs, ms: i64| {
            i64::from(zone.offset_s(at) - zone.offset_s(at.plus_ms(ms))) * 1000
        };
        let later = back(at, CHANGE_MAX_MS);
        if later > 0 && reads_like(at.plus_ms(later)) {
            return Some(ClockChange::FirstPass);
        }
        let earlier = -back(at, -CHANGE_MAX_MS);
        (earlier > 0 && reads_like(at.plus_ms(-earlier))).then_some(ClockChange::SecondPass)
    }
}

/// The first instant after `after` at which the clocks of a zone show a time of the line.
///
/// Times are taken from the line as if clocks never changed, and each is looked up on the clocks: so what becomes of a time that does not
/// exist, or comes twice, never depends on what else the line has.
fn next_on_clocks(cron: &Cron, zone: Zone, gap: ClockGap, after: UtcMs) -> Option<UtcMs> {
    let after_ms = after.get();
    let set_back_s = (zone.offset_s(after) - zone.offset_s(after.plus_ms(CHANGE_MAX_MS))).max(0);
    // What clocks that are about to be set back show now, and showed a while ago, they show once more.
    let mut from = zone.wall(after) - TimeDelta::seconds(set_back_s.into());
    let mut second_pass: Option<i64> = None;
    while let Some(wall) = cron.next_wall(from) {
        from = wall + TimeDelta::minutes(1);
        let (at, again) = match zone.instants(wall)? {
            Instants::Once(at) => (at, None),
            Instants::Twice(first, second) => (first, Some(second).filter(|_| !cron.is_fixed())),
            Instants::Never(_) if gap == ClockGap::Skip => continue,
            Instants::Never(after_jump) => (after_jump, None),
        };
        // No later time of the line comes before this one, but a second pass may.
        if at > after_ms {
            return UtcMs::new(second_pass.map_or(at, |second| second.min(at))).ok();
        }
        let again = again.filter(|again| *again > after_ms);
        second_pass = [second_pass, again].into_iter().flatten().min();
    }
    second_pass.and_then(|at| UtcMs::new(at).ok())
}

/// Whether an instant is due although its time does not stand on the line: the time that does was jumped over.
fn is_shifted(cron: &Cron, zone: Zone, at: UtcMs) -> bool {
    !cron.has(zone.wall(at))
}

impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron { cron, zone, .. } => write!(f, "{cron} {zone}"),
            Self::Every(step) => write!(f, "every {step:?}"),
        }
    }
}

/// Names of the five fields, in order.
const FIELDS: [&str; 5] = ["minute", "hour", "day of month", "month", "day of week"];
/// How many values each of them has.
const SIZES: [u32; 5] = [60, 24, 31, 12, 7];
/// A search for the first time starts here; any instant does, since cron lines repeat.
const SEARCH_FROM_MS: i64 = 1_700_000_000_000;

/// How a day is chosen when both the day of the month and the day of the week are restricted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DayMatch {
    /// Either of them suffices, as in cron.
    Or,
    And,
}

/// A cron line that fires some day.
#[derive(Debug, Clone)]
pub struct Cron {
    text: String,
    pattern: Box<croner::Cron>,
}

/// Why a text is not a cron line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CronError {
    /// Not five fields.
    #[error(
        "cron `{text}` has {found} fields, five are needed: minute hour day-of-month month day-of-week"
    )]
    Fields {
        text: String,
        /// How many fields it has.
        found: usize,
    },
    /// One field is wrong.
    #[error("cron `{text}`: column {column}: `{field}` is not a valid {name}: {why}")]
    Field {
        text: String,
        /// Where the field begins, from 1.
        column: usize,
        field: String,
        /// What the field stands for.
        name: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// This day does not exist.
    #[error("cron `{0}` never fires: that day does not exist")]
    Never(String),
}

impl Cron {
    /// The line with another rule for days.
    pub fn matching(&self, days: DayMatch) -> Result<Self, CronError> {
        let pattern = parse(&self.text, days)
            .map_err(|why| CronError::Field {
                text: self.text.clone(),
                column: 1,
                field: self.text.clone(),
                name: "cron line",
                why,
            })
            .and_then(|pattern| fires(&self.text, pattern))?;
        Ok(Self { text: self.text.clone(), pattern })
    }

    /// Whether both the day of the month and the day of the week are restricted, so that a [`DayMatch`] makes a difference.
    pub fn is_ambiguous(&self) -> bool {
        let fields: Vec<&str> = self.text.split_whitespace().collect();
        let free = |n: usize| fields.get(n).is_none_or(|field| *field == "*" || *field == "?");
        !free(2) && !free(4)
    }

    /// Whether it has one fixed minute and hour.
    pub(super) fn is_fixed(&self) -> bool {
        self.pattern.determine_job_type() == JobType::FixedTime
    }

    /// The first time of the line after `from`, or `from` itself, on clocks that never change.
    pub(super) fn next_wall(&self, from: NaiveDateTime) -> Option<NaiveDateTime> {
        let found = self.pattern.find_next_occurrence(&Utc.from_utc_datetime(&from), true);
        found.ok().map(|found| found.naive_utc())
    }

    /// Whether the line has a time.
    pub(super) fn has(&self, wall: NaiveDateTime) -> bool {
        self.pattern.is_time_matching(&Utc.from_utc_datetime(&wall)).unwrap_or(true)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.pattern == other.pattern
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() != FIELDS.len() {
            return Err(CronError::Fields { text: text.to_owned(), found: fields.len() });
        }
        for (n, (field, name)) in fields.iter().zip(FIELDS).enumerate() {
            check_field(text, n, field, name)?;
        }
        let normal = fields.join(" ");
        let pattern = parse(&normal, DayMatch::Or).map_err(|why| CronError::Field {
            text: text.to_owned(),
            column: 1,
            field: normal.clone(),
            name: "cron line",
            why,
        })?;
        Ok(Self { pattern: fires(text, pattern)?, text: normal })
    }
}

/// Tries one field by itself, so that the message can name it.
fn check_field(text: &str, n: usize, field: &str, name: &'static str) -> Result<(), CronError> {
    let mut alone = ["*"; 5];
    alone[n] = field;
    let parsed = check_items(field, SIZES[n])
        .and_then(|()| parse(&alone.join(" "), DayMatch::Or).map(|_| ()));
    let Err(why) = parsed else { return Ok(()) };
    let column = field.as_ptr() as usize - text.as_ptr() as usize + 1;
    Err(CronError::Field { text: text.to_owned(), column, field: field.to_owned(), name, why })
}

/// What a line may have and its writer cannot have meant: an empty item, a step that is never taken.
fn check_items(field: &str, size: u32) -> Result<(), String> {
    for item in field.split(',') {
        if item.is_empty() {
            return Err("an item of its list is empty: take a comma out".to_owned());
        }
        let Some((range, step)) = item.split_once('/') else { continue };
        let Ok(step) = step.parse::<u32>() else { continue };
        let values = values(range).unwrap_or(size);
        if step > values {
            return Err(format!(
                "its step {step} is wider than its {values} values, so only the first of them is ever due: write that one, or a smaller step"
            ));
        }
    }
    Ok(())
}

/// How many values a range of two numbers has.
fn values(range: &str) -> Option<u32> {
    let (first, last) = range.split_once('-')?;
    let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
    last.checked_sub(first)?.checked_add(1)
}

fn parse(text: &str, days: DayMatch) -> Result<croner::Cron, String> {
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .dom_and_dow(days == DayMatch::And)
        .build();
    parser.parse(text).map_err(|error| error.to_string().trim_end_matches('.').to_owned())
}

fn fires(text: &str, pattern: croner::Cron) -> Result<Box<croner::Cron>, CronError> {
    let from = Zone::UTC.at_ms(SEARCH_FROM_MS);
    match pattern.find_next_occurrence(&from, false) {
        Ok(_) => Ok(Box::new(pattern)),
        Err(_) => Err(CronError::Never(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cadence(line: &str, zone: &str, gap: ClockGap) -> Cadence {
        Cadence::Cron { cron: line.parse().unwrap(), zone: zone.parse().unwrap(), gap }
    }

    fn due(cadence: &Cadence, from: &str, to: &str) -> Vec<String> {
        let (from, to): (UtcMs, UtcMs) = (from.parse().unwrap(), to.parse().unwrap());
        cadence.between(from, to).map(|at| at.format("%dT%H:%M")).collect()
    }

    #[test]
    fn eighteen_o_clock_in_berlin_stays_eighteen_o_clock() {
        let evening = cadence("0 18 * * *", "Europe/Berlin", ClockGap::Shift);
        let spring = due(&evening, "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z");
        assert_eq!(spring, ["28T17:00", "29T16:00", "30T16:00"]);
        let autumn = due(&evening, "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z");
        assert_eq!(autumn, ["24T16:00", "25T17:00", "26T17:00"]);
    }

    #[test]
    fn a_time_that_does_not_exist_is_shifted_or_skipped() {
        for (zone, before, jump, skipped_to) in [
            ("Europe/Berlin", "2026-03-28T12:00:00Z", "29T01:00", "30T00:30"),
            ("America/New_York", "2026-03-07T12:00:00Z", "08T07:00", "09T06:30"),
        ] {
            let end = UtcMs::plus_ms(before.parse().unwrap(), 2 * 86_400_000).to_string();
            let night = cadence("30 2 * * *", zone, ClockGap::Shift);
            let shifted = due(&night, before, &end);
            assert_eq!(shifted, [jump, skipped_to], "{zone}");
            let first = night.next(before.parse().unwrap()).unwrap();
            assert_eq!(night.clock_change(first), Some(ClockChange::Shifted));
            assert_eq!(night.clock_change(night.next(first).unwrap()), None);
            let skipping = cadence("30 2 * * *", zone, ClockGap::Skip);
            assert_eq!(due(&skipping, before, &end), [skipped_to], "{zone}");
        }
    }

    #[test]
    fn what_becomes_of_a_time_that_does_not_exist_does_not_depend_on_the_other_times_of_the_line() {
        let (from, to) = ("2026-03-28T20:00:00Z", "2026-03-29T03:00:00Z");
        for (line, shifted, skipped) in [
            ("0 2,14 * * *", vec!["29T01:00"], vec![]),
            ("0,30 2,14 * * *", vec!["29T01:00"], vec![]),
            (
                "30 1-3 * * *",
                vec!["29T00:30", "29T01:00", "29T01:30"],
                vec!["29T00:30", "29T01:30"],
            ),
            (
                "15,45 */2 * * *",
                vec![
                    "28T21:15", "28T21:45", "28T23:15", "28T23:45", "29T01:00", "29T02:15",
                    "29T02:45",
                ],
                vec!["28T21:15", "28T21:45", "28T23:15", "28T23:45", "29T02:15", "29T02:45"],
            ),
            ("0 2,3 * * *", vec!["29T01:00"], vec!["29T01:00"]),
        ] {
            let by = |gap| due(&cadence(line, "Europe/Berlin", gap), from, to);
            assert_eq!(by(ClockGap::Shift), shifted, "{line}");
            assert_eq!(by(ClockGap::Skip), skipped, "{line}");
        }
        let half_an_hour = cadence("15 2,12 * * *", "Australia/Lord_Howe", ClockGap::Shift);
        let night = due(&half_an_hour, "2026-10-03T12:00:00Z", "2026-10-04T00:00:00Z");
        assert_eq!(night, ["03T15:30"]);
    }

    #[test]
    fn a_time_that_comes_twice_is_due_once_and_an_interval_goes_on() {
        for (zone, before, passes) in [
            ("Europe/Berlin", "2026-10-24T12:00:00Z", ["25T00:30", "25T01:30"]),
            ("America/New_York", "2026-10-31T16:00:00Z", ["01T05:30", "01T06:30"]),
        ] {
            let hour = if zone == "Europe/Berlin" { 2 } else { 1 };
            let end = UtcMs::plus_ms(before.parse().unwrap(), 86_400_000).to_string();
            let night = cadence(&format!("30 {hour} * * *"), zone, ClockGap::Shift);
            assert_eq!(due(&night, before, &end), [passes[0]], "{zone}");
            let at = night.next(before.parse().unwrap()).unwrap();
            assert_eq!(night.clock_change(at), Some(ClockChange::FirstPass));
            let both = cadence("*/30 * * * *", zone, ClockGap::Shift);
            assert_eq!(due(&both, before, &end).len(), 48, "{zone}");
            assert_eq!(both.clock_change(at), Some(ClockChange::FirstPass));
            assert_eq!(both.clock_change(at.plus_ms(3_600_000)), Some(ClockChange::SecondPass));
            assert_eq!(both.clock_change(at.plus_ms(7_200_000)), None);
        }
    }

    #[test]
    fn no_line_ever_goes_back_or_stands_still() {
        for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"] {
            for line in
                ["*/5 * * * *", "0,30 1-3 * * *", "30 2 * * *", "15 */2 * * SUN", "0 2,3 * * *"]
            {
                for gap in [ClockGap::Shift, ClockGap::Skip] {
                    let cadence = cadence(line, zone, gap);
                    let (from, to) = ("2026-03-01T00:00:00Z", "2026-11-15T00:00:00Z");
                    let slots: Vec<UtcMs> =
                        cadence.between(from.parse().unwrap(), to.parse().unwrap()).collect();
                    assert!(slots.is_sorted_by(|a, b| a < b), "{line} {zone} {gap:?}");
                    assert!(slots.len() > 30, "{line} {zone}: {}", slots.len());
                }
            }
        }
    }

    #[test]
    fn a_fixed_distance_lies_on_the_grid_of_the_epoch() {
        let every = Cadence::Every(Duration::from_mins(10));
        let due = due(&every, "2026-01-01T00:03:00Z", "2026-01-01T00:30:00Z");
        assert_eq!(due, ["01T00:10", "01T00:20", "01T00:30"]);
        assert_eq!(Cadence::Every(Duration::ZERO).next(UtcMs::EPOCH), None);
        assert_eq!(every.clock_change(UtcMs::EPOCH), None);
    }

    fn refused(text: &str) -> String {
        text.parse::<Cron>().unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_line_is_named_by_field_and_column() {
        let five = "five are needed: minute hour day-of-month month day-of-week";
        assert_eq!(refused("* * * *"), format!("cron `* * * *` has 4 fields, {five}"));
        assert_eq!(refused("0 * * * * *"), format!("cron `0 * * * * *` has 6 fields, {five}"));
        assert_eq!(refused(""), format!("cron `` has 0 fields, {five}"));
        let wrong = refused("*/5 25 * * *");
        assert!(
            wrong.starts_with("cron `*/5 25 * * *`: column 5: `25` is not a valid hour: "),
            "{wrong}"
        );
        for text in ["61 * * * *", "* * 32 * *", "* * * 13 *", "* * * * 8", "@hourly", "a b c d e"]
        {
            assert!(text.parse::<Cron>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_step_that_is_never_taken_and_an_empty_item_are_refused() {
        for (line, column, field) in [
            ("*/90 * * * *", 1, "*/90"),
            ("*/61 * * * *", 1, "*/61"),
            ("0 */30 * * *", 3, "*/30"),
            ("0 0 */32 * *", 5, "*/32"),
            ("0 0 * */13 *", 7, "*/13"),
            ("0 0 * * */8", 9, "*/8"),
            ("10-20/30 * * * *", 1, "10-20/30"),
            ("0,10-14/6 * * * *", 1, "0,10-14/6"),
            ("0 0 * * MON-FRI/9", 9, "MON-FRI/9"),
            ("5,, * * * *", 1, "5,,"),
            (",5 * * * *", 1, ",5"),
            ("5 1,,2 * * *", 3, "1,,2"),
        ] {
            let found = line.parse::<Cron>().unwrap_err();
            let CronError::Field { column: at, field: named, why, .. } = found else {
                panic!("{line}: {found:?}")
            };
            assert_eq!((at, named.as_str()), (column, field), "{line}: {why}");
        }
        for line in
            ["*/60 * * * *", "0 */24 * * *", "0 0 1 */12 *", "10-20/11 * * * *", "5,10 * * * *"]
        {
            assert!(line.parse::<Cron>().is_ok(), "{line}");
        }
    }

    #[test]
    fn a_line_that_never_fires_is_refused() {
        let never = "never fires: that day does not exist";
        assert_eq!(refused("0 0 30 2 *"), format!("cron `0 0 30 2 *` {never}"));
        assert_eq!(refused("0 0 31 4,6 *"), format!("cron `0 0 31 4,6 *` {never}"));
        let leap: Cron = "0 0 29 2 *".parse().unwrap();
        assert_eq!(leap.to_string(), "0 0 29 2 *");
    }

    #[test]
    fn names_and_both_sundays_are_known_and_spaces_do_not_count() {
        for text in ["0 18 * * MON-FRI", "0 0 1 jan *", "0 0 * * 7", "0 0 * * 0"] {
            assert!(text.parse::<Cron>().is_ok(), "{text}");
        }
        let (one, other): (Cron, Cron) =
            ("5  4 * *  *".parse().unwrap(), "5 4 * * *".parse().unwrap());
        assert_eq!(one, other);
    }

    #[test]
    fn two_restricted_days_are_ambiguous() {
        assert!("0 0 13 * FRI".parse::<Cron>().unwrap().is_ambiguous());
        for text in ["0 0 13 * *", "0 0 * * FRI"] {
            assert!(!text.parse::<Cron>().unwrap().is_ambiguous(), "{text}");
        }
        let never = "0 0 30 2 FRI".parse::<Cron>().unwrap().matching(DayMatch::And).unwrap_err();
        assert_eq!(never, CronError::Never("0 0 30 2 FRI".to_owned()));
    }
}
