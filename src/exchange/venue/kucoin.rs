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
    answer::{Class, Fault, Order, RawRow, Refusal, accepted, bars, rows, same},
    ask::{Ask, Request},
    number::seconds,
    spec::{Pace, Spec, Spelling, spelled},
};
use crate::domain::{bar::Shown, time::Timeframe};

/// What it serves. Its limits are not told; the pace is a cautious guess.
pub const SPEC: Spec = Spec {
    base_url: "https://api.kucoin.com",
    page_bars: 1500,
    horizon_bars: None,
    omits_empty: true,
    pace: Pace { burst: 3, refill_ms: 500 },
};

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

/// The request for a page. Its end lies one second inside the last bar, since it is not known whether it counts in.
pub fn request(ask: &Ask) -> Result<Request, Fault> {
    Ok(Request {
        path: "/api/v1/market/candles".to_owned(),
        query: vec![
            ("symbol", format!("{}-{}", ask.symbol.base(), ask.symbol.quote())),
            ("type", spelled(ask.timeframe(), TIMEFRAMES)?.to_owned()),
            ("startAt", (ask.first_open_ms() / 1000).to_string()),
            ("endAt", (ask.last_inside_ms() / 1000).to_string()),
        ],
    })
}

/// The bars of an answer.
pub fn parse(ask: &Ask, status: u16, body: &[u8]) -> Result<Shown, Fault> {
    let answer = accepted(status, body, refusal)?;
    same(&answer, "/code", ACCEPTED)?;
    bars(ask, Order::NewestFirst, rows(&answer, "/data")?, |row| match row.as_array()?.as_slice() {
        [time, open, close, high, low, volume, _turnover] => {
            Some(RawRow { open_ms: seconds(time)?, values: [open, high, low, close, volume] })
        }
        _ => None,
    })
}

fn refusal(answer: &Value) -> Option<Refusal> {
    let code = answer.get("code")?.as_str()?;
    let class = match code {
        ACCEPTED => return None,
        "429000" | "200002" | "1015" => Some(Class::Throttled),
        "400100" => Some(Class::Config),
        _ => None,
    };
    Some(Refusal::told(class, code, answer, "msg"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::venue::{
        tests::check::{T, check_bars, check_class},
        which::Venue::Kucoin,
    };

    #[test]
    fn a_page_with_the_bar_in_progress_and_a_hole() {
        check_bars(
            Kucoin,
            r#"{"code":"200000","data":[
                ["1762819320","106012.4","106099.99","106100","106012.4","0.00001","1.0609999"],
                ["1762819200","105991.01","106012.34","106050","105960.1","12.34567","1308764.12"]]}"#,
            &[
                (T, [105991.01, 106050.0, 105960.1, 106012.34, 12.34567]),
                (T + 120_000, [106012.4, 106100.0, 106012.4, 106099.99, 0.00001]),
            ],
        );
        check_bars(Kucoin, r#"{"code":"200000","data":[]}"#, &[]);
    }

    #[test]
    fn refusals_have_a_class() {
        for (status, code, class) in [
            (429, "429000", Class::Throttled),
            (200, "429000", Class::Throttled),
            (200, "200002", Class::Throttled),
            (403, "1015", Class::Throttled),
            (400, "400100", Class::Config),
            (200, "400100", Class::Config),
            (500, "500000", Class::Transient),
            (200, "999999", Class::Transient),
        ] {
            let body = format!(r#"{{"code":"{code}","msg":"some words"}}"#);
            check_class(Kucoin, status, &body, class);
        }
        for foreign in [r#"{"code":200000,"data":[]}"#, r#"{"data":[]}"#, r#"{"code":"200000"}"#] {
            check_class(Kucoin, 200, foreign, Class::Malformed);
        }
    }
}
