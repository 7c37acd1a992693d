//! The target against the note of what was deployed there. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    domain::{target::PatternPlace, time::UtcMs},
    jobs::deploy::{
        deployed::ContentStamp,
        facts::HashedTree,
        inventory::{Exclusions, TreeEntry, TreeEntryKind, parents, shown},
    },
};

/// How something is not as it was deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftKind {
    /// It became something else: a file a folder, a folder a link.
    Type,
    /// It has other content.
    Edited,
    /// It is gone.
    Missing,
    /// No deploy sent it.
    Stray,
    /// It has the same content, and other permissions.
    Permissions,
}

impl DriftKind {
    /// Every one of them, the grave ones first.
    pub const ALL: [Self; 5] =
        [Self::Type, Self::Edited, Self::Missing, Self::Stray, Self::Permissions];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Edited => "edited",
            Self::Missing => "missing",
            Self::Stray => "stray",
            Self::Permissions => "permissions",
        }
    }
}

/// What is there now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathNow {
    /// A file, a folder, a link, or something else.
    pub kind: &'static str,
    /// Permissions, octal.
    pub mode: String,
    /// The number of its owner.
    pub uid: u32,
    /// Bytes; of a folder, of everything in it.
    pub bytes: u64,
    /// When it was changed last.
    pub changed: String,
    /// sha256 of the content of a file.
    pub sha256: Option<String>,
}

/// Something that is not as it was deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drifted {
    pub path: Vec<u8>,
    pub what: DriftKind,
    pub was: Option<ContentStamp>,
    pub now: Option<PathNow>,
    /// Files in a stray folder.
    pub inside: usize,
}

/// What the notes of deploys say, by path.
#[derive(Debug, Default)]
pub struct Deploys<'a> {
    /// What the last one deployed.
    pub last: BTreeMap<Vec<u8>, &'a ContentStamp>,
    /// What the one after it was to send, which did not come to its end.
    pub cut: BTreeMap<Vec<u8>, &'a ContentStamp>,
}

/// Everything that is not as it was deployed: by kind, then by path. What is there as a deploy that was cut off sent it is as it was
/// deployed.
pub fn compare(
    target: &HashedTree,
    deploys: &Deploys<'_>,
    exclusions: &Exclusions,
) -> Vec<Drifted> {
    let Deploys { last, cut } = deploys;
    let folders: BTreeSet<&[u8]> =
        last.keys().chain(cut.keys()).flat_map(|path| parents(path)).collect();
    let was_sent =
        |path: &[u8]| cut.get(path).is_some_and(|sent| target.stamp(path).as_ref() == Some(*sent));
    let (mut found, mut stray) = (Vec::<Drifted>::new(), BTreeMap::<&[u8], usize>::new());
    for (path, entry) in target.deployable(exclusions) {
        let above = parents(path).find_map(|folder| stray.get(folder).copied());
        if let Some(above) = above.and_then(|at| found.get_mut(at)) {
            if entry.kind != TreeEntryKind::Folder {
                above.inside += 1;
            }
            if let Some(now) = above.now.as_mut().filter(|_| entry.kind == TreeEntryKind::File) {
                now.bytes = now.bytes.saturating_add(entry.size);
            }
            continue;
        }
        let is_known = entry.kind == TreeEntryKind::Folder
            && !last.contains_key(path)
            && (folders.contains(path) || holds_what_is_hidden(path, exclusions));
        let what = match last.get(path) {
            _ if is_known || was_sent(path) => None,
            None => Some(DriftKind::Stray),
            Some(was) => differs(was, entry, target.hashes.get(path)),
        };
        if let Some(what) = what {
            let was = last.get(path).map(|was| (*was).clone());
            if what == DriftKind::Stray && entry.kind == TreeEntryKind::Folder {
                stray.insert(path, found.len());
            }
            let now = Some(now(entry, target.hashes.get(path)));
            found.push(Drifted { path: path.to_vec(), what, was, now, inside: 0 });
        }
    }
    let gone = last.iter().filter(|(path, _)| {
        let place = PatternPlace::Other;
        target.inventory.get(path).is_none() && !exclusions.hides(path, place)
    });
    found.extend(gone.map(|(path, was)| {
        let was = Some((*was).clone());
        Drifted { path: path.clone(), what: DriftKind::Missing, was, now: None, inside: 0 }
    }));
    found.sort_by(|a, b| (a.what, &a.path).cmp(&(b.what, &b.path)));
    found
}

