//! A cron line: five fields, minute to weekday, as operators know it. One that never fires cannot be made.

use std::{fmt, str::FromStr};

use chrono::{NaiveDateTime, TimeZone as _, Utc};
use croner::{
    JobType,
    parser::{CronParser, Seconds, Year},
};
use thiserror::Error;

use super::zone::Zone;

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

/// Why a text is no cron line.
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
    /// There is no such day.
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
