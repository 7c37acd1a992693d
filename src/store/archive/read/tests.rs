//! Files of others as they are found in the wild, small: shapes, orders, units, damage.

mod kinds;
mod mangled;

use std::{io::Write, sync::Arc};

use ::parquet::{
    data_type::{DoubleType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;

use super::*;
use crate::{
    domain::bar::{Bar, TimedBar},
    store::{archive::assemble::RowOrder, raw::encode},
};

const M5: ReadOptions = ReadOptions::new(Timeframe::M5);

fn csv(text: &str, options: &ReadOptions) -> Result<Archive, String> {
    parse(text.as_bytes().to_vec(), Path::new("f.csv"), options).map_err(|error| error.to_string())
}

fn closes(archive: &Archive) -> Vec<(i64, f64)> {
    archive.bars.iter().map(|bar| (bar.ts.ts_ms(), bar.bar.close())).collect()
}

fn reasons(archive: &Archive) -> Vec<(u64, &str)> {
    archive.refused.iter().map(|refused| (refused.row, refused.reason.as_str())).collect()
}

#[test]
fn an_ascending_file_with_a_forming_bar_logged_again_and_again() {
    let archive = csv(
        "timestamp,open,high,low,close,volume\n\
         2025-09-12 19:35:00,10,12,9,11,1\n\
         2025-09-12 19:35:00,10,12,9,10.5,2\n\
         2025-09-12 19:35:00,10,12,9,10.5,2\n\
         2025-09-12 19:40:00,10,12,9,11.5,3\n\
         2025-09-12 19:55:00,10,12,9,11.5,3\n",
        &M5,
    )
    .unwrap();
    assert_eq!(
        closes(&archive),
        [(1_757_706_000_000, 10.5), (1_757_706_300_000, 11.5), (1_757_707_200_000, 11.5)]
    );
    assert_eq!((archive.read, archive.duplicates, archive.conflicts.len()), (5, 2, 1));
    assert_eq!(archive.gaps.len(), 1);
    assert_eq!((archive.gaps[0].first.ts_ms(), archive.gaps[0].slots), (1_757_706_600_000, 2));
    assert_eq!(archive.order, RowOrder::Ascending);
    assert_eq!(
        archive.warnings,
        [
            "column `timestamp` is taken as the bar's open",
            "5 stamps have no offset and are taken as UTC",
        ]
    );
    let told = ReadOptions { offset_minutes: Some(120), meaning: Some(StampMeaning::Open), ..M5 };
    let local = csv("time,o,h,l,c,v\n2025-09-12 21:35:00,10,12,9,11,1\n", &told).unwrap();
    assert_eq!(local.bars[0].ts, archive.bars[0].ts);
    assert!(local.warnings.is_empty());
}

#[test]
fn a_descending_file_with_an_offset_and_a_stray_column() {
    let archive = csv(
        "Datetime,index,Open,High,Low,Close,Volume\n\
         2025-06-02 19:50:00-04:00,0,10,12,9,11,1\n\
         2025-06-02 19:45:00-04:00,1,10,12,9,10,1\n\
         2025-06-02 19:45:00-04:00,2,10,12,9,9.5,1\n",
        &M5,
    )
    .unwrap();
    assert_eq!(closes(&archive), [(1_748_908_200_000, 10.0), (1_748_908_500_000, 11.0)]);
    assert_eq!((archive.order, archive.duplicates), (RowOrder::Descending, 1));
}

#[test]
fn closes_that_end_in_999_belong_to_the_next_millisecond() {
    for (text, unit) in [
        ("close_time,open,high,low,close,volume\n1672531499999,10,12,9,11,1\n", None),
        ("close_time,open,high,low,close,volume\n1672531499999999,10,12,9,11,1\n", None),
        ("close_time;open;high;low;close;volume\n1672531500;10;12;9;11;1\n", None),
        (
            "ts_ms\topen\thigh\tlow\tclose\tvolume\n1672531500000\t10\t12\t9\t11\t1\n",
            Some(StampUnit::Millis),
        ),
        ("1672531200000,10,12,9,11,1,1672531499999,5\n", None),
    ] {
        let archive = csv(text, &ReadOptions { unit, ..M5 }).unwrap();
        assert_eq!(closes(&archive), [(1_672_531_500_000, 11.0)], "{text}");
    }
}

#[test]
fn every_refused_row_is_named_by_line_and_reason() {
    let archive = csv(
        "open_time,open,high,low,close,volume\n\
         1672530600,10,12,9,11,1\n\
         1672530900,10,12,9,11,1\n\
         1672531200,10,12,9,11,1\n\
         1672531201,10,12,9,11,1\n\
         yesterday,10,12,9,11,1\n\
         1672531500,10,12,9,,1\n\
         1672531500,10,12,9,NaN,1\n\
         1672531500,10,11.5,9,12,1\n\
         1672531500,10\n\
         1672531500,10,12,9,0,1\n",
        &M5,
    )
    .unwrap();
    assert_eq!((archive.read, archive.bars.len()), (10, 3));
    let reasons = reasons(&archive);
    let expected = [
        (5, "ts_ms 1672531501000 is not aligned to 5m"),
        (6, "`yesterday` is not a time"),
        (7, "close `` is not a number"),
        (8, "a value is not a finite number"),
        (9, "the high is below another price of the bar"),
        (10, "it has 2 fields, the header 6"),
        (11, "a price is not positive"),
    ];
    assert_eq!(reasons.len(), expected.len());
    for ((row, reason), (line, start)) in reasons.iter().zip(expected) {
        assert_eq!(*row, line);
        assert!(reason.starts_with(start), "{reason}");
    }
}

#[test]
fn a_file_that_cannot_be_read_at_all_is_an_error() {
    for (text, message) in [
        ("", "f.csv: the file is empty"),
        ("a,b,c\n1,2,3\n", "f.csv:1: no column for a time among `a b c`"),
        ("time,open,high,low,close\n", "f.csv:1: no column for volume among"),
    ] {
        let error = csv(text, &M5).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
    let cut = [&[0x1f, 0x8b][..], b"garbage"].concat();
    let error = parse(cut, Path::new("f.gz"), &M5).unwrap_err().to_string();
    assert!(error.starts_with("f.gz: gzip: "), "{error}");
}

#[test]
fn gzip_is_told_by_its_bytes() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(b"open_time,o,h,l,c,v\n1672531200,10,12,9,11,1\n").unwrap();
    let archive = parse(gzip.finish().unwrap(), Path::new("f"), &M5).unwrap();
    assert_eq!(archive.bars.len(), 1);
}

fn partition() -> (Vec<TimedBar>, Vec<u8>) {
    let bars: Vec<_> = (1..40)
        .map(|n| {
            let close = 100.0 + n as f64 / 3.0;
            let bar = Bar::new([close, close + 1.0, close - 1.0, close, 0.5]).unwrap();
            TimedBar { ts: Timeframe::M5.slot(1_672_531_200_000 + n * 300_000).unwrap(), bar }
        })
        .collect();
    let bytes = encode(&bars);
    (bars, bytes)
}

/// A file as pandas writes it: microseconds without a zone, nullable columns, several row groups.
fn foreign() -> Vec<u8> {
    let schema = "message m { optional int64 Timestamp (TIMESTAMP(MICROS,false)); optional double Close; \
         optional double Open; optional double High; optional double Low; optional int64 Volume; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    for start in [1_672_531_500_000_000, 1_672_531_200_000_000] {
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let stamps = column.typed::<Int64Type>();
        stamps.write_batch(&[start, start + 1], Some(&[1, 1, 0]), None).unwrap();
        column.close().unwrap();
        for value in [11.0, 10.0, 12.0, 9.0] {
            let mut column = group.next_column().unwrap().unwrap();
            let values = column.typed::<DoubleType>();
            values.write_batch(&[value; 3], Some(&[1, 1, 1]), None).unwrap();
            column.close().unwrap();
        }
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&[7, 7], Some(&[1, 0, 1]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.into_inner().unwrap()
}

#[test]
fn our_own_partition_is_an_archive_too() {
    let (bars, bytes) = partition();
    let archive = parse(bytes, Path::new("p"), &M5).unwrap();
    assert_eq!(archive.bars, bars);
    assert!(archive.warnings.is_empty() && archive.refused.is_empty() && archive.gaps.is_empty());
}

#[test]
fn nulls_units_and_zones_of_a_foreign_parquet_file() {
    let archive = parse(foreign(), Path::new("p"), &M5).unwrap();
    assert_eq!(closes(&archive), [(1_672_531_500_000, 11.0), (1_672_531_800_000, 11.0)]);
    assert_eq!(archive.bars[0].bar.values(), [10.0, 12.0, 9.0, 11.0, 7.0]);
    let expected = [
        (2, "volume is null"),
        (3, "the time is null"),
        (5, "volume is null"),
        (6, "the time is null"),
    ];
    assert_eq!(reasons(&archive), expected);
    assert_eq!((archive.read, archive.order), (6, RowOrder::Descending));
    assert_eq!(archive.warnings[1], "4 stamps have no offset and are taken as UTC");
    let east = ReadOptions { offset_minutes: Some(60), ..M5 };
    let archive = parse(foreign(), Path::new("p"), &east).unwrap();
    assert_eq!(archive.bars[0].ts.ts_ms(), 1_672_531_500_000 - 3_600_000);
}

fn mutate(mut bytes: Vec<u8>, flips: &[(usize, u8)], cut: usize) -> Vec<u8> {
    let len = bytes.len();
    for (at, byte) in flips {
        bytes[at % len] = *byte;
    }
    if cut < len {
        bytes.truncate(len - cut);
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn garbage_never_panics(
        flips in prop::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        cut in prop_oneof![Just(0_usize), 0_usize..2000],
        which in 0_usize..3,
    ) {
        let bytes = match which {
            0 => partition().1,
            1 => foreign(),
            _ => b"time,open,high,low,close,volume\n2025-06-02 19:50:00-04:00,10,12,9,11,1\n1672531200,\"1\",2,1,1,0\n".to_vec(),
        };
        if let Ok(archive) = parse(mutate(bytes, &flips, cut), Path::new("g"), &M5) {
            prop_assert!(archive.bars.is_sorted_by(|a, b| a.ts < b.ts));
            prop_assert_eq!(archive.read, archive.bars.len() as u64 + archive.duplicates + archive.refused.len() as u64);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}", rows in "[0-9,;.:TZ \"\\n+-]{0,200}") {
        csv(&text, &M5).ok();
        csv(&format!("time,open,high,low,close,volume\n{rows}"), &M5).ok();
        csv(&rows, &M5).ok();
    }
}

#[test]
fn formats_are_told_by_their_first_bytes() {
    for (bytes, told) in [
        (&b"PK\x03\x04abc"[..], "zip"),
        (b"ARROW1\0\0", "Feather"),
        (b"\xff\xfet\0i\0", "UTF-16"),
        (b"t\0i\0m\0e\0", "UTF-16"),
        (b" [[1,2]]", "JSON"),
        (b"{\"a\":1}", "JSON"),
        (b"<!DOCTYPE html>\n<html>", "web page"),
        (b"<html lang=\"en\"><meta a=1, b=2; c>\n", "web page"),
    ] {
        let Format::Other(what) = Format::of(bytes) else { panic!("{told}") };
        assert!(what.contains(told), "{what}");
    }
    for text in ["", "time,open", "<DATE>,<TIME>,<OPEN>", "<DATE>\t<OPEN>", "\u{feff}time;open"] {
        assert_eq!(Format::of(text.as_bytes()), Format::Text, "{text}");
    }
}
