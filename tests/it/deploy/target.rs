//! What a deploy would do to the target: take away, overwrite, replace, go back, change too much.

#![expect(clippy::disallowed_methods, reason = "these tests make the situations that are refused")]

use std::{fs, os::unix::fs::symlink};

use super::fixture::Site;

#[test]
fn in_sync_is_no_change_and_one_more_commit_is_a_plan() {
    let Some(site) = Site::new() else { return };
    site.check().stays_in_sync();
    site.write("src/main.py", "print(2)\n");
    site.write("src/new.py", "x = 1\n");
    site.commit("second");
    let checked = site.check().passes();
    assert_eq!(checked.report["changes"]["new"], 1, "{}", checked.ran);
    assert_eq!(checked.report["changes"]["changed"], 1, "{}", checked.ran);
    let plan: serde_json::Value =
        serde_json::from_str(&site.root.read(checked.ran.json()["out"]["plan"].as_str().unwrap()))
            .unwrap();
    let items = plan["items"].to_string();
    assert!(items.contains("src/main.py") && items.contains("src/new.py"), "{items}");
    assert_eq!(plan["refused"], false);
}

/// U1. rsync itself says nothing of deletes: it makes way.
#[test]
fn u1_a_folder_that_must_make_way_for_a_file_is_refused() {
    let Some(site) = Site::new() else { return };
    site.git(&["rm", "-q", "-r", "ops"]);
    site.write("ops", "a file now\n");
    site.commit("ops is a file");
    let lost = site.check().refuses("deletes", &["ops"]).refuses("type-change", &["ops (a folder"]);
    // rsync ends with 23 here: that alone is reason enough.
    lost.refuses("not-understood", &["exit code 23"]);
    let off =
        ["deletes", "type-change", "drift"].map(|name| format!("deploy-check.severity.{name}"));
    let sets: Vec<(&str, &str)> = off.iter().map(|name| (name.as_str(), "off")).collect();
    site.check_with(&sets).lacks("deletes").refuses("not-understood", &["23"]);
    // The twin: it is emptied, and stays a folder.
    let Some(site) = Site::new() else { return };
    site.write("ops/run.sh", "exit 1\n");
    site.commit("other");
    site.check().passes().lacks("deletes");
}

/// U2.
#[test]
fn u2_protected_paths_that_git_tracks_are_refused() {
    let Some(site) = Site::new() else { return };
    site.write("data/rows.csv", "1\n");
    site.write(".env.prod", "A=1\n");
    // Untracked, they are warned of: the excludes alone keep them here.
    site.check().passes().finds("protected-in-source", "warn", &["data", ".env.prod"]);
    site.git(&["add", "-f", "data/rows.csv", ".env.prod"]);
    site.git(&["commit", "-q", "-m", "data"]);
    site.check().refuses("protected-touched", &["data/rows.csv", ".env.prod"]);
    let Some(site) = Site::new() else { return };
    site.write("src/data/rows.csv", "1\n");
    site.write(".env.example", "A=\n");
    site.git(&["add", "-f", ".env.example"]);
    site.commit("not at the top");
    site.check().passes().lacks("protected-touched").lacks("protected-in-source");
}

/// U2. State of the target is not even named, in any shape.
#[test]
fn u2_state_of_the_target_is_no_difference() {
    let Some(site) = Site::new() else { return };
    for path in [".env.local", ".env.d/x", "data/more", ".mjolnir-trash/r1/old.py"] {
        site.write_there(path, "state\n");
    }
    site.check().stays_in_sync();
    fs::rename(site.there("data"), site.root.at("moved-data")).unwrap();
    symlink(site.root.at("moved-data"), site.there("data")).unwrap();
    site.check().stays_in_sync();
    // And with a source that has a link of that name.
    symlink("/tmp", site.here("data")).unwrap();
    site.check()
        .passes()
        .finds("protected-in-source", "warn", &["data"])
        .lacks("protected-touched");
}

/// U4. rsync would replace both and call one of them a new folder.
#[test]
fn u4_a_link_or_file_that_would_be_replaced_is_refused() {
    let Some(site) = Site::new() else { return };
    fs::rename(site.there("ops"), site.root.at("elsewhere")).unwrap();
    symlink("../elsewhere", site.there("ops")).unwrap();
    site.check().refuses("type-change", &["ops (a link, would become a folder)"]);
    let Some(site) = Site::new() else { return };
    fs::remove_file(site.there("README.md")).unwrap();
    symlink("src/main.py", site.there("README.md")).unwrap();
    site.write_there("lib", "a file\n");
    site.write("lib/a.py", "x\n");
    site.commit("lib");
    let words = ["README.md (a link, would become a file)", "lib (a file, would become a folder)"];
    site.check().refuses("type-change", &words);
    // The twin: a link that is a link on both sides.
    let Some(site) = Site::new() else { return };
    symlink("README.md", site.here("link")).unwrap();
    site.commit("link");
    site.deploy();
    site.check().stays_in_sync().lacks("type-change");
}