fn is_inside(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with(b"/"))
}

/// A folder that no deploy made may be there for the sake of what is protected in it.
fn holds_what_is_hidden(path: &[u8], exclusions: &Exclusions) -> bool {
    exclusions.literal_paths().any(|hidden| is_inside(hidden.as_bytes(), path))
}

fn differs(was: &ContentStamp, entry: &TreeEntry, sha256: Option<&String>) -> Option<DriftKind> {
    let Some(now) = ContentStamp::of(entry, sha256) else {
        // A file that came while it was looked at has no hash.
        return Some(if entry.kind == TreeEntryKind::File {
            DriftKind::Edited
        } else {
            DriftKind::Type
        });
    };
    if now.kind() != was.kind() {
        Some(DriftKind::Type)
    } else if now.sha256 != was.sha256 {
        Some(DriftKind::Edited)
    } else if now.mode != was.mode {
        Some(DriftKind::Permissions)
    } else {
        None
    }
}

fn now(entry: &TreeEntry, sha256: Option<&String>) -> PathNow {
    let changed = UtcMs::new(entry.mtime_ns.div_euclid(1_000_000));
    PathNow {
        kind: entry.kind.name(),
        mode: format!("{:03o}", entry.mode),
        uid: entry.uid,
        bytes: if entry.kind == TreeEntryKind::Folder { 0 } else { entry.size },
        changed: changed.map_or_else(|_| "at an odd time".to_owned(), |at| at.to_string()),
        sha256: sha256.cloned(),
    }
}

impl Drifted {
    /// What was, and what is, on one line. Content is named by the beginning of its hash.
    pub fn described(&self) -> String {
        let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_owned();
        let was = self.was.as_ref();
        match (self.what, &self.now) {
            (DriftKind::Edited, Some(now)) => {
                let hash = now.sha256.as_deref().map_or("?".to_owned(), short);
                let was_hash = was.map_or(String::new(), |was| short(&was.sha256));
                let bytes = was.map_or(0, |was| was.size);
                let (mode, then) = (&now.mode, was.map_or("", ContentStamp::permissions));
                let modes =
                    if mode == then { String::new() } else { format!(", mode {then} to {mode}") };
                let hashes = format!("sha256 {was_hash} to {hash}");
                format!("{bytes} to {} bytes, {hashes}{modes}, {}", now.bytes, touched(now))
            }
            (DriftKind::Type, Some(now)) => {
                let then = was.map_or("", ContentStamp::kind_name);
                format!("was a {then}, is a {}, {}", now.kind, touched(now))
            }
            (DriftKind::Permissions, Some(now)) => {
                format!("mode {} to {}", was.map_or("", ContentStamp::permissions), now.mode)
            }
            (DriftKind::Stray, Some(now)) => {
                let inside = if now.kind == TreeEntryKind::Folder.name() {
                    format!(" of {} files", self.inside)
                } else {
                    String::new()
                };
                format!("a {}{inside}, {} bytes, {}", now.kind, now.bytes, touched(now))
            }
            (_, None) | (DriftKind::Missing, Some(_)) => {
                format!("had {} bytes", was.map_or(0, |was| was.size))
            }
        }
    }

    /// The path as reports show it.
    pub fn name(&self) -> String {
        shown(&self.path)
    }
}

