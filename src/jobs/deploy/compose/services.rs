//! Services and the ports that they publish, as compose, docker and ss print them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
};

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::Value as Json;

use super::NotJudged;

/// Lists in lists that are followed. Compose nests less than ten.
const DEPTH_MAX: usize = 40;

/// What a service would show to the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeService {
    pub name: String,
    pub ports: Vec<Exposure>,
    /// Whether it names its user.
    pub user: ServiceUser,
}

/// Whether a service names its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceUser {
    /// It does, and it is not root.
    Named,
    /// It does not, or it is root.
    Root,
}

impl ServiceUser {
    /// Of the value of `user`.
    pub fn of(text: Option<&str>) -> Self {
        match text.map(|text| text.split(':').next().unwrap_or_default()) {
            None | Some("" | "0" | "root") => Self::Root,
            Some(_) => Self::Named,
        }
    }
}

/// One published port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// Where it is bound.
    pub bound: BoundPort,
    /// The port outside, if it is one.
    pub published: Option<u16>,
    /// As it was written.
    pub written: String,
}

/// Where a port is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundPort {
    /// To this machine only.
    Loopback,
    /// To something others can reach.
    World,
    /// That is not known.
    Unsure,
}

impl BoundPort {
    /// By the address; none means all of them.
    pub fn of(host: &str) -> Self {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = bare.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if is_loopback { Self::Loopback } else { Self::World }
    }
}

impl Exposure {
    /// Of `[[ADDRESS:]PUBLISHED:]INSIDE[/PROTOCOL]`, as version 1 prints it: there an address has all three parts behind it, and one of
    /// IPv6 has no brackets.
    pub fn of(text: &str) -> Self {
        let bare = text.split('/').next().unwrap_or_default();
        let (rest, _inside) = bare.rsplit_once(':').unwrap_or(("", bare));
        let (host, published) = match rest.rsplit_once(':') {
            Some((host, _)) if host.contains(':') && !is_ipv6(host) => return Self::unsure(text),
            Some((host, published)) => (host, published),
            None => ("", rest),
        };
        let plain = |c: char| c.is_ascii_digit() || c == '-';
        let bound =
            if published.chars().all(plain) { BoundPort::of(host) } else { BoundPort::Unsure };
        Self { bound, published: published.parse().ok(), written: text.to_owned() }
    }

    /// A port of which nothing is known but how it was written. It is never fine.
    pub fn unsure(written: impl Into<String>) -> Self {
        Self { bound: BoundPort::Unsure, published: None, written: written.into() }
    }

    /// Whether it may be as it is.
    pub fn is_fine(&self, public: &[u16]) -> bool {
        match self.bound {
            BoundPort::Loopback => true,
            BoundPort::World => self.published.is_some_and(|port| public.contains(&port)),
            BoundPort::Unsure => false,
        }
    }
}

/// Whether it is an address of IPv6, in both brackets or in none.
fn is_ipv6(host: &str) -> bool {
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.unwrap_or(host).parse::<Ipv6Addr>().is_ok()
}

/// The services that `config` of compose printed: JSON of version 2, YAML of version 1. Every value is in place in both.
pub fn from_config(printed: &[u8]) -> Result<Vec<ComposeService>, NotJudged> {
    let document = match serde_json::from_slice(printed) {
        Ok(document) => document,
        Err(_) => from_yaml(&String::from_utf8_lossy(printed))?,
    };
    let services = document["services"].as_object();
    let services = services.ok_or_else(|| NotJudged::printed("it has no `services`"))?;
    if let Some(key) = ["include", "extends"].into_iter().find(|key| !document[*key].is_null()) {
        return Err(NotJudged::printed(format!("`{key}` is still in it")));
    }
    Ok(services.iter().map(|(name, service)| one(name, service)).collect())
}

/// The first document of a text, with every scalar but null as a text.
fn from_yaml(text: &str) -> Result<Json, NotJudged> {
    let documents =
        Yaml::load_from_str(text).map_err(|error| NotJudged::printed(error.to_string()))?;
    let first = documents.first().and_then(|yaml| json(yaml, 0));
    first.ok_or_else(|| NotJudged::printed("it is not a document of YAML that compose prints"))
}

/// `None` for what no version of compose prints: tags, and keys that are not words.
fn json(yaml: &Yaml<'_>, depth: usize) -> Option<Json> {
    if depth > DEPTH_MAX {
        return None;
    }
    Some(match yaml {
        Yaml::Value(Scalar::Null) => Json::Null,
        Yaml::Value(Scalar::Boolean(value)) => Json::String(value.to_string()),
        Yaml::Value(Scalar::Integer(value)) => Json::String(value.to_string()),
        Yaml::Value(Scalar::FloatingPoint(value)) => Json::String(value.to_string()),
        Yaml::Value(Scalar::String(text)) | Yaml::Representation(text, ..) => {
            Json::String(text.to_string())
        }
        Yaml::Sequence(items) => {
            Json::Array(items.iter().map(|item| json(item, depth + 1)).collect::<Option<_>>()?)
        }
        Yaml::Mapping(pairs) => {
            let pair = |(key, value): (&Yaml<'_>, &Yaml<'_>)| {
                let Json::String(key) = json(key, depth + 1)? else { return None };
                Some((key, json(value, depth + 1)?))
            };
            Json::Object(pairs.iter().map(pair).collect::<Option<_>>()?)
        }
        Yaml::Tagged(..) | Yaml::Alias(_) | Yaml::BadValue => return None,
    })
}

