//! A row of a file of others: its fields, its stamp and its five values, or why it cannot be had; and what all rows together say.

use super::{
    claim::{Claim, Said},
    columns::ArchiveColumns,
    read::ReadOptions,
    stamp::{
        self, ArchiveStamp, DateEvidence, Reading, StampKind, StampMeaning, StampUnit, shown,
        year_last,
    },
    twice::RowLabels,
    volume::Amounts,
    when::When,
    words,
};

pub(super) const VALUES: [&str; 5] = ["open", "high", "low", "close", "volume"];
/// Rows that are looked at before it is decided which column is the time.
pub(super) const SAMPLE: usize = 100;

/// What a row says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RowFields {
    pub stamp: Result<ArchiveStamp, String>,
    pub values: Result<[f64; 5], String>,
    /// What the words in it are, in short.
    pub label: u16,
}

/// Reads rows, and remembers what they say about the file.
#[derive(Debug)]
pub(super) struct RowReader<'a> {
    pub columns: ArchiveColumns,
    pub options: &'a ReadOptions,
    when: When,
    said: Vec<Said>,
    amounts: Amounts,
    pub labels: RowLabels,
    /// A number that is written as it is in no file that can be trusted.
    marked: Option<String>,
    /// A symbol where a number is to be.
    other_symbol: Option<String>,
    rows: u64,
    left_out: u64,
}

/// Whether the order of day and month in some date of a time column can be known only from all rows.
pub(super) fn has_open_dates(columns: &ArchiveColumns, rows: &[Vec<Cell<'_>>]) -> bool {
    let is_open = |cell: Cell<'_>| matches!(cell, Cell::Text(text) if year_last(text).is_some());
    columns.dated().any(|at| rows.iter().any(|row| is_open(row[at])))
}

/// Collects what all rows say about the order of day and month.
#[derive(Debug)]
pub(super) struct Dates(Vec<(usize, DateEvidence)>);

impl Dates {
    pub(super) fn new(columns: &ArchiveColumns) -> Self {
        Self(columns.dated().map(|at| (at, DateEvidence::default())).collect())
    }

    pub(super) fn see<'c>(&mut self, cell: impl Fn(usize) -> Cell<'c>) {
        for (at, evidence) in &mut self.0 {
            if let Cell::Text(text) = cell(*at) {
                evidence.see(text);
            }
        }
    }

    pub(super) fn settle(self, columns: &mut ArchiveColumns) {
        for (at, evidence) in self.0 {
            if let Some(order) = evidence.order(columns.is_day_first(at)) {
                columns.orders.insert(at, order);
            }
        }
    }
}

impl<'a> RowReader<'a> {
    /// Decides from the first rows what is what.
    pub(super) fn new(
        columns: ArchiveColumns,
        options: &'a ReadOptions,
        rows: &[Vec<Cell<'_>>],
    ) -> Result<Self, String> {
        let when = When::of(&columns, options, rows)?;
        let is_word = |word: &str| !word.is_empty() && word.parse::<f64>().is_err();
        let mut said = Vec::new();
        let mut labels = Vec::new();
        for at in columns.free.iter().copied() {
            let words: Vec<String> = rows.iter().map(|row| row[at].word()).collect();
            match Claim::of(&columns.normal_name(at), &words) {
                // The clock of a place says nothing about stamps that need none.
                Some(Claim::Zone) if when.is_exact() || options.offset_minutes.is_some() => {}
                // Whoever names the volume knows what it counts.
                Some(Claim::Unit) if options.columns.volume.is_some() => {}
                Some(claim) => said.push(Said::new(at, claim)),
                // The last of nine columns of OKX says whether the bar is closed.
                None if !columns.has_names
                    && Claim::of("state", &words).is_some()
                    && (words.iter().any(|word| is_word(word))
                        || (columns.names.len() == 9 && at == 8)) =>
                {
                    said.push(Said::new(at, Claim::Closed));
                }
                None if words.iter().any(|word| is_word(word)) => labels.push(at),
                None => {}
            }
        }
        let amounts = Amounts::new(&columns);
        Ok(Self {
            columns,
            options,
            when,
            said,
            amounts,
            labels: RowLabels::new(labels),
            marked: None,
            other_symbol: None,
            rows: 0,
            left_out: 0,
        })
    }

    pub(super) const fn meaning(&self) -> StampMeaning {
        self.when.meaning
    }

    /// The fields of a row; `None`: the row is not among those chosen.
    pub(super) fn read<'c>(&mut self, cell: impl Fn(usize) -> Cell<'c>) -> Option<RowFields> {
        let is_wanted =
            |(at, wanted): &(usize, String)| cell(*at).word().eq_ignore_ascii_case(wanted);
        if !self.columns.select.iter().all(is_wanted) {
            self.left_out += 1;
            return None;
        }
        self.rows += 1;
        let stamp = self.when.stamp(&cell, &self.columns, self.options);
        let mut heard = Ok(());
        for said in &mut self.said {
            let name = &self.columns.names[said.at()];
            let result = said.hear(&cell(said.at()).word(), name, self.options);
            heard = heard.and(result);
        }
        let values = self.values(&cell).and_then(|values| heard.map(|()| values));
        if let Ok(values) = &values {
            self.amounts.weigh(values, &self.columns, &cell);
        }
        let label = self.labels.of(&cell);
        Some(RowFields { stamp, values, label })
    }

