//! `runner deploy init`: the first visit to a target, with nobody to ask, with consent, and with a person at a terminal.

#![expect(clippy::disallowed_methods, reason = "these tests make the targets that are visited")]

use std::{fs, os::unix::fs::symlink, path::Path};

use super::{
    fixture::{Site, have},
    locks::seen,
    sshd::Sshd,
};
use crate::support::{ran::Ran, runner::Root, skip::skip};

const PIN: &str = "profiles/target-pin.toml";

fn init(root: &Root, path: &Path, more: &[&str]) -> Ran {
    let mut call = root.call("deploy init -p").arg(&format!("path={}", path.display()));
    for word in more {
        call = call.arg(word);
    }
    call.run()
}

fn marker(path: &Path) -> String {
    fs::read_to_string(path.join(".mjolnir-target")).unwrap_or_default()
}

#[test]
fn without_consent_nothing_is_written() {
    let root = Root::new();
    let there = root.at("there");
    for exists in [false, true] {
        if exists {
            fs::create_dir(&there).unwrap();
            fs::write(there.join("old.py"), "x\n").unwrap();
        }
        let (before, pin) = (seen(&there), root.read(PIN));
        let ran = init(&root, &there, &[]).code(2);
        ran.says(&["not a terminal", "give --yes"]);
        assert!(before == seen(&there) && pin == root.read(PIN));
    }
}

#[test]
fn with_consent_a_folder_of_this_machine_gets_its_marker_once() {
    let root = Root::new();
    let there = root.at("deep/there");
    let pin = root.read(PIN);
    let ran = init(&root, &there, &["--yes"]).code(0);
    ran.prints(&["marker: written"])
        .says(&["does not exist; it would be made below", "machine id"]);
    let written = marker(&there);
    let wanted = format!("\"project\":\"mjolnir\",\"path\":\"{}\"", there.display());
    assert!(written.contains(&wanted), "{written}");
    // Again: nothing to do, and nobody needs to agree.
    let before = seen(&there);
    init(&root, &there, &[]).code(0).prints(&["marker: there already"]);
    assert!(before == seen(&there));
    assert_eq!(pin, root.read(PIN), "a folder of this machine needs no pin");
    let json = init(&root, &there, &["--json"]).code(0).json();
    assert_eq!((json["marker"].as_str(), json["pin"].is_null()), (Some("there already"), true));
    // And a deploy finds it as it must be.
    if have(&["git", "rsync"]) {
        let path = format!("path={}", there.display());
        let ran = root.call("run deploy-check --json -p source=jobs").arg(&path).run();
        assert!(!ran.json()["report"]["checks"].to_string().contains("wrong-host"), "{ran}");
    }
}

#[test]
fn what_belongs_to_somebody_else_is_refused() {
    let root = Root::new();
    let there = root.at("there");
    fs::create_dir(&there).unwrap();
    let other = format!(
        r#"{{"schema":"mjolnir.target/1","project":"other","path":"{}"}}"#,
        there.display()
    );
    let elsewhere = other.replace("other", "mjolnir").replace("there\"", "here\"");
    for (text, says) in [
        (other.as_str(), "names the project `other`"),
        (elsewhere.as_str(), "names the project `mjolnir` in"),
        ("rubbish", "has something else as"),
    ] {
        fs::write(there.join(".mjolnir-target"), text).unwrap();
        let before = seen(&there);
        init(&root, &there, &["--yes"]).code(1).says(&[says, "next: ls"]);
        assert!(before == seen(&there));
    }
    symlink(&there, root.at("link")).unwrap();
    init(&root, &root.at("link"), &["--yes"]).code(1).says(&["is a link: name the folder itself"]);
    init(&root, &root.at("jobs/live.toml"), &["--yes"]).code(1).says(&["is not a folder"]);
    root.call("deploy init live --yes").run().code(2).says(&["has no target"]);
}

/// A server, what reaches it but for the key, and a folder on it.
fn far() -> Option<(Sshd, Vec<String>, std::path::PathBuf)> {
    let server = Sshd::start()?;
    if !Path::new("/etc/machine-id").exists() {
        skip("machine-id", "/etc/machine-id is not there");
        return None;
    }
    let mut words = server.words();
    words.retain(|word| !word.starts_with("host-key="));
    let there = server.there().join("trade");
    Some((server, words, there))
}

