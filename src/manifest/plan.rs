//! The checked plan: what the rest of the program gets to see of a manifest.

use std::collections::BTreeMap;

use super::{
    items::Item,
    kinds::{File, Job},
    layers::relative,
    params::ParamSet,
    schedules::{self, Schedule},
    tables::{
        Account, Check, Compute, ComputeDevice, DataQuality, Deploy, DeployCheck, Drift,
        Equivalence, ExchangeSim, Exec, Fetch, Fill, Healthcheck, Heartbeat, Import, Inputs,
        Limits, Live, Logs, ModelRule, Notify, OnExisting, OnFail, Pipeline, Preflight, Promote,
        ReportTable, Run, StepTable, StopFill, StrategySignal, SweepTable, Target, Train, When,
    },
    template::Template,
    values::{Parsed, Span},
};
use crate::{
    domain::{
        ids::{RunId, Tag},
        series::Series,
    },
    language::RawStrategy,
};

/// One job, checked.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// What it is called.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// Words to find it by.
    pub labels: BTreeMap<String, String>,
    /// Where models are fitted.
    pub compute: Compute,
    /// Limits of one run.
    pub run: Run,
    /// How many runs of the service share what there is little of.
    pub pools: BTreeMap<String, u32>,
    /// When the service runs it.
    pub schedules: Vec<Schedule>,
    /// Who gets a notice when it goes wrong.
    pub notify: Notify,
    /// Who gets a ping that it runs.
    pub heartbeat: Heartbeat,
    /// What its runs may leave behind.
    pub logs: Logs,
    /// What it does.
    pub job: Job,
}

impl Manifest {
    /// Whether a run that was lost in a crash may simply be run again.
    pub fn is_idempotent(&self) -> bool {
        self.run.idempotent.unwrap_or(self.job.kind().row().idempotent)
    }
}

/// What live, backtest and eqflat share.
#[derive(Debug, Clone)]
pub struct Trading {
    /// The series of bars.
    pub series: Series,
    /// Slots without a hole that a decision needs before it.
    pub cadence_bars: u32,
    /// The rules that decide.
    pub rules: RawStrategy,
    /// The model they follow, where they follow one.
    pub model: Option<ModelRule>,
    /// How the signals of programs are read, by name.
    pub signals: BTreeMap<String, StrategySignal>,
    /// How signals are filled.
    pub fill: Fill,
    /// The paper account.
    pub account: Account,
    /// Limits that block entries.
    pub risk: Limits,
}

/// A live job.
#[derive(Debug, Clone)]
pub struct LiveJob {
    /// Market, strategy, fill, account, risk.
    pub trading: Trading,
    /// The paper loop.
    pub live: Live,
}

/// How a replay runs, in each kind that has one.
#[derive(Debug, Clone, Copy)]
pub struct Backtest {
    /// At which price a stop is filled when the bar opens beyond it.
    pub stop_fill: StopFill,
    /// What is taken over from LIVE besides the bars.
    pub inputs: Inputs,
    /// Whether an open position is closed at the end of the window.
    pub close_at_end: bool,
    /// What happens when the ledgers exist already.
    pub on_existing: OnExisting,
    /// Whether a table of what the rules saw is left beside the ledgers.
    pub features: bool,
}

/// A backtest job.
#[derive(Debug, Clone)]
pub struct BacktestJob {
    /// Market, strategy, fill, account, risk.
    pub trading: Trading,
    /// Storage namespace of LIVE.
    pub tag: Tag,
    /// Names this replay.
    pub runid: RunId,
    /// Close time of the first row, on the grid; `None` is the first slot with a bar.
    pub start_ts_ms: Option<i64>,
    /// Close time of the last row, on the grid; `None` is the last slot with a bar.
    pub end_ts_ms: Option<i64>,
    /// How it runs.
    pub backtest: Backtest,
}

/// An equivalence job.
#[derive(Debug, Clone)]
pub struct EquivalenceJob {
    /// The comparison.
    pub equivalence: Equivalence,
}

/// An eqflat job.
#[derive(Debug, Clone)]
pub struct EqflatJob {
    /// Market, strategy, fill, account, risk.
    pub trading: Trading,
    /// How the replay runs.
    pub backtest: Backtest,
    /// Storage namespace of LIVE.
    pub tag: Tag,
    /// Names the replay; `None`: by the time.
    pub runid: Option<RunId>,
    /// Fewest rows that are worth a verdict.
    pub min_overlap_bars: u32,
    /// Rows printed before and after the first difference.
    pub context_rows: u32,
    /// What a verdict of FAIL leads to.
    pub on_fail: OnFail,
    /// How many replays are kept.
    pub keep: u32,
}

