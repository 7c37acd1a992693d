//! What every service promises: no root, no rights, no way to write or to be reached but the named ones, bounded logs, a health check.

use super::compose::{Block, block, items, services, text, unquoted};

const FILE: &str = "docker-compose.yml";
/// Folders of the project that containers may see.
const SEEN: [&str; 5] = ["./data", "./jobs", "./profiles", "./strategies", "./notebooks"];
/// Those that nobody in a container changes.
const READ_ONLY: [&str; 3] = ["./jobs", "./profiles", "./strategies"];
/// Keys that take promises back.
const FORBIDDEN: [&str; 9] = [
    "cap_add",
    "devices",
    "env_file",
    "ipc",
    "network_mode",
    "pid",
    "privileged",
    "userns_mode",
    "group_add",
];
/// Keys that the overlay for a card may change.
const OF_A_CARD: [&str; 5] = ["build", "deploy", "environment", "image", "mem_limit"];

/// Every promise that a compose file breaks.
fn problems(yaml: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, service) in services(yaml) {
        let broken = [confinement(&service), ports(&service), volumes(&service), upkeep(&service)];
        found.extend(broken.concat().into_iter().map(|problem| format!("{name}: {problem}")));
    }
    found
}

fn get<'s>(service: &'s Block, key: &str) -> &'s str {
    service.get(key).map_or("", String::as_str)
}

fn wrong(problems: &[(bool, &str)]) -> Vec<String> {
    problems.iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, text)| (*text).to_owned()).collect()
}

fn confinement(service: &Block) -> Vec<String> {
    let user = unquoted(get(service, "user"));
    let is = |key: &str| get(service, key) == "true";
    let has = |key: &str, item: &str| items(get(service, key)).iter().any(|found| found == item);
    let tmpfs = items(get(service, "tmpfs"));
    let safe =
        |one: &String| ["noexec", "nosuid", "nodev", "size="].iter().all(|w| one.contains(w));
    let mut found = wrong(&[
        (user != "${UID:-1000}:${GID:-1000}", "user is not UID:GID of the host"),
        (!is("read_only"), "read_only is not true"),
        (!is("init"), "init is not true"),
        (!has("cap_drop", "ALL"), "cap_drop is not ALL"),
        (!has("security_opt", "no-new-privileges:true"), "no no-new-privileges"),
        (
            tmpfs.is_empty() || !tmpfs.iter().all(safe),
            "tmpfs is absent, unbounded, or runs programs",
        ),
        (get(service, "mem_limit").is_empty(), "no mem_limit"),
        (get(service, "pids_limit").is_empty(), "no pids_limit"),
    ]);
    let forbidden = FORBIDDEN.iter().filter(|key| service.contains_key(**key));
    found.extend(forbidden.map(|key| format!("{key} is not for a box")));
    found
}

/// A port is published on an address that a variable names, and that is 127.0.0.1 when it is silent.
fn ports(service: &Block) -> Vec<String> {
    let ports = items(get(service, "ports"));
    let bad = ports.into_iter().filter(|port| {
        let address = port.strip_prefix("${").and_then(|rest| rest.split_once('}'));
        !address.is_some_and(|(address, _)| address.ends_with("_BIND_ADDR:-127.0.0.1"))
    });
    bad.map(|port| format!("port {port} is not on 127.0.0.1 by default")).collect()
}

fn volumes(service: &Block) -> Vec<String> {
    let mut found = Vec::new();
    for volume in items(get(service, "volumes")) {
        let volume = block(&volume);
        let source = get(&volume, "source");
        if get(&volume, "type") != "bind" || !SEEN.contains(&source) {
            found.push(format!("`{source}` is mounted: only {} may be", SEEN.join(" ")));
        }
        if READ_ONLY.contains(&source) && get(&volume, "read_only") != "true" {
            found.push(format!("{source} is not read-only"));
        }
    }
    found
}

