//! Whether the target is the machine and the folder that the manifest names. Nothing is sent before its key is known.

use serde::{Deserialize, Serialize};

use super::{
    argv::{HOST_ALIAS, KNOWN_HOSTS, keyscan},
    finding::{Findings, There},
    hands::{Hands, good, words},
    host_key::{Key, scanned},
    names::shown,
    shields::MARKER,
};
use crate::{
    jobs::context::{Context, Failure},
    manifest::{Refusal, Target},
    store::disk::Disk as _,
};

/// ssh ends with this when it is its own failure, and not that of the command.
const SSH_FAILED: i32 = 255;
const MARKER_SCHEMA: &str = "mjolnir.target/1";

/// What the marker on the target says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    schema: String,
    project: String,
    path: String,
}

impl Marker {
    /// The one that a target must have.
    pub fn of(target: &Target) -> Self {
        Self {
            schema: MARKER_SCHEMA.to_owned(),
            project: target.project.to_string(),
            path: target.path.to_string(),
        }
    }

    /// Its text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain values serialise")
    }

    /// What it names.
    pub fn names(&self) -> String {
        format!("the project `{}` in {}", self.project, self.path)
    }
}

/// Whom we reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// The key of the host, and what its machine id is.
    pub identity: String,
}

/// Reaches the target; `None` when nothing more can be looked at, with the reason among the findings.
pub fn reach(
    context: &Context<'_>,
    hands: &Hands<'_>,
    target: &Target,
    findings: &mut Findings<'_>,
) -> Result<Option<Reached>, Failure> {
    let mut reached = Reached::default();
    if let (Some(host), Some(port)) = (&target.host, target.port) {
        let said = hands.here(keyscan(host.get().as_str(), port), hands.dir(), [].into())?;
        let Some(key) = pinned(target, scanned(&said.stdout), &said.stderr, findings) else {
            return Ok(None);
        };
        let known = key.known_as(HOST_ALIAS);
        context.disk.replace(&hands.dir().join(KNOWN_HOSTS), known.as_bytes())?;
        reached.identity = key.fingerprint;
    }
    let there = There(target);
    let said = hands.there(&words(["cat", "/etc/machine-id"]))?;
    if target.host.is_some() && (said.code == SSH_FAILED || said.timed_out) {
        let why = shown(said.stderr.trim_ascii());
        let what = format!(
            "{} does not let us in: {} (a key that ssh does not take by itself: -p identity=FILE)",
            there.name(),
            why.trim_end_matches('.')
        );
        findings.add(Refusal::Unreachable, what, there.command("id"));
        return Ok(None);
    }
    let machine = shown(said.stdout.trim_ascii());
    reached.identity = format!("{} {machine}", reached.identity);
    match &target.machine_id {
        Some(wanted) if wanted.get().as_str() != machine => {
            let what = format!("the machine id is `{machine}`, target.machine-id is `{wanted}`");
            findings.add(Refusal::WrongHost, what, there.command("cat /etc/machine-id"));
        }
        None if target.host.is_some() => {
            let what = format!("target.machine-id is not written; the machine says `{machine}`");
            findings.add(Refusal::WrongHost, what, there.command("cat /etc/machine-id"));
        }
        Some(_) | None => {}
    }
    if !folder(hands, target, findings)? {
        return Ok(None);
    }
    marker(hands, target, findings)?;
    Ok((!findings.refused()).then_some(reached))
}

/// The key that the manifest pins, if the host has it.
fn pinned(
    target: &Target,
    keys: Vec<Key>,
    complaint: &[u8],
    findings: &mut Findings<'_>,
) -> Option<Key> {
    let there = There(target).name();
    let next = There(target).command("id");
    if keys.is_empty() {
        let why: String = shown(complaint.trim_ascii()).chars().take(200).collect();
        let what =
            format!("{there} shows no ssh host key: wrong host or port, or it is down: {why}");
        findings.add(Refusal::Unreachable, what, next);
        return None;
    }
    let seen: Vec<String> =
        keys.iter().map(|key| format!("{} ({})", key.fingerprint, key.kind)).collect();
    let Some(wanted) = &target.host_key else {
        let what =
            "target.host-key is not written; compare these with the machine itself, and write one";
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

/// Whether the folder is one.
fn folder(
    hands: &Hands<'_>,
    target: &Target,
    findings: &mut Findings<'_>,
) -> Result<bool, Failure> {
    let path = target.path.get().as_str();
    let said = hands.there(&words(["find", path, "-maxdepth", "0", "-printf", "%y"]))?;
    let there = There(target);
    let next = there.command("ls -lad PATH");
    let name = there.name();
    match said.stdout.as_slice() {
        b"d" => return Ok(true),
        b"l" => {
            let what = format!("{name} is a link: name the folder itself");
            findings.add(Refusal::SymlinkEscape, what, next);
        }
        b"" if target.host.is_none() => {
            let what = format!("there is no folder {name}: is the disk mounted?");
            findings.add(Refusal::Unreachable, what, next);
        }
        _ => findings.add(Refusal::WrongLevel, format!("there is no folder {name}"), next),
    }
    Ok(false)
}

/// Whether the marker names this project and this folder.
fn marker(hands: &Hands<'_>, target: &Target, findings: &mut Findings<'_>) -> Result<(), Failure> {
    let path = target.path.get().as_str();
    let wanted = Marker::of(target);
    let text = wanted.to_json();
    let file = format!("{path}{MARKER}");
    let said = hands.there(&words(["cat", file.as_str()]))?;
    let next = There(target).command(&format!("cat PATH{MARKER}"));
    match good("cat", said).map(|bytes| serde_json::from_slice::<Marker>(&bytes)) {
        Ok(Ok(found)) if found == wanted => {}
        Ok(Ok(found)) => {
            let what =
                format!("{file} names {}, not `{}` in {path}", found.names(), wanted.project);
            findings.add(Refusal::WrongHost, what, next);
        }
        Ok(Err(error)) => {
            let what = format!("{file} is no marker ({error}); it must be: {text}");
            findings.add(Refusal::WrongHost, what, next);
        }
        Err(complaint) => {
            let what = format!("{file} cannot be read ({}); it must be: {text}", complaint.message);
            findings.add(Refusal::WrongHost, what, next);
        }
    }
    Ok(())
}
