//! Whether this machine is fit for a boot or a deploy. Nothing is changed; what is tried is taken back.

mod clock;
mod device;
pub mod doctor;
mod env_file;
mod folders;
pub mod job;
mod manifests;
mod owners;
mod ports;
mod result;
mod room;
mod tools;
mod tree;
mod variables;
