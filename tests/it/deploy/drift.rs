//! What on the target is not what was deployed there: every kind of it, its harmless twin, and nothing that must not be shown.

#![expect(clippy::disallowed_methods, reason = "these tests make the situations that are found")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use serde_json::{Value as Json, json};

use super::{fixture::Site, locks::seen, sshd::Sshd};
use crate::support::{
    http::{Reply, Server},
    ran::Ran,
    skip::skip,
};

/// What `drift` says of a site. Neither side is changed by it.
fn drift(site: &Site, sets: &[(&str, &str)]) -> (Ran, Json) {
    let mut call = site.root.call("run drift --json -p source=tree");
    call = call.arg(&format!("path={}", site.there("").display()));
    for word in site.words() {
        call = call.arg(word);
    }
    for (key, value) in sets {
        call = call.arg("--set").arg(&format!("{key}={value}"));
    }
    let before = (seen(&site.there("")), seen(&site.here("")));
    let ran = call.env("HOME", site.root.path().to_str().unwrap()).run();
    let after = (seen(&site.there("")), seen(&site.here("")));
    assert!(before == after, "something was changed: {ran}");
    let report = ran.json()["report"].clone();
    (ran, report)
}

/// `WHAT PATH`, of everything that drifted.
fn told(report: &Json) -> Vec<String> {
    let all = report["drifted"].as_array().unwrap();
    let word = |one: &Json, key: &str| one[key].as_str().unwrap().to_owned();
    all.iter().map(|one| format!("{} {}", word(one, "what"), word(one, "path"))).collect()
}

fn of(report: &Json, path: &str) -> Json {
    let all = report["drifted"].as_array().unwrap();
    all.iter().find(|one| one["path"] == path).unwrap().clone()
}

/// Everything that is kept of runs.
fn kept(site: &Site) -> String {
    let files = site.root.files("data").into_iter();
    files.map(|(path, text)| format!("{path}\n{text}\n")).collect::<Vec<_>>().concat()
}

#[test]
fn what_is_as_deployed_is_no_drift() {
    let Some(site) = Site::new() else { return };
    let (ran, report) = drift(&site, &[]);
    let ran = ran.code(0);
    assert!(told(&report).is_empty(), "{ran}");
    assert_eq!(report["deployed"]["commit"], site.git(&["rev-parse", "HEAD"]));
    // State of the target, and what the source is by now, are none of its business.
    for path in [".env.local", "data/more", ".mjolnir-trash/x", "src/__pycache__/x.pyc"] {
        site.write_there(path, "state\n");
    }
    site.write("src/main.py", "print(2)\n");
    site.commit("newer, and not deployed");
    drift(&site, &[]).0.code(0);
}

#[test]
fn what_a_deploy_sent_before_it_was_cut_off_is_no_drift() {
    let Some(site) = Site::new() else { return };
    let before = fs::read_to_string(site.there(".mjolnir-deployed.json")).unwrap();
    let old = fs::read_to_string(site.there("README.md")).unwrap();
    site.write("src/main.py", "print(2)\n");
    site.write("README.md", "newer\n");
    site.write("src/later/new.py", "x = 1\n");
    site.commit("newer");
    site.deploy();
    // As it stands when the connection goes before README.md is sent.
    let after = fs::read_to_string(site.there(".mjolnir-deployed.json")).unwrap();
    let mut sent: Json = serde_json::from_str(&after).unwrap();
    sent["schema"] = json!("mjolnir.deploying/1");
    site.write_there(".mjolnir-deploying.json", &sent.to_string());
    site.write_there(".mjolnir-deployed.json", &before);
    site.write_there("README.md", &old);
    let (ran, report) = drift(&site, &[]);
    let ran = ran.code(0);
    assert!(told(&report).is_empty(), "{ran}");
    assert!(report["notes"].to_string().contains("or was cut off"), "{report}");
    site.write_there("src/later/new.py", "x = 2\n");
    let (ran, report) = drift(&site, &[]);
    assert_eq!(told(&report), ["stray src/later/new.py"], "{}", ran.code(1));
    site.write_there(".mjolnir-deploying.json", "{}");
    drift(&site, &[]).0.code(65).says(&[".mjolnir-deploying.json cannot be read"]);
}