fn touched(now: &PathNow) -> String {
    format!("user {}, changed {}", now.uid, now.changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        jobs::deploy::inventory::Inventory,
        manifest::{DeployCheck, Parsed},
    };

    /// Lines `KIND MODE SIZE PATH HASH`, the hash only of files.
    fn tree(lines: &[(&str, &str, &str)]) -> HashedTree {
        let mut output = b"d 755 0 0 1 1.5 1 \0\0".to_vec();
        let mut hashes = BTreeMap::new();
        for (head, path, rest) in lines {
            let link = if head.starts_with('l') { *rest } else { "" };
            output.extend(format!("{head} 7 0 5 1.5 1 {path}\0{link}\0").bytes());
            if head.starts_with('f') {
                hashes.insert(path.as_bytes().to_vec(), (*rest).to_owned());
            }
        }
        HashedTree { inventory: Inventory::parse(&output).unwrap(), hashes }
    }

    type Line<'a> = (&'a str, &'a str, &'a str);

    fn stamps(tree: &HashedTree) -> BTreeMap<Vec<u8>, ContentStamp> {
        let paths = tree.inventory.entries.keys();
        paths.filter_map(|path| Some((path.clone(), tree.stamp(path)?))).collect()
    }

    fn by_path(stamps: &BTreeMap<Vec<u8>, ContentStamp>) -> BTreeMap<Vec<u8>, &ContentStamp> {
        stamps.iter().map(|(path, stamp)| (path.clone(), stamp)).collect()
    }

    fn found(was: &[Line<'_>], is: &[Line<'_>]) -> Vec<String> {
        found_after(was, &[], is)
    }

    fn found_after(was: &[Line<'_>], sent: &[Line<'_>], is: &[Line<'_>]) -> Vec<String> {
        let is = tree(is);
        let (was, sent) = (stamps(&tree(was)), stamps(&tree(sent)));
        let deploys = Deploys { last: by_path(&was), cut: by_path(&sent) };
        let mut rules = DeployCheck::default();
        rules.protect.paths.push(Parsed::new("/state/live".parse().unwrap()));
        let exclusions = Exclusions::new(&rules);
        let told = compare(&is, &deploys, &exclusions).into_iter();
        told.map(|one| format!("{} {}", one.what.name(), one.name())).collect()
    }

    #[test]
    fn every_way_to_differ_is_told_and_nothing_else() {
        let was = [
            ("d 755", "a", ""),
            ("f 644", "a/x", "1"),
            ("f 644", "y", "2"),
            ("l 777", "z", "y"),
            ("f 644", "w", "4"),
        ];
        assert!(found(&was, &was).is_empty());
        let is = [
            ("d 755", "a", ""),
            ("f 600", "a/x", "1"),
            ("f 644", "y", "3"),
            ("f 644", "z", "y"),
            ("f 644", "new", "5"),
        ];
        let all = ["type z", "edited y", "missing w", "stray new", "permissions a/x"];
        assert_eq!(found(&was, &is), all);
    }

    #[test]
    fn what_a_deploy_sent_before_it_was_cut_off_is_no_drift() {
        let was = [("f 644", "x", "1"), ("f 644", "y", "1"), ("f 644", "z", "1")];
        let sent = [("f 644", "x", "2"), ("f 644", "y", "2"), ("f 644", "new/a", "2")];
        let cut = [("f 644", "x", "2"), ("f 644", "y", "1"), ("f 644", "z", "1")];
        let with = |more: &[Line<'static>]| [cut.as_slice(), more].concat();
        assert!(found_after(&was, &sent, &with(&[])).is_empty());
        let folder = ("d 755", "new", "");
        assert!(found_after(&was, &sent, &with(&[folder])).is_empty());
        assert!(found_after(&was, &sent, &with(&[folder, ("f 644", "new/a", "2")])).is_empty());
        let edited = with(&[folder, ("f 644", "new/a", "3"), ("f 644", "new/b", "2")]);
        assert_eq!(found_after(&was, &sent, &edited), ["stray new/a", "stray new/b"]);
        let neither = [("f 644", "x", "3"), ("f 644", "y", "2"), ("f 644", "z", "2")];
        assert_eq!(found_after(&was, &sent, &neither), ["edited x", "edited z"]);
    }

    #[test]
    fn a_stray_folder_is_told_once_and_protected_paths_never() {
        let was = [("f 644", "y", "2")];
        let is = [
            ("d 755", ".env.d", ""),
            ("f 644", ".env", "0"),
            ("d 755", "data", ""),
            ("f 644", "data/x", "0"),
            ("d 755", "empty", ""),
            ("d 755", "left", ""),
            ("d 755", "left/deep", ""),
            ("f 644", "left/deep/x", "1"),
            ("f 644", "left-over", "1"),
            ("d 755", "state", ""),
            ("d 755", "state/live", ""),
            ("f 644", "state/other", "1"),
            ("f 644", "y", "2"),
        ];
        let all = ["stray empty", "stray left", "stray left-over", "stray state/other"];
        assert_eq!(found(&was, &is), all);
    }
}
