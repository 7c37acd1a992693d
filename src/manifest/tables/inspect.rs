//! The table of check: which parts of a box are looked at.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::words;

use super::super::values::Parsed;
use crate::domain::ids::Tag;

words! {
    /// A part of a box that can be checked by itself.
    CheckPart {
        /// Whether the settings make sense for trading.
        Sanity = "sanity",
        /// Whether the files are sound, whole, ours, and have room.
        Storage = "storage",
        /// Whether the LIVE ledger of `tag` follows from its bars, row by row.
        State = "state",
        /// Whether features are finite, warm, and blind for what comes after them.
        Features = "features",
        /// Whether live, backtest and comparison work here, on made-up bars.
        Smoke = "smoke",
    }
}

/// The checks of a box, each with a level, a value and a command that helps. Nothing that is checked is changed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Check {
    /// The parts to check, such as `["sanity", "state"]`; the default is all but `smoke`.
    pub only: Vec<CheckPart>,
    /// Storage namespace of LIVE, for `state` and `storage`.
    pub tag: Option<Parsed<Tag>>,
    /// Every how many slots the features and decisions are made again without the bars that follow; without it, as often as
    /// takes seconds.
    #[schemars(range(min = 1))]
    pub lookahead_every: Option<u32>,
}

impl Default for Check {
    fn default() -> Self {
        let only =
            vec![CheckPart::Sanity, CheckPart::Storage, CheckPart::State, CheckPart::Features];
        Self { only, tag: None, lookahead_every: None }
    }
}
