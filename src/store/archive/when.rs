//! Which column tells the time of a file, and what the other time columns have to agree with.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    columns::{ArchiveColumns, Role, TimeColumn},
    distance,
    read::ReadOptions,
    row::Cell,
    stamp::{ArchiveStamp, Reading, StampKind, StampMeaning, StampUnit, shown},
};
use crate::domain::time::UtcMs;

/// Farthest that clocks of the world are from UTC.
const OFFSET_MAX_MS: i64 = 14 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
/// Clocks that are not whole hours from UTC, in minutes; summer time included.
const ODD_OFFSETS: [i64; 14] =
    [-570, -270, -210, -150, 210, 270, 330, 345, 390, 525, 570, 630, 765, 825];
/// No number of a column without a name is a time before this.
const TIMES_FROM_MS: i64 = 1_230_768_000_000;

/// The columns of our own files, in which the time has a type of its own.
const OUR_NAMES: [&str; 6] = ["ts_ms", "open", "high", "low", "close", "volume"];

/// The column or columns a stamp is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Column(TimeColumn),
    /// A day and a time of day.
    Joined {
        date: usize,
        time: usize,
    },
}

/// How the time of a row is found, and what else it says about time.
#[derive(Debug, Clone)]
pub(super) struct When {
    source: Source,
    others: Vec<TimeColumn>,
    /// How much the stamps of the first rows say.
    kind: Option<StampKind>,
    /// What most numbers among them count, unless it is told.
    counted: Option<StampUnit>,
    pub meaning: StampMeaning,
    /// What has to be told about it.
    pub notes: Vec<String>,
    /// Rows in which a date without an offset is a local time.
    local: u64,
    /// How far those are from UTC.
    offsets: BTreeSet<i64>,
    first_local: Option<String>,
}

/// What the fields of a column look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Stamp(StampKind),
    /// Times of day.
    Clock,
    /// Nothing that could be a time.
    Other,
}

