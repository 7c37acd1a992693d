//! A row of a file of others: its stamp and its five values, or why it cannot be had; and what all rows together say.

use super::{
    amounts::Amounts,
    cell::{Cell, Marks},
    claim::{Claim, Said},
    columns::Columns,
    dates::{Evidence, year_last},
    labels::Labels,
    read::Options,
    stamp::{Meaning, Stamp, shown},
    when::When,
    words,
};

pub(super) const VALUES: [&str; 5] = ["open", "high", "low", "close", "volume"];
/// Rows that are looked at before it is decided which column is the time.
pub(super) const SAMPLE: usize = 100;

/// What a row says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fields {
    pub stamp: Result<Stamp, String>,
    pub values: Result<[f64; 5], String>,
    /// What the words in it are, in short.
    pub label: u16,
}

/// Reads rows, and remembers what they say about the file.
#[derive(Debug)]
pub(super) struct RowReader<'a> {
    pub columns: Columns,
    pub options: &'a Options,
    when: When,
    said: Vec<Said>,
    amounts: Amounts,
    pub labels: Labels,
    /// A number that is written as it is in no file that can be trusted.
    marked: Option<String>,
    /// A symbol where a number is to be.
    other_symbol: Option<String>,
    rows: u64,
    left_out: u64,
}

/// Whether the order of day and month in some date of a time column can be known only from all rows.
pub(super) fn has_open_dates(columns: &Columns, rows: &[Vec<Cell<'_>>]) -> bool {
    let is_open = |cell: Cell<'_>| matches!(cell, Cell::Text(text) if year_last(text).is_some());
    columns.dated().any(|at| rows.iter().any(|row| is_open(row[at])))
}

/// Collects what all rows say about the order of day and month.
#[derive(Debug)]
pub(super) struct Dates(Vec<(usize, Evidence)>);

impl Dates {
    pub(super) fn new(columns: &Columns) -> Self {
        Self(columns.dated().map(|at| (at, Evidence::default())).collect())
    }

    pub(super) fn see<'c>(&mut self, cell: impl Fn(usize) -> Cell<'c>) {
        for (at, evidence) in &mut self.0 {
            if let Cell::Text(text) = cell(*at) {
                evidence.see(text);
            }
        }
    }

    pub(super) fn settle(self, columns: &mut Columns) {
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
        columns: Columns,
        options: &'a Options,
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
            labels: Labels::new(labels),
            marked: None,
            other_symbol: None,
            rows: 0,
            left_out: 0,
        })
    }

    pub(super) const fn meaning(&self) -> Meaning {
        self.when.meaning
    }

    /// The fields of a row; `None`: the row is not among those chosen.
    pub(super) fn read<'c>(&mut self, cell: impl Fn(usize) -> Cell<'c>) -> Option<Fields> {
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
        Some(Fields { stamp, values, label })
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
