//! The plan of a sweep: what is tried on which bars, frozen. A pure function of the job and of what is stored; its hash names the sweep.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};

use super::{carried::CarriedJob, probe::probe};
use crate::{
    domain::{
        bar::TimedBar,
        series::Series,
        time::{DAY_MS, Timeframe},
    },
    engine::anchor::Blocks,
    manifest::{self, SweepAxis, SweepJob, Trading, Turned, range_of},
    session::origin::StrategySettings,
    store::digest::{RunningDigest, sha256_hex},
    sweep::{
        space::{Axis, AxisValue, Method, Points, SearchError, SweepSpace},
        sums::DayBlocks,
        trial::{SCORE_DAYS_MIN, Score},
        windows::{Days, HoldOut, WalkPlan, split},
    },
};

/// Name and version of the document.
pub const SCHEMA: &str = "mjolnir.sweep-plan/1";

/// Hex digits of a plan's hash in the name of a sweep.
const ID_DIGITS: usize = 12;
/// Characters of the job's name in the name of a sweep.
const NAME_MAX: usize = 24;
/// Hex digits of a trial's key.
const KEY_DIGITS: usize = 32;

/// First and last UTC day, as days since 1970 and as people write them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayRange {
    /// The first, days since 1970.
    pub first_day: i64,
    /// The last, days since 1970.
    pub last_day: i64,
    /// Both, as `2022-08-01 to 2023-09-13`.
    pub shown: String,
}

impl DayRange {
    /// Of days.
    pub fn of(days: Days) -> Self {
        Self { first_day: days.first, last_day: days.last, shown: shown(days) }
    }

    /// As days.
    pub const fn days(&self) -> Days {
        Days { first: self.first_day, last: self.last_day }
    }
}

/// Days as people write them.
pub fn shown(days: Days) -> String {
    format!("{} to {}", day(days.first), day(days.last))
}

/// A day as people write it.
pub fn day(day: i64) -> String {
    crate::domain::time::UtcMs::EPOCH.plus_ms(day * DAY_MS).format("%Y-%m-%d")
}

/// The bars of a sweep: those of its days, and as many before as features reach back. None of the hold-out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedBars {
    /// How many.
    pub bars: u64,
    /// Close of the first, milliseconds UTC.
    pub first_ts_ms: i64,
    /// Close of the last, milliseconds UTC.
    pub last_ts_ms: i64,
    /// sha256 of their values: per bar the close and open, high, low, close, volume, little endian.
    pub sha256: String,
}

/// A walk forward, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedWalk {
    /// Days that are searched.
    pub train_days: u32,
    /// Days that the choice is applied to.
    pub test_days: u32,
    /// Days between them.
    pub embargo_days: u32,
}

impl PlannedWalk {
    /// As the windows that it makes.
    pub const fn walk(self) -> WalkPlan {
        WalkPlan { train: self.train_days, test: self.test_days, embargo: self.embargo_days }
    }
}

/// One trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedTrial {
    /// Its key: the same for the same settings, bars, days and build, whatever the sweep.
    pub key: String,
    /// Its values, in the order of the parameters, as TOML writes them.
    pub values: Vec<String>,
}

/// All that a sweep depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepPlan {
    /// [`SCHEMA`].
    pub schema: String,
    /// Name of the job.
    pub name: String,
    /// The build that plays it.
    pub build: String,
    /// Exchange, symbol and timeframe.
    pub series: [String; 3],
    /// The days that are searched.
    pub search: DayRange,
    /// The days that are held out.
    pub hold_out: Option<DayRange>,
    /// How points are chosen.
    pub method: String,
    /// What chance is made from.
    pub seed: u64,
    /// What trials are ranked by.
    pub score: String,
    /// Closed trades without which a trial cannot win.
    pub min_trades: u32,
    /// How many steps away a neighbour may be.
    pub plateau: u32,
    /// The condition over the params.
    pub r#where: Option<String>,
    /// The walk forward.
    pub walk_forward: Option<PlannedWalk>,
    /// Blocks of the cross-validation.
    pub cscv_blocks: u32,
    /// Null markets.
    pub null_sweeps: u32,
    /// Every setting of the job as it was before anything was turned.
    pub settings: BTreeMap<String, String>,
    /// Where touched stops fill.
    pub stop_fill: String,
    /// The job, for machines that have no manifest.
    pub job: serde_json::Value,
    /// What the built-in probe gave where this was planned: every machine that plays a part gives the same.
    pub probe: String,
    /// The bars.
    pub bars: PlannedBars,
    /// The parameters, in the order of their names.
    pub parameters: Vec<String>,
    /// The trials, by index.
    pub trials: Vec<PlannedTrial>,
}

