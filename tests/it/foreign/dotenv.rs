//! `.env` files made at random, read by python-dotenv and by us.

use std::collections::BTreeMap;

use mjolnir::domain::dotenv::read;
use serde_json::Value;

use super::script;
use crate::support::runner::Root;

/// What the texts are made of: everything that has a meaning somewhere.
const PIECES: [&str; 32] = [
    "A",
    "B_1",
    "=",
    "=",
    "=",
    " ",
    "\t",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "#",
    " # ",
    "'",
    "'",
    "\"",
    "\"",
    "x",
    "127.0.0.1",
    "0.0.0.0",
    ":",
    "export ",
    "export\t",
    "$",
    "${B_1}",
    "\\",
    "\\n",
    "\\\"",
    "\r",
    "A=1\n",
    "B_1='a\nb'\n",
    "\u{feff}",
];
const TEXTS: usize = 16_000;
const PIECES_MAX: u64 = 14;

/// Texts, always the same ones.
fn texts() -> Vec<String> {
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let one = |_| {
        let pieces = 1 + next(PIECES_MAX);
        (0..pieces).map(|_| PIECES[usize::try_from(next(32)).unwrap()]).collect()
    };
    (0..TEXTS).map(one).collect()
}

#[test]
fn a_value_that_is_known_is_what_python_dotenv_gives_too() {
    let root = Root::new();
    let texts = texts();
    root.write("texts.json", &serde_json::to_string(&texts).unwrap());
    let Some(ran) = script(&root, "python-dotenv", "dotenv.py' < texts.json 2> /dev/null") else {
        return;
    };
    let theirs: Vec<BTreeMap<String, Value>> = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(theirs.len(), TEXTS);
    let (mut clean, mut known) = (0, 0);
    for (text, theirs) in texts.iter().zip(theirs) {
        let ours = read(text);
        // Where a line is odd, the two libraries go different ways, and nothing is claimed.
        if !ours.odd_lines.is_empty() {
            continue;
        }
        clean += 1;
        let ours: BTreeMap<String, Option<String>> =
            ours.entries.into_iter().map(|entry| (entry.name, entry.value)).collect();
        let names: Vec<&String> = ours.keys().collect();
        assert_eq!(names, theirs.keys().collect::<Vec<_>>(), "{text:?}");
        for (name, value) in ours {
            let Some(value) = value else { continue };
            known += 1;
            assert_eq!(Some(value.as_str()), theirs[&name].as_str(), "{name} of {text:?}");
        }
    }
    assert!(
        clean > 300 && known > 300,
        "{clean} texts say {known} values: too few to mean anything"
    );
}
