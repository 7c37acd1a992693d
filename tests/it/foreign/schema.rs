//! The schema for editors, with the validator that the specification names.

use std::collections::BTreeMap;

use mjolnir::serve::run_metrics::TurnMetrics;

use super::script;
use crate::{
    e2e::fixture::{NOON, ledger},
    notices::pages::{pages, send},
    support::{runner::Root, skip::have},
};

type Wrong = BTreeMap<String, Vec<String>>;

fn validated(root: &Root, of: &str, folder: &str) -> Option<Wrong> {
    root.write("schema.json", &root.run(&format!("schema {of}")).ok().stdout);
    let files: Vec<String> =
        root.list(folder).iter().map(|name| format!("{folder}/{name}")).collect();
    let ran = script(root, "jsonschema", &format!("schema.py' schema.json {}", files.join(" ")))?;
    Some(serde_json::from_str(&ran.stdout).unwrap())
}

#[test]
fn an_editor_finds_nothing_wrong_with_what_is_shipped() {
    let root = Root::new();
    for (of, folder, least) in [("job", "jobs", 20), ("profile", "profiles", 8)] {
        let Some(wrong) = validated(&root, of, folder) else { return };
        assert!(wrong.len() >= least, "{wrong:?}");
        let wrong: Wrong = wrong.into_iter().filter(|(_, errors)| !errors.is_empty()).collect();
        assert!(wrong.is_empty(), "{of}: {wrong:#?}");
    }
}

#[test]
fn an_editor_finds_what_the_check_finds() {
    let root = Root::new();
    let head = "manifest = 1\nname = \"t\"\nkind = \"exec\"\n";
    for (n, (text, place)) in [
        ("[exec]\nrnu = [\"a\"]\nrun = [\"a\"]\n", "rnu"),
        ("[exec]\nrun = [\"a\"]\nexpect-exit = \"one\"\n", "expect-exit"),
        ("[exec]\nrun = [\"a\"]\n[run]\nmemory-max = \"much\"\n", "memory-max"),
        (
            "[exec]\nrun = [\"a\"]\n[[schedule]]\ncron = \"* * * * *\"\noverlap = \"perhaps\"\n",
            "overlap",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        root.write(&format!("bad/{n}.toml"), &format!("{head}{text}"));
        root.run(&format!("check bad/{n}.toml")).code(78).says(&[place]);
    }
    let Some(wrong) = validated(&root, "job", "bad") else { return };
    assert_eq!(wrong.len(), 4);
    assert!(wrong.values().all(|errors| !errors.is_empty()), "{wrong:#?}");
}

#[test]
fn promtool_finds_nothing_wrong_with_the_numbers() {
    if !have("promtool") {
        return;
    }
    let root = ledger(NOON);
    let (server, board) = pages(&root);
    board.turned(TurnMetrics { jobs: Some(3), ..TurnMetrics::default() });
    let at = server.address();
    let ask = |accept: &str| {
        let answer = send(at, &format!("GET /metrics HTTP/1.1\r\nHost: {at}\r\n{accept}\r\n"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    };
    for accept in ["", "Accept: text/plain;version=0.0.4\r\n", "Accept: */*\r\n"] {
        let (head, body) = ask(accept);
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        assert!(body.contains("\nmjolnir_loop_decisions_total{"), "{body}");
        root.write("numbers", &body);
        let said = root.shell("promtool check metrics < numbers").code(0);
        assert_eq!((said.stdout.trim(), said.stderr.trim()), ("", ""), "{body}");
    }
    let (head, body) = ask("Accept: application/openmetrics-text; version=1.0.0\r\n");
    assert!(head.contains("application/openmetrics-text") && body.ends_with("# EOF\n"), "{head}");
}
