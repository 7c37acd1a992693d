//! Whether a live loop is at work on the target: it holds the lock of its ledger for as long as it lives, in a container too.

use super::{
    hands::{Hands, words},
    names::shown,
};
use crate::{
    jobs::context::Failure, manifest::Target, os::supervise::Captured, store::layout::WRITER_LOCK,
};

/// Where ledgers lie, from the top of the target.
const LEDGERS: &str = "/data/processed/decisions";
/// What `find` says when there are none.
const NOTHING: &[u8] = b"No such file or directory";

/// The locks of ledgers that are held on the target, or why nobody can tell.
pub fn writers(
    hands: &Hands<'_>,
    target: &Target,
) -> Result<Result<Vec<Vec<u8>>, String>, Failure> {
    let top = format!("{}{LEDGERS}", target.path);
    // Every lock that cannot be had for a moment, shared, is printed.
    let argv = words([
        "find",
        &top,
        "-name",
        WRITER_LOCK,
        "-type",
        "f",
        "!",
        "-exec",
        "flock",
        "-n",
        "-s",
        "{}",
        "true",
        ";",
        "-print0",
    ]);
    let said = hands.there(&argv)?;
    Ok(held(&said, &top))
}

fn held(said: &Captured, top: &str) -> Result<Vec<Vec<u8>>, String> {
    let complaint = said.stderr.trim_ascii();
    let one_line = complaint.ends_with(NOTHING) && !complaint.contains(&b'\n');
    if said.code != 0 && said.stdout.is_empty() && one_line && holds(complaint, top.as_bytes()) {
        return Ok(Vec::new());
    }
    if said.code != 0 || !complaint.is_empty() || said.timed_out || said.cut {
        return Err(format!("find in {top} ended with {}: {}", said.code, shown(complaint)));
    }
    let found = said.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    Ok(found.map(<[u8]>::to_vec).collect())
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: i32, stdout: &str, stderr: &str) -> Captured {
        let (stdout, stderr) = (stdout.as_bytes().to_vec(), stderr.as_bytes().to_vec());
        Captured { code, timed_out: false, stdout, stderr, cut: false }
    }

    #[test]
    fn no_ledger_is_told_from_not_knowing() {
        let top = "/srv/data/processed/decisions";
        assert_eq!(held(&said(0, "", ""), top), Ok(vec![]));
        let gone = "find: '/srv/data/processed/decisions': No such file or directory\n";
        assert_eq!(held(&said(1, "", gone), top), Ok(vec![]));
        assert_eq!(held(&said(0, "/a\0/b\0", ""), top).unwrap().len(), 2);
        for (code, stderr) in [
            (1, "find: '/srv/data': Permission denied\n"),
            (0, "find: 'flock': No such file or directory\n"),
            (1, "find: 'flock': No such file or directory\n"),
            (0, "flock: cannot open lock file /x: Permission denied\n"),
            (124, ""),
        ] {
            assert!(held(&said(code, "", stderr), top).is_err(), "{stderr}");
        }
    }
}