impl When {
    /// Decides from the first rows; `rows` holds the cells of the used columns of each.
    pub(super) fn of(
        columns: &ArchiveColumns,
        options: &ReadOptions,
        rows: &[Vec<Cell<'_>>],
    ) -> Result<Self, String> {
        let look = |at: usize, is_bare: bool| commonest_look(rows, at, columns, options, is_bare);
        let look_of = |time: &TimeColumn| match look(time.at, time.role == Role::Bare) {
            Some(Look::Stamp(StampKind::Naive)) if time.is_utc => {
                Some(Look::Stamp(StampKind::Exact))
            }
            look => look,
        };
        let looked = columns.times.iter().map(|time| (look_of(time), *time));
        let looked: Vec<(Option<Look>, TimeColumn)> = looked.collect();
        let is_stamp = |look: &Option<Look>| matches!(look, Some(Look::Stamp(_)));
        let mut stamps: Vec<_> =
            looked.iter().filter(|(look, _)| is_stamp(look)).copied().collect();
        // The sort is stable: of equals the one with the better name is first.
        stamps.sort_by_key(|(look, time)| rank(*look, *time, options.meaning));
        if let Some((date, time)) = columns.date_and_time
            && look(date, false) == Some(Look::Stamp(StampKind::Day))
            && !matches!(
                stamps.first(),
                Some((Some(Look::Stamp(StampKind::Exact | StampKind::Naive)), _))
            )
        {
            if look(time, false) == Some(Look::Clock) {
                return Ok(Self::joined(columns, date, time, options));
            }
            let word = rows.first().map(|row| row[time].word()).unwrap_or_default();
            return Err(format!(
                "`{}` in column `{}` is not a time of day: write HH:MM, or name the time with columns.time",
                shown(&word),
                columns.names[time]
            ));
        }
        if let (Some((date, _)), None) = (columns.date_and_time, stamps.first())
            && let Some(Err(reason)) = rows.first().map(|row| {
                row[date].stamp(Reading { unit: options.unit, ..reading(date, columns, options) })
            })
        {
            return Err(format!("column `{}`: {reason}", columns.names[date]));
        }
        let (kind, chosen) = match stamps.first() {
            Some((Some(Look::Stamp(kind)), time)) => (Some(*kind), *time),
            Some(_) | None => (None, without_stamps(columns, &looked, rows)?),
        };
        let is_other = |(_, time): &(Option<Look>, TimeColumn)| {
            time.at != chosen.at && time.role != Role::Bare
        };
        let others = stamps.into_iter().filter(is_other).map(|(_, time)| time).collect();
        let mut notes = Vec::new();
        let is_typed = rows.iter().all(|row| matches!(row[chosen.at], Cell::Stamp(_)));
        let is_ours = options.is_ours || (columns.names == OUR_NAMES && is_typed);
        let meaning = meaning(columns, chosen, options, is_ours, &mut notes)?;
        Ok(Self {
            source: Source::Column(chosen),
            others,
            kind,
            counted: counted(rows, chosen.at, options),
            meaning,
            notes,
            local: 0,
            offsets: BTreeSet::new(),
            first_local: None,
        })
    }

    fn joined(columns: &ArchiveColumns, date: usize, time: usize, options: &ReadOptions) -> Self {
        let [first, second] = [date, time].map(|at| &columns.names[at]);
        let meaning = options.meaning.unwrap_or(StampMeaning::Open);
        let mut note = format!("columns `{first}` and `{second}` are joined");
        if options.meaning.is_none() {
            note.push_str(" and taken as the bar's open");
        }
        let source = Source::Joined { date, time };
        Self {
            source,
            others: Vec::new(),
            kind: None,
            counted: None,
            meaning,
            notes: vec![note],
            local: 0,
            offsets: BTreeSet::new(),
            first_local: None,
        }
    }

    /// The stamp of a row. The other time columns must say the same.
    pub(super) fn stamp<'a>(
        &mut self,
        cell: impl Fn(usize) -> Cell<'a>,
        columns: &ArchiveColumns,
        options: &ReadOptions,
    ) -> Result<ArchiveStamp, String> {
        let chosen = match self.source {
            Source::Column(time) => time,
            Source::Joined { date, time } => {
                let day = cell(date).stamp(reading(date, columns, options))?;
                let word = cell(time).word();
                let clock = cell(time).time_of_day();
                let clock =
                    clock.ok_or_else(|| format!("`{}` is not a time of day", shown(&word)))?;
                if day.kind != StampKind::Day {
                    return Err(format!("`{}` is not a day", shown(&cell(date).word())));
                }
                return Ok(ArchiveStamp { ms: day.ms + clock, kind: StampKind::Naive });
            }
        };
        let stamp = read(cell(chosen.at), chosen, columns, options)?;
        if let (Some(most), Some(unit)) = (self.counted, cell(chosen.at).counted())
            && most != unit
        {
            let (word, unit, most) = (cell(chosen.at).word(), unit.name(), most.name());
            return Err(format!(
                "`{}` counts {unit}, and other rows count {most}: write all stamps in one unit",
                shown(&word)
            ));
        }
        if stamp.kind == StampKind::Day && options.timeframe.ms() < crate::domain::time::DAY_MS {
            let word = shown(&cell(chosen.at).word());
            return Err(format!("`{word}` is a day without a time of day"));
        }
        if self.kind == Some(StampKind::Exact) && stamp.kind != StampKind::Exact {
            let word = shown(&cell(chosen.at).word());
            return Err(format!("`{word}` has no offset, and other rows have one"));
        }
        for other in &self.others {
            // The unit that is asked for is that of the time column.
            let plain = ReadOptions { unit: None, ..ReadOptions::new(options.timeframe) };
            let plain = ReadOptions { offset_minutes: options.offset_minutes, ..plain };
            let Ok(said) = read(cell(other.at), *other, columns, &plain) else { continue };
            let about = Pair {
                this: (chosen, stamp),
                other: (*other, said),
                meaning: self.meaning,
                tf_ms: options.timeframe.ms(),
            };
            match about.judge() {
                Agreement::Same => {}
                Agreement::Local => {
                    self.local += 1;
                    self.offsets.insert(said.ms - stamp.ms);
                    self.first_local.get_or_insert_with(|| columns.names[other.at].clone());
                }
                Agreement::None => {
                    let [a, b] = [chosen.at, other.at].map(|at| &columns.names[at]);
                    let timeframe = options.timeframe;
                    if (self.meaning, other.role) == (StampMeaning::Open, Role::Close)
                        && said.ms > stamp.ms
                    {
                        let is = distance::length(said.ms - stamp.ms);
                        return Err(format!("from `{a}` to `{b}` it is {is}, not {timeframe}"));
                    }
                    let (x, y) = (instant(stamp.ms), instant(said.ms));
                    return Err(format!(
                        "`{a}` says {x} and `{b}` says {y}, which do not agree for a bar of {timeframe}: name the right one with columns.time"
                    ));
                }
            }
        }
        Ok(stamp)
    }

    /// Whether most stamps say which instant they are.
    pub(super) fn is_exact(&self) -> bool {
        self.kind == Some(StampKind::Exact)
    }

