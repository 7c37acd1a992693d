//! The table of runs. SQLite writes its own files; everything else about a run is in its folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, ToSql, params};

use super::schema::{BUSY_MS, NoState, RunState, connect, connect_to_read};
use crate::{
    domain::{ids::RunId, time::UtcMs},
    store::{
        disk::{Disk, parent},
        error::StoreError,
        layout::Layout,
        lock::is_held,
    },
};

/// Rows a list returns unless told otherwise.
const LIST_DEFAULT: u32 = 100;
pub(super) const COLUMNS: &str = "run_id, job, kind, state, started_ms, ended_ms, exit_code, summary, parent, pid, build, schedule, slot_ms, attempt, retry_of, not_before_ms";

/// One execution of a job, or a due slot that was not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    pub run_id: RunId,
    pub job: String,
    /// Kind of the job.
    pub kind: String,
    pub state: RunState,
    /// When it started, or was due.
    pub started: UtcMs,
    pub ended: Option<UtcMs>,
    /// With which exit code.
    pub exit_code: Option<i32>,
    /// One line for people.
    pub summary: String,
    /// The run that started it.
    pub parent: Option<RunId>,
    /// Its process.
    pub pid: Option<u32>,
    /// Build of the program.
    pub build: String,
    /// The schedule and its slot; there is at most one run for each.
    pub due: Option<(String, UtcMs)>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The run this one repeats.
    pub retry_of: Option<RunId>,
    /// When a queued run may start.
    pub not_before: Option<UtcMs>,
}

impl RunRecord {
    /// The first attempt of a run: not over, started by no other one, due by no schedule, without a process.
    pub fn first(
        run_id: RunId,
        (job, kind): (&str, &str),
        state: RunState,
        started: UtcMs,
        build: &str,
    ) -> Self {
        Self {
            run_id,
            job: job.to_owned(),
            kind: kind.to_owned(),
            state,
            started,
            ended: None,
            exit_code: None,
            summary: String::new(),
            parent: None,
            pid: None,
            build: build.to_owned(),
            due: None,
            attempt: 1,
            retry_of: None,
            not_before: None,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// How it stands now.
    pub state: RunState,
    pub exit_code: i32,
    /// One line for people.
    pub summary: String,
    pub at: UtcMs,
}

/// What came of recording a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStart {
    Recorded,
    /// There is a record already, for this id or for this slot of its schedule.
    Duplicate,
}

/// A key figure by which runs are listed, instead of by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FigureOrder {
    /// Its name.
    pub name: String,
    /// The smallest first, and not the largest.
    pub is_rising: bool,
}

/// Which runs to list, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    pub job: Option<String>,
    pub kind: Option<String>,
    pub state: Option<RunState>,
    /// Started by this run.
    pub parent: Option<RunId>,
    pub schedule: Option<String>,
    /// Started at or after.
    pub since: Option<UtcMs>,
    /// Started before.
    pub until: Option<UtcMs>,
    /// Only runs that have this key figure, by its value.
    pub figure: Option<FigureOrder>,
    /// Without so many of the first.
    pub skip: u32,
    /// At most so many; 100 unless told.
    pub limit: Option<u32>,
}

/// Which rows a filter selects.
const WHERE: &str = "(?1 IS NULL OR job = ?1) AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR state = ?3) \
                     AND (?4 IS NULL OR parent = ?4) AND (?5 IS NULL OR schedule = ?5) \
                     AND (?6 IS NULL OR started_ms >= ?6) AND (?7 IS NULL OR started_ms < ?7) \
                     AND (?8 IS NULL OR json_extract(figures, '$.' || ?8) IS NOT NULL)";

impl RunFilter {
    /// Does something with the values of [`WHERE`].
    fn with<T>(&self, work: impl FnOnce(&[&dyn ToSql]) -> T) -> T {
        let Self { job, kind, state, parent, schedule, since, until, figure, skip: _, limit: _ } =
            self;
        let (state, parent) = (state.map(RunState::name), parent.as_ref().map(RunId::as_str));
        let (since, until) = (since.map(UtcMs::get), until.map(UtcMs::get));
        let figure = figure.as_ref().map(|figure| figure.name.as_str());
        work(&[job, kind, &state, &parent, schedule, &since, &until, &figure])
    }

