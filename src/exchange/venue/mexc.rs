//! MEXC spot, `GET /api/v3/klines`: a list of rows `[open ms, open, high, low, close, volume, close ms, quote volume]`.
//!
//! | what | how |
//! |---|---|
//! | order | oldest first; its document allows 1000, it sends 500 at most |
//! | stamps | open, milliseconds; its own close time is the open of the next bar and not used |
//! | numbers | texts; volume is in the base currency |
//! | bounds | `startTime` and `endTime` both: one alone is ignored. `endTime` counts out, so it is inside the last bar |
//! | timeframes | an hour is `60m`: `1h` is refused |
//! | no trade | not documented: a bar that is left out counts as a hole |
//! | refusals | `{"msg":"Invalid symbol.","code":-1121,"_extend":null}`; 429 throttled, 418 and 403 (its firewall) shut out |

use serde_json::Value;

use super::{
    answer::{
        AnswerFault, AnswerRow, BarOrder, FaultClass, VenueRefusal, accepted, bars,
        fault_of_status, rows, whole,
    },
    page_request::{HttpGet, PageRequest, Spelling, VenuePace, VenueRow, VenueSpec, spelled},
};
use crate::domain::{bar::Shown, time::Timeframe};

/// What it serves. How far back is documented nowhere. The pace is a tenth of the 500 in ten seconds that it allows.
const SPEC: VenueSpec = VenueSpec {
    base_url: "https://api.mexc.com",
    page_bars: 500,
    horizon_bars: None,
    omits_empty: false,
    pace: VenuePace { burst: 10, refill_ms: 200 },
};

pub const VENUE: VenueRow = VenueRow { name: "mexc", ccxt_id: None, spec: SPEC, request, parse };

const TIMEFRAMES: &Spelling = &[
    (Timeframe::M1, "1m"),
    (Timeframe::M5, "5m"),
    (Timeframe::M15, "15m"),
    (Timeframe::M30, "30m"),
    (Timeframe::H1, "60m"),
    (Timeframe::H4, "4h"),
    (Timeframe::D1, "1d"),
];

/// The request for a page.
fn request(page: &PageRequest) -> Result<HttpGet, AnswerFault> {
    Ok(HttpGet {
        path: "/api/v3/klines".to_owned(),
        query: vec![
            ("symbol", format!("{}{}", page.symbol.base(), page.symbol.quote())),
            ("interval", spelled(page.timeframe(), TIMEFRAMES)?.to_owned()),
            ("startTime", page.first_open_ms().to_string()),
            ("endTime", page.last_inside_ms().to_string()),
            ("limit", SPEC.page_bars.to_string()),
        ],
    })
}

/// The bars of an answer.
fn parse(page: &PageRequest, status: u16, body: &[u8]) -> Result<Shown, AnswerFault> {
    if status == 403 {
        return Err(AnswerFault::new(FaultClass::Banned, fault_of_status(status, body).why));
    }
    let answer = accepted(status, body, refusal)?;
    bars(page, BarOrder::OldestFirst, rows(&answer, "")?, |row| match row.as_array()?.as_slice() {
        [open_ms, open, high, low, close, volume, _close_ms, _quote_volume] => {
            Some(AnswerRow { open_ms: whole(open_ms)?, values: [open, high, low, close, volume] })
        }
        _ => None,
    })
}

/// Codes below zero are those of Binance, with another meaning: -1121 is a wrong interval too.
fn refusal(answer: &Value) -> Option<VenueRefusal> {
    let code = answer.get("code")?.as_i64()?;
    let class = match code {
        429 | 510 => Some(FaultClass::Throttled),
        500 | 501 | 503 | 504 | 20002 | 730000 => Some(FaultClass::Transient),
        -1128 | -1121 | 10007 | 30014 | 30021 | 33333 | 44444 | 700008 | 730001 | 730002 => {
            Some(FaultClass::Config)
        }
        _ => None,
    };
    Some(VenueRefusal::of_code(class, code, answer, "msg"))
}
