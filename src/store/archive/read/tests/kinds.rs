//! Kinds of files that say something else than what is asked for, or contradict themselves: each is right or refused, never another file.

use std::{collections::BTreeMap, os::unix::net::UnixListener};

use ::parquet::data_type::{ByteArray, FixedLenByteArray, FixedLenByteArrayType};
use chrono::DateTime;

use super::*;
use crate::store::disk::RealDisk;

const FIRST_MS: i64 = 1_704_067_200_000;
const TF_MS: i64 = 300_000;
const HEAD: &str = "timestamp,open,high,low,close,volume\n";

/// Bar `n` of a market whose price is about `base`.
fn values(n: i64, base: f64) -> [f64; 5] {
    let price = |n: i64| {
        let move_by = 0.001 * ((n * n) % 17) as f64 - 0.0007 * (n % 7) as f64;
        (base * (1.0 + move_by) * 100.0).round() / 100.0
    };
    let (open, close) = (price(n), price(n + 1));
    [open, open.max(close) + 0.5, open.min(close) - 0.5, close, 12.5 + n as f64]
}

fn text(values: [f64; 5]) -> String {
    values.map(|value| value.to_string()).join(",")
}

const fn opens(n: i64) -> i64 {
    FIRST_MS + n * TF_MS
}

fn when(ms: i64, form: &str) -> String {
    DateTime::from_timestamp_millis(ms).unwrap().format(form).to_string()
}

/// Rows written by `row` from the number of the bar and its values.
fn rows(of: impl IntoIterator<Item = i64>, row: impl Fn(i64, &str) -> String) -> String {
    of.into_iter().map(|n| row(n, &text(values(n, 42_000.0))) + "\n").collect()
}

/// What `row` makes of each number, one after the other.
fn joined(of: impl IntoIterator<Item = i64>, row: impl Fn(i64) -> String) -> String {
    of.into_iter().map(row).collect()
}

fn plain(of: impl IntoIterator<Item = i64>) -> String {
    rows(of, |n, values| format!("{},{values}", opens(n)))
}

fn asked() -> ReadOptions {
    ReadOptions {
        symbol: Some("BTC/USD".parse().unwrap()),
        exchange: Some("kraken".parse().unwrap()),
        now_ms: Some(1_800_000_000_000),
        ..M5
    }
}

/// Reads it, and checks that what is stored is right.
fn read_right(text: &str, options: &ReadOptions) -> Result<Archive, String> {
    let archive = csv(text, options)?;
    for TimedBar { ts, bar } in &archive.bars {
        let n = (ts.ts_ms() - FIRST_MS) / TF_MS - 1;
        assert_eq!(bar.values(), values(n, 42_000.0), "{ts} of\n{text}");
    }
    Ok(archive)
}

/// Why it is refused as a whole, or why its first row is where all of them are.
fn refused(text: &str, options: &ReadOptions) -> String {
    match csv(text, options) {
        Err(why) => why,
        Ok(archive) => {
            assert!(archive.bars.is_empty(), "{} bars of\n{text}", archive.bars.len());
            archive.refused.into_iter().next().unwrap().reason
        }
    }
}

fn each(cases: &[(&str, String, &str)]) {
    for (what, text, told) in cases {
        let why = refused(text, &asked());
        assert!(why.contains(told), "{what}: `{told}` is not told: {why}");
    }
}

#[test]
fn columns_that_contradict_the_request() {
    for (name, value) in [
        ("pair", "ETHUSDT"),
        ("product", "ETH-USD"),
        ("coin", "ETH"),
        ("market", "ETH-USD"),
        ("base", "ETH"),
        ("quote", "EUR"),
        ("currency", "EUR"),
        ("whatever", "ETHUSDT"),
        ("", "ETHUSDT"),
        ("note", "ethereum"),
        ("market", "perp"),
        ("src", "binance"),
        ("interval", "1 hour"),
        ("interval", "60"),
        ("interval", "PT1H"),
        ("interval", "hourly"),
        ("interval", "sometimes"),
        ("foo", "1h"),
        ("x", "1h"),
        ("is_final", "no"),
        ("is_closed", "N"),
        ("closed", "f"),
        ("status", "open"),
        ("final", "0.0"),
        ("complete", "False"),
        ("is_open", "True"),
        ("bar_status", "forming"),
        ("volume_unit", "contracts"),
        ("whatever", "contracts"),
        ("volume_currency", "USDT"),
        ("minutes", "60"),
    ] {
        let first = rows(0..40, |n, values| format!("{value},{},{values}", opens(n)));
        let last = rows(0..40, |n, values| format!("{},{values},{value}", opens(n)));
        for text in [format!("{name},{HEAD}{first}"), format!("{},{name}\n{last}", HEAD.trim())] {
            let why = refused(&text, &asked());
            assert!(
                why.contains(&format!("says {value}")) || why.contains("is not closed"),
                "{why}"
            );
        }
    }
}

