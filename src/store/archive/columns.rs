//! Which column may hold what, by its name.

use std::collections::BTreeMap;

use super::{
    read::ReadOptions,
    stamp::{DayOrder, StampMeaning},
    volume,
};

/// Names of columns that say nothing about open or close. By custom they are the open. The first are preferred.
const PLAIN_TIMES: [&str; 26] = [
    "timestamp",
    "ts",
    "time",
    "datetime",
    "date",
    "unix",
    "start",
    "gmt_time",
    "time_utc",
    "time_gmt",
    "utc_time",
    "utc",
    "timestamp_utc",
    "datetime_utc",
    "date_utc",
    "utc_datetime",
    "utc_timestamp",
    "utc_date",
    "date_time",
    "unix_timestamp",
    "unix_time",
    "unixtime",
    "timestamp_ms",
    "unix_ms",
    "epoch",
    "t",
];
/// How the index of a table is called when it has no name.
const BARE: [&str; 5] = ["", "unnamed_0", "index", "level_0", "index_level_0"];
const PRICES: [(&str, &[&str]); 4] = [
    ("open", &["open", "o", "open_price", "price_open"]),
    ("high", &["high", "h", "high_price", "price_high"]),
    ("low", &["low", "l", "low_price", "price_low"]),
    ("close", &["close", "c", "close_price", "price_close"]),
];
/// Longest list of names shown in an error, in characters.
const NAMES_MAX: usize = 300;

/// What the name of a time column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Open,
    Close,
    /// Open or close: the open by custom.
    Plain,
    /// Not even that it is a time.
    Bare,
}

impl Role {
    pub(super) const fn meaning(self) -> Option<StampMeaning> {
        match self {
            Self::Open => Some(StampMeaning::Open),
            Self::Close => Some(StampMeaning::Close),
            Self::Plain | Self::Bare => None,
        }
    }
}

/// A column that may be the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeColumn {
    pub at: usize,
    pub role: Role,
    /// The name says that dates without an offset are UTC.
    pub is_utc: bool,
    /// It is called `ts_ms`, as the close in our own files.
    pub is_own: bool,
}

impl TimeColumn {
    pub(super) fn named(at: usize, name: &str) -> Option<Self> {
        let is_utc = name.split('_').any(|word| matches!(word, "utc" | "gmt"));
        Some(Self { at, role: role_of(name)?, is_utc, is_own: name == "ts_ms" })
    }

    pub(super) const fn plain(at: usize) -> Self {
        Self { at, role: Role::Plain, is_utc: false, is_own: false }
    }
}

/// Where what may be, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArchiveColumns {
    /// As they are shown in messages.
    pub names: Vec<String>,
    /// The preferred ones first, as far as names tell.
    pub times: Vec<TimeColumn>,
    /// The columns `date` and `time`, which may have to be joined.
    pub date_and_time: Option<(usize, usize)>,
    pub values: [usize; 5],
    /// Whose words may say something about all of a row.
    pub free: Vec<usize>,
    /// Columns with amounts other than the volume.
    pub amounts: Vec<usize>,
    /// Those of them that are in what prices are given in, by their name.
    pub quotes: Vec<usize>,
    /// The columns that rows are chosen by, and the value wanted.
    pub select: Vec<(usize, String)>,
    /// Of the time columns with dates that have the year last: what is first.
    pub orders: BTreeMap<usize, DayOrder>,
    pub has_names: bool,
}

