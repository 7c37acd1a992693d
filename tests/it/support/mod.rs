//! What tests share.

pub mod sim_disk;