    /// In which order they come.
    fn order(&self) -> &'static str {
        match self.figure.as_ref().map(|figure| figure.is_rising) {
            None => "started_ms DESC, rowid DESC",
            Some(false) => "json_extract(figures, '$.' || ?8) DESC, started_ms DESC, rowid DESC",
            Some(true) => "json_extract(figures, '$.' || ?8) ASC, started_ms DESC, rowid DESC",
        }
    }
}

/// The database of runs.
#[derive(Debug)]
pub struct RunStore {
    pub(super) path: PathBuf,
    pub(super) db: Connection,
}

impl RunStore {
    /// Opens the database, creating it when absent, and marks as lost the runs whose lock nobody holds.
    pub fn open<D: Disk>(disk: &D, layout: &Layout) -> Result<Self, StoreError> {
        let path = layout.runs_db();
        disk.create_dir_all(parent(&path))?;
        let db = connect(&path).map_err(|error| refused(&path, &error))?;
        let store = Self { path, db };
        store.mark_lost(layout)?;
        Ok(store)
    }

    /// Opens the database of a running service to look at it: nothing is written. `None` where there is none.
    pub fn look(layout: &Layout) -> Result<Option<Self>, StoreError> {
        let path = layout.runs_db();
        if !path.is_file() {
            return Ok(None);
        }
        let db = connect_to_read(&path).map_err(|error| refused(&path, &error))?;
        Ok(Some(Self { path, db }))
    }

    /// Records a run. At most one record exists per id, and per slot of a schedule.
    pub fn start(&self, run: &RunRecord) -> Result<RunStart, StoreError> {
        insert(&self.db, run).map_err(|error| self.refused(&error))
    }

    /// Takes over a queued run, or one that waits for an approval: true for one caller only, and only for that attempt.
    pub fn begin(
        &self,
        run: &RunId,
        attempt: u32,
        pid: u32,
        at: UtcMs,
    ) -> Result<bool, StoreError> {
        let update = "UPDATE runs SET started_ms = CASE state WHEN 'queued' THEN ?3 ELSE started_ms END, \
                      state = 'running', pid = ?4, not_before_ms = NULL \
                      WHERE run_id = ?1 AND attempt = ?2 AND state IN ('queued', 'waiting')";
        let done = self.db.execute(update, params![run.as_str(), attempt, at.get(), pid]);
        Ok(done.map_err(|error| self.refused(&error))? == 1)
    }

    /// Records how a run ended. The run must have been recorded.
    pub fn finish(&self, run: &RunId, end: &RunEnd) -> Result<(), StoreError> {
        let update = format!("UPDATE runs SET {ENDED} WHERE run_id = ?1");
        match self.db.execute(&update, ended(run, end)).map_err(|error| self.refused(&error))? {
            0 => Err(StoreError::Missing {
                path: self.path.clone(),
                what: format!("the record of run {run}"),
            }),
            _ => Ok(()),
        }
    }

    /// Records how a run ended, unless somebody has: true when this call did. For those who watch the process from outside.
    pub fn settle(&self, run: &RunId, attempt: u32, end: &RunEnd) -> Result<bool, StoreError> {
        let update = format!(
            "UPDATE runs SET {ENDED} WHERE run_id = ?1 AND attempt = {attempt} AND state IN ('queued', 'running', 'waiting')"
        );
        Ok(self.db.execute(&update, ended(run, end)).map_err(|error| self.refused(&error))? == 1)
    }

    /// Queues the next attempt of a run: true when the run stood at this attempt and nobody queued another one meanwhile.
    pub fn requeue(
        &self,
        run: &RunId,
        attempt: u32,
        next: u32,
        not_before: UtcMs,
    ) -> Result<bool, StoreError> {
        let update = "UPDATE runs SET state = 'queued', attempt = ?3, not_before_ms = ?4, ended_ms = NULL \
                      WHERE run_id = ?1 AND attempt = ?2 AND state <> 'running'";
        let done = self.db.execute(update, params![run.as_str(), attempt, next, not_before.get()]);
        Ok(done.map_err(|error| self.refused(&error))? == 1)
    }

