//! The bars as LIVE had them when it decided: the store with the revision log undone, checked against the hashes in the ledger.

use std::collections::BTreeSet;

use crate::{
    domain::{
        bar::{TimedBar, hash_bars},
        decision::Degraded,
        time::{SlotTs, UtcMs},
    },
    store::raw::{AsSeen, Revision},
};

/// Most combinations of versions tried for bars that were handed in late.
const COMBINATIONS_MAX: usize = 4_096;

/// What a ledger row says about its bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// The slot.
    pub ts: SlotTs,
    /// What hindered it.
    pub degraded: Option<Degraded>,
    /// Hash of the bars it was given.
    pub bar_hash: Option<u64>,
    /// When the answer came that it was decided on, where that is known.
    pub seen_at: Option<UtcMs>,
}

/// When LIVE began and how far back it could look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Birth {
    /// The oldest bar it could see.
    pub floor: SlotTs,
    /// When it saw the warm-up bars.
    pub at: UtcMs,
    /// Entries of the revision log at that time, where that is known. A clock may have been set back since; the log only grows.
    pub revisions: Option<usize>,
}

/// The bars as seen, sorted, and the slots whose bars can no longer be found.
#[derive(Debug, Default)]
pub struct Seen {
    /// Warm-up bars at or above the floor, then those of the decided slots.
    pub bars: Vec<TimedBar>,
    /// Slots whose recorded hash no version of the bar has; today's version stands in for them.
    pub unresolved: Vec<SlotTs>,
}

/// The bars at or above the floor and before the first decided slot, as LIVE saw them when it began.
pub fn warm_up_bars(
    stored: &[TimedBar],
    revisions: &[Revision],
    first: SlotTs,
    birth: Birth,
) -> Vec<TimedBar> {
    let (known, at) = match birth.revisions {
        Some(count) => (revisions.get(count..).unwrap_or_default(), UtcMs::EPOCH),
        None => (revisions, birth.at),
    };
    let view = AsSeen::new(stored, known);
    let earlier = stored.iter().filter(|bar| birth.floor <= bar.ts && bar.ts < first);
    earlier
        .filter_map(|stored| view.at(stored.ts, at).map(|bar| TimedBar { ts: stored.ts, bar }))
        .collect()
}

/// Rebuilds what LIVE saw piece by piece: it remembers the slots whose bars are held back.
#[derive(Debug, Clone, Default)]
pub struct SeenRows {
    held: Vec<SlotTs>,
}

impl SeenRows {
    /// Behind a row after which the bars of these slots are held back.
    pub fn behind(held: Vec<SlotTs>) -> Self {
        Self { held }
    }

    /// Slots whose bars are held back.
    pub fn held(&self) -> &[SlotTs] {
        &self.held
    }

    /// The bars of the next rows, which follow those before without a hole. `stored` has those of the rows and of the held slots.
    pub fn next(
        &mut self,
        stored: &[TimedBar],
        revisions: &[Revision],
        decided: &[Decided],
    ) -> Seen {
        let mut seen = Seen::default();
        let Some(first) = decided.first() else { return seen };
        let view = AsSeen::new(stored, revisions);
        let mut cursor = stored.partition_point(|bar| bar.ts < first.ts);
        for row in decided {
            if row.degraded.is_some_and(Degraded::holds_bar_back) {
                self.held.push(row.ts);
            }
            while stored.get(cursor).is_some_and(|bar| bar.ts < row.ts) {
                cursor += 1;
            }
            let Some(hash) = row.bar_hash else { continue };
            let own = stored.get(cursor).filter(|bar| bar.ts == row.ts);
            match own {
                Some(own) if self.held.is_empty() && hash_bars(&[*own]) == hash => {
                    seen.bars.push(*own);
                }
                _ => {
                    if let Some(bars) = find(&view, &self.held, row, hash) {
                        seen.bars.extend(bars);
                    } else {
                        seen.unresolved.push(row.ts);
                        seen.bars.extend(own);
                    }
                }
            }
            self.held.clear();
        }
        seen
    }
}

/// The versions of the held bars and the slot's own bar that together have the recorded hash.
fn find(view: &AsSeen, held: &[SlotTs], row: &Decided, hash: u64) -> Option<Vec<TimedBar>> {
    let timed = |ts: SlotTs, bar: Option<_>| bar.map(|bar| TimedBar { ts, bar });
    let slots: Vec<SlotTs> = held.iter().copied().chain([row.ts]).collect();
    // What was decided on is the store as it stood at one instant: the recorded one, or, where that is lost, before or
    // after some change.
    let changes = slots.iter().flat_map(|ts| view.changes(*ts));
    let instants: BTreeSet<UtcMs> = changes.flat_map(|at| [at.plus_ms(-1), at]).collect();
    for seen_at in row.seen_at.into_iter().chain(instants) {
        let bars: Vec<_> =
            slots.iter().filter_map(|ts| timed(*ts, view.at(*ts, seen_at))).collect();
        if hash_bars(&bars) == hash {
            return Some(bars);
        }
    }
    let versions: Vec<_> = slots.iter().map(|ts| view.versions(*ts)).collect();
    let count = versions.iter().try_fold(1_usize, |n, v| n.checked_mul(v.len().max(1)))?;
    (0..count.min(COMBINATIONS_MAX)).find_map(|mut n| {
        let mut bars = Vec::with_capacity(slots.len());
        for (ts, versions) in slots.iter().zip(&versions) {
            let many = versions.len().max(1);
            bars.extend(versions.get(n % many).and_then(|bar| timed(*ts, *bar)));
            n /= many;
        }
        (hash_bars(&bars) == hash).then_some(bars)
    })
}
