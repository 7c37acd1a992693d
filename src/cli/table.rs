//! Ages and tables for people.

use crate::domain::time::UtcMs;

/// Units of an age in milliseconds, largest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

/// A length of time in its two largest units: `3m 12s`.
pub fn span(ms: u64) -> String {
    let Some(first) = UNITS.iter().position(|(_, unit)| ms >= *unit) else {
        return "0s".to_owned();
    };
    let mut left = ms;
    let mut parts = Vec::new();
    for (name, unit) in UNITS.iter().skip(first).take(2) {
        if left >= *unit {
            parts.push(format!("{}{name}", left / unit));
        }
        left %= unit;
    }
    parts.join(" ")
}

/// How long ago an instant was: `3m 12s ago`, or `in 3m 12s` when it lies ahead.
pub fn ago(at: UtcMs, now: UtcMs) -> String {
    let ms = now.get() - at.get();
    if ms < 0 {
        format!("in {}", span(ms.unsigned_abs()))
    } else {
        format!("{} ago", span(ms.unsigned_abs()))
    }
}

/// Rows with aligned columns, two blanks apart; the last column is as long as it is. Each line begins with `indent`.
pub fn table(indent: &str, rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |n: usize| {
        rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{indent}{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

/// A row of a table.
pub fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_their_two_largest_units() {
        for (ms, text) in [
            (0, "0s"),
            (999, "0s"),
            (1_000, "1s"),
            (192_000, "3m 12s"),
            (180_000, "3m"),
            (11_520_000, "3h 12m"),
            (3_605_000, "1h"),
            (86_400_000 * 400 + 3_600_000, "400d 1h"),
        ] {
            assert_eq!(span(ms), text);
        }
        let at = |ms| UtcMs::new(ms).unwrap();
        assert_eq!(ago(at(1_000), at(4_000)), "3s ago");
        assert_eq!(ago(at(4_000), at(1_000)), "in 3s");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [row(["a", "bbb", "c"]), row(["aaaa", "b", ""])];
        assert_eq!(table(" ", &rows), " a     bbb  c\n aaaa  b\n");
    }
}
