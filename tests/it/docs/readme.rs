//! README.md and docs/TUTORIAL.md as their readers paste them: every block of commands, in order, in one shell, by the real program.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::text;
use crate::support::runner::Root;

/// What a comment before a block says that cannot be run here.
const NOT_RUN: &str = "<!-- not run: ";
/// Blocks that may be left out: they install, build, want a network or another machine, or never end.
const NOT_RUN_MAX: usize = 13;

/// A block of commands, with what is printed below it.
#[derive(Default)]
struct Block {
    /// Why it is not run.
    reason: Option<String>,
    commands: String,
    shown: Vec<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut all: Vec<Block> = Vec::new();
    let (mut reason, mut fence) = (None, None);
    for line in text.lines() {
        match (fence, line) {
            (None, "```sh") => {
                all.push(Block { reason: reason.take(), ..Block::default() });
                fence = Some("sh");
            }
            (None, line) if line.starts_with("```") => fence = Some(line.trim_start_matches('`')),
            (Some(_), "```") => fence = None,
            (Some("sh"), line) => {
                let commands = &mut all.last_mut().expect("it was opened").commands;
                commands.push_str(line);
                commands.push('\n');
            }
            (Some("text"), line) => {
                if let Some(block) = all.last_mut() {
                    block.shown.push(line.to_owned());
                }
            }
            (Some(_), _) => {}
            (None, line) => {
                reason =
                    line.strip_prefix(NOT_RUN).map(|rest| rest.trim_end_matches(" -->").to_owned());
            }
        }
    }
    all
}

/// The blocks that are run, as one script, and how many are not.
fn script(blocks: &[Block]) -> (String, usize) {
    let program = Path::new(env!("CARGO_BIN_EXE_runner"));
    let mut script = format!(
        "set -e\nPATH='{}':\"$PATH\"\nunset DATA_TAG RUNID CCXT_EXCHANGE SYMBOL TIMEFRAME START_TS_MS END_TS_MS\n",
        program.parent().unwrap().display()
    );
    for (n, block) in blocks.iter().enumerate() {
        match &block.reason {
            Some(reason) => assert!(!reason.is_empty(), "why is it not run: {}", block.commands),
            None => script.extend(["echo '", mark(n).as_str(), "'\n", block.commands.as_str()]),
        }
    }
    (script, blocks.iter().filter(|block| block.reason.is_some()).count())
}

/// What is printed before the output of a block.
fn mark(n: usize) -> String {
    format!("== block {n}")
}

/// Asserts that a block printed what the document shows, line by line; `...` is anything.
fn shows(block: &Block, output: &str) {
    let mut rest = output;
    for line in &block.shown {
        for part in line.split("...").map(str::trim_end).filter(|part| !part.trim().is_empty()) {
            let at = rest.find(part);
            let at = at.unwrap_or_else(|| {
                panic!("`{part}` is not printed by {}in {output}", block.commands)
            });
            rest = &rest[at + part.len()..];
        }
    }
}

#[test]
fn what_the_readme_says_can_be_pasted() {
    let blocks = blocks(&text("README.md"));
    let (script, left_out) = script(&blocks);
    let run = blocks.len() - left_out;
    assert!(run >= 8 && left_out <= NOT_RUN_MAX, "{run} blocks are run, {left_out} are not");
    // What the reader builds is built already.
    let script = script.replace("cargo run --release --", "runner");
    let root = Root::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/eqflat.sh");
    fs::create_dir(root.at("scripts")).unwrap();
    fs::copy(&shipped, root.at("scripts/eqflat.sh")).unwrap();
    assert_eq!(fs::metadata(&shipped).unwrap().permissions().mode() & 0o111, 0o111);
    // What the last of its commands is under its old name.
    let old_name = "DATA_TAG=paper_local_check CCXT_EXCHANGE=binance SYMBOL=BTC/USDT TIMEFRAME=5m scripts/eqflat.sh\n";
    let ran = root.shell(&format!("{script}{old_name}")).code(0);
    ran.prints(&["step prove            succeeded", "the proof holds"]);
    assert_eq!(
        root.list("data/reports/eqflat/paper_local_check").len(),
        3,
        "equivalence, eqflat and the script"
    );
}

#[test]
fn what_the_tutorial_says_can_be_pasted_and_prints_what_it_shows() {
    let blocks = blocks(&text("docs/TUTORIAL.md"));
    let (script, left_out) = script(&blocks);
    assert!(blocks.len() >= 14 && left_out == 2, "{} blocks, {left_out} not run", blocks.len());
    // Its port may be taken, and it does not outlive the test.
    let script = script.replace("runner serve", "runner serve --listen 127.0.0.1:0");
    let ended = "trap 'kill -9 $service $loop 2> /dev/null || true' EXIT\n";
    let ran = Root::new().shell(&format!("exec 2>&1\n{ended}{script}")).code(0);
    for (n, block) in blocks.iter().enumerate().filter(|(_, block)| block.reason.is_none()) {
        let (_, output) = ran.stdout.split_once(&format!("{}\n", mark(n))).expect("it was run");
        shows(block, output.split("== block ").next().unwrap_or(output));
    }
}
