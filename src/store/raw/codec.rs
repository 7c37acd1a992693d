//! One partition as Parquet: `ts_ms` (bar close) as a UTC timestamp and five required doubles, plain encoding, zstd, one row group.

use std::{
    cell::RefCell,
    io,
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use parquet::{
    basic::{
        Compression, Encoding, EncodingMask, LogicalType, PageType, Repetition, TimeUnit,
        Type as Physical, ZstdLevel,
    },
    column::{reader::get_typed_column_reader, writer::ColumnCloseResult},
    data_type::{DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        metadata::{ColumnChunkMetaData, PageEncodingStats, ParquetMetaData},
        properties::{EnabledStatistics, WriterProperties},
        reader::{FileReader, RowGroupReader, SerializedFileReader},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::{ColumnDescPtr, Type, TypePtr},
};
use zstd::bulk::{Compressor, Decompressor};

use crate::{
    domain::{
        bar::{Bar, TimedBar},
        series::Series,
        time::DAY_MS,
    },
    store::error::StoreError,
};

const COLUMNS: [&str; 6] = ["ts_ms", "open", "high", "low", "close", "volume"];
/// Rows a partition can hold: one per minute.
pub(super) const ROWS_MAX: usize = 1440;

fn schema() -> TypePtr {
    static SCHEMA: OnceLock<TypePtr> = OnceLock::new();
    Arc::clone(SCHEMA.get_or_init(|| {
        let column = |name: &&str| {
            let (physical, logical) = if *name == COLUMNS[0] {
                (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS)))
            } else {
                (Physical::DOUBLE, None)
            };
            let built = Type::primitive_type_builder(name, physical)
                .with_repetition(Repetition::REQUIRED)
                .with_logical_type(logical)
                .build();
            Arc::new(built.expect("the column types are valid"))
        };
        let fields = COLUMNS.iter().map(column).collect();
        let root = Type::group_type_builder("bars").with_fields(fields).build();
        Arc::new(root.expect("the schema is valid"))
    }))
}

fn compression() -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(LEVEL).expect("there is this level"))
}

fn properties() -> Arc<WriterProperties> {
    static PROPERTIES: OnceLock<Arc<WriterProperties>> = OnceLock::new();
    Arc::clone(PROPERTIES.get_or_init(|| {
        // The name is fixed, so that the bytes depend on the bars only. What small files do not need is off: reading them is a hot path.
        Arc::new(
            WriterProperties::builder()
                .set_created_by("mjolnir".to_owned())
                .set_compression(compression())
                .set_dictionary_enabled(false)
                .set_statistics_enabled(EnabledStatistics::None)
                .set_offset_index_disabled(true)
                .build(),
        )
    }))
}

/// The file for the bars of one day, which are sorted and unique.
pub fn encode(bars: &[TimedBar]) -> Vec<u8> {
    assert!(bars.is_sorted_by(|a, b| a.ts.ts_ms() < b.ts.ts_ms()), "bars are sorted and unique");
    write(bars).expect("encoding into memory does not fail")
}

fn write(bars: &[TimedBar]) -> Result<Vec<u8>, ParquetError> {
    // A day is written at every slot of a loop.
    if (1..=ROWS_MAX).contains(&bars.len()) {
        write_packed(bars)
    } else {
        write_as(bars, properties())
    }
}

/// The same bytes as [`write_as`] makes, without its detours.
fn write_packed(bars: &[TimedBar]) -> Result<Vec<u8>, ParquetError> {
    let mut writer = SerializedFileWriter::new(Vec::new(), schema(), properties())?;
    let columns = writer.schema_descr().columns().to_vec();
    let mut group = writer.next_row_group()?;
    for (n, column) in columns.into_iter().enumerate() {
        let value = |bar: &TimedBar| match n.checked_sub(1) {
            None => bar.ts.ts_ms().to_le_bytes(),
            Some(n) => bar.bar.values()[n].to_le_bytes(),
        };
        let plain: Vec<u8> = bars.iter().flat_map(value).collect();
        let Chunk { bytes, unpacked } = pack(&plain)?;
        let close = closed(column, bars.len(), (unpacked, bytes.len()))?;
        group.append_column(&Bytes::from(bytes), close)?;
    }
    group.close()?;
    writer.into_inner()
}

