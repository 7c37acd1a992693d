//! Coinbase Exchange as a server: `/products`, numbers as JSON floats, low before high, newest first, a bar without a trade is left out.

use serde_json::{Value, json};

use super::server::{MarketView, Query, Reply, SimRefusal};
use crate::domain::{
    bar::TimedBar,
    series::Symbol,
    time::{Timeframe, UtcMs},
};

/// Bars of one answer; a request for more is refused.
const BARS_MAX: i64 = 300;
/// Its lengths of a bar, in seconds.
const GRANULARITIES: [i64; 6] = [60, 300, 900, 3600, 21_600, 86_400];

/// Whether there are bars of this length.
pub fn has(timeframe: Timeframe) -> bool {
    GRANULARITIES.contains(&(timeframe.ms() / 1000))
}

/// The answer to a request.
pub fn answer(view: &MarketView<'_>, path: &str, query: &Query) -> Reply {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let ours = name(view.symbol);
    match parts.as_slice() {
        ["time"] => good(&json!({
            "iso": view.now.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
            "epoch": view.now.get() as f64 / 1000.0,
        })),
        ["currencies"] => {
            good(&json!([currency(view.symbol.base()), currency(view.symbol.quote()),]))
        }
        ["products"] => good(&json!([product(view.symbol)])),
        ["products", id] if *id == ours => good(&product(view.symbol)),
        ["products", id, "candles"] if *id == ours => match candles(view, query) {
            Ok(rows) => good(&rows),
            Err(message) => refused(400, message),
        },
        _ => refused(404, "NotFound"),
    }
}

/// The answer of a venue that does not want to, or cannot.
pub fn refusal(refusal: &SimRefusal) -> Reply {
    let throttled = || refused(429, "Public rate limit exceeded");
    match refusal {
        SimRefusal::Throttled { retry_after_s: None, .. } => throttled(),
        // It bans for no longer time; a manifest cannot ask for that.
        SimRefusal::Throttled { retry_after_s: Some(wait_s), .. }
        | SimRefusal::Banned { wait_s, .. } => throttled().with("retry-after", wait_s),
        SimRefusal::Down { pick } => match pick % 3 {
            0 => refused(500, "Internal server error"),
            1 => refused(503, "Service unavailable"),
            _ => Reply::html(502, "502 Bad Gateway"),
        },
    }
}

fn good(body: &Value) -> Reply {
    Reply::new(200, "application/json; charset=utf-8", body.to_string())
}

fn refused(status: u16, message: &str) -> Reply {
    let body = json!({ "message": message }).to_string();
    Reply::new(status, "application/json; charset=utf-8", body)
}

fn name(symbol: &Symbol) -> String {
    format!("{}-{}", symbol.base(), symbol.quote())
}

