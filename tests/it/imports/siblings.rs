//! More files of each kind: those that must be refused, and those that are sound and must not be.

use std::fmt::Write as _;

use mjolnir::domain::time::Timeframe;

use super::{import, stored};
use crate::support::runner::Root;

const HEAD: &str = "timestamp,open,high,low,close,volume\n";
/// 2024-01-01, in minutes.
const MIDNIGHT: i64 = 28_401_120;

/// Rows that open so many minutes after midnight, with whatever `row` writes before and after the values.
fn rows(opens: impl IntoIterator<Item = i64>, row: impl Fn(i64, &str) -> String) -> String {
    let line = |(n, open): (usize, i64)| {
        let price = 100.0 + n as f64;
        let values =
            format!("{price},{},{},{},{}.5", price + 2.0, price - 1.0, price + 1.0, 10 + n);
        row((MIDNIGHT + open) * 60_000, &values)
    };
    opens.into_iter().enumerate().map(line).collect()
}

fn plain(opens: impl IntoIterator<Item = i64>) -> String {
    HEAD.to_owned() + &rows(opens, |open, values| format!("{open},{values}\n"))
}

fn steps(count: i64, minutes: i64) -> impl Iterator<Item = i64> + Clone {
    (0..count).map(move |n| n * minutes)
}

/// A column before the others, which says the same in each row.
fn with(name: &str, value: &str) -> String {
    let row = |open, values: &str| format!("{value},{open},{values}\n");
    format!("{name},{HEAD}{}", rows(steps(9, 5), row))
}

/// What must be refused as a whole: a text, words, and what is told.
fn refused() -> Vec<(String, &'static str, &'static str)> {
    let day = |form: &str| {
        let row = |open: i64, values: &str| {
            let at = chrono::DateTime::from_timestamp_millis(open).unwrap();
            format!("{},{values}\n", at.format(form))
        };
        HEAD.to_owned() + &rows(steps(9, 5), row)
    };
    let two = |first: &str, apart: i64| {
        let row = |open: i64, values: &str| format!("{open},{},{values}\n", open + apart);
        format!("{first},open,high,low,close,volume\n{}", rows(steps(9, 5), row))
    };
    let quarter = "open_time,close_time,open,high,low,close,volume\n".to_owned()
        + &rows(steps(9, 15), |open, values| format!("{open},{},{values}\n", open + 899_999));
    let mut turned: Vec<String> = plain(steps(9, 5)).lines().map(String::from).collect();
    turned[1..].reverse();
    vec![
        (plain(steps(40, 5).chain((0..9).map(|n| 200 + 60 * n))), "", "9 rows from"),
        (plain(steps(40, 5).chain((0..9).map(|n| 200 + n))), "", "are 1m apart, not 5m"),
        (plain(steps(9, 10_080)), "timeframe=1d", "the rows are 7d apart, not 1d"),
        (plain([0, 15]), "", "the rows are 15m apart, not 5m"),
        (turned.join("\n") + "\n", "timeframe=1m", "the rows are 5m apart, not 1m"),
        (quarter, "", "it is 15m, not 5m"),
        (with("exchange", "Kraken"), "exchange=binance", "says Kraken, asked for is binance"),
        (with("granularity", "3600"), "", "says 3600, asked for is 5m"),
        (with("ticker", "BTC/USD:USD"), "", "says BTC/USD:USD, asked for is BTC/USD"),
        (with("closed", "false"), "", "the bar is not closed"),
        (
            plain(steps(9, 5))
                + &plain(steps(9, 5)).replace("open,high,low,close", "close,high,low,open"),
            "",
            "another header",
        ),
        (plain(steps(9, 5)).replace('\n', "\"\n"), "", "a quote is"),
        (day("%Y%m%d"), "", "is a day without a time of day"),
        (day("%d/%m/%Y %H:%M"), "", "is a date with an order that is unclear"),
        (day("%H:%M"), "", "has times of day only"),
        (day("%Y-%m-%d %H:%M"), "unit=s", "is not a number, and the unit asked for is one"),
        (plain(steps(9, 5)).replace("170406", "1.7e"), "", "is rounded"),
        (plain(steps(9, 5)), "unit=us", "before 2009"),
        (two("timestamp,unix", 420_000), "", "do not agree"),
        (with("close", "5"), "", "two columns are called `close`"),
        (
            plain(steps(9, 5)).replace("volume", "Volume USDT"),
            "symbol=BTC/USDT",
            "no column for volume",
        ),
        (plain(steps(9, 5)).replace("volume", "Volume ETH"), "", "no column for volume"),
        (plain(steps(9, 5)), "exchange=bitmex", "say time=close or time=open"),
        ("[[1704067200000,1,1,1,1,1]]".to_owned(), "", "it is JSON"),
        ("PK\u{3}\u{4}zipped".to_owned(), "", "it is a zip or Excel file"),
        ("ARROW1\0\0".to_owned(), "", "it is a Feather"),
        ("t\0i\0m\0e\0,\0".to_owned(), "", "UTF-16"),
        (plain(steps(9, 5)).replace('.', ",").replace(',', ";"), "", "fields, the header 6"),
        (plain(steps(9, 5)).replace(',', ";").replace('.', ","), "", "it has a decimal comma"),
        (plain(steps(9, 5)), "select=symbol=BTC/USD", "`symbol` (select) is not among the columns"),
        (with("symbol", "BTC/USD"), "select=symbol=ETH/USD", "chooses none of 9 rows"),
        (
            plain(steps(9, 5)),
            "--set import.columns.low=lowest",
            "`lowest` (columns.low) is not among",
        ),
    ]
}

