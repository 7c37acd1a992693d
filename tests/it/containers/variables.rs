//! The variables of `.env`: each one that is used is documented, each one that is documented is used, and none is a secret.

use std::collections::BTreeSet;

use super::compose::{block, services, text};

/// Read by compose itself.
const OF_COMPOSE: [&str; 1] = ["COMPOSE_PROFILES"];

/// Names that stand as `${NAME` in a text.
fn referred(text: &str) -> BTreeSet<String> {
    let names = text.split("${").skip(1).filter_map(|rest| rest.split([':', '}']).next());
    names.map(str::to_owned).collect()
}

/// Names and values of a file like `.env`, those commented out too.
fn listed(env: &str) -> Vec<(String, String)> {
    let pairs =
        env.lines().filter_map(|line| line.strip_prefix('#').unwrap_or(line).split_once('='));
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    pairs
        .filter(|(name, _)| is_name(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Names in the `environment` of a service that are handed on as they are.
fn handed_on(service: &str) -> BTreeSet<String> {
    let yaml = text("docker-compose.yml");
    let own = services(&yaml)[service]["environment"].clone();
    let shared = block(&yaml)["x-variables"].clone();
    let shared = shared.strip_prefix("&variables").unwrap_or(&shared).to_owned();
    let bodies = if own.starts_with('*') {
        vec![shared]
    } else if own.contains("<<: *variables") {
        vec![shared, own]
    } else {
        vec![own]
    };
    let pairs = bodies.iter().flat_map(|body| block(body));
    pairs.filter(|(_, value)| value.is_empty()).map(|(name, _)| name).collect()
}

#[test]
fn each_variable_is_documented_and_each_documented_one_is_used() {
    let yaml = text("docker-compose.yml");
    let listed: BTreeSet<String> =
        listed(&text(".env.example")).into_iter().map(|(name, _)| name).collect();
    let mut used = referred(&yaml);
    used.extend(referred(&text("docker-compose.gpu.yml")));
    used.extend(handed_on("paper"));
    used.extend(handed_on("scheduler"));
    used.extend(handed_on("lab"));
    used.extend(OF_COMPOSE.map(str::to_owned));
    assert_eq!(listed, used);
}

/// Variables that the notices and heartbeats of a manifest read: its secrets, and what stands in references.
fn told_by(manifest: &str) -> BTreeSet<String> {
    let quoted = |line: &str| line.strip_prefix("name = \"")?.split('"').next().map(str::to_owned);
    let secrets = manifest.lines().filter_map(quoted).filter(|name| name.contains('_'));
    let references = manifest.split("${env.").skip(1);
    let references = references.filter_map(|rest| rest.split([':', '}']).next());
    secrets.chain(references.map(str::to_owned)).collect()
}

/// Variables that a manifest reads.
fn taken(manifest: &str) -> BTreeSet<String> {
    let lines = manifest.lines();
    let names = lines.filter_map(|line| line.strip_prefix("env = \"")?.split('"').next());
    names.map(str::to_owned).collect()
}

#[test]
fn every_variable_that_a_job_takes_reaches_the_services_that_run_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs");
    // A deploy starts from the machine of whoever deploys, never from a container of the box.
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|file| !file.ends_with("deploy-check.toml"));
    let all: BTreeSet<String> =
        files.flat_map(|file| taken(&std::fs::read_to_string(file).unwrap())).collect();
    assert!(all.len() > 8, "{all:?}");
    let one = |job: &str| taken(&text(&format!("jobs/{job}.toml")));
    let told: BTreeSet<String> = ["profiles/base.toml", "jobs/heartbeat.toml", "jobs/live.toml"]
        .iter()
        .flat_map(|file| told_by(&text(file)))
        .collect();
    assert!(told.len() >= 11, "{told:?}");
    let all: BTreeSet<String> = all.union(&told).cloned().collect();
    let needs =
        [("paper", one("live")), ("exchange", one("exchange-sim")), ("scheduler", all.clone())];
    for (service, needed) in needs {
        let given = handed_on(service);
        assert!(given.is_superset(&needed), "{service} lacks {:?}", needed.difference(&given));
        assert!(given.is_subset(&all), "no job takes {:?}", given.difference(&all));
        let secrets: Vec<&String> = given.intersection(&told).collect();
        assert!(service == "scheduler" || secrets.is_empty(), "{service} knows {secrets:?}");
    }
}

#[test]
fn no_secret_has_a_value_and_none_reaches_a_service_that_needs_it_not() {
    for (name, value) in listed(&text(".env.example")) {
        let secret = ["TOKEN", "SECRET", "PASSWORD", "KEY"].iter().any(|word| name.contains(word));
        assert!(!secret || value.is_empty(), "{name}={value}");
    }
    let holders: Vec<String> = services(&text("docker-compose.yml"))
        .into_iter()
        .filter(|(_, service)| service.values().any(|body| body.contains("TOKEN")))
        .map(|(name, _)| name)
        .collect();
    // The scheduler answers the bot.
    assert_eq!(holders, ["lab", "scheduler"]);
}
