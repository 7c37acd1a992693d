//! Completion as a shell does it, in a box, and manual pages.

use crate::support::runner::Root;

/// What Bash offers for a line, its last word being typed.
fn offered(root: &Root, line: &str) -> Vec<String> {
    let runner = env!("CARGO_BIN_EXE_runner");
    let bin = std::path::Path::new(runner).parent().expect("a folder").display();
    let script = format!(
        "PATH={bin}:$PATH; source <(runner completions bash); words=({line}); case '{line}' in *' ') words+=('');; esac; \
         COMP_WORDS=(\"${{words[@]}}\"); COMP_CWORD=$((${{#words[@]}} - 1)); COMP_TYPE=9; _clap_complete_runner runner \"${{COMP_WORDS[COMP_CWORD]}}\"; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    root.write("complete.bash", &script);
    let ran = root.shell("bash complete.bash");
    assert_eq!(ran.stderr, "", "{ran}");
    ran.stdout.lines().map(|word| word.trim_end().to_owned()).collect()
}

#[track_caller]
fn has(offered: &[String], words: &[&str]) {
    for word in words {
        assert!(offered.iter().any(|one| one == word), "`{word}` is not offered: {offered:?}");
    }
}

#[test]
fn bash_completes_verbs_jobs_params_tags_and_runs() {
    let root = Root::new();
    root.run("run live -p tag=first exchange=demo feed=synthetic from=2024-01-02T00:00:00Z to=2024-01-02T01:00:00Z").ok();
    has(&offered(&root, "runner e"), &["explain"]);
    has(&offered(&root, "runner run eq"), &["eqflat", "equivalence"]);
    has(&offered(&root, "runner run jobs/li"), &["jobs/live.toml", "jobs/live-model.toml"]);
    has(&offered(&root, "runner run live -P do"), &["donchian"]);
    has(&offered(&root, "runner run live -p fe"), &["feed="]);
    // Bash makes three words of these.
    has(&offered(&root, "runner run live -p feed = "), &["http", "replay", "synthetic"]);
    has(&offered(&root, "runner run live -p feed = syn"), &["synthetic"]);
    has(&offered(&root, "runner why --tag fi"), &["first"]);
    let run = &root.list("data/runs")[0];
    has(&offered(&root, "runner logs li"), &["live", run]);
    // Params are those of the job that was typed.
    let of_another = offered(&root, "runner run backtest -p fe");
    assert!(!of_another.iter().any(|word| word.starts_with("feed")), "{of_another:?}");
    // Outside of a box there is nothing to offer, and nothing is said.
    let other = Root::new();
    other.rename("jobs", "gone");
    let outside = offered(&other, "runner run eq");
    assert!(!outside.iter().any(|word| word.starts_with("eq")), "{outside:?}");
}

#[test]
fn the_manual_has_every_verb() {
    let root = Root::new();
    let page = root.run("man").ok();
    for verb in ["init", "run", "flatten", "completions"] {
        assert!(page.stdout.contains(&format!("runner\\-{verb}(1)")), "{verb}: {page}");
        let own = root.run(&format!("man {verb}")).ok();
        assert!(own.stdout.contains(&format!("runner\\-{verb} \\- ")), "{own}");
    }
    root.run("man fly").code(2).says(&["`fly` is not a verb of runner"]);
}
