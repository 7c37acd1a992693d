//! The format of a file, told by its first bytes, and what to do about those that are not read.

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

#[cfg(test)]
mod tests {
    use super::*;

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
        for text in ["", "time,open", "<DATE>,<TIME>,<OPEN>", "<DATE>\t<OPEN>", "\u{feff}time;open"]
        {
            assert_eq!(Format::of(text.as_bytes()), Format::Text, "{text}");
        }
    }
}
