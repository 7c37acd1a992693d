//! Whether ports are bound to this machine only, as they are written and as they run, and free or held by our own.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::TcpListener,
};

use super::{
    env_file::read_bytes,
    job::Look,
    result::{Checked, Level, some_of},
};
use crate::{
    jobs::{
        context::Failure,
        deploy::compose::{
            Bound, Env, Exposure, Folder, Service, Variables, running, services, sets,
        },
    },
    manifest::PreflightPart,
    store::lock::is_held,
};

/// Where every port is tried: a listener on all addresses holds it too.
const LOOPBACK: &str = "127.0.0.1";

/// The ports of containers, as compose finds and reads its files here, and the one of the service.
pub fn ports(look: &Look<'_>) -> Result<Vec<Checked>, Failure> {
    let root = look.context.root;
    let file = look.rules.compose_file.get().as_str();
    let has = |file: &str| root.join(file).is_file();
    let env = match read_bytes(&root.join(".env")) {
        Ok(None) => Ok(Variables::default()),
        Ok(Some(bytes)) => Ok(Variables::parse(&bytes)),
        Err(why) => Err(format!("not judged: .env: {why}")),
    };
    let folder = Folder { named: file, has: &has, has_unknown: &|_| false };
    let sets = env.and_then(|env| sets(&folder, &env).map_err(|why| format!("not judged: {why}")));
    let mut checks = match sets {
        Err(why) => of_file(look, file, Err(why))?,
        Ok(sets) if sets.is_empty() => {
            vec![Checked::skipped(PreflightPart::Ports, format!("there is no {file}"))]
        }
        Ok(sets) => of_file(look, file, all(look, &sets))?,
    };
    checks.extend(of_service(look));
    Ok(checks)
}

/// The services of each set of files. What compose finds by itself it reads under the `.env` beside it, by its own rules.
fn all(look: &Look<'_>, sets: &[Vec<String>]) -> Result<Vec<Service>, String> {
    let of = |files: &Vec<String>| services(look.hands, (look.context.root, files), &Env::Beside);
    let all: Vec<Vec<Service>> = sets.iter().map(of).collect::<Result<_, _>>()?;
    Ok(all.concat())
}

fn check(name: &str, level: Level, limit: &str, value: String) -> Checked {
    Checked::new(PreflightPart::Ports, name, level, limit, value)
}

fn of_file(
    look: &Look<'_>,
    file: &str,
    found: Result<Vec<Service>, String>,
) -> Result<Vec<Checked>, Failure> {
    let limit = "127.0.0.1, ::1 or listed";
    let services = match found {
        Ok(services) => services,
        Err(why) => {
            let value = format!("the ports of containers: {why}");
            let found = check("ports", Level::Fail, limit, value);
            return Ok(vec![found.next(format!("docker compose -f {file} config"))]);
        }
    };
    let named: BTreeSet<u16> = published(&services).map(|(port, _)| port).collect();
    let written = bound("ports", limit, &open(look, &services), format!("{} named", named.len()));
    let mut checks = vec![written.next(format!("docker compose -f {file} config"))];
    let root = look.context.root.display().to_string();
    let now = running(look.hands, &root, file, &named)?;
    let now = now.as_ref();
    match now {
        None => checks.push(check(
            "ports running",
            Level::Warn,
            limit,
            "neither docker nor ss can tell".to_owned(),
        )),
        Some(now) => {
            let found =
                bound("ports running", limit, &open(look, &now.services), now.with.to_owned());
            checks.push(found.next(format!("docker compose -f {file} ps; ss -ltn")));
        }
    }
    let holders: BTreeMap<u16, &str> = now
        .into_iter()
        .filter(|now| now.is_docker())
        .flat_map(|now| published(&now.services))
        .collect();
    let own = own_port(look);
    checks.extend(named.iter().map(|port| match holders.get(port) {
        Some(name) => free(&format!("port {port}"), Ok(()), &format!("held by {name}")),
        None if Some(*port) == own && is_held(&look.context.layout.scheduler_lock()) => {
            free(&format!("port {port}"), Ok(()), "held by the service of this box")
        }
        None => free(&format!("port {port}"), try_port(&format!("{LOOPBACK}:{port}")), "free"),
    }));
    Ok(checks)
}

/// Each published port with the service it belongs to.
fn published(services: &[Service]) -> impl Iterator<Item = (u16, &str)> {
    services.iter().flat_map(|service| {
        let ports = service.ports.iter().filter_map(|port| port.published);
        ports.map(move |port| (port, service.name.as_str()))
    })
}

fn open(look: &Look<'_>, services: &[Service]) -> Vec<String> {
    let of = |service: &Service| -> Vec<String> {
        let open = |port: &&Exposure| !port.is_fine(&look.rules.public);
        let ports = service.ports.iter().filter(open);
        ports.map(|port| format!("{}: {}", service.name, port.written)).collect()
    };
    services.iter().flat_map(of).collect()
}

fn bound(name: &str, limit: &str, open: &[String], fine: String) -> Checked {
    if open.is_empty() {
        return check(name, Level::Ok, limit, fine);
    }
    check(name, Level::Fail, limit, some_of(open))
}

/// Whether a port can be taken, which is given back at once.
fn try_port(address: &str) -> Result<(), io::Error> {
    TcpListener::bind(address).map(drop)
}

fn free(name: &str, tried: Result<(), io::Error>, fine: &str) -> Checked {
    let (level, value) = match tried {
        Ok(()) => (Level::Ok, fine.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            (Level::Fail, "somebody else listens there".to_owned())
        }
        Err(error) => (Level::Warn, format!("it cannot be tried: {error}")),
    };
    check(name, level, "free, or our own", value).next("ss -ltnp")
}

fn own_port(look: &Look<'_>) -> Option<u16> {
    look.rules.listen.rsplit_once(':')?.1.parse().ok()
}

/// The port of `runner serve`.
fn of_service(look: &Look<'_>) -> Option<Checked> {
    let (host, _) = look.rules.listen.rsplit_once(':')?;
    let name = "port of serve";
    if Bound::of(host) != Bound::Loopback
        && !own_port(look).is_some_and(|port| look.rules.public.contains(&port))
    {
        let value = format!("{} is not bound to this machine", look.rules.listen);
        return Some(
            check(name, Level::Fail, "127.0.0.1, ::1 or listed", value).next("runner serve --help"),
        );
    }
    if is_held(&look.context.layout.scheduler_lock()) {
        return Some(free(name, Ok(()), "held by the service of this box"));
    }
    Some(free(name, try_port(&look.rules.listen), "free"))
}
