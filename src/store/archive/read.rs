//! Telling the formats apart by their first bytes, reading them, and what to do about those that are not read.

use std::{
    io::{ErrorKind, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use super::{
    assemble::{Archive, ArchiveRows},
    csv, parquet,
    stamp::{StampMeaning, StampUnit},
};
use crate::{
    domain::{ids::Exchange, series::Symbol, time::Timeframe},
    store::{
        disk::{Disk, EntryKind},
        error::StoreError,
    },
};

/// Most bytes a file may have, unpacked if it is gzipped.
const BYTES_MAX: u64 = 4 << 30;
/// Most times its length that a gzipped file may unpack to: bars are packed to a tenth, equal ones to a hundredth.
const UNPACKED_TIMES: u64 = 300;
/// So many bytes any file may unpack to.
const UNPACKED_MIN: u64 = 64 << 20;
const MINUTE_MS: i64 = 60_000;
/// The year in which the first of the coins could be traded: 2009-01-01.
const EARLIEST_MS: i64 = 1_230_768_000_000;

/// The names of columns that are told; the others are found out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnNames {
    pub time: Option<String>,
    /// The first price.
    pub open: Option<String>,
    /// The highest price.
    pub high: Option<String>,
    /// The lowest price.
    pub low: Option<String>,
    /// The last price.
    pub close: Option<String>,
    /// The volume in the base.
    pub volume: Option<String>,
}

/// What is asked for, and what is known about a file beforehand. What is not told is found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// Length of its bars.
    pub timeframe: Timeframe,
    /// What is traded. A file that says something else is refused.
    pub symbol: Option<Symbol>,
    /// Where it is traded. A file that says something else is refused.
    pub exchange: Option<Exchange>,
    /// Whether its stamps are the open or the close.
    pub meaning: Option<StampMeaning>,
    /// What its stamps count.
    pub unit: Option<StampUnit>,
    /// Minutes east of UTC for stamps without an offset.
    pub offset_minutes: Option<i64>,
    /// Names of its columns.
    pub columns: ColumnNames,
    /// The rows that are meant: those that have these values in these columns.
    pub select: Vec<(String, String)>,
    /// It may have more holes than bars.
    pub is_sparse: bool,
    /// It is one of our own, in which `ts_ms` is the close.
    pub is_ours: bool,
    /// A bar that closes before this is not believed.
    pub earliest_ms: i64,
    /// A bar that closes after this is not closed.
    pub now_ms: Option<i64>,
}

impl ReadOptions {
    /// Only the timeframe is known.
    pub const fn new(timeframe: Timeframe) -> Self {
        let columns = ColumnNames {
            time: None,
            open: None,
            high: None,
            low: None,
            close: None,
            volume: None,
        };
        Self {
            timeframe,
            symbol: None,
            exchange: None,
            meaning: None,
            unit: None,
            offset_minutes: None,
            columns,
            select: Vec::new(),
            is_sparse: false,
            is_ours: false,
            earliest_ms: EARLIEST_MS,
            now_ms: None,
        }
    }

    pub(super) fn offset_ms(&self) -> i64 {
        self.offset_minutes.unwrap_or(0).saturating_mul(MINUTE_MS)
    }
}

/// Reads a file of others.
pub fn read<D: Disk>(disk: &D, path: &Path, options: &ReadOptions) -> Result<Archive, StoreError> {
    let refuse = |reason: String| StoreError::damaged(path, 0, reason);
    let missing =
        || StoreError::Missing { path: path.to_owned(), what: "the file of bars".to_owned() };
    let entry = disk.look(path)?.ok_or_else(missing)?;
    if entry.kind == EntryKind::Dir {
        return Err(refuse("it is a folder: name a file in it".to_owned()));
    }
    if entry.bytes > BYTES_MAX {
        let bytes = entry.bytes;
        return Err(refuse(format!(
            "it has {bytes} bytes, at most {BYTES_MAX} are read: split it"
        )));
    }
    let bytes = match disk.read(path) {
        // A pipe, a device, a link: it is what it is, however often it is tried.
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            let (what, help) = (error.cause, "copy what it gives into a file, and name that");
            return Err(refuse(format!("it {what}: {help}")));
        }
        bytes => bytes?.ok_or_else(missing)?,
    };
    parse(bytes, path, options)
}

/// Reads the bytes of a file of others; `path` only names it in errors.
pub fn parse(bytes: Vec<u8>, path: &Path, options: &ReadOptions) -> Result<Archive, StoreError> {
    match Format::of(&bytes) {
        Format::Gzip => {
            let unpacked = unpack(&bytes, path)?;
            match Format::of(&unpacked) {
                Format::Gzip => Err(StoreError::damaged(path, 0, "it is gzipped twice: unpack it")),
                format => parse_as(format, unpacked, path, options),
            }
        }
        format => parse_as(format, bytes, path, options),
    }
}

