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
    answer::{Class, Fault, Order, RawRow, Refusal, accepted, bars, quote, rows},
    ask::{Ask, Request},
    number::seconds,
    spec::{Pace, Spec, Spelling, spelled},
};
use crate::domain::{bar::Shown, time::Timeframe};

/// What it serves. One request a second is what it calls safe.
pub const SPEC: Spec = Spec {
    base_url: "https://api.kraken.com",
    page_bars: 720,
    horizon_bars: Some(720),
    omits_empty: false,
    pace: Pace { burst: 1, refill_ms: 1000 },
};

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
pub fn request(ask: &Ask) -> Result<Request, Fault> {
    let since_ms = ask.first_open_ms() - ask.timeframe().ms();
    Ok(Request {
        path: "/0/public/OHLC".to_owned(),
        query: vec![
            ("pair", format!("{}{}", asset(ask.symbol.base()), asset(ask.symbol.quote()))),
            ("interval", spelled(ask.timeframe(), TIMEFRAMES)?.to_owned()),
            ("since", (since_ms.max(0) / 1000).to_string()),
        ],
    })
}

/// The bars of an answer.
pub fn parse(ask: &Ask, status: u16, body: &[u8]) -> Result<Shown, Fault> {
    let answer = accepted(status, body, refusal)?;
    let told: Vec<Option<&str>> = rows(&answer, "/error")?.iter().map(Value::as_str).collect();
    if told.iter().any(|told| !told.is_some_and(|told| told.starts_with('W'))) {
        return Err(Fault::malformed(format!("foreign texts in `error`: {}", quote(body))));
    }
    let rows = rows_of_pair(ask, &answer)
        .ok_or_else(|| Fault::malformed(format!("`result` is foreign: {}", quote(body))))?;
    bars(ask, Order::OldestFirst, rows, |row| match row.as_array()?.as_slice() {
        [time, open, high, low, close, _vwap, volume, _count] => {
            Some(RawRow { open_ms: seconds(time)?, values: [open, high, low, close, volume] })
        }
        _ => None,
    })
}

/// The rows under the one key beside `last`, which must name the pair that was asked for.
fn rows_of_pair<'v>(ask: &Ask, answer: &'v Value) -> Option<&'v [Value]> {
    let result = answer.get("result")?.as_object()?;
    let mut pairs = result.iter().filter(|(key, _)| *key != "last");
    let (Some((key, rows)), None) = (pairs.next(), pairs.next()) else {
        return None;
    };
    let (base, quote) = (asset(ask.symbol.base()), asset(ask.symbol.quote()));
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

fn refusal(answer: &Value) -> Option<Refusal> {
    let told: Vec<&str> =
        answer.get("error")?.as_array()?.iter().filter_map(Value::as_str).collect();
    let first = told.iter().find(|text| text.starts_with('E'))?;
    let class = if first.contains("lockout") {
        Some(Class::Banned)
    } else if first.contains("Rate limit") || first.contains("Too many requests") {
        Some(Class::Throttled)
    } else if first.starts_with("EService:") || *first == "EGeneral:Internal error" {
        Some(Class::Transient)
    } else if first.starts_with("EQuery:") || first.starts_with("EGeneral:Invalid arguments") {
        Some(Class::Config)
    } else {
        None
    };
    Some(Refusal { class, words: told.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::venue::{
        tests::check::{T, check_bars, check_class},
        which::Venue::Kraken,
    };

    const ROWS: &str = r#"[[1762819140,"1","1","1","1","0.0","0.00000000",0],
        [1762819200,"105991.0","106050.0","105960.1","106012.3","106001.2","12.34567000",234],
        [1762819260,"106012.3","106012.3","106012.3","106012.3","0.0","0.00000000",0],
        [1762819320,"106012.4","106100.0","106012.4","106099.9","106050.0","0.00001000",1]]"#;

    fn answer(error: &str, result: &str) -> String {
        format!(r#"{{"error":{error},"result":{result}}}"#)
    }

    #[test]
    fn a_page_with_the_bar_in_progress() {
        let expected = [
            (T, [105991.0, 106050.0, 105960.1, 106012.3, 12.34567]),
            (T + 60_000, [106012.3, 106012.3, 106012.3, 106012.3, 0.0]),
            (T + 120_000, [106012.4, 106100.0, 106012.4, 106099.9, 0.00001]),
        ];
        for (key, last) in [("XXBTZUSD", "1762819260"), ("XBTUSD", r#""1762819260""#)] {
            let result = format!(r#"{{"{key}":{ROWS},"last":{last}}}"#);
            check_bars(Kraken, &answer("[]", &result), &expected);
            check_bars(Kraken, &answer(r#"["WGeneral:Slow"]"#, &result), &expected);
        }
        check_bars(Kraken, &answer("[]", r#"{"XXBTZUSD":[],"last":0}"#), &[]);
    }

    #[test]
    fn a_result_of_another_shape_or_another_pair_is_no_answer() {
        for result in [
            "null".to_owned(),
            "{}".to_owned(),
            ROWS.to_owned(),
            r#"{"last":1762819260}"#.to_owned(),
            format!(r#"{{"XXBTZUSD":{ROWS}}}"#),
            format!(r#"{{"XETHZUSD":{ROWS},"last":1762819260}}"#),
            format!(r#"{{"XXBTZUSD":{ROWS},"XBTUSD":[],"last":1762819260}}"#),
            r#"{"XXBTZUSD":null,"last":1762819260}"#.to_owned(),
        ] {
            check_class(Kraken, 200, &answer("[]", &result), Class::Malformed);
        }
        let good = format!(r#"{{"XXBTZUSD":{ROWS},"last":1}}"#);
        for error in ["null", "{}", "[null]", "[1]", r#"["unknown severity"]"#] {
            check_class(Kraken, 200, &answer(error, &good), Class::Malformed);
        }
        check_class(Kraken, 200, &format!(r#"{{"result":{good}}}"#), Class::Malformed);
    }

    #[test]
    fn refusals_have_a_class() {
        for (status, text, class) in [
            (200, "EAPI:Rate limit exceeded", Class::Throttled),
            (200, "EGeneral:Too many requests", Class::Throttled),
            (200, "EGeneral:Temporary lockout", Class::Banned),
            (200, "EService:Unavailable", Class::Transient),
            (200, "EService:Busy", Class::Transient),
            (200, "EGeneral:Internal error", Class::Transient),
            (200, "EGeneral:Invalid arguments", Class::Config),
            (200, "EQuery:Unknown asset pair", Class::Config),
            (200, "EQuery:Invalid asset pair", Class::Config),
            (200, "ENew:Words of tomorrow", Class::Transient),
            (429, "EQuery:Unknown asset pair", Class::Throttled),
        ] {
            check_class(Kraken, status, &format!(r#"{{"error":["{text}"]}}"#), class);
        }
        check_class(
            Kraken,
            520,
            "<html>Web server is returning an unknown error</html>",
            Class::Transient,
        );
    }
}
