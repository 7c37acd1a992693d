//! What surrounds a deploy: links, ports, owners, room, git, secrets, special files, time.

#![expect(clippy::disallowed_methods, reason = "these tests make the situations that are refused")]

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    process::Command,
};

use super::{
    fixture::{Site, have, is_root},
    sshd::free_port,
};
use crate::support::{runner::Root, skip::skip};

/// U3: the mistake of the original command line, which hid `files/data/`.
#[test]
fn u3_an_exclude_that_hides_tracked_files_is_refused() {
    let Some(site) = Site::new() else { return };
    let sets = [("deploy-check.exclude.anywhere", "[\"data/\"]")];
    site.check_with(&sets).refuses("hidden-code", &["`data/`", "src/data/storage.py"]);
    let sets = [("deploy-check.exclude.paths", "[\"/.git\",\"/src/d*\"]")];
    site.check_with(&sets).refuses("hidden-code", &["src/data/storage.py"]);
    let sets = [("deploy-check.exclude.anywhere", "[\"logs/\"]")];
    site.check_with(&sets).passes().lacks("hidden-code");
}

/// U9.
#[test]
fn u9_links_that_lead_out_are_refused() {
    let Some(site) = Site::new() else { return };
    for (name, to) in
        [("absolute", "/etc/passwd"), ("src/up", "../../x"), ("through", "absolute/x")]
    {
        symlink(to, site.here(name)).unwrap();
    }
    site.commit("links");
    let words = ["absolute -> /etc/passwd", "src/up -> ../../x", "through -> absolute/x"];
    site.check().refuses("symlink-escape", &words);
    let Some(site) = Site::new() else { return };
    symlink("../README.md", site.here("src/up")).unwrap();
    symlink("src/not-there", site.here("dangling")).unwrap();
    site.commit("links");
    site.check().passes().lacks("symlink-escape");
}

/// U9, the other side.
#[test]
fn u9_paths_that_lead_through_a_link_of_the_target_are_refused() {
    let Some(site) = Site::new() else { return };
    fs::rename(site.there("ops"), site.root.at("elsewhere")).unwrap();
    symlink("../elsewhere", site.there("ops")).unwrap();
    site.write("ops/more.sh", "exit 0\n");
    site.commit("more");
    site.check().refuses("symlink-escape", &["ops/more.sh (through the link ops)"]);
    let Some(site) = Site::new() else { return };
    symlink(site.there(""), site.root.at("alias")).unwrap();
    let alias = site.root.at("alias").to_str().unwrap().to_owned();
    site.check_at(&alias, &[]).refuses("symlink-escape", &["is a link: name the folder itself"]);
}

/// U10.
#[test]
fn u10_a_port_that_the_world_can_reach_is_refused() {
    if !have(&["docker-compose"]) {
        return;
    }
    let compose =
        |ports: &str| format!("services:\n  live:\n    image: x\n    user: \"1000\"\n{ports}");
    for (ports, env, public, refused) in [
        ("    ports:\n      - \"127.0.0.1:48887:48887\"\n", "", "[]", None),
        ("    ports:\n      - \"48887:48887\"\n", "", "[]", Some("48887:48887")),
        ("    ports:\n      - \"48887:48887\"\n", "", "[48887]", None),
        ("    network_mode: host\n", "", "[]", Some("network_mode: host")),
        (
            "    ports:\n      - \"${BIND:-127.0.0.1}:48887:48887\"\n",
            "BIND=127.0.0.1\n",
            "[]",
            None,
        ),
        (
            "    ports:\n      - \"${BIND:-127.0.0.1}:48887:48887\"\n",
            "BIND=0.0.0.0\n",
            "[]",
            Some("with the .env of the target"),
        ),
        ("    ports: *shared\n", "", "[]", Some("not judged: ")),
    ] {
        let Some(site) = Site::new() else { return };
        site.write("docker-compose.yml", &compose(ports));
        site.commit("compose");
        site.write_there(".env", env);
        let sets = [("deploy-check.ports.public", public)];
        match refused {
            Some(word) => drop(site.check_with(&sets).refuses("public-port", &[word])),
            None => drop(site.check_with(&sets).passes().lacks("public-port")),
        }
    }
    let Some(site) = Site::new() else { return };
    let flow = "services: {live: {image: x, user: '1', ports: [\"48887:48887\"]}}\n";
    site.write("docker-compose.yml", flow);
    site.commit("in the way of JSON");
    site.check().refuses("public-port", &["48887:48887"]);
    site.write("docker-compose.yml", "services:\n  live:\n    ports: [[\n");
    site.commit("broken");
    site.check().refuses("public-port", &["not judged: "]);
}

