//! Pings: a watch outside is told when a run starts and how it ended. Whatever comes of it, the run ends as it would have.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    time::Duration,
};

use super::Prepared;
use crate::{
    clock::Deadline,
    exit::Exit,
    notify::{
        sender::{Message, SendError, Sender, SentAnswer},
        target::NotifyTarget,
    },
    os::mask::Mask,
    store::{bounded_log::last_lines, disk::RealDisk},
};

/// Read before the part that is sent, so that a secret is masked that begins there.
const MARGIN: u64 = 64 * 1024;

/// The pings of one run.
#[derive(Clone)]
pub struct HeartbeatPings(Arc<Inner>);

struct Inner {
    /// With the id that ties the pings of a run together.
    target: NotifyTarget,
    tell_start: bool,
    body_max: u64,
    timeout: Duration,
    mask: Mask,
    disk: RealDisk,
    output: PathBuf,
    log: PathBuf,
    begun: Mutex<Option<FirstPing>>,
}

/// The first ping, which goes beside the job.
struct FirstPing {
    /// What came of it; closed at once when it is not wanted.
    told: Receiver<Result<SentAnswer, SendError>>,
    give_up: Arc<AtomicBool>,
}

impl HeartbeatPings {
    /// The pings of a run; none without an address.
    pub fn of(prepared: &Prepared) -> Option<Self> {
        let heartbeat = &prepared.loaded.resolved.manifest.heartbeat;
        let target = match NotifyTarget::new(heartbeat.url.as_ref()?.reveal()) {
            Ok(target) => target,
            Err(error) => {
                tracing::warn!("heartbeat.url: {error}; this run sends no ping");
                return None;
            }
        };
        let (layout, run) = (&prepared.layout, &prepared.run_id);
        Some(Self(Arc::new(Inner {
            target: target.with("rid", &uuid(run.as_str(), prepared.attempt.unwrap_or(1))),
            tell_start: heartbeat.start,
            body_max: heartbeat.log_bytes.get().bytes(),
            timeout: heartbeat.timeout.get().duration(),
            mask: prepared.mask.clone(),
            disk: RealDisk::new(layout.data()),
            output: layout.run_output(run),
            log: layout.run_log(run),
            begun: Mutex::new(None),
        })))
    }

    /// Tells that the run starts, without waiting for it.
    pub fn begin(&self) {
        let (tell, told) = channel();
        let give_up = Arc::new(AtomicBool::new(false));
        let begun = FirstPing { told, give_up: Arc::clone(&give_up) };
        *self.0.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
        if !self.0.tell_start {
            return;
        }
        let inner = Arc::clone(&self.0);
        std::thread::spawn(move || {
            let given_up = || give_up.load(Ordering::Relaxed);
            let target = inner.target.below("start");
            let result = send(&target, Vec::new(), inner.timeout, &given_up);
            warn_of("the start", &target, &result);
            // Nobody listens any more once the run is over.
            let _ = tell.send(result);
        });
    }

    /// Tells how the run ended, once, and only when its start could be told. It takes no longer than the time limit of a ping.
    pub fn end(&self, exit: Exit, summary: &str) {
        let inner = &self.0;
        let begun = inner.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(begun) = begun else { return };
        let deadline = Deadline::after(Some(inner.timeout));
        // In order, or the watch would take the run for one that goes on.
        let first = begun.told.recv_timeout(inner.timeout / 2);
        begun.give_up.store(true, Ordering::Relaxed);
        let limit = match first {
            Ok(Ok(answer)) => answer.body_limit,
            Ok(Err(_)) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        };
        let most = limit.map_or(inner.body_max, |limit| inner.body_max.min(limit as u64));
        let target = match exit.code() {
            0 => inner.target.clone(),
            1 => inner.target.below("fail"),
            code => inner.target.below(&code.to_string()),
        };
        let body = inner.body(summary, most);
        let result = send(&target, body, deadline.left(), &|| false);
        warn_of("the end", &target, &result);
    }
}

impl Inner {
    /// The end of what the run left, at most so many bytes: its output, its log, or the line that says how it ended.
    fn body(&self, summary: &str, most: u64) -> Vec<u8> {
        // What cannot be read is left out: a ping does not need it. A first line that was cut may have lost the beginning of a secret.
        let end = |path: &PathBuf| last_lines(&self.disk, path, most + MARGIN).unwrap_or_default();
        let found = [&self.output, &self.log].map(end);
        let text = found.into_iter().find(|text| !text.trim().is_empty());
        let text = self.mask.apply(&text.unwrap_or_else(|| format!("{summary}\n")));
        last_bytes(&text, most).as_bytes().to_vec()
    }
}

fn send(
    target: &NotifyTarget,
    body: Vec<u8>,
    within: Duration,
    given_up: &dyn Fn() -> bool,
) -> Result<SentAnswer, SendError> {
    let content_type = "text/plain; charset=utf-8";
    let message = Message { content_type, headers: Vec::new(), body };
    Sender::new()?.post(target, &message, within, given_up)
}

fn warn_of(what: &str, target: &NotifyTarget, result: &Result<SentAnswer, SendError>) {
    if let Err(error) = result {
        let host = target.host();
        tracing::warn!(
            "{host} did not get the ping of {what} of this run: {error}; the run is not changed by that"
        );
    }
}

/// The end of a text, at most so many bytes, in whole characters.
fn last_bytes(text: &str, most: u64) -> &str {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut from = text.len().saturating_sub(most);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

/// An id for the pings of one attempt, the same whenever it is asked for: a UUID of version 8 made from the id of the run.
fn uuid(run: &str, attempt: u32) -> String {
    let name = if attempt == 1 { run.to_owned() } else { format!("{run}#{attempt}") };
    let mut bytes = xxhash_rust::xxh3::xxh3_128(name.as_bytes()).to_be_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_of_version_8_and_tells_runs_and_attempts_apart() {
        let one = uuid("eqflat_20240101_120000", 1);
        assert_eq!(one, uuid("eqflat_20240101_120000", 1));
        assert_ne!(one, uuid("eqflat_20240101_120000", 2));
        assert_ne!(one, uuid("eqflat_20240101_120001", 1));
        let parts: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&one[14..15], "8");
        assert!("89ab".contains(&one[19..20]), "{one}");
    }

    #[test]
    fn the_end_is_in_whole_characters() {
        assert_eq!(last_bytes("aéb", 10), "aéb");
        assert_eq!(last_bytes("aéb", 2), "b");
        assert_eq!(last_bytes("aéb", 0), "");
    }
}
