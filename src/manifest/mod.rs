//! Floor 1: text in, checked plan out. Layers, parameters, interpolation, and every problem with its place.

mod check;
mod defaults;
mod explain;
mod interpolate;
mod items;
mod kinds;
mod layers;
mod matrix;
mod names;
mod origin;
mod params;
mod parse;
mod plan;
mod pools;
mod problem;
mod reference;
mod resolve;
mod rules;
mod schedules;
mod schema;
mod secrets;
mod signals;
mod steps;
mod strategy;
mod sweep;
mod syntax;
// Its docs become help and JOBS.md: people read them.
#[warn(missing_docs)]
mod tables;
mod template;
mod tree;
mod values;

#[cfg(test)]
mod tests;

pub use check::closest;
pub use explain::ExplainRow;
pub use items::Item;
pub use kinds::{Common, Job, Kind, KindRow, Negative, RecordPolicy, Runs};
pub use layers::TextError;
pub use matrix::{MatrixItem, matrix_items};
pub use names::{DuplicateName, duplicate_names};
pub use origin::{SourceKind, TextOrigin};
pub use plan::*;
pub use problem::{Problem, Problems, Severity, Style};
pub use reference::jobs_md;
pub use resolve::{
    Declared, Resolved, RunFacts, Source, Sources, Timetable, check, check_strategy, declared,
    kind_of, resolve, timetable,
};
pub use schedules::{Schedule, Trigger};
pub use schema::{job_schema, profile_schema};
pub use sweep::{TurnError, Turned, range_of};
pub use tables::*;
pub use template::{FillError, Template};
pub use values::{
    ChatList, HeldOut, Hidden, Offset, Parsed, Size, Span, Speed, Time, TimeOfDay, UtcDay,
    WholeDays,
};
