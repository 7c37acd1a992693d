//! The first visit to a target: which keys its host shows, what stands there, and the marker that says whose it is. Whoever calls
//! asks the operator in between.

use super::{
    argv::{self, HOST_ALIAS, KNOWN_HOSTS, keyscan},
    finding::There,
    gather::fourth,
    hands::{Hands, good, words},
    host_key::{Key, scanned},
    names::shown,
    reach::Marker,
    shields::MARKER,
};
use crate::{
    domain::target::MachineId,
    exit::Exit,
    jobs::context::{Context, Failure},
    manifest::Target,
    os::supervise::Captured,
    store::disk::Disk as _,
};

/// Most names in the folder that are told.
const NAMES_MAX: usize = 20;
/// The kind of key that is taken when a host has several.
const PREFERRED: &str = "ssh-ed25519";
/// The marker on its way, in the folder of this visit.
const MARKER_FILE: &str = "marker.json";

/// A visit.
pub struct Visit<'a> {
    context: &'a Context<'a>,
    hands: Hands<'a>,
    target: &'a Target,
}

/// What stands at the path on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folder {
    /// Nothing; it would lie below this folder.
    Missing(String),
    /// A folder without a marker, its first names, and how many there are.
    Unmarked(Vec<String>, usize),
    /// A folder with our marker.
    Marked,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What `/etc/machine-id` says.
    pub machine_id: Option<String>,
    /// The user there.
    pub user: String,
    /// Its number.
    pub uid: String,
    /// The first line of `rsync --version`.
    pub rsync: String,
    /// Bytes that are free where the folder lies or would lie.
    pub free_bytes: String,
    /// What stands at the path.
    pub folder: Folder,
}

impl<'a> Visit<'a> {
    /// Begins one. Its folder is made.
    pub fn new(
        context: &'a Context<'a>,
        target: &'a Target,
        timeout: std::time::Duration,
    ) -> Result<Self, Failure> {
        let dir = context.layout.deploy_reports(&context.run_id);
        context.disk.create_dir_all(&dir)?;
        let hands = Hands::new(context, target, timeout, dir)?;
        Ok(Self { context, hands, target })
    }

    /// The keys that the host shows, the one to take first; none for a folder of this machine.
    pub fn keys(&self) -> Result<Vec<Key>, Failure> {
        let (Some(host), Some(port)) = (&self.target.host, self.target.port) else {
            return Ok(Vec::new());
        };
        let scan = keyscan(host.get().as_str(), port);
        let said = self.hands.here(scan, self.hands.dir(), [].into())?;
        let mut keys = scanned(&said.stdout);
        keys.sort_by_key(|key| key.kind != PREFERRED);
        if keys.is_empty() {
            let why: String = shown(said.stderr.trim_ascii()).chars().take(200).collect();
            let name = There(self.target).name();
            let message = format!(
                "{name} shows no ssh host key: wrong host or port, or it is down: {why}; next: ssh-keyscan -p {port} {host}"
            );
            return Err(Failure::new(Exit::Unavailable, message));
        }
        Ok(keys)
    }

    /// From now on, ssh takes this key and no other.
    pub fn trust(&self, key: &Key) -> Result<(), Failure> {
        let known = key.known_as(HOST_ALIAS);
        Ok(self.context.disk.replace(&self.hands.dir().join(KNOWN_HOSTS), known.as_bytes())?)
    }

    /// Logs in and looks. What cannot become a target is a failure.
    pub fn look(&self) -> Result<Seen, Failure> {
        let there = There(self.target);
        let said = self.hands.there(&words(["id", "-un"]))?;
        if said.code != 0 || said.timed_out {
            let why = shown(said.stderr.trim_ascii());
            let next = there.command("id");
            let message = format!("{} does not let us in: {why}; next: {next}", there.name());
            return Err(Failure::new(Exit::Unavailable, message));
        }
        let user = line(&said);
        let uid = self.line(&["id", "-u"])?;
        let machine = self.hands.there(&words(["cat", "/etc/machine-id"]))?;
        let machine = line(&machine);
        let rsync = self.line(&["rsync", "--version"])?;
        let folder = self.folder()?;
        let place = match &folder {
            Folder::Missing(above) => above.clone(),
            Folder::Unmarked(..) | Folder::Marked => self.target.path.to_string(),
        };
        let room = self.good(&["df", "-PB1", &place])?;
        Ok(Seen {
            machine_id: machine.parse::<MachineId>().is_ok().then_some(machine),
            user,
            uid,
            rsync,
            free_bytes: fourth(&room).map_or("?".to_owned(), |free| free.to_string()),
            folder,
        })
    }

