//! The line that a heartbeat leaves in a log of bounded size.

use super::result::{Figures, Health};
use crate::{
    domain::{ids::Tag, time::UtcMs},
    exit::Exit,
    jobs::context::{Context, Failure},
    store::{
        bounded_log::BoundedLog,
        disk::{Disk as _, parent},
    },
};

/// The most the log and the one before it hold, together.
const LOG_MAX: u64 = 1 << 20;

/// The line: when, the level, how old the last decision is, the cadence, equity, risk state, and the next command where one
/// is needed.
pub fn line(health: &Health, at: UtcMs) -> String {
    let Figures { decision_age_s, clean_trailing_cadence_diffs, equity, risk_state, .. } =
        &health.figures;
    let age = decision_age_s.map_or("none".to_owned(), |age_s| format!("{age_s}s"));
    let equity = equity.as_deref().unwrap_or("none");
    let risk = risk_state.unwrap_or("none");
    let next = health.list.worst().map_or(String::new(), |worst| {
        let next = worst.next.as_ref().map_or(String::new(), |next| format!(" next={next}"));
        format!(" why={}{next}", worst.name)
    });
    format!(
        "{at} {} stale={age} cadence={clean_trailing_cadence_diffs} equity={equity} risk={risk}{next}",
        health.list.level.name()
    )
}

/// Appends it. Returns the log's path.
pub fn append(context: &Context<'_>, tag: &Tag, line: &str) -> Result<String, Failure> {
    let path = context.layout.heartbeat_log(tag);
    context.disk.create_dir_all(parent(&path))?;
    let shown = context.shown(&path);
    BoundedLog::open(&path, LOG_MAX)
        .and_then(|log| log.append(format!("{line}\n").as_bytes()))
        .map_err(|error| Failure::new(Exit::Io, format!("append to {shown}: {error}")))?;
    Ok(shown)
}