impl ArchiveColumns {
    /// Finds the columns by name. Names in `options` beat the custom.
    pub(super) fn find(shown: &[String], options: &ReadOptions) -> Result<Self, String> {
        let names: Vec<String> = shown.iter().map(|name| normal(name)).collect();
        let told = |wanted: &str, key: &str| {
            let exact = shown.iter().position(|name| name.trim() == wanted);
            let at = exact.or_else(|| names.iter().position(|name| *name == normal(wanted)));
            at.ok_or_else(|| {
                format!("`{wanted}` ({key}) is not among the columns `{}`", listed(shown))
            })
        };
        let mut times = match &options.columns.time {
            Some(name) => {
                let at = told(name, "columns.time")?;
                let named =
                    TimeColumn::named(at, &names[at]).filter(|time| time.role != Role::Bare);
                vec![named.unwrap_or(TimeColumn::plain(at))]
            }
            None => times(&names),
        };
        if times.is_empty() {
            return Err(missing("a time", shown));
        }
        let keys = &options.columns;
        let values = values(&names, shown, options, told)?;
        times.retain(|time| !values.contains(&time.at));
        if times.is_empty() {
            return Err(missing("a time", shown));
        }
        let select = options.select.iter();
        let select = select.map(|(name, value)| Ok((told(name, "select")?, value.clone())));
        let select: Vec<(usize, String)> = select.collect::<Result<_, String>>()?;
        let position = |wanted: &str| names.iter().position(|name| name == wanted);
        let date_and_time = match options.columns.time {
            Some(_) => None,
            None => position("date").zip(position("time").or_else(|| position("timestamp"))),
        };
        let is_time = |at: usize| times.iter().any(|time| time.at == at);
        let is_chosen = |at: usize| select.iter().any(|(chosen, _)| *chosen == at);
        let is_joined = |at: usize| date_and_time.is_some_and(|(a, b)| at == a || at == b);
        let is_bare = |at: usize| BARE.contains(&names[at].as_str());
        let free = || {
            let rest = (0..names.len()).filter(|at| !values.contains(at) && !is_joined(*at));
            rest.filter(|at| !is_time(*at) || is_bare(*at))
        };
        // A volume that is told is not weighed against other amounts.
        let is_weighed = |at: &usize| keys.volume.is_none() && volume::is_amount(&names[*at]);
        let amounts: Vec<usize> = free().filter(is_weighed).collect();
        let is_quote = |at: &usize| volume::is_in_quote(&names[*at], options);
        let quotes = amounts.iter().copied().filter(is_quote).collect();
        let free = free().filter(|at| !is_chosen(*at)).collect();
        let names = shown.iter().map(|name| name.trim().escape_debug().to_string()).collect();
        Ok(Self {
            names,
            times,
            date_and_time,
            values,
            free,
            amounts,
            quotes,
            select,
            orders: BTreeMap::new(),
            has_names: true,
        })
    }

    /// Whether a file cannot be read without the column.
    pub(super) fn is_needed(&self, at: usize) -> bool {
        let is_only_time = self.times.len() == 1 && self.times[0].at == at;
        let is_chosen = self.select.iter().any(|(chosen, _)| *chosen == at);
        is_only_time || is_chosen || self.values.contains(&at)
    }

    /// Every column that is looked at.
    pub(super) fn used(&self) -> impl Iterator<Item = usize> {
        self.read().chain(self.amounts.iter().copied()).chain(self.free.iter().copied())
    }

    /// The columns that may hold a date.
    pub(super) fn dated(&self) -> impl Iterator<Item = usize> {
        let joined = self.date_and_time.map(|(date, _)| date);
        self.times.iter().map(|time| time.at).chain(joined)
    }

    /// Whether by custom the day comes first in a date with dots: so Dukascopy writes.
    pub(super) fn is_day_first(&self, at: usize) -> bool {
        matches!(normal(&self.names[at]).as_str(), "gmt_time" | "local_time")
    }

    /// The name of a column in its normal form.
    pub(super) fn normal_name(&self, at: usize) -> String {
        if self.has_names { normal(&self.names[at]) } else { String::new() }
    }

    /// Whether a row can be right only if this field of it is.
    pub(super) fn is_read(&self, at: usize) -> bool {
        self.read().any(|read| read == at)
    }

    fn read(&self) -> impl Iterator<Item = usize> {
        let times = self.times.iter().map(|time| time.at);
        let joined = self.date_and_time.into_iter().flat_map(|(date, time)| [date, time]);
        times.chain(joined).chain(self.values).chain(self.select.iter().map(|(at, _)| *at))
    }
}

/// Whether a word is the name of a column that is looked for.
pub(super) fn is_known(word: &str) -> bool {
    let name = normal(word);
    let is_price = PRICES.iter().any(|(_, aliases)| aliases.contains(&name.as_str()));
    is_price || volume::is_volume(&name) || role_of(&name).is_some_and(|role| role != Role::Bare)
}

