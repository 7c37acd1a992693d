//! The tables of import, exec and pipeline.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

use super::{
    super::{
        template::Template,
        values::{Hidden, Offset, Parsed, Span, Time},
    },
    params::Scalar,
};

words! {
    /// Where imported bars come from.
    ImportSource {
        /// From a file.
        File = "file",
        /// Made up from a seed, to try things out. A series of a real venue does not take them.
        Synthetic = "synthetic",
    }
}

words! {
    /// A made-up market.
    MadeUpMarket {
        /// Waves of all lengths, with jumps and absent bars, as a drill needs them.
        Waves = "waves",
        /// A random walk: no rule has an edge here.
        Walk = "walk",
        /// The same with a drift that changes its direction every twelve bars: a rule that follows it has an edge.
        Edge = "edge",
    }
}

words! {
    /// What the time column of an imported file means.
    ImportTime {
        /// Read from the name of the column, as far as possible.
        Auto = "auto",
        /// The time a bar opens.
        Open = "open",
        /// The time a bar closes.
        Close = "close",
    }
}

words! {
    /// How the time column is written.
    ImportUnit {
        /// Read from the size of the numbers.
        Auto = "auto",
        /// Seconds since 1970.
        Seconds = "s",
        /// Milliseconds since 1970.
        Millis = "ms",
        /// Microseconds since 1970.
        Micros = "us",
        /// Nanoseconds since 1970.
        Nanos = "ns",
        /// Not a number, but dates and times.
        Rfc3339 = "rfc3339",
    }
}

/// The names of columns that have other names than usual. `-p` cannot give them; `--set import.columns.time=NAME` can.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImportColumns {
    /// The time. No other column is compared with it then.
    pub time: Option<String>,
    /// The first price.
    pub open: Option<String>,
    /// The highest price.
    pub high: Option<String>,
    /// The lowest price.
    pub low: Option<String>,
    /// The last price.
    pub close: Option<String>,
    /// The volume in the base of the symbol.
    pub volume: Option<String>,
}

/// Bars from a file into the raw store. Rows that are not bars are refused and named, with exit code 3. A file that contradicts what is
/// asked for (timeframe, symbol, venue, unit) is refused as a whole, with exit code 65.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Import {
    /// Where the bars come from.
    #[serde(default = "Import::source")]
    pub source: ImportSource,
    /// The file, with `source = "file"`.
    #[schemars(length(min = 1))]
    pub path: Option<String>,
    /// Seed of made-up bars, with `source = "synthetic"`. It has one market, of which any window shows the same bars.
    #[serde(default = "Import::seed")]
    pub seed: u64,
    /// Which made-up market it is, with `source = "synthetic"`.
    #[serde(default = "Import::market")]
    pub market: MadeUpMarket,
    /// Made-up bars close at this time or later.
    pub from: Option<Time>,
    /// Made-up bars close at this time or earlier; later than `from`.
    pub to: Option<Time>,
    /// What the time column means.
    #[serde(default = "Import::time")]
    pub time: ImportTime,
    /// How the time column is written.
    #[serde(default = "Import::unit")]
    pub unit: ImportUnit,
    /// The offset from UTC of dates that carry none, such as `+02:00`; without it they are taken as UTC, and that is said.
    pub offset: Option<Parsed<Offset>>,
    /// The rows that are meant in a file with several series: `COLUMN=VALUE`, such as `symbol=BTC/USD`; several with commas between them.
    #[schemars(length(min = 1))]
    pub select: Option<String>,
    /// Bars that close before this time are refused, since most of them are numbers in another unit; without it, 2009-01-01.
    pub earliest: Option<Time>,
    /// Whether the file may have more holes than bars. Without it, rows that are mostly further apart than the timeframe are refused.
    #[serde(default)]
    pub sparse: bool,
    /// The names of columns that have other names than usual.
    #[serde(default)]
    pub columns: ImportColumns,
    /// Most rows that may be refused; above it nothing is stored and the job ends with exit 65. Without it, any number.
    pub max_refused: Option<u64>,
}

