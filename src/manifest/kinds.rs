//! The kinds of jobs, one row each, and the file that a job is written in. To add a kind: its row, its arm in [`Job::common`] and its
//! tables in [`File`] here; its types in `tables/`, its code in `jobs/`, its arm in `run.rs`, a manifest in `jobs/`, and `make docs`.
//! What is forgotten does not compile, or fails a test that names it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    plan::{
        self, BacktestJob, CheckJob, DataQualityJob, DeployCheckJob, DeployJob, DriftJob,
        EqflatJob, EquivalenceJob, ExchangeSimJob, FetchJob, HealthJob, ImportJob, JobParts,
        LiveJob, PipelineJob, PreflightJob, PromoteJob, ReportJob, SweepJob, Trading, TrainJob,
    },
    rules::{self, FileRules},
    tables::{
        Account, BacktestTable, Check, Compute, DataQuality, Deploy, DeployCheck, Drift,
        EqflatTable, Equivalence, ExchangeSim, Exec, Fetch, Fill, Healthcheck, Heartbeat, Import,
        Limits, Live, Logs, MarketTable, Notify, Param, Pipeline, Preflight, Promote, ReportTable,
        Run, Scalar, ScheduleTable, Secret, StepTable, StrategyTable, SweepTable, Target, Train,
    },
    values::Parsed,
};
use crate::{domain::ids::Tag, setting::words};

/// What holds for every job of a kind. Every part is mandatory.
#[derive(Debug, Clone, Copy)]
pub struct KindRow {
    /// The tables that it needs.
    pub(super) required: &'static [&'static str],
    /// The tables that it may have.
    pub(super) optional: &'static [&'static str],
    /// What the schema cannot say: values that must fit each other.
    pub(super) rules: fn(&mut FileRules<'_>),
    /// Whether a run that was lost in a crash may simply run again.
    pub(super) idempotent: bool,
    /// What it leaves for other steps of a pipeline; `None` where that depends on what it finds.
    pub puts_out: Option<&'static [&'static str]>,
    /// What its runs start.
    pub runs: Runs,
    /// What exit code 1 means.
    pub negative: Negative,
    /// Whether it may run when it cannot be recorded.
    pub record: RecordPolicy,
}

/// What the runs of a kind start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// Nothing that could outlive them.
    Itself,
    /// Programs, which may leave others behind, and which a retry is for when they fail.
    Programs,
}

/// What exit code 1 of a kind means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Negative {
    /// The run failed.
    FailedRun,
    /// The box is sick.
    SickBox,
}

/// What a run of a kind does when the disk takes no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordPolicy {
    /// It does not start.
    Mandatory,
    /// It runs: it looks after the box, and must be able to say that the disk is full.
    MayFail,
}

/// The enums of the kinds and of their jobs, and what is done by kind.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($job:ty, $plan:path) = $name:literal => $row:expr,)+) => {
        words! {
            /// What a job does.
            Kind { $($(#[$doc])* $kind = $name,)+ }
        }

        impl Kind {
            /// What holds for every job of this kind.
            pub const fn row(self) -> &'static KindRow {
                match self {
                    $(Self::$kind => const { &$row },)+
                }
            }

            /// The job of a checked file of this kind.
            pub(super) fn plan(self, parts: &JobParts<'_>) -> Option<Job> {
                match self {
                    $(Self::$kind => Some(Job::$kind(Box::new($plan(parts)?))),)+
                }
            }
        }

        /// What a job does, with everything its kind needs.
        #[derive(Debug, Clone)]
        pub enum Job {
            $($(#[$doc])* $kind(Box<$job>),)+
        }

        impl Job {
            /// Its kind.
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)+
                }
            }
        }
    };
}

/// What a loop puts out: how far it is, its files, and those key figures of its ledger that have a value.
const LIVE_OUT: &[&str] = &[
    "rows",
    "last_ts_ms",
    "decisions",
    "trades",
    "model_id",
    "closed_trades",
    "net",
    "total_return",
    "holding_return",
    "cagr",
    "volatility",
    "sharpe",
    "sortino",
    "calmar",
    "max_drawdown",
    "underwater_days_max",
    "psr",
    "track_days_min",
    "win_rate",
    "profit_factor",
    "expectancy",
    "expectancy_r",
    "sqn",
    "exposure",
    "hold_bars_mean",
    "mae_mean",
    "mfe_mean",
    "win_streak_max",
    "loss_streak_max",
    "fees",
    "fees_of_gross",
];

