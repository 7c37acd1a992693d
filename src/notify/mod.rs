//! Floor 2: telling the world. Bounded POSTs to addresses that are never shown.

pub(crate) mod sender;
pub(crate) mod target;
