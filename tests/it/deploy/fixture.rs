//! A git repository, a target that was deployed from it, and what the job says about the two.

#![expect(
    clippy::disallowed_methods,
    reason = "this fixture starts git and rsync, and makes the trees that are looked at"
)]

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use mjolnir::store::digest::sha256_hex;
use serde_json::{Value as Json, json};

use super::locks::seen;
use crate::support::{ran::Ran, runner::Root, skip};

/// Names at the top of the target that no deploy may touch.
const STATE: [&str; 4] = [".env", ".env.prod", "data/ledger.csv", "data/deep/x"];

/// Settings under which a small tree on a full machine can be deployed.
pub const BARE: [(&str, &str); 3] = [
    ("deploy-check.limits.disk-free-min", "1B"),
    ("deploy-check.limits.inodes-free-min", "1"),
    ("deploy-check.secrets.allow", "{}"),
];

/// Both sides.
pub struct Site {
    pub root: Root,
    /// Where the target lies, when it is not in the root.
    elsewhere: Option<PathBuf>,
    /// Words that reach it.
    pub words: Vec<String>,
}

/// Whether programs are there.
pub fn have(programs: &[&str]) -> bool {
    programs.iter().all(|program| skip::have(program))
}

impl Site {
    /// In sync; `None`, said aloud, where git or rsync is missing.
    pub fn new() -> Option<Self> {
        let site = Self::bare(None, Vec::new())?;
        site.deploy();
        Some(site)
    }

    /// A target at another place, reached with these words.
    pub fn at(elsewhere: &Path, words: Vec<String>) -> Option<Self> {
        let site = Self::bare(Some(elsewhere.to_owned()), words)?;
        site.deploy();
        Some(site)
    }

    /// A target that nothing was deployed to yet.
    pub fn empty() -> Option<Self> {
        Self::bare(None, Vec::new())
    }

    /// Whether the target is a folder of this machine, reached as such.
    pub fn is_here(&self) -> bool {
        self.words.is_empty()
    }

