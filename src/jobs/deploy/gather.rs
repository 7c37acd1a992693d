//! The shell that looks: starts the programs, reads the files, and hands on what was seen. What cannot be seen is a finding.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    argv::{self, Pass, VANISHED},
    compose::{Env, Folder, Variables, running, services, sets},
    deployed::{Deployed, Stage},
    facts::{Facts, Published, Space, Tree, Way},
    finding::{Findings, There},
    git::{self, Ancestry, Origin},
    hands::{Hands, good, words},
    inventory::{Inventory, parse_hashes},
    itemize::{Change, ItemKind},
    listing::Listing,
    secrets::{LOOKED_AT_MAX, telling_lines},
    shields::{DEPLOYED, DEPLOYING, LOCK, Shields},
    stands::{self, Blind},
    there_lock,
    writers::writers,
};
use crate::{
    jobs::context::Failure,
    manifest::{DeployCheck, Refusal, Target},
    store::digest::sha256_hex,
};

/// The oldest rsync whose words are understood.
const RSYNC_MIN: (u32, u32) = (3, 1);

/// One look.
pub struct Look<'a> {
    /// Starts programs.
    pub hands: &'a Hands<'a>,
    /// Where the deploy would go.
    pub target: &'a Target,
    /// What the manifest demands.
    pub rules: &'a DeployCheck,
    /// What is left alone.
    pub shields: &'a Shields,
    /// The folder to deploy, without links in its path.
    pub source: PathBuf,
    /// Where that folder comes from.
    pub origin: &'a Origin,
    /// Whose lock on the target may stand.
    pub held: Held,
}

/// Whose lock on the target may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Nobody's.
    ByNobody,
    /// Ours.
    ByUs,
}

/// What was seen, and what a plan relies on besides.
pub struct Seen {
    /// All that was seen.
    pub facts: Facts,
    /// Texts and hashes for the plan.
    pub parts: BTreeMap<String, String>,
}

/// Looks at both sides; `None` when something could not be seen, with the reason among the findings.
pub fn gather(look: &Look<'_>, findings: &mut Findings<'_>) -> Result<Option<Seen>, Failure> {
    match look.all(findings) {
        Ok(seen) => Ok(Some(seen)),
        Err(Blind::Complaint(what)) => {
            let next = There(look.target).command("rsync --version");
            findings.add(Refusal::NotUnderstood, what, next);
            Ok(None)
        }
        Err(Blind::Failure(failure)) => Err(failure),
    }
}

