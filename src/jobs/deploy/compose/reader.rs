//! The services of a compose file as they stand there, for machines without docker. Where it is unsure, it says so.

use super::{
    service::{Bound, Exposure, Service, User},
    variables::Variables,
    yaml::{Node, read},
};

/// The services of a file, with its variables filled in; why not, if it is not understood.
pub fn from_file(text: &str, variables: &Variables) -> Result<Vec<Service>, String> {
    let file = read(text)?;
    if let Some(key) = ["include", "extends"].into_iter().find(|key| file.get(key).is_some()) {
        return Err(format!("it has `{key}`, which only docker understands"));
    }
    match file.get("services") {
        Some(Node::Map(services)) => {
            Ok(services.iter().map(|(name, service)| one(name, service, variables)).collect())
        }
        _ => Err("it has no `services`".to_owned()),
    }
}

fn one(name: &str, service: &Node, variables: &Variables) -> Service {
    let mut ports = Vec::new();
    let word = |key: &str| match service.get(key) {
        Some(Node::Word(text)) => variables.fill(text),
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
        Some(Node::List(items)) => ports.extend(items.iter().map(|item| port(item, variables))),
        Some(Node::Word(text)) if text.is_empty() => {}
        Some(Node::Word(_) | Node::Map(_) | Node::Unsure) => {
            ports.push(Exposure::unsure("ports: is not understood"));
        }
    }
    Service { name: name.to_owned(), ports, user: User::of(word("user").as_deref()) }
}

fn port(item: &Node, variables: &Variables) -> Exposure {
    match item {
        Node::Word(text) => match variables.fill(text) {
            Some(filled) => Exposure { written: text.clone(), ..Exposure::of(&filled) },
            None => Exposure::unsure(text.clone()),
        },
        Node::Map(_) => long(item, variables),
        Node::List(_) | Node::Unsure => Exposure::unsure("a port that is not understood"),
    }
}

fn long(item: &Node, variables: &Variables) -> Exposure {
    let word = |key: &str| match item.get(key) {
        None => Some(String::new()),
        Some(Node::Word(text)) => variables.fill(text),
        Some(Node::Map(_) | Node::List(_) | Node::Unsure) => None,
    };
    let raw = |key: &str| match item.get(key) {
        Some(Node::Word(text)) => text.clone(),
        _ => String::new(),
    };
    let (Some(host), Some(published)) = (word("host_ip"), word("published")) else {
        return Exposure::unsure("a port that is not understood");
    };
    Exposure {
        bound: Bound::of(&host),
        written: format!("{}:{}:{}", raw("host_ip"), raw("published"), raw("target")),
        published: published.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ports that are not fine, without and with the variables of the target.
    fn open(ports: &str, env: &str) -> Vec<String> {
        let text = format!("services:\n  live:\n    image: x\n    user: \"1000\"\n{ports}");
        let services = from_file(&text, &Variables::parse(env.as_bytes())).unwrap();
        let ports = services.iter().flat_map(|service| service.ports.clone());
        ports.filter(|port| !port.is_fine(&[])).map(|port| port.written).collect()
    }

    #[test]
    fn loopback_is_fine_and_everything_else_is_not() {
        for (ports, env, count) in [
            ("    ports:\n      - \"127.0.0.1:8888:8888\"\n", "", 0),
            ("    ports: [\"127.0.0.1:8888:8888\"]\n", "", 0),
            ("    ports:\n      - 8888:8888\n", "", 1),
            ("    ports: [8888:8888]\n", "", 1),
            ("    ports: *shared\n", "", 1),
            (
                "    ports:\n      - target: 80\n        published: 80\n        host_ip: 127.0.0.1\n",
                "",
                0,
            ),
            ("    ports:\n      - target: 80\n        published: 80\n", "", 1),
            ("    network_mode: host\n", "", 1),
            ("    network_mode: bridge\n", "", 0),
            ("    <<: *base\n", "", 1),
            ("    extends: other\n", "", 1),
            ("    ports:\n      - \"${BIND:-127.0.0.1}:8888:8888\"\n", "", 0),
            ("    ports:\n      - \"${BIND:-127.0.0.1}:8888:8888\"\n", "BIND=0.0.0.0", 1),
            ("    ports:\n      - \"${BIND}:8888:8888\"\n", "", 1),
            ("    ports:\n      - \"${BIND}:8888:8888\"\n", "BIND=127.0.0.1", 0),
        ] {
            assert_eq!(open(ports, env).len(), count, "{ports} {env}");
        }
    }

    #[test]
    fn values_of_variables_are_not_shown() {
        let shown = open("    ports:\n      - \"${BIND}:8888:8888\"\n", "BIND=hunter2").join("");
        assert_eq!(shown, "${BIND}:8888:8888");
    }

    #[test]
    fn a_file_that_is_not_understood_is_an_error() {
        let none = Variables::default();
        for bad in
            ["", "x: 1\n", "include: a\nservices:\n  a:\n    image: x\n", "services: {a: 1}\n"]
        {
            assert!(from_file(bad, &none).is_err(), "{bad}");
        }
        let odd = from_file("services:\n  a: *b\n", &none).unwrap();
        assert!(!odd[0].ports.is_empty());
    }
}
