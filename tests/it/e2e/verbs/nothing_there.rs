//! What verbs say where what they are asked for is not there: each whole text once, so that its wording is one file.

use crate::support::{runner::Root, snapshot::is_expected};

/// The command whose file has the text, and what is typed.
const ASKED: [(&str, &str); 15] = [
    ("backtest", "run backtest -p tag=paper exchange=demo runid=r1"),
    ("commands", "commands --tag paper"),
    ("eqflat", "run eqflat -p tag=paper exchange=demo"),
    ("explain", "explain no-such-job"),
    ("features", "features live --tag paper"),
    ("functions", "functions no-such-function"),
    ("history", "history"),
    ("live", "run live -p tag=paper exchange=demo feed=synthetic"),
    ("logs", "logs live"),
    ("next", "next no-such-job"),
    ("retry", "retry no-such-run"),
    ("show", "show model no-such-model"),
    ("stop", "stop live"),
    ("verify", "verify no-such-proof.json"),
    ("why", "why live --tag paper"),
];

#[test]
fn each_verb_names_what_is_missing() {
    let mut wrong = Vec::new();
    for (command, asked) in ASKED {
        let root = Root::new();
        let ran = root.run(asked);
        let text = ran.to_string().replace(&root.path().display().to_string(), "ROOT");
        if !is_expected(command, "nothing there", text.trim_start()) {
            wrong.push(format!("{command}: {ran}"));
        }
        assert_ne!(ran.code, 70, "a bug: {ran}");
    }
    assert!(wrong.is_empty(), "not as in tests/it/snapshots:\n{}", wrong.join("\n"));
}
