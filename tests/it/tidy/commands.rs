//! Commands that the program names, in messages and as the next one of a check: each can be typed, and those that only look really run.

use std::{collections::BTreeSet, path::Path};

use clap::{Parser as _, error::ErrorKind};
use mjolnir::cli::args::Cli;

use super::{is_test, read_below, source::texts, split_tests};
use crate::support::runner::Root;

/// What stands for a value in a command, and a value. The longer ones first.
const FILLED: [(&str, &str); 33] = [
    ("-p {}", "-p tag=paper exchange=demo symbol=BTC/USD timeframe=5m"),
    ("--tag {}", "--tag paper"),
    ("tag={}", "tag=paper"),
    ("timeframe={}", "timeframe=5m"),
    ("explain {}", "explain jobs/live.toml"),
    ("run {}", "run jobs/live.toml"),
    ("history {}", "history live"),
    ("deploy {}", "deploy"),
    ("deploy {call}", "deploy"),
    ("{ledger}", "tag=paper exchange=demo symbol=BTC/USD timeframe=5m"),
    ("{target}", "path=/srv/trade"),
    ("{of}", "exchange=demo symbol=BTC/USD timeframe=5m"),
    ("{words}", "exchange=demo symbol=BTC/USD timeframe=5m"),
    ("{run}", "live_1"),
    ("{id}", "live_1"),
    ("{tag}", "paper"),
    ("{live}", "paper"),
    ("{line}", "1"),
    ("{job}", "live"),
    ("{file}", "bars.csv"),
    ("{venue}", "demo"),
    ("{exchange}", "demo"),
    ("{symbol}", "BTC/USD"),
    ("{timeframe}", "5m"),
    ("{at}", "2024-01-01T06:00:00Z"),
    ("{uid}", "0"),
    ("{owner}", "0"),
    ("{}", "live_1"),
    ("ANOTHER_TAG", "another"),
    ("JOB", "jobs/live.toml"),
    ("RUN", "live_1"),
    ("FILE", "bars.csv"),
    ("...", "because"),
];

/// Verbs that only look: they run for real, and find what is there.
const LOOKS: [&str; 10] = [
    "check",
    "commands",
    "explain",
    "features",
    "functions",
    "history",
    "list",
    "logs",
    "reference",
    "status",
];
/// Jobs that only look, or prove.
const PROOFS: [&str; 3] = ["jobs/check.toml", "jobs/data-quality.toml", "jobs/eqflat.toml"];
/// Folders with checks and findings, which name commands of the system too.
const CHECKING: [&str; 4] =
    ["src/jobs/check", "src/jobs/health", "src/jobs/preflight", "src/jobs/deploy"];
/// Programs of the system that checks name.
const PROGRAMS: [&str; 19] = [
    "cat",
    "chmod",
    "chown",
    "cp",
    "curl",
    "df",
    "docker",
    "du",
    "find",
    "flock",
    "fuser",
    "git",
    "id",
    "less",
    "ls",
    "pwd",
    "rsync",
    "ss",
    "timedatectl",
];
/// Those of them that change nothing and are on every machine.
const EVERYWHERE: [&str; 7] = ["cat", "df", "du", "find", "id", "ls", "pwd"];

/// A literal as it is at run time, with a value for every placeholder.
fn filled(literal: &str) -> String {
    let mut text = literal.replace("\\n", "\n").replace("\\\"", "\"");
    while let Some(at) = text.find("\\\n") {
        let rest = text[at + 2..].trim_start().to_owned();
        text.truncate(at);
        text.push_str(&rest);
    }
    for (from, to) in FILLED {
        text = text.replace(from, to);
    }
    text
}