/// One service with a port that a variable binds.
const BOUND: &str = "services:\n  lab:\n    image: x\n    user: \"1000\"\n    ports: [\"${BIND:-127.0.0.1}:48887:48887\"]\n";

/// U10: the `.env` of the target is read as compose reads it, or what asks for it is not judged.
#[test]
fn u10_the_env_of_the_target_is_read_by_the_rules_of_compose() {
    if !have(&["docker-compose"]) {
        return;
    }
    let Some(site) = Site::new() else { return };
    site.write("docker-compose.yml", BOUND);
    site.commit("compose");
    for (env, refused) in [
        ("BIND=0.0.0.0\n", Some("0.0.0.0:48887")),
        ("\u{feff}BIND=0.0.0.0\n", Some("0.0.0.0:48887")),
        ("export\tBIND=0.0.0.0\n", Some("0.0.0.0:48887")),
        ("BIND=0.0.0.0\nNOTE=\"x\nBIND=127.0.0.1\n\"\n", Some("0.0.0.0:48887")),
        ("BIND=127.0.0.1\nBIND=0.0.0.0 # open\r\n", Some("0.0.0.0:48887")),
        ("'BIND'=0.0.0.0\n", Some("line 1 of the .env is not an assignment")),
        ("BIND: 0.0.0.0\n", Some("BIND in the .env is not read alike")),
        ("BIND=$OTHER\nOTHER=0.0.0.0\n", Some("BIND in the .env is not read alike")),
        ("BIND=127.0.0.1\n\"\nBIND=0.0.0.0\n", Some("is not an assignment")),
        ("BIND=hunter2-hunter2\n", Some("not judged: ")),
        ("COMPOSE_FILE=other.yml\n", Some("`other.yml`, which is not in the source")),
        ("COMPOSE_FILE=docker-compose.yml:src/open.yml\n", Some("src/open.yml")),
        ("BIND=127.0.0.1\n", None),
        ("BIND='127.0.0.1' # here\nNOTE=\"x\nBIND=0.0.0.0\n\"\n", None),
        ("COMPOSE_FILE=docker-compose.yml\nCOMPOSE_PROFILES=lab\n", None),
        ("", None),
    ] {
        site.write_there(".env", env);
        let checked = match refused {
            Some(word) => site.check().refuses("public-port", &[word]),
            None => site.check().passes().lacks("public-port"),
        };
        assert!(!checked.ran.to_string().contains("hunter2"), "{}", checked.ran);
    }
}

/// U10: every file that compose would read counts.
#[test]
fn u10_other_names_overrides_and_what_is_only_there_count() {
    if !have(&["docker-compose"]) {
        return;
    }
    let open = "services:\n  lab:\n    ports: [\"0.0.0.0:48889:48889\"]\n";
    let fine = BOUND.replace("${BIND:-127.0.0.1}", "127.0.0.1");
    let base = "services:\n  base:\n    image: x\n    user: \"1000\"\n    ports: [\"${BIND:-127.0.0.1}:48890:48890\"]\n";
    let extends = "services:\n  lab:\n    extends: {file: base.yml, service: base}\n";
    for (files, env, refused) in [
        (
            &[("docker-compose.yml", fine.as_str()), ("docker-compose.override.yml", open)][..],
            "",
            Some("48889"),
        ),
        (&[("docker-compose.yml", &fine), ("compose.override.yaml", open)], "", Some("48889")),
        (&[("compose.yaml", &fine.replace("127.0.0.1", "0.0.0.0"))], "", Some("48887")),
        (
            &[("docker-compose.yml", &fine), ("compose.yml", &fine.replace("127.0.0.1:", ""))],
            "",
            Some("48887"),
        ),
        (&[("docker-compose.yml", extends), ("base.yml", base)], "BIND=0.0.0.0\n", Some("48890")),
        (&[("docker-compose.yml", extends), ("base.yml", base)], "", None),
        (&[("a.yml", &fine), ("b.yml", open)], "COMPOSE_FILE=a.yml:b.yml\n", Some("48889")),
        (
            &[
                ("docker-compose.yml", &fine),
                ("docker-compose.override.yml", "services:\n  lab:\n    image: y\n"),
            ],
            "",
            None,
        ),
        (&[("notes.yml", open)], "", None),
    ] {
        let Some(site) = Site::new() else { return };
        for (name, text) in files {
            site.write(name, text);
        }
        site.commit("compose");
        site.write_there(".env", env);
        match refused {
            Some(word) => drop(site.check().refuses("public-port", &[word])),
            None => drop(site.check().passes().lacks("public-port")),
        }
    }
    // By hand on the target, where compose would read it too.
    let Some(site) = Site::new() else { return };
    site.write("docker-compose.yml", &fine);
    site.commit("compose");
    site.deploy();
    site.check().passes();
    site.write_there("docker-compose.override.yml", open);
    site.check().refuses("public-port", &["override.yml is there and not in the source"]);
}

