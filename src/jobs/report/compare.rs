//! Two ledgers read and compared: their figures as a report has them, their rows as eqflat compares them.

use super::{
    job::made,
    which::{ReportLedger, named},
};
use crate::{
    jobs::{
        context::{Context, Failure},
        equivalence::{
            both::compare_files,
            compare::{ComparisonRules, LedgerComparison},
        },
    },
    report::compare::{FirstDifference, RowsDifference, SideBySide},
    session::reader::{Extent, Files},
};

/// Compares what two words name: tags, backtests, runs.
pub fn compare(context: &Context<'_>, [a, b]: [&str; 2]) -> Result<SideBySide, Failure> {
    let (a, b) = (named(context, a)?, named(context, b)?);
    let (left, right) = (made(context, &a)?, made(context, &b)?);
    let same_policy = left.about.stop_fill == right.about.stop_fill;
    let decisions = rows(context, [&a, &b], same_policy)?;
    Ok(SideBySide::new([&left, &right], decisions))
}

/// Compares their rows where they can be.
fn rows(
    context: &Context<'_>,
    [a, b]: [&ReportLedger; 2],
    same_policy: bool,
) -> Result<RowsDifference, Failure> {
    let not = |why: String| RowsDifference {
        rows: 0,
        differing: 0,
        sync_ts_ms: None,
        first: None,
        why_not: Some(why),
    };
    if a.series != b.series {
        return Ok(not(format!("one is of {}, the other of {}", a.series, b.series)));
    }
    let files = [a, b].map(|one| Files::of(context.layout, &one.tag, &one.series));
    let extents = [Extent::of(context.disk, &files[0])?, Extent::of(context.disk, &files[1])?];
    let [Some(left), Some(right)] = extents else {
        return Ok(not("one of them does not have a row".to_owned()));
    };
    let sides = [(&files[0], left), (&files[1], right)];
    // Two that begin at other slots with other money are compared by what they gained.
    let terms = ComparisonRules { same_policy, reads_equity: false };
    let found = compare_files(context.disk, &a.series, sides, terms, None)?.found;
    Ok(said(&found).unwrap_or_else(not))
}

fn said(found: &LedgerComparison) -> Result<RowsDifference, String> {
    if found.overlap.is_none() {
        return Err("they have no slot in common".to_owned());
    }
    if found.sync_ts_ms.is_none() {
        return Err("they begin at different slots and are never in the same state".to_owned());
    }
    let first = found.first().map(|one| FirstDifference {
        ts_ms: one.ts_ms,
        layer: one.layer.name(),
        column: one.column,
        a: one.live.clone(),
        b: one.backtest.clone(),
    });
    Ok(RowsDifference {
        rows: found.rows as u64,
        differing: found.differing as u64,
        sync_ts_ms: found.sync_ts_ms,
        first,
        why_not: None,
    })
}
