//! A venue and its clock: bars that come late, change, or never come, and answers that fail, lag, repeat, shrink and shuffle.

use std::cell::{Cell, RefCell};

use mjolnir::{
    clock::Clock,
    domain::{
        bar::{Bar, Shown, TimedBar},
        time::{SlotTs, Steady, UtcMs, Window},
    },
    exchange::{
        feed::{self, Feed, FeedError},
        venue::answer::FaultClass,
    },
};

use crate::support::sim_disk::Rng;

/// Longest stretch a nervous clock jumps ahead, in hours.
const JUMP_HOURS: usize = 5;
pub const HOUR_MS: i64 = 3_600_000;

/// Sleeps of a simulation that never ends.
const SLEEPS_MAX: usize = 200_000;

/// True time, and a machine whose clock may be wrong. It moves when someone sleeps or asks the venue, and sometimes much further
/// than wanted.
pub struct SimClock {
    now_ms: Cell<i64>,
    /// How far the clock of the machine is ahead of the truth.
    ahead_ms: Cell<i64>,
    /// After so many more moves it is set.
    step: Cell<Option<(usize, i64)>>,
    /// After so many more sleeps the machine sleeps for so long.
    nap: Cell<Option<(usize, i64)>>,
    /// When it woke.
    woke_ms: Cell<Option<i64>>,
    sleeps: Cell<usize>,
    jumps: RefCell<Option<Rng>>,
    /// The shortest sleep; with a long one, a bar that does not come is not asked for a hundred times.
    nap_ms: i64,
}

impl SimClock {
    pub fn new(now_ms: i64, nap_ms: i64, jumps: Option<Rng>) -> Self {
        Self {
            now_ms: Cell::new(now_ms),
            ahead_ms: Cell::new(0),
            step: Cell::new(None),
            nap: Cell::new(None),
            woke_ms: Cell::new(None),
            sleeps: Cell::new(0),
            jumps: RefCell::new(jumps),
            nap_ms,
        }
    }

    pub fn advance(&self, ms: i64) {
        self.now_ms.set(self.now_ms.get() + ms);
        let step = self.step.take();
        self.step.set(step.and_then(|(left, ms)| {
            if left > 0 {
                return Some((left - 1, ms));
            }
            self.set_ahead(ms);
            None
        }));
    }

    /// The true time.
    pub fn now_ms(&self) -> i64 {
        self.now_ms.get()
    }

    /// Sets the clock of the machine.
    pub fn set_ahead(&self, ms: i64) {
        self.ahead_ms.set(ms);
    }

    /// Sets it after so many more moves.
    pub fn set_ahead_after(&self, moves: usize, ms: i64) {
        self.step.set(Some((moves, ms)));
    }

    /// The machine sleeps for so long in the middle of the loop's sleep after so many more.
    pub fn sleep_after(&self, sleeps: usize, ms: i64) {
        self.nap.set(Some((self.sleeps.get() + sleeps, ms)));
    }

    /// When the machine woke.
    pub fn woke_ms(&self) -> Option<i64> {
        self.woke_ms.get()
    }

    pub fn calm(&self) {
        self.jumps.replace(None);
    }
}

impl Clock for SimClock {
    fn now(&self) -> UtcMs {
        UtcMs::EPOCH.plus_ms(self.now_ms.get() + self.ahead_ms.get())
    }

    fn steady(&self) -> Steady {
        Steady::new(self.now_ms.get())
    }

    fn sleep_until(&self, until: Steady, stopped: &dyn Fn() -> bool) {
        if stopped() {
            return;
        }
        self.sleeps.set(self.sleeps.get() + 1);
        assert!(self.sleeps.get() < SLEEPS_MAX, "it sleeps and sleeps, and nothing comes of it");
        self.advance(until.since(self.steady()).max(self.nap_ms));
        if let Some((_, ms)) = self.nap.get().filter(|(at, _)| self.sleeps.get() > *at) {
            self.nap.set(None);
            self.advance(ms);
            self.woke_ms.set(Some(self.now_ms.get()));
        }
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

    pub fn at(&self, now_ms: i64) -> Option<Bar> {
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
    feed::seeded_bars(seed, window).into_iter().map(listed).collect()
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
    fn fetch(&mut self, since: SlotTs, _: UtcMs) -> Result<Shown, FeedError> {
        let shown = |bars: Vec<TimedBar>| Shown { bars, bad: Vec::new() };
        let Some(mut mood) = self.mood.take() else {
            self.clock.advance(150);
            return Ok(shown(self.snapshot(since, self.clock.now_ms())));
        };
        self.clock.advance(20 + mood.rng.below(400) as i64);
        let answer = bad_answer(self, &mut mood, since);
        self.mood = Some(mood);
        answer.map(shown)
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
            class: FaultClass::Transient,
            why: "injected".into(),
            pause_ms: None,
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
