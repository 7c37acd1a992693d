//! Values as manifests write them: domain values parsed from text, durations, sizes, times, decimals.

use std::{borrow::Cow, collections::BTreeSet, fmt, num::NonZeroU32, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::domain::{
    base_url::BaseUrl,
    cadence::{Cadence, ClockGap, Cron},
    ids::{Exchange, RunId, Tag},
    series::Symbol,
    target::{
        AnchoredPattern, FloatingPattern, Host, HostKey, InsidePath, MachineId, Project,
        TargetPath, UserName,
    },
    time::{DAY_MS, Timeframe, UtcMs},
    tool::ToolNeed,
    zone::Zone,
};

/// A value that a manifest writes as text.
pub trait ManifestValue: FromStr<Err: fmt::Display> + fmt::Display {
    /// The `format` word in the schema; [`check_format`] knows it.
    const FORMAT: &'static str;

    /// The schema of the text.
    fn schema() -> Schema;
}

/// A value written as text and parsed when the manifest was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parsed<T>(T);

impl<T> Parsed<T> {
    /// Wraps a value that is already checked.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// The value, by value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: fmt::Display> fmt::Display for Parsed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Display> Serialize for Parsed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: ManifestValue> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

impl<T: ManifestValue> JsonSchema for Parsed<T> {
    fn schema_name() -> Cow<'static, str> {
        T::FORMAT.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

/// What a name may look like, as a pattern for editors; the domain types are stricter still.
const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$";

macro_rules! written {
    ($type:ty, $format:literal, $schema:tt) => {
        impl ManifestValue for $type {
            const FORMAT: &'static str = $format;

            fn schema() -> Schema {
                json_schema!($schema)
            }
        }
    };
}

written!(Tag, "tag", { "type": "string", "format": "tag", "pattern": NAME_PATTERN });
written!(RunId, "run-id", { "type": "string", "format": "run-id", "pattern": NAME_PATTERN });
written!(Exchange, "exchange", { "type": "string", "format": "exchange", "pattern": NAME_PATTERN });
written!(Symbol, "symbol", { "type": "string", "format": "symbol", "pattern": "^[A-Z0-9]+[/_][A-Z0-9]+$" });
written!(Timeframe, "timeframe", { "type": "string", "format": "timeframe", "enum": Timeframe::ALL.map(Timeframe::name) });
written!(Span, "duration", { "type": "string", "format": "duration" });
written!(Size, "size", { "type": "string", "format": "size", "pattern": "^[0-9]+(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$" });
written!(Speed, "speed", { "type": "string", "format": "speed", "pattern": "^(max|[1-9][0-9]*x)$" });
written!(BaseUrl, "base-url", { "type": "string", "format": "base-url", "pattern": "^https?://" });
written!(Cron, "cron", { "type": "string", "format": "cron" });
written!(Zone, "time-zone", { "type": "string", "format": "time-zone" });
written!(Host, "host", { "type": "string", "format": "host" });
written!(UserName, "user-name", { "type": "string", "format": "user-name" });
written!(TargetPath, "target-path", { "type": "string", "format": "target-path", "pattern": "^/" });
written!(InsidePath, "inside-path", { "type": "string", "format": "inside-path" });
written!(HostKey, "host-key", { "type": "string", "format": "host-key", "pattern": "^SHA256:" });
written!(MachineId, "machine-id", { "type": "string", "format": "machine-id", "pattern": "^[0-9a-f]{32}$" });
written!(Project, "project", { "type": "string", "format": "project", "pattern": NAME_PATTERN });
written!(AnchoredPattern, "anchored-pattern", { "type": "string", "format": "anchored-pattern", "pattern": "^/" });
written!(FloatingPattern, "floating-pattern", { "type": "string", "format": "floating-pattern" });
written!(ToolNeed, "tool", { "type": "string", "format": "tool" });
written!(UtcDay, "utc-day", { "type": "string", "format": "utc-day", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" });
written!(WholeDays, "whole-days", { "type": "string", "format": "whole-days", "pattern": "^[0-9]+d$" });
written!(HeldOut, "held-out", { "type": "string", "format": "held-out", "pattern": "^[0-9]+(%|d)$" });
written!(ChatList, "chat-list", { "type": "string", "format": "chat-list", "pattern": "^[-0-9, ]*$" });
written!(TimeOfDay, "time-of-day", { "type": "string", "format": "time-of-day", "pattern": "^[0-9]{2}:[0-9]{2}$" });
written!(Offset, "offset", { "type": "string", "format": "offset", "pattern": "^[+-][0-9]{2}:[0-9]{2}$" });

/// Checks a text against a `format` of the schema; `None` when the format is not one of ours.
pub(super) fn check_format(format: &str, text: &str) -> Option<Result<(), String>> {
    fn parses<T: ManifestValue>(text: &str) -> Result<(), String> {
        text.parse::<T>().map(drop).map_err(|e| e.to_string())
    }
    Some(match format {
        Tag::FORMAT => parses::<Tag>(text),
        RunId::FORMAT => parses::<RunId>(text),
        Exchange::FORMAT => parses::<Exchange>(text),
        Symbol::FORMAT => parses::<Symbol>(text),
        Timeframe::FORMAT => parses::<Timeframe>(text),
        Span::FORMAT => parses::<Span>(text),
        Size::FORMAT => parses::<Size>(text),
        Speed::FORMAT => parses::<Speed>(text),
        BaseUrl::FORMAT => parses::<BaseUrl>(text),
        Cron::FORMAT => parses::<Cron>(text),
        Zone::FORMAT => parses::<Zone>(text),
        ChatList::FORMAT => parses::<ChatList>(text),
        TimeOfDay::FORMAT => parses::<TimeOfDay>(text),
        Offset::FORMAT => parses::<Offset>(text),
        UtcDay::FORMAT => parses::<UtcDay>(text),
        WholeDays::FORMAT => parses::<WholeDays>(text),
        HeldOut::FORMAT => parses::<HeldOut>(text),
        Host::FORMAT => parses::<Host>(text),
        UserName::FORMAT => parses::<UserName>(text),
        TargetPath::FORMAT => parses::<TargetPath>(text),
        InsidePath::FORMAT => parses::<InsidePath>(text),
        HostKey::FORMAT => parses::<HostKey>(text),
        MachineId::FORMAT => parses::<MachineId>(text),
        ToolNeed::FORMAT => parses::<ToolNeed>(text),
        Project::FORMAT => parses::<Project>(text),
        AnchoredPattern::FORMAT => parses::<AnchoredPattern>(text),
        FloatingPattern::FORMAT => parses::<FloatingPattern>(text),
        Time::FORMAT => text.parse::<UtcMs>().map(drop).map_err(|e| e.to_string()),
        _ => return None,
    })
}

/// What stands in a message when something else than this format was found.
pub(super) fn format_wanted(format: &str) -> Option<&'static str> {
    Some(match format {
        "tag" => "a tag such as \"paper_local_check\"",
        "run-id" => "a run id such as \"bt_1\"",
        "exchange" => "an exchange such as \"binance\"",
        "symbol" => "a symbol such as \"BTC/USD\"",
        "timeframe" => "a timeframe such as \"5m\"",
        "duration" => "a duration with its unit, such as \"20s\" or \"5m\"",
        "size" => "a size with its unit, such as \"2GiB\"",
        "speed" => "a speed: \"max\" or a factor such as \"600x\"",
        "base-url" => "a base URL such as \"https://api.binance.com\"",
        "cron" => "a cron line of five fields, such as \"17 * * * *\"",
        "time-zone" => "a time zone such as \"Europe/Berlin\"",
        "utc-day" => "a UTC day such as \"2022-08-01\"",
        "whole-days" => "a number of days such as \"120d\"",
        "held-out" => "a part such as \"20%\", or days such as \"90d\"",
        "chat-list" => "numbers of chats such as \"123456789, -1001234567890\"",
        "time-of-day" => "a time of the day such as \"08:00\"",
        "offset" => "an offset such as \"+00:00\"",
        "host" => "a host such as \"old-box.lan\"",
        "user-name" => "a user such as \"trader\"",
        "target-path" => "an absolute path such as \"/srv/trade\"",
        "inside-path" => "a path inside the source such as \"docker-compose.yml\"",
        "host-key" => "a fingerprint such as \"SHA256:...\", as `ssh-keygen -l` shows it",
        "machine-id" => "the 32 hexadecimal digits of /etc/machine-id",
        "project" => "a name such as \"mjolnir\"",
        "anchored-pattern" => "a pattern from the top of the tree such as \"/data\"",
        "floating-pattern" => "a name such as \"*.pyc\" or \"__pycache__/\"",
        "tool" => "a program such as \"ssh\" or \"rsync >= 3.1\"",
        "time" => "a time: RFC 3339 with an offset, or whole milliseconds since 1970",
        _ => return None,
    })
}

/// Why a text is not one of the values below.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValueError {
    #[error("`{text}` is not {what}: write {form}")]
    Form { text: String, what: &'static str, form: &'static str },
    #[error("`{text}` has no unit: write {form}")]
    NoUnit { text: String, form: &'static str },
    #[error("`{0}` is not the number of a chat: @userinfobot and others show it")]
    NoChat(String),
    #[error("{0}% are held out: nothing is left to search; write less than 100%")]
    AllHeldOut(u32),
}

impl ValueError {
    fn form(text: &str, what: &'static str, form: &'static str) -> Self {
        Self::Form { text: text.to_owned(), what, form }
    }
}

/// Numbers of chats, written `5, -100123`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChatList(BTreeSet<i64>);

impl ChatList {
    /// Each of them.
    pub fn chats(&self) -> impl Iterator<Item = i64> + '_ {
        self.0.iter().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for ChatList {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let number = |part: &str| {
            let read = part.parse::<i64>().ok().filter(|number| *number != 0);
            read.ok_or_else(|| ValueError::NoChat(part.to_owned()))
        };
        parts.map(number).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for ChatList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(", "))
    }
}

/// A time of the day, written `08:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    hour: u8,
    minute: u8,
}

impl TimeOfDay {
    /// In the morning.
    pub const EIGHT: Self = Self { hour: 8, minute: 0 };

    /// Every day at this time, by the clocks of a zone.
    pub fn every_day(self, zone: Zone) -> Cadence {
        let line = format!("{} {} * * *", self.minute, self.hour);
        Cadence::Cron {
            cron: line.parse().expect("a time of the day is a cron line"),
            zone,
            gap: ClockGap::Shift,
        }
    }
}

impl FromStr for TimeOfDay {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let part = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok()).flatten();
        let parts = text.split_once(':').and_then(|(h, m)| Some((part(h)?, part(m)?)));
        match parts {
            Some((hour @ 0..24, minute @ 0..60)) if !text.contains('+') => {
                Ok(Self { hour, minute })
            }
            Some(_) | None => {
                let form = "HH:MM, from 00:00 to 23:59";
                Err(ValueError::form(text, "a time of the day", form))
            }
        }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

/// A UTC day, written `2022-08-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UtcDay(i64);

impl UtcDay {
    /// Days since 1970.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl FromStr for UtcDay {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wanted = || ValueError::form(text, "a day", "it as 2022-08-01");
        if text.len() != 10 {
            return Err(wanted());
        }
        let midnight: UtcMs = format!("{text}T00:00:00Z").parse().map_err(|_| wanted())?;
        Ok(Self(midnight.day()))
    }
}

impl fmt::Display for UtcDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&UtcMs::EPOCH.plus_ms(self.0 * DAY_MS).format("%Y-%m-%d"))
    }
}