    pub fn get(&self, run: &RunId) -> Result<Option<RunRecord>, StoreError> {
        let select = format!("SELECT {COLUMNS} FROM runs WHERE run_id = ?1");
        let query =
            || self.db.prepare_cached(&select)?.query_row([run.as_str()], |row| Ok(read(row)));
        query()
            .optional()
            .map_err(|error| self.refused(&error))?
            .transpose()
            .map_err(|why| self.bad(why))
    }

    /// The names of all jobs that have records.
    pub fn jobs(&self) -> Result<Vec<String>, StoreError> {
        let query = || -> rusqlite::Result<Vec<String>> {
            let mut select = self.db.prepare("SELECT DISTINCT job FROM runs ORDER BY job")?;
            select.query_map([], |row| row.get(0))?.collect()
        };
        query().map_err(|error| self.refused(&error))
    }

    /// The runs a filter selects, newest first.
    pub fn list(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        let select = format!(
            "SELECT {COLUMNS} FROM runs WHERE {WHERE} ORDER BY {} LIMIT {} OFFSET {}",
            filter.order(),
            filter.limit.unwrap_or(LIST_DEFAULT),
            filter.skip
        );
        let query = || -> rusqlite::Result<Vec<Result<RunRecord, String>>> {
            let mut statement = self.db.prepare_cached(&select)?;
            filter.with(|values| {
                statement.query_map(values, |row| Ok(read(row)))?.collect::<rusqlite::Result<_>>()
            })
        };
        let runs = query().map_err(|error| self.refused(&error))?;
        runs.into_iter().collect::<Result<_, _>>().map_err(|why| self.bad(why))
    }

    /// Keeps key figures of what a run found out.
    pub fn keep_figures(
        &self,
        run: &RunId,
        figures: &BTreeMap<String, f64>,
    ) -> Result<(), StoreError> {
        let text = serde_json::to_string(figures).expect("numbers serialise");
        let update = "UPDATE runs SET figures = ?2 WHERE run_id = ?1";
        let done = self.db.execute(update, params![run.as_str(), text]);
        done.map(drop).map_err(|error| self.refused(&error))
    }

    /// Key figures of what a run found out; none of a run that has none.
    pub fn figures(&self, run: &RunId) -> Result<BTreeMap<String, f64>, StoreError> {
        let select = "SELECT figures FROM runs WHERE run_id = ?1";
        let found = self.db.prepare_cached(select).and_then(|mut select| {
            select.query_row([run.as_str()], |row| row.get::<_, Option<String>>(0)).optional()
        });
        let text = found.map_err(|error| self.refused(&error))?.flatten();
        let read = text.map(|text| serde_json::from_str(&text)).transpose();
        read.map(Option::unwrap_or_default).map_err(|error| self.bad(error.to_string()))
    }

    /// How many runs a filter selects, whatever it skips and its limit.
    pub fn count(&self, filter: &RunFilter) -> Result<u64, StoreError> {
        let select = format!("SELECT count(*) FROM runs WHERE {WHERE}");
        let query = || -> rusqlite::Result<i64> {
            let mut statement = self.db.prepare_cached(&select)?;
            filter.with(|values| statement.query_row(values, |row| row.get(0)))
        };
        Ok(query().map_err(|error| self.refused(&error))?.unsigned_abs())
    }

    fn mark_lost(&self, layout: &Layout) -> Result<(), StoreError> {
        let going = RunFilter {
            state: Some(RunState::Running),
            limit: Some(u32::MAX),
            ..RunFilter::default()
        };
        for run in self.list(&going)? {
            if is_held(&layout.run_lock(&run.run_id)) {
                continue;
            }
            // Unless it ended or was queued anew between the two looks.
            let update = "UPDATE runs SET state = 'lost' WHERE run_id = ?1 AND attempt = ?2 AND state = 'running'";
            let lost = params![run.run_id.as_str(), run.attempt];
            self.db.execute(update, lost).map_err(|error| self.refused(&error))?;
        }
        Ok(())
    }

