//! Watches a run from beside: asks it to stop when its time is up or somebody says so, and ends the process when it does not.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    cli::output::say,
    clock::{Deadline, nap},
    exit::Exit,
    jobs::context::OUT_OF_MEMORY,
    os::{
        machine::lift_memory_limit,
        process_tree::{EndSignal, ProcessTag, kill_offspring},
        signals::{Stop, exit_now, on_abort},
    },
};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// After the grace, for what the job itself ends by then: its children are killed at that very moment. The service waits a second.
const KILLED: Duration = Duration::from_millis(500);
/// What a run's programs have to end once it was asked twice.
const AT_ONCE: Duration = Duration::from_secs(1);
/// What telling the end of a run may take that got no memory.
const TOLD: Duration = Duration::from_secs(10);
/// Longest reason that is taken from a stop file, in characters.
const REASON_MAX: usize = 200;

/// Why a run was asked to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopRequest {
    /// Its time was up.
    Timeout,
    /// Somebody asked, and said why.
    Somebody(String),
}

/// Records and tells how a run ended, in the place of its job.
pub type LastAct = Box<dyn FnOnce(Exit, &str) -> Exit + Send>;

/// What a guard watches.
pub struct Watchdog {
    /// The longest the run may take.
    pub limit: Option<Duration>,
    /// Between asking and ending.
    pub grace: Duration,
    /// The file that somebody makes who wants the run to stop.
    pub stop_file: PathBuf,
    /// How the run is asked.
    pub stop: Stop,
    /// What is done last, before the process of a run that does not end in time is ended; with the exit code that is returned.
    pub last: LastAct,
}

/// Tells why a run was asked to stop, if it was.
#[derive(Debug, Clone, Default)]
pub struct WatchdogWord {
    why: Arc<OnceLock<StopRequest>>,
    /// Who records and tells how the run ended, the job or its guard: whoever sets it first, and nobody else.
    settled: Arc<AtomicBool>,
}

impl WatchdogWord {
    /// Why, if it was asked.
    pub fn why(&self) -> Option<&StopRequest> {
        self.why.get()
    }

    /// The job is over: what is still to be recorded and told is not ended by its time limit. A job that comes too late does not come back
    /// from here: its guard is telling how it ended, and ends this process.
    pub fn over(&self) {
        while self.settle().is_err() {
            std::thread::park();
        }
    }

    /// Only the first one succeeds.
    fn settle(&self) -> Result<(), ()> {
        if self.settled.swap(true, Ordering::Relaxed) { Err(()) } else { Ok(()) }
    }

    fn is_over(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }
}

/// What is done for a run that is asked twice: its programs are ended, wherever they went, and how it ended is recorded and told. One whose
/// job is over does the rest itself.
pub fn end_at_once(
    stop: &Stop,
    told: &WatchdogWord,
    tag: ProcessTag,
    last: LastAct,
) -> io::Result<()> {
    let (asked, told) = (stop.clone(), told.clone());
    stop.on_second(move || {
        // Before its programs are gone: else the job would be over, and would record its end as well.
        let is_ours = told.settle().is_ok();
        tag.hit(EndSignal::Term);
        gone(&tag);
        tag.hit(EndSignal::Kill);
        kill_offspring();
        gone(&tag);
        if is_ours {
            let what = "the job was asked twice to stop and was ended at once";
            say(&format!("error: {what}"));
            let exit = last(Exit::Signal(asked.signal().unwrap_or(15)), what);
            std::process::exit(i32::from(exit.code()));
        }
    })
}

/// What is done for a run that gets no memory and aborts: how it ended is recorded and told, by a thread that gets some.
pub fn end_without_memory(told: &WatchdogWord, last: LastAct) -> io::Result<()> {
    let told = told.clone();
    on_abort(move || {
        // Refused only where it was never set.
        let _ = lift_memory_limit();
        let exit = Exit::Manifest;
        // What aborted may hold a lock that telling it needs.
        std::thread::spawn(move || {
            nap(TOLD);
            exit_now(exit.code());
        });
        // A job that is over records its end meanwhile, if it is not that which aborts.
        if told.settle().is_err() {
            nap(KILLED);
        }
        say(&format!("error: {OUT_OF_MEMORY}"));
        // Not with what a process does at its end: that waits for the thread that aborts.
        exit_now(last(exit, OUT_OF_MEMORY).code());
    })
}

/// Waits until all processes are gone, but not for long.
fn gone(tag: &ProcessTag) {
    let deadline = Deadline::after(Some(AT_ONCE));
    while tag.count() > 0 && !deadline.is_over() {
        nap(LOOK);
    }
}

/// Why a run is asked to end, when its stop file is there.
pub fn asked_by(stop_file: &Path) -> Option<String> {
    let reason = std::fs::read(stop_file).ok()?;
    let reason = String::from_utf8_lossy(&reason);
    Some(reason.trim().escape_debug().take(REASON_MAX).collect())
}

impl Watchdog {
    /// Watches until the job is over or this process ends.
    pub fn start(self) -> WatchdogWord {
        let told = WatchdogWord::default();
        let shared = told.clone();
        std::thread::spawn(move || self.watch(&shared));
        told
    }

    fn watch(self, told: &WatchdogWord) {
        let deadline = Deadline::after(self.limit);
        let asked = loop {
            if told.is_over() {
                return;
            }
            if deadline.is_over() {
                break StopRequest::Timeout;
            }
            if let Some(reason) = asked_by(&self.stop_file) {
                break StopRequest::Somebody(reason);
            }
            nap(deadline.left().min(LOOK));
        };
        let (exit, what) = match &asked {
            StopRequest::Timeout => (Exit::Timeout, "the job took longer than its timeout"),
            StopRequest::Somebody(_) => (Exit::Signal(15), "the job was asked to stop"),
        };
        let is_timeout = asked == StopRequest::Timeout;
        // Set once, here.
        let _ = told.why.set(asked);
        if is_timeout {
            self.stop.ask();
        } else {
            self.stop.term();
        }
        nap(self.grace + KILLED);
        if told.settle().is_err() {
            return;
        }
        let what = format!("{what} and did not end in time");
        say(&format!("error: {what}"));
        let exit = (self.last)(exit, &what);
        std::process::exit(i32::from(exit.code()));
    }
}