#[test]
fn columns_that_say_what_is_asked_for() {
    for (name, value) in [
        ("pair", "BTCUSD"),
        ("product", "BTC-USD"),
        ("base", "BTC"),
        ("quote", "USD"),
        ("whatever", "btcusd"),
        ("is_final", "yes"),
        ("closed", "t"),
        ("status", "closed"),
        ("complete", "1.0"),
        ("is_open", "False"),
        ("interval", "PT5M"),
        ("interval", "300"),
        ("tz", "UTC"),
        ("market", "spot"),
        ("exchange", "Kraken"),
        ("note", "hello"),
        ("id", "17"),
        ("volume_unit", "BTC"),
        ("minutes", "5"),
    ] {
        let row = |n, values: &str| format!("{value},{},{values}", opens(n));
        let text = format!("{name},{HEAD}{}", rows(0..40, row));
        let archive = read_right(&text, &asked()).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(archive.bars.len(), 40, "{name}={value}: {:?}", archive.refused.first());
    }
}

#[test]
fn files_without_a_header() {
    let date = |n: i64| when(opens(n), "%Y-%m-%d %H:%M");
    each(&[
        ("a symbol", rows(0..40, |n, v| format!("ETHUSDT,{},{v}", date(n))), "says ETHUSDT"),
        (
            "a word",
            rows(0..40, |n, v| format!("FLOKI,{},{v}", date(n))),
            "select=\"column 1=FLOKI\"",
        ),
        ("an interval", rows(0..40, |n, v| format!("{},{v},1h", opens(n))), "says 1h"),
        ("the time last", rows(0..40, |n, v| format!("{v},{}", opens(n))), "columns.time"),
        (
            "open, close, high, low",
            joined(0..40, |n| {
                let [open, high, low, close, volume] = values(n, 42_000.0);
                format!("{},{open},{close},{high},{low},{volume}\n", opens(n))
            }),
            "columns.open",
        ),
    ]);
    for text in [
        rows(0..40, |n, v| format!("BTCUSD,{},{v}", date(n))),
        rows(0..40, |n, v| format!("{n},{},{v}", opens(n))),
        rows(0..40, |n, v| format!("{},{v}", when(opens(n), "%Y.%m.%d,%H:%M"))),
        rows(0..40, |n, v| format!("{},{},{v}", opens(n), date(n))),
    ] {
        assert_eq!(read_right(&text, &asked()).unwrap().bars.len(), 40, "{text}");
    }
    let mut told = asked();
    told.select = vec![("column 1".to_owned(), "FLOKI".to_owned())];
    let text = rows(0..40, |n, v| format!("FLOKI,{},{v}", date(n)));
    assert_eq!(read_right(&text, &told).unwrap().bars.len(), 40);
    told.select = vec![("symbol".to_owned(), "FLOKI".to_owned())];
    assert!(refused(&text, &told).contains("`symbol` (select)"));
}

#[test]
fn two_series_in_one_file() {
    let other = |n: i64| format!("{},{}\n", opens(n), text(values(n, 2300.0)));
    let near = |n: i64| format!("{},{}\n", opens(n), text(values(n + 5, 42_000.0)));
    let both = |n: i64| plain([n]) + &other(n);
    let turns = |n: i64| if n % 2 == 0 { plain([n]) } else { other(n) };
    let side = |row: &str, side: &str| format!("{},{side}\n", row.trim_end());
    let quotes = |n: i64| {
        let ask = if n % 3 == 0 { side(&near(n), "ask") } else { String::new() };
        side(&plain([n]), "bid") + &ask
    };
    each(&[
        ("in turns", HEAD.to_owned() + &joined(0..40, both), "two series"),
        (
            "one after the other",
            HEAD.to_owned() + &plain(0..40) + &joined(0..40, other),
            "two series",
        ),
        ("two rows of it", HEAD.to_owned() + &plain(0..40) + &joined(0..2, other), "two series"),
        (
            "the same price",
            HEAD.to_owned() + &plain(0..40) + &joined(0..40, near),
            "40 of 40 stamps",
        ),
        ("no stamp twice", HEAD.to_owned() + &joined(0..40, turns), "back and forth"),
        (
            "bid and ask",
            format!("{},side\n", HEAD.trim()) + &joined(0..40, quotes),
            "select=\"side=ask\"",
        ),
    ]);
}

