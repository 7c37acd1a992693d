//! Whether the target is the machine and the folder that the manifest names; and the first visit to it.

use std::time::Duration;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    collect::fourth,
    findings::{DeployFindings, TargetHint},
    inventory::{MARKER, shown},
    programs::{self, CommandRunner, HOST_ALIAS, KNOWN_HOSTS, keyscan, stdout_of, words},
};
use crate::{
    domain::target::MachineId,
    exit::Exit,
    jobs::context::Context,
    manifest::{Refusal, Target},
    os::supervise::Captured,
    outcome::Failure,
    store::disk::Disk as _,
};

/// ssh ends with this when it failed itself, and not the command.
const SSH_FAILED: i32 = 255;
/// Name and version of the marker.
const MARKER_SCHEMA: &str = "mjolnir.target/1";
/// Longest piece of what `ssh-keyscan` complained that is shown, in characters.
const WHY_MAX: usize = 200;
/// As OpenSSH writes keys, with padding, and fingerprints, without.
const BASE_64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The marker on the target: it names the project and its own folder, so that a copied or mounted folder is not taken for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetMarker {
    schema: String,
    project: String,
    path: String,
}

impl TargetMarker {
    /// The one that a target must have.
    pub fn of(target: &Target) -> Self {
        Self {
            schema: MARKER_SCHEMA.to_owned(),
            project: target.project.to_string(),
            path: target.path.to_string(),
        }
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain values serialise")
    }

    /// What it names, for sentences.
    pub fn names(&self) -> String {
        format!("the project `{}` in {}", self.project, self.path)
    }
}

/// The machine that answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// The key of the host and its machine id: part of a plan, so that it holds for one machine.
    pub identity: String,
}

/// Reaches the target; `None` when nothing more can be looked at, with the reason among the findings.
pub fn connect(
    context: &Context<'_>,
    runner: &CommandRunner<'_>,
    target: &Target,
    findings: &mut DeployFindings<'_>,
) -> Result<Option<Connection>, Failure> {
    let mut connection = Connection::default();
    if let (Some(host), Some(port)) = (&target.host, target.port) {
        let said = runner.local(keyscan(host.get().as_str(), port), runner.dir(), [].into())?;
        let Some(key) = pinned(target, scanned(&said.stdout), &said.stderr, findings) else {
            return Ok(None);
        };
        let known = key.known_as(HOST_ALIAS);
        context.disk.replace(&runner.dir().join(KNOWN_HOSTS), known.as_bytes())?;
        connection.identity = key.fingerprint;
    }
    let hint = TargetHint(target);
    let said = runner.remote(&words(["cat", "/etc/machine-id"]))?;
    if target.host.is_some() && (said.code == SSH_FAILED || said.timed_out) {
        let why = shown(said.stderr.trim_ascii());
        let what = format!(
            "{} refuses the login: {} (if ssh needs another key: -p identity=FILE)",
            hint.name(),
            why.trim_end_matches('.')
        );
        findings.add(Refusal::Unreachable, what, hint.command("id"));
        return Ok(None);
    }
    let machine = shown(said.stdout.trim_ascii());
    connection.identity = format!("{} {machine}", connection.identity);
    match &target.machine_id {
        Some(wanted) if wanted.get().as_str() != machine => {
            let what = format!("the machine id is `{machine}`, target.machine-id is `{wanted}`");
            findings.add(Refusal::WrongHost, what, hint.command("cat /etc/machine-id"));
        }
        None if target.host.is_some() => {
            let what = format!(
                "target.machine-id is missing; the machine says `{machine}`: runner deploy init writes it"
            );
            findings.add(Refusal::WrongHost, what, hint.command("cat /etc/machine-id"));
        }
        Some(_) | None => {}
    }
    if !folder(runner, target, findings)? {
        return Ok(None);
    }
    marker(runner, target, findings)?;
    Ok((!findings.refused()).then_some(connection))
}

