//! The shell of a sweep: plan, play what is missing, merge, search null markets, walk forward, judge, play the winner again.

use std::collections::BTreeMap;

use super::{
    again::{again, compared},
    cluster::{Cluster, ClusterEnd},
    dispatch::WorkPiece,
    engines::Engines,
    folder::{Created, ResultScan, SweepFolder},
    judge::{
        SearchOutcome, VerdictDoc, WalkStep, beside, evidence, find, returns, spread, walked,
        yearly_sharpe,
    },
    merged::merge,
    nulls::{self, WholeSearch},
    plan::{DayRange, PlannedTrial, SettingsDigest, SweepPlan, TrialKeys, days, points, walk_fits},
    play::{TrialStage, window},
    report::{HeldDoc, LuckDoc, MarketDoc, NullDoc, OrderDoc, SearchedModel, SweepDoc, TrialDoc},
    results::{TrialRow, name_of, render},
    searches::{SearchRow, Searches, begin, complete},
    shard::PlayEnd,
    status::sweeps,
    walk,
};
use crate::{
    domain::{bar::TimedBar, time::DAY_MS},
    engine::{anchor::Blocks, model::Timeline},
    exit::Exit,
    jobs::{
        backtest::job::oldest_and_newest,
        context::{Context, Failure, Outcome},
        engine_setup::engine_setup,
        models::{self, ModelSource},
    },
    manifest::{SweepJob, SweepOn},
    report::sweep::{SweepPage, SweepPoint, sweep_page},
    session::record::stored_bars,
    store::{document::document, raw::RawStore},
    sweep::{
        plateau::Neighbours,
        space::{AxisValue, Points, SweepSpace},
        stats::yearly,
        sums::BlockSum,
        trial::PlayedTrial,
        verdict::{Nulls, Word},
        windows::Days,
    },
};

/// Everything that a sweep is played with.
pub struct PreparedSweep<'p> {
    /// The plan.
    pub plan: SweepPlan,
    /// What is tried.
    pub space: &'p SweepSpace,
    /// The points.
    pub points: &'p Points,
    /// The engine of every trial.
    pub engines: Engines<'p>,
    /// The bars of the search.
    pub bars: Vec<TimedBar>,
}

/// Runs the job.
pub fn run(context: &Context<'_>, job: &SweepJob) -> Result<Outcome, Failure> {
    let (space, points) = tried(job)?;
    let prepared = prepare(context, job, (&space, &points))?;
    let plan = &prepared.plan;
    let folder = SweepFolder::new(context, &plan.id());
    folder.make()?;
    let _lock = context.lock(&context.layout.sweep_lock(&folder.id))?;
    folder.clean(context.started)?;
    folder.uncancel()?;
    // Before the plan, so that nothing is missing where there is one.
    let path = context.layout.sweep_bars(&folder.id);
    if !folder.has(&path)? {
        folder.create(&path, &crate::store::raw::encode(&prepared.bars))?;
    }
    if folder.keep_plan(plan)? == Created::Now {
        announce_other_builds(context, plan);
    }
    folder.keep_call(&context.call)?;
    begin(context, &SearchRow::planned(context, plan, prepared.engines.strategy().to_owned()))?;
    adopt(context, (&folder, plan))?;
    let end = PlayEnd::new(context.stop.clone(), &folder);
    let stops = || end.asked();
    let stage = TrialStage {
        trials: None,
        engines: &prepared.engines,
        timeframe: job.trading.series.timeframe(),
        stops: &stops,
    };
    match job.sweep.executor.kind {
        SweepOn::Local => go_on(context, job, &prepared, (&folder, &stage, None)),
        SweepOn::Slurm => {
            let mut cluster = Cluster::new(context, (&folder, plan, &stage), &job.sweep.executor)?;
            let outcome = go_on(context, job, &prepared, (&folder, &stage, Some(&mut cluster)));
            let end = match &outcome {
                Err(_) => ClusterEnd::Failed,
                Ok(outcome) if outcome.out.contains_key("verdict") => ClusterEnd::Complete,
                Ok(_) => ClusterEnd::Detached,
            };
            cluster.over(end)?;
            outcome
        }
    }
}

