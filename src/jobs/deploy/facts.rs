//! All that was seen on both sides, as values: the judges decide on nothing else.

use std::{collections::BTreeMap, fmt::Write as _};

use sha2::{Digest as _, Sha256};

use super::{
    compose::Service,
    deployed::{Deployed, Stamp},
    git::{Ancestry, GitFacts},
    inventory::{Entry, Inventory, Kind},
    listing::Listing,
    shields::Shields,
};

/// A tree and the content of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// What stands where.
    pub inventory: Inventory,
    /// sha256 of files, by path.
    pub hashes: BTreeMap<Vec<u8>, String>,
}

impl Tree {
    /// What is part of a deploy.
    pub fn seen<'a>(&'a self, shields: &'a Shields) -> impl Iterator<Item = (&'a [u8], &'a Entry)> {
        let entries = self.inventory.entries.iter();
        let seen = entries.filter(|(path, entry)| !shields.hides(path, entry.kind.place()));
        seen.map(|(path, entry)| (path.as_slice(), entry))
    }

    /// The stamp of a file or link; `None` when there is none of that path.
    pub fn stamp(&self, path: &[u8]) -> Option<Stamp> {
        Stamp::of(self.inventory.get(path)?, self.hashes.get(path))
    }

    /// One hash of all that is part of a deploy: names, types, permissions, times of files, content.
    pub fn digest(&self, shields: &Shields) -> String {
        let mut digest = Sha256::new();
        for (path, entry) in self.seen(shields) {
            digest.update(path);
            let time = if entry.kind == Kind::File { entry.mtime_ns } else { 0 };
            let Entry { mode, uid, gid, .. } = entry;
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

/// Room where a tree lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Which side.
    pub side: &'static str,
    /// Free bytes.
    pub bytes: u64,
    /// Free files; `None` where the file system does not count them.
    pub inodes: Option<u64>,
}

/// What containers would publish, under one set of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Which variables.
    pub with: &'static str,
    /// The services, or why nobody knows.
    pub services: Result<Vec<Service>, String>,
}

/// Which way the deploy goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the commit that is checked out.
    Forward,
    /// To a commit that was deployed before: an older source is what is wanted.
    Back,
}

/// All that was seen.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The last name of the source folder.
    pub source_name: Vec<u8>,
    /// Here.
    pub source: Tree,
    /// There.
    pub target: Tree,
    /// What git says about the source.
    pub git: GitFacts,
    /// Which way the deploy goes.
    pub way: Way,
    /// How the deployed commit lies to it.
    pub ancestry: Ancestry,
    /// What was deployed last; `None` when nothing was.
    pub deployed: Option<Deployed>,
    /// What a deploy was sending when it was cut off; `None` when none was.
    pub deploying: Option<Deployed>,
    /// Locks of ledgers that a live loop holds on the target, or why nobody can tell.
    pub writers: Result<Vec<Vec<u8>>, String>,
    /// What a deploy would do.
    pub plan: Listing,
    /// What only the target has.
    pub target_only: Listing,
    /// Lines of files to be sent that look like secrets.
    pub telling_lines: Vec<(Vec<u8>, usize)>,
    /// Ports of containers.
    pub published: Vec<Published>,
    /// Room on both sides.
    pub space: Vec<Space>,
    /// The user on the target, by number.
    pub uid: u32,
}
