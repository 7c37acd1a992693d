//! OKX, `GET /api/v5/market/candles` and `/history-candles`: `{"code":"0","msg":"","data":[[ts, o, h, l, c, vol, volCcy, volCcyQuote, confirm], ...]}`.
//!
//! | what | how |
//! |---|---|
//! | order | newest first; at most 300 recent ones and 100 old ones, the newest in progress |
//! | stamps | open, milliseconds, as texts |
//! | numbers | texts; for spot `vol` is in the base currency; `confirm` is not used, since the newest row is dropped anyway |
//! | bounds | `before` and `after`, both exclusive: rows are newer than `before` and older than `after` |
//! | reach | `/candles` has about 1440 bars; older ones are in `/history-candles` |
//! | timeframes | without `utc` the long ones begin at midnight of Hong Kong |
//! | refusals | `code` is a text other than "0", mostly with status 200 |

use serde_json::Value;

use super::{
    answer::{
        AnswerFault, AnswerRow, BarOrder, FaultClass, VenueRefusal, accepted, bars, rows, same,
        whole,
    },
    page_request::{HttpGet, PageRequest, Spelling, VenuePace, VenueRow, VenueSpec, spelled},
};
use crate::domain::{bar::Shown, time::Timeframe};

/// What it serves. The page is that of the old bars; the pace is half of what it allows for them.
const SPEC: VenueSpec = VenueSpec {
    base_url: "https://www.okx.com",
    page_bars: 100,
    horizon_bars: None,
    omits_empty: false,
    pace: VenuePace { burst: 5, refill_ms: 200 },
};

pub const VENUE: VenueRow = VenueRow { name: "okx", ccxt_id: None, spec: SPEC, request, parse };

/// Bars older than this many are asked from the history. It has a margin to the 1440 that `/candles` keeps.
const RECENT_BARS: i64 = 1400;

const TIMEFRAMES: &Spelling = &[
    (Timeframe::M1, "1m"),
    (Timeframe::M3, "3m"),
    (Timeframe::M5, "5m"),
    (Timeframe::M15, "15m"),
    (Timeframe::M30, "30m"),
    (Timeframe::H1, "1H"),
    (Timeframe::H2, "2H"),
    (Timeframe::H4, "4H"),
    (Timeframe::H6, "6Hutc"),
    (Timeframe::H12, "12Hutc"),
    (Timeframe::D1, "1Dutc"),
];

/// The request for a page.
fn request(page: &PageRequest) -> Result<HttpGet, AnswerFault> {
    let age_ms = page.now.get() - page.first_open_ms();
    let is_recent = age_ms < RECENT_BARS * page.timeframe().ms();
    let place = if is_recent { "candles" } else { "history-candles" };
    Ok(HttpGet {
        path: format!("/api/v5/market/{place}"),
        query: vec![
            ("instId", format!("{}-{}", page.symbol.base(), page.symbol.quote())),
            ("bar", spelled(page.timeframe(), TIMEFRAMES)?.to_owned()),
            ("before", (page.first_open_ms() - 1).max(0).to_string()),
            ("after", (page.last_inside_ms() + 1).to_string()),
            ("limit", SPEC.page_bars.to_string()),
        ],
    })
}

/// The bars of an answer.
fn parse(page: &PageRequest, status: u16, body: &[u8]) -> Result<Shown, AnswerFault> {
    let answer = accepted(status, body, refusal)?;
    same(&answer, "/code", "0")?;
    bars(page, BarOrder::NewestFirst, rows(&answer, "/data")?, |row| {
        match row.as_array()?.as_slice() {
            [ts, open, high, low, close, volume, _ccy, _ccy_quote, _confirm] => {
                Some(AnswerRow { open_ms: whole(ts)?, values: [open, high, low, close, volume] })
            }
            _ => None,
        }
    })
}

fn refusal(answer: &Value) -> Option<VenueRefusal> {
    let code = answer.get("code")?.as_str()?;
    let class = match code {
        "0" => return None,
        "50011" => Some(FaultClass::Throttled),
        "50001" | "50013" | "50026" => Some(FaultClass::Transient),
        "51000" | "51001" => Some(FaultClass::Config),
        _ => None,
    };
    Some(VenueRefusal::of_code(class, code, answer, "msg"))
}
