//! Every operation of a short run fails, tears and dies once, in every way a disk can forget; the ledgers end up the same to the byte.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Mutex,
};

use mjolnir::{
    domain::bar::TimedBar,
    engine::signals::Signals,
    jobs::live::{cycle::LoopEnd, plan::EndReason},
    session::replay::ReplayRequest,
};
use rayon::prelude::*;

use super::{
    false_disk::Lie,
    oracle::{Log, check_final, copy, files, lines, replayed, tag},
    venue::{HOUR_MS, Listed, SimClock, Venue, corrected, market},
    world::{Shift, World, slot, span},
};
use crate::support::sim_disk::{Death, Fault, Names, SimDisk, Tail};

const SLOTS: i64 = 30;
/// Slots between two planned restarts. Each shift is a case, so that little has to be repeated before a fault.
const SHIFT: i64 = 6;
/// Slots a recovered run goes on beyond its shift. The state hash in its rows speaks for those that follow.
const FOLLOWED: i64 = 2;
/// Operations in which a torn start is over.
const TORN_OPS: usize = 60;
/// Deaths that differ only in `timing.csv` are followed at every so many operations.
const TIMING_EVERY: usize = 8;
const FAULTS: [Fault; 5] =
    [Fault::CrashAfter, Fault::CrashBefore, Fault::Tear(40), Fault::Eio, Fault::Enospc];
const DEATHS: [Fault; 3] = [Fault::CrashAfter, Fault::CrashBefore, Fault::Tear(40)];

/// A start from which every operation is made to fail.
struct Case {
    name: &'static str,
    image: SimDisk,
    start_ms: i64,
    log: Log,
    /// The last slot of its shift.
    last: i64,
    /// Operations that are made to fail.
    ops: usize,
}

impl Case {
    fn begin(&self) -> (SimDisk, SimClock, Log) {
        (self.image.fork(), clock_at(self.start_ms), self.log.clone())
    }
}

/// A market, the disks to start from, and what must come out.
pub struct Systematic {
    world: World,
    market: Vec<Listed>,
    cases: Vec<Case>,
    reference: [Vec<u8>; 2],
    /// What happens at each operation.
    faults: &'static [Fault],
    /// What the uninterrupted run used of the signals.
    used: Vec<u8>,
    lie: Lie,
    seen: Mutex<BTreeSet<(u64, i64, usize)>>,
}

#[derive(Debug, Default, Clone, Copy)]
pub struct Stats {
    pub faults: usize,
    pub deaths: usize,
    pub recoveries: usize,
}

/// Which fault at which operation of which case.
pub type Spot = (usize, usize, Fault);

fn surprising_market() -> Vec<Listed> {
    let mut all = market(14, span(SLOTS));
    let mut at = |n: i64, change: &dyn Fn(&mut Listed)| {
        change(all.iter_mut().find(|bar| bar.ts == slot(n)).unwrap());
    };
    // Never there; filled in after three hours; corrected after three hours; a warm-up bar corrected while in reach.
    at(7, &|bar| bar.shown_at_ms = i64::MAX);
    at(22, &|bar| bar.shown_at_ms = bar.ts.ts_ms() + 3 * HOUR_MS);
    for n in [-1, 11] {
        at(n, &|bar| {
            bar.last = corrected(&bar.first);
            bar.revised_at_ms = slot(n.max(0)).ts_ms() + 3 * HOUR_MS;
        });
    }
    all
}

impl Systematic {
    pub fn new(lie: Lie) -> Self {
        Self::of(World::new(), &|_, _| {}, lie)
    }

    /// A loop that does what a program says. Two shifts have every operation on the copy of what it used.
    pub fn hearing(lie: Lie) -> Self {
        let mut this = Self::of(World::hearing(), &|world, disk| world.speak(disk, SLOTS), lie);
        this.cases.truncate(2);
        // A file that cannot be read says nothing, and the slot is decided without it: deaths must change nothing, errors may.
        this.faults = &DEATHS;
        this
    }

