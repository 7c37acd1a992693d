//! Tests of the whole, through the library and through the binary.

mod golden;
mod support;
