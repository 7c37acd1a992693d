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
    answer::{
        AnswerFault, AnswerRow, BarOrder, FaultClass, VenueRefusal, accepted, bars, rows, whole,
    },
    page_request::{HttpGet, PageRequest, Spelling, VenuePace, VenueRow, VenueSpec, spelled},
};
use crate::domain::{bar::Shown, time::Timeframe};

/// What it serves. How far back is documented nowhere: the horizon is a cautious guess. The pace is what it advises.
const SPEC: VenueSpec = VenueSpec {
    base_url: "https://api.gemini.com",
    page_bars: 300,
    horizon_bars: Some(300),
    omits_empty: false,
    pace: VenuePace { burst: 1, refill_ms: 1000 },
};

pub const VENUE: VenueRow = VenueRow { name: "gemini", ccxt_id: None, spec: SPEC, request, parse };

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
fn request(page: &PageRequest) -> Result<HttpGet, AnswerFault> {
    let pair = format!("{}{}", page.symbol.base(), page.symbol.quote()).to_lowercase();
    let word = spelled(page.timeframe(), TIMEFRAMES)?;
    Ok(HttpGet { path: format!("/v2/candles/{pair}/{word}"), query: vec![] })
}

/// The bars of an answer.
fn parse(page: &PageRequest, status: u16, body: &[u8]) -> Result<Shown, AnswerFault> {
    let answer = accepted(status, body, refusal)?;
    bars(page, BarOrder::NewestFirst, rows(&answer, "")?, |row| match row.as_array()?.as_slice() {
        [time, open, high, low, close, volume] => {
            Some(AnswerRow { open_ms: whole(time)?, values: [open, high, low, close, volume] })
        }
        _ => None,
    })
}

fn refusal(answer: &Value) -> Option<VenueRefusal> {
    let reason = answer.get("reason")?.as_str()?;
    if answer.get("result")? != "error" {
        return None;
    }
    let class = match reason {
        "RateLimit" => Some(FaultClass::Throttled),
        "Maintenance" | "System" => Some(FaultClass::Transient),
        "InvalidSymbol" | "EndpointNotFound" => Some(FaultClass::Config),
        _ => None,
    };
    Some(VenueRefusal::of_code(class, reason, answer, "message"))
}
