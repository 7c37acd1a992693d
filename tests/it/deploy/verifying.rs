//! What is done after everything was sent: programs on the target, and the proof that it works.

#![expect(clippy::disallowed_methods, reason = "a test asks docker what it has")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use super::fixture::{Site, have};

fn site() -> Option<Site> {
    let site = Site::new()?;
    site.write("src/main.py", "print(2)\n");
    site.commit("second");
    Some(site)
}

/// A list of commands as a manifest has it.
fn list(commands: &[&[&str]]) -> String {
    let one = |argv: &&[&str]| format!("{{ argv = {} }}", serde_json::json!(argv));
    format!("[{}]", commands.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn words(argv: &[&str]) -> String {
    serde_json::json!(argv).to_string()
}

#[test]
fn commands_run_in_the_folder_of_the_target_one_after_another() {
    let Some(site) = site() else { return };
    let out = site.root.at("out").display().to_string();
    let here = format!("pwd >> {out}; echo \"$0 $NAME $HOME\" >> {out}");
    let commands = list(&[&["sh", "-c", &here, "a b"], &["NAME=x y", "sh", "-c", &here, "*"]]);
    let sets = [("deploy.commands", commands.as_str())];
    site.act_with(&[], &sets).done();
    let there = site.there("").display().to_string();
    let told = fs::read_to_string(&out).unwrap();
    assert_eq!(told, format!("{there}\na b  /nonexistent\n{there}\n* x y /nonexistent\n"));
}

#[test]
fn a_command_that_fails_is_the_last_and_the_way_back_is_said_and_works() {
    let Some(site) = site() else { return };
    let flag = site.root.at("flag");
    let third = format!("touch {}", flag.display());
    let commands = list(&[
        &["true"],
        &["sh", "-c", "echo broken pipe dreams >&2; exit 3"],
        &["sh", "-c", &third],
    ]);
    let acted = site.act_with(&[], &[("deploy.commands", commands.as_str())]);
    let acted =
        acted.fails(1, &["exit code 3", "broken pipe dreams", "1 more commands were not run"]);
    assert!(!flag.exists());
    // The tree is deployed, and noted.
    assert_eq!(site.noted()["commit"].as_str(), Some(site.head().as_str()));
    let next = acted.story["next"].as_str().unwrap().to_owned();
    assert!(
        next.starts_with("runner deploy deploy -p ") && next.ends_with(" --rollback"),
        "{next}"
    );
    // The words as they are said, but without the command that fails.
    let back = next.replace(&commands, "[]");
    assert_ne!(back, next);
    let line = back.replacen("runner", env!("CARGO_BIN_EXE_runner"), 1);
    site.root.shell(&line).code(0).prints(&["rollback of "]);
    assert_eq!(fs::read_to_string(site.there("src/main.py")).unwrap(), "print(1)\n");
    site.is_tidy();
}

#[test]
fn a_command_that_hangs_is_ended_and_one_that_is_not_there_is_said() {
    let Some(site) = site() else { return };
    let commands = format!("[{{ argv = {}, timeout = \"300ms\" }}]", words(&["sleep", "600"]));
    let sets = [("deploy.commands", commands.as_str())];
    site.act_with(&[], &sets).fails(1, &["`sleep 600` on the target did not end in time"]);
    site.is_tidy();
}

/// Else new files would be there beside an old program that runs on.
#[test]
fn a_program_that_the_target_lacks_is_found_before_anything_is_sent() {
    let Some(site) = site() else { return };
    let lacking = list(&[&["true"], &["NAME=x", "no-such-program", "-v"]]);
    for (key, value, word) in [
        ("deploy.commands", lacking.as_str(), "`no-such-program` is not there"),
        ("deploy.health", "[\"/opt/no/such\"]", "`/opt/no/such` is not there"),
        ("deploy.state", "[\"ops/no-such.sh\"]", "`ops/no-such.sh` is not there"),
    ] {
        let sets = [(key, value)];
        let acted = site.act_with(&[], &sets).fails(1, &["program-missing", word]);
        assert!(acted.story.is_null(), "{}", acted.story);
        assert_eq!(fs::read_to_string(site.there("src/main.py")).unwrap(), "print(1)\n");
        let planned = site.call_for("plan deploy", &sets).run().code(1);
        planned.prints(&["program-missing", word, "docker info"]);
    }
    site.is_tidy();
    // One that the deploy itself brings, one by its whole path, and one with a variable before it.
    site.write("ops/start.sh", "#!/bin/sh\nexit 0\n");
    fs::set_permissions(site.here("ops/start.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    site.commit("a script");
    let commands = list(&[&["ops/start.sh"], &["/bin/sh", "-c", "true"], &["NAME=x", "true"]]);
    site.act_with(&[], &[("deploy.commands", commands.as_str())]).done();
}

/// It prints its help then, and may end with 0: a deploy would seem to have started the box.
#[test]
fn a_docker_without_compose_is_found_before_anything_is_sent() {
    let Some(site) = site() else { return };
    if !have(&["docker"]) {
        return;
    }
    let mut asked = Command::new("/usr/bin/docker");
    asked.args(["compose", "version"]).env_clear().env("PATH", "/usr/bin:/bin");
    let has_plugin = asked.output().unwrap().stdout.starts_with(b"Docker Compose version");
    let commands = list(&[&["docker", "compose", "version"]]);
    let acted = site.act_with(&[], &[("deploy.commands", commands.as_str())]);
    if has_plugin {
        acted.done();
    } else {
        acted.fails(1, &["program-missing", "`docker compose` is not there", "docker-compose"]);
    }
    site.is_tidy();
}

#[test]
fn health_that_becomes_good_is_waited_for_and_one_that_does_not_is_a_failure() {
    let Some(site) = site() else { return };
    let tries = site.root.at("tries");
    let third = format!("echo x >> {0}; [ $(wc -l < {0}) -ge 3 ]", tries.display());
    let health = words(&["sh", "-c", &third]);
    let sets = [("deploy.health", health.as_str()), ("deploy.health-every", "10ms")];
    site.act_with(&[], &sets).done();
    assert_eq!(fs::read_to_string(&tries).unwrap(), "x\nx\nx\n");
    let never = [
        ("deploy.health", "[\"false\"]"),
        ("deploy.health-within", "300ms"),
        ("deploy.health-every", "10ms"),
        ("deploy.state", "[\"sh\", \"-c\", \"echo does not fold; exit 65\"]"),
    ];
    let acted = site.act_with(&[], &never);
    acted.fails(
        1,
        &["deployed, and not verified", "not well within 300ms", "exit code 65", "--rollback"],
    );
    assert_eq!(site.noted()["commit"].as_str(), Some(site.head().as_str()));
    let good = [("deploy.state", "[\"true\"]")];
    let done = site.act_with(&[], &good).done();
    assert!(done.story["steps"].to_string().contains("its state is good"), "{}", done.story);
    site.is_tidy();
}

/// Programs may not change what was deployed: a second look finds it.
#[test]
fn a_command_that_changes_the_tree_is_found() {
    let Some(site) = site() else { return };
    let commands = list(&[&["sh", "-c", "echo x >> src/main.py"]]);
    let sets = [("deploy.commands", commands.as_str())];
    site.act_with(&[], &sets).fails(1, &["not verified", "a second look finds", "drift"]);
    site.is_tidy();
}

/// The value of a secret is shown nowhere, not even where somebody wrote it into an argument.
#[test]
fn secrets_are_masked_in_what_is_said_logged_and_kept() {
    let Some(site) = site() else { return };
    let canary = ["c4nary", "Zq9xW", "t7Lm"].concat();
    site.root.write(
        "jobs/mine.toml",
        "manifest = 1\nname = \"mine\"\nkind = \"deploy\"\nextends = [\"deploy.toml\"]\n\
         [secrets.CANARY]\nfrom = \"env\"\nname = \"CANARY\"\n",
    );
    let commands = list(&[&["true", &canary], &["sh", "-c", "echo $0 $0 >&2; exit 3", &canary]]);
    let sets = [("deploy.commands", commands.as_str()), ("deploy.message", canary.as_str())];
    let ran = site.call_for("deploy mine", &sets).env("CANARY", &canary).run();
    assert_eq!(ran.code, 1, "{ran}");
    assert!(
        ran.stdout.contains("***") && !ran.to_string().replace(&ran.line, "").contains(&canary),
        "{ran}"
    );
    let kept = [site.root.at("data"), site.there("")];
    for (path, text) in kept.iter().flat_map(|dir| all_below(dir)) {
        assert!(!text.windows(canary.len()).any(|part| part == canary.as_bytes()), "{path}");
    }
}

fn all_below(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let seen = super::locks::seen(dir);
    seen.into_iter()
        .map(|(path, seen)| (String::from_utf8_lossy(&path).into_owned(), seen.0))
        .collect()
}
