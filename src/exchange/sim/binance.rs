//! Binance as a server: `/api/v3`, decimals as texts, milliseconds, `{"code":...,"msg":...}` for errors.

use serde_json::{Value, json};

use super::{
    number::eight,
    protocol::Refusal,
    reply::{Query, Reply, View},
};
use crate::domain::{bar::TimedBar, series::Symbol};

const ROWS_DEFAULT: usize = 500;
const ROWS_MAX: usize = 1000;

/// What a request counts towards the limit of 6000 a minute.
pub fn weight(path: &str) -> u32 {
    match path {
        "/api/v3/klines" => 2,
        "/api/v3/exchangeInfo" => 20,
        _ => 1,
    }
}

/// The answer to a request.
pub fn answer(view: &View<'_>, path: &str, query: &Query) -> Reply {
    match path {
        "/api/v3/ping" => good(&json!({})),
        "/api/v3/time" => good(&json!({ "serverTime": view.now.get() })),
        "/api/v3/exchangeInfo" => exchange_info(view, query),
        "/api/v3/klines" => match klines(view, query) {
            Ok(rows) => good(&rows),
            Err((code, message)) => refused(400, code, &message),
        },
        _ => Reply::html(404, "404 Not Found"),
    }
}

/// The answer of a venue that does not want to, or cannot.
pub fn refusal(refusal: &Refusal) -> Reply {
    match refusal {
        Refusal::Throttled { retry_after_s } => {
            let message = "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API.";
            let reply = refused(429, -1003, message);
            retry_after_s.iter().fold(reply, |reply, wait_s| reply.with("retry-after", wait_s))
        }
        Refusal::Banned { now, wait_s } => {
            let until_ms = now.get() + 1000 * i64::from(*wait_s);
            let message = format!(
                "Way too much request weight used; IP banned until {until_ms}. Please use WebSocket Streams for live updates to avoid bans."
            );
            refused(418, -1003, &message).with("retry-after", wait_s)
        }
        Refusal::Down { pick } => match pick % 3 {
            0 => refused(500, -1000, "An unknown error occurred while processing the request."),
            1 => refused(
                503,
                -1008,
                "Server is currently overloaded with other requests. Please try again in a few minutes.",
            ),
            _ => refused(
                504,
                -1007,
                "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
            ),
        },
    }
}

fn good(body: &Value) -> Reply {
    Reply::new(200, "application/json;charset=UTF-8", body.to_string())
}

fn refused(status: u16, code: i32, message: &str) -> Reply {
    let body = json!({ "code": code, "msg": message }).to_string();
    Reply::new(status, "application/json;charset=UTF-8", body)
}

fn name(symbol: &Symbol) -> String {
    format!("{}{}", symbol.base(), symbol.quote())
}

type Refused = (i32, String);

fn klines(view: &View<'_>, query: &Query) -> Result<Value, Refused> {
    let symbol = mandatory(query, "symbol")?;
    let interval = mandatory(query, "interval")?;
    let (start, end) = (millis(query, "startTime")?, millis(query, "endTime")?);
    let rows_max = limit(query)?;
    if symbol != name(view.symbol) {
        return Err((-1121, "Invalid symbol.".to_owned()));
    }
    if interval != view.market.timeframe().name() {
        return Err((-1120, "Invalid interval.".to_owned()));
    }
    let bars = view.market.between(start.unwrap_or(i64::MIN), end.unwrap_or(i64::MAX), view.now);
    let page: Vec<TimedBar> = if start.is_some() {
        bars.take(rows_max).collect()
    } else {
        let mut newest: Vec<TimedBar> = bars.rev().take(rows_max).collect();
        newest.reverse();
        newest
    };
    Ok(view.rows(page).iter().map(row).collect())
}

fn mandatory<'q>(query: &'q Query, name: &str) -> Result<&'q str, Refused> {
    query.get(name).ok_or_else(|| {
        let message =
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
        (-1102, message)
    })
}

fn millis(query: &Query, name: &str) -> Result<Option<i64>, Refused> {
    let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(text) = query.get(name) else { return Ok(None) };
    let number = Some(text).filter(digits).and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| {
        let message = format!(
            "Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
        );
        (-1100, message)
    })
}

fn limit(query: &Query) -> Result<usize, Refused> {
    match millis(query, "limit")?.map(usize::try_from) {
        None => Ok(ROWS_DEFAULT),
        Some(Ok(rows)) if rows > 0 => Ok(rows.min(ROWS_MAX)),
        Some(_) => Err((-1130, "Data sent for parameter 'limit' is not valid.".to_owned())),
    }
}

fn row(bar: &TimedBar) -> Value {
    let TimedBar { ts, bar } = bar;
    let mean = (bar.open() + bar.high() + bar.low() + bar.close()) / 4.0;
    let quote = |volume: f64| format!("{:.8}", mean * volume);
    json!([
        ts.open_ms(),
        eight(bar.open()),
        eight(bar.high()),
        eight(bar.low()),
        eight(bar.close()),
        eight(bar.volume()),
        ts.ts_ms() - 1,
        quote(bar.volume()),
        (bar.volume() * 10.0).ceil() as u64,
        eight(bar.volume() * 0.5),
        quote(bar.volume() * 0.5),
        "0",
    ])
}

fn exchange_info(view: &View<'_>, query: &Query) -> Reply {
    if query.get("symbol").is_some_and(|symbol| symbol != name(view.symbol)) {
        return refused(400, -1121, "Invalid symbol.");
    }
    good(&json!({
        "timezone": "UTC",
        "serverTime": view.now.get(),
        "rateLimits": [
            { "rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000 },
        ],
        "exchangeFilters": [],
        "symbols": [{
            "symbol": name(view.symbol),
            "status": "TRADING",
            "baseAsset": view.symbol.base(),
            "baseAssetPrecision": 8,
            "quoteAsset": view.symbol.quote(),
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
            "isSpotTradingAllowed": true,
            "isMarginTradingAllowed": false,
            "filters": [
                { "filterType": "PRICE_FILTER", "minPrice": "0.00000001", "maxPrice": "1000000.00000000", "tickSize": "0.00000001" },
                { "filterType": "LOT_SIZE", "minQty": "0.00000001", "maxQty": "9000.00000000", "stepSize": "0.00000001" },
            ],
            "permissions": [],
            "permissionSets": [["SPOT"]],
        }],
    }))
}
