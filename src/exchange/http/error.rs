//! What can go wrong between a request and its answer, told apart by what an operator would do about it.

use std::io;

use thiserror::Error as ThisError;

use crate::domain::cause::causes;

/// Which part failed.
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
    /// The answer ended before its end, or is no HTTP.
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
            Self::BrokenOff => "the answer broke off or is no HTTP",
            Self::Stopped => "asked to stop",
        }
    }
}

/// A request without an answer.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{}: {root}", broke.words())]
pub struct HttpError {
    /// Which part failed.
    pub broke: Broke,
    /// The cause at the root, in the words of whoever noticed it.
    pub root: String,
}

impl HttpError {
    /// A failure.
    pub fn new(broke: Broke, root: impl Into<String>) -> Self {
        Self { broke, root: root.into() }
    }

    /// Tells an error of the HTTP library by its causes. The library's own text would repeat the URL; it is left out.
    pub(super) fn of(error: &reqwest::Error, limit: &str) -> Self {
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
