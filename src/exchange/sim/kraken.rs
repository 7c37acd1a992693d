//! Kraken as a server: `/0/public`, decimals as texts, seconds, status 200 and `{"error":[...]}` for almost every error.

use serde_json::{Map, Value, json};

use super::server::{MarketView, Query, Reply, SimRefusal, eight, short};
use crate::domain::{
    bar::TimedBar,
    series::Symbol,
    time::{Timeframe, UtcMs},
};

/// Closed bars behind the open one: nothing older is ever shown.
const CLOSED_MAX: i64 = 720;
/// Its lengths of a bar up to a day, in minutes.
const INTERVALS: [i64; 7] = [1, 5, 15, 30, 60, 240, 1440];
/// Assets and currencies of its early days, which carry an `X` or a `Z` in its own names.
const OLD_ASSETS: [&str; 10] =
    ["ETC", "ETH", "LTC", "MLN", "REP", "XBT", "XLM", "XMR", "XRP", "ZEC"];
const OLD_CURRENCIES: [&str; 5] = ["CAD", "EUR", "GBP", "JPY", "USD"];

/// Whether there are bars of this length.
pub fn has(timeframe: Timeframe) -> bool {
    INTERVALS.contains(&minutes(timeframe))
}

fn minutes(timeframe: Timeframe) -> i64 {
    timeframe.ms() / 60_000
}

/// The answer to a request.
pub fn answer(view: &MarketView<'_>, path: &str, query: &Query) -> Reply {
    let result = match path {
        "/0/public/Time" => Ok(json!({
            "unixtime": view.now.get() / 1000,
            "rfc1123": view.now.format("%a, %d %b %y %H:%M:%S +0000"),
        })),
        "/0/public/SystemStatus" => Ok(json!({
            "status": "online",
            "timestamp": view.now.format("%Y-%m-%dT%H:%M:%SZ"),
        })),
        "/0/public/Assets" => Ok(assets(view.symbol)),
        "/0/public/AssetPairs" => asset_pairs(view, query),
        "/0/public/OHLC" => ohlc(view, query),
        _ => return refused(404, "EGeneral:Unknown method"),
    };
    match result {
        Ok(result) => reply(200, &json!({ "error": [], "result": result })),
        Err(error) => refused(200, error),
    }
}

/// The answer of a venue that does not want to, or cannot.
pub fn refusal(refusal: &SimRefusal) -> Reply {
    match refusal {
        SimRefusal::Throttled { pick, retry_after_s: _ } => match pick % 2 {
            0 => refused(200, "EAPI:Rate limit exceeded"),
            _ => refused(200, "EGeneral:Too many requests"),
        },
        SimRefusal::Banned { .. } => refused(200, "EGeneral:Temporary lockout"),
        SimRefusal::Down { pick } => match pick % 4 {
            0 => Reply::html(520, "520: Web server is returning an unknown error"),
            1 => refused(200, "EService:Unavailable"),
            2 => refused(200, "EService:Busy"),
            _ => refused(200, "EGeneral:Internal error"),
        },
    }
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply::new(status, "application/json; charset=utf-8", body.to_string())
}

fn refused(status: u16, error: &str) -> Reply {
    reply(status, &json!({ "error": [error] }))
}

/// `XBT` for `BTC`, `XDG` for `DOGE`.
fn alias(asset: &str) -> &str {
    match asset {
        "BTC" => "XBT",
        "DOGE" => "XDG",
        other => other,
    }
}

/// `XXBT`, `ZUSD`, `SOL`.
fn asset_name(asset: &str) -> String {
    let alias = alias(asset);
    if OLD_ASSETS.contains(&alias) {
        format!("X{alias}")
    } else if OLD_CURRENCIES.contains(&alias) {
        format!("Z{alias}")
    } else {
        alias.to_owned()
    }
}

/// The name of a pair in requests: `XBTUSD`.
fn pair_alias(symbol: &Symbol) -> String {
    format!("{}{}", alias(symbol.base()), alias(symbol.quote()))
}

/// The name of a pair in answers: `XXBTZUSD` where both sides are old, else as in requests.
fn pair_name(symbol: &Symbol) -> String {
    let (base, quote) = (asset_name(symbol.base()), asset_name(symbol.quote()));
    let is_old = |name: &str, asset: &str| name != alias(asset);
    if is_old(&base, symbol.base()) && is_old(&quote, symbol.quote()) {
        base + &quote
    } else {
        pair_alias(symbol)
    }
}

fn is_ours(symbol: &Symbol, pair: &str) -> bool {
    pair == pair_alias(symbol) || pair == pair_name(symbol)
}