    fn good(&self, argv: &[&str]) -> Result<Vec<u8>, Failure> {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let said = self.hands.there(&argv)?;
        good(&format!("`{}`, there,", argv.join(" ")), said).map_err(|complaint| {
            let next = There(self.target).command(&argv.join(" "));
            Failure::new(Exit::Negative, format!("{}; next: {next}", complaint.message))
        })
    }

    fn line(&self, argv: &[&str]) -> Result<String, Failure> {
        let bytes = self.good(argv)?;
        Ok(first_line(&bytes))
    }

    /// What a path is, as `find` says it in a letter; nothing where nothing is.
    fn letter(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let find = words(["find", path, "-maxdepth", "0", "-printf", "%y"]);
        Ok(self.hands.there(&find)?.stdout)
    }

    fn folder(&self) -> Result<Folder, Failure> {
        let path = self.target.path.get().as_str();
        let there = There(self.target);
        let refused = |what: String| {
            let next = there.command("ls -lad PATH");
            Err(Failure::new(Exit::Negative, format!("{} {what}; next: {next}", there.name())))
        };
        match self.letter(path)?.as_slice() {
            b"d" => {}
            b"" => {
                for above in std::path::Path::new(path).ancestors().skip(1) {
                    let above = above.display().to_string();
                    if self.letter(&above)?.as_slice() == b"d" {
                        return Ok(Folder::Missing(above));
                    }
                }
                return refused("lies below nothing".to_owned());
            }
            b"l" => return refused("is a link: name the folder itself".to_owned()),
            _ => return refused("is no folder".to_owned()),
        }
        let list =
            self.good(&["find", path, "-mindepth", "1", "-maxdepth", "1", "-printf", r"%f\0"])?;
        let mut names: Vec<&[u8]> =
            list.split(|byte| *byte == 0).filter(|n| !n.is_empty()).collect();
        names.sort_unstable();
        if names.contains(&MARKER.trim_start_matches('/').as_bytes()) {
            return match self.marker()? {
                Ok(found) if found == Marker::of(self.target) => Ok(Folder::Marked),
                Ok(found) => {
                    refused(format!("has a marker already, which names {}", found.names()))
                }
                Err(why) => refused(format!("has something else as {MARKER}: {why}")),
            };
        }
        let told = names.iter().take(NAMES_MAX).map(|name| shown(name)).collect();
        Ok(Folder::Unmarked(told, names.len()))
    }

    /// The marker there; why it is none.
    fn marker(&self) -> Result<Result<Marker, String>, Failure> {
        let file = format!("{}{MARKER}", self.target.path);
        let bytes = self.good(&["cat", "--", &file])?;
        Ok(serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
    }

    /// Makes the folder if it is missing, and puts the marker there, over nothing.
    pub fn mark(&self, seen: &Seen) -> Result<(), Failure> {
        let path = self.target.path.get().as_str();
        match &seen.folder {
            Folder::Marked => return Ok(()),
            Folder::Missing(_) => drop(self.good(&["mkdir", "-p", "-m", "755", "--", path])?),
            Folder::Unmarked(..) => {}
        }
        let (marker, dir) = (Marker::of(self.target), self.hands.dir());
        let own = dir.join(MARKER_FILE);
        self.context.disk.replace(&own, format!("{}\n", marker.to_json()).as_bytes())?;
        let to = format!("{path}{MARKER}");
        let send = argv::send_new(MARKER_FILE, self.target, &to);
        let said = self.hands.here(send, dir, [].into())?;
        let failed = |why: String| {
            let next = There(self.target).command("ls -la PATH");
            let message = format!("{to} could not be written: {why}; next: {next}");
            Failure::new(Exit::Negative, message)
        };
        good("rsync", said).map_err(|complaint| failed(complaint.message))?;
        match self.marker()? {
            Ok(found) if found == marker => Ok(()),
            Ok(found) => Err(failed(format!("somebody else put one there, for {}", found.names()))),
            Err(why) => Err(failed(why)),
        }
    }
}

fn line(said: &Captured) -> String {
    first_line(&said.stdout)
}

fn first_line(bytes: &[u8]) -> String {
    shown(bytes.trim_ascii().split(|byte| *byte == b'\n').next().unwrap_or_default())
}
