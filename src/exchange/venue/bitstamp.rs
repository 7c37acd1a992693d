//! Bitstamp, `GET /api/v2/ohlc/btcusd/`: `{"data":{"pair":"BTC/USD","ohlc":[{"timestamp","open","high","low","close","volume"}, ...]}}`.
//!
//! | what | how |
//! |---|---|
//! | order | oldest first, at most 1000, the newest in progress unless it is asked to leave it out, which we never do |
//! | stamps | open, seconds, as texts |
//! | numbers | texts |
//! | bounds | of `start`, `limit` and `end` the end wins, so all three are made to agree |
//! | no trade | flat bar without volume |
//! | refusals | `{"status":"error","reason":...}`, `{"error":...}`, `{"response_code":"400.002",...}`, with a status |

use serde_json::Value;

use super::{
    answer::{
        AnswerFault, AnswerRow, BarOrder, FaultClass, VenueRefusal, accepted, bars, rows, same,
        seconds,
    },
    page_request::{HttpGet, PageRequest, Spelling, VenuePace, VenueRow, VenueSpec, spelled},
};
use crate::domain::{bar::Shown, time::Timeframe};

/// What it serves. The pace is a third of the 10,000 in ten minutes that it allows.
const SPEC: VenueSpec = VenueSpec {
    base_url: "https://www.bitstamp.net",
    page_bars: 1000,
    horizon_bars: None,
    omits_empty: false,
    pace: VenuePace { burst: 5, refill_ms: 200 },
};

pub const VENUE: VenueRow =
    VenueRow { name: "bitstamp", ccxt_id: None, spec: SPEC, request, parse };

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
fn request(page: &PageRequest) -> Result<HttpGet, AnswerFault> {
    let pair = format!("{}{}", page.symbol.base(), page.symbol.quote()).to_lowercase();
    Ok(HttpGet {
        path: format!("/api/v2/ohlc/{pair}/"),
        query: vec![
            ("step", spelled(page.timeframe(), TIMEFRAMES)?.to_owned()),
            ("limit", page.window.slots().to_string()),
            ("start", (page.first_open_ms() / 1000).to_string()),
            ("end", (page.last_inside_ms() / 1000).to_string()),
        ],
    })
}

/// The bars of an answer.
fn parse(page: &PageRequest, status: u16, body: &[u8]) -> Result<Shown, AnswerFault> {
    let answer = accepted(status, body, refusal)?;
    same(&answer, "/data/pair", &page.symbol.to_string())?;
    bars(page, BarOrder::OldestFirst, rows(&answer, "/data/ohlc")?, |row| {
        let [open, high, low, close, volume] = ["open", "high", "low", "close", "volume"];
        Some(AnswerRow {
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

fn refusal(answer: &Value) -> Option<VenueRefusal> {
    let keys = ["response_code", "code", "error", "status"];
    let first = keys.into_iter().find_map(|key| answer.get(key)?.as_str())?;
    let class = (first == "400.002").then_some(FaultClass::Throttled);
    Some(VenueRefusal { class, words: answer.to_string() })
}
