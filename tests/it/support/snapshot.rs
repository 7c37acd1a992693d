//! What commands print, kept in one file per command: `tests/it/snapshots/COMMAND.txt`, with a section for each case. A change of wording is
//! a change of that file: `MJOLNIR_EXPECT=write` writes the sections of the tests that run. Read the difference before you keep it.

#![expect(clippy::disallowed_methods, reason = "the expected texts are made here")]

use std::{collections::BTreeMap, env, fs, sync::Mutex};

/// What begins a section.
const HEAD: &str = "=== ";
/// Tests of one process write one after another.
static WRITING: Mutex<()> = Mutex::new(());

/// Whether this case of a command prints what its section says.
pub fn is_expected(command: &str, case: &str, found: &str) -> bool {
    let file = format!("{}/tests/it/snapshots/{command}.txt", env!("CARGO_MANIFEST_DIR"));
    let _one = WRITING.lock().unwrap();
    let mut cases = sections(&fs::read_to_string(&file).unwrap_or_default());
    if env::var("MJOLNIR_EXPECT").is_ok_and(|word| word == "write") {
        cases.insert(case.to_owned(), found.to_owned());
        let one = |(case, text): (&String, &String)| format!("{HEAD}{case}\n{text}");
        fs::write(&file, cases.iter().map(one).collect::<String>()).unwrap();
    }
    cases.get(case).is_some_and(|text| text == found)
}

/// Fails, with what was printed, where it is not what its section says.
#[track_caller]
pub fn expect(command: &str, case: &str, found: &str) {
    assert!(
        is_expected(command, case, found),
        "`{case}` in tests/it/snapshots/{command}.txt is not what was printed:\n{found}"
    );
}

fn sections(text: &str) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    let mut now = None;
    for line in text.split_inclusive('\n') {
        if let Some(case) = line.strip_prefix(HEAD) {
            now = Some(all.entry(case.trim_end().to_owned()).or_default());
        } else if let Some(text) = &mut now {
            text.push_str(line);
        }
    }
    all
}

#[test]
fn sections_are_what_was_put_there() {
    let text = "=== a\none\n\n=== b c\n=== d\ntwo";
    let found: Vec<(String, String)> = sections(text).into_iter().collect();
    let pair = |case: &str, text: &str| (case.to_owned(), text.to_owned());
    assert_eq!(found, [pair("a", "one\n\n"), pair("b c", ""), pair("d", "two")]);
}
