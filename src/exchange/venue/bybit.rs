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
    answer::{Class, Fault, Order, RawRow, Refusal, accepted, bars, fault_of_status, rows, same},
    ask::{Ask, Request},
    number::whole,
    spec::{Pace, Spec, Spelling, spelled},
};
use crate::domain::{bar::Shown, series::Symbol, time::Timeframe};

/// What it serves. The pace is a twelfth of the 600 in five seconds that it allows.
pub const SPEC: Spec = Spec {
    base_url: "https://api.bybit.com",
    page_bars: 1000,
    horizon_bars: None,
    omits_empty: false,
    pace: Pace { burst: 10, refill_ms: 100 },
};

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
pub fn request(ask: &Ask) -> Result<Request, Fault> {
    Ok(Request {
        path: "/v5/market/kline".to_owned(),
        query: vec![
            ("category", CATEGORY.to_owned()),
            ("symbol", pair(&ask.symbol)),
            ("interval", spelled(ask.timeframe(), TIMEFRAMES)?.to_owned()),
            ("start", ask.first_open_ms().to_string()),
            ("end", ask.last_inside_ms().to_string()),
            ("limit", SPEC.page_bars.to_string()),
        ],
    })
}

/// The bars of an answer.
pub fn parse(ask: &Ask, status: u16, body: &[u8]) -> Result<Shown, Fault> {
    if status == 403 {
        let of_country = String::from_utf8_lossy(body).contains("country");
        let class = if of_country { Class::Refused } else { Class::Banned };
        return Err(Fault::new(class, fault_of_status(status, body).why));
    }
    let answer = accepted(status, body, refusal)?;
    if answer.get("retCode").and_then(Value::as_i64) != Some(0) {
        return Err(fault_of_status(status, body));
    }
    same(&answer, "/result/category", CATEGORY)?;
    same(&answer, "/result/symbol", &pair(&ask.symbol))?;
    bars(ask, Order::NewestFirst, rows(&answer, "/result/list")?, |row| {
        match row.as_array()?.as_slice() {
            [start, open, high, low, close, volume, _turnover] => {
                Some(RawRow { open_ms: whole(start)?, values: [open, high, low, close, volume] })
            }
            _ => None,
        }
    })
}

fn refusal(answer: &Value) -> Option<Refusal> {
    let code = answer.get("retCode")?.as_i64()?;
    let class = match code {
        0 => return None,
        10006 => Some(Class::Throttled),
        10000 | 10016 => Some(Class::Transient),
        10001 => Some(Class::Config),
        _ => None,
    };
    Some(Refusal::told(class, code, answer, "retMsg"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::venue::{
        tests::check::{T, check_bars, check_class},
        which::Venue::Bybit,
    };

    fn answer(code: &str, category: &str, symbol: &str, rows: &str) -> String {
        format!(
            r#"{{"retCode":{code},"retMsg":"OK","result":{{"category":"{category}","symbol":"{symbol}","list":[{rows}]}},"retExtInfo":{{}},"time":1762819330123}}"#
        )
    }

    #[test]
    fn a_page_with_the_bar_in_progress() {
        let rows = r#"["1762819320000","106012.4","106100","106012.4","106099.99","0.00001","1.0609999"],
            ["1762819260000","106012.34","106012.34","106012.34","106012.34","0","0"],
            ["1762819200000","105991.01","106050","105960.1","106012.34","12.34567","1308764.12"]"#;
        check_bars(
            Bybit,
            &answer("0", "spot", "BTCUSD", rows),
            &[
                (T, [105991.01, 106050.0, 105960.1, 106012.34, 12.34567]),
                (T + 60_000, [106012.34, 106012.34, 106012.34, 106012.34, 0.0]),
                (T + 120_000, [106012.4, 106100.0, 106012.4, 106099.99, 0.00001]),
            ],
        );
        check_bars(Bybit, &answer("0", "spot", "BTCUSD", ""), &[]);
    }

    #[test]
    fn another_market_is_no_answer() {
        for (code, category, symbol) in [
            ("0", "linear", "BTCUSD"),
            ("0", "spot", "ETHUSD"),
            (r#""0""#, "spot", "BTCUSD"),
            ("null", "spot", "BTCUSD"),
        ] {
            check_class(Bybit, 200, &answer(code, category, symbol, ""), Class::Malformed);
        }
        check_class(Bybit, 200, r#"{"retCode":0,"retMsg":"OK","result":{}}"#, Class::Malformed);
    }

    #[test]
    fn refusals_have_a_class() {
        for (code, class) in [
            (10006, Class::Throttled),
            (10000, Class::Transient),
            (10016, Class::Transient),
            (10001, Class::Config),
            (99999, Class::Transient),
        ] {
            let body = format!(r#"{{"retCode":{code},"retMsg":"some words","result":{{}}}}"#);
            check_class(Bybit, 200, &body, class);
        }
        for (status, body, class) in [
            (403, "access too frequent", Class::Banned),
            (403, r#"{"retCode":10006,"retMsg":"access too frequent"}"#, Class::Banned),
            (403, "<html>configured to block access from your country</html>", Class::Refused),
            (429, "system protection", Class::Throttled),
            (502, "<html>", Class::Transient),
        ] {
            check_class(Bybit, status, body, class);
        }
    }
}
