//! The demo: killed half-way, started again, proved.

use crate::support::runner::Root;

#[test]
fn the_demo_is_killed_in_the_middle_starts_again_and_is_proved() {
    let root = Root::new();
    let first = root
        .run("run jobs/demo.toml")
        .warns(&["crash drill", "drill: this process kills itself after"]);
    let first = first.prints(&["[decisions] PASS\n[trades] PASS\nResult: PASS\nDATA_TAG=demo_"]);
    let first = first
        .prints(&["step live-1           succeeded  exit 137", "step prove            succeeded"]);
    let page = format!(
        "report: data/reports/live/{}/report.html",
        root.list("data/reports/live").remove(0)
    );
    assert!(first.stdout.contains(&page), "{}", first.stdout);
    let history = root.run("history --json").ok().json();
    let runs = history["runs"].as_array().expect("a list");
    let state = |run: &serde_json::Value| {
        format!("{} {} {}", run["kind"], run["state"], run["exit_code"]).replace('"', "")
    };
    let states: Vec<String> = runs.iter().map(state).collect();
    assert_eq!(
        states,
        [
            "report succeeded 0",
            "eqflat succeeded 0",
            "live succeeded 0",
            "live lost null",
            "pipeline succeeded 0"
        ]
    );
    assert!(runs[..4].iter().all(|run| run["parent"] == runs[4]["run_id"]));

    let tag = root.list("data/reports/eqflat").remove(0);
    let run = root.list(&format!("data/reports/eqflat/{tag}")).remove(0);
    let proof = format!("data/reports/eqflat/{tag}/{run}/proof.json");
    root.run(&format!("verify {proof}")).ok().prints(&["the proof holds"]);
    let proof: serde_json::Value = serde_json::from_str(&root.read(&proof)).expect("a document");
    assert_eq!((&proof["as_seen"], &proof["as_is"]), (&"PASS".into(), &"PASS".into()));
    let rows = proof["rows"].as_u64().expect("a number");
    assert!(rows > 800 && proof["trades"].as_u64() > Some(10), "{proof}");

    // The kill was real: the second run found rows, and decided only the rest.
    let killed_after = 432;
    let log = root.read(&format!("data/runs/{}/log.jsonl", text(&runs[2]["run_id"])));
    let (before, behind) = (killed_after / 64 * 64, killed_after % 64);
    assert!(log.contains(&format!("{behind} rows folded and proved behind a checkpoint")), "{log}");
    assert!(log.contains(&format!("the {before} rows before the checkpoint are proved")), "{log}");
    let left = format!("{} rows added", rows - killed_after);
    assert!(text(&runs[2]["summary"]).starts_with(&left), "{}", runs[2]["summary"]);
}

#[test]
fn a_second_demo_works_too_and_json_is_one_document() {
    let root = Root::new();
    let short = "run demo -p to=2024-01-01T12:00:00Z crash-after-bars=70 tag=";
    root.run(&format!("{short}one"))
        .warns(&["crash drill", "drill: this process kills itself after"])
        .prints(&["Result: PASS"]);
    let second = root
        .run(&format!("{short}two --json"))
        .warns(&["crash drill", "drill: this process kills itself after"]);
    let document = second.json();
    assert_eq!(document["schema"], "mjolnir.run/1");
    assert_eq!(document["exit"], 0);
    assert_eq!(document["out"]["steps.prove.out.verdict"], "PASS");
    let same = |kind: &str, file: &str| {
        let read = |tag| root.read(&format!("data/processed/{kind}/{tag}/BTC_USD/5m/{file}"));
        assert_eq!(read("one"), read("two"), "the same market, decided alike");
        assert!(!read("one").is_empty());
    };
    same("decisions", "decisions.csv");
    same("trades", "trades.csv");
    let listed = root.run("history").ok();
    assert_eq!(listed.stdout.lines().count(), 1 + 2 * 10, "a header, and two lines each: {listed}");
    assert!(listed.stdout.contains("  live (tag one, demo BTC/USD 5m): "), "{listed}");
    assert!(listed.stdout.lines().all(|line| line.chars().count() <= 100), "{listed}");
    let runs = root.run("history eqflat --json").ok().json();
    let told = [&runs["runs"][0]["tag"], &runs["runs"][0]["market"]];
    assert_eq!(told, ["two", "demo BTC/USD 5m"]);
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().expect("a text")
}
