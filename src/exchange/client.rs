//! How venues are asked: one bounded GET after another; and what time it is there, from the `Date` of their answers.

use std::{collections::VecDeque, time::Duration};

use reqwest::header::{DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};

use super::feed::{Heard, Sleeper};
use crate::{
    domain::time::{Now, Steady, Timeframe, UtcMs},
    net::{Broke, Connections, HttpClient, HttpError},
};

/// How long a connection is kept for the next page.
const IDLE: Duration = Duration::from_secs(5);
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Most bytes of an answer, unpacked: ten thousand bars need one mebibyte.
const BODY_BYTES_MAX: usize = 8 << 20;

/// The bounds of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest time from the request to the last byte of the answer.
    pub total: Duration,
    /// Most bytes of the answer, counted after it is unpacked.
    pub body_bytes_max: usize,
}

impl ClientLimits {
    /// The usual bounds of a request that takes at most `total`.
    pub fn within(total: Duration) -> Self {
        Self { connect: total.min(CONNECT_MAX), total, body_bytes_max: BODY_BYTES_MAX }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body, unpacked.
    pub body: Vec<u8>,
    /// What time the other side says it is, in whole seconds.
    pub date: Option<UtcMs>,
    /// How long the other side wants to be left alone, milliseconds.
    pub pause_ms: Option<i64>,
    /// Where a redirect points.
    pub location: Option<String>,
}

/// Whatever answers a GET.
pub trait Get {
    /// Asks once. Any status is an answer.
    fn get(&self, url: &str, sleeper: &dyn Sleeper) -> Result<HttpAnswer, HttpError>;
}

/// A client with its own connections.
#[derive(Debug)]
pub struct Client {
    client: HttpClient,
    limits: ClientLimits,
}

impl Client {
    /// A client with these bounds. It fails where there are no certificates to trust.
    pub fn new(limits: ClientLimits) -> Result<Self, HttpError> {
        let ClientLimits { connect, total, .. } = limits;
        let connections = Connections { connect, total: Some(total), kept: Some(IDLE) };
        Ok(Self { client: HttpClient::new(connections)?, limits })
    }

    async fn ask(&self, url: &str, sleeper: &dyn Sleeper) -> Result<HttpAnswer, HttpError> {
        let failed = |error: reqwest::Error| HttpError::of(&error, &self.in_words());
        let mut response = self.client.http().get(url).send().await.map_err(failed)?;
        let headers = response.headers();
        let date = text(headers, &DATE).and_then(http_date);
        let pause_ms = text(headers, &RETRY_AFTER).and_then(|after| {
            let from = date.unwrap_or_else(|| sleeper.now());
            pause_ms(after, from)
        });
        let location = text(headers, &LOCATION).map(str::to_owned);
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.limits.body_bytes_max {
                let root = format!("more than {} bytes", self.limits.body_bytes_max);
                return Err(HttpError::new(Broke::TooLarge, root));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpAnswer { status, body, date, pause_ms, location })
    }

    fn in_words(&self) -> String {
        format!("the limit is {:?}, {:?} to connect", self.limits.total, self.limits.connect)
    }
}

impl Get for Client {
    fn get(&self, url: &str, sleeper: &dyn Sleeper) -> Result<HttpAnswer, HttpError> {
        let stopped = || HttpError::new(Broke::Stopped, "the request was given up");
        if sleeper.stopped() {
            return Err(stopped());
        }
        let done = self.client.wait_for(self.ask(url, sleeper), &|| sleeper.stopped());
        done.unwrap_or_else(|| Err(stopped()))
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn http_date(text: &str) -> Option<UtcMs> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    UtcMs::new(since.as_millis().try_into().ok()?).ok()
}

/// Seconds, or a date against the other side's own clock.
fn pause_ms(after: &str, date: UtcMs) -> Option<i64> {
    let after = after.trim();
    if !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than fits is a long time.
        return Some(i64::from(after.parse().unwrap_or(u32::MAX)) * 1000);
    }
    Some((http_date(after)?.get() - date.get()).max(0))
}

/// Samples that are kept.
const KEPT: usize = 5;
/// Samples from which on one wrong date changes nothing.
const ENOUGH: usize = 3;
/// A date in whole seconds is half a second late on average.
const HALF_SECOND_MS: i64 = 500;

/// The last few samples: the time there when the steady clock showed zero, milliseconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct VenueTime(VecDeque<i64>);

impl VenueTime {
    /// An answer dated `date` to a request sent at `asked` that was there at `answered`.
    pub fn add(&mut self, date: UtcMs, asked: Steady, answered: Steady) {
        let half_ms = answered.since(asked) / 2;
        let up_ms = asked.plus_ms(half_ms).since(Steady::default());
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(date.get() + HALF_SECOND_MS - up_ms);
    }

