//! What a request asks for, behind the question mark or in a form.

use std::fmt::Write as _;

use axum::extract::Query as AxumQuery;
use http::Uri;

use crate::{domain::time::UtcMs, exit::Exit, jobs::context::Failure};

/// Names and values, in the order they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Of an address.
    pub fn of(uri: &Uri) -> Self {
        AxumQuery::<Vec<(String, String)>>::try_from_uri(uri)
            .map_or_else(|_| Self::default(), |found| Self(found.0))
    }

    /// Of a form that was sent; nothing of what is not one.
    pub fn of_form(body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).unwrap_or_default();
        format!("/?{text}").parse().map_or_else(|_| Self::default(), |uri| Self::of(&uri))
    }

    /// A value; `None` where it is absent or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A time: RFC 3339, a day, a minute as the forms of browsers write it, or milliseconds.
    pub fn time(&self, name: &str) -> Result<Option<UtcMs>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let tried = [
            text.to_owned(),
            format!("{text}T00:00:00Z"),
            format!("{text}:00Z"),
            format!("{text}Z"),
        ];
        let read = tried.iter().find_map(|text| text.parse().ok());
        let wrong = || wrong(name, text, "a time such as 2026-03-01T00:00:00Z");
        read.map(Some).ok_or_else(wrong)
    }

    /// A whole number.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| wrong(name, text, "a whole number"))
    }

    /// The same with other values of some names; an empty value takes a name away.
    pub fn with(&self, changes: &[(&str, String)]) -> String {
        let kept = self.0.iter().filter(|(key, value)| {
            !value.is_empty() && changes.iter().all(|(name, _)| name != key)
        });
        let kept = kept.map(|(key, value)| (key.clone(), value.clone()));
        let new = changes.iter().filter(|(_, value)| !value.is_empty());
        let new = new.map(|(name, value)| ((*name).to_owned(), value.clone()));
        let pair =
            |(key, value): (String, String)| format!("{}={}", escaped(&key), escaped(&value));
        kept.chain(new).map(pair).collect::<Vec<_>>().join("&")
    }
}

fn wrong(name: &str, text: &str, wanted: &str) -> Failure {
    let text: String = text.escape_default().take(80).collect();
    Failure::new(Exit::Usage, format!("{name}: `{text}` is not {wanted}"))
}

/// A text inside an address.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Query {
        Query::of(&text.parse().unwrap())
    }

    #[test]
    fn values_are_read_as_browsers_write_them() {
        let query = of(
            "/runs?job=a+b%2Fc&state=&n=7&day=2026-03-01&minute=2026-03-01T10:05&ms=1772323200000",
        );
        assert_eq!(
            (query.text("job"), query.text("state"), query.text("none")),
            (Some("a b/c"), None, None)
        );
        assert_eq!(query.number::<u32>("n"), Ok(Some(7)));
        assert_eq!(query.time("day").unwrap().unwrap().get(), 1_772_323_200_000);
        assert_eq!(query.time("minute").unwrap().unwrap().get(), 1_772_359_500_000);
        assert_eq!(query.time("ms").unwrap(), query.time("day").unwrap());
        for (name, text) in [("time", "/?x=noon"), ("number", "/?x=-1")] {
            let found = if name == "time" {
                of(text).time("x").map(|_| ())
            } else {
                of(text).number::<u32>("x").map(|_| ())
            };
            let failure = found.unwrap_err();
            assert!(
                failure.exit == Exit::Usage && failure.message.starts_with("x: `"),
                "{}",
                failure.message
            );
        }
    }

    #[test]
    fn a_form_is_read_as_browsers_send_it() {
        let form = Query::of_form(b"do=halt&reason=it+was+%C3%A9%0D%0A%26+more&who=");
        assert_eq!(form.text("reason"), Some("it was é\r\n& more"));
        assert_eq!((form.text("do"), form.text("who")), (Some("halt"), None));
        for odd in [&b"\xff\xfe"[..], b"", b"a b=c", b"%%%"] {
            assert_eq!(Query::of_form(odd).text("do"), None);
        }
    }

    #[test]
    fn an_address_is_made_with_other_values() {
        let query = of("/runs?job=a%26b&page=2&state=failed");
        assert_eq!(query.with(&[("page", "3".into())]), "job=a%26b&state=failed&page=3");
        assert_eq!(query.with(&[("page", String::new()), ("state", String::new())]), "job=a%26b");
        assert_eq!(escaped("a b\"<é"), "a%20b%22%3C%C3%A9");
    }
}
