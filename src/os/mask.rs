//! Secrets in bytes that pass by: covered wherever they are seen, however the bytes are cut into pieces.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    sync::Arc,
};

use base64::Engine as _;

/// What a secret is covered with.
pub const COVER: &str = "***";
/// Shortest part of a secret that is looked for by itself, in bytes. A shorter one is in every other text.
const PART_MIN: usize = 4;
/// Shortest secret whose Base64 is looked for, in bytes.
const ENCODED_MIN: usize = 6;
/// Bytes that are read at once.
const PIECE: usize = 8192;

/// What must not be written, in every spelling in which programs print it.
#[derive(Clone)]
pub struct Mask(Arc<Spellings>);

struct Spellings {
    all: Vec<Vec<u8>>,
    /// Which of them begin with a byte.
    by_first: Vec<Vec<usize>>,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} spellings", self.0.all.len())
    }
}

impl Mask {
    /// Of these secrets. Of one with several lines each line counts, since a program may indent it or print it alone.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut all: Vec<Vec<u8>> = secrets.into_iter().flat_map(|s| spellings(&s)).collect();
        all.sort();
        all.dedup();
        let mut by_first = vec![Vec::new(); 256];
        for (n, spelling) in all.iter().enumerate() {
            by_first[usize::from(spelling[0])].push(n);
        }
        Self(Arc::new(Spellings { all, by_first }))
    }

    /// Whether there is nothing to cover.
    pub fn is_empty(&self) -> bool {
        self.0.all.is_empty()
    }

    /// The text without secrets.
    pub fn apply(&self, text: &str) -> String {
        if self.is_empty() {
            return text.to_owned();
        }
        let mut out = Vec::with_capacity(text.len());
        let mut sieve = Sieve::new(self.clone());
        sieve.push(text.as_bytes(), &mut out);
        sieve.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Copies what is read until its end, without secrets. What cannot be written is still read: a full pipe would stop the writer.
    pub fn copy(&self, mut from: impl Read, to: &mut impl Write) {
        let (mut sieve, mut piece) = (Sieve::new(self.clone()), [0; PIECE]);
        while let Ok(n @ 1..) = from.read(&mut piece) {
            let mut out = Vec::new();
            sieve.push(&piece[..n], &mut out);
            let _ = to.write_all(&out).and_then(|()| to.flush());
        }
        let mut out = Vec::new();
        sieve.finish(&mut out);
        let _ = to.write_all(&out).and_then(|()| to.flush());
    }
}

/// Covers secrets in bytes that come in pieces. It holds back only what may be the beginning of a secret.
struct Sieve {
    mask: Mask,
    held: Vec<u8>,
    /// So many of the held bytes belong to a secret.
    secret: usize,
    /// Whether the last byte that was let through was covered.
    covers: bool,
}

impl Sieve {
    fn new(mask: Mask) -> Self {
        Self { mask, held: Vec::new(), secret: 0, covers: false }
    }

    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(bytes);
        self.let_through(out, false);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.let_through(out, true);
    }

    fn let_through(&mut self, out: &mut Vec<u8>, is_last: bool) {
        let spellings = &self.mask.0;
        let mut at = 0;
        while let Some(first) = self.held.get(at) {
            let rest = &self.held[at..];
            let mut may_begin = false;
            for n in &spellings.by_first[usize::from(*first)] {
                let spelling = &spellings.all[*n];
                if rest.starts_with(spelling) {
                    self.secret = self.secret.max(at + spelling.len());
                } else {
                    may_begin |= !is_last && spelling.starts_with(rest);
                }
            }
            if may_begin {
                break;
            }
            if at >= self.secret {
                out.push(*first);
            } else if !self.covers {
                out.extend_from_slice(COVER.as_bytes());
            }
            self.covers = at < self.secret;
            at += 1;
        }
        self.held.drain(..at);
        self.secret = self.secret.saturating_sub(at);
    }
}

/// A secret as programs print it: as it is, line by line, and each of these in Base64 and in the [`SPELLERS`].
fn spellings(secret: &str) -> Vec<Vec<u8>> {
    let is_part = |part: &&str| part.len() >= PART_MIN;
    let lines: Vec<&str> = secret.lines().map(str::trim).filter(is_part).collect();
    let parts = std::iter::once(secret).chain(lines);
    let mut all: Vec<Vec<u8>> = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        all.push(part.as_bytes().to_vec());
        all.extend(SPELLERS.iter().map(|spell| spelled(part, *spell).into_bytes()));
        all.extend(encoded(part.as_bytes()));
    }
    all
}

/// Writes one character as it is written inside something else.
type Speller = fn(char, &mut String);

