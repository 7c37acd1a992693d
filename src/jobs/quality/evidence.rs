//! What explains a gap: the failures in the ledger of LIVE, and the revision log.

use std::collections::BTreeSet;

use crate::{
    domain::{decision::Degraded, ids::Tag, series::Series},
    jobs::context::Context,
    session::record::RecordBytes,
    store::{error::StoreError, raw::Revision, rows::decisions::DecisionLine},
};

/// Slots where we failed.
#[derive(Debug, Default)]
pub struct Evidence {
    /// LIVE could not fetch or store the bar, or was down.
    pub failed: BTreeSet<i64>,
    /// The bar was filled in later.
    pub filled: BTreeSet<i64>,
}

impl Evidence {
    /// Of the revision log alone.
    pub fn of(revisions: &[Revision]) -> Self {
        let filled = revisions.iter().filter(|revision| revision.old.is_none());
        let filled = filled.map(|revision| revision.ts.ts_ms()).collect();
        Self { failed: BTreeSet::new(), filled }
    }

    /// Adds what the ledger of a tag says; false when it has none.
    pub fn learn(
        &mut self,
        context: &Context<'_>,
        tag: &Tag,
        series: &Series,
    ) -> Result<bool, StoreError> {
        let (disk, layout) = (context.disk, context.layout);
        let Some(bytes) = RecordBytes::read(disk, layout, tag, series)? else { return Ok(false) };
        let record = bytes.parse(layout, tag, series)?;
        let ours = record.decisions.iter().filter(|line| match line.degraded() {
            Some(Degraded::FetchFailed | Degraded::PersistFailed | Degraded::Downtime) => true,
            Some(Degraded::BarMissing | Degraded::CatchupNoEntry) | None => false,
        });
        self.failed.extend(ours.map(DecisionLine::ts_ms));
        Ok(true)
    }
}
