//! `--json`: whatever happens, stdout is one document with a schema.

use super::fixture::{NOON, eqflat, ledger, live};

#[test]
fn every_verb_prints_one_document_and_every_refusal_too() {
    let root = ledger(NOON);
    eqflat(&root, "paper", "e1").run().ok();
    for (words, schema, code) in [
        ("check", "mjolnir.check/1", 0),
        ("list", "mjolnir.list/1", 0),
        ("explain backtest", "mjolnir.explain/1", 0),
        ("show backtest", "mjolnir.show/1", 0),
        ("history", "mjolnir.history/1", 0),
        ("logs", "mjolnir.logs/1", 0),
        ("reference", "mjolnir.reference/1", 0),
        ("verify data/reports/eqflat/paper/e1/proof.json", "mjolnir.verify/1", 0),
        ("run backtest -p exchange=demo runid=r1", "mjolnir.run/1", 0),
        ("run backtest -p exchange=demo runid=r1", "mjolnir.run/1", 75),
        ("run backtest -p exchange=nope", "mjolnir.run/1", 4),
        ("run nosuch", "mjolnir.run/1", 4),
        ("run backtest --run-id ../x", "mjolnir.run/1", 2),
        ("run backtest -p nosuch=1", "mjolnir.problems/1", 78),
        ("show backtest -p nosuch=1", "mjolnir.problems/1", 78),
        ("explain nosuch", "mjolnir.error/1", 4),
        ("show nosuch", "mjolnir.error/1", 4),
        ("check nosuch", "mjolnir.check/1", 4),
        ("logs nosuch", "mjolnir.error/1", 4),
        ("verify nosuch", "mjolnir.error/1", 4),
        ("halt --tag paper --at next --reason x", "mjolnir.command/1", 0),
        ("halt --tag paper --at 2024-01-09T00:00:00Z --reason x", "mjolnir.command/1", 0),
        ("commands --tag paper", "mjolnir.commands/1", 0),
        ("revoke 3 --tag paper --reason x", "mjolnir.revoke/1", 0),
        ("revoke 9 --tag paper --reason x", "mjolnir.error/1", 4),
    ] {
        let ran = root.run(&format!("{words} --json")).code(code);
        assert_eq!(ran.json()["schema"], schema, "{ran}");
    }
    for of in ["job", "profile"] {
        let ran = root.run(&format!("schema {of} --json")).ok();
        assert!(ran.json()["$schema"].is_string(), "{ran}");
    }
    let empty = live(&root, "paper", NOON).arg("--json").run().ok();
    assert_eq!(empty.json()["out"]["rows"], "0");
}

#[test]
fn the_results_of_steps_and_programs_do_not_mix_with_the_document() {
    let root = crate::support::runner::Root::new();
    let exec = "manifest = 1\nname = 'e'\nkind = 'exec'\n[exec]\nrun = ['echo', 'loud']\n";
    root.write("jobs/e.toml", exec);
    let pipeline = "manifest = 1\nname = 'p'\nkind = 'pipeline'\n[[step]]\nid = 'a'\nrun = ['echo', 'loud']\n\
                    [[step]]\nid = 'b'\njob = 'e.toml'\n";
    root.write("jobs/p.toml", pipeline);
    for job in ["e", "p"] {
        let ran = root.run(&format!("run {job} --json")).ok();
        assert_eq!(ran.json()["exit"], 0);
        let ran = ran.says(&["loud"]);
        assert!(!ran.stdout.contains("loud"), "{ran}");
        root.run(&format!("run {job}")).ok().prints(&["loud"]);
    }
}
