//! The file as a whole, and the tables every kind may have.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Account, BacktestTable, Check, Compute, DataQuality, Deploy, DeployCheck, Drift, EqflatTable,
    Equivalence, ExchangeSim, Exec, Fetch, Fill, Healthcheck, Heartbeat, Import, Live, Logs,
    MarketTable, Notify, Pipeline, Preflight, Promote, ReportTable, Risk, Run, ScheduleTable,
    StepTable, StrategyTable, Target, Train, words,
};

words! {
    /// What a job does.
    Kind {
        /// The paper loop: one decision row per closed bar, in order, whatever happens.
        Live = "live",
        /// The deterministic replay of a window from the raw store, into ledgers of its own.
        Backtest = "backtest",
        /// The comparison of a LIVE tag with a BACKTEST tag over the rows both have.
        Equivalence = "equivalence",
        /// A backtest of exactly the LIVE window, and the comparison of the two, synced where both are flat.
        Eqflat = "eqflat",
        /// A page about one ledger: findings, figures, pictures and trades, as `report.html` and `report.json`.
        Report = "report",
        /// Bars of a window from the venue into the raw store: those that are missing there, or all of them.
        Fetch = "fetch",
        /// Bars from a file into the raw store.
        Import = "import",
        /// A simulated venue that answers over HTTP, with faults on demand: for drills and tests.
        ExchangeSim = "exchange-sim",
        /// A look at the stored bars: gaps, duplicates, impossible bars, spikes, revisions, differences from another series.
        DataQuality = "data-quality",
        /// The checks of a box: settings, files, the LIVE ledger, features, and a trial run on made-up bars.
        Check = "check",
        /// Whether the loop of a tag is alive and well: how old its last decision is, whether its ledger is whole, and more.
        Healthcheck = "healthcheck",
        /// A healthcheck in `operator` mode that also leaves a line in `data/state/heartbeat/<tag>.log`.
        Heartbeat = "heartbeat",
        /// Whether a deploy to the target could hurt it: a plan of what would change there, and every reason against it.
        DeployCheck = "deploy-check",
        /// A deploy to the target, checked again under a lock, and verified: no file is ever deleted there, and it can go back.
        Deploy = "deploy",
        /// What on the target is not what was deployed there: edited, missing, stray; with the differences of texts.
        Drift = "drift",
        /// Whether this machine is fit for a boot or a deploy: programs, folders, owners, room, clock, ports, `.env` and more.
        Preflight = "preflight",
        /// A model fitted on the stored bars: walking forward, tested on what it has not seen, published with its report.
        Train = "train",
        /// A trained model takes the place of the one in use, if it beats the baseline; or the one before comes back.
        Promote = "promote",
        /// Several jobs and programs in the order of their needs.
        Pipeline = "pipeline",
        /// One program.
        Exec = "exec",
    }
}

/// The tables of each kind: the mandatory ones and the optional ones.
pub(in super::super) struct Kinds {
    pub kind: Kind,
    pub required: &'static [&'static str],
    pub optional: &'static [&'static str],
}

