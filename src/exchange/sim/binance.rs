//! Binance as a server: `/api/v3`, decimals as texts, milliseconds, `{"code":...,"msg":...}` for errors.

use serde_json::{Value, json};

use super::server::{MarketView, Query, Reply, SimRefusal, eight};
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
pub fn answer(view: &MarketView<'_>, path: &str, query: &Query) -> Reply {
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
pub fn refusal(refusal: &SimRefusal) -> Reply {
    match refusal {
        SimRefusal::Throttled { retry_after_s, pick: _ } => {
            let message = "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API.";
            let reply = refused(429, -1003, message);
            retry_after_s.iter().fold(reply, |reply, wait_s| reply.with("retry-after", wait_s))
        }
        SimRefusal::Banned { now, wait_s } => {
            let until_ms = now.get() + 1000 * i64::from(*wait_s);
            let message = format!(
                "Way too much request weight used; IP banned until {until_ms}. Please use WebSocket Streams for live updates to avoid bans."
            );
            refused(418, -1003, &message).with("retry-after", wait_s)
        }
        SimRefusal::Down { pick } => match pick % 3 {
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

fn klines(view: &MarketView<'_>, query: &Query) -> Result<Value, Refused> {
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
    let [quote, taken, taken_quote] =
        [mean, 0.5, mean * 0.5].map(|x| format!("{:.8}", x * bar.volume()));
    json!([
        ts.open_ms(),
        eight(bar.open()),
        eight(bar.high()),
        eight(bar.low()),
        eight(bar.close()),
        eight(bar.volume()),
        ts.ts_ms() - 1,
        quote,
        (bar.volume() * 10.0).ceil() as u64,
        taken,
        taken_quote,
        "0",
    ])
}

fn exchange_info(view: &MarketView<'_>, query: &Query) -> Reply {
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

#[cfg(test)]
mod tests {
    use super::{
        super::{sample, server::Protocol},
        *,
    };

    const KLINES: &str = "/api/v3/klines?symbol=BTCUSD&interval=5m";

    fn get(url: &str) -> String {
        sample::get(Protocol::Binance, sample::now(), url)
    }

    fn opens(answer: &str) -> Vec<i64> {
        let body = answer.strip_prefix("200 application/json;charset=UTF-8\n");
        let rows: Vec<Value> = serde_json::from_str(body.unwrap()).unwrap();
        rows.iter().map(|row| (row[0].as_i64().unwrap() - 1_704_067_200_000) / 60_000).collect()
    }

    #[test]
    fn bars_have_twelve_fields_and_an_outage_leaves_none() {
        assert_eq!(
            get(KLINES),
            "200 application/json;charset=UTF-8\n[\
            [1704067200000,\"100.00000000\",\"101.50000000\",\"99.50000000\",\"101.00000000\",\"2.50000000\",1704067499999,\"251.25000000\",25,\"1.25000000\",\"125.62500000\",\"0\"],\
            [1704067500000,\"101.00000000\",\"101.00000000\",\"101.00000000\",\"101.00000000\",\"0.00000000\",1704067799999,\"0.00000000\",0,\"0.00000000\",\"0.00000000\",\"0\"],\
            [1704067800000,\"101.00000000\",\"102.00000000\",\"100.50000000\",\"100.50000000\",\"0.00000001\",1704068099999,\"0.00000101\",1,\"0.00000001\",\"0.00000051\",\"0\"],\
            [1704068400000,\"100.50000000\",\"103.00000000\",\"100.25000000\",\"103.00000000\",\"5.00000000\",1704068699999,\"508.43750000\",50,\"2.50000000\",\"254.21875000\",\"0\"]]"
        );
    }

    #[test]
    fn a_start_pages_from_the_oldest_and_an_end_alone_from_the_newest() {
        let page = |rest: &str| opens(&get(&format!("{KLINES}{rest}")));
        let minute = |n: i64| 1_704_067_200_000 + n * 60_000;
        assert_eq!(page("&limit=2"), [10, 20], "the newest");
        assert_eq!(page("&startTime=0&limit=2"), [0, 5], "from the listing on");
        assert_eq!(page(&format!("&startTime={}&limit=2", minute(5))), [5, 10], "included");
        assert_eq!(page(&format!("&startTime={}", minute(5) + 1)), [10, 20]);
        assert_eq!(page(&format!("&endTime={}&limit=2", minute(10))), [5, 10], "included");
        assert_eq!(page(&format!("&endTime={}&limit=2", minute(10) - 1)), [0, 5]);
        let both = format!("&startTime={}&endTime={}", minute(0), minute(5));
        assert_eq!(page(&both), [0, 5]);
        assert_eq!(page(&format!("&startTime={}", minute(30))), [0; 0]);
    }

    #[test]
    fn a_page_has_500_rows_unless_told_and_never_more_than_1000() {
        let now = sample::now().plus_ms(3_000 * 300_000);
        let rows = |rest: &str| {
            let url = format!("{KLINES}{rest}");
            opens(&sample::get_made_up(Protocol::Binance, now, &url)).len()
        };
        assert_eq!(rows(""), 500);
        assert_eq!(rows("&startTime=0"), 500);
        assert_eq!(rows("&limit=1000"), 1000);
        assert_eq!(rows("&limit=1500&startTime=0"), 1000);
    }

    #[test]
    fn errors_have_a_code() {
        let mandatory = |name: &str| {
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        };
        let illegal =
            "Illegal characters found in parameter 'startTime'; legal range is '^[0-9]{1,20}$'.";
        for (url, code, message) in [
            ("klines?symbol=BTCEUR&interval=5m", -1121, "Invalid symbol."),
            ("exchangeInfo?symbol=BTCEUR", -1121, "Invalid symbol."),
            ("klines?symbol=BTCUSD&interval=5M", -1120, "Invalid interval."),
            ("klines?interval=5m", -1102, &mandatory("symbol")),
            ("klines?symbol=BTCUSD&interval=", -1102, &mandatory("interval")),
            ("klines?symbol=BTCUSD&interval=5m&startTime=-1", -1100, illegal),
            (
                "klines?symbol=BTCUSD&interval=5m&limit=0",
                -1130,
                "Data sent for parameter 'limit' is not valid.",
            ),
        ] {
            let expected = format!(
                "400 application/json;charset=UTF-8\n{{\"code\":{code},\"msg\":\"{message}\"}}"
            );
            assert_eq!(get(&format!("/api/v3/{url}")), expected, "{url}");
        }
        assert!(get("/api/v3/candles").starts_with("404 text/html\n"));
    }

    #[test]
    fn refusals_have_a_code_and_bans_an_end() {
        let of = |refused: SimRefusal| {
            let reply = refusal(&refused);
            let wait = reply.headers.iter().find(|(name, _)| *name == "retry-after");
            (reply.status, wait.map(|(_, wait)| wait.clone()), reply.body)
        };
        let (status, wait, body) = of(SimRefusal::Throttled { retry_after_s: Some(7), pick: 0 });
        assert_eq!((status, wait.as_deref()), (429, Some("7")));
        assert!(
            body.starts_with("{\"code\":-1003,\"msg\":\"Too much request weight used;"),
            "{body}"
        );
        assert_eq!(of(SimRefusal::Throttled { retry_after_s: None, pick: 0 }).1, None);
        let (status, wait, body) = of(SimRefusal::Banned { now: sample::now(), wait_s: 120 });
        assert_eq!((status, wait.as_deref()), (418, Some("120")));
        assert!(body.contains("IP banned until 1704068640000."), "{body}");
        let down = [0, 1, 2].map(|pick| of(SimRefusal::Down { pick }));
        assert_eq!(down.clone().map(|(status, ..)| status), [500, 503, 504]);
        let codes = [-1000, -1008, -1007];
        assert!(
            down.iter()
                .zip(codes)
                .all(|((.., body), code)| body.starts_with(&format!("{{\"code\":{code},")))
        );
    }

    #[test]
    fn the_clock_is_the_venues() {
        let json = "200 application/json;charset=UTF-8\n";
        assert_eq!(get("/api/v3/time"), format!("{json}{{\"serverTime\":1704068520000}}"));
        assert_eq!(get("/api/v3/ping"), format!("{json}{{}}"));
    }
}
