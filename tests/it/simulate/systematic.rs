//! Every operation of a short run fails, tears and dies once, in every way a disk can forget; the ledgers end up the same to the byte.

use std::{collections::BTreeSet, sync::Mutex};

use mjolnir::{
    domain::bar::TimedBar,
    jobs::live::{
        cycle::Outcome,
        plan::{Ended, Pace},
    },
    session::replay::Inputs,
};
use rayon::prelude::*;

use super::{
    false_disk::Lie,
    oracle::{Log, check_final, files, replayed, tag},
    venue::{HOUR_MS, Listed, SimClock, Venue, corrected, market},
    world::{Shift, World, slot, span},
};
use crate::support::sim_disk::{Death, Fault, Names, SimDisk, Tail};

const SLOTS: i64 = 30;
/// Rows before the planned restart.
const FIRST_SHIFT: u64 = 15;
const FAULTS: [Fault; 6] = [
    Fault::CrashAfter,
    Fault::CrashBefore,
    Fault::Tear(40),
    Fault::Eio,
    Fault::Enospc,
    Fault::Tear(1),
];

/// A start from which every operation is made to fail.
struct Case {
    name: &'static str,
    image: SimDisk,
    start_ms: i64,
    log: Log,
    /// Rows of each shift; none: to the end.
    shifts: Vec<Option<u64>>,
    /// Operations that are made to fail.
    ops: usize,
}

