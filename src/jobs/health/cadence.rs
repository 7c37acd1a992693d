//! Whether the loop keeps time: how many slots at the end of the ledger were decided one after the other, each in its turn.

use super::tail::Row;
use crate::store::rows::timing::Origin;

/// What the end of a ledger says about its cadence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// Trailing slots that lie exactly one timeframe behind the one before and were decided in time.
    pub clean: usize,
    /// Whether every slot of the rows looked at, from the second one on, is among them.
    pub from_the_first: bool,
}

/// Counts from the end. A last row whose time is not written yet counts neither way: it is written after the decision.
pub fn cadence(rows: &[Row], late_max_ms: i64) -> Cadence {
    let rows = match rows.split_last() {
        Some((last, before)) if last.timing.is_none() => before,
        Some(_) | None => rows,
    };
    let is_clean = |pair: &&[Row]| {
        let in_time = pair[1]
            .timing
            .as_ref()
            .is_some_and(|timing| timing.origin == Origin::Live && timing.late_ms <= late_max_ms);
        in_time && pair[1].ts.since(pair[0].ts) == 1
    };
    let clean = rows.windows(2).rev().take_while(is_clean).count();
    Cadence { clean, from_the_first: clean + 1 >= rows.len() }
}

#[cfg(test)]
mod tests {
    use super::{super::tail::Stamp, *};
    use crate::domain::time::{Timeframe, UtcMs};

    /// Slots by their number, origin and how late: `5L` in time, `5C` caught up, `5D` degraded, `5?` unknown, `5S` slow.
    fn rows(text: &str) -> Vec<Row> {
        let row = |word: &str| {
            let (n, how) = word.split_at(word.len() - 1);
            let ts = Timeframe::M1.slot(60_000 * n.parse::<i64>().unwrap()).unwrap();
            let stamp = |origin, late_ms| {
                let run_id = "live_1".parse().unwrap();
                Some(Stamp { origin, seen_at: UtcMs::EPOCH, late_ms, run_id })
            };
            let timing = match how {
                "L" => stamp(Origin::Live, 2_000),
                "S" => stamp(Origin::Live, 60_001),
                "C" => stamp(Origin::Catchup, 2_000),
                "D" => stamp(Origin::Degraded, 2_000),
                _ => None,
            };
            Row { ts, skipped: None, equity: String::new(), risk: None, is_ruined: false, timing }
        };
        text.split_whitespace().map(row).collect()
    }

    #[test]
    fn only_slots_in_their_place_and_in_time_count() {
        for (text, clean, from_the_first) in [
            ("", 0, true),
            ("1L", 0, true),
            ("1C", 0, true),
            ("1L 2L 3L", 2, true),
            ("1C 2L 3L", 2, true),
            ("1L 2C 3C 4L 5L", 2, false),
            ("1L 2L 3D 4L", 1, false),
            ("1L 2L 3L 4C", 0, false),
            ("1L 2S 3L", 1, false),
            ("1L 2L 4L 5L", 1, false),
            ("1L 2L 2L 3L", 1, false),
            ("1L 2L 3L 4?", 2, true),
            ("1L 2? 3L 4L", 2, false),
            ("1L 2? 3?", 0, false),
        ] {
            assert_eq!(cadence(&rows(text), 60_000), Cadence { clean, from_the_first }, "{text}");
        }
    }
}
