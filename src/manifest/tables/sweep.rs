//! The tables of sweep: what is tried on which days, how the best is chosen, and what doubts it.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::super::values::{HeldOut, Parsed, Size, Span, UtcDay, WholeDays};
use crate::setting::words;

words! {
    /// How points are chosen.
    SweepMethod {
        /// Every point of the grid that `where` allows.
        Grid = "grid",
        /// By chance, from `seed`.
        Random = "random",
        /// Sobol points, shifted by `seed`: they fill the space more evenly than chance does.
        Sobol = "sobol",
    }
}

words! {
    /// What trials are ranked by.
    SweepScore {
        /// Mean by standard deviation of daily returns, net of costs.
        Sharpe = "sharpe",
        /// Mean of daily returns by the root mean square of losing days.
        Sortino = "sortino",
        /// Yearly growth by the deepest drawdown.
        Calmar = "calmar",
        /// Results of winning trades by those of losing ones.
        ProfitFactor = "profit_factor",
        /// Money earned.
        Net = "net",
    }
}

/// The values of one parameter: a list, or a table with `from`, `to` and `step`. What a table leaves out comes from the `min`, `max` and
/// `step` of the param.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SweepAxis {
    /// These values.
    List(Vec<toml::Value>),
    /// From one number to another.
    Range(SweepRange),
}

/// From one number to another, both included.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SweepRange {
    /// The first.
    pub from: Option<toml::Value>,
    /// The last.
    pub to: Option<toml::Value>,
    /// From value to value.
    pub step: Option<toml::Value>,
}

impl JsonSchema for SweepAxis {
    fn schema_name() -> Cow<'static, str> {
        "sweep-axis".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["array", "object"],
            "description": "The values of one parameter: `[1, 2, 5]`, or `{ from = 5, to = 60, step = 5 }`, of which anything may be left out that the param has itself.",
        })
    }
}

/// The walk forward: the same search in windows that move, each choice applied to the days behind it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SweepWalk {
    /// Days that are searched.
    pub train: Parsed<WholeDays>,
    /// Days that the choice is applied to. Test windows follow each other and never overlap.
    pub test: Parsed<WholeDays>,
    /// Days between the two that belong to neither.
    #[serde(default = "SweepWalk::embargo")]
    pub embargo: Parsed<WholeDays>,
}

impl SweepWalk {
    fn embargo() -> Parsed<WholeDays> {
        Parsed::new(WholeDays::new(0))
    }
}

/// What doubts the best of many.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SweepDoubt {
    /// Blocks of the cross-validation that says whether the order of the trials is stable; an even number.
    #[schemars(range(min = 2, max = 20))]
    pub cscv_blocks: u32,
    /// How often the whole search is done again on a market without direction. 0 does not, and then no edge is ever likely; 39 or more
    /// let one of them be as good by chance.
    #[schemars(range(max = 1000))]
    pub null_sweeps: u32,
}

impl Default for SweepDoubt {
    fn default() -> Self {
        Self { cscv_blocks: 16, null_sweeps: 39 }
    }
}

words! {
    /// Where trials are played.
    SweepOn {
        /// On the cores of this machine.
        Local = "local",
        /// On the nodes of a Slurm cluster, which see the same folder as this machine (docs/CLUSTER.md).
        Slurm = "slurm",
    }
}

/// Trials of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PerShard {
    /// So many that a shard takes some minutes.
    Auto,
    /// So many, at least one.
    Trials(u32),
}

impl PerShard {
    const AUTO: &str = "auto";

    /// How many, where that is said.
    pub const fn trials(self) -> Option<u32> {
        match self {
            Self::Auto => None,
            Self::Trials(many) => Some(many),
        }
    }
}

impl Serialize for PerShard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str(Self::AUTO),
            Self::Trials(many) => serializer.serialize_u32(*many),
        }
    }
}

impl<'de> Deserialize<'de> for PerShard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Whole(u32),
            Text(String),
        }
        let many = match Form::deserialize(deserializer)? {
            Form::Text(text) if text == Self::AUTO => return Ok(Self::Auto),
            Form::Text(text) => text.parse().unwrap_or(0),
            Form::Whole(many) => many,
        };
        let wanted = || de::Error::custom("write a number of trials, at least 1, or \"auto\"");
        Some(many).filter(|many| *many > 0).map(Self::Trials).ok_or_else(wanted)
    }
}

impl JsonSchema for PerShard {
    fn schema_name() -> Cow<'static, str> {
        "per-shard".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "pattern": "^(auto|[1-9][0-9]*)$",
            "minimum": 1,
            "maximum": u32::MAX,
        })
    }
}