/// A name without case, brackets and the marks between its words.
fn normal(name: &str) -> String {
    let mut spaced = String::new();
    let mut was_lower = false;
    for c in name.trim_start_matches('\u{feff}').chars() {
        // So words meet in `openTime`.
        if was_lower && c.is_uppercase() {
            spaced.push(' ');
        }
        was_lower = c.is_lowercase();
        spaced.push(c);
    }
    let lower = spaced.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

fn listed(names: &[String]) -> String {
    names.join(" ").escape_debug().take(NAMES_MAX).collect()
}

pub(super) fn missing(what: &str, names: &[String]) -> String {
    let key = if what == "a time" { "time" } else { what };
    let names = listed(names);
    format!("no column for {what} among `{names}`: name it with columns.{key}")
}

/// The column with the first of the names that is there; two of the same name are one too many.
pub(super) fn only(names: &[String], aliases: &[&str]) -> Result<Option<usize>, String> {
    for alias in aliases {
        let mut found = names.iter().enumerate().filter(|(_, name)| name == alias);
        if let Some((at, _)) = found.next() {
            return match found.next() {
                None => Ok(Some(at)),
                Some(_) => Err(format!("two columns are called `{alias}`")),
            };
        }
    }
    Ok(None)
}

/// The columns of the five values.
fn values(
    names: &[String],
    shown: &[String],
    options: &ReadOptions,
    told: impl Fn(&str, &str) -> Result<usize, String>,
) -> Result<[usize; 5], String> {
    let keys = &options.columns;
    let mut values = [0; 5];
    for (found, ((what, aliases), told_name)) in
        values.iter_mut().zip(PRICES.iter().zip([&keys.open, &keys.high, &keys.low, &keys.close]))
    {
        *found = match told_name {
            Some(name) => told(name, &format!("columns.{what}"))?,
            None => price(names, what, aliases)?.ok_or_else(|| missing(what, shown))?,
        };
    }
    values[4] = match &keys.volume {
        Some(name) => told(name, "columns.volume")?,
        None => volume::find(names, shown, options)?,
    };
    Ok(values)
}

/// The column of a price. Two names for one price are one too many, unless one of them is a single letter.
fn price(names: &[String], what: &str, aliases: &[&str]) -> Result<Option<usize>, String> {
    let long = aliases.iter().filter(|alias| alias.len() > 1);
    one_of(names, what, &long.copied().collect::<Vec<_>>())?;
    only(names, aliases)
}

/// An error when more than one of the names is there.
pub(super) fn one_of(names: &[String], what: &str, aliases: &[&str]) -> Result<(), String> {
    let mut found = names.iter().filter(|name| aliases.contains(&name.as_str()));
    let Some(first) = found.next() else { return Ok(()) };
    match found.find(|name| *name != first) {
        None => Ok(()),
        Some(second) => Err(format!(
            "columns `{first}` and `{second}` may both be the {what}: name the right one with columns.{what}"
        )),
    }
}

/// The columns that may be the time, the preferred ones first.
fn times(names: &[String]) -> Vec<TimeColumn> {
    let mut found: Vec<(usize, TimeColumn)> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let Some(time) = TimeColumn::named(at, name) else { continue };
        let rank = PLAIN_TIMES.iter().position(|plain| plain == name).unwrap_or(0);
        found.push((rank, time));
    }
    found.sort_by_key(|(rank, time)| (time.role, *rank));
    found.into_iter().map(|(_, time)| time).collect()
}

