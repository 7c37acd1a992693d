//! Paths as bytes. In reports they are written as rsync writes them, so that every path has one spelling on one line.

use std::fmt::Write as _;

/// The name with control bytes, bytes that are no UTF-8, and what looks like such an escape written as `\#ooo`.
pub fn shown(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for (at, letter) in chunk.valid().char_indices() {
            let rest = &chunk.valid().as_bytes()[at..];
            if letter.is_control() || (letter == '\\' && looks_escaped(rest)) {
                letter.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| escape(byte, &mut out));
            } else {
                out.push(letter);
            }
        }
        chunk.invalid().iter().for_each(|byte| escape(*byte, &mut out));
    }
    out
}

fn escape(byte: u8, out: &mut String) {
    let _ = write!(out, "\\#{byte:03o}");
}

fn looks_escaped(text: &[u8]) -> bool {
    text.len() >= 5 && text.starts_with(b"\\#") && text[2..5].iter().all(u8::is_ascii_digit)
}

/// The bytes behind an escaped name; `None` for an escape that no byte has.
pub fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, more)) = rest.split_first() {
        if looks_escaped(rest) {
            let digits = std::str::from_utf8(&rest[2..5]).ok()?;
            out.push(u8::from_str_radix(digits, 8).ok()?);
            rest = &rest[5..];
        } else {
            out.push(*first);
            rest = more;
        }
    }
    Some(out)
}

/// The folder of a path; `None` for one at the top.
pub fn parent(path: &[u8]) -> Option<&[u8]> {
    path.iter().rposition(|byte| *byte == b'/').map(|at| &path[..at])
}

/// Every folder of a path, the innermost first.
pub fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(parent(path), |path| parent(path))
}

/// The last name of a path.
pub fn last(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_one_spelling_and_comes_back() {
        for (name, spelling) in [
            (&b"a"[..], "a"),
            (b"new\nline", "new\\#012line"),
            (b"t\tab", "t\\#011ab"),
            (b"oct\\#012x", "oct\\#134#012x"),
            (b"back\\slash", "back\\slash"),
            (b"\\#01", "\\#01"),
            ("ü ☃".as_bytes(), "ü ☃"),
            (b"\xff\xfe", "\\#377\\#376"),
            (b"x -> y", "x -> y"),
        ] {
            assert_eq!(shown(name), spelling);
            assert_eq!(unescaped(spelling.as_bytes()).unwrap(), name);
        }
        assert_eq!(unescaped(b"\\#777"), None);
        assert_eq!(unescaped(b"\\#899"), None);
    }

    #[test]
    fn parents_and_last_names() {
        assert_eq!(parents(b"a/b/c").collect::<Vec<_>>(), [&b"a/b"[..], b"a"]);
        assert_eq!((last(b"a/b"), last(b"a")), (&b"b"[..], &b"a"[..]));
    }
}
