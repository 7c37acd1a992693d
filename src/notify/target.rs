//! An address that an operator gave. It may hold a secret in any of its parts, so only its host is ever shown.

use std::fmt;

use reqwest::Url;
use thiserror::Error;

/// An address to POST to.
#[derive(Clone, PartialEq, Eq)]
pub struct NotifyTarget(Url);

/// A text that is no such address. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the address cannot be used: it must begin with https:// or http:// and name a host")]
pub struct TargetError;

impl NotifyTarget {
    /// Reads an address.
    pub fn new(text: &str) -> Result<Self, TargetError> {
        let mut url = Url::parse(text.trim()).map_err(|_| TargetError)?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(TargetError);
        }
        url.set_fragment(None);
        Ok(Self(url))
    }

    /// All that may be shown of it: the host, and the port when it is not the usual one.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The address with one more word behind its path. A query stays.
    pub fn below(&self, word: &str) -> Self {
        let mut url = self.0.clone();
        url.path_segments_mut()
            .expect("an address with a host has a path")
            .pop_if_empty()
            .push(word);
        Self(url)
    }

    /// The address whose path ends in this word, which it may do already.
    pub fn ending_in(&self, word: &str) -> Self {
        let last = self.0.path_segments().and_then(|mut parts| parts.next_back());
        if last == Some(word) { self.clone() } else { self.below(word) }
    }

    /// The address with one more pair in its query.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut url = self.0.clone();
        url.query_pairs_mut().append_pair(name, value);
        Self(url)
    }

    /// The address itself, for the one place that sends.
    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for NotifyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/***", self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_pairs_go_where_they_belong_and_a_query_stays() {
        for (text, start, plain) in [
            (
                "https://hc.example/u-1",
                "https://hc.example/u-1/start?rid=7",
                "https://hc.example/u-1?rid=7",
            ),
            (
                "https://hc.example/u-1/",
                "https://hc.example/u-1/start?rid=7",
                "https://hc.example/u-1/?rid=7",
            ),
            (
                "http://10.0.0.1:8000/ping/k/slug?create=1#top",
                "http://10.0.0.1:8000/ping/k/slug/start?create=1&rid=7",
                "http://10.0.0.1:8000/ping/k/slug?create=1&rid=7",
            ),
            ("https://hc.example", "https://hc.example/start?rid=7", "https://hc.example/?rid=7"),
        ] {
            let target = NotifyTarget::new(text).unwrap();
            assert_eq!(target.below("start").with("rid", "7").url().as_str(), start);
            assert_eq!(target.with("rid", "7").url().as_str(), plain);
        }
        let bot = |text: &str| {
            NotifyTarget::new(text).unwrap().ending_in("sendMessage").url().to_string()
        };
        let whole = "https://api.telegram.org/bot1:x/sendMessage";
        assert_eq!(bot("https://api.telegram.org/bot1:x"), whole);
        assert_eq!(bot(whole), whole);
    }

    #[test]
    fn only_the_host_is_shown() {
        let target =
            NotifyTarget::new("https://ann:s3cr3t@hooks.example:8443/s3cr3t?k=s3cr3t").unwrap();
        assert_eq!(target.host(), "hooks.example:8443");
        assert_eq!(format!("{target:?}"), "hooks.example:8443/***");
        for bad in ["", "s3cr3t", "ftp://x/s3cr3t", "file:///s3cr3t", "https://", "mailto:a@b"] {
            let error = NotifyTarget::new(bad).unwrap_err().to_string();
            assert!(!error.contains("s3cr3t"), "{error}");
        }
    }
}