/// What a name says by itself; `None`: it is not a time.
fn role_of(name: &str) -> Option<Role> {
    // So our own files call the close.
    if name == "ts_ms" {
        return Some(Role::Close);
    }
    if PLAIN_TIMES.contains(&name) {
        return Some(Role::Plain);
    }
    if BARE.contains(&name) {
        return Some(Role::Bare);
    }
    let words: Vec<&str> = name.split('_').collect();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    if matches!(name, "opentime" | "starttime") {
        return Some(Role::Open);
    }
    if matches!(name, "closetime" | "endtime" | "end") {
        return Some(Role::Close);
    }
    if !has(&["time", "timestamp", "ts", "date", "datetime", "period", "at", "dt"]) {
        return None;
    }
    let is_open = has(&[
        "open",
        "opened",
        "opening",
        "opens",
        "start",
        "started",
        "starts",
        "starting",
        "begin",
        "begins",
        "beginning",
        "from",
    ]);
    let is_close = has(&[
        "close", "closed", "closing", "closes", "end", "ended", "ends", "ending", "to", "until",
        "till",
    ]);
    match (is_open, is_close) {
        (true, false) => Some(Role::Open),
        (false, true) => Some(Role::Close),
        (true, true) | (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timeframe;

    fn find(names: &str) -> Result<ArchiveColumns, String> {
        let names: Vec<String> = names.split(',').map(String::from).collect();
        let symbol = Some("BTC/USDT".parse().unwrap());
        ArchiveColumns::find(&names, &ReadOptions { symbol, ..ReadOptions::new(Timeframe::M5) })
    }

    #[test]
    fn columns_are_found_in_any_order_and_case() {
        use Role::{Bare, Close, Open, Plain};
        for (names, time, role, values) in [
            ("ts_ms_open,open,high,low,close,volume", 0, Open, [1, 2, 3, 4, 5]),
            ("ts_ms,open,high,low,close,volume", 0, Close, [1, 2, 3, 4, 5]),
            ("Datetime,Close,High,Low,Open,Volume", 0, Plain, [4, 2, 3, 1, 5]),
            ("Datetime,index,Open,High,Low,Close,Volume", 0, Plain, [2, 3, 4, 5, 6]),
            ("open,high,low,close,volume,close_time", 5, Close, [0, 1, 2, 3, 4]),
            ("close_time,open_time,o,h,l,c,v,quote_volume", 1, Open, [2, 3, 4, 5, 6]),
            ("\u{feff}Open Time,Open,High,Low,Close,Volume", 0, Open, [1, 2, 3, 4, 5]),
            ("Close,Adj Close,High,Low,Open,Volume,Date", 6, Plain, [4, 2, 3, 0, 5]),
            ("Gmt time,Open,High,Low,Close,Volume", 0, Plain, [1, 2, 3, 4, 5]),
            ("Time (UTC),Open,High,Low,Close,Volume ", 0, Plain, [1, 2, 3, 4, 5]),
            ("unix,o,h,l,c,Volume USDT,Volume BTC", 0, Plain, [1, 2, 3, 4, 6]),
            ("unix,o,h,l,c,Volume_(BTC),Volume_(Currency)", 0, Plain, [1, 2, 3, 4, 5]),
            (",open,high,low,close,volume", 0, Bare, [1, 2, 3, 4, 5]),
            (
                "<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<TICKVOL>,<VOL>",
                1,
                Plain,
                [2, 3, 4, 5, 7],
            ),
            ("time_period_end,time_period_start,o,h,l,c,v", 1, Open, [2, 3, 4, 5, 6]),
        ] {
            let found = find(names).unwrap_or_else(|error| panic!("{names}: {error}"));
            assert_eq!((found.times[0].at, found.times[0].role), (time, role), "{names}");
            assert_eq!(found.values, values, "{names}");
        }
    }

    #[test]
    fn a_missing_column_is_named() {
        let error = find("time,open,high,close,volume").unwrap_err();
        assert_eq!(
            error,
            "no column for low among `time open high close volume`: name it with columns.low"
        );
        for (names, told) in [
            ("open,high,low,close,volume", "no column for a time among"),
            ("time,o,h,l,c,Volume USDT", "no column for volume among"),
            ("time,o,h,l,c,quote_volume", "no column for volume among"),
            ("time,open,high,low,close,Close,volume", "two columns are called `close`"),
            ("Time (EST),open,high,low,close,volume", "no column for a time among"),
        ] {
            let error = find(names).unwrap_err();
            assert!(error.starts_with(told), "{error}");
        }
    }

    #[test]
    fn names_that_are_told_beat_the_custom() {
        let names = ["t", "when", "open", "high", "low", "close", "volume", "Amount"];
        let names = names.map(String::from);
        let mut options = ReadOptions::new(Timeframe::M5);
        options.columns.time = Some("when".to_owned());
        options.columns.volume = Some("amount".to_owned());
        let found = ArchiveColumns::find(&names, &options).unwrap();
        assert_eq!((found.times.len(), found.times[0].at, found.values[4]), (1, 1, 7));
        options.columns.low = Some("lowest".to_owned());
        let error = ArchiveColumns::find(&names, &options).unwrap_err();
        assert!(error.starts_with("`lowest` (columns.low) is not among the columns"), "{error}");
    }
}
