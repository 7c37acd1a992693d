//! Rules about the source itself: floors, what each module may name, and the shape of files.

mod borders;
mod commands;
mod names;
mod source;
mod words;

use std::{collections::BTreeSet, fs, path::Path};

use source::{code_of, is_word, paths};

/// Longest file, in lines, tests not counted.
const LINES_MAX: usize = 700;

/// Bottom floor first: module, its floor, the crates it may name.
const FLOORS: &[(&str, u8, &[&str])] = &[
    (
        "domain",
        0,
        &["chrono", "chrono_tz", "croner", "rust_decimal", "ryu", "thiserror", "xxhash_rust"],
    ),
    ("language", 0, &["libm", "rust_decimal", "serde", "strsim", "thiserror"]),
    ("engine", 1, &["libm", "rust_decimal", "schemars", "serde", "thiserror", "xxhash_rust"]),
    (
        "manifest",
        1,
        &[
            "humantime",
            "miette",
            "regex_lite",
            "rust_decimal",
            "schemars",
            "serde",
            "serde_json",
            "strsim",
            "thiserror",
            "toml",
        ],
    ),
    (
        "store",
        2,
        &[
            "bytes",
            "chrono",
            "csv",
            "flate2",
            "itoa",
            "parquet",
            "rayon",
            "rusqlite",
            "rust_decimal",
            "rustix",
            "ryu",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tracing",
            "xxhash_rust",
            "zstd",
        ],
    ),
    (
        "exchange",
        2,
        &[
            "axum",
            "bytes",
            "http",
            "httpdate",
            "hyper",
            "hyper_util",
            "libm",
            "reqwest",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
            "xxhash_rust",
        ],
    ),
    ("net", 2, &["reqwest", "rustls", "thiserror", "tokio"]),
    (
        "model",
        2,
        &[
            "candle_core",
            "libm",
            "rayon",
            "safetensors",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "toml",
            "tracing",
        ],
    ),
    ("os", 2, &["base64", "rustix", "signal_hook", "thiserror", "tokio", "tracing", "xxhash_rust"]),
    ("clock", 2, &[]),
    // What a ledger says, as figures and as a page: rows in, text out.
    ("report", 2, &["libm", "maud", "rust_decimal", "serde"]),
    // Many trials and what the best of them is worth; pure, like the floors below.
    ("sweep", 2, &["libm", "thiserror"]),
    (
        "notify",
        2,
        &[
            "bytes",
            "http",
            "httpdate",
            "lettre",
            "reqwest",
            "rustls",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tracing",
        ],
    ),
    ("session", 3, &["rayon", "serde", "serde_json", "sha2", "thiserror", "tracing"]),
    ("jobs", 4, JOBS),
    ("serve", 4, SERVE),
    ("main", 5, SHELL),
    ("cli", 5, SHELL),
    ("pages", 5, PAGES),
    // The program that uses a card: its library opens it.
    ("bin", 5, &["candle_core"]),
    ("run", 5, SHELL),
    // Plain values: what was checked, and how it went.
    ("checklist", 0, &["serde"]),
    // What settings are made of, on any floor that has some.
    ("setting", 0, &["rust_decimal", "schemars", "serde"]),
    // A plain value: jobs name the exit they end with.
    ("exit", 0, &[]),
    // Plain values too: how a job ended, on any floor that runs one.
    ("outcome", 0, &[]),
    ("lib", 5, &[]),
];

/// What a job may name: all but the file formats and the command line.
const JOBS: &[&str] = &[
    "axum",
    "base64",
    "chrono",
    "csv",
    "humantime",
    "indicatif",
    "plotters",
    "polars",
    "rayon",
    "rust_decimal",
    "saphyr",
    "schemars",
    "serde",
    "serde_json",
    "sha2",
    "similar",
    "strsim",
    "thiserror",
    "tokio",
    "toml",
    "tracing",
    "xxhash_rust",
];

