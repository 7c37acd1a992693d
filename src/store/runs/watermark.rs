//! Watermarks that are ahead of the clock: it was wrong once, and until it gets there their schedules are silent.

use std::fmt;

use rusqlite::params;

use super::records::{Run, RunStore, insert};
use crate::{domain::time::UtcMs, store::error::StoreError};

/// How far a watermark may be ahead without anything being wrong, milliseconds.
const AHEAD_MS: i64 = 60_000;

/// How far a watermark is ahead of the clock, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ahead(i64);

impl Ahead {
    /// Of a watermark at `now`; `None` where nothing is wrong.
    pub fn of(upto: UtcMs, now: UtcMs) -> Option<Self> {
        let ms = upto.get() - now.get();
        (ms > AHEAD_MS).then_some(Self(ms))
    }

    /// Milliseconds.
    pub const fn ms(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0 / 60_000;
        let (count, unit) = match minutes {
            ..120 => (minutes, "m"),
            120..2_880 => (minutes / 60, "h"),
            _ => (minutes / 1_440, "d"),
        };
        write!(f, "watermark {count}{unit} ahead of the clock")
    }
}

/// What was taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenBack {
    /// Schedules, and up to where each was decided.
    pub schedules: Vec<(String, UtcMs)>,
    /// Records of slots that are still to come and were not run.
    pub records: usize,
}

impl RunStore {
    /// Takes every watermark that is ahead of `now` back to it, in one durable step with `record`, which is told what was taken
    /// back. Slots that are still to come lose their record where nothing was run for them; those that were run keep it, and so
    /// are not run twice. Nothing is recorded where no watermark is ahead.
    pub fn take_back(
        &self,
        now: UtcMs,
        record: impl FnOnce(&TakenBack) -> Run,
    ) -> Result<TakenBack, StoreError> {
        let write = || -> rusqlite::Result<TakenBack> {
            let change = self.db.unchecked_transaction()?;
            let schedules = {
                let mut select = change.prepare(
                    "SELECT schedule, watermark_ms FROM schedules WHERE watermark_ms > ?1 ORDER BY schedule",
                )?;
                let row = |row: &rusqlite::Row<'_>| {
                    Ok((row.get(0)?, UtcMs::EPOCH.plus_ms(row.get::<_, i64>(1)?)))
                };
                select.query_map([now.get() + AHEAD_MS], row)?.collect::<Result<Vec<_>, _>>()?
            };
            let mut taken = TakenBack { schedules, records: 0 };
            for (schedule, _) in &taken.schedules {
                taken.records += change.execute(
                    "DELETE FROM runs WHERE schedule = ?1 AND slot_ms > ?2 AND state IN \
                     ('missed', 'skipped_overlap', 'superseded', 'skipped_precondition')",
                    params![schedule, now.get()],
                )?;
                change.execute(
                    "UPDATE schedules SET watermark_ms = ?2 WHERE schedule = ?1",
                    params![schedule, now.get()],
                )?;
            }
            if !taken.schedules.is_empty() {
                insert(&change, &record(&taken))?;
            }
            change.commit()?;
            Ok(taken)
        };
        write().map_err(|error| self.refused(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        disk::RealDisk,
        layout::Layout,
        runs::{Decided, Filter, RunState},
    };

    fn at(minute: i64) -> UtcMs {
        UtcMs::new(minute * 60_000).unwrap()
    }

    #[test]
    fn how_far_it_is_ahead_is_told_in_one_word() {
        for (ms, told) in [
            (60_000, None),
            (61_000, Some("watermark 1m ahead of the clock")),
            (119 * 60_000, Some("watermark 119m ahead of the clock")),
            (3 * 3_600_000, Some("watermark 3h ahead of the clock")),
            (364 * 86_400_000 + 5_000, Some("watermark 364d ahead of the clock")),
        ] {
            let ahead = Ahead::of(at(5).plus_ms(ms), at(5)).map(|ahead| ahead.to_string());
            assert_eq!(ahead.as_deref(), told);
        }
        assert_eq!(Ahead::of(at(5), at(900)), None);
    }

    #[test]
    fn c16_what_is_taken_back_is_recorded_and_what_was_run_keeps_its_slot() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::new(temp.path());
        let store = RunStore::open(&RealDisk::new(layout.data()), &layout).unwrap();
        let run = |id: &str, minute: i64, state: RunState| Run {
            due: Some(("j.1".into(), at(minute))),
            ..Run::first(id.parse().unwrap(), ("j", "exec"), state, at(minute), "b")
        };
        let decided = |upto: i64| Decided { fingerprint: "f".into(), upto: at(upto), boot: None };
        let states = [RunState::Succeeded, RunState::Missed, RunState::Missed, RunState::Failed];
        let runs: Vec<Run> =
            (0..).zip(states).map(|(n, state)| run(&format!("r{n}"), 1 + 100 * n, state)).collect();
        store.decide("j.1", &decided(301), &runs).unwrap();
        store.decide("k.1", &decided(2), &[]).unwrap();
        let told = |taken: &TakenBack| {
            assert_eq!(taken.schedules, [("j.1".to_owned(), at(301))]);
            Run::first(
                "rewind_1".parse().unwrap(),
                ("rewind", "verb"),
                RunState::Succeeded,
                at(50),
                "b",
            )
        };
        assert_eq!(store.take_back(at(50), told).unwrap().records, 2);
        assert_eq!(store.decided("j.1").unwrap(), Some(decided(50)));
        assert_eq!(store.decided("k.1").unwrap(), Some(decided(2)));
        let left = store.list(&Filter::default()).unwrap();
        let mut ids: Vec<&str> = left.iter().map(|run| run.run_id.as_str()).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["r0", "r3", "rewind_1"]);
        // A slot that was not run is due again in its time, one that was run is not.
        let again = [run("r1b", 101, RunState::Queued), run("r3b", 301, RunState::Queued)];
        assert_eq!(store.decide("j.1", &decided(301), &again).unwrap(), 1);
        let none = store.take_back(at(301), |_| unreachable!()).unwrap();
        assert_eq!(none, TakenBack::default());
    }
}