/// Whole days, written `120d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WholeDays(u32);

impl WholeDays {
    /// So many.
    pub const fn new(days: u32) -> Self {
        Self(days)
    }

    /// How many.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl FromStr for WholeDays {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
        let days = days.filter(|days| *days <= 100_000);
        let wanted = || ValueError::form(text, "a number of days", "it as 120d");
        days.map(Self).ok_or_else(wanted)
    }
}

impl fmt::Display for WholeDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}d", self.0)
    }
}

/// What is held out of a search: a part of all days, `20%`, or days, `90d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldOut {
    /// A part, in percent.
    Percent(u32),
    /// Days.
    Days(WholeDays),
}

impl FromStr for HeldOut {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let form = "a part such as 20%, or days such as 90d";
        let wanted = || ValueError::form(text, "a hold-out", form);
        match text.strip_suffix('%') {
            Some(percent) => match percent.parse() {
                Ok(percent) if percent < 100 => Ok(Self::Percent(percent)),
                Ok(percent) => Err(ValueError::AllHeldOut(percent)),
                Err(_) => Err(wanted()),
            },
            None => text.parse().map(Self::Days).map_err(|_| wanted()),
        }
    }
}

impl fmt::Display for HeldOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Days(days) => days.fmt(f),
        }
    }
}

