//! Bybit spot, `GET /v5/market/kline`: `{"retCode":0,"retMsg":"OK","result":{"category":"spot","symbol":"BTCUSDT","list":[[start, o, h, l, c, volume, turnover], ...]}}`.
//!
//! | what | how |
//! |---|---|
//! | order | newest first, at most 1000, the newest in progress |
//! | stamps | open, milliseconds, as texts |
//! | numbers | texts; for spot the volume is in the base currency |
//! | bounds | `start` to `end`; a bound inside a bar counts for that bar. Without `category` it answers with futures |
//! | no trade | flat bar without volume |
//! | refusals | `retCode` is a number other than 0, with status 200; status 403 shuts out for ten minutes, or a country for ever |

use serde_json::Value;

use super::{
    answer::{
        AnswerFault, AnswerRow, BarOrder, FaultClass, VenueRefusal, accepted, bars,
        fault_of_status, rows, same, whole,
    },
    page_request::{HttpGet, PageRequest, Spelling, VenuePace, VenueRow, VenueSpec, spelled},
};
use crate::domain::{bar::Shown, series::Symbol, time::Timeframe};

/// What it serves. The pace is a twelfth of the 600 in five seconds that it allows.
const SPEC: VenueSpec = VenueSpec {
    base_url: "https://api.bybit.com",
    page_bars: 1000,
    horizon_bars: None,
    omits_empty: false,
    pace: VenuePace { burst: 10, refill_ms: 100 },
};

pub const VENUE: VenueRow = VenueRow { name: "bybit", ccxt_id: None, spec: SPEC, request, parse };

/// Minutes, and D.
const TIMEFRAMES: &Spelling = &[
    (Timeframe::M1, "1"),
    (Timeframe::M3, "3"),
    (Timeframe::M5, "5"),
    (Timeframe::M15, "15"),
    (Timeframe::M30, "30"),
    (Timeframe::H1, "60"),
    (Timeframe::H2, "120"),
    (Timeframe::H4, "240"),
    (Timeframe::H6, "360"),
    (Timeframe::H12, "720"),
    (Timeframe::D1, "D"),
];

const CATEGORY: &str = "spot";

fn pair(symbol: &Symbol) -> String {
    format!("{}{}", symbol.base(), symbol.quote())
}

/// The request for a page.
fn request(page: &PageRequest) -> Result<HttpGet, AnswerFault> {
    Ok(HttpGet {
        path: "/v5/market/kline".to_owned(),
        query: vec![
            ("category", CATEGORY.to_owned()),
            ("symbol", pair(&page.symbol)),
            ("interval", spelled(page.timeframe(), TIMEFRAMES)?.to_owned()),
            ("start", page.first_open_ms().to_string()),
            ("end", page.last_inside_ms().to_string()),
            ("limit", SPEC.page_bars.to_string()),
        ],
    })
}

/// The bars of an answer.
fn parse(page: &PageRequest, status: u16, body: &[u8]) -> Result<Shown, AnswerFault> {
    if status == 403 {
        let of_country = String::from_utf8_lossy(body).contains("country");
        let class = if of_country { FaultClass::Refused } else { FaultClass::Banned };
        return Err(AnswerFault::new(class, fault_of_status(status, body).why));
    }
    let answer = accepted(status, body, refusal)?;
    if answer.get("retCode").and_then(Value::as_i64) != Some(0) {
        return Err(fault_of_status(status, body));
    }
    same(&answer, "/result/category", CATEGORY)?;
    same(&answer, "/result/symbol", &pair(&page.symbol))?;
    bars(page, BarOrder::NewestFirst, rows(&answer, "/result/list")?, |row| {
        match row.as_array()?.as_slice() {
            [start, open, high, low, close, volume, _turnover] => {
                Some(AnswerRow { open_ms: whole(start)?, values: [open, high, low, close, volume] })
            }
            _ => None,
        }
    })
}

fn refusal(answer: &Value) -> Option<VenueRefusal> {
    let code = answer.get("retCode")?.as_i64()?;
    let class = match code {
        0 => return None,
        10006 => Some(FaultClass::Throttled),
        10000 | 10016 => Some(FaultClass::Transient),
        10001 => Some(FaultClass::Config),
        _ => None,
    };
    Some(VenueRefusal::of_code(class, code, answer, "retMsg"))
}
