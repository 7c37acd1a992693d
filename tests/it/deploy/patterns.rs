//! Our reading of the excludes is rsync's.

#![expect(clippy::disallowed_methods, reason = "this test asks rsync")]

use std::{collections::BTreeSet, ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, process::Command};

use mjolnir::domain::target::{AnchoredPattern, FloatingPattern, PatternPlace};

use super::fixture::{Site, have};

const PATHS: [&str; 18] = [
    "data/",
    "data/x",
    "files/",
    "files/data/",
    "files/data/x",
    "datas",
    ".env",
    ".env.prod",
    ".env.d/",
    ".env.d/x",
    "sub/",
    "sub/.env",
    "sub/a.pyc",
    "a.pyc",
    "ab",
    "a.b/",
    "a.b/c",
    "sub/data",
];

#[test]
fn rsync_and_this_program_hide_the_same_paths() {
    if !have(&["rsync"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    for path in PATHS {
        let at = from.join(path);
        if path.ends_with('/') {
            fs::create_dir_all(at).unwrap();
        } else {
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(at, "x").unwrap();
        }
    }
    fs::create_dir(&to).unwrap();
    let anchored =
        ["/data", "/.env", "/.env.*", "/files/data", "/sub/*.pyc", "/a*b", "/*a", "/sub/.env"];
    let floating = ["data/", "data", "*.pyc", ".env*", "a*", "*.d/", "x"];
    for pattern in anchored.iter().chain(&floating) {
        let mut command = Command::new("/usr/bin/rsync");
        command.args(["-rn", "--out-format=%n", &format!("--exclude={pattern}")]);
        command.arg(format!("{}/", from.display())).arg(format!("{}/", to.display()));
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let sent: BTreeSet<&str> = said.lines().filter(|line| *line != "./").collect();
        let hides = |path: &str| {
            let (bare, place) = match path.strip_suffix('/') {
                Some(bare) => (bare, PatternPlace::Folder),
                None => (path, PatternPlace::Other),
            };
            match pattern.parse::<AnchoredPattern>() {
                Ok(pattern) => pattern.covers(bare.as_bytes()),
                Err(_) => {
                    pattern.parse::<FloatingPattern>().unwrap().covers(bare.as_bytes(), place)
                }
            }
        };
        let ours: BTreeSet<&str> = PATHS.into_iter().filter(|path| !hides(path)).collect();
        assert_eq!(sent, ours, "--exclude={pattern}");
    }
}

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
