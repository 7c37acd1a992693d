//! Sends what a watcher or a person outside gets: one POST, at most three tries, within a time that covers them all.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use thiserror::Error as ThisError;

use super::target::NotifyTarget;
use crate::net::{Broke, Connections, HttpClient, HttpError};

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The same, as a message says it.
const CONNECT_WORDS: &str = "the limit is 5s to connect";
/// Most tries.
const TRIES: u32 = 3;
/// Before the second try; before the third it is twice as long.
const PAUSE: Duration = Duration::from_millis(300);

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What the body is.
    pub content_type: &'static str,
    /// More headers. What cannot stand in a header is left out.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// What came back. The body is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentAnswer {
    /// How many bytes of a ping's body the other side keeps, if it says so.
    pub body_limit: Option<usize>,
}

/// Why something was not delivered. No text holds any part of the address.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum SendError {
    /// The client cannot be set up: usually no certificates to trust.
    #[error("this machine cannot send: {0}")]
    NoClient(String),
    /// No connection, or one that broke.
    #[error(transparent)]
    Broken(HttpError),
    /// The time was up.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The other side wants it sent elsewhere.
    #[error("the answer was {0}: redirects are not followed, write the address it points to")]
    Redirected(u16),
    /// The other side refused, or failed.
    #[error("the answer was {0}")]
    Status(u16),
    /// The caller waits for it no longer.
    #[error("given up")]
    GivenUp,
}

impl SendError {
    /// Whether the next try may do better.
    const fn may_pass(&self) -> bool {
        match self {
            Self::Broken(error) => match error.broke {
                Broke::Tls => false,
                Broke::Dns
                | Broke::Refused
                | Broke::Unreachable
                | Broke::TimedOut
                | Broke::TooLarge
                | Broke::BrokenOff
                | Broke::Stopped => true,
            },
            Self::Status(status) => matches!(status, 408 | 429 | 500..),
            Self::NoClient(_) | Self::TimedOut(_) | Self::Redirected(_) | Self::GivenUp => false,
        }
    }
}

/// A client that keeps no connection: the next message may be a day away.
#[derive(Debug)]
pub struct Sender {
    client: HttpClient,
}

impl Sender {
    /// A sender. It fails where there are no certificates to trust.
    pub fn new() -> Result<Self, SendError> {
        let connections = Connections { connect: CONNECT_MAX, total: None, kept: None };
        let client = HttpClient::new(connections);
        Ok(Self { client: client.map_err(|error| SendError::NoClient(error.root))? })
    }

    /// Delivers a message within a time that covers all tries, or until it is given up.
    pub fn post(
        &self,
        target: &NotifyTarget,
        message: &Message,
        within: Duration,
        given_up: &dyn Fn() -> bool,
    ) -> Result<SentAnswer, SendError> {
        let done = self.client.wait_for(self.tries(target, message, within), given_up);
        done.unwrap_or(Err(SendError::GivenUp))
    }

    async fn tries(
        &self,
        target: &NotifyTarget,
        message: &Message,
        within: Duration,
    ) -> Result<SentAnswer, SendError> {
        let mut last = SendError::TimedOut(within);
        let work = async {
            for n in 1..=TRIES {
                match self.once(target, message).await {
                    Err(error) if error.may_pass() && n < TRIES => last = error,
                    done => return done,
                }
                pause(PAUSE * n).await;
                // A try that hangs after one that failed is reported as a time-out.
                last = SendError::TimedOut(within);
            }
            Err(SendError::TimedOut(within))
        };
        let done = tokio::time::timeout(within, work).await;
        done.unwrap_or(Err(last))
    }

    async fn once(
        &self,
        target: &NotifyTarget,
        message: &Message,
    ) -> Result<SentAnswer, SendError> {
        let mut request = self.client.http().post(target.url().clone());
        request = request.header(CONTENT_TYPE, message.content_type);
        for (name, value) in &message.headers {
            if let Ok(value) = http::HeaderValue::from_str(value) {
                request = request.header(*name, value);
            }
        }
        let response = request.body(message.body.clone()).send().await;
        let response =
            response.map_err(|error| SendError::Broken(HttpError::of(&error, CONNECT_WORDS)))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(SendError::Redirected(status.as_u16()));
        }
        if !status.is_success() {
            return Err(SendError::Status(status.as_u16()));
        }
        let limit = response.headers().get("ping-body-limit");
        let body_limit = limit.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Ok(SentAnswer { body_limit })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a pause between tries is real time, and the time limit around it counts it"
)]
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
