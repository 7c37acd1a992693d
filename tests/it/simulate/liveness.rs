//! Once the venue answers again, every slot whose bar it can still give is decided with it, within two answers; whatever the
//! clock of the machine says, whoever answered before, and with whatever row between the others. The real feed over a false wire.

use std::{cell::RefCell, time::Duration};

use mjolnir::{
    domain::time::SlotTs,
    exchange::{
        client::ClientLimits,
        remote::{RemoteFeed, VenueAccess},
        venue::registry::Venue,
    },
    jobs::live::{
        cycle::{LoopEnd, LoopError},
        plan::EndReason,
    },
};
use rayon::prelude::*;

use super::{
    false_disk::Lie,
    oracle::{Log, check_final, files},
    venue::{HOUR_MS, Listed, SimClock, market},
    wire::{Bad, Dark, Oddity, SimWaits, Wire},
    world::{Shift, World, slot, span},
};
use crate::support::sim_disk::{Death, Fault, SimDisk};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const YEAR_MS: i64 = 365 * DAY_MS;
/// Slots that are decided before anything happens.
const BEFORE: i64 = 6;
/// Slots of the market.
const SLOTS: i64 = 70;
/// How late a slot may be decided that the venue could give in time, and after it answers again: the longest pause between two
/// questions, with its attempts.
const LATE_MS_MAX: i64 = 90_000;
/// Answers with a closed bar in which it is decided at the latest.
const ANSWERS_MAX: usize = 2;
/// How wrong a clock is, or becomes.
const WRONG_MS: [i64; 7] = [-10 * YEAR_MS, -DAY_MS, -HOUR_MS, 0, HOUR_MS, 2 * DAY_MS, 10 * YEAR_MS];
const DARK: [Dark; 8] = [
    Dark::Refused,
    Dark::Portal(200),
    Dark::Portal(302),
    Dark::Portal(401),
    Dark::Portal(403),
    Dark::Portal(404),
    Dark::Unknown,
    Dark::Throttled(20),
];

/// What happens.
#[derive(Debug, Clone, Copy)]
struct Scene {
    /// Slots that are missed before the start.
    away: i64,
    /// Slots that are decided after those.
    then: i64,
    dark: Option<(Dark, i64)>,
    /// How far the clock is ahead at the start.
    ahead_ms: i64,
    /// After so many moves of the clock it is set so far ahead.
    step: Option<(usize, i64)>,
    oddity: Oddity,
    /// After so many sleeps of the loop the machine sleeps for so many hours.
    sleeps: Option<(usize, i64)>,
    /// The disk operation that fails.
    fault: Option<usize>,
}

const CALM: Scene = Scene {
    away: 0,
    then: 4,
    dark: None,
    ahead_ms: 0,
    step: None,
    oddity: Oddity::None,
    sleeps: None,
    fault: None,
};

/// A ledger of a few slots, and the time when its loop was stopped.
struct Stage {
    world: World,
    market: Vec<Listed>,
    disk: SimDisk,
    now_ms: i64,
}

/// What came of a scene.
struct Played {
    disk: SimDisk,
    log: Log,
    answers: Vec<(i64, Option<SlotTs>)>,
    dark_until_ms: i64,
    ended: Result<LoopEnd, LoopError>,
}

impl Stage {
    /// With nothing decided.
    fn empty() -> Self {
        let world = World::new();
        let (market, disk) = (whole_market(), world.disk());
        Self { world, market, disk, now_ms: slot(BEFORE - 1).ts_ms() + 2_000 }
    }

    fn new() -> Self {
        let mut stage = Self::empty();
        stage.now_ms = slot(0).ts_ms() + 2_000;
        let played = stage.play_until(BEFORE - 1, CALM);
        assert!(matches!(played.ended, Ok(LoopEnd::Ended(EndReason::Window))));
        stage.disk = played.disk;
        stage.now_ms = slot(BEFORE - 1).ts_ms() + 5_000;
        stage
    }

