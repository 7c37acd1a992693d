//! README.md as its reader pastes it: every block of commands, in order, in one shell, by the real program.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::text;
use crate::support::runner::Root;

/// What a comment before a block says that cannot be run here.
const NOT_RUN: &str = "<!-- not run: ";
/// Blocks that may be left out: they build, want a network or another machine, or never end.
const NOT_RUN_MAX: usize = 11;

/// The blocks of commands, and why one is not run.
fn blocks(text: &str) -> Vec<(Option<String>, String)> {
    let mut all = Vec::new();
    let (mut reason, mut block) = (None, None::<String>);
    for line in text.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (Some(commands), "```") => {
                all.push((reason.take(), std::mem::take(commands)));
                block = None;
            }
            (Some(commands), line) => {
                commands.push_str(line);
                commands.push('\n');
            }
            (None, line) => {
                reason =
                    line.strip_prefix(NOT_RUN).map(|rest| rest.trim_end_matches(" -->").to_owned());
            }
        }
    }
    all
}

#[test]
fn what_the_readme_says_can_be_pasted() {
    let program = Path::new(env!("CARGO_BIN_EXE_runner"));
    let blocks = blocks(&text("README.md"));
    let mut script = format!(
        "set -e\nPATH='{}':\"$PATH\"\nunset DATA_TAG RUNID CCXT_EXCHANGE SYMBOL TIMEFRAME START_TS_MS END_TS_MS\n",
        program.parent().unwrap().display()
    );
    let (mut run, mut left_out) = (0, 0);
    for (reason, commands) in &blocks {
        if let Some(reason) = reason {
            assert!(!reason.is_empty(), "why is it not run: {commands}");
            left_out += 1;
            continue;
        }
        run += 1;
        // What the reader builds is built already.
        script.push_str(&commands.replace("cargo run --release --", "runner"));
    }
    assert!(run >= 8 && left_out <= NOT_RUN_MAX, "{run} blocks are run, {left_out} are not");
    let root = Root::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/eqflat.sh");
    fs::create_dir(root.at("scripts")).unwrap();
    fs::copy(&shipped, root.at("scripts/eqflat.sh")).unwrap();
    assert_eq!(fs::metadata(&shipped).unwrap().permissions().mode() & 0o111, 0o111);
    let ran = root.shell(&script).code(0);
    ran.prints(&["step prove            succeeded", "the proof holds"]);
    assert_eq!(
        root.list("data/reports/eqflat/paper_local_check").len(),
        2,
        "equivalence and the script"
    );
}