    fn values<'c>(&mut self, cell: &impl Fn(usize) -> Cell<'c>) -> Result<[f64; 5], String> {
        let mut values = [0.0; 5];
        let mut result = Ok(());
        for ((value, at), name) in values.iter_mut().zip(self.columns.values).zip(VALUES) {
            let cell = cell(at);
            match cell.number(name) {
                Ok(number) => *value = number,
                Err(reason) => {
                    self.look_at(cell);
                    result = result.and(Err(reason));
                }
            }
        }
        result.map(|()| values)
    }

    /// What a field that is not a number says about the others.
    fn look_at(&mut self, cell: Cell<'_>) {
        let word = cell.word();
        if self.marked.is_none()
            && let Some(marks) = cell.marks()
        {
            let what = match marks {
                Marks::DecimalComma => "it has a decimal comma, so a point may be one of thousands",
                Marks::Thousands => "it has separators of thousands, so others may be, too",
            };
            self.marked =
                Some(format!("`{}`: {what}: write all numbers plainly, as 1234.5", shown(&word)));
        }
        if self.other_symbol.is_none()
            && words::is_symbol(&word)
            && let Some(symbol) = &self.options.symbol
            && words::fit_of_symbol(&word, symbol) == words::Fit::Other
        {
            self.other_symbol = Some(format!("a row says {}, asked for is {symbol}", shown(&word)));
        }
    }

    /// What has to be told, or why nothing of the file can be trusted.
    pub(super) fn finish(self) -> Result<Vec<String>, String> {
        if self.rows == 0 && self.left_out > 0 {
            let chosen = self.columns.select.iter();
            let chosen: Vec<String> =
                chosen.map(|(at, value)| format!("{}={value}", self.columns.names[*at])).collect();
            let (chosen, rows) = (chosen.join(","), self.left_out);
            return Err(format!("select=\"{chosen}\" chooses none of {rows} rows"));
        }
        let mut notes = Vec::new();
        for said in &self.said {
            notes.extend(said.judge(&self.columns.names[said.at()], self.options)?);
        }
        if let Some(reason) = self.other_symbol.or(self.marked) {
            return Err(reason);
        }
        self.amounts.judge(&self.columns)?;
        notes.extend(self.when.finish(&self.columns)?);
        if self.left_out > 0 {
            notes.push(format!("{} rows are left out by `select`", self.left_out));
        }
        Ok(notes)
    }
}

/// A field as its file holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    /// Nothing: a null.
    Null,
    /// Text, as in every CSV file.
    Text(&'a str),
    /// A whole number, exact.
    Int(i64),
    /// A number.
    Float(f64),
    /// A time whose unit the file declares.
    Stamp(ArchiveStamp),
}

