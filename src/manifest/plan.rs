//! The checked plan: what the rest of the program gets to see of a manifest.

use std::collections::BTreeMap;

use super::{
    layers::relative,
    params::ParamSet,
    schedules::{self, Schedule},
    tables::{
        Account, Check, Compute, ComputeDevice, DataQuality, Deploy, DeployCheck, Drift,
        Equivalence, ExchangeSim, Exec, Fetch, File, Fill, Healthcheck, Heartbeat, Import, Inputs,
        Kind, Live, Logs, ModelRule, Notify, OnExisting, OnFail, Pipeline, Preflight, Promote,
        ReportTable, Risk, Run, StepTable, StopFill, StrategySignal, Target, Train, When,
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
    /// When the service runs it.
    pub schedules: Vec<Schedule>,
    /// Who is told when it goes wrong.
    pub notify: Notify,
    /// Who is told that it runs.
    pub heartbeat: Heartbeat,
    /// What its runs may leave behind.
    pub logs: Logs,
    /// What it does.
    pub job: Job,
}

impl Manifest {
    /// Whether a run that was lost in a crash may simply be run again.
    pub fn is_idempotent(&self) -> bool {
        let by_kind = !matches!(
            self.job.kind(),
            Kind::Exec | Kind::Pipeline | Kind::ExchangeSim | Kind::Promote
        );
        self.run.idempotent.unwrap_or(by_kind)
    }
}

/// What a job does, with everything its kind needs.
#[derive(Debug, Clone)]
pub enum Job {
    /// The paper loop.
    Live(Box<LiveJob>),
    /// The replay.
    Backtest(Box<BacktestJob>),
    /// The comparison.
    Equivalence(EquivalenceJob),
    /// The replay of the LIVE window and the comparison.
    Eqflat(Box<EqflatJob>),
    /// The page about one ledger.
    Report(ReportJob),
    /// Bars from a venue.
    Fetch(FetchJob),
    /// Bars from a file.
    Import(Box<ImportJob>),
    /// A simulated venue.
    ExchangeSim(Box<ExchangeSimJob>),
    /// A look at the stored bars.
    DataQuality(Box<DataQualityJob>),
    /// The checks of a box.
    Check(Box<CheckJob>),
    /// Whether a loop is alive and well.
    Healthcheck(Box<HealthJob>),
    /// The same, and a line in a log.
    Heartbeat(Box<HealthJob>),
    /// Whether a deploy could hurt its target.
    DeployCheck(Box<DeployCheckJob>),
    /// A deploy.
    Deploy(Box<DeployJob>),
    /// What on the target is not what was deployed.
    Drift(Box<DriftJob>),
    /// Whether this machine is fit for a boot or a deploy.
    Preflight(Box<PreflightJob>),
    /// The training of a model.
    Train(Box<TrainJob>),
    /// The promotion of a model.
    Promote(Box<PromoteJob>),
    /// Several jobs and programs.
    Pipeline(PipelineJob),
    /// One program.
    Exec(Exec),
}

impl Job {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Live(_) => Kind::Live,
            Self::Backtest(_) => Kind::Backtest,
            Self::Equivalence(_) => Kind::Equivalence,
            Self::Eqflat(_) => Kind::Eqflat,
            Self::Report(_) => Kind::Report,
            Self::Fetch(_) => Kind::Fetch,
            Self::Import(_) => Kind::Import,
            Self::ExchangeSim(_) => Kind::ExchangeSim,
            Self::DataQuality(_) => Kind::DataQuality,
            Self::Check(_) => Kind::Check,
            Self::Healthcheck(_) => Kind::Healthcheck,
            Self::Heartbeat(_) => Kind::Heartbeat,
            Self::DeployCheck(_) => Kind::DeployCheck,
            Self::Deploy(_) => Kind::Deploy,
            Self::Drift(_) => Kind::Drift,
            Self::Preflight(_) => Kind::Preflight,
            Self::Train(_) => Kind::Train,
            Self::Promote(_) => Kind::Promote,
            Self::Pipeline(_) => Kind::Pipeline,
            Self::Exec(_) => Kind::Exec,
        }
    }
}

/// What live, backtest and eqflat share.
#[derive(Debug, Clone)]
pub struct Trading {
    /// The series of bars.
    pub series: Series,
    /// Slots without a hole that must lie behind a decision.
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
    pub risk: Risk,
}

/// A live job.
#[derive(Debug, Clone)]
pub struct LiveJob {
    /// Market, strategy, fill, account, risk.
    pub trading: Trading,
    /// The paper loop.
    pub live: Live,
}

/// How a replay runs, whoever asks for it.
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
    pub steps: Vec<Step>,
    /// What steps that name no device take.
    pub device: ComputeDevice,
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
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