/// What the service may name: what a job may, and the wire its pages go over.
const SERVE: &[&str] = &[
    "axum",
    "http",
    "humantime",
    "hyper",
    "hyper_util",
    "prometheus_client",
    "rust_decimal",
    "serde",
    "serde_json",
    "sha2",
    "thiserror",
    "tokio",
    "tokio_cron_scheduler",
    "tracing",
    "xxhash_rust",
];

/// What the pages may name: they read files and records, and are text.
const PAGES: &[&str] =
    &["axum", "http", "maud", "serde", "serde_json", "toml", "tracing", "xxhash_rust"];

/// What the command line may name.
const SHELL: &[&str] = &[
    "clap",
    "clap_complete",
    "clap_mangen",
    "humantime",
    "indicatif",
    "miette",
    "schemars",
    "serde",
    "serde_json",
    "thiserror",
    "tokio",
    "tracing",
    "tracing_subscriber",
    "toml",
    "xxhash_rust",
];

/// Named by no module: it stands in `Cargo.toml` so that program and tests are built with the same features, once.
const FOR_FEATURES: &[&str] = &["either"];

/// Modules of these floors do not import each other.
const SIBLINGS_APART: &[u8] = &[1, 2];

/// Settings of the engine that the manifest takes as they are: one type from the key to its use.
const SETTINGS: &[&str] = &[
    "crate::engine::learn::rows::FoldGrowth",
    "crate::engine::learn::label::BarrierUnit",
    "crate::engine::learn::label::LabelKind",
    "crate::engine::model::Activation",
    "crate::engine::model::network::WIDTH_MAX",
    "crate::engine::rules::FillAt",
    "crate::engine::rules::Limits",
    "crate::engine::rules::OnTrip",
    "crate::engine::rules::StopFill",
];

/// The ground of floor 2: its siblings may import it, and it imports none of them.
const SHARED: &[&str] = &["net"];

/// Floors up to this one are pure, and these modules above them.
const PURE_MAX: u8 = 1;
const PURE: &[&str] = &["sweep"];

/// Modules in which the same build must give the same bits on every machine: the system's own functions differ, `libm` does not.
const SAME_BITS: &[&str] = &["domain", "engine", "language", "sweep"];
const NOT_LIBM: &[&str] = &[
    ".exp()",
    ".exp2()",
    ".exp_m1()",
    ".ln()",
    ".ln_1p()",
    ".log10()",
    ".log2()",
    ".log(",
    ".powf(",
    ".sin()",
    ".cos()",
    ".tan()",
    ".tanh()",
    ".sinh()",
    ".cosh()",
    ".cbrt()",
    ".hypot(",
];

/// Paths that are impure, as the beginning of a path.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tracing",
    "rand",
    "fastrand",
    "getrandom",
];

/// The only file that reads a clock, and how a clock is read.
const CLOCK: &str = "src/clock.rs";
const CLOCK_READS: &[&str] = &["SystemTime::now", "Instant::now", "Utc::now", "Local::now"];

/// The only file that writes files, and how files are written.
const WRITER: &str = "src/store/disk.rs";
const WRITES: &[&str] = &[
    "File::create",
    "File::create_new",
    "File::options",
    "OpenOptions::new",
    "fs::copy",
    "fs::create_dir",
    "fs::create_dir_all",
    "fs::hard_link",
    "fs::remove_dir",
    "fs::remove_dir_all",
    "fs::remove_file",
    "fs::rename",
    "fs::set_permissions",
    "fs::write",
];

/// Words that stand nowhere in source or tests.
const BANNED: &[&str] = &[
    "TODO",
    "FIXME",
    "dbg!(",
    "todo!(",
    "unimplemented!(",
    "#[ignore",
    "#[allow(",
    "#![allow(",
    "/home/",
    "/Users/",
    "\\Users\\",
];

/// This file and its parts name what they forbid.
const OURSELVES: &str = "tests/it/tidy";

