//! The job of a sweep as its plan carries it, so that another machine needs the plan and no manifest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    domain::series::Series,
    language::RawStrategy,
    manifest::{
        Account, Fill, Limits, ModelRule, StopFill, StrategySignal, SweepExecutor, SweepJob,
        SweepTable, Trading,
    },
};

/// A job, without its series, which the plan names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarriedJob {
    cadence_bars: u32,
    rules: RawStrategy,
    model: Option<ModelRule>,
    signals: BTreeMap<String, StrategySignal>,
    fill: Fill,
    account: Account,
    risk: Limits,
    stop_fill: StopFill,
    sweep: SweepTable,
}

impl CarriedJob {
    /// Of a job. Where it is played is not part of it: every executor gives the same.
    pub fn of(job: &SweepJob) -> Self {
        let Trading { series: _, cadence_bars, rules, model, signals, fill, account, risk } =
            job.trading.clone();
        let executor = SweepExecutor::default();
        // The plan has the days.
        let sweep = SweepTable { executor, from: None, to: None, ..job.sweep.clone() };
        let stop_fill = job.stop_fill;
        Self { cadence_bars, rules, model, signals, fill, account, risk, stop_fill, sweep }
    }

    /// As a plan has it.
    pub fn document(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("plain values serialise")
    }

    /// The job again, for a series; the error says what is wrong with the document.
    pub(super) fn read(document: &serde_json::Value, series: Series) -> Result<SweepJob, String> {
        let carried: Self = Self::deserialize(document).map_err(|error| error.to_string())?;
        let Self { cadence_bars, rules, model, signals, fill, account, risk, stop_fill, sweep } =
            carried;
        let trading = Trading { series, cadence_bars, rules, model, signals, fill, account, risk };
        Ok(SweepJob { trading, stop_fill, sweep })
    }
}
