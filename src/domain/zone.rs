//! A time zone by its IANA name, with its changes of clock.

use std::{fmt, str::FromStr};

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;
use thiserror::Error;

use super::time::UtcMs;

/// A time zone of the IANA database, as it stood when this program was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Tz);

/// A name that is not a time zone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{name}` is not a time zone: {help}")]
pub struct ZoneError {
    name: String,
    help: String,
}

/// A time as the clocks of a zone show it, as instants in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instants {
    /// They show it once.
    Once(i64),
    /// They were set back and show it twice.
    Twice(i64, i64),
    /// They jump over it: the first instant after the jump.
    Never(i64),
}

/// The longest jump, in minutes: a whole day, as where the date line was moved.
const JUMP_MAX: i64 = 26 * 60;

impl Zone {
    /// Coordinated universal time, which never changes its clocks.
    pub const UTC: Self = Self(Tz::UTC);

    /// An instant on the clocks of this zone, with its offset: `2026-03-29 03:00 +02:00`.
    pub fn local(self, at: UtcMs) -> String {
        self.at_ms(at.get()).format("%Y-%m-%d %H:%M %:z").to_string()
    }

    /// How far the clocks of this zone are ahead of UTC at an instant, in seconds.
    pub fn offset_s(self, at: UtcMs) -> i32 {
        use chrono::Offset as _;
        self.at_ms(at.get()).offset().fix().local_minus_utc()
    }

    /// What the clocks show at an instant.
    pub(super) fn wall(self, at: UtcMs) -> NaiveDateTime {
        self.at_ms(at.get()).naive_local()
    }

    /// When the clocks show a time; `None` where the database does not say.
    pub(super) fn instants(self, wall: NaiveDateTime) -> Option<Instants> {
        match self.0.from_local_datetime(&wall) {
            MappedLocalTime::Single(at) => Some(Instants::Once(at.timestamp_millis())),
            MappedLocalTime::Ambiguous(one, other) => {
                let (one, other) = (one.timestamp_millis(), other.timestamp_millis());
                Some(Instants::Twice(one.min(other), one.max(other)))
            }
            MappedLocalTime::None => {
                // One minute after the last one that they show before it.
                let mut earlier = (1..=JUMP_MAX).filter_map(|n| {
                    self.0.from_local_datetime(&(wall - TimeDelta::minutes(n))).latest()
                });
                earlier.next().map(|last| Instants::Never(last.timestamp_millis() + 60_000))
            }
        }
    }

    pub(super) fn at_ms(self, ms: i64) -> DateTime<Tz> {
        self.0.timestamp_millis_opt(ms).single().expect("the range was checked by `UtcMs`")
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(name: &str) -> Result<Self, ZoneError> {
        if let Ok(zone) = name.parse() {
            return Ok(Self(zone));
        }
        let plain = |text: &str| text.to_lowercase().replace([' ', '-'], "_");
        let wanted = plain(name);
        let meant = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).find(|known| {
            let known = plain(known);
            known == wanted || known.rsplit('/').next() == Some(wanted.as_str())
        });
        let help = meant.filter(|_| !wanted.is_empty()).map_or_else(
            || "write an IANA name such as `Europe/Berlin`, or `UTC`".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        );
        Err(ZoneError { name: name.to_owned(), help })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_known_by_their_iana_name() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        assert_eq!(berlin.to_string(), "Europe/Berlin");
        let at: UtcMs = "2026-03-29T01:00:00Z".parse().unwrap();
        assert_eq!(berlin.local(at), "2026-03-29 03:00 +02:00");
        assert_eq!((berlin.offset_s(at), berlin.offset_s(at.plus_ms(-1))), (7200, 3600));
        assert_eq!("UTC".parse::<Zone>().unwrap(), Zone::UTC);
    }

    #[test]
    fn a_wrong_name_is_refused_with_the_nearest_one() {
        let refused = |name: &str| name.parse::<Zone>().unwrap_err().to_string();
        let meant = "`europe/berlin` is not a time zone: did you mean `Europe/Berlin`?";
        assert_eq!(refused("europe/berlin"), meant);
        let meant = "`new york` is not a time zone: did you mean `America/New_York`?";
        assert_eq!(refused("new york"), meant);
        let none = "is not a time zone: write an IANA name such as `Europe/Berlin`, or `UTC`";
        assert_eq!(refused("Mars/Olympus"), format!("`Mars/Olympus` {none}"));
        assert_eq!(refused(""), format!("`` {none}"));
    }
}
