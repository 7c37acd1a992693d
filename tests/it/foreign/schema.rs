//! The schema for editors, with the validator that the specification names.

use std::collections::BTreeMap;

use super::script;
use crate::support::runner::Root;

type Wrong = BTreeMap<String, Vec<String>>;

fn validated(root: &Root, of: &str, folder: &str) -> Option<Wrong> {
    root.write("schema.json", &root.run(&format!("schema {of}")).ok().stdout);
    let files: Vec<String> =
        root.list(folder).iter().map(|name| format!("{folder}/{name}")).collect();
    let ran = script(root, "jsonschema", &format!("schema.py' schema.json {}", files.join(" ")))?;
    Some(serde_json::from_str(&ran.stdout).unwrap())
}

#[test]
fn an_editor_finds_nothing_wrong_with_what_is_shipped() {
    let root = Root::new();
    for (of, folder, least) in [("job", "jobs", 20), ("profile", "profiles", 8)] {
        let Some(wrong) = validated(&root, of, folder) else { return };
        assert!(wrong.len() >= least, "{wrong:?}");
        let wrong: Wrong = wrong.into_iter().filter(|(_, errors)| !errors.is_empty()).collect();
        assert!(wrong.is_empty(), "{of}: {wrong:#?}");
    }
}

#[test]
fn an_editor_finds_what_the_check_finds() {
    let root = Root::new();
    let head = "manifest = 1\nname = \"t\"\nkind = \"exec\"\n";
    for (n, (text, place)) in [
        ("[exec]\nrnu = [\"a\"]\nrun = [\"a\"]\n", "rnu"),
        ("[exec]\nrun = [\"a\"]\nexpect-exit = \"one\"\n", "expect-exit"),
        ("[exec]\nrun = [\"a\"]\n[run]\nmemory-max = \"much\"\n", "memory-max"),
        (
            "[exec]\nrun = [\"a\"]\n[[schedule]]\ncron = \"* * * * *\"\noverlap = \"perhaps\"\n",
            "overlap",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        root.write(&format!("bad/{n}.toml"), &format!("{head}{text}"));
        root.run(&format!("check bad/{n}.toml")).code(78).says(&[place]);
    }
    let Some(wrong) = validated(&root, "job", "bad") else { return };
    assert_eq!(wrong.len(), 4);
    assert!(wrong.values().all(|errors| !errors.is_empty()), "{wrong:#?}");
}