impl SweepPlan {
    /// The plan of a job, without its name, build, settings, parameters and trials.
    pub fn of(job: &SweepJob, (search, held): (Days, Option<Days>), bars: &[TimedBar]) -> Self {
        let sweep = &job.sweep;
        let days = |days: manifest::Parsed<manifest::WholeDays>| days.get().get();
        Self {
            schema: SCHEMA.to_owned(),
            name: String::new(),
            build: String::new(),
            series: series_words(&job.trading.series),
            search: DayRange::of(search),
            hold_out: held.map(DayRange::of),
            method: sweep.method.name().to_owned(),
            seed: sweep.seed,
            score: sweep.score.name().to_owned(),
            min_trades: sweep.min_trades,
            plateau: sweep.plateau,
            r#where: sweep.r#where.clone(),
            walk_forward: sweep.walk_forward.map(|walk| PlannedWalk {
                train_days: days(walk.train),
                test_days: days(walk.test),
                embargo_days: days(walk.embargo),
            }),
            cscv_blocks: sweep.doubt.cscv_blocks,
            null_sweeps: sweep.doubt.null_sweeps,
            settings: BTreeMap::new(),
            stop_fill: job.stop_fill.name().to_owned(),
            job: CarriedJob::of(job).document(),
            probe: probe(),
            bars: PlannedBars {
                bars: bars.len() as u64,
                first_ts_ms: bars.first().map_or(0, |bar| bar.ts.ts_ms()),
                last_ts_ms: bars.last().map_or(0, |bar| bar.ts.ts_ms()),
                sha256: hash_of(bars),
            },
            parameters: Vec::new(),
            trials: Vec::new(),
        }
    }

    /// What the sweep is called: the name of its job and the beginning of the plan's hash.
    pub fn id(&self) -> String {
        let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-' || *c == '_';
        let name: String = self.name.chars().filter(plain).take(NAME_MAX).collect();
        format!("{}_{}", if name.is_empty() { "sweep" } else { &name }, &self.hash()[..ID_DIGITS])
    }

    /// sha256 of the plan.
    pub fn hash(&self) -> String {
        sha256_hex(serde_json::to_string(self).expect("plain values serialise").as_bytes())
    }

    /// The job that it carries; the error says what is wrong with it.
    pub(super) fn carried(&self) -> Result<SweepJob, String> {
        let [exchange, symbol, timeframe] = &self.series;
        let parsed = |error: &dyn std::fmt::Display| error.to_string();
        let series = Series::new(
            exchange.parse().map_err(|error| parsed(&error))?,
            symbol.parse().map_err(|error| parsed(&error))?,
            timeframe.parse().map_err(|error| parsed(&error))?,
        );
        CarriedJob::read(&self.job, series)
    }

    /// How its days are cut into blocks.
    pub fn cut(&self) -> DayBlocks {
        DayBlocks::new(self.search.days().len(), self.cscv_blocks)
    }
}

/// What trials are ranked by.
pub const fn score(word: manifest::SweepScore) -> Score {
    match word {
        manifest::SweepScore::Sharpe => Score::Sharpe,
        manifest::SweepScore::Sortino => Score::Sortino,
        manifest::SweepScore::Calmar => Score::Calmar,
        manifest::SweepScore::ProfitFactor => Score::ProfitFactor,
        manifest::SweepScore::Net => Score::Net,
    }
}

/// How points are chosen.
const fn method(word: manifest::SweepMethod) -> Method {
    match word {
        manifest::SweepMethod::Grid => Method::Grid,
        manifest::SweepMethod::Random => Method::Random,
        manifest::SweepMethod::Sobol => Method::Sobol,
    }
}

