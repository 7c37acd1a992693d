//! The pieces every simulation shares: one series, one strategy with short lengths, and one shift of the live loop.

use std::{collections::BTreeMap, path::Path};

use mjolnir::{
    clock::Clock,
    domain::{
        series::Series,
        time::{Now, SlotTs, Timeframe, Window},
    },
    engine::{
        anchor::Blocks,
        rules::Rules,
        signals::{SignalRule, Signals},
        step::Core,
    },
    exchange::feed::Feed,
    jobs::live::{
        cycle::{DecidedSlot, Fetched, LoopContext, LoopEnd, LoopError, LoopEvent, Watcher, run},
        plan::LoopPace,
    },
    manifest::CatchUpMode,
    session::{
        live::{Belief, LedgerLocation, Session},
        origin::StrategySettings,
    },
    store::{layout::Layout, raw::RawStore},
};
use rust_decimal::Decimal;

use super::{
    false_disk::{FalseDisk, Lie},
    oracle::Log,
    venue::SimClock,
};
use crate::support::{
    scripted::plain_rules,
    sim_disk::SimDisk,
    strategies::{Stops, ema_atr, shipped, strategy},
};

/// 2023-11-15 00:00 UTC.
const MIDNIGHT_MS: i64 = 1_700_006_400_000;
/// The first slots are this long after midnight, so that a run of 30 crosses into another day.
const FIRST_HOUR: i64 = 8;
/// Bars of the market before the first slot.
const BEFORE: i64 = 60;
/// Bars after the last slot, enough to close it even where one is absent.
const AFTER: i64 = 4;

/// Where everything happens.
pub struct World {
    pub layout: Layout,
    pub series: Series,
    pub core: Core,
    /// Rows between two checkpoints.
    pub checkpoint_rows: u64,
}

/// How one shift is worked.
#[derive(Debug, Clone, Copy)]
pub struct Shift {
    pub pace: LoopPace,
    pub lie: Lie,
    /// When to stop, whatever is done.
    pub stop_at_ms: i64,
}

/// The slot that closes `n` hours after the first one.
pub fn slot(n: i64) -> SlotTs {
    Timeframe::H1.slot(MIDNIGHT_MS + (FIRST_HOUR + n) * 3_600_000).unwrap()
}

/// The slots of a market around a run of `slots`.
pub fn span(slots: i64) -> Window {
    Window::new(slot(-BEFORE), slot(slots + AFTER)).unwrap()
}

impl World {
    pub fn new() -> Self {
        let stops = Stops { atr: 2, stop: 0.6, target: Some(0.9), trail: None };
        let plain = plain_rules();
        let rules = Rules {
            fee_bps: Decimal::from(7),
            slippage_bps: Decimal::from(2),
            cadence_bars: 2,
            limits: mjolnir::engine::rules::Limits {
                cooldown_bars: 4,
                trades_per_day_max: Some(6),
                ..plain.limits.clone()
            },
            ..plain
        };
        let symbol = "BTC/USD".parse().unwrap();
        Self {
            layout: Layout::new(Path::new("/r")),
            series: Series::new("kraken".parse().unwrap(), symbol, Timeframe::H1),
            core: Core { strategy: ema_atr([2, 4], stops, Timeframe::H1), rules },
            checkpoint_rows: 4,
        }
    }

    /// The same with a strategy that does what a program says.
    pub fn hearing() -> Self {
        let world = Self::new();
        let mut raw = shipped("examples/signals", &[]);
        raw.cadence_bars = 1;
        raw.protect.both.stop = Some("0.6 * atr(2)".to_owned());
        raw.protect.both.target = Some("0.9 * atr(2)".to_owned());
        let rule = SignalRule {
            name: "robot".to_owned(),
            max_age_ms: Timeframe::H1.ms(),
            absent_is_flat: false,
            wait_ms: 0,
        };
        let strategy = strategy(&raw, Timeframe::H1).hearing(Signals::new(vec![rule]));
        Self { core: Core { strategy, ..world.core }, ..world }
    }