/// U10: where no compose is, nothing is judged, and so it is refused.
#[test]
fn u10_a_file_that_compose_cannot_read_is_never_fine() {
    let Some(site) = Site::new() else { return };
    site.write("docker-compose.yml", "services:\n  lab:\n    iamge: x\n");
    site.commit("compose");
    site.check().refuses("public-port", &["not judged: "]);
    let warn = [("deploy-check.severity.public-port", "warn")];
    site.check_with(&warn).finds("public-port", "warn", &["not judged: "]);
}

/// U11.
#[test]
fn u11_what_is_or_would_be_somebody_elses_is_refused() {
    if !have(&["docker-compose"]) {
        return;
    }
    let Some(site) = Site::new() else { return };
    site.write("docker-compose.yml", "services:\n  live:\n    image: x\n");
    site.commit("no user");
    site.check().refuses("root-owned", &["service live"]);
    site.write("docker-compose.yml", "services:\n  live:\n    image: x\n    user: \"1000:1000\"\n");
    site.commit("a user");
    site.check().passes().lacks("root-owned");
    if !is_root() {
        skip("root", "only root can give files away");
        return;
    }
    let Some(site) = Site::new() else { return };
    chown(site.there("data"), Some(65_534), None).unwrap();
    site.check().passes().lacks("root-owned");
    chown(site.there("ops/run.sh"), Some(65_534), None).unwrap();
    site.check().refuses("root-owned", &["ops/run.sh (user 65534)"]);
    let sets = [("deploy-check.severity.runs-as-root", "refuse")];
    site.check_with(&sets).refuses("runs-as-root", &["is root"]);
}

/// U12.
#[test]
fn u12_too_little_room_is_refused() {
    let Some(site) = Site::new() else { return };
    let sets = [("deploy-check.limits.disk-free-min", "1000TiB")];
    site.check_with(&sets).refuses("low-disk", &["here: ", "there: "]);
    let sets = [("deploy-check.limits.inodes-free-min", "9000000000000000000")];
    site.check_with(&sets).refuses("low-disk", &["room for"]);
    let sets = [("deploy-check.limits.disk-free-min", "1MiB")];
    site.check_with(&sets).passes().lacks("low-disk");
}

/// U13.
#[test]
fn u13_a_tree_that_is_not_what_git_has_is_refused() {
    let Some(site) = Site::new() else { return };
    site.check_with(&[("deploy-check.git.branch", "main")]).passes();
    site.check_with(&[("deploy-check.git.branch", "release")])
        .refuses("dirty-tree", &["only `release`"]);
    site.check_with(&[("deploy-check.git.require-pushed", "true")])
        .refuses("dirty-tree", &["pushed nowhere"]);
    site.write("new file.py", "x\n");
    site.check().refuses("dirty-tree", &["new file.py"]);
    site.check_with(&[("deploy-check.git.require-clean", "false")]).passes().lacks("dirty-tree");
    fs::remove_file(site.here("new file.py")).unwrap();
    site.write("src/main.py", "print('half')\n");
    site.check().refuses("dirty-tree", &["src/main.py"]);
    site.git(&["add", "-A"]);
    site.check().refuses("dirty-tree", &["src/main.py"]);
    site.git(&["reset", "-q", "--hard"]);
    site.git(&["checkout", "-q", "-b", "side"]);
    site.commit("side");
    site.git(&["checkout", "-q", "main"]);
    site.commit("main");
    site.git(&["merge", "--no-commit", "--no-ff", "-q", "side"]);
    site.check().refuses("dirty-tree", &["a merge"]);
    site.git(&["merge", "--abort"]);
    site.check().passes();
    site.git(&["checkout", "-q", "--detach"]);
    site.check().refuses("dirty-tree", &["on no branch"]);
    fs::rename(site.here(".git"), site.root.at("gone")).unwrap();
    site.check().refuses("dirty-tree", &["git knows nothing"]);
}