/// Where a sweep is played: its folder, its trials, and the cluster, where there is one.
type Place<'s, 'f, 'c> = (&'s SweepFolder<'f>, &'s TrialStage<'s>, Option<&'s mut Cluster<'f, 'c>>);

/// Plays what is missing, and judges.
fn go_on(
    context: &Context<'_>,
    job: &SweepJob,
    prepared: &PreparedSweep<'_>,
    (folder, stage, mut cluster): Place<'_, '_, '_>,
) -> Result<Outcome, Failure> {
    let plan = &prepared.plan;
    if let Some(cluster) = cluster.as_deref_mut() {
        let mut scan = ResultScan::new(plan);
        let mut missing = || {
            scan.look(folder, plan)?;
            let rows = (0..).zip(&scan.rows).filter(|(_, row)| row.is_none());
            Ok(rows.map(|(at, _)| WorkPiece::Trial(at)).collect())
        };
        if !cluster.carry("trials", &mut missing)? {
            return Ok(stopped(folder));
        }
    }
    let per_shard = job.sweep.executor.per_shard.trials();
    let parts = (&prepared.bars[..], job.sweep.score, per_shard);
    if !stage.missing(context, (folder, plan), parts)? {
        return Ok(stopped(folder));
    }
    let rows: Option<Vec<TrialRow>> = folder.results(plan)?.into_iter().collect();
    let rows = rows.ok_or_else(|| {
        Failure::new(Exit::Bug, "trials are missing although all of them were played")
    })?;
    finish(context, job, prepared, (folder, stage, cluster), &rows)
}

