//! Disks that lie, to see that the simulation notices each of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{
    false_disk::Lie::{Append, Rename, Sync, SyncDir, Truncate},
    systematic::Systematic,
};

/// What the simulation has to say about a disk.
fn verdict(all: &Systematic) -> Result<(), String> {
    for spot in all.spots() {
        catch_unwind(AssertUnwindSafe(|| all.strike(spot)))
            .unwrap_or_else(|_| Err("an assertion fails".into()))?;
    }
    Ok(())
}

#[test]
fn a_disk_that_lies_is_found_out() {
    for lie in [
        Sync("decisions.csv"),
        Sync("trades.csv"),
        Sync(".parquet"),
        Sync("revisions.csv"),
        Sync("origin.json"),
        SyncDir("/raw"),
        SyncDir("/decisions"),
        SyncDir("/trades"),
        Append("decisions.csv"),
        Append("trades.csv"),
        Append(".parquet"),
        Append("revisions.csv"),
        Truncate("decisions.csv"),
        Truncate("trades.csv"),
        Rename(".parquet"),
        Rename("decisions.csv"),
        Rename("origin.json"),
    ] {
        let found = verdict(&Systematic::new(lie));
        assert!(found.is_err(), "{lie:?} went unnoticed");
    }
    for lie in [Sync("signals.csv"), SyncDir("/signals")] {
        let found = verdict(&Systematic::hearing(lie));
        assert!(found.is_err(), "{lie:?} went unnoticed");
    }
}
