//! The table of runs. SQLite writes its own files; everything else about a run is in its folder.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OptionalExtension, ToSql, params};

use crate::{
    domain::{ids::RunId, time::UtcMs},
    store::{
        disk::{Disk, parent},
        error::StoreError,
        layout::Layout,
    },
};

/// Version of the table.
const SCHEMA: i64 = 1;
/// How long a writer waits for another one.
const BUSY_MS: u64 = 5_000;
/// Rows a list returns unless told otherwise.
const LIST_DEFAULT: u32 = 100;
const COLUMNS: &str = "run_id, job, kind, state, started_ms, ended_ms, exit_code, summary, parent, pid, build, schedule, slot_ms";

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunState {
    /// Going on.
    Running,
    /// Ended with exit code 0.
    Ok,
    /// Ended with another exit code.
    Failed,
    /// Ended by its time limit.
    TimedOut,
    /// Ended by a signal or an operator.
    Interrupted,
    /// Not run: the previous one was still going on.
    Overlapped,
    /// Not run: the scheduler was down.
    Missed,
    /// Not run, for another reason.
    Skipped,
    /// Its process is gone and nobody recorded how it ended.
    Lost,
}

impl RunState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Running,
        Self::Ok,
        Self::Failed,
        Self::TimedOut,
        Self::Interrupted,
        Self::Overlapped,
        Self::Missed,
        Self::Skipped,
        Self::Lost,
    ];

    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Interrupted => "interrupted",
            Self::Overlapped => "overlapped",
            Self::Missed => "missed",
            Self::Skipped => "skipped",
            Self::Lost => "lost",
        }
    }
}

/// One execution of a job, or a due slot that was not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub run_id: RunId,
    /// The job.
    pub job: String,
    /// Kind of the job.
    pub kind: String,
    /// How it stands.
    pub state: RunState,
    /// When it started, or was due.
    pub started: UtcMs,
    /// When it ended.
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
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// How it stands now.
    pub state: RunState,
    /// Its exit code.
    pub exit_code: i32,
    /// One line for people.
    pub summary: String,
    /// When it ended.
    pub at: UtcMs,
}

/// What came of recording a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It is recorded.
    Recorded,
    /// There is a record already, for this id or for this slot of its schedule.
    Duplicate,
}

/// Which runs to list, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this job.
    pub job: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// In this state.
    pub state: Option<RunState>,
    /// Started by this run.
    pub parent: Option<RunId>,
    /// Of this schedule.
    pub schedule: Option<String>,
    /// Started at or after.
    pub since: Option<UtcMs>,
    /// At most so many; 100 unless told.
    pub limit: Option<u32>,
}

/// The database of runs.
#[derive(Debug)]
pub struct RunStore {
    path: PathBuf,
    db: Connection,
}

impl RunStore {
    /// Opens the database, creating it when absent, and marks as lost the runs whose process is gone.
    pub fn open<D: Disk>(
        disk: &D,
        layout: &Layout,
        is_alive: impl Fn(u32) -> bool,
    ) -> Result<Self, StoreError> {
        let path = layout.runs_db();
        disk.create_dir_all(parent(&path))?;
        let store = Self { db: connect(&path).map_err(|error| refused(&path, &error))?, path };
        store.mark_lost(is_alive)?;
        Ok(store)
    }

    /// Records a run. At most one record exists per id, and per slot of a schedule.
    pub fn start(&self, run: &Run) -> Result<Start, StoreError> {
        let insert = format!(
            "INSERT INTO runs ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
        );
        let (schedule, slot) = run.due.as_ref().map(|(name, slot)| (name, slot.get())).unzip();
        let done = self.db.execute(
            &insert,
            params![
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
            ],
        );
        match done {
            Ok(_) => Ok(Start::Recorded),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                Ok(Start::Duplicate)
            }
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// Records how a run ended. The run must have been recorded.
    pub fn finish(&self, run: &RunId, end: &End) -> Result<(), StoreError> {
        let update = "UPDATE runs SET state = ?2, exit_code = ?3, summary = ?4, ended_ms = ?5 WHERE run_id = ?1";
        let values =
            params![run.as_str(), end.state.name(), end.exit_code, end.summary, end.at.get()];
        match self.db.execute(update, values).map_err(|error| self.refused(&error))? {
            0 => Err(StoreError::Missing {
                path: self.path.clone(),
                what: format!("the record of run {run}"),
            }),
            _ => Ok(()),
        }
    }

    /// One run.
    pub fn get(&self, run: &RunId) -> Result<Option<Run>, StoreError> {
        let select = format!("SELECT {COLUMNS} FROM runs WHERE run_id = ?1");
        let found = self.db.query_row(&select, [run.as_str()], |row| Ok(read(row)));
        found
            .optional()
            .map_err(|error| self.refused(&error))?
            .transpose()
            .map_err(|why| self.bad(why))
    }

    /// The runs a filter selects, newest first.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Run>, StoreError> {
        let Filter { job, kind, state, parent, schedule, since, limit } = filter;
        let (state, since) = (state.map(RunState::name), since.map(UtcMs::get));
        let parent = parent.as_ref().map(RunId::as_str);
        let tests: [(&str, &dyn ToSql); 6] = [
            ("job = ", job),
            ("kind = ", kind),
            ("state = ", &state),
            ("parent = ", &parent),
            ("schedule = ", schedule),
            ("started_ms >= ", &since),
        ];
        let tests_sql: Vec<_> = (1..)
            .zip(&tests)
            .map(|(n, (test, _))| format!("(?{n} IS NULL OR {test}?{n})"))
            .collect();
        let select = format!(
            "SELECT {COLUMNS} FROM runs WHERE {} ORDER BY started_ms DESC, rowid DESC LIMIT {}",
            tests_sql.join(" AND "),
            limit.unwrap_or(LIST_DEFAULT)
        );
        let query = || -> rusqlite::Result<Vec<Result<Run, String>>> {
            let mut statement = self.db.prepare_cached(&select)?;
            let rows =
                statement.query_map(&tests.map(|(_, value)| value)[..], |row| Ok(read(row)))?;
            rows.collect()
        };
        let runs = query().map_err(|error| self.refused(&error))?;
        runs.into_iter().collect::<Result<_, _>>().map_err(|why| self.bad(why))
    }

