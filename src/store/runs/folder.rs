//! The folder of one run, and how what runs leave behind is taken away.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::records::{RunFilter, RunRecord, RunStore};
use crate::{
    domain::{
        ids::RunId,
        time::{DAY_MS, UtcMs},
    },
    store::{
        disk::{Disk, EntryKind},
        error::StoreError,
        layout::Layout,
        lock::{Lock, Owner, is_held},
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

/// Who asked for a run, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAsked {
    pub who: String,
    /// Empty where only the name was given.
    pub reason: String,
}

impl RunAsked {
    /// Of a run; `None` where nobody said so, as of a schedule, or its folder is gone.
    pub fn read<D: Disk>(
        disk: &D,
        layout: &Layout,
        run: &RunId,
    ) -> Result<Option<Self>, StoreError> {
        let Some(bytes) = disk.read(&layout.run_info(run))? else { return Ok(None) };
        let info: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
        Ok(info.and_then(|info| serde_json::from_value(info.get("asked")?.clone()).ok()))
    }
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
    /// Who asked for it, where somebody said so.
    pub asked: Option<RunAsked>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<&'a RunAsked>,
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
        let RunInfo { build, argv, given, asked, job, kind, started, inputs } = info;
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
            asked: asked.as_ref(),
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

/// A folder without a record may belong to a run that is being recorded right now; one older than this does not.
const STRAY_MS: i64 = DAY_MS;
/// Records that are taken away in one durable step. Others who write wait for one step at most, and no folder is without its record
/// for longer than one.
const AT_ONCE: usize = 200;
/// Folders of runs are not nested deeper than this.
const DEPTH_MAX: u32 = 16;

/// How much the runs of one job may leave behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Runs that ended more days ago are taken away.
    pub days: u32,
    /// Of more runs than this, the oldest are taken away.
    pub runs: u32,
    /// Of folders that hold more bytes together, the oldest are taken away.
    pub bytes: u64,
}

impl Default for Keep {
    /// What manifests say that say nothing.
    fn default() -> Self {
        Self { days: 30, runs: 2_000, bytes: 1 << 30 }
    }
}

/// What was taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    pub records: u64,
    pub folders: u64,
    /// Bytes in these folders.
    pub bytes: u64,
    /// Folders that had to stay, and why: a person has to look at them.
    pub left: Vec<(RunId, String)>,
}

impl Swept {
    /// Counts what was taken away besides.
    pub fn add(&mut self, more: Self) {
        self.records += more.records;
        self.folders += more.folders;
        self.bytes += more.bytes;
        self.left.extend(more.left);
    }
}

/// Takes away what runs left behind.
#[derive(Debug)]
pub struct Sweeper<'a, D: Disk> {
    pub store: &'a RunStore,
    /// The disk with the folders.
    pub disk: &'a D,
    /// Where they lie.
    pub layout: &'a Layout,
    /// The present time.
    pub now: UtcMs,
}

