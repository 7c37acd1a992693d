//! The folder of one sweep: files that are created once, read back, and compared where they are there already.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    plan::SweepPlan,
    results::{TrialRow, parse},
};
use crate::{
    domain::time::{DAY_MS, UtcMs},
    exit::Exit,
    jobs::context::{Context, Failure},
    os::machine,
    store::{
        disk::{Disk, DiskError, DiskResult, TEMP_SUFFIX, parent},
        document::document,
        layout::Layout,
    },
};

/// Name and version of the document.
const CALL_SCHEMA: &str = "mjolnir.sweep-call/1";

/// Age at which an unfinished file is nobody's any more, where other machines write too.
const TEMP_AGE_MS: i64 = DAY_MS;

/// `call.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    schema: String,
    call: String,
}

/// What became of a file that is created once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It was not there.
    Now,
    /// It was there, with the same bytes.
    Before,
    /// It was there, with other bytes.
    Differs,
}

/// Creates a file as a whole, once and durable: what is there already stays.
pub fn create_once<D: Disk>(disk: &D, path: &Path, bytes: &[u8]) -> DiskResult<Created> {
    let compared = |found: Option<Vec<u8>>| match found {
        Some(found) if found == bytes => Some(Created::Before),
        Some(_) => Some(Created::Differs),
        None => None,
    };
    if let Some(done) = compared(disk.read(path)?) {
        return Ok(done);
    }
    let staged = disk.stage(path, bytes)?;
    let named = disk.sync(staged.path()).and_then(|()| disk.link(staged.path(), path));
    disk.abandon(staged);
    match named {
        Ok(()) => {
            disk.sync_dir(parent(path))?;
            Ok(Created::Now)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Ok(compared(disk.read(path)?).unwrap_or(Created::Differs))
        }
        Err(error) => Err(error),
    }
}

/// The files of one sweep.
pub struct SweepFolder<'a> {
    pub(super) disk: &'a crate::store::disk::RealDisk,
    pub(super) layout: &'a Layout,
    /// What it is called.
    pub id: String,
    /// Files of results that are there, whether or not a listing has them: one of a shared folder may be a minute old.
    known: Mutex<BTreeSet<String>>,
}

impl<'a> SweepFolder<'a> {
    /// Of a sweep.
    pub fn new(context: &Context<'a>, id: &str) -> Self {
        let known = Mutex::default();
        Self { disk: context.disk, layout: context.layout, id: id.to_owned(), known }
    }

    /// Makes it, and finds out whether files can be created once here.
    pub fn make(&self) -> Result<(), Failure> {
        let results = self.layout.sweep_results_dir(&self.id);
        self.disk.create_dir_all(&results)?;
        self.disk.create_dir_all(&self.layout.sweep_nulls_dir(&self.id))?;
        self.disk.create_dir_all(&self.layout.sweep_walk_dir(&self.id))?;
        let probe = results.join(".probe");
        self.remove(&probe)?;
        create_once(self.disk, &probe, b"probe\n").map_err(unfit)?;
        self.remove(&probe)
    }

    /// Removes a file that may be there.
    pub fn remove(&self, path: &Path) -> Result<(), Failure> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The plan, if it is there and whole.
    pub fn plan(&self) -> Result<Option<SweepPlan>, Failure> {
        let path = self.layout.sweep_plan(&self.id);
        let Some(plan) = self.json::<SweepPlan>(&path)? else { return Ok(None) };
        if plan.id() == self.id {
            return Ok(Some(plan));
        }
        let path = path.display();
        let message = format!(
            "{path} was changed: its content does not match the name of its folder; remove the folder and run the sweep again"
        );
        Err(Failure::new(Exit::Data, message))
    }

    /// Writes the plan, or finds the same one there.
    pub fn keep_plan(&self, plan: &SweepPlan) -> Result<Created, Failure> {
        match self.plan()? {
            Some(_) => Ok(Created::Before),
            None => self.create(&self.layout.sweep_plan(&self.id), document(plan).as_bytes()),
        }
    }