fn candles(view: &MarketView<'_>, query: &Query) -> Result<Value, &'static str> {
    let tf_ms = view.market.timeframe().ms();
    if query.get("granularity").unwrap_or("60") != (tf_ms / 1000).to_string() {
        return Err("Unsupported granularity");
    }
    // One alone is ignored.
    let range = match (query.get("start"), query.get("end")) {
        (Some(start), Some(end)) => Some((
            instant(start).ok_or("Invalid start")?.get(),
            instant(end).ok_or("Invalid end")?.get(),
        )),
        (Some(_) | None, None) | (None, Some(_)) => None,
    };
    let (from_ms, to_ms) = if let Some((start, end)) = range {
        if end < start {
            return Err("start must be before end");
        }
        if end.div_euclid(tf_ms) - start.div_euclid(tf_ms) >= BARS_MAX {
            return Err(
                "granularity too small for the requested time range. Count of aggregations requested exceeds 300",
            );
        }
        // The bar in which the range begins comes along, although it opens before.
        (start - start.rem_euclid(tf_ms), end)
    } else {
        let newest = view.market.newest(view.now);
        (newest.map_or(0, |newest| newest.plus(1 - BARS_MAX).open_ms()), i64::MAX)
    };
    let traded = |bar: &TimedBar| bar.bar.volume() > 0.0;
    let bars = view.market.between(from_ms, to_ms, view.now).filter(traded);
    Ok(view.rows(bars.rev()).iter().map(row).collect())
}

/// ISO 8601, in UTC when there is no offset, or whole seconds since 1970.
fn instant(text: &str) -> Option<UtcMs> {
    if let Ok(seconds) = text.parse::<i64>() {
        return UtcMs::new(seconds.checked_mul(1000)?).ok();
    }
    text.parse().or_else(|_| format!("{text}Z").parse()).ok()
}

fn row(TimedBar { ts, bar }: &TimedBar) -> Value {
    json!([ts.open_ms() / 1000, bar.low(), bar.high(), bar.open(), bar.close(), bar.volume()])
}

fn product(symbol: &Symbol) -> Value {
    json!({
        "id": name(symbol),
        "base_currency": symbol.base(),
        "quote_currency": symbol.quote(),
        "quote_increment": "0.00000001",
        "base_increment": "0.00000001",
        "display_name": name(symbol),
        "min_market_funds": "1",
        "margin_enabled": false,
        "post_only": false,
        "limit_only": false,
        "cancel_only": false,
        "status": "online",
        "status_message": "",
        "trading_disabled": false,
        "fx_stablecoin": false,
        "max_slippage_percentage": "0.02000000",
        "auction_mode": false,
        "high_bid_limit_percentage": "",
    })
}

fn currency(id: &str) -> Value {
    json!({
        "id": id,
        "name": id,
        "min_size": "0.00000001",
        "status": "online",
        "message": "",
        "max_precision": "0.00000001",
        "convertible_to": [],
        "details": { "type": "crypto", "symbol": null, "push_payment_methods": [] },
        "default_network": "",
        "supported_networks": [],
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{sample, server::Protocol},
        *,
    };

    const CANDLES: &str = "/products/BTC-USD/candles?granularity=300";

    fn get(url: &str) -> String {
        sample::get(Protocol::Coinbase, sample::now(), url)
    }

    fn opens(answer: &str) -> Vec<i64> {
        let body = answer.strip_prefix("200 application/json; charset=utf-8\n");
        let rows: Vec<Value> = serde_json::from_str(body.unwrap()).unwrap();
        rows.iter().map(|row| row[0].as_i64().unwrap() - 1_704_067_200).collect()
    }

    #[test]
    fn bars_are_newest_first_low_first_and_left_out_where_nobody_traded() {
        assert_eq!(
            get(CANDLES),
            "200 application/json; charset=utf-8\n[\
            [1704068400,100.25,103.0,100.5,103.0,5.0],\
            [1704067800,100.5,102.0,101.0,100.5,1e-8],\
            [1704067200,99.5,101.5,100.0,101.0,2.5]]"
        );
    }

    #[test]
    fn both_ends_are_included_and_one_alone_is_ignored() {
        let range = |start: &str, end: &str| opens(&get(&format!("{CANDLES}{start}{end}")));
        let both = range("&start=2024-01-01T00:00:00.000Z", "&end=2024-01-01T00:10:00.000Z");
        assert_eq!(both, [600, 0]);
        assert_eq!(range("&start=1704067200", "&end=1704067800"), [600, 0]);
        assert_eq!(range("&start=2024-01-01T00:04:00", "&end=2024-01-01T00:09:59"), [0]);
        assert_eq!(range("&start=2024-01-01T00:10:00Z", ""), [1200, 600, 0]);
        assert_eq!(range("", "&end=2024-01-01T00:10:00Z"), [1200, 600, 0]);
    }

    #[test]
    fn three_hundred_buckets_are_answered_and_one_more_is_refused() {
        let now = UtcMs::new(1_704_067_200_000 + 1_000 * 300_000).unwrap();
        let ask = |buckets: i64| {
            let end = 1_704_067_200 + (buckets - 1) * 300;
            let url = format!("{CANDLES}&start=1704067200&end={end}");
            sample::get_made_up(Protocol::Coinbase, now, &url)
        };
        assert!((290..=300).contains(&opens(&ask(300)).len()));
        assert_eq!(
            ask(301),
            "400 application/json; charset=utf-8\n{\"message\":\"granularity too small for the requested time range. Count of aggregations requested exceeds 300\"}"
        );
    }

    #[test]
    fn errors_are_messages() {
        for (url, status, message) in [
            ("/products/BTC-EUR/candles?granularity=300", 404, "NotFound"),
            ("/products/BTC-EUR", 404, "NotFound"),
            ("/product", 404, "NotFound"),
            ("/products/BTC-USD/candles?granularity=301", 400, "Unsupported granularity"),
            ("/products/BTC-USD/candles", 400, "Unsupported granularity"),
            ("/products/BTC-USD/candles?granularity=300&start=x&end=y", 400, "Invalid start"),
            (
                "/products/BTC-USD/candles?granularity=300&start=2&end=1",
                400,
                "start must be before end",
            ),
        ] {
            let expected =
                format!("{status} application/json; charset=utf-8\n{{\"message\":\"{message}\"}}");
            assert_eq!(get(url), expected, "{url}");
        }
    }

    #[test]
    fn refusals_have_a_status_and_a_message() {
        let reply = refusal(&SimRefusal::Throttled { retry_after_s: Some(7), pick: 0 });
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (429, "{\"message\":\"Public rate limit exceeded\"}")
        );
        assert!(reply.headers.contains(&("retry-after", "7".to_owned())));
        let reply = refusal(&SimRefusal::Throttled { retry_after_s: None, pick: 0 });
        assert_eq!((reply.status, reply.headers.len()), (429, 1));
        let statuses = [0, 1, 2].map(|pick| refusal(&SimRefusal::Down { pick }).status);
        assert_eq!(statuses, [500, 503, 502]);
    }

    #[test]
    fn the_clock_is_the_venues() {
        assert_eq!(
            get("/time"),
            "200 application/json; charset=utf-8\n{\"iso\":\"2024-01-01T00:22:00.000Z\",\"epoch\":1704068520.0}"
        );
    }
}
