//! A CSV file of our own: a fixed header, no quotes, one row per line. Splitting it, and naming file and line when a field is wrong.

use std::path::Path;

use rust_decimal::Decimal;

use super::number::parse_hash;
use crate::{
    domain::time::{SlotTs, Timeframe, UtcMs},
    store::{error::StoreError, ledger::foreign},
};

/// The columns of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a, const N: usize> {
    line: &'a str,
    ends: [u16; N],
}

impl<'a, const N: usize> Fields<'a, N> {
    /// Splits a line at its commas; an error is the number of columns found.
    fn split(line: &'a str) -> Result<Self, usize> {
        let mut ends = [0_u16; N];
        let mut found = 0;
        if line.len() >= usize::from(u16::MAX) {
            return Err(line.split(',').count());
        }
        for (at, byte) in line.bytes().enumerate() {
            if byte == b',' {
                if found + 1 >= N {
                    return Err(line.split(',').count());
                }
                ends[found] = at as u16;
                found += 1;
            }
        }
        if found + 1 != N {
            return Err(found + 1);
        }
        ends[found] = line.len() as u16;
        Ok(Self { line, ends })
    }

    /// The whole line, without its newline.
    pub const fn line(&self) -> &'a str {
        self.line
    }

    /// Column `n`, from 0.
    pub fn field(&self, n: usize) -> &'a str {
        let start = if n == 0 { 0 } else { usize::from(self.ends[n - 1]) + 1 };
        &self.line[start..usize::from(self.ends[n])]
    }
}

/// A line, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a, 'p, const N: usize> {
    fields: Fields<'a, N>,
    number: u64,
    path: &'p Path,
}

impl<'a, const N: usize> Row<'a, '_, N> {
    /// Its columns.
    pub const fn fields(&self) -> Fields<'a, N> {
        self.fields
    }

    /// Column `n`, from 0.
    pub fn field(&self, n: usize) -> &'a str {
        self.fields.field(n)
    }

    /// An error that names this line.
    pub fn damaged(&self, reason: impl Into<String>) -> StoreError {
        StoreError::damaged(self.path, self.number, reason)
    }

    fn wrong(&self, n: usize, what: &str) -> StoreError {
        let text: String = self.field(n).escape_debug().take(100).collect();
        self.damaged(format!("column {}: `{text}` is not {what}", n + 1))
    }

    /// Column `n` as a whole number.
    pub fn int(&self, n: usize) -> Result<i64, StoreError> {
        self.field(n).parse().map_err(|_| self.wrong(n, "a whole number"))
    }

    /// Column `n` as a finite number.
    pub fn float(&self, n: usize) -> Result<f64, StoreError> {
        let value = self.field(n).parse::<f64>().ok().filter(|value| value.is_finite());
        value.ok_or_else(|| self.wrong(n, "a number"))
    }

    /// Column `n` as an exact decimal.
    pub fn decimal(&self, n: usize) -> Result<Decimal, StoreError> {
        self.field(n).parse().map_err(|_| self.wrong(n, "a decimal"))
    }

    /// Column `n` as a hash.
    pub fn hash(&self, n: usize) -> Result<u64, StoreError> {
        parse_hash(self.field(n)).ok_or_else(|| self.wrong(n, "16 hex digits"))
    }

    /// Column `n` as a slot.
    pub fn slot(&self, n: usize, timeframe: Timeframe) -> Result<SlotTs, StoreError> {
        timeframe.slot(self.int(n)?).map_err(|error| self.damaged(error.to_string()))
    }

    /// Column `n` as an instant.
    pub fn instant(&self, n: usize) -> Result<UtcMs, StoreError> {
        UtcMs::new(self.int(n)?).map_err(|error| self.damaged(error.to_string()))
    }

    /// What `parse` finds in column `n`, or an error saying it is not `what`.
    pub fn one_of<T>(
        &self,
        n: usize,
        what: &str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, StoreError> {
        parse(self.field(n)).ok_or_else(|| self.wrong(n, what))
    }

    /// `None` when column `n` is empty, else what `read` makes of it.
    pub fn optional<T>(
        &self,
        n: usize,
        read: impl FnOnce(&Self, usize) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        if self.field(n).is_empty() { Ok(None) } else { read(self, n).map(Some) }
    }
}

/// The rows after the header. Bytes after the last newline are ignored; a file without a whole line has no rows.
pub fn rows<'a, 'p, const N: usize>(
    bytes: &'a [u8],
    header: &str,
    path: &'p Path,
) -> Result<impl Iterator<Item = Result<Row<'a, 'p, N>, StoreError>> + use<'a, 'p, N>, StoreError> {
    let after = match bytes.iter().position(|byte| *byte == b'\n') {
        None => &[],
        Some(end) if bytes[..end] == *header.as_bytes() => &bytes[end + 1..],
        Some(_) => return Err(foreign(path, header, bytes)),
    };
    lines(after, 2, path)
}

/// The rows of a piece of a file that begins with line `first`. Bytes after the last newline are ignored.
#[expect(clippy::naive_bytecount, reason = "only a damaged file is counted")]
pub fn lines<'a, 'p, const N: usize>(
    bytes: &'a [u8],
    first: u64,
    path: &'p Path,
) -> Result<impl Iterator<Item = Result<Row<'a, 'p, N>, StoreError>> + use<'a, 'p, N>, StoreError> {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let text = str::from_utf8(&bytes[..end]).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let before = good.iter().filter(|byte| **byte == b'\n').count() as u64;
        StoreError::damaged(path, first + before, "not UTF-8")
    })?;
    let lines = text.split_terminator('\n').zip(first..);
    Ok(lines.map(move |(line, number)| match Fields::split(line) {
        Ok(fields) => Ok(Row { fields, number, path }),
        Err(found) => {
            Err(StoreError::damaged(path, number, format!("{found} columns, expected {N}")))
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<[String; 3]>, String> {
        rows::<3>(bytes, "a,b,c", Path::new("f"))
            .and_then(|rows| {
                rows.map(|row| row.map(|row| std::array::from_fn(|n| row.field(n).to_owned())))
                    .collect()
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn whole_lines_are_rows_and_the_rest_is_ignored() {
        assert_eq!(read(b"").unwrap().len(), 0);
        assert_eq!(read(b"a,b,c").unwrap().len(), 0);
        assert_eq!(read(b"a,b,c\n1,,3\n4,5").unwrap(), [["1", "", "3"].map(String::from)]);
        assert_eq!(read(b"a,b,c\n,,\n").unwrap(), [["", "", ""].map(String::from)]);
    }

    #[test]
    fn errors_name_the_line() {
        for (bytes, message) in [
            (&b"a,b\n"[..], "f:1: foreign header `a,b`, expected `a,b,c`"),
            (b"a,b,c\n1,2,3\n1,2\n", "f:3: 2 columns, expected 3"),
            (b"a,b,c\n1,2,3,4\n", "f:2: 4 columns, expected 3"),
            (b"a,b,c\n\n", "f:2: 1 columns, expected 3"),
            (b"a,b,c\n1,2,\xff\n", "f:2: not UTF-8"),
        ] {
            assert_eq!(read(bytes).unwrap_err(), message);
        }
    }
}
