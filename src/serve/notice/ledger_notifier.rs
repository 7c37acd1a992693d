//! Tells people what happens in ledgers, from a thread of its own. What is found is noted with the place behind it in one durable step;
//! then it goes out, and only then it counts as sent. So a death at any instant loses nothing:
//!
//! - before the note, the rows are looked through again; behind it, the note is there and the place is behind the rows;
//! - before the message is marked as on its way, it goes out as if nothing had been;
//! - behind that mark nobody knows whether it arrived. It goes out once more, under its old name, and says so.

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
    day::day,
    deliver::NoticeSink,
    ledger_event::{LedgerChange, LedgerEvent, NoticeHead, digest},
    ledger_reader::{NamedEvent, NoticeLedger, proof, risks, trades},
    message::NoticeText,
    outbox::{NextMessage, OutboxFacts, next_message},
};
use crate::{
    clock::{Clock as _, Stopwatch, SystemClock},
    domain::{
        cadence::Cadence,
        time::{DAY_MS, SlotTs, UtcMs},
    },
    jobs::{
        context::Failure,
        ledgers::{in_recorded_time, last_decided},
    },
    manifest::{Manifest, Notify, NotifyOn},
    os::{machine, signals::Stop},
    store::{
        disk::{Disk as _, RealDisk},
        error::StoreError,
        layout::Layout,
        runs::{NewNotice, NoticePlace, RunStore, StoredNotice},
    },
};

/// Between two looks at the ledgers.
const LOOK: Duration = Duration::from_secs(2);
/// Between two looks while there is nothing to look at.
const LOOK_IDLE: Duration = Duration::from_mins(1);
/// Before a delivery that failed is tried again, for the first time; then twice as long each time.
const AGAIN_FIRST: Duration = Duration::from_secs(5);
/// The longest pause between two tries.
const AGAIN_MAX: Duration = Duration::from_mins(5);
/// Most messages that go out between two looks.
const MESSAGES_MAX: u32 = 20;
/// An hour, in which a receiver gets so many messages and no more.
const HOUR_MS: i64 = 3_600_000;
/// What was noted so long ago is forgotten.
const FORGOTTEN_MS: i64 = 60 * DAY_MS;
/// How long the thread may take to notice that it is to give up.
const LEAVE: Duration = Duration::from_secs(1);

/// A ledger, and how a job wants people told of it.
#[derive(Debug, Clone)]
pub struct WatchedLedger {
    pub job: String,
    pub notify: Notify,
    pub ledger: NoticeLedger,
}

impl WatchedLedger {
    /// Of a job that is about a ledger and tells of it.
    pub fn of(manifest: &Manifest) -> Option<Self> {
        let ledger = NoticeLedger::of_job(&manifest.job)?;
        let notify = manifest.notify.clone();
        let tells = notify.on.iter().any(|on| on.is_of_ledger());
        let is_heard = !NoticeSink::of(&notify).is_empty();
        (tells && is_heard).then(|| Self { job: manifest.name.clone(), notify, ledger })
    }
}

/// Each event of a ledger is told of by one job only: the first one, by name, that wants it.
fn shared_out(mut all: Vec<WatchedLedger>) -> Vec<WatchedLedger> {
    all.sort_by(|a, b| (&a.job, &a.ledger).cmp(&(&b.job, &b.ledger)));
    let mut taken: BTreeSet<(NoticeLedger, NotifyOn)> = BTreeSet::new();
    for one in &mut all {
        one.notify.on.sort();
        one.notify.on.dedup();
        let ledger = one.ledger.clone();
        one.notify.on.retain(|on| on.is_of_ledger() && taken.insert((ledger.clone(), *on)));
    }
    all.retain(|one| !one.notify.on.is_empty());
    all
}

/// Tells people what happens in ledgers.
pub struct LedgerNotifier {
    watched: Arc<Mutex<Vec<WatchedLedger>>>,
    wake: SyncSender<()>,
    stop: Stop,
    gone: Receiver<()>,
}

impl LedgerNotifier {
    /// Starts the thread.
    pub fn start(root: &Path, build: &str) -> Result<Self, Failure> {
        let layout = Layout::new(root);
        let disk = RealDisk::new(layout.data());
        let watched = Arc::default();
        let (wake, woken) = sync_channel(1);
        let (leave, gone) = channel();
        let stop = Stop::default();
        let worker = Worker {
            store: RunStore::open(&disk, &layout)?,
            disk,
            layout,
            watched: Arc::clone(&watched),
            root: root.to_owned(),
            host: machine::name(),
            build: build.to_owned(),
            watch: Stopwatch::start(),
            stop: stop.clone(),
            grown: BTreeMap::new(),
            tries: BTreeMap::new(),
            begun: BTreeSet::new(),
            proofs: BTreeMap::new(),
            forgot: None,
        };
        std::thread::spawn(move || {
            worker.work(&woken);
            // Nobody may be waiting for the end.
            let _ = leave.send(());
        });
        Ok(Self { watched, wake, stop, gone })
    }