kinds! {
    /// The paper loop: one decision row per closed bar, in order, whatever happens.
    Live(LiveJob, plan::live) = "live" => KindRow {
        required: &["live", "market", "strategy"],
        optional: &["fill", "account", "risk"],
        rules: rules::live,
        idempotent: true,
        puts_out: Some(LIVE_OUT),
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// The deterministic replay of a window from the raw store, into ledgers of its own.
    Backtest(BacktestJob, plan::backtest) = "backtest" => KindRow {
        required: &["backtest", "market", "strategy"],
        optional: &["fill", "account", "risk"],
        rules: rules::backtest,
        idempotent: true,
        puts_out: None,
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// The comparison of a LIVE tag with a BACKTEST tag over the rows both have.
    Equivalence(EquivalenceJob, plan::equivalence) = "equivalence" => KindRow {
        required: &["equivalence"],
        optional: &[],
        rules: rules::none,
        idempotent: true,
        puts_out: Some(&["verdict", "proof", "rows", "model_id"]),
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// A backtest of exactly the LIVE window, and the comparison of the two, synced where both are flat.
    Eqflat(EqflatJob, plan::eqflat) = "eqflat" => KindRow {
        required: &["eqflat", "market", "strategy"],
        optional: &["backtest", "fill", "account", "risk"],
        rules: rules::eqflat,
        idempotent: true,
        puts_out: Some(&["verdict", "proof", "rows", "model_id"]),
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// A page about one ledger: findings, figures, pictures and trades, as `report.html` and `report.json`.
    Report(ReportJob, plan::report) = "report" => KindRow {
        required: &["report"],
        optional: &[],
        rules: rules::none,
        idempotent: true,
        puts_out: None,
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// Many backtests with other values, and a verdict on the best of them that does not take luck for an edge.
    Sweep(SweepJob, plan::sweep) = "sweep" => KindRow {
        required: &["sweep", "market", "strategy"],
        optional: &["backtest", "fill", "account", "risk"],
        rules: rules::sweep,
        idempotent: true,
        puts_out: None,
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// Bars of a window from the venue into the raw store: those that are missing there, or all of them.
    Fetch(FetchJob, plan::fetch) = "fetch" => KindRow {
        required: &["fetch", "market"],
        optional: &[],
        rules: rules::fetch,
        idempotent: true,
        puts_out: None,
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// Bars from a file into the raw store.
    Import(ImportJob, plan::import) = "import" => KindRow {
        required: &["import", "market"],
        optional: &[],
        rules: rules::import,
        idempotent: true,
        puts_out: None,
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// A simulated venue that answers over HTTP, with faults on demand: for drills and tests.
    ExchangeSim(ExchangeSimJob, plan::exchange_sim) = "exchange-sim" => KindRow {
        required: &["exchange-sim", "market"],
        optional: &[],
        rules: rules::exchange_sim,
        idempotent: false,
        puts_out: Some(&["requests", "faults"]),
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// A look at the stored bars: gaps, duplicates, impossible bars, spikes, revisions, differences from another series.
    DataQuality(DataQualityJob, plan::data_quality) = "data-quality" => KindRow {
        required: &["market"],
        optional: &["data-quality"],
        rules: rules::data_quality,
        idempotent: true,
        puts_out: None,
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// The checks of a box: settings, files, the LIVE ledger, features, and a trial run on made-up bars.
    Check(CheckJob, plan::check) = "check" => KindRow {
        required: &["market", "strategy"],
        optional: &["check", "fill", "account", "risk"],
        rules: rules::strategy,
        idempotent: true,
        puts_out: Some(&["report", "level"]),
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// Whether the loop of a tag is alive and well: how old its last decision is, whether its ledger is whole, and more.
    Healthcheck(HealthJob, plan::health) = "healthcheck" => KindRow {
        required: &["healthcheck", "market"],
        optional: &["strategy", "fill", "account", "risk"],
        rules: rules::healthcheck,
        idempotent: true,
        puts_out: Some(&["level", "report"]),
        runs: Runs::Itself,
        negative: Negative::SickBox,
        record: RecordPolicy::MayFail,
    },
    /// A healthcheck in `operator` mode that also leaves a line in `data/state/heartbeat/<tag>.log`.
    Heartbeat(HealthJob, plan::health) = "heartbeat" => KindRow {
        required: &["healthcheck", "market"],
        optional: &["strategy", "fill", "account", "risk"],
        rules: rules::heartbeat,
        idempotent: true,
        puts_out: Some(&["level", "report", "log"]),
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::MayFail,
    },
    /// Whether a deploy to the target could hurt it: a plan of what would change there, and every reason against it.
    DeployCheck(DeployCheckJob, plan::deploy_check) = "deploy-check" => KindRow {
        required: &["target"],
        optional: &["deploy-check"],
        rules: rules::target,
        idempotent: true,
        puts_out: None,
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// A deploy to the target, checked again under a lock, and verified: no file is ever deleted there, and it can go back.
    Deploy(DeployJob, plan::deploy) = "deploy" => KindRow {
        required: &["target"],
        optional: &["deploy", "deploy-check"],
        rules: rules::deploy,
        idempotent: true,
        puts_out: None,
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// What on the target is not what was deployed there: edited, missing, stray; with the differences of texts.
    Drift(DriftJob, plan::drift) = "drift" => KindRow {
        required: &["target"],
        optional: &["deploy-check", "drift"],
        rules: rules::target,
        idempotent: true,
        puts_out: Some(&["report", "drifted"]),
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// Whether this machine is fit for a boot or a deploy: programs, folders, owners, room, clock, ports, `.env` and more.
    Preflight(PreflightJob, plan::preflight) = "preflight" => KindRow {
        required: &[],
        optional: &["preflight"],
        rules: rules::none,
        idempotent: true,
        puts_out: Some(&["report", "level"]),
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::MayFail,
    },
    /// A model fitted on the stored bars: walking forward, tested on what it has not seen, published with its report.
    Train(TrainJob, plan::train) = "train" => KindRow {
        required: &["train", "market", "strategy"],
        optional: &["fill", "account", "risk"],
        rules: rules::train,
        idempotent: true,
        puts_out: None,
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// A trained model takes the place of the one in use, if it beats the baseline; or the one before comes back.
    Promote(PromoteJob, plan::promote) = "promote" => KindRow {
        required: &["promote"],
        optional: &["market", "strategy", "fill", "account", "risk"],
        rules: rules::strategy,
        idempotent: false,
        puts_out: None,
        runs: Runs::Itself,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// Several jobs and programs in the order of their needs.
    Pipeline(PipelineJob, plan::pipeline) = "pipeline" => KindRow {
        required: &["step"],
        optional: &["pipeline"],
        rules: rules::none,
        idempotent: false,
        // What its own steps put out has longer names than a reference can have.
        puts_out: Some(&[]),
        runs: Runs::Programs,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
    /// One program.
    Exec(Exec, plan::exec) = "exec" => KindRow {
        required: &["exec"],
        optional: &[],
        rules: rules::none,
        idempotent: false,
        puts_out: Some(&["exit"]),
        runs: Runs::Programs,
        negative: Negative::FailedRun,
        record: RecordPolicy::Mandatory,
    },
}

impl Kind {
    /// The kind with this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The tables of this kind, mandatory ones first.
    pub(super) fn tables(self) -> impl Iterator<Item = &'static str> {
        let row = self.row();
        row.required.iter().chain(row.optional).copied()
    }
}

/// What jobs of several kinds have.
#[derive(Debug, Clone, Copy, Default)]
pub struct Common<'j> {
    /// Market, strategy, fill, account, risk.
    pub trading: Option<&'j Trading>,
    /// Storage namespace of LIVE.
    pub tag: Option<&'j Tag>,
    /// Where a deploy goes, and the rules it keeps.
    pub target: Option<(&'j Target, &'j DeployCheck)>,
    /// What is well.
    pub health: Option<&'j Healthcheck>,
    /// Whether it runs until it is asked to stop.
    pub has_no_end: bool,
}

impl Job {
    /// What it has in common with jobs of other kinds.
    pub fn common(&self) -> Common<'_> {
        let none = Common::default();
        match self {
            Self::Live(job) => Common {
                trading: Some(&job.trading),
                tag: Some(job.live.tag.get()),
                has_no_end: job.live.to.is_none() && job.live.max_bars.is_none(),
                ..none
            },
            Self::Backtest(job) => {
                Common { trading: Some(&job.trading), tag: Some(&job.tag), ..none }
            }
            Self::Eqflat(job) => {
                Common { trading: Some(&job.trading), tag: Some(&job.tag), ..none }
            }
            Self::ExchangeSim(job) => Common { has_no_end: job.exchange_sim.to.is_none(), ..none },
            Self::Check(job) => Common {
                trading: Some(&job.trading),
                tag: job.check.tag.as_ref().map(Parsed::get),
                ..none
            },
            Self::Healthcheck(job) | Self::Heartbeat(job) => Common {
                trading: job.trading.as_ref(),
                tag: Some(job.health.tag.get()),
                health: Some(&job.health),
                ..none
            },
            Self::DeployCheck(job) => Common { target: Some((&job.target, &job.check)), ..none },
            Self::Deploy(job) => Common { target: Some((&job.target, &job.check)), ..none },
            Self::Drift(job) => Common { target: Some((&job.target, &job.check)), ..none },
            Self::Sweep(job) => Common { trading: Some(&job.trading), ..none },
            Self::Train(job) => Common { trading: Some(&job.trading), ..none },
            Self::Equivalence(_)
            | Self::Report(_)
            | Self::Fetch(_)
            | Self::Import(_)
            | Self::DataQuality(_)
            | Self::Preflight(_)
            | Self::Promote(_)
            | Self::Pipeline(_)
            | Self::Exec(_) => none,
        }
    }
}

/// Keys that every kind has.
const COMMON: &[&str] = &[
    "manifest",
    "name",
    "kind",
    "description",
    "extends",
    "labels",
    "matrix",
    "params",
    "secrets",
    "compute",
    "run",
    "pools",
    "schedule",
    "notify",
    "heartbeat",
    "logs",
];

/// Whether every kind has this key.
pub(super) fn is_common(key: &str) -> bool {
    COMMON.contains(&key)
}

/// One job. A profile, and a file that others extend, may hold any part of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "A Mjolnir job")]
pub(super) struct File {
    /// Version of this format: always 1. Every file has it, profiles too.
    #[schemars(extend("const" = 1))]
    pub manifest: u32,
    /// What the job is called in records and logs.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"))]
    pub name: String,
    /// What the job does; decides which tables it has.
    pub kind: Kind,
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// Files with tables below this one, left to right, relative to this file. Tables merge, everything else replaces.
    #[serde(default)]
    pub extends: Vec<String>,
    /// Words to find the job by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Values of params, such as `symbol = ["BTC/USD", "ETH/USD"]`: one job for each combination, called `NAME.BTC_USD`, with records, slots,
    /// incidents and pauses of its own. `runner run NAME` runs all of them, one after another; jobs without an end at the same time.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Vec<Scalar>>")]
    pub matrix: BTreeMap<String, Vec<toml::Value>>,
    /// A value given from outside. Low to high: default, variable, `-p`.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// A value that is masked wherever it would be written or shown: as it is, line by line, and inside JSON, an address or Base64.
    /// It may stand only in `[exec] env`, as the `url` of `[heartbeat]`, and in `[notify.webhook]`, `[notify.email]` and `[notify.telegram]` as what is never shown.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// Where models are fitted, and how a card proves itself before it is used.
    #[serde(default)]
    pub compute: Compute,
    /// Limits of one run, and what happens when it fails.
    #[serde(default)]
    pub run: Run,
    /// How many runs of the service share what there is little of, by name, such as `heavy = 1`; jobs name one in `run.pool`. A pool has
    /// one size on a box: it belongs into a file that they share.
    #[serde(default)]
    pub pools: BTreeMap<String, u32>,
    /// When `runner serve` runs the job. A job may have several schedules.
    #[serde(default)]
    pub schedule: Vec<ScheduleTable>,
    /// Who gets a notice when a scheduled run goes wrong, and when it is well again.
    #[serde(default)]
    pub notify: Notify,
    /// A watch outside that gets a ping when the job starts and one when it ends, in the style of healthchecks.io. A ping that fails
    /// never fails the job.
    #[serde(default)]
    pub heartbeat: Heartbeat,
    /// How much the runs of the job may leave behind.
    #[serde(default)]
    pub logs: Logs,
    /// The series of bars.
    pub market: Option<MarketTable>,
    /// The rule that decides.
    pub strategy: Option<StrategyTable>,
    /// How signals are filled, and what that costs.
    #[serde(default)]
    pub fill: Fill,
    /// The paper account.
    #[serde(default)]
    pub account: Account,
    /// Limits that block entries. A limit without a value does not exist.
    #[serde(default)]
    pub risk: Limits,
    /// The paper loop.
    pub live: Option<Live>,
    /// The replay. An eqflat job takes the tag, the run id and the window from elsewhere.
    pub backtest: Option<BacktestTable>,
    /// The comparison.
    pub equivalence: Option<Equivalence>,
    /// The replay of the LIVE window and the comparison.
    pub eqflat: Option<EqflatTable>,
    /// What is tried, on which days, and what doubts the best of it. docs/SWEEPS.md explains every figure.
    pub sweep: Option<SweepTable>,
    /// Which ledger is reported on. The report goes to `data/reports/live/<tag>/` or `data/reports/backtest/<tag>_bt_<runid>/`.
    pub report: Option<ReportTable>,
    /// Bars of a window from the venue into the raw store.
    pub fetch: Option<Fetch>,
    /// Bars from a file into the raw store. Rows that are not bars are refused and named.
    pub import: Option<Import>,
    /// A venue that does not exist, for drills: it shows `market.symbol` in bars of `market.timeframe` through the public
    /// interface of a real venue.
    pub exchange_sim: Option<ExchangeSim>,
    /// The doctor of the raw store: every fault of the stored bars with its file, row and slot. It changes nothing.
    #[serde(default)]
    pub data_quality: DataQuality,
    /// The checks of a box, each with a level, a value and a command that helps. Nothing that is checked is changed.
    #[serde(default)]
    pub check: Check,
    /// Whether the loop of a tag is alive and well, judged by what it leaves on the disk and never by its process.
    pub healthcheck: Option<Healthcheck>,
    /// Where a deploy goes: a folder on a host that is reached by ssh or, without `host`, a folder of this machine.
    pub target: Option<Target>,
    /// What is deployed from where, and what would make a deploy unsafe. Nothing is changed, on no side.
    #[serde(default)]
    pub deploy_check: DeployCheck,
    /// What is done to the target, under a lock on both sides, and what is demanded of it afterwards. Nothing is ever deleted there.
    #[serde(default)]
    pub deploy: Deploy,
    /// How much is shown of what differs. What is compared is set in `[deploy-check]`: its `source`, `protect`, `exclude` and
    /// `command-timeout`.
    #[serde(default)]
    pub drift: Drift,
    /// What must be so on this machine before a boot or a deploy. Nothing is changed.
    #[serde(default)]
    pub preflight: Preflight,
    /// A model fitted on the stored bars, and what it was worth on bars it had not seen.
    pub train: Option<Train>,
    /// When a model becomes the one in use, and the way back.
    pub promote: Option<Promote>,
    /// How the steps run.
    #[serde(default)]
    pub pipeline: Pipeline,
    /// One step: a job or a program.
    #[serde(default)]
    pub step: Vec<StepTable>,
    /// One program. It runs without a shell, in the root unless `workdir` says otherwise.
    pub exec: Option<Exec>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::manifest::schema;

    #[test]
    fn every_table_of_a_row_is_a_key_of_the_file_and_every_key_has_its_kind() {
        let keys: BTreeSet<&str> = schema::keys(schema::root()).collect();
        let mut known: BTreeSet<&str> = COMMON.iter().copied().collect();
        for kind in Kind::ALL {
            let name = kind.name();
            for table in kind.tables() {
                assert!(
                    keys.contains(table),
                    "kinds.rs: `File` has no table [{table}] of kind {name}"
                );
                assert!(
                    !is_common(table),
                    "kinds.rs: [{table}] of kind {name} is a table of every kind"
                );
                known.insert(table);
            }
            assert_eq!(Kind::of(name), Some(*kind));
        }
        let lost: Vec<&&str> = keys.difference(&known).collect();
        assert!(lost.is_empty(), "kinds.rs: neither a row nor COMMON names {lost:?}");
    }

    #[test]
    fn what_is_run_again_after_a_crash_is_what_the_help_says() {
        let docs = schema::property(schema::root(), "run")
            .and_then(|run| schema::property(run, "idempotent"))
            .and_then(|key| key["description"].as_str())
            .unwrap();
        for kind in Kind::ALL {
            let is_named = docs.contains(&format!("`{}`", kind.name()));
            assert_eq!(
                is_named,
                !kind.row().idempotent,
                "tables/run.rs: `idempotent`: {}",
                kind.name()
            );
        }
    }
}
