//! Strategies as text, by the program.

mod documents;
mod same;
mod verbs;