/// A market, the disks to start from, and what must come out.
pub struct Systematic {
    world: World,
    market: Vec<Listed>,
    cases: Vec<Case>,
    reference: [Vec<u8>; 2],
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
        let mut this = Self {
            world: World::new(),
            market: surprising_market(),
            cases: Vec::new(),
            reference: Default::default(),
            lie: Lie::Honest,
            seen: Mutex::default(),
        };
        let start_ms = slot(0).ts_ms() + 2_000;
        let fresh = |shifts| Case {
            name: "fresh",
            image: this.world.disk(),
            start_ms,
            log: Log::default(),
            shifts,
            ops: 0,
        };
        let (whole, mut fresh, half) =
            (fresh(vec![None]), fresh(vec![Some(FIRST_SHIFT), None]), fresh(vec![Some(FIRST_SHIFT)]));
        let (disk, _, mut log) = this.begin(&whole);
        this.go(&whole, &disk, &SimClock::new(start_ms, None), &mut log).unwrap();
        this.reference = files(&this.world.layout, &this.world, &disk);
        let (disk, clock, mut log) = this.begin(&fresh);
        this.go(&fresh, &disk, &clock, &mut log).unwrap();
        fresh.ops = disk.ops();
        let (disk, clock, mut log) = this.begin(&half);
        this.go(&half, &disk, &clock, &mut log).unwrap();
        tear(&this.world, &disk);
        let log = Log { decisions: log.decisions, ..Log::default() };
        let torn = Case {
            name: "torn",
            image: disk,
            start_ms: clock.now_ms() + 5_000,
            log,
            shifts: vec![None],
            ops: 60,
        };
        this.cases = vec![fresh, torn];
        this.lie = lie;
        this
    }

    fn pace(&self, bars_max: Option<u64>) -> Pace {
        Pace { bars_max, ..self.world.pace(SLOTS) }
    }

    fn begin(&self, case: &Case) -> (SimDisk, SimClock, Log) {
        (case.image.fork(), SimClock::new(case.start_ms, None), case.log.clone())
    }

    /// Works all shifts of a case; an error ends it.
    fn go(
        &self,
        case: &Case,
        disk: &SimDisk,
        clock: &SimClock,
        log: &mut Log,
    ) -> Result<(), String> {
        for bars_max in &case.shifts {
            let pace = self.pace(*bars_max);
            let stop_at_ms = slot(SLOTS).ts_ms() + 10 * HOUR_MS;
            let shift = Shift { pace, lie: self.lie, stop_at_ms };
            let mut venue = Venue { clock, market: &self.market, mood: None };
            match self.world.work(disk, clock, &mut venue, &shift, log) {
                Ok(Outcome::Ended(Ended::Window | Ended::MaxBars)) => {}
                Ok(other) => return Err(format!("no progress: {other:?}")),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    fn check_end(&self, disk: &SimDisk) -> Result<(), String> {
        let [decisions, trades] = files(&self.world.layout, &self.world, disk);
        if decisions != self.reference[0] {
            return Err("decisions.csv differs".into());
        }
        if trades != self.reference[1] {
            return Err("trades.csv differs".into());
        }
        let left = disk.files().into_iter().find(|path| path.to_string_lossy().ends_with(".tmp"));
        left.map_or(Ok(()), |temp| Err(format!("{} is left", temp.display())))
    }

    pub fn spots(&self) -> Vec<Spot> {
        let all = self.cases.iter().enumerate();
        all.flat_map(|(case, what)| {
            (0..what.ops).flat_map(move |n| FAULTS.map(|fault| (case, n, fault)))
        })
        .collect()
    }

    /// Lets one fault happen and follows every way the run can go on from there.
    pub fn strike(&self, (case, n, fault): Spot) -> Result<Stats, String> {
        let case = &self.cases[case];
        let mut stats = Stats { faults: 1, ..Stats::default() };
        let (disk, clock, mut log) = self.begin(case);
        disk.fail_at(n, fault);
        let ended = self.go(case, &disk, &clock, &mut log);
        let told = |text: String, death: Option<Death>| {
            format!("{} case, {fault:?} at operation {n}, then {death:?}: {text}", case.name)
        };
        if ended.is_ok() && !disk.is_dead() {
            self.check_end(&disk).map_err(|text| told(text, None))?;
        }
        let is_over = ended.is_ok();
        for death in deaths() {
            let disk = disk.fork();
            disk.restart(death);
            stats.deaths += 1;
            let told = |text: String| told(text, Some(death));
            log.check_durable(&self.world, &disk).map_err(told)?;
            let key = (disk.image(), clock.now_ms(), log.decisions.len());
            if is_over || !self.seen.lock().unwrap().insert(key) {
                continue;
            }
            stats.recoveries += 1;
            let clock = SimClock::new(clock.now_ms() + 5_000, None);
            let mut log = log.clone();
            self.go(case, &disk, &clock, &mut log).map_err(|text| told(format!("does not recover: {text}")))?;
            self.check_end(&disk).map_err(told)?;
            log.check_durable(&self.world, &disk).map_err(told)?;
        }
        Ok(stats)
    }
}

fn deaths() -> impl Iterator<Item = Death> {
    let power = |tail| Names::ALL.map(|names| Death::PowerFate(tail, names));
    [Death::Process].into_iter().chain(Tail::ALL.into_iter().flat_map(power))
}

/// What a crash can leave: half a row, NULs, and a trade that is still owed.
fn tear(world: &World, disk: &SimDisk) {
    let (layout, series) = (&world.layout, &world.series);
    let append = |path: &std::path::Path, torn: &[u8]| {
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
fn the_uninterrupted_run_is_what_a_replay_of_the_market_comes_to() {
    let all = Systematic::new(Lie::Honest);
    let window = mjolnir::domain::time::Window::new(slot(0), slot(SLOTS - 1)).unwrap();
    let anchor_ms = all.world.blocks().anchor_ms(slot(0));
    let in_time = all.market.iter().filter(|bar| bar.is_in_time() && bar.ts.open_ms() >= anchor_ms);
    let bars: Vec<_> = in_time
        .filter(|bar| bar.ts <= window.last())
        .map(|bar| TimedBar { ts: bar.ts, bar: bar.first })
        .collect();
    let inputs = Inputs { window, bars, degraded: Default::default(), commands: Vec::new() };
    assert!(replayed(&all.world, &inputs) == all.reference);
    let text = String::from_utf8(all.reference[0].clone()).unwrap();
    assert_eq!(text.lines().count() as i64, SLOTS + 1, "one row per slot");
    assert_eq!(text.matches("bar_missing").count(), 2, "{text}");
    assert!(text.contains("cooldown") && text.contains("cadence_failed"), "{text}");
    let trades = String::from_utf8(all.reference[1].clone()).unwrap();
    assert!(trades.lines().count() > 6 && trades.contains("stop_"), "{trades}");
    let (disk, clock, mut log) = all.begin(&all.cases[0]);
    all.go(&all.cases[0], &disk, &clock, &mut log).unwrap();
    let counts = check_final(&all.world, &disk, &all.market).unwrap();
    assert_eq!((counts["revised bars"], counts["filled holes"]), (2, 1));
}
