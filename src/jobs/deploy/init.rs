//! The first visit to a target: which keys its host shows, what is there, and the marker that names the project. The caller asks the
//! operator in between.

use std::time::Duration;

use super::{
    argv::{self, HOST_ALIAS, KNOWN_HOSTS, keyscan},
    collect::fourth,
    commands::{CommandRunner, stdout_of, words},
    connect::{HostKeySeen, TargetMarker, scanned},
    exclusions::MARKER,
    findings::TargetHint,
    inventory::shown,
};
use crate::{
    domain::target::MachineId, exit::Exit, jobs::context::Context, manifest::Target,
    os::supervise::Captured, outcome::Failure, store::disk::Disk as _,
};

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
        let send = argv::send_new(MARKER_FILE, self.target, &to);
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