impl Cell<'_> {
    pub(super) fn number(self, name: &str) -> Result<f64, String> {
        match self {
            Self::Null => Err(format!("{name} is null")),
            Self::Int(value) => Ok(value as f64),
            Self::Float(value) => Ok(value),
            Self::Stamp(_) => Err(format!("{name} is a time")),
            Self::Text(text) if is_rounded(text) => {
                Err(format!("{name} `{}` is rounded: write it with all its digits", shown(text)))
            }
            Self::Text(text) => text.trim().parse().map_err(|_| {
                let why = match marks(text) {
                    Some(Marks::DecimalComma) => ": it has a decimal comma",
                    Some(Marks::Thousands) => ": it has separators of thousands",
                    None => "",
                };
                format!("{name} `{}` is not a number{why}", shown(text))
            }),
        }
    }

    /// How a number is written that is not written as others are.
    pub(super) fn marks(self) -> Option<Marks> {
        match self {
            Self::Text(text) => marks(text),
            Self::Null | Self::Int(_) | Self::Float(_) | Self::Stamp(_) => None,
        }
    }

    pub(super) fn stamp(self, reading: Reading) -> Result<ArchiveStamp, String> {
        let Reading { unit, offset_ms, order: _ } = reading;
        match self {
            Self::Null => Err("the time is null".to_owned()),
            Self::Text(text) => stamp::from_text(text, reading),
            Self::Int(value) => stamp::from_int(value, unit, offset_ms),
            Self::Float(value) => stamp::from_float(value, unit, offset_ms),
            Self::Stamp(ArchiveStamp { ms, kind: StampKind::Exact }) => Ok(ArchiveStamp::exact(ms)),
            Self::Stamp(ArchiveStamp { ms, kind: kind @ (StampKind::Naive | StampKind::Day) }) => {
                ArchiveStamp::naive(ms, kind, offset_ms)
                    .ok_or_else(|| format!("`{ms}` is not a time"))
            }
        }
    }

    /// What it counts, if it is a number that its size tells the unit of.
    pub(super) fn counted(self) -> Option<StampUnit> {
        let of = |value: i64| stamp::counted(value);
        match self {
            Self::Text(text) => text.trim().parse().ok().and_then(of).or_else(|| {
                let value = text.trim().parse::<f64>().ok()?;
                of(value as i64)
            }),
            Self::Int(value) => of(value),
            Self::Float(value) => of(value as i64),
            Self::Null | Self::Stamp(_) => None,
        }
    }

    /// The time of day in it.
    pub(super) fn time_of_day(self) -> Option<i64> {
        match self {
            Self::Text(text) => stamp::time_of_day(text),
            Self::Null | Self::Int(_) | Self::Float(_) | Self::Stamp(_) => None,
        }
    }

    /// The word in it; empty for a null.
    pub(super) fn word(self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => text.trim().to_owned(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Stamp(stamp) => stamp.ms.to_string(),
        }
    }
}

/// How a number is written that is not written as others are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    DecimalComma,
    Thousands,
}

fn marks(text: &str) -> Option<Marks> {
    let text = text.trim();
    if !text.starts_with(|c: char| c.is_ascii_digit()) || text.parse::<f64>().is_ok() {
        return None;
    }
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let groups = |whole: &str, mark: char| {
        let mut parts = whole.split(mark);
        parts.next().is_some_and(|first| is_digits(first) && first.len() <= 3)
            && parts.all(|part| is_digits(part) && part.len() == 3)
    };
    let is_grouped = |text: &str, mark: char, point: char| {
        let (whole, rest) = text.rsplit_once(point).unwrap_or((text, "0"));
        whole.contains(mark) && groups(whole, mark) && is_digits(rest)
    };
    match text.split_once(',') {
        Some((whole, rest)) if is_digits(whole) && is_digits(rest) => Some(Marks::DecimalComma),
        _ if text.contains(',') && is_grouped(text, '.', ',') => Some(Marks::DecimalComma),
        _ => {
            let is = [',', '\'', ' ', '_', '.', '\u{a0}']
                .iter()
                .any(|mark| is_grouped(text, *mark, '.'))
                || groups(text, '.');
            is.then_some(Marks::Thousands)
        }
    }
}

/// Whether a number is written as spreadsheets show long ones, with few of its digits: `4.23E+04`.
fn is_rounded(text: &str) -> bool {
    /// Above this, other programs write so, too.
    const PLAIN_MAX: f64 = 1e15;
    let text = text.trim();
    text.contains("E+") && text.parse::<f64>().is_ok_and(|value| value.abs() < PLAIN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_numbers_are_seen() {
        for (text, marks) in [
            ("1,5", Some(Marks::DecimalComma)),
            ("1,234", Some(Marks::DecimalComma)),
            ("42.283,58", Some(Marks::DecimalComma)),
            ("1,234.5", Some(Marks::Thousands)),
            ("1,234,567", Some(Marks::Thousands)),
            ("1.234.567", Some(Marks::Thousands)),
            ("1'234.5", Some(Marks::Thousands)),
            ("1 234", Some(Marks::Thousands)),
            ("1234.5", None),
            ("12,34,5", None),
            ("null", None),
            ("", None),
        ] {
            assert_eq!(Cell::Text(text).marks(), marks, "{text}");
        }
    }

    #[test]
    fn words_and_rounded_numbers_are_not_numbers() {
        for text in ["null", "None", "", "-", "1,5", "4.23E+04", "$5", "5%", "1.5K"] {
            assert!(Cell::Text(text).number("open").is_err(), "{text}");
        }
        for (text, value) in [("1e-9", 1e-9), ("1E16", 1e16), ("1.5E+17", 1.5e17), (" 5 ", 5.0)] {
            assert_eq!(Cell::Text(text).number("open"), Ok(value), "{text}");
        }
        assert!(Cell::Text("NaN").number("open").is_ok_and(f64::is_nan), "a bar refuses it");
    }
}
