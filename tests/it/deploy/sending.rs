//! A deploy from its plan to its proof, on this machine and over ssh.

#![expect(clippy::disallowed_methods, reason = "these tests make the trees that are sent")]

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
};

use super::{
    fixture::Site,
    locks::seen,
    patterns::{CONTROL, ODD},
    ssh::far,
};

/// A second commit: changed, new, a link, another mode, and a file that is gone.
fn second(site: &Site) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let first = site.head();
    site.write("src/main.py", "print(2)\n");
    site.write("src/deep/er/new.py", "x = 1\n");
    symlink("main.py", site.here("src/link")).unwrap();
    fs::set_permissions(site.here("ops/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    site.git(&["rm", "-q", "README.md"]);
    site.commit("second");
    first
}

fn whole_story(site: &Site) {
    let first = second(site);
    let done = site.act(&["-m", "the second one"]).done();
    let paths = ["src/main.py", "src/deep/er/new.py", "src/link", "ops/run.sh"];
    for path in paths {
        assert!(done.sent().contains(&path.to_owned()), "{path}: {:?}", done.sent());
    }
    for path in ["src/main.py", "src/deep/er/new.py", "ops/run.sh"] {
        assert_eq!(fs::read(site.here(path)).unwrap(), fs::read(site.there(path)).unwrap());
    }
    // It is gone from the source, so it is stale, and stays.
    assert_eq!(done.story["stale"], serde_json::json!(["README.md"]));
    assert!(site.there("README.md").exists());
    let noted = site.noted();
    assert_eq!(noted["schema"], "mjolnir.deployed/2");
    assert_eq!(
        (noted["commit"].as_str(), noted["previous"].as_str()),
        (Some(site.head().as_str()), Some(first.as_str()))
    );
    assert_eq!(noted["message"], "the second one");
    assert!(noted["files"]["README.md"].is_object(), "{noted}");
    assert_eq!(noted["files"]["src/link"]["mode"], "120777");
    let copies = site.root.list("data/state/deploy");
    let copy = copies.iter().find(|name| !name.contains("lock")).unwrap();
    assert_eq!(
        site.root.read(&format!("data/state/deploy/{copy}")),
        fs::read_to_string(site.there(".mjolnir-deployed.json")).unwrap()
    );
    site.is_tidy();
    // Once more: nothing is sent, and the way back stays the same.
    let again = site.act(&[]).done();
    assert!(again.sent().is_empty(), "{:?}", again.sent());
    assert_eq!(site.noted()["previous"].as_str(), Some(first.as_str()));
    site.is_tidy();
}

#[test]
fn a_deploy_sends_notes_and_verifies() {
    let Some(site) = Site::new() else { return };
    whole_story(&site);
    site.check().stays_in_sync().finds("stale", "warn", &["README.md"]);
}

#[test]
fn a_deploy_over_ssh_does_the_same() {
    let Some((_server, mut site, machine)) = far() else { return };
    site.words.push(format!("machine-id={machine}"));
    whole_story(&site);
    site.check().stays_in_sync();
}

/// The very first one, into a folder that has nothing but a marker and its state.
#[test]
fn a_first_deploy_fills_an_empty_folder() {
    let Some(site) = Site::empty() else { return };
    let done = site.act(&[]).done();
    assert!(done.sent().len() >= 5, "{:?}", done.sent());
    assert!(site.noted()["previous"].is_null());
    site.check().stays_in_sync();
    site.act(&["--rollback"]).fails(4, &["nothing to go back to", "names no commit before"]);
    site.is_tidy();
}

fn odd_names(site: &Site) {
    let bad = [&b"no\xfftext"[..]];
    let names: Vec<&[u8]> = ODD.iter().chain(&CONTROL).chain(&bad).copied().collect();
    for name in &names {
        fs::write(site.here("src").join(OsStr::from_bytes(name)), name).unwrap();
    }
    site.commit("odd names");
    let warn = [("deploy-check.severity.special-files", "warn")];
    let done = site.act_with(&[], &warn).done();
    assert_eq!(done.sent().len(), names.len(), "{:?}", done.sent());
    for name in &names {
        let there = fs::read(site.there("src").join(OsStr::from_bytes(name))).unwrap();
        assert_eq!(&there, name);
    }
    site.is_tidy();
    let files = site.noted()["files"].as_object().unwrap().clone();
    assert!(files.contains_key("src/new\\#012line") && files.contains_key("src/--delete"));
}

#[test]
fn odd_names_are_sent_as_they_are() {
    let Some(site) = Site::new() else { return };
    odd_names(&site);
}

#[test]
fn odd_names_are_sent_over_ssh_as_they_are() {
    let Some((_server, mut site, machine)) = far() else { return };
    site.words.push(format!("machine-id={machine}"));
    odd_names(&site);
}

/// U16.
#[test]
fn nothing_is_sent_when_something_moved_since_the_plan() {
    let Some(site) = Site::new() else { return };
    second(&site);
    let before = seen(&site.there(""));
    let plan = |verb: &str, sets: &[(&str, &str)]| {
        let ran = site.call_for(verb, sets).run().code(0);
        ran.json()["out"]["plan"].as_str().unwrap().to_owned()
    };
    let old = plan("plan deploy --json", &[("deploy-check.plan-ttl", "1ms")]);
    let good = plan("plan deploy --json", &[]);
    let other = plan("run deploy-check --json", &[]);
    assert!(before == seen(&site.there("")), "a plan changes nothing");
    site.act(&["--plan", &old]).fails(1, &["changed-since"]);
    site.write_there("src/main.py", "print('by hand')\n");
    site.act(&["--plan", &good]).fails(1, &["changed-since", "drift"]);
    let off = [("deploy-check.severity.drift", "off")];
    site.act_with(&["--plan", &good], &off).fails(1, &["changed-since"]);
    assert_eq!(fs::read_to_string(site.there("src/main.py")).unwrap(), "print('by hand')\n");
    assert!(!site.there("src/deep").exists());
    site.is_tidy();
    // As it was, the plan holds again; that of the job that only looks is as good.
    fs::write(site.there("src/main.py"), "print(1)\n").unwrap();
    let times = fs::File::open(site.there("src/main.py")).unwrap();
    let (_, _, _, seconds, nanos) = before[&b"src/main.py"[..]];
    let was = std::time::UNIX_EPOCH
        + std::time::Duration::new(seconds.unsigned_abs(), u32::try_from(nanos).unwrap());
    times.set_modified(was).unwrap();
    site.act(&["--plan", &other]).done();
    site.act(&["--plan", &good]).fails(1, &["changed-since"]);
    site.act(&["--plan", "no/such.json"]).fails(78, &["name a plan.json"]);
}

#[test]
fn a_plan_is_shown_to_people_and_other_jobs_have_none() {
    let Some(site) = Site::new() else { return };
    second(&site);
    let words = [
        "change  ",
        "src/deep/er/new.py",
        "plan    data/reports/deploy/",
        "hash ",
        "good until 20",
    ];
    site.call_for("plan deploy", &[]).run().code(0).prints(&words);
    site.root.run("plan backtest").code(2).says(&["is a job of kind `backtest`", "runner explain"]);
    site.root.run("plan nosuch").code(4);
    site.call_for("deploy deploy", &[]).run().code(0).prints(&[
        "sent    ",
        "done    ",
        "src/main.py",
    ]);
}

#[test]
fn a_refused_deploy_changes_nothing() {
    let Some(site) = Site::new() else { return };
    second(&site);
    site.write("untracked.py", "x\n");
    let before = seen(&site.there(""));
    let acted = site.act(&[]).fails(1, &["dirty-tree"]);
    assert!(acted.story.is_null());
    let mut after = seen(&site.there(""));
    // The lock came and went, so the folder itself has another time.
    after.insert(Vec::new(), before[&Vec::new()].clone());
    assert!(before == after, "nothing was changed");
}

/// It names the variables of the box and holds none of their values.
#[test]
fn the_example_of_the_env_is_sent_and_secrets_stay() {
    let Some(site) = Site::new() else { return };
    site.write(".gitignore", "/data\n/.env\n/.env.*\n!/.env.example\n");
    site.write(".env.example", "TOKEN=\n");
    site.write(".env.local", "TOKEN=here\n");
    site.commit("an example");
    let done = site.act(&[]).done();
    let sent = done.sent();
    assert!(sent.contains(&".env.example".to_owned()), "{sent:?}");
    assert!(!sent.iter().any(|path| path == ".env.local"), "{sent:?}");
    assert_eq!(fs::read_to_string(site.there(".env.example")).unwrap(), "TOKEN=\n");
    assert!(!site.there(".env.local").exists());
    assert!(site.noted()["files"][".env.example"].is_object());
    site.check().stays_in_sync();
    site.write_there(".env.example", "TOKEN=edited\n");
    site.check().refuses("drift", &[".env.example (edited there)"]).lacks("not-understood");
    let hidden = [("deploy-check.protect.paths", "[\"/.env.example\"]")];
    site.check_with(&hidden).refuses("protected-touched", &[".env.example"]).lacks("drift");
}
