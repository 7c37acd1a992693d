//! The real program in a temporary folder that holds the shipped `jobs/`, `profiles/` and `strategies/`, with only the variables it is given.

#![expect(
    clippy::disallowed_methods,
    reason = "this builder starts programs and writes the files that tests break"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread::JoinHandle,
    time::Duration,
};

use mjolnir::{clock::nap, manifest::Kind, os::filesystem::room};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::ran::Ran;

/// The longest a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_mins(3);
/// Room the shipped jobs want, and some more.
const ROOM: u64 = 2 << 30;
const SHM: &str = "/dev/shm";

/// A folder to run jobs in.
pub struct Root {
    dir: TempDir,
}

impl Root {
    /// In memory where there is room, so that syncs cost nothing.
    pub fn new() -> Self {
        let shm = Path::new(SHM);
        let roomy = room(shm).is_ok_and(|room| room.bytes > ROOM);
        if roomy { Self::below(shm) } else { Self::on_disk() }
    }

    /// On a real disk, where every row takes its time.
    pub fn on_disk() -> Self {
        Self::below(&std::env::temp_dir())
    }

    fn below(dir: &Path) -> Self {
        let root = Self { dir: TempDir::with_prefix_in("runner-", dir).unwrap() };
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in ["jobs", "profiles", "strategies"] {
            copy_tree(&shipped.join(name), &root.at(name));
        }
        root
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn at(&self, inside: &str) -> PathBuf {
        self.path().join(inside)
    }

    /// Content of a file; empty when there is none.
    pub fn read(&self, inside: &str) -> String {
        fs::read_to_string(self.at(inside)).unwrap_or_default()
    }

    pub fn write(&self, inside: &str, text: &str) {
        self.write_bytes(inside, text.as_bytes());
    }

    pub fn write_bytes(&self, inside: &str, bytes: &[u8]) {
        fs::create_dir_all(parent(&self.at(inside))).unwrap();
        fs::write(self.at(inside), bytes).unwrap();
    }

    /// Names in a folder, sorted.
    pub fn list(&self, inside: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(inside)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Every file below a folder with its bytes, lossily as text.
    pub fn files(&self, inside: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for name in self.list(inside) {
            let path = format!("{inside}/{name}");
            if self.at(&path).is_dir() {
                found.extend(self.files(&path));
            } else {
                let bytes = fs::read(self.at(&path)).unwrap();
                found.push((path, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        found
    }

    /// Takes a file away.
    pub fn remove(&self, inside: &str) {
        fs::remove_file(self.at(inside)).unwrap();
    }

    /// Moves what is there to another name.
    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.at(from), self.at(to)).unwrap();
    }

    /// Whole rows of a file, its header not counted.
    pub fn rows(&self, inside: &str) -> usize {
        let bytes = fs::read(self.at(inside)).unwrap_or_default();
        bytes.split(|byte| *byte == b'\n').count().saturating_sub(2)
    }

    /// Waits until a file has so many rows.
    pub fn await_rows(&self, inside: &str, rows: usize) {
        self.await_lines(inside, rows + 1);
    }

    /// Waits until a file has so many lines.
    pub fn await_lines(&self, inside: &str, lines: usize) {
        let mut left = PATIENCE;
        while self.read(inside).matches('\n').count() < lines {
            nap(Duration::from_millis(1));
            left = left.checked_sub(Duration::from_millis(1)).expect("the rows come in time");
        }
    }

    /// `runner ARGS`, split at blanks.
    pub fn call(&self, args: &str) -> Call<'_> {
        let args = args.split_whitespace().map(str::to_owned).collect();
        Call { root: self, args, env: BTreeMap::new() }
    }

    /// Runs `runner ARGS` to its end.
    pub fn run(&self, args: &str) -> Ran {
        self.call(args).run()
    }

    /// Runs a line as an operator would type it.
    pub fn shell(&self, line: &str) -> Ran {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.path());
        Ran::of(line.to_owned(), &command.output().unwrap())
    }
}

/// Nothing that a job put out is missing on the list by which references to it are checked.
impl Drop for Root {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for run in self.list("data/runs") {
            let document = |name: &str| -> Option<serde_json::Value> {
                serde_json::from_str(&self.read(&format!("data/runs/{run}/{name}"))).ok()
            };
            let (Some(info), Some(result)) = (document("run.json"), document("result.json")) else {
                continue;
            };
            let kind = Kind::of(info["kind"].as_str().unwrap_or_default());
            let (Some(keys), Some(out)) =
                (kind.and_then(|kind| kind.row().puts_out), result["out"].as_object())
            else {
                continue;
            };
            let own = out.keys().filter(|key| !key.starts_with("steps."));
            for key in own {
                assert!(
                    keys.contains(&key.as_str()),
                    "{}: `{key}` is not in `puts_out` of its row in kinds.rs",
                    info["kind"]
                );
            }
        }
    }
}

/// A command line with its environment.
pub struct Call<'a> {
    root: &'a Root,
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

impl Call<'_> {
    /// One more argument, blanks and all.
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// One more variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        command.args(&self.args).current_dir(self.root.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
        command.envs(&self.env);
        command
    }

    pub fn run(self) -> Ran {
        Ran::of(self.args.join(" "), &self.command().output().unwrap())
    }

    /// Starts it and returns at once.
    pub fn start(self) -> Running {
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = [drain(child.stdout.take()), drain(child.stderr.take())];
        Running { line: self.args.join(" "), child: Some(child), said: Some(said) }
    }
}

/// A program at work. Dropping it ends it.
pub struct Running {
    line: String,
    child: Option<Child>,
    /// Whoever reads what it says, so that it never waits for a reader.
    said: Option<[JoinHandle<Vec<u8>>; 2]>,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Sends a signal by its name, such as `TERM`. At once: on a busy machine a program that sends it comes much later.
    pub fn signal(&self, name: &str) {
        send(self.pid(), name);
    }

    pub fn is_over(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_some()
    }

    pub fn end(mut self) -> Ran {
        let status = self.child.take().unwrap().wait().unwrap();
        let [stdout, stderr] = self.said.take().unwrap().map(|said| said.join().unwrap());
        Ran::of(self.line.clone(), &Output { status, stdout, stderr })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Sends a signal by its name to a process.
pub fn send(pid: u32, name: &str) {
    let known = [
        ("TERM", Signal::TERM),
        ("INT", Signal::INT),
        ("HUP", Signal::HUP),
        ("KILL", Signal::KILL),
        ("STOP", Signal::STOP),
        ("CONT", Signal::CONT),
    ];
    let signal = known.into_iter().find(|(known, _)| *known == name).expect("a known signal").1;
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process");
    kill_process(pid, signal).unwrap();
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    let mut pipe = pipe.unwrap();
    std::thread::spawn(move || {
        let mut said = Vec::new();
        pipe.read_to_end(&mut said).unwrap();
        said
    })
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap()
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
