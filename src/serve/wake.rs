//! What wakes the service in time: tokio-cron-scheduler, once a second, and nothing but that. Which slots are due is not its
//! business, so that nothing is lost when it is late, stops, or follows a clock that was set.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use tokio::sync::oneshot;
use tokio_cron_scheduler::{Job, JobScheduler};

use crate::clock::Deadline;

/// The longest the service waits without being woken.
const NAP: Duration = Duration::from_millis(200);
/// A waker that said nothing for this long is replaced.
const STALE: Duration = Duration::from_secs(10);
/// Every second, in UTC.
const EVERY_SECOND: &str = "* * * * * *";

/// Wakes whoever waits.
pub struct Wake {
    woken: Receiver<()>,
    sender: SyncSender<()>,
    heard: Arc<Mutex<Deadline>>,
    /// Dropping it ends the thread.
    until: oneshot::Sender<()>,
    rebuilds: u64,
}

impl Wake {
    /// Begins to wake.
    pub fn start() -> Self {
        let (sender, woken) = sync_channel(1);
        let heard = Arc::new(Mutex::new(Deadline::after(Some(STALE))));
        let until = begin(sender.clone(), Arc::clone(&heard));
        Self { woken, sender, heard, until, rebuilds: 0 }
    }

    /// Waits until it is time to look again.
    pub fn wait(&mut self) {
        match self.woken.recv_timeout(NAP) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => crate::clock::nap(NAP),
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
        self.until = begin(self.sender.clone(), Arc::clone(&self.heard));
        self.rebuilds += 1;
        true
    }

    /// How often it was replaced.
    pub const fn rebuilds(&self) -> u64 {
        self.rebuilds
    }
}

/// Runs a scheduler in a thread of its own until the returned value is dropped.
fn begin(wake: SyncSender<()>, heard: Arc<Mutex<Deadline>>) -> oneshot::Sender<()> {
    let (until, end) = oneshot::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => {
                if let Err(error) = runtime.block_on(run(wake, heard, end)) {
                    tracing::warn!("the waker ended: {error}; another one takes its place");
                }
            }
            Err(error) => tracing::warn!("the waker could not start: {error}"),
        }
    });
    until
}

async fn run(
    wake: SyncSender<()>,
    heard: Arc<Mutex<Deadline>>,
    end: oneshot::Receiver<()>,
) -> Result<(), tokio_cron_scheduler::JobSchedulerError> {
    let mut scheduler = JobScheduler::new().await?;
    let job = Job::new_async(EVERY_SECOND, move |_, _| {
        *heard.lock().unwrap_or_else(PoisonError::into_inner) = Deadline::after(Some(STALE));
        // When there is a wake already, one more says nothing new.
        let _ = wake.try_send(());
        Box::pin(async {})
    })?;
    scheduler.add(job).await?;
    scheduler.start().await?;
    // An error means that the other end was dropped, which is the signal.
    let _ = end.await;
    scheduler.shutdown().await
}
