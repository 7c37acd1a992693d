//! Whether the target is the right one, when it is a folder of this machine.

#![expect(clippy::disallowed_methods, reason = "these tests make the situations that are refused")]

use std::fs;

use super::fixture::Site;
use crate::support::skip::skip;

/// U7.
#[test]
fn u7_another_project_or_machine_is_refused() {
    let Some(site) = Site::new() else { return };
    site.mark("something-else");
    site.check().refuses("wrong-host", &["names the project `something-else`"]);
    site.write_there(".mjolnir-target", "hello");
    site.check().refuses("wrong-host", &["is not a marker"]);
    fs::remove_file(site.there(".mjolnir-target")).unwrap();
    let checked = site.check().refuses("wrong-host", &["cannot be read", "it must be: "]);
    assert!(checked.report["changes"].is_null(), "nothing more is looked at: {}", checked.report);
    site.mark("mjolnir");
    let other = [("target.machine-id", "00000000000000000000000000000000")];
    site.check_with(&other).refuses("wrong-host", &["the machine id is"]);
    let Ok(own) = fs::read_to_string("/etc/machine-id") else {
        skip("machine-id", "/etc/machine-id is not there");
        return;
    };
    site.check_with(&[("target.machine-id", own.trim())]).stays_in_sync();
}

#[test]
fn a_target_that_is_not_there_is_69_and_never_no_change() {
    let Some(site) = Site::new() else { return };
    let gone = site.root.at("not-mounted").to_str().unwrap().to_owned();
    let checked = site.check_at(&gone, &[]).finds("unreachable", "fail", &["is the disk mounted?"]);
    let checked = checked.ends(69);
    assert!(checked.report["refused"].as_bool().unwrap() && checked.report["changes"].is_null());
    fs::write(site.root.at("a-file"), "x").unwrap();
    let file = site.root.at("a-file").to_str().unwrap().to_owned();
    site.check_at(&file, &[]).refuses("wrong-level", &["is not a folder"]);
}

#[test]
fn what_is_wrong_in_the_manifest_is_78() {
    let Some(site) = Site::new() else { return };
    let path = format!("path={}", site.there("").display());
    let call = |words: &str| {
        site.root.call(&format!("run deploy-check -p source=tree {words}")).arg(&path)
    };
    call("host=old-box.lan").run().code(78).says(&["`target.port` is missing"]);
    call("host=-oProxyCommand=x").run().code(78).says(&["must begin with a letter"]);
    site.root.run("run deploy-check -p source=tree").code(78).says(&["param `path` is required"]);
    site.root
        .call("run deploy-check -p source=nowhere")
        .arg(&path)
        .run()
        .code(78)
        .says(&["name the folder to deploy"]);
    call("plan=no.json").run().code(78).says(&["name a plan.json"]);
    site.root
        .call("run deploy-check -p source=tree path=/srv/../etc")
        .run()
        .code(78)
        .says(&["must not hold `..`"]);
}

/// An alias there once made rsync list nothing, end with 0, and plan deletes.
#[test]
fn an_alias_in_the_home_folder_has_no_say() {
    let Some(site) = Site::new() else { return };
    site.root.write(".popt", "rsync alias --stats --delete\nrsync alias -c --delete\n");
    site.check().stays_in_sync();
    site.write("src/new.py", "x = 1\n");
    site.commit("new");
    let checked = site.check().passes();
    assert_eq!(checked.report["changes"]["new"], 1);
}

#[test]
fn every_program_stands_in_the_log_with_its_arguments() {
    let Some(site) = Site::new() else { return };
    let run = site.check().passes().ran.json()["run_id"].as_str().unwrap().to_owned();
    let log = site.root.read(&format!("data/runs/{run}/log.jsonl"));
    for word in [
        "rsync -rlptOn -c",
        "--exclude=/.env.* ",
        "find ",
        "git -c core.fsmonitor=false",
        "df -PB1",
    ] {
        assert!(log.contains(word), "`{word}` is not in {log}");
    }
    assert!(!log.contains("state of .env"), "secrets of the target are not in the log");
}
