//! The HTTP client under venues and watchers: how it is set up, how long one request is waited for, and what can go wrong between a
//! request and its answer, by what an operator would do about it. No redirects, no retries, proxies as the environment says.

use std::{io, pin::pin, time::Duration};

use reqwest::redirect::Policy;
use thiserror::Error as ThisError;
use tokio::runtime::{Builder, Runtime};

use crate::domain::text::causes;

/// Between two looks at whether a request is given up.
const LOOK: Duration = Duration::from_millis(50);

/// How connections are made and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest time from a request to the last byte of its answer; `None` where the caller bounds it.
    pub total: Option<Duration>,
    /// How long one connection is kept for the next request; `None`: it is closed.
    pub kept: Option<Duration>,
}

/// A client with its own connections, on a runtime of its own that works only while a request is waited for.
#[derive(Debug)]
pub struct HttpClient {
    http: reqwest::Client,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl HttpClient {
    /// A client. It fails where there are no certificates to trust.
    pub fn new(connections: Connections) -> Result<Self, HttpError> {
        // An error says that a provider is there already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("mjolnir/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(connections.connect);
        if let Some(total) = connections.total {
            http = http.timeout(total);
        }
        http = match connections.kept {
            Some(kept) => http.pool_idle_timeout(kept).pool_max_idle_per_host(1),
            None => http.pool_max_idle_per_host(0),
        };
        let http = http.build().map_err(|error| HttpError::of(&error, ""))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| HttpError::new(Broke::Unreachable, error.to_string()))?;
        Ok(Self { http, runtime: Some(runtime) })
    }

    /// What sends requests, inside of [`Self::wait_for`].
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Does this work until it is done; `None` when it is given up meanwhile.
    pub fn wait_for<T>(
        &self,
        work: impl Future<Output = T>,
        given_up: &dyn Fn() -> bool,
    ) -> Option<T> {
        self.wait_looking(work, LOOK, given_up)
    }

    /// The same for work that may take long: it is looked less often whether it is given up.
    pub fn wait_looking<T>(
        &self,
        work: impl Future<Output = T>,
        look: Duration,
        given_up: &dyn Fn() -> bool,
    ) -> Option<T> {
        let runtime = self.runtime.as_ref().expect("only a dropped client has none");
        runtime.block_on(async {
            let mut work = pin!(work);
            loop {
                if let Ok(done) = tokio::time::timeout(look, work.as_mut()).await {
                    return Some(done);
                }
                if given_up() {
                    return None;
                }
            }
        })
    }
}

impl Drop for HttpClient {
    /// Without waiting: a look-up of a name can hang for longer than the end may take.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broke {
    /// The name of the host has no address.
    Dns,
    /// Nothing listens there.
    Refused,
    /// The host, or the proxy before it, cannot be reached.
    Unreachable,
    /// No secure connection: no certificates here, or a wrong one there.
    Tls,
    /// No whole answer within the limit.
    TimedOut,
    /// More bytes than any page of bars has.
    TooLarge,
    /// The answer ended before its end, or is not HTTP.
    BrokenOff,
    /// This program was asked to stop meanwhile.
    Stopped,
}

impl Broke {
    /// In plain words.
    const fn words(self) -> &'static str {
        match self {
            Self::Dns => "the host name has no address",
            Self::Refused => "the connection was refused",
            Self::Unreachable => "the host cannot be reached",
            Self::Tls => "no secure connection",
            Self::TimedOut => "no answer in time",
            Self::TooLarge => "the answer is too large",
            Self::BrokenOff => "the answer broke off or is not HTTP",
            Self::Stopped => "asked to stop",
        }
    }
}

/// A request without an answer.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{}: {root}", broke.words())]
pub struct HttpError {
    pub broke: Broke,
    /// The cause at the root, in the words of the system or the library.
    pub root: String,
}

impl HttpError {
    /// A failure.
    pub fn new(broke: Broke, root: impl Into<String>) -> Self {
        Self { broke, root: root.into() }
    }

    /// An error of the HTTP library, by its causes. The library's own text would repeat the URL, which may be secret: it is left out.
    pub fn of(error: &reqwest::Error, limit: &str) -> Self {
        let causes = causes(error);
        let root = causes.last().map_or_else(|| "unknown".to_owned(), ToString::to_string);
        let io = causes.iter().find_map(|cause| cause.downcast_ref::<io::Error>());
        let is_tls = causes.iter().any(|cause| cause.is::<rustls::Error>());
        let is_refused = io.is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused);
        let broke = if error.is_timeout() {
            return Self::new(Broke::TimedOut, limit);
        } else if is_tls {
            Broke::Tls
        } else if error.is_dns() {
            Broke::Dns
        } else if is_refused {
            Broke::Refused
        } else if error.is_connect() {
            Broke::Unreachable
        } else {
            Broke::BrokenOff
        };
        Self::new(broke, root)
    }
}
