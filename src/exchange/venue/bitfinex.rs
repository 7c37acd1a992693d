//! Bitfinex, `GET /v2/candles/trade:5m:tBTCUSD/hist`: a list of rows `[time, open, close, high, low, volume]`.
//!
//! | what | how |
//! |---|---|
//! | order | oldest first because of `sort=1`, at most 10000, the newest taken as in progress |
//! | stamps | open, milliseconds |
//! | numbers | JSON numbers; the close comes before the high |
//! | bounds | `start` and `end`; whether they count in is not known, so both lie between two bars |
//! | no trade | bar left out; in an outage whole pages are `[]` |
//! | symbols | USDT is UST; a name longer than three letters asks for a colon, as in tDUSK:USD |
//! | refusals | `["error",10020,"limit: invalid"]` or `{"error":"ERR_RATE_LIMIT"}`, with any status |

use serde_json::Value;

use super::{
    answer::{Class, Fault, Order, RawRow, Refusal, accepted, bars, rows},
    ask::{Ask, Request},
    number::whole,
    spec::{Pace, Spec, Spelling, spelled},
};
use crate::domain::{bar::Shown, series::Symbol, time::Timeframe};

/// What it serves. The pace is the slowest that it asks for, 10 a minute.
pub const SPEC: Spec = Spec {
    base_url: "https://api-pub.bitfinex.com",
    page_bars: 10_000,
    horizon_bars: None,
    omits_empty: true,
    pace: Pace { burst: 1, refill_ms: 6000 },
};

const TIMEFRAMES: &Spelling = &[
    (Timeframe::M1, "1m"),
    (Timeframe::M5, "5m"),
    (Timeframe::M15, "15m"),
    (Timeframe::M30, "30m"),
    (Timeframe::H1, "1h"),
    (Timeframe::H4, "4h"),
    (Timeframe::H6, "6h"),
    (Timeframe::H12, "12h"),
    (Timeframe::D1, "1D"),
];

/// The request for a page.
pub fn request(ask: &Ask) -> Result<Request, Fault> {
    let word = spelled(ask.timeframe(), TIMEFRAMES)?;
    Ok(Request {
        path: format!("/v2/candles/trade:{word}:{}/hist", pair(&ask.symbol)),
        query: vec![
            ("start", (ask.first_open_ms() - 1).max(0).to_string()),
            ("end", ask.last_inside_ms().to_string()),
            ("limit", SPEC.page_bars.to_string()),
            ("sort", "1".to_owned()),
        ],
    })
}

fn pair(symbol: &Symbol) -> String {
    let [base, quote] =
        [symbol.base(), symbol.quote()].map(|name| if name == "USDT" { "UST" } else { name });
    let colon = if base.len() > 3 || quote.len() > 3 { ":" } else { "" };
    format!("t{base}{colon}{quote}")
}

/// The bars of an answer.
pub fn parse(ask: &Ask, status: u16, body: &[u8]) -> Result<Shown, Fault> {
    let answer = accepted(status, body, refusal)?;
    bars(ask, Order::OldestFirst, rows(&answer, "")?, |row| match row.as_array()?.as_slice() {
        [time, open, close, high, low, volume] => {
            Some(RawRow { open_ms: whole(time)?, values: [open, high, low, close, volume] })
        }
        _ => None,
    })
}

fn refusal(answer: &Value) -> Option<Refusal> {
    if let Some(words) = answer.get("error").and_then(Value::as_str) {
        let class = (words == "ERR_RATE_LIMIT").then_some(Class::Throttled);
        return Some(Refusal { class, words: words.to_owned() });
    }
    let list = answer.as_array()?;
    if list.first()? != "error" {
        return None;
    }
    let class = match list.get(1).and_then(Value::as_i64) {
        Some(11010) => Some(Class::Throttled),
        Some(20060) => Some(Class::Transient),
        Some(10020) => Some(Class::Config),
        _ => None,
    };
    Some(Refusal { class, words: answer.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::venue::{
        tests::check::{T, check_bars, check_class},
        which::Venue::Bitfinex,
    };

    #[test]
    fn a_page_with_the_bar_in_progress_and_a_hole() {
        check_bars(
            Bitfinex,
            "[[1762819200000,105991.01,106012.34,106050,105960.1,12.34567],
              [1762819320000,106012.4,106099.99,106100,106012.4,1e-5]]",
            &[
                (T, [105991.01, 106050.0, 105960.1, 106012.34, 12.34567]),
                (T + 120_000, [106012.4, 106100.0, 106012.4, 106099.99, 0.00001]),
            ],
        );
    }

    #[test]
    fn refusals_have_a_class() {
        for (status, body, class) in [
            (200, r#"["error",11010,"ratelimit: error"]"#, Class::Throttled),
            (429, r#"{"error":"ERR_RATE_LIMIT"}"#, Class::Throttled),
            (200, r#"{"error":"ERR_RATE_LIMIT"}"#, Class::Throttled),
            (500, r#"["error",10020,"limit: invalid"]"#, Class::Config),
            (503, r#"["error",20060,"maintenance"]"#, Class::Transient),
            (200, r#"["error",20060,"maintenance"]"#, Class::Transient),
            (500, r#"["error",99999,"words of tomorrow"]"#, Class::Transient),
            (200, r#"["error",null,"words"]"#, Class::Transient),
            (200, r#"{"error":null}"#, Class::Malformed),
            (200, r#"["info",11010,"words"]"#, Class::Malformed),
        ] {
            check_class(Bitfinex, status, body, class);
        }
    }
}