fn assets(symbol: &Symbol) -> Value {
    let asset = |asset: &str| {
        let facts = json!({
            "aclass": "currency", "altname": alias(asset), "decimals": 10, "display_decimals": 5,
            "status": "enabled",
        });
        (asset_name(asset), facts)
    };
    Value::Object(Map::from_iter([asset(symbol.base()), asset(symbol.quote())]))
}

fn asset_pairs(view: &MarketView<'_>, query: &Query) -> Result<Value, &'static str> {
    let symbol = view.symbol;
    if query.get("pair").is_some_and(|pair| !is_ours(symbol, pair)) {
        return Err("EQuery:Unknown asset pair");
    }
    let facts = json!({
        "altname": pair_alias(symbol),
        "wsname": format!("{}/{}", alias(symbol.base()), alias(symbol.quote())),
        "aclass_base": "currency",
        "base": asset_name(symbol.base()),
        "aclass_quote": "currency",
        "quote": asset_name(symbol.quote()),
        "lot": "unit",
        "cost_decimals": 8,
        "pair_decimals": 8,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": "0.00005",
        "costmin": "0.5",
        "tick_size": "0.00000001",
        "status": "online",
    });
    Ok(Value::Object(Map::from_iter([(pair_name(symbol), facts)])))
}

fn ohlc(view: &MarketView<'_>, query: &Query) -> Result<Value, &'static str> {
    const INVALID: &str = "EGeneral:Invalid arguments";
    let pair = query.get("pair").ok_or(INVALID)?;
    let interval: i64 = query.get("interval").unwrap_or("1").parse().map_err(|_| INVALID)?;
    let since: i64 = query.get("since").unwrap_or("0").parse().map_err(|_| INVALID)?;
    if !is_ours(view.symbol, pair) {
        return Err("EQuery:Unknown asset pair");
    }
    let timeframe = view.market.timeframe();
    if interval != minutes(timeframe) {
        return Err(INVALID);
    }
    let newest = view.market.newest(view.now);
    let oldest_ms = newest.map_or(0, |newest| newest.plus(-CLOSED_MAX).open_ms());
    let all: Vec<TimedBar> = view.market.between(oldest_ms, i64::MAX, view.now).collect();
    let last = all.iter().rfind(|bar| bar.ts.close() <= view.now);
    let last_s = last.map_or(0, |bar| bar.ts.open_ms() / 1000);
    // `since` is exclusive, but the open bar is always there.
    let is_wanted = |bar: &TimedBar| bar.ts.open_ms() / 1000 > since || is_open(bar, view.now);
    let rows = view.rows(all.into_iter().filter(is_wanted));
    let rows: Value = rows.iter().map(row).collect();
    Ok(Value::Object(Map::from_iter([
        (pair_name(view.symbol), rows),
        ("last".to_owned(), json!(last_s)),
    ])))
}

fn is_open(bar: &TimedBar, now: UtcMs) -> bool {
    bar.ts.close() > now
}

fn row(TimedBar { ts, bar }: &TimedBar) -> Value {
    let mean = (bar.open() + bar.high() + bar.low() + bar.close()) / 4.0;
    let vwap = if bar.volume() > 0.0 { (mean * 1e8).round() / 1e8 } else { 0.0 };
    json!([
        ts.open_ms() / 1000,
        short(bar.open()),
        short(bar.high()),
        short(bar.low()),
        short(bar.close()),
        short(vwap),
        eight(bar.volume()),
        (bar.volume() * 10.0).ceil() as u64,
    ])
}

#[cfg(test)]
mod tests {
    use super::{
        super::{sample, server::Protocol},
        *,
    };

    const OHLC: &str = "/0/public/OHLC?pair=XBTUSD&interval=5";

    fn get(url: &str) -> String {
        sample::get(Protocol::Kraken, sample::now(), url)
    }

    #[test]
    fn bars_are_rows_of_texts_under_the_name_of_the_pair_and_the_open_one_is_the_last() {
        assert_eq!(
            get(OHLC),
            "200 application/json; charset=utf-8\n{\"error\":[],\"result\":{\"XXBTZUSD\":[\
            [1704067200,\"100.0\",\"101.5\",\"99.5\",\"101.0\",\"100.5\",\"2.50000000\",25],\
            [1704067500,\"101.0\",\"101.0\",\"101.0\",\"101.0\",\"0.0\",\"0.00000000\",0],\
            [1704067800,\"101.0\",\"102.0\",\"100.5\",\"100.5\",\"101.0\",\"0.00000001\",1],\
            [1704068400,\"100.5\",\"103.0\",\"100.25\",\"103.0\",\"101.6875\",\"5.00000000\",50]],\
            \"last\":1704067800}}"
        );
        assert_eq!(get(OHLC), get("/0/public/OHLC?pair=XXBTZUSD&interval=5"));
    }

    #[test]
    fn since_is_exclusive_and_the_open_bar_is_always_there() {
        let after = |since: &str| {
            let answer = get(&format!("{OHLC}&since={since}"));
            let body: Value = serde_json::from_str(answer.split_once('\n').unwrap().1).unwrap();
            let rows = body["result"]["XXBTZUSD"].as_array().unwrap().clone();
            assert_eq!(body["result"]["last"], 1_704_067_800);
            rows.iter().map(|row| row[0].as_i64().unwrap() - 1_704_067_200).collect::<Vec<_>>()
        };
        assert_eq!(after("1704067499"), [300, 600, 1200]);
        assert_eq!(after("1704067500"), [600, 1200]);
        assert_eq!(after("1999999999"), [1200]);
    }

    #[test]
    fn nothing_is_older_than_720_closed_bars() {
        let now = sample::now().plus_ms(1_000 * 300_000);
        let answer = sample::get_made_up(Protocol::Kraken, now, &format!("{OHLC}&since=0"));
        let body: Value = serde_json::from_str(answer.split_once('\n').unwrap().1).unwrap();
        assert_eq!(body["result"]["XXBTZUSD"].as_array().unwrap().len(), 721);
    }

    #[test]
    fn errors_have_status_200_and_a_text() {
        for (url, error) in [
            ("/0/public/OHLC?pair=XBTEUR&interval=5", "EQuery:Unknown asset pair"),
            ("/0/public/AssetPairs?pair=XBTEUR", "EQuery:Unknown asset pair"),
            ("/0/public/OHLC?interval=5", "EGeneral:Invalid arguments"),
            ("/0/public/OHLC?pair=XBTUSD&interval=7", "EGeneral:Invalid arguments"),
            ("/0/public/OHLC?pair=XBTUSD", "EGeneral:Invalid arguments"),
            ("/0/public/OHLC?pair=XBTUSD&interval=5&since=soon", "EGeneral:Invalid arguments"),
        ] {
            let expected =
                format!("200 application/json; charset=utf-8\n{{\"error\":[\"{error}\"]}}");
            assert_eq!(get(url), expected, "{url}");
        }
        assert_eq!(
            get("/0/public/Ohlc"),
            "404 application/json; charset=utf-8\n{\"error\":[\"EGeneral:Unknown method\"]}"
        );
    }

    #[test]
    fn refusals_are_in_its_own_words() {
        let text = |refused: SimRefusal| {
            let reply = refusal(&refused);
            (reply.status, reply.body)
        };
        let error = |text: &str| (200, format!("{{\"error\":[\"{text}\"]}}"));
        let throttled = |pick| text(SimRefusal::Throttled { retry_after_s: Some(5), pick });
        assert_eq!(throttled(0), error("EAPI:Rate limit exceeded"));
        assert_eq!(throttled(1), error("EGeneral:Too many requests"));
        let banned = SimRefusal::Banned { now: sample::now(), wait_s: 120 };
        assert_eq!(text(banned), error("EGeneral:Temporary lockout"));
        assert_eq!(text(SimRefusal::Down { pick: 0 }).0, 520);
        assert_eq!(text(SimRefusal::Down { pick: 1 }), error("EService:Unavailable"));
        assert_eq!(text(SimRefusal::Down { pick: 2 }), error("EService:Busy"));
        assert_eq!(text(SimRefusal::Down { pick: 3 }), error("EGeneral:Internal error"));
    }

    #[test]
    fn pairs_have_the_names_they_have_there() {
        for (symbol, in_requests, in_answers) in [
            ("BTC/USD", "XBTUSD", "XXBTZUSD"),
            ("ETH/EUR", "ETHEUR", "XETHZEUR"),
            ("ETH/BTC", "ETHXBT", "XETHXXBT"),
            ("BTC/USDT", "XBTUSDT", "XBTUSDT"),
            ("SOL/USD", "SOLUSD", "SOLUSD"),
            ("DOGE/USD", "XDGUSD", "XDGUSD"),
        ] {
            let symbol: Symbol = symbol.parse().unwrap();
            assert_eq!(
                (pair_alias(&symbol), pair_name(&symbol)),
                (in_requests.into(), in_answers.into())
            );
        }
    }

    #[test]
    fn the_clock_is_the_venues() {
        assert_eq!(
            get("/0/public/Time"),
            "200 application/json; charset=utf-8\n{\"error\":[],\"result\":{\"unixtime\":1704068520,\"rfc1123\":\"Mon, 01 Jan 24 00:22:00 +0000\"}}"
        );
        assert!(get("/0/public/SystemStatus").contains("\"status\":\"online\""));
    }
}
