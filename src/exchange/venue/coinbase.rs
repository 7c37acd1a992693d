//! Coinbase Exchange, `GET /products/BTC-USD/candles`: a list of rows `[time, low, high, open, close, volume]`.
//!
//! | what | how |
//! |---|---|
//! | order | newest first, at most 300, the newest in progress |
//! | stamps | open, seconds |
//! | numbers | JSON numbers; the low comes first |
//! | bounds | `start` and `end` both or neither, both inclusive; rows before `start` may come along |
//! | no trade | bar left out |
//! | refusals | `{"message":"NotFound"}` with a status |

use serde_json::Value;

use super::{
    answer::{Fault, Order, RawRow, Refusal, accepted, bars, rows},
    ask::{Ask, Request},
    number::seconds,
    spec::{Pace, Spec, Spelling, spelled},
};
use crate::domain::{
    bar::Shown,
    time::{Timeframe, UtcMs},
};

/// What it serves. The pace is half of what it allows.
pub const SPEC: Spec = Spec {
    base_url: "https://api.exchange.coinbase.com",
    page_bars: 300,
    horizon_bars: None,
    omits_empty: true,
    pace: Pace { burst: 5, refill_ms: 200 },
};

/// Seconds.
const TIMEFRAMES: &Spelling = &[
    (Timeframe::M1, "60"),
    (Timeframe::M5, "300"),
    (Timeframe::M15, "900"),
    (Timeframe::H1, "3600"),
    (Timeframe::H6, "21600"),
    (Timeframe::D1, "86400"),
];

/// The request for a page.
pub fn request(ask: &Ask) -> Result<Request, Fault> {
    let time = |ms| UtcMs::EPOCH.plus_ms(ms).to_string();
    Ok(Request {
        path: format!("/products/{}-{}/candles", ask.symbol.base(), ask.symbol.quote()),
        query: vec![
            ("granularity", spelled(ask.timeframe(), TIMEFRAMES)?.to_owned()),
            ("start", time(ask.first_open_ms())),
            ("end", time(ask.last_open_ms())),
        ],
    })
}

/// The bars of an answer.
pub fn parse(ask: &Ask, status: u16, body: &[u8]) -> Result<Shown, Fault> {
    let answer = accepted(status, body, refusal)?;
    bars(ask, Order::NewestFirst, rows(&answer, "")?, |row| match row.as_array()?.as_slice() {
        [time, low, high, open, close, volume] => {
            Some(RawRow { open_ms: seconds(time)?, values: [open, high, low, close, volume] })
        }
        _ => None,
    })
}

/// It has words but no codes: the status tells the class.
fn refusal(answer: &Value) -> Option<Refusal> {
    let words = answer.get("message")?.as_str()?.to_owned();
    Some(Refusal { class: None, words })
}

#[cfg(test)]
mod tests {
    use crate::exchange::venue::{
        answer::Class,
        tests::check::{T, check_bars, check_class},
        which::Venue::Coinbase,
    };

    #[test]
    fn a_page_with_the_bar_in_progress_a_hole_and_a_row_before_it() {
        check_bars(
            Coinbase,
            "[[1762819320,106012.4,106100,106012.4,106099.99,1e-05],
              [1762819200,105960.1,106050,105991.01,106012.34,12.34567],
              [1762819140,105950,106000.5,105950,105991.01,3]]",
            &[
                (T, [105991.01, 106050.0, 105960.1, 106012.34, 12.34567]),
                (T + 120_000, [106012.4, 106100.0, 106012.4, 106099.99, 0.00001]),
            ],
        );
    }

    #[test]
    fn refusals_have_a_class() {
        for (status, body, class) in [
            (404, r#"{"message":"NotFound"}"#, Class::Config),
            (400, r#"{"message":"Unsupported granularity"}"#, Class::Config),
            (
                400,
                r#"{"message":"granularity too small for the requested time range"}"#,
                Class::Config,
            ),
            (429, r#"{"message":"Public rate limit exceeded"}"#, Class::Throttled),
            (500, r#"{"message":"Internal server error"}"#, Class::Transient),
            (200, r#"{"message":"words without a status"}"#, Class::Transient),
            (503, "<html>Service unavailable</html>", Class::Transient),
            (200, r#"{"candles":[]}"#, Class::Malformed),
            (200, r#"{"message":null}"#, Class::Malformed),
        ] {
            check_class(Coinbase, status, body, class);
        }
    }
}