/// Every breach of the rules in the files of a package, given as path from its root and text. `Cargo.toml` tells which crates there are.
fn problems(files: &[(String, String)]) -> Vec<String> {
    let cargo = files.iter().find(|(path, _)| path == "Cargo.toml").map(|(_, text)| text.as_str());
    let mut found: Vec<String> = dead_dependencies(cargo.unwrap_or_default());
    let crates = crates_in(cargo.unwrap_or_default(), &["dependencies", "dev-dependencies"]);
    for (path, text) in files.iter().filter(|(path, _)| is_rust(path)) {
        let mut here = shape(path, text);
        // Test files beside the code may name what tests need.
        if let Some(inside) = path.strip_prefix("src/").filter(|_| !is_test(path)) {
            here.extend(long_or_mixed(path, text));
            match floor_of(module_of(inside)) {
                Some(floor) => here.extend(imports(inside, text, floor, &crates)),
                None => here.push(format!("module `{}` has no floor", module_of(inside))),
            }
        }
        found.extend(here.into_iter().map(|what| format!("{path}: {what}")));
    }
    found
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "rs")
}

fn module_of(inside: &str) -> &str {
    inside.split(['/', '.']).next().unwrap_or_default()
}

fn floor_of(module: &str) -> Option<(&'static str, u8, &'static [&'static str])> {
    FLOORS.iter().find(|(name, ..)| *name == module).copied()
}

/// The crates named in some tables of a `Cargo.toml`, as code spells them.
fn crates_in(cargo: &str, tables: &[&str]) -> BTreeSet<String> {
    let mut inside = false;
    let mut crates = BTreeSet::new();
    for line in cargo.lines() {
        if let Some(table) = line.strip_prefix('[') {
            inside = tables.contains(&table.trim_end().trim_end_matches(']'));
        } else if inside && let Some((name, _)) = line.split_once(['=', '.']) {
            crates.insert(name.trim().replace('-', "_"));
        }
    }
    crates
}

fn dead_dependencies(cargo: &str) -> Vec<String> {
    let crates = crates_in(cargo, &["dependencies"]);
    let unused = crates
        .iter()
        .filter(|name| !FOR_FEATURES.contains(&name.as_str()))
        .filter(|name| FLOORS.iter().all(|(.., may)| !may.contains(&name.as_str())));
    unused.map(|name| format!("Cargo.toml: no module may name the crate `{name}`")).collect()
}

/// Rules for every file.
fn shape(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push("the first line is not a `//!` summary".to_owned());
    }
    if !path.starts_with(OURSELVES) {
        let banned = BANNED.iter().filter(|word| text.contains(**word));
        found.extend(banned.map(|word| format!("`{word}` is banned")));
    }
    found
}

/// The text without its test module, and that module.
fn split_tests(text: &str) -> (&str, &str) {
    text.find("#[cfg(test)]\nmod tests {").map_or((text, ""), |at| text.split_at(at))
}

/// Rules for the shape of source files.
fn long_or_mixed(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (production, tests) = split_tests(text);
    let lines = production.lines().count();
    if lines > LINES_MAX {
        found.push(format!("{lines} lines, more than {LINES_MAX}"));
    }
    if tests.find("\n}\n").is_some_and(|end| !tests[end + 3..].trim().is_empty()) {
        found.push("code stands after the tests".to_owned());
    }
    if path.ends_with("/mod.rs") && !only_declares(text) {
        found.push("a `mod.rs` holds declarations only".to_owned());
    }
    found
}

/// Whether there is nothing but `mod x;` and `use x;`, of any visibility, with attributes.
fn only_declares(text: &str) -> bool {
    let code = code_of(text);
    let outside_attributes: String =
        code.lines().filter(|line| !line.starts_with("#[")).collect::<Vec<_>>().join("\n");
    outside_attributes.split(';').map(str::trim).filter(|piece| !piece.is_empty()).all(|piece| {
        let scoped = ["pub(crate) ", "pub(super) ", "pub "];
        let piece = scoped.iter().find_map(|word| piece.strip_prefix(word)).unwrap_or(piece);
        piece.starts_with("mod ") && !piece.contains('{') || piece.starts_with("use ")
    })
}

