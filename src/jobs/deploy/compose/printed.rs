//! The services in the YAML that `docker-compose config` of version 1 prints: every value is in place. Where it is unsure, it says so.

use super::{
    service::{Bound, Exposure, Service, User},
    yaml::{Node, read},
};

/// The services of what was printed; why not, if it is not understood.
pub fn from_printed(text: &str) -> Result<Vec<Service>, String> {
    let file = read(text)?;
    if let Some(key) = ["include", "extends"].into_iter().find(|key| file.get(key).is_some()) {
        return Err(format!("it has `{key}`, which only docker understands"));
    }
    match file.get("services") {
        Some(Node::Map(services)) => {
            Ok(services.iter().map(|(name, service)| one(name, service)).collect())
        }
        _ => Err("it has no `services`".to_owned()),
    }
}

fn one(name: &str, service: &Node) -> Service {
    let mut ports = Vec::new();
    let word = |key: &str| match service.get(key) {
        Some(Node::Word(text)) => Some(text.clone()),
        _ => None,
    };
    if !matches!(service, Node::Map(_)) {
        ports.push(Exposure::unsure(format!("{name}: is not understood")));
    }
    for key in ["<<", "extends"] {
        if service.get(key).is_some() {
            ports.push(Exposure::unsure(format!("{key}: takes over from elsewhere")));
        }
    }
    match (service.get("network_mode"), word("network_mode").as_deref()) {
        (Some(_), Some("host")) => {
            let written = "network_mode: host".to_owned();
            ports.push(Exposure { bound: Bound::World, published: None, written });
        }
        (None, _) | (Some(_), Some(_)) => {}
        (Some(_), None) => ports.push(Exposure::unsure("network_mode: is not understood")),
    }
    match service.get("ports") {
        None => {}
        Some(Node::List(items)) => ports.extend(items.iter().map(port)),
        Some(Node::Word(text)) if text.is_empty() => {}
        Some(Node::Word(_) | Node::Map(_) | Node::Unsure) => {
            ports.push(Exposure::unsure("ports: is not understood"));
        }
    }
    Service { name: name.to_owned(), ports, user: User::of(word("user").as_deref()) }
}

fn port(item: &Node) -> Exposure {
    match item {
        Node::Word(text) => Exposure::of(text),
        Node::Map(_) => long(item),
        Node::List(_) | Node::Unsure => Exposure::unsure("a port that is not understood"),
    }
}

fn long(item: &Node) -> Exposure {
    let word = |key: &str| match item.get(key) {
        None => Some(""),
        Some(Node::Word(text)) => Some(text.as_str()),
        Some(Node::Map(_) | Node::List(_) | Node::Unsure) => None,
    };
    let words = (word("host_ip"), word("published"), word("target"));
    let (Some(host), Some(published), Some(target)) = words else {
        return Exposure::unsure("a port that is not understood");
    };
    Exposure {
        bound: Bound::of(host),
        written: format!("{host}:{published}:{target}"),
        published: published.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ports that are not fine.
    fn open(ports: &str) -> usize {
        let text = format!("services:\n  live:\n    image: x\n    user: \"1000\"\n{ports}");
        let services = from_printed(&text).unwrap();
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
            ("    ports: *id001\n", 1),
            ("    ports:\n    - host_ip: 127.0.0.1\n      published: 80\n      target: 80\n", 0),
            ("    ports:\n    - published: 80\n      target: 80\n", 1),
            ("    network_mode: host\n", 1),
            ("    network_mode: bridge\n", 0),
            ("    <<: *base\n", 1),
        ] {
            assert_eq!(open(ports), count, "{ports}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for bad in
            ["", "x: 1\n", "include: a\nservices:\n  a:\n    image: x\n", "services: {a: 1}\n"]
        {
            assert!(from_printed(bad).is_err(), "{bad}");
        }
        let odd = from_printed("services:\n  a: *b\n").unwrap();
        assert!(!odd[0].ports.is_empty());
    }
}
