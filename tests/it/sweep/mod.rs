//! Sweeps from outside: trials against ordinary runs, whole sweeps with the real binary, and how often they are wrong.

mod calibrate;
mod model;
mod same;
mod shared;
mod whole;