    fn mark_lost(&self, is_alive: impl Fn(u32) -> bool) -> Result<(), StoreError> {
        let going =
            Filter { state: Some(RunState::Running), limit: Some(u32::MAX), ..Filter::default() };
        for run in self.list(&going)? {
            if run.pid.is_some_and(&is_alive) {
                continue;
            }
            let update = "UPDATE runs SET state = 'lost' WHERE run_id = ?1 AND state = 'running'";
            self.db.execute(update, [run.run_id.as_str()]).map_err(|error| self.refused(&error))?;
        }
        Ok(())
    }

    fn refused(&self, error: &rusqlite::Error) -> StoreError {
        refused(&self.path, error)
    }

    fn bad(&self, reason: String) -> StoreError {
        StoreError::damaged(&self.path, 0, reason)
    }
}

fn refused(path: &Path, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreError::damaged(path, 0, error.to_string())
        }
        _ => StoreError::Records { path: path.to_owned(), reason: error.to_string() },
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "normal")?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version < SCHEMA {
        db.execute_batch(
            "BEGIN IMMEDIATE;
             CREATE TABLE IF NOT EXISTS runs (
                 run_id TEXT NOT NULL PRIMARY KEY, job TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
                 started_ms INTEGER NOT NULL, ended_ms INTEGER, exit_code INTEGER, summary TEXT NOT NULL,
                 parent TEXT, pid INTEGER, build TEXT NOT NULL, schedule TEXT, slot_ms INTEGER
             ) STRICT;
             CREATE UNIQUE INDEX IF NOT EXISTS runs_due ON runs (schedule, slot_ms) WHERE schedule IS NOT NULL;
             CREATE INDEX IF NOT EXISTS runs_started ON runs (started_ms);
             PRAGMA user_version = 1;
             COMMIT;",
        )?;
    }
    Ok(db)
}

