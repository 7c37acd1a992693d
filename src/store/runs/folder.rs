//! The folder of one run: resolved manifest, what it ran on, its log, its results.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    domain::{ids::RunId, time::UtcMs},
    store::{
        disk::Disk,
        error::StoreError,
        layout::Layout,
        lock::{Lock, Owner},
    },
};

/// Version of `run.json`.
const SCHEMA: u32 = 1;

/// One file a run was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunInput {
    /// Where it was read from.
    pub path: String,
    /// Its content, as a digest.
    pub sha256: String,
}

/// What a job was given: enough to give it the same again. Secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunArguments {
    /// Its manifest, or its name.
    pub job: String,
    /// `-P`.
    pub profiles: Vec<String>,
    /// `-p`.
    pub params: Vec<(String, String)>,
    /// What its schedule gave.
    pub scheduled: Vec<(String, String)>,
    /// `--set`.
    pub set: Vec<(String, String)>,
    /// `--timeout`.
    #[serde(default)]
    pub timeout: Option<String>,
}

/// What a run was started with: `run.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// Build of the program.
    pub build: String,
    /// Its arguments, secrets masked.
    pub argv: Vec<String>,
    /// What it was given.
    pub given: RunArguments,
    pub job: String,
    /// Kind of the job.
    pub kind: String,
    pub started: UtcMs,
    /// Files it was given.
    pub inputs: Vec<RunInput>,
}

#[derive(Serialize)]
struct RunJson<'a> {
    schema: u32,
    run_id: &'a str,
    job: &'a str,
    kind: &'a str,
    build: &'a str,
    started_ms: i64,
    started: String,
    argv: &'a [String],
    given: &'a RunArguments,
    inputs: &'a [RunInput],
}

/// The folder of one run.
#[derive(Debug)]
pub struct RunFolder<'d, D: Disk> {
    disk: &'d D,
    run: RunId,
    dir: PathBuf,
}

impl<'d, D: Disk> RunFolder<'d, D> {
    /// Creates the folder of a run.
    pub fn create(disk: &'d D, layout: &Layout, run: &RunId) -> Result<Self, StoreError> {
        let dir = layout.run_dir(run);
        disk.create_dir_all(&dir)?;
        Ok(Self { disk, run: run.clone(), dir })
    }

    /// Shows that the run is alive, for as long as the lock is held.
    pub fn hold(&self, job: &str, pid: u32, since: UtcMs) -> Result<Lock, StoreError> {
        let owner = Owner { pid, run_id: self.run.clone(), job: job.to_owned(), since };
        Ok(Lock::take(&self.dir.join("run.lock"), &owner)?)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where its log is.
    pub fn log_path(&self) -> PathBuf {
        self.dir.join("log.jsonl")
    }

    /// Writes the resolved manifest.
    pub fn write_manifest(&self, toml: &str) -> Result<(), StoreError> {
        self.write("manifest.toml", toml.as_bytes())
    }

    /// Writes what the run was started with.
    pub fn write_info(&self, info: &RunInfo) -> Result<(), StoreError> {
        let RunInfo { build, argv, given, job, kind, started, inputs } = info;
        let json = RunJson {
            schema: SCHEMA,
            run_id: self.run.as_str(),
            job,
            kind,
            build,
            started_ms: started.get(),
            started: started.to_string(),
            argv,
            given,
            inputs,
        };
        self.write_json("run.json", &json)
    }

    /// Writes the result.
    pub fn write_result(&self, result: &impl Serialize) -> Result<(), StoreError> {
        self.write_json("result.json", result)
    }

    /// Replaces one more file of the run, e.g. a proof or a report.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        assert!(is_file_name(name), "a file of a run is in its folder");
        Ok(self.disk.replace(&self.dir.join(name), bytes)?)
    }

    /// Appends whole lines to the log. They are not synced: a log may lose its end, a ledger may not.
    pub fn append_log(&self, lines: &[u8]) -> Result<(), StoreError> {
        let path = self.log_path();
        if self.disk.len(&path)?.is_none() {
            self.disk.create_new(&path)?;
        }
        Ok(self.disk.append(&path, lines)?)
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let mut json = serde_json::to_vec_pretty(value)
            .map_err(|error| StoreError::damaged(self.dir.join(name), 0, error.to_string()))?;
        json.push(b'\n');
        self.write(name, &json)
    }
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::RealDisk;

    #[test]
    fn a_run_leaves_its_files() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::new(temp.path());
        let disk = RealDisk::new(layout.data());
        let folder = RunFolder::create(&disk, &layout, &"r1".parse().unwrap()).unwrap();
        folder.write_manifest("name = \"x\"\n").unwrap();
        let info = RunInfo {
            build: "b".into(),
            argv: vec!["runner".into(), "run".into()],
            given: RunArguments { job: "jobs/x.toml".into(), ..RunArguments::default() },
            job: "x".into(),
            kind: "live".into(),
            started: UtcMs::new(1_700_000_000_000).unwrap(),
            inputs: vec![RunInput { path: "jobs/x.toml".into(), sha256: "00".into() }],
        };
        folder.write_info(&info).unwrap();
        folder.write_result(&serde_json::json!({ "ok": true })).unwrap();
        folder.append_log(b"{}\n").unwrap();
        folder.append_log(b"{}\n").unwrap();
        let names = disk.list(folder.dir()).unwrap();
        assert_eq!(names, ["log.jsonl", "manifest.toml", "result.json", "run.json"]);
        assert_eq!(disk.len(&folder.log_path()).unwrap(), Some(6));
        let json = disk.read(&folder.dir().join("run.json")).unwrap().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["run_id"], "r1");
        assert_eq!(json["started"], "2023-11-14T22:13:20Z");
        assert_eq!(json["inputs"][0]["path"], "jobs/x.toml");
    }
}
