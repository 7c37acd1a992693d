//! Words that tell rows with one stamp apart: a column that says `bid` in one and `ask` in the other makes them two series.

use super::{cell::Cell, stamp::shown};

/// Different words of a column that are remembered. One with more does not tell series apart.
const WORDS_MAX: usize = 12;

/// The columns that may tell rows apart, and the words in them.
#[derive(Debug, Default)]
pub(super) struct Labels {
    columns: Vec<Label>,
    /// The words of each row that was different, by their numbers.
    seen: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Label {
    at: usize,
    words: Vec<String>,
    is_full: bool,
}

impl Labels {
    pub(super) fn new(columns: Vec<usize>) -> Self {
        /// More columns than these are not looked at.
        const COLUMNS_MAX: usize = 8;
        let columns = columns.into_iter().take(COLUMNS_MAX);
        let columns = columns.map(|at| Label { at, words: Vec::new(), is_full: false });
        Self { columns: columns.collect(), seen: Vec::new() }
    }

    /// What stands for the words of a row.
    pub(super) fn of<'c>(&mut self, cell: &impl Fn(usize) -> Cell<'c>) -> u16 {
        if self.columns.is_empty() {
            return 0;
        }
        let numbers: Vec<u8> = self.columns.iter_mut().map(|label| label.number(cell)).collect();
        /// More than these are not remembered.
        const SEEN_MAX: usize = 1000;
        let at = match self.seen.iter().position(|seen| *seen == numbers) {
            None if self.seen.len() < SEEN_MAX => {
                self.seen.push(numbers);
                Some(self.seen.len() - 1)
            }
            at => at,
        };
        at.and_then(|at| u16::try_from(at).ok()).unwrap_or(u16::MAX)
    }

    /// The column, and its words, that tell two rows apart.
    pub(super) fn between(&self, one: u16, other: u16) -> Option<(usize, String, String)> {
        let [one, other] = [one, other].map(|label| self.seen.get(usize::from(label)));
        let (one, other) = one.zip(other)?;
        for (label, (a, b)) in self.columns.iter().zip(one.iter().zip(other)) {
            let word = |n: u8| label.words.get(usize::from(n).checked_sub(1)?);
            if let (false, Some(a), Some(b)) = (label.is_full || a == b, word(*a), word(*b)) {
                return Some((label.at, shown(a), shown(b)));
            }
        }
        None
    }
}

impl Label {
    /// The number of a word, from 1; 0 for what does not count.
    fn number<'c>(&mut self, cell: &impl Fn(usize) -> Cell<'c>) -> u8 {
        if self.is_full {
            return 0;
        }
        let word = cell(self.at).word();
        // Numbers grow with a bar: trades, an index.
        if word.is_empty() || word.parse::<f64>().is_ok() {
            return 0;
        }
        let at = self.words.iter().position(|known| *known == word);
        let at = at.unwrap_or_else(|| {
            self.words.push(word);
            self.words.len() - 1
        });
        self.is_full = self.words.len() > WORDS_MAX;
        u8::try_from(at + 1).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_apart_by_a_word_that_many_have() {
        let mut labels = Labels::new(vec![0, 1]);
        let mut of = |rows: [&str; 2]| labels.of(&|at| Cell::Text(rows[at]));
        let (bid, ask, five) = (of(["bid", "5"]), of(["ask", "6"]), of(["bid", "7"]));
        assert_eq!(labels.between(bid, five), None);
        assert_eq!(labels.between(bid, ask), Some((0, "bid".to_owned(), "ask".to_owned())));
    }

    #[test]
    fn a_column_with_many_words_tells_nothing_apart() {
        let mut labels = Labels::new(vec![0]);
        let words: Vec<String> = (0..40).map(|n| format!("id-{n}")).collect();
        let of: Vec<u16> = words.iter().map(|word| labels.of(&|_| Cell::Text(word))).collect();
        assert_eq!(labels.between(of[0], of[1]), None);
    }
}