/// What the file says of a column.
fn closed(
    column: ColumnDescPtr,
    rows: usize,
    (unpacked, packed): (usize, usize),
) -> Result<ColumnCloseResult, ParquetError> {
    let page_type = PageType::DATA_PAGE;
    let page = PageEncodingStats { page_type, encoding: Encoding::PLAIN, count: 1 };
    let encodings = [Encoding::PLAIN, Encoding::RLE];
    let metadata = ColumnChunkMetaData::builder(column)
        .set_compression(compression())
        .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
        .set_page_encoding_stats(vec![page])
        .set_total_compressed_size(packed as i64)
        .set_total_uncompressed_size(unpacked as i64)
        .set_num_values(rows as i64)
        .set_data_page_offset(0)
        .build()?;
    Ok(ColumnCloseResult {
        bytes_written: packed as u64,
        rows_written: rows as u64,
        metadata,
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    })
}

fn write_as(bars: &[TimedBar], properties: Arc<WriterProperties>) -> Result<Vec<u8>, ParquetError> {
    let mut writer = SerializedFileWriter::new(Vec::new(), schema(), properties)?;
    let mut group = writer.next_row_group()?;
    let times: Vec<i64> = bars.iter().map(|bar| bar.ts.ts_ms()).collect();
    write_column::<Int64Type>(&mut group, &times)?;
    for n in 0..5 {
        let values: Vec<f64> = bars.iter().map(|bar| bar.bar.values()[n]).collect();
        write_column::<DoubleType>(&mut group, &values)?;
    }
    group.close()?;
    writer.into_inner()
}

fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.expect("the schema has this column");
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

/// The bars of the partition of `day`, checked: schema, order, grid, day, and each bar.
pub fn decode(
    bytes: Vec<u8>,
    series: &Series,
    day: i64,
    path: &Path,
) -> Result<Vec<TimedBar>, StoreError> {
    let columns = decode_columns(bytes).map_err(|reason| StoreError::damaged(path, 0, reason))?;
    assemble(&columns, series, Some(day)).map_err(|(row, why)| StoreError::damaged(path, row, why))
}

/// The bars of a file of any days, checked like a partition but for the day; at most `most` of them.
pub fn decode_any(
    bytes: Vec<u8>,
    series: &Series,
    (path, most): (&Path, usize),
) -> Result<Vec<TimedBar>, StoreError> {
    let read = panic::catch_unwind(AssertUnwindSafe(|| {
        let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(|e| e.to_string())?;
        check_schema(reader.metadata().file_metadata().schema())?;
        read_generally(&reader, most)
    }));
    let columns = read.unwrap_or_else(|_| Err("the parquet reader gave up".to_owned()));
    let columns = columns.map_err(|reason| StoreError::damaged(path, 0, reason))?;
    let assembled = assemble(&columns, series, None);
    assembled.map_err(|(row, why)| StoreError::damaged(path, row, why))
}

/// The columns of a partition, unchecked but for their schema and length.
pub(super) fn decode_columns(bytes: Vec<u8>) -> Result<Columns, String> {
    // The reader is not written for hostile bytes. A damaged file is bad data, not a bug of ours.
    let read = panic::catch_unwind(AssertUnwindSafe(|| read_columns(bytes)));
    read.unwrap_or_else(|_| Err("the parquet reader gave up".to_owned()))
}

/// The columns of a partition, not checked yet.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Columns {
    pub(super) times: Vec<i64>,
    pub(super) values: [Vec<f64>; 5],
}

fn read_columns(bytes: Vec<u8>) -> Result<Columns, String> {
    let text = |error: ParquetError| error.to_string();
    let bytes = Bytes::from(bytes);
    let reader = SerializedFileReader::new(bytes.clone()).map_err(text)?;
    check_schema(reader.metadata().file_metadata().schema())?;
    match read(&bytes, reader.metadata()) {
        Some(columns) => Ok(columns),
        None => read_generally(&reader, ROWS_MAX),
    }
}

fn read_generally(reader: &SerializedFileReader<Bytes>, most: usize) -> Result<Columns, String> {
    let text = |error: ParquetError| error.to_string();
    let rows = reader.metadata().file_metadata().num_rows();
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    if rows > most {
        return Err(format!("{rows} rows, but a day has at most {most}"));
    }
    let mut columns = Columns::default();
    for n in 0..reader.num_row_groups() {
        let group = reader.get_row_group(n).map_err(text)?;
        read_column::<Int64Type>(&*group, (0, most), &mut columns.times)?;
        for (n, values) in columns.values.iter_mut().enumerate() {
            read_column::<DoubleType>(&*group, (n + 1, most), values)?;
        }
    }
    if columns.times.len() != rows || columns.values.iter().any(|v| v.len() != rows) {
        return Err(format!("the columns do not hold {rows} values each"));
    }
    Ok(columns)
}

