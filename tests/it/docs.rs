//! The documents name only what exists: JOBS.md is generated, and commands, jobs, parameters, links, messages and tests are the real ones.

mod formats;
mod links;
mod metrics;
mod readme;

use std::{collections::BTreeSet, fs, path::Path};

use mjolnir::exchange::venue::registry::Venue;

/// Every document.
const ALL: [&str; 17] = [
    "ARCHITECTURE.md",
    "HANDOFF.md",
    "JOBS.md",
    "README.md",
    "STYLE.md",
    "docs/CLUSTER.md",
    "docs/DECISIONS.md",
    "docs/FORMATS.md",
    "docs/LIMITS.md",
    "docs/METRICS.md",
    "docs/MIGRATION.md",
    "docs/OPERATIONS.md",
    "docs/PAGES.md",
    "docs/RULES.md",
    "docs/SWEEPS.md",
    "docs/TUTORIAL.md",
    "ops/README.md",
];
/// Documents with tests of their own: one is generated, two have files that their reader writes.
const APART: [&str; 3] = ["JOBS.md", "docs/RULES.md", "docs/TUTORIAL.md"];
/// Largest size of HANDOFF.md, in bytes: it is read first, and in one go.
const HANDOFF_MAX: usize = 10 * 1024;
/// Words that the documents do without, beside code.
const BANNED: [&str; 12] = [
    "anew",
    "begun",
    "lies",
    "mend",
    "mended",
    "nobody",
    "somebody",
    "stands",
    "told",
    "whose",
    "is no",
    "there is no",
];

fn docs() -> impl Iterator<Item = &'static str> {
    ALL.into_iter().filter(|doc| !APART.contains(doc))
}

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn exists(path: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists()
}

fn is_manifest(word: &str, dir: &str) -> bool {
    word.starts_with(dir) && Path::new(word).extension().is_some_and(|end| end == "toml")
}

/// Runs of the characters that names and paths are made of.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let inside = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    text.split(move |c| !inside(c)).map(|word| word.trim_end_matches('.'))
}

/// The command lines of a document: fenced lines, those that end in `\` joined with the next one.
fn commands(text: &str) -> Vec<String> {
    let fenced = text.split("```").skip(1).step_by(2);
    let joined: Vec<String> = fenced.map(|block| block.replace("\\\n", " ")).collect();
    joined.iter().flat_map(|block| block.lines().skip(1).map(str::to_owned)).collect()
}

fn below(dir: &Path, found: &mut String) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            below(&entry.path(), found);
        } else if entry.path().extension().is_some_and(|end| end == "rs") {
            found.push_str(&fs::read_to_string(entry.path()).unwrap());
        }
    }
}

fn sources(dirs: &[&str]) -> String {
    let mut found = String::new();
    for dir in dirs {
        below(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), &mut found);
    }
    found
}

/// The text without its fenced parts.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The text between backticks, part by part.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_document_is_looked_at() {
    let mut found = Vec::new();
    for dir in ["", "docs", "ops"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if Path::new(&name).extension().is_some_and(|end| end == "md") {
                found.push(Path::new(dir).join(name).display().to_string());
            }
        }
    }
    found.sort();
    assert_eq!(found, ALL);
}

#[test]
fn words_are_plain() {
    for doc in docs() {
        let text = prose(&text(doc));
        let plain: String = text.split('`').step_by(2).collect::<Vec<_>>().join(" code ");
        let words: Vec<String> = plain
            .split(|c: char| !c.is_alphabetic())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        let line = format!(" {} ", words.join(" "));
        for banned in BANNED {
            if let Some(at) = line.find(&format!(" {banned} ")) {
                let near: String = line[at..].chars().take(60).collect();
                panic!("{doc}: `{banned}` in {near}");
            }
        }
    }
}

#[test]
fn the_handoff_is_short() {
    let bytes = text("HANDOFF.md").len();
    assert!(bytes <= HANDOFF_MAX, "HANDOFF.md has {bytes} bytes: move something to docs/");
}

#[test]
fn decisions_and_limits_are_numbered_without_a_gap() {
    for (doc, letter, least) in [("docs/DECISIONS.md", 'D', 100), ("docs/LIMITS.md", 'L', 30)] {
        let text = text(doc);
        let numbers: Vec<usize> = text
            .lines()
            .filter_map(|line| line.strip_prefix("- **")?.strip_prefix(letter)?.split_once("**"))
            .map(|(number, _)| number.parse().unwrap())
            .collect();
        assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "{doc}");
        assert!(numbers.len() > least, "{doc}: {} only", numbers.len());
    }
}

