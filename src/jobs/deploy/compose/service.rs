//! One service, and whether a port of it would be open to the world.

use std::net::{IpAddr, Ipv6Addr};

/// What a service would show to the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Every published port.
    pub ports: Vec<Exposure>,
    /// Whether it says under which user it runs.
    pub user: User,
}

/// Whether a service names its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// It does, and it is not root.
    Named,
    /// It does not, or it is root.
    Root,
}

impl User {
    /// Of what stands under `user`.
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
    pub bound: Bound,
    /// The port outside, if it is one.
    pub published: Option<u16>,
    /// As it was written.
    pub written: String,
}

/// Where a port is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// To this machine only.
    Loopback,
    /// To something others can reach.
    World,
    /// Nobody can tell.
    Unsure,
}

impl Bound {
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
        let bound = if published.chars().all(plain) { Bound::of(host) } else { Bound::Unsure };
        Self { bound, published: published.parse().ok(), written: text.to_owned() }
    }

    /// What nobody can tell.
    pub fn unsure(written: impl Into<String>) -> Self {
        Self { bound: Bound::Unsure, published: None, written: written.into() }
    }

    /// Whether it may be as it is.
    pub fn is_fine(&self, public: &[u16]) -> bool {
        match self.bound {
            Bound::Loopback => true,
            Bound::World => self.published.is_some_and(|port| public.contains(&port)),
            Bound::Unsure => false,
        }
    }
}

/// Whether it is an address of IPv6, in both brackets or in none.
fn is_ipv6(host: &str) -> bool {
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.unwrap_or(host).parse::<Ipv6Addr>().is_ok()
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
        assert_eq!(User::of(Some("1000:1000")), User::Named);
        for root in [None, Some("root"), Some("0:0"), Some("")] {
            assert_eq!(User::of(root), User::Root);
        }
    }
}
