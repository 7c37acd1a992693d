//! Floor 2: telling the world. Bounded POSTs to addresses that are never shown.

pub mod sender;
pub mod target;