/// U14. The values are never shown.
#[test]
fn u14_keys_and_passwords_are_refused_and_not_shown() {
    let Some(site) = Site::new() else { return };
    let value = ["q9Zt3", "Lm4Xc", "V8nB2", "kR7wP"].concat();
    site.write("src/config.py", &format!("x = 1\nAPI_SECRET = \"{value}\"\n"));
    site.write("ops/id_ed25519", "not really\n");
    site.write("src/.env", "A=1\n");
    site.git(&["add", "-f", "src/.env"]);
    site.commit("oops");
    let words = ["src/config.py:2", "ops/id_ed25519", "src/.env"];
    let checked = site.check().refuses("secrets-in-tree", &words);
    assert!(!checked.ran.to_string().contains(&value), "{}", checked.ran);
    let reasons =
        "{\"src/config.py\"=\"made up\",\"ops/id_ed25519\"=\"made up\",\"src/.env\"=\"made up\"}";
    site.check_with(&[("deploy-check.secrets.allow", reasons)]).passes().lacks("secrets-in-tree");
    let bad = [("deploy-check.secrets.allow", "{\"src/main.py\"=\" \"}")];
    site.check_with(&bad).refuses("secrets-in-tree", &["gives no reason"]);
    site.write("src/config.py", "API_SECRET = os.environ[\"API_SECRET\"]\n");
    site.git(&["rm", "-q", "-f", "ops/id_ed25519", "src/.env"]);
    site.commit("better");
    site.check().passes().lacks("secrets-in-tree");
}