/// The days that are searched and those that are held out, of the whole days that have bars.
pub(super) fn days(job: &SweepJob, stored: Days) -> Result<(Days, Option<Days>), String> {
    let first = job.sweep.from.map_or(stored.first, |from| from.get().get());
    let last = job.sweep.to.map_or(stored.last, |to| to.get().get());
    let all = Days { first, last };
    if all.is_empty() {
        return Err(format!("the first day, {}, is after the last one, {}", day(first), day(last)));
    }
    let held = match *job.sweep.hold_out.get() {
        manifest::HeldOut::Percent(percent) => HoldOut::Percent(f64::from(percent)),
        manifest::HeldOut::Days(days) => HoldOut::Days(days.get()),
    };
    split(all, held).map_err(|error| error.to_string())
}

/// Refuses a walk forward that could not say anything.
pub(super) fn walk_fits(job: &SweepJob, search: Days) -> Result<(), String> {
    let Some(walk) = job.sweep.walk_forward else { return Ok(()) };
    let [train, test, embargo] = [walk.train, walk.test, walk.embargo].map(|days| days.get().get());
    // Where the whole search has no score either, the verdict says so.
    if train < SCORE_DAYS_MIN && search.len() >= SCORE_DAYS_MIN {
        return Err(format!(
            "sweep.walk-forward.train is {train}d: below {SCORE_DAYS_MIN} days no trial has a score that it could be chosen by"
        ));
    }
    let days = search.len();
    if (WalkPlan { train, test, embargo }).steps(search).is_empty() {
        return Err(format!(
            "sweep.walk-forward: {train} days of train, {embargo} of embargo and {test} of test do not fit into the {days} days that are searched"
        ));
    }
    Ok(())
}