/// Rules for what a source file names.
fn imports(
    inside: &str,
    text: &str,
    (module, floor, may): (&str, u8, &[&str]),
    crates: &BTreeSet<String>,
) -> Vec<String> {
    let mut found = BTreeSet::new();
    let (production, tests) = split_tests(text);
    let (production, tests) = (code_of(production), code_of(tests));
    let pure = floor <= PURE_MAX || PURE.contains(&module);
    if SAME_BITS.contains(&module) {
        let named = NOT_LIBM.iter().filter(|name| production.contains(**name));
        found.extend(
            named.map(|name| format!("`{name}` is not the same on every machine; use `libm`")),
        );
    }
    let supers_max = depth(inside);
    for path in paths(&production) {
        let segments: Vec<&str> = path.split("::").collect();
        if crates.contains(segments[0]) && !may.contains(&segments[0]) {
            found.insert(format!("`{module}` may not name the crate `{}`", segments[0]));
        }
        if pure && IMPURE.iter().any(|impure| begins(&path, impure)) {
            found.insert(format!("floor {floor} is pure; it may not name `{path}`"));
        }
        if format!("src/{inside}") != CLOCK && CLOCK_READS.iter().any(|read| ends(&path, read)) {
            found.insert(format!("only {CLOCK} reads a clock; here is `{path}`"));
        }
        if format!("src/{inside}") != WRITER && WRITES.iter().any(|write| ends(&path, write)) {
            found.insert(format!("only {WRITER} writes files; here is `{path}`"));
        }
        if segments.iter().take_while(|s| **s == "super").count() >= supers_max {
            found.insert(format!("`{path}` reaches the root of the crate; write `crate::`"));
        }
    }
    if format!("src/{inside}") != CLOCK && production.contains(".elapsed()") {
        found.insert(format!("only {CLOCK} reads a clock; here is `.elapsed()`"));
    }
    if pure && production.split(|c| !is_word(c)).any(|word| word == "async") {
        found.insert(format!("floor {floor} is pure; it may not be `async`"));
    }
    // Tests keep to the floors too.
    for path in paths(&production).into_iter().chain(paths(&tests)) {
        let mut segments = path.split("::");
        if !matches!(segments.next(), Some("crate" | "mjolnir")) {
            continue;
        }
        let name = segments.next().unwrap_or_default();
        let Some((_, other, _)) = floor_of(name) else {
            // A name of `lib.rs` itself, or a module that is reported as being without a floor.
            continue;
        };
        if other > floor {
            found.insert(format!("floor {floor} reaches up to `{name}`"));
        } else if other == floor
            && name != module
            && SIBLINGS_APART.contains(&floor)
            && !SHARED.contains(&name)
            && !(module == "manifest" && SETTINGS.contains(&path.as_str()))
        {
            found.insert(format!("`{module}` reaches over to its sibling `{name}`"));
        }
    }
    found.into_iter().collect()
}

/// How many modules deep a file lies: as many `super` lead to the root of the crate.
fn depth(inside: &str) -> usize {
    let parts = inside.split('/').count();
    if inside.ends_with("/mod.rs") { parts - 1 } else { parts }
}

fn begins(path: &str, start: &str) -> bool {
    path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn ends(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
}

/// Adds every file below `root/dir` to `out`, in the order of their names.
/// Whether a file of `src` has nothing but tests.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// The files of `src`, by their paths, but those that have nothing but tests.
fn production_files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    read_below(Path::new(env!("CARGO_MANIFEST_DIR")), "src", &mut files);
    files.retain(|(path, _)| !is_test(path));
    files
}

fn read_below(root: &Path, dir: &str, out: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(root.join(dir)).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{dir}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read_below(root, &path, out);
        } else if is_rust(&path) {
            out.push((path.clone(), fs::read_to_string(root.join(path)).unwrap()));
        }
    }
}

