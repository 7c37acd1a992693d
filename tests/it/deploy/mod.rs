//! Deploys against real folders and a real sshd: each unsafe situation is refused, and its harmless twin passes.

mod fixture;
mod guard;
mod names;
mod own_tree;
mod patterns;
mod sides;
mod ssh;
mod sshd;
mod surroundings;
mod target;
