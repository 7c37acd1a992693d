//! Formats of others, held against the programs and libraries that own them.

mod crontab;
mod dotenv;
mod metrics;
mod schema;

use std::{io::Write as _, path::Path};

use crate::support::{ran::Ran, runner::Root};

/// Says that a test is skipped, past the capture of the test harness, so that it is seen.
fn skipped(why: &str) {
    std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}

/// Whether a program is there.
fn have(program: &str) -> bool {
    let is_there =
        ["/usr/bin", "/usr/local/bin"].iter().any(|dir| Path::new(dir).join(program).exists());
    if !is_there {
        skipped(&format!("there is no {program}"));
    }
    is_there
}

/// Runs a script of `tests/foreign` with a Python that has a module, words behind it; `None` where there is none.
fn script(root: &Root, module: &str, words: &str) -> Option<Ran> {
    let Some(python) = std::env::var_os("MJOLNIR_PYTHON") else {
        skipped(&format!("MJOLNIR_PYTHON names no python with {module}"));
        return None;
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign");
    let line = format!("'{}' '{}/{words}", python.display(), file.display());
    Some(root.shell(&line).code(0))
}
