//! The hold-out, once: the frozen winner and only it, on the days that no trial has read.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{
    folder::SweepFolder,
    job::{PreparedSweep, prepare, tried},
    judge::{folded, returns},
    plan::DayRange,
    play::{TrialStage, window},
    report::SweepDoc,
};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure},
    manifest::SweepJob,
    session::record::stored_bars,
    store::{document::document, raw::RawStore},
    sweep::{stats::yearly, sums::DayBlocks},
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.sweep-final/1";

/// `final.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinalDoc {
    schema: String,
    /// The sweep.
    pub id: String,
    /// When it was played, milliseconds UTC.
    pub at_ms: i64,
    /// The days.
    pub hold_out: DayRange,
    /// The winner.
    pub trial: u32,
    /// Its yearly Sharpe ratio in the search.
    pub search_sharpe: Option<f64>,
    /// Its yearly Sharpe ratio here.
    pub sharpe: Option<f64>,
    /// From where to where the true one is with 90 %.
    pub interval: Option<[f64; 2]>,
    /// Whether that of the search is inside.
    pub is_inside: Option<bool>,
    /// Closed trades.
    pub trades: u32,
    /// Money earned.
    pub net: f64,
    /// The deepest drawdown.
    pub drawdown: f64,
    /// The equity at the end of each day.
    pub equities: Vec<f64>,
}

impl FinalDoc {
    /// What people read.
    pub fn text(&self, is_first: bool) -> String {
        let two = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| format!("{x:.2}"));
        let mut out = String::new();
        if !is_first {
            out.push_str("the hold-out was played before; this is that first answer\n");
        }
        let days = self.hold_out.days().len();
        let _ = writeln!(
            out,
            "hold-out  {} ({days} days), trial {} of {}",
            self.hold_out.shown, self.trial, self.id
        );
        let interval =
            self.interval.map_or_else(|| "-".to_owned(), |[a, b]| format!("{a:.2} to {b:.2}"));
        let _ =
            writeln!(out, "sharpe    {} a year; with 90 % it is in {interval}", two(self.sharpe));
        let inside = match self.is_inside {
            Some(true) => "inside",
            Some(false) => "outside",
            None => "not comparable with it",
        };
        let _ = writeln!(out, "search    {} a year: {inside}", two(self.search_sharpe));
        let _ = writeln!(
            out,
            "trades    {}, net {:.2}, deepest drawdown {:.2}%",
            self.trades,
            self.net,
            self.drawdown * 100.0
        );
        out
    }
}

/// The first answer, if it was given.
pub fn known(folder: &SweepFolder<'_>) -> Result<Option<FinalDoc>, Failure> {
    folder.json(&folder.final_path())
}

/// Plays the hold-out of a sweep that is over.
pub fn play(
    context: &Context<'_>,
    job: &SweepJob,
    folder: &SweepFolder<'_>,
) -> Result<FinalDoc, Failure> {
    let nothing = |message: &str| Failure::new(Exit::Nothing, message.to_owned());
    let plan =
        folder.plan()?.ok_or_else(|| nothing("this sweep has no plan yet: run its job first"))?;
    let doc: SweepDoc = folder
        .json(&folder.report_path())?
        .ok_or_else(|| nothing("this sweep is not over: run it to its end first"))?;
    let held = plan.hold_out.clone().ok_or_else(|| {
        nothing("this sweep has no hold-out: set sweep.hold-out and run its job again")
    })?;
    let winner = doc.winner.ok_or_else(|| nothing("this sweep has no winner"))?;
    let frozen = frozen(job, &plan)?;
    let (space, points) = tried(&frozen)?;
    let PreparedSweep { engines, plan: again, .. } = prepare(context, &frozen, (&space, &points))?;
    let at = winner.index as usize;
    let same = again.trials.get(at).is_some_and(|trial| trial.key == winner.key);
    if !same {
        let message = "the job, the bars or the build changed since the sweep, so the winner is another one now: run the sweep again";
        return Err(Failure::new(Exit::Manifest, message));
    }
    let series = &job.trading.series;
    let slots = window(held.days(), series.timeframe())?;
    let from = engines.blocks(at).anchor_ms(slots.first());
    let bars =
        stored_bars(&RawStore::new(context.layout, context.disk, series), from, slots.last())?;
    let stop = context.stop.clone();
    let stops = || stop.asked();
    let stage = TrialStage {
        trials: None,
        engines: &engines,
        timeframe: series.timeframe(),
        stops: &stops,
    };
    let played = stage.kept(at, &bars, (held.days(), DayBlocks::new(0, 0)))?;
    let played =
        played.ok_or_else(|| Failure::new(Exit::Signal(2), "stopped; nothing was written"))?;
    let sample =
        folded(&returns(engines.core(at).rules.cash.float(), &played.days), DayBlocks::new(0, 0))
            .sample();
    let interval = sample.and_then(|sample| sample.interval()).map(|ends| ends.map(yearly));
    let search_sharpe = winner.moments.map(|moments| moments.sharpe_yearly);
    let answer = FinalDoc {
        schema: SCHEMA.to_owned(),
        id: folder.id.clone(),
        at_ms: context.started.get(),
        hold_out: held,
        trial: winner.index,
        search_sharpe,
        sharpe: sample.map(|sample| yearly(sample.sharpe)),
        interval,
        is_inside: interval.zip(search_sharpe).map(|([a, b], x)| (a..=b).contains(&x)),
        trades: played.trades,
        net: played.net,
        drawdown: played.drawdown,
        equities: played.days,
    };
    folder.create(&folder.final_path(), document(&answer).as_bytes())?;
    Ok(answer)
}

/// The job with the days of the plan: newer bars change nothing.
fn frozen(job: &SweepJob, plan: &super::plan::SweepPlan) -> Result<SweepJob, Failure> {
    let mut job = job.clone();
    let last = plan.hold_out.as_ref().map_or(plan.search.last_day, |held| held.last_day);
    let day = |day: i64| {
        let parsed = super::plan::day(day).parse::<crate::manifest::UtcDay>();
        parsed
            .map(crate::manifest::Parsed::new)
            .map_err(|error| Failure::new(Exit::Bug, error.to_string()))
    };
    job.sweep.from = Some(day(plan.search.first_day)?);
    job.sweep.to = Some(day(last)?);
    let held = plan.hold_out.as_ref().map_or(0, |held| held.days().len());
    job.sweep.hold_out = crate::manifest::Parsed::new(crate::manifest::HeldOut::Days(
        crate::manifest::WholeDays::new(held),
    ));
    Ok(job)
}