/// U15.
#[test]
fn u15_devices_setuid_hard_links_and_the_like_are_refused() {
    let Some(site) = Site::new() else { return };
    let made = Command::new("mkfifo").arg(site.here("pipe")).status().unwrap();
    assert!(made.success());
    for name in ["setuid", "open", "twice", "big", "README.MD", "bad\u{7}name"] {
        site.write(name, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
    }
    fs::set_permissions(site.here("setuid"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(site.here("open"), fs::Permissions::from_mode(0o666)).unwrap();
    fs::hard_link(site.here("twice"), site.here("again")).unwrap();
    site.write("big", &"x".repeat(2000));
    site.commit("odd things");
    let words = [
        "pipe (a device or pipe)",
        "setuid (setuid or setgid)",
        "open (everybody may write it)",
        "again (a hard link)",
        "twice (a hard link)",
        "big (larger than max-file-bytes)",
        "README.md (differs from README.MD in case only)",
        "bad\\\\#007name (control characters in its name)",
    ];
    site.check_with(&[("deploy-check.limits.max-file-bytes", "1kB")])
        .refuses("special-files", &words);
    let Some(site) = Site::new() else { return };
    site.write("plain.sh", "exit 0\n");
    fs::set_permissions(site.here("plain.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    site.commit("plain");
    site.check().passes().lacks("special-files");
}

/// U16.
#[test]
fn u16_what_moved_since_the_plan_is_refused() {
    let Some(site) = Site::new() else { return };
    site.write("src/new.py", "x = 1\n");
    site.commit("new");
    let plan = site.check().passes().ran.json()["out"]["plan"].as_str().unwrap().to_owned();
    let since = [("deploy-check.plan", plan.as_str())];
    site.check_with(&since).passes();
    site.write_there("src/main.py", "print('by hand')\n");
    site.check_with(&since).refuses("changed-since", &["moved since the plan", "target"]);
    fs::copy(site.here("src/main.py"), site.there("src/main.py")).unwrap();
    site.deploy();
    site.check_with(&since).refuses("changed-since", &["moved since the plan", "target"]);
    site.write("src/new.py", "x = 2\n");
    site.commit("newer");
    site.check_with(&since).refuses("changed-since", &["head", "source"]);
    // A plan that is too old, was edited, or was refused, is none.
    let short = site.check_with(&[("deploy-check.plan-ttl", "1ms")]).passes();
    let short = short.ran.json()["out"]["plan"].as_str().unwrap().to_owned();
    site.check_with(&[("deploy-check.plan", short.as_str())])
        .refuses("changed-since", &["older than"]);
    let edited = site.root.read(&short).replace("\"expires_ms\": ", "\"expires_ms\": 9");
    site.root.write("edited.json", &edited);
    site.check_with(&[("deploy-check.plan", "edited.json")])
        .refuses("changed-since", &["was changed after"]);
    // Another deploy is at work.
    site.check().passes();
    site.write_there(".mjolnir-lock", "somebody\n");
    site.check().refuses("changed-since", &["another deploy holds the lock"]);
}

#[test]
fn findings_can_be_warned_of_or_switched_off() {
    let Some(site) = Site::new() else { return };
    site.write("new.py", "x\n");
    site.check().refuses("dirty-tree", &["new.py"]);
    site.check_with(&[("deploy-check.severity.dirty-tree", "warn")]).passes().finds(
        "dirty-tree",
        "warn",
        &[],
    );
    site.check_with(&[("deploy-check.severity.dirty-tree", "off")]).passes().lacks("dirty-tree");
    for n in 0..12 {
        site.write(&format!("n{n}.py"), "x\n");
    }
    let report = site.check().report;
    let found = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["name"] == "dirty-tree")
        .unwrap()
        .clone();
    assert_eq!(
        (found["count"].as_u64(), found["evidence"].as_array().unwrap().len()),
        (Some(13), 10)
    );
    let path = format!("path={}", site.there("").display());
    let ran = site.root.call("run deploy-check -p source=tree").arg(&path).run().code(1);
    ran.prints(&[
        "fail",
        "dirty-tree",
        "and 3 more",
        "next:   git status",
        "report: data/reports/deploy/",
    ]);
}

fn compose(port: u16) -> String {
    format!(
        "services:\n  live:\n    image: x\n    user: \"1000\"\n    ports:\n      - \"127.0.0.1:{port}:80\"\n"
    )
}

/// The file is innocent, and somebody listens on all addresses.
#[test]
fn u10_a_port_that_the_world_can_reach_now_is_refused() {
    let Some(site) = Site::new() else { return };
    if !have(&["ss", "docker-compose"]) {
        return;
    }
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    site.write("docker-compose.yml", &compose(port));
    site.commit("compose");
    site.check().passes().lacks("public-port");
    drop(held);
    let open = TcpListener::bind(("0.0.0.0", port)).unwrap();
    let wide = format!("0.0.0.0:{port}");
    site.check().refuses("public-port", &["now, as", &wide]);
    let public = format!("[{port}]");
    site.check_with(&[("deploy-check.ports.public", &public)]).passes().lacks("public-port");
    // Who listens on a port that no container of ours would take is not our business.
    site.write("docker-compose.yml", &compose(free_port()));
    site.commit("another port");
    site.check().passes().lacks("public-port");
    drop(open);
}

#[test]
fn the_ports_of_the_shipped_compose_file_are_known_where_docker_is() {
    if !have(&["docker-compose"]) {
        return;
    }
    let root = Root::new();
    root.write("docker-compose.yml", include_str!("../../../docker-compose.yml"));
    let ports = || {
        let skip =
            "preflight.skip=[\"tools\",\"folders\",\"owners\",\"env\",\"git\",\"manifests\"]";
        let ran = root.call("run preflight --json --set").arg(skip).run();
        let checks = ran.json()["report"]["checks"].as_array().unwrap().clone();
        let found = checks.into_iter().find(|check| check["name"] == "ports");
        found.unwrap_or_else(|| panic!("{ran}"))
    };
    let found = ports();
    assert_eq!((&found["level"], &found["value"]), (&"ok".into(), &"3 named".into()), "{found}");
    root.write(".env", "JUPYTER_BIND_ADDR=0.0.0.0\n");
    let found = ports();
    assert!(found["level"] == "fail" && found["value"].to_string().contains("lab: "), "{found}");
}
