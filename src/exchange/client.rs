//! How venues are asked: one bounded GET after another, limited in time and bytes, quick to stop.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};

use super::feed::Sleeper;
use crate::{
    domain::time::UtcMs,
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
}