#[test]
fn the_source_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cargo = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let mut files = vec![("Cargo.toml".to_owned(), cargo)];
    for dir in ["src", "tests", "benches"] {
        if root.join(dir).is_dir() {
            read_below(root, dir, &mut files);
        }
    }
    let problems = problems(&files);
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

const CARGO: &str = "[dependencies]\ncsv = \"1\"\nserde-json.workspace = true\nrust_decimal = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n";

#[track_caller]
fn check_planted(path: &str, body: &str, expected: Option<&str>) {
    let text =
        if body.starts_with("//!") { body.to_owned() } else { format!("//! Summary.\n{body}\n") };
    let files = [("Cargo.toml".to_owned(), CARGO.to_owned()), (path.to_owned(), text)];
    let found: Vec<String> =
        problems(&files).into_iter().filter(|problem| !problem.starts_with("Cargo.toml")).collect();
    match expected {
        Some(expected) => {
            assert_eq!(found.len(), 1, "{path}: {body}: {found:#?}");
            assert!(found[0].starts_with(path) && found[0].contains(expected), "{found:#?}");
        }
        None => assert!(found.is_empty(), "{path}: {body}: {found:#?}"),
    }
}

#[test]
fn planted_imports_are_found() {
    for (path, body, expected) in [
        ("src/domain/bar.rs", "use crate::engine::step;", "floor 0 reaches up to `engine`"),
        ("src/engine/step.rs", "use crate::{domain::bar, store::disk};", "reaches up to `store`"),
        ("src/engine/step.rs", "fn f() { crate::jobs::live::go() }", "reaches up to `jobs`"),
        ("src/engine/step.rs", "use crate::manifest::Job;", "sibling `manifest`"),
        ("src/manifest/job.rs", "use crate::engine::step;", "sibling `engine`"),
        ("src/store/disk.rs", "use crate::{\n    os,\n    domain::bar::Bar,\n};", "sibling `os`"),
        ("src/clock.rs", "use crate::exchange::kraken;", "sibling `exchange`"),
        ("src/net.rs", "use crate::notify::target;", "sibling `notify`"),
        ("src/session.rs", "use crate::serve::page;", "floor 3 reaches up to `serve`"),
        (
            "src/session.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::jobs::live;\n}",
            "reaches up to `jobs`",
        ),
        ("src/engine/step.rs", "use super::super::store::disk;", "reaches the root"),
        ("src/clock.rs", "use super::os::disk;", "reaches the root"),
        ("src/engine/step.rs", "use csv::Reader;", "may not name the crate `csv`"),
        ("src/engine/step.rs", "use csv;", "may not name the crate `csv`"),
        ("src/domain/bar.rs", "fn f() { serde_json::to_string(&1); }", "the crate `serde_json`"),
        ("src/domain/bar.rs", "use proptest::prelude::*;", "the crate `proptest`"),
        ("src/strange.rs", "", "module `strange` has no floor"),
    ] {
        check_planted(path, body, Some(expected));
    }
}