/// Which kind has which tables, in the order they are documented.
pub(in super::super) const KINDS: [Kinds; 20] = [
    Kinds {
        kind: Kind::Live,
        required: &["live", "market", "strategy"],
        optional: &["fill", "account", "risk"],
    },
    Kinds {
        kind: Kind::Backtest,
        required: &["backtest", "market", "strategy"],
        optional: &["fill", "account", "risk"],
    },
    Kinds { kind: Kind::Equivalence, required: &["equivalence"], optional: &[] },
    Kinds {
        kind: Kind::Eqflat,
        required: &["eqflat", "market", "strategy"],
        optional: &["backtest", "fill", "account", "risk"],
    },
    Kinds { kind: Kind::Report, required: &["report"], optional: &[] },
    Kinds { kind: Kind::Fetch, required: &["fetch", "market"], optional: &[] },
    Kinds { kind: Kind::Import, required: &["import", "market"], optional: &[] },
    Kinds { kind: Kind::ExchangeSim, required: &["exchange-sim", "market"], optional: &[] },
    Kinds { kind: Kind::DataQuality, required: &["market"], optional: &["data-quality"] },
    Kinds {
        kind: Kind::Check,
        required: &["market", "strategy"],
        optional: &["check", "fill", "account", "risk"],
    },
    Kinds {
        kind: Kind::Healthcheck,
        required: &["healthcheck", "market"],
        optional: &["strategy", "fill", "account", "risk"],
    },
    Kinds {
        kind: Kind::Heartbeat,
        required: &["healthcheck", "market"],
        optional: &["strategy", "fill", "account", "risk"],
    },
    Kinds { kind: Kind::DeployCheck, required: &["target"], optional: &["deploy-check"] },
    Kinds { kind: Kind::Deploy, required: &["target"], optional: &["deploy", "deploy-check"] },
    Kinds { kind: Kind::Drift, required: &["target"], optional: &["deploy-check", "drift"] },
    Kinds { kind: Kind::Preflight, required: &[], optional: &["preflight"] },
    Kinds {
        kind: Kind::Train,
        required: &["train", "market", "strategy"],
        optional: &["fill", "account", "risk"],
    },
    Kinds {
        kind: Kind::Promote,
        required: &["promote"],
        optional: &["market", "strategy", "fill", "account", "risk"],
    },
    Kinds { kind: Kind::Pipeline, required: &["step"], optional: &["pipeline"] },
    Kinds { kind: Kind::Exec, required: &["exec"], optional: &[] },
];

impl Kind {
    /// What a job of this kind leaves for other steps of a pipeline; `None` where that depends on what it finds.
    pub const fn puts_out(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Exec => Some(&["exit"]),
            // What its own steps put out has longer names than a reference can have.
            Self::Pipeline => Some(&[]),
            Self::Live => Some(&["rows", "last_ts_ms", "decisions", "trades", "model_id"]),
            Self::Equivalence | Self::Eqflat => Some(&["verdict", "proof", "rows", "model_id"]),
            Self::Healthcheck => Some(&["level", "report"]),
            Self::Heartbeat => Some(&["level", "report", "log"]),
            Self::ExchangeSim => Some(&["requests", "faults"]),
            Self::Check | Self::Preflight => Some(&["report", "level"]),
            Self::Drift => Some(&["report", "drifted"]),
            Self::Backtest
            | Self::Report
            | Self::Fetch
            | Self::Import
            | Self::DataQuality
            | Self::DeployCheck
            | Self::Deploy
            | Self::Train
            | Self::Promote => None,
        }
    }

    /// The tables it has.
    pub(in super::super) fn tables(self) -> &'static Kinds {
        KINDS.iter().find(|k| k.kind == self).expect("every kind is in the list")
    }
}

impl Kinds {
    /// Mandatory first.
    pub fn all(&self) -> impl Iterator<Item = &'static str> {
        self.required.iter().chain(self.optional).copied()
    }
}