/// The key that the manifest pins, if the host has it.
fn pinned(
    target: &Target,
    keys: Vec<HostKeySeen>,
    stderr: &[u8],
    findings: &mut DeployFindings<'_>,
) -> Option<HostKeySeen> {
    let place = TargetHint(target).name();
    let next = TargetHint(target).command("id");
    if keys.is_empty() {
        let why: String = shown(stderr.trim_ascii()).chars().take(WHY_MAX).collect();
        let what =
            format!("{place} shows no ssh host key: wrong host or port, or it is down: {why}");
        findings.add(Refusal::Unreachable, what, next);
        return None;
    }
    let seen: Vec<String> =
        keys.iter().map(|key| format!("{} ({})", key.fingerprint, key.kind)).collect();
    let Some(wanted) = &target.host_key else {
        let what = "target.host-key is missing; compare these keys with the machine itself, and write one: runner deploy init";
        findings.about(
            Refusal::WrongHost,
            what,
            seen,
            "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
        );
        return None;
    };
    let found = keys.into_iter().find(|key| key.fingerprint == wanted.get().as_str());
    if found.is_none() {
        let what = format!(
            "the host key is not {wanted}: another machine answers, or its key was changed"
        );
        findings.about(Refusal::WrongHost, what, seen, next);
    }
    found
}

/// Whether the path of the target is a folder.
fn folder(
    runner: &CommandRunner<'_>,
    target: &Target,
    findings: &mut DeployFindings<'_>,
) -> Result<bool, Failure> {
    let path = target.path.get().as_str();
    let said = runner.remote(&words(["find", path, "-maxdepth", "0", "-printf", "%y"]))?;
    let hint = TargetHint(target);
    let next = hint.command("ls -lad PATH");
    let name = hint.name();
    match said.stdout.as_slice() {
        b"d" => return Ok(true),
        b"l" => {
            let what = format!("{name} is a link: name the folder itself");
            findings.add(Refusal::SymlinkEscape, what, next);
        }
        b"" if target.host.is_none() => {
            let what = format!("the folder {name} is missing: is the disk mounted?");
            findings.add(Refusal::Unreachable, what, next);
        }
        _ => findings.add(Refusal::WrongLevel, format!("{name} is not a folder"), next),
    }
    Ok(false)
}

/// Whether the marker names this project and this folder.
fn marker(
    runner: &CommandRunner<'_>,
    target: &Target,
    findings: &mut DeployFindings<'_>,
) -> Result<(), Failure> {
    let path = target.path.get().as_str();
    let wanted = TargetMarker::of(target);
    let text = wanted.to_json();
    let file = format!("{path}{MARKER}");
    let said = runner.remote(&words(["cat", file.as_str()]))?;
    let next = TargetHint(target).command(&format!("cat PATH{MARKER}"));
    match stdout_of("cat", said).map(|bytes| serde_json::from_slice::<TargetMarker>(&bytes)) {
        Ok(Ok(found)) if found == wanted => {}
        Ok(Ok(found)) => {
            let what =
                format!("{file} names {}, not `{}` in {path}", found.names(), wanted.project);
            findings.add(Refusal::WrongHost, what, next);
        }
        Ok(Err(error)) => {
            let what = format!("{file} is not a marker ({error}); it must be: {text}");
            findings.add(Refusal::WrongHost, what, next);
        }
        Err(error) => {
            let what = format!(
                "{file} cannot be read ({error}); it must be: {text}; `runner deploy init` writes it"
            );
            findings.add(Refusal::WrongHost, what, next);
        }
    }
    Ok(())
}

/// A key of a host, as `ssh-keyscan` printed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKeySeen {
    /// Such as `ssh-ed25519`.
    pub kind: String,
    base64: String,
    /// As `ssh-keygen -l` shows it.
    pub fingerprint: String,
}

impl HostKeySeen {
    /// The line of a file of known hosts.
    pub fn known_as(&self, host: &str) -> String {
        format!("{host} {} {}\n", self.kind, self.base64)
    }
}

/// The keys that `ssh-keyscan` printed.
pub fn scanned(output: &[u8]) -> Vec<HostKeySeen> {
    let text = String::from_utf8_lossy(output);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(key).collect()
}

fn key(line: &str) -> Option<HostKeySeen> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (kind, base64) = (words.next()?.to_owned(), words.next()?.to_owned());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-@.".contains(c);
    let fingerprint =
        format!("SHA256:{}", BASE_64.encode(Sha256::digest(BASE_64.decode(&base64).ok()?)));
    kind.chars().all(plain).then_some(HostKeySeen { kind, base64, fingerprint })
}

/// Most names in the folder that are shown.
const NAMES_MAX: usize = 20;
/// The kind of key that is taken when a host has several.
const PREFERRED: &str = "ssh-ed25519";
/// The marker on its way, in the folder of this visit.
const MARKER_FILE: &str = "marker.json";

pub struct TargetVisit<'a> {
    context: &'a Context<'a>,
    runner: CommandRunner<'a>,
    target: &'a Target,
}

