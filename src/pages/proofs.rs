//! `/proofs`: what the comparisons of LIVE with its replays said, the newest first; each document is read once.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use maud::{Markup, html};
use serde::Serialize;

use super::{
    desk::{Desk, DeskLedger, lock},
    words::{StatusSign, ago, safe, time, verdict},
};
use crate::{
    domain::ids::Tag,
    jobs::{
        context::Failure,
        equivalence::{
            judge::ProofVerdict,
            proofs::{Mismatch, ProofDocument},
        },
        ledgers::{series_of, tags},
    },
    report::number::count,
    store::{disk::Disk as _, error::StoreError},
};

/// Proofs of a tag that the page lists.
const SHOWN_MAX: usize = 50;

/// What a proof says, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProofSummary {
    /// Its verdict.
    pub verdict: &'static str,
    /// How that is to be taken.
    pub level: StatusSign,
    /// LIVE's tag.
    pub tag: String,
    /// The replay.
    pub runid: String,
    /// Venue, symbol, timeframe.
    pub series: [String; 3],
    /// First and last slot that were compared.
    pub window_ts_ms: Option<(i64, i64)>,
    /// Decisions compared.
    pub rows: usize,
    /// Trade events compared.
    pub trades: usize,
    /// Where the first difference is.
    pub mismatch: Option<String>,
    /// When it was made.
    pub made_at_ms: i64,
    /// The document, below the root.
    pub path: String,
}

/// What the proofs of every tag say, by the folder of each.
#[derive(Debug, Default)]
pub struct Proofs(BTreeMap<PathBuf, ProofSummary>);

impl Proofs {
    /// Those of a tag, the newest first.
    fn of(&mut self, desk: &Desk, tag: &Tag) -> Result<Vec<ProofSummary>, StoreError> {
        let home = desk.layout.tag_proofs_dir(tag);
        let mut there = BTreeSet::new();
        for name in desk.disk.list(&home)? {
            let dir = home.join(name);
            if let std::collections::btree_map::Entry::Vacant(place) = self.0.entry(dir.clone()) {
                let path = dir.join("proof.json");
                let bytes = desk.disk.read(&path).ok().flatten();
                let Some(proof) = bytes.and_then(|bytes| ProofDocument::from_json(&bytes)) else {
                    continue;
                };
                let shown = path.strip_prefix(&desk.root).unwrap_or(&path).display().to_string();
                place.insert(proved(proof, shown));
            }
            there.insert(dir);
        }
        self.0.retain(|dir, _| !dir.starts_with(&home) || there.contains(dir));
        let mut all: Vec<ProofSummary> =
            there.iter().filter_map(|dir| self.0.get(dir).cloned()).collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.made_at_ms));
        Ok(all)
    }
}

fn proved(proof: ProofDocument, path: String) -> ProofSummary {
    let verdict = proof.verdict();
    ProofSummary {
        verdict: verdict.name(),
        level: match verdict {
            ProofVerdict::Pass => StatusSign::Well,
            ProofVerdict::PassDataDrift | ProofVerdict::Inconclusive => StatusSign::Look,
            ProofVerdict::Fail => StatusSign::Bad,
        },
        window_ts_ms: proof.overlap_ts_ms,
        rows: proof.rows,
        trades: proof.trades,
        mismatch: proof.mismatch.as_ref().map(Mismatch::place),
        made_at_ms: proof.made_at_ms,
        tag: proof.tag,
        runid: proof.runid,
        series: proof.series,
        path,
    }
}

/// The proofs of one ledger, the newest first.
pub fn of_place(desk: &Desk, place: &DeskLedger) -> Result<Vec<ProofSummary>, Failure> {
    let mut all = lock(&desk.proofs).of(desk, &place.tag)?;
    let DeskLedger { series, .. } = place;
    let own = [
        series.exchange().to_string(),
        series.symbol().to_string(),
        series.timeframe().to_string(),
    ];
    all.retain(|one| one.series == own);
    Ok(all)
}

/// Every tag with its proofs.
pub fn all(desk: &Desk) -> Result<Vec<(Tag, Vec<ProofSummary>)>, Failure> {
    let mut proofs = lock(&desk.proofs);
    let mut all = Vec::new();
    for tag in tags(&desk.disk, &desk.layout)? {
        all.push((tag.clone(), proofs.of(desk, &tag)?));
    }
    Ok(all)
}

/// The page.
pub fn body(desk: &Desk) -> Result<Markup, Failure> {
    let all = all(desk)?;
    let now = desk.now();
    let many: usize = all.iter().map(|(_, proofs)| proofs.len()).sum();
    let failed = all
        .iter()
        .filter(|(_, p)| p.first().is_some_and(|one| one.level == StatusSign::Bad))
        .count();
    Ok(html! {
        h1 { "Proofs" }
        p.lead {
            @if many == 1 { "One comparison" } @else { (count(many as u64)) " comparisons" } " of LIVE with its replay"
            @if failed > 0 { "; of " (failed) " tags the newest one says FAIL" }
            ". A proof says that the same bars through the same code give the same rows, byte for byte."
        }
        @for (tag, proofs) in &all {
            section {
                h2 { bdi { (tag) } }
                @if proofs.is_empty() {
                    p.none { "This ledger was not compared yet: " code { (how(desk, tag)?) } }
                } @else {
                    div.wide tabindex="0" role="group" aria-label=(format!("proofs of {tag}")) { table {
                        thead { tr {
                            th scope="col" { "made" } th scope="col" { "verdict" } th scope="col" { "series" } th.n scope="col" { "decisions" }
                            th.n scope="col" { "trade events" } th scope="col" { "window, UTC" } th scope="col" { "to check it again" }
                        } }
                        tbody { @for one in proofs.iter().take(SHOWN_MAX) { (row(one, now)) } }
                    } }
                    @if proofs.len() > SHOWN_MAX { p.note { "The newest " (SHOWN_MAX) " of " (proofs.len()) "." } }
                }
            }
        }
        @if all.is_empty() { p.none { "No loop has a ledger here yet." } }
    })
}

/// What to type to compare the ledger of a tag with its replay.
fn how(desk: &Desk, tag: &Tag) -> Result<String, Failure> {
    let all = series_of(&desk.disk, &desk.layout, tag)?;
    let market = all.first().map_or_else(String::new, |series| {
        let (exchange, symbol) = (series.exchange(), series.symbol());
        format!(" exchange={exchange} symbol={symbol} timeframe={}", series.timeframe())
    });
    let ledger = format!("tag={tag}{market}");
    Ok(format!("runner run jobs/eqflat.toml -p {ledger}"))
}

fn row(one: &ProofSummary, now: crate::domain::time::UtcMs) -> Markup {
    html! {
        tr {
            th scope="row" { (ago(one.made_at_ms, now)) }
            td {
                (verdict(one.level, one.verdict))
                @if let Some(place) = &one.mismatch { br; small { (safe(place)) } }
            }
            td { (one.series.join(" ")) }
            td.n { (count(one.rows as u64)) }
            td.n { (count(one.trades as u64)) }
            td { @match one.window_ts_ms { Some((from, to)) => { (time(from)) " to " (time(to)) }, None => { "–" } } }
            td { code { (format!("runner verify {}", one.path)) } }
        }
    }
}
