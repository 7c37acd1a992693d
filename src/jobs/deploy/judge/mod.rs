//! The judges: from what was seen to what a deploy is refused for. They are pure.

mod drift;
mod surroundings;
mod sync;
mod whole;

pub use whole::{Case, judge};
