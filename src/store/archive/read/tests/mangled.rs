//! Known bars in the layouts that files have, broken in one place each: what is read is right, or it is refused.

use std::collections::BTreeMap;

use chrono::DateTime;
use proptest::prelude::*;

use super::*;

const FIRST_MS: i64 = 1_704_067_200_000;
const BARS: i64 = 40;
const TF_MS: i64 = 300_000;

/// The values of bar `n`: prices that go on where the last ones ended, and a volume with two decimals or three.
fn values(n: i64) -> [f64; 5] {
    let price = |n: i64| (4_228_000 + 531 * ((n * n) % 17) - 300 * (n % 7)) as f64 / 100.0;
    let (open, close) = (price(n), price(n + 1));
    [open, open.max(close) + 3.25, open.min(close) - 2.5, close, (12_500 + 613 * n) as f64 / 1000.0]
}

fn right() -> BTreeMap<i64, Bar> {
    (0..BARS).map(|n| (FIRST_MS + (n + 1) * TF_MS, Bar::new(values(n)).unwrap())).collect()
}

const LAYOUTS: usize = 12;
/// The layout with the close of the bar as its time.
const CLOSES: usize = 9;

/// The text of a file with all bars, and how it is asked for.
fn layout(which: usize) -> (String, ReadOptions) {
    let head = [
        "timestamp,open,high,low,close,volume\n",
        "open_time,open,high,low,close,volume,close_time,quote_volume,trades\n",
        "",
        "",
        "Datetime,Close,High,Low,Open,Volume\n",
        "Date;Time;Open;High;Low;Close;Volume\n",
        "https://www.example.org\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USDT,tradecount\n",
        "\"timestamp\",\"open\",\"high\",\"low\",\"close\",\"volume\"\r\n",
        "open|high|low|close|volume|Gmt time\n",
        "close_time\topen\thigh\tlow\tclose\tvolume\n",
        "close,high,low,open,volume,time\n",
        "# from a venue\n,open,high,low,close,volume\n",
    ][which];
    let row = |n: i64| {
        let [open, high, low, close, volume] = values(n);
        let opens = FIRST_MS + n * TF_MS;
        let closes = opens + TF_MS;
        let when =
            |form: &str| DateTime::from_timestamp_millis(opens).unwrap().format(form).to_string();
        let quote = volume * close;
        match which {
            0 => format!("{opens},{open},{high},{low},{close},{volume}\n"),
            1 => {
                format!("{opens},{open},{high},{low},{close},{volume},{},{quote},{n}\n", closes - 1)
            }
            2 => format!(
                "{opens},{open},{high},{low},{close},{volume},{},{quote},{n},1,1,0\n",
                closes - 1
            ),
            3 => format!("{},{open},{high},{low},{close},{volume}\n", opens / 1000),
            4 => format!("{},{close},{high},{low},{open},{volume}\n", when("%Y-%m-%d %H:%M:%S")),
            5 => format!("{};{open};{high};{low};{close};{volume}\n", when("%Y.%m.%d;%H:%M")),
            6 => format!(
                "{},{},BTCUSDT,{open},{high},{low},{close},{volume},{quote},{n}\n",
                opens / 1000,
                when("%Y-%m-%d %H:%M:%S")
            ),
            7 => {
                format!("\"{opens}\",\"{open}\",\"{high}\",\"{low}\",\"{close}\",\"{volume}\"\r\n")
            }
            8 => {
                format!("{open}|{high}|{low}|{close}|{volume}|{}\n", when("%d.%m.%Y %H:%M:%S.000"))
            }
            9 => format!("{closes}\t{open}\t{high}\t{low}\t{close}\t{volume}\n"),
            10 => format!(
                "{close},{high},{low},{open},{volume},{}\n",
                when("%Y-%m-%dT%H:%M:%S+00:00")
            ),
            _ => format!(
                "{},{open},{high},{low},{close},{volume}\n",
                when("%Y-%m-%d %H:%M:%S+00:00")
            ),
        }
    };
    let newest_first = which == 3 || which == 8;
    let rows = (0..BARS).map(|n| row(if newest_first { BARS - 1 - n } else { n }));
    let options = ReadOptions {
        symbol: Some("BTC/USDT".parse().unwrap()),
        now_ms: Some(1_800_000_000_000),
        ..ReadOptions::new(Timeframe::M5)
    };
    (format!("{head}{}", rows.collect::<String>()), options)
}

fn read(text: &[u8], options: &ReadOptions) -> Result<Archive, StoreError> {
    parse(text.to_vec(), Path::new("f.csv"), options)
}

#[test]
fn every_layout_is_read_as_it_is() {
    for which in 0..LAYOUTS {
        let (text, options) = layout(which);
        let archive = read(text.as_bytes(), &options).unwrap_or_else(|e| panic!("{which}: {e}"));
        let bars: BTreeMap<i64, Bar> = archive.bars.iter().map(|b| (b.ts.ts_ms(), b.bar)).collect();
        assert_eq!(bars, right(), "{which}");
        assert!(archive.refused.is_empty(), "{which}: {:?}", archive.refused);
    }
}