fn read(row: &rusqlite::Row<'_>) -> Result<Run, String> {
    fn get<T: rusqlite::types::FromSql>(row: &rusqlite::Row<'_>, name: &str) -> Result<T, String> {
        row.get(name).map_err(|error| error.to_string())
    }
    let id = |text: String| text.parse::<RunId>().map_err(|error| error.to_string());
    let instant = |ms: i64| UtcMs::new(ms).map_err(|error| error.to_string());
    let state: String = get(row, "state")?;
    let slot = get::<Option<i64>>(row, "slot_ms")?.map(instant).transpose()?;
    Ok(Run {
        run_id: id(get(row, "run_id")?)?,
        job: get(row, "job")?,
        kind: get(row, "kind")?,
        state: RunState::ALL
            .into_iter()
            .find(|known| known.name() == state)
            .ok_or_else(|| format!("`{}` is not a state of a run", state.escape_debug()))?,
        started: instant(get(row, "started_ms")?)?,
        ended: get::<Option<i64>>(row, "ended_ms")?.map(instant).transpose()?,
        exit_code: get(row, "exit_code")?,
        summary: get(row, "summary")?,
        parent: get::<Option<String>>(row, "parent")?.map(id).transpose()?,
        pid: get(row, "pid")?,
        build: get(row, "build")?,
        due: get::<Option<String>>(row, "schedule")?.zip(slot),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::RealDisk;

    fn open(root: &Path, is_alive: impl Fn(u32) -> bool) -> RunStore {
        let layout = Layout::new(root);
        RunStore::open(&RealDisk::new(layout.data()), &layout, is_alive).unwrap()
    }

    fn run(id: &str, at: i64) -> Run {
        Run {
            run_id: id.parse().unwrap(),
            job: "eqflat".into(),
            kind: "eqflat".into(),
            state: RunState::Running,
            started: UtcMs::new(at).unwrap(),
            ended: None,
            exit_code: None,
            summary: String::new(),
            parent: None,
            pid: Some(7),
            build: "b".into(),
            due: None,
        }
    }

    #[test]
    fn runs_are_recorded_listed_and_finished() {
        let temp = tempfile::tempdir().unwrap();
        let store = open(temp.path(), |_| true);
        let child = Run { parent: Some("a".parse().unwrap()), kind: "live".into(), ..run("b", 2) };
        for each in [&run("a", 1), &child] {
            assert_eq!(store.start(each).unwrap(), Start::Recorded);
        }
        assert_eq!(store.start(&run("a", 9)).unwrap(), Start::Duplicate);
        let ended = UtcMs::new(5).unwrap();
        let end = End { state: RunState::Failed, exit_code: 1, summary: "FAIL".into(), at: ended };
        store.finish(&child.run_id, &end).unwrap();
        let done = store.get(&child.run_id).unwrap().unwrap();
        assert_eq!(
            (done.state, done.exit_code, done.ended),
            (RunState::Failed, Some(1), Some(ended))
        );
        let ids = |filter: &Filter| -> Vec<String> {
            store.list(filter).unwrap().iter().map(|run| run.run_id.to_string()).collect()
        };
        let all = Filter::default();
        assert_eq!(ids(&all), ["b", "a"]);
        assert_eq!(ids(&Filter { limit: Some(1), ..all.clone() }), ["b"]);
        assert_eq!(ids(&Filter { state: Some(RunState::Running), ..all.clone() }), ["a"]);
        assert_eq!(ids(&Filter { kind: Some("live".into()), ..all.clone() }), ["b"]);
        assert_eq!(ids(&Filter { parent: child.parent.clone(), ..all.clone() }), ["b"]);
        assert_eq!(ids(&Filter { since: Some(UtcMs::new(2).unwrap()), ..all.clone() }), ["b"]);
        assert!(ids(&Filter { job: Some("x' OR 1=1".into()), ..all }).is_empty());
        let error = store.finish(&"c".parse().unwrap(), &end).unwrap_err();
        assert!(error.to_string().starts_with("the record of run c is missing"), "{error}");
        assert_eq!(store.get(&"c".parse().unwrap()).unwrap(), None);
    }

    #[test]
    fn c16_a_slot_of_a_schedule_has_one_record() {
        let temp = tempfile::tempdir().unwrap();
        let store = open(temp.path(), |_| true);
        let slot = UtcMs::new(60_000).unwrap();
        let due = |id, state| Run { due: Some(("nightly".into(), slot)), state, ..run(id, 1) };
        assert_eq!(store.start(&due("a", RunState::Missed)).unwrap(), Start::Recorded);
        assert_eq!(store.start(&due("b", RunState::Running)).unwrap(), Start::Duplicate);
        let found = store.list(&Filter { schedule: Some("nightly".into()), ..Filter::default() });
        assert_eq!(found.unwrap(), [due("a", RunState::Missed)]);
    }

    #[test]
    fn a_run_whose_process_is_gone_is_lost() {
        let temp = tempfile::tempdir().unwrap();
        let store = open(temp.path(), |_| true);
        store.start(&run("alive", 1)).unwrap();
        store.start(&Run { pid: Some(8), ..run("gone", 2) }).unwrap();
        store.start(&Run { pid: None, ..run("nobody", 3) }).unwrap();
        drop(store);
        let store = open(temp.path(), |pid| pid == 7);
        let states: Vec<_> =
            store.list(&Filter::default()).unwrap().iter().map(|run| run.state).collect();
        assert_eq!(states, [RunState::Lost, RunState::Lost, RunState::Running]);
    }

    #[test]
    fn two_processes_can_write_at_once() {
        let temp = tempfile::tempdir().unwrap();
        let stores = [open(temp.path(), |_| true), open(temp.path(), |_| true)];
        for n in 0..20 {
            let store = &stores[n % 2];
            assert_eq!(store.start(&run(&format!("r{n}"), 1)).unwrap(), Start::Recorded);
        }
        assert_eq!(stores[0].list(&Filter::default()).unwrap().len(), 20);
    }

    #[test]
    fn a_file_that_is_no_database_is_damage() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::new(temp.path());
        let disk = RealDisk::new(layout.data());
        disk.create_dir_all(&layout.runs_dir()).unwrap();
        disk.replace(&layout.runs_db(), &[b'x'; 4096]).unwrap();
        let error = RunStore::open(&disk, &layout, |_| true).unwrap_err();
        assert!(!error.is_io(), "{error}");
    }
}
