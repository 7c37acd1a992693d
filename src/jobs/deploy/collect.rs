//! Looks at both sides: starts the programs, reads the files, and returns what was seen. What cannot be seen is a finding.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    compose::{Env, Folder, Variables, running, services, sets},
    deployed::{Deployed, Stage},
    facts::{DeployFacts, Direction, FreeSpace, HashedTree, PublishedPorts},
    findings::{DeployFindings, TargetHint},
    git::{self, Ancestry, LOOKED_AT_MAX, TreeOrigin, secret_lines},
    inventory::{DEPLOYED, DEPLOYING, Exclusions, Inventory, LOCK, parse_hashes},
    programs::{self, CommandRunner, Pass, VANISHED, stdout_of, words},
    rsync_output::{ItemChange, ItemKind, RsyncOutput},
    target::{LookError, live_writers, lock_owner, target_file, target_tree},
};
use crate::{
    manifest::{DeployCheck, Refusal, Target},
    outcome::Failure,
    store::digest::sha256_hex,
};

/// The oldest rsync whose output is understood: since then names are escaped, and folders that are made are itemized.
const RSYNC_MIN: (u32, u32) = (3, 1);
/// The words that compose of version 2 is started with. A docker without that plugin prints its help, and may end with 0.
const COMPOSE: [&str; 2] = ["docker", "compose"];

/// Looks at both sides once.
pub struct Collector<'a> {
    pub runner: &'a CommandRunner<'a>,
    /// Where the deploy would go.
    pub target: &'a Target,
    pub rules: &'a DeployCheck,
    pub exclusions: &'a Exclusions,
    /// The folder to deploy, without links in its path.
    pub source: PathBuf,
    /// Where that folder comes from.
    pub origin: &'a TreeOrigin,
    /// Which lock on the target is no reason to refuse.
    pub allowed_lock: AllowedLock,
    /// What will be run on the target, each program with its arguments.
    pub commands: &'a [Vec<String>],
}

/// Which lock on the target is no reason to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedLock {
    /// None: this run only looks.
    None,
    /// The one that this run holds.
    Ours,
}

/// What was seen, and what a plan relies on besides.
pub struct Snapshot {
    pub facts: DeployFacts,
    /// Texts and hashes for the plan.
    pub parts: BTreeMap<String, String>,
}

/// Looks at both sides; `None` when something could not be seen, with the reason among the findings.
pub fn collect(
    collector: &Collector<'_>,
    findings: &mut DeployFindings<'_>,
) -> Result<Option<Snapshot>, Failure> {
    match collector.all(findings) {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(LookError::Failure(failure)) => Err(failure),
        Err(why) => {
            let next = TargetHint(collector.target).command("rsync --version");
            findings.add(Refusal::NotUnderstood, why.to_string(), next);
            Ok(None)
        }
    }
}

