//! Which protocols are spoken, a question as it comes in, and an answer before it goes out, with numbers as venues print them: decimals,
//! never an exponent, and never less than what the bar holds.

use super::{binance, coinbase, kraken, market::SimMarket};
use crate::domain::{
    bar::TimedBar,
    series::Symbol,
    time::{Timeframe, UtcMs},
};

pub use crate::manifest::Protocol;

/// Why a venue gives no answer to a good question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimRefusal {
    /// Asked too often.
    Throttled {
        /// The pause it asks for, in seconds of its own time, when it says one.
        retry_after_s: Option<u32>,
        /// Chooses the words.
        pick: usize,
    },
    /// Shut out.
    Banned {
        now: UtcMs,
        /// For how long, in seconds of its own time.
        wait_s: u32,
    },
    /// Broken or overloaded.
    Down {
        /// Chooses how.
        pick: usize,
    },
}

impl Protocol {
    /// The answer to a request.
    pub fn answer(self, view: &MarketView<'_>, path: &str, query: &Query) -> Reply {
        match self {
            Self::Binance => binance::answer(view, path, query),
            Self::Coinbase => coinbase::answer(view, path, query),
            Self::Kraken => kraken::answer(view, path, query),
        }
    }

    /// The answer of a venue that does not want to, or cannot.
    pub fn refusal(self, refusal: &SimRefusal) -> Reply {
        match self {
            Self::Binance => binance::refusal(refusal),
            Self::Coinbase => coinbase::refusal(refusal),
            Self::Kraken => kraken::refusal(refusal),
        }
    }

    /// Whether the venue has bars of this length.
    pub fn has(self, timeframe: Timeframe) -> bool {
        match self {
            Self::Binance => true,
            Self::Coinbase => coinbase::has(timeframe),
            Self::Kraken => kraken::has(timeframe),
        }
    }

    /// What a request counts towards a limit that the venue reports in its headers.
    pub fn weight(self, path: &str) -> Option<u32> {
        match self {
            Self::Binance => Some(binance::weight(path)),
            Self::Coinbase | Self::Kraken => None,
        }
    }
}

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
pub enum AnswerDisorder {
    /// One row comes twice.
    Duplicate(usize),
    /// Two neighbours have changed places.
    Reorder(usize),
}

/// What a venue looks at when it answers.
#[derive(Debug, Clone, Copy)]
pub struct MarketView<'a> {
    /// The one pair it trades.
    pub symbol: &'a Symbol,
    pub market: &'a SimMarket,
    pub now: UtcMs,
    /// What happens to the rows.
    pub disorder: Option<AnswerDisorder>,
}

impl MarketView<'_> {
    /// The rows of an answer, in the order of the venue.
    pub fn rows(&self, bars: impl IntoIterator<Item = TimedBar>) -> Vec<TimedBar> {
        let mut rows: Vec<TimedBar> = bars.into_iter().collect();
        match self.disorder {
            Some(AnswerDisorder::Duplicate(pick)) if !rows.is_empty() => {
                let at = pick % rows.len();
                rows.insert(at, rows[at]);
            }
            Some(AnswerDisorder::Reorder(pick)) if rows.len() > 1 => {
                let at = pick % (rows.len() - 1);
                rows.swap(at, at + 1);
            }
            Some(AnswerDisorder::Duplicate(_) | AnswerDisorder::Reorder(_)) | None => {}
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
