//! Incidents that last: what somebody was told about and has not ended yet.

use super::records::RunStore;
use crate::{domain::time::UtcMs, store::error::StoreError};

/// An incident that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIncident {
    /// What it is called.
    pub name: String,
    /// Since when.
    pub since: UtcMs,
    /// When somebody was told last.
    pub told: UtcMs,
    /// How often it happened.
    pub times: u64,
}

impl RunStore {
    /// Every incident that lasts, the oldest first.
    pub fn open_incidents(&self) -> Result<Vec<OpenIncident>, StoreError> {
        let query = || -> rusqlite::Result<Vec<(String, i64, i64, i64)>> {
            let mut select = self.db.prepare(
                "SELECT incident, since_ms, told_ms, times FROM incidents ORDER BY since_ms, incident",
            )?;
            let rows = select
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
            rows.collect()
        };
        let instant = |ms| UtcMs::new(ms).map_err(|error| self.bad(error.to_string()));
        let rows = query().map_err(|error| self.refused(&error))?;
        rows.into_iter()
            .map(|(name, since, told, times)| {
                let times = u64::try_from(times).unwrap_or_default();
                Ok(OpenIncident { name, since: instant(since)?, told: instant(told)?, times })
            })
            .collect()
    }
}
