//! How much a sweep has to do, before it is done: bar-trials, and how long they take at the pace of a few of them.

use serde::Serialize;

use super::{
    job::{PreparedSweep, prepare, tried},
    play::{TrialStage, window},
};
use crate::{
    domain::time::Steady,
    jobs::context::{Context, Failure},
    manifest::SweepJob,
    sweep::windows::Days,
};

/// Trials that the pace is measured with.
const SAMPLE_TRIALS: usize = 16;
/// Days that it is measured over.
const SAMPLE_DAYS: i64 = 40;

/// How much there is to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Workload {
    schema: &'static str,
    /// What the sweep will be called.
    pub id: String,
    /// The days that are searched.
    pub days: String,
    /// Trials.
    pub trials: usize,
    /// Slots of the search.
    pub slots: i64,
    /// Bar-trials of the search.
    pub bar_trials: u64,
    /// Bar-trials of all null markets, of which most sweeps need only some.
    pub null_bar_trials: u64,
    /// Bar-trials of the walk forward.
    pub walk_bar_trials: u64,
    /// Bar-trials a second here, on all cores.
    pub pace: f64,
    /// How long all of it takes at that pace, seconds.
    pub seconds: f64,
}

impl Workload {
    /// Of a job.
    pub fn of(
        context: &Context<'_>,
        job: &SweepJob,
        up: &dyn Fn() -> Steady,
    ) -> Result<Self, Failure> {
        let (space, points) = tried(job)?;
        let PreparedSweep { plan, mut engines, bars, .. } =
            prepare(context, job, (&space, &points))?;
        let trials = engines.len();
        let timeframe = job.trading.series.timeframe();
        let search = plan.search.days();
        let slots = window(search, timeframe)?.slots();
        let many = |slots: i64| slots.unsigned_abs() * trials as u64;
        let walk = plan.walk_forward.map_or(0, |walk| {
            let steps = walk.walk().steps(search).len() as i64;
            many(steps * i64::from(walk.train_days) * (slots / i64::from(search.len())))
        });
        let stop = context.stop.clone();
        let stops = || stop.asked();
        engines.truncate(SAMPLE_TRIALS);
        let few = engines.len();
        let stage = TrialStage { trials: None, engines: &engines, timeframe, stops: &stops };
        let sample = Days { last: search.last.min(search.first + SAMPLE_DAYS - 1), ..search };
        let begin = up();
        stage.all(&bars, sample)?;
        let took_ms = up().since(begin).max(1) as f64;
        let sampled = window(sample, timeframe)?.slots().unsigned_abs() as f64 * few as f64;
        let pace = sampled / took_ms * 1000.0;
        let (bar_trials, null) = (many(slots), many(slots) * u64::from(plan.null_sweeps));
        Ok(Self {
            schema: "mjolnir.sweep-workload/1",
            id: plan.id(),
            days: plan.search.shown.clone(),
            trials,
            slots,
            bar_trials,
            null_bar_trials: null,
            walk_bar_trials: walk,
            pace,
            seconds: (bar_trials + null + walk) as f64 / pace,
        })
    }

    /// What people read.
    pub fn text(&self) -> String {
        let million = |many: u64| format!("{:.1} million", many as f64 / 1e6);
        format!(
            "{}: {} trials over {}\n\
             {} bar-trials, {} of null markets, {} of the walk forward\n\
             at most {:.0} s here, at {:.1} million bar-trials a second\n",
            self.id,
            self.trials,
            self.days,
            million(self.bar_trials),
            million(self.null_bar_trials),
            million(self.walk_bar_trials),
            self.seconds.ceil(),
            self.pace / 1e6
        )
    }
}