/// The bar that `count` bars from `n` on make together.
fn rolled(n: i64, count: i64) -> String {
    let parts: Vec<[f64; 5]> = (n..n + count).map(|n| values(n, 42_000.0)).collect();
    let high = parts.iter().map(|part| part[1]).fold(f64::MIN, f64::max);
    let low = parts.iter().map(|part| part[2]).fold(f64::MAX, f64::min);
    let volume = parts.iter().map(|part| part[4]).sum();
    let last = parts.len() - 1;
    format!("{},{}\n", opens(n), text([parts[0][0], high, low, parts[last][3], volume]))
}

#[test]
fn two_timeframes_in_one_file() {
    let mixed = |every: i64| {
        let row =
            |n: i64| plain([n]) + &if n % every == 0 { rolled(n, every) } else { String::new() };
        HEAD.to_owned() + &joined(0..120, row)
    };
    let behind = HEAD.to_owned() + &plain(0..240) + &joined(0..20, |n| rolled(12 * n, 12));
    let holes = [0, 12, 24, 48, 60, 96, 108, 120, 144].map(|n| 60 + n);
    let later = HEAD.to_owned() + &plain(0..60) + &plain(holes);
    each(&[
        ("15m among 5m", mixed(3), "a bar of 15m"),
        ("1h among 5m", mixed(12), "a bar of 1h"),
        ("1h behind 5m", behind, "two timeframes"),
        ("1h with holes later", later, "two timeframes"),
    ]);
}

#[test]
fn two_times_that_contradict_each_other() {
    let two = |names: &str, times: &dyn Fn(i64) -> String| {
        let row = |n: i64, values: &str| format!("{},{values}", times(n));
        format!("{names},open,high,low,close,volume\n{}", rows(0..40, row))
    };
    let naive = |n: i64, later: i64| when(opens(n) + later * 60_000, "%Y-%m-%d %H:%M");
    each(&[
        (
            "by a quarter",
            two("unix,date", &|n| format!("{},{}", opens(n), naive(n, 15))),
            "do not agree",
        ),
        (
            "two local ones",
            two("timestamp,datetime", &|n| format!("{},{}", naive(n, 0), naive(n, 120))),
            "do not agree",
        ),
        (
            "more and more",
            two("unix,date", &|n| format!("{},{}", opens(n), naive(n, 60 * (n / 10)))),
            "not the clock of one place",
        ),
        (
            "an hour long",
            two("open_time,close_time", &|n| format!("{},{}", opens(n), opens(n) + 3_599_999)),
            "it is 1h, not 5m",
        ),
        (
            "a clock of a place",
            two("tz,date", &|n| format!("America/New_York,{}", naive(n, 0))),
            "offset",
        ),
    ]);
    for text in [
        two("time_utc,timestamp", &|n| format!("{},{}", naive(n, 0), naive(n, 120))),
        two("closing_time", &|n| opens(n + 1).to_string()),
        two("closeTime", &|n| opens(n + 1).to_string()),
        two("begins_at", &|n| opens(n).to_string()),
    ] {
        assert_eq!(read_right(&text, &asked()).unwrap().bars.len(), 40, "{text}");
    }
}

#[test]
fn dates_with_the_year_last_are_known_by_all_of_them() {
    const FROM: i64 = 31 * 288;
    for (form, days, is_known) in [
        ("%m.%d.%Y %H:%M", 15, true),
        ("%d.%m.%Y %H:%M", 15, true),
        ("%m/%d/%Y %H:%M", 15, true),
        ("%d/%m/%Y %H:%M", 15, true),
        ("%m.%d.%Y %H:%M", 3, false),
        ("%d.%m.%Y %H:%M", 3, false),
        ("%m/%d/%Y %H:%M", 3, false),
        ("%m/%d/%y %H:%M", 15, false),
        ("%y/%m/%d %H:%M", 15, false),
    ] {
        let row = |n: i64, values: &str| format!("{},{values}", when(opens(n), form));
        let text = HEAD.to_owned() + &rows(FROM..FROM + days * 288, row);
        if is_known {
            assert_eq!(
                read_right(&text, &asked()).unwrap().bars.len() as i64,
                days * 288,
                "{form}"
            );
        } else {
            assert!(refused(&text, &asked()).contains("an order that is unclear"), "{form}");
        }
    }
    let both = |form: &'static str| {
        rows(FROM..FROM + 15 * 288, move |n, values| format!("{},{values}", when(opens(n), form)))
    };
    let text = HEAD.to_owned() + &both("%d/%m/%Y %H:%M") + &both("%m/%d/%Y %H:%M");
    assert!(refused(&text, &asked()).contains("an order that is unclear"));
}