    /// A source with a first commit, and a target with nothing but a marker and the state of its owner.
    fn bare(elsewhere: Option<PathBuf>, words: Vec<String>) -> Option<Self> {
        if !have(&["git", "rsync"]) {
            return None;
        }
        let site = Self { root: Root::new(), elsewhere, words };
        for (path, text) in [
            (".gitignore", "/data\n/.env\n/.env.*\n"),
            ("README.md", "hello\n"),
            ("src/main.py", "print(1)\n"),
            ("src/data/storage.py", "rows = []\n"),
            ("ops/run.sh", "exit 0\n"),
        ] {
            site.write(path, text);
        }
        site.git(&["init", "-q", "-b", "main"]);
        site.commit("first");
        fs::create_dir_all(site.there("")).unwrap();
        for path in STATE {
            let file = site.there(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, format!("state of {path}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        site.mark("mjolnir");
        Some(site)
    }

    /// A path in the source.
    pub fn here(&self, path: &str) -> PathBuf {
        self.root.at("tree").join(path)
    }

    /// A path on the target.
    pub fn there(&self, path: &str) -> PathBuf {
        let top = self.elsewhere.clone().unwrap_or_else(|| self.root.at("there"));
        if path.is_empty() { top } else { top.join(path) }
    }

    /// Writes a file of the source.
    pub fn write(&self, path: &str, text: &str) {
        put(&self.here(path), text);
    }

    /// Writes a file of the target.
    pub fn write_there(&self, path: &str, text: &str) {
        put(&self.there(path), text);
    }

    /// The marker, naming a project.
    pub fn mark(&self, project: &str) {
        let top = self.there("");
        let marker = json!({ "schema": "mjolnir.target/1", "project": project, "path": top.to_str().unwrap() });
        self.write_there(".mjolnir-target", &marker.to_string());
    }

    /// `git WORDS` in the source, without the settings of whoever runs the test.
    pub fn git(&self, words: &[&str]) -> String {
        let mut command = Command::new("/usr/bin/git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]);
        command.args(words).current_dir(self.here("")).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("HOME", "/nonexistent");
        let done = command.output().unwrap();
        assert!(done.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// Commits everything.
    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    /// What a deploy does: a real sync, and the note of what was deployed.
    pub fn deploy(&self) {
        let mut command = Command::new("/usr/bin/rsync");
        command.args([
            // By content: two versions of a second may be as long and as old.
            "-rlptc",
            "--exclude=/.git",
            "--exclude=/data",
            "--exclude=/.env",
            "--exclude=/.env.*",
        ]);
        command.arg(format!("{}/", self.here("").to_str().unwrap().trim_end_matches('/')));
        command.arg(format!("{}/", self.there("").to_str().unwrap()));
        assert!(command.status().unwrap().success());
        self.note(&self.git(&["rev-parse", "HEAD"]));
        self.own();
    }

    /// The note of what was deployed: the tracked files as they are in the source.
    pub fn note(&self, commit: &str) {
        let mut files = serde_json::Map::new();
        for path in self.git(&["ls-files"]).lines() {
            let file = self.here(path);
            let meta = fs::symlink_metadata(&file).unwrap();
            let link = meta.is_symlink();
            let bytes = if link {
                fs::read_link(&file).unwrap().to_str().unwrap().as_bytes().to_vec()
            } else {
                fs::read(&file).unwrap()
            };
            let kind = if link { "120" } else { "100" };
            let mode = format!("{kind}{:03o}", meta.mode() & 0o7777);
            let stamp = json!({ "sha256": sha256_hex(&bytes), "mode": mode, "size": meta.size() });
            files.insert(path.to_owned(), stamp);
        }
        let note = json!({
            "schema": "mjolnir.deployed/1", "commit": commit, "build": "0.1.0-test",
            "deployed_at": "2026-01-01T00:00:00Z", "files": files,
        });
        self.write_there(".mjolnir-deployed.json", &note.to_string());
    }

    /// Gives a target elsewhere to the user that logs in there, where that is another one.
    pub fn own(&self) {
        if let Some(owner) = self.elsewhere.as_ref().filter(|_| is_root()) {
            let mut command = Command::new("chown");
            command.args(["-hR", "--reference"]).arg(owner.parent().unwrap().join("owner"));
            assert!(command.arg(owner).status().unwrap().success());
        }
    }

    /// Words that reach the target.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// What the job says.
    pub fn check(&self) -> Checked {
        self.check_with(&[])
    }

    /// What the job says with other settings. Neither side is changed by it.
    pub fn check_with(&self, sets: &[(&str, &str)]) -> Checked {
        let path = self.there("").to_str().unwrap().to_owned();
        self.check_at(&path, sets)
    }

    /// What the job says about another folder.
    pub fn check_at(&self, path: &str, sets: &[(&str, &str)]) -> Checked {
        let mut call =
            self.root.call("run deploy-check --json -p source=tree").arg(&format!("path={path}"));
        for word in &self.words {
            call = call.arg(word);
        }
        let mut all = BARE.to_vec();
        // Who runs the tests as root deploys as root.
        if is_root() && self.is_here() {
            all.push(("deploy-check.severity.runs-as-root", "off"));
        }
        all.extend(sets);
        for (key, value) in all {
            call = call.arg("--set").arg(&format!("{key}={value}"));
        }
        let before = (seen(&self.there("")), seen(&self.here("")));
        let ran = call.env("HOME", self.root.path().to_str().unwrap()).run();
        let after = (seen(&self.there("")), seen(&self.here("")));
        assert!(before.0 == after.0, "the target was changed: {ran}");
        assert!(before.1 == after.1, "the source was changed: {ran}");
        let report = ran.json()["report"].clone();
        Checked { ran, report }
    }
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    Path::new("/proc/self").metadata().unwrap().uid() == 0
}

/// What the job said.
pub struct Checked {
    pub ran: Ran,
    pub report: Json,
}

impl Checked {
    /// Nothing speaks against a deploy.
    pub fn passes(self) -> Self {
        let levels = self.report["checks"].as_array().unwrap_or_else(|| panic!("{}", self.ran));
        let refused: Vec<_> = levels.iter().filter(|found| found["level"] == "fail").collect();
        assert!(refused.is_empty(), "{refused:#?}{}", self.ran.stderr);
        assert_eq!(self.ran.code, 0, "{}", self.ran);
        self
    }

    /// Passes, and nothing would be changed.
    pub fn stays_in_sync(self) -> Self {
        let checked = self.passes();
        let changes = &checked.report["changes"];
        assert_eq!(
            (&changes["new"], &changes["changed"]),
            (&json!(0), &json!(0)),
            "{}",
            checked.ran
        );
        checked
    }

    /// Refused for this, with these words somewhere in what was found, and a command to look closer.
    pub fn refuses(self, name: &str, words: &[&str]) -> Self {
        self.finds(name, "fail", words).ends(1)
    }

    /// Ended with this exit code.
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.ran.code, code, "{}", self.ran);
        self
    }

    /// There are findings of this kind at this level, and they hold these words.
    pub fn finds(self, name: &str, level: &str, words: &[&str]) -> Self {
        let all = self.report["checks"].as_array().unwrap_or_else(|| panic!("{}", self.ran));
        let of: Vec<&Json> = all.iter().filter(|found| found["name"] == name).collect();
        assert!(!of.is_empty(), "no {name}: {}", self.ran);
        for found in &of {
            assert_eq!(found["level"], level, "{found}");
            assert!(!found["next"].as_str().unwrap().is_empty(), "{found}");
        }
        let text: Vec<String> =
            of.iter().map(|found| format!("{} {}", found["value"], found["evidence"])).collect();
        let text = text.join("\n");
        for word in words {
            assert!(text.contains(word), "`{word}` is not in {text}");
        }
        self
    }

    /// There is no finding of this kind.
    pub fn lacks(self, name: &str) -> Self {
        let all = self.report["checks"].as_array().unwrap();
        assert!(all.iter().all(|found| found["name"] != name), "{name}: {}", self.ran);
        self
    }
}