/// The points of a job. What its strategy demands of its params is demanded of every point, like `where`.
pub(super) fn points(job: &SweepJob) -> Result<(SweepSpace, Points), String> {
    let space = space(job)?;
    let mut rules = job.trading.rules.clone();
    rules.require.extend(job.sweep.r#where.clone());
    let names = space.names.clone();
    let mut allowed = |values: &[AxisValue]| {
        let given = names.iter().zip(values).filter_map(|(name, value)| {
            let number = match value {
                AxisValue::Whole(whole) => crate::language::Number::Integer(*whole),
                AxisValue::Real(x) => crate::language::Number::Float(*x),
                AxisValue::Text(_) | AxisValue::Truth(_) => return None,
            };
            rules.params.contains_key(name).then(|| (name.clone(), number))
        });
        crate::language::allows(&rules, &given.collect())
            .map_err(|problem| SearchError::Condition(problem.message))
    };
    let (many, seed) = (u64::from(job.sweep.trials), job.sweep.seed);
    let points = space.points(method(job.sweep.method), (many, seed), &mut allowed);
    Ok((space, points.map_err(|error| error.to_string())?))
}

fn space(job: &SweepJob) -> Result<SweepSpace, String> {
    let (mut names, mut axes) = (Vec::new(), Vec::new());
    for (name, axis) in &job.sweep.over {
        names.push(name.clone());
        axes.push(match axis {
            SweepAxis::List(values) => {
                let value = |value: &toml::Value| {
                    let known = Turned::of(value).map(|turned| of_turned(&turned));
                    known.ok_or_else(|| {
                        format!("`{name}` has a value that is not a number, a text, true or false")
                    })
                };
                Axis::List(values.iter().map(value).collect::<Result<_, _>>()?)
            }
            SweepAxis::Range(_) => {
                let range = range_of(&job.trading.rules, name, axis);
                let (from, to, step, whole) = range.map_err(|error| error.to_string())?;
                Axis::Range { from, to, step, whole }
            }
        });
    }
    Ok(SweepSpace { names, axes })
}

fn of_turned(value: &Turned) -> AxisValue {
    match value {
        Turned::Whole(whole) => AxisValue::Whole(*whole),
        Turned::Real(x) => AxisValue::Real(*x),
        Turned::Text(text) => AxisValue::Text(text.clone()),
        Turned::Truth(truth) => AxisValue::Truth(*truth),
    }
}

/// The job of a point.
pub(super) fn turned(
    trading: &Trading,
    names: &[String],
    values: &[AxisValue],
) -> Result<Trading, String> {
    let mut trading = trading.clone();
    for (name, value) in names.iter().zip(values) {
        let value = match value {
            AxisValue::Whole(whole) => Turned::Whole(*whole),
            AxisValue::Real(x) => Turned::Real(*x),
            AxisValue::Text(text) => Turned::Text(text.clone()),
            AxisValue::Truth(truth) => Turned::Truth(*truth),
        };
        trading = trading.turned(name, &value).map_err(|error| error.to_string())?;
    }
    Ok(trading)
}

/// Exchange, symbol and timeframe, as documents have them.
pub fn series_words(series: &Series) -> [String; 3] {
    [series.exchange().to_string(), series.symbol().to_string(), series.timeframe().to_string()]
}

/// sha256 of bars.
pub fn hash_of(bars: &[TimedBar]) -> String {
    let mut running = BarsDigest::from_ms(i64::MIN);
    for bar in bars {
        running.add(bar);
    }
    running.hash().1
}

/// A sha256 of bars that is worked out as they come.
pub struct BarsDigest {
    /// Bars that open before are left out.
    from_ms: i64,
    running: RunningDigest,
}

impl BarsDigest {
    /// Of the bars that open from a time on.
    pub fn from_ms(from_ms: i64) -> Self {
        Self { from_ms, running: RunningDigest::default() }
    }

    /// Adds a bar.
    pub fn add(&mut self, TimedBar { ts, bar }: &TimedBar) {
        if ts.open_ms() < self.from_ms {
            return;
        }
        let mut bytes = [0_u8; 48];
        bytes[..8].copy_from_slice(&ts.ts_ms().to_le_bytes());
        for (chunk, value) in bytes[8..].chunks_exact_mut(8).zip(bar.values()) {
            chunk.copy_from_slice(&value.to_le_bytes());
        }
        self.running.add(&bytes);
    }

    /// From when on, and the hash.
    pub fn hash(&self) -> (i64, String) {
        (self.from_ms, self.running.digest())
    }
}

/// Open time of the oldest bar that the key of a trial on these days depends on.
pub fn hashed_from_ms(blocks: &Blocks, timeframe: Timeframe, days: Days) -> i64 {
    let first = timeframe.slot_of_open(days.first * DAY_MS);
    first.map_or(0, |first| blocks.anchor_ms(first))
}

/// sha256 of every setting of a trial. The settings themselves are some kilobytes, and there may be ten thousand trials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsDigest(String);

impl SettingsDigest {
    /// Of settings.
    pub fn of(card: &StrategySettings) -> Self {
        let mut text = format!("stop-fill={}\n", card.stop_fill);
        for (key, value) in &card.settings {
            let _ = writeln!(text, "{key}={value}");
        }
        Self(sha256_hex(text.as_bytes()))
    }
}

/// What the key of a trial depends on besides its settings.
pub struct TrialKeys<'a> {
    /// The series.
    pub series: &'a Series,
    /// Its days.
    pub days: Days,
    /// The build.
    pub build: &'a str,
    /// Hashes of the bars from an open time on, which are worked out once.
    pub hashes: BTreeMap<i64, String>,
    /// The bars; none where the hashes are known.
    pub bars: &'a [TimedBar],
}

impl TrialKeys<'_> {
    /// The key of a trial whose settings have this digest.
    pub fn key(&mut self, blocks: &Blocks, settings: &SettingsDigest) -> String {
        let from = hashed_from_ms(blocks, self.series.timeframe(), self.days);
        let bars = self.bars;
        let hash = self.hashes.entry(from).or_insert_with(|| {
            hash_of(&bars[bars.partition_point(|bar| bar.ts.open_ms() < from)..])
        });
        let text = format!(
            "{}\n{}\n{} {}\n{hash}\n{}\n",
            self.build, self.series, self.days.first, self.days.last, settings.0
        );
        sha256_hex(text.as_bytes())[..KEY_DIGITS].to_owned()
    }
}
