//! The tables of a manifest as types. Their documentation becomes JOBS.md and the schema.

mod live;
mod proof;
mod top;
mod trading;
mod work;

pub(super) use proof::{BacktestTable, EqflatTable};
pub(super) use top::{File, KINDS};
pub(super) use trading::{MarketTable, StrategyTable};
pub(super) use work::StepTable;

pub use live::{CatchUp, CatchUpMode, Feed, Live, Monotonic};
pub use proof::{Equivalence, Inputs, OnExisting};
pub use top::{Device, DeviceKind, Fallback, Kind, Param, ParamType, Run, Secret, SecretFrom};
pub use trading::{
    Account, EmaAtr, Fill, FillAt, OnTrip, Risk, RsiRevert, Sides, StopFill, StrategyKind,
};
pub use work::{Exec, Import, ImportTime, ImportUnit, Pipeline, When};

/// An enum of words: documented, spelled in kebab-case unless renamed, with its spelling as a constant function.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// How it is written.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}
use words;
