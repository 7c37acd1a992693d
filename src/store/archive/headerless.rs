//! The columns of a file without a header: by custom the time of the open, then the five values. What does not look like that is refused.

use std::collections::BTreeMap;

use super::{
    claim::Claim,
    columns::{ArchiveColumns, Role, TimeColumn},
    read::ReadOptions,
    row::Cell,
    stamp::{DayOrder, Reading, StampKind, shown, year_last},
};
use crate::domain::time::DAY_MS;

/// No number of a file without a header is a time before this.
const TIMES_FROM_MS: i64 = 1_230_768_000_000;
/// Nor after this.
const TIMES_TO_MS: i64 = 4_102_444_800_000;
/// Values of a bar.
const VALUES: usize = 5;

/// What the fields of a column look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Time,
    Day,
    Clock,
    Number,
    Word,
    Empty,
}

/// Whether fields look like a row of bars: a time, and numbers.
pub(super) fn is_row(fields: &[&str], options: &ReadOptions) -> bool {
    let looks: Vec<Look> = fields.iter().map(|field| look(field, options)).collect();
    let is_time = |look: &Look| matches!(look, Look::Time | Look::Day);
    let numbers = looks.iter().filter(|look| **look == Look::Number).count();
    looks.iter().any(is_time) && numbers >= VALUES
}

