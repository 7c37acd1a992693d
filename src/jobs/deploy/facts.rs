//! All that was seen on both sides, as values: the judges decide on nothing else.

use std::{collections::BTreeMap, fmt::Write as _};

use sha2::{Digest as _, Sha256};

use super::{
    compose::{ComposeService, NotJudged},
    deployed::{ContentStamp, Deployed},
    git::{Ancestry, GitFacts},
    inventory::{Exclusions, Inventory, TreeEntry, TreeEntryKind},
    programs::CommandError,
    rsync_output::RsyncOutput,
};

/// A tree and the content of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedTree {
    /// What is where.
    pub inventory: Inventory,
    /// sha256 of files, by path.
    pub hashes: BTreeMap<Vec<u8>, String>,
}

impl HashedTree {
    /// What is part of a deploy.
    pub fn deployable<'a>(
        &'a self,
        exclusions: &'a Exclusions,
    ) -> impl Iterator<Item = (&'a [u8], &'a TreeEntry)> {
        let entries = self.inventory.entries.iter();
        let seen = entries.filter(|(path, entry)| !exclusions.hides(path, entry.kind.place()));
        seen.map(|(path, entry)| (path.as_slice(), entry))
    }

    /// The stamp of a file or link; `None` when there is none of that path.
    pub fn stamp(&self, path: &[u8]) -> Option<ContentStamp> {
        ContentStamp::of(self.inventory.get(path)?, self.hashes.get(path))
    }

    /// One hash of all that is part of a deploy: names, types, permissions, times of files, content. Times of folders are left out:
    /// the lock of a deploy changes them.
    pub fn digest(&self, exclusions: &Exclusions) -> String {
        let mut digest = Sha256::new();
        for (path, entry) in self.deployable(exclusions) {
            digest.update(path);
            let time = if entry.kind == TreeEntryKind::File { entry.mtime_ns } else { 0 };
            let TreeEntry { mode, uid, gid, .. } = entry;
            let kind = entry.kind.name();
            digest.update(format!("\0{kind} {mode:o} {uid} {gid} {time} ").as_bytes());
            digest.update(self.hashes.get(path).map_or("", String::as_str).as_bytes());
            digest.update(b"\0");
            digest.update(&entry.link);
            digest.update(b"\0");
        }
        digest.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// Room on the file system of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeSpace {
    pub side: &'static str,
    pub bytes: u64,
    /// Free files; `None` where the file system does not count them.
    pub inodes: Option<u64>,
}

/// What containers would publish, under one set of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedPorts {
    pub with: &'static str,
    /// The services, or why they are not judged.
    pub services: Result<Vec<ComposeService>, NotJudged>,
}

/// Which way the deploy goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the commit that is checked out.
    Forward,
    /// To a commit that was deployed before: an older source is what is wanted.
    Back,
}

#[derive(Debug, Clone)]
pub struct DeployFacts {
    /// The last name of the source folder.
    pub source_name: Vec<u8>,
    pub source: HashedTree,
    pub target: HashedTree,
    /// What git says about the source.
    pub git: GitFacts,
    /// Which way the deploy goes.
    pub direction: Direction,
    /// Whether it follows on the deployed commit.
    pub ancestry: Ancestry,
    /// What was deployed last; `None` when nothing was.
    pub deployed: Option<Deployed>,
    /// What a deploy was sending when it was cut off; `None` when none was.
    pub deploying: Option<Deployed>,
    /// Locks of ledgers that a live loop holds on the target, or why that is not known.
    pub writers: Result<Vec<Vec<u8>>, CommandError>,
    /// What a deploy would do.
    pub plan: RsyncOutput,
    /// What only the target has.
    pub target_only: RsyncOutput,
    /// Lines of files to be sent that look like secrets.
    pub secret_lines: Vec<(Vec<u8>, usize)>,
    /// Ports of containers.
    pub published: Vec<PublishedPorts>,
    /// Room on both sides.
    pub space: Vec<FreeSpace>,
    /// The user on the target, by number.
    pub uid: u32,
}
