//! Records incidents as runs end, and tells about them from a thread of its own. The table of incidents is the queue: the
//! thread reads from it what is owed, so nothing is lost in between, and nobody waits for a delivery.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel},
    },
    time::Duration,
};

use super::{
    deliver::NoticeSink,
    incident::{Owed, RunMeaning, change, meaning, owed, trouble_of},
    message::Notice,
};
use crate::{
    clock::{Clock as _, Stopwatch, SystemClock, nap},
    domain::{ids::RunId, time::UtcMs},
    jobs::{context::Failure, ledgers::JobSubject},
    manifest::{Manifest, Notify, NotifyOn},
    os::{machine, signals::Stop},
    serve::service::RunTrouble,
    store::{
        disk::RealDisk,
        error::StoreError,
        layout::Layout,
        runs::{Incident, IncidentKind, RunRecord, RunStore},
    },
};

/// Between two looks at what is owed while something is.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks while nothing is: whoever records an incident wakes the thread, only a repetition comes by itself.
const LOOK_IDLE: Duration = Duration::from_secs(10);
/// After something happened: several slots that were missed are told as one.
const SETTLE: Duration = Duration::from_millis(200);
/// Before a delivery that failed is tried again, for the first time; then twice as long each time.
const AGAIN_FIRST: Duration = Duration::from_secs(5);
/// The longest pause between two tries.
const AGAIN_MAX: Duration = Duration::from_mins(5);
/// After so long a notice that cannot be delivered is dropped.
const GIVE_UP: Duration = Duration::from_hours(1);
/// Most rounds at the end: a trouble first, then its end.
const ROUNDS: u32 = 3;
/// How long the thread may take to notice that it is to give up.
const LEAVE: Duration = Duration::from_secs(1);

/// Who is told about each job, and what it is about.
type Jobs = Arc<Mutex<BTreeMap<String, (Notify, JobSubject)>>>;

/// Tells people about runs that go wrong.
pub struct Notifier {
    store: RunStore,
    jobs: Jobs,
    wake: SyncSender<()>,
    stop: Stop,
    gone: Receiver<()>,
}

impl Notifier {
    /// Starts the thread that delivers. What was owed when a service ended is delivered by the next one, once it knows the job.
    pub fn start(root: &Path, build: &str) -> Result<Self, Failure> {
        let layout = Layout::new(root);
        let disk = RealDisk::new(layout.data());
        let (wake, woken) = sync_channel(1);
        let (leave, gone) = channel();
        let (jobs, stop) = (Jobs::default(), Stop::default());
        let worker = Worker {
            store: RunStore::open(&disk, &layout)?,
            disk: RealDisk::new(layout.data()),
            layout: layout.clone(),
            jobs: Arc::clone(&jobs),
            root: root.to_owned(),
            host: machine::name(),
            build: build.to_owned(),
            watch: Stopwatch::start(),
            stop: stop.clone(),
            tries: BTreeMap::new(),
        };
        let store = RunStore::open(&disk, &layout)?;
        let notifier = Self { store, jobs, wake, stop, gone };
        std::thread::spawn(move || {
            worker.work(&woken);
            // Nobody may be waiting for the end.
            let _ = leave.send(());
        });
        Ok(notifier)
    }

