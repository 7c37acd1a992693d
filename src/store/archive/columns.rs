//! Which column holds what, by its name.

use super::stamp::Meaning;

/// Names of columns that say nothing about open or close. By custom they are the open.
const PLAIN_TIMES: [&str; 7] = ["timestamp", "ts", "time", "datetime", "date", "unix", "start"];
const VALUES: [(&str, &[&str]); 5] = [
    ("open", &["open", "o"]),
    ("high", &["high", "h"]),
    ("low", &["low", "l"]),
    ("close", &["close", "c"]),
    ("volume", &["volume", "v", "vol", "base_volume", "volume_base"]),
];
/// Longest list of names shown in an error, in characters.
const NAMES_MAX: usize = 300;

/// Where the stamp and the five values are, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    pub time: usize,
    pub meaning: Meaning,
    /// The meaning follows from custom, not from the name.
    pub is_guess: bool,
    pub values: [usize; 5],
}

impl Columns {
    /// The custom of files without a header: time of the open, then the five values.
    pub(super) const fn without_header(told: Option<Meaning>) -> Self {
        let meaning = match told {
            Some(meaning) => meaning,
            None => Meaning::Open,
        };
        Self { time: 0, meaning, is_guess: told.is_none(), values: [1, 2, 3, 4, 5] }
    }

    /// Finds the columns by name; `told` overrides what the names mean.
    pub(super) fn find(names: &[String], told: Option<Meaning>) -> Result<Self, String> {
        let names: Vec<String> = names.iter().map(|name| normal(name)).collect();
        let (time, named) = time(&names, told).ok_or_else(|| missing("a time", &names))?;
        let mut values = [0; 5];
        for (found, (what, aliases)) in values.iter_mut().zip(VALUES) {
            let at = aliases.iter().find_map(|alias| names.iter().position(|name| name == alias));
            *found = at.ok_or_else(|| missing(what, &names))?;
        }
        let meaning = told.or(named).unwrap_or(Meaning::Open);
        Ok(Self { time, meaning, is_guess: told.is_none() && named.is_none(), values })
    }
}

fn normal(name: &str) -> String {
    name.trim().trim_start_matches('\u{feff}').to_lowercase().replace([' ', '-', '.'], "_")
}

fn missing(what: &str, names: &[String]) -> String {
    let names: String = names.join(" ").escape_debug().take(NAMES_MAX).collect();
    format!("no column for {what} among `{names}`")
}

/// The best time column, and what its name says about it. A stamp that is surely the open is preferred, unless the close is asked for.
fn time(names: &[String], told: Option<Meaning>) -> Option<(usize, Option<Meaning>)> {
    let named = |wanted| names.iter().position(|name| meaning_of(name) == Some(wanted));
    let plain = || PLAIN_TIMES.iter().find_map(|plain| names.iter().position(|name| name == plain));
    let open = || named(Meaning::Open).map(|at| (at, Some(Meaning::Open)));
    let close = || named(Meaning::Close).map(|at| (at, Some(Meaning::Close)));
    let plain = || plain().map(|at| (at, None));
    match told {
        Some(Meaning::Open) => open().or_else(plain).or_else(close),
        Some(Meaning::Close) => close().or_else(plain).or_else(open),
        // `ts_ms` is how our own files call the close.
        None => match names.iter().position(|name| name == "ts_ms") {
            Some(at) => Some((at, Some(Meaning::Close))),
            None => open().or_else(plain).or_else(close),
        },
    }
}

/// What a name says by itself.
fn meaning_of(name: &str) -> Option<Meaning> {
    if name == "ts_ms" {
        return Some(Meaning::Close);
    }
    let about_time = name
        .split('_')
        .any(|word| matches!(word, "time" | "timestamp" | "ts" | "date" | "datetime"))
        || matches!(name, "opentime" | "closetime");
    if !about_time {
        return None;
    }
    match (name.contains("open"), name.contains("close")) {
        (true, false) => Some(Meaning::Open),
        (false, true) => Some(Meaning::Close),
        (true, true) | (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(names: &str, told: Option<Meaning>) -> Result<Columns, String> {
        let names: Vec<String> = names.split(',').map(String::from).collect();
        Columns::find(&names, told)
    }

    #[test]
    fn columns_are_found_in_any_order_and_case() {
        let open = Meaning::Open;
        let close = Meaning::Close;
        for (names, time, meaning, is_guess, values) in [
            ("ts_ms_open,open,high,low,close,volume", 0, open, false, [1, 2, 3, 4, 5]),
            ("ts_ms,open,high,low,close,volume", 0, close, false, [1, 2, 3, 4, 5]),
            ("Datetime,Close,High,Low,Open,Volume", 0, open, true, [4, 2, 3, 1, 5]),
            ("Datetime,index,Open,High,Low,Close,Volume", 0, open, true, [2, 3, 4, 5, 6]),
            ("open,high,low,close,volume,close_time", 5, close, false, [0, 1, 2, 3, 4]),
            ("close_time,open_time,o,h,l,c,v,quote_volume", 1, open, false, [2, 3, 4, 5, 6]),
            ("\u{feff}Open Time,Open,High,Low,Close,Volume", 0, open, false, [1, 2, 3, 4, 5]),
            ("Close,Adj Close,High,Low,Open,Volume,Date", 6, open, true, [4, 2, 3, 0, 5]),
        ] {
            let expected = Columns { time, meaning, is_guess, values };
            assert_eq!(find(names, None), Ok(expected), "{names}");
        }
    }

    #[test]
    fn what_the_user_says_wins() {
        let both = "open_time,open,high,low,close,volume,close_time";
        assert_eq!(find(both, Some(Meaning::Close)).unwrap().time, 6);
        let plain = find("time,o,h,l,c,v", Some(Meaning::Close)).unwrap();
        assert_eq!((plain.meaning, plain.is_guess), (Meaning::Close, false));
    }

    #[test]
    fn a_missing_column_is_named() {
        let error = find("time,open,high,close,volume", None).unwrap_err();
        assert_eq!(error, "no column for low among `time open high close volume`");
        let error = find("open,high,low,close,volume", None).unwrap_err();
        assert!(error.starts_with("no column for a time among"), "{error}");
    }
}