/// Takes over the trials that another sweep has already: the same settings, bars, days and build have the same key. So more null markets,
/// or more trials, cost only what is new.
fn adopt(
    context: &Context<'_>,
    (folder, plan): (&SweepFolder<'_>, &SweepPlan),
) -> Result<(), Failure> {
    let own = folder.results(plan)?;
    let missing: BTreeMap<&str, u32> = plan
        .trials
        .iter()
        .zip(0..)
        .filter(|(_, index)| own[*index as usize].is_none())
        .map(|(trial, index)| (trial.key.as_str(), index))
        .collect();
    let mut found: BTreeMap<u32, TrialRow> = BTreeMap::new();
    for id in sweeps(context)?.iter().filter(|id| **id != folder.id && !missing.is_empty()) {
        let other = SweepFolder::new(context, id);
        let Ok(Some(theirs)) = other.plan() else { continue };
        if (&theirs.build, theirs.cut()) != (&plan.build, plan.cut()) {
            continue;
        }
        for row in other.results(&theirs)?.into_iter().flatten() {
            if let Some(index) = missing.get(row.key.as_str()) {
                found.insert(*index, TrialRow { index: *index, ..row });
            }
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let rows: Vec<(&TrialRow, &[String])> =
        found.values().map(|row| (row, &plan.trials[row.index as usize].values[..])).collect();
    let name = name_of(rows.iter().map(|(row, _)| row.key.as_str()));
    folder.create(&folder.result(&name), render(&plan.parameters, &rows).as_bytes())?;
    tracing::info!("{} trials were played by another sweep already", rows.len());
    Ok(())
}

fn stopped(folder: &SweepFolder<'_>) -> Outcome {
    let (word, exit) =
        if folder.is_cancelled() { ("cancelled", Exit::Signal(2)) } else { ("stopped", Exit::Ok) };
    let summary = format!("{word}; what was played is kept: run it again to go on");
    let out = BTreeMap::from([("sweep".to_owned(), folder.id.clone())]);
    Outcome { exit, text: format!("{}: {summary}\n", folder.id), summary, out }
}

/// Says so when the same search was played by another build: nothing of it can be used.
fn announce_other_builds(context: &Context<'_>, plan: &SweepPlan) {
    use crate::store::disk::Disk as _;
    let ids = context.disk.list(&context.layout.sweeps_dir()).unwrap_or_default();
    for id in ids.iter().filter(|id| **id != plan.id() && *id != "searches") {
        let Ok(Some(other)) = SweepFolder::new(context, id).plan() else { continue };
        let same = (&other.name, &other.search, &other.parameters, other.trials.len())
            == (&plan.name, &plan.search, &plan.parameters, plan.trials.len());
        if same && other.build != plan.build {
            tracing::warn!("{id} is of another build: its trials are played again");
        }
    }
}

/// What a job tries.
pub(super) fn tried(job: &SweepJob) -> Result<(SweepSpace, Points), Failure> {
    points(job).map_err(|message| Failure::new(Exit::Manifest, message))
}

/// Plans: what is tried, on which bars, with which engines.
pub fn prepare<'p>(
    context: &Context<'_>,
    job: &'p SweepJob,
    (space, points): (&'p SweepSpace, &'p Points),
) -> Result<PreparedSweep<'p>, Failure> {
    let manifest = |message: String| Failure::new(Exit::Manifest, message);
    let series = &job.trading.series;
    let (search, held) = days(job, stored(context, job)?).map_err(manifest)?;
    walk_fits(job, search).map_err(manifest)?;
    let mut trials = Vec::new();
    let each = |blocks: &Blocks, settings| trials.push((*blocks, settings));
    let engines = Engines::new(context, job, (space, &points.values), each)?;
    let timeframe = series.timeframe();
    let slots = window(search, timeframe)?;
    let anchors = trials.iter().map(|(blocks, _)| blocks.anchor_ms(slots.first()));
    let raw = RawStore::new(context.layout, context.disk, series);
    let bars = stored_bars(&raw, anchors.min().unwrap_or(0), slots.last())?;
    if !bars.iter().any(|bar| slots.contains(bar.ts)) {
        let days = super::plan::shown(search);
        let message = format!("{days} does not have a bar of {series}: import or fetch it first");
        return Err(Failure::new(Exit::Nothing, message));
    }
    let mut keys = TrialKeys {
        series,
        days: search,
        build: context.build,
        hashes: BTreeMap::new(),
        bars: &bars,
    };
    let planned = |((blocks, settings), values): ((Blocks, SettingsDigest), &Vec<AxisValue>)| {
        let key = keys.key(&blocks, &settings);
        PlannedTrial { key, values: values.iter().map(ToString::to_string).collect() }
    };
    let trials = trials.into_iter().zip(&points.values).map(planned).collect();
    // A base that the strategy itself does not take is no trial.
    let base = engine_setup(context, &job.trading, job.stop_fill, ModelSource::Named);
    let settings = base.map(|base| base.card.settings).unwrap_or_default();
    let plan = SweepPlan {
        name: context.job.clone(),
        build: context.build.to_owned(),
        settings,
        parameters: space.names.clone(),
        trials,
        ..SweepPlan::of(job, (search, held), &bars)
    };
    Ok(PreparedSweep { plan, space, points, engines, bars })
}

/// The whole days that have bars.
fn stored(context: &Context<'_>, job: &SweepJob) -> Result<Days, Failure> {
    let series = &job.trading.series;
    let (oldest, newest) = oldest_and_newest(context, series)?;
    let first = (oldest.ts.open_ms() + DAY_MS - 1).div_euclid(DAY_MS);
    Ok(Days { first, last: newest.ts.ts_ms().div_euclid(DAY_MS) - 1 })
}

/// Null markets and the walk forward; `None` when it was asked to stop.
fn doubts(
    context: &Context<'_>,
    prepared: &PreparedSweep<'_>,
    (folder, stage, mut cluster): Place<'_, '_, '_>,
    (whole, best): (WholeSearch<'_>, Option<f64>),
) -> Result<Option<(Nulls, Steps)>, Failure> {
    let plan = &prepared.plan;
    if let (Some(best), Some(cluster)) = (best, cluster.as_deref_mut()) {
        let mut missing = || {
            let missing = nulls::missing(folder, plan, best)?;
            Ok(missing.into_iter().map(WorkPiece::Null).collect())
        };
        if !cluster.carry("null markets", &mut missing)? {
            return Ok(None);
        }
    }
    let nulls = match best {
        Some(best) => nulls::search(context, (folder, plan), stage, (whole, best))?,
        None => Some(Nulls { searched: 0, wanted: plan.null_sweeps, at_least: 0 }),
    };
    let Some(nulls) = nulls else { return Ok(None) };
    if let Some(cluster) = cluster {
        let mut missing = || {
            let missing = walk::missing(folder, plan)?;
            Ok(missing.into_iter().map(WorkPiece::Step).collect())
        };
        if !cluster.carry("walk forward", &mut missing)? {
            return Ok(None);
        }
    }
    let steps = walk::steps(context, (folder, plan), stage, whole)?;
    Ok(steps.map(|steps| (nulls, steps)))
}

fn finish(
    context: &Context<'_>,
    job: &SweepJob,
    prepared: &PreparedSweep<'_>,
    place: Place<'_, '_, '_>,
    rows: &[TrialRow],
) -> Result<Outcome, Failure> {
    let PreparedSweep { plan, points, .. } = prepared;
    let (folder, stage, _) = &place;
    let (folder, stage) = (*folder, *stage);
    merge(context, folder, plan, (points, rows))?;
    let neighbours = points.neighbours(plan.plateau);
    let found = find(plan, rows, &neighbours);
    let keys = rows.iter().map(|row| row.key.clone()).collect();
    let best_ratio = rows.iter().filter_map(TrialRow::sharpe).reduce(f64::max);
    complete(context, &folder.id, (keys, spread(plan, &found), best_ratio))?;
    let winner = found.best.map(|best| &rows[best.trial]);
    let whole = WholeSearch { bars: &prepared.bars, neighbours: &neighbours, by: job.sweep.score };
    let doubts = doubts(context, prepared, place, (whole, found.best.map(|best| best.score)))?;
    let Some((nulls, steps)) = doubts else { return Ok(stopped(folder)) };
    let searches = Searches::read(context, &plan.series)?;
    let search = plan.search.days();
    let searched = crate::sweep::searches::searched(
        &searches.plain(),
        (search.first, search.last),
        search.len(),
    );
    let model = model_of(context, prepared)?;
    let seen_days = model.as_ref().map_or(0, |model| model.seen_days);
    let evidence = evidence(plan, &found, winner, (searched, nulls, seen_days));
    let verdict = evidence.verdict();
    let exit = exit_of(verdict.word);
    let again = match winner {
        Some(row) => Some(again(context, job, prepared, ((folder, stage), row))?),
        None => None,
    };
    for other in found.best.iter().flat_map(|best| neighbours.of(best.trial)) {
        compared(prepared, stage, &rows[*other as usize])?;
    }
    let doc = SweepDoc {
        verdict: verdict.into(),
        could_show_yearly: evidence.could_show(),
        luck: LuckDoc {
            trials: searched.trials,
            spread: searched.spread,
            sr0_daily: searched.luck,
            sr0_yearly: yearly(searched.luck),
            since: searches.since(search),
            dsr: evidence.deflated(),
        },
        null: NullDoc {
            wanted: nulls.wanted,
            searched: nulls.searched,
            at_least: nulls.at_least,
            p: nulls.p(),
        },
        walk_forward: walked(&steps),
        market: again.as_ref().map(|(played, _)| market(prepared, played)),
        model,
        hold_out: plan.hold_out.as_ref().map(|range| held(&searches, range)),
        ledger: again.map(|(_, ledger)| ledger),
        ..found_doc(prepared, &found, (rows, &neighbours))
    };
    let page = page_of(prepared, &found, (rows, &neighbours));
    draw(context, folder, (&doc, &steps), page)?;
    leave(context, folder, &doc, exit)
}

/// How a sweep ends with this verdict.
const fn exit_of(word: Word) -> Exit {
    match word {
        Word::TooShort => Exit::Inconclusive,
        Word::EdgeLikely => Exit::Ok,
        Word::NoEdgeShown => Exit::Negative,
    }
}

/// Writes the page.
fn draw(
    context: &Context<'_>,
    folder: &SweepFolder<'_>,
    (doc, steps): (&SweepDoc, &Steps),
    page: SweepPage,
) -> Result<(), Failure> {
    let VerdictDoc { verdict, reasons } = &doc.verdict;
    let is_edge = *verdict == Word::EdgeLikely.name();
    let page = SweepPage {
        verdict: (format!("{verdict}: {}", reasons.join("; ")), is_edge),
        text: doc.text(),
        luck: doc.luck.sr0_yearly,
        luck_trials: doc.luck.trials,
        walk: steps.iter().flat_map(|step| step.days.iter().copied()).collect(),
        ..page
    };
    let html = context.mask.apply(&sweep_page(&page));
    folder.replace(&context.layout.sweep_page(&folder.id), html.as_bytes())
}

/// What the pictures of a page show.
fn page_of(
    prepared: &PreparedSweep<'_>,
    found: &SearchOutcome,
    (rows, neighbours): (&[TrialRow], &Neighbours),
) -> SweepPage {
    let plan = &prepared.plan;
    let half = |blocks: &[BlockSum]| {
        let sum = blocks.iter().fold(BlockSum::default(), |sum, block| sum.with(*block));
        yearly(sum.sharpe())
    };
    let point = |row: &TrialRow| {
        let blocks = &row.sums.blocks;
        let halves = blocks.split_at(blocks.len() / 2);
        SweepPoint {
            values: plan.trials[row.index as usize].values.clone(),
            score: row.qualified(plan.min_trades),
            sharpe: row.sharpe().map(yearly),
            halves: (blocks.len() > 1).then(|| [half(halves.0), half(halves.1)]),
        }
    };
    let winner = found.best.map(|best| best.trial);
    let around = winner.iter().flat_map(|winner| neighbours.of(*winner));
    SweepPage {
        id: plan.id(),
        verdict: (String::new(), false),
        text: String::new(),
        names: plan.parameters.clone(),
        points: rows.iter().map(point).collect(),
        winner,
        plateau: winner.into_iter().chain(around.map(|other| *other as usize)).collect(),
        luck: 0.0,
        luck_trials: 0,
        walk: Vec::new(),
        build: plan.build.clone(),
    }
}

/// What the trials say, without what doubts it.
fn found_doc(
    prepared: &PreparedSweep<'_>,
    found: &SearchOutcome,
    (rows, neighbours): (&[TrialRow], &Neighbours),
) -> SweepDoc {
    let plan = &prepared.plan;
    let shown = |trial: usize| {
        let row = &rows[trial];
        TrialDoc::of(plan, row, edges(prepared, row.index))
    };
    SweepDoc {
        id: plan.id(),
        name: plan.name.clone(),
        build: plan.build.clone(),
        series: plan.series.clone(),
        search: plan.search.clone(),
        days: plan.search.days().len(),
        trials: rows.len(),
        qualified: found.qualified,
        min_trades: plan.min_trades,
        score: plan.score.clone(),
        winner: found.best.map(|best| shown(best.trial)),
        plateau: found.best.map(|best| (best.score, neighbours.of(best.trial).len())),
        highest: found.best.map(|best| shown(best.highest)),
        order: found.overfitting.map(|order| OrderDoc {
            pbo: order.share,
            splits: order.splits,
            blocks: order.blocks,
            blocks_wanted: plan.cscv_blocks,
            trials: order.trials,
        }),
        ..SweepDoc::empty()
    }
}

fn leave(
    context: &Context<'_>,
    folder: &SweepFolder<'_>,
    doc: &SweepDoc,
    exit: Exit,
) -> Result<Outcome, Failure> {
    let path = context.layout.sweep_report(&folder.id);
    folder.replace(&path, document(doc).as_bytes())?;
    let mut out = BTreeMap::from([
        ("sweep".to_owned(), folder.id.clone()),
        ("verdict".to_owned(), doc.verdict.verdict.clone()),
        ("json".to_owned(), context.shown(&path)),
        ("page".to_owned(), context.shown(&context.layout.sweep_page(&folder.id))),
        ("trials".to_owned(), doc.trials.to_string()),
    ]);
    out.extend(doc.null.p.map(|p| ("p".to_owned(), p.to_string())));
    out.extend(doc.luck.dsr.map(|dsr| ("dsr".to_owned(), dsr.to_string())));
    let summary = format!("{}: {}", doc.verdict.verdict, doc.verdict.reasons.join("; "));
    let page = context.shown(&context.layout.sweep_page(&folder.id));
    Ok(Outcome { exit, summary, text: format!("{}\npage: {page}\n", doc.text()), out })
}

/// The parameters of a point that are at an end of their range.
fn edges(prepared: &PreparedSweep<'_>, index: u32) -> Vec<String> {
    let Some(steps) = prepared.points.steps() else { return Vec::new() };
    let own = &steps[index as usize];
    let names = prepared.space.names.iter().zip(&prepared.space.axes).enumerate();
    let at_edge = names.filter(|(place, (_, axis))| {
        let last = axis.len().unwrap_or(1).saturating_sub(1);
        axis.is_number() && last > 1 && (own[*place] == 0 || u64::from(own[*place]) == last)
    });
    at_edge.map(|(_, (name, _))| name.clone()).collect()
}

fn held(searches: &Searches, range: &DayRange) -> HeldDoc {
    let (seen_days, seen_trials) = searches.seen(range.days());
    HeldDoc { range: range.clone(), days: range.days().len(), seen_days, seen_trials }
}

/// The model that the rules follow, and how many of the days its training had. Of one from elsewhere that is not known.
fn model_of(
    context: &Context<'_>,
    prepared: &PreparedSweep<'_>,
) -> Result<Option<SearchedModel>, Failure> {
    let timeline = prepared.engines.first().and_then(|core| core.strategy.models().cloned());
    let Some(id) = timeline.as_ref().map(Timeline::first) else { return Ok(None) };
    let card = models::find(context.disk, context.layout, id)?.map(|loaded| loaded.card);
    let Some(data) = card.and_then(|card| card.data) else { return Ok(None) };
    let day = |ts_ms: i64| (ts_ms - 1).div_euclid(DAY_MS);
    let seen = Days { first: day(data.first_ts_ms), last: day(data.last_ts_ms) };
    Ok(Some(SearchedModel {
        id: id.to_string(),
        seen_days: prepared.plan.search.days().common(seen),
        seen_to: super::plan::day(seen.last),
    }))
}

/// Buying and holding over the days of the search, and the winner beside it.
fn market(prepared: &PreparedSweep<'_>, played: &PlayedTrial) -> MarketDoc {
    let search = prepared.plan.search.days();
    let cash = prepared.engines.first().map_or(1.0, |core| core.rules.cash.float());
    let at = |ms: i64| prepared.bars.partition_point(|bar| bar.ts.ts_ms() <= ms);
    let close_at = |ms: i64| at(ms).checked_sub(1).map(|place| prepared.bars[place].bar.close());
    let inside = prepared.bars.get(at(search.first * DAY_MS));
    let begin = close_at(search.first * DAY_MS).or(inside.map(|bar| bar.bar.open())).unwrap_or(1.0);
    let closes: Vec<f64> = (search.first..=search.last)
        .map(|day| close_at((day + 1) * DAY_MS).unwrap_or(begin))
        .collect();
    let days = returns(begin, &closes);
    let own = returns(cash, &played.days);
    let (beta, left) = beside(&own, &days).unzip();
    MarketDoc {
        growth: closes.last().map_or(1.0, |last| last / begin),
        sharpe_yearly: yearly_sharpe(&days),
        beta,
        left_sharpe_yearly: left.flatten(),
    }
}

/// A step of a walk forward is kept as it was made.
pub type Steps = Vec<WalkStep>;
