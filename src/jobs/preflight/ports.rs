//! Whether ports are bound to this machine only, as they are written and as they run, and free or held by our own.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::TcpListener,
};

use super::{Machine, env_file::read_bytes, skipped, some_of};
use crate::{
    checklist::{Check, Level},
    jobs::deploy::compose::{
        BoundPort, ComposeService, Env, Exposure, Folder, NotJudged, Variables, running, services,
        sets,
    },
    manifest::PreflightPart,
    outcome::Failure,
    store::lock::is_held,
};

/// Where every port is tried: a listener on all addresses holds it too.
const LOOPBACK: &str = "127.0.0.1";

/// The ports of containers, as compose finds and reads its files here, and the one of the service.
pub fn ports(machine: &Machine<'_>) -> Result<Vec<Check>, Failure> {
    let root = machine.context.root;
    let file = machine.rules.compose_file.get().as_str();
    let has = |file: &str| root.join(file).is_file();
    let env = match read_bytes(&root.join(".env")) {
        Ok(None) => Ok(Variables::default()),
        Ok(Some(bytes)) => Ok(Variables::parse(&bytes)),
        Err(why) => Err(NotJudged::Unreadable(why)),
    };
    let folder = Folder { named: file, has: &has, has_unknown: &|_| false };
    let sets = env.and_then(|env| sets(&folder, &env));
    let mut checks = match sets {
        Err(why) => of_file(machine, file, Err(why))?,
        Ok(sets) if sets.is_empty() => {
            vec![skipped(PreflightPart::Ports, format!("{file} is missing"))]
        }
        Ok(sets) => of_file(machine, file, all(machine, &sets))?,
    };
    checks.extend(of_service(machine));
    Ok(checks)
}

/// The services of each set of files. What compose finds by itself it reads under the `.env` beside it, by its own rules.
fn all(machine: &Machine<'_>, sets: &[Vec<String>]) -> Result<Vec<ComposeService>, NotJudged> {
    let of =
        |files: &Vec<String>| services(machine.runner, (machine.context.root, files), &Env::Beside);
    let all: Vec<Vec<ComposeService>> = sets.iter().map(of).collect::<Result<_, _>>()?;
    Ok(all.concat())
}

fn check(name: &str, level: Level, limit: &str, value: String) -> Check {
    Check::new(name, level, value).part(PreflightPart::Ports.name()).limit(limit)
}

fn of_file(
    machine: &Machine<'_>,
    file: &str,
    found: Result<Vec<ComposeService>, NotJudged>,
) -> Result<Vec<Check>, Failure> {
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
    let written =
        bound("ports", limit, &open(machine, &services), format!("{} named", named.len()));
    let mut checks = vec![written.next(format!("docker compose -f {file} config"))];
    let root = machine.context.root.display().to_string();
    let now = running(machine.runner, &root, file, &named)?;
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
                bound("ports running", limit, &open(machine, &now.services), now.with.to_owned());
            checks.push(found.next("ss -ltn"));
        }
    }
    let holders: BTreeMap<u16, &str> = now
        .into_iter()
        .filter(|now| now.is_docker())
        .flat_map(|now| published(&now.services))
        .collect();
    let own = own_port(machine);
    checks.extend(named.iter().map(|port| match holders.get(port) {
        Some(name) => free(&format!("port {port}"), Ok(()), &format!("held by {name}")),
        None if Some(*port) == own && is_held(&machine.context.layout.scheduler_lock()) => {
            free(&format!("port {port}"), Ok(()), "held by the service of this box")
        }
        None => free(&format!("port {port}"), try_port(&format!("{LOOPBACK}:{port}")), "free"),
    }));
    Ok(checks)
}

/// Each published port with the service it belongs to.
fn published(services: &[ComposeService]) -> impl Iterator<Item = (u16, &str)> {
    services.iter().flat_map(|service| {
        let ports = service.ports.iter().filter_map(|port| port.published);
        ports.map(move |port| (port, service.name.as_str()))
    })
}

fn open(machine: &Machine<'_>, services: &[ComposeService]) -> Vec<String> {
    let of = |service: &ComposeService| -> Vec<String> {
        let open = |port: &&Exposure| !port.is_fine(&machine.rules.public);
        let ports = service.ports.iter().filter(open);
        ports.map(|port| format!("{}: {}", service.name, port.written)).collect()
    };
    services.iter().flat_map(of).collect()
}

fn bound(name: &str, limit: &str, open: &[String], fine: String) -> Check {
    if open.is_empty() {
        return check(name, Level::Ok, limit, fine);
    }
    check(name, Level::Fail, limit, some_of(open))
}

/// Whether a port can be taken, which is given back at once.
fn try_port(address: &str) -> Result<(), io::Error> {
    TcpListener::bind(address).map(drop)
}

fn free(name: &str, tried: Result<(), io::Error>, fine: &str) -> Check {
    let (level, value) = match tried {
        Ok(()) => (Level::Ok, fine.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            (Level::Fail, "another program listens there".to_owned())
        }
        Err(error) => (Level::Warn, format!("it cannot be tried: {error}")),
    };
    check(name, level, "free, or our own", value).next("ss -ltnp")
}

fn own_port(machine: &Machine<'_>) -> Option<u16> {
    machine.rules.listen.rsplit_once(':')?.1.parse().ok()
}

/// The port of `runner serve`.
fn of_service(machine: &Machine<'_>) -> Option<Check> {
    let (host, _) = machine.rules.listen.rsplit_once(':')?;
    let name = "port of serve";
    if BoundPort::of(host) != BoundPort::Loopback
        && !own_port(machine).is_some_and(|port| machine.rules.public.contains(&port))
    {
        let value = format!("{} is not bound to this machine", machine.rules.listen);
        return Some(
            check(name, Level::Fail, "127.0.0.1, ::1 or listed", value).next("runner serve --help"),
        );
    }
    if is_held(&machine.context.layout.scheduler_lock()) {
        return Some(free(name, Ok(()), "held by the service of this box"));
    }
    Some(free(name, try_port(&machine.rules.listen), "free"))
}