    /// Learns which ledgers are told of: at the start, and when manifests changed.
    pub fn learn(&self, all: Vec<WatchedLedger>) {
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = shared_out(all);
        // A wake that is there already does as well.
        let _ = self.wake.try_send(());
    }

    /// Ends it. What waits is delivered now, for at most so long; the rest is left to the next service.
    pub fn end(self, within: Duration) {
        let Self { wake, stop, gone, .. } = self;
        drop(wake);
        if gone.recv_timeout(within).is_err() {
            stop.ask();
            let _ = gone.recv_timeout(LEAVE);
        }
    }
}

/// How often a receiver could not be reached, in time since the thread began.
#[derive(Debug, Clone, Copy, Default)]
struct Backoff {
    failed: u32,
    next: Duration,
}

struct Worker {
    store: RunStore,
    disk: RealDisk,
    layout: Layout,
    watched: Arc<Mutex<Vec<WatchedLedger>>>,
    root: PathBuf,
    host: String,
    build: String,
    watch: Stopwatch,
    stop: Stop,
    /// When each ledger was last seen to grow.
    grown: BTreeMap<NoticeLedger, Duration>,
    /// Messages that went out for the first time in this life of the service, and did not arrive yet.
    begun: BTreeSet<(NoticeSink, String)>,
    /// Receivers that could not be reached.
    tries: BTreeMap<(String, NoticeSink), Backoff>,
    /// The proofs that were there at the last look.
    proofs: BTreeMap<NoticeLedger, Vec<String>>,
    /// When old notices were forgotten last.
    forgot: Option<Duration>,
}

impl Worker {
    fn work(mut self, woken: &Receiver<()>) {
        loop {
            let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let look = if watched.is_empty() { LOOK_IDLE } else { LOOK };
            let is_last = woken.recv_timeout(look) == Err(RecvTimeoutError::Disconnected);
            let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Err(error) = self.round(&watched) {
                tracing::warn!("notices of ledgers: {error}; they are looked at again in {LOOK:?}");
            }
            if is_last || self.stop.asked() {
                return;
            }
        }
    }

    fn round(&mut self, watched: &[WatchedLedger]) -> Result<(), StoreError> {
        for one in watched {
            self.observe(one)?;
        }
        for one in watched {
            for sink in NoticeSink::of(&one.notify) {
                self.send(one, sink)?;
            }
        }
        let now = self.watch.passed();
        if self.forgot.is_none_or(|forgot| now.saturating_sub(forgot).as_millis() > HOUR_MS as u128)
        {
            self.forgot = Some(now);
            self.store.forget_notices(SystemClock.now().plus_ms(-FORGOTTEN_MS))?;
        }
        Ok(())
    }

    /// Notes what is new in a ledger.
    fn observe(&mut self, one: &WatchedLedger) -> Result<(), StoreError> {
        let (ledger, on) = (&one.ledger, &one.notify.on);
        let wants = |any: &[NotifyOn]| any.iter().any(|event| on.contains(event));
        let trading = [NotifyOn::Entry, NotifyOn::Exit, NotifyOn::Stop];
        if wants(&trading) {
            let name = format!("{}/{}/trades", one.job, ledger.name());
            let before = self.store.notice_place(&name)?;
            let found = trades((&self.disk, &self.layout), ledger, before)?;
            self.note(one, &name, found)?;
        }
        if wants(&[NotifyOn::Risk]) {
            let name = format!("{}/{}/risk", one.job, ledger.name());
            let before = self.store.notice_place(&name)?;
            let found = risks((&self.disk, &self.layout), ledger, before)?;
            self.note(one, &name, found)?;
        }
        if wants(&[NotifyOn::Proof]) {
            self.look_at_proofs(one)?;
        }
        if wants(&[NotifyOn::Daily]) {
            self.sum_up(one)?;
        }
        Ok(())
    }

    fn look_at_proofs(&mut self, one: &WatchedLedger) -> Result<(), StoreError> {
        let ledger = &one.ledger;
        let names = self.disk.list(&self.layout.tag_proofs_dir(&ledger.tag))?;
        let name = format!("{}/{}/proof", one.job, ledger.name());
        let before = self.store.notice_place(&name)?;
        if before.is_some() && self.proofs.get(ledger) == Some(&names) {
            return Ok(());
        }
        let found = proof((&self.disk, &self.layout), ledger, before)?;
        self.note(one, &name, found)?;
        // A proof is written last of what its folder holds: one that is not there yet is looked for again.
        let dir = self.layout.tag_proofs_dir(&ledger.tag);
        let is_whole = |run: &String| dir.join(run).join("proof.json").is_file();
        if names.iter().all(is_whole) {
            self.proofs.insert(ledger.clone(), names);
        }
        Ok(())
    }

