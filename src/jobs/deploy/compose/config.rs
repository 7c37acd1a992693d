//! What `docker compose config --format json` says.

use serde_json::Value as Json;

use super::service::{Bound, Exposure, Service, User};

/// The services of the document; why not, if it is none.
pub fn from_config(document: &[u8]) -> Result<Vec<Service>, String> {
    let document: Json = serde_json::from_slice(document).map_err(|error| error.to_string())?;
    let services = document["services"].as_object().ok_or("it has no `services`")?;
    Ok(services.iter().map(|(name, service)| one(name, service)).collect())
}

fn one(name: &str, service: &Json) -> Service {
    let listed = service["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut ports: Vec<Exposure> = listed.iter().map(port).collect();
    if service["network_mode"].as_str() == Some("host") {
        let bound = Bound::World;
        ports.push(Exposure { bound, published: None, written: "network_mode: host".to_owned() });
    }
    Service { name: name.to_owned(), ports, user: User::of(service["user"].as_str()) }
}

fn port(port: &Json) -> Exposure {
    let word = |key: &str| match &port[key] {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let (host, published) = (word("host_ip"), word("published"));
    Exposure {
        bound: Bound::of(&host),
        written: format!("{host}:{published}:{}", word("target")),
        published: published.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_understood() {
        let text = br#"{"name":"x","services":{"live":{"user":"1000","ports":[
            {"mode":"ingress","host_ip":"127.0.0.1","target":8888,"published":"8888","protocol":"tcp"},
            {"mode":"ingress","target":9000,"published":"9000","protocol":"tcp"}]},
            "net":{"network_mode":"host"}}}"#;
        let services = from_config(text).unwrap();
        let fine: Vec<bool> = services[0].ports.iter().map(|port| port.is_fine(&[])).collect();
        assert_eq!((fine, services[0].user), (vec![true, false], User::Named));
        assert!(!services[1].ports[0].is_fine(&[]) && services[1].user == User::Root);
        assert!(from_config(b"{}").is_err() && from_config(b"<").is_err());
    }
}
