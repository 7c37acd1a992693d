//! Files that once were stored wrongly, and what must become of each.

use std::path::{Path, PathBuf};

use mjolnir::{
    clock::{Clock as _, SystemClock},
    domain::time::Timeframe,
};

use super::{Bars, import, stored};
use crate::support::runner::Root;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/imports/cases")
}

/// The bars that are right for a file, from the table beside the files.
fn right(file: &str) -> Bars {
    let table = std::fs::read_to_string(folder().join("right.csv")).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix(&format!("{file},")));
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let value = |n: usize| fields[n].parse::<f64>().unwrap();
        (fields[0].parse().unwrap(), [value(1), value(2), value(3), value(4), value(5)])
    };
    rows.map(row).collect()
}

/// A file, the words it is brought in with, the exit code, and what is told.
type Case = (&'static str, &'static str, i32, &'static [&'static str]);

/// What is stored must be what `right.csv` has: all of it with exit codes 0 and 3, nothing with 65.
const CASES: &[Case] = &[
    ("1m-file-as-5m.csv", "", 65, &["the rows are 1m apart, not 5m"]),
    ("1h-file-as-5m.csv", "", 65, &["the rows are 1h apart, not 5m"]),
    ("1d-file-as-1h.csv", "timeframe=1h", 65, &["the rows are 1d apart, not 1h"]),
    ("binance-1h-dump-as-5m.csv", "", 65, &["it is 1h, not 5m"]),
    ("two-symbols-one-file.csv", "", 65, &["BTC/USD, ETH/USD", "select=\"symbol=BTC/USD\""]),
    ("two-symbols-one-file.csv", "select=symbol=BTC/USD", 0, &["6 rows are left out"]),
    ("symbol-column-contradicts.csv", "symbol=BTC/USDT", 65, &["says ETHUSDT"]),
    ("interval-column-contradicts.csv", "symbol=BTC/USDT", 65, &["`interval` says 1h"]),
    ("okx-confirm-zero.csv", "exchange=okx", 3, &["row 7: confirm says `0`", "says BTC-USDT"]),
    ("glued-lines-6col.csv", "", 3, &["row 4: it has 11 fields, the header 6"]),
    ("binance-monthly-catted-no-newline.csv", "", 3, &["row 3: two rows are on one line"]),
    ("ragged-short-and-long.csv", "", 3, &["row 3: it has 5", "row 4: it has 9"]),
    ("stray-quote.csv", "", 3, &["row 5: a quote is opened and not closed"]),
    ("thousands-unquoted.csv", "", 65, &["it has 10 fields, the header 6"]),
    ("torn-last-row.csv", "", 3, &["row 7: the file ends without a line end"]),
    ("pq-decimal-18-2-int64.parquet", "", 0, &[]),
    ("duckdb-decimal.parquet", "", 0, &[]),
    ("pq-gz-outside.parquet.gz", "", 0, &[]),
    ("date-and-hhmm-full-day.csv", "", 65, &["`Date`: `01/01/2024` is a date with an order"]),
    ("yyyymmddhhmm-int.csv", "", 0, &["12 stamps have no offset"]),
    ("excel-exponent-stamps.csv", "", 65, &["`1.6122E+12` is rounded"]),
    ("lean-minute-ms-of-day.csv", "timeframe=1m", 65, &["closes at 1970-01-01T00:01:00Z"]),
    ("unit-rfc3339-with-numbers.csv", "unit=rfc3339", 65, &["is a number"]),
    ("unit-ms-with-seconds.csv", "unit=ms timeframe=1m", 65, &["closes at 1970-01-20"]),
    ("unix-exact-and-local-date.csv", "", 0, &["`date` is a local time in 6 rows"]),
    ("hf-epoch-and-local-string.csv", "timeframe=1m", 0, &["`timestamp` is a local time"]),
    ("ts-ms-is-the-open-elsewhere.csv", "", 0, &["is taken as the bar's close", "time=open"]),
    ("naive-local-berlin-fallback.csv", "", 65, &["rows 8 and 20", "change of clocks"]),
    ("bitmex-timestamp-is-close.csv", "exchange=bitmex symbol=XBT/USD", 0, &["as BitMEX has it"]),
    (
        "newest-first-growing-duplicates.csv",
        "",
        0,
        &["row 3 [100.0, 104.0, 98.0, 103.0, 9.0] is taken"],
    ),
    (
        "huobi-ts-renamed.csv",
        "",
        65,
        &["`vol` is `amount` times the price", "columns.volume = \"amount\""],
    ),
    ("babydoge-1e-9.csv", "exchange=okx symbol=BABYDOGE/USDT", 0, &[]),
];

