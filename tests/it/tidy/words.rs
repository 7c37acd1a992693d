//! Words that people at 3 a.m. should not meet in messages and help.

use super::{production_files, source::texts, split_tests};

/// What is not said, and what is said in its place.
const WORDS: [(&str, &str); 14] = [
    ("nobody", "name who acts, or say what is missing"),
    ("somebody", "name who acts: another process, the operator"),
    ("anew", "again, from the beginning"),
    ("whose", "with, of which"),
    ("told", "asked, said, set by"),
    ("lies", "is"),
    ("stands", "is"),
    ("stood", "was"),
    ("begun", "started"),
    ("mend", "correct, repair"),
    ("mended", "corrected, repaired"),
    ("tells of", "names"),
    ("is no", "is not a"),
    ("there is no", "name what does not have it"),
];

/// Where a word is the right one: the file, and a part of the text.
const RIGHT: [(&str, &str); 1] = [("", "is no longer")];

/// The words of a text that are not said, each with what is said in its place.
fn found(path: &str, text: &str) -> Vec<String> {
    // What is between braces is a name of the code, and a name with an underscore one of a file.
    let said = text.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
    let said = said.collect::<Vec<_>>().join(" ");
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut plain: String =
        said.to_lowercase().chars().map(|c| if is_word(c) { c } else { ' ' }).collect();
    for (file, right) in RIGHT {
        if path.starts_with(file) {
            plain = plain.replace(right, "");
        }
    }
    let plain = format!(" {} ", plain.split_whitespace().collect::<Vec<_>>().join(" "));
    let said = |word: &str| plain.contains(&format!(" {word} "));
    let words = WORDS.iter().filter(|(word, _)| said(word));
    words.map(|(word, better)| format!("{path}: `{word}`, better: {better}: {text}")).collect()
}

/// Texts of the program: its messages, and the documentation that becomes help and JOBS.md.
fn texts_of(path: &str, source: &str) -> Vec<String> {
    let (production, _) = split_tests(source);
    let mut all = texts(production);
    let is_help = path.starts_with("src/manifest/tables/") || path == "src/cli/args.rs";
    if is_help {
        let lines = production.lines().map(str::trim_start);
        all.extend(lines.filter_map(|line| line.strip_prefix("///")).map(str::to_owned));
    }
    all
}

#[test]
fn messages_and_help_use_plain_words() {
    let all: Vec<String> = production_files()
        .iter()
        .flat_map(|(path, source)| {
            texts_of(path, source).into_iter().flat_map(move |text| found(path, &text))
        })
        .collect();
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

#[test]
fn planted_words_are_found() {
    for (text, word) in [
        ("Nobody was there", "nobody"),
        ("it is no number", "is no"),
        ("there is no job `x`", "there is no"),
        ("the lock, whose owner is gone", "whose"),
    ] {
        assert!(found("src/x.rs", text).iter().any(|found| found.contains(word)), "{text}");
    }
    assert_eq!(found("src/x.rs", "it is no longer there, and the recommended way ends"), [""; 0]);
    let source =
        "//! Nobody.\n/// Told.\nfn f() { g(\"somebody\", r#\"a \"b\" anew\"#, 'x'); } // lies\n";
    assert_eq!(texts_of("src/x.rs", source), ["somebody", "a \"b\" anew"]);
    assert_eq!(texts_of("src/cli/args.rs", source).len(), 3);
}
