//! The proofs that lie on the disk: which there are of a tag, and what they say.

use super::proof::Proof;
use crate::{
    domain::ids::RunId,
    store::{disk::Disk, error::StoreError, layout::Layout},
};

/// What lies in the folder of one comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// A proof.
    Proof(Box<Proof>),
    /// Nothing, or nothing that can be read.
    Nothing,
}

/// Every comparison that left a folder, in the order of the names.
pub fn proofs<D: Disk>(disk: &D, layout: &Layout) -> Result<Vec<(RunId, Left)>, StoreError> {
    let names = disk.list(&layout.proofs_dir())?;
    let runs = names.iter().filter_map(|name| name.parse::<RunId>().ok());
    let left = |run: RunId| {
        let bytes = disk.read(&layout.proof_dir(&run).join("proof.json")).ok().flatten();
        let proof = bytes.and_then(|bytes| Proof::from_json(&bytes));
        let left = proof.map_or(Left::Nothing, |proof| Left::Proof(Box::new(proof)));
        (run, left)
    };
    Ok(runs.map(left).collect())
}
