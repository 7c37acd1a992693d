//! Real market files, when the folder with them is named by `MJOLNIR_MARKET`.

use serde_json::Value as Json;

use super::fixture::{finding, found};
use crate::support::{market::recorded_market, runner::Root};

/// Imports a file and looks at what is stored of it.
fn look(root: &Root, file: &str, series: &str, words: &str) -> Json {
    let Some(dir) = recorded_market() else { unreachable!("the caller asked") };
    let import = root.run(&format!("run import -p path={dir}/{file} {series}"));
    assert_eq!(import.code, 0, "{import}");
    root.run(&format!("run data-quality --json -p {series} {words}")).json()["report"].clone()
}

#[test]
fn the_outage_of_march_2023_is_found_and_minutes_agree_with_five_minutes() {
    if recorded_market().is_none() {
        return;
    }
    let root = Root::new();
    let series = "exchange=binance symbol=BTC/USDT";
    let minutes = "binance/BTC_USDT/1m_2023_outage.parquet";
    let one = look(&root, minutes, &format!("{series} timeframe=1m"), "");
    assert_eq!(finding(&one, "gaps")["classes"], serde_json::json!({ "outage": 80 }));
    assert_eq!(finding(&one, "zero-volume")["examples"][0]["what"], "72 bars without volume");
    let words = "against-timeframe=1m";
    let five = look(&root, "binance/BTC_USDT/5m.parquet", series, words);
    let gaps = finding(&five, "gaps");
    assert_eq!((&gaps["count"], &gaps["level"]), (&16.into(), &"warn".into()));
    assert_eq!(gaps["classes"], serde_json::json!({ "outage": 16 }));
    assert_eq!(gaps["examples"][0]["what"], "outage: 16 slots");
    assert_eq!(gaps["examples"][0]["ts_ms"], 1_679_661_900_000_i64, "2023-03-24T12:45:00Z");
    assert_eq!(finding(&five, "zero-volume")["count"], 14);
    let classes = &finding(&five, "against")["classes"];
    // 13,217 complete buckets agree; the bucket at the start of the minutes was cut.
    assert_eq!((&classes["equal"], &classes["differing"]), (&13_217.into(), &0.into()), "{five}");
    for clean in ["unreadable", "duplicates", "misaligned", "disorder", "ohlc", "non-positive"] {
        assert_eq!(finding(&five, clean)["count"], 0, "{clean}");
    }
    assert_eq!(five["rows"], 148_880);
}

#[test]
fn dirty_files_show_what_is_wrong_with_them() {
    if recorded_market().is_none() {
        return;
    }
    let root = Root::new();
    let glued = "dirty/BTCUSDT_5m_glued_mainnet_testnet_6month_gap.csv";
    let report = look(&root, glued, "exchange=glued", "");
    let gaps = finding(&report, "gaps");
    assert_eq!(gaps["classes"], serde_json::json!({ "outage": 52_846 }));
    assert!(finding(&report, "spikes")["classes"]["wicks"].as_u64().unwrap() > 50, "{report}");
    assert!(finding(&report, "coverage")["count"].as_u64().unwrap() > 150, "{report}");

    let yahoo = "dirty/yahoo_BTC-USD_5m_zero_volume_odd_columns.csv.gz";
    let words = "--set data-quality.zero-volume-bars=3";
    let report = look(&root, yahoo, "exchange=yahoo", words);
    assert!(finding(&report, "zero-volume")["count"].as_u64().unwrap() > 1000, "{report}");

    let bot = "dirty/binance_BTCUSDT_5m_inprogress_dupes.csv";
    let report = look(&root, bot, "exchange=bot", "");
    assert_eq!(finding(&report, "gaps")["count"], 14, "{report}");
    assert_eq!(finding(&report, "duplicates")["count"], 0, "import kept the last of each stamp");
    let names: Vec<_> = found(&report).into_iter().map(|(name, _)| name).collect();
    assert!(!names.contains(&"unreadable".to_owned()), "{names:?}");
}

#[test]
fn a_thin_market_shows_its_long_outage() {
    if recorded_market().is_none() {
        return;
    }
    let root = Root::new();
    let file = "bitfinex/BTC_USD/1m_2016_hack_outage.parquet";
    let report = look(&root, file, "exchange=bitfinex timeframe=1m", "");
    let classes = &finding(&report, "gaps")["classes"];
    assert!(classes["outage"].as_u64().unwrap() > 11_390, "{classes}");
    let all: u64 = classes.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(all, 15_365);
}