/// The calls of `runner` in a text: between back ticks, after a colon or a bracket, or the whole of it.
fn calls(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("runner ") {
        let (before, rest) = text.split_at(at);
        let end = if before.ends_with('`') {
            rest.find('`')
        } else if at == 0 || [": ", "(", ", "].iter().any(|start| before.ends_with(start)) {
            [", runner", ", with ", ")", " (", "; ", "\n", " writes ", " says "]
                .iter()
                .filter_map(|end| rest.find(end))
                .min()
        } else {
            continue;
        };
        let call = rest[..end.unwrap_or(rest.len())].trim_end();
        // A sentence about the program is not a call of it.
        if call
            .split(' ')
            .nth(1)
            .is_some_and(|verb| verb.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
        {
            found.push(call.to_owned());
        }
    }
    found
}

/// The words of a command as a shell splits them.
fn words(call: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in call.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Literals of the sources in these folders, with the file of each.
fn literals(folders: &[&str]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in folders {
        read_below(Path::new(env!("CARGO_MANIFEST_DIR")), folder, &mut files);
    }
    let all = files.iter().filter(|(path, _)| !is_test(path));
    all.flat_map(|(path, source)| {
        texts(split_tests(source).0).into_iter().map(move |text| (path.clone(), text))
    })
    .collect()
}

/// Every call of `runner` that the program names.
fn named() -> BTreeSet<String> {
    let all = literals(&["src"]);
    all.iter()
        .filter(|(path, _)| path != "src/cli/args.rs")
        .flat_map(|(_, text)| calls(&filled(text)))
        .collect()
}

/// A box that has lived: a ledger, its bars, its runs.
fn lived() -> Root {
    let root = Root::new();
    let times = "from=2024-01-01T03:00:00Z to=2024-01-01T06:00:00Z";
    root.run(&format!(
        "run live --run-id live_1 -p tag=paper exchange=demo feed=synthetic {times}"
    ))
    .ok();
    root
}

#[test]
fn every_named_command_can_be_typed() {
    let root = lived();
    let all = named();
    assert!(all.len() > 40, "{all:#?}");
    let mut wrong = Vec::new();
    for call in &all {
        let words = words(call);
        match Cli::try_parse_from(&words) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::DisplayHelp => {}
            // A verb that is named alone stands for itself and whatever it is given.
            Err(error)
                if words.len() == 2 && error.kind() == ErrorKind::MissingRequiredArgument => {}
            Err(error) => wrong.push(format!("{call}: {error}")),
        }
        // What a job is given is checked without running it, where its name is known here.
        if words.get(2).is_some_and(|job| job.contains('{')) {
            continue;
        }
        if let ["runner", "run", job, rest @ ..] =
            &words.iter().map(String::as_str).collect::<Vec<_>>()[..]
        {
            // Only a run has a reason.
            let said = rest.iter().position(|word| *word == "--reason");
            let rest = &rest[..said.unwrap_or(rest.len())];
            let call = rest.iter().fold(root.call("explain").arg(job), |call, word| call.arg(word));
            let ran = call.run();
            if ran.code != 0 {
                wrong.push(format!("{words:?}: {ran}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn commands_that_only_look_show_something() {
    let root = lived();
    let mut wrong = Vec::new();
    for call in named() {
        let words = words(&call);
        let is_look = LOOKS.contains(&words[1].as_str())
            || (words[1] == "run"
                && words.get(2).is_some_and(|job| PROOFS.contains(&job.as_str())));
        // `runner explain` alone is a verb that is talked about.
        // A proof that is named without its ledger is of a tag that this box does not have.
        let is_bare = words[1] == "run" && words.len() == 3;
        if !is_look
            || is_bare
            || (words.len() == 2
                && ["explain", "features", "commands"].contains(&words[1].as_str()))
        {
            continue;
        }
        let run = words[1..].iter().fold(root.call(""), |call, word| call.arg(word)).run();
        if ![0, 1, 3].contains(&run.code) || run.stdout.is_empty() {
            wrong.push(format!("{run}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn commands_of_the_system_run_in_a_box() {
    let root = lived();
    for (path, text) in [
        (".env", ""),
        (".env.example", ""),
        ("data/models/current", ""),
        ("data/report.txt", ""),
        ("bars.csv", ""),
    ] {
        root.write(path, text);
    }
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for (path, text) in literals(&CHECKING) {
        let program = text.split(' ').next().unwrap_or_default();
        if !text.contains(' ') || !PROGRAMS.contains(&program) || text.contains(", ") {
            continue;
        }
        // On a target, PATH is its folder.
        let text = filled(&text.replace("{}", "data")).replace("PATH", ".");
        if EVERYWHERE.contains(&program) && !text.contains('{') {
            seen.insert(program.to_owned());
            let ran = root.shell(&text);
            if ran.code != 0 {
                wrong.push(format!("{path}: {ran}"));
            }
        } else {
            let ran = root.shell(&format!("sh -n -c '{}'", text.replace('\'', "")));
            if ran.code != 0 {
                wrong.push(format!("{path}: {ran}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen.len() > 3, "{seen:?}");
}

#[test]
fn calls_in_messages_are_found() {
    for (text, found) in [
        ("runner logs {run}", &["runner logs live_1"][..]),
        (
            "take another (runner history live, runner logs RUN), or wait",
            &["runner history live", "runner logs live_1"],
        ),
        (
            "`runner stop {id}` ends it; `runner status` shows it",
            &["runner stop live_1", "runner status"],
        ),
        ("the runner alone needs room", &[]),
        (
            "next: runner revoke {line} --tag {tag} --reason \\\"...\\\"",
            &["runner revoke 1 --tag paper --reason \"because\""],
        ),
    ] {
        assert_eq!(calls(&filled(text)), found, "{text}");
    }
    assert_eq!(words("runner a \"b c\" d"), ["runner", "a", "b c", "d"]);
}
