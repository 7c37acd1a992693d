//! Jobs that schedules do not start, and pauses that are over: who began and ended each, and why.

use std::collections::BTreeMap;

use rusqlite::params;

use super::records::RunStore;
use crate::{domain::time::UtcMs, store::error::StoreError};

/// Pauses of a job that are remembered when they are over: the newest.
const REMEMBERED_MAX: u32 = 100;

/// The columns of a pause, in every table.
const PAUSE: &str = "job, reason, who, since_ms, until_ms";
/// What follows is the row of a pause that is over.
const REMEMBER: &str = "INSERT INTO ended_pauses (job, reason, who, since_ms, until_ms, ended_ms, ended_by, ended_why)";

/// A job that is not started by its schedules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    pub reason: String,
    /// Who said so.
    pub who: String,
    pub since: UtcMs,
    /// When it is over by itself.
    pub until: Option<UtcMs>,
}

impl Pause {
    /// Whether it is over by itself at this time.
    pub fn is_over(&self, now: UtcMs) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// The end of a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseEnd {
    pub at: UtcMs,
    /// Who ended it; `None` of one that was over by itself.
    pub who: Option<String>,
    /// Why; empty where that was not said.
    pub reason: String,
}

impl RunStore {
    /// Keeps the schedules of a job from starting it. The first reason stays, unless its time is up.
    pub fn pause(&self, job: &str, pause: &Pause) -> Result<bool, StoreError> {
        let Pause { reason, who, since, until } = pause;
        let until = until.map(UtcMs::get);
        let write = || -> rusqlite::Result<bool> {
            let change = self.db.unchecked_transaction()?;
            // One that is over by itself, which the service has not noted yet.
            change.execute(
                &format!("{REMEMBER} SELECT {PAUSE}, until_ms, NULL, '' FROM pauses WHERE job = ?1 AND until_ms <= ?2"),
                params![job, since.get()],
            )?;
            let insert = "INSERT INTO pauses (job, reason, who, since_ms, until_ms) VALUES (?1, ?2, ?3, ?4, ?5) \
                          ON CONFLICT DO UPDATE SET reason = ?2, who = ?3, since_ms = ?4, until_ms = ?5 WHERE until_ms <= ?4";
            let done = change.execute(insert, params![job, reason, who, since.get(), until])?;
            change.commit()?;
            Ok(done == 1)
        };
        write().map_err(|error| self.refused(&error))
    }

    /// Ends a pause that is over by itself: false when there is another one meanwhile.
    pub fn end_pause(&self, job: &str, until: UtcMs) -> Result<bool, StoreError> {
        let end = PauseEnd { at: until, who: None, reason: String::new() };
        self.end(job, Some(until), &end)
    }

    /// Lets the schedules of a job start it again; false when it was not paused.
    pub fn unpause(&self, job: &str, end: &PauseEnd) -> Result<bool, StoreError> {
        self.end(job, None, end)
    }

    /// Takes a pause away, whichever it is or that with an end at `until`, and remembers it, in one durable step.
    fn end(&self, job: &str, until: Option<UtcMs>, end: &PauseEnd) -> Result<bool, StoreError> {
        let PauseEnd { at, who, reason } = end;
        let until = until.map(UtcMs::get);
        let write = || -> rusqlite::Result<bool> {
            let change = self.db.unchecked_transaction()?;
            change.execute(
                &format!("{REMEMBER} SELECT {PAUSE}, ?3, ?4, ?5 FROM pauses WHERE job = ?1 AND (?2 IS NULL OR until_ms = ?2)"),
                params![job, until, at.get(), who, reason],
            )?;
            let delete = "DELETE FROM pauses WHERE job = ?1 AND (?2 IS NULL OR until_ms = ?2)";
            let done = change.execute(delete, params![job, until])?;
            let forget = "DELETE FROM ended_pauses WHERE job = ?1 AND n NOT IN \
                          (SELECT n FROM ended_pauses WHERE job = ?1 ORDER BY n DESC LIMIT ?2)";
            change.execute(forget, params![job, REMEMBERED_MAX])?;
            change.commit()?;
            Ok(done == 1)
        };
        write().map_err(|error| self.refused(&error))
    }

    /// Every paused job, those included whose time is up and not yet noted.
    pub fn pauses(&self) -> Result<BTreeMap<String, Pause>, StoreError> {
        let query = || -> rusqlite::Result<BTreeMap<String, Pause>> {
            let mut select = self.db.prepare(&format!("SELECT {PAUSE} FROM pauses"))?;
            select.query_map([], |row| Ok((row.get(0)?, pause(row)?)))?.collect()
        };
        query().map_err(|error| self.refused(&error))
    }

    /// Every job that is paused at this time.
    pub fn paused(&self, now: UtcMs) -> Result<BTreeMap<String, Pause>, StoreError> {
        let mut all = self.pauses()?;
        all.retain(|_, pause| !pause.is_over(now));
        Ok(all)
    }