fn upkeep(service: &Block) -> Vec<String> {
    let health = block(get(service, "healthcheck"));
    let test = items(get(&health, "test"));
    let logging = get(service, "logging");
    let bounded = logging.contains("json-file")
        && logging.contains("max-size")
        && logging.contains("max-file");
    let shell = |word: &String| ["sh", "bash", "dash", "/bin/sh"].contains(&word.as_str());
    wrong(&[
        (test.first().map(String::as_str) != Some("CMD"), "no health check in exec form"),
        (test.iter().any(shell), "the health check takes a shell"),
        (
            !["interval", "timeout", "retries"].iter().all(|key| health.contains_key(*key)),
            "a health check without interval, timeout or retries",
        ),
        (!bounded, "a log without limits"),
        (get(service, "restart") != "unless-stopped", "it does not come back after a crash"),
        (get(service, "stop_grace_period") != "60s", "it is not given the time to finish"),
    ])
}

#[test]
fn every_service_is_confined_bounded_and_looked_after() {
    let yaml = text(FILE);
    assert_eq!(problems(&yaml), [""; 0]);
    let services = services(&yaml);
    assert_eq!(services.keys().collect::<Vec<_>>(), ["exchange", "lab", "paper", "scheduler"]);
    for (name, profile) in [("exchange", "demo"), ("lab", "lab")] {
        assert_eq!(items(&services[name]["profiles"]), [profile], "{name} is not for everybody");
    }
    assert!(
        !services["exchange"]["volumes"].contains("./data"),
        "the simulator has no business there"
    );
    let data =
        items(&services["lab"]["volumes"]).into_iter().find(|volume| volume.contains("./data"));
    assert!(data.is_some_and(|data| data.contains("read_only: true")), "the lab changes nothing");
}

#[test]
fn a_promise_that_is_broken_is_found() {
    let yaml = text(FILE);
    let broken = [
        ("${EXCHANGE_BIND_ADDR:-127.0.0.1}:", "", "port"),
        ("${EXCHANGE_BIND_ADDR:-127.0.0.1}:", "0.0.0.0:", "port"),
        ("${JUPYTER_BIND_ADDR:-127.0.0.1}", "${JUPYTER_BIND_ADDR:-0.0.0.0}", "port"),
        ("  read_only: true\n  tmpfs", "  tmpfs", "read_only"),
        ("    read_only: true\n    tmpfs", "    tmpfs", "read_only"),
        ("cap_drop:\n    - ALL", "cap_drop:\n    - NET_RAW", "cap_drop"),
        ("no-new-privileges:true", "apparmor:unconfined", "no-new-privileges"),
        ("user: \"${UID:-1000}:${GID:-1000}\"", "user: root", "user"),
        ("source: ./data", "source: /var/run/docker.sock", "docker.sock"),
        (
            "target: /box/jobs\n      read_only: true",
            "target: /box/jobs",
            "./jobs is not read-only",
        ),
        ("test: [\"CMD\", ", "test: [\"CMD-SHELL\", ", "exec form"),
        ("      max-size: 10m\n", "", "a log without limits"),
        ("rw,noexec,", "rw,", "tmpfs"),
        ("    mem_limit: 512m\n", "    privileged: true\n", "privileged"),
        ("restart: unless-stopped", "restart: \"no\"", "come back"),
    ];
    for (what, by, problem) in broken {
        assert!(yaml.contains(what), "the test breaks `{what}`, which is not there any more");
        let found = problems(&yaml.replace(what, by));
        assert!(found.iter().any(|found| found.contains(problem)), "{what}: {found:?}");
    }
}

#[test]
fn the_overlay_for_a_card_takes_nothing_back() {
    let yaml = text("docker-compose.gpu.yml");
    let base = services(&text(FILE));
    for (name, service) in services(&yaml) {
        assert!(base.contains_key(&name), "{name} is no service");
        assert_ne!(name, "paper", "no driver may keep the loop from starting");
        let other: Vec<_> =
            service.keys().filter(|key| !OF_A_CARD.contains(&key.as_str())).collect();
        assert!(other.is_empty(), "{name} changes {other:?}");
    }
}
