//! Which ports containers publish that run now: as docker says or, where there is none, who listens on the ports that the compose
//! file names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::service::{Bound, Exposure, Service, User};
use crate::{
    exit::Exit,
    jobs::{
        context::Failure,
        deploy::hands::{Hands, good, words},
    },
};

const BY_DOCKER: &str = "running now, as docker says";
const BY_SS: &str = "listening now, as ss says";

/// What runs, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Who says so.
    pub with: &'static str,
    /// Containers, or whoever listens.
    pub services: Vec<Service>,
}

impl Running {
    /// Whether docker says so: then a port that is held is held by a container of ours.
    pub fn is_docker(&self) -> bool {
        self.with == BY_DOCKER
    }
}

/// What runs of the project whose compose file lies in a folder of the target; `None` when nobody there can tell. `named` are the
/// ports that the file names.
pub fn running(
    hands: &Hands<'_>,
    dir: &str,
    file: &str,
    named: &BTreeSet<u16>,
) -> Result<Option<Running>, Failure> {
    let label = format!("label=com.docker.compose.project.working_dir={dir}");
    let ps = ["docker", "ps", "--filter", label.as_str(), "--format", "{{json .}}"];
    let file = format!("{dir}/{file}");
    let compose = ["docker", "compose", "-f", file.as_str(), "ps", "--format", "json"];
    let by_label = ask(hands, &words(ps))?.and_then(|said| from_docker_ps(&said).ok());
    // A project can be known by another path than ours.
    let by_file = ask(hands, &words(compose))?.and_then(|said| from_compose_ps(&said).ok());
    // A docker without compose may end with 0 and say nothing.
    let by_file = by_file.filter(|services| !services.is_empty());
    if by_label.is_some() || by_file.is_some() {
        let services = merged(by_label.into_iter().chain(by_file).flatten());
        return Ok(Some(Running { with: BY_DOCKER, services }));
    }
    let listening = ask(hands, &words(["ss", "-Hltn"]))?;
    Ok(listening.map(|said| Running { with: BY_SS, services: from_ss(&said, named) }))
}