#[test]
fn planted_impurities_are_found() {
    for (path, body, expected) in [
        ("src/domain/bar.rs", "use std::{fs, fmt};", "may not name `std::fs`"),
        ("src/engine/step.rs", "use std::net::TcpStream;", "std::net"),
        ("src/engine/step.rs", "fn f() { std::thread::spawn(f); }", "std::thread"),
        ("src/engine/step.rs", "use std::time::{Duration, Instant};", "`std::time::Instant`"),
        ("src/engine/step.rs", "use std::time::SystemTime;", "`std::time::SystemTime`"),
        ("src/manifest/job.rs", "fn f() { std::env::var(\"X\"); }", "std::env"),
        ("src/manifest/job.rs", "fn f() { tracing::info!(\"x\"); }", "tracing::info"),
        ("src/manifest/job.rs", "use rand::rng;", "rand::rng"),
        ("src/engine/step.rs", "async fn f() {}", "`async`"),
        ("src/sweep/trial.rs", "use std::fs;", "may not name `std::fs`"),
        ("src/sweep/stats.rs", "fn f(x: f64) -> f64 { x.exp() }", "use `libm`"),
        ("src/engine/step.rs", "fn f(x: f64) -> f64 { x.powf(2.5) }", "use `libm`"),
        ("src/jobs/live.rs", "fn f() { SystemTime::now(); }", "reads a clock"),
        ("src/session.rs", "fn f() { std::time::Instant::now(); }", "reads a clock"),
        ("src/jobs/live.rs", "fn f() { chrono::Utc::now(); }", "reads a clock"),
        ("src/jobs/live.rs", "fn f() { started.elapsed(); }", "reads a clock"),
        ("src/jobs/live.rs", "fn f() { fs::write(p, b); }", "writes files"),
        ("src/store/ledger.rs", "use std::fs::{File, rename};", "writes files"),
        ("src/os.rs", "fn f() { std::fs::File::create(p); }", "writes files"),
        ("src/os.rs", "fn f() { OpenOptions::new(); }", "writes files"),
    ] {
        check_planted(path, body, Some(expected));
    }
}

#[test]
fn planted_untidiness_is_found() {
    let long = "fn f() {}\n".repeat(LINES_MAX);
    let long_tests = format!("#[cfg(test)]\nmod tests {{\n{long}}}");
    for (path, body, expected) in [
        ("src/domain/bar.rs", long.as_str(), "more than 700"),
        ("src/domain/bar.rs", "#[cfg(test)]\nmod tests {\n}\n\nfn f() {}", "after the tests"),
        ("src/engine/mod.rs", "pub mod step;\n\npub fn f() {}", "declarations only"),
        ("src/engine/mod.rs", "mod step {\n    fn f() {}\n}", "declarations only"),
        ("src/engine/mod.rs", "pub use step::{a, b};\nconst X: u8 = 1;", "declarations only"),
        ("tests/it/live.rs", "fn f() { dbg!(1); }", "`dbg!(` is banned"),
        ("src/domain/bar.rs", "const HOME: &str = \"/home/me\";", "`/home/` is banned"),
    ] {
        check_planted(path, body, Some(expected));
    }
    for word in BANNED {
        check_planted("tests/it/live.rs", &format!("// {word}"), Some(word));
    }
    check_planted("src/domain/bar.rs", &long_tests, None);
    let files = [("src/domain/bar.rs".to_owned(), "fn f() {}\n".to_owned())];
    assert_eq!(problems(&files), ["src/domain/bar.rs: the first line is not a `//!` summary"]);
    let cargo = [("Cargo.toml".to_owned(), "[dependencies]\nleft-pad = \"1\"\n".to_owned())];
    assert_eq!(problems(&cargo), ["Cargo.toml: no module may name the crate `left_pad`"]);
}

#[test]
fn tidy_files_pass() {
    for (path, body) in [
        ("src/engine/step.rs", "use crate::domain::{bar::Bar, csv::fields};\nuse super::state;"),
        (
            "src/engine/step.rs",
            "//! Not [`std::fs`].\n// crate::store\nconst X: &str = \"csv::x\";",
        ),
        (
            "src/engine/mod.rs",
            "pub mod step;\n#[cfg(test)]\nmod sample;\npub use step::{\n    a,\n};",
        ),
        ("src/engine/step.rs", "#[cfg(test)]\nmod tests {\n    use proptest::prelude::*;\n}"),
        ("src/store/disk.rs", "use csv::Reader;\nfn f() { std::fs::rename(a, b); }"),
        ("src/clock.rs", "fn f() { std::time::Instant::now(); }"),
        ("src/serve.rs", "use crate::jobs::live;"),
        ("src/main.rs", "use mjolnir::run;"),
    ] {
        check_planted(path, body, None);
    }
}