    pub(super) fn refused(&self, error: &rusqlite::Error) -> StoreError {
        refused(&self.path, error)
    }

    pub(super) fn bad(&self, reason: String) -> StoreError {
        StoreError::damaged(&self.path, 0, reason)
    }
}

fn refused(path: &Path, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            let next = "move it away together with its -wal and -shm files: the next run begins a new one, and the folders of the runs stay";
            StoreError::damaged(path, 0, format!("{error}: {next}"))
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Busy { path: path.to_owned(), waited_s: BUSY_MS / 1000 }
        }
        _ => StoreError::Records { path: path.to_owned(), reason: error.to_string() },
    }
}

/// What is set when a run ends; a success after a failed attempt is flaky.
const ENDED: &str = "state = CASE WHEN ?2 = 'succeeded' AND attempt > 1 THEN 'flaky' ELSE ?2 END, \
                     exit_code = ?3, summary = ?4, ended_ms = ?5, not_before_ms = NULL";

fn ended<'a>(run: &'a RunId, end: &'a RunEnd) -> (&'a str, &'static str, i32, &'a str, i64) {
    (run.as_str(), end.state.name(), end.exit_code, &end.summary, end.at.get())
}

/// Inserts a record, unless its id or its slot has one.
pub(super) fn insert(db: &Connection, run: &RunRecord) -> rusqlite::Result<RunStart> {
    let insert = format!(
        "INSERT INTO runs ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
    );
    let (schedule, slot) = run.due.as_ref().map(|(name, slot)| (name, slot.get())).unzip();
    let done = db.prepare_cached(&insert)?.execute(params![
        run.run_id.as_str(),
        run.job,
        run.kind,
        run.state.name(),
        run.started.get(),
        run.ended.map(UtcMs::get),
        run.exit_code,
        run.summary,
        run.parent.as_ref().map(RunId::as_str),
        run.pid,
        run.build,
        schedule,
        slot,
        run.attempt,
        run.retry_of.as_ref().map(RunId::as_str),
        run.not_before.map(UtcMs::get),
    ]);
    match done {
        Ok(_) => Ok(RunStart::Recorded),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Ok(RunStart::Duplicate)
        }
        Err(error) => Err(error),
    }
}

fn read(row: &rusqlite::Row<'_>) -> Result<RunRecord, String> {
    fn get<T: rusqlite::types::FromSql>(row: &rusqlite::Row<'_>, name: &str) -> Result<T, String> {
        row.get(name).map_err(|error| error.to_string())
    }
    let id = |text: String| text.parse::<RunId>().map_err(|error| error.to_string());
    let instant = |ms: i64| UtcMs::new(ms).map_err(|error| error.to_string());
    let state: String = get(row, "state")?;
    let slot = get::<Option<i64>>(row, "slot_ms")?.map(instant).transpose()?;
    Ok(RunRecord {
        run_id: id(get(row, "run_id")?)?,
        job: get(row, "job")?,
        kind: get(row, "kind")?,
        state: state.parse().map_err(|error: NoState| error.to_string())?,
        started: instant(get(row, "started_ms")?)?,
        ended: get::<Option<i64>>(row, "ended_ms")?.map(instant).transpose()?,
        exit_code: get(row, "exit_code")?,
        summary: get(row, "summary")?,
        parent: get::<Option<String>>(row, "parent")?.map(id).transpose()?,
        pid: get(row, "pid")?,
        build: get(row, "build")?,
        due: get::<Option<String>>(row, "schedule")?.zip(slot),
        attempt: get(row, "attempt")?,
        retry_of: get::<Option<String>>(row, "retry_of")?.map(id).transpose()?,
        not_before: get::<Option<i64>>(row, "not_before_ms")?.map(instant).transpose()?,
    })
}

/// Runs of one job in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunCount {
    pub job: String,
    pub state: RunState,
    /// How many records.
    pub records: i64,
}

