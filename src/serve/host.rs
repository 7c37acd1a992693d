//! The service at work: one per root, its loop, its signals, and the document it leaves behind.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    children::Children,
    retention::{Retention, RetentionRules},
    schedule_table::JobSchedules,
    service::{RunObserver, Service, ServiceSettings},
    status::ServiceStatus,
    ticker::Ticker,
    tracked_run::TurnTime,
};
use crate::{
    clock::{Clock as _, Deadline, Stopwatch, SystemClock},
    domain::time::UtcMs,
    exit::Exit,
    jobs::context::Failure,
    os::{
        machine::{boot_id, machine_id},
        process::own_program,
        signals::{Hangup, Stop, wake_on_signals},
    },
    store::{
        disk::{Disk as _, RealDisk},
        layout::Layout,
        lock::{Lock, Owner},
        runs::RunStore,
    },
};

/// Between two documents.
const DOCUMENT: Duration = Duration::from_secs(5);
/// How long the end of the service waits for runs that do not end, or for records that cannot be written.
const PATIENCE: Duration = Duration::from_mins(10);
/// Between two looks while the service ends.
const LOOK: Duration = Duration::from_millis(50);

/// How the service is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOptions {
    /// Where jobs and data lie.
    pub root: PathBuf,
    /// Where it may be asked, if anywhere.
    pub listen: Option<String>,
    /// Most runs that go on at once.
    pub most: u32,
    /// How long runs may go on by themselves when the service ends.
    pub drain_wait: Duration,
    pub build: String,
}

/// What the service takes from its surroundings.
pub struct HostContext<'a> {
    /// Reads all manifests; the error says everything that is wrong with them.
    pub load: &'a dyn Fn() -> Result<LoadedSchedules, Failure>,
    /// Gets every new status, to show it to others.
    pub publish: &'a mut dyn FnMut(&ServiceStatus),
}

/// What was read from the manifests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadedSchedules {
    /// The schedules.
    pub works: JobSchedules,
    /// How many jobs there are, with and without schedules.
    pub jobs: usize,
    /// What the runs of each job may leave behind.
    pub keeps: RetentionRules,
    /// What each schedule starts, and which tag and market that is about.
    pub about: Vec<String>,
    /// Schedules that are off, each with the reason.
    pub off: Vec<String>,
}

/// Makes sure that there is one service for this root, as long as the returned value lives.
pub fn only_one(root: &Path, disk: &RealDisk) -> Result<Lock, Failure> {
    let layout = Layout::new(root);
    disk.create_dir_all(&layout.state_dir())?;
    let run_id = "scheduler".parse().expect("letters only");
    let (pid, since) = (std::process::id(), SystemClock.now());
    let owner = Owner { pid, run_id, job: "runner serve".to_owned(), since };
    Ok(Lock::take(&layout.scheduler_lock(), &owner)?)
}

/// Runs the service until it is asked to stop.
pub fn serve(
    options: &HostOptions,
    observer: Box<dyn RunObserver>,
    mut surroundings: HostContext<'_>,
) -> Result<(), Failure> {
    let layout = Layout::new(&options.root);
    let disk = RealDisk::new(layout.data());
    let signals = |error| Failure::new(Exit::Bug, format!("signals: {error}"));
    let (stop, hangup) = (Stop::listen().map_err(signals)?, Hangup::listen().map_err(signals)?);
    let wake = Ticker::start();
    wake_on_signals(wake.waker()).map_err(signals)?;
    let loaded = (surroundings.load)()?;
    if loaded.works.iter().next().is_none() {
        return Err(nothing_to_do(&loaded));
    }
    let store = RunStore::open(&disk, &layout)?;
    let program =
        own_program().map_err(|error| Failure::new(Exit::Io, format!("own program: {error}")))?;
    let settings = ServiceSettings {
        most: options.most,
        machine: machine_id(),
        boot: boot_id(),
        build: options.build.clone(),
    };
    let watch = Stopwatch::start();
    let started = SystemClock.now();
    let children = Children::new(&program, &options.root);
    let works = loaded.works;
    let mut service = Service::new(store, children, observer, works, settings);
    service.take_over(moment(watch))?;
    let mut host = Host {
        options,
        layout,
        disk,
        service,
        wake,
        watch,
        started,
        jobs: loaded.jobs,
        broom: Retention::start(&options.root, loaded.keeps),
        next_document: Deadline::after(Some(Duration::ZERO)),
        reloads: 0,
        reloaded: (String::new(), false),
    };
    host.begin(&loaded.about, &loaded.off);
    while !stop.asked() {
        if hangup.take() {
            host.reload(&surroundings);
        }
        host.turn(&mut surroundings)?;
        let now = moment(host.watch);
        host.wake.sleep_until(host.service.due(now));
        host.wake.wait(host.service.patience(now));
    }
    host.drain(&mut surroundings)
}

