//! What the scheduler remembers between two starts: which slots are decided, and watermarks that are ahead of the clock.
//! The clock was wrong once, and until it gets there their schedules are silent.

use std::{collections::BTreeMap, fmt};

use rusqlite::{OptionalExtension as _, params};

use super::records::{RunEnd, RunRecord, RunStart, RunStore, insert};
use crate::{
    domain::{ids::RunId, time::UtcMs},
    store::error::StoreError,
};

/// Up to where the slots of a schedule are decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidedSchedule {
    /// What the schedule looked like then; another look starts anew.
    pub fingerprint: String,
    /// Every slot up to this instant has its record.
    pub upto: UtcMs,
    /// The start of the machine that a schedule on `boot` ran for.
    pub boot: Option<String>,
}

impl RunStore {
    /// Up to where a schedule is decided; `None` for one that nobody knows yet.
    pub fn decided(&self, schedule: &str) -> Result<Option<DecidedSchedule>, StoreError> {
        let select = "SELECT fingerprint, watermark_ms, boot FROM schedules WHERE schedule = ?1";
        let found = self.db.query_row(select, [schedule], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get(2)?))
        });
        let Some((fingerprint, upto, boot)) =
            found.optional().map_err(|error| self.refused(&error))?
        else {
            return Ok(None);
        };
        let upto = UtcMs::new(upto).map_err(|error| self.bad(error.to_string()))?;
        Ok(Some(DecidedSchedule { fingerprint, upto, boot }))
    }

    /// Decides slots, all or none: records them and moves the watermark in one durable step. A slot that has a record already
    /// keeps it. Returns how many were recorded.
    pub fn decide(
        &self,
        schedule: &str,
        decided: &DecidedSchedule,
        records: &[RunRecord],
    ) -> Result<usize, StoreError> {
        let write = || -> rusqlite::Result<usize> {
            let change = self.db.unchecked_transaction()?;
            let mut recorded = 0;
            for run in records {
                if insert(&change, run)? == RunStart::Recorded {
                    recorded += 1;
                }
            }
            change.execute(
                "INSERT INTO schedules (schedule, fingerprint, watermark_ms, boot) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (schedule) DO UPDATE SET fingerprint = ?2, watermark_ms = ?3, boot = ?4",
                params![schedule, decided.fingerprint, decided.upto.get(), decided.boot],
            )?;
            change.commit()?;
            Ok(recorded)
        };
        write().map_err(|error| self.refused(&error))
    }

    /// Up to where each schedule is decided.
    pub fn watermarks(&self) -> Result<BTreeMap<String, UtcMs>, StoreError> {
        let query = || -> rusqlite::Result<Vec<(String, i64)>> {
            let mut select = self.db.prepare("SELECT schedule, watermark_ms FROM schedules")?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        let rows = query().map_err(|error| self.refused(&error))?;
        let read = |(schedule, ms)| {
            let upto = UtcMs::new(ms).map_err(|error| self.bad(error.to_string()))?;
            Ok((schedule, upto))
        };
        rows.into_iter().map(read).collect()
    }

    /// Forgets how far the schedules on time were decided that are not among these: one that comes back starts then. Returns how many
    /// were forgotten.
    pub fn forget_schedules(&self, known: &[&str]) -> Result<usize, StoreError> {
        let known = serde_json::to_string(known).expect("names are texts");
        let delete = "DELETE FROM schedules WHERE fingerprint NOT LIKE 'on %' \
                      AND schedule NOT IN (SELECT value FROM json_each(?1))";
        self.db.execute(delete, [known]).map_err(|error| self.refused(&error))
    }

    /// Ends a run that waits and will not be started, or go on: true when it still waited for this attempt. It gets no exit code.
    pub fn settle_unstarted(
        &self,
        run: &RunId,
        attempt: u32,
        end: &RunEnd,
    ) -> Result<bool, StoreError> {
        let update = "UPDATE runs SET state = ?3, summary = ?4, ended_ms = ?5, exit_code = NULL, not_before_ms = NULL \
                      WHERE run_id = ?1 AND attempt = ?2 AND state IN ('queued', 'waiting')";
        let RunEnd { state, exit_code: _, summary, at } = end;
        let values = params![run.as_str(), attempt, state.name(), summary, at.get()];
        Ok(self.db.execute(update, values).map_err(|error| self.refused(&error))? == 1)
    }

    /// Says more about a run that was found lost: true when nobody had.
    pub fn explain_lost(
        &self,
        run: &RunId,
        attempt: u32,
        end: &RunEnd,
    ) -> Result<bool, StoreError> {
        let update = "UPDATE runs SET state = ?3, exit_code = ?4, summary = ?5, ended_ms = ?6 \
                      WHERE run_id = ?1 AND attempt = ?2 AND state = 'lost' AND ended_ms IS NULL";
        let RunEnd { state, exit_code, summary, at } = end;
        let values = params![run.as_str(), attempt, state.name(), exit_code, summary, at.get()];
        Ok(self.db.execute(update, values).map_err(|error| self.refused(&error))? == 1)
    }
}

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
        record: impl FnOnce(&TakenBack) -> RunRecord,
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
        runs::{DecidedSchedule, RunFilter, RunState},
    };

    fn slot(n: i64, state: RunState) -> RunRecord {
        let at = UtcMs::new(n * 60_000).unwrap();
        RunRecord {
            due: Some(("j.1".into(), at)),
            ..RunRecord::first(
                format!("j_{n}_{}", state.name()).parse().unwrap(),
                ("j", "exec"),
                state,
                at,
                "b",
            )
        }
    }

    #[test]
    fn c16_slots_and_watermark_move_together_and_a_slot_keeps_its_first_record() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::new(temp.path());
        let store = RunStore::open(&RealDisk::new(layout.data()), &layout).unwrap();
        assert_eq!(store.decided("j.1").unwrap(), None);
        let upto = |n: i64| DecidedSchedule {
            fingerprint: "f".into(),
            upto: UtcMs::new(n * 60_000).unwrap(),
            boot: None,
        };
        let first = [slot(1, RunState::Missed), slot(2, RunState::Queued)];
        assert_eq!(store.decide("j.1", &upto(2), &first).unwrap(), 2);
        assert_eq!(store.decided("j.1").unwrap(), Some(upto(2)));
        let again = [slot(2, RunState::Missed), slot(3, RunState::Queued)];
        assert_eq!(store.decide("j.1", &upto(3), &again).unwrap(), 1);
        let states: Vec<RunState> =
            store.list(&RunFilter::default()).unwrap().iter().map(|run| run.state).collect();
        assert_eq!(states, [RunState::Queued, RunState::Queued, RunState::Missed]);
    }

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
        let run = |id: &str, minute: i64, state: RunState| RunRecord {
            due: Some(("j.1".into(), at(minute))),
            ..RunRecord::first(id.parse().unwrap(), ("j", "exec"), state, at(minute), "b")
        };
        let decided =
            |upto: i64| DecidedSchedule { fingerprint: "f".into(), upto: at(upto), boot: None };
        let states = [RunState::Succeeded, RunState::Missed, RunState::Missed, RunState::Failed];
        let runs: Vec<RunRecord> =
            (0..).zip(states).map(|(n, state)| run(&format!("r{n}"), 1 + 100 * n, state)).collect();
        store.decide("j.1", &decided(301), &runs).unwrap();
        store.decide("k.1", &decided(2), &[]).unwrap();
        let told = |taken: &TakenBack| {
            assert_eq!(taken.schedules, [("j.1".to_owned(), at(301))]);
            RunRecord::first(
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
        let left = store.list(&RunFilter::default()).unwrap();
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
