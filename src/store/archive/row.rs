//! A row of a file of others: its stamp and its five values, or why it cannot be had; and what all rows together say.

use super::{
    cell::Cell,
    claim::Said,
    columns::Columns,
    read::Options,
    stamp::{Meaning, Stamp},
    when::When,
};

pub(super) const VALUES: [&str; 5] = ["open", "high", "low", "close", "volume"];
/// Rows that are looked at before it is decided which column is the time.
pub(super) const SAMPLE: usize = 100;

/// What a row says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fields {
    pub stamp: Result<Stamp, String>,
    pub values: Result<[f64; 5], String>,
}

/// Reads rows, and remembers what they say about the file.
#[derive(Debug)]
pub(super) struct RowReader<'a> {
    pub columns: Columns,
    pub options: &'a Options,
    when: When,
    said: Vec<Said>,
    amounts: Vec<Amounts>,
    prices: u64,
    thousands: [u64; 5],
    rows: u64,
    left_out: u64,
}

/// How often the volume is another column times the price.
#[derive(Debug, Clone, Copy)]
struct Amounts {
    at: usize,
    rows: u64,
    fits: u64,
}

impl<'a> RowReader<'a> {
    /// Decides from the first rows what is what.
    pub(super) fn new(
        columns: Columns,
        options: &'a Options,
        rows: &[Vec<Cell<'_>>],
    ) -> Result<Self, String> {
        let when = When::of(&columns, options, rows)?;
        let said = columns.claims.iter().map(|(at, claim)| Said::new(*at, *claim)).collect();
        let amounts =
            columns.amounts.iter().map(|at| Amounts { at: *at, rows: 0, fits: 0 }).collect();
        Ok(Self {
            columns,
            options,
            when,
            said,
            amounts,
            prices: 0,
            thousands: [0; 5],
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
            self.weigh(values, &cell);
        }
        Some(Fields { stamp, values })
    }

    fn values<'c>(&self, cell: &impl Fn(usize) -> Cell<'c>) -> Result<[f64; 5], String> {
        let mut values = [0.0; 5];
        for ((value, at), name) in values.iter_mut().zip(self.columns.values).zip(VALUES) {
            *value = cell(at).number(name)?;
        }
        Ok(values)
    }

    /// What the row says about which amount is which.
    fn weigh<'c>(&mut self, values: &[f64; 5], cell: &impl Fn(usize) -> Cell<'c>) {
        let [_, high, low, _, volume] = *values;
        let is_price = |value: f64| (low * 0.98..=high * 1.02).contains(&value);
        // At a price of one, an amount of the base is one of the quote.
        if volume > 0.0 && !is_price(1.0) {
            for amounts in &mut self.amounts {
                let Ok(other) = cell(amounts.at).number("") else { continue };
                if other > 0.0 {
                    amounts.rows += 1;
                    amounts.fits += u64::from(is_price(volume / other));
                }
            }
        }
        if self.columns.has_names {
            return;
        }
        self.prices += u64::from((low..=high).contains(&volume));
        let digits = |at: usize, lengths: std::ops::RangeInclusive<usize>, may_go_on: bool| {
            let word = cell(at).word();
            let whole = word.split('.').next().unwrap_or_default();
            (may_go_on || whole.len() == word.len())
                && lengths.contains(&whole.len())
                && whole.bytes().all(|b| b.is_ascii_digit())
        };
        for (count, at) in self.thousands.iter_mut().zip(1..) {
            let is_torn = at + 1 < self.columns.names.len();
            *count += u64::from(is_torn && digits(at, 1..=3, false) && digits(at + 1, 3..=3, true));
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
        self.judge_volume()?;
        notes.extend(self.when.finish(&self.columns));
        if self.left_out > 0 {
            notes.push(format!("{} rows are left out by `select`", self.left_out));
        }
        Ok(notes)
    }

    /// Whether the column of the volume can be one.
    fn judge_volume(&self) -> Result<(), String> {
        let is_quote = |amounts: &&Amounts| amounts.rows > 0 && amounts.fits == amounts.rows;
        let [.., volume] = self.columns.values;
        if let Some(amounts) = self.amounts.iter().find(is_quote) {
            let [volume, base] = [volume, amounts.at].map(|at| &self.columns.names[at]);
            let help = if self.columns.has_names {
                format!("say columns.volume = \"{base}\"")
            } else {
                "give the file a header".to_owned()
            };
            return Err(format!(
                "`{volume}` is `{base}` times the price, so it is not the volume in the base: {help}"
            ));
        }
        let count = self.columns.names.len();
        if !self.columns.has_names && self.rows > 0 {
            if count > 6 && self.prices == self.rows {
                return Err("column 6 is a price of its bar in each row, not a volume: give the file a header".to_owned());
            }
            if count > 6 && self.thousands.contains(&self.rows) {
                return Err("the numbers look split at their thousands: write them without separators, or give the file a header".to_owned());
            }
        }
        Ok(())
    }
}
