//! The proofs of a tag on the disk, and what they say; and new names for more of them.

use std::path::PathBuf;

use super::proof::Proof;
use crate::{
    domain::{
        ids::{RunId, Tag},
        time::UtcMs,
    },
    store::{disk::Disk, error::StoreError, layout::Layout},
};

/// How names begin that are made from a time.
const STEM: &str = "eqflat_";
/// How many names of one millisecond are tried.
const NAMES_MAX: u32 = 1_000;

/// What is in the folder of one comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// A proof.
    Proof(Box<Proof>),
    /// Nothing, or nothing that can be read.
    Nothing,
}

/// The folder that one comparison left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its run.
    pub run: RunId,
    /// The folder.
    pub dir: PathBuf,
    /// What is in it.
    pub left: Left,
}

/// Every comparison of a tag that left a folder, in the order of the names; first those of an older build, which had the folders of all
/// tags in one. Of those that cannot be read it is not known whether they are of this tag.
pub fn proofs<D: Disk>(disk: &D, layout: &Layout, tag: &Tag) -> Result<Vec<Found>, StoreError> {
    let mut all = Vec::new();
    for (home, is_shared) in [(layout.proofs_dir(), true), (layout.tag_proofs_dir(tag), false)] {
        for name in disk.list(&home)? {
            let (Ok(run), dir) = (name.parse::<RunId>(), home.join(&name)) else { continue };
            let bytes = disk.read(&dir.join("proof.json")).ok().flatten();
            // The folder of a tag holds folders only.
            if is_shared && bytes.is_none() && disk.len(&dir.join("report.txt"))?.is_none() {
                continue;
            }
            let proof = bytes.and_then(|bytes| Proof::from_json(&bytes));
            if proof.as_ref().is_some_and(|proof| proof.tag != tag.as_str()) {
                continue;
            }
            let left = proof.map_or(Left::Nothing, |proof| Left::Proof(Box::new(proof)));
            all.push(Found { run, dir, left });
        }
    }
    Ok(all)
}

/// Names for a comparison that starts now, the first one that is free to be taken. With a tag so long that milliseconds find no room
/// they have only seconds.
pub fn names(tag: &Tag, now: UtcMs) -> impl Iterator<Item = RunId> {
    let fits = |name: &RunId| tag.backtest(name).is_ok();
    let stem = ["%Y%m%d_%H%M%S_%3f", "%Y%m%d_%H%M%S"]
        .into_iter()
        .filter_map(|pattern| format!("{STEM}{}", now.format(pattern)).parse::<RunId>().ok())
        .find(fits);
    let numbered = |stem: RunId| {
        let more = stem.clone();
        let more = (2..NAMES_MAX).filter_map(move |n| format!("{more}_{n}").parse::<RunId>().ok());
        [stem].into_iter().chain(more)
    };
    stem.into_iter().flat_map(numbered).filter(fits).collect::<Vec<_>>().into_iter()
}

/// The run id in a name made from a time: `eqflat_YYYYmmdd_HHMMSS`, milliseconds perhaps, a number behind them perhaps, and nothing else.
pub(super) fn stamped(name: &str) -> Option<RunId> {
    let parts: Vec<&str> = name.strip_prefix(STEM)?.split('_').collect();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let is_ours = matches!(lengths[..], [8, 6] | [8, 6, 3] | [8, 6, 3, 1..=3]);
    (is_ours && parts.into_iter().all(digits)).then(|| name.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_millisecond_differ_and_fit_behind_their_tag() {
        let now = UtcMs::new(1_700_000_000_007).unwrap();
        let of = |tag: &str| -> Vec<String> {
            names(&tag.parse().unwrap(), now).take(3).map(|name| name.to_string()).collect()
        };
        let first = "eqflat_20231114_221320_007";
        assert_eq!(of("paper"), [first.to_owned(), format!("{first}_2"), format!("{first}_3")]);
        assert_eq!(of(&"x".repeat(34)), [first], "there is no room for a number");
        assert_eq!(
            of(&"x".repeat(35)),
            ["eqflat_20231114_221320", "eqflat_20231114_221320_2", "eqflat_20231114_221320_3"]
        );
        assert_eq!(of(&"x".repeat(39)), [""; 0]);
        for name in of("paper") {
            assert_eq!(stamped(&name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn only_names_made_from_a_time_are_ours() {
        for ours in
            ["eqflat_20240101_000000", "eqflat_20240101_000000_012", "eqflat_20240101_000000_012_2"]
        {
            assert!(stamped(ours).is_some(), "{ours}");
        }
        for other in [
            "eqflat_20240101_00000",
            "eqflat_20240101_0000000",
            "eqflat_20240101_000000_2",
            "eqflat_20240101_000000_0120",
            "eqflat_20240101_000000_012_",
            "eqflat_20240101_000000_012_x",
            "eqflat_20240101_000000_012_2_2",
            "eqflat_2024o101_000000",
            "xeqflat_20240101_000000",
            "eqflat_20240101-000000",
            "eqflat_+0240101_000000",
            "eqflat_",
            "march",
        ] {
            assert_eq!(stamped(other), None, "{other}");
        }
    }
}
