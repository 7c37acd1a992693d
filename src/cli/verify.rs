//! `runner verify`: a proof checked again, from the files it names.

use std::{
    fs,
    io::Read as _,
    path::{Component, Path, PathBuf},
};

use serde_json::json;

use super::{
    claims::{ClaimOwner, check_again, check_itself},
    output::{print, print_json, say},
    view::tell,
};
use crate::{
    exit::Exit,
    jobs::{
        context::Failure,
        equivalence::{
            both::{Compared, compare_files},
            compare::ComparisonRules,
            proof::{LedgerHash, Proof, SCHEMA},
        },
    },
    session::{
        card::Origin,
        reader::{Extent, Files},
    },
    store::{
        digest::sha256_of,
        disk::{Disk as _, RealDisk},
        error::StoreError,
        layout::Layout,
    },
};

/// Longest proof that is read, in bytes.
const PROOF_MAX: u64 = 4 << 20;

/// Checks hashes and verdict, and says which of them no longer holds.
pub fn verify(root: &Path, path: &Path, json: bool) -> Exit {
    match check(root, path) {
        Ok(broken) if broken.is_empty() => {
            if json {
                print_json(&json!({ "schema": "mjolnir.verify/1", "holds": true, "broken": [] }));
            } else {
                print("the proof holds: all hashes, counts and verdicts are the same\n");
            }
            Exit::Ok
        }
        Ok(broken) => {
            if json {
                print_json(
                    &json!({ "schema": "mjolnir.verify/1", "holds": false, "broken": broken }),
                );
            }
            for line in &broken {
                say(&format!("broken: {line}"));
            }
            Exit::Negative
        }
        Err(failure) => tell(&failure, json),
    }
}

fn check(root: &Path, path: &Path) -> Result<Vec<String>, Failure> {
    let bytes = read(path, PROOF_MAX)?;
    if bytes.len() as u64 == PROOF_MAX {
        let message = format!("{}: a proof is shorter than {PROOF_MAX} bytes", path.display());
        return Err(Failure::new(Exit::Data, message));
    }
    let damaged =
        |reason: String| Failure::new(Exit::Data, format!("{}: {reason}", path.display()));
    let proof: Proof =
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if proof.schema != SCHEMA {
        return Err(damaged(format!("schema `{}`, expected `{SCHEMA}`", proof.schema)));
    }
    let whose = ClaimOwner::of(&proof).map_err(&damaged)?;
    let mut broken = Vec::new();
    let disk = RealDisk::new(Layout::new(root).data());
    check_itself(&proof, &mut broken);
    whose.check_files(root, &proof, &mut broken);
    let sides = [&proof.live, &proof.backtest];
    for ledger in sides.into_iter().flat_map(|side| [&side.decisions, &side.trades]) {
        check_hash(&disk, root, ledger, &mut broken)?;
    }
    if !broken.is_empty() {
        return Ok(broken);
    }
    let around = whose.check_origins(&disk, root, &proof, &mut broken)?;
    let compared =
        compare_again(&disk, root, &proof, &whose).map_err(|error| damaged(error.to_string()))?;
    check_again(&proof, &compared, &around, &mut broken);
    whose.check_drift(&disk, root, &proof, &mut broken)?;
    Ok(broken)
}

fn compare_again(
    disk: &RealDisk,
    root: &Path,
    proof: &Proof,
    whose: &ClaimOwner,
) -> Result<Compared, StoreError> {
    let [live, backtest] = [&proof.live, &proof.backtest].map(|side| {
        let files = Files {
            decisions: root.join(&side.decisions.path),
            trades: root.join(&side.trades.path),
            timing: PathBuf::new(),
        };
        let (decisions, trades) = (side.decisions.bytes, side.trades.bytes);
        (files, Extent { decisions, trades, timing: 0, is_torn: false })
    });
    let origin = live.0.decisions.with_file_name("origin.json");
    let origin = disk.read(&origin)?.and_then(|bytes| Origin::from_json(&bytes).ok());
    let terms = ComparisonRules {
        same_policy: proof.live.stop_fill == proof.backtest.stop_fill,
        reads_equity: origin.is_some_and(|origin| origin.card.equity_reader().is_some()),
    };
    let sides = [(&live.0, live.1), (&backtest.0, backtest.1)];
    compare_files(disk, &whose.series, sides, terms, None)
}

/// Adds what is not as the proof says about one of its files.
fn check_hash(
    disk: &RealDisk,
    root: &Path,
    ledger: &LedgerHash,
    broken: &mut Vec<String>,
) -> Result<(), Failure> {
    let path = Path::new(&ledger.path);
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        let message = format!("{}: a ledger of a proof is below the root", path.display());
        return Err(Failure::new(Exit::Data, message));
    }
    let path = &root.join(path);
    if ledger.bytes > 0 {
        refuse_irregular(path)?;
    }
    let (bytes, sha256) = sha256_of(disk, path, ledger.bytes)?;
    if bytes < ledger.bytes {
        broken.push(format!("{} has only {bytes} of {} bytes", ledger.path, ledger.bytes));
    }
    if sha256 != ledger.sha256 {
        broken.push(format!("{} was changed: its hash is not the one in the proof", ledger.path));
    }
    Ok(())
}

/// A pipe or a device may never end.
fn refuse_irregular(path: &Path) -> Result<(), Failure> {
    let missing =
        |error: std::io::Error| Failure::new(Exit::Nothing, format!("{}: {error}", path.display()));
    if fs::metadata(path).map_err(missing)?.is_file() {
        return Ok(());
    }
    Err(Failure::new(Exit::Data, format!("{}: it is not a regular file", path.display())))
}

/// The first bytes of a regular file.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let missing =
        |error: std::io::Error| Failure::new(Exit::Nothing, format!("{}: {error}", path.display()));
    refuse_irregular(path)?;
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(missing)?;
    file.take(most).read_to_end(&mut bytes).map_err(missing)?;
    Ok(bytes)
}
