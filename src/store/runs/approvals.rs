//! Pipelines between two steps: runs that wait, and what was approved.

use rusqlite::params;

use super::{records::RunStore, steps::Approval};
use crate::{
    domain::{ids::RunId, time::UtcMs},
    store::error::StoreError,
};

impl RunStore {
    /// Records that a run waits, and for what: true when it ran in this attempt. Nothing of its start is lost.
    pub fn park(&self, run: &RunId, attempt: u32, summary: &str) -> Result<bool, StoreError> {
        let update = "UPDATE runs SET state = 'waiting', summary = ?3, pid = NULL \
                      WHERE run_id = ?1 AND attempt = ?2 AND state = 'running'";
        let done = self.db.execute(update, params![run.as_str(), attempt, summary]);
        Ok(done.map_err(|error| self.refused(&error))? == 1)
    }

    /// Approves a step of an attempt: false when somebody has.
    pub fn approve(
        &self,
        run: &RunId,
        attempt: u32,
        approval: &Approval,
    ) -> Result<bool, StoreError> {
        let Approval { step, who, reason, at } = approval;
        let insert = "INSERT INTO approvals (run_id, attempt, step, who, reason, at_ms) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let values = params![run.as_str(), attempt, step, who, reason, at.get()];
        Ok(self.db.execute(insert, values).map_err(|error| self.refused(&error))? == 1)
    }

    /// What was approved of an attempt.
    pub fn approvals(&self, run: &RunId, attempt: u32) -> Result<Vec<Approval>, StoreError> {
        let query = || -> rusqlite::Result<Vec<Approval>> {
            let mut select = self.db.prepare_cached(
                "SELECT step, who, reason, at_ms FROM approvals WHERE run_id = ?1 AND attempt = ?2 ORDER BY step",
            )?;
            let row = |row: &rusqlite::Row<'_>| {
                let at = UtcMs::EPOCH.plus_ms(row.get(3)?);
                Ok(Approval { step: row.get(0)?, who: row.get(1)?, reason: row.get(2)?, at })
            };
            select.query_map(params![run.as_str(), attempt], row)?.collect()
        };
        query().map_err(|error| self.refused(&error))
    }

    /// Notes that the pipeline knows of an approval.
    pub fn take_approval(&self, run: &RunId, attempt: u32, step: &str) -> Result<(), StoreError> {
        let update =
            "UPDATE approvals SET taken = 1 WHERE run_id = ?1 AND attempt = ?2 AND step = ?3";
        let done = self.db.execute(update, params![run.as_str(), attempt, step]);
        done.map(|_| ()).map_err(|error| self.refused(&error))
    }

    /// Whether something was approved that the pipeline does not know of.
    pub fn has_news(&self, run: &RunId, attempt: u32) -> Result<bool, StoreError> {
        let select =
            "SELECT count(*) FROM approvals WHERE run_id = ?1 AND attempt = ?2 AND taken = 0";
        let count: Result<i64, _> =
            self.db.query_row(select, params![run.as_str(), attempt], |row| row.get(0));
        Ok(count.map_err(|error| self.refused(&error))? > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        disk::RealDisk,
        layout::Layout,
        runs::{RunEnd, RunRecord, RunState},
    };

    #[test]
    fn c16_a_run_that_waits_is_taken_over_once_and_keeps_its_start() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::new(temp.path());
        let store = RunStore::open(&RealDisk::new(layout.data()), &layout).unwrap();
        let at = |ms| UtcMs::new(ms).unwrap();
        let run = RunRecord::first(
            "p_1".parse().unwrap(),
            ("p", "pipeline"),
            RunState::Queued,
            at(1),
            "b",
        );
        store.start(&run).unwrap();
        let id = &run.run_id;
        assert!(!store.park(id, 1, "x").unwrap(), "it does not run");
        assert!(store.begin(id, 1, 7, at(5)).unwrap());
        assert!(store.park(id, 1, "asks").unwrap());
        let waits = store.get(id).unwrap().unwrap();
        assert_eq!((waits.state, waits.ended, waits.pid), (RunState::Waiting, None, None));
        let approval = |who: &str| Approval {
            step: "go".into(),
            who: who.into(),
            reason: "r".into(),
            at: at(9),
        };
        assert!(!store.has_news(id, 1).unwrap());
        assert!(store.approve(id, 1, &approval("ann")).unwrap());
        assert!(!store.approve(id, 1, &approval("bob")).unwrap(), "the first one counts");
        assert_eq!(store.approvals(id, 1).unwrap(), [approval("ann")]);
        assert!(store.has_news(id, 1).unwrap() && !store.has_news(id, 2).unwrap());
        store.take_approval(id, 1, "go").unwrap();
        assert!(!store.has_news(id, 1).unwrap());
        assert!(store.begin(id, 1, 8, at(20)).unwrap());
        assert!(!store.begin(id, 1, 9, at(21)).unwrap(), "another process has it");
        assert_eq!(store.get(id).unwrap().unwrap().started, at(5));
        assert!(store.park(id, 1, "asks again").unwrap());
        let end = RunEnd {
            state: RunState::Cancelled,
            exit_code: 143,
            summary: "stopped".into(),
            at: at(30),
        };
        assert!(store.settle_unstarted(id, 1, &end).unwrap());
        assert_eq!(store.get(id).unwrap().unwrap().state, RunState::Cancelled);
    }
}
