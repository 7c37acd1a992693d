//! A target that is reached by ssh: the right machine, the wrong one, and none.

#![expect(clippy::disallowed_methods, reason = "these tests make the situations that are refused")]

use std::{fs, os::unix::fs::symlink};

use super::{
    fixture::{Checked, Site},
    sshd::Sshd,
};
use crate::support::skip::skip;

/// A server, and a site on it.
pub fn far() -> Option<(Sshd, Site, String)> {
    let server = Sshd::start()?;
    let Ok(machine) = fs::read_to_string("/etc/machine-id") else {
        skip("machine-id", "/etc/machine-id is not there");
        return None;
    };
    let site = Site::at(&server.there(), server.words())?;
    Some((server, site, machine.trim().to_owned()))
}

fn check(site: &Site, machine: &str, sets: &[(&str, &str)]) -> Checked {
    let mut all = vec![("target.machine-id", machine)];
    all.extend(sets);
    site.check_with(&all)
}

#[test]
fn over_ssh_a_deploy_is_planned_as_on_this_machine() {
    let Some((_server, site, machine)) = far() else { return };
    check(&site, &machine, &[]).stays_in_sync();
    site.write("src/two words -> x.py", "x = 1\n");
    site.write("src/main.py", "print(2)\n");
    site.commit("second");
    let checked = check(&site, &machine, &[]).passes();
    assert_eq!(checked.report["changes"]["new"], 1);
    assert_eq!(checked.report["changes"]["changed"], 1);
    // The same refusals: an edit, a stray file with an odd name, a replaced folder, an older source.
    site.write_there("src/main.py", "print('by hand')\n");
    site.write_there("new\nline", "stray\n");
    fs::rename(site.there("ops"), site.there("data/ops")).unwrap();
    symlink("data/ops", site.there("ops")).unwrap();
    site.own();
    let checked = check(&site, &machine, &[]);
    let words = ["src/main.py (edited there", "new\\\\#012line (stray"];
    let checked = checked.refuses("drift", &words).refuses("type-change", &["ops (a link"]);
    let next = checked.report["checks"].to_string();
    assert!(next.contains("ssh -p "), "the way to look closer leads there: {next}");
}

#[test]
fn u7_a_wrong_port_is_69() {
    let Some((server, site, machine)) = far() else { return };
    // Nobody listens there, and no test is given that port.
    let checked = check(&site, &machine, &[("target.port", "1")]);
    let checked = checked.finds("unreachable", "fail", &["shows no ssh host key"]).ends(69);
    assert!(checked.report["changes"].is_null() && checked.report["refused"] == true);
    drop(server);
    check(&site, &machine, &[]).finds("unreachable", "fail", &[]).ends(69);
}

#[test]
fn u7_another_key_is_refused_and_nothing_is_sent() {
    let Some((mut server, site, machine)) = far() else { return };
    check(&site, &machine, &[]).passes();
    let before = server.fingerprint();
    server.change_key();
    let after = server.fingerprint();
    assert_ne!(before, after);
    let checked =
        check(&site, &machine, &[]).refuses("wrong-host", &[before.as_str(), after.as_str()]);
    assert!(checked.report["changes"].is_null());
    let run = checked.ran.json()["run_id"].as_str().unwrap().to_owned();
    let log = site.root.read(&format!("data/runs/{run}/log.jsonl"));
    assert!(log.contains("ssh-keyscan") && !log.contains("\"argv\":\"ssh "), "{log}");
    check(&site, &machine, &[("target.host-key", after.as_str())]).passes();
}

#[test]
fn u7_another_machine_or_an_unknown_one_is_refused() {
    let Some((server, site, machine)) = far() else { return };
    let other = "0123456789abcdef0123456789abcdef";
    check(&site, other, &[]).refuses("wrong-host", &[machine.as_str(), other]);
    site.check().refuses("wrong-host", &["target.machine-id is missing", machine.as_str()]);
    let mut words = server.words();
    words.retain(|word| !word.starts_with("host-key="));
    let bare = Site::at(&server.there(), words).unwrap();
    let fingerprint = server.fingerprint();
    check(&bare, &machine, &[])
        .refuses("wrong-host", &["host-key is missing", fingerprint.as_str()]);
    // A guest that is not on the list: that is no answer either.
    let mut words = server.words();
    words.retain(|word| !word.starts_with("identity="));
    let stranger = Site::at(&server.there(), words).unwrap();
    let checked =
        check(&stranger, &machine, &[]).finds("unreachable", "fail", &["refuses the login"]);
    checked.ends(69);
}

#[test]
fn a_folder_that_does_not_exist_there_is_refused() {
    let Some((server, site, machine)) = far() else { return };
    let gone = format!("{}/no/such", server.there().display());
    site.check_at(&gone, &[("target.machine-id", machine.as_str())])
        .refuses("wrong-level", &["is not a folder"]);
}
