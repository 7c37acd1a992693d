//! The wire to a venue: answers in Binance's format by the true time, behind a network that is dark or somebody else's, and with
//! rows that are odd.

use std::cell::RefCell;

use mjolnir::{
    clock::Clock as _,
    domain::time::{SlotTs, Steady, UtcMs},
    exchange::{
        client::{Get, HttpAnswer},
        feed::Sleeper,
    },
    net::{Broke, HttpError},
};

use super::venue::{Listed, SimClock};

/// There and back again.
const TRIP_MS: i64 = 150;

/// Who answers instead of the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dark {
    /// Nobody.
    Refused,
    /// A page for people, with this status.
    Portal(u16),
    /// The venue, which is in trouble and says that it does not know the symbol.
    Unknown,
    /// The venue, which was asked too often and wants to be left alone for so many seconds.
    Throttled(i64),
}

/// What is odd about the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    None,
    /// One slot's row is not a bar.
    BadRow(SlotTs, Bad),
    /// The row that is forming is not a bar yet.
    BadForming,
    /// Each answer leaves out another closed bar.
    MovingHole,
    /// There is no `Date`.
    Dateless,
}

/// How a row is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    OffGrid,
    HighTooLow,
    NotANumber,
    Negative,
    Short,
    NoStamp,
}

impl Bad {
    pub const ALL: [Self; 6] = [
        Self::OffGrid,
        Self::HighTooLow,
        Self::NotANumber,
        Self::Negative,
        Self::Short,
        Self::NoStamp,
    ];
}

/// The wire.
pub struct Wire<'a> {
    pub clock: &'a SimClock,
    pub market: &'a [Listed],
    pub dark: Option<Dark>,
    /// How long after the start, and after the machine woke.
    pub dark_ms: i64,
    pub start_ms: i64,
    pub oddity: Oddity,
    /// When the venue answered, and the newest closed bar it showed.
    pub answers: RefCell<Vec<(i64, Option<SlotTs>)>>,
}

impl Get for &Wire<'_> {
    fn get(&self, url: &str, _: &dyn Sleeper) -> Result<HttpAnswer, HttpError> {
        self.clock.advance(TRIP_MS / 2);
        let answer = self.answer(url);
        self.clock.advance(TRIP_MS / 2);
        answer
    }
}

impl Wire<'_> {
    /// From then on the venue answers.
    pub fn dark_until_ms(&self) -> i64 {
        self.start_ms.max(self.clock.woke_ms().unwrap_or(0)) + self.dark_ms
    }

    fn answer(&self, url: &str) -> Result<HttpAnswer, HttpError> {
        let now_ms = self.clock.now_ms();
        let is_dark = now_ms < self.dark_until_ms()
            && (self.clock.woke_ms().is_some() || now_ms < self.start_ms + self.dark_ms);
        let (status, body, pause_ms) = match self.dark.filter(|_| is_dark) {
            Some(Dark::Refused) => return Err(HttpError::new(Broke::Refused, "nobody listens")),
            Some(Dark::Portal(status)) => (status, "<html>Please log in</html>".to_owned(), None),
            Some(Dark::Unknown) => {
                (400, r#"{"code":-1121,"msg":"Invalid symbol."}"#.to_owned(), None)
            }
            Some(Dark::Throttled(s)) => {
                (429, r#"{"code":-1003,"msg":"Too many"}"#.to_owned(), Some(s * 1000))
            }
            None => (200, self.rows(url, now_ms), None),
        };
        let location = (300..400).contains(&status).then(|| "http://portal.example/".to_owned());
        let date = (self.oddity != Oddity::Dateless)
            .then(|| UtcMs::EPOCH.plus_ms(now_ms - now_ms.rem_euclid(1000)));
        Ok(HttpAnswer { status, body: body.into_bytes(), date, pause_ms, location })
    }

    fn rows(&self, url: &str, now_ms: i64) -> String {
        let number = |name: &str| -> i64 {
            let (_, rest) = url.split_once(name).unwrap();
            rest.split('&').next().unwrap().parse().unwrap()
        };
        let (start_ms, end_ms, limit) =
            (number("startTime="), number("endTime="), number("limit=") as usize);
        let mut shown: Vec<(SlotTs, String)> = self
            .market
            .iter()
            .filter(|bar| (start_ms..=end_ms.min(now_ms)).contains(&bar.ts.open_ms()))
            .filter_map(|bar| Some((bar.ts, bar.at(now_ms)?)))
            .take(limit)
            .map(|(ts, bar)| {
                let values = bar.values().map(|value| format!("\"{value}\"")).join(",");
                (
                    ts,
                    format!(
                        "[{},{values},{},\"0\",1,\"0\",\"0\",\"0\"]",
                        ts.open_ms(),
                        ts.ts_ms() - 1
                    ),
                )
            })
            .collect();
        let newest_closed = shown.len().checked_sub(2).map(|at| shown[at].0);
        let mut answers = self.answers.borrow_mut();
        match self.oddity {
            Oddity::BadRow(ts, bad) => {
                let row = shown.iter_mut().find(|(shown, _)| *shown == ts);
                if let Some((_, row)) = row {
                    *row = spoiled(row, bad);
                }
            }
            Oddity::BadForming => {
                let forming = shown.last_mut().filter(|(ts, _)| ts.ts_ms() > now_ms);
                if let Some((_, row)) = forming {
                    *row = spoiled(row, Bad::HighTooLow);
                }
            }
            Oddity::MovingHole if shown.len() > 2 => {
                shown.remove(answers.len() % (shown.len() - 1));
            }
            Oddity::MovingHole | Oddity::None | Oddity::Dateless => {}
        }
        answers.push((now_ms, newest_closed));
        let rows: Vec<String> = shown.into_iter().map(|(_, row)| row).collect();
        format!("[{}]", rows.join(","))
    }
}

fn spoiled(row: &str, bad: Bad) -> String {
    let mut fields: Vec<String> =
        row.trim_matches(['[', ']']).split(',').map(str::to_owned).collect();
    let with = |mut fields: Vec<String>, at: usize, value: &str| {
        value.clone_into(&mut fields[at]);
        fields
    };
    let open_ms: i64 = fields[0].parse().unwrap();
    let fields = match bad {
        Bad::OffGrid => with(fields, 0, &(open_ms + 14_838).to_string()),
        Bad::HighTooLow => with(fields, 2, "\"0.5\""),
        Bad::NotANumber => with(fields, 4, "null"),
        Bad::Negative => with(fields, 5, "\"-1\""),
        Bad::Short => {
            fields.pop();
            fields
        }
        Bad::NoStamp => with(fields, 0, "null"),
    };
    format!("[{}]", fields.join(","))
}

/// Waiting on the clock of the simulation.
pub struct SimWaits<'a> {
    pub clock: &'a SimClock,
    pub stop_at_ms: i64,
}

impl Sleeper for SimWaits<'_> {
    fn now(&self) -> UtcMs {
        self.clock.now()
    }

    fn steady(&self) -> Steady {
        self.clock.steady()
    }

    fn wait_until(&self, until: Steady) -> bool {
        self.clock.sleep_until(until, &|| self.stopped());
        !self.stopped()
    }

    fn stopped(&self) -> bool {
        self.clock.now_ms() >= self.stop_at_ms
    }
}
