//! Sends what somebody outside is told: one POST, at most three tries, within a time that covers them all. No redirects,
//! proxies as the environment says.

use std::{fmt, pin::pin, time::Duration};

use reqwest::{header::CONTENT_TYPE, redirect::Policy};
use thiserror::Error as ThisError;
use tokio::runtime::{Builder, Runtime};

use super::target::Target;
use crate::domain::cause::causes;

/// Between two looks at whether it is given up.
const LOOK: Duration = Duration::from_millis(50);
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
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
    /// The body.
    pub body: Vec<u8>,
}

/// What came back. The body is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// How many bytes of a ping's body the other side keeps, if it says so.
    pub body_limit: Option<usize>,
}

/// Why something was not delivered. No text holds any part of the address.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum SendError {
    /// There is no client: usually no certificates to trust.
    #[error("nothing can be sent from here: {0}")]
    NoClient(String),
    /// No connection, or one that broke.
    #[error("{what}: {root}")]
    Broken {
        /// Which part failed.
        what: Broken,
        /// The cause at the root.
        root: String,
    },
    /// The time was up.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The other side wants it sent elsewhere.
    #[error("the answer was {0}: redirects are not followed, write the address it points to")]
    Redirected(u16),
    /// The other side refused, or failed.
    #[error("the answer was {0}")]
    Status(u16),
    /// Nobody waits for it any more.
    #[error("given up")]
    GivenUp,
}

/// Which part of a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The name of the host has no address.
    Dns,
    /// Nobody listens, or nobody can be reached.
    Connect,
    /// No secure connection.
    Tls,
    /// It ended before the answer.
    Off,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "the host name has no address",
            Self::Connect => "the host cannot be reached",
            Self::Tls => "no secure connection",
            Self::Off => "the connection broke off",
        })
    }
}

impl SendError {
    /// Whether the next try may do better.
    const fn may_pass(&self) -> bool {
        match self {
            Self::Broken { what, .. } => !matches!(what, Broken::Tls),
            Self::Status(status) => matches!(status, 408 | 429 | 500..),
            Self::NoClient(_) | Self::TimedOut(_) | Self::Redirected(_) | Self::GivenUp => false,
        }
    }
}

/// A client on a runtime of its own that works only while somebody waits for an answer.
#[derive(Debug)]
pub struct Sender {
    http: reqwest::Client,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Sender {
    /// A sender. It fails where there are no certificates to trust.
    pub fn new() -> Result<Self, SendError> {
        // An error says that a provider is there already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("mjolnir/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_MAX)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| SendError::NoClient(root(&error)))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| SendError::NoClient(error.to_string()))?;
        Ok(Self { http, runtime: Some(runtime) })
    }

    /// Delivers a message within a time that covers all tries, or until it is given up.
    pub fn post(
        &self,
        target: &Target,
        message: &Message,
        within: Duration,
        given_up: &dyn Fn() -> bool,
    ) -> Result<Answer, SendError> {
        let runtime = self.runtime.as_ref().expect("only a dropped sender has none");
        runtime.block_on(async {
            let mut work = pin!(self.tries(target, message, within));
            loop {
                if let Ok(done) = tokio::time::timeout(LOOK, work.as_mut()).await {
                    return done;
                }
                if given_up() {
                    return Err(SendError::GivenUp);
                }
            }
        })
    }

    async fn tries(
        &self,
        target: &Target,
        message: &Message,
        within: Duration,
    ) -> Result<Answer, SendError> {
        let mut last = SendError::TimedOut(within);
        let work = async {
            for n in 1..=TRIES {
                match self.once(target, message).await {
                    Err(error) if error.may_pass() && n < TRIES => last = error,
                    done => return done,
                }
                pause(PAUSE * n).await;
                // A try that hangs after one that failed is told as what it is.
                last = SendError::TimedOut(within);
            }
            Err(SendError::TimedOut(within))
        };
        let done = tokio::time::timeout(within, work).await;
        done.unwrap_or(Err(last))
    }

    async fn once(&self, target: &Target, message: &Message) -> Result<Answer, SendError> {
        let mut request = self.http.post(target.url().clone());
        request = request.header(CONTENT_TYPE, message.content_type);
        for (name, value) in &message.headers {
            if let Ok(value) = http::HeaderValue::from_str(value) {
                request = request.header(*name, value);
            }
        }
        let response = request.body(message.body.clone()).send().await;
        let response = response.map_err(|error| broken(&error))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(SendError::Redirected(status.as_u16()));
        }
        if !status.is_success() {
            return Err(SendError::Status(status.as_u16()));
        }
        let limit = response.headers().get("ping-body-limit");
        let body_limit = limit.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Ok(Answer { body_limit })
    }
}

impl Drop for Sender {
    /// Without waiting: a look-up of a name can hang for longer than anybody wants to wait for the end.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a pause between tries is real time, and the time limit around it counts it"
)]
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Tells an error of the HTTP library by its causes. The library's own text would repeat the address.
fn broken(error: &reqwest::Error) -> SendError {
    let what = if causes(error).iter().any(|cause| cause.is::<rustls::Error>()) {
        Broken::Tls
    } else if error.is_dns() {
        Broken::Dns
    } else if error.is_connect() || error.is_timeout() {
        Broken::Connect
    } else {
        Broken::Off
    };
    SendError::Broken { what, root: root(error) }
}

fn root(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(|| "unknown".to_owned(), ToString::to_string)
}
