//! Answers in the wire format of each venue, made from bars. It names no other module, so that the benchmark can have it too.

/// One bar: when it opens, milliseconds since 1970, and open, high, low, close and volume as digits.
#[derive(Debug, Clone)]
pub struct Row {
    pub open_ms: i64,
    pub values: [String; 5],
}

impl Row {
    pub fn new(open_ms: i64, values: [f64; 5]) -> Self {
        Self { open_ms, values: values.map(|value| value.to_string()) }
    }
}

/// The answer of a venue about BTC/USD; `rows` are oldest first and are sent in the venue's order.
pub fn answer(venue: &str, rows: &[Row]) -> String {
    let newest_first = matches!(venue, "bybit" | "coinbase" | "gemini" | "kucoin" | "okx");
    let mut lines: Vec<String> = rows.iter().map(|row| line(venue, row)).collect();
    if newest_first {
        lines.reverse();
    }
    let lines = lines.join(",");
    match venue {
        "bitstamp" => format!(r#"{{"data":{{"ohlc":[{lines}],"pair":"BTC/USD"}}}}"#),
        "bybit" => format!(
            r#"{{"retCode":0,"retMsg":"OK","result":{{"category":"spot","symbol":"BTCUSD","list":[{lines}]}},"retExtInfo":{{}},"time":1762819330123}}"#
        ),
        "kraken" => {
            format!(r#"{{"error":[],"result":{{"XXBTZUSD":[{lines}],"last":1762819260}}}}"#)
        }
        "kucoin" => format!(r#"{{"code":"200000","data":[{lines}]}}"#),
        "okx" => format!(r#"{{"code":"0","msg":"","data":[{lines}]}}"#),
        _ => format!("[{lines}]"),
    }
}

fn line(venue: &str, row: &Row) -> String {
    let Row { open_ms: ms, values: [o, h, l, c, volume] } = row;
    let seconds = ms / 1000;
    match venue {
        "binance" | "binanceus" => format!(
            r#"[{ms},"{o}","{h}","{l}","{c}","{volume}",{},"1234.5",42,"0.5","617.25","0"]"#,
            ms + 59_999
        ),
        "bitfinex" => format!("[{ms},{o},{c},{h},{l},{volume}]"),
        "bitstamp" => format!(
            r#"{{"close":"{c}","high":"{h}","low":"{l}","open":"{o}","timestamp":"{seconds}","volume":"{volume}"}}"#
        ),
        "bybit" => format!(r#"["{ms}","{o}","{h}","{l}","{c}","{volume}","1234.5"]"#),
        "coinbase" => format!("[{seconds},{l},{h},{o},{c},{volume}]"),
        "gemini" => format!("[{ms},{o},{h},{l},{c},{volume}]"),
        "kraken" => format!(r#"[{seconds},"{o}","{h}","{l}","{c}","{o}","{volume}",42]"#),
        "kucoin" => format!(r#"["{seconds}","{o}","{c}","{h}","{l}","{volume}","1234.5"]"#),
        "okx" => format!(r#"["{ms}","{o}","{h}","{l}","{c}","{volume}","1234.5","1234.5","1"]"#),
        other => panic!("no wire format of {other}"),
    }
}
