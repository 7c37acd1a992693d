//! Binance, `GET /api/v3/klines`: a list of rows of twelve fields, `[open ms, open, high, low, close, volume, close ms, ...]`.
//!
//! | what | how |
//! |---|---|
//! | order | oldest first, at most 1000 |
//! | stamps | open, milliseconds; its own close time is one millisecond short of ours and not used |
//! | numbers | texts; volume is in the base currency |
//! | bounds | `startTime` to `endTime` by open time |
//! | no trade | flat bar without volume; in an outage bars are absent |
//! | refusals | `{"code":-1121,"msg":"Invalid symbol."}`; 429 throttled, 418 and 403 (its firewall) shut out |

use serde_json::Value;

use super::{
    answer::{
        AnswerFault, AnswerRow, BarOrder, FaultClass, VenueRefusal, accepted, bars,
        fault_of_status, rows, whole,
    },
    page_request::{HttpGet, PageRequest, VenuePace, VenueRow, VenueSpec},
};
use crate::domain::bar::Shown;

/// What it serves. The pace is a tenth of what it allows: 6000 a minute, and a page costs 2.
pub const SPEC: VenueSpec = VenueSpec {
    base_url: "https://api.binance.com",
    page_bars: 1000,
    horizon_bars: None,
    omits_empty: false,
    pace: VenuePace { burst: 10, refill_ms: 200 },
};

pub const VENUE: VenueRow = VenueRow { name: "binance", ccxt_id: None, spec: SPEC, request, parse };

/// The request for a page. It has every timeframe of ours, by the same names.
#[expect(clippy::unnecessary_wraps, reason = "every venue is a row of functions of this shape")]
pub fn request(page: &PageRequest) -> Result<HttpGet, AnswerFault> {
    Ok(HttpGet {
        path: "/api/v3/klines".to_owned(),
        query: vec![
            ("symbol", format!("{}{}", page.symbol.base(), page.symbol.quote())),
            ("interval", page.timeframe().name().to_owned()),
            ("startTime", page.first_open_ms().to_string()),
            ("endTime", page.last_inside_ms().to_string()),
            ("limit", SPEC.page_bars.to_string()),
        ],
    })
}

/// The bars of an answer.
pub fn parse(page: &PageRequest, status: u16, body: &[u8]) -> Result<Shown, AnswerFault> {
    if status == 403 {
        return Err(AnswerFault::new(FaultClass::Banned, fault_of_status(status, body).why));
    }
    let answer = accepted(status, body, refusal)?;
    bars(page, BarOrder::OldestFirst, rows(&answer, "")?, |row| match row.as_array()?.as_slice() {
        // After these: close time, quote volume, trades, two volumes of takers, and one without a meaning.
        [open_ms, open, high, low, close, volume, _, _, _, _, _, _] => {
            Some(AnswerRow { open_ms: whole(open_ms)?, values: [open, high, low, close, volume] })
        }
        _ => None,
    })
}

fn refusal(answer: &Value) -> Option<VenueRefusal> {
    let code = answer.get("code")?.as_i64()?;
    let said = answer.get("msg")?.as_str()?;
    let class = match code {
        _ if said.contains("IP banned") => Some(FaultClass::Banned),
        -1003 | -1015 => Some(FaultClass::Throttled),
        -1130..=-1100 => Some(FaultClass::Config),
        -1000 | -1001 | -1006 | -1007 | -1008 | -1016 => Some(FaultClass::Transient),
        _ => None,
    };
    Some(VenueRefusal { class, words: format!("{code} {said}") })
}
