//! Names that could be taken for something else: blanks, line ends, dashes, arrows, backslashes, letters of other scripts.

#![expect(clippy::disallowed_methods, reason = "these tests make files with odd names")]

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _};

use super::fixture::Site;

pub const ODD: [&[u8]; 14] = [
    b"two words.py",
    b" leading",
    b"trailing ",
    b"-rf",
    b"--delete",
    b"a -> b",
    b"back\\slash",
    b"\\#012",
    b"'quote\"",
    b"$(date) `x` ;|&",
    b"*deleting   x",
    b"\xc3\xbcml\xc3\xa4ut \xe2\x98\x83",
    b"*",
    b"[a-z]?",
];
/// Not refused by git or the file system, but by us.
pub const CONTROL: [&[u8]; 3] = [b"new\nline", b"t\tab", b"b\x1bell"];

#[test]
fn odd_names_are_understood_on_both_sides() {
    let Some(site) = Site::new() else { return };
    for name in ODD {
        fs::write(site.here("src").join(OsStr::from_bytes(name)), "x\n").unwrap();
    }
    site.commit("odd");
    let checked = site.check().passes();
    assert_eq!(checked.report["changes"]["new"], ODD.len(), "{}", checked.ran);
    // And on the target alone, where each of them is stray.
    let Some(site) = Site::new() else { return };
    for name in ODD {
        fs::write(site.there("src").join(OsStr::from_bytes(name)), "x\n").unwrap();
    }
    let checked =
        site.check().refuses("drift", &["src/--delete", "a -> b"]).lacks("not-understood");
    let found = checked.report["checks"].as_array().unwrap();
    let drift = found.iter().find(|found| found["name"] == "drift").unwrap();
    assert_eq!(drift["count"], ODD.len(), "{drift}");
}

#[test]
fn control_characters_and_bytes_that_are_no_text_are_understood_and_refused_by_name() {
    let Some(site) = Site::new() else { return };
    for name in CONTROL.iter().chain(&[&b"no\xfftext"[..]]) {
        fs::write(site.here("src").join(OsStr::from_bytes(name)), "x\n").unwrap();
        fs::write(site.there("ops").join(OsStr::from_bytes(name)), "x\n").unwrap();
    }
    site.commit("control");
    let checked = site.check().lacks("not-understood");
    let checked = checked
        .refuses("special-files", &["src/new\\\\#012line", "src/t\\\\#011ab", "src/b\\\\#033ell"]);
    checked.refuses("drift", &["ops/no\\\\#377text", "ops/new\\\\#012line"]);
}