    /// Notes the summary of a day that is over. Of several that nobody was there for, only the newest.
    fn sum_up(&mut self, one: &WatchedLedger) -> Result<(), StoreError> {
        let (ledger, now) = (&one.ledger, SystemClock.now());
        let name = format!("{}/{}/daily", one.job, ledger.name());
        let cadence = one.notify.daily_at.get().every_day(*one.notify.daily_zone.get());
        let at = |ts_ms| NoticePlace { offset: 0, ts_ms, mark: String::new(), word: String::new() };
        let Some(before) = self.store.notice_place(&name)? else {
            return self.store.note(&[], (&name, &at(now.get())), now);
        };
        let before = UtcMs::new(before.ts_ms).unwrap_or(now);
        let Some(newest) = due_day(&cadence, before, now) else { return Ok(()) };
        let parts = (&self.disk, &self.layout);
        let window = day_window(parts, ledger, newest, &cadence)?;
        let found = day(parts, (&ledger.tag, &ledger.series), window, now)?;
        let id = format!("{}/daily/{}", ledger.name(), newest.get());
        let event = found.map(|day| (id, ledger.event(newest.get(), LedgerChange::Daily(day))));
        self.note(one, &name, Some((event.into_iter().collect(), at(newest.get()))))
    }

    /// Notes what was found, for everybody who is told.
    fn note(
        &mut self,
        one: &WatchedLedger,
        name: &str,
        found: Option<(Vec<NamedEvent>, NoticePlace)>,
    ) -> Result<(), StoreError> {
        let Some((events, place)) = found else { return Ok(()) };
        let now = SystemClock.now();
        let mut news = Vec::new();
        for (id, event) in events.iter().filter(|(_, e)| one.notify.on.contains(&e.change.on())) {
            for sink in NoticeSink::of(&one.notify) {
                news.push(NewNotice {
                    id: id.clone(),
                    sink: sink.name().to_owned(),
                    job: one.job.clone(),
                    event: event.change.on().name().to_owned(),
                    at: UtcMs::new(event.ts_ms).unwrap_or(now),
                    facts: event.facts(),
                });
            }
        }
        self.store.note(&news, (name, &place), now)?;
        self.grown.insert(one.ledger.clone(), self.watch.passed());
        Ok(())
    }

    /// Sends what one receiver of a job is owed.
    fn send(&mut self, one: &WatchedLedger, sink: NoticeSink) -> Result<(), StoreError> {
        let key = (one.job.clone(), sink);
        for _ in 0..MESSAGES_MAX {
            let up = self.watch.passed();
            if self.stop.asked() || self.tries.get(&key).is_some_and(|tries| tries.next > up) {
                return Ok(());
            }
            let waiting = self.store.waiting_notices(&one.job, sink.name())?;
            if waiting.is_empty() {
                return Ok(());
            }
            let now = SystemClock.now();
            let grown = self.grown.get(&one.ledger).copied().unwrap_or_default();
            let facts = OutboxFacts {
                now,
                rests_ms: up.saturating_sub(grown).as_millis() as i64,
                sent: self.store.messages_since(&one.job, sink.name(), now.plus_ms(-HOUR_MS))?,
                most: one.notify.most_per_hour,
            };
            let (all, is_begun) = match next_message(&waiting, facts) {
                NextMessage::Nothing => return Ok(()),
                NextMessage::Again(all) => (all, true),
                NextMessage::Single(notice) => (vec![notice], false),
                NextMessage::Digest(all) => (all, false),
            };
            let batch = batch(&all);
            // What failed in this life of the service is not in doubt: the receiver said so, or was not there.
            let name = (sink, batch.clone());
            let is_again = is_begun && !self.begun.contains(&name);
            if !is_begun {
                self.begun.insert(name.clone());
            }
            let numbers: Vec<i64> = all.iter().map(|notice| notice.n).collect();
            self.store.begin_notices(&numbers, &batch)?;
            let notice = self.put(one, &all, (&batch, is_again));
            match sink.deliver(&one.notify, &notice, &self.root, &self.stop) {
                Ok(()) => {
                    self.tries.remove(&key);
                    self.begun.remove(&name);
                    self.store.end_notices(sink.name(), &batch, SystemClock.now())?;
                }
                Err(error) => self.failed(key.clone(), &notice.title, &error.to_string()),
            }
        }
        Ok(())
    }

    fn failed(&mut self, key: (String, NoticeSink), title: &str, error: &str) {
        let up = self.watch.passed();
        let tries = self.tries.entry(key).or_default();
        let pause = AGAIN_FIRST.saturating_mul(1 << tries.failed.min(10)).min(AGAIN_MAX);
        tries.failed += 1;
        tries.next = up + pause;
        tracing::warn!("the notice `{title}` was not delivered: {error}; again in {pause:?}");
    }

