//! Whether this machine is fit: each check made to fail, and its harmless twin.

#![expect(clippy::disallowed_methods, reason = "these tests make the situations that are found")]

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, chown},
    process::Command,
};

use mjolnir::{
    clock::{Clock as _, SystemClock},
    domain::time::UtcMs,
};
use serde_json::Value as Json;

use super::{
    fixture::{have, is_root},
    sshd::free_port,
};
use crate::support::{
    http::{Reply, Server},
    ran::Ran,
    runner::Root,
    skip::skip,
};

const PARTS: [&str; 10] =
    ["tools", "folders", "owners", "room", "clock", "ports", "env", "manifests", "device", "git"];

/// What preflight says of one part.
struct Looked {
    ran: Ran,
    checks: Vec<Json>,
}

fn look(root: &Root, part: &str, sets: &[(&str, &str)]) -> Looked {
    let others: Vec<&str> = PARTS.into_iter().filter(|other| *other != part).collect();
    let mut call = root.call("run preflight --json");
    call = call.arg("--set").arg(&format!("preflight.skip={}", serde_json::json!(others)));
    for (key, value) in sets {
        call = call.arg("--set").arg(&format!("{key}={value}"));
    }
    let ran = call.run();
    let report = ran.json()["report"].clone();
    assert_eq!(report["schema"], "mjolnir.preflight/2", "{ran}");
    let checks = report["checks"].as_array().unwrap().iter();
    let checks = checks.filter(|check| check["part"] == part).cloned().collect();
    Looked { ran, checks }
}

impl Looked {
    /// A check of this name went so, and says these words.
    #[track_caller]
    fn says(self, name: &str, level: &str, words: &[&str]) -> Self {
        let found = self.checks.iter().find(|check| check["name"] == name);
        let found = found.unwrap_or_else(|| panic!("no {name}: {}", self.ran));
        assert_eq!(found["level"], level, "{}", self.ran);
        for word in words {
            assert!(found["value"].as_str().unwrap().contains(word), "`{word}`: {found}");
        }
        assert_eq!(found["next"].is_null(), level == "ok", "{found}");
        assert!(level != "fail" || self.ran.code == 1, "{}", self.ran);
        self
    }

    /// Nothing failed.
    #[track_caller]
    fn passes(self) -> Self {
        assert_eq!(self.ran.code, 0, "{}", self.ran);
        self
    }
}

#[test]
fn a_table_a_document_and_an_exit_code() {
    let root = Root::new();
    let skip = "[\"ports\",\"env\",\"owners\",\"room\"]";
    let ran = root.run(&format!("run preflight --set preflight.skip={skip}")).code(0);
    ran.prints(&["tool rsync", "skipped", "report: data/reports/preflight/"]);
    let ran = root.run("run preflight --set preflight.require=[\"no-such-program\"]").code(1);
    ran.prints(&["fail", "no-such-program", "next:", "failed: tool no-such-program"]);
    assert_eq!(root.list("data/reports/preflight"), ["preflight.json"]);
    // Warnings do not count, unless they are told to.
    let sets = [("preflight.want", "[\"no-such-program\"]"), ("preflight.require", "[]")];
    look(&root, "tools", &sets).passes().says("tool no-such-program", "warn", &["does not start"]);
    let strict = [&sets[..], &[("preflight.strict", "true")]].concat();
    assert_eq!(look(&root, "tools", &strict).ran.code, 1);
    let soft = [("preflight.require", "[\"no-such-program\"]"), ("preflight.warn", "[\"tools\"]")];
    look(&root, "tools", &soft).passes().says("tool no-such-program", "warn", &[]);
}

#[test]
fn programs_that_are_missing_or_too_old_fail() {
    if !have(&["git", "rsync", "ssh"]) {
        return;
    }
    let root = Root::new();
    let require = |needs: &str| look(&root, "tools", &[("preflight.require", needs)]);
    let good = require("[\"git >= 1.0\", \"rsync >= 2.0\", \"ssh >= 5.0\"]").passes();
    good.says("tool git", "ok", &["."]).says("tool ssh", "ok", &["."]);
    require("[\"git >= 999.0\"]").says("tool git", "fail", &["too old"]);
    require("[\"ssh >= 99\"]").says("tool ssh", "fail", &["too old"]);
}