fn one(name: &str, service: &Json) -> ComposeService {
    let mut ports = Vec::new();
    if !service.is_object() {
        ports.push(Exposure::unsure(format!("{name}: is not understood")));
    }
    for key in ["<<", "extends"] {
        if !service[key].is_null() {
            ports.push(Exposure::unsure(format!("{key}: takes over from elsewhere")));
        }
    }
    match &service["network_mode"] {
        Json::String(mode) if mode == "host" => {
            let written = "network_mode: host".to_owned();
            ports.push(Exposure { bound: BoundPort::World, published: None, written });
        }
        Json::Null | Json::String(_) => {}
        Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            ports.push(Exposure::unsure("network_mode: is not understood"));
        }
    }
    match &service["ports"] {
        Json::Null => {}
        Json::Array(items) => ports.extend(items.iter().map(port)),
        Json::String(_) | Json::Bool(_) | Json::Number(_) | Json::Object(_) => {
            ports.push(Exposure::unsure("ports: is not understood"));
        }
    }
    ComposeService { name: name.to_owned(), ports, user: ServiceUser::of(service["user"].as_str()) }
}

/// A port: a text of version 1, or the long form of both.
fn port(port: &Json) -> Exposure {
    let word = |key: &str| match &port[key] {
        Json::Null => Some(String::new()),
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    };
    match port {
        Json::String(text) => Exposure::of(text),
        Json::Object(_) => match (word("host_ip"), word("published"), word("target")) {
            (Some(host), Some(published), Some(target)) => Exposure {
                bound: BoundPort::of(&host),
                published: published.parse().ok(),
                written: format!("{host}:{published}:{target}"),
            },
            _ => Exposure::unsure("a port that is not understood"),
        },
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) => {
            Exposure::unsure("a port that is not understood")
        }
    }
}