/// Builds the plan of a checked file. `folder_of` is the file the steps stand in, `given` are the values of its parameters, `rules` those
/// of its strategy.
pub(super) fn plan(
    file: File,
    folder_of: &str,
    given: &ParamSet,
    rules: Option<&RawStrategy>,
) -> Option<Manifest> {
    let File { name, description, labels, compute, run, kind, .. } = file.clone();
    let File { schedule, notify, heartbeat, logs, .. } = file.clone();
    let schedules: Option<Vec<_>> =
        (1..).zip(schedule).map(|(place, table)| schedules::plan(place, table, given)).collect();
    let job = match kind {
        Kind::Live => {
            Job::Live(Box::new(LiveJob { trading: trading(&file, rules)?, live: file.live? }))
        }
        Kind::Backtest => Job::Backtest(Box::new(backtest(&file, rules)?)),
        Kind::Equivalence => Job::Equivalence(EquivalenceJob { equivalence: file.equivalence? }),
        Kind::Eqflat => Job::Eqflat(Box::new(eqflat(&file, rules)?)),
        Kind::Report => Job::Report(ReportJob { report: file.report? }),
        Kind::Fetch => Job::Fetch(FetchJob { series: series(&file)?, fetch: file.fetch? }),
        Kind::Import => {
            Job::Import(Box::new(ImportJob { series: series(&file)?, import: file.import? }))
        }
        Kind::ExchangeSim => Job::ExchangeSim(Box::new(ExchangeSimJob {
            series: series(&file)?,
            exchange_sim: file.exchange_sim?,
        })),
        Kind::DataQuality => Job::DataQuality(Box::new(DataQualityJob {
            series: series(&file)?,
            quality: file.data_quality,
        })),
        Kind::Check => {
            Job::Check(Box::new(CheckJob { trading: trading(&file, rules)?, check: file.check }))
        }
        Kind::Healthcheck => Job::Healthcheck(Box::new(health(&file, rules)?)),
        Kind::Heartbeat => Job::Heartbeat(Box::new(health(&file, rules)?)),
        Kind::DeployCheck => Job::DeployCheck(Box::new(DeployCheckJob {
            target: file.target?,
            check: file.deploy_check,
        })),
        Kind::Deploy => Job::Deploy(Box::new(DeployJob {
            target: file.target?,
            check: file.deploy_check,
            deploy: file.deploy,
        })),
        Kind::Drift => Job::Drift(Box::new(DriftJob {
            target: file.target?,
            check: file.deploy_check,
            drift: file.drift,
        })),
        Kind::Preflight => Job::Preflight(Box::new(PreflightJob {
            preflight: file.preflight,
            compute: file.compute,
        })),
        Kind::Train => Job::Train(Box::new(train(&file, rules)?)),
        Kind::Promote => Job::Promote(Box::new(promote(&file, rules)?)),
        Kind::Pipeline => {
            let steps = file.step.into_iter().map(|s| step(s, folder_of)).collect::<Option<_>>()?;
            let (pipeline, device) = (file.pipeline, file.compute.device);
            Job::Pipeline(PipelineJob { pipeline, steps, device })
        }
        Kind::Exec => Job::Exec(file.exec?),
    };
    let schedules = schedules?;
    Some(Manifest {
        name,
        description,
        labels,
        compute,
        run,
        schedules,
        notify,
        heartbeat,
        logs,
        job,
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

fn trading(file: &File, rules: Option<&RawStrategy>) -> Option<Trading> {
    let strategy = file.strategy.clone()?;
    Some(Trading {
        series: series(file)?,
        cadence_bars: strategy.cadence_bars,
        rules: rules?.clone(),
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
    }
}

fn backtest(file: &File, rules: Option<&RawStrategy>) -> Option<BacktestJob> {
    let table = file.backtest.clone()?;
    Some(BacktestJob {
        trading: trading(file, rules)?,
        tag: table.tag?.into_inner(),
        runid: table.runid?.into_inner(),
        start_ts_ms: table.start_ts_ms,
        end_ts_ms: table.end_ts_ms,
        backtest: replay(file),
    })
}

fn eqflat(file: &File, rules: Option<&RawStrategy>) -> Option<EqflatJob> {
    let table = file.eqflat.clone()?;
    Some(EqflatJob {
        trading: trading(file, rules)?,
        backtest: replay(file),
        tag: table.tag.into_inner(),
        runid: table.runid.map(Parsed::into_inner),
        min_overlap_bars: table.min_overlap_bars,
        context_rows: table.context_rows,
        on_fail: table.on_fail,
        keep: table.keep,
    })
}

fn train(file: &File, rules: Option<&RawStrategy>) -> Option<TrainJob> {
    let (trading, compute) = (trading(file, rules)?, file.compute.clone());
    Some(TrainJob { trading, train: file.train.clone()?, compute })
}

fn promote(file: &File, rules: Option<&RawStrategy>) -> Option<PromoteJob> {
    Some(PromoteJob { live: trading(file, rules), promote: file.promote.clone()? })
}

fn health(file: &File, rules: Option<&RawStrategy>) -> Option<HealthJob> {
    let (series, health) = (series(file)?, file.healthcheck.clone()?);
    Some(HealthJob { series, trading: trading(file, rules), health })
}

fn step(table: StepTable, folder_of: &str) -> Option<Step> {
    let work = match (table.job, table.run) {
        (Some(job), None) => Work::Job {
            path: relative(folder_of, &job).ok()?,
            params: table.params.iter().map(|(k, v)| (k.clone(), template(v))).collect(),
            profiles: table.profile,
        },
        (None, Some(run)) => Work::Program(run),
        _ => return None,
    };
    Some(Step {
        id: table.id,
        work,
        needs: table.needs,
        when: table.when,
        timeout: table.timeout,
        expect_exit: table.expect_exit,
    })
}

/// Texts of steps are escaped already; other scalars have one spelling.
fn template(value: &toml::Value) -> Template {
    match value {
        toml::Value::String(text) => Template::waiting_text(text),
        other => Template::literal(&other.to_string()),
    }
}