    /// Writes a file once. One that is there with other bytes contradicts this build; what would have been written is kept beside.
    pub fn create(&self, path: &Path, bytes: &[u8]) -> Result<Created, Failure> {
        match create_once(self.disk, path, bytes)? {
            Created::Differs => {
                let dir = self.layout.sweep_conflicts_dir(&self.id);
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let kept = dir.join(format!("{}_{}_{name}", machine::name(), std::process::id()));
                self.disk.create_dir_all(&dir)?;
                self.disk.replace(&kept, bytes)?;
                let message = format!(
                    "{} differs from {}: two runs of the same trial gave two results",
                    path.display(),
                    kept.display()
                );
                Err(Failure::new(Exit::Bug, message))
            }
            done => Ok(done),
        }
    }

    /// Whether a file is there.
    pub fn has(&self, path: &Path) -> Result<bool, Failure> {
        Ok(self.disk.len(path)?.is_some())
    }

    /// Replaces a file.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.disk.replace(path, bytes)?)
    }

    /// A document of the folder; `None` without it.
    pub fn json<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, Failure> {
        let Some(bytes) = self.disk.read(path)? else { return Ok(None) };
        let damaged = |error: serde_json::Error| {
            let message = format!(
                "{} is damaged: {error}; remove it and run the sweep again",
                path.display()
            );
            Failure::new(Exit::Data, message)
        };
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    /// Writes a document once.
    pub fn create_json(&self, path: &Path, value: &impl Serialize) -> Result<(), Failure> {
        self.create(path, document(value).as_bytes()).map(drop)
    }

    /// All trials whose results are there and whole, by index. A file that is not goes into quarantine: its trials are played again.
    pub fn results(&self, plan: &SweepPlan) -> Result<Vec<Option<TrialRow>>, Failure> {
        let mut scan = ResultScan::new(plan);
        scan.look(self, plan)?;
        Ok(scan.rows)
    }

    /// Remembers a file of results that is there.
    pub fn know(&self, keys: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(format!("{keys}.csv"));
    }

    /// Opens files of results by their names, and remembers those that are there; returns how many were not known.
    pub fn open_results(&self, names: &[String]) -> Result<usize, Failure> {
        let (known, mut many) = (self.result_names()?, 0);
        for keys in names {
            if self.disk.read(&self.result(keys))?.is_some() {
                many += usize::from(!known.contains(&format!("{keys}.csv")));
                self.know(keys);
            }
        }
        Ok(many)
    }

    /// The files of results that the folder lists, and those that are known to be there.
    fn result_names(&self) -> Result<BTreeSet<String>, Failure> {
        let listed = self.disk.list(&self.layout.sweep_results_dir(&self.id))?;
        let mut names = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        names.extend(listed.into_iter().filter(|name| name.strip_suffix(".csv").is_some()));
        Ok(names)
    }

    /// Takes away the unfinished files of earlier processes: all of them, unless other machines may be writing here; then old ones only.
    pub fn clean(&self, now: UtcMs) -> Result<(), Failure> {
        let layout = self.layout;
        let is_shared = !self.disk.list(&layout.sweep_submits_dir(&self.id))?.is_empty();
        for dir in [
            layout.sweep_results_dir(&self.id),
            layout.sweep_nulls_dir(&self.id),
            layout.sweep_walk_dir(&self.id),
        ] {
            if !is_shared {
                self.disk.clean_temps(&dir)?;
                continue;
            }
            for name in self.disk.list(&dir)?.iter().filter(|name| name.ends_with(TEMP_SUFFIX)) {
                let path = dir.join(name);
                let entry = self.disk.look(&path)?;
                if entry.is_some_and(|entry| now.get() - entry.changed.get() > TEMP_AGE_MS) {
                    self.remove(&path)?;
                }
            }
        }
        Ok(())
    }

    fn quarantine(&self, path: &Path) -> Result<(), Failure> {
        let dir = self.layout.sweep_quarantine_dir(&self.id);
        self.disk.create_dir_all(&dir)?;
        let kept = dir.join(path.file_name().unwrap_or_default());
        tracing::warn!(
            "{} is not whole: it is kept as {}, and its trials are played again",
            path.display(),
            kept.display()
        );
        match self.disk.rename(path, &kept) {
            // Another process was faster.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            renamed => Ok(renamed?),
        }
    }

    /// How many trials have results. Nothing is changed.
    pub fn count(&self, plan: &SweepPlan) -> Result<usize, Failure> {
        let dir = self.layout.sweep_results_dir(&self.id);
        let mut many = 0;
        for name in self.result_names()? {
            let bytes = self.disk.read(&dir.join(name))?.unwrap_or_default();
            let rows = parse(&String::from_utf8_lossy(&bytes), &plan.parameters, plan.cut());
            many += rows.map_or(0, |rows| rows.len());
        }
        Ok(many)
    }

    /// Writes how the sweep was called; the newest call counts.
    pub fn keep_call(&self, call: &str) -> Result<(), Failure> {
        let call = Call { schema: CALL_SCHEMA.to_owned(), call: call.to_owned() };
        self.replace(&self.layout.sweep_call(&self.id), document(&call).as_bytes())
    }

    /// How the sweep was called.
    pub fn call(&self) -> Result<String, Failure> {
        let call: Option<Call> = self.json(&self.layout.sweep_call(&self.id))?;
        let missing = || Failure::new(Exit::Nothing, format!("{} was never run", self.id));
        call.map(|call| call.call).ok_or_else(missing)
    }

    /// Its verdict.
    pub fn report_path(&self) -> PathBuf {
        self.layout.sweep_report(&self.id)
    }

    /// What its winner did on the days that were held out.
    pub fn final_path(&self) -> PathBuf {
        self.layout.sweep_final(&self.id)
    }

    /// A file of its results.
    pub fn result(&self, keys: &str) -> PathBuf {
        self.layout.sweep_result(&self.id, keys)
    }

    /// The result of a null market.
    pub fn null(&self, k: u32) -> PathBuf {
        self.layout.sweep_null(&self.id, k)
    }

    /// The result of a step of the walk forward.
    pub fn step(&self, n: usize) -> PathBuf {
        self.layout.sweep_step(&self.id, n)
    }

    /// Whether it was asked for its end.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.disk.look(&self.layout.sweep_cancelled(&self.id)), Ok(Some(_)))
    }

    /// Takes back that it was asked for its end.
    pub fn uncancel(&self) -> Result<(), Failure> {
        self.remove(&self.layout.sweep_cancelled(&self.id))
    }
}