#[test]
fn every_kind_of_drift_is_found_and_texts_are_compared() {
    let Some(site) = Site::new() else { return };
    site.write_there("src/main.py", "print('by hand')\n");
    fs::remove_file(site.there("ops/run.sh")).unwrap();
    site.write_there("requestedfiles.sh", "cp -r /x /y\n");
    site.write_there("left/over/a", "1\n");
    site.write_there("left/over/b", "22\n");
    fs::remove_file(site.there("README.md")).unwrap();
    symlink("src/main.py", site.there("README.md")).unwrap();
    fs::set_permissions(site.there("src/data/storage.py"), fs::Permissions::from_mode(0o777))
        .unwrap();
    let (ran, report) = drift(&site, &[]);
    let ran = ran.code(1);
    let all = [
        "type README.md",
        "edited src/main.py",
        "missing ops/run.sh",
        "stray left",
        "stray requestedfiles.sh",
        "permissions src/data/storage.py",
    ];
    assert_eq!(told(&report), all, "{ran}");
    assert_eq!(of(&report, "left")["files_inside"], 2);
    assert_eq!(of(&report, "left")["now"]["bytes"], 5);
    let diff = of(&report, "src/main.py")["diff"].clone();
    assert_eq!(diff, json!(["@@ -1 +1 @@", "-print(1)", "+print('by hand')"]));
    assert_eq!(report["counts"]["stray"], 2);
    // The same for people.
    let path = format!("path={}", site.there("").display());
    let ran = site.root.call("run drift -p source=tree").arg(&path).run().code(1);
    ran.prints(&[
        "1 type, 1 edited, 1 missing, 2 stray, 1 permissions",
        "requestedfiles.sh: a file, 12 bytes, user ",
        "left: a folder of 2 files, 5 bytes",
        "README.md: was a file, is a link",
        "mode 644 to 777",
        "--- deployed src/main.py",
        "+print('by hand')",
        "next: ls -la --full-time",
        "report: data/reports/deploy/",
    ]);
    // What was compared is gone: only the report is left.
    let left = kept(&site);
    assert!(!left.contains("deployed.txt\n") && left.contains("drift.json"), "{left}");
}

#[test]
fn secrets_are_never_shown_and_never_kept() {
    let Some(site) = Site::new() else { return };
    let drawn = ["q9Zt3", "Lm4Xc", "V8nB2", "kR7wP"].concat();
    site.write("src/config.py", "a = 1\nmode = 'x'\n");
    site.write("ops/credentials.json", "{}\n");
    site.write("src/settings.py", "b = 1\n");
    site.commit("places for secrets");
    site.deploy();
    let state = [".env", ".env.prod", "data/canary-state-1"];
    for path in state {
        site.write_there(path, "PASSWORD=canary-state-1\n");
    }
    site.write_there("src/config.py", "a = 2\nmode = 'x'\nPASSWORD = 'canary-edit-2'\n");
    site.write_there("ops/credentials.json", "{\"user\": \"canary-edit-3\"}\n");
    site.write_there("src/settings.py", &format!("b = 2\napi_secret = \"{drawn}\"\n"));
    site.write_there("canary.sh", "curl -u me:canary-stray-4 https://me:canary-stray-4@x/\n");
    let (ran, report) = drift(&site, &[]);
    let ran = ran.code(1);
    let all = [
        "edited ops/credentials.json",
        "edited src/config.py",
        "edited src/settings.py",
        "stray canary.sh",
    ];
    assert_eq!(told(&report), all, "{ran}");
    // The harmless line next to it is shown.
    let diff = of(&report, "src/config.py")["diff"].to_string();
    assert!(diff.contains("+a = 2") && diff.contains("could hold a secret"), "{diff}");
    for (path, why) in [
        ("ops/credentials.json", "it is named like a secret"),
        ("src/settings.py", "it holds lines that look like a secret"),
    ] {
        assert_eq!(of(&report, path)["diff_not_shown"], why);
    }
    let path = format!("path={}", site.there("").display());
    let people = site.root.call("run drift -p source=tree").arg(&path).run().code(1).to_string();
    for text in [ran.to_string(), people, kept(&site)] {
        for canary in ["canary-state", "canary-edit", "canary-stray", &drawn] {
            assert!(!text.contains(canary), "{canary} is in {text}");
        }
    }
}

