//! What a loop did, counted, and how it is told.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    cycle::{Outcome as LoopOutcome, Settled},
    plan::Ended,
};
use crate::{
    domain::{decision::Action, reason::Reason, time::SlotTs, trade::Event},
    exit::Exit,
    jobs::context::{Context, Outcome},
    manifest::LiveJob,
    session::live::{Recovered, Session},
    store::disk::Disk,
};

/// What the loop did, counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// Rows added.
    pub rows: u64,
    by_origin: BTreeMap<&'static str, u64>,
    skipped: BTreeMap<Reason, u64>,
    opened: u64,
    closed: u64,
    stopped: u64,
    vetoed: u64,
}

impl Tally {
    /// Counts one decision, and what was filled before it.
    pub fn count(&mut self, slot: &Settled<'_>) {
        let decision = slot.decision;
        self.rows += 1;
        *self.by_origin.entry(slot.origin.name()).or_default() += 1;
        if decision.action == Action::Skip {
            *self.skipped.entry(decision.reason).or_default() += 1;
        }
        self.vetoed += u64::from(decision.blocked_by.is_some());
        for event in slot.events {
            match event.event {
                Event::Open(_) => self.opened += 1,
                Event::Close(reason) => {
                    self.closed += 1;
                    self.stopped += u64::from(reason.is_stop());
                }
            }
        }
    }
}

/// Tells what the start found and repaired.
pub fn report_recovery(recovered: &Recovered, last: Option<String>) {
    match last {
        None => tracing::info!("a new ledger"),
        Some(last) => {
            let behind = recovered.behind.as_ref().map_or(String::new(), |checkpoint| {
                let rows = checkpoint.rows();
                format!(" behind a checkpoint; the {rows} rows before it are proved meanwhile")
            });
            let rows = recovered.rows;
            tracing::info!("{rows} rows folded and proved{behind}; the last one is {last}");
        }
    }
    if let Some(why) = &recovered.ignored {
        tracing::warn!("checkpoint.json is not used, and every row was proved instead: {why}");
    }
    for (file, cut) in &recovered.cuts {
        if cut.bytes == 0 {
            tracing::warn!("{file} was empty; it has its header again");
            continue;
        }
        let kept = cut
            .kept
            .as_ref()
            .map_or("nothing to keep".to_owned(), |path| path.display().to_string());
        tracing::warn!("{file}: a torn tail of {} bytes was cut; kept in {kept}", cut.bytes);
    }
    if recovered.trades_owed > 0 {
        tracing::warn!(
            "{} trade rows that a crash had left unwritten were added",
            recovered.trades_owed
        );
    }
}

/// What the job gives back.
pub fn outcome<D: Disk>(
    context: &Context<'_>,
    job: &LiveJob,
    session: &Session<'_, D>,
    tally: &Tally,
    (ended, first): (LoopOutcome, Option<SlotTs>),
) -> Outcome {
    let (series, tag) = (&job.trading.series, job.live.tag.get());
    let why = match ended {
        LoopOutcome::Ended(Ended::Window) => "the window is decided",
        LoopOutcome::Ended(Ended::MaxBars) => "max-bars is reached",
        LoopOutcome::Ended(Ended::Feed) => "the source has no more bars",
        LoopOutcome::Stopped => "asked to stop",
    };
    let counts = |counts: &BTreeMap<&str, u64>| {
        counts.iter().map(|(name, n)| format!("{n} {name}")).collect::<Vec<_>>().join(", ")
    };
    let last = session.last().map_or("none".to_owned(), |last| last.to_string());
    let mut summary = format!("{} rows added, the last one is {last}: {why}", tally.rows);
    match ended {
        LoopOutcome::Ended(Ended::Window | Ended::Feed) if tally.rows == 0 => {
            summary.push_str(&nothing_to_do(job, first));
        }
        LoopOutcome::Ended(_) | LoopOutcome::Stopped => {}
    }
    let bars = context.shown(&context.layout.raw_dir(series));
    if job.live.dry_run {
        let _ = write!(summary, " (dry run: no row was written; bars were written to {bars})");
    }
    let decisions = context.shown(&context.layout.decisions(tag, series));
    let trades = context.shown(&context.layout.trades(tag, series));
    let mut text = format!("{summary}\n");
    if tally.rows > 0 {
        let skipped = if tally.skipped.is_empty() {
            "none".to_owned()
        } else {
            counts(&tally.skipped.iter().map(|(reason, many)| (reason.as_str(), *many)).collect())
        };
        let _ = write!(text, "origin: {}\nskipped: {skipped}\n", counts(&tally.by_origin));
        let Tally { opened, closed, stopped, vetoed, .. } = tally;
        let _ = writeln!(
            text,
            "trades: {opened} opened, {closed} closed, {stopped} of them by a stop; {vetoed} vetoes"
        );
    }
    let state = session.engine().state();
    let _ = writeln!(text, "equity {}, risk {}", state.equity(), state.risk_shown());
    if !job.live.dry_run {
        let _ = write!(text, "{decisions}\n{trades}\n");
    }
    let out = [
        ("rows", tally.rows.to_string()),
        ("last_ts_ms", session.last().map_or(String::new(), |last| last.ts_ms().to_string())),
        ("decisions", decisions),
        ("trades", trades),
    ];
    let out = out.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Outcome { exit: Exit::Ok, summary, text, out }
}

/// Why a loop on a window had nothing to do.
fn nothing_to_do(job: &LiveJob, first: Option<SlotTs>) -> String {
    let tag = job.live.tag.get();
    let to = job.live.to.as_ref().map(|to| to.get());
    match (first, to) {
        (Some(first), Some(to)) if to < first.close() => format!(
            "; but the window ends at {to}, and the ledger of tag {tag} begins later, at {}: nothing was decided. A ledger only grows at its \
             end: take another tag",
            first.close()
        ),
        _ => " and was decided before this start, so there was nothing to do: give a later live.to, or another tag"
            .to_owned(),
    }
}