/// How a text is written inside a string of JSON or TOML, an address, a page, a literal of Python or Rust, a line of a shell, a row of a table.
const SPELLERS: [Speller; 24] = [
    // JSON as most write it, with all of it in ASCII, and with the slash of PHP.
    |c, to| in_json(c, to),
    |c, to| if c.is_ascii() { in_json(c, to) } else { in_utf16(c, to, |n| format!("\\u{n:04x}")) },
    |c, to| if c.is_ascii() { in_json(c, to) } else { in_utf16(c, to, |n| format!("\\u{n:04X}")) },
    |c, to| if c == '/' { to.push_str("\\/") } else { in_json(c, to) },
    // The query of an address, a path of one, a form, and `encodeURIComponent`.
    |c, to| in_address(c, "", to),
    |c, to| in_address(c, "/", to),
    |c, to| if c == ' ' { to.push('+') } else { in_address(c, "", to) },
    |c, to| in_address(c, "!'()*", to),
    |c, to| {
        let mut upper = String::new();
        in_address(c, "", &mut upper);
        to.push_str(&if c.is_ascii_alphabetic() { upper } else { upper.to_lowercase() });
    },
    // HTML and XML.
    |c, to| in_page(c, ["\"", "'"], to),
    |c, to| in_page(c, ["&quot;", "'"], to),
    |c, to| in_page(c, ["&quot;", "&#39;"], to),
    |c, to| in_page(c, ["&quot;", "&#x27;"], to),
    |c, to| in_page(c, ["&quot;", "&apos;"], to),
    |c, to| in_page(c, ["&#34;", "&#39;"], to),
    // `repr` of Python, of texts and of bytes, between either kind of quotes; the second is `$'...'` of a shell, too.
    |c, to| in_literal(c, to),
    |c, to| if c == '\'' { to.push_str("\\'") } else { in_literal(c, to) },
    |c, to| if c.is_ascii() { in_literal(c, to) } else { in_bytes(c, to) },
    // `{:?}` of Rust.
    |c, to| if c == '\'' { to.push(c) } else { to.extend(c.escape_debug()) },
    // A shell: between single quotes, as `shlex` of Python has it there, between double quotes, and without any.
    |c, to| if c == '\'' { to.push_str("'\\''") } else { to.push(c) },
    |c, to| if c == '\'' { to.push_str("'\"'\"'") } else { to.push(c) },
    |c, to| after_backslash(c, "\"\\$`", to),
    |c, to| after_backslash(c, " \t'\"\\|&;()<>!{}*[?]^$`,", to),
    // SQL, YAML and CSV double the quotes.
    |c, to| if "'\"".contains(c) { to.extend([c, c]) } else { to.push(c) },
];

fn spelled(text: &str, spell: Speller) -> String {
    let mut out = String::new();
    for c in text.chars() {
        spell(c, &mut out);
    }
    out
}

fn in_json(c: char, to: &mut String) {
    match c {
        '"' | '\\' => to.extend(['\\', c]),
        '\n' => to.push_str("\\n"),
        '\r' => to.push_str("\\r"),
        '\t' => to.push_str("\\t"),
        '\u{8}' => to.push_str("\\b"),
        '\u{c}' => to.push_str("\\f"),
        c if c.is_ascii_control() => in_utf16(c, to, |n| format!("\\u{n:04x}")),
        c => to.push(c),
    }
}

fn in_utf16(c: char, to: &mut String, one: fn(u16) -> String) {
    let units = c.encode_utf16(&mut [0; 2]).iter().map(|unit| one(*unit)).collect::<String>();
    to.push_str(&units);
}

fn in_address(c: char, also_plain: &str, to: &mut String) {
    if c.is_ascii_alphanumeric() || "-._~".contains(c) || also_plain.contains(c) {
        return to.push(c);
    }
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        let _ = write!(to, "%{byte:02X}");
    }
}

fn in_page(c: char, [double, single]: [&str; 2], to: &mut String) {
    match c {
        '&' => to.push_str("&amp;"),
        '<' => to.push_str("&lt;"),
        '>' => to.push_str("&gt;"),
        '"' => to.push_str(double),
        '\'' => to.push_str(single),
        c => to.push(c),
    }
}

fn in_literal(c: char, to: &mut String) {
    match c {
        '\\' => to.push_str("\\\\"),
        '\n' => to.push_str("\\n"),
        '\r' => to.push_str("\\r"),
        '\t' => to.push_str("\\t"),
        c if c.is_ascii_control() => in_bytes(c, to),
        c => to.push(c),
    }
}

fn in_bytes(c: char, to: &mut String) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        let _ = write!(to, "\\x{byte:02x}");
    }
}

fn after_backslash(c: char, special: &str, to: &mut String) {
    if special.contains(c) {
        to.push('\\');
    }
    to.push(c);
}