/// One job. A profile, and a file that others extend, may hold any part of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "A Mjolnir job")]
pub(in super::super) struct File {
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
    /// Files whose tables lie below this one, left to right, relative to this file. Tables merge, everything else replaces.
    #[serde(default)]
    pub extends: Vec<String>,
    /// Words to find the job by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// A value given from outside. Low to high: default, variable, `-p`.
    #[serde(default)]
    pub params: BTreeMap<String, Param>,
    /// A value that is masked wherever it would be written or shown: as it is, line by line, and inside JSON, an address or Base64.
    /// It may stand only in `[exec] env`, and as the `url` of `[heartbeat]` and `[notify.webhook]`.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// Where models are fitted, and how a card proves itself before it is used.
    #[serde(default)]
    pub compute: Compute,
    /// Limits of one run, and what happens when it fails.
    #[serde(default)]
    pub run: Run,
    /// When `runner serve` runs the job. A job may have several schedules.
    #[serde(default)]
    pub schedule: Vec<ScheduleTable>,
    /// Who is told when a scheduled run goes wrong, and when it is well again.
    #[serde(default)]
    pub notify: Notify,
    /// A watch outside that is told when the job starts and how it ends, in the style of healthchecks.io. A ping that fails
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
    pub risk: Risk,
    /// The paper loop.
    pub live: Option<Live>,
    /// The replay. An eqflat job takes the tag, the run id and the window from elsewhere.
    pub backtest: Option<BacktestTable>,
    /// The comparison.
    pub equivalence: Option<Equivalence>,
    /// The replay of the LIVE window and the comparison.
    pub eqflat: Option<EqflatTable>,
    /// Which ledger is reported on. The report goes to `data/reports/live/<tag>/` or `data/reports/backtest/<tag>_bt_<runid>/`.
    pub report: Option<ReportTable>,
    /// Bars of a window from the venue into the raw store.
    pub fetch: Option<Fetch>,
    /// Bars from a file into the raw store. Rows that are no bars are refused and named.
    pub import: Option<Import>,
    /// A venue that does not exist, for drills: it shows `market.symbol` in bars of `market.timeframe` through the public
    /// interface of a real venue, to whoever asks.
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
    /// How much is shown of what differs. What counts is told by `[deploy-check]`: its `source`, `protect`, `exclude` and
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

words! {
    /// The type of a parameter.
    ParamType {
        /// Any text.
        String = "string",
        /// A whole number.
        Integer = "integer",
        /// A number.
        Float = "float",
        /// `true` or `false`; from outside also `1`, `0`, `yes`, `no`.
        Boolean = "boolean",
        /// A length of time with its unit, such as `20s`.
        Duration = "duration",
        /// An instant: RFC 3339 with an offset, or whole milliseconds since 1970.
        Time = "time",
        /// A path.
        Path = "path",
    }
}

/// A parameter. Low to high: default, variable, `-p`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Param {
    /// The type of the value.
    #[serde(rename = "type", default = "Param::text")]
    pub type_: ParamType,
    /// The value when nobody gives one. It may refer to `${run...}` and `${env...}`.
    #[schemars(with = "Option<Scalar>")]
    pub default: Option<toml::Value>,
    /// Whether the job cannot run without a value.
    #[serde(default)]
    pub required: bool,
    /// The environment variable that gives the value; an empty one counts as unset.
    #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub env: Option<String>,
    /// The values accepted.
    #[serde(rename = "enum")]
    #[schemars(with = "Option<Vec<Scalar>>")]
    pub enum_: Option<Vec<toml::Value>>,
    /// A regular expression that the text must match.
    #[schemars(extend("format" = "regex"))]
    pub pattern: Option<String>,
    /// The smallest value accepted.
    #[schemars(with = "Option<Scalar>")]
    pub min: Option<toml::Value>,
    /// The largest value accepted.
    #[schemars(with = "Option<Scalar>")]
    pub max: Option<toml::Value>,
    /// The value must be a whole multiple of this.
    #[schemars(range(min = 1))]
    pub multiple_of: Option<i64>,
    /// Other spellings and what they stand for, such as `{ "1" = "enforce" }`, for variables older than this format.
    #[serde(default)]
    pub map: BTreeMap<String, String>,
    /// What it is for.
    #[serde(default)]
    pub help: String,
}

impl Param {
    fn text() -> ParamType {
        ParamType::String
    }
}

/// A text, a number, a boolean or a time, in the schema.
pub(super) struct Scalar;

impl JsonSchema for Scalar {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "scalar".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer", "number", "boolean"], "format": "scalar" })
    }
}

words! {
    /// Where a secret is kept.
    SecretFrom {
        /// In an environment variable.
        Env = "env",
        /// In a file, without its last line end.
        File = "file",
    }
}

/// A value that is masked wherever it would be written or shown: as it is, line by line, and inside JSON, an address or Base64. It may
/// stand only in `[exec] env`, and as the `url` of `[heartbeat]` and `[notify.webhook]`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Secret {
    /// Where it is kept.
    pub from: SecretFrom,
    /// Name of the variable, with `from = "env"`.
    pub name: Option<String>,
    /// Path of the file, with `from = "file"`.
    pub path: Option<String>,
    /// Whether the job cannot run without it. A secret that is not required and absent leaves its key out.
    #[serde(default = "Secret::needed")]
    pub required: bool,
}

impl Secret {
    fn needed() -> bool {
        true
    }
}
