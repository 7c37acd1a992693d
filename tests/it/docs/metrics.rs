//! docs/METRICS.md against `/metrics`: the same names, of the same types.

use std::collections::BTreeMap;

use mjolnir::{
    domain::time::UtcMs,
    serve::{
        metrics::{Loops, from_openmetrics, page},
        run_metrics::{RunMetrics, TurnMetrics},
    },
    store::{
        disk::RealDisk,
        layout::Layout,
        runs::{RunRecord, RunState, RunStore},
    },
};

use super::text;
use crate::e2e::fixture::{NOON, ledger};

#[test]
fn every_metric_is_documented_and_no_other() {
    let root = ledger(NOON);
    let layout = Layout::new(root.path());
    let disk = RealDisk::new(layout.data());
    let store = RunStore::open(&disk, &layout).unwrap();
    let now = UtcMs::new(1_700_000_000_000).unwrap();
    let board = RunMetrics::new("b");
    let schedules = vec![("fetch.1".to_owned(), now)];
    board.turned(TurnMetrics { jobs: Some(1), schedules, ..TurnMetrics::default() });
    let run =
        RunRecord::first("r1".parse().unwrap(), ("fetch", "fetch"), RunState::Succeeded, now, "b");
    board.observe(&RunRecord { ended: Some(now), due: Some(("fetch.1".to_owned(), now)), ..run });
    let mut loops = Loops::default();
    let page = page(&board, &store, (&disk, &layout), &mut loops, now).unwrap();
    let plain = from_openmetrics(&page);
    let shown: BTreeMap<String, String> = plain
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    let text = text("docs/METRICS.md");
    let documented: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `mjolnir_")?.split_once("` | "))
        .map(|(name, rest)| {
            let kind = rest.split(' ').next().unwrap_or_default();
            (format!("mjolnir_{name}"), kind.to_owned())
        })
        .collect();
    assert_eq!(documented, shown);
}
