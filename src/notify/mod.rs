//! Floor 2: telling the world. Bounded POSTs and letters, with addresses and passwords that are never shown.

pub(crate) mod mailer;
pub(crate) mod sender;
pub(crate) mod target;
pub(crate) mod telegram;
