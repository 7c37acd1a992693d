//! What a deploy does to the target: locks, sends, notes, goes back, moves aside, and verifies. Nothing is deleted there.

pub mod job;
mod retire;
mod rollback;
mod story;
mod sync;
mod verify;
