//! Playing trials on all cores: in groups with the same anchors, a shard at a time, each shard written once it is done.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::{
    engines::Engines,
    folder::SweepFolder,
    plan::{SweepPlan, score},
    results::{TrialRow, name_of, render},
};
use crate::{
    domain::{
        bar::TimedBar,
        time::{DAY_MS, Timeframe, Window},
    },
    engine::{signals::Signals, step::Core},
    exit::Exit,
    jobs::context::{Context, Failure},
    manifest::SweepScore,
    sweep::{
        sums::DayBlocks,
        trial::{PlayedTrial, Tape, groups, play},
        windows::Days,
    },
};

/// Most trials that are played side by side.
const SIDE_BY_SIDE: usize = 64;

/// The slots of days.
pub fn window(days: Days, timeframe: Timeframe) -> Result<Window, Failure> {
    let refused =
        |error: crate::domain::time::TimeError| Failure::new(Exit::Manifest, error.to_string());
    let first = timeframe.slot_of_open(days.first * DAY_MS).map_err(refused)?;
    let last = timeframe.slot((days.last + 1) * DAY_MS).map_err(refused)?;
    Window::new(first, last).map_err(refused)
}

/// Trials and what they are played on.
pub struct TrialStage<'a> {
    /// Their places in the plan; the whole plan, without it.
    pub trials: Option<&'a [u32]>,
    /// The engine of every trial, by index.
    pub engines: &'a Engines<'a>,
    /// The length of a bar.
    pub timeframe: Timeframe,
    /// Whether to stop.
    pub stops: &'a (dyn Fn() -> bool + Sync),
}

impl TrialStage<'_> {
    /// Trials cut so that those of a part can be played side by side and each of so many threads has something to do.
    fn parts(&self, wanted: &[usize], (most, threads): (usize, usize)) -> Vec<Vec<usize>> {
        let each = wanted.len().div_ceil(threads.max(1) * 2).clamp(1, most);
        let mut parts = Vec::new();
        for group in groups(wanted.iter().map(|at| self.engines.blocks(*at))) {
            for part in group.chunks(each) {
                parts.push(part.iter().map(|place| wanted[*place]).collect());
            }
        }
        parts
    }

    /// What the files are called that a shard of these trials writes with so many threads. This is the stage of the whole plan.
    pub fn names(&self, plan: &SweepPlan, trials: &[u32], threads: usize) -> Vec<String> {
        let wanted: Vec<usize> = trials.iter().map(|at| *at as usize).collect();
        let key = |at: &usize| plan.trials[*at].key.as_str();
        let parts = self.parts(&wanted, (SIDE_BY_SIDE, threads));
        parts.iter().map(|part| name_of(part.iter().map(key))).collect()
    }

    /// The parts that are missing. A shard cuts all of its trials, so that its files have the same names after a restart: its
    /// coordinator opens them by these.
    fn missing_parts(&self, rows: &[Option<TrialRow>], cut: (usize, usize)) -> Vec<Vec<usize>> {
        let is_missing = |at: &usize| rows[self.planned(*at)].is_none();
        let all = 0..self.engines.len();
        if self.trials.is_none() {
            return self.parts(&all.filter(is_missing).collect::<Vec<usize>>(), cut);
        }
        let mut parts = self.parts(&all.collect::<Vec<usize>>(), cut);
        for part in &mut parts {
            part.retain(is_missing);
        }
        parts.retain(|part| !part.is_empty());
        parts
    }

    /// The place in the plan of one of these trials.
    fn planned(&self, at: usize) -> usize {
        self.trials.map_or(at, |trials| trials[at] as usize)
    }

    fn part(&self, part: &[usize], tape: Tape<'_>) -> Option<Vec<PlayedTrial>> {
        let made: Vec<Core> = part.iter().map(|at| self.engines.core(*at)).collect();
        let signals: Vec<Signals> = made.iter().map(|core| self.engines.signals(core)).collect();
        let cores: Vec<&Core> = made.iter().collect();
        play(&cores, tape, &signals, self.stops)
    }

    /// All trials over some days of some bars, by index; `None` when it was asked to stop.
    pub fn all(&self, bars: &[TimedBar], days: Days) -> Result<Option<Vec<PlayedTrial>>, Failure> {
        let tape = Tape {
            bars,
            window: window(days, self.timeframe)?,
            cut: DayBlocks::new(0, 0),
            keeps: false,
        };
        let wanted: Vec<usize> = (0..self.engines.len()).collect();
        let parts = self.parts(&wanted, (SIDE_BY_SIDE, rayon::current_num_threads()));
        let played: Option<Vec<Vec<PlayedTrial>>> =
            parts.par_iter().map(|part| self.part(part, tape)).collect();
        let Some(played) = played else { return Ok(None) };
        let mut all: Vec<Option<PlayedTrial>> = vec![None; self.engines.len()];
        for (part, played) in parts.iter().zip(played) {
            for (at, played) in part.iter().zip(played) {
                all[*at] = Some(played);
            }
        }
        Ok(all.into_iter().collect())
    }

    /// One trial with its equities and trades.
    pub fn kept(
        &self,
        trial: usize,
        bars: &[TimedBar],
        (days, cut): (Days, DayBlocks),
    ) -> Result<Option<PlayedTrial>, Failure> {
        let tape = Tape { bars, window: window(days, self.timeframe)?, cut, keeps: true };
        Ok(self.part(&[trial], tape).and_then(|mut played| played.pop()))
    }

    /// Plays what is missing and writes it, shard by shard; false when it was asked to stop.
    pub fn missing(
        &self,
        context: &Context<'_>,
        (folder, plan): (&SweepFolder<'_>, &SweepPlan),
        (bars, by, per_shard): (&[TimedBar], SweepScore, Option<u32>),
    ) -> Result<bool, Failure> {
        let rows = folder.results(plan)?;
        let most = per_shard.map_or(SIDE_BY_SIDE, |most| (most as usize).min(SIDE_BY_SIDE));
        let parts = self.missing_parts(&rows, (most, rayon::current_num_threads()));
        if parts.is_empty() {
            return Ok(true);
        }
        let window = window(plan.search.days(), self.timeframe)?;
        let tape = Tape { bars, window, cut: plan.cut(), keeps: false };
        context.progress.begin("trials", parts.iter().map(|part| part.len() as u64).sum());
        let is_stopped = AtomicBool::new(false);
        let done: Result<(), Failure> = parts.par_iter().try_for_each(|part| {
            let Some(played) = self.part(part, tape) else {
                is_stopped.store(true, Ordering::Relaxed);
                return Ok(());
            };
            let rows: Vec<TrialRow> = part
                .iter()
                .zip(&played)
                .map(|(at, played)| {
                    let at = self.planned(*at);
                    TrialRow::of((at as u32, &plan.trials[at].key), played, score(by))
                })
                .collect();
            let with_values: Vec<(&TrialRow, &[String])> =
                rows.iter().map(|row| (row, &plan.trials[row.index as usize].values[..])).collect();
            let name = name_of(rows.iter().map(|row| row.key.as_str()));
            folder
                .create(&folder.result(&name), render(&plan.parameters, &with_values).as_bytes())?;
            folder.know(&name);
            for _ in part {
                context.progress.advance("");
            }
            Ok(())
        });
        context.progress.end();
        done?;
        Ok(!is_stopped.into_inner())
    }
}
