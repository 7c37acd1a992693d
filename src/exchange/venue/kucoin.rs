//! KuCoin spot, `GET /api/v1/market/candles`: `{"code":"200000","data":[[time, open, close, high, low, volume, turnover], ...]}`.
//!
//! | what | how |
//! |---|---|
//! | order | newest first, at most 1500, the newest taken as in progress |
//! | stamps | open, seconds, as texts |
//! | numbers | texts; the close comes before the high, and the volume is in the base currency |
//! | bounds | `startAt` and `endAt` in seconds; without the first it begins in 1970 |
//! | no trade | bar left out |
//! | refusals | `code` is a text other than "200000" |

use serde_json::Value;

use super::{
    answer::{
        AnswerFault, AnswerRow, BarOrder, FaultClass, VenueRefusal, accepted, bars, rows, same,
        seconds,
    },
    page_request::{HttpGet, PageRequest, Spelling, VenuePace, VenueRow, VenueSpec, spelled},
};
use crate::domain::{bar::Shown, time::Timeframe};

/// What it serves. Its limits are not documented; the pace is a cautious guess.
const SPEC: VenueSpec = VenueSpec {
    base_url: "https://api.kucoin.com",
    page_bars: 1500,
    horizon_bars: None,
    omits_empty: true,
    pace: VenuePace { burst: 3, refill_ms: 500 },
};

pub const VENUE: VenueRow = VenueRow { name: "kucoin", ccxt_id: None, spec: SPEC, request, parse };

const ACCEPTED: &str = "200000";

const TIMEFRAMES: &Spelling = &[
    (Timeframe::M1, "1min"),
    (Timeframe::M3, "3min"),
    (Timeframe::M5, "5min"),
    (Timeframe::M15, "15min"),
    (Timeframe::M30, "30min"),
    (Timeframe::H1, "1hour"),
    (Timeframe::H2, "2hour"),
    (Timeframe::H4, "4hour"),
    (Timeframe::H6, "6hour"),
    (Timeframe::H8, "8hour"),
    (Timeframe::H12, "12hour"),
    (Timeframe::D1, "1day"),
];

/// The request for a page. Its end is one second inside the last bar, since it is not known whether it counts in.
fn request(page: &PageRequest) -> Result<HttpGet, AnswerFault> {
    Ok(HttpGet {
        path: "/api/v1/market/candles".to_owned(),
        query: vec![
            ("symbol", format!("{}-{}", page.symbol.base(), page.symbol.quote())),
            ("type", spelled(page.timeframe(), TIMEFRAMES)?.to_owned()),
            ("startAt", (page.first_open_ms() / 1000).to_string()),
            ("endAt", (page.last_inside_ms() / 1000).to_string()),
        ],
    })
}

/// The bars of an answer.
fn parse(page: &PageRequest, status: u16, body: &[u8]) -> Result<Shown, AnswerFault> {
    let answer = accepted(status, body, refusal)?;
    same(&answer, "/code", ACCEPTED)?;
    bars(page, BarOrder::NewestFirst, rows(&answer, "/data")?, |row| {
        match row.as_array()?.as_slice() {
            [time, open, close, high, low, volume, _turnover] => Some(AnswerRow {
                open_ms: seconds(time)?,
                values: [open, high, low, close, volume],
            }),
            _ => None,
        }
    })
}

fn refusal(answer: &Value) -> Option<VenueRefusal> {
    let code = answer.get("code")?.as_str()?;
    let class = match code {
        ACCEPTED => return None,
        "429000" | "200002" | "1015" => Some(FaultClass::Throttled),
        "400100" => Some(FaultClass::Config),
        _ => None,
    };
    Some(VenueRefusal::of_code(class, code, answer, "msg"))
}
