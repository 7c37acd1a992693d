//! Binance, `GET /api/v3/klines`: oldest first, milliseconds, decimals as texts, the newest row in progress.

use serde_json::Value;

use super::{
    answer::{Class, Fault, RawRow, bars, fault_of_status, json},
    ask::{Ask, Request},
    spec::{Pace, Spec},
};
use crate::domain::bar::TimedBar;

/// What it serves. The pace is a tenth of what its weights allow.
pub const SPEC: Spec = Spec {
    base_url: "https://api.binance.com",
    page_bars: 1000,
    horizon_bars: None,
    omits_empty: false,
    pace: Pace { burst: 10, refill_ms: 100 },
};

/// The request for a page.
pub fn request(ask: &Ask) -> Result<Request, Fault> {
    Ok(Request {
        path: "/api/v3/klines".to_owned(),
        query: vec![
            ("symbol", format!("{}{}", ask.symbol.base(), ask.symbol.quote())),
            ("interval", ask.timeframe().name().to_owned()),
            ("startTime", ask.first_open_ms().to_string()),
            ("endTime", ask.last_open_ms().to_string()),
            ("limit", SPEC.page_bars.to_string()),
        ],
    })
}

/// The bars of an answer.
pub fn parse(ask: &Ask, status: u16, body: &[u8]) -> Result<Vec<TimedBar>, Fault> {
    if status != 200 {
        return Err(refusal(status, body));
    }
    let answer = json(body)?;
    let rows = answer.as_array().ok_or_else(|| refusal(status, body))?;
    bars(ask, rows, |row| match row.as_array()?.as_slice() {
        [open_ms, open, high, low, close, volume, ..] => {
            Some(RawRow { open_ms: open_ms.as_i64()?, values: [open, high, low, close, volume] })
        }
        _ => None,
    })
}

/// `{"code":-1121,"msg":"Invalid symbol."}`
fn refusal(status: u16, body: &[u8]) -> Fault {
    let envelope: Option<Value> = serde_json::from_slice(body).ok();
    let code = envelope.as_ref().and_then(|envelope| envelope.get("code")).and_then(Value::as_i64);
    let said = envelope.as_ref().and_then(|envelope| envelope.get("msg")).and_then(Value::as_str);
    let (Some(code), Some(said)) = (code, said) else {
        let fault = fault_of_status(status, body);
        return if status == 200 { Fault::malformed(fault.why) } else { fault };
    };
    let class = match (status, code) {
        (418, _) => Class::Banned,
        (429, _) | (_, -1003 | -1015) => Class::Throttled,
        (_, -1130..=-1100) => Class::Config,
        (_, -1000 | -1001 | -1006 | -1007 | -1008 | -1016) => Class::Transient,
        _ => fault_of_status(status, body).class,
    };
    Fault::new(class, format!("{code} {said}"))
}
