//! Where a venue's public interface lies: `https://host`, perhaps with a port and a path, and nothing that could hold a secret.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// Longest base URL, in bytes.
const LENGTH_MAX: usize = 200;
/// Names in a query whose values are not shown, as parts of the name.
const SECRETS: [&str; 5] = ["key", "token", "secret", "signature", "password"];

/// A base URL: `http` or `https`, a host, perhaps a port and a path; no user, no query, no slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

/// Why a text is no base URL. What might be a secret in it is masked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("base URL `{shown}` {why}")]
pub struct BaseUrlError {
    shown: String,
    why: &'static str,
}

impl BaseUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        match fault(text) {
            Some(why) => Err(BaseUrlError { shown: masked(text), why }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

fn fault(text: &str) -> Option<&'static str> {
    let scheme = ["https://", "http://"].into_iter().find_map(|scheme| text.strip_prefix(scheme));
    let Some(rest) = scheme else { return Some("must begin with https:// or http://") };
    if text.len() > LENGTH_MAX {
        return Some("is longer than 200 characters");
    }
    if rest.contains('@') {
        return Some("holds a user or a password: public interfaces need none, leave it out");
    }
    if rest.contains(['?', '#']) {
        return Some("holds a query: leave out everything from the `?` or `#` on");
    }
    if rest.ends_with('/') {
        return Some("ends with a slash: leave it out");
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !is_host(host) {
        return Some("has no valid host, such as api.example.com or 127.0.0.1:8080");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
    let is_segment = |part: &str| !part.is_empty() && part != "." && part != "..";
    let is_path = path.split('/').all(|part| is_segment(part) && part.chars().all(plain));
    (!path.is_empty() && !is_path).then_some("has a path with something else than plain names")
}

/// A name or an address, perhaps with a port.
fn is_host(text: &str) -> bool {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (is_host, port) = if let Some((address, port)) = bracketed {
        let hex = |c: char| c.is_ascii_hexdigit() || ":.".contains(c);
        (address.contains(':') && address.chars().all(hex), port)
    } else {
        let (name, port) = text.find(':').map_or((text, ""), |at| text.split_at(at));
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let is_label = |label: &str| !label.is_empty() && label.chars().all(plain);
        (name.split('.').all(is_label), port)
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    is_host && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// The text without what might be a secret: users, passwords, and the values of telling names in a query.
fn masked(text: &str) -> String {
    let text: String = text.escape_debug().take(LENGTH_MAX).collect();
    let text = match (text.find("://"), text.rfind('@')) {
        (Some(start), Some(end)) if start + 3 <= end => {
            format!("{}***{}", &text[..start + 3], &text[end..])
        }
        (None, Some(end)) => format!("***{}", &text[end..]),
        (_, _) => text,
    };
    let Some((path, query)) = text.split_once('?') else { return text };
    let shown = |pair: &str| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        let lower = name.to_ascii_lowercase();
        let is_secret = SECRETS.iter().any(|secret| lower.contains(secret));
        if is_secret { format!("{name}=***") } else { pair.to_owned() }
    };
    let pairs: Vec<String> = query.split('&').map(shown).collect();
    format!("{path}?{}", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_scheme_host_port_and_path() {
        for good in [
            "https://api.binance.com",
            "http://127.0.0.1:8080",
            "http://[::1]:9",
            "https://proxy.example/binance/v1",
        ] {
            assert_eq!(good.parse::<BaseUrl>().unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("", "must begin"),
            ("ftp://x", "must begin"),
            ("api.binance.com", "must begin"),
            ("https://", "no valid host"),
            ("https://x/", "ends with a slash"),
            ("https://x y", "no valid host"),
            ("https://x:0", "no valid host"),
            ("https://x:99999", "no valid host"),
            ("https://x..y", "no valid host"),
            ("https://x/../y", "plain names"),
            ("https://x//y", "plain names"),
            ("https://x/a b", "plain names"),
            ("https://x/a?limit=3", "holds a query"),
            ("https://x#a", "holds a query"),
        ] {
            let message = bad.parse::<BaseUrl>().unwrap_err().to_string();
            assert!(message.contains(why), "{message}");
        }
    }

    #[test]
    fn what_might_be_a_secret_is_refused_and_not_shown() {
        for text in [
            "https://me:hunter2@x",
            "https://hunter2@x/a",
            "https://me:hunter2/@x",
            "https://me:a?b@hunter2@x",
            "me:hunter2@x",
            "https://x?api_key=hunter2&limit=3",
            "https://x?Token=hunter2",
            "https://x?a=1&signature=hunter2#x",
        ] {
            let message = text.parse::<BaseUrl>().unwrap_err().to_string();
            assert!(!message.contains("hunter2"), "{message}");
            assert!(message.contains("***"), "{message}");
        }
        let message = "https://x?limit=3".parse::<BaseUrl>().unwrap_err().to_string();
        assert!(message.contains("limit=3"), "{message}");
    }
}