/// A sweep job.
#[derive(Debug, Clone)]
pub struct SweepJob {
    /// Market, strategy, fill, account, risk, before anything is turned.
    pub trading: Trading,
    /// At which price a stop is filled when the bar opens beyond it.
    pub stop_fill: StopFill,
    /// What is turned, on which days, and what doubts it.
    pub sweep: SweepTable,
}

/// A report job.
#[derive(Debug, Clone)]
pub struct ReportJob {
    /// Which ledger.
    pub report: ReportTable,
}

/// A fetch job.
#[derive(Debug, Clone)]
pub struct FetchJob {
    /// The series the bars belong to; its exchange is the venue.
    pub series: Series,
    /// Which of them, and how they are asked for.
    pub fetch: Fetch,
}

/// An import job.
#[derive(Debug, Clone)]
pub struct ImportJob {
    /// The series the bars belong to.
    pub series: Series,
    /// Where they come from.
    pub import: Import,
}

/// An exchange-sim job.
#[derive(Debug, Clone)]
pub struct ExchangeSimJob {
    /// What is traded, and in which bars.
    pub series: Series,
    /// The venue.
    pub exchange_sim: ExchangeSim,
}

/// A data-quality job.
#[derive(Debug, Clone)]
pub struct DataQualityJob {
    /// The series looked at.
    pub series: Series,
    /// What is looked for.
    pub quality: DataQuality,
}

/// A check job.
#[derive(Debug, Clone)]
pub struct CheckJob {
    /// Market, strategy, fill, account, risk.
    pub trading: Trading,
    /// What is checked.
    pub check: Check,
}

/// A healthcheck or heartbeat job.
#[derive(Debug, Clone)]
pub struct HealthJob {
    /// The series looked at.
    pub series: Series,
    /// What the ledger is folded with; `None` without a strategy.
    pub trading: Option<Trading>,
    /// What is well.
    pub health: Healthcheck,
}

/// A deploy-check job.
#[derive(Debug, Clone)]
pub struct DeployCheckJob {
    /// Where the deploy would go.
    pub target: Target,
    /// What is deployed, and what would make it unsafe.
    pub check: DeployCheck,
}

/// A deploy job.
#[derive(Debug, Clone)]
pub struct DeployJob {
    /// Where the deploy goes.
    pub target: Target,
    /// What is deployed, and the rules it holds to.
    pub check: DeployCheck,
    /// What is done.
    pub deploy: Deploy,
}

/// A drift job.
#[derive(Debug, Clone)]
pub struct DriftJob {
    /// What is looked at.
    pub target: Target,
    /// What was deployed from where, and what does not count.
    pub check: DeployCheck,
    /// How much is shown.
    pub drift: Drift,
}

/// A preflight job.
#[derive(Debug, Clone)]
pub struct PreflightJob {
    /// What must be so.
    pub preflight: Preflight,
    /// The device that must prove itself.
    pub compute: Compute,
}

/// A train job.
#[derive(Debug, Clone)]
pub struct TrainJob {
    /// Market, strategy, fill, account, risk: what the model's profit is counted with.
    pub trading: Trading,
    /// What is trained on what.
    pub train: Train,
    /// Where.
    pub compute: Compute,
}

/// A promote job.
#[derive(Debug, Clone)]
pub struct PromoteJob {
    /// Market, strategy, fill, account, risk, as LIVE will trade with the model; a rollback needs none.
    pub live: Option<Trading>,
    /// The candidate, and what is demanded.
    pub promote: Promote,
}

/// A pipeline job.
#[derive(Debug, Clone)]
pub struct PipelineJob {
    /// How the steps run.
    pub pipeline: Pipeline,
    /// The steps, in the order of the file.
    pub steps: Vec<PipelineStep>,
    /// What steps that name no device take.
    pub device: ComputeDevice,
}

/// One step.
#[derive(Debug, Clone)]
pub struct PipelineStep {
    /// What other steps call it.
    pub id: String,
    /// What it runs.
    pub work: Work,
    /// Steps that must be over before it starts.
    pub needs: Vec<String>,
    /// When it runs, once they are over.
    pub when: When,
    /// The longest it may take.
    pub timeout: Option<Parsed<Span>>,
    /// The exit code that counts as success.
    pub expect_exit: i32,
    /// What it runs once for each of.
    pub items: Option<Vec<Item>>,
    /// Most of them at the same time.
    pub parallel_max: Option<u32>,
    /// What is asked before it starts.
    pub approve: Option<String>,
    /// What it reads, where that decides whether it runs.
    pub inputs: Vec<Template>,
    /// What it leaves.
    pub outputs: Vec<Template>,
}

