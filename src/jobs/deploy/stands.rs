//! What stands on the target, as programs there tell it.

use super::{
    argv,
    facts::Tree,
    hands::{Complaint, Hands, good, words},
    inventory::{Inventory, parse_hashes},
    shields::Shields,
};
use crate::{jobs::context::Failure, manifest::Target};

/// Something that could not be seen: a complaint, or a failure of this machine.
pub enum Blind {
    /// Why it could not be seen.
    Complaint(String),
    /// What this machine could not do.
    Failure(Failure),
}

impl From<Failure> for Blind {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Complaint> for Blind {
    fn from(complaint: Complaint) -> Self {
        Self::Complaint(complaint.message)
    }
}

impl From<String> for Blind {
    fn from(message: String) -> Self {
        Self::Complaint(message)
    }
}

/// The tree of the target. Protected and excluded folders are not looked into.
pub fn tree(hands: &Hands<'_>, target: &Target, shields: &Shields) -> Result<Tree, Blind> {
    let path = target.path.get().as_str();
    let listed = good("find, there,", hands.there(&argv::list(path, shields))?)?;
    let hashed = good("sha256sum, there,", hands.there(&argv::hashes(path, shields))?)?;
    Ok(Tree { inventory: Inventory::parse(&listed)?, hashes: parse_hashes(&hashed, path)? })
}

/// A file at the top of the target, written with its slash; `None` where the tree has none.
pub fn file(
    hands: &Hands<'_>,
    target: &Target,
    tree: &Tree,
    name: &str,
) -> Result<Option<Vec<u8>>, Blind> {
    let bare = name.trim_start_matches('/');
    if tree.inventory.get(bare.as_bytes()).is_none() {
        return Ok(None);
    }
    let file = format!("{}/{bare}", target.path);
    let said = hands.there(&words(["cat", "--", file.as_str()]))?;
    Ok(Some(good(&format!("cat {file}, there,"), said)?))
}
