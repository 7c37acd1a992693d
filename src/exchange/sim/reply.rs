//! A question as it comes in, an answer before it goes out, and numbers as venues print them: decimals, never an exponent, and never less
//! than what the bar holds.

use super::market::Market;
use crate::domain::{bar::TimedBar, series::Symbol, time::UtcMs};

/// The parameters of a request, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// In the order they came in.
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The first of a name; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case. The length is not among them.
    pub headers: Vec<(&'static str, String)>,
    /// What follows.
    pub body: String,
}

impl Reply {
    /// An answer of one content type.
    pub fn new(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// A page for people.
    pub fn html(status: u16, title: &str) -> Self {
        let body = format!(
            "<html>\n<head><title>{title}</title></head>\n<body>\n<center><h1>{title}</h1></center>\n</body>\n</html>\n"
        );
        Self::new(status, "text/html", body)
    }

    /// With one more header.
    pub fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.headers.push((name, format!("{value}")));
        self
    }
}

/// What is wrong with the rows of one answer. The number chooses the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disorder {
    /// One row comes twice.
    Duplicate(usize),
    /// Two neighbours have changed places.
    Reorder(usize),
}

/// What a venue looks at when it answers.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The one pair it trades.
    pub symbol: &'a Symbol,
    /// Its bars.
    pub market: &'a Market,
    /// Its time.
    pub now: UtcMs,
    /// What happens to the rows.
    pub disorder: Option<Disorder>,
}

impl View<'_> {
    /// The rows of an answer, in the order of the venue.
    pub fn rows(&self, bars: impl IntoIterator<Item = TimedBar>) -> Vec<TimedBar> {
        let mut rows: Vec<TimedBar> = bars.into_iter().collect();
        match self.disorder {
            Some(Disorder::Duplicate(pick)) if !rows.is_empty() => {
                let at = pick % rows.len();
                rows.insert(at, rows[at]);
            }
            Some(Disorder::Reorder(pick)) if rows.len() > 1 => {
                let at = pick % (rows.len() - 1);
                rows.swap(at, at + 1);
            }
            Some(Disorder::Duplicate(_) | Disorder::Reorder(_)) | None => {}
        }
        rows
    }
}

/// With eight decimals, or more where eight would change the value.
pub fn eight(x: f64) -> String {
    let text = format!("{x:.8}");
    if text.parse() == Ok(x) { text } else { x.to_string() }
}

/// As short as it can be, with at least one decimal.
pub fn short(x: f64) -> String {
    let text = x.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_being_printed() {
        for (x, with_eight, shortest) in [
            (20_000.0, "20000.00000000", "20000.0"),
            (0.1, "0.10000000", "0.1"),
            (1e-8, "0.00000001", "0.00000001"),
            (1e12, "1000000000000.00000000", "1000000000000.0"),
            (0.0, "0.00000000", "0.0"),
            (1.0 / 3.0, "0.3333333333333333", "0.3333333333333333"),
        ] {
            assert_eq!((eight(x).as_str(), short(x).as_str()), (with_eight, shortest));
            assert_eq!((with_eight.parse(), shortest.parse()), (Ok(x), Ok(x)));
        }
    }
}
