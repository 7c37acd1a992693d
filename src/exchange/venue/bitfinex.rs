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
    answer::{
        AnswerFault, AnswerRow, BarOrder, FaultClass, VenueRefusal, accepted, bars, rows, whole,
    },
    page_request::{HttpGet, PageRequest, Spelling, VenuePace, VenueRow, VenueSpec, spelled},
};
use crate::domain::{bar::Shown, series::Symbol, time::Timeframe};

/// What it serves. The pace is the slowest that it asks for, 10 a minute.
const SPEC: VenueSpec = VenueSpec {
    base_url: "https://api-pub.bitfinex.com",
    page_bars: 10_000,
    horizon_bars: None,
    omits_empty: true,
    pace: VenuePace { burst: 1, refill_ms: 6000 },
};

pub const VENUE: VenueRow =
    VenueRow { name: "bitfinex", ccxt_id: None, spec: SPEC, request, parse };

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
fn request(page: &PageRequest) -> Result<HttpGet, AnswerFault> {
    let word = spelled(page.timeframe(), TIMEFRAMES)?;
    Ok(HttpGet {
        path: format!("/v2/candles/trade:{word}:{}/hist", pair(&page.symbol)),
        query: vec![
            ("start", (page.first_open_ms() - 1).max(0).to_string()),
            ("end", page.last_inside_ms().to_string()),
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
fn parse(page: &PageRequest, status: u16, body: &[u8]) -> Result<Shown, AnswerFault> {
    let answer = accepted(status, body, refusal)?;
    bars(page, BarOrder::OldestFirst, rows(&answer, "")?, |row| match row.as_array()?.as_slice() {
        [time, open, close, high, low, volume] => {
            Some(AnswerRow { open_ms: whole(time)?, values: [open, high, low, close, volume] })
        }
        _ => None,
    })
}

fn refusal(answer: &Value) -> Option<VenueRefusal> {
    if let Some(words) = answer.get("error").and_then(Value::as_str) {
        let class = (words == "ERR_RATE_LIMIT").then_some(FaultClass::Throttled);
        return Some(VenueRefusal { class, words: words.to_owned() });
    }
    let list = answer.as_array()?;
    if list.first()? != "error" {
        return None;
    }
    let class = match list.get(1).and_then(Value::as_i64) {
        Some(11010) => Some(FaultClass::Throttled),
        Some(20060) => Some(FaultClass::Transient),
        Some(10020) => Some(FaultClass::Config),
        _ => None,
    };
    Some(VenueRefusal { class, words: answer.to_string() })
}
