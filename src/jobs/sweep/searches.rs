//! The ledger of searches: what was ever tried on a series, by sweeps and by hand, so that the best of many is not taken for the best
//! of few.

use std::{collections::BTreeSet, fmt::Write as _};

use serde::{Deserialize, Serialize};

use super::{
    folder::{Created, SweepFolder, create_once},
    plan::{DayRange, SweepPlan, day},
};
use crate::{
    domain::time::UtcMs,
    jobs::context::{Context, Failure},
    store::{disk::Disk as _, document::document},
    sweep::{searches::Search, windows::Days},
};

/// Name and version of the document.
const SCHEMA: &str = "mjolnir.search/1";

/// What made the trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// A sweep.
    Sweep,
    /// A backtest that was run by hand.
    Backtest,
}

/// One search: `data/sweeps/searches/<id>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchRow {
    schema: String,
    /// The sweep, or the key of the one trial.
    pub id: String,
    /// What made the trials.
    pub by: By,
    /// When it was planned, milliseconds UTC.
    pub at_ms: i64,
    /// Exchange, symbol and timeframe.
    pub series: [String; 3],
    /// Its days.
    pub days: DayRange,
    /// The rules, as a hash.
    pub strategy: String,
    /// Whether it is over; one that is not counts what its results have.
    pub is_complete: bool,
    /// Variance of the daily Sharpe ratios times its days less one; none of a single backtest.
    pub spread: Option<f64>,
    /// The best daily Sharpe ratio.
    pub best: Option<f64>,
    /// The keys of its trials.
    pub keys: Vec<String>,
}

impl SearchRow {
    /// A sweep that is planned.
    pub fn planned(context: &Context<'_>, plan: &SweepPlan, strategy: String) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            id: plan.id(),
            by: By::Sweep,
            at_ms: context.started.get(),
            series: plan.series.clone(),
            days: plan.search.clone(),
            strategy,
            is_complete: false,
            spread: None,
            best: None,
            keys: Vec::new(),
        }
    }

    /// A backtest that was run by hand.
    pub fn by_hand(
        context: &Context<'_>,
        series: [String; 3],
        days: Days,
        (key, strategy): (String, String),
    ) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            id: key.clone(),
            by: By::Backtest,
            at_ms: context.started.get(),
            series,
            days: DayRange::of(days),
            strategy,
            is_complete: true,
            spread: None,
            best: None,
            keys: vec![key],
        }
    }
}

/// All searches of a series, oldest first, each with how many trials no earlier one had.
#[derive(Debug, Clone, Default)]
pub struct Searches {
    /// They.
    pub rows: Vec<(SearchRow, u64)>,
}

impl Searches {
    /// Reads them. What is damaged counts for nothing and is said.
    pub fn read(context: &Context<'_>, series: &[String; 3]) -> Result<Self, Failure> {
        let (mut all, damaged) = Self::all(context)?;
        for said in damaged {
            tracing::warn!("{said}");
        }
        all.rows.retain(|(row, _)| row.series == *series);
        Ok(all)
    }

    /// Those of every series, and what is damaged. Trials of different series have different keys.
    fn all(context: &Context<'_>) -> Result<(Self, Vec<String>), Failure> {
        let dir = context.layout.searches_dir();
        let (mut rows, mut damaged) = (Vec::<SearchRow>::new(), Vec::new());
        for name in
            context.disk.list(&dir)?.iter().filter(|name| name.strip_suffix(".json").is_some())
        {
            let bytes = context.disk.read(&dir.join(name))?.unwrap_or_default();
            match serde_json::from_slice::<SearchRow>(&bytes) {
                Ok(row) => rows.push(row),
                Err(error) => {
                    let path = dir.join(name);
                    damaged
                        .push(format!("{} is damaged and does not count: {error}", path.display()));
                }
            }
        }
        rows.sort_by(|a, b| (a.at_ms, &a.id).cmp(&(b.at_ms, &b.id)));
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut all = Vec::new();
        for mut row in rows {
            if !row.is_complete {
                row.keys = Self::computed(context, &row.id)?;
            }
            let new = row.keys.iter().filter(|key| seen.insert((*key).clone())).count();
            all.push((row, new as u64));
        }
        Ok((Self { rows: all }, damaged))
    }