#[test]
fn a_header_behind_rows_says_what_they_are_not() {
    for which in 0..LAYOUTS {
        let (text, options) = layout(which);
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        let is_row = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit() || c == '"');
        let Some(first) = lines.iter().position(|line| line.contains("open")) else { continue };
        let header = lines.remove(first);
        lines.retain(is_row);
        for behind in [1, 20, lines.len()] {
            let mut lines = lines.clone();
            lines.insert(behind, header);
            let Ok(archive) = read(lines.concat().as_bytes(), &options) else { continue };
            // Of a file without names nothing can be known but by custom, and the header speaks against that.
            panic!("{which}: {} bars with a header behind {behind} rows", archive.bars.len());
        }
    }
}

/// One thing that happens to files.
#[derive(Debug, Clone)]
enum Mangle {
    Insert(char),
    DeleteMark,
    Cut,
    Behead,
    RepeatLine,
    DeleteLine,
    SwapLines,
    Twice,
    TwiceWithoutLineEnd,
    OtherTimeframe(Timeframe),
    NoHeader,
}

fn mangle() -> impl Strategy<Value = Mangle> {
    let marks = prop::sample::select(vec![',', ';', '\t', '|', '\n', '\r', '"', ' ']);
    let others = [Timeframe::M1, Timeframe::M3, Timeframe::M15, Timeframe::H1, Timeframe::D1];
    prop_oneof![
        8 => marks.prop_map(Mangle::Insert),
        4 => Just(Mangle::DeleteMark),
        3 => Just(Mangle::Cut),
        2 => Just(Mangle::Behead),
        1 => Just(Mangle::RepeatLine),
        1 => Just(Mangle::DeleteLine),
        1 => Just(Mangle::SwapLines),
        1 => Just(Mangle::Twice),
        1 => Just(Mangle::TwiceWithoutLineEnd),
        1 => prop::sample::select(others.to_vec()).prop_map(Mangle::OtherTimeframe),
        1 => Just(Mangle::NoHeader),
    ]
}

/// The file after it, and the options: `at` and `other` say where.
fn mangled(
    text: &str,
    options: ReadOptions,
    how: &Mangle,
    at: usize,
    other: usize,
) -> (String, ReadOptions) {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (a, b) = (at % lines.len(), other % lines.len());
    let place = at % text.len();
    let text = match how {
        Mangle::Insert(mark) => format!("{}{mark}{}", &text[..place], &text[place..]),
        Mangle::DeleteMark => {
            let is_mark = |c: char| matches!(c, ',' | ';' | '\t' | '|' | '\n' | '\r' | '"');
            let marks: Vec<usize> = text.match_indices(is_mark).map(|(at, _)| at).collect();
            let place = marks[at % marks.len()];
            format!("{}{}", &text[..place], &text[place + 1..])
        }
        Mangle::Cut => text[..place].to_owned(),
        // Inside of the first name it would leave another name: `time` of `close_time`.
        Mangle::Behead => {
            text[place.max(text.find([',', ';', '\t', '|', '\n']).unwrap_or(0))..].to_owned()
        }
        Mangle::RepeatLine => {
            lines.insert(a, lines[b]);
            lines.concat()
        }
        Mangle::DeleteLine if a > 0 => {
            lines.remove(a);
            lines.concat()
        }
        Mangle::SwapLines if a > 1 && b > 1 => {
            lines.swap(a, b);
            lines.concat()
        }
        Mangle::Twice => text.repeat(2),
        Mangle::TwiceWithoutLineEnd => format!("{}{text}", text.trim_end()),
        Mangle::NoHeader => lines
            .iter()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
            .copied()
            .collect(),
        Mangle::OtherTimeframe(_) | Mangle::DeleteLine | Mangle::SwapLines => text.to_owned(),
    };
    match how {
        Mangle::OtherTimeframe(timeframe) => {
            (text, ReadOptions { timeframe: *timeframe, ..options })
        }
        _ => (text, options),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    #[test]
    fn what_is_broken_in_one_place_is_right_or_refused(
        which in 0..LAYOUTS,
        how in mangle(),
        at in any::<usize>(),
        other in any::<usize>(),
    ) {
        // Without its header, a file with stamps of the close is one with stamps of the open.
        prop_assume!(which != CLOSES || !matches!(how, Mangle::Behead | Mangle::NoHeader));
        let (text, options) = layout(which);
        let (text, options) = mangled(&text, options, &how, at, other);
        let right = right();
        if let Ok(archive) = read(text.as_bytes(), &options) {
            // Of one bar without a header nothing tells which price is the open.
            prop_assume!(archive.bars.len() > 1 || !matches!(how, Mangle::Behead));
            for bar in &archive.bars {
                prop_assert_eq!(Some(&bar.bar), right.get(&bar.ts.ts_ms()), "{:?} {}\n{}", how, which, text);
            }
            let rows = archive.bars.len() as u64 + archive.duplicates + archive.refused.len() as u64;
            prop_assert_eq!(archive.read, rows);
        }
    }
}
