//! Every column of both ledgers, broken on purpose: the proof names slot and column, and LIVE refuses to go on.

use super::fixture::{EVENING, cell, decisions, eqflat, ledger, live, trades, with_cell};
use crate::support::runner::Root;

/// Column, new value, exit code of the proof.
type Edit = (&'static str, fn(&str) -> String, i32);

const FAIL: i32 = 1;
const DAMAGED: i32 = 65;

fn later(ts_ms: &str) -> String {
    (ts_ms.parse::<i64>().expect("a time") + 300_000).to_string()
}

fn other_digit(hash: &str) -> String {
    let flipped = if hash.starts_with('0') { "1" } else { "0" };
    format!("{flipped}{}", &hash[1..])
}

fn cent_more(amount: &str) -> String {
    format!("{:.4}", amount.parse::<f64>().expect("an amount") + 0.01)
}

/// Breaks one cell, asks both, and mends it.
fn check(root: &Root, path: &str, line: usize, n: usize, (name, change, code): Edit) {
    let whole = root.read(path);
    let (old, ts_ms) = (cell(&whole, line, n), cell(&whole, line, 3));
    let new = change(old);
    assert_ne!(old, new, "{name}");
    root.write(path, &with_cell(&whole, line, n, &new));
    let at = format!("{path}:{line}: ");
    let proved = eqflat(root, "paper", &format!("{}_{name}", path.len())).run().code(code);
    if code == FAIL {
        let kind = if path.ends_with("trades.csv") { "trades" } else { "decisions" };
        let named = format!("first mismatch: ts_ms {ts_ms} layer ");
        let proved = proved.prints(&[&format!("[{kind}] FAIL"), &named, "Result: FAIL"]);
        let column = format!(" column {name}\n  LIVE     {new}\n");
        proved.prints(&[&column, "Hypothesis (1 sentence, no solution yet): ", "awk -F, -v ts="]);
    } else {
        proved.says(&[&format!("{path}:")]);
    }
    let refused = live(root, "paper", EVENING).run().code(65);
    let column = if code == FAIL && path.ends_with("decisions.csv") { name } else { "" };
    if code == FAIL {
        refused.says(&[&at, column, "restore"]);
    } else {
        refused.says(&[&format!("{path}:")]);
    }
    assert_eq!(root.read(path), with_cell(&whole, line, n, &new), "C14: left untouched");
    root.write(path, &whole);
}

#[test]
fn every_column_of_decisions_is_proved_and_guarded() {
    let root = ledger(EVENING);
    let path = decisions("paper");
    let text = root.read(&path);
    let in_position = |line: &usize| {
        let held = |line| cell(&text, line, 8) == "short" && cell(&text, line, 4) == "hold";
        held(*line) && held(line - 1)
    };
    let line = (60..200).find(in_position).expect("a short is held somewhere");
    let edits: [Edit; 17] = [
        ("exchange", |_| "other".into(), DAMAGED),
        ("symbol", |_| "ETH/USD".into(), DAMAGED),
        ("timeframe", |_| "1h".into(), DAMAGED),
        ("ts_ms", later, DAMAGED),
        ("decision", |_| "exit".into(), FAIL),
        ("reason", |_| "ema_cross_up".into(), FAIL),
        ("blocked_by", |_| "cooldown".into(), FAIL),
        ("score", |_| "5".into(), FAIL),
        ("position", |_| "flat".into(), FAIL),
        ("close", cent_more, FAIL),
        ("entry_px", cent_more, FAIL),
        ("stop_px", cent_more, FAIL),
        ("equity", cent_more, FAIL),
        ("risk_state", |_| "HALTED".into(), FAIL),
        ("bar_hash", other_digit, FAIL),
        ("feat_hash", other_digit, FAIL),
        ("state_hash", other_digit, FAIL),
    ];
    for (n, edit) in edits.into_iter().enumerate() {
        check(&root, &path, line, n, edit);
    }
    eqflat(&root, "paper", "whole").run().ok().prints(&["Result: PASS"]);
    live(&root, "paper", EVENING).run().ok().prints(&["0 rows added"]);
}

#[test]
fn every_column_of_trades_is_proved_and_guarded() {
    let root = ledger(EVENING);
    let path = trades("paper");
    let edits: [Edit; 13] = [
        ("exchange", |_| "other".into(), DAMAGED),
        ("symbol", |_| "ETH/USD".into(), DAMAGED),
        ("timeframe", |_| "1h".into(), DAMAGED),
        ("ts_ms", later, FAIL),
        ("trade_id", other_digit, DAMAGED),
        ("event", |_| "close".into(), DAMAGED),
        ("side", |side| if side == "long" { "short" } else { "long" }.into(), DAMAGED),
        ("price", cent_more, FAIL),
        ("qty", cent_more, FAIL),
        ("fee", cent_more, FAIL),
        ("pnl", cent_more, FAIL),
        ("reason", |_| "a_guess".into(), FAIL),
        ("ambiguous", |_| "1".into(), FAIL),
    ];
    for (n, edit) in edits.into_iter().enumerate() {
        check(&root, &path, 2, n, edit);
    }
    eqflat(&root, "paper", "whole").run().ok().prints(&["[trades] PASS"]);
}

#[test]
fn a_trade_row_that_is_missing_at_the_end_is_owed_and_one_in_the_middle_is_damage() {
    let root = ledger(EVENING);
    let path = trades("paper");
    let whole = root.read(&path);
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    root.write(&path, &lines[..lines.len() - 2].concat());
    let words = "2 trade rows that a crash had left unwritten were added";
    live(&root, "paper", EVENING).run().warns(&[words, "it is ahead of trades.csv"]);
    assert_eq!(root.read(&path), whole, "the fold of the decisions completes it");
    root.write(&path, &[&lines[..3], &lines[5..]].concat().concat());
    live(&root, "paper", EVENING).run().code(65).says(&[&format!("{path}:4: "), "restore"]);
    // A trade that no decision led to.
    let ts_ms = later(cell(&whole, lines.len(), 3));
    let more = with_cell(lines[lines.len() - 1], 1, 3, &ts_ms);
    let more = with_cell(&with_cell(&more, 1, 5, "close"), 1, 11, "exit_signal");
    root.write(&path, &(whole.clone() + &more));
    live(&root, "paper", EVENING).run().code(65).says(&["no decision leads to"]);
    eqflat(&root, "paper", "e1").run().code(1).prints(&["[trades] FAIL", "no such event"]);
}