#[test]
fn what_is_left_of_other_programs() {
    let lines = plain(0..40);
    let merge = lines.replacen('\n', "\n<<<<<<< HEAD\n", 1) + ">>>>>>> theirs\n";
    each(&[
        ("a merge", HEAD.to_owned() + &merge, "merge"),
        (
            "another header",
            format!("{HEAD}{lines}time,close,high,low,open,vol\n{lines}"),
            "another header",
        ),
        (
            "one that lacks a name",
            format!("{HEAD}{lines}time,open,high,low,close,Volume USDT\n{lines}"),
            "another header",
        ),
        (
            "a header behind rows",
            format!("{lines}close_time,open,high,low,close,volume\n{lines}"),
            "a header behind rows",
        ),
        ("a page", format!("<html lang=\"en\"><body>a,b,c,d,e,f</body>\n{lines}"), "web page"),
        ("a remark", format!("# ETHUSDT from a venue\n{HEAD}{lines}"), "says ETHUSDT"),
        (
            "a table of yahoo",
            format!(
                "time,open,high,low,close,volume\n,ETH-USD,ETH-USD,ETH-USD,ETH-USD,ETH-USD\n{lines}"
            ),
            "says ETH-USD",
        ),
    ]);
    for word in ["null", "None", "NaN", "N/A", "-", "inf", "", "4.2E+04"] {
        let row = |n: i64, values: &str| {
            let [open, high, low, close, volume] =
                [0, 1, 2, 3, 4].map(|at| values.split(',').nth(at).unwrap());
            let low = if n == 20 { word } else { low };
            format!("{},{open},{high},{low},{close},{volume}", opens(n))
        };
        let archive = read_right(&(HEAD.to_owned() + &rows(0..40, row)), &asked()).unwrap();
        assert_eq!((archive.bars.len(), reasons(&archive)[0].0), (39, 22), "{word}");
    }
}

#[test]
fn stamps_that_contradict_each_other() {
    let date = |n: i64, zone: &str| when(opens(n), "%Y-%m-%d %H:%M:%S") + zone;
    let some = |every: i64| {
        let row = |n: i64, v: &str| {
            format!("{},{v}", date(n, if n % every == 0 { "" } else { "+00:00" }))
        };
        HEAD.to_owned() + &rows(0..40, row)
    };
    let archive = read_right(&some(5), &asked()).unwrap();
    assert_eq!((archive.bars.len(), archive.refused.len()), (32, 8));
    assert!(
        archive
            .refused
            .iter()
            .all(|row| row.reason.contains("has no offset, and other rows have one"))
    );
    let few = |n: i64, v: &str| format!("{},{v}", date(n, if n % 5 == 0 { "+00:00" } else { "" }));
    let why = refused(&(HEAD.to_owned() + &rows(0..40, few)), &asked());
    assert!(why.contains("32 stamps have no offset and 8 say"), "{why}");
    let units =
        |n: i64, v: &str| format!("{},{v}", if n % 5 == 0 { opens(n) / 1000 } else { opens(n) });
    let archive = read_right(&(HEAD.to_owned() + &rows(0..40, units)), &asked()).unwrap();
    assert_eq!((archive.bars.len(), archive.refused.len()), (32, 8));
    assert!(
        archive.refused[0].reason.contains("counts seconds, and other rows count milliseconds")
    );
    let [open, ..] = values(3, 42_000.0);
    let less = format!("{HEAD}{}{},{open},{open},{open},{open},1\n", plain(0..40), opens(3));
    assert!(refused(&less, &asked()).contains("has less of the bar"));
    let mut lines: Vec<String> = plain(0..40).split_inclusive('\n').map(String::from).collect();
    lines.sort_by_key(|line| line.bytes().map(u64::from).sum::<u64>() % 7);
    assert_eq!(read_right(&(HEAD.to_owned() + &lines.concat()), &asked()).unwrap().bars.len(), 40);
}

