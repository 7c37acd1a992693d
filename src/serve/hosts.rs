//! The names that the service answers to.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderValue, Request, header};

/// The names by which a request may call this service. A page of somebody else's in a browser can point a name of its own at
/// this machine, but it cannot make the browser say another name than that.
#[derive(Debug)]
pub struct Hosts {
    /// Where it listens.
    pub address: SocketAddr,
    /// More names of its own.
    pub names: Vec<String>,
}

impl Hosts {
    /// Whether a request calls it by one of its names.
    pub fn fit(&self, request: &Request<()>) -> bool {
        let mut said = request.headers().get_all(header::HOST).iter();
        let (Some(host), None) = (said.next(), said.next()) else { return false };
        let in_target = request.uri().authority().is_none_or(|name| self.is_ours(name.as_str()));
        in_target && host.to_str().is_ok_and(|host| self.is_ours(host))
    }

    /// Whether a request that changes something comes from a page of ours, as far as the browser says. What is not a browser says nothing.
    pub fn is_from_here(&self, request: &Request<()>) -> bool {
        let said = |name: &str| request.headers().get_all(name).iter().collect::<Vec<_>>();
        let is_own = |origin: &HeaderValue| {
            let origin = origin.to_str().unwrap_or_default();
            let host = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
            host.is_some_and(|host| self.is_ours(host))
        };
        let near = |site: &HeaderValue| site == "same-origin" || site == "none";
        said("origin").into_iter().all(is_own) && said("sec-fetch-site").into_iter().all(near)
    }

    /// Whether `name:port` is one of ours.
    pub fn is_ours(&self, host: &str) -> bool {
        let Some((name, port)) = host.rsplit_once(':') else { return false };
        if port != self.address.port().to_string() {
            return false;
        }
        if ["127.0.0.1", "localhost", "[::1]"].contains(&name) || host == self.address.to_string() {
            return true;
        }
        // Who listens to others is called by the addresses of the machine: a number is no name that could be pointed here.
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let is_public = !self.address.ip().is_loopback();
        is_public && bare.parse::<IpAddr>().is_ok() || self.names.iter().any(|known| known == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_must_come_from_a_page_of_ours() {
        let hosts = Hosts { address: "127.0.0.1:9464".parse().unwrap(), names: Vec::new() };
        let from = |pairs: &[(&str, &str)]| {
            let request = Request::builder();
            let request = pairs.iter().fold(request, |r, (name, value)| r.header(*name, *value));
            hosts.is_from_here(&request.body(()).unwrap())
        };
        for good in [
            &[][..],
            &[("Origin", "http://127.0.0.1:9464")],
            &[("Origin", "http://localhost:9464"), ("Sec-Fetch-Site", "same-origin")],
            &[("Sec-Fetch-Site", "none")],
        ] {
            assert!(from(good), "{good:?}");
        }
        for bad in [
            &[("Origin", "http://evil.example")][..],
            &[("Origin", "null")],
            &[("Origin", "http://127.0.0.1:80")],
            &[("Origin", "http://127.0.0.1:9464.evil.example")],
            &[("Origin", "file://127.0.0.1:9464")],
            &[("Origin", "http://127.0.0.1:9464"), ("Origin", "http://evil.example")],
            &[("Origin", "http://127.0.0.1:9464"), ("Sec-Fetch-Site", "cross-site")],
            &[("Sec-Fetch-Site", "same-site")],
        ] {
            assert!(!from(bad), "{bad:?}");
        }
    }

    #[test]
    fn names_that_could_be_pointed_here_are_none_of_ours() {
        let hosts = |address: &str, names: &[&str]| Hosts {
            address: address.parse().unwrap(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let local = hosts("127.0.0.1:9464", &[]);
        for good in ["127.0.0.1:9464", "localhost:9464", "[::1]:9464"] {
            assert!(local.is_ours(good), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:80",
            "evil.example:9464",
            "localhost.evil:9464",
            "127.0.0.1:9464.evil:9464",
            "10.0.0.7:9464",
            "LOCALHOST@evil:9464",
            "127.0.0.1:09464",
        ] {
            assert!(!local.is_ours(bad), "{bad}");
        }
        let public = hosts("0.0.0.0:9464", &["runner"]);
        for good in ["10.0.0.7:9464", "[fe80::1]:9464", "runner:9464", "0.0.0.0:9464"] {
            assert!(public.is_ours(good), "{good}");
        }
        for bad in ["evil.example:9464", "10.0.0.7:80", "10.0.0.7.evil:9464", "runner.evil:9464"] {
            assert!(!public.is_ours(bad), "{bad}");
        }
    }
}
