//! Bars on disk: one Parquet file per UTC day of the bar's open, and a log of every value that was ever replaced.

mod codec;
mod put;
mod revisions;
mod store;

pub use codec::{decode, decode_any, encode};
pub use put::PutReport;
pub use revisions::{AsSeen, REVISIONS_HEADER, Revision, parse_revisions};
pub use store::AsStored;
pub use store::RawStore;
