//! Deploys against real folders and a real sshd: each unsafe situation is refused, and its harmless twin passes.

mod acting;
mod back;
mod cut;
mod drift;
mod fixture;
mod init;
mod locks;
mod own_tree;
mod patterns;
mod preflight;
mod sending;
mod sides;
mod ssh;
mod sshd;
mod surroundings;
mod target;
mod verifying;
