//! Fitting a network with candle. Everything is a pure function of rows, settings, seed and device: no clock, no files, no randomness
//! of candle's own, whose seed does not work on a processor.

mod fit;
mod settings;

pub use candle_core::Device;
pub use fit::{FitError, FitFlow, Fitted, Task, fit, on_one_thread};
pub use settings::{FitSettings, Samples};
pub use settings::{FitState, Losses};

#[cfg(test)]
mod tests;