impl<D: Disk> Sweeper<'_, D> {
    /// Takes away the runs of one job that are too old or too many, the oldest first.
    ///
    /// A run that waits or goes on stays, and one whose lock is held or whose parent goes on; so do the newest run of each
    /// schedule and the newest run that went wrong. Stops at the first error; what is left is whole, and the next sweep goes on.
    pub fn job(&self, job: &str, keep: &Keep) -> Result<Swept, StoreError> {
        let all =
            RunFilter { job: Some(job.to_owned()), limit: Some(u32::MAX), ..RunFilter::default() };
        let runs = self.store.list(&all)?;
        let stays = self.that_stay(&runs)?;
        let mut bytes = BTreeMap::new();
        for run in &runs {
            bytes.insert(&run.run_id, self.size(&self.layout.run_dir(&run.run_id), 0)?);
        }
        let (mut count, mut sum) = (runs.len() as u64, bytes.values().sum::<u64>());
        let oldest_kept = self.now.plus_ms(-i64::from(keep.days).saturating_mul(DAY_MS));
        let mut swept = Swept::default();
        let mut candidates = runs.iter().rev().filter(|run| !stays.contains(&run.run_id));
        loop {
            let mut batch = Vec::new();
            for run in candidates.by_ref() {
                let is_old = run.ended.unwrap_or(run.started) < oldest_kept;
                if is_old || count > u64::from(keep.runs) || sum > keep.bytes {
                    count -= 1;
                    sum -= bytes[&run.run_id];
                    batch.push(run);
                }
                if batch.len() == AT_ONCE {
                    break;
                }
            }
            if batch.is_empty() {
                break;
            }
            let forgotten = self.store.forget(&batch)?;
            for (run, is_forgotten) in batch.into_iter().zip(forgotten) {
                if is_forgotten {
                    swept.records += 1;
                    self.folder(&run.run_id, &mut swept)?;
                } else {
                    // It was queued anew meanwhile.
                    count += 1;
                    sum += bytes[&run.run_id];
                }
            }
        }
        Ok(swept)
    }

    /// Takes away the folders of runs that have no record and have not changed for a day: a crash left them.
    pub fn strays(&self) -> Result<Swept, StoreError> {
        let mut swept = Swept::default();
        for name in self.disk.list(&self.layout.runs_dir())? {
            let Ok(run) = name.parse::<RunId>() else { continue };
            let dir = self.layout.run_dir(&run);
            let Some(found) = self.disk.look(&dir)? else { continue };
            let is_old = found.changed < self.now.plus_ms(-STRAY_MS);
            if found.kind == EntryKind::Dir && is_old && self.store.get(&run)?.is_none() {
                self.folder(&run, &mut swept)?;
            }
        }
        Ok(swept)
    }

    fn that_stay(&self, newest_first: &[RunRecord]) -> Result<BTreeSet<RunId>, StoreError> {
        let (mut stays, mut schedules, mut has_failed) = (BTreeSet::new(), BTreeMap::new(), false);
        for run in newest_first {
            let mut stay = !run.state.is_over() || is_held(&self.layout.run_lock(&run.run_id));
            if let Some((schedule, slot)) = &run.due {
                let newest = schedules.entry(schedule).or_insert((slot, &run.run_id));
                if slot > newest.0 {
                    *newest = (slot, &run.run_id);
                }
            }
            if run.state.went_wrong() && !has_failed {
                (stay, has_failed) = (true, true);
            }
            if let Some(parent) = &run.parent {
                let parent = self.store.get(parent)?;
                stay |= parent.is_some_and(|parent| !parent.state.is_over());
            }
            if stay {
                stays.insert(run.run_id.clone());
            }
        }
        stays.extend(schedules.into_values().map(|(_, run)| run.clone()));
        Ok(stays)
    }

    /// Takes away the folder of a run, unless it is a link or somebody holds its lock.
    fn folder(&self, run: &RunId, swept: &mut Swept) -> Result<(), StoreError> {
        let dir = self.layout.run_dir(run);
        match self.disk.look(&dir)?.map(|found| found.kind) {
            None => return Ok(()),
            Some(EntryKind::Dir) if is_held(&self.layout.run_lock(run)) => {
                swept.left.push((run.clone(), "its lock is held".to_owned()));
                return Ok(());
            }
            Some(EntryKind::Dir) => {}
            Some(EntryKind::File | EntryKind::Link) => {
                let why = format!("{} is not a folder", dir.display());
                swept.left.push((run.clone(), why));
                return Ok(());
            }
        }
        swept.bytes += self.clear(&dir, 0)?;
        swept.folders += 1;
        Ok(())
    }

    /// Removes a folder with all that is in it, and says how many bytes that was. A link is removed itself, what it points to is not
    /// touched.
    fn clear(&self, dir: &Path, depth: u32) -> Result<u64, StoreError> {
        self.not_too_deep(dir, depth)?;
        let mut sum = 0;
        for name in self.disk.list(dir)? {
            let path = dir.join(name);
            match self.disk.look(&path)? {
                Some(found) if found.kind == EntryKind::Dir => {
                    sum += self.clear(&path, depth + 1)?;
                }
                Some(found) => {
                    self.disk.remove(&path)?;
                    sum += found.bytes;
                }
                None => {}
            }
        }
        self.disk.remove_dir(dir)?;
        Ok(sum)
    }

    fn size(&self, dir: &Path, depth: u32) -> Result<u64, StoreError> {
        self.not_too_deep(dir, depth)?;
        if self.disk.look(dir)?.is_none_or(|found| found.kind != EntryKind::Dir) {
            return Ok(0);
        }
        let mut sum = 0;
        for name in self.disk.list(dir)? {
            let path = dir.join(name);
            match self.disk.look(&path)? {
                Some(found) if found.kind == EntryKind::Dir => {
                    sum += self.size(&path, depth + 1)?;
                }
                Some(found) => sum += found.bytes,
                None => {}
            }
        }
        Ok(sum)
    }

    fn not_too_deep(&self, dir: &Path, depth: u32) -> Result<(), StoreError> {
        assert!(dir.starts_with(self.layout.runs_dir()), "only folders of runs are taken away");
        if depth > DEPTH_MAX {
            let why = format!("folders are nested deeper than {DEPTH_MAX}: look at it, remove it");
            return Err(StoreError::damaged(dir, 0, why));
        }
        Ok(())
    }
}

impl RunStore {
    /// Removes the records of runs that stand as they were seen, in one durable step: false for one that has changed meanwhile.
    fn forget(&self, seen: &[&RunRecord]) -> Result<Vec<bool>, StoreError> {
        let delete = "DELETE FROM runs WHERE run_id = ?1 AND attempt = ?2 AND state = ?3";
        let remove = || -> rusqlite::Result<Vec<bool>> {
            let change = self.db.unchecked_transaction()?;
            let forgotten = {
                let mut delete = change.prepare_cached(delete)?;
                let one = |run: &&RunRecord| {
                    delete
                        .execute((run.run_id.as_str(), run.attempt, run.state.name()))
                        .map(|gone| gone == 1)
                };
                seen.iter().map(one).collect::<rusqlite::Result<_>>()?
            };
            change.execute(
                "DELETE FROM approvals WHERE run_id NOT IN (SELECT run_id FROM runs)",
                [],
            )?;
            change.commit()?;
            Ok(forgotten)
        };
        remove().map_err(|error| self.refused(&error))
    }
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
            asked: Some(RunAsked { who: "ann".into(), reason: "a look".into() }),
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
        assert_eq!(json["asked"]["reason"], "a look");
        let asked = |run: &str| RunAsked::read(&disk, &layout, &run.parse().unwrap()).unwrap();
        assert_eq!((asked("r1"), asked("none")), (info.asked.clone(), None));
        // One that nobody asked for, and one of an older build.
        folder.write_info(&RunInfo { asked: None, ..info }).unwrap();
        assert_eq!(asked("r1"), None);
    }
}