impl RunStore {
    /// The records there are, by job and state.
    pub fn counts(&self) -> Result<Vec<RunCount>, StoreError> {
        let query = || -> rusqlite::Result<Vec<(String, String, i64)>> {
            let select =
                "SELECT job, state, COUNT(*) FROM runs GROUP BY job, state ORDER BY job, state";
            let mut select = self.db.prepare_cached(select)?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        };
        let rows = query().map_err(|error| self.refused(&error))?;
        rows.into_iter()
            .map(|(job, state, records)| {
                let state = state.parse().map_err(|error: NoState| self.bad(error.to_string()))?;
                Ok(RunCount { job, state, records })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{disk::RealDisk, runs::RunFolder};

    fn open(root: &Path) -> RunStore {
        let layout = Layout::new(root);
        RunStore::open(&RealDisk::new(layout.data()), &layout).unwrap()
    }

    fn run(id: &str, at: i64) -> RunRecord {
        RunRecord {
            pid: Some(7),
            ..RunRecord::first(
                id.parse().unwrap(),
                ("eqflat", "eqflat"),
                RunState::Running,
                UtcMs::new(at).unwrap(),
                "b",
            )
        }
    }

    #[test]
    fn runs_are_recorded_listed_and_finished() {
        let temp = tempfile::tempdir().unwrap();
        let store = open(temp.path());
        let child =
            RunRecord { parent: Some("a".parse().unwrap()), kind: "live".into(), ..run("b", 2) };
        for each in [&run("a", 1), &child] {
            assert_eq!(store.start(each).unwrap(), RunStart::Recorded);
        }
        assert_eq!(store.start(&run("a", 9)).unwrap(), RunStart::Duplicate);
        let ended = UtcMs::new(5).unwrap();
        let end =
            RunEnd { state: RunState::Failed, exit_code: 1, summary: "FAIL".into(), at: ended };
        store.finish(&child.run_id, &end).unwrap();
        let done = store.get(&child.run_id).unwrap().unwrap();
        assert_eq!(
            (done.state, done.exit_code, done.ended),
            (RunState::Failed, Some(1), Some(ended))
        );
        let ids = |filter: &RunFilter| -> Vec<String> {
            store.list(filter).unwrap().iter().map(|run| run.run_id.to_string()).collect()
        };
        let all = RunFilter::default();
        assert_eq!(ids(&all), ["b", "a"]);
        assert_eq!(ids(&RunFilter { limit: Some(1), ..all.clone() }), ["b"]);
        assert_eq!(ids(&RunFilter { state: Some(RunState::Running), ..all.clone() }), ["a"]);
        assert_eq!(ids(&RunFilter { kind: Some("live".into()), ..all.clone() }), ["b"]);
        assert_eq!(ids(&RunFilter { parent: child.parent.clone(), ..all.clone() }), ["b"]);
        assert_eq!(ids(&RunFilter { since: Some(UtcMs::new(2).unwrap()), ..all.clone() }), ["b"]);
        assert_eq!(ids(&RunFilter { until: Some(UtcMs::new(2).unwrap()), ..all.clone() }), ["a"]);
        assert_eq!(ids(&RunFilter { skip: 1, ..all.clone() }), ["a"]);
        let read_only = RunStore::look(&Layout::new(temp.path())).unwrap().unwrap();
        assert_eq!(read_only.count(&RunFilter { limit: Some(1), ..all.clone() }).unwrap(), 2);
        let live = RunFilter { kind: Some("live".into()), ..all.clone() };
        assert_eq!(read_only.count(&live).unwrap(), 1);
        assert!(read_only.start(&run("c", 3)).is_err(), "it only looks");
        assert!(ids(&RunFilter { job: Some("x' OR 1=1".into()), ..all }).is_empty());
        let error = store.finish(&"c".parse().unwrap(), &end).unwrap_err();
        assert!(error.to_string().starts_with("the record of run c is missing"), "{error}");
        assert_eq!(store.get(&"c".parse().unwrap()).unwrap(), None);
    }

    #[test]
    fn c16_a_slot_of_a_schedule_has_one_record() {
        let temp = tempfile::tempdir().unwrap();
        let store = open(temp.path());
        let slot = UtcMs::new(60_000).unwrap();
        let due =
            |id, state| RunRecord { due: Some(("nightly".into(), slot)), state, ..run(id, 1) };
        assert_eq!(store.start(&due("a", RunState::Missed)).unwrap(), RunStart::Recorded);
        assert_eq!(store.start(&due("b", RunState::Running)).unwrap(), RunStart::Duplicate);
        let found =
            store.list(&RunFilter { schedule: Some("nightly".into()), ..RunFilter::default() });
        assert_eq!(found.unwrap(), [due("a", RunState::Missed)]);
    }

    #[test]
    fn a_run_whose_lock_nobody_holds_is_lost() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::new(temp.path());
        let disk = RealDisk::new(layout.data());
        let store = open(temp.path());
        let folder = RunFolder::create(&disk, &layout, &"alive".parse().unwrap()).unwrap();
        let alive = folder.hold("x", 7, UtcMs::EPOCH).unwrap();
        let queued = RunRecord { state: RunState::Queued, pid: None, ..run("waits", 4) };
        for run in [run("alive", 1), run("gone", 2), queued] {
            store.start(&run).unwrap();
        }
        let states = |store: &RunStore| -> Vec<_> {
            store.list(&RunFilter::default()).unwrap().iter().map(|run| run.state).collect()
        };
        assert_eq!(
            states(&open(temp.path())),
            [RunState::Queued, RunState::Lost, RunState::Running]
        );
        drop(alive);
        assert_eq!(states(&open(temp.path())), [RunState::Queued, RunState::Lost, RunState::Lost]);
    }

    #[test]
    fn c16_a_queued_run_is_taken_over_once_and_only_in_its_attempt() {
        let temp = tempfile::tempdir().unwrap();
        let store = open(temp.path());
        let at = |ms| UtcMs::new(ms).unwrap();
        let queued = RunRecord { state: RunState::Queued, pid: None, ..run("a", 1) };
        store.start(&queued).unwrap();
        let id = &queued.run_id;
        assert!(!store.begin(id, 2, 9, at(5)).unwrap(), "another attempt");
        assert!(store.begin(id, 1, 9, at(5)).unwrap());
        assert!(!store.begin(id, 1, 10, at(6)).unwrap(), "it runs");
        assert!(!store.requeue(id, 1, 2, at(9)).unwrap(), "it runs");
        let end = |state| RunEnd { state, exit_code: 0, summary: "x".into(), at: at(7) };
        assert!(store.settle(id, 1, &end(RunState::Failed)).unwrap());
        assert!(!store.settle(id, 1, &end(RunState::Lost)).unwrap(), "it is over");
        assert!(store.requeue(id, 1, 2, at(9)).unwrap());
        assert!(!store.requeue(id, 1, 2, at(9)).unwrap(), "somebody else did");
        assert_eq!(store.get(id).unwrap().unwrap().not_before, Some(at(9)));
        assert!(!store.begin(id, 1, 9, at(5)).unwrap(), "a late child of the first attempt");
        assert!(store.begin(id, 2, 9, at(9)).unwrap());
        store.finish(id, &end(RunState::Succeeded)).unwrap();
        let done = store.get(id).unwrap().unwrap();
        assert_eq!((done.state, done.attempt, done.not_before), (RunState::Flaky, 2, None));
    }

    #[test]
    fn two_processes_can_write_at_once() {
        let temp = tempfile::tempdir().unwrap();
        let stores = [open(temp.path()), open(temp.path())];
        for n in 0..20 {
            let store = &stores[n % 2];
            assert_eq!(store.start(&run(&format!("r{n}"), 1)).unwrap(), RunStart::Recorded);
        }
        assert_eq!(stores[0].list(&RunFilter::default()).unwrap().len(), 20);
    }

    #[test]
    fn a_file_that_is_no_database_is_damage() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::new(temp.path());
        let disk = RealDisk::new(layout.data());
        disk.create_dir_all(&layout.runs_dir()).unwrap();
        disk.replace(&layout.runs_db(), &[b'x'; 4096]).unwrap();
        let error = RunStore::open(&disk, &layout).unwrap_err();
        assert!(!error.is_io(), "{error}");
    }
}
