//! Seeded lives of the loop: a venue in a bad mood, a disk that fails and dies, downtime and operators; then all is healed and judged.

use mjolnir::{
    domain::{
        command::{Command, CommandKind},
        time::UtcMs,
    },
    jobs::{
        commands::append_command,
        live::{
            cycle::{LoopEnd, LoopError},
            plan::{EndReason, LoopPace},
        },
    },
    manifest::CatchUpMode,
    session::error::SessionError,
};
use rayon::prelude::*;

use super::{
    false_disk::{FalseDisk, Lie},
    oracle::{Counts, Log, check_final, tag},
    venue::{HOUR_MS, Listed, Mood, SimClock, Venue, corrected, market},
    world::{Shift, World, slot, span},
};
use crate::support::{
    market::seeds,
    sim_disk::{Death, Fault, Rng, SimDisk},
};

/// Slots of one life.
const SLOTS: i64 = 120;
/// Slots that are left when all is healed.
const HEALED: i64 = 6;
/// Lives when nothing else is wanted.
const SEEDS: u64 = 120;
/// Starts after which a life makes no progress.
const STARTS_MAX: usize = 400;

struct Life<'a> {
    world: &'a World,
    market: Vec<Listed>,
    disk: SimDisk,
    clock: SimClock,
    log: Log,
    rng: Rng,
    mood: Mood,
}

fn moody_market(seed: u64, rng: &mut Rng) -> Vec<Listed> {
    let mut all = market(seed, span(SLOTS));
    for bar in all.iter_mut().filter(|bar| bar.ts < slot(SLOTS)) {
        let hours = |rng: &mut Rng| bar.ts.ts_ms() + 1 + rng.below(9 * HOUR_MS as usize) as i64;
        match rng.below(100) {
            0..2 => bar.shown_at_ms = i64::MAX,
            2..6 => bar.shown_at_ms = hours(rng),
            6..12 => {
                bar.revised_at_ms = hours(rng);
                bar.last = corrected(&bar.first);
            }
            _ => {}
        }
    }
    all
}

impl<'a> Life<'a> {
    fn new(world: &'a World, seed: u64) -> Self {
        let mut rng = Rng(seed.wrapping_mul(0x2545_F491_4F6C_DD1D));
        let jumps = rng.coin().then_some(Rng(rng.0 ^ 1));
        Self {
            world,
            market: moody_market(seed, &mut rng),
            disk: world.disk(),
            clock: SimClock::new(slot(0).ts_ms() + 500, 0, jumps),
            log: Log::default(),
            mood: Mood { rng: Rng(rng.0 ^ 2), badness: rng.below(14), fails_until_ms: 0 },
            rng,
        }
    }

    fn pace(&mut self) -> LoopPace {
        let rng = &mut self.rng;
        LoopPace {
            deadline_bars: 1 + rng.below(3) as i64,
            overlap_bars: rng.below(8) as i64,
            catch_up: [
                CatchUpMode::Replay,
                CatchUpMode::Replay,
                CatchUpMode::Observe,
                CatchUpMode::Off,
            ][rng.below(4)],
            catch_up_bars_max: [4, 100, 100][rng.below(3)],
            horizon_bars: [12, 200][rng.below(2)],
            ..self.world.pace(SLOTS)
        }
    }

    fn shift(&mut self) -> Shift {
        let hours = 1 + self.rng.below(25) as i64;
        let lie = if self.rng.chance(12) { Lie::Full("/raw/") } else { Lie::Honest };
        Shift { pace: self.pace(), lie, stop_at_ms: self.clock.now_ms() + hours * HOUR_MS }
    }

    fn plan_fault(&mut self) {
        let within = [40, 300][self.rng.below(2)];
        let (n, torn) = (self.rng.below(within), self.rng.below(180));
        let faults = [
            Fault::Eio,
            Fault::Enospc,
            Fault::CrashBefore,
            Fault::CrashAfter,
            Fault::Tear(torn),
            Fault::Tear(torn),
        ];
        if self.rng.chance(80) {
            self.disk.fail_at(n, faults[self.rng.below(faults.len())]);
        }
    }

    fn work(&mut self, shift: &Shift, mood: Option<Mood>) -> Result<LoopEnd, LoopError> {
        let mut venue = Venue { clock: &self.clock, market: &self.market, mood };
        let done = self.world.work(&self.disk, (&self.clock, &mut venue), shift, &mut self.log);
        if let Some(mood) = venue.mood {
            self.mood = mood;
        }
        done
    }

