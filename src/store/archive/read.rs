//! Telling the formats apart by their first bytes, and reading them.

use std::{io::Read, path::Path};

use flate2::read::MultiGzDecoder;

use super::{
    assemble::{Archive, Rows},
    csv, parquet,
    stamp::{Meaning, Unit},
};
use crate::{
    domain::time::Timeframe,
    store::{disk::Disk, error::StoreError},
};

/// Most bytes a gzipped file may unpack to.
const UNPACKED_MAX: u64 = 4 << 30;
const MINUTE_MS: i64 = 60_000;

/// What is known about a file beforehand. What is not told is found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Length of its bars.
    pub timeframe: Timeframe,
    /// Whether its stamps are the open or the close.
    pub meaning: Option<Meaning>,
    /// What its numeric stamps count.
    pub unit: Option<Unit>,
    /// Minutes east of UTC for stamps without an offset.
    pub offset_minutes: Option<i64>,
}

impl Options {
    /// Only the timeframe is known.
    pub const fn new(timeframe: Timeframe) -> Self {
        Self { timeframe, meaning: None, unit: None, offset_minutes: None }
    }

    pub(super) fn offset_ms(&self) -> i64 {
        self.offset_minutes.unwrap_or(0).saturating_mul(MINUTE_MS)
    }
}

/// Reads a file of others.
pub fn read<D: Disk>(disk: &D, path: &Path, options: &Options) -> Result<Archive, StoreError> {
    let bytes = disk.read(path)?.ok_or_else(|| StoreError::Missing {
        path: path.to_owned(),
        what: "the file of bars".to_owned(),
    })?;
    parse(bytes, path, options)
}

/// Reads the bytes of a file of others; `path` only names it in errors.
pub fn parse(bytes: Vec<u8>, path: &Path, options: &Options) -> Result<Archive, StoreError> {
    if bytes.starts_with(b"PAR1") {
        parquet::parse(bytes, path, options)
    } else if bytes.starts_with(&[0x1f, 0x8b]) {
        csv::parse(&unpack(&bytes, path)?, path, options)
    } else {
        csv::parse(&bytes, path, options)
    }
}

/// Every row of a Parquet file, whatever state it is in; `path` only names it in errors.
pub fn parse_rows(bytes: Vec<u8>, path: &Path, options: &Options) -> Result<Rows, StoreError> {
    parquet::rows(bytes, path, options)
}

fn unpack(bytes: &[u8], path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut unpacked = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(UNPACKED_MAX + 1).read_to_end(&mut unpacked);
    read.map_err(|error| StoreError::damaged(path, 0, format!("gzip: {error}")))?;
    if unpacked.len() as u64 > UNPACKED_MAX {
        let reason = format!("unpacks to more than {UNPACKED_MAX} bytes");
        return Err(StoreError::damaged(path, 0, reason));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests;
