//! What the run record says of the device.

use serde::Serialize;

use crate::{
    exit::Exit,
    jobs::context::{Context, Failure},
    model::probe::{Reason, Verdict},
    store::disk::Disk as _,
};

/// The table `compute` of `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Kept {
    /// What was asked for: `cpu`, `gpu`, `auto`.
    pub(super) device_requested: &'static str,
    /// Where fits were computed: `cpu`, or the name of a card; both when a card failed in the middle.
    pub(super) device_used: String,
    /// Why the processor took over.
    pub(super) fallback_reason: Option<Reason>,
    /// The same in words.
    pub(super) fallback_detail: Option<String>,
    /// What the proof said; none where none was asked for.
    pub(super) probe: Option<Verdict>,
}

/// Writes it into the record of the run.
pub(super) fn keep(context: &Context<'_>, kept: &Kept) -> Result<(), Failure> {
    let path = context.layout.run_info(&context.run_id);
    let damaged = |why: String| Failure::new(Exit::Data, format!("{}: {why}", path.display()));
    let bytes = context.disk.read(&path)?.ok_or_else(|| damaged("it is gone".to_owned()))?;
    let mut record: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    let table = record.as_object_mut().ok_or_else(|| damaged("it is not a table".to_owned()))?;
    let kept = serde_json::to_value(kept).expect("plain values serialise");
    table.insert("compute".to_owned(), kept);
    let text = format!("{}\n", context.mask.apply(&format!("{record:#}")));
    Ok(context.disk.replace(&path, text.as_bytes())?)
}