#[test]
fn what_is_shown_is_bounded_and_disturbs_no_terminal() {
    let Some(site) = Site::new() else { return };
    let lines =
        |end: &str| (0..300).map(|n| format!("x{n} = {n}{end}\n")).collect::<Vec<_>>().concat();
    site.write("src/long.py", &lines(""));
    site.write("src/odd.py", "1\n");
    site.write("src/binary", "a\n");
    site.commit("long");
    site.deploy();
    site.write_there("src/long.py", &lines("0"));
    site.write_there("src/odd.py", "\u{1b}[2J\u{7}\u{202e}1\r\n");
    fs::write(site.there("src/binary"), b"a\0\n").unwrap();
    site.write_there("new\u{1b}[2Jname", "x\n");
    let (ran, report) = drift(&site, &[("drift.diff-lines-max", "10")]);
    let long = of(&report, "src/long.py");
    assert_eq!(
        (long["diff"].as_array().unwrap().len(), &long["diff_lines_cut"]),
        (10, &json!(591))
    );
    let odd = of(&report, "src/odd.py")["diff"].to_string();
    assert!(odd.contains("+\\\\#033[2J\\\\#007\\\\u{202e}1\\\\#015"), "{odd}");
    assert_eq!(of(&report, "src/binary")["diff_not_shown"], "it is not text");
    let ran = ran.code(1).to_string();
    assert!(
        !ran.contains('\u{1b}') && !ran.contains('\u{202e}') && !ran.contains("\\u001b"),
        "{ran}"
    );
    let (_, report) = drift(&site, &[("drift.diff-bytes-max", "100B")]);
    assert_eq!(of(&report, "src/long.py")["diff_not_shown"], "it is larger than 100B");
    let (_, report) = drift(&site, &[("drift.diff-files-max", "1")]);
    assert_eq!(of(&report, "src/odd.py")["diff_not_shown"], "drift.diff-files-max is 1");
    // Without the commit, it still says what drifted.
    site.note("0123456789012345678901234567890123456789");
    let (_, report) = drift(&site, &[]);
    let why = of(&report, "src/odd.py")["diff_not_shown"].to_string();
    assert!(why.contains("it changed") || why.contains("git has no such file"), "{why}");
}

/// Settings of rsync and git in a home, and of a repository around the root, have no say.
#[test]
fn nobodys_settings_have_a_say() {
    let Some(site) = Site::new() else { return };
    site.write_there("src/main.py", "print('by hand')\n");
    let run = format!("touch {}", site.root.at("pwned").display());
    site.root.write(".popt", "rsync alias -i --delete\n");
    let settings = format!(
        "[diff]\n external = {run}\n[diff \"x\"]\n textconv = {run};cat\n command = {run}\n[core]\n fsmonitor = {run}\n"
    );
    site.root.write(".gitconfig", &settings);
    fs::create_dir(site.root.at(".git")).unwrap();
    for (path, text) in [
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".git/config", settings.as_str()),
        (".git/info/attributes", "* diff=x\n"),
        (".git/objects/x", ""),
        (".git/refs/x", ""),
        (".gitattributes", "* diff=x -text\n"),
    ] {
        site.root.write(path, text);
    }
    let (ran, report) = drift(&site, &[]);
    let ran = ran.code(1);
    let diff = of(&report, "src/main.py")["diff"].clone();
    assert_eq!(diff, json!(["@@ -1 +1 @@", "-print(1)", "+print('by hand')"]), "{ran}");
    assert!(!site.root.at("pwned").exists(), "{ran}");
    let run = ran.json()["run_id"].as_str().unwrap().to_owned();
    let log = site.root.read(&format!("data/runs/{run}/log.jsonl"));
    assert!(log.contains("\"argv\":\"git ") && !log.contains("rsync"), "{log}");
}

