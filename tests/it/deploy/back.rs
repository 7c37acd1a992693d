//! Going back, and moving aside.

#![expect(clippy::disallowed_methods, reason = "these tests make what is moved aside")]

use std::fs;

use super::{fixture::Site, locks::seen, ssh::far};

fn text(site: &Site, path: &str) -> String {
    fs::read_to_string(site.there(path)).unwrap()
}

fn there_and_back(site: &Site) {
    let first = site.head();
    site.write("src/main.py", "print(2)\n");
    site.write("src/new.py", "x = 1\n");
    site.commit("second");
    let second = site.head();
    site.act(&[]).done();
    let modes = |site: &Site| -> Vec<u32> {
        seen(&site.there(""))
            .into_iter()
            .filter(|(path, _)| !path.starts_with(b".mj"))
            .map(|(_, seen)| seen.1)
            .collect()
    };
    let before = modes(site);
    let done = site.act(&["--rollback"]).done();
    assert_eq!(text(site, "src/main.py"), "print(1)\n");
    assert_eq!(modes(site), before, "rights are those of the source, not of a copy of it");
    assert_eq!(done.story["stale"], serde_json::json!(["src/new.py"]), "{}", done.story);
    let noted = site.noted();
    assert_eq!(
        (noted["commit"].as_str(), noted["previous"].as_str()),
        (Some(&*first), Some(&*second))
    );
    assert_eq!(site.head(), second, "the source is where it was");
    // Once more, and it is at the newer one again.
    site.act(&["--rollback"]).done();
    assert_eq!(text(site, "src/main.py"), "print(2)\n");
    assert_eq!(site.noted()["commit"].as_str(), Some(&*second));
    // And back; the next deploy goes forward from there, with a commit on top.
    site.act(&["--rollback"]).done();
    site.write("src/main.py", "print(3)\n");
    site.commit("third");
    site.act(&[]).done();
    assert_eq!(text(site, "src/main.py"), "print(3)\n");
    assert_eq!(site.noted()["previous"].as_str(), Some(&*first));
    site.is_tidy();
}

#[test]
fn a_rollback_goes_back_and_another_one_comes_back() {
    let Some(site) = Site::new() else { return };
    there_and_back(&site);
    let runs = site.root.list("data/reports/deploy");
    for run in runs {
        let left = site.root.list(&format!("data/reports/deploy/{run}"));
        assert!(!left.contains(&"tree".to_owned()), "the tree is taken away again: {left:?}");
    }
}

#[test]
fn a_rollback_over_ssh_does_the_same() {
    let Some((_server, mut site, machine)) = far() else { return };
    site.words.push(format!("machine-id={machine}"));
    let first = site.head();
    site.write("src/main.py", "print(2)\n");
    site.commit("second");
    site.act(&[]).done();
    site.act(&["--rollback"]).done();
    assert_eq!(text(&site, "src/main.py"), "print(1)\n");
    assert_eq!(site.noted()["commit"].as_str(), Some(&*first));
    site.is_tidy();
}

#[test]
fn a_rollback_does_not_overwrite_edits_and_needs_a_commit_to_go_to() {
    let Some(site) = Site::new() else { return };
    site.act(&["--rollback"]).fails(4, &["nothing to go back to"]);
    site.write("src/main.py", "print(2)\n");
    site.commit("second");
    site.act(&[]).done();
    site.write_there("src/main.py", "print('by hand')\n");
    site.act(&["--rollback"]).fails(1, &["drift", "src/main.py"]);
    assert_eq!(text(&site, "src/main.py"), "print('by hand')\n");
    let noted = text(&site, ".mjolnir-deployed.json");
    let first = site.noted()["previous"].as_str().unwrap().to_owned();
    site.write_there(".mjolnir-deployed.json", &noted.replace(&first, &"0".repeat(40)));
    site.act(&["--rollback"]).fails(1, &["no such commit", "fetch it first"]);
    fs::remove_file(site.there(".mjolnir-deployed.json")).unwrap();
    site.act(&["--rollback"]).fails(4, &["is not there"]);
    site.is_tidy();
}

/// Neither does an uncommitted change of the source come along.
#[test]
fn a_rollback_brings_what_git_has() {
    let Some(site) = Site::new() else { return };
    site.write("src/main.py", "print(2)\n");
    site.commit("second");
    site.act(&[]).done();
    site.write("src/main.py", "print('half a thought')\n");
    site.write("untracked.py", "x\n");
    site.act(&["--rollback"]).done();
    assert_eq!(text(&site, "src/main.py"), "print(1)\n");
    assert!(!site.there("untracked.py").exists());
    site.is_tidy();
}

