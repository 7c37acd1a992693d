//! What is wrong with which job, since when, and whether somebody has been told: kept, so that a restart neither repeats nor forgets.

use rusqlite::{TransactionBehavior, params};

use super::records::RunStore;
use crate::{
    domain::{ids::RunId, time::UtcMs},
    store::error::StoreError,
};

/// Troubles that are one incident while they last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IncidentKind {
    /// Runs do not end well: failed, timed out, lost.
    Run,
    /// Slots are not run.
    Missed,
    /// A health check says no.
    Health,
    /// A run takes longer than is usual.
    Slow,
    /// A run began long after it was due.
    Late,
}

impl IncidentKind {
    /// Every trouble.
    pub const ALL: [Self; 5] = [Self::Run, Self::Missed, Self::Health, Self::Slow, Self::Late];

    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Missed => "missed",
            Self::Health => "health",
            Self::Slow => "slow",
            Self::Late => "late",
        }
    }
}

/// Which incident: there is at most one of a trouble for each job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IncidentId {
    pub job: String,
    pub trouble: IncidentKind,
}

impl IncidentId {
    /// The key; the name of a job holds no slash.
    fn key(&self) -> String {
        format!("{}/{}", self.job, self.trouble.name())
    }

    fn of(key: &str) -> Option<Self> {
        let (job, name) = key.split_once('/')?;
        let trouble = IncidentKind::ALL.into_iter().find(|trouble| trouble.name() == name)?;
        Some(Self { job: job.to_owned(), trouble })
    }
}

/// An incident that lasts, or that is over and whose end nobody was told of yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    pub id: IncidentId,
    /// The newest run in trouble.
    pub run: RunId,
    pub since: UtcMs,
    /// When somebody was told last.
    pub told: Option<UtcMs>,
    /// Runs in trouble so far.
    pub times: u32,
    /// The run that ended it.
    pub over: Option<RunId>,
}

/// The end of incidents, as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Whose end.
    pub incidents: Vec<IncidentId>,
    /// The run that ended them.
    pub run: RunId,
}