#[test]
fn each_file_gives_what_it_says_or_nothing() {
    for (file, words, code, told) in CASES {
        let root = Root::new();
        root.write_bytes(file, &std::fs::read(folder().join(file)).unwrap());
        let words = words.to_string();
        let chosen = |name: &str| words.split(' ').find_map(|word| word.strip_prefix(name));
        let exchange = chosen("exchange=").unwrap_or("kraken");
        let timeframe: Timeframe = chosen("timeframe=").unwrap_or("5m").parse().unwrap();
        let ran = import(&root, file, &words).code(*code);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for word in *told {
            assert!(said.contains(word), "`{word}` is not told: {ran}");
        }
        let mut expected = if *code == 65 { Bars::new() } else { right(file) };
        if file.starts_with("ts-ms-is-the-open") {
            // Without a word it is the close, as in our own files, and that is told.
            expected = expected.into_iter().map(|(ts, bar)| (ts - 300_000, bar)).collect();
        }
        assert_eq!(stored(&root, exchange, timeframe), expected, "{file} {words}");
        assert!(*code == 65 || !expected.is_empty(), "{file} has bars that are right");
    }
}

#[test]
fn words_decide_what_the_file_leaves_open() {
    for (file, words) in [
        ("ts-ms-is-the-open-elsewhere.csv", "time=open"),
        ("huobi-ts-renamed.csv", "--set import.columns.volume=amount"),
        ("unix-exact-and-local-date.csv", "--set import.columns.time=unix"),
    ] {
        let root = Root::new();
        root.write_bytes(file, &std::fs::read(folder().join(file)).unwrap());
        import(&root, file, words).ok();
        assert_eq!(stored(&root, "kraken", Timeframe::M5), right(file), "{file} {words}");
    }
}

/// A file of hours, its stamps moved so that the rows open at these times.
fn hours(file: &str, opens: &[i64]) -> String {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    let mut lines = text.lines();
    let head = lines.next().unwrap().to_owned();
    let row = |(line, open): (&str, &i64)| format!("\n{open},{}", line.split_once(',').unwrap().1);
    head + &lines.zip(opens).map(row).collect::<String>() + "\n"
}

#[test]
fn a_bar_that_is_not_over_is_refused() {
    const HOUR_MS: i64 = 3_600_000;
    let root = Root::new();
    let now = SystemClock.now().get();
    let hour = now - now % HOUR_MS;
    // The last bar closes an hour from now at the earliest, so that it does not matter how long this takes.
    let opens: Vec<i64> = [-6, -5, -4, -3, -2, 1].map(|n| hour + n * HOUR_MS).to_vec();
    root.write("bars.csv", &hours("last-bar-still-forming.csv", &opens));
    let ran = import(&root, "bars.csv", "timeframe=1h").code(3);
    ran.prints(&["5 bars written", "refused: row 7: the bar closes at", "which is after now"]);
    let closes: Vec<i64> = stored(&root, "kraken", Timeframe::H1).into_keys().collect();
    assert_eq!(closes, opens[..5].iter().map(|open| open + HOUR_MS).collect::<Vec<_>>());
    let later: Vec<i64> = (720..724).map(|n| hour + n * HOUR_MS).collect();
    root.write("bars.csv", &hours("bars-of-next-month.csv", &later));
    let root_of_none = Root::new();
    root_of_none.write("bars.csv", &root.read("bars.csv"));
    import(&root_of_none, "bars.csv", "timeframe=1h").code(65).says(&["no bar in 4 rows"]);
    assert!(root_of_none.list("data/raw").is_empty());
}