    /// What time it is there at `up`: the median of the samples, or the newest one while there are too few for that.
    pub fn at(&self, up: Steady) -> Option<Heard> {
        let is_sure = self.0.len() >= ENOUGH;
        let zero_ms = if is_sure { median(&self.0) } else { *self.0.back()? };
        let at = UtcMs::EPOCH.plus_ms(zero_ms.saturating_add(up.since(Steady::default())));
        Some(Heard { at, is_sure })
    }

    /// How far the time there is ahead of `now`, milliseconds, when another slot is forming there, and that for more than
    /// `least_ms`: then a question by `now` was the wrong one.
    pub fn contradicts(&self, now: Now, timeframe: Timeframe, least_ms: i64) -> Option<i64> {
        let there = self.at(now.up)?.at;
        let apart_ms = there.get() - now.at.get();
        let is_other = timeframe.last_closed(there) != timeframe.last_closed(now.at);
        (is_other && apart_ms.abs() > least_ms).then_some(apart_ms)
    }
}

fn median(samples: &VecDeque<i64>) -> i64 {
    let mut sorted: Vec<i64> = samples.iter().copied().collect();
    sorted.sort_unstable();
    i64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_seconds_or_a_date_by_their_own_clock() {
        let date = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (text, pause) in [
            ("0", Some(0)),
            (" 120 ", Some(120_000)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30_000)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999999999999999", Some(4_294_967_295_000)),
            ("Sat, 06 Nov 2094 08:49:37 GMT", Some(3_155_760_000_000)),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            assert_eq!(pause_ms(text, date), pause, "{text}");
        }
    }

    fn at(ms: i64) -> UtcMs {
        UtcMs::new(1_700_000_000_000 + ms).unwrap()
    }

    fn heard(time: &VenueTime, up_ms: i64) -> Option<(i64, bool)> {
        let heard = time.at(Steady::new(up_ms))?;
        Some((heard.at.get() - at(0).get(), heard.is_sure))
    }

    #[test]
    fn one_date_is_followed_and_three_are_believed() {
        let (mut time, up) = (VenueTime::default(), Steady::new);
        assert_eq!(heard(&time, 0), None);
        time.add(at(9_000), up(2_400), up(2_600));
        assert_eq!(heard(&time, 2_500), Some((9_500, false)));
        assert_eq!(heard(&time, 12_500), Some((19_500, false)), "time goes on");
        time.add(UtcMs::EPOCH, up(2_400), up(2_600));
        time.add(at(9_000), up(2_400), up(2_600));
        assert_eq!(heard(&time, 2_500), Some((9_500, true)), "one wrong date changes nothing");
        for _ in 0..3 {
            time.add(at(2_000), up(2_000), up(3_000));
        }
        assert_eq!(heard(&time, 2_500), Some((2_500, true)), "old samples are forgotten");
    }

    #[test]
    fn half_the_round_trip_is_taken_out() {
        let (mut time, up) = (VenueTime::default(), Steady::new);
        for _ in 0..4 {
            time.add(at(10_000), up(8_000), up(12_000));
        }
        assert_eq!(heard(&time, 12_000), Some((12_500, true)));
    }

    #[test]
    fn a_question_by_a_wrong_clock_is_noticed_when_another_slot_is_forming() {
        let (mut time, up) = (VenueTime::default(), Steady::new(5_000));
        // A minute begins 40 s before the time in the answer.
        let wrong = |time: &VenueTime, ms: i64| {
            time.contradicts(Now { at: at(ms), up }, Timeframe::M1, 2_000)
        };
        assert_eq!(wrong(&time, 0), None);
        time.add(at(20_000), up, up);
        assert_eq!(wrong(&time, -19_000), None, "the same minute");
        assert_eq!(wrong(&time, -20_500), Some(41_000));
        assert_eq!(wrong(&time, 39_999), None);
        assert_eq!(wrong(&time, 80_500), Some(-60_000));
        assert_eq!(time.contradicts(Now { at: at(80_500), up }, Timeframe::M1, 60_000), None);
    }
}