/// The results of a sweep as they come: a file that was read is not read again, since it never changes.
pub struct ResultScan {
    seen: BTreeSet<String>,
    /// The trials that have results, by index.
    pub rows: Vec<Option<TrialRow>>,
}

impl ResultScan {
    /// Before anything was read.
    pub fn new(plan: &SweepPlan) -> Self {
        Self { seen: BTreeSet::new(), rows: vec![None; plan.trials.len()] }
    }

    /// Reads what is new.
    pub fn look(&mut self, folder: &SweepFolder<'_>, plan: &SweepPlan) -> Result<(), Failure> {
        let dir = folder.layout.sweep_results_dir(&folder.id);
        for name in folder.result_names()? {
            if self.seen.contains(&name) {
                continue;
            }
            let path = dir.join(&name);
            let Some(bytes) = folder.disk.read(&path)? else { continue };
            let text = String::from_utf8_lossy(&bytes);
            let found = parse(&text, &plan.parameters, plan.cut());
            let known = |row: &TrialRow| {
                plan.trials.get(row.index as usize).is_some_and(|trial| trial.key == row.key)
            };
            let Some(found) = found.filter(|rows| rows.iter().all(known)) else {
                folder.quarantine(&path)?;
                continue;
            };
            for row in found {
                let at = row.index as usize;
                self.rows[at] = Some(row);
            }
            self.seen.insert(name);
        }
        Ok(())
    }
}

fn unfit(error: DiskError) -> Failure {
    // Another error says nothing about the file system.
    if !matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) {
        return error.into();
    }
    let message = format!(
        "{error}: results need hard links, which this file system refuses; put data/ on another one"
    );
    Failure::new(Exit::Io, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::DiskOp;

    /// What a file system cannot do is one thing, what it could not do this time another.
    #[test]
    fn a_folder_without_second_names_is_said_and_a_full_one_is_not_called_unfit() {
        let failed = |kind: ErrorKind| {
            unfit(DiskError::new(DiskOp::Link, Path::new("/d/results/.probe"), kind.into()))
        };
        for kind in [ErrorKind::PermissionDenied, ErrorKind::Unsupported] {
            let failure = failed(kind);
            assert_eq!(failure.exit, Exit::Io);
            assert!(failure.message.contains("put data/ on another one"), "{}", failure.message);
        }
        let full = failed(ErrorKind::StorageFull);
        assert_eq!(full.exit, Exit::Io);
        assert!(!full.message.contains("another one"), "{}", full.message);
    }
}
