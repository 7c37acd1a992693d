//! Fitting a network with candle. Everything is a pure function of rows, settings, seed and device: no clock, no files, no randomness
//! of candle's own, whose seed does not work on a processor.

mod adamw;
mod fit;
mod layers;
mod loss;
mod settings;
mod state;

pub use candle_core::Device;
pub use fit::{FitError, Fitted, Flow, Task, fit, on_one_thread};
pub use settings::{Samples, Settings, Weighting};
pub use state::{Losses, State};

#[cfg(test)]
mod tests;