fn read_column<T: DataType>(
    group: &dyn RowGroupReader,
    (n, most): (usize, usize),
    into: &mut Vec<T::T>,
) -> Result<(), String> {
    let mut read = || -> Result<(), ParquetError> {
        let mut column = get_typed_column_reader::<T>(group.get_column_reader(n)?);
        // One more than may be there, so that a page with too many values is noticed.
        column.read_records(most + 1, None, None, into)?;
        Ok(())
    };
    read().map_err(|error| format!("column {}: {error}", COLUMNS[n]))
}

fn check_schema(found: &Type) -> Result<(), String> {
    let ours = schema();
    let (found, ours) = (found.get_fields(), ours.get_fields());
    let same = found.len() == ours.len()
        && found.iter().zip(ours).all(|(found, ours)| {
            let (a, b) = (found.get_basic_info(), ours.get_basic_info());
            found.is_primitive()
                && a.name() == b.name()
                && a.repetition() == b.repetition()
                && a.logical_type_ref() == b.logical_type_ref()
                && found.get_physical_type() == ours.get_physical_type()
        });
    if same {
        return Ok(());
    }
    let names: Vec<_> = found.iter().map(|field| field.name().to_owned()).collect();
    Err(format!(
        "not a partition: columns `{}`, expected `{}` (a UTC millisecond timestamp and required doubles)",
        names.join(" ").escape_debug(),
        COLUMNS.join(" ")
    ))
}

fn assemble(
    columns: &Columns,
    series: &Series,
    day: Option<i64>,
) -> Result<Vec<TimedBar>, (u64, String)> {
    let timeframe = series.timeframe();
    let [open, high, low, close, volume] = &columns.values;
    let mut bars: Vec<TimedBar> = Vec::with_capacity(columns.times.len());
    for (n, ts_ms) in columns.times.iter().enumerate() {
        let row = n as u64 + 1;
        let ts = timeframe.slot(*ts_ms).map_err(|error| (row, error.to_string()))?;
        if day.is_some_and(|day| ts.open_ms().div_euclid(DAY_MS) != day) {
            return Err((row, format!("ts_ms {ts_ms} opens on another day")));
        }
        if bars.last().is_some_and(|last| last.ts.ts_ms() >= *ts_ms) {
            return Err((row, format!("ts_ms {ts_ms} does not come after the row before")));
        }
        let bar = Bar::new([open[n], high[n], low[n], close[n], volume[n]])
            .map_err(|error| (row, error.to_string()))?;
        bars.push(TimedBar { ts, bar });
    }
    Ok(bars)
}

const VALUE_BYTES: usize = 8;

/// What the library takes when no level is asked for.
pub(super) const LEVEL: i32 = 1;

