//! All kernels at once: against naive ones on anything, and against other libraries on two series.

mod against;
mod by_name;
mod expected;
pub(crate) mod naive;
