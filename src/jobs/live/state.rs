//! What the loop last heard from its venue, left for whoever looks from outside. It is no ledger: losing it loses nothing, and
//! a failure to write it never concerns the loop.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cycle::Fetched;
use crate::{
    domain::{
        ids::{RunId, Tag},
        series::Series,
        time::{SlotTs, UtcMs},
    },
    store::{
        disk::{Disk, parent},
        layout::Layout,
    },
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.live/1";
/// Longest reason kept, in characters.
const TROUBLE_MAX: usize = 300;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveState {
    schema: String,
    /// The run of the loop.
    pub run_id: String,
    /// When it was written, by the clock of the loop.
    pub at_ms: i64,
    /// How far the venue's clock is ahead of ours, milliseconds; absent until enough answers agree on it.
    pub skew_ms: Option<i64>,
    /// When the venue last answered with bars.
    pub answered_ms: Option<i64>,
    /// Questions since then that it did not answer with bars.
    pub failed_in_a_row: u32,
    /// Why the last of these were not answered.
    pub trouble: Option<String>,
    /// Close of the newest closed bar that the venue has shown; absent in a document of an older build.
    #[serde(default)]
    pub newest_ms: Option<i64>,
}

impl LiveState {
    /// What the loop of a tag last left; `None` when it left nothing that can be read.
    pub fn read<D: Disk>(disk: &D, layout: &Layout, tag: &Tag, series: &Series) -> Option<Self> {
        let bytes = disk.read(&layout.live_state(tag, series)).ok().flatten()?;
        let state: Self = serde_json::from_slice(&bytes).ok()?;
        (state.schema == SCHEMA).then_some(state)
    }
}

/// Writes the document after every question.
pub struct StateFile<'d, D: Disk> {
    disk: &'d D,
    path: PathBuf,
    state: LiveState,
}

impl<'d, D: Disk> StateFile<'d, D> {
    /// Makes its folder. Nothing is written yet. `None` when there can be no such file.
    pub fn new(
        disk: &'d D,
        layout: &Layout,
        (tag, series): (&Tag, &Series),
        run_id: &RunId,
    ) -> Option<Self> {
        let path = layout.live_state(tag, series);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let made = disk
            .create_dir_all(parent(&path))
            .and_then(|()| disk.clean_temps_of(parent(&path), &format!("{name}.")));
        if let Err(error) = made {
            tracing::debug!("the state of the loop is not shown: {error}");
            return None;
        }
        let state = LiveState {
            schema: SCHEMA.to_owned(),
            run_id: run_id.to_string(),
            at_ms: UtcMs::EPOCH.get(),
            skew_ms: None,
            answered_ms: None,
            failed_in_a_row: 0,
            trouble: None,
            newest_ms: None,
        };
        Some(Self { disk, path, state })
    }

    /// Takes down what came of a question.
    pub fn fetched(&mut self, fetched: &Fetched<'_>) {
        let state = &mut self.state;
        state.at_ms = fetched.at.get();
        state.skew_ms = fetched.skew_ms;
        if let Some(error) = fetched.error {
            state.failed_in_a_row = state.failed_in_a_row.saturating_add(1);
            state.trouble = Some(error.to_string().chars().take(TROUBLE_MAX).collect());
        } else {
            state.answered_ms = Some(fetched.at.get());
            let newest_ms = fetched.newest.map(SlotTs::ts_ms);
            state.newest_ms = newest_ms.max(state.newest_ms);
            state.failed_in_a_row = 0;
            state.trouble = None;
        }
        let Ok(text) = serde_json::to_vec(&self.state) else { return };
        if let Err(error) = self.disk.swap(&self.path, &text) {
            tracing::debug!("the state of the loop is not shown: {error}");
        }
    }
}