#[test]
fn a_target_that_cannot_be_judged_is_said_so() {
    let Some(site) = Site::new() else { return };
    fs::remove_file(site.there(".mjolnir-deployed.json")).unwrap();
    let (ran, report) = drift(&site, &[]);
    assert!(
        ran.code(3).json()["summary"]
            .as_str()
            .unwrap()
            .contains("no deploy to this target is known")
    );
    assert!(report["notes"].to_string().contains("a deploy writes it"), "{report}");
    site.write_there(".mjolnir-deployed.json", "{}");
    let (ran, _) = drift(&site, &[]);
    ran.code(65).says(&["cannot be read", "restore it", "next: cat "]);
    site.deploy();
    site.mark("other");
    let (ran, report) = drift(&site, &[]);
    assert_eq!(report["checks"][0]["name"], "wrong-host", "{}", ran.code(1));
    site.mark("mjolnir");
    drift(&site, &[]).0.code(0);
    fs::rename(site.there(""), site.root.at("elsewhere")).unwrap();
    drift(&site, &[]).0.code(69);
}

#[test]
fn over_ssh_drift_is_found_as_on_this_machine() {
    let Some(mut server) = Sshd::start() else { return };
    let Ok(machine) = fs::read_to_string("/etc/machine-id") else {
        skip("machine-id", "/etc/machine-id is not there");
        return;
    };
    let Some(site) = Site::at(&server.there(), server.words()) else { return };
    let id = [("target.machine-id", machine.trim())];
    drift(&site, &id).0.code(0);
    site.write_there("src/main.py", "print('it\\'s $HOME')\n");
    site.write_there("two words;$(touch x)", "stray\n");
    site.own();
    let (ran, report) = drift(&site, &id);
    assert_eq!(told(&report), ["edited src/main.py", "stray two words;$(touch x)"], "{ran}");
    let diff = of(&report, "src/main.py")["diff"].to_string();
    assert!(diff.contains("+print('it\\\\'s $HOME')"), "{diff}");
    server.change_key();
    let (ran, report) = drift(&site, &id);
    assert_eq!(report["checks"][0]["name"], "wrong-host", "{}", ran.code(1));
    drop(server);
    drift(&site, &id).0.code(69);
}

/// As shipped, but more often.
#[test]
fn a_scheduled_drift_is_told() {
    let Some(site) = Site::new() else { return };
    let receiver = Server::start(|_, _| Reply::new("200 OK", "ok"));
    for name in site.root.list("jobs").into_iter().filter(|name| name != "drift.toml") {
        site.root.remove(&format!("jobs/{name}"));
    }
    let shipped = site.root.read("jobs/drift.toml");
    let often = shipped.replace("cron = \"30 5 * * *\"\njitter = \"20m\"", "every = \"2s\"");
    assert_ne!(often, shipped);
    site.root.write(
        "jobs/drift.toml",
        &often.replace("[run]", "[params.source]\ndefault = \"tree\"\n[run]"),
    );
    let service = site
        .root
        .call("serve --no-listen")
        .env("MJ_DEPLOY_PATH", site.there("").to_str().unwrap())
        .env("MJOLNIR_NOTIFY_URL", &receiver.url())
        .start();
    crate::serve::fixture::until_count(
        &site.root,
        "drift",
        mjolnir::store::runs::RunState::Succeeded,
        1,
    );
    assert!(receiver.asked().is_empty());
    site.write_there("requestedfiles.sh", "x\n");
    crate::serve::fixture::until("somebody was told", || !receiver.asked().is_empty());
    let body = receiver.asked()[0].body.clone();
    crate::serve::fixture::end(service);
    assert!(body.contains("drift") && body.contains("requestedfiles.sh"), "{body}");
}
