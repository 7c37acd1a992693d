//! How many runs there are records of.

use super::{records::RunStore, state::RunState};
use crate::store::error::StoreError;

/// Runs of one job in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The job.
    pub job: String,
    /// The state.
    pub state: RunState,
    /// How many records.
    pub records: i64,
}

impl RunStore {
    /// The records there are, by job and state.
    pub fn counts(&self) -> Result<Vec<Count>, StoreError> {
        let query = || -> rusqlite::Result<Vec<(String, String, i64)>> {
            let select =
                "SELECT job, state, COUNT(*) FROM runs GROUP BY job, state ORDER BY job, state";
            let mut select = self.db.prepare_cached(select)?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        };
        let rows = query().map_err(|error| self.refused(&error))?;
        rows.into_iter()
            .map(|(job, state, records)| {
                let state = state.parse().map_err(|why| self.bad(why))?;
                Ok(Count { job, state, records })
            })
            .collect()
    }
}