    /// What has to be told once all rows are read, or why no stamp can be trusted.
    pub(super) fn finish(self, columns: &ArchiveColumns) -> Result<Vec<String>, String> {
        let mut notes = self.notes;
        if let (Some(name), Source::Column(time)) = (&self.first_local, self.source) {
            let (chosen, rows) = (&columns.names[time.at], self.local);
            let apart = self.offsets.last().zip(self.offsets.first());
            // A place has two clocks, which summer time sets one hour apart.
            let is_place = apart.is_some_and(|(most, least)| most - least <= HOUR_MS);
            if self.offsets.len() > 2 || !is_place {
                let shown: Vec<String> =
                    self.offsets.iter().take(4).map(|ms| distance::length(*ms)).collect();
                let shown = shown.join(", ");
                return Err(format!(
                    "`{name}` is {shown} away from `{chosen}`, which is not the clock of one place: name the right one with columns.time"
                ));
            }
            notes.push(format!(
                "column `{name}` is a local time in {rows} rows: the time is taken from `{chosen}`"
            ));
        }
        Ok(notes)
    }
}

/// An instant as people read it.
pub(super) fn instant(ms: i64) -> String {
    UtcMs::new(ms).map_or_else(|_| format!("{ms} ms"), |instant| instant.to_string())
}

fn reading(at: usize, columns: &ArchiveColumns, options: &ReadOptions) -> Reading {
    let order = columns.orders.get(&at).copied();
    Reading { unit: options.unit, offset_ms: options.offset_ms(), order }
}

fn read(
    cell: Cell<'_>,
    time: TimeColumn,
    columns: &ArchiveColumns,
    options: &ReadOptions,
) -> Result<ArchiveStamp, String> {
    let mut reading = reading(time.at, columns, options);
    if time.is_utc {
        reading.offset_ms = 0;
    }
    let stamp = cell.stamp(reading)?;
    let is_told = time.is_utc && stamp.kind == StampKind::Naive;
    Ok(if is_told { ArchiveStamp::exact(stamp.ms) } else { stamp })
}

/// What most numbers of a column count, if that is not told.
fn counted(rows: &[Vec<Cell<'_>>], at: usize, options: &ReadOptions) -> Option<StampUnit> {
    if options.unit.is_some() {
        return None;
    }
    let mut counts: BTreeMap<StampUnit, usize> = BTreeMap::new();
    for unit in rows.iter().filter_map(|row| row[at].counted()) {
        *counts.entry(unit).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, rows)| *rows).map(|(unit, _)| unit)
}

