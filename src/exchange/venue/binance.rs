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
    answer::{Class, Fault, Order, RawRow, Refusal, accepted, bars, fault_of_status, rows},
    ask::{Ask, Request},
    number::whole,
    spec::{Pace, Spec},
};
use crate::domain::bar::Shown;

/// What it serves. The pace is a tenth of what it allows: 6000 a minute, and a page costs 2.
pub const SPEC: Spec = Spec {
    base_url: "https://api.binance.com",
    page_bars: 1000,
    horizon_bars: None,
    omits_empty: false,
    pace: Pace { burst: 10, refill_ms: 200 },
};

/// The request for a page. It has every timeframe of ours, by the same names.
pub fn request(ask: &Ask) -> Request {
    Request {
        path: "/api/v3/klines".to_owned(),
        query: vec![
            ("symbol", format!("{}{}", ask.symbol.base(), ask.symbol.quote())),
            ("interval", ask.timeframe().name().to_owned()),
            ("startTime", ask.first_open_ms().to_string()),
            ("endTime", ask.last_inside_ms().to_string()),
            ("limit", SPEC.page_bars.to_string()),
        ],
    }
}

/// The bars of an answer.
pub fn parse(ask: &Ask, status: u16, body: &[u8]) -> Result<Shown, Fault> {
    if status == 403 {
        return Err(Fault::new(Class::Banned, fault_of_status(status, body).why));
    }
    let answer = accepted(status, body, refusal)?;
    bars(ask, Order::OldestFirst, rows(&answer, "")?, |row| match row.as_array()?.as_slice() {
        // After these: close time, quote volume, trades, two volumes of takers, and one without a meaning.
        [open_ms, open, high, low, close, volume, _, _, _, _, _, _] => {
            Some(RawRow { open_ms: whole(open_ms)?, values: [open, high, low, close, volume] })
        }
        _ => None,
    })
}

fn refusal(answer: &Value) -> Option<Refusal> {
    let code = answer.get("code")?.as_i64()?;
    let said = answer.get("msg")?.as_str()?;
    let class = match code {
        _ if said.contains("IP banned") => Some(Class::Banned),
        -1003 | -1015 => Some(Class::Throttled),
        -1130..=-1100 => Some(Class::Config),
        -1000 | -1001 | -1006 | -1007 | -1008 | -1016 => Some(Class::Transient),
        _ => None,
    };
    Some(Refusal { class, words: format!("{code} {said}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::venue::{
        tests::check::{T, check_bars, check_class},
        which::Venue::{Binance, BinanceUs},
    };

    #[test]
    fn a_page_with_the_bar_in_progress() {
        for venue in [Binance, BinanceUs] {
            check_bars(
                venue,
                r#"[[1762819200000,"105991.01000000","106050.00000000","105960.10000000","106012.34000000","12.34567000",1762819259999,"1308764.12345678",2345,"6.10000000","646674.07400000","0"],
                   [1762819260000,"106012.34000000","106012.34000000","106012.34000000","106012.34000000","0.00000000",1762819319999,"0.00000000",0,"0.00000000","0.00000000","0"],
                   [1762819320000,"106012.35000000","106100.00000000","106012.35000000","106099.99000000","0.00001000",1762819379999,"1.06099990",1,"0.00001000","1.06099990","0"]]"#,
                &[
                    (T, [105991.01, 106050.0, 105960.1, 106012.34, 12.34567]),
                    (T + 60_000, [106012.34, 106012.34, 106012.34, 106012.34, 0.0]),
                    (T + 120_000, [106012.35, 106100.0, 106012.35, 106099.99, 0.00001]),
                ],
            );
        }
    }

    #[test]
    fn refusals_have_a_class() {
        for (status, body, class) in [
            (400, r#"{"code":-1121,"msg":"Invalid symbol."}"#, Class::Config),
            (400, r#"{"code":-1120,"msg":"Invalid interval."}"#, Class::Config),
            (400, r#"{"code":-1100,"msg":"Illegal characters found."}"#, Class::Config),
            (429, r#"{"code":-1003,"msg":"Too much request weight used."}"#, Class::Throttled),
            (400, r#"{"code":-1003,"msg":"Too many requests queued."}"#, Class::Throttled),
            (
                418,
                r#"{"code":-1003,"msg":"Way too much request weight used; IP banned until 1762819999999."}"#,
                Class::Banned,
            ),
            (
                400,
                r#"{"code":-1003,"msg":"Way too many requests; IP banned until 1762819999999."}"#,
                Class::Banned,
            ),
            (403, "<html>request blocked</html>", Class::Banned),
            (
                451,
                r#"{"code":0,"msg":"Service unavailable from a restricted location."}"#,
                Class::Config,
            ),
            (503, r#"{"code":-1008,"msg":"Server is currently overloaded."}"#, Class::Transient),
            (400, r#"{"code":-1001,"msg":"Internal error."}"#, Class::Transient),
            (200, r#"{"code":-4242,"msg":"A code of tomorrow."}"#, Class::Transient),
            (200, r#"{"code":-1121}"#, Class::Malformed),
            (200, r#"{"code":"-1121","msg":"Invalid symbol."}"#, Class::Malformed),
        ] {
            check_class(Binance, status, body, class);
            check_class(BinanceUs, status, body, class);
        }
    }
}
