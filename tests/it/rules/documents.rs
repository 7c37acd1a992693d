//! docs/RULES.md against the program, and the examples against the check.

use std::fs;

use mjolnir::language::functions;

use crate::support::runner::Root;

fn own(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_words_of_the_document_are_those_of_the_program() {
    let text = own("docs/RULES.md");
    let begin = "<!-- functions: written by runner functions -->\n";
    let (_, rest) = text.split_once(begin).expect("the mark");
    let (part, _) = rest.split_once("<!-- end -->").expect("the other mark");
    assert_eq!(
        part.trim(),
        functions::reference().trim(),
        "put `runner functions` between the marks"
    );
}

/// The fenced parts of a document in a language.
fn fences<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let mark = format!("```{language}\n");
    text.split(mark.as_str())
        .skip(1)
        .filter_map(|rest| rest.split_once("```").map(|(part, _)| part))
        .collect()
}

#[test]
fn every_whole_strategy_of_the_document_passes_the_check() {
    let root = Root::new();
    let text = own("docs/RULES.md");
    let whole =
        |part: &&str| part.starts_with("manifest = 1") && part.contains("[[strategy.enter]]");
    let wrong = |part: &str| part.contains("clsoe");
    let all: Vec<&str> = fences(&text, "toml").into_iter().filter(whole).collect();
    assert!(all.len() >= 11, "{} strategies", all.len());
    for (n, part) in all.iter().enumerate() {
        root.write("strategies/tried.toml", part);
        let ran = root.run("check strategies/tried.toml");
        assert_eq!(ran.code, if wrong(part) { 78 } else { 0 }, "strategy {n}: {ran}");
    }
}

#[test]
fn examples_are_in_the_document_and_trade() {
    let root = Root::new();
    let text = own("docs/RULES.md");
    root.run("run made-up -p to=2024-01-20T00:00:00Z").ok();
    // What a program says has a test of its own; here it is silent.
    root.write("data/signals/robot.csv", "");
    let folder = format!("{}/strategies/examples", env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".toml") else { continue };
        let example = own(&format!("strategies/examples/{name}.toml"));
        assert!(text.contains(example.trim()), "{name} is not in docs/RULES.md as it is");
        root.run(&format!("check strategies/examples/{name}.toml")).ok();
        root.write(&format!("strategies/{name}.toml"), &example);
        root.run(&format!("run backtest -P {name} -p exchange=demo tag=tried runid={name}")).ok();
        seen += 1;
    }
    assert!(seen >= 10, "{seen} examples");
}
