//! Bitstamp, `GET /api/v2/ohlc/btcusd/`: `{"data":{"pair":"BTC/USD","ohlc":[{"timestamp","open","high","low","close","volume"}, ...]}}`.
//!
//! | what | how |
//! |---|---|
//! | order | oldest first, at most 1000, the newest in progress unless it is told to leave it out, which we never do |
//! | stamps | open, seconds, as texts |
//! | numbers | texts |
//! | bounds | of `start`, `limit` and `end` the end wins, so all three are made to agree |
//! | no trade | flat bar without volume |
//! | refusals | `{"status":"error","reason":...}`, `{"error":...}`, `{"response_code":"400.002",...}`, with a status |

use serde_json::Value;

use super::{
    answer::{Class, Fault, Order, RawRow, Refusal, accepted, bars, rows, same},
    ask::{Ask, Request},
    number::seconds,
    spec::{Pace, Spec, Spelling, spelled},
};
use crate::domain::{bar::Shown, time::Timeframe};

/// What it serves. The pace is a third of the 10,000 in ten minutes that it allows.
pub const SPEC: Spec = Spec {
    base_url: "https://www.bitstamp.net",
    page_bars: 1000,
    horizon_bars: None,
    omits_empty: false,
    pace: Pace { burst: 5, refill_ms: 200 },
};

/// Seconds.
const TIMEFRAMES: &Spelling = &[
    (Timeframe::M1, "60"),
    (Timeframe::M3, "180"),
    (Timeframe::M5, "300"),
    (Timeframe::M15, "900"),
    (Timeframe::M30, "1800"),
    (Timeframe::H1, "3600"),
    (Timeframe::H2, "7200"),
    (Timeframe::H4, "14400"),
    (Timeframe::H6, "21600"),
    (Timeframe::H12, "43200"),
    (Timeframe::D1, "86400"),
];

/// The request for a page.
pub fn request(ask: &Ask) -> Result<Request, Fault> {
    let pair = format!("{}{}", ask.symbol.base(), ask.symbol.quote()).to_lowercase();
    Ok(Request {
        path: format!("/api/v2/ohlc/{pair}/"),
        query: vec![
            ("step", spelled(ask.timeframe(), TIMEFRAMES)?.to_owned()),
            ("limit", ask.window.slots().to_string()),
            ("start", (ask.first_open_ms() / 1000).to_string()),
            ("end", (ask.last_inside_ms() / 1000).to_string()),
        ],
    })
}

/// The bars of an answer.
pub fn parse(ask: &Ask, status: u16, body: &[u8]) -> Result<Shown, Fault> {
    let answer = accepted(status, body, refusal)?;
    same(&answer, "/data/pair", &ask.symbol.to_string())?;
    bars(ask, Order::OldestFirst, rows(&answer, "/data/ohlc")?, |row| {
        let [open, high, low, close, volume] = ["open", "high", "low", "close", "volume"];
        Some(RawRow {
            open_ms: seconds(row.get("timestamp")?)?,
            values: [
                row.get(open)?,
                row.get(high)?,
                row.get(low)?,
                row.get(close)?,
                row.get(volume)?,
            ],
        })
    })
}

fn refusal(answer: &Value) -> Option<Refusal> {
    let keys = ["response_code", "code", "error", "status"];
    let first = keys.into_iter().find_map(|key| answer.get(key)?.as_str())?;
    let class = (first == "400.002").then_some(Class::Throttled);
    Some(Refusal { class, words: answer.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::venue::{
        tests::check::{T, check_bars, check_class},
        which::Venue::Bitstamp,
    };

    #[test]
    fn a_page_with_the_bar_in_progress() {
        check_bars(
            Bitstamp,
            r#"{"data":{"ohlc":[
                {"close":"106012.34","high":"106050","low":"105960.1","open":"105991.01","timestamp":"1762819200","volume":"12.34567000"},
                {"close":"106012.34","high":"106012.34","low":"106012.34","open":"106012.34","timestamp":"1762819260","volume":"0.00000000"},
                {"close":"106099.99","high":"106100","low":"106012.4","open":"106012.4","timestamp":"1762819320","volume":"0.00001000"}
                ],"pair":"BTC/USD"}}"#,
            &[
                (T, [105991.01, 106050.0, 105960.1, 106012.34, 12.34567]),
                (T + 60_000, [106012.34, 106012.34, 106012.34, 106012.34, 0.0]),
                (T + 120_000, [106012.4, 106100.0, 106012.4, 106099.99, 0.00001]),
            ],
        );
        check_bars(Bitstamp, r#"{"data":{"ohlc":[],"pair":"BTC/USD"}}"#, &[]);
    }

    #[test]
    fn refusals_have_a_class() {
        for (status, body, class) in [
            (
                400,
                r#"{"response_code":"400.002","response_explanation":"Request rate limit exceeded."}"#,
                Class::Throttled,
            ),
            (
                400,
                r#"{"status":"error","reason":{"step":["Select a valid choice."]}}"#,
                Class::Config,
            ),
            (404, r#"{"status":"error","reason":"Not found"}"#, Class::Config),
            (404, "<html>Not found</html>", Class::Refused),
            (503, r#"{"error":"Service unavailable"}"#, Class::Transient),
            (200, r#"{"error":"Words without a status"}"#, Class::Transient),
            (200, r#"{"data":{"ohlc":[],"pair":"ETH/USD"}}"#, Class::Malformed),
            (200, r#"{"data":{"ohlc":[]}}"#, Class::Malformed),
            (200, r#"{"data":{"pair":"BTC/USD"}}"#, Class::Malformed),
            (
                200,
                r#"{"data":{"ohlc":[{"close":"1","high":"1","low":"1","open":"1","timestamp":"1762819200"}],"pair":"BTC/USD"}}"#,
                Class::Malformed,
            ),
        ] {
            check_class(Bitstamp, status, body, class);
        }
    }
}