#[test]
fn folders_that_take_no_file_fail() {
    let root = Root::new();
    look(&root, "folders", &[]).passes().says("folders", "ok", &["folders"]);
    fs::create_dir_all(root.at("data/raw")).unwrap();
    look(&root, "folders", &[]).passes();
    assert!(
        root.list("data/raw").is_empty() && root.list("data").iter().all(|n| !n.starts_with('.'))
    );
    let elsewhere = root.at("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    if is_root() {
        // Nothing stops root but a folder that is none: /proc takes no file.
        fs::remove_dir(root.at("data/raw")).unwrap();
        std::os::unix::fs::symlink("/proc", root.at("data/raw")).unwrap();
    } else {
        fs::set_permissions(root.at("data/raw"), fs::Permissions::from_mode(0o555)).unwrap();
    }
    look(&root, "folders", &[]).says("folders", "fail", &["data/raw: "]);
}

#[test]
fn another_user_than_the_owner_of_the_data_fails() {
    if !is_root() {
        skip("root", "only root can give folders away");
        return;
    }
    let root = Root::new();
    look(&root, "folders", &[]).passes().says("user", "warn", &["this is root"]);
    chown(root.at("data"), Some(65_534), None).unwrap();
    look(&root, "folders", &[]).says("user", "fail", &["this is user 0", "belongs to user 65534"]);
}

#[test]
fn files_of_somebody_else_fail() {
    if !is_root() {
        skip("root", "only root can give files away");
        return;
    }
    let root = Root::new();
    look(&root, "owners", &[]).passes().says("owners", "warn", &["root's"]);
    for path in [root.path().to_owned(), root.at("jobs"), root.at("profiles"), root.at("data")] {
        let given = Command::new("chown").args(["-R", "65534"]).arg(path).status().unwrap();
        assert!(given.success());
    }
    // This very run leaves files of root behind: that is the finding.
    look(&root, "owners", &[]).says("owners", "fail", &["(user 0)", "data/runs"]);
    root.write(".git/objects/x", "x");
    let found = look(&root, "owners", &[]);
    assert!(!found.checks[0]["value"].to_string().contains(".git"), "{}", found.ran);
}

#[test]
fn too_little_room_fails() {
    let root = Root::new();
    let sets = [("preflight.disk-free-min", "1B"), ("preflight.inodes-free-min", "1")];
    look(&root, "room", &sets).passes().says("disk", "ok", &["MiB"]).says("inodes", "ok", &[]);
    look(&root, "room", &[("preflight.disk-free-min", "1000TiB")]).says("disk", "fail", &["MiB"]);
    let sets = [("preflight.inodes-free-min", "9000000000000000000")];
    let found = look(&root, "room", &sets);
    if !found.checks[1]["value"].to_string().contains("not counted") {
        found.says("inodes", "fail", &["more files"]);
    }
}

/// A host that says it is so many seconds later there.
fn host(ahead_s: i64) -> Server {
    Server::start(move |_, _| {
        let date = SystemClock.now().plus_ms(ahead_s * 1000);
        Reply::new("200 OK", "").header("Date", &UtcMs::format(date, "%a, %d %b %Y %H:%M:%S GMT"))
    })
}

#[test]
fn a_clock_that_is_off_fails() {
    let root = Root::new();
    let ask = |server: &Server| look(&root, "clock", &[("preflight.clock-url", &server.url())]);
    ask(&host(0)).says("clock skew", "ok", &["ms"]);
    ask(&host(3600)).says("clock skew", "fail", &["behind it"]);
    ask(&host(-60)).says("clock skew", "fail", &["ahead of it"]);
    let mute = Server::start(|_, _| Reply::new("200 OK", ""));
    ask(&mute).says("clock skew", "warn", &["does not say what time"]);
    // Nobody listens there, and no test is given that port.
    let gone = "http://127.0.0.1:1";
    look(&root, "clock", &[("preflight.clock-url", gone)]).says(
        "clock skew",
        "warn",
        &["did not answer"],
    );
}