/// The cells of the tables of troubleshooting that quote a message are parts of messages that the program has.
#[test]
fn messages_that_are_quoted_exist() {
    let joined = sources(&["src"]).replace("\\\n", "");
    let words: Vec<&str> = joined.split_whitespace().collect();
    let sources = words.join(" ");
    let text = text("docs/OPERATIONS.md");
    let (_, troubles) = text.split_once("## Troubleshooting").expect("the chapter");
    let mut seen = 0;
    let cells = troubles.lines().filter(|line| line.starts_with('|')).filter_map(|line| {
        line.split(" | ").take(2).map(|cell| cell.trim_start_matches("| ")).find(|cell| {
            cell.starts_with('`') && cell.contains(' ') && !cell.starts_with("`Result")
        })
    });
    for part in cells.flat_map(code).flat_map(|quoted| quoted.split("...")) {
        let part = part.trim();
        if part.len() < 8 {
            continue;
        }
        seen += 1;
        assert!(sources.contains(part), "no message has `{part}`: see docs/OPERATIONS.md");
    }
    assert!(seen > 15, "only {seen} messages are quoted: are the tables still read?");
}

#[test]
fn jobs_md_is_what_the_types_say() {
    assert!(
        text("JOBS.md") == mjolnir::cli::reference::reference_text(),
        "JOBS.md is out of date: make docs"
    );
}

#[test]
fn every_venue_is_named_in_the_readme() {
    let readme = text("README.md");
    let named: BTreeSet<&str> = words(&readme).collect();
    for venue in Venue::ALL {
        assert!(
            named.contains(venue.name()),
            "README.md: the list of venues lacks {}",
            venue.name()
        );
    }
}

#[test]
fn jobs_and_profiles_that_are_named_exist() {
    for doc in docs() {
        let text = text(doc);
        let files: BTreeSet<&str> = words(&text)
            .filter(|word| {
                ["jobs/", "profiles/", "strategies/"].iter().any(|folder| is_manifest(word, folder))
            })
            .collect();
        for file in files {
            assert!(exists(file), "{doc} names {file}");
        }
        for profile in text.split("-P ").skip(1).filter_map(|rest| words(rest).next()) {
            let known = profile.is_empty() || profile.chars().all(char::is_uppercase);
            assert!(
                known
                    || ["profiles", "strategies"]
                        .iter()
                        .any(|of| exists(&format!("{of}/{profile}.toml"))),
                "{doc}: -P {profile}"
            );
        }
    }
}

/// A manifest, the profiles it extends, and the job that a sweep tries.
fn with_extended(job: &str) -> String {
    let own = text(job);
    let tried = own.lines().find_map(|line| line.strip_prefix("job = \"")?.split('"').next());
    let tried = tried.filter(|_| own.contains("kind = \"sweep\""));
    let own = match tried {
        Some(tried) => own.clone() + &with_extended(&format!("jobs/{tried}")),
        None => own,
    };
    let extended = words(&own).filter_map(|word| word.strip_prefix("../"));
    let all: Vec<String> =
        extended.filter(|word| is_manifest(word, "profiles/")).map(text).collect();
    // A sweep takes the params of the job it plays.
    let played = own.lines().find_map(|line| line.strip_prefix("job = \"")?.strip_suffix('"'));
    let played = played.map(|name| text(&format!("jobs/{name}"))).unwrap_or_default();
    own.clone() + &all.join("\n") + &played
}

#[test]
fn commands_take_the_parameters_that_are_shown() {
    let mut shown = 0;
    for doc in docs() {
        for command in commands(&text(doc)) {
            let words: Vec<&str> = command.split_whitespace().collect();
            let job = words.iter().find(|word| is_manifest(word, "jobs/"));
            let Some(job) = job.filter(|_| words.contains(&"run")) else { continue };
            let manifest = with_extended(job);
            let at_p = words.iter().position(|word| *word == "-p").unwrap_or(words.len());
            let given = words[at_p..].iter().filter_map(|word| word.split_once('='));
            for (name, _) in given {
                let declared = manifest.contains(&format!("[params.{name}]"));
                assert!(declared, "{doc}: {job} has no parameter {name}: {command}");
                shown += 1;
            }
            let variables = words.iter().take_while(|word| word.contains('='));
            for (name, _) in variables.filter_map(|word| word.split_once('=')) {
                let declared = manifest.contains(&format!("env = \"{name}\""));
                assert!(declared, "{doc}: {job} does not take {name}: {command}");
                shown += 1;
            }
        }
    }
    assert!(shown > 10, "only {shown} values are shown: are the fences still read?");
}

#[test]
fn targets_of_make_that_are_named_exist() {
    let makefile = text("Makefile");
    for doc in docs() {
        let text = text(doc);
        for target in text.split("`make ").skip(1).filter_map(|rest| words(rest).next()) {
            assert!(makefile.contains(&format!("\n{target}:")), "{doc}: make {target}");
        }
    }
}

#[test]
fn each_contract_is_guarded_by_tests_that_exist() {
    let (handoff, sources) = (text("HANDOFF.md"), sources(&["src", "tests"]));
    for n in 1..=19 {
        let start = format!("| C{n} |");
        let row = handoff.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("HANDOFF.md has no row for C{n}"));
        let last = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
        let tests: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test guards C{n}");
        for test in tests {
            assert!(sources.contains(&format!("fn {test}(")), "C{n}: there is no test {test}");
        }
    }
}