    /// Pauses of a job that are over, the newest first.
    pub fn ended_pauses(&self, job: &str, most: u32) -> Result<Vec<(Pause, PauseEnd)>, StoreError> {
        let query = || -> rusqlite::Result<Vec<(Pause, PauseEnd)>> {
            let mut select = self.db.prepare_cached(&format!(
                "SELECT {PAUSE}, ended_ms, ended_by, ended_why FROM ended_pauses WHERE job = ?1 ORDER BY n DESC LIMIT ?2"
            ))?;
            let row = |row: &rusqlite::Row<'_>| {
                let at = UtcMs::EPOCH.plus_ms(row.get(5)?);
                Ok((pause(row)?, PauseEnd { at, who: row.get(6)?, reason: row.get(7)? }))
            };
            select.query_map(params![job, most], row)?.collect()
        };
        query().map_err(|error| self.refused(&error))
    }
}

/// The pause in columns 1 to 4 of a row.
fn pause(row: &rusqlite::Row<'_>) -> rusqlite::Result<Pause> {
    let until: Option<i64> = row.get(4)?;
    Ok(Pause {
        reason: row.get(1)?,
        who: row.get(2)?,
        since: UtcMs::EPOCH.plus_ms(row.get(3)?),
        until: until.map(|ms| UtcMs::EPOCH.plus_ms(ms)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{disk::RealDisk, layout::Layout};

    fn at(minute: i64) -> UtcMs {
        UtcMs::new(minute * 60_000).unwrap()
    }

    fn by(who: &str, reason: &str, minute: i64) -> PauseEnd {
        PauseEnd { at: at(minute), who: Some(who.to_owned()), reason: reason.to_owned() }
    }

    fn store() -> (tempfile::TempDir, RunStore) {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::new(temp.path());
        let store = RunStore::open(&RealDisk::new(layout.data()), &layout).unwrap();
        (temp, store)
    }

    #[test]
    fn a_job_is_paused_until_it_is_resumed_and_who_did_both_is_kept() {
        let (_temp, store) = store();
        let pause = |reason: &str| Pause {
            reason: reason.into(),
            who: "ann".into(),
            since: at(5),
            until: None,
        };
        assert!(store.pause("fetch", &pause("venue down")).unwrap());
        assert!(!store.pause("fetch", &pause("later")).unwrap());
        let all = store.pauses().unwrap();
        assert_eq!(all.get("fetch"), Some(&pause("venue down")));
        let end = by("bob", "it is up", 9);
        assert!(store.unpause("fetch", &end).unwrap());
        assert!(!store.unpause("fetch", &by("eva", "again", 10)).unwrap());
        assert!(store.pauses().unwrap().is_empty());
        assert_eq!(store.ended_pauses("fetch", 9).unwrap(), [(pause("venue down"), end)]);
        assert!(store.ended_pauses("other", 9).unwrap().is_empty());
    }

    #[test]
    fn a_pause_with_an_end_makes_room_for_another_one_when_it_is_over() {
        let (_temp, store) = store();
        let pause = |since: i64, until: i64| Pause {
            reason: "r".into(),
            who: "ann".into(),
            since: at(since),
            until: Some(at(until)),
        };
        assert!(store.pause("j", &pause(1, 5)).unwrap());
        assert!(!store.pause("j", &pause(4, 9)).unwrap(), "it is paused");
        assert!(store.paused(at(4)).unwrap().contains_key("j"));
        assert!(!store.paused(at(5)).unwrap().contains_key("j"));
        assert!(store.pause("j", &pause(5, 9)).unwrap(), "the first one is over");
        assert!(!store.end_pause("j", at(5)).unwrap(), "that is not the one there is");
        assert!(store.end_pause("j", at(9)).unwrap() && store.pauses().unwrap().is_empty());
        let alone = |minute: i64| PauseEnd { at: at(minute), who: None, reason: String::new() };
        let ended = store.ended_pauses("j", 9).unwrap();
        assert_eq!(ended, [(pause(5, 9), alone(9)), (pause(1, 5), alone(5))]);
    }

    #[test]
    fn the_newest_pauses_are_remembered() {
        let (_temp, store) = store();
        for n in 0..i64::from(REMEMBERED_MAX) + 20 {
            let pause = Pause { reason: "r".into(), who: "ann".into(), since: at(n), until: None };
            for job in ["j", "k"] {
                assert!(store.pause(job, &pause).unwrap());
                assert!(store.unpause(job, &by("ann", &n.to_string(), n)).unwrap());
            }
        }
        let ended = store.ended_pauses("j", u32::MAX).unwrap();
        assert_eq!((ended.len(), ended[0].1.reason.as_str()), (100, "119"));
        assert_eq!(store.ended_pauses("k", u32::MAX).unwrap().len(), 100, "each job has its own");
    }
}
