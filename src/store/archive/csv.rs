//! A CSV file of others: any separator of the usual ones, with a header or, as some venues publish, without.

use std::path::Path;

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::{
    assemble::{Archive, Assembler},
    columns::Columns,
    read::Options,
    stamp::{self, Stamp},
};
use crate::store::error::StoreError;

const VALUES: [&str; 5] = ["open", "high", "low", "close", "volume"];
/// Longest field shown in a reason, in characters.
const SHOWN_MAX: usize = 60;

pub(super) fn parse(bytes: &[u8], path: &Path, options: &Options) -> Result<Archive, StoreError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator(bytes))
        .from_reader(bytes);
    let mut record = ByteRecord::new();
    let damaged = |line: u64, reason: String| StoreError::damaged(path, line, reason);
    if !read(&mut reader, &mut record).map_err(|(line, reason)| damaged(line, reason))? {
        return Err(damaged(0, "the file is empty".to_owned()));
    }
    let mut warnings = Vec::new();
    let has_header = stamp(&record, 0, options).is_err();
    let columns = if has_header {
        let names: Vec<_> =
            record.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        let columns =
            Columns::find(&names, options.meaning).map_err(|reason| damaged(1, reason))?;
        if columns.is_guess {
            let name = &names[columns.time];
            warnings.push(format!("column `{}` is taken as the bar's open", name.escape_debug()));
        }
        columns
    } else {
        warnings.push(
            "no header: columns are taken as time, open, high, low, close, volume".to_owned(),
        );
        Columns::without_header(options.meaning)
    };
    let mut assembler = Assembler::new(options.timeframe, columns.meaning);
    let mut is_pending = !has_header;
    loop {
        if !is_pending && !read(&mut reader, &mut record).map_err(|(l, why)| damaged(l, why))? {
            return Ok(assembler.finish(warnings, options.offset_minutes));
        }
        is_pending = false;
        let line = record.position().map_or(0, csv::Position::line);
        assembler.push(line, fields(&record, &columns, options));
    }
}

/// The next record; false at the end. An error here is one of the reader, not of a row.
fn read(reader: &mut Reader<&[u8]>, record: &mut ByteRecord) -> Result<bool, (u64, String)> {
    reader
        .read_byte_record(record)
        .map_err(|error| (error.position().map_or(0, csv::Position::line), error.to_string()))
}

/// The separator that occurs most often in the first line.
fn separator(bytes: &[u8]) -> u8 {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |wanted: u8| line.split(|byte| *byte == wanted).count();
    b",;\t".iter().copied().rev().max_by_key(|wanted| count(*wanted)).unwrap_or(b',')
}

fn text(record: &ByteRecord, n: usize) -> Result<&str, String> {
    let bytes = record.get(n).ok_or_else(|| format!("column {} is absent", n + 1))?;
    str::from_utf8(bytes).map_err(|_| format!("column {} is not UTF-8", n + 1))
}

fn stamp(record: &ByteRecord, n: usize, options: &Options) -> Result<Stamp, String> {
    let text = text(record, n)?;
    stamp::from_text(text, options.unit, options.offset_ms())
        .ok_or_else(|| format!("`{}` is not a time", shown(text)))
}

fn fields(
    record: &ByteRecord,
    columns: &Columns,
    options: &Options,
) -> Result<(Stamp, [f64; 5]), String> {
    let stamp = stamp(record, columns.time, options)?;
    let mut values = [0.0; 5];
    for ((value, n), name) in values.iter_mut().zip(columns.values).zip(VALUES) {
        let text = text(record, n)?.trim();
        *value = text.parse().map_err(|_| format!("{name} `{}` is not a number", shown(text)))?;
    }
    Ok((stamp, values))
}

fn shown(text: &str) -> String {
    text.escape_debug().take(SHOWN_MAX).collect()
}
