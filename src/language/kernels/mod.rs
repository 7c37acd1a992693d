//! The functions of the rule language as running indicators: one bar in, one value out, NaN until warm. The same bars give the
//! same bits on every machine.
//!
//! A number that is NaN or infinite is unknown, as an input too: an argument that is not warm yet, a division by zero. Whatever
//! comes in, what a kernel remembers stays finite or leaves it again:
//!
//! - An average that remembers everything (`ema rma rsi` and the MACD) does not take in an unknown input: unknown for that bar.
//! - A window is of bars: unknown while one of the inputs it looks at is unknown.
//! - `bars_since` and `value_when` look back to the newest condition that is not false, and are unknown if that one is.
//!
//! Conditions are numbers here: 1 is true, 0 is false, NaN is unknown. What is unknown may come out as an infinity or as any NaN.
//! A [`Bar`](crate::domain::bar::Bar) is finite: on bars a function is known from its warm-up on.

pub mod among;
pub mod averages;
pub mod day;
pub mod dmi;
pub mod logic;
pub mod oscillators;
pub mod ranges;
pub mod spread;
pub mod window;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
pub(crate) mod tests;