fn compose(ports: &str) -> String {
    format!(
        "services:\n  live:\n    image: x\n    user: \"1000\"\n    ports:\n      - \"{ports}\"\n"
    )
}

#[test]
fn ports_that_the_world_can_reach_fail() {
    let root = Root::new();
    let (port, own) = (free_port(), free_port());
    let listen = format!("127.0.0.1:{own}");
    let sets = [("preflight.listen", listen.as_str())];
    let found = look(&root, "ports", &sets).passes();
    found.says("port of serve", "ok", &["free"]);
    if !have(&["docker-compose"]) {
        return;
    }
    root.write("docker-compose.yml", &compose(&format!("${{BIND:-127.0.0.1}}:{port}:80")));
    let found = look(&root, "ports", &sets).passes();
    found.says("ports", "ok", &["1 named"]).says(&format!("port {port}"), "ok", &["free"]);
    root.write(".env", "BIND=0.0.0.0\n");
    look(&root, "ports", &sets).says("ports", "fail", &[&format!("{port}")]);
    let public = format!("[{port}]");
    look(&root, "ports", &[sets[0], ("preflight.public", &public)]).passes();
    root.write(".env", "export\tBIND='0.0.0.0' # open\n");
    look(&root, "ports", &sets).says("ports", "fail", &[&format!("{port}")]);
    root.write(".env", "");
    let over = "services:\n  live:\n    ports: [\"0.0.0.0:48891:80\"]\n";
    root.write("compose.override.yml", over);
    look(&root, "ports", &sets).says("ports", "fail", &["48891"]);
    root.remove("compose.override.yml");
    root.write("docker-compose.yml", "services: {live: {ports: [8888}}\n");
    look(&root, "ports", &sets).says("ports", "fail", &["not judged: "]);
    let open = [("preflight.listen", "0.0.0.0:9464")];
    look(&root, "ports", &open).says("port of serve", "fail", &["not bound to this machine"]);
}

#[test]
fn ports_that_somebody_holds_fail() {
    if !have(&["docker-compose"]) {
        return;
    }
    let root = Root::new();
    // Somebody who is no container of ours, on all addresses: it is found by both checks.
    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = open.local_addr().unwrap().port();
    root.write("docker-compose.yml", &compose(&format!("127.0.0.1:{port}:80")));
    let sets = [("preflight.listen", "")];
    let found = look(&root, "ports", &sets);
    let found = found.says(&format!("port {port}"), "fail", &["another program listens"]);
    if have(&["ss"]) {
        found.says("ports running", "fail", &["0.0.0.0"]);
    }
    drop(open);
    look(&root, "ports", &sets).passes().says(&format!("port {port}"), "ok", &["free"]);
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = held.local_addr().unwrap().to_string();
    let sets = [("preflight.listen", listen.as_str())];
    look(&root, "ports", &sets).says("port of serve", "fail", &["another program listens"]);
}

#[test]
fn a_port_that_our_own_service_holds_is_fine() {
    let root = Root::new();
    for name in root.list("jobs").into_iter().filter(|name| name != "preflight.toml") {
        root.remove(&format!("jobs/{name}"));
    }
    root.write(
        "jobs/yearly.toml",
        "manifest = 1\nname = 'yearly'\nkind = 'exec'\n[exec]\nrun = ['true']\n[[schedule]]\ncron = '0 0 1 1 *'\n",
    );
    let service = root.call("serve --listen 127.0.0.1:0").start();
    crate::serve::fixture::until_up(&root, &service);
    let document: Json = serde_json::from_str(&root.read("data/state/scheduler.json")).unwrap();
    let listen = document["listen"].as_str().unwrap().to_owned();
    let sets = [("preflight.listen", listen.as_str())];
    look(&root, "ports", &sets).passes().says("port of serve", "ok", &["held by the service"]);
    crate::serve::fixture::end(service);
}