    /// The message of these notices.
    fn put(
        &self,
        one: &WatchedLedger,
        all: &[StoredNotice],
        (id, is_again): (&str, bool),
    ) -> NoticeText {
        let head = NoticeHead { id, is_again, job: &one.job, host: &self.host, build: &self.build };
        let known = |stored: &StoredNotice| LedgerEvent::of_facts(&stored.notice.facts);
        let events: Vec<(&str, LedgerEvent)> = all
            .iter()
            .filter_map(|stored| Some((stored.notice.id.as_str(), known(stored)?)))
            .collect();
        match events.as_slice() {
            [(_, only)] => only.put(head),
            many => digest(many, head),
        }
    }
}

/// The name of a message: that of its event; of many that of the first, and how many there are.
fn batch(all: &[StoredNotice]) -> String {
    match all {
        [StoredNotice { batch: Some(batch), .. }, ..] => batch.clone(),
        [only] => only.notice.id.clone(),
        [first, ..] => format!("{}+{}", first.notice.id, all.len()),
        [] => String::new(),
    }
}

/// The newest day that is due behind an instant; those before it, for which the service was away, are left out.
fn due_day(cadence: &Cadence, before: UtcMs, now: UtcMs) -> Option<UtcMs> {
    cadence.between(before.max(now.plus_ms(-3 * DAY_MS)), now).last()
}

/// The day up to an instant: from the time before it that is due, by the clocks. A loop in recorded time has its own days: the last
/// that it decided.
pub fn day_window(
    (disk, layout): (&RealDisk, &Layout),
    ledger: &NoticeLedger,
    to: UtcMs,
    cadence: &Cadence,
) -> Result<(UtcMs, UtcMs), StoreError> {
    if in_recorded_time(disk, layout, &ledger.tag)? {
        let last = last_decided(disk, layout, &ledger.tag, &ledger.series)?;
        let to = last.map_or(to, SlotTs::close);
        return Ok((to.plus_ms(-DAY_MS), to));
    }
    let before = cadence.between(to.plus_ms(-2 * DAY_MS), to.plus_ms(-1)).last();
    Ok((before.unwrap_or(to.plus_ms(-DAY_MS)), to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Parsed, TimeOfDay};

    /// What a service that looks every ten minutes finds due, on the clocks of a zone.
    fn days(at: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
        let at: Parsed<TimeOfDay> = Parsed::new(at.parse().unwrap());
        let cadence = at.get().every_day(zone.parse().unwrap());
        let (from, to): (UtcMs, UtcMs) = (from.parse().unwrap(), to.parse().unwrap());
        let (mut before, mut now, mut found) = (from, from, Vec::new());
        while now < to {
            now = now.plus_ms(10 * 60_000);
            if let Some(due) = due_day(&cadence, before, now) {
                found.push(due.format("%dT%H:%M"));
                before = due;
            }
        }
        found
    }

    #[test]
    fn a_day_is_summed_up_once_whatever_the_clocks_do() {
        let spring = ("2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z");
        let autumn = ("2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z");
        let berlin = |at, (from, to)| days(at, "Europe/Berlin", from, to);
        assert_eq!(berlin("08:00", spring), ["28T07:00", "29T06:00", "30T06:00"]);
        assert_eq!(berlin("08:00", autumn), ["24T06:00", "25T07:00", "26T07:00"]);
        // 02:30 does not exist on the 29th, and comes twice on the 25th.
        assert_eq!(berlin("02:30", spring), ["28T01:30", "29T01:00", "30T00:30"]);
        assert_eq!(berlin("02:30", autumn), ["24T00:30", "25T00:30", "26T01:30"]);
        let new_york = ("2026-10-31T00:00:00Z", "2026-11-03T00:00:00Z");
        let found = days("01:30", "America/New_York", new_york.0, new_york.1);
        assert_eq!(found, ["31T05:30", "01T05:30", "02T06:30"]);
    }

    #[test]
    fn of_days_without_a_service_only_the_newest_is_summed_up() {
        let cadence = TimeOfDay::EIGHT.every_day("UTC".parse().unwrap());
        let at = |text: &str| text.parse::<UtcMs>().unwrap();
        let now = at("2026-05-20T09:00:00Z");
        let due = due_day(&cadence, at("2026-05-01T08:00:00Z"), now);
        assert_eq!(due, Some(at("2026-05-20T08:00:00Z")));
        assert_eq!(due_day(&cadence, due.unwrap(), now), None);
        assert_eq!(due_day(&cadence, at("2027-01-01T00:00:00Z"), now), None, "a clock set back");
    }
}