/// What is at the path on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetFolder {
    /// Nothing; it would be made in this folder, or below it.
    Missing(String),
    /// A folder without a marker, its first names, and how many there are.
    Unmarked(Vec<String>, usize),
    /// A folder with our marker.
    Marked,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitedTarget {
    /// What `/etc/machine-id` says.
    pub machine_id: Option<String>,
    /// The user there.
    pub user: String,
    /// Its number.
    pub uid: String,
    /// The first line of `rsync --version`.
    pub rsync: String,
    /// Free bytes on the disk of the folder, or of where it would be.
    pub free_bytes: String,
    /// What is at the path.
    pub folder: TargetFolder,
}

impl<'a> TargetVisit<'a> {
    /// Makes the folder of this visit.
    pub fn new(
        context: &'a Context<'a>,
        target: &'a Target,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let dir = context.layout.deploy_reports(&context.run_id);
        context.disk.create_dir_all(&dir)?;
        let runner = CommandRunner::new(context, target, timeout, dir)?;
        Ok(Self { context, runner, target })
    }

    /// The keys that the host shows, the one to take first; none for a folder of this machine.
    pub fn keys(&self) -> Result<Vec<HostKeySeen>, Failure> {
        let (Some(host), Some(port)) = (&self.target.host, self.target.port) else {
            return Ok(Vec::new());
        };
        let scan = keyscan(host.get().as_str(), port);
        let said = self.runner.local(scan, self.runner.dir(), [].into())?;
        let mut keys = scanned(&said.stdout);
        keys.sort_by_key(|key| key.kind != PREFERRED);
        if keys.is_empty() {
            let why: String = shown(said.stderr.trim_ascii()).chars().take(200).collect();
            let name = TargetHint(self.target).name();
            let message = format!(
                "{name} shows no ssh host key: wrong host or port, or it is down: {why}; next: ssh-keyscan -p {port} {host}"
            );
            return Err(Failure::new(Exit::Unavailable, message));
        }
        Ok(keys)
    }

    /// From now on, ssh takes this key and no other.
    pub fn trust(&self, key: &HostKeySeen) -> Result<(), Failure> {
        let known = key.known_as(HOST_ALIAS);
        Ok(self.context.disk.replace(&self.runner.dir().join(KNOWN_HOSTS), known.as_bytes())?)
    }

    /// Logs in and looks. What cannot become a target is a failure.
    pub fn inspect(&self) -> Result<VisitedTarget, Failure> {
        let hint = TargetHint(self.target);
        let said = self.runner.remote(&words(["id", "-un"]))?;
        if said.code != 0 || said.timed_out {
            let why = shown(said.stderr.trim_ascii());
            let next = hint.command("id");
            let message = format!("{} refuses the login: {why}; next: {next}", hint.name());
            return Err(Failure::new(Exit::Unavailable, message));
        }
        let user = line(&said);
        let uid = self.line(&["id", "-u"])?;
        let machine = self.runner.remote(&words(["cat", "/etc/machine-id"]))?;
        let machine = line(&machine);
        let rsync = self.line(&["rsync", "--version"])?;
        let folder = self.folder()?;
        let place = match &folder {
            TargetFolder::Missing(above) => above.clone(),
            TargetFolder::Unmarked(..) | TargetFolder::Marked => self.target.path.to_string(),
        };
        let room = self.remote_stdout(&["df", "-PB1", &place])?;
        Ok(VisitedTarget {
            machine_id: machine.parse::<MachineId>().is_ok().then_some(machine),
            user,
            uid,
            rsync,
            free_bytes: fourth(&room).map_or("?".to_owned(), |free| free.to_string()),
            folder,
        })
    }

    fn remote_stdout(&self, argv: &[&str]) -> Result<Vec<u8>, Failure> {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let said = self.runner.remote(&argv)?;
        stdout_of(&format!("`{}`, there,", argv.join(" ")), said).map_err(|error| {
            let next = TargetHint(self.target).command(&argv.join(" "));
            Failure::new(Exit::Negative, format!("{error}; next: {next}"))
        })
    }

    fn line(&self, argv: &[&str]) -> Result<String, Failure> {
        let bytes = self.remote_stdout(argv)?;
        Ok(first_line(&bytes))
    }

    /// What a path is, as `find` says it in a letter; nothing where nothing is.
    fn letter(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let find = words(["find", path, "-maxdepth", "0", "-printf", "%y"]);
        Ok(self.runner.remote(&find)?.stdout)
    }