/// Where trials are played. All keys but `kind` and `per-shard` are of Slurm.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SweepExecutor {
    /// Where.
    pub kind: SweepOn,
    /// Trials of one shard, the unit of work of a core; `"auto"`: so many that a shard takes some minutes. It changes no result.
    pub per_shard: PerShard,
    /// The partition; that of the cluster, without it.
    #[schemars(length(min = 1))]
    pub partition: Option<String>,
    /// The account that pays; that of the user, without it.
    #[schemars(length(min = 1))]
    pub account: Option<String>,
    /// The longest that a shard may take. One that takes longer goes on where it was, up to `attempts` times.
    pub time: Parsed<Span>,
    /// Cores of a shard, which it uses all.
    #[schemars(range(min = 1, max = 1024))]
    pub cpus: u32,
    /// Memory of a shard.
    pub mem: Parsed<Size>,
    /// Most shards at a time.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_parallel: u32,
    /// How often a shard is tried that was killed, ran out of time or memory, or never started.
    #[schemars(range(min = 1, max = 100))]
    pub attempts: u32,
    /// Between two looks at the queue; a shard is missing when it was gone in two of them and left no result.
    pub look_every: Parsed<Span>,
    /// Options of sbatch that are not here, such as `--qos=low`, each one word.
    pub extra: Vec<String>,
}

impl Default for SweepExecutor {
    fn default() -> Self {
        Self {
            kind: SweepOn::Local,
            per_shard: PerShard::Auto,
            partition: None,
            account: None,
            time: Parsed::new(Span::seconds(3600)),
            cpus: 1,
            mem: Parsed::new(Size::of_bytes(2 << 30)),
            max_parallel: 64,
            attempts: 3,
            look_every: Parsed::new(Span::seconds(60)),
            extra: Vec::new(),
        }
    }
}

/// Many trials of one job with other values, and a verdict on the best of them. docs/SWEEPS.md explains every figure.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SweepTable {
    /// The manifest of kind "backtest" that every trial is, relative to the file that names it. Its tables and params lie below those of
    /// the sweep: `-p` gives its params as usual.
    #[schemars(length(min = 1))]
    pub job: String,
    /// The first day, `2022-08-01`, UTC; without it the first whole day with bars.
    pub from: Option<Parsed<UtcDay>>,
    /// The last day, which counts; without it the last whole day with bars, as it is when the sweep is planned.
    pub to: Option<Parsed<UtcDay>>,
    /// Days at the end that no trial reads: a part of all days such as `20%`, or days such as `90d`.
    #[serde(default = "SweepTable::hold_out")]
    pub hold_out: Parsed<HeldOut>,
    /// How points are chosen.
    #[serde(default = "SweepTable::method")]
    pub method: SweepMethod,
    /// Most trials. A grid with more points is an error that says how many there are.
    #[serde(default = "SweepTable::trials")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub trials: u32,
    /// What chance is made from: drawn points and null markets.
    #[serde(default = "SweepTable::seed")]
    pub seed: u64,
    /// What trials are ranked by.
    #[serde(default = "SweepTable::score")]
    pub score: SweepScore,
    /// Closed trades without which a trial cannot win.
    #[serde(default = "SweepTable::min_trades")]
    pub min_trades: u32,
    /// How many steps away a neighbour may be. The winner is the middle of the best neighbourhood, not the highest point.
    #[serde(default = "SweepTable::plateau")]
    #[schemars(range(min = 1, max = 10))]
    pub plateau: u32,
    /// A condition over the params, in the rule language: `fast * 1.5 <= slow`. Points that do not meet it are not tried.
    #[schemars(length(min = 1))]
    pub r#where: Option<String>,
    /// The parameters that are turned: params of the strategy by their names, other keys by their paths in quotes, such as
    /// `"risk.cooldown-bars"`.
    pub over: BTreeMap<String, SweepAxis>,
    /// The walk forward.
    pub walk_forward: Option<SweepWalk>,
    /// What doubts the best of many.
    #[serde(default)]
    pub doubt: SweepDoubt,
    /// Where trials are played.
    #[serde(default)]
    pub executor: SweepExecutor,
}

impl SweepTable {
    fn hold_out() -> Parsed<HeldOut> {
        Parsed::new(HeldOut::Percent(20))
    }

    fn method() -> SweepMethod {
        SweepMethod::Grid
    }

    fn trials() -> u32 {
        600
    }

    fn seed() -> u64 {
        7
    }

    fn score() -> SweepScore {
        SweepScore::Sharpe
    }

    fn min_trades() -> u32 {
        100
    }

    fn plateau() -> u32 {
        1
    }
}