#[test]
fn numbers_with_separators_make_all_numbers_doubtful() {
    let with = |n: i64, row: &str| HEAD.to_owned() + &plain(0..n) + row + "\n" + &plain(n + 1..40);
    each(&[
        (
            "quoted thousands",
            with(9, &format!("{},\"42,000.5\",\"42,001\",\"41,999\",\"42,000\",1", opens(9))),
            "separators of thousands",
        ),
        (
            "one of them",
            with(9, &format!("{},42000,42001,41999,42000,\"1,234.5\"", opens(9))),
            "separators of thousands",
        ),
        (
            "a decimal comma",
            with(9, &format!("{},42000,42001,41999,42000,\"1,5\"", opens(9))),
            "decimal comma",
        ),
        (
            "semicolons and points of thousands",
            HEAD.replace(',', ";")
                + &joined(0..40, |n| {
                    format!(
                        "{};42.283;42.283;42.283;42.283{};1\n",
                        opens(n),
                        if n % 2 == 0 { ",5" } else { "" }
                    )
                }),
            "decimal comma",
        ),
        (
            "a separator behind the header",
            format!("{},\n", HEAD.trim())
                + &joined(0..40, |n| format!("{},10,12,9,11,1,950.5\n", opens(n))),
            "split at their thousands",
        ),
    ]);
}

/// A file with prices as decimals of `bytes` bytes and 18 places.
fn decimals(bytes: usize, precision: u32) -> Vec<u8> {
    let value = |name: &str| {
        format!("required fixed_len_byte_array({bytes}) {name} (DECIMAL({precision},18));")
    };
    let values: String = ["open", "high", "low", "close", "volume"].map(value).concat();
    let schema =
        format!("message m {{ required int64 timestamp (TIMESTAMP(MILLIS,true)); {values} }}");
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[opens(0), opens(1)], None, None).unwrap();
    column.close().unwrap();
    for value in [100.5, 102.25, 99.0, 101.0, 7.5] {
        let digits = (value * 1000.0) as i128 * 10_i128.pow(15);
        let digits = [vec![0; bytes - 16], digits.to_be_bytes().to_vec()].concat();
        let digits = FixedLenByteArray::from(ByteArray::from(digits));
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<FixedLenByteArrayType>()
            .write_batch(&[digits.clone(), digits], None, None)
            .unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn wide_decimals_keep_their_scale() {
    for (bytes, precision) in [(16, 38), (32, 76)] {
        let archive = parse(decimals(bytes, precision), Path::new("p"), &M5).unwrap();
        let bars: BTreeMap<i64, [f64; 5]> =
            archive.bars.iter().map(|bar| (bar.ts.ts_ms(), bar.bar.values())).collect();
        let bar = [100.5, 102.25, 99.0, 101.0, 7.5];
        assert_eq!(bars, BTreeMap::from([(opens(1), bar), (opens(2), bar)]), "{precision}");
    }
}

#[test]
fn what_is_not_a_file_is_refused_without_opening_it() {
    let dir = tempfile::tempdir().unwrap();
    let disk = RealDisk::new(dir.path());
    let at = |name: &str| dir.path().join(name);
    let (folder, mode) = (rustix::fs::CWD, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(folder, at("pipe"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    std::os::unix::fs::symlink(at("pipe"), at("link")).unwrap();
    disk.make_dir(&at("folder")).unwrap();
    for (path, told) in [
        (at("pipe"), "is a named pipe"),
        (at("socket"), "is a socket"),
        (at("link"), "is a symbolic link"),
        (at("folder"), "is a folder"),
        ("/dev/zero".into(), "is a device"),
    ] {
        let error = super::super::read(&disk, &path, &M5).unwrap_err();
        assert!(!error.is_io() && error.to_string().contains(told), "{error}");
    }
    let error = super::super::read(&disk, &at("none"), &M5).unwrap_err().to_string();
    assert!(error.contains("is missing"), "{error}");
}

#[test]
fn what_unpacks_to_much_more_than_bars_do_is_refused() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..80 {
        gzip.write_all(&vec![b'0'; 1 << 20]).unwrap();
    }
    let error = parse(gzip.finish().unwrap(), Path::new("f.gz"), &M5).unwrap_err().to_string();
    assert!(error.contains("it unpacks to more than"), "{error}");
}