/// What a program says; `None` when it is not there, or has nothing good to say.
fn ask(hands: &Hands<'_>, words: &[String]) -> Result<Option<Vec<u8>>, Failure> {
    match hands.there(words) {
        Ok(said) => Ok(good("it", said).ok()),
        Err(failure) if failure.exit == Exit::Negative => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Each container once, with each of its ports once.
fn merged(services: impl Iterator<Item = Service>) -> Vec<Service> {
    let mut all: BTreeMap<String, Service> = BTreeMap::new();
    for service in services {
        let known = all.entry(service.name.clone()).or_insert_with(|| of(&service.name));
        for port in service.ports {
            let is_new = !known
                .ports
                .iter()
                .any(|other| (other.bound, other.published) == (port.bound, port.published));
            if is_new {
                known.ports.push(port);
            }
        }
    }
    all.into_values().collect()
}

/// A container of which nothing but its name is known.
fn of(name: &str) -> Service {
    Service { name: name.to_owned(), ports: Vec::new(), user: User::Named }
}

/// Understands `docker compose ps --format json`: an array, or one document a line, by its version.
pub fn from_compose_ps(output: &[u8]) -> Result<Vec<Service>, String> {
    let documents = match serde_json::from_slice(output) {
        Ok(Json::Array(all)) => all,
        Ok(one) => vec![one],
        Err(_) => lines(output)?,
    };
    documents.iter().map(container).collect()
}

fn container(document: &Json) -> Result<Service, String> {
    let name = document["Name"].as_str().ok_or("a container without `Name`")?;
    let mut service = of(name);
    for publisher in document["Publishers"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let number = |key: &str| publisher[key].as_u64().and_then(|port| u16::try_from(port).ok());
        let published = number("PublishedPort").ok_or("a publisher without `PublishedPort`")?;
        let host = publisher["URL"].as_str().unwrap_or_default();
        if published > 0 {
            let inside = number("TargetPort").unwrap_or_default();
            let written = format!("{host}:{published}:{inside}");
            let bound = Bound::of(host);
            service.ports.push(Exposure { bound, published: Some(published), written });
        }
    }
    Ok(service)
}

/// Understands `docker ps --format '{{json .}}'`.
pub fn from_docker_ps(output: &[u8]) -> Result<Vec<Service>, String> {
    let all = lines(output)?;
    let one = |document: &Json| {
        let name = document["Names"].as_str().ok_or("a container without `Names`")?;
        let ports = document["Ports"].as_str().ok_or("a container without `Ports`")?;
        let published = ports.split(", ").filter_map(|text| text.split_once("->"));
        let mut service = of(name);
        service.ports = published.map(|(outside, inside)| port(outside, inside)).collect();
        Ok(service)
    };
    all.iter().map(one).collect()
}

/// `0.0.0.0:8080`, `:::8080`, `[::]:8080-8090`.
fn port(outside: &str, inside: &str) -> Exposure {
    let (host, published) = outside.rsplit_once(':').unwrap_or(("", outside));
    let written = format!("{outside}->{inside}");
    Exposure { bound: Bound::of(host), published: published.parse().ok(), written }
}

fn lines(output: &[u8]) -> Result<Vec<Json>, String> {
    let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(|error| error.to_string())).collect()
}

/// Understands `ss -Hltn`: whoever listens on one of these ports.
pub fn from_ss(output: &[u8], named: &BTreeSet<u16>) -> Vec<Service> {
    let text = String::from_utf8_lossy(output);
    let listening = text.lines().filter_map(|line| {
        let local = line.split_ascii_whitespace().nth(3)?;
        let (host, port) = local.rsplit_once(':')?;
        let published = port.parse().ok().filter(|port| named.contains(port))?;
        let host = host.split('%').next().unwrap_or_default();
        let (bound, written) = (Bound::of(host), local.to_owned());
        let mut service = of("a listener");
        service.ports.push(Exposure { bound, published: Some(published), written });
        Some(service)
    });
    merged(listening)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(services: &[Service]) -> Vec<String> {
        let ports = services.iter().flat_map(|one| one.ports.iter().map(move |port| (one, port)));
        let open = ports.filter(|(_, port)| !port.is_fine(&[443]));
        open.map(|(one, port)| format!("{} {}", one.name, port.written)).collect()
    }

    #[test]
    fn compose_prints_an_array_or_lines() {
        let box_ = r#"{"ID":"1","Name":"trade-scheduler-1","Service":"scheduler","State":"running","Publishers":[
            {"URL":"127.0.0.1","TargetPort":9464,"PublishedPort":9464,"Protocol":"tcp"},
            {"URL":"","TargetPort":8080,"PublishedPort":0,"Protocol":"tcp"}]}"#
            .replace('\n', "");
        let lab = r#"{"Name":"trade-lab-1","Publishers":[{"URL":"0.0.0.0","TargetPort":8888,"PublishedPort":8888,"Protocol":"tcp"},{"URL":"::","TargetPort":8888,"PublishedPort":8888,"Protocol":"tcp"},{"URL":"0.0.0.0","TargetPort":443,"PublishedPort":443,"Protocol":"tcp"}]}"#;
        let plain = r#"{"Name":"trade-paper-1","Publishers":null}"#;
        for text in [format!("[{box_},{lab},{plain}]"), format!("{box_}\n{lab}\n{plain}\n")] {
            let found = from_compose_ps(text.as_bytes()).unwrap();
            assert_eq!(found.len(), 3);
            let all = ["trade-lab-1 0.0.0.0:8888:8888", "trade-lab-1 :::8888:8888"];
            assert_eq!(open(&found), all);
        }
        assert!(from_compose_ps(b"").unwrap().is_empty());
        assert!(from_compose_ps(b"[]").unwrap().is_empty());
        assert_eq!(from_compose_ps(plain.as_bytes()).unwrap().len(), 1);
        for bad in ["NAME  COMMAND", "{\"a\":1}", r#"{"Name":"x","Publishers":[{"URL":"::"}]}"#] {
            assert!(from_compose_ps(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn docker_ps_prints_ports_as_a_text() {
        let text = r#"{"Names":"a","Ports":"0.0.0.0:8080->8080/tcp, :::8080->8080/tcp, 9000/tcp"}
{"Names":"b","Ports":"127.0.0.1:9464->9464/tcp, [::1]:9464->9464/tcp"}
{"Names":"c","Ports":"[::]:7000-7010->7000-7010/tcp, 0.0.0.0:443->443/tcp"}
{"Names":"d","Ports":""}
"#;
        let found = from_docker_ps(text.as_bytes()).unwrap();
        let all =
            ["a 0.0.0.0:8080->8080/tcp", "a :::8080->8080/tcp", "c [::]:7000-7010->7000-7010/tcp"];
        assert_eq!(open(&found), all);
        assert!(from_docker_ps(b"{}").is_err() && from_docker_ps(b"").unwrap().is_empty());
    }

    #[test]
    fn ss_counts_only_for_ports_that_are_named() {
        let text = b"LISTEN 0      128          0.0.0.0:22         0.0.0.0:*          \n\
            LISTEN 0 4096 127.0.0.1:9464 0.0.0.0:*\nLISTEN 0 4096 0.0.0.0:8080 0.0.0.0:*\n\
            LISTEN 0 4096 [::]:8080 [::]:*\nLISTEN 0 4096 *:8888 *:*\nLISTEN 0 1 10.0.0.1%eth0:9464 0.0.0.0:*\n\
            LISTEN 0 4096 [::1]:8888 [::]:*\nrubbish\n";
        let found = from_ss(text, &BTreeSet::from([9464, 8080, 8888]));
        let all = ["a listener 0.0.0.0:8080", "a listener *:8888", "a listener 10.0.0.1%eth0:9464"];
        assert_eq!(open(&found), all);
        assert!(from_ss(text, &BTreeSet::new()).is_empty());
    }

    #[test]
    fn what_two_ways_tell_is_told_once() {
        let one = from_docker_ps(br#"{"Names":"a","Ports":"0.0.0.0:80->80/tcp"}"#).unwrap();
        let two = from_compose_ps(
            br#"[{"Name":"a","Publishers":[{"URL":"0.0.0.0","TargetPort":80,"PublishedPort":80}]}]"#,
        );
        let all = merged(one.into_iter().chain(two.unwrap()));
        assert_eq!(open(&all), ["a 0.0.0.0:80->80/tcp"]);
    }
}
