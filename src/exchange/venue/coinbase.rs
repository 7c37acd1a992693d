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
    answer::{AnswerFault, AnswerRow, BarOrder, VenueRefusal, accepted, bars, rows, seconds},
    page_request::{HttpGet, PageRequest, Spelling, VenuePace, VenueRow, VenueSpec, spelled},
};
use crate::domain::{
    bar::Shown,
    time::{Timeframe, UtcMs},
};

/// What it serves. The pace is half of what it allows.
const SPEC: VenueSpec = VenueSpec {
    base_url: "https://api.exchange.coinbase.com",
    page_bars: 300,
    horizon_bars: None,
    omits_empty: true,
    pace: VenuePace { burst: 5, refill_ms: 200 },
};

pub const VENUE: VenueRow =
    VenueRow { name: "coinbase", ccxt_id: Some("coinbaseexchange"), spec: SPEC, request, parse };

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
fn request(page: &PageRequest) -> Result<HttpGet, AnswerFault> {
    let time = |ms| UtcMs::EPOCH.plus_ms(ms).to_string();
    Ok(HttpGet {
        path: format!("/products/{}-{}/candles", page.symbol.base(), page.symbol.quote()),
        query: vec![
            ("granularity", spelled(page.timeframe(), TIMEFRAMES)?.to_owned()),
            ("start", time(page.first_open_ms())),
            ("end", time(page.last_open_ms())),
        ],
    })
}

/// The bars of an answer.
fn parse(page: &PageRequest, status: u16, body: &[u8]) -> Result<Shown, AnswerFault> {
    let answer = accepted(status, body, refusal)?;
    bars(page, BarOrder::NewestFirst, rows(&answer, "")?, |row| match row.as_array()?.as_slice() {
        [time, low, high, open, close, volume] => {
            Some(AnswerRow { open_ms: seconds(time)?, values: [open, high, low, close, volume] })
        }
        _ => None,
    })
}

/// It has words but no codes: the status tells the class.
fn refusal(answer: &Value) -> Option<VenueRefusal> {
    let words = answer.get("message")?.as_str()?.to_owned();
    Some(VenueRefusal { class: None, words })
}