thread_local! {
    static ZSTD: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// A column as it lies in the file.
pub(super) struct Chunk {
    /// Its only page, behind the header of that.
    pub(super) bytes: Vec<u8>,
    /// How long it would be if it were not packed.
    pub(super) unpacked: usize,
}

/// Packs the plain values of a column, byte for byte as the library does.
pub(super) fn pack(plain: &[u8]) -> io::Result<Chunk> {
    let packed = PACKER.with_borrow_mut(|packer| {
        let packer = match packer {
            Some(packer) => packer,
            None => packer.insert(Compressor::new(LEVEL)?),
        };
        packer.compress(plain)
    })?;
    let mut bytes = header(plain.len(), packed.len());
    let unpacked = bytes.len() + plain.len();
    bytes.extend_from_slice(&packed);
    Ok(Chunk { bytes, unpacked })
}

/// The header of a plain data page of required values, which is a Thrift struct in the compact protocol. What counts as a field is the
/// type with a step of one, but for the struct, which follows a checksum that is not there.
fn header(unpacked: usize, packed: usize) -> Vec<u8> {
    const NEXT_I32: u8 = 1 << 4 | Thrift::I32;
    const AFTER_NEXT_STRUCT: u8 = 2 << 4 | Thrift::STRUCT;
    const PLAIN: usize = 0;
    const RLE: usize = 3;
    let mut bytes = Vec::new();
    let int = |bytes: &mut Vec<u8>, value: usize| {
        bytes.push(NEXT_I32);
        // Zigzag doubles what is not negative.
        let mut left = value << 1;
        while left > 127 {
            bytes.push(left as u8 | 128);
            left >>= 7;
        }
        bytes.push(left as u8);
    };
    for value in [0, unpacked, packed] {
        int(&mut bytes, value);
    }
    bytes.push(AFTER_NEXT_STRUCT);
    for value in [unpacked / VALUE_BYTES, PLAIN, RLE, RLE] {
        int(&mut bytes, value);
    }
    bytes.extend([Thrift::STOP; 2]);
    bytes
}

/// The columns, when the file has the simple shape; `None` when the general reader must look. The schema was checked before.
pub(super) fn read(bytes: &[u8], metadata: &ParquetMetaData) -> Option<Columns> {
    let [group] = metadata.row_groups() else { return None };
    let rows =
        usize::try_from(group.num_rows()).ok().filter(|rows| (1..=ROWS_MAX).contains(rows))?;
    if metadata.file_metadata().num_rows() != group.num_rows() {
        return None;
    }
    let [times, prices @ ..] = group.columns() else { return None };
    let mut buffer = [0_u8; ROWS_MAX * VALUE_BYTES];
    let buffer = &mut buffer[..rows * VALUE_BYTES];
    page(bytes, times, buffer)?;
    let mut columns = Columns { times: values(buffer, i64::from_le_bytes), ..Columns::default() };
    for (into, column) in columns.values.iter_mut().zip(prices) {
        page(bytes, column, buffer)?;
        *into = values(buffer, f64::from_le_bytes);
    }
    Some(columns)
}

fn values<T>(buffer: &[u8], from: impl Fn([u8; VALUE_BYTES]) -> T) -> Vec<T> {
    buffer.as_chunks::<VALUE_BYTES>().0.iter().map(|bytes| from(*bytes)).collect()
}

/// Unpacks the only page of a column; it must fill `into` exactly.
fn page(bytes: &[u8], column: &ColumnChunkMetaData, into: &mut [u8]) -> Option<()> {
    let is_zstd = matches!(column.compression(), Compression::ZSTD(_));
    if !is_zstd || column.dictionary_page_offset().is_some() {
        return None;
    }
    let start = usize::try_from(column.data_page_offset()).ok()?;
    let len = usize::try_from(column.compressed_size()).ok()?;
    let chunk = bytes.get(start..start.checked_add(len)?)?;
    let (header, body) = PageHeader::read(chunk)?;
    let is_simple = header.is_plain_data_page()
        && header.values == (into.len() / VALUE_BYTES) as i64
        && header.unpacked == into.len() as i64
        && header.packed == body.len() as i64;
    if !is_simple {
        return None;
    }
    ZSTD.with_borrow_mut(|zstd| {
        let zstd = match zstd {
            Some(zstd) => zstd,
            None => zstd.insert(Decompressor::new().ok()?),
        };
        let unpacked = zstd.decompress_to_buffer(body, into).ok()?;
        (unpacked == into.len()).then_some(())
    })
}

/// What counts of a page header, which is a Thrift struct in the compact protocol.
#[derive(Debug, Default, Clone, Copy)]
struct PageHeader {
    kind: i64,
    unpacked: i64,
    packed: i64,
    values: i64,
    encoding: i64,
}

impl PageHeader {
    const KIND: i16 = 1;
    const UNPACKED: i16 = 2;
    const PACKED: i16 = 3;
    const CRC: i16 = 4;
    const DATA_PAGE: i16 = 5;

    fn is_plain_data_page(&self) -> bool {
        self.kind == 0 && self.encoding == 0
    }

    /// The header and what follows it; `None` when it holds anything unknown.
    fn read(chunk: &[u8]) -> Option<(Self, &[u8])> {
        let mut thrift = Thrift { rest: chunk };
        let mut header = Self::default();
        let mut id = 0;
        loop {
            let kind = thrift.field(&mut id)?;
            match (id, kind) {
                (_, Thrift::STOP) => return Some((header, thrift.rest)),
                (Self::KIND, Thrift::I32) => header.kind = thrift.int()?,
                (Self::UNPACKED, Thrift::I32) => header.unpacked = thrift.int()?,
                (Self::PACKED, Thrift::I32) => header.packed = thrift.int()?,
                (Self::CRC, Thrift::I32) => drop(thrift.int()?),
                (Self::DATA_PAGE, Thrift::STRUCT) => header.read_data_page(&mut thrift)?,
                _ => return None,
            }
        }
    }

    fn read_data_page(&mut self, thrift: &mut Thrift<'_>) -> Option<()> {
        let mut id = 0;
        loop {
            let kind = thrift.field(&mut id)?;
            match (id, kind) {
                (_, Thrift::STOP) => return Some(()),
                (1, Thrift::I32) => self.values = thrift.int()?,
                (2, Thrift::I32) => self.encoding = thrift.int()?,
                // How levels are encoded; required columns have none.
                (3 | 4, Thrift::I32) => drop(thrift.int()?),
                _ => return None,
            }
        }
    }
}

/// A reader of the few Thrift forms above.
struct Thrift<'a> {
    rest: &'a [u8],
}