    /// Learns who is told about a job: at the start, and when its manifest changed.
    pub fn learn(&self, manifest: &Manifest) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let about = JobSubject::of_job(&manifest.job);
        jobs.insert(manifest.name.clone(), (manifest.notify.clone(), about));
        drop(jobs);
        // Something may be owed to it. A wake that is there already does as well.
        let _ = self.wake.try_send(());
    }

    /// Takes note of a run that is over, or of a slot that was not run. Whatever state it is in, once is enough and twice is
    /// no harm. It fails only when the records cannot be written.
    pub fn observe(&self, run: &RunRecord, manifest: &Manifest) -> Result<(), StoreError> {
        self.learn(manifest);
        if meaning(run) == RunMeaning::Nothing {
            return Ok(());
        }
        self.store.change_incidents(&run.job, |known| change(&known, run, &manifest.notify))?;
        let _ = self.wake.try_send(());
        Ok(())
    }

    /// Takes note of a run that goes on and is slow, or began late. Once is enough and twice is no harm.
    pub fn observe_trouble(
        &self,
        run: &RunRecord,
        trouble: RunTrouble,
        manifest: &Manifest,
    ) -> Result<(), StoreError> {
        self.learn(manifest);
        let what = match trouble {
            RunTrouble::Slow => (IncidentKind::Slow, NotifyOn::Slow),
            RunTrouble::Late => (IncidentKind::Late, NotifyOn::Late),
        };
        self.store.change_incidents(&run.job, |known| {
            (trouble_of(&known, run, what, &manifest.notify), Vec::new())
        })?;
        let _ = self.wake.try_send(());
        Ok(())
    }

    /// Ends it. What is owed is delivered now, for at most so long; the rest is left to the next service.
    pub fn end(self, within: Duration) {
        let Self { wake, stop, gone, .. } = self;
        drop(wake);
        if gone.recv_timeout(within).is_err() {
            stop.ask();
            // It is left behind when it does not notice: nothing it does is half done.
            let _ = gone.recv_timeout(LEAVE);
        }
    }
}

/// Whether a round found something to tell.
enum NoticeTime {
    Nothing,
    Something,
}

struct Worker {
    store: RunStore,
    disk: RealDisk,
    layout: Layout,
    jobs: Jobs,
    root: PathBuf,
    host: String,
    build: String,
    watch: Stopwatch,
    stop: Stop,
    /// Notices that could not be delivered yet.
    tries: BTreeMap<String, Tries>,
}

impl Worker {
    fn work(mut self, woken: &Receiver<()>) {
        let mut look = LOOK;
        loop {
            let rounds = match woken.recv_timeout(look) {
                Ok(()) => {
                    nap(SETTLE);
                    1
                }
                Err(RecvTimeoutError::Timeout) => 1,
                Err(RecvTimeoutError::Disconnected) => ROUNDS,
            };
            for _ in 0..rounds {
                look = match self.round() {
                    Ok(NoticeTime::Nothing) => LOOK_IDLE,
                    Ok(NoticeTime::Something) => LOOK,
                    Err(error) => {
                        tracing::warn!("incidents: {error}; they are looked at again in {LOOK:?}");
                        LOOK
                    }
                };
            }
            if rounds == ROUNDS {
                return;
            }
        }
    }

