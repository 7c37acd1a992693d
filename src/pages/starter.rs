//! Runs that are started through pages: each is a process of its own, which a thread holds on to until it ends. The thread keeps its
//! output bounded, and starts what comes after it.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::desk::lock;
use crate::{
    cli::args::RunArgs,
    clock::{Clock as _, SystemClock, nap},
    domain::ids::RunId,
    exit::Exit,
    jobs::context::Failure,
    os::process::{Child, Detached},
    run::{command_line, made_up_id},
    store::{
        bounded_log::{keep_end, open_output},
        disk::{Disk as _, RealDisk},
        layout::Layout,
        runs::{RunRecord, RunStore},
    },
};

/// How long a program that was started is waited for until it has its record.
const RECORD_TRIES: u32 = 800;
const RECORD_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of the output of a program that did not get so far.
const OUTPUT_MAX: usize = 2_000;
/// Starts that are held on to at one time.
const HELD_MAX: usize = 100;
/// Between two looks at a run that is held.
const LOOK: Duration = Duration::from_millis(250);

/// A run to start.
pub struct StartOrder {
    /// What it is given.
    pub args: RunArgs,
    /// Bytes of its output that are kept.
    pub output_max: u64,
}

/// Starts runs, and holds on to them.
pub struct Starter {
    place: Arc<StartPlace>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Which program runs where.
struct StartPlace {
    program: PathBuf,
    root: PathBuf,
    disk: RealDisk,
    layout: Layout,
    is_over: AtomicBool,
}

/// A run whose process was started.
struct GoingRun {
    run: RunId,
    child: Child,
    output_max: u64,
}

impl Starter {
    /// Of the box below a root; what it starts is this program.
    pub fn of(root: &Path, program: PathBuf) -> Self {
        let layout = Layout::new(root);
        let disk = RealDisk::new(layout.data());
        let (root, is_over) = (root.to_owned(), AtomicBool::new(false));
        let place = Arc::new(StartPlace { program, root, disk, layout, is_over });
        Self { place, threads: Mutex::default() }
    }

    /// Starts the first of these as a person would in a terminal, and waits until it is recorded. Each of the others is started when the
    /// one before it has ended, however it did.
    pub fn start(&self, mut orders: VecDeque<StartOrder>) -> Result<RunRecord, Failure> {
        let held = {
            let mut threads = lock(&self.threads);
            threads.retain(|thread| !thread.is_finished());
            threads.len()
        };
        if held >= HELD_MAX {
            let message =
                format!("{HELD_MAX} runs that were started through pages go on: wait for one");
            return Err(Failure::new(Exit::Busy, message));
        }
        let Some(first) = orders.pop_front() else {
            return Err(Failure::new(Exit::Usage, "there is nothing to start"));
        };
        let mut going = self.place.begin(&first)?;
        let found = self.place.recorded(&mut going);
        if found.as_ref().is_err_and(|failure| failure.exit != Exit::Busy) {
            return found;
        }
        let place = Arc::clone(&self.place);
        let thread = std::thread::spawn(move || place.hold(going, orders));
        lock(&self.threads).push(thread);
        found
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        self.place.is_over.store(true, Ordering::Relaxed);
        for thread in lock(&self.threads).drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl StartPlace {
    /// Starts the process of a run.
    fn begin(&self, order: &StartOrder) -> Result<GoingRun, Failure> {
        let id = made_up_id(&order.args.job.job, SystemClock.now());
        let run: RunId = id.parse().map_err(|error: crate::domain::ids::NameError| {
            Failure::new(Exit::Usage, error.to_string())
        })?;
        let text = |part: &Path| part.display().to_string();
        let mut argv = vec![text(&self.program), "--root".to_owned(), text(&self.root)];
        argv.extend(command_line::words(&order.args, &id));
        self.disk.create_dir_all(&self.layout.run_dir(&run))?;
        let failed =
            |what: &str, error: std::io::Error| Failure::new(Exit::Io, format!("{what}: {error}"));
        let output = open_output(&self.layout.run_output(&run))
            .map_err(|error| failed("the output of the run", error))?;
        let child = Detached { argv, env: BTreeMap::new(), dir: self.root.clone(), output };
        let child = child.start().map_err(|error| failed("the run was not started", error))?;
        Ok(GoingRun { run, child, output_max: order.output_max })
    }

    /// Waits until a run has its record.
    fn recorded(&self, going: &mut GoingRun) -> Result<RunRecord, Failure> {
        let (mut record, mut is_over) = (None, false);
        for _ in 0..RECORD_TRIES {
            is_over = going.child.left().is_some();
            let store = RunStore::look(&self.layout)?;
            record = store.map(|store| store.get(&going.run)).transpose()?.flatten();
            if record.is_some() || is_over {
                break;
            }
            nap(RECORD_PAUSE);
        }
        let run = &going.run;
        record.ok_or_else(|| {
            let path = self.layout.run_output(run);
            let said = self.disk.read_at(&path, 0, OUTPUT_MAX).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).trim().to_owned();
            if is_over {
                let message = format!("the run left before it had a record: {said}");
                return Failure::new(Exit::Nothing, message);
            }
            let message = format!("run {run} was started and is not recorded yet: look at it again, this machine is busy");
            Failure::new(Exit::Busy, message)
        })
    }

    /// Holds on to a run until it ends, and to each of those that come after it.
    fn hold(&self, mut going: GoingRun, mut rest: VecDeque<StartOrder>) {
        loop {
            while going.child.left().is_none() {
                if self.is_over.load(Ordering::Relaxed) {
                    warn_of(&rest);
                    return;
                }
                self.trim(&going);
                nap(LOOK);
            }
            self.trim(&going);
            let Some(next) = self.next(&mut rest) else { return };
            going = next;
        }
    }

    /// Starts the first that can be started.
    fn next(&self, rest: &mut VecDeque<StartOrder>) -> Option<GoingRun> {
        while let Some(order) = rest.pop_front() {
            match self.begin(&order) {
                Ok(going) => return Some(going),
                Err(failure) => {
                    let job = order.args.job.job.display();
                    tracing::error!("{job} was not started: {}", failure.message);
                }
            }
        }
        None
    }

    fn trim(&self, going: &GoingRun) {
        let path = self.layout.run_output(&going.run);
        if let Err(error) = keep_end(&path, going.output_max) {
            tracing::warn!("{}: its end could not be kept: {error}", path.display());
        }
    }
}

/// Says which orders are left where the service ends.
fn warn_of(rest: &VecDeque<StartOrder>) {
    let left: Vec<String> = rest.iter().map(|one| one.args.job.job.display().to_string()).collect();
    if !left.is_empty() {
        tracing::warn!("the service ends, and does not start {}", left.join(", "));
    }
}