fn parse_as(
    format: Format,
    bytes: Vec<u8>,
    path: &Path,
    options: &ReadOptions,
) -> Result<Archive, StoreError> {
    match format {
        Format::Parquet => parquet::parse(bytes, path, options),
        Format::Other(what) => Err(StoreError::damaged(path, 0, format!("it is {what}"))),
        Format::Text | Format::Gzip => csv::parse(&bytes, path, options),
    }
}

/// Every row of a Parquet file, whatever state it is in; `path` only names it in errors.
pub fn parse_rows(
    bytes: Vec<u8>,
    path: &Path,
    options: &ReadOptions,
) -> Result<ArchiveRows, StoreError> {
    parquet::rows(bytes, path, options)
}

fn unpack(bytes: &[u8], path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut unpacked = Vec::new();
    let most = (bytes.len() as u64 * UNPACKED_TIMES).clamp(UNPACKED_MIN, BYTES_MAX);
    let read = MultiGzDecoder::new(bytes).take(most + 1).read_to_end(&mut unpacked);
    read.map_err(|error| StoreError::damaged(path, 0, format!("gzip: {error}")))?;
    if unpacked.len() as u64 > most {
        let reason = format!(
            "it unpacks to more than {most} bytes, which no file of bars of its size does: unpack it, and look at what is in it"
        );
        return Err(StoreError::damaged(path, 0, reason));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Parquet,
    Gzip,
    /// One that is not read: what it is, and what to do.
    Other(&'static str),
}

/// Bytes at the start of a file, and what it is then.
const STARTS: [(&[u8], Format); 18] = [
    (b"PAR1", Format::Parquet),
    (b"PARE", Format::Other("an encrypted Parquet file: write it without a key")),
    (&[0x1f, 0x8b], Format::Gzip),
    (b"PK\x03\x04", Format::Other("a zip or Excel file: unpack it, or save it as CSV")),
    (b"PK\x05\x06", Format::Other("an empty zip file")),
    (b"ARROW1", Format::Other("a Feather (Arrow) file: write it as Parquet")),
    (b"FEA1", Format::Other("a Feather file: write it as Parquet")),
    (&[0xff, 0xff, 0xff, 0xff], Format::Other("an Arrow stream: write it as Parquet")),
    (
        &[0xff, 0xfe],
        Format::Other("UTF-16 text: write it as UTF-8, such as with `iconv -f UTF-16 -t UTF-8`"),
    ),
    (
        &[0xfe, 0xff],
        Format::Other("UTF-16 text: write it as UTF-8, such as with `iconv -f UTF-16 -t UTF-8`"),
    ),
    (&[0x28, 0xb5, 0x2f, 0xfd], Format::Other("zstd-packed: unpack it with `unzstd`")),
    (b"BZh", Format::Other("bzip2-packed: unpack it with `bunzip2`")),
    (&[0xfd, b'7', b'z', b'X', b'Z'], Format::Other("xz-packed: unpack it with `unxz`")),
    (b"7z\xbc\xaf", Format::Other("a 7z file: unpack it")),
    (&[0xd0, 0xcf, 0x11, 0xe0], Format::Other("an Excel file: save it as CSV")),
    (b"\x89HDF", Format::Other("an HDF5 file: write it as Parquet")),
    (b"ORC", Format::Other("an ORC file: write it as Parquet")),
    (b"SQLite format 3", Format::Other("an SQLite file: write its table as CSV")),
];

impl Format {
    pub(super) fn of(bytes: &[u8]) -> Self {
        /// Enough to meet the end of the first line.
        const LOOKED_AT: usize = 4096;
        if let Some((_, format)) = STARTS.iter().find(|(start, _)| bytes.starts_with(start)) {
            return *format;
        }
        let head = &bytes[..bytes.len().min(LOOKED_AT)];
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
        let start: Vec<u8> = text.iter().take(9).map(u8::to_ascii_lowercase).collect();
        let is_page = [&b"<!doctype"[..], b"<html", b"<?xml", b"<head", b"<body", b"<svg"];
        if is_page.iter().any(|word| start.starts_with(word)) {
            return Self::Other("a web page or XML: download the file itself");
        }
        match text.first() {
            Some(b'{' | b'[') => Self::Other("JSON: write it as CSV or Parquet"),
            Some(b'<')
                if !text.contains(&b',') && !text.contains(&b'\t') && !text.contains(&b';') =>
            {
                Self::Other("a web page or XML: download the file itself")
            }
            Some(_) if head.contains(&0) => {
                Self::Other("neither text nor Parquet: UTF-16 text has to be written as UTF-8")
            }
            Some(_) | None => Self::Text,
        }
    }
}