#[test]
fn what_is_in_doubt_is_refused_as_a_whole() {
    for (text, words, told) in refused() {
        let root = Root::new();
        root.write("bars.csv", &text);
        let ran = import(&root, "bars.csv", words).code(65);
        assert!(ran.stderr.contains(told), "`{told}` is not told: {ran}");
        assert!(root.list("data/raw").is_empty(), "nothing is stored: {text}");
    }
}

#[test]
fn rows_that_are_refused_are_named_and_the_others_stored() {
    let whole = plain(steps(30, 5));
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let with = |n: usize, line: &str| [&lines[..n], &[line], &lines[n + 1..]].concat().concat();
    let torn = lines[4].replacen(".5", ".\n5", 9);
    let cases = [
        (with(4, &lines[4].replacen(',', "\",", 1)), 29, "row 5: a quote is inside of the field"),
        (with(4, &lines[4].replacen("10", "\"1\"0", 1)), 29, "row 5: a quote is"),
        (
            with(4, &lines[4].replacen(".5", ".\r5", 1)),
            29,
            "row 5: there is a line end inside of it",
        ),
        (with(4, &torn), 29, "row 5: the next line is a piece of a row, perhaps of this one"),
        // It does not begin as a row, so it could be the end of the one before.
        (with(4, &lines[4].replace(',', ";")), 28, "row 5: it has 1 fields, the header 6"),
        (with(4, lines[0]), 29, "row 5: it is the header again"),
        (whole.replace(".5\n", ".50\n").trim_end().to_owned(), 30, ""),
        (
            whole.trim_end().trim_end_matches('5').to_owned(),
            29,
            "row 31: the file ends without a line end",
        ),
        (plain(steps(30, 5)) + &lines[9].replace(".5", ".75"), 30, "conflict: 1704069900000"),
    ];
    for (text, bars, told) in cases {
        let root = Root::new();
        root.write("bars.csv", &text);
        let code = if bars == 30 { 0 } else { 3 };
        import(&root, "bars.csv", "").code(code).prints(&[told, &format!("{bars} bars written")]);
    }
}

/// What a sound file is called, its text, words, and how many bars it has.
type Sound = (&'static str, String, &'static str, usize);