impl Thrift<'_> {
    const STOP: u8 = 0;
    const I32: u8 = 5;
    const STRUCT: u8 = 12;

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Moves `id` on to the next field and gives its type, which is `STOP` at the end of the struct.
    fn field(&mut self, id: &mut i16) -> Option<u8> {
        let head = self.byte()?;
        if head == Self::STOP {
            return Some(Self::STOP);
        }
        let step = i16::from(head >> 4);
        // A step of zero means an id of its own, which these structs never need.
        if step == 0 {
            return None;
        }
        *id = id.checked_add(step)?;
        Some(head & 15)
    }

    /// A zigzag variable-length integer of at most 32 bits.
    fn int(&mut self) -> Option<i64> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::properties::WriterVersion;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::Timeframe;

    const DAY: i64 = 19_436;

    fn series() -> Series {
        Series::new("binance".parse().unwrap(), "BTC/USDT".parse().unwrap(), Timeframe::M5)
    }

    fn bar(slot: i64, close: f64) -> TimedBar {
        let ts = Timeframe::M5.slot_of_open(DAY * DAY_MS + slot * 300_000).unwrap();
        TimedBar { ts, bar: Bar::new([close, close + 0.5, close / 2.0, close, 0.1]).unwrap() }
    }

    fn day(n: i64) -> Vec<TimedBar> {
        (0..n).map(|slot| bar(slot, 27_344.11 + slot as f64 / 7.0)).collect()
    }

    fn load(bytes: Vec<u8>, day: i64) -> Result<Vec<TimedBar>, String> {
        decode(bytes, &series(), day, Path::new("p")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_day_comes_back_bit_for_bit() {
        for n in [0, 1, 288] {
            let bars = day(n);
            let bytes = encode(&bars);
            assert_eq!(bytes, encode(&bars));
            assert_eq!(load(bytes, DAY).unwrap(), bars);
        }
    }

    #[test]
    fn what_is_packed_here_is_what_the_library_writes() {
        for n in [1, 2, 24, 287, 288] {
            let bars = day(n);
            assert!(encode(&bars) == write_as(&bars, properties()).unwrap(), "{n} bars");
        }
        let flat: Vec<TimedBar> = (0..288).map(|slot| bar(slot, 1.0)).collect();
        assert!(encode(&flat) == write_as(&flat, properties()).unwrap());
    }

    #[test]
    fn the_fast_reader_takes_our_own_files_and_agrees_with_the_general_one() {
        let bytes = Bytes::from(encode(&day(288)));
        let reader = SerializedFileReader::new(bytes.clone()).unwrap();
        let fast = read(&bytes, reader.metadata()).unwrap();
        assert_eq!(fast, read_generally(&reader, ROWS_MAX).unwrap());
    }

    #[test]
    fn a_partition_of_another_shape_is_read_all_the_same() {
        let bars = day(288);
        let properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_2_0)
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(100))
            .build();
        let bytes = write_as(&bars, Arc::new(properties)).unwrap();
        let reader = SerializedFileReader::new(Bytes::from(bytes.clone())).unwrap();
        assert_eq!(read(&bytes, reader.metadata()), None);
        assert_eq!(load(bytes, DAY).unwrap(), bars);
    }

    #[test]
    fn a_wrong_partition_is_refused_with_file_row_and_reason() {
        let bars = day(3);
        let message = load(encode(&bars), DAY + 1).unwrap_err();
        assert_eq!(message, "p:1: ts_ms 1679270700000 opens on another day");
        let unsorted = write(&[bars[1], bars[0]]).unwrap();
        let message = load(unsorted, DAY).unwrap_err();
        assert_eq!(message, "p:2: ts_ms 1679270700000 does not come after the row before");
        let hourly =
            Series::new(series().exchange().clone(), series().symbol().clone(), Timeframe::H1);
        let error = decode(encode(&bars), &hourly, DAY, Path::new("p")).unwrap_err();
        assert!(error.to_string().starts_with("p:1: ts_ms 1679270700000 is not aligned to 1h"));
        assert!(load(b"PAR1".to_vec(), DAY).unwrap_err().starts_with("p: "));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn damaged_bytes_give_an_error_or_valid_bars(at in 0_usize..4000, byte: u8, cut in 0_usize..4000) {
            let mut bytes = encode(&day(40));
            let len = bytes.len();
            bytes[at % len] ^= byte;
            load(bytes.clone(), DAY).ok();
            bytes.truncate(cut % len);
            prop_assert!(load(bytes, DAY).is_err());
        }
    }
}
