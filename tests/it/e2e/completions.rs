//! Completion as the shells themselves do it, in a box, and manual pages.

use crate::support::{runner::Root, skip::have};

/// What Bash offers for a line, its last word being typed.
fn bash(root: &Root, line: &str) -> Vec<String> {
    let script = format!(
        "source <(runner completions bash); words=({line}); case '{line}' in *' ') words+=('');; esac; \
         COMP_WORDS=(\"${{words[@]}}\"); COMP_CWORD=$((${{#words[@]}} - 1)); COMP_TYPE=9; _clap_complete_runner runner \"${{COMP_WORDS[COMP_CWORD]}}\"; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    root.write("complete.bash", &script);
    let offered = said(root, "bash --norc complete.bash");
    offered.iter().map(|word| word.trim_end().to_owned()).collect()
}

/// What Fish offers, which finds the script where the package puts it.
fn fish(root: &Root, line: &str) -> Vec<String> {
    let folder = "share/fish/vendor_completions.d";
    root.write(&format!("{folder}/runner.fish"), &root.run("completions fish").ok().stdout);
    root.write("complete.fish", &format!("complete -C '{line}'"));
    let offered = said(root, "XDG_DATA_DIRS=\"$PWD/share\" HOME=\"$PWD/home\" fish complete.fish");
    offered.iter().map(|one| one.split('\t').next().unwrap_or(one).to_owned()).collect()
}

/// A terminal with Zsh in it, in which one types each of these lines and a tab. The line as it is then, and what was offered, between two bytes of
/// which the second one is waited for.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty z 'TERM=dumb zsh -f -i'
zpty -w z "PS1= PS2= RPS1=; unsetopt zle_bracketed_paste 2> /dev/null; stty -echo cols 250 rows 100; $1"
zpty -w z 'compadd() { if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi; typeset -a hits; builtin compadd -A hits "$@"; seen+=($hits); builtin compadd "$@"; }'
zpty -w z 'tried() { seen=(); zle expand-or-complete; print -r -- $'"'\2'"'"$BUFFER"$'"'\n'"'"${(F)seen}"$'"'\3'"'; BUFFER=; }'
zpty -w z 'zle -N tried; bindkey "^I" tried; print $'"'\2ready\3'"
zpty -r z out $'*\2ready\3*'
for line in "${@:2}"; do
    zpty -w -n z "$line"$'\t'
    zpty -r z out $'*\2*\3*'
    print -r -- "${${out##*$'\2'}%%$'\3'*}"
    print -r -- '--'
done
zpty -d z
"#;

/// For each line what it became after one tab, and what was offered; in a new Zsh for all of them. `setup` loads the completion.
fn zsh(root: &Root, setup: &str, lines: &[&str]) -> Vec<Vec<String>> {
    root.write("drive.zsh", ZSH);
    let words: Vec<String> = lines.iter().map(|line| format!("'{line}'")).collect();
    let said =
        said(root, &format!("HOME=\"$PWD/home\" zsh -f drive.zsh '{setup}' {}", words.join(" ")));
    let answers: Vec<Vec<String>> =
        said.split(|line| line == "--").map(<[String]>::to_vec).collect();
    assert_eq!(answers.len(), lines.len() + 1, "{said:?}");
    answers[..lines.len()].to_vec()
}

/// The lines that a command says, the program of this test being in its path.
fn said(root: &Root, command: &str) -> Vec<String> {
    let runner = env!("CARGO_BIN_EXE_runner");
    let bin = std::path::Path::new(runner).parent().expect("a folder").display();
    let ran = root.shell(&format!("mkdir -p home && PATH={bin}:$PATH && {command}")).code(0);
    assert_eq!(ran.stderr, "", "{ran}");
    ran.stdout.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
}

#[track_caller]
fn has(offered: &[String], words: &[&str]) {
    for word in words {
        assert!(offered.iter().any(|one| one == word), "`{word}` is not offered: {offered:?}");
    }
}

/// A box with a ledger, a run and a pipeline that was run.
fn with_runs() -> Root {
    let root = Root::new();
    root.write(
        "jobs/p.toml",
        "manifest = 1\nname = 'p'\nkind = 'pipeline'\n[[step]]\nid = 'first-step'\nrun = ['true']\n",
    );
    root.run("run p").ok();
    root.run("run live -p tag=first exchange=demo feed=synthetic from=2024-01-02T00:00:00Z to=2024-01-02T01:00:00Z").ok();
    root
}

/// What each shell must offer for a line whose words hold no `=`.
fn is_offered_in(root: &Root, offered: impl Fn(&str) -> Vec<String>) {
    has(&offered("runner e"), &["explain"]);
    has(&offered("runner run --run"), &["--run-id"]);
    has(&offered("runner run eq"), &["eqflat", "equivalence"]);
    has(&offered("runner run jobs/li"), &["jobs/live.toml", "jobs/live-model.toml"]);
    has(&offered("runner run live -P do"), &["donchian"]);
    has(&offered("runner run live -p fe"), &["feed="]);
    has(&offered("runner why --tag fi"), &["first"]);
    let runs = root.list("data/runs");
    let run = runs.iter().find(|run| run.starts_with("live")).expect("a run");
    has(&offered("runner logs li"), &["live", run]);
    has(&offered("runner logs "), &["live", run]);
    has(&offered("runner approve p fi"), &["first-step"]);
    has(&offered("runner retry p --from "), &["first-step"]);
    // Params are those of the job that was typed.
    let of_another = offered("runner run backtest -p fe");
    assert!(!of_another.iter().any(|word| word.starts_with("feed")), "{of_another:?}");
    // Outside of a box there is nothing to offer, and nothing is said.
    root.rename("jobs", "gone");
    let outside = offered("runner run eq");
    assert!(!outside.iter().any(|word| word.starts_with("eq")), "{outside:?}");
    root.rename("gone", "jobs");
}

#[test]
fn bash_completes_verbs_jobs_params_tags_and_runs() {
    let root = with_runs();
    is_offered_in(&root, |line| bash(&root, line));
    // Bash makes three words of these.
    has(&bash(&root, "runner run live -p feed = "), &["http", "replay", "synthetic"]);
    has(&bash(&root, "runner run live -p feed = syn"), &["synthetic"]);
}

#[test]
fn fish_completes_verbs_jobs_params_tags_and_runs() {
    if !have("fish") {
        return;
    }
    let root = with_runs();
    is_offered_in(&root, |line| fish(&root, line));
    has(&fish(&root, "runner run live -p feed="), &["feed=http", "feed=replay", "feed=synthetic"]);
    has(&fish(&root, "runner run live -p feed=syn"), &["feed=synthetic"]);
}

#[test]
fn zsh_completes_verbs_jobs_params_tags_and_runs() {
    if !have("zsh") {
        return;
    }
    let root = with_runs();
    root.write("functions/_runner", &root.run("completions zsh").ok().stdout);
    let load = "autoload -Uz compinit; compinit -u -D";
    let packaged = format!("fpath=($PWD/functions $fpath); {load}");
    let sourced = format!("{load}; source <(runner completions zsh)");
    is_offered_in(&root, |line| zsh(&root, &packaged, &[line]).remove(0));
    for setup in [packaged, sourced] {
        let lines = [
            // The first tab of a shell, and one after it.
            "runner run eqf",
            "runner run live -p fe",
            "runner run live -p feed=",
            "runner run live -p feed=syn",
            "runner run live --root jo",
        ];
        let answers = zsh(&root, &setup, &lines);
        assert_eq!(answers[0], ["runner run eqflat ", "eqflat"]);
        assert_eq!(answers[1], ["runner run live -p feed=", "feed="]);
        has(&answers[2], &["feed=http", "feed=replay", "feed=synthetic"]);
        assert_eq!(answers[3], ["runner run live -p feed=synthetic ", "feed=synthetic"]);
        assert_eq!(answers[4][0], "runner run live --root jobs/");
    }
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