    fn of(world: World, plant: &dyn Fn(&World, &SimDisk), lie: Lie) -> Self {
        let mut this = Self {
            world,
            market: surprising_market(),
            cases: Vec::new(),
            reference: Default::default(),
            faults: &FAULTS,
            used: Vec::new(),
            lie: Lie::Honest,
            seen: Mutex::default(),
        };
        let (image, log) = (this.world.disk(), Log::default());
        plant(&this.world, &image);
        let start_ms = slot(0).ts_ms() + 2_000;
        let mut case = Case { name: "fresh", image, start_ms, log, last: SLOTS - 1, ops: 0 };
        let (disk, clock, mut log) = case.begin();
        this.go(case.last, &disk, &clock, &mut log).unwrap();
        this.reference = files(&this.world.layout, &this.world, &disk);
        this.used = copy(&this.world, &disk);
        case.last = SHIFT - 1;
        while case.last < SLOTS {
            let (disk, clock, mut log) = case.begin();
            this.go(case.last, &disk, &clock, &mut log).unwrap();
            case.ops = disk.ops() - case.image.ops();
            let (image, start_ms) = (disk.fork(), clock.now_ms() + 5_000);
            let next =
                Case { name: "later", image, start_ms, log, last: case.last + SHIFT, ops: 0 };
            this.cases.push(std::mem::replace(&mut case, next));
        }
        let half = &this.cases[this.cases.len() / 2];
        let image = half.image.fork();
        tear(&this.world, &image);
        let log = Log { decisions: half.log.decisions.clone(), ..Log::default() };
        let (start_ms, last) = (half.start_ms, half.last);
        this.cases.push(Case { name: "torn", image, start_ms, log, last, ops: TORN_OPS });
        this.lie = lie;
        this
    }