/// What a step runs.
#[derive(Debug, Clone)]
pub enum Work {
    /// A job.
    Job {
        /// Path of the manifest, relative to the root.
        path: String,
        /// Parameters as `-p` would give them, once filled.
        params: BTreeMap<String, Template>,
        /// Profiles as `-P` would give them.
        profiles: Vec<String>,
    },
    /// A program and its arguments.
    Program(Vec<Template>),
}

/// What a job is made of.
pub(super) struct JobParts<'a> {
    /// The checked file.
    pub file: &'a File,
    /// The file that the steps are written in.
    pub folder_of: &'a str,
    /// What decides, where the kind has a strategy.
    pub rules: Option<&'a RawStrategy>,
}

/// Builds the plan of a checked file; `given` are the values of its parameters.
pub(super) fn plan(parts: &JobParts<'_>, given: &ParamSet) -> Option<Manifest> {
    let job = parts.file.kind.plan(parts);
    let File { name, description, labels, compute, run, .. } = parts.file.clone();
    let File { schedule, notify, heartbeat, logs, pools, .. } = parts.file.clone();
    let schedules: Option<Vec<_>> =
        (1..).zip(schedule).map(|(place, table)| schedules::plan(place, table, given)).collect();
    Some(Manifest {
        name,
        description,
        labels,
        compute,
        run,
        pools,
        schedules: schedules?,
        notify,
        heartbeat,
        logs,
        job: job?,
    })
}

fn series(file: &File) -> Option<Series> {
    let market = file.market.clone()?;
    Some(Series::new(
        market.exchange.into_inner(),
        market.symbol.into_inner(),
        market.timeframe.into_inner(),
    ))
}

fn trading(parts: &JobParts<'_>) -> Option<Trading> {
    let (file, rules) = (parts.file, parts.rules?);
    let strategy = file.strategy.clone()?;
    Some(Trading {
        series: series(file)?,
        cadence_bars: strategy.cadence_bars,
        rules: rules.clone(),
        model: strategy.model,
        signals: strategy.signals,
        fill: file.fill.clone(),
        account: file.account.clone(),
        risk: file.risk.clone(),
    })
}

fn replay(file: &File) -> Backtest {
    let table = file.backtest.clone().unwrap_or_default();
    Backtest {
        stop_fill: table.stop_fill,
        inputs: table.inputs,
        close_at_end: table.close_at_end,
        on_existing: table.on_existing,
        features: table.features,
    }
}

pub(super) fn live(parts: &JobParts<'_>) -> Option<LiveJob> {
    Some(LiveJob { trading: trading(parts)?, live: parts.file.live.clone()? })
}

pub(super) fn backtest(parts: &JobParts<'_>) -> Option<BacktestJob> {
    let table = parts.file.backtest.clone()?;
    let trading = trading(parts)?;
    let length_ms = trading.series.timeframe().ms();
    // Up to the next close, down to the last one.
    let from = table.from.map(|from| (from.get().get() + length_ms - 1).div_euclid(length_ms));
    let to = table.to.map(|to| to.get().get().div_euclid(length_ms));
    Some(BacktestJob {
        trading,
        tag: table.tag?.into_inner(),
        runid: table.runid?.into_inner(),
        start_ts_ms: table.start_ts_ms.or(from.map(|slots| slots * length_ms)),
        end_ts_ms: table.end_ts_ms.or(to.map(|slots| slots * length_ms)),
        backtest: replay(parts.file),
    })
}

pub(super) fn equivalence(parts: &JobParts<'_>) -> Option<EquivalenceJob> {
    Some(EquivalenceJob { equivalence: parts.file.equivalence.clone()? })
}

pub(super) fn sweep(parts: &JobParts<'_>) -> Option<SweepJob> {
    let (trading, stop_fill) = (trading(parts)?, replay(parts.file).stop_fill);
    Some(SweepJob { trading, stop_fill, sweep: parts.file.sweep.clone()? })
}

pub(super) fn report(parts: &JobParts<'_>) -> Option<ReportJob> {
    Some(ReportJob { report: parts.file.report.clone()? })
}

pub(super) fn eqflat(parts: &JobParts<'_>) -> Option<EqflatJob> {
    let table = parts.file.eqflat.clone()?;
    Some(EqflatJob {
        trading: trading(parts)?,
        backtest: replay(parts.file),
        tag: table.tag.into_inner(),
        runid: table.runid.map(Parsed::into_inner),
        min_overlap_bars: table.min_overlap_bars,
        context_rows: table.context_rows,
        on_fail: table.on_fail,
        keep: table.keep,
    })
}

