//! Formats of others, held against the programs and libraries that own them.

mod crontab;
mod dotenv;
mod schema;

use std::path::Path;

use crate::support::{ran::Ran, runner::Root, skip};

/// Runs a script of `tests/foreign` with a Python that has a module, words behind it; `None` where there is none.
fn script(root: &Root, module: &str, words: &str) -> Option<Ran> {
    let python = skip::python(module)?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign");
    let line = format!("'{}' '{}/{words}", python, file.display());
    Some(root.shell(&line).code(0))
}