/// What most fields of a column look like; of looks that are equally frequent the surest one.
fn commonest_look(
    rows: &[Vec<Cell<'_>>],
    at: usize,
    columns: &ArchiveColumns,
    options: &ReadOptions,
    is_bare: bool,
) -> Option<Look> {
    let reading = reading(at, columns, options);
    let mut counts: BTreeMap<Look, usize> = BTreeMap::new();
    for seen in rows.iter().filter_map(|row| look(row[at], reading, is_bare)) {
        *counts.entry(seen).or_default() += 1;
    }
    counts.into_iter().rev().max_by_key(|(_, rows)| *rows).map(|(look, _)| look)
}

fn look(cell: Cell<'_>, reading: Reading, is_bare: bool) -> Option<Look> {
    if cell == Cell::Null || matches!(cell, Cell::Text(text) if text.trim().is_empty()) {
        return None;
    }
    if cell.time_of_day().is_some() {
        return Some(Look::Clock);
    }
    Some(match cell.stamp(reading) {
        Ok(stamp) if is_bare && stamp.ms < TIMES_FROM_MS => Look::Other,
        Ok(stamp) => Look::Stamp(stamp.kind),
        Err(_) => Look::Other,
    })
}

/// Smaller is better. An exact stamp beats a date without an offset, unless it is asked for the open or the close.
fn rank(
    look: Option<Look>,
    time: TimeColumn,
    told: Option<StampMeaning>,
) -> (u8, Option<Look>, u8) {
    let by_role = match (told, time.role) {
        (_, Role::Bare) => 3,
        (None, Role::Close) if time.is_own => 0,
        (Some(StampMeaning::Open) | None, Role::Open)
        | (Some(StampMeaning::Close), Role::Close) => 0,
        (_, Role::Plain) => 1,
        (Some(StampMeaning::Open) | None, Role::Close)
        | (Some(StampMeaning::Close), Role::Open) => 2,
    };
    if told.is_some() { (by_role, look, 0) } else { (0, look, by_role) }
}

/// No column looks like a time: the first one, so that each row is refused by what it says; or the reason why there can be none.
fn without_stamps(
    columns: &ArchiveColumns,
    looked: &[(Option<Look>, TimeColumn)],
    rows: &[Vec<Cell<'_>>],
) -> Result<TimeColumn, String> {
    let named = looked.iter().filter(|(_, time)| time.role != Role::Bare);
    let clock = looked.iter().find(|(look, _)| *look == Some(Look::Clock));
    match (named.map(|(_, time)| *time).next(), clock) {
        (_, Some((_, time))) => {
            let word = rows.first().map(|row| row[time.at].word()).unwrap_or_default();
            let (name, word) = (&columns.names[time.at], shown(&word));
            Err(format!(
                "column `{name}` has times of day only, such as `{word}`: the day is not in the file"
            ))
        }
        (Some(time), None) => Ok(time),
        (None, None) => {
            let names: Vec<&str> = columns.names.iter().map(String::as_str).collect();
            let names = names.join(" ");
            Err(format!("no column for a time among `{names}`: name it with columns.time"))
        }
    }
}

/// Whether the stamps are the open or the close.
fn meaning(
    columns: &ArchiveColumns,
    chosen: TimeColumn,
    options: &ReadOptions,
    is_ours: bool,
    notes: &mut Vec<String>,
) -> Result<StampMeaning, String> {
    let name = &columns.names[chosen.at];
    if let Some(told) = options.meaning {
        return Ok(told);
    }
    if let Some(named) = chosen.role.meaning() {
        if chosen.is_own && !is_ours {
            notes.push("column `ts_ms` is taken as the bar's close, as in files of this program: if it is the open, say time=open".to_owned());
        }
        return Ok(named);
    }
    let is_bitmex = options.exchange.as_ref().is_some_and(|venue| venue.as_str() == "bitmex");
    let is_bitmex_own =
        columns.names.iter().any(|name| name.eq_ignore_ascii_case("foreignNotional"));
    if is_bitmex_own {
        notes.push(format!("column `{name}` is taken as the bar's close, as BitMEX has it"));
        return Ok(StampMeaning::Close);
    }
    if is_bitmex {
        return Err(format!(
            "column `{name}` is the bar's close in files of BitMEX and the open in most others: say time=close or time=open"
        ));
    }
    if columns.has_names {
        notes.push(format!("column `{name}` is taken as the bar's open"));
    }
    Ok(StampMeaning::Open)
}

/// Two stamps of one row.
struct Pair {
    this: (TimeColumn, ArchiveStamp),
    other: (TimeColumn, ArchiveStamp),
    /// Of the first one.
    meaning: StampMeaning,
    tf_ms: i64,
}

enum Agreement {
    Same,
    /// The other one is the same instant as a clock elsewhere shows it.
    Local,
    None,
}

impl Pair {
    fn judge(&self) -> Agreement {
        let (this, other) = (self.this.1, self.other.1);
        let later_ms = other.ms.saturating_sub(this.ms);
        // The last second, millisecond or microsecond of a bar is its close, too.
        let is_length = |ms: i64| [0, 1, 1000].contains(&self.tf_ms.saturating_sub(ms));
        let fits = match (self.meaning, self.other.0.role) {
            (StampMeaning::Open, Role::Close) => is_length(later_ms),
            (StampMeaning::Close, Role::Open) => is_length(-later_ms),
            (StampMeaning::Open, Role::Open) | (StampMeaning::Close, Role::Close) => later_ms == 0,
            // A column that does not say which it is may be the other one, if the first does.
            (_, Role::Plain | Role::Bare) => {
                later_ms == 0 || (self.this.0.role.meaning().is_some() && is_length(later_ms.abs()))
            }
        };
        let is_vague = self.this.0.role == Role::Plain || self.other.0.role == Role::Plain;
        match (fits, other.kind) {
            (true, _) => Agreement::Same,
            // The day of the same instant somewhere.
            (false, StampKind::Day) if is_vague => {
                let day = crate::domain::time::DAY_MS;
                let within = -(OFFSET_MAX_MS + day)..=OFFSET_MAX_MS;
                if within.contains(&later_ms) { Agreement::Same } else { Agreement::None }
            }
            // Of two dates without an offset nothing tells which one is UTC.
            (false, StampKind::Naive)
                if is_vague && this.kind == StampKind::Exact && self.is_offset(later_ms) =>
            {
                Agreement::Local
            }
            (false, StampKind::Exact | StampKind::Naive | StampKind::Day) => Agreement::None,
        }
    }

    /// Whether a difference can be that between two clocks, and not that between the open and the close.
    fn is_offset(&self, ms: i64) -> bool {
        let is_odd = ms % MINUTE_MS == 0 && ODD_OFFSETS.contains(&(ms / MINUTE_MS));
        let is_whole = ms % HOUR_MS == 0 && ms.abs() <= OFFSET_MAX_MS;
        (is_whole || is_odd) && ms.abs() != self.tf_ms
    }
}