impl Collector<'_> {
    fn all(&self, findings: &mut DeployFindings<'_>) -> Result<Snapshot, LookError> {
        let mut parts = self.rsync_versions()?;
        let (source, target) =
            (self.source_tree()?, target_tree(self.runner, self.target, self.exclusions)?);
        self.programs(&source, &target, findings)?;
        let (asked, repository, direction) = match self.origin {
            TreeOrigin::Worktree => {
                (git::ask(self.runner, &self.source), &self.source, Direction::Forward)
            }
            TreeOrigin::Commit { repository, commit } => {
                (git::at(self.runner, repository, commit), repository, Direction::Back)
            }
        };
        let git = match asked {
            Ok(git) => git,
            Err(error) if error.has_run() => {
                let what = format!("git knows nothing of the source: {error}");
                findings.add(Refusal::DirtyTree, what, "git status");
                git::GitFacts::default()
            }
            Err(error) => return Err(error.into()),
        };
        let deployed = self.note(&target, (DEPLOYED, Stage::Deployed), findings, &mut parts)?;
        let deploying = self.note(&target, (DEPLOYING, Stage::Deploying), findings, &mut parts)?;
        let ancestry = match (&deployed, &git.commit) {
            (None, _) => Ancestry::NothingDeployed,
            (Some(_), None) => Ancestry::UnknownCommit,
            (Some(last), Some(head)) => git::ancestry(self.runner, repository, &last.commit, head)?,
        };
        let plan = self.rsync(Pass::Plan, findings, &mut parts)?;
        let target_only = self.rsync(Pass::TargetOnly, findings, &mut parts)?;
        let secret_lines = self.secret_lines(&plan);
        let published = self.published(&source, &target, deployed.as_ref(), &mut parts)?;
        let space = vec![self.space("here")?, self.space("there")?];
        let writers = match live_writers(self.runner, self.target) {
            Ok(held) => Ok(held),
            Err(error) if error.has_run() => Err(error),
            Err(error) => return Err(error.into()),
        };
        self.moved(&source, &target, findings)?;
        parts.insert("head".to_owned(), git.commit.clone().unwrap_or_default());
        parts.insert("source".to_owned(), source.digest(self.exclusions));
        parts.insert("target".to_owned(), target.digest(self.exclusions));
        let name = repository.file_name().map(std::ffi::OsStr::as_encoded_bytes);
        let source_name = name.unwrap_or_default().to_vec();
        let facts = DeployFacts {
            source_name,
            source,
            target,
            git,
            direction,
            ancestry,
            deployed,
            deploying,
            writers,
            plan,
            target_only,
            secret_lines,
            published,
            space,
            uid: self.user_there()?,
        };
        Ok(Snapshot { facts, parts })
    }

    /// The version of rsync on both sides, as parts of a plan.
    fn rsync_versions(&self) -> Result<BTreeMap<String, String>, LookError> {
        let mut parts = BTreeMap::new();
        let asked = words(["rsync", "--version"]);
        for (side, said) in [
            ("here", self.runner.local(asked.clone(), &self.source, [].into())?),
            ("there", self.runner.remote(&asked)?),
        ] {
            let said = stdout_of(&format!("rsync --version, {side},"), said)?;
            let version =
                rsync_version(&said).map_err(|version| LookError::OldRsync { side, version })?;
            parts.insert(format!("rsync-{side}"), version);
        }
        Ok(parts)
    }

    fn user_there(&self) -> Result<u32, LookError> {
        let said = stdout_of("id", self.runner.remote(&words(["id", "-u"]))?)?;
        let uid = String::from_utf8_lossy(said.trim_ascii()).parse();
        uid.map_err(|_| LookError::NoNumber { program: "id -u", side: "there" })
    }

    fn source_tree(&self) -> Result<HashedTree, LookError> {
        let here = |argv| self.runner.local(argv, &self.source, BTreeMap::new());
        let listed = stdout_of("find, here,", here(programs::list(".", self.exclusions))?)?;
        let hashed = stdout_of("sha256sum, here,", here(programs::hashes(".", self.exclusions))?)?;
        Ok(HashedTree {
            inventory: Inventory::parse(&listed)?,
            hashes: parse_hashes(&hashed, ".")?,
        })
    }

    /// What the target keeps about a deploy.
    fn note(
        &self,
        target: &HashedTree,
        (name, stage): (&str, Stage),
        findings: &mut DeployFindings<'_>,
        parts: &mut BTreeMap<String, String>,
    ) -> Result<Option<Deployed>, LookError> {
        let Some(bytes) = target_file(self.runner, self.target, target, name)? else {
            return Ok(None);
        };
        parts.insert(name.trim_start_matches('/').to_owned(), sha256_hex(&bytes));
        let next = TargetHint(self.target).command(&format!("cat PATH{name}"));
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
        findings: &mut DeployFindings<'_>,
        parts: &mut BTreeMap<String, String>,
    ) -> Result<RsyncOutput, LookError> {
        let source = self.source.to_str().ok_or(LookError::SourceNotUtf8)?;
        let argv = programs::rsync(pass, self.exclusions, source, self.target);
        if pass == Pass::Plan {
            if let Some(word) = programs::dangerous(&argv) {
                let what = format!("rsync would be started with {word}");
                findings.add(Refusal::Deletes, what, "man rsync");
            }
            parts.insert("argv".to_owned(), argv.join("\n"));
        }
        let start = || self.runner.local(argv.clone(), self.runner.dir(), BTreeMap::new());
        let mut said = start()?;
        if said.code == VANISHED {
            said = start()?;
        }
        let listing = RsyncOutput::parse(&said.stdout);
        if let Err(error) = stdout_of("rsync", said) {
            findings.add(
                Refusal::NotUnderstood,
                error.to_string(),
                TargetHint(self.target).command("ls -la PATH"),
            );
        }
        Ok(listing)
    }

    /// Lines that look like secrets, in files that would be sent.
    fn secret_lines(&self, plan: &RsyncOutput) -> Vec<(Vec<u8>, usize)> {
        let sent = plan
            .items
            .iter()
            .filter(|item| item.change == ItemChange::Content && item.kind == ItemKind::File);
        let lines = sent.flat_map(|item| {
            secret_lines(&self.content(&item.name))
                .into_iter()
                .map(|line| (item.name.clone(), line))
        });
        lines.collect()
    }

    /// Ports of containers: with the defaults of the files, and with the variables of the target.
    fn published(
        &self,
        source: &HashedTree,
        target: &HashedTree,
        deployed: Option<&Deployed>,
        parts: &mut BTreeMap<String, String>,
    ) -> Result<Vec<PublishedPorts>, LookError> {
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
        let there = target_file(self.runner, self.target, target, "/.env")?;
        let there = there.map(|bytes| Variables::parse(&bytes)).unwrap_or_default();
        let (dir, text, empty) = (&self.source, self.compose_text(source), self.runner.empty()?);
        let mut published = Vec::new();
        for (with, env) in
            [("with the defaults", Variables::default()), ("with the .env of the target", there)]
        {
            let ask = |files: &Vec<String>| {
                let env = Env::Given { variables: &env, text: &text, empty: &empty };
                PublishedPorts { with, services: services(self.runner, (dir, files), &env) }
            };
            let found = match sets(&folder, &env) {
                Ok(sets) => sets.iter().map(ask).collect(),
                Err(why) => vec![PublishedPorts { with, services: Err(why) }],
            };
            // What both say is said once.
            for one in found {
                if !published.iter().any(|other: &PublishedPorts| other.services == one.services) {
                    published.push(one);
                }
            }
        }
        if published.is_empty() {
            return Ok(published);
        }
        // The errors as texts: a plan compares what was said, whatever type it has.
        let said = published.iter().map(|one| one.services.as_ref().map_err(ToString::to_string));
        let said: Vec<_> = said.collect();
        parts.insert("compose".to_owned(), format!("{said:?}"));
        let ports = published.iter().flat_map(|one| one.services.iter().flatten());
        let ports = ports.flat_map(|service| &service.ports).filter_map(|port| port.published);
        let now = running(self.runner, self.target.path.get().as_str(), named, &ports.collect())?;
        let now = now.map(|now| PublishedPorts { with: now.with, services: Ok(now.services) });
        Ok(published.into_iter().chain(now).collect())
    }

    /// The text of everything in the source that a compose file may be made of.
    fn compose_text(&self, source: &HashedTree) -> String {
        let is_yaml = |path: &&[u8]| path.ends_with(b".yml") || path.ends_with(b".yaml");
        let paths = source.deployable(self.exclusions).map(|(path, _)| path).filter(is_yaml);
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

    fn space(&self, side: &'static str) -> Result<FreeSpace, LookError> {
        let df = |flag: &str| -> Result<Vec<u8>, LookError> {
            let path = self.target.path.get().as_str();
            let said = match side {
                "here" => {
                    self.runner.local(words(["df", flag, "."]), &self.source, BTreeMap::new())?
                }
                _ => self.runner.remote(&words(["df", flag, path]))?,
            };
            Ok(stdout_of(&format!("df, {side},"), said)?)
        };
        let bytes = fourth(&df("-PB1")?).ok_or(LookError::NoNumber { program: "df", side })?;
        let inodes = df("-Pi").ok().and_then(|text| fourth(&text).filter(|free| *free > 0));
        Ok(FreeSpace { side, bytes, inodes })
    }

    /// Whether every program that will be run on the target is there. A deploy that sends first and finds this out afterwards leaves
    /// new files beside an old program.
    fn programs(
        &self,
        source: &HashedTree,
        target: &HashedTree,
        findings: &mut DeployFindings<'_>,
    ) -> Result<(), LookError> {
        let mut missing = Vec::new();
        for words in self.commands {
            // `NAME=value` before the program is a variable of it.
            let mut words = words.iter().skip_while(|word| is_variable(word));
            let Some(program) = words.next() else { continue };
            if !self.is_there(program, source, target)? {
                missing.push(format!("`{program}` is not there"));
            } else if [program.as_str(), words.next().map_or("", String::as_str)] == COMPOSE
                && !self.has_compose()?
            {
                missing.push(
                    "`docker compose` is not there: install its plugin, or write docker-compose into deploy.commands, deploy.health and deploy.state"
                        .to_owned(),
                );
            }
        }
        missing.sort();
        missing.dedup();
        let what = "programs that the deploy would run on the target are missing: nothing is sent";
        let next = TargetHint(self.target).command("docker info");
        findings.about(Refusal::ProgramMissing, what, missing, next);
        Ok(())
    }

    fn is_there(
        &self,
        program: &str,
        source: &HashedTree,
        target: &HashedTree,
    ) -> Result<bool, LookError> {
        let places: Vec<String> = match (program.strip_prefix('/'), program.contains('/')) {
            (Some(_), _) => vec![program.to_owned()],
            (None, false) => {
                programs::PATH.split(':').map(|dir| format!("{dir}/{program}")).collect()
            }
            // Relative to the folder of the target: there already, or about to be sent.
            (None, true) => {
                let path = program.trim_start_matches("./").as_bytes();
                let trees = [source, target];
                return Ok(trees.iter().any(|tree| tree.inventory.get(path).is_some()));
            }
        };
        let mut words = vec!["find".to_owned(), "-H".to_owned()];
        words.extend(places);
        words.extend(["-maxdepth", "0", "-printf", "%y"].map(str::to_owned));
        let said = self.runner.remote(&words)?;
        // `find` ends with 1 when one of the places is missing; one that is there is enough. Anything else is not an answer.
        if said.code > 1 || said.timed_out {
            stdout_of("find, there,", said)?;
            return Ok(false);
        }
        Ok(!said.stdout.is_empty())
    }

    fn has_compose(&self) -> Result<bool, LookError> {
        let said = self.runner.remote(&words(["docker", "compose", "version"]))?;
        let text = String::from_utf8_lossy(&said.stdout).to_lowercase();
        Ok(said.code == 0 && text.contains("version"))
    }

    /// Whether anything moved while it was looked at, and whether another deploy is at work.
    fn moved(
        &self,
        source: &HashedTree,
        target: &HashedTree,
        findings: &mut DeployFindings<'_>,
    ) -> Result<(), LookError> {
        let mut moved = Vec::new();
        for (side, before, after) in [
            ("the source", source, self.source_tree()?),
            ("the target", target, target_tree(self.runner, self.target, self.exclusions)?),
        ] {
            if before.digest(self.exclusions) != after.digest(self.exclusions) {
                moved.push(side.to_owned());
            }
        }
        let what = "changed while it was looked at";
        findings.about(Refusal::ChangedSince, what, moved, "git status");
        let locked = target.inventory.get(LOCK.trim_start_matches('/').as_bytes()).is_some();
        if locked && self.allowed_lock == AllowedLock::None {
            let owner = lock_owner(self.runner, self.target)?;
            let what = format!("another deploy holds the lock of the target: {owner}");
            findings.add(Refusal::ChangedSince, what, "runner deploy --unlock");
        }
        Ok(())
    }
}

fn is_variable(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| !name.is_empty() && !name.contains('/'))
}

/// The version of rsync, if it is new enough; what it says instead, if not.
fn rsync_version(output: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(output);
    let word = text.split_ascii_whitespace().nth(2).unwrap_or_default().trim_start_matches('v');
    let mut numbers = word.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= RSYNC_MIN => Ok(word.to_owned()),
        _ => Err(word.to_owned()),
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