fn words<'w>(all: &'w [String], more: &[&'w str]) -> Vec<&'w str> {
    all.iter().map(String::as_str).chain(more.iter().copied()).collect()
}

/// The logs of all visits.
fn logs(root: &Root) -> String {
    let files = root.files("data/reports/deploy").into_iter();
    files.filter(|(path, _)| path.ends_with("log.jsonl")).map(|(_, text)| text).collect()
}

#[test]
fn a_key_that_nobody_compared_is_not_trusted() {
    let Some((server, all, there)) = far() else { return };
    let root = Root::new();
    let fingerprint = server.fingerprint();
    for more in [&[][..], &["--yes"]] {
        let ran = init(&root, &there, &words(&all, more)).code(2);
        ran.says(&[&fingerprint, "the host was not compared", "give --host-key"]);
    }
    let wrong = format!("SHA256:{}", "A".repeat(43));
    let ran = init(&root, &there, &words(&all, &["--yes", "--host-key", &wrong])).code(1);
    ran.says(&[&fingerprint, "does not have the key", "another machine answers"]);
    let log = logs(&root);
    assert!(log.contains("ssh-keyscan") && !log.contains("\"argv\":\"ssh -F"), "{log}");
    assert!(!there.exists());
}

#[test]
fn a_machine_is_pinned_and_every_job_knows_it() {
    let Some((mut server, all, there)) = far() else { return };
    let root = Root::new();
    let key = server.fingerprint();
    // Without consent it looks, and writes nothing.
    let ran = init(&root, &there, &words(&all, &["--host-key", &key])).code(2);
    ran.says(&["not a terminal", "does not exist; it would be made below"]);
    assert!(!there.exists() && !root.read(PIN).contains("SHA256"));
    let ran = init(&root, &there, &words(&all, &["--yes", "--host-key", &key])).code(0);
    let machine = fs::read_to_string("/etc/machine-id").unwrap().trim().to_owned();
    ran.prints(&["marker: written", "written; commit it", &key, &machine]);
    assert!(marker(&there).contains("\"mjolnir\""));
    let pin = root.read(PIN);
    for word in [key.as_str(), &machine, "[params.host]", &there.display().to_string()] {
        assert!(pin.contains(word), "{pin}");
    }
    // Now both jobs need nothing but the key of whoever logs in.
    let identity = all.iter().find(|word| word.starts_with("identity=")).unwrap();
    let check = || {
        let call = root.call("run deploy-check --json -p source=jobs").arg(identity);
        call.run().json()["report"]["checks"].to_string()
    };
    let findings = check();
    assert!(!findings.contains("wrong-host") && !findings.contains("unreachable"), "{findings}");
    root.call("run drift -p").arg(identity).run().code(3);
    // Another key: refused, and the pin stays.
    server.change_key();
    assert!(check().contains("wrong-host"));
    let ran = root.call("deploy init --yes -p").arg(identity).run().code(1);
    ran.says(&["does not have the key", "its key was changed"]);
    assert_eq!(root.read(PIN), pin);
    // The operator knows why: it was reinstalled.
    let new = server.fingerprint();
    let call = root.call("deploy init --yes --host-key").arg(&new).arg("-p").arg(identity);
    call.run().code(0).prints(&["marker: there already", &new]);
    assert!(root.read(PIN).contains(&new) && !root.read(PIN).contains(&key));
    // Another machine behind the right key.
    let call = root.call("deploy init --yes -p").arg(identity);
    let other = call.arg("machine-id=0123456789abcdef0123456789abcdef").run();
    other.code(1).says(&["it is another machine", &machine]);
}

#[test]
fn a_pin_that_somebody_wrote_by_hand_stays() {
    let Some((server, all, there)) = far() else { return };
    let root = Root::new();
    root.write(PIN, "manifest = 1\n# by hand\n");
    let key = server.fingerprint();
    let ran = init(&root, &there, &words(&all, &["--yes", "--host-key", &key])).code(0);
    ran.prints(&["stays as it is", "[params.host-key]", &key]);
    assert_eq!(root.read(PIN), "manifest = 1\n# by hand\n");
}

/// A person at a terminal: the key is shown first, and only the whole word counts.
#[test]
fn a_person_is_asked() {
    if !have(&["script"]) {
        return;
    }
    let Some((server, all, there)) = far() else { return };
    let root = Root::new();
    let program = env!("CARGO_BIN_EXE_runner");
    let visit = format!("{program} deploy init -p path={} {}", there.display(), all.join(" "));
    let answers = |code: i32, answers: &str| {
        let line =
            format!("(sleep 1; printf '{answers}'; sleep 3) | script -qec '{visit}' /dev/null");
        root.shell(&line).code(code).stdout
    };
    let said = answers(1, "y\\n");
    assert!(said.contains(&server.fingerprint()) && said.contains("you did not agree"), "{said}");
    assert!(!there.exists());
    let said = answers(1, "yes\\nno\\n");
    assert!(said.contains("machine id") && said.contains("you did not agree"), "{said}");
    assert!(!there.exists());
    let said = answers(0, "yes\\nyes\\n");
    assert!(said.contains("marker: written"), "{said}");
    assert!(marker(&there).contains("\"mjolnir\"") && root.read(PIN).contains("SHA256:"));
}

/// The marker is the only thing that is written; what lies there is told, and stays.
#[test]
fn what_lies_there_already_is_told_and_stays() {
    let Some(site) = Site::new() else { return };
    let there = site.there("");
    fs::remove_file(there.join(".mjolnir-target")).unwrap();
    let before = seen(&there);
    let ran = init(&site.root, &there, &["--yes"]).code(0);
    ran.says(&["holds", "README.md", ".env"]);
    let mut after = seen(&there);
    assert!(after.remove(&b".mjolnir-target"[..]).is_some());
    // The folder itself has a newer time.
    let mut before = before;
    before.remove(&b""[..]);
    after.remove(&b""[..]);
    assert!(before == after);
    site.check().stays_in_sync();
}