/// A service that would never start anything does not start itself: whoever starts it believes that it works.
fn nothing_to_do(loaded: &LoadedSchedules) -> Failure {
    let mut message = format!(
        "no job of {} in jobs/ has a [[schedule]] that is on, so there is nothing to do: add one to a job (JOBS.md says how)",
        loaded.jobs
    );
    for off in &loaded.off {
        message.push_str("\noff: ");
        message.push_str(off);
    }
    Failure::new(Exit::Manifest, message)
}

fn moment(watch: Stopwatch) -> TurnTime {
    TurnTime { at: SystemClock.now(), up: watch.passed() }
}

struct Host<'o> {
    options: &'o HostOptions,
    layout: Layout,
    disk: RealDisk,
    service: Service<Children>,
    wake: Ticker,
    watch: Stopwatch,
    started: UtcMs,
    jobs: usize,
    broom: Retention,
    next_document: Deadline,
    reloads: u64,
    /// What came of the last time that the manifests were read again, and whether that was refused.
    reloaded: (String, bool),
}

impl Host<'_> {
    fn begin(&mut self, about: &[String], off: &[String]) {
        let (jobs, schedules) = (self.jobs, self.service.schedules());
        let (pid, build) = (std::process::id(), &self.options.build);
        let line = format!("serve: {schedules} schedules of {jobs} jobs, pid {pid}, build {build}");
        self.service.say(&line);
        self.say_schedules(about, off);
    }

    fn say_schedules(&mut self, about: &[String], off: &[String]) {
        for schedule in about {
            self.service.say(&format!("schedule {schedule}"));
        }
        for schedule in off {
            self.service.say(&format!("off: {schedule}"));
        }
    }

    fn turn(&mut self, surroundings: &mut HostContext<'_>) -> Result<(), Failure> {
        self.service.turn(moment(self.watch))?;
        if self.wake.renew_when_silent() {
            self.service.say("warning: the waker fell silent; another one took its place");
        }
        if self.next_document.is_over() {
            self.publish(surroundings)?;
        }
        Ok(())
    }

    /// Shows and writes what the service is doing. A disk that is full does not end the service.
    fn publish(&mut self, surroundings: &mut HostContext<'_>) -> Result<(), Failure> {
        self.next_document = Deadline::after(Some(DOCUMENT));
        let status = match self.service.status(moment(self.watch)) {
            Ok(status) => status,
            Err(error) if error.is_passing() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let status = ServiceStatus {
            pid: std::process::id(),
            started_ms: self.started.get(),
            rebuilds: self.wake.rebuilds(),
            reloads: self.reloads,
            reload_said: self.reloaded.0.clone(),
            reload_refused: self.reloaded.1,
            listen: self.options.listen.clone(),
            jobs: self.jobs,
            ..status
        };
        (surroundings.publish)(&status);
        let mut json = serde_json::to_vec_pretty(&status).unwrap_or_default();
        json.push(b'\n');
        // A power cut may take it, and with it everything that went on.
        if let Err(error) = self.disk.swap(&self.layout.scheduler_tick(), &json) {
            tracing::warn!("{error}");
        }
        Ok(())
    }

    /// Reads the manifests again. When anything is wrong with them, nothing changes.
    fn reload(&mut self, surroundings: &HostContext<'_>) {
        self.reloads += 1;
        // Whoever asked for it waits for the document.
        self.next_document = Deadline::after(Some(Duration::ZERO));
        match (surroundings.load)() {
            Ok(loaded) => {
                self.jobs = loaded.jobs;
                self.broom.set(loaded.keeps);
                self.service.reload(loaded.works);
                let (jobs, schedules) = (self.jobs, self.service.schedules());
                let said = format!("{schedules} schedules of {jobs} jobs");
                self.service.say(&format!("reload: {said}"));
                self.say_schedules(&loaded.about, &loaded.off);
                self.reloaded = (said, false);
            }
            Err(failure) => {
                let line = format!("reload refused, nothing changed: {}", failure.message);
                self.service.say(&line);
                self.reloaded = (line, true);
            }
        }
    }

    /// Lets what goes on end, then ends it.
    fn drain(&mut self, surroundings: &mut HostContext<'_>) -> Result<(), Failure> {
        self.wake.sleep_until(None);
        self.service.say("draining: no new runs; signal again to stop at once");
        self.service.close(moment(self.watch));
        let deadline = Deadline::after(Some(self.options.drain_wait));
        let patience = Deadline::after(Some(self.options.drain_wait.saturating_add(PATIENCE)));
        loop {
            self.turn(surroundings)?;
            if self.service.is_idle() {
                break;
            }
            if patience.is_over() {
                self.service.say("drain: some runs did not end; the next service looks after them");
                break;
            }
            if deadline.is_over() {
                self.service.end_all(moment(self.watch));
            }
            self.wake.wait(LOOK);
        }
        self.publish(surroundings)?;
        self.service.say("serve: the end");
        Ok(())
    }
}
