//! The tables of a manifest as types. Their documentation becomes JOBS.md and the schema.

mod compute;
mod deploy;
mod deploying;
mod drift;
mod exchange_sim;
mod fetch;
mod health;
mod inspect;
mod live;
mod notify;
mod params;
mod preflight;
mod proof;
mod quality;
mod run;
mod schedule;
mod spelling;
mod sweep;
mod trading;
mod train;
mod work;

pub(super) use params::Scalar;
pub(super) use proof::{BacktestTable, EqflatTable};
pub(super) use schedule::ScheduleTable;
pub(super) use trading::{MarketTable, StrategyTable};
pub(super) use work::StepTable;

pub use compute::{Compute, ComputeDevice, OnDeviceFailure};
pub use deploy::{
    DeployCheck, DeployLimits, Exclude, GitRules, PortRules, Protect, Refusal, RefusalLevel,
    RefusalLevels, SecretRules, Target,
};
pub use deploying::{Deploy, DeployCommand, DeployMode};
pub use drift::Drift;
pub use exchange_sim::{ExchangeSim, FaultTable, Protocol};
pub use fetch::Fetch;
pub use health::{HealthExit, HealthMode, Healthcheck, SchedulerWatch};
pub use inspect::{Check, CheckPart};
pub use live::{CatchUp, CatchUpMode, Feed, Live, Monotonic};
pub use notify::{
    Email, Heartbeat, Logs, MailTls, Notify, NotifyOn, Telegram, Webhook, WebhookFormat,
};
pub use params::{Param, ParamType, Secret, SecretFrom};
pub use preflight::{Preflight, PreflightPart};
pub use proof::{Equivalence, Inputs, OnExisting, OnFail, ReportTable};
pub use quality::{DataQuality, QualityAgainst, QualityCheck, QualityLevel, QualityLevels};
pub use run::{Backoff, Retry, RetryOn, Run};
pub use schedule::{Backlog, DayMatchWord, GapWord, Overlap, StartOn};
pub use sweep::{
    SweepAxis, SweepDoubt, SweepExecutor, SweepMethod, SweepOn, SweepRange, SweepScore, SweepTable,
    SweepWalk,
};
pub use trading::{
    Account, EnterRule, ExitRule, Fill, ModelRule, ProtectTable, RuleSide, SideDistances,
    SignalAbsent, SizeBy, SizeTable, StrategyParam, StrategySignal,
};
pub use train::{ClassWeights, Promote, PromoteMetric, Train, TrainFit, TrainFolds, TrainLabel};
pub use work::{
    Exec, Import, ImportColumns, ImportSource, ImportTime, ImportUnit, MadeUpMarket, Pipeline, When,
};

/// Settings of the engine: they are made where they are used.
pub use crate::{
    engine::{
        learn::{
            label::{BarrierUnit, LabelKind},
            rows::FoldGrowth,
        },
        model::Activation,
        rules::{FillAt, Limits, OnTrip, StopFill},
    },
    language::Sides,
};

use spelling::findings;
