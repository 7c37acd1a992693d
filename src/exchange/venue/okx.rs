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
    answer::{Class, Fault, Order, RawRow, Refusal, accepted, bars, rows, same},
    ask::{Ask, Request},
    number::whole,
    spec::{Pace, Spec, Spelling, spelled},
};
use crate::domain::{bar::Shown, time::Timeframe};

/// What it serves. The page is that of the old bars; the pace is half of what it allows for them.
pub const SPEC: Spec = Spec {
    base_url: "https://www.okx.com",
    page_bars: 100,
    horizon_bars: None,
    omits_empty: false,
    pace: Pace { burst: 5, refill_ms: 200 },
};

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
pub fn request(ask: &Ask) -> Result<Request, Fault> {
    let age_ms = ask.now.get() - ask.first_open_ms();
    let is_recent = age_ms < RECENT_BARS * ask.timeframe().ms();
    let place = if is_recent { "candles" } else { "history-candles" };
    Ok(Request {
        path: format!("/api/v5/market/{place}"),
        query: vec![
            ("instId", format!("{}-{}", ask.symbol.base(), ask.symbol.quote())),
            ("bar", spelled(ask.timeframe(), TIMEFRAMES)?.to_owned()),
            ("before", (ask.first_open_ms() - 1).max(0).to_string()),
            ("after", (ask.last_inside_ms() + 1).to_string()),
            ("limit", SPEC.page_bars.to_string()),
        ],
    })
}

/// The bars of an answer.
pub fn parse(ask: &Ask, status: u16, body: &[u8]) -> Result<Shown, Fault> {
    let answer = accepted(status, body, refusal)?;
    same(&answer, "/code", "0")?;
    bars(ask, Order::NewestFirst, rows(&answer, "/data")?, |row| match row.as_array()?.as_slice() {
        [ts, open, high, low, close, volume, _ccy, _ccy_quote, _confirm] => {
            Some(RawRow { open_ms: whole(ts)?, values: [open, high, low, close, volume] })
        }
        _ => None,
    })
}

fn refusal(answer: &Value) -> Option<Refusal> {
    let code = answer.get("code")?.as_str()?;
    let class = match code {
        "0" => return None,
        "50011" => Some(Class::Throttled),
        "50001" | "50013" | "50026" => Some(Class::Transient),
        "51000" | "51001" => Some(Class::Config),
        _ => None,
    };
    Some(Refusal::told(class, code, answer, "msg"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::venue::{
        tests::check::{T, check_bars, check_class},
        which::Venue::Okx,
    };

    #[test]
    fn a_page_with_the_bar_in_progress_whatever_is_confirmed() {
        for confirm in ["0", "1"] {
            check_bars(
                Okx,
                &format!(
                    r#"{{"code":"0","msg":"","data":[
                    ["1762819320000","106012.4","106100","106012.4","106099.99","0.00001","1.06","1.06","{confirm}"],
                    ["1762819260000","106012.34","106012.34","106012.34","106012.34","0","0","0","1"],
                    ["1762819200000","105991.01","106050","105960.1","106012.34","12.34567","1308764.1","1308764.1","1"]]}}"#
                ),
                &[
                    (T, [105991.01, 106050.0, 105960.1, 106012.34, 12.34567]),
                    (T + 60_000, [106012.34, 106012.34, 106012.34, 106012.34, 0.0]),
                    (T + 120_000, [106012.4, 106100.0, 106012.4, 106099.99, 0.00001]),
                ],
            );
        }
        check_bars(Okx, r#"{"code":"0","msg":"","data":[]}"#, &[]);
    }

    #[test]
    fn refusals_have_a_class() {
        for (status, code, class) in [
            (200, "51001", Class::Config),
            (400, "51000", Class::Config),
            (200, "50011", Class::Throttled),
            (429, "50011", Class::Throttled),
            (200, "50001", Class::Transient),
            (503, "50013", Class::Transient),
            (200, "50026", Class::Transient),
            (200, "59999", Class::Transient),
            (404, "59999", Class::Config),
        ] {
            let body = format!(r#"{{"code":"{code}","msg":"some words","data":[]}}"#);
            check_class(Okx, status, &body, class);
        }
        for foreign in [r#"{"code":0,"msg":"","data":[]}"#, r#"{"data":[]}"#, r#"{"code":"0"}"#] {
            check_class(Okx, 200, foreign, Class::Malformed);
        }
    }
}
