//! The tables of the database, how older ones become the present ones, and how a run is.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use thiserror::Error;

/// Version of the tables.
const SCHEMA: i64 = 7;
/// How long a writer waits for another one.
pub(super) const BUSY_MS: u64 = 5_000;

/// The first version: runs.
const V1: &str = "
    CREATE TABLE runs (
        run_id TEXT NOT NULL PRIMARY KEY, job TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
        started_ms INTEGER NOT NULL, ended_ms INTEGER, exit_code INTEGER, summary TEXT NOT NULL,
        parent TEXT, pid INTEGER, build TEXT NOT NULL, schedule TEXT, slot_ms INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX runs_due ON runs (schedule, slot_ms) WHERE schedule IS NOT NULL;
    CREATE INDEX runs_started ON runs (started_ms);";

/// The second: attempts, what schedules decided last, what is paused, and what somebody was told about. States got other names.
const V2: &str = "
    ALTER TABLE runs ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE runs ADD COLUMN retry_of TEXT;
    ALTER TABLE runs ADD COLUMN not_before_ms INTEGER;
    CREATE INDEX runs_state ON runs (state);
    UPDATE runs SET state = CASE state WHEN 'ok' THEN 'succeeded' WHEN 'interrupted' THEN 'cancelled'
        WHEN 'overlapped' THEN 'skipped_overlap' WHEN 'skipped' THEN 'skipped_precondition' ELSE state END;
    CREATE TABLE schedules (
        schedule TEXT NOT NULL PRIMARY KEY, fingerprint TEXT NOT NULL, watermark_ms INTEGER NOT NULL, boot TEXT
    ) STRICT;
    CREATE TABLE pauses (
        job TEXT NOT NULL PRIMARY KEY, reason TEXT NOT NULL, who TEXT NOT NULL, since_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE incidents (
        incident TEXT NOT NULL PRIMARY KEY, since_ms INTEGER NOT NULL, told_ms INTEGER NOT NULL, times INTEGER NOT NULL
    ) STRICT;";

/// The third: an incident names the run in trouble, and the run that ended it, until that is told.
const V3: &str = "
    ALTER TABLE incidents ADD COLUMN run_id TEXT NOT NULL DEFAULT '';
    ALTER TABLE incidents ADD COLUMN over_run_id TEXT;";

/// The fourth: notices about ledgers, each once for everybody who gets it, and how far each ledger was looked through for them.
const V4: &str = "
    CREATE TABLE notices (
        n INTEGER PRIMARY KEY, id TEXT NOT NULL, sink TEXT NOT NULL, job TEXT NOT NULL, event TEXT NOT NULL, at_ms INTEGER NOT NULL,
        seen_ms INTEGER NOT NULL, facts TEXT NOT NULL, state TEXT NOT NULL, batch TEXT, sent_ms INTEGER, UNIQUE (id, sink)
    ) STRICT;
    CREATE INDEX notices_state ON notices (state, job, sink);
    CREATE TABLE notice_places (
        place TEXT NOT NULL PRIMARY KEY, offset INTEGER NOT NULL, ts_ms INTEGER NOT NULL, mark TEXT NOT NULL, word TEXT NOT NULL
    ) STRICT;";

/// The fifth: key figures of what a run found out, as a JSON object.
const V5: &str = "ALTER TABLE runs ADD COLUMN figures TEXT;";

/// The sixth: a pause may have an end, and steps of pipelines are approved.
const V6: &str = "
    ALTER TABLE pauses ADD COLUMN until_ms INTEGER;
    CREATE TABLE approvals (
        run_id TEXT NOT NULL, attempt INTEGER NOT NULL, step TEXT NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL,
        at_ms INTEGER NOT NULL, taken INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (run_id, attempt, step)
    ) STRICT;";

/// The seventh: pauses that are over, with who ended them, and why.
const V7: &str = "
    CREATE TABLE ended_pauses (
        n INTEGER PRIMARY KEY, job TEXT NOT NULL, reason TEXT NOT NULL, who TEXT NOT NULL, since_ms INTEGER NOT NULL, until_ms INTEGER,
        ended_ms INTEGER NOT NULL, ended_by TEXT, ended_why TEXT NOT NULL
    ) STRICT;
    CREATE INDEX ended_pauses_job ON ended_pauses (job, n);";

/// Opens the database and brings its tables up to date. Every commit is durable: a run that nobody knows of must not start.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "full")?;
    if version(&db)? < SCHEMA {
        let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have done it meanwhile.
        let found = version(&change)?;
        for (n, step) in [(1, V1), (2, V2), (3, V3), (4, V4), (5, V5), (6, V6), (7, V7)] {
            if found < n {
                change.execute_batch(step)?;
            }
        }
        change.pragma_update(None, "user_version", SCHEMA.max(found))?;
        change.commit()?;
    }
    Ok(db)
}

/// Opens a database that is there, without a right to write.
pub(super) fn connect_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    Ok(db)
}

fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunState {
    /// Recorded, and to be started: now, or when its time has come.
    Queued,
    /// Going on.
    Running,
    /// A pipeline between two steps: it has no process until somebody approves the next one.
    Waiting,
    /// Ended with exit code 0.
    Succeeded,
    /// Ended with exit code 0, after an attempt that failed.
    Flaky,
    /// Ended with another exit code.
    Failed,
    /// Ended by its time limit.
    TimedOut,
    /// Ended by an operator, by the end of the service, or by a newer slot that took its place.
    Cancelled,
    /// Ended by a bug.
    Panicked,
    /// Not run: the scheduler was not running when it was due, and it is too late.
    Missed,
    /// Not run: the slot before still ran.
    SkippedOverlap,
    /// Not run: a newer slot took its place in the queue.
    Superseded,
    /// Not run: paused, the disk too full, or its lock held.
    SkippedPrecondition,
    /// Its process is gone and nobody recorded how it ended.
    Lost,
}

impl RunState {
    /// Every state.
    pub const ALL: [Self; 14] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Succeeded,
        Self::Flaky,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
        Self::Panicked,
        Self::Missed,
        Self::SkippedOverlap,
        Self::Superseded,
        Self::SkippedPrecondition,
        Self::Lost,
    ];

    /// Whether somebody may want to know why a run ended like this.
    pub const fn went_wrong(self) -> bool {
        match self {
            Self::Failed | Self::TimedOut | Self::Panicked | Self::Lost => true,
            Self::Queued
            | Self::Running
            | Self::Waiting
            | Self::Succeeded
            | Self::Flaky
            | Self::Cancelled
            | Self::Missed
            | Self::SkippedOverlap
            | Self::Superseded
            | Self::SkippedPrecondition => false,
        }
    }

    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Flaky => "flaky",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Panicked => "panicked",
            Self::Missed => "missed",
            Self::SkippedOverlap => "skipped_overlap",
            Self::Superseded => "superseded",
            Self::SkippedPrecondition => "skipped_precondition",
            Self::Lost => "lost",
        }
    }

    /// Whether a run that stands like this has begun.
    pub const fn has_begun(self) -> bool {
        match self {
            Self::Running
            | Self::Waiting
            | Self::Succeeded
            | Self::Flaky
            | Self::Failed
            | Self::TimedOut
            | Self::Cancelled
            | Self::Panicked
            | Self::Lost => true,
            Self::Queued
            | Self::Missed
            | Self::SkippedOverlap
            | Self::Superseded
            | Self::SkippedPrecondition => false,
        }
    }

    /// Whether nothing more happens to a run that stands like this.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running | Self::Waiting)
    }
}

/// A text that does not name a state of a run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{}` is not a state of a run; the states are {}", .0.escape_debug(), names())]
pub struct NoState(String);

fn names() -> String {
    RunState::ALL.map(RunState::name).join(", ")
}

impl std::str::FromStr for RunState {
    type Err = NoState;

    fn from_str(text: &str) -> Result<Self, NoState> {
        let known = Self::ALL.into_iter().find(|known| known.name() == text);
        known.ok_or_else(|| NoState(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_the_first_version_is_taken_over_with_its_runs() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("runs.sqlite");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(V1).unwrap();
        for (n, state) in
            ["ok", "failed", "interrupted", "overlapped", "skipped", "lost"].iter().enumerate()
        {
            let insert = "INSERT INTO runs VALUES (?1, 'j', 'live', ?2, 5, NULL, NULL, '', NULL, 7, 'b', NULL, NULL)";
            old.execute(insert, (format!("r{n}"), state)).unwrap();
        }
        old.pragma_update(None, "user_version", 1).unwrap();
        drop(old);
        for _ in 0..2 {
            let db = connect(&path).unwrap();
            let mut select =
                db.prepare("SELECT state || attempt FROM runs ORDER BY run_id").unwrap();
            let states: Vec<String> =
                select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
            assert_eq!(
                states,
                [
                    "succeeded1",
                    "failed1",
                    "cancelled1",
                    "skipped_overlap1",
                    "skipped_precondition1",
                    "lost1"
                ]
            );
        }
    }

    #[test]
    fn a_database_of_the_sixth_version_keeps_its_pauses() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("runs.sqlite");
        let old = Connection::open(&path).unwrap();
        for step in [V1, V2, V3, V4, V5, V6] {
            old.execute_batch(step).unwrap();
        }
        let insert = "INSERT INTO pauses (job, reason, who, since_ms, until_ms) VALUES ('j', 'venue down', 'ann', 5, NULL)";
        old.execute(insert, ()).unwrap();
        old.pragma_update(None, "user_version", 6).unwrap();
        drop(old);
        let db = connect(&path).unwrap();
        let count = |table: &str| -> i64 {
            db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        };
        assert_eq!((version(&db).unwrap(), count("pauses"), count("ended_pauses")), (7, 1, 0));
    }

    #[test]
    fn what_went_wrong_is_what_nobody_wanted_and_nobody_ordered() {
        let wrong: Vec<&str> =
            RunState::ALL.iter().filter(|s| s.went_wrong()).map(|s| s.name()).collect();
        assert_eq!(wrong, ["failed", "timed_out", "panicked", "lost"]);
    }
}