#[test]
fn an_env_that_is_open_or_not_complete_fails_and_is_not_shown() {
    let root = Root::new();
    let found = look(&root, "env", &[]).passes();
    assert_eq!(found.checks[0]["level"], "skipped");
    root.write(".env.example", "UID=1000\nTOKEN=\n#MAY=1\n");
    look(&root, "env", &[]).says("env", "fail", &[".env is missing"]);
    let write = |text: &str, mode: u32| {
        root.write(".env", text);
        fs::set_permissions(root.at(".env"), fs::Permissions::from_mode(mode)).unwrap();
    };
    write("UID=1\nTOKEN=canary-1\nMAY=2\n", 0o600);
    let found = look(&root, "env", &[]).passes();
    found.says("env rights", "ok", &["600"]).says("env", "ok", &["complete"]);
    for (text, level, words) in [
        ("UID=1\nTOKEN= # fill me in\n", "fail", &["empty: TOKEN"][..]),
        ("UID=1\nTOKEN=\"\" # none yet\n", "fail", &["empty: TOKEN"]),
        ("UID=1\nTOKEN=\"canary-5\n", "warn", &["line: 2"]),
        ("UID=1\nTOKEN: canary-5\n", "warn", &["line: 2"]),
        ("UID=1\nTOKEN=\"canary\nMAY=5\n\"\nMAY=1\n", "ok", &["complete"]),
    ] {
        write(text, 0o600);
        look(&root, "env", &[]).says("env", level, words);
    }
    write("UID=1\nTOKEN=canary-1\n", 0o644);
    look(&root, "env", &[]).says("env rights", "fail", &["everybody can get at it"]);
    write("UID=\nOTHER=canary-2\nOTHER=canary-3\ncanary-4\n", 0o660);
    let found = look(&root, "env", &[]).says("env rights", "warn", &["the group can change it"]);
    let words =
        ["missing: TOKEN", "empty: UID", "twice: OTHER", "not in .env.example: OTHER", "line: 4"];
    found.says("env", "fail", &words);
    let people = root.run("run preflight").to_string();
    let kept: String = root.files("data").into_iter().map(|(_, text)| text).collect();
    assert!(!people.contains("canary") && !kept.contains("canary"), "{people}");
    fs::remove_file(root.at(".env")).unwrap();
    fs::create_dir(root.at(".env")).unwrap();
    look(&root, "env", &[]).says("env", "fail", &["not a regular file"]);
}

#[test]
fn manifests_with_problems_fail() {
    let root = Root::new();
    look(&root, "manifests", &[]).passes().says("manifests", "ok", &["manifests"]);
    root.write(
        "jobs/bad.toml",
        "manifest = 1\nname = \"bad\"\nkind = \"exec\"\n[exec]\nrnu = [\"x\"]\n",
    );
    look(&root, "manifests", &[]).says("manifests", "fail", &["jobs/bad.toml:5", "rnu"]);
}

#[test]
fn a_device_that_is_demanded_and_missing_fails() {
    let root = Root::new();
    look(&root, "device", &[]).passes().says("device", "ok", &["the processor"]);
    let none = ("compute.worker", "./no-such-worker");
    let gpu = [("compute.device", "gpu"), none];
    look(&root, "device", &gpu).says("device", "fail", &["worker_missing"]);
    let auto = [("compute.device", "auto"), none];
    look(&root, "device", &auto).passes().says("device", "ok", &["the processor; no card"]);
}

#[test]
fn a_tree_that_is_not_committed_fails() {
    if !have(&["git"]) {
        return;
    }
    let root = Root::new();
    assert_eq!(look(&root, "git", &[]).passes().checks[0]["level"], "skipped");
    let git = |words: &[&str]| {
        let mut command = Command::new("/usr/bin/git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]);
        command.args(words).current_dir(root.path()).env_clear().env("HOME", "/nonexistent");
        assert!(command.env("PATH", "/usr/bin:/bin").status().unwrap().success());
    };
    root.write(".gitignore", "/data\n");
    git(&["init", "-q", "-b", "main"]);
    look(&root, "git", &[]).says("git", "fail", &["jobs/check.toml", "more"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "all"]);
    look(&root, "git", &[]).passes().says("git", "ok", &["on main"]);
    root.write("jobs/live.toml", "edited\n");
    look(&root, "git", &[]).says("git", "fail", &["jobs/live.toml"]);
    git(&["checkout", "-q", "."]);
    git(&["checkout", "-q", "--detach"]);
    look(&root, "git", &[]).passes().says("git", "warn", &["on no branch"]);
}