    /// Tells all that is owed now. What could not be delivered is owed still.
    fn round(&mut self) -> Result<NoticeTime, StoreError> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known = self.store.incidents(None)?;
        let mut still_owed = BTreeSet::new();
        for (job, (notify, about)) in &jobs {
            if NoticeSink::of(notify).is_empty() {
                continue;
            }
            let mine: Vec<Incident> = known.iter().filter(|i| i.id.job == *job).cloned().collect();
            let (all, unwanted) = owed(&mine, notify, SystemClock.now());
            for recovery in unwanted {
                self.store.close_incidents(&recovery, SystemClock.now())?;
            }
            for one in all {
                let key = key(job, &one);
                still_owed.insert(key.clone());
                if self.stop.asked() {
                    return Ok(NoticeTime::Something);
                }
                self.tell((&key, &one), notify, about)?;
            }
        }
        self.tries.retain(|key, _| still_owed.contains(key));
        Ok(if still_owed.is_empty() { NoticeTime::Nothing } else { NoticeTime::Something })
    }

    /// Tells one thing. That it was told is recorded after it worked, or when it is given up.
    fn tell(
        &mut self,
        (key, one): (&str, &Owed),
        notify: &Notify,
        about: &JobSubject,
    ) -> Result<(), StoreError> {
        let now = Stopwatch::elapsed(&self.watch);
        let mut tries = self.tries.remove(key).unwrap_or_default();
        if tries.next > now {
            self.tries.insert(key.to_owned(), tries);
            return Ok(());
        }
        // Its record may be so old that it was taken away: then there is nothing to tell.
        let Some(notice) = self.notice(one, about)? else { return self.record_sent(one) };
        let wrong = self.deliver(&notice, notify, &mut tries.done);
        if wrong.is_empty() {
            return self.record_sent(one);
        }
        let (title, wrong) = (notice.title(), wrong.join("; "));
        let Some(pause) = tries.after_failure(Stopwatch::elapsed(&self.watch)) else {
            tracing::error!(
                "the notice `{title}` was not delivered: {wrong}; given up after {GIVE_UP:?}"
            );
            return self.record_sent(one);
        };
        tracing::warn!("the notice `{title}` was not delivered: {wrong}; again in {pause:?}");
        self.tries.insert(key.to_owned(), tries);
        Ok(())
    }

    /// Delivers to everybody who does not have it yet. Returns what went wrong.
    fn deliver(
        &self,
        notice: &Notice,
        notify: &Notify,
        done: &mut BTreeSet<NoticeSink>,
    ) -> Vec<String> {
        let (mut wrong, notice) = (Vec::new(), notice.put());
        for sink in NoticeSink::of(notify) {
            if done.contains(&sink) {
                continue;
            }
            match sink.deliver(notify, &notice, &self.root, &self.stop) {
                Ok(()) => {
                    done.insert(sink);
                }
                Err(error) => wrong.push(error.to_string()),
            }
        }
        wrong
    }

    fn notice(&self, one: &Owed, job: &JobSubject) -> Result<Option<Notice>, StoreError> {
        let (id, since, times): (&RunId, UtcMs, u32) = match one {
            Owed::Wrong(incident) => (&incident.run, incident.since, incident.times),
            Owed::Well { recovery, since, times } => (&recovery.run, *since, *times),
        };
        let Some(run) = self.store.get(id)? else { return Ok(None) };
        let event = match (one, meaning(&run)) {
            (Owed::Well { .. }, _) => NotifyOn::Recovered,
            (Owed::Wrong(incident), _) if incident.id.trouble == IncidentKind::Slow => {
                NotifyOn::Slow
            }
            (Owed::Wrong(incident), _) if incident.id.trouble == IncidentKind::Late => {
                NotifyOn::Late
            }
            (Owed::Wrong(_), RunMeaning::Wrong(_, event)) => event,
            // It was queued anew since, or changed by hand.
            (Owed::Wrong(_), RunMeaning::Well | RunMeaning::Nothing) => NotifyOn::Failed,
        };
        let (host, build) = (self.host.clone(), self.build.clone());
        // What the run was about, which may have changed since; a slot that was missed has no run.
        let about = Some(JobSubject::of_run(&self.disk, &self.layout, id));
        let about = about.filter(|about| *about != JobSubject::default());
        let about = about.unwrap_or_else(|| job.clone());
        Ok(Some(Notice { event, run, about, since, times, host, build }))
    }

    fn record_sent(&self, one: &Owed) -> Result<(), StoreError> {
        let now = SystemClock.now();
        match one {
            Owed::Wrong(incident) => self.store.told_of(&incident.id, now),
            Owed::Well { recovery, .. } => self.store.close_incidents(recovery, now),
        }
    }
}

fn key(job: &str, one: &Owed) -> String {
    match one {
        Owed::Wrong(incident) => {
            format!("{job}/{}/{}", incident.id.trouble.name(), incident.since.get())
        }
        Owed::Well { recovery, .. } => format!("{job}/well/{}", recovery.run),
    }
}

/// How often a notice could not be delivered, in time since the thread began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tries {
    first: Option<Duration>,
    failed: u32,
    next: Duration,
    /// Who has it already.
    done: BTreeSet<NoticeSink>,
}

impl Tries {
    /// The pause before the next try, ever longer; `None` when it is given up.
    fn after_failure(&mut self, now: Duration) -> Option<Duration> {
        let first = *self.first.get_or_insert(now);
        if now.saturating_sub(first) >= GIVE_UP {
            return None;
        }
        let pause = AGAIN_FIRST.saturating_mul(1 << self.failed.min(10)).min(AGAIN_MAX);
        self.failed += 1;
        self.next = now + pause;
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_tried_ever_more_slowly_for_an_hour() {
        let (mut tries, mut now, mut pauses) = (Tries::default(), Duration::from_secs(7), vec![]);
        while let Some(pause) = tries.after_failure(now) {
            pauses.push(pause.as_secs());
            now = tries.next;
        }
        assert_eq!(pauses[..8], [5, 10, 20, 40, 80, 160, 300, 300]);
        assert!(now >= Duration::from_secs(3607) && now < Duration::from_secs(3907), "{now:?}");
    }
}
