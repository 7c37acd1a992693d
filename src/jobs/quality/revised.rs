//! Revisions: how many of the stored bars were changed after they had been stored.

use std::collections::BTreeMap;

use super::finding::{Example, Finding};
use crate::{domain::time::SlotTs, manifest::QualityCheck, store::raw::Revision};

/// The bars whose value was replaced, when they are more than `rate_max` of those stored.
pub fn finding(present: &[SlotTs], revisions: &[Revision], rate_max: f64, most: usize) -> Finding {
    let changed: BTreeMap<SlotTs, &Revision> = revisions
        .iter()
        .filter(|revision| revision.old.is_some_and(|old| old != revision.new))
        .filter(|revision| present.binary_search(&revision.ts).is_ok())
        .map(|revision| (revision.ts, revision))
        .collect();
    let revised = changed.len() as u64;
    let is_too_many = revised as f64 > rate_max * present.len() as f64;
    let examples = changed.iter().take(most).map(|(ts, revision)| {
        let old = revision.old.map_or(f64::NAN, |old| old.close());
        let (new, seen_at) = (revision.new.close(), revision.seen_at);
        Example::at(*ts, format!("close {old} became {new} at {seen_at}"))
    });
    let count = if is_too_many { revised } else { 0 };
    let examples: Vec<Example> = if is_too_many { examples.collect() } else { Vec::new() };
    let mut finding = Finding::new(QualityCheck::Revisions, "bars", count, examples);
    if revised > 0 {
        finding.classes.insert("revised", revised);
        finding.classes.insert("stored", present.len() as u64);
    }
    finding
}