/// Its Base64, whatever is before and behind it in what was encoded: the letters that depend on nothing else.
fn encoded(bytes: &[u8]) -> Vec<Vec<u8>> {
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    if bytes.len() < ENCODED_MIN {
        return Vec::new();
    }
    let of = |before: usize| {
        let whole = [&vec![0; before], bytes].concat();
        let (from, to) = ((before * 8).div_ceil(6), whole.len() * 8 / 6);
        [STANDARD_NO_PAD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)]
            .map(|text| text.as_bytes()[from..to].to_vec())
    };
    (0..3).flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(secrets: &[&str]) -> Mask {
        Mask::new(secrets.iter().map(|secret| (*secret).to_owned()))
    }

    #[test]
    fn every_line_of_a_secret_is_covered_however_it_is_printed() {
        let mask = mask(&["first-half-0001\nsecond-half-0002\r\n}\n", "a\"b\\c d", "hunter2"]);
        for (text, covered) in [
            ("x first-half-0001\n   second-half-0002\n}\n", "x ***\n   ***\n}\n"),
            ("{\"k\": \"first-half-0001\\nsecond-half-0002\\r\\n}\\n\"}", "{\"k\": \"***\"}"),
            ("second-half-00", "second-half-00"),
            ("a\"b\\c d|a\\\"b\\\\c d|a%22b%5Cc%20d", "***|***|***"),
            ("hunterhunter2hunter", "hunter***hunter"),
            ("", ""),
        ] {
            assert_eq!(mask.apply(text), covered, "{text}");
        }
        assert!(Mask::new([String::new()]).is_empty());
        assert_eq!(Mask::new([]).apply("hunter2"), "hunter2");
        assert!(!format!("{mask:?}").contains("hunter2"));
    }

    /// What these print of it: `json.dumps`, `quote`, `quote_plus`, `html.escape`, `repr` and `shlex.quote` of Python, `encodeURIComponent`
    /// of a browser, `json_encode` of PHP, `EscapeString` of Go, `printf %q` of bash, `quote` of SQLite.
    #[test]
    fn a_secret_is_covered_as_programs_spell_it() {
        let mask = mask(&["p'w\"\\a&b<c /$é\u{1b}"]);
        for text in [
            r#"p'w\"\\a&b<c /$\u00e9\u001b"#,
            r#"p'w\"\\a&b<c /$é\u001b"#,
            r#"p'w\"\\a&b<c \/$é\u001b"#,
            "p%27w%22%5Ca%26b%3Cc%20/%24%C3%A9%1B",
            "p%27w%22%5Ca%26b%3Cc+%2F%24%C3%A9%1B",
            "p%27w%22%5ca%26b%3cc%20%2f%24%c3%a9%1b",
            "p'w%22%5Ca%26b%3Cc%20%2F%24%C3%A9%1B",
            "p&#x27;w&quot;\\a&amp;b&lt;c /$é\u{1b}",
            "p&#39;w&#34;\\a&amp;b&lt;c /$é\u{1b}",
            r#"p\'w"\\a&b<c /$é\x1b"#,
            "p'\"'\"'w\"\\a&b<c /$é\u{1b}",
            "p'\\''w\"\\a&b<c /$é\u{1b}",
            "p''w\"\"\\a&b<c /$é\u{1b}",
        ] {
            assert_eq!(mask.apply(&format!("<{text}>")), "<***>", "{text}");
        }
        let mask = self::mask(&["it's $5, ok?", "Größe-1"]);
        for text in [
            r"it\'s\ \$5\,\ ok\?",
            r"Gr\xc3\xb6\xc3\x9fe-1",
            r"Gr\u00f6\u00dfe-1",
            r"Gr\u00F6\u00DFe-1",
        ] {
            assert_eq!(mask.apply(text), "***", "{text}");
        }
    }

    /// What `base64` of GNU coreutils prints, at each distance from a whole group of three bytes.
    #[test]
    fn the_base64_of_a_secret_is_covered() {
        let mask = mask(&["hunter2-hunter2"]);
        for encoded in [
            "aHVudGVyMi1odW50ZXIy",
            "dTpodW50ZXIyLWh1bnRlcjI=",
            "dXM6aHVudGVyMi1odW50ZXIyCg==",
            "dXNlOmh1bnRlcjItaHVudGVyMg==",
        ] {
            let covered = mask.apply(encoded);
            assert!(covered.contains("***") && covered.len() <= 12, "{encoded}: {covered}");
        }
    }

    /// Two secrets that overlap: neither leaves a rest.
    #[test]
    fn secrets_that_overlap_are_covered_together() {
        assert_eq!(mask(&["abcdef", "defghi"]).apply("xabcdefghix"), "x***x");
        assert_eq!(mask(&["abc", "abcdef"]).apply("abcdef abcde"), "*** ***de");
    }

    proptest! {
        /// However a text is cut into pieces, the same comes out, and no secret is in it.
        #[test]
        fn pieces_do_not_matter(
            text in "[ab\n]{0,60}",
            secrets in prop::collection::vec("[ab\n]{4,8}", 1..3),
            cut in 1_usize..7,
        ) {
            let mask = Mask::new(secrets.clone());
            let (mut out, mut sieve) = (Vec::new(), Sieve::new(mask.clone()));
            for piece in text.as_bytes().chunks(cut) {
                sieve.push(piece, &mut out);
            }
            sieve.finish(&mut out);
            let out = String::from_utf8(out).unwrap();
            prop_assert_eq!(&out, &mask.apply(&text));
            for secret in &secrets {
                prop_assert!(!out.contains(secret.as_str()), "{:?} in {:?}", secret, out);
            }
        }
    }
}