/// The columns of rows with so many fields.
pub(super) fn columns(
    rows: &[Vec<Cell<'_>>],
    count: usize,
    options: &ReadOptions,
) -> Result<ArchiveColumns, String> {
    let names: Vec<String> = (1..=count).map(|n| format!("column {n}")).collect();
    let looks: Vec<Look> = (0..count).map(|at| commonest(rows, at, options)).collect();
    let told = Identified::of(options, &names)?;
    let mut found = by_custom(rows, &looks, options).or_else(|why| told.whole().ok_or(why))?;
    for (value, told) in found.values.iter_mut().zip(told.values) {
        *value = told.unwrap_or(*value);
    }
    let mut times: Vec<TimeColumn> = found.times.iter().map(|at| TimeColumn::plain(*at)).collect();
    match told.time {
        Some(time) => {
            times = vec![TimeColumn::plain(time)];
            found.joined = None;
        }
        None => times.extend(closes(rows, &looks, &found, options)),
    }
    let is_used = |at: usize| {
        found.values.contains(&at)
            || times.iter().any(|time| time.at == at)
            || found.joined.is_some_and(|(a, b)| at == a || at == b)
            || told.select.iter().any(|(chosen, _)| *chosen == at)
    };
    let rest: Vec<usize> = (0..count).filter(|at| !is_used(*at)).collect();
    for at in rest.iter().filter(|at| looks[**at] == Look::Word) {
        let words: Vec<String> = rows.iter().map(|row| row[*at].word()).collect();
        if Claim::of("", &words).is_none() && Claim::of("state", &words).is_none() {
            let (name, word) = (&names[*at], rows[0][*at].word());
            return Err(format!(
                "no header, and {name} says `{}`: give the file a header, or choose those rows with select=\"{name}={}\"",
                shown(&word),
                shown(&word)
            ));
        }
    }
    let last = found.values.iter().copied().max().unwrap_or(0);
    let is_amount = |at: &usize| *at > last && looks[*at] != Look::Word && told.values[4].is_none();
    let amounts = rest.iter().copied().filter(is_amount).collect();
    Ok(ArchiveColumns {
        names,
        times,
        date_and_time: found.joined,
        values: found.values,
        free: rest,
        amounts,
        quotes: Vec::new(),
        select: told.select,
        orders: BTreeMap::new(),
        has_names: false,
    })
}

/// What is found by custom.
struct Found {
    times: Vec<usize>,
    joined: Option<(usize, usize)>,
    values: [usize; VALUES],
}

fn by_custom(
    rows: &[Vec<Cell<'_>>],
    looks: &[Look],
    options: &ReadOptions,
) -> Result<Found, String> {
    let keys = "give the file a header, or name all of its columns: columns.time = \"column 1\", columns.open = \"column 2\", and so on";
    let unknown = |what: &str| format!("no header, and {what}: {keys}");
    let is_time = |look: Look| matches!(look, Look::Time | Look::Day | Look::Clock);
    let mut first = looks.iter().position(|look| *look == Look::Number).unwrap_or(looks.len());
    if first == 0 && looks.get(1).copied().is_some_and(is_time) && is_counted(rows) {
        first = 1 + looks[1..].iter().take_while(|look| is_time(**look)).count();
    }
    let mut times: Vec<usize> = (0..first).filter(|at| is_time(looks[*at])).collect();
    if times.is_empty() && looks.contains(&Look::Time) {
        return Err(unknown("the time is not before the prices"));
    }
    if times.is_empty() && looks.first() == Some(&Look::Number) {
        // Whatever it counts, each row is refused by what it says.
        times.push(0);
        first = 1;
    }
    if times.is_empty() {
        return Err(unknown("no column looks like a time"));
    }
    let is_day = |at: &&usize| looks[**at] == Look::Day;
    let is_clock = |at: &&usize| looks[**at] == Look::Clock;
    let joined = times.iter().find(is_day).copied().zip(times.iter().find(is_clock).copied());
    if joined.is_some() {
        times.retain(|at| looks[*at] != Look::Clock);
    }
    let is_number = |at: usize| matches!(looks.get(at), Some(Look::Number | Look::Empty));
    if !(first..first + VALUES).all(is_number) {
        return Err(unknown("five numbers in a row do not follow the time"));
    }
    let values = [first, first + 1, first + 2, first + 3, first + 4];
    let fits = |row: &&Vec<Cell<'_>>| {
        let [open, high, low, close, _] = values.map(|at| row[at].number("").unwrap_or(f64::NAN));
        high >= open.max(close) && low <= open.min(close)
    };
    let bars = rows.iter().filter(fits).count();
    if options.columns == super::read::ColumnNames::default()
        && 2 * bars < rows.len()
        && bars < rows.len().saturating_sub(8)
    {
        return Err(unknown("most rows are not open, high, low, close in this order"));
    }
    Ok(Found { times, joined, values })
}

/// A column behind the values with a time just after the first one: the close, as in files of Binance.
fn closes(
    rows: &[Vec<Cell<'_>>],
    looks: &[Look],
    found: &Found,
    options: &ReadOptions,
) -> Option<TimeColumn> {
    let last = found.values[VALUES - 1];
    let first = *found.times.first()?;
    let at = (last + 1..looks.len()).find(|at| looks[*at] == Look::Time)?;
    let read = |cell: Cell<'_>| cell.stamp(reading(options, None)).map(|stamp| stamp.ms);
    let is_after = |row: &&Vec<Cell<'_>>| {
        let times = read(row[first]).and_then(|open| Ok(read(row[at])? - open));
        times.is_ok_and(|later_ms| (1..=2 * DAY_MS).contains(&later_ms))
    };
    let rows_after = rows.iter().filter(is_after).count();
    (2 * rows_after > rows.len())
        .then_some(TimeColumn { role: Role::Close, ..TimeColumn::plain(at) })
}

/// The columns that are told, as `column 3` or `3`.
struct Identified {
    time: Option<usize>,
    values: [Option<usize>; VALUES],
    select: Vec<(usize, String)>,
}

impl Identified {
    /// The columns, if each of them is told.
    fn whole(&self) -> Option<Found> {
        let mut values = [0; VALUES];
        for (value, told) in values.iter_mut().zip(self.values) {
            *value = told?;
        }
        Some(Found { times: vec![self.time?], joined: None, values })
    }

    fn of(options: &ReadOptions, names: &[String]) -> Result<Self, String> {
        let find = |name: &str, key: &str| {
            let number = name.trim().trim_start_matches("column").trim();
            let at = number.parse::<usize>().ok().filter(|n| (1..=names.len()).contains(n));
            at.map(|n| n - 1).ok_or_else(|| {
                let last = names.len();
                format!("`{name}` ({key}) is not a column of a file without a header: write \"column 1\" to \"column {last}\"")
            })
        };
        let told = |name: &Option<String>, key: &str| {
            name.as_deref().map(|name| find(name, &format!("columns.{key}"))).transpose()
        };
        let keys = &options.columns;
        let select = options.select.iter();
        let select = select.map(|(name, value)| Ok((find(name, "select")?, value.clone())));
        Ok(Self {
            time: told(&keys.time, "time")?,
            values: [
                told(&keys.open, "open")?,
                told(&keys.high, "high")?,
                told(&keys.low, "low")?,
                told(&keys.close, "close")?,
                told(&keys.volume, "volume")?,
            ],
            select: select.collect::<Result<_, String>>()?,
        })
    }
}

const fn reading(options: &ReadOptions, order: Option<DayOrder>) -> Reading {
    Reading { unit: options.unit, offset_ms: 0, order }
}

fn look(field: &str, options: &ReadOptions) -> Look {
    let field = field.trim();
    if field.is_empty() {
        return Look::Empty;
    }
    let is_number = field.parse::<f64>().is_ok();
    if field.contains(':') && Cell::Text(field).time_of_day().is_some() {
        return Look::Clock;
    }
    let order = Some(year_last(field).map_or(DayOrder::DayFirst, |(_, second, _)| {
        if second > 12 { DayOrder::MonthFirst } else { DayOrder::DayFirst }
    }));
    match Cell::Text(field).stamp(reading(options, order)) {
        Ok(stamp) if is_number && !(TIMES_FROM_MS..TIMES_TO_MS).contains(&stamp.ms) => Look::Number,
        Ok(stamp) if stamp.kind == StampKind::Day => Look::Day,
        Ok(_) => Look::Time,
        Err(_) if is_number || Cell::Text(field).marks().is_some() => Look::Number,
        Err(_) => Look::Word,
    }
}

/// What most fields of a column look like.
fn commonest(rows: &[Vec<Cell<'_>>], at: usize, options: &ReadOptions) -> Look {
    let mut counts: BTreeMap<Look, usize> = BTreeMap::new();
    for row in rows {
        let look = match row[at] {
            Cell::Text(text) => look(text, options),
            Cell::Null | Cell::Int(_) | Cell::Float(_) | Cell::Stamp(_) => Look::Number,
        };
        *counts.entry(look).or_default() += usize::from(look != Look::Empty);
    }
    let most = counts.into_iter().filter(|(_, rows)| *rows > 0).max_by_key(|(_, rows)| *rows);
    most.map_or(Look::Empty, |(look, _)| look)
}

/// Whether the first column counts the rows.
fn is_counted(rows: &[Vec<Cell<'_>>]) -> bool {
    let number = |row: &Vec<Cell<'_>>| row[0].word().parse::<i64>().ok();
    let steps = rows.windows(2).map(|pair| Some(number(&pair[1])? - number(&pair[0])?));
    let steps: Vec<Option<i64>> = steps.collect();
    let fits = steps.iter().filter(|step| matches!(step, Some(1 | -1))).count();
    2 * fits >= steps.len() && rows.iter().all(|row| number(row).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timeframe;

    const M5: ReadOptions = ReadOptions::new(Timeframe::M5);

    fn found(row: &str, options: &ReadOptions) -> Result<ArchiveColumns, String> {
        let rows: Vec<Vec<Cell<'_>>> = vec![row.split(',').map(Cell::Text).collect()];
        columns(&rows, rows[0].len(), options)
    }

    #[test]
    fn the_time_is_before_five_numbers() {
        for (row, times, values) in [
            ("1704067200,10,12,9,11,5", vec![0], [1, 2, 3, 4, 5]),
            ("2024-01-01 00:00,10,12,9,11,5", vec![0], [1, 2, 3, 4, 5]),
            ("BTCUSDT,2024-01-01 00:00,10,12,9,11,5", vec![1], [2, 3, 4, 5, 6]),
            ("0,1704067200,10,12,9,11,5", vec![1], [2, 3, 4, 5, 6]),
            ("1704067200,2024-01-01 00:00:00,10,12,9,11,5", vec![0, 1], [2, 3, 4, 5, 6]),
            ("2024.01.01,00:05,10,12,9,11,5", vec![0], [2, 3, 4, 5, 6]),
            ("1704067200000,10,12,9,11,5,1704067499999,50", vec![0, 6], [1, 2, 3, 4, 5]),
            ("1704067200,10,12,9,11,5,1704067200", vec![0], [1, 2, 3, 4, 5]),
            ("60000,10,12,9,11,5", vec![0], [1, 2, 3, 4, 5]),
        ] {
            let found = found(row, &M5).unwrap_or_else(|why| panic!("{row}: {why}"));
            let at: Vec<usize> = found.times.iter().map(|time| time.at).collect();
            assert_eq!((at, found.values), (times, values), "{row}");
        }
        let joined = found("2024.01.01,00:05,10,12,9,11,5", &M5).unwrap();
        assert_eq!(joined.date_and_time, Some((0, 1)));
    }

    #[test]
    fn what_cannot_be_known_is_refused_with_the_keys() {
        for row in [
            "10,12,9,11,5,2024-01-01 00:00",
            "FLOKI,2024-01-01 00:00,10,12,9,11,5",
            "2024-01-01 00:00,FLOKI,10,12,9,11,5",
            "2024-01-01 00:00,10,12,9,11,x",
        ] {
            let why = found(row, &M5).unwrap_err();
            assert!(why.contains("columns.time") || why.contains("select="), "{row}: {why}");
        }
    }

    #[test]
    fn columns_are_told_by_their_place() {
        let mut options = M5;
        options.columns.volume = Some("column 7".to_owned());
        let row = "1704067200,10,12,9,11,5,50";
        assert_eq!(found(row, &options).unwrap().values, [1, 2, 3, 4, 6]);
        options.columns.volume = Some("8".to_owned());
        assert!(found(row, &options).unwrap_err().contains("`8` (columns.volume)"));
        let names = ["time", "open", "high", "low", "close", "volume"];
        assert_eq!(names.len(), 6);
        let told = |n: usize| Some(n.to_string());
        options.columns = super::super::read::ColumnNames {
            time: told(6),
            open: told(1),
            high: told(2),
            low: told(3),
            close: told(4),
            volume: told(5),
        };
        let last = found("10,12,9,11,5,2024-01-01 00:00", &options).unwrap();
        assert_eq!((last.times[0].at, last.values), (5, [0, 1, 2, 3, 4]));
        options = M5;
        options.select = vec![("column 1".to_owned(), "FLOKI".to_owned())];
        let chosen = found("FLOKI,2024-01-01 00:00,10,12,9,11,5", &options).unwrap();
        assert_eq!(chosen.select, [(0, "FLOKI".to_owned())]);
    }
}