/// Each container once, with each of its ports once.
pub fn merged(services: impl Iterator<Item = ComposeService>) -> Vec<ComposeService> {
    let mut all: BTreeMap<String, ComposeService> = BTreeMap::new();
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
fn of(name: &str) -> ComposeService {
    ComposeService { name: name.to_owned(), ports: Vec::new(), user: ServiceUser::Named }
}

/// Reads what `docker compose ps --format json` printed: an array, or one document a line, by its version.
pub fn from_compose_ps(output: &[u8]) -> Option<Vec<ComposeService>> {
    let documents = match serde_json::from_slice(output) {
        Ok(Json::Array(all)) => all,
        Ok(one) => vec![one],
        Err(_) => lines(output)?,
    };
    documents.iter().map(container).collect()
}

fn container(document: &Json) -> Option<ComposeService> {
    let name = document["Name"].as_str()?;
    let mut service = of(name);
    for publisher in document["Publishers"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let number = |key: &str| publisher[key].as_u64().and_then(|port| u16::try_from(port).ok());
        let published = number("PublishedPort")?;
        let host = publisher["URL"].as_str().unwrap_or_default();
        if published > 0 {
            let inside = number("TargetPort").unwrap_or_default();
            let written = format!("{host}:{published}:{inside}");
            let bound = BoundPort::of(host);
            service.ports.push(Exposure { bound, published: Some(published), written });
        }
    }
    Some(service)
}

/// Reads what `docker ps --format '{{json .}}'` printed.
pub fn from_docker_ps(output: &[u8]) -> Option<Vec<ComposeService>> {
    let all = lines(output)?;
    let one = |document: &Json| {
        let name = document["Names"].as_str()?;
        let ports = document["Ports"].as_str()?;
        let published = ports.split(", ").filter_map(|text| text.split_once("->"));
        let mut service = of(name);
        service.ports = published.map(|(outside, inside)| mapped(outside, inside)).collect();
        Some(service)
    };
    all.iter().map(one).collect()
}

/// `0.0.0.0:8080`, `:::8080`, `[::]:8080-8090`.
fn mapped(outside: &str, inside: &str) -> Exposure {
    let (host, published) = outside.rsplit_once(':').unwrap_or(("", outside));
    let written = format!("{outside}->{inside}");
    Exposure { bound: BoundPort::of(host), published: published.parse().ok(), written }
}

fn lines(output: &[u8]) -> Option<Vec<Json>> {
    let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    lines.map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Reads what `ss -Hltn` printed: who listens on one of these ports.
pub fn from_ss(output: &[u8], named: &BTreeSet<u16>) -> Vec<ComposeService> {
    let text = String::from_utf8_lossy(output);
    let listening = text.lines().filter_map(|line| {
        let local = line.split_ascii_whitespace().nth(3)?;
        let (host, port) = local.rsplit_once(':')?;
        let published = port.parse().ok().filter(|port| named.contains(port))?;
        let host = host.split('%').next().unwrap_or_default();
        let (bound, written) = (BoundPort::of(host), local.to_owned());
        let mut service = of("a listener");
        service.ports.push(Exposure { bound, published: Some(published), written });
        Some(service)
    });
    merged(listening)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_address_or_a_listed_port_is_fine() {
        for (text, fine) in [
            ("127.0.0.1:8888:8888", true),
            ("[::1]:8888:8888", true),
            ("127.0.0.1::80", true),
            ("127.0.0.1:8000-8010:80-90/tcp", true),
            ("8888:8888", false),
            ("8888", false),
            ("0.0.0.0:8888:8888", false),
            ("10.0.0.1:8888:8888", false),
            (":8888:8888", false),
            ("[::]:8888:8888", false),
            ("[::1]:9100:9100", true),
            ("[::1]::80", true),
            ("[::]:9100:9100", false),
            ("[fe80::1]:9100:9100", false),
            ("[::1:9100:9100", false),
            ("localhost:9100:9100", false),
            // What `docker-compose config` of 1.29.2 prints of such.
            ("::1:9100:9100/tcp", true),
            (":::9101:9101/tcp", false),
            ("::1::9303/tcp", true),
            ("0:0:0:0:0:0:0:1:9300:9300/tcp", true),
            ("::ffff:127.0.0.1:9301:9301/tcp", false),
            ("127.0.0.2:9302:9302/tcp", true),
            (":::443:443/tcp", true),
            ("2001:db8::1:9100:9100/tcp", false),
            ("443:443", true),
            ("0.0.0.0:443:443/udp", true),
            ("440-450:1-11", false),
            ("x:y:z", false),
            ("", false),
        ] {
            assert_eq!(Exposure::of(text).is_fine(&[443]), fine, "{text}");
        }
        assert_eq!(ServiceUser::of(Some("1000:1000")), ServiceUser::Named);
        for root in [None, Some("root"), Some("0:0"), Some("")] {
            assert_eq!(ServiceUser::of(root), ServiceUser::Root);
        }
    }

    #[test]
    fn a_document_is_understood() {
        let text = br#"{"name":"x","services":{"live":{"user":"1000","ports":[
            {"mode":"ingress","host_ip":"127.0.0.1","target":8888,"published":"8888","protocol":"tcp"},
            {"mode":"ingress","target":9000,"published":"9000","protocol":"tcp"}]},
            "net":{"network_mode":"host"}}}"#;
        let services = from_config(text).unwrap();
        let fine: Vec<bool> = services[0].ports.iter().map(|port| port.is_fine(&[])).collect();
        assert_eq!((fine, services[0].user), (vec![true, false], ServiceUser::Named));
        assert!(!services[1].ports[0].is_fine(&[]) && services[1].user == ServiceUser::Root);
        assert!(from_config(b"{}").is_err() && from_config(b"<").is_err());
    }

    /// Ports that are not fine.
    fn open_in(ports: &str) -> usize {
        let text = format!("services:\n  live:\n    image: x\n    user: \"1000\"\n{ports}");
        let services = from_config(text.as_bytes()).unwrap();
        let ports = services.iter().flat_map(|service| &service.ports);
        ports.filter(|port| !port.is_fine(&[])).count()
    }

    #[test]
    fn loopback_is_fine_and_everything_else_is_not() {
        for (ports, count) in [
            ("    ports:\n    - 127.0.0.1:8888:8888/tcp\n", 0),
            ("    ports: [\"127.0.0.1:8888:8888\"]\n", 0),
            ("    ports:\n    - 8888:8888/tcp\n", 1),
            ("    ports: [8888:8888]\n", 1),
            ("    ports: {a: b}\n", 1),
            ("    x: &id001 [\"8888:8888\"]\n    ports: *id001\n", 1),
            ("    ports:\n    - published: 22\n      target: 22\n", 1),
            ("    ports:\n    - host_ip: 127.0.0.1\n      published: 80\n      target: 80\n", 0),
            ("    ports:\n    - published: 80\n      target: 80\n", 1),
            ("    network_mode: host\n", 1),
            ("    network_mode: bridge\n", 0),
            ("    <<: {a: b}\n", 1),
        ] {
            assert_eq!(open_in(ports), count, "{ports}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for bad in ["", "x: 1\n", "include: a\nservices:\n  a:\n    image: x\n", "services: 1\n"] {
            assert!(from_config(bad.as_bytes()).is_err(), "{bad}");
        }
        let odd = from_config(b"services:\n  a: [1]\n").unwrap();
        assert!(!odd[0].ports.is_empty());
        assert!(from_config(b"services:\n  a: *b\n").is_err(), "an alias without its anchor");
        assert!(from_config(b"services:\n  a: {}\n  a: {}\n").is_err(), "a key twice");
    }

    fn open(services: &[ComposeService]) -> Vec<String> {
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
            assert!(from_compose_ps(bad.as_bytes()).is_none(), "{bad}");
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
        assert!(from_docker_ps(b"{}").is_none() && from_docker_ps(b"").unwrap().is_empty());
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
