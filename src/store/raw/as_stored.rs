//! A partition as it stands in its file, faults and all, for whoever looks for faults instead of refusing them.

use std::path::Path;

use super::{codec, store::RawStore};
use crate::{
    domain::series::Series,
    store::{
        archive::{self, ArchiveRows, RawRow, ReadOptions},
        disk::Disk,
        error::StoreError,
    },
};

/// The rows of a partition, unchecked, and why no other job could read the file, if none could.
#[derive(Debug, Clone, PartialEq)]
pub struct AsStored {
    /// The rows in the order of the file, and those whose fields cannot be read.
    pub rows: ArchiveRows,
    /// Why the file is not laid out as a partition must be; its rows were read all the same.
    pub foreign: Option<String>,
}

impl<D: Disk> RawStore<'_, D> {
    /// One day as it is stored; `None` when it has no partition, perhaps no longer.
    pub fn day_as_stored(&self, day: i64) -> Result<Option<AsStored>, StoreError> {
        let path = self.layout.partition(&self.series, day);
        let Some(bytes) = self.disk.read(&path)? else { return Ok(None) };
        decode_as_stored(bytes, &self.series, &path).map(Some)
    }
}

/// A file without any row that can be read is an error, everything else is told in the result.
fn decode_as_stored(bytes: Vec<u8>, series: &Series, path: &Path) -> Result<AsStored, StoreError> {
    // Reading a damaged file twice is rare, reading a good one is a hot path: so the copy is made of the file as it is packed.
    let packed = bytes.clone();
    let foreign = match codec::decode_columns(bytes) {
        Ok(columns) => {
            let value = |n: usize| columns.values.each_ref().map(|column| column[n]);
            let row = |(n, ts_ms): (usize, &i64)| RawRow {
                row: n as u64 + 1,
                ts_ms: *ts_ms,
                values: value(n),
            };
            let rows = columns.times.iter().enumerate().map(row).collect();
            return Ok(AsStored { rows: ArchiveRows { rows, refused: Vec::new() }, foreign: None });
        }
        Err(reason) => reason,
    };
    let options = ReadOptions::new(series.timeframe());
    match archive::parse_rows(packed, path, &options) {
        Ok(rows) => Ok(AsStored { rows, foreign: Some(foreign) }),
        Err(_) => Err(StoreError::damaged(path, 0, foreign)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            bar::{Bar, TimedBar},
            time::Timeframe,
        },
        store::raw::encode,
    };

    fn series() -> Series {
        Series::new("demo".parse().unwrap(), "BTC/USD".parse().unwrap(), Timeframe::M5)
    }

    fn file(days: i64) -> Vec<u8> {
        let bar = Bar::new([1.0, 3.0, 0.5, 2.0, 0.25]).unwrap();
        let bars: Vec<_> = (1..=288 * days)
            .map(|n| TimedBar { ts: Timeframe::M5.slot(n * 300_000).unwrap(), bar })
            .collect();
        encode(&bars)
    }

    #[test]
    fn a_sound_partition_comes_back_row_by_row() {
        let read = decode_as_stored(file(1), &series(), Path::new("p")).unwrap();
        assert_eq!((read.rows.rows.len(), read.rows.refused.len(), read.foreign), (288, 0, None));
        let last = RawRow { row: 288, ts_ms: 86_400_000, values: [1.0, 3.0, 0.5, 2.0, 0.25] };
        assert_eq!(read.rows.rows[287], last);
    }

    #[test]
    fn a_file_too_long_for_a_day_is_foreign_and_its_rows_are_read() {
        let read = decode_as_stored(file(6), &series(), Path::new("p")).unwrap();
        let foreign = read.foreign.unwrap();
        assert!(foreign.contains("1728 rows, but a day has at most 1440"), "{foreign}");
        assert_eq!((read.rows.rows.len(), read.rows.rows[1727].ts_ms), (1728, 1728 * 300_000));
    }

    #[test]
    fn a_torn_file_is_an_error() {
        let mut bytes = file(1);
        bytes.truncate(bytes.len() / 2);
        let error = decode_as_stored(bytes, &series(), Path::new("p.parquet")).unwrap_err();
        assert!(error.to_string().starts_with("p.parquet: "), "{error}");
    }
}