fn aside(site: &Site) {
    for path in ["old/one.py", "old/two words -> x.py", "old/-rf", "old/edited.py", "old/new\nline"]
    {
        site.write(path, "old = 1\n");
    }
    site.commit("old");
    let warn = [("deploy-check.severity.special-files", "warn")];
    site.act_with(&[], &warn).done();
    site.git(&["rm", "-q", "-r", "old"]);
    site.commit("gone");
    // Before they are gone from what is deployed, they may still be used there.
    site.act(&["--retire"]).fails(1, &["deploy first"]);
    site.act(&[]).done();
    site.write_there("old/edited.py", "by hand\n");
    site.write_there("old/stray.py", "nobody deployed this\n");
    // A note that claims a protected file does not make it one of ours.
    let mut noted = site.noted();
    let sha256 =
        mjolnir::store::digest::sha256_hex(&fs::read(site.there("data/ledger.csv")).unwrap());
    noted["files"]["data/ledger.csv"] = serde_json::json!({
        "sha256": sha256, "mode": "100600", "size": fs::metadata(site.there("data/ledger.csv")).unwrap().len(),
    });
    site.write_there(".mjolnir-deployed.json", &noted.to_string());
    site.own();
    let done = site.act(&["--retire"]).done();
    let moved = done.story["moved"].as_array().unwrap();
    assert_eq!(moved.len(), 4, "{}", done.story);
    let run = done.ran.json()["run_id"].as_str().unwrap().to_owned();
    for name in ["one.py", "two words -> x.py", "-rf", "new\nline"] {
        assert!(!site.there("old").join(name).exists(), "{name}");
        assert_eq!(text(site, &format!(".mjolnir-trash/{run}/old/{name}")), "old = 1\n");
    }
    assert_eq!(text(site, "old/edited.py"), "by hand\n");
    assert_eq!(text(site, "old/stray.py"), "nobody deployed this\n");
    let left = done.story["left"].to_string();
    assert!(left.contains("old/edited.py (edited there)"), "{left}");
    assert!(left.contains("data/ledger.csv (protected"), "{left}");
    let files = site.noted()["files"].as_object().unwrap().clone();
    assert!(!files.contains_key("old/one.py") && files.contains_key("old/edited.py"));
    // Nothing is left to do.
    let again = site.act(&["--retire"]).done();
    assert_eq!(again.story["moved"], serde_json::json!([]));
    site.is_tidy();
}

#[test]
fn what_is_left_over_is_moved_aside_unless_it_was_edited_or_is_protected() {
    let Some(site) = Site::new() else { return };
    aside(&site);
}

#[test]
fn what_is_left_over_is_moved_aside_over_ssh() {
    let Some((_server, mut site, machine)) = far() else { return };
    site.words.push(format!("machine-id={machine}"));
    site.git(&["mv", "src/main.py", "src/-two words\n-> it's.py"]);
    site.commit("renamed");
    let warn = [("deploy-check.severity.special-files", "warn")];
    site.act_with(&[], &warn).done();
    site.git(&["rm", "-q", "--", "src/-two words\n-> it's.py"]);
    site.commit("gone");
    site.act(&[]).done();
    let done = site.act(&["--retire"]).done();
    let run = done.ran.json()["run_id"].as_str().unwrap().to_owned();
    for name in ["main.py", "-two words\n-> it's.py"] {
        assert!(!site.there("src").join(name).exists(), "{name}");
        assert_eq!(text(&site, &format!(".mjolnir-trash/{run}/src/{name}")), "print(1)\n");
    }
    site.is_tidy();
}

#[test]
fn what_a_rollback_and_a_retirement_would_do_is_shown() {
    let Some(site) = Site::new() else { return };
    site.write("src/main.py", "print(2)\n");
    site.write("src/new.py", "x = 1\n");
    site.commit("second");
    let plan = |flag: &str| site.call_for(&format!("plan deploy {flag}"), &[]).run();
    plan("--rollback").code(4).says(&["nothing to go back to"]);
    site.act(&[]).done();
    let before = seen(&site.there(""));
    plan("--rollback").code(0).prints(&[
        "change  changed file  src/main.py",
        "stale",
        "src/new.py",
        "rollback.json",
    ]);
    plan("--retire").code(0).prints(&["0 files would be moved aside, 0 stay"]);
    assert!(before == seen(&site.there("")), "a preview changes nothing");
    site.git(&["rm", "-q", "src/new.py", "README.md"]);
    site.commit("gone");
    plan("--retire").code(1).says(&["deploy first"]);
    site.act(&[]).done();
    site.write_there("README.md", "by hand\n");
    let before = seen(&site.there(""));
    plan("--retire").code(0).prints(&[
        "1 files would be moved aside, 1 stay",
        "move    src/new.py to .mjolnir-trash/",
        "stay    README.md (edited there)",
    ]);
    assert!(before == seen(&site.there("")), "a preview changes nothing");
    for run in site.root.list("data/reports/deploy") {
        let left = site.root.list(&format!("data/reports/deploy/{run}"));
        assert!(!left.contains(&"tree".to_owned()), "the tree is taken away again: {left:?}");
    }
    site.call_for("plan deploy-check --retire", &[]).run().code(2).says(&["job of kind `deploy`"]);
}