pub(super) fn fetch(parts: &JobParts<'_>) -> Option<FetchJob> {
    Some(FetchJob { series: series(parts.file)?, fetch: parts.file.fetch.clone()? })
}

pub(super) fn import(parts: &JobParts<'_>) -> Option<ImportJob> {
    Some(ImportJob { series: series(parts.file)?, import: parts.file.import.clone()? })
}

pub(super) fn exchange_sim(parts: &JobParts<'_>) -> Option<ExchangeSimJob> {
    let exchange_sim = parts.file.exchange_sim.clone()?;
    Some(ExchangeSimJob { series: series(parts.file)?, exchange_sim })
}

pub(super) fn data_quality(parts: &JobParts<'_>) -> Option<DataQualityJob> {
    let quality = parts.file.data_quality.clone();
    Some(DataQualityJob { series: series(parts.file)?, quality })
}

pub(super) fn check(parts: &JobParts<'_>) -> Option<CheckJob> {
    Some(CheckJob { trading: trading(parts)?, check: parts.file.check.clone() })
}

pub(super) fn health(parts: &JobParts<'_>) -> Option<HealthJob> {
    let health = parts.file.healthcheck.clone()?;
    Some(HealthJob { series: series(parts.file)?, trading: trading(parts), health })
}

pub(super) fn deploy_check(parts: &JobParts<'_>) -> Option<DeployCheckJob> {
    let (target, check) = (parts.file.target.clone()?, parts.file.deploy_check.clone());
    Some(DeployCheckJob { target, check })
}

pub(super) fn deploy(parts: &JobParts<'_>) -> Option<DeployJob> {
    let (target, check) = (parts.file.target.clone()?, parts.file.deploy_check.clone());
    Some(DeployJob { target, check, deploy: parts.file.deploy.clone() })
}

pub(super) fn drift(parts: &JobParts<'_>) -> Option<DriftJob> {
    let (target, check) = (parts.file.target.clone()?, parts.file.deploy_check.clone());
    Some(DriftJob { target, check, drift: parts.file.drift.clone() })
}

#[expect(clippy::unnecessary_wraps, reason = "every kind is built by a function of this shape")]
pub(super) fn preflight(parts: &JobParts<'_>) -> Option<PreflightJob> {
    let (preflight, compute) = (parts.file.preflight.clone(), parts.file.compute.clone());
    Some(PreflightJob { preflight, compute })
}

pub(super) fn train(parts: &JobParts<'_>) -> Option<TrainJob> {
    let (train, compute) = (parts.file.train.clone()?, parts.file.compute.clone());
    Some(TrainJob { trading: trading(parts)?, train, compute })
}

pub(super) fn promote(parts: &JobParts<'_>) -> Option<PromoteJob> {
    Some(PromoteJob { live: trading(parts), promote: parts.file.promote.clone()? })
}

pub(super) fn pipeline(parts: &JobParts<'_>) -> Option<PipelineJob> {
    let tables = parts.file.step.clone().into_iter();
    let steps = tables.map(|table| step(table, parts.folder_of)).collect::<Option<_>>()?;
    let (pipeline, device) = (parts.file.pipeline.clone(), parts.file.compute.device);
    Some(PipelineJob { pipeline, steps, device })
}

pub(super) fn exec(parts: &JobParts<'_>) -> Option<Exec> {
    parts.file.exec.clone()
}

fn step(table: StepTable, folder_of: &str) -> Option<PipelineStep> {
    let work = match (table.job, table.run) {
        (Some(job), None) => Work::Job {
            path: relative(folder_of, &job).ok()?,
            params: table.params.iter().map(|(k, v)| (k.clone(), template(v))).collect(),
            profiles: table.profile,
        },
        (None, Some(run)) => Work::Program(run),
        _ => return None,
    };
    Some(PipelineStep {
        id: table.id,
        work,
        needs: table.needs,
        when: table.when,
        timeout: table.timeout,
        expect_exit: table.expect_exit,
        items: match table.each {
            Some(each) => {
                Some(each.iter().map(|item| Item::new(item)).collect::<Result<_, _>>().ok()?)
            }
            None => None,
        },
        parallel_max: table.max_parallel,
        approve: table.approve,
        inputs: table.inputs,
        outputs: table.outputs,
    })
}

/// Texts of steps are escaped already; other scalars have one spelling.
fn template(value: &toml::Value) -> Template {
    match value {
        toml::Value::String(text) => Template::waiting_text(text),
        other => Template::literal(&other.to_string()),
    }
}