    /// Works until a slot is decided; an error ends it.
    fn go(&self, last: i64, disk: &SimDisk, clock: &SimClock, log: &mut Log) -> Result<(), String> {
        let pace = self.world.pace(last.min(SLOTS - 1) + 1);
        let stop_at_ms = slot(SLOTS).ts_ms() + 10 * HOUR_MS;
        let shift = Shift { pace, lie: self.lie, stop_at_ms };
        let mut venue = Venue { clock, market: &self.market, mood: None };
        match self.world.work(disk, (clock, &mut venue), &shift, log) {
            Ok(LoopEnd::Ended(EndReason::Window)) => Ok(()),
            Ok(other) => Err(format!("no progress: {other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The files are those of the uninterrupted run, as far as it went.
    fn check_end(&self, last: i64, disk: &SimDisk) -> Result<(), String> {
        let found = files(&self.world.layout, &self.world, disk);
        for ((name, found), reference) in
            ["decisions.csv", "trades.csv"].into_iter().zip(&found).zip(&self.reference)
        {
            let is_whole = last < SLOTS - 1 || found.len() == reference.len();
            if !reference.starts_with(found) || !is_whole {
                return Err(format!("{name} differs"));
            }
        }
        // A death may leave the line of a slot that is decided later.
        if !self.used.starts_with(&copy(&self.world, disk)) {
            return Err("signals.csv differs".to_owned());
        }
        let rows = lines(&found[0]) as i64 - 1;
        if rows != last.min(SLOTS - 1) + 1 {
            return Err(format!("{rows} rows up to slot {last}"));
        }
        check_final(&self.world, disk, &self.market).map(|_| ())
    }

    pub fn spots(&self) -> Vec<Spot> {
        let all = self.cases.iter().enumerate();
        all.flat_map(|(case, what)| {
            (0..what.ops).flat_map(move |n| self.faults.iter().map(move |fault| (case, n, *fault)))
        })
        .collect()
    }

    /// Lets one fault happen and follows every way the run can go on from there.
    pub fn strike(&self, (case, n, fault): Spot) -> Result<Stats, String> {
        let case = &self.cases[case];
        let mut stats = Stats { faults: 1, ..Stats::default() };
        let (disk, clock, mut log) = case.begin();
        disk.fail_at(n, fault);
        let ended = self.go(case.last, &disk, &clock, &mut log);
        let told = |text: String, death: Option<Death>| {
            format!("{} case, {fault:?} at operation {n}, then {death:?}: {text}", case.name)
        };
        let is_over = ended.is_ok() && !disk.is_dead();
        if is_over {
            self.check_end(case.last, &disk).map_err(|text| told(text, None))?;
        }
        for death in deaths() {
            let disk = disk.fork();
            disk.restart(death);
            stats.deaths += 1;
            let told = |text: String| told(text, Some(death));
            log.check_durable(&self.world, &disk).map_err(told)?;
            let is_like = |path: &Path| n % TIMING_EVERY > 0 && path.ends_with("timing.csv");
            let key = (disk.image(is_like), clock.now_ms(), log.decisions.len());
            if is_over || !self.seen.lock().unwrap().insert(key) {
                continue;
            }
            stats.recoveries += 1;
            self.recover(case, &disk, clock.now_ms(), log.clone()).map_err(told)?;
        }
        Ok(stats)
    }

    /// Starts again and goes on beyond the shift.
    fn recover(
        &self,
        case: &Case,
        disk: &SimDisk,
        died_ms: i64,
        mut log: Log,
    ) -> Result<(), String> {
        let last = (case.last + FOLLOWED).min(SLOTS - 1);
        let clock = clock_at(died_ms + 5_000);
        self.go(last, disk, &clock, &mut log)
            .map_err(|text| format!("does not recover: {text}"))?;
        self.check_end(last, disk)?;
        disk.restart(Death::PowerNothing);
        log.check_durable(&self.world, disk)
    }
}

fn clock_at(now_ms: i64) -> SimClock {
    SimClock::new(now_ms, HOUR_MS / 3, None)
}

fn deaths() -> impl Iterator<Item = Death> {
    let power = |tail| Names::ALL.map(|names| Death::PowerFate(tail, names));
    [Death::Process].into_iter().chain(Tail::ALL.into_iter().flat_map(power))
}

/// What a crash can leave: half a row, NULs, and a trade that is still owed.
fn tear(world: &World, disk: &SimDisk) {
    let (layout, series) = (&world.layout, &world.series);
    let append = |path: &Path, torn: &[u8]| {
        let bytes = [&disk.peek(path).unwrap()[..], torn].concat();
        disk.plant(path, &bytes);
    };
    append(&layout.decisions(&tag(), series), b"kraken,BTC/USD,1h,17000");
    append(&layout.timing(&tag(), series), b"17\0\0\0\0");
    let path = layout.trades(&tag(), series);
    let trades = disk.peek(&path).unwrap();
    let last = trades[..trades.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    disk.plant(&path, &trades[..last + 9]);
}

#[test]
fn c7_any_operation_can_fail_or_die_and_the_ledgers_end_up_the_same() {
    let all = Systematic::new(Lie::Honest);
    let spots = all.spots();
    let stats = spots
        .par_iter()
        .map(|spot| all.strike(*spot))
        .try_reduce(Stats::default, |a, b| {
            Ok(Stats {
                faults: a.faults + b.faults,
                deaths: a.deaths + b.deaths,
                recoveries: a.recoveries + b.recoveries,
            })
        })
        .unwrap();
    assert!(stats.faults > 2_000 && stats.deaths > 20_000, "{stats:?}");
    assert!(stats.recoveries > 1_000, "{stats:?}");
}

#[test]
fn c7_what_live_used_of_signals_is_durable_before_the_row_it_decides() {
    let all = Systematic::hearing(Lie::Honest);
    let rows = String::from_utf8(all.reference[0].clone()).unwrap();
    // Without a line the rules know nothing, with a flat one they are silent: each line is seen in a row.
    for rule in
        ["enter_long,robot_long", "enter_short,robot_short", "hold,no_signal", "features_invalid"]
    {
        assert!(rows.contains(rule), "{rule}: {rows}");
    }
    assert!(lines(&all.used) > 15, "{} lines used", lines(&all.used));
    let spots = all.spots();
    let struck = spots.par_iter().map(|spot| all.strike(*spot).map(|stats| stats.recoveries));
    let recoveries = struck.try_reduce(|| 0, |a, b| Ok(a + b)).unwrap();
    assert!(recoveries > 400, "{recoveries}");
}

#[test]
fn the_uninterrupted_run_is_what_a_replay_of_the_market_comes_to() {
    let all = Systematic::new(Lie::Honest);
    let window = mjolnir::domain::time::Window::new(slot(0), slot(SLOTS - 1)).unwrap();
    let anchor_ms = all.world.blocks().anchor_ms(slot(0));
    let in_time = all.market.iter().filter(|bar| bar.is_in_time() && bar.ts.open_ms() >= anchor_ms);
    let bars: Vec<_> = in_time
        .filter(|bar| bar.ts <= window.last())
        .map(|bar| TimedBar { ts: bar.ts, bar: bar.first })
        .collect();
    let (degraded, commands, signals) = (BTreeMap::new(), Vec::new(), Signals::default());
    let inputs = ReplayRequest { window, bars, degraded, commands, signals };
    assert!(replayed(&all.world, &inputs) == all.reference);
    let text = String::from_utf8(all.reference[0].clone()).unwrap();
    assert_eq!(text.lines().count() as i64, SLOTS + 1, "one row per slot");
    assert_eq!(text.matches("bar_missing").count(), 2, "{text}");
    assert!(text.contains("cooldown") && text.contains("cadence_failed"), "{text}");
    let trades = String::from_utf8(all.reference[1].clone()).unwrap();
    assert!(trades.lines().count() > 6 && trades.contains("stop_"), "{trades}");
    let (disk, clock, mut log) = all.cases[0].begin();
    all.go(SLOTS - 1, &disk, &clock, &mut log).unwrap();
    let counts = check_final(&all.world, &disk, &all.market).unwrap();
    assert_eq!((counts["revised bars"], counts["filled holes"]), (2, 1));
}