/// Sound files of the usual columns.
fn sound() -> Vec<Sound> {
    let weeks = (0..3).flat_map(|week| (0..200).map(move |n| week * 10_080 + 5 * n));
    let days = (0..40).filter(|day| day % 7 < 5).map(|day| day * 1440);
    let with_remarks =
        format!("# from a venue\nhttps://www.example.org/\n\n{}", plain(steps(9, 5)));
    vec![
        ("one row", plain([0]), "", 1),
        ("two rows", plain([0, 5]), "", 2),
        ("a hole", plain([0, 5, 10, 400, 405]), "", 5),
        ("weekends", plain(weeks), "", 600),
        ("working days", plain(days), "timeframe=1d", 30),
        ("more holes than bars", plain(steps(9, 60)), "sparse=true", 9),
        ("newest first", plain((0..9).rev().map(|n| 5 * n)), "", 9),
        ("old bars", plain((0..9).map(|n| 5 * n - 20_000_000)), "earliest=1980-01-01T00:00:00Z", 9),
        (
            "no last line end, a column that is not used",
            with("note", "x")
                .replace("note,", "")
                .replace("x,", "")
                .replace('\n', ",1\n")
                .replacen(",1\n", ",n\n", 1)
                .trim_end()
                .to_owned(),
            "",
            9,
        ),
        ("blank lines and CRLF", plain(steps(9, 5)).replace('\n', "\r\n\r\n"), "", 9),
        ("separators at the end", plain(steps(9, 5)).replace(".5\n", ".5,\n"), "", 9),
        ("remarks", with_remarks, "", 9),
    ]
}

/// Sound files in the layouts that people have.
fn layouts() -> Vec<Sound> {
    let text = |form: &'static str, head: &str, separator: &str| {
        let row = |open: i64, values: &str| {
            let at = chrono::DateTime::from_timestamp_millis(open).unwrap().format(form);
            format!("{at}{separator}{}\n", values.replace(',', separator))
        };
        format!("{head}\n{}", rows(steps(9, 5), row))
    };
    let bare = ["%Y-%m-%d %H:%M:%S+00:00", ",open,high,low,close,volume"];
    vec![
        ("an index without a name", text(bare[0], bare[1], ","), "", 9),
        (
            "Gmt time",
            text("%d.%m.%Y %H:%M:%S.000", "Gmt time,Open,High,Low,Close,Volume", ","),
            "",
            9,
        ),
        (
            "MetaTrader",
            text(
                "%Y.%m.%d\t%H:%M:%S",
                "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<VOL>",
                "\t",
            ),
            "",
            9,
        ),
        (
            "Stooq",
            text("%Y%m%d,%H%M00", "<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>", ","),
            "",
            9,
        ),
        ("slashes", text("%Y/%m/%d %H:%M", "Date,Open,High,Low,Close,Volume_(BTC)", ","), "", 9),
        ("bars", text("%Y-%m-%d %H:%M", "Time (UTC)|Open|High|Low|Close|Volume", "|"), "", 9),
        (
            "names of their own",
            text("%Y-%m-%d %H:%M", "when,open,high,low,last,amount", ","),
            "--set import.columns.time=when --set import.columns.close=last --set import.columns.volume=amount",
            9,
        ),
        ("other spellings", with("pair", "xbtusd"), "symbol=XBT/USD exchange=Kraken", 9),
        ("the length of a bar", with("interval", "300"), "", 9),
    ]
}

#[test]
fn sound_files_are_stored_as_they_are() {
    for (what, text, words, bars) in sound().into_iter().chain(layouts()) {
        let root = Root::new();
        root.write("bars.csv", &text);
        let ran = import(&root, "bars.csv", words).code(0);
        let timeframe = if words.contains("1d") { Timeframe::D1 } else { Timeframe::M5 };
        let stored = stored(&root, "kraken", timeframe);
        assert_eq!(stored.len(), bars, "{what}: {ran}");
        assert_eq!(root.list("data/raw/kraken"), ["BTC_USD"], "{what}");
        let mut opens: Vec<f64> = stored.values().map(|bar| bar[0]).collect();
        opens.sort_by(f64::total_cmp);
        let expected: Vec<f64> = (0..bars).map(|n| 100.0 + n as f64).collect();
        assert_eq!(opens, expected, "{what}");
    }
}

#[test]
fn conflicts_are_shown_and_counted() {
    let mut text = plain(steps(40, 5));
    for n in 0..25 {
        let _ = writeln!(text, "{},100,200,50,100,1", (MIDNIGHT + 5 * n) * 60_000);
    }
    let root = Root::new();
    root.write("bars.csv", &text);
    let ran = import(&root, "bars.csv", "").code(0);
    ran.prints(&[
        "25 duplicates (25 with other values)",
        "row 42 [100.0, 200.0, 50.0, 100.0, 1.0] is taken",
        "row 2 [100.0, 102.0, 99.0, 101.0, 10.5] is not",
        "... and 5 more conflicts",
    ]);
}
