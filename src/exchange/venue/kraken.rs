//! Kraken, `GET /0/public/OHLC`: `{"error":[],"result":{"XXBTZUSD":[[time, o, h, l, c, vwap, volume, count], ...],"last":...}}`.
//!
//! | what | how |
//! |---|---|
//! | order | oldest first, 720 closed ones and the one in progress, always |
//! | stamps | open, seconds |
//! | numbers | texts; volume is the seventh field, after a mean price |
//! | bounds | `since` is exclusive, and there is no end; never more than 720 bars back |
//! | no trade | flat bar without volume |
//! | symbols | BTC is XBT and DOGE is XDG; the answer's key is Kraken's own long name, with X or Z before either half |
//! | refusals | status 200 and texts in `error`, which begin with E; those with W are warnings |

use serde_json::Value;

use super::{
    answer::{
        AnswerFault, AnswerRow, BarOrder, FaultClass, VenueRefusal, accepted, bars, quote, rows,
        seconds,
    },
    page_request::{HttpGet, PageRequest, Spelling, VenuePace, VenueRow, VenueSpec, spelled},
};
use crate::domain::{bar::Shown, time::Timeframe};

/// What it serves. One request a second is what it calls safe.
const SPEC: VenueSpec = VenueSpec {
    base_url: "https://api.kraken.com",
    page_bars: 720,
    horizon_bars: Some(720),
    omits_empty: false,
    pace: VenuePace { burst: 1, refill_ms: 1000 },
};

pub const VENUE: VenueRow = VenueRow { name: "kraken", ccxt_id: None, spec: SPEC, request, parse };

/// Minutes.
const TIMEFRAMES: &Spelling = &[
    (Timeframe::M1, "1"),
    (Timeframe::M5, "5"),
    (Timeframe::M15, "15"),
    (Timeframe::M30, "30"),
    (Timeframe::H1, "60"),
    (Timeframe::H4, "240"),
    (Timeframe::D1, "1440"),
];

/// The request for a page. It begins one bar early, since the bar at `since` itself is left out.
fn request(page: &PageRequest) -> Result<HttpGet, AnswerFault> {
    let since_ms = page.first_open_ms() - page.timeframe().ms();
    Ok(HttpGet {
        path: "/0/public/OHLC".to_owned(),
        query: vec![
            ("pair", format!("{}{}", asset(page.symbol.base()), asset(page.symbol.quote()))),
            ("interval", spelled(page.timeframe(), TIMEFRAMES)?.to_owned()),
            ("since", (since_ms.max(0) / 1000).to_string()),
        ],
    })
}

/// The bars of an answer.
fn parse(page: &PageRequest, status: u16, body: &[u8]) -> Result<Shown, AnswerFault> {
    let answer = accepted(status, body, refusal)?;
    let texts: Vec<Option<&str>> = rows(&answer, "/error")?.iter().map(Value::as_str).collect();
    if texts.iter().any(|text| !text.is_some_and(|text| text.starts_with('W'))) {
        return Err(AnswerFault::malformed(format!(
            "`error` has texts of another format: {}",
            quote(body)
        )));
    }
    let rows = rows_of_pair(page, &answer).ok_or_else(|| {
        AnswerFault::malformed(format!("`result` is not about this pair: {}", quote(body)))
    })?;
    bars(page, BarOrder::OldestFirst, rows, |row| match row.as_array()?.as_slice() {
        [time, open, high, low, close, _vwap, volume, _count] => {
            Some(AnswerRow { open_ms: seconds(time)?, values: [open, high, low, close, volume] })
        }
        _ => None,
    })
}

/// The rows under the one key beside `last`, which must name the pair that was asked for.
fn rows_of_pair<'v>(page: &PageRequest, answer: &'v Value) -> Option<&'v [Value]> {
    let result = answer.get("result")?.as_object()?;
    let mut pairs = result.iter().filter(|(key, _)| *key != "last");
    let (Some((key, rows)), None) = (pairs.next(), pairs.next()) else {
        return None;
    };
    let (base, quote) = (asset(page.symbol.base()), asset(page.symbol.quote()));
    let names = |base_mark| {
        ["", "X", "Z"].map(|quote_mark| format!("{base_mark}{base}{quote_mark}{quote}"))
    };
    let is_ours = ["", "X", "Z"].into_iter().any(|mark| names(mark).contains(key));
    (is_ours && result.contains_key("last")).then(|| rows.as_array().map(Vec::as_slice))?
}

/// Kraken's name of a currency.
fn asset(name: &str) -> &str {
    match name {
        "BTC" => "XBT",
        "DOGE" => "XDG",
        name => name,
    }
}

fn refusal(answer: &Value) -> Option<VenueRefusal> {
    let texts: Vec<&str> =
        answer.get("error")?.as_array()?.iter().filter_map(Value::as_str).collect();
    let first = texts.iter().find(|text| text.starts_with('E'))?;
    let class = if first.contains("lockout") {
        Some(FaultClass::Banned)
    } else if first.contains("Rate limit") || first.contains("Too many requests") {
        Some(FaultClass::Throttled)
    } else if first.starts_with("EService:") || *first == "EGeneral:Internal error" {
        Some(FaultClass::Transient)
    } else if first.starts_with("EQuery:") || first.starts_with("EGeneral:Invalid arguments") {
        Some(FaultClass::Config)
    } else {
        None
    };
    Some(VenueRefusal { class, words: texts.join(", ") })
}