/// U5.
#[test]
fn u5_edited_missing_and_stray_files_on_the_target_are_refused() {
    let Some(site) = Site::new() else { return };
    site.write_there("src/main.py", "print('by hand')\n");
    let checked = site.check().refuses("drift", &["src/main.py (edited there)"]);
    // It says how to go on, and that works.
    let findings = checked.report["checks"].as_array().unwrap().clone();
    let drift = findings.iter().find(|found| found["name"] == "drift").unwrap().clone();
    let (next, what) = (drift["next"].as_str().unwrap(), drift["value"].as_str().unwrap());
    assert!(next.starts_with("runner run jobs/drift.toml"), "{next}");
    let sets: Vec<(&str, &str)> =
        what.split("--set ").skip(1).map(|set| set.trim().split_once('=').unwrap()).collect();
    assert_eq!(sets.len(), 2, "{what}");
    site.act_with(&[], &sets).done();
    site.check().stays_in_sync().lacks("drift");
    site.write_there("src/main.py", "print('by hand')\n");
    site.write("src/main.py", "print(3)\n");
    site.commit("also here");
    site.check().refuses("drift", &["src/main.py (edited there, and changed here: a conflict)"]);
    let Some(site) = Site::new() else { return };
    fs::remove_file(site.there("ops/run.sh")).unwrap();
    site.write_there("helper.sh", "who left this\n");
    site.check()
        .refuses("drift", &["ops/run.sh (missing there)", "helper.sh (stray: no deploy sent it)"]);
    let Some(site) = Site::new() else { return };
    site.write_there("src/late.py", "by hand\n");
    site.write("src/late.py", "by git\n");
    site.commit("late");
    site.check()
        .refuses("drift", &["src/late.py (no deploy sent it, and it would be overwritten)"]);
    let Some(site) = Site::new() else { return };
    site.write_there(".mjolnir-deployed.json", "{}");
    site.check().refuses("drift", &["cannot be read"]);
    // The twin: what is on the target already is no edit; what is left over is stale, and unchanged.
    let Some(site) = Site::new() else { return };
    site.git(&["rm", "-q", "ops/run.sh"]);
    site.commit("gone");
    site.check().passes().finds("stale", "warn", &["ops/run.sh"]).lacks("drift");
    site.write_there("ops/run.sh", "edited\n");
    site.check().refuses("drift", &["ops/run.sh (edited there"]);
}

/// U6.
#[test]
fn u6_an_older_source_is_refused() {
    let Some(site) = Site::new() else { return };
    site.write("src/main.py", "print(2)\n");
    site.commit("second");
    site.check().passes().lacks("older-source");
    site.deploy();
    site.git(&["reset", "-q", "--hard", "HEAD~1"]);
    site.check().refuses("older-source", &["is not before HEAD"]);
    site.note("0123456789012345678901234567890123456789");
    site.check().refuses("older-source", &["is unknown here"]);
    site.note("HEAD");
    site.check().refuses("drift", &["`commit` is not a hash of git"]);
}

/// U6. Without a note of what was deployed, times tell.
#[test]
fn u6_a_newer_file_on_the_target_is_refused() {
    let Some(site) = Site::new() else { return };
    fs::remove_file(site.there(".mjolnir-deployed.json")).unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_hours(400_000);
    let age = |path: &std::path::Path| fs::File::open(path).unwrap().set_modified(old).unwrap();
    site.write_there("src/main.py", "print('newer')\n");
    age(&site.here("src/main.py"));
    site.check().refuses("older-source", &["src/main.py"]);
    let Some(site) = Site::new() else { return };
    fs::remove_file(site.there(".mjolnir-deployed.json")).unwrap();
    site.write("src/main.py", "print('newer')\n");
    site.commit("newer");
    age(&site.there("src/main.py"));
    let checked = site.check().passes().lacks("older-source");
    assert!(checked.report["notes"].to_string().contains("no deploy to this target is known"));
}

/// U8.
#[test]
fn u8_a_source_one_level_off_is_refused() {
    let Some(site) = Site::new() else { return };
    site.write("tree/src/main.py", "print(1)\n");
    site.commit("the tree in the tree");
    site.check().refuses("wrong-level", &["one folder too high"]);
    site.write("other/main.py", "print(1)\n");
    site.commit("and something else");
    site.check().passes().lacks("wrong-level");
    // Somebody forgot the slash once: the target has it all one level lower.
    let Some(site) = Site::new() else { return };
    for path in ["README.md", "src/main.py", "ops/run.sh"] {
        site.write_there(&format!("tree/{path}"), "once\n");
    }
    site.check().refuses("wrong-level", &["one level too low"]);
    // Both are one folder, or one lies in the other.
    for path in [site.here(""), site.here("src")] {
        let path = path.to_str().unwrap().trim_end_matches('/').to_owned();
        fs::copy(site.there(".mjolnir-target"), site.here(".mjolnir-target")).unwrap();
        let marker =
            format!(r#"{{"schema":"mjolnir.target/1","project":"mjolnir","path":"{path}"}}"#);
        fs::write(format!("{path}/.mjolnir-target"), marker).unwrap();
        site.check_at(&path, &[]).refuses("wrong-level", &["one folder"]);
    }
}

#[test]
fn more_than_a_deploy_may_change_is_refused_and_permissions_are_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(site) = Site::new() else { return };
    for n in 0..4 {
        site.write(&format!("src/n{n}.py"), "x = 1\n");
    }
    site.commit("more");
    site.check_with(&[("deploy-check.limits.max-changed-files", "3")])
        .refuses("too-much", &["4 files"]);
    site.check_with(&[("deploy-check.limits.max-new-bytes", "5B")])
        .refuses("too-much", &["24 bytes"]);
    site.check_with(&[("deploy-check.limits.max-changed-files", "4")]).passes().lacks("too-much");
    let Some(site) = Site::new() else { return };
    fs::set_permissions(site.here("ops/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    site.commit("may run");
    site.check().passes().finds("perms-only", "warn", &["ops/run.sh"]);
}