    /// Puts there what the program says about so many slots: not about all of them.
    pub fn speak(&self, disk: &SimDisk, slots: i64) {
        let sides = ["long", "long", "short", "flat", "short", "long", "flat"];
        let line = |n: i64| {
            let side = sides[(n * 3 % 7).unsigned_abs() as usize];
            (n % 5 != 3).then(|| format!("{},{side},said\n", slot(n).ts_ms()))
        };
        let text: String = (0..slots).filter_map(line).collect();
        disk.plant(&self.layout.program_signal("robot"), text.as_bytes());
    }

    pub fn disk(&self) -> SimDisk {
        SimDisk::new(self.layout.data())
    }

    pub fn blocks(&self) -> Blocks {
        self.core.blocks(Timeframe::H1)
    }

    pub fn pace(&self, slots: i64) -> LoopPace {
        LoopPace {
            timeframe: Timeframe::H1,
            blocks: self.blocks(),
            settle_ms: 2_000,
            deadline_bars: 3,
            overlap_bars: 5,
            catch_up: CatchUpMode::Replay,
            catch_up_bars_max: 100,
            horizon_bars: 200,
            until: Some(slot(slots - 1)),
            bars_max: None,
            forced: None,
            carry_bars_max: 0,
        }
    }

    pub fn place<'a>(&'a self, disk: &'a FalseDisk<'a>) -> LedgerLocation<'a, FalseDisk<'a>> {
        let (layout, series) = (&self.layout, self.series.clone());
        LedgerLocation { disk, layout, tag: "sim".parse().unwrap(), series }
    }

    /// Starts the loop as the live job does and works until it ends, stops or fails.
    pub fn work<F: Feed>(
        &self,
        disk: &SimDisk,
        (clock, feed): (&SimClock, &mut F),
        shift: &Shift,
        log: &mut Log,
    ) -> Result<LoopEnd, LoopError> {
        let false_disk = FalseDisk { disk, lie: shift.lie };
        let raw = RawStore::new(&self.layout, &false_disk, &self.series);
        raw.prepare()?;
        let (place, core) = (self.place(&false_disk), self.core.clone());
        let (mut session, recovered) = Session::open(
            place,
            core,
            (card(), "test"),
            Belief::Checkpoint(self.checkpoint_rows),
            clock.now(),
            false,
        )?;
        log.opened(self, disk, &recovered);
        let mut watcher = Seen { world: self, disk, clock, log };
        let mut on = LoopContext {
            feed,
            clock,
            raw,
            commands_gate: None,
            stopped: &|| disk.is_dead() || clock.now_ms() >= shift.stop_at_ms,
            watcher: &mut watcher,
            run_id: "run".parse().unwrap(),
            skip_not_later: false,
        };
        run(shift.pace, &mut session, &mut on)
    }
}

/// Writes down what a loop does.
struct Seen<'w> {
    world: &'w World,
    disk: &'w SimDisk,
    clock: &'w SimClock,
    log: &'w mut Log,
}

impl Watcher for Seen<'_> {
    fn turn(&mut self, _: Now) {}

    fn fetched(&mut self, fetched: &Fetched<'_>) {
        self.log.warned.extend(fetched.error.map(ToString::to_string));
    }

    fn settled(&mut self, slot: &DecidedSlot<'_>) {
        let (decision, now_ms) = (slot.decision, self.clock.now_ms());
        assert!(decision.ts.ts_ms() <= now_ms, "{} is decided before it has happened", decision.ts);
        self.log.rows.push((decision.ts, decision.reason, now_ms));
        self.log.decided(self.world, self.disk, decision, slot.origin);
    }

    fn say(&mut self, word: LoopEvent) {
        self.log.warned.extend(match word {
            LoopEvent::Once(text) | LoopEvent::Still(_, text) => Some(text),
            LoopEvent::Over(_) => None,
        });
    }
}

pub fn card() -> StrategySettings {
    StrategySettings { settings: BTreeMap::new(), stop_fill: "through-open".into() }
}
