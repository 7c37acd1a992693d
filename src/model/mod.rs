//! Models outside the engine: fitting them, the files they lie in, and whether a device can be trusted with them.

pub mod card;
pub mod folder;
pub(crate) mod golden;
pub mod probe;
pub mod train;
