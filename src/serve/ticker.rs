//! What wakes the service: tokio-cron-scheduler, which ticks every five seconds and wakes when something is due, the wait itself, which
//! ends when something becomes due, and what asks for it, such as a signal. Which slots are due is not its business, so that nothing is
//! lost when it is late, stops, or follows a clock that was set: then a coarse timer wakes until another one takes its place.
//!
//! The scheduler looks at its clock every 500 ms, which cannot be set, and tokio wakes twice for each of these sleeps: at the slot of its
//! timer wheel, and at the time. So its runtime is not left to itself but let run once a second, for as long as it has something to do.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    },
    thread,
    time::Duration,
};

use tokio::{runtime::Runtime, task::yield_now};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::{
    clock::{Clock as _, Deadline, SystemClock},
    domain::time::UtcMs,
    os::process,
};

/// The longest the service waits without being woken.
pub const NAP: Duration = Duration::from_secs(5);
/// In the place of a time: there is always something to look at.
const NOW_MS: i64 = i64::MIN;
/// A waker that said nothing for this long is replaced.
const STALE: Duration = Duration::from_secs(15);
/// Every five seconds, in UTC. A tick costs more than a turn of the service.
const TICKS: &str = "*/5 * * * * *";
/// How often the scheduler is let run.
const BEAT: Duration = Duration::from_secs(1);
/// How often its tasks are polled then. A tick goes through a handful of them; what is left over goes on at the next beat.
const POLLS: u32 = 32;
/// The longest wait where there is something to look at any time.
const AT_ANY_TIME: Duration = Duration::from_secs(1);
/// The shortest wait: what is due and cannot be done must not keep a core busy.
const WAIT_MIN: Duration = Duration::from_millis(50);

/// Wakes whoever waits.
pub struct Ticker {
    woken: Receiver<()>,
    sender: SyncSender<()>,
    heard: Arc<Mutex<Deadline>>,
    /// From when on there is something to look at, in milliseconds.
    due_ms: Arc<AtomicI64>,
    /// Dropping it ends the thread.
    until: Sender<()>,
    rebuilds: u64,
}

impl Ticker {
    /// Begins to wake.
    pub fn start() -> Self {
        let (sender, woken) = sync_channel(1);
        let heard = Arc::new(Mutex::new(Deadline::after(Some(STALE))));
        let due_ms = Arc::new(AtomicI64::new(NOW_MS));
        let until = begin(sender.clone(), Arc::clone(&heard), Arc::clone(&due_ms));
        Self { woken, sender, heard, due_ms, until, rebuilds: 0 }
    }

    /// Waits until it is time to look again, at most so long.
    pub fn wait(&mut self, most: Duration) {
        let most = match self.due_ms.load(Ordering::Relaxed) {
            NOW_MS => most.min(AT_ANY_TIME),
            due_ms => {
                let left_ms = due_ms.saturating_sub(SystemClock.now().get());
                let left = Duration::from_millis(left_ms.try_into().unwrap_or_default());
                most.min(left.max(WAIT_MIN))
            }
        };
        match self.woken.recv_timeout(most) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => crate::clock::nap(most),
        }
    }

    /// Wakes at this time of day, and not before; without a time every second.
    pub fn sleep_until(&self, due: Option<UtcMs>) {
        self.due_ms.store(due.map_or(NOW_MS, UtcMs::get), Ordering::Relaxed);
    }

    /// Wakes whoever waits, from any thread.
    pub fn waker(&self) -> impl Fn() + Send + use<> {
        let sender = self.sender.clone();
        // When there is a wake already, one more says nothing new.
        move || {
            let _ = sender.try_send(());
        }
    }

    /// What is left until it counts as silent; every wake makes that whole again.
    pub fn left(&self) -> Duration {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).left()
    }

    /// Puts another one in its place when it has fallen silent; whether that was so.
    pub fn renew_when_silent(&mut self) -> bool {
        if !self.left().is_zero() {
            return false;
        }
        self.heard = Arc::new(Mutex::new(Deadline::after(Some(STALE))));
        self.until = begin(self.sender.clone(), Arc::clone(&self.heard), Arc::clone(&self.due_ms));
        self.rebuilds += 1;
        true
    }

    /// How often it was replaced.
    pub const fn rebuilds(&self) -> u64 {
        self.rebuilds
    }
}

/// Runs a scheduler in a thread of its own until the returned value is dropped.
fn begin(wake: SyncSender<()>, heard: Arc<Mutex<Deadline>>, due_ms: Arc<AtomicI64>) -> Sender<()> {
    let (until, end) = channel();
    thread::spawn(move || {
        let runtime = process::runtime();
        match runtime {
            Ok(runtime) => {
                if let Err(error) = run(&runtime, (wake, heard, due_ms), &end) {
                    tracing::warn!("the waker ended: {error}; another one takes its place");
                }
            }
            Err(error) => tracing::warn!("the waker could not start: {error}"),
        }
    });
    until
}

fn run(
    runtime: &Runtime,
    (wake, heard, due_ms): (SyncSender<()>, Arc<Mutex<Deadline>>, Arc<AtomicI64>),
    end: &Receiver<()>,
) -> Result<(), JobSchedulerError> {
    let job = Job::new_async(TICKS, move |_, _| {
        *heard.lock().unwrap_or_else(PoisonError::into_inner) = Deadline::after(Some(STALE));
        if SystemClock.now().get() >= due_ms.load(Ordering::Relaxed) {
            // When there is a wake already, one more says nothing new.
            let _ = wake.try_send(());
        }
        Box::pin(async {})
    })?;
    let mut scheduler = runtime.block_on(async {
        let scheduler = JobScheduler::new().await?;
        scheduler.add(job).await?;
        scheduler.start().await?;
        Ok::<_, JobSchedulerError>(scheduler)
    })?;
    // Nothing is ever sent: an end that is gone is the signal.
    while end.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
        runtime.block_on(async {
            for _ in 0..POLLS {
                yield_now().await;
            }
        });
    }
    runtime.block_on(scheduler.shutdown())
}