    fn play(&self, scene: Scene) -> Played {
        self.play_until(BEFORE - 1 + scene.away + scene.then, scene)
    }

    fn play_until(&self, last: i64, scene: Scene) -> Played {
        let disk = self.disk.fork();
        let start_ms = self.now_ms + scene.away * HOUR_MS;
        let (dark, dark_ms) = scene.dark.map_or((None, 0), |(dark, ms)| (Some(dark), ms));
        let clock = SimClock::new(start_ms, 0, None);
        clock.set_ahead(scene.ahead_ms);
        if let Some((moves, ms)) = scene.step {
            clock.set_ahead_after(moves, ms);
        }
        if let Some((sleeps, hours)) = scene.sleeps {
            clock.sleep_after(sleeps, hours * HOUR_MS);
        }
        if let Some(n) = scene.fault {
            disk.fail_at(n, Fault::Eio);
        }
        let [decisions, trades] = files(&self.world.layout, &self.world, &disk);
        let mut log = Log { decisions, trades, ..Log::default() };
        let wire = Wire {
            clock: &clock,
            market: &self.market,
            dark,
            dark_ms,
            start_ms,
            oddity: scene.oddity,
            answers: RefCell::default(),
        };
        let stop_at_ms = slot(last).ts_ms() + dark_ms + 3 * HOUR_MS;
        let waits = SimWaits { clock: &clock, stop_at_ms };
        let shift = Shift { pace: self.world.pace(last + 1), lie: Lie::Honest, stop_at_ms };
        let mut ended = Ok(LoopEnd::Stopped);
        // A failed sync ends a process, and its supervisor starts another one.
        for _ in 0..2 {
            let limits = ClientLimits::within(Duration::from_secs(10));
            let access = VenueAccess { base_url: None, limits, attempts_max: 3, seed: 7 };
            let who = (Venue::Binance, "BTC/USD".parse().unwrap());
            let mut feed = RemoteFeed::over(&wire, who, &access, &waits);
            ended = self.world.work(&disk, (&clock, &mut feed), &shift, &mut log);
            if scene.fault.is_none() || ended.is_ok() {
                break;
            }
            disk.restart(Death::Process);
        }
        let dark_until_ms = wire.dark_until_ms();
        Played { disk, log, answers: wire.answers.into_inner(), dark_until_ms, ended }
    }

    /// Plays a scene, and demands that each slot was decided with its bar and in time, but for those that `may_lack` it.
    fn holds(&self, scene: Scene, may_lack: impl Fn(SlotTs) -> bool) -> Result<Played, String> {
        let played = self.play(scene);
        let told = |why: String| format!("{scene:?}: {why}");
        match &played.ended {
            Ok(LoopEnd::Ended(EndReason::Window)) => {}
            other => return Err(told(format!("it ended with {other:?}"))),
        }
        for (ts, reason, at_ms) in &played.log.rows {
            let lacks =
                ["fetch_failed", "persist_failed", "bar_missing"].contains(&reason.as_str());
            if lacks && !may_lack(*ts) {
                return Err(told(format!("{ts} is {reason}")));
            }
            let with_it = |(when, newest): &&(i64, Option<SlotTs>)| {
                when <= at_ms && newest.is_some_and(|newest| newest >= *ts)
            };
            let answers = played.answers.iter().filter(with_it).count();
            let late_ms = at_ms - ts.ts_ms().max(played.dark_until_ms);
            // Binance shuts out for ten minutes with 403.
            let shut_ms = if let Some((Dark::Portal(403), _)) = scene.dark { 600_000 } else { 0 };
            // Without a stamp that can be read, nothing says that the slot before is over; a process that ended has asked before.
            let unread = match scene.oddity {
                Oddity::BadRow(bad, Bad::Short | Bad::NoStamp) => ts.next() == bad,
                _ => false,
            };
            let most = if scene.fault.is_some() { 2 * ANSWERS_MAX } else { ANSWERS_MAX };
            if !lacks && !unread && (answers > most || late_ms > LATE_MS_MAX + shut_ms) {
                return Err(told(format!(
                    "{ts} is decided after {answers} answers, {late_ms} ms late"
                )));
            }
        }
        check_final(&self.world, &played.disk, &self.market).map_err(told)?;
        Ok(played)
    }
}