    fn folder(&self) -> Result<TargetFolder, Failure> {
        let path = self.target.path.get().as_str();
        let hint = TargetHint(self.target);
        let refused = |what: String| {
            let next = hint.command("ls -lad PATH");
            Err(Failure::new(Exit::Negative, format!("{} {what}; next: {next}", hint.name())))
        };
        match self.letter(path)?.as_slice() {
            b"d" => {}
            b"" => {
                for above in std::path::Path::new(path).ancestors().skip(1) {
                    let above = above.display().to_string();
                    if self.letter(&above)?.as_slice() == b"d" {
                        return Ok(TargetFolder::Missing(above));
                    }
                }
                return refused("has no folder above it".to_owned());
            }
            b"l" => return refused("is a link: name the folder itself".to_owned()),
            _ => return refused("is not a folder".to_owned()),
        }
        let list = self.remote_stdout(&[
            "find",
            path,
            "-mindepth",
            "1",
            "-maxdepth",
            "1",
            "-printf",
            r"%f\0",
        ])?;
        let mut names: Vec<&[u8]> =
            list.split(|byte| *byte == 0).filter(|n| !n.is_empty()).collect();
        names.sort_unstable();
        if names.contains(&MARKER.trim_start_matches('/').as_bytes()) {
            return match self.marker()? {
                Ok(found) if found == TargetMarker::of(self.target) => Ok(TargetFolder::Marked),
                Ok(found) => {
                    refused(format!("has a marker already, which names {}", found.names()))
                }
                Err(why) => refused(format!("has something else as {MARKER}: {why}")),
            };
        }
        let first = names.iter().take(NAMES_MAX).map(|name| shown(name)).collect();
        Ok(TargetFolder::Unmarked(first, names.len()))
    }

    /// The marker there; why it cannot be read as one.
    fn marker(&self) -> Result<serde_json::Result<TargetMarker>, Failure> {
        let file = format!("{}{MARKER}", self.target.path);
        let bytes = self.remote_stdout(&["cat", "--", &file])?;
        Ok(serde_json::from_slice(&bytes))
    }

    /// Makes the folder if it is missing, and puts the marker there, over nothing.
    pub fn mark(&self, seen: &VisitedTarget) -> Result<(), Failure> {
        let path = self.target.path.get().as_str();
        match &seen.folder {
            TargetFolder::Marked => return Ok(()),
            TargetFolder::Missing(_) => {
                drop(self.remote_stdout(&["mkdir", "-p", "-m", "755", "--", path])?);
            }
            TargetFolder::Unmarked(..) => {}
        }
        let (marker, dir) = (TargetMarker::of(self.target), self.runner.dir());
        let own = dir.join(MARKER_FILE);
        self.context.disk.replace(&own, format!("{}\n", marker.to_json()).as_bytes())?;
        let to = format!("{path}{MARKER}");
        let send = programs::send_new(MARKER_FILE, self.target, &to);
        let said = self.runner.local(send, dir, [].into())?;
        let failed = |why: String| {
            let next = TargetHint(self.target).command("ls -la PATH");
            let message = format!("{to} could not be written: {why}; next: {next}");
            Failure::new(Exit::Negative, message)
        };
        stdout_of("rsync", said).map_err(|error| failed(error.to_string()))?;
        match self.marker()? {
            Ok(found) if found == marker => Ok(()),
            Ok(found) => {
                Err(failed(format!("another program put one there, for {}", found.names())))
            }
            Err(why) => Err(failed(why.to_string())),
        }
    }
}

fn line(said: &Captured) -> String {
    first_line(&said.stdout)
}

fn first_line(bytes: &[u8]) -> String {
    shown(bytes.trim_ascii().split(|byte| *byte == b'\n').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_the_known_one() {
        // Shown by ssh-keygen -lf for this key.
        let line = b"# h:22 SSH-2.0\n[127.0.0.1]:22433 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK7Ga9T/u0u7ZWHxfwL1SMA72YAfpvv5o1S6NT387jb7\nrubbish\n";
        let keys = scanned(line);
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].fingerprint, "SHA256:APNBiUIGoDunOJk1htv9cTskB2MUzWftowgrrGeGcFI");
        assert!(keys[0].known_as("x").starts_with("x ssh-ed25519 AAAAC3"));
        assert!(scanned(b"h ssh-ed25519 !!!\n").is_empty());
    }
}