/// A length of time, written with its unit: `20s`, `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

impl Span {
    /// A whole number of seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The duration.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let form = "a number and a unit, such as `20s`, `500ms` or `1h 30m`";
        if text.trim().chars().all(|c| c.is_ascii_digit()) {
            return Err(ValueError::NoUnit { text: text.to_owned(), form });
        }
        let parsed = humantime::parse_duration(text);
        parsed.map(Self).map_err(|_| ValueError::form(text, "a duration", form))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// A number of bytes, written with its unit: `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

/// Units of a [`Size`], largest first, so that printing finds the largest that divides.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl Size {
    /// So many bytes.
    pub const fn of_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let form = "a whole number and B, KiB, MiB, GiB or TiB, such as `2GiB`";
        let wrong = || ValueError::form(text, "a size", form);
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let (_, factor) =
            SIZE_UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(wrong)?;
        let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor));
        bytes.map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits =
            SIZE_UNITS.iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor));
        let (unit, factor) = fits.copied().unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

/// How fast recorded time passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// Without waiting.
    Max,
    /// This many recorded seconds in one second.
    Times(NonZeroU32),
}

impl FromStr for Speed {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let factor = text.strip_suffix('x').and_then(|n| n.parse().ok()).map(Self::Times);
        let speed = if text == "max" { Some(Self::Max) } else { factor };
        let form = "`max` or a whole factor such as `600x`";
        speed.ok_or_else(|| ValueError::form(text, "a speed", form))
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Times(n) => write!(f, "{n}x"),
        }
    }
}