/// A bar for every slot.
fn whole_market() -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::new();
    let shown = market(14, span(SLOTS));
    for ts in span(SLOTS).iter() {
        let own = shown.iter().find(|bar| bar.ts == ts).copied();
        let flat = |last: &Listed| Listed {
            ts,
            first: last.first.flat(),
            last: last.first.flat(),
            shown_at_ms: ts.open_ms(),
            ..*last
        };
        all.extend(own.or_else(|| all.last().map(flat)));
    }
    all
}

fn all_hold(scenes: Vec<Scene>, may_lack: impl Fn(&Scene, SlotTs) -> bool + Sync) {
    let stage = Stage::new();
    assert!(scenes.len() > 5);
    let all = scenes.into_par_iter().map(|scene| stage.holds(scene, |ts| may_lack(&scene, ts)));
    all.map(|played| played.map(drop)).collect::<Result<(), String>>().unwrap();
}

#[test]
fn c8_after_a_start_in_the_dark_every_missed_slot_is_decided_with_its_bar() {
    let mut scenes = Vec::new();
    for dark in DARK {
        // The deadline is three hours.
        for dark_ms in [1_000, 50 * MINUTE_MS, 170 * MINUTE_MS] {
            for ahead_ms in WRONG_MS {
                for away in [0, 1, 40] {
                    scenes.push(Scene { away, dark: Some((dark, dark_ms)), ahead_ms, ..CALM });
                }
            }
        }
    }
    all_hold(scenes, |_, _| false);
}

#[test]
fn c8_one_error_of_the_disk_while_the_first_bars_are_stored_gives_up_none_of_them() {
    let scenes = (0..160).map(|n| Scene { away: 40, fault: Some(n), ..CALM }).collect();
    all_hold(scenes, |_, _| false);
}

#[test]
fn c8_a_machine_that_wakes_in_the_dark_catches_up() {
    let mut scenes = Vec::new();
    for dark in [Dark::Refused, Dark::Portal(302), Dark::Portal(200)] {
        for hours in [1, 8, 40] {
            for sleeps in [1, 2, 3, 50, 130] {
                for ahead_ms in [-YEAR_MS, 0, DAY_MS] {
                    let (dark, sleeps) = (Some((dark, 1_000)), Some((sleeps, hours)));
                    scenes.push(Scene { then: hours + 6, dark, sleeps, ahead_ms, ..CALM });
                }
            }
        }
    }
    all_hold(scenes, |_, _| false);
}

#[test]
fn a_dark_that_outlasts_the_deadline_gives_up_what_is_over_and_nothing_else() {
    let mut scenes = Vec::new();
    for dark in [Dark::Refused, Dark::Portal(302), Dark::Portal(404), Dark::Unknown] {
        for hours in [4, 9] {
            for ahead_ms in WRONG_MS {
                for away in [0, 20] {
                    let dark = Some((dark, hours * HOUR_MS));
                    scenes.push(Scene { away, then: hours + 4, dark, ahead_ms, ..CALM });
                }
            }
        }
    }
    all_hold(scenes, |scene, ts| {
        let light_ms = slot(BEFORE - 1 + scene.away).ts_ms() + scene.dark.map_or(0, |(_, ms)| ms);
        ts.ts_ms() + 3 * HOUR_MS <= light_ms + LATE_MS_MAX
    });
}

