//! Our reading of the excludes is rsync's.

#![expect(clippy::disallowed_methods, reason = "this test asks rsync")]

use std::{collections::BTreeSet, fs, process::Command};

use mjolnir::domain::pattern::{Anchored, Floating, Place};

use super::fixture::have;

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
                Some(bare) => (bare, Place::Folder),
                None => (path, Place::Other),
            };
            match pattern.parse::<Anchored>() {
                Ok(pattern) => pattern.covers(bare.as_bytes()),
                Err(_) => pattern.parse::<Floating>().unwrap().covers(bare.as_bytes(), place),
            }
        };
        let ours: BTreeSet<&str> = PATHS.into_iter().filter(|path| !hides(path)).collect();
        assert_eq!(sent, ours, "--exclude={pattern}");
    }
}
