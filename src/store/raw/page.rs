//! The fast way to read and write a partition: one plain zstd page per column. Anything else is left to the library.
//!
//! The library sets up a compressor and a decompressor per column, which costs many times what a day of bars does.

use std::{cell::RefCell, io};

use parquet::{
    basic::Compression,
    file::metadata::{ColumnChunkMetaData, ParquetMetaData},
};
use zstd::bulk::{Compressor, Decompressor};

use super::codec::{Columns, ROWS_MAX};

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