#[test]
fn a_clock_that_is_set_at_any_point_of_the_cycle_stops_nothing() {
    let mut scenes = Vec::new();
    for moves in 0..40 {
        for ms in WRONG_MS {
            scenes.push(Scene { then: 8, step: Some((moves, ms)), ..CALM });
        }
    }
    // By less than a bar, too: the slot is the right one, and its close comes early or late.
    for moves in 0..40 {
        for minutes in [-50, -20, -2, 2, 20, 50] {
            scenes.push(Scene { then: 8, step: Some((moves, minutes * MINUTE_MS)), ..CALM });
        }
    }
    // While the venue wants to be left alone, too.
    for moves in 0..12 {
        for ms in WRONG_MS {
            let dark = Some((Dark::Throttled(50), 10_000));
            scenes.push(Scene { dark, step: Some((moves, ms)), ..CALM });
        }
    }
    // And where no answer has a date.
    for moves in 0..40 {
        for ms in [-10 * YEAR_MS, -DAY_MS, -HOUR_MS, 0] {
            let oddity = Oddity::Dateless;
            scenes.push(Scene { then: 8, step: Some((moves, ms)), oddity, ..CALM });
        }
    }
    // And at the start.
    for minutes in [-50, -20, -2, 2, 20, 50] {
        for away in [0, 1, 5] {
            scenes.push(Scene { away, then: 8, ahead_ms: minutes * MINUTE_MS, ..CALM });
        }
    }
    all_hold(scenes, |_, _| false);
}

#[test]
fn a_row_that_is_not_a_bar_costs_its_own_slot() {
    let mut scenes = Vec::new();
    for bad in Bad::ALL {
        for away in [0, 1, 20] {
            for n in [BEFORE, BEFORE + away, BEFORE + away + 1] {
                let oddity = Oddity::BadRow(slot(n), bad);
                scenes.push(Scene { away, oddity, ..CALM });
            }
        }
    }
    let stage = Stage::new();
    for scene in scenes {
        let Oddity::BadRow(bad, _) = scene.oddity else { unreachable!() };
        let played = stage.holds(scene, |ts| ts == bad).unwrap();
        let lacks = played.log.rows.iter().filter(|(_, reason, _)| *reason == "bar_missing");
        assert_eq!(lacks.map(|(ts, ..)| *ts).collect::<Vec<_>>(), [bad], "{scene:?}");
        let named = played.log.warned.iter().filter(|text| text.contains("a row is left out"));
        assert_eq!(named.count(), 1, "{scene:?}: {:?}", played.log.warned);
    }
}

#[test]
fn the_forming_bar_is_not_judged() {
    let stage = Stage::new();
    for away in [0, 1, 20] {
        let played = stage.holds(Scene { away, oddity: Oddity::BadForming, ..CALM }, |_| false);
        assert_eq!(played.unwrap().log.warned, Vec::<String>::new());
    }
}

#[test]
fn a_bar_that_was_seen_is_there_however_the_holes_of_the_answers_move() {
    let scenes = (0..40).map(|away| Scene { away, oddity: Oddity::MovingHole, ..CALM }).collect();
    all_hold(scenes, |_, _| false);
}

#[test]
fn a_first_start_begins_at_the_newest_slot_whatever_the_clock_says() {
    let stage = Stage::empty();
    let newest = slot(BEFORE - 1);
    for ahead_ms in WRONG_MS {
        for dark in [None, Some((Dark::Portal(302), 1_000)), Some((Dark::Portal(404), MINUTE_MS))] {
            let scene = Scene { dark, ahead_ms, ..CALM };
            let played = stage.holds(scene, |_| false).unwrap();
            assert_eq!(played.log.rows[0].0, newest, "{scene:?}");
        }
    }
    // Only the venue's own words end it, and only here.
    let dark = Some((Dark::Unknown, HOUR_MS));
    let ended = stage.play(Scene { dark, ..CALM }).ended;
    assert!(matches!(ended, Err(LoopError::Refused(_))), "{ended:?}");
}
