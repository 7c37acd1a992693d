//! Gemini, `GET /v2/candles/btcusd/5m`: a list of rows `[time, open, high, low, close, volume]`.
//!
//! | what | how |
//! |---|---|
//! | order | newest first, the newest taken as in progress |
//! | stamps | open, milliseconds |
//! | numbers | JSON numbers |
//! | bounds | none: it always answers with its recent bars, however many these are |
//! | no trade | flat bar without volume |
//! | refusals | `{"result":"error","reason":"RateLimit","message":...}` with a status |

use serde_json::Value;

use super::{
    answer::{Class, Fault, Order, RawRow, Refusal, accepted, bars, rows},
    ask::{Ask, Request},
    number::whole,
    spec::{Pace, Spec, Spelling, spelled},
};
use crate::domain::{bar::Shown, time::Timeframe};

/// What it serves. How far back is told nowhere: the horizon is a cautious guess. The pace is what it advises.
pub const SPEC: Spec = Spec {
    base_url: "https://api.gemini.com",
    page_bars: 300,
    horizon_bars: Some(300),
    omits_empty: false,
    pace: Pace { burst: 1, refill_ms: 1000 },
};

const TIMEFRAMES: &Spelling = &[
    (Timeframe::M1, "1m"),
    (Timeframe::M5, "5m"),
    (Timeframe::M15, "15m"),
    (Timeframe::M30, "30m"),
    (Timeframe::H1, "1hr"),
    (Timeframe::H6, "6hr"),
    (Timeframe::D1, "1day"),
];

/// The request for a page.
pub fn request(ask: &Ask) -> Result<Request, Fault> {
    let pair = format!("{}{}", ask.symbol.base(), ask.symbol.quote()).to_lowercase();
    let word = spelled(ask.timeframe(), TIMEFRAMES)?;
    Ok(Request { path: format!("/v2/candles/{pair}/{word}"), query: vec![] })
}

/// The bars of an answer.
pub fn parse(ask: &Ask, status: u16, body: &[u8]) -> Result<Shown, Fault> {
    let answer = accepted(status, body, refusal)?;
    bars(ask, Order::NewestFirst, rows(&answer, "")?, |row| match row.as_array()?.as_slice() {
        [time, open, high, low, close, volume] => {
            Some(RawRow { open_ms: whole(time)?, values: [open, high, low, close, volume] })
        }
        _ => None,
    })
}

fn refusal(answer: &Value) -> Option<Refusal> {
    let reason = answer.get("reason")?.as_str()?;
    if answer.get("result")? != "error" {
        return None;
    }
    let class = match reason {
        "RateLimit" => Some(Class::Throttled),
        "Maintenance" | "System" => Some(Class::Transient),
        "InvalidSymbol" | "EndpointNotFound" => Some(Class::Config),
        _ => None,
    };
    Some(Refusal::told(class, reason, answer, "message"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::venue::{
        tests::check::{T, check_bars, check_class},
        which::Venue::Gemini,
    };

    #[test]
    fn a_page_with_the_bar_in_progress_and_rows_around_it() {
        check_bars(
            Gemini,
            "[[1762819380000,106099.99,106099.99,106099.99,106099.99,0],
              [1762819320000,106012.4,106100,106012.4,106099.99,1e-5],
              [1762819260000,106012.34,106012.34,106012.34,106012.34,0.0],
              [1762819200000,105991.01,106050,105960.1,106012.34,12.34567],
              [1762819140000,105950,106000.5,105950,105991.01,3]]",
            &[
                (T, [105991.01, 106050.0, 105960.1, 106012.34, 12.34567]),
                (T + 60_000, [106012.34, 106012.34, 106012.34, 106012.34, 0.0]),
                (T + 120_000, [106012.4, 106100.0, 106012.4, 106099.99, 0.00001]),
            ],
        );
    }

    #[test]
    fn refusals_have_a_class() {
        for (status, reason, class) in [
            (429, "RateLimit", Class::Throttled),
            (400, "RateLimit", Class::Throttled),
            (400, "InvalidSymbol", Class::Config),
            (404, "EndpointNotFound", Class::Config),
            (503, "Maintenance", Class::Transient),
            (400, "System", Class::Transient),
            (400, "WordOfTomorrow", Class::Config),
            (200, "WordOfTomorrow", Class::Transient),
        ] {
            let body = format!(r#"{{"result":"error","reason":"{reason}","message":"words"}}"#);
            check_class(Gemini, status, &body, class);
        }
        check_class(Gemini, 200, r#"{"result":"ok","reason":"none"}"#, Class::Malformed);
    }
}