/// A distance from UTC, for time stamps that carry none: `+01:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    minutes: i32,
}

impl Offset {
    /// Minutes east of UTC.
    pub const fn minutes(self) -> i32 {
        self.minutes
    }
}

impl FromStr for Offset {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let read = || {
            let (sign, rest) = match text.as_bytes().first()? {
                b'+' => (1, &text[1..]),
                b'-' => (-1, &text[1..]),
                _ => return None,
            };
            let (hours, minutes) = rest.split_once(':')?;
            let two = |s: &str| {
                (s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit()))
                    .then(|| s.parse::<i32>().ok())?
            };
            let (hours, minutes) = (two(hours)?, two(minutes)?);
            (hours <= 14 && minutes < 60).then_some(Self { minutes: sign * (hours * 60 + minutes) })
        };
        read().ok_or_else(|| ValueError::form(text, "an offset", "`+HH:MM` or `-HH:MM`"))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, minutes) =
            if self.minutes < 0 { ('-', -self.minutes) } else { ('+', self.minutes) };
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// An instant: RFC 3339 with an offset, or whole milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(UtcMs);

impl Time {
    /// The `format` word in the schema.
    pub(super) const FORMAT: &'static str = "time";

    /// The instant.
    pub const fn get(self) -> UtcMs {
        self.0
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Ms(i64),
            Text(String),
        }
        let parsed = match Form::deserialize(deserializer)? {
            Form::Ms(ms) => UtcMs::new(ms),
            Form::Text(text) => text.parse(),
        };
        parsed.map(Self).map_err(de::Error::custom)
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        Self::FORMAT.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "format": "time" })
    }
}

/// A text that must not be shown: its debug form is masked.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Hidden(String);

impl Hidden {
    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!("20s".parse::<Span>().unwrap().duration(), Duration::from_secs(20));
        assert_eq!("1h 30m".parse::<Span>().unwrap().to_string(), "1h 30m");
        let message = "20".parse::<Span>().unwrap_err();
        assert_eq!(
            message.to_string(),
            "`20` has no unit: write a number and a unit, such as `20s`, `500ms` or `1h 30m`"
        );
        assert!("".parse::<Span>().is_err());
        assert!("soon".parse::<Span>().is_err());
    }

    #[test]
    fn sizes_speeds_and_offsets_survive_a_round_trip() {
        for text in ["2GiB", "1B", "0B", "1500kB", "3MiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        for text in ["max", "600x"] {
            assert_eq!(text.parse::<Speed>().unwrap().to_string(), text);
        }
        for text in ["+00:00", "-05:30", "+14:00"] {
            assert_eq!(text.parse::<Offset>().unwrap().to_string(), text);
        }
        for text in ["2", "GiB", "-1GiB", "99999999999TiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        for text in ["0x", "x", "fast", "-1x", "1.5x"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
        for text in ["", "01:00", "+1:00", "+15:00", "+é:00", "+00:60"] {
            assert!(text.parse::<Offset>().is_err(), "{text}");
        }
    }
}
