//! A small LIVE ledger of made-up bars, and the names of its files.

use crate::support::runner::{Call, Root};

/// The header of `decisions.csv`.
pub const HEADER: &str = mjolnir::store::rows::decisions::DECISIONS_HEADER;
/// The end of the short window.
pub const NOON: &str = "2024-01-01T12:00:00Z";
/// The end of the long one.
pub const EVENING: &str = "2024-01-01T18:00:00Z";

/// The live loop on made-up bars of the venue `demo`.
pub fn live<'a>(root: &'a Root, tag: &str, to: &str) -> Call<'a> {
    let words = format!("run live -p tag={tag} exchange=demo feed=synthetic");
    root.call(&format!("{words} from=2024-01-01T00:00:00Z to={to}"))
}

/// The proof over all that LIVE decided.
pub fn eqflat<'a>(root: &'a Root, tag: &str, runid: &str) -> Call<'a> {
    root.call(&format!("run eqflat -p tag={tag} exchange=demo runid={runid}"))
}

/// A folder with the ledger `paper` up to a time.
pub fn ledger(to: &str) -> Root {
    let root = Root::new();
    live(&root, "paper", to).run().ok();
    root
}

pub fn decisions(tag: &str) -> String {
    format!("data/processed/decisions/{tag}/BTC_USD/5m/decisions.csv")
}

pub fn trades(tag: &str) -> String {
    format!("data/processed/trades/{tag}/BTC_USD/5m/trades.csv")
}

pub fn proof(tag: &str, runid: &str) -> String {
    format!("data/reports/eqflat/{tag}/{runid}/proof.json")
}

/// One cell of a CSV text. Line 1 is the header; columns count from 0.
pub fn cell(text: &str, line: usize, column: usize) -> &str {
    text.lines().nth(line - 1).and_then(|row| row.split(',').nth(column)).unwrap_or_default()
}

/// The text with one cell changed.
pub fn with_cell(text: &str, line: usize, column: usize, value: &str) -> String {
    let row = |(n, row): (usize, &str)| {
        let change = |(m, old)| if (n + 1, m) == (line, column) { value } else { old };
        let cells: Vec<&str> = row.split(',').enumerate().map(change).collect();
        cells.join(",") + "\n"
    };
    text.lines().enumerate().map(row).collect()
}
