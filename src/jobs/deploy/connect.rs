//! Whether the target is the machine and the folder that the manifest names. Nothing is sent before its key is known.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    argv::{HOST_ALIAS, KNOWN_HOSTS, keyscan},
    commands::{CommandRunner, stdout_of, words},
    exclusions::MARKER,
    findings::{DeployFindings, TargetHint},
    inventory::shown,
};
use crate::{
    jobs::context::Context,
    manifest::{Refusal, Target},
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
