//! A venue and its clock: bars that come late, change, or never come, and answers that fail, lag, repeat, shrink and shuffle.

use std::cell::{Cell, RefCell};

use mjolnir::{
    clock::Clock,
    domain::{
        bar::{Bar, TimedBar},
        time::{SlotTs, UtcMs, Window},
    },
    exchange::{
        feed::{Feed, FeedError},
        synthetic,
        venue::answer::Class,
    },
};

use crate::support::sim_disk::Rng;

/// Longest stretch a nervous clock jumps ahead, in hours.
const JUMP_HOURS: usize = 5;
pub const HOUR_MS: i64 = 3_600_000;

/// A clock that moves when someone sleeps or asks the venue, and sometimes much further than wanted.
pub struct SimClock {
    now_ms: Cell<i64>,
    jumps: RefCell<Option<Rng>>,
    /// The shortest sleep; with a long one, a bar that does not come is not asked for a hundred times.
    nap_ms: i64,
}

impl SimClock {
    pub fn new(now_ms: i64, nap_ms: i64, jumps: Option<Rng>) -> Self {
        Self { now_ms: Cell::new(now_ms), jumps: RefCell::new(jumps), nap_ms }
    }

    pub fn advance(&self, ms: i64) {
        self.now_ms.set(self.now_ms.get() + ms);
    }

    pub fn now_ms(&self) -> i64 {
        self.now_ms.get()
    }

    pub fn calm(&self) {
        self.jumps.replace(None);
    }
}

impl Clock for SimClock {
    fn now(&self) -> UtcMs {
        UtcMs::new(self.now_ms.get()).unwrap()
    }

    fn sleep_until(&self, at: UtcMs, stopped: &dyn Fn() -> bool) {
        if stopped() {
            return;
        }
        let soonest = self.now_ms.get() + self.nap_ms;
        self.now_ms.set(soonest.max(at.get()));
        if let Some(rng) = self.jumps.borrow_mut().as_mut()
            && rng.chance(2)
        {
            self.advance(rng.below(JUMP_HOURS * HOUR_MS as usize) as i64);
        }
    }
}

/// A bar as the venue shows it over time.
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    pub ts: SlotTs,
    /// Its value at first.
    pub first: Bar,
    /// Its value from `revised_at_ms` on.
    pub last: Bar,
    pub revised_at_ms: i64,
    /// When it is shown for the first time; a bar in time is shown while it forms.
    pub shown_at_ms: i64,
}

impl Listed {
    pub fn is_in_time(&self) -> bool {
        self.shown_at_ms <= self.ts.ts_ms()
    }

    fn at(&self, now_ms: i64) -> Option<Bar> {
        if now_ms < self.ts.ts_ms() {
            return self.is_in_time().then(|| forming(&self.first));
        }
        let value = if now_ms < self.revised_at_ms { self.first } else { self.last };
        (self.shown_at_ms <= now_ms).then_some(value)
    }
}

/// Half the volume, and a close that will not stay.
fn forming(bar: &Bar) -> Bar {
    let close = bar.open() * 1.013;
    Bar::new([bar.open(), bar.high().max(close), bar.low(), close, bar.volume() / 2.0]).unwrap()
}

/// Another value of the same bar, as after a correction.
pub fn corrected(bar: &Bar) -> Bar {
    let close = f64::midpoint(bar.high(), bar.low());
    Bar::new([bar.open(), bar.high(), bar.low(), close, bar.volume() + 0.25]).unwrap()
}

/// A market without surprises.
pub fn market(seed: u64, window: Window) -> Vec<Listed> {
    let listed = |bar: TimedBar| Listed {
        ts: bar.ts,
        first: bar.bar,
        last: bar.bar,
        revised_at_ms: i64::MAX,
        shown_at_ms: bar.ts.open_ms(),
    };
    synthetic::bars(seed, window).into_iter().map(listed).collect()
}

/// How a venue behaves badly.
#[derive(Debug, Clone)]
pub struct Mood {
    pub rng: Rng,
    /// Percentage of answers that are bad in one way, for each way.
    pub badness: usize,
    pub fails_until_ms: i64,
}

/// The venue.
pub struct Venue<'a> {
    pub clock: &'a SimClock,
    pub market: &'a [Listed],
    pub mood: Option<Mood>,
}

impl Venue<'_> {
    fn snapshot(&self, since: SlotTs, now_ms: i64) -> Vec<TimedBar> {
        let opened = self.market.partition_point(|bar| bar.ts.open_ms() <= now_ms);
        let from = self.market.partition_point(|bar| bar.ts < since).min(opened);
        let shown = |bar: &Listed| bar.at(now_ms).map(|value| TimedBar { ts: bar.ts, bar: value });
        self.market[from..opened].iter().filter_map(shown).collect()
    }
}

impl Feed for Venue<'_> {
    fn fetch(&mut self, since: SlotTs, _: UtcMs) -> Result<Vec<TimedBar>, FeedError> {
        let Some(mut mood) = self.mood.take() else {
            self.clock.advance(150);
            return Ok(self.snapshot(since, self.clock.now_ms()));
        };
        self.clock.advance(20 + mood.rng.below(400) as i64);
        let answer = bad_answer(self, &mut mood, since);
        self.mood = Some(mood);
        answer
    }

    fn ends(&self) -> Option<UtcMs> {
        None
    }
}

fn bad_answer(
    venue: &Venue<'_>,
    mood: &mut Mood,
    since: SlotTs,
) -> Result<Vec<TimedBar>, FeedError> {
    let (now_ms, badness) = (venue.clock.now_ms(), mood.badness);
    let rng = &mut mood.rng;
    if rng.chance(1) {
        mood.fails_until_ms = now_ms + rng.below(7 * HOUR_MS as usize) as i64;
    }
    if now_ms < mood.fails_until_ms || rng.chance(badness) {
        return Err(FeedError {
            venue: "sim".into(),
            url: String::new(),
            class: Class::Transient,
            why: "injected".into(),
            retry_at: None,
        });
    }
    let age_ms = if rng.chance(badness) { rng.below(4 * HOUR_MS as usize) as i64 } else { 0 };
    let mut answer = venue.snapshot(since, now_ms - age_ms);
    if rng.chance(badness) && answer.len() > 3 {
        answer.remove(1 + rng.below(answer.len() - 2));
    }
    if rng.chance(badness) {
        let most = 1 + rng.below(6);
        let beyond = answer.len().saturating_sub(most);
        if rng.coin() {
            answer.drain(..beyond);
        } else {
            answer.truncate(most);
        }
    }
    if rng.chance(badness) {
        // An older answer in front of the new one: the later row of a slot counts.
        let old_ms = now_ms - age_ms - rng.below(4 * HOUR_MS as usize) as i64;
        let mut both = venue.snapshot(since, old_ms);
        both.retain(|bar| bar.ts.ts_ms() <= old_ms);
        both.append(&mut answer);
        return Ok(both);
    }
    if rng.chance(badness) && !answer.is_empty() {
        let again = answer[rng.below(answer.len())];
        answer.push(again);
    }
    if rng.chance(badness) {
        for n in (1..answer.len()).rev() {
            answer.swap(n, rng.below(n + 1));
        }
    }
    Ok(answer)
}