impl Import {
    fn market() -> MadeUpMarket {
        MadeUpMarket::Waves
    }

    fn source() -> ImportSource {
        ImportSource::File
    }

    fn seed() -> u64 {
        7
    }

    fn time() -> ImportTime {
        ImportTime::Auto
    }

    fn unit() -> ImportUnit {
        ImportUnit::Auto
    }
}

/// One program. It runs without a shell.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Exec {
    /// The program and its arguments.
    #[schemars(length(min = 1))]
    pub run: Vec<String>,
    /// Variables added to its environment; the only place for a secret.
    #[serde(default)]
    pub env: BTreeMap<String, Hidden>,
    /// The folder it runs in; without it, the root.
    pub workdir: Option<String>,
    /// The exit code that counts as success.
    #[serde(default)]
    #[schemars(range(min = 0, max = 255))]
    pub expect_exit: i32,
}

/// How the steps run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Pipeline {
    /// Steps that may run at the same time.
    #[schemars(range(min = 1, max = 64))]
    pub max_parallel: u32,
    /// Whether a failed step keeps new ones from starting.
    pub fail_fast: bool,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self { max_parallel: 1, fail_fast: true }
    }
}

words! {
    /// When a step runs, once the steps it needs are over.
    When {
        /// When all of them succeeded.
        Success = "success",
        /// In any case, also after the pipeline was asked to stop or its time was up: then the steps at work have half of `run.grace` to end, and
        /// all that still run in any case the other half. A second signal ends everything at once.
        Always = "always",
        /// When one of them failed, but not after the pipeline was asked to stop.
        Failure = "failure",
    }
}

/// One step: a job or a program.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in super::super) struct StepTable {
    /// What other steps call it.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"))]
    pub id: String,
    /// The manifest to run, relative to this file. Either this or `run`.
    pub job: Option<String>,
    /// The program to run and its arguments. Either this or `job`.
    #[schemars(length(min = 1))]
    pub run: Option<Vec<Template>>,
    /// Steps that must be over before this one starts.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Items: the step runs once for each, and `${each}` in its `params`, `run`, `inputs` and `outputs` is the item. One that fails does
    /// not stop the others; the step succeeds when all of them did.
    pub each: Option<Vec<String>>,
    /// Most items of this step that run at the same time, within `pipeline.max-parallel`; without it, as many as that allows.
    #[schemars(range(min = 1, max = 64))]
    pub max_parallel: Option<u32>,
    /// What is asked before the step starts: it waits until `runner approve RUN STEP --reason ...`. A run of the service waits without a
    /// process, through restarts; one that was started by hand waits where it runs.
    pub approve: Option<String>,
    /// Files and folders that the step reads, below the root. When they, the command or the values of its job, and this program are those
    /// of the last success, and the outputs are still those it left, the step is `up_to_date` and does not run.
    #[serde(default)]
    pub inputs: Vec<Template>,
    /// Files and folders that the step leaves, below the root. One that is not there after a success fails the step.
    #[serde(default)]
    pub outputs: Vec<Template>,
    /// Parameters of the job, as `-p` would give them. `${steps.ID.out.KEY}` is filled when the step starts.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Scalar>")]
    pub params: BTreeMap<String, toml::Value>,
    /// Profiles of the job, as `-P` would give them.
    #[serde(default)]
    pub profile: Vec<String>,
    /// When it runs, once the steps it needs are over.
    #[serde(default = "StepTable::on_success")]
    pub when: When,
    /// The longest it may take.
    pub timeout: Option<Parsed<Span>>,
    /// The exit code that counts as success; 137 is a process killed by SIGKILL.
    #[serde(default)]
    #[schemars(range(min = 0, max = 255))]
    pub expect_exit: i32,
}

impl StepTable {
    fn on_success() -> When {
        When::Success
    }
}