impl Look<'_> {
    fn all(&self, findings: &mut Findings<'_>) -> Result<Seen, Blind> {
        let mut parts = BTreeMap::new();
        let versions = [
            ("here", self.hands.here(words(["rsync", "--version"]), &self.source, [].into())?),
            ("there", self.hands.there(&words(["rsync", "--version"]))?),
        ];
        for (side, said) in versions {
            let version = rsync_version(&good(&format!("rsync --version, {side},"), said)?)
                .map_err(|why| format!("rsync, {side}: {why}"))?;
            parts.insert(format!("rsync-{side}"), version);
        }
        let (source, target) =
            (self.source_tree()?, stands::tree(self.hands, self.target, self.shields)?);
        let (asked, repository, way) = match self.origin {
            Origin::Worktree => (git::ask(self.hands, &self.source)?, &self.source, Way::Forward),
            Origin::Commit { repository, commit } => {
                (git::at(self.hands, repository, commit)?, repository, Way::Back)
            }
        };
        let git = match asked {
            Ok(git) => git,
            Err(complaint) => {
                let what = format!("git knows nothing of the source: {}", complaint.message);
                findings.add(Refusal::DirtyTree, what, "git status");
                git::GitFacts::default()
            }
        };
        let deployed = self.note(&target, (DEPLOYED, Stage::Deployed), findings, &mut parts)?;
        let deploying = self.note(&target, (DEPLOYING, Stage::Deploying), findings, &mut parts)?;
        let ancestry = match (&deployed, &git.commit) {
            (None, _) => Ancestry::NothingDeployed,
            (Some(_), None) => Ancestry::UnknownCommit,
            (Some(last), Some(head)) => git::ancestry(self.hands, repository, &last.commit, head)?,
        };
        let plan = self.rsync(Pass::Plan, findings, &mut parts)?;
        let target_only = self.rsync(Pass::TargetOnly, findings, &mut parts)?;
        let telling_lines = self.telling(&plan);
        let published = self.published(&source, &target, deployed.as_ref(), &mut parts)?;
        let space = vec![self.space("here")?, self.space("there")?];
        let uid = good("id", self.hands.there(&words(["id", "-u"]))?)?;
        let uid = String::from_utf8_lossy(uid.trim_ascii())
            .parse()
            .map_err(|_| "id -u gave no number".to_owned())?;
        let writers = writers(self.hands, self.target)?;
        self.moved(&source, &target, findings)?;
        parts.insert("head".to_owned(), git.commit.clone().unwrap_or_default());
        parts.insert("source".to_owned(), source.digest(self.shields));
        parts.insert("target".to_owned(), target.digest(self.shields));
        let name = repository.file_name().map(std::ffi::OsStr::as_encoded_bytes);
        let source_name = name.unwrap_or_default().to_vec();
        let facts = Facts {
            source_name,
            source,
            target,
            git,
            way,
            ancestry,
            deployed,
            deploying,
            writers,
            plan,
            target_only,
            telling_lines,
            published,
            space,
            uid,
        };
        Ok(Seen { facts, parts })
    }

    fn source_tree(&self) -> Result<Tree, Blind> {
        let here = |argv| self.hands.here(argv, &self.source, BTreeMap::new());
        let listed = good("find, here,", here(argv::list(".", self.shields))?)?;
        let hashed = good("sha256sum, here,", here(argv::hashes(".", self.shields))?)?;
        Ok(Tree { inventory: Inventory::parse(&listed)?, hashes: parse_hashes(&hashed, ".")? })
    }

    /// What the target keeps about a deploy.
    fn note(
        &self,
        target: &Tree,
        (name, stage): (&str, Stage),
        findings: &mut Findings<'_>,
        parts: &mut BTreeMap<String, String>,
    ) -> Result<Option<Deployed>, Blind> {
        let Some(bytes) = stands::file(self.hands, self.target, target, name)? else {
            return Ok(None);
        };
        parts.insert(name.trim_start_matches('/').to_owned(), sha256_hex(&bytes));
        let next = There(self.target).command(&format!("cat PATH{name}"));
        match Deployed::parse(stage, &bytes) {
            Ok(note) => Ok(Some(note)),
            Err(why) => {
                let what = format!("{}{name} cannot be read: {why}", self.target.path);
                findings.add(Refusal::Drift, what, next);
                Ok(None)
            }
        }
    }

    /// One dry run. A source that changed meanwhile is looked at once more.
    fn rsync(
        &self,
        pass: Pass,
        findings: &mut Findings<'_>,
        parts: &mut BTreeMap<String, String>,
    ) -> Result<Listing, Blind> {
        let source = self.source.to_str().ok_or("the path of the source is no UTF-8".to_owned())?;
        let argv = argv::rsync(pass, self.shields, source, self.target);
        if pass == Pass::Plan {
            if let Some(word) = argv::dangerous(&argv) {
                let what = format!("rsync would be started with {word}");
                findings.add(Refusal::Deletes, what, "man rsync");
            }
            parts.insert("argv".to_owned(), argv.join("\n"));
        }
        let start = || self.hands.here(argv.clone(), self.hands.dir(), BTreeMap::new());
        let mut said = start()?;
        if said.code == VANISHED {
            said = start()?;
        }
        let listing = Listing::parse(&said.stdout);
        if let Err(complaint) = good("rsync", said) {
            findings.add(
                Refusal::NotUnderstood,
                complaint.message,
                There(self.target).command("ls -la PATH"),
            );
        }
        Ok(listing)
    }

    /// Lines that look like secrets, in files that would be sent.
    fn telling(&self, plan: &Listing) -> Vec<(Vec<u8>, usize)> {
        let sent = plan
            .items
            .iter()
            .filter(|item| item.change == Change::Content && item.kind == ItemKind::File);
        let lines = sent.flat_map(|item| {
            telling_lines(&self.content(&item.name))
                .into_iter()
                .map(|line| (item.name.clone(), line))
        });
        lines.collect()
    }

    /// Ports of containers: with the defaults of the files, and with the variables of the target.
    fn published(
        &self,
        source: &Tree,
        target: &Tree,
        deployed: Option<&Deployed>,
        parts: &mut BTreeMap<String, String>,
    ) -> Result<Vec<Published>, Blind> {
        let named = self.rules.ports.compose_file.get().as_str();
        let has = |file: &str| source.inventory.get(file.as_bytes()).is_some();
        // What an earlier deploy brought was judged by it.
        let known = deployed.map(Deployed::files).unwrap_or_default();
        let has_unknown = |file: &str| {
            let file = file.as_bytes();
            let only_there = source.inventory.get(file).is_none() && !known.contains_key(file);
            only_there && target.inventory.get(file).is_some()
        };
        let folder = Folder { named, has: &has, has_unknown: &has_unknown };
        let there = stands::file(self.hands, self.target, target, "/.env")?;
        let there = there.map(|bytes| Variables::parse(&bytes)).unwrap_or_default();
        let (dir, text, empty) = (&self.source, self.compose_text(source), self.hands.empty()?);
        let mut published = Vec::new();
        for (with, env) in
            [("with the defaults", Variables::default()), ("with the .env of the target", there)]
        {
            let ask = |files: &Vec<String>| {
                let env = Env::Given { variables: &env, text: &text, empty: &empty };
                Published { with, services: services(self.hands, (dir, files), &env) }
            };
            let found = match sets(&folder, &env) {
                Ok(sets) => sets.iter().map(ask).collect(),
                Err(why) => vec![Published { with, services: Err(format!("not judged: {why}")) }],
            };
            // What both say is said once.
            for one in found {
                if !published.iter().any(|other: &Published| other.services == one.services) {
                    published.push(one);
                }
            }
        }
        if published.is_empty() {
            return Ok(published);
        }
        let said: Vec<_> = published.iter().map(|one| &one.services).collect();
        parts.insert("compose".to_owned(), format!("{said:?}"));
        let ports = published.iter().flat_map(|one| one.services.iter().flatten());
        let ports = ports.flat_map(|service| &service.ports).filter_map(|port| port.published);
        let now = running(self.hands, self.target.path.get().as_str(), named, &ports.collect())?;
        let now = now.map(|now| Published { with: now.with, services: Ok(now.services) });
        Ok(published.into_iter().chain(now).collect())
    }

    /// The text of everything in the source that a compose file may be made of.
    fn compose_text(&self, source: &Tree) -> String {
        let is_yaml = |path: &&[u8]| path.ends_with(b".yml") || path.ends_with(b".yaml");
        let paths = source.seen(self.shields).map(|(path, _)| path).filter(is_yaml);
        let texts = paths.map(|path| String::from_utf8_lossy(&self.content(path)).into_owned());
        texts.collect::<Vec<_>>().join("\n")
    }

    /// The content of a file of the source, if it is not too long to be looked at.
    fn content(&self, name: &[u8]) -> Vec<u8> {
        let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name);
        let path = self.source.join(name);
        let small =
            path.metadata().is_ok_and(|found| found.is_file() && found.len() <= LOOKED_AT_MAX);
        if small { std::fs::read(&path).unwrap_or_default() } else { Vec::new() }
    }

    fn space(&self, side: &'static str) -> Result<Space, Blind> {
        let df = |flag: &str| -> Result<Vec<u8>, Blind> {
            let path = self.target.path.get().as_str();
            let said = match side {
                "here" => {
                    self.hands.here(words(["df", flag, "."]), &self.source, BTreeMap::new())?
                }
                _ => self.hands.there(&words(["df", flag, path]))?,
            };
            Ok(good(&format!("df, {side},"), said)?)
        };
        let bytes = fourth(&df("-PB1")?).ok_or(format!("df, {side}, gave no number"))?;
        let inodes = df("-Pi").ok().and_then(|text| fourth(&text).filter(|free| *free > 0));
        Ok(Space { side, bytes, inodes })
    }

    /// Whether anything moved while it was looked at, and whether somebody else is at work.
    fn moved(
        &self,
        source: &Tree,
        target: &Tree,
        findings: &mut Findings<'_>,
    ) -> Result<(), Blind> {
        let mut moved = Vec::new();
        for (side, before, after) in [
            ("the source", source, self.source_tree()?),
            ("the target", target, stands::tree(self.hands, self.target, self.shields)?),
        ] {
            if before.digest(self.shields) != after.digest(self.shields) {
                moved.push(side.to_owned());
            }
        }
        let what = "changed while it was looked at";
        findings.about(Refusal::ChangedSince, what, moved, "git status");
        let locked = target.inventory.get(LOCK.trim_start_matches('/').as_bytes()).is_some();
        if locked && self.held == Held::ByNobody {
            let owner = there_lock::owner(self.hands, self.target)?;
            let what = format!("another deploy holds the lock of the target: {owner}");
            findings.add(Refusal::ChangedSince, what, "runner deploy --unlock");
        }
        Ok(())
    }
}

/// The version of rsync, if it is new enough.
fn rsync_version(output: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(output);
    let word = text.split_ascii_whitespace().nth(2).unwrap_or_default().trim_start_matches('v');
    let mut numbers = word.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= RSYNC_MIN => Ok(word.to_owned()),
        _ => Err(format!("`{word}` is no version from 3.1 on: install a newer one")),
    }
}

/// The fourth word of the second line, as df prints what is free.
pub fn fourth(output: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(output);
    text.lines().nth(1)?.split_ascii_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_free_room_are_read() {
        assert_eq!(rsync_version(b"rsync  version 3.5.0  protocol version 32\n").unwrap(), "3.5.0");
        assert!(rsync_version(b"rsync  version v3.2.7  protocol").is_ok());
        for old in [&b"rsync  version 3.0.9  protocol"[..], b"", b"openrsync: protocol version 29"]
        {
            assert!(rsync_version(old).is_err());
        }
        let df =
            b"Filesystem 1-blocks Used Available Capacity Mounted on\n/dev/vda 27 41 56 43% /\n";
        assert_eq!(fourth(df), Some(56));
        assert_eq!(fourth(b"x\n"), None);
        assert_eq!(fourth(b"x\nbtrfs - - - - /\n"), None);
    }
}