    /// The trials that a search had when it was stopped.
    fn computed(context: &Context<'_>, id: &str) -> Result<Vec<String>, Failure> {
        let folder = SweepFolder::new(context, id);
        let Ok(Some(plan)) = folder.plan() else { return Ok(Vec::new()) };
        let rows = folder.results(&plan)?;
        Ok(rows.into_iter().flatten().map(|row| row.key).collect())
    }

    /// As the arithmetic of luck takes them.
    pub fn plain(&self) -> Vec<Search> {
        let one = |(row, new): &(SearchRow, u64)| Search {
            first_day: row.days.first_day,
            last_day: row.days.last_day,
            trials: *new,
            spread: row.spread,
        };
        self.rows.iter().map(one).collect()
    }

    /// The day of the oldest one that overlaps some days.
    pub fn since(&self, days: Days) -> Option<String> {
        let first = self.rows.iter().find(|(row, _)| row.days.days().common(days) > 0);
        let at = first.and_then(|(row, _)| UtcMs::new(row.at_ms).ok());
        at.map(|at| at.format("%Y-%m-%d"))
    }

    /// How many days of a hold-out other searches saw, and with how many trials.
    pub fn seen(&self, held: Days) -> (u32, u64) {
        let mut days = BTreeSet::new();
        let mut trials = 0;
        for (row, new) in &self.rows {
            let own = row.days.days();
            if own.common(held) > 0 {
                trials += new;
                days.extend(own.first.max(held.first)..=own.last.min(held.last));
            }
        }
        (u32::try_from(days.len()).unwrap_or(u32::MAX), trials)
    }
}

/// Writes a search that is planned, or a backtest, once. One that is there stays.
pub fn begin(context: &Context<'_>, row: &SearchRow) -> Result<Created, Failure> {
    let path = context.layout.search(&row.id);
    context.disk.create_dir_all(&context.layout.searches_dir())?;
    if context.disk.len(&path)?.is_some() {
        return Ok(Created::Before);
    }
    let created = create_once(context.disk, &path, document(row).as_bytes())?;
    view(context)?;
    Ok(created)
}

/// Completes a search.
pub fn complete(
    context: &Context<'_>,
    id: &str,
    (keys, spread, best): (Vec<String>, f64, Option<f64>),
) -> Result<(), Failure> {
    let path = context.layout.search(id);
    let folder = SweepFolder::new(context, id);
    let Some(row) = folder.json::<SearchRow>(&path)? else { return Ok(()) };
    if row.is_complete {
        return Ok(());
    }
    let row = SearchRow { is_complete: true, spread: Some(spread), best, keys, ..row };
    folder.replace(&path, document(&row).as_bytes())?;
    view(context)
}

/// Writes `searches.csv`, for people.
fn view(context: &Context<'_>) -> Result<(), Failure> {
    let (all, _) = Searches::all(context)?;
    let mut text = "at,id,by,exchange,symbol,timeframe,first_day,last_day,days,trials,new,spread,best,strategy,complete\n".to_owned();
    let shown = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
    for (row, new) in all.rows {
        let at = UtcMs::new(row.at_ms).map_or_else(|_| String::new(), |at| at.to_string());
        let by = match row.by {
            By::Sweep => "sweep",
            By::Backtest => "backtest",
        };
        let _ = writeln!(
            text,
            "{at},{},{by},{},{},{},{},{},{new},{},{},{},{}",
            row.id,
            row.series.join(","),
            day(row.days.first_day),
            day(row.days.last_day),
            row.days.days().len(),
            row.keys.len(),
            shown(row.spread),
            shown(row.best),
            row.strategy,
            row.is_complete
        );
    }
    Ok(context.disk.replace(&context.layout.searches_view(), text.as_bytes())?)
}