    /// Between two starts: a death, perhaps a power cut, downtime, an operator.
    fn pause(&mut self) -> Result<(), String> {
        let power = self.rng.chance(60);
        let death = if power { Death::Power(self.rng.0) } else { Death::Process };
        self.log.count("crashes", usize::from(self.disk.is_dead()));
        self.disk.restart(death);
        self.log.check_durable(self.world, &self.disk)?;
        let hours = [0, 0, 0, 1, 3, 18][self.rng.below(6)];
        let down_ms = self.rng.below(hours * HOUR_MS as usize + 20_000) as i64;
        self.clock.advance(down_ms);
        let is_halted = self.log.is_halted;
        if self.rng.chance(if is_halted { 60 } else { 4 }) {
            let order =
                if is_halted { CommandKind::Resume } else { CommandKind::ALL[self.rng.below(4)] };
            let now = UtcMs::new(self.clock.now_ms()).unwrap();
            let mut given = vec![(order, 0)];
            // A line before it is planned for later.
            if self.rng.chance(40) {
                let ahead_ms = [2, 30][self.rng.below(2)] * HOUR_MS;
                given.insert(0, (CommandKind::ALL[self.rng.below(4)], ahead_ms));
            }
            for (order, ahead_ms) in given {
                let at = now.plus_ms(ahead_ms);
                let command = Command { at, order, reason: "sim".into(), who: "sim".into() };
                let honest = FalseDisk { disk: &self.disk, lie: Lie::Honest };
                append_command(&honest, &self.world.layout, &tag(), &command, now)
                    .map_err(|error| format!("an operator is refused: {error}"))?;
            }
        }
        Ok(())
    }

    fn live(mut self) -> Result<Counts, String> {
        let healed_ms = slot(SLOTS - HEALED).ts_ms();
        for _ in 0..STARTS_MAX {
            if self.clock.now_ms() >= healed_ms {
                break;
            }
            let shift = self.shift();
            self.plan_fault();
            let mood = Some(self.mood.clone());
            match self.work(&shift, mood) {
                Ok(_) => {}
                Err(error) if self.disk.is_dead() || is_io(&error) => self.log.count("errors", 1),
                Err(error) => return Err(format!("refused: {error}")),
            }
            self.pause()?;
        }
        self.clock.calm();
        let stop_at_ms = self.clock.now_ms().max(slot(SLOTS).ts_ms()) + 12 * HOUR_MS;
        let shift = Shift { pace: self.world.pace(SLOTS), lie: Lie::Honest, stop_at_ms };
        match self.work(&shift, None) {
            Ok(LoopEnd::Ended(EndReason::Window)) => {}
            Ok(other) => return Err(format!("not healed: {other:?}")),
            Err(error) => return Err(format!("not healed: {error}")),
        }
        self.disk.restart(Death::PowerNothing);
        self.log.check_durable(self.world, &self.disk)?;
        let mut counts = check_final(self.world, &self.disk, &self.market)?;
        counts.extend(self.log.counts);
        counts.insert("operations".to_owned(), self.disk.ops() as u64);
        Ok(counts)
    }
}

fn is_io(error: &LoopError) -> bool {
    match error {
        LoopError::Store(error) | LoopError::Session(SessionError::Store(error)) => error.is_io(),
        LoopError::Session(_) | LoopError::Refused(_) => false,
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "what a search came to is worth reading")]
fn seeded_lives_end_with_ledgers_that_a_replay_reproduces() {
    let world = World::new();
    // `MJOLNIR_SIM_SEEDS=3000` lives longer, `MJOLNIR_SIM_SEEDS=1643..=1643` lives one life again.
    let total = seeds("MJOLNIR_SIM_SEEDS", SEEDS)
        .into_par_iter()
        .map(|seed| Life::new(&world, seed).live().map_err(|why| format!("seed {seed}: {why}")))
        .try_reduce(Counts::new, |mut a, b| {
            for (what, n) in b {
                *a.entry(what).or_default() += n;
            }
            Ok(a)
        })
        .unwrap();
    eprintln!("{total:#?}");
    for what in [
        "catchup",
        "fetch_failed",
        "persist_failed",
        "bar_missing",
        "downtime",
        "catchup_no_entry",
        "halted",
        "late-delivered bars",
        "revised bars",
        "filled holes",
        "owed trades",
        "torn cuts",
        "crashes",
        "errors",
        "trades",
    ] {
        assert!(total.get(what).is_some_and(|n| *n > 0), "no {what}: {total:#?}");
    }
}