impl RunStore {
    /// Every incident of a job, or of all jobs.
    pub fn incidents(&self, job: Option<&str>) -> Result<Vec<Incident>, StoreError> {
        type Row = (String, String, i64, i64, u32, Option<String>);
        let query = || -> rusqlite::Result<Vec<Row>> {
            let select = "SELECT incident, run_id, since_ms, told_ms, times, over_run_id FROM incidents ORDER BY incident";
            let mut select = self.db.prepare_cached(select)?;
            let rows = select.query_map([], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            })?;
            rows.collect()
        };
        let rows = query().map_err(|error| self.refused(&error))?;
        let instant = |ms| UtcMs::new(ms).map_err(|error| self.bad(error.to_string()));
        let name = |id: String| id.parse::<RunId>().map_err(|error| self.bad(error.to_string()));
        let mut found = Vec::new();
        for (key, run, since, told, times, over) in rows {
            let id = IncidentId::of(&key)
                .ok_or_else(|| self.bad(format!("`{}` is not an incident", key.escape_debug())))?;
            if job.is_some_and(|job| job != id.job) {
                continue;
            }
            found.push(Incident {
                id,
                run: name(run)?,
                since: instant(since)?,
                told: (told > 0).then(|| instant(told)).transpose()?,
                times,
                over: over.map(name).transpose()?,
            });
        }
        Ok(found)
    }

    /// Changes the incidents of a job in one durable step. Since when one lasts, and when it was told, stay as they are.
    pub fn change_incidents(
        &self,
        job: &str,
        change: impl FnOnce(Vec<Incident>) -> (Vec<Incident>, Vec<IncidentId>),
    ) -> Result<(), StoreError> {
        let refused = |error| self.refused(&error);
        // Taken for writing at once: whoever tells about them may be at work beside this.
        let work = rusqlite::Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)
            .map_err(refused)?;
        let (put, drop) = change(self.incidents(Some(job))?);
        let write = || -> rusqlite::Result<()> {
            for Incident { id, run, since, told, times, over } in &put {
                self.db.execute(
                    "INSERT INTO incidents (incident, run_id, since_ms, told_ms, times, over_run_id) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                     ON CONFLICT (incident) DO UPDATE SET run_id = ?2, times = ?5, over_run_id = ?6",
                    params![
                        id.key(),
                        run.as_str(),
                        since.get(),
                        told.map_or(0, UtcMs::get),
                        times,
                        over.as_ref().map(RunId::as_str)
                    ],
                )?;
            }
            for id in &drop {
                self.db.execute("DELETE FROM incidents WHERE incident = ?1", [id.key()])?;
            }
            Ok(())
        };
        write().map_err(refused)?;
        work.commit().map_err(refused)
    }

    /// Remembers that somebody was told of an incident.
    pub fn told_of(&self, id: &IncidentId, at: UtcMs) -> Result<(), StoreError> {
        let update = "UPDATE incidents SET told_ms = ?2 WHERE incident = ?1";
        let done = self.db.execute(update, params![id.key(), at.get().max(1)]);
        done.map(|_| ()).map_err(|error| self.refused(&error))
    }

    /// Takes incidents away whose end was told. One that came back meanwhile is a new one, which nobody was told of.
    pub fn close_incidents(&self, recovery: &Recovery, at: UtcMs) -> Result<(), StoreError> {
        let work = || -> rusqlite::Result<()> {
            let change =
                rusqlite::Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
            for id in &recovery.incidents {
                let (key, run) = (id.key(), recovery.run.as_str());
                let delete = "DELETE FROM incidents WHERE incident = ?1 AND over_run_id = ?2";
                if change.execute(delete, params![key, run])? == 0 {
                    let anew = "UPDATE incidents SET told_ms = 0, times = 1, since_ms = ?2 WHERE incident = ?1";
                    change.execute(anew, params![key, at.get()])?;
                }
            }
            change.commit()
        };
        work().map_err(|error| self.refused(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{disk::RealDisk, layout::Layout};

    fn at(ms: i64) -> UtcMs {
        UtcMs::new(ms).unwrap()
    }

    fn incident(run: &str, times: u32) -> Incident {
        let id = IncidentId { job: "fetch".into(), trouble: IncidentKind::Run };
        Incident { id, run: run.parse().unwrap(), since: at(10), told: None, times, over: None }
    }

    #[test]
    fn an_incident_survives_and_one_that_comes_back_while_its_end_is_told_is_new() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::new(temp.path());
        let open = || RunStore::open(&RealDisk::new(layout.data()), &layout).unwrap();
        let id = incident("r1", 1).id;
        let put = |incident: Incident| {
            open().change_incidents("fetch", |_| (vec![incident], Vec::new())).unwrap();
        };
        put(incident("r1", 1));
        open().told_of(&id, at(50)).unwrap();
        let later = Incident { since: at(99), ..incident("r2", 2) };
        put(later);
        let told = Incident { told: Some(at(50)), ..incident("r2", 2) };
        assert_eq!(open().incidents(Some("fetch")).unwrap(), std::slice::from_ref(&told));
        assert!(open().incidents(Some("live")).unwrap().is_empty());

        let over: RunId = "r3".parse().unwrap();
        let recovery = Recovery { incidents: vec![id], run: over.clone() };
        put(Incident { over: Some(over.clone()), ..told.clone() });
        // In trouble again while the end is being told.
        put(Incident { over: None, times: 3, run: "r4".parse().unwrap(), ..told.clone() });
        open().close_incidents(&recovery, at(70)).unwrap();
        let anew = Incident { since: at(70), ..incident("r4", 1) };
        assert_eq!(open().incidents(None).unwrap(), [anew]);

        put(Incident { over: Some(over), ..told });
        open().close_incidents(&recovery, at(80)).unwrap();
        assert!(open().incidents(None).unwrap().is_empty());
    }
}
