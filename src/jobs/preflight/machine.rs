//! What a machine must have: a clock that is kept in time, ports bound to itself only, programs that are new enough.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::TcpListener,
};

use super::{Machine, env_file::read_bytes, skipped, some_of};
use crate::{
    checklist::{CheckItem, Level},
    clock::{Clock as _, SystemClock},
    domain::tool::{ToolNeed, Version},
    exchange::client::{Client, ClientLimits, Get as _},
    jobs::{
        compute::fit_process::probe,
        context::Context,
        deploy::{
            compose::{
                BoundPort, ComposeService, Env, Exposure, Folder, NotJudged, Variables, running,
                services, sets,
            },
            programs::{self, CommandError},
        },
        venue::JobSleeper,
    },
    manifest::{Compute, ComputeDevice, PreflightPart},
    model::probe::DeviceVerdict,
    outcome::Failure,
    store::lock::is_held,
};

/// A date in whole seconds is half a second behind on average.
const HALF_SECOND_MS: i64 = 500;
/// What systemd leaves once it has set the clock.
const SET_BY_SYSTEMD: &str = "/run/systemd/timesync/synchronized";

/// One check of what keeps the clock, one of its distance where a host is named.
pub fn clock(machine: &Machine<'_>) -> Result<Vec<CheckItem>, Failure> {
    let mut checks = vec![kept(machine)?];
    if let Some(url) = &machine.rules.clock_url {
        checks.push(skew(machine, url.get().as_str()));
    }
    Ok(checks)
}

/// Whether the clock is kept in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    No,
}

fn kept(machine: &Machine<'_>) -> Result<CheckItem, Failure> {
    let check = |level, value: String| {
        let limit = "kept in time";
        let next = "timedatectl";
        CheckItem::new("clock", level, value)
            .part(PreflightPart::Clock.name())
            .limit(limit)
            .next(next)
    };
    for (argv, understand) in [
        (
            &["timedatectl", "show", "-p", "NTPSynchronized", "--value"][..],
            of_systemd as fn(&str) -> _,
        ),
        (&["chronyc", "-c", "tracking"][..], of_chrony),
    ] {
        let words = argv.iter().map(|word| (*word).to_owned()).collect();
        let said = match machine.runner.local(words, machine.context.root, BTreeMap::new()) {
            Ok(said) if said.code == 0 && !said.timed_out => said,
            Ok(_) | Err(CommandError::NotStarted { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        match understand(&String::from_utf8_lossy(&said.stdout)) {
            Some(Kept::Yes) => return Ok(check(Level::Ok, format!("{} says so", argv[0]))),
            Some(Kept::No) => {
                return Ok(check(Level::Fail, format!("{} says it is not", argv[0])));
            }
            None => {}
        }
    }
    if std::path::Path::new(SET_BY_SYSTEMD).exists() {
        return Ok(check(Level::Ok, format!("{SET_BY_SYSTEMD} is there")));
    }
    Ok(check(Level::Warn, "neither timedatectl nor chronyc says".to_owned()))
}

/// `yes` or `no`.
fn of_systemd(text: &str) -> Option<Kept> {
    match text.trim() {
        "yes" => Some(Kept::Yes),
        "no" => Some(Kept::No),
        _ => None,
    }
}

/// The last of its columns is the leap status.
fn of_chrony(text: &str) -> Option<Kept> {
    match text.trim().rsplit(',').next()? {
        "Normal" | "Insert second" | "Delete second" => Some(Kept::Yes),
        "Not synchronised" => Some(Kept::No),
        _ => None,
    }
}

fn skew(machine: &Machine<'_>, url: &str) -> CheckItem {
    let most = machine.rules.clock_skew_max.get().duration();
    let most_ms = i64::try_from(most.as_millis()).unwrap_or(i64::MAX);
    let check = |level, value: String| {
        let limit = format!("within {most_ms} ms of {url}");
        let next = format!("curl -sI {url}");
        CheckItem::new("clock skew", level, value)
            .part(PreflightPart::Clock.name())
            .limit(limit)
            .next(next)
    };
    let clock = SystemClock;
    let waits = JobSleeper { clock: &clock, stop: &machine.context.stop };
    let limits = ClientLimits::within(machine.rules.command_timeout.get().duration());
    let asked = clock.now();
    let answer = Client::new(limits).and_then(|client| client.get(url, &waits));
    let answered = clock.now();
    match answer.map(|answer| answer.date) {
        Err(error) => check(Level::Warn, format!("it did not answer: {error}")),
        Ok(None) => check(Level::Warn, "it does not say what time it is".to_owned()),
        Ok(Some(date)) => {
            let ours_ms = i64::midpoint(asked.get(), answered.get());
            let ahead_ms = ours_ms - (date.get() + HALF_SECOND_MS);
            let side = if ahead_ms < 0 { "behind" } else { "ahead of" };
            let is_off = ahead_ms.unsigned_abs() > most_ms.unsigned_abs();
            let level = if is_off { Level::Fail } else { Level::Ok };
            check(level, format!("{} ms {side} it", ahead_ms.unsigned_abs()))
        }
    }
}

/// Where every port is tried: a listener on all addresses holds it too.
const LOOPBACK: &str = "127.0.0.1";

/// The ports of containers, as compose finds and reads its files here, and the one of the service.
pub fn ports(machine: &Machine<'_>) -> Result<Vec<CheckItem>, Failure> {
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

fn check(name: &str, level: Level, limit: &str, value: String) -> CheckItem {
    CheckItem::new(name, level, value).part(PreflightPart::Ports.name()).limit(limit)
}

fn of_file(
    machine: &Machine<'_>,
    file: &str,
    found: Result<Vec<ComposeService>, NotJudged>,
) -> Result<Vec<CheckItem>, Failure> {
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

fn bound(name: &str, limit: &str, open: &[String], fine: String) -> CheckItem {
    if open.is_empty() {
        return check(name, Level::Ok, limit, fine);
    }
    check(name, Level::Fail, limit, some_of(open))
}

/// Whether a port can be taken, which is given back at once.
fn try_port(address: &str) -> Result<(), io::Error> {
    TcpListener::bind(address).map(drop)
}

fn free(name: &str, tried: Result<(), io::Error>, fine: &str) -> CheckItem {
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
fn of_service(machine: &Machine<'_>) -> Option<CheckItem> {
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

/// What a program says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// It cannot be started, or does not know the question.
    Nothing,
    Text(String),
}

/// One check for each program that is named.
pub fn tools(machine: &Machine<'_>) -> Result<Vec<CheckItem>, Failure> {
    let (require, want) = (&machine.rules.require, &machine.rules.want);
    let needs = require.iter().map(|need| (need, Level::Fail));
    let needs = needs.chain(want.iter().map(|need| (need, Level::Warn)));
    needs.map(|(need, bad)| Ok(tool_check(need.get(), bad, &said(machine, need.get())?))).collect()
}

/// How a program is asked for its version; more than one way where it has several shapes.
fn questions(name: &str) -> Vec<Vec<String>> {
    let words = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect();
    match name {
        "compose" => {
            vec![words(&["docker", "compose", "version"]), words(&["docker-compose", "--version"])]
        }
        "ssh" => vec![words(&["ssh", "-V"])],
        name => vec![words(&[name, "--version"])],
    }
}

fn said(machine: &Machine<'_>, need: &ToolNeed) -> Result<Said, Failure> {
    for argv in questions(need.name()) {
        match machine.runner.local(argv, machine.context.root, [].into()) {
            Ok(said) if said.code == 0 && !said.timed_out => {
                let text = [said.stdout, b"\n".to_vec(), said.stderr].concat();
                let text = String::from_utf8_lossy(&text).into_owned();
                // A docker without compose may end with 0 and show its help.
                if need.name() != "compose" || text.to_lowercase().contains("version") {
                    return Ok(Said::Text(text));
                }
            }
            Ok(_) | Err(CommandError::NotStarted { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Said::Nothing)
}

fn tool_check(need: &ToolNeed, bad: Level, said: &Said) -> CheckItem {
    let (level, value) = match said {
        Said::Nothing => (bad, format!("it is not in {}, or does not start", programs::PATH)),
        Said::Text(text) => match (Version::find(text), need.least()) {
            (Some(found), Some(least)) if found < *least => (bad, format!("{found} is too old")),
            (None, Some(_)) => (bad, "it does not say its version".to_owned()),
            (Some(found), _) => (Level::Ok, found.to_string()),
            (None, None) => (Level::Ok, "it is there".to_owned()),
        },
    };
    let next = questions(need.name()).first().map(|words| words.join(" ")).unwrap_or_default();
    let name = format!("tool {}", need.name());
    CheckItem::new(name, level, value)
        .part(PreflightPart::Tools.name())
        .limit(need.to_string())
        .next(next)
}

/// Asks the device for the proof that a training would ask for, unless the processor is all that is wanted.
pub fn device(
    context: &Context<'_>,
    compute: &Compute,
) -> Result<(CheckItem, Option<DeviceVerdict>), Failure> {
    let verdict = match compute.device {
        ComputeDevice::Cpu => None,
        ComputeDevice::Gpu | ComputeDevice::Auto => Some(probe(context, compute)?),
    };
    Ok((device_check(compute, verdict.as_ref()), verdict))
}

fn device_check(compute: &Compute, verdict: Option<&DeviceVerdict>) -> CheckItem {
    let (level, value) = match (verdict, compute.device) {
        (None, _) => (Level::Ok, "the processor".to_owned()),
        (Some(verdict), _) if verdict.ok => {
            let error = verdict.max_error.unwrap_or_default();
            (Level::Ok, format!("{}, within {error:.1e} of the processor", verdict.what()))
        }
        (Some(verdict), ComputeDevice::Gpu) => (Level::Fail, verdict.why()),
        (Some(verdict), ComputeDevice::Cpu | ComputeDevice::Auto) => {
            (Level::Ok, format!("the processor; no card, {}", verdict.why()))
        }
    };
    let limit = compute.device.name();
    let next = format!("{} probe --json", compute.worker);
    CheckItem::new("device", level, value)
        .part(PreflightPart::Device.name())
        .limit(limit)
        .next(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::probe::{DeviceAbout, DeviceReason};

    #[test]
    fn what_timedatectl_and_chronyc_print_is_read() {
        assert_eq!((of_systemd("yes\n"), of_systemd("no\n")), (Some(Kept::Yes), Some(Kept::No)));
        assert_eq!((of_systemd(""), of_systemd("n/a\n")), (None, None));
        let line = |leap: &str| {
            format!(
                "A9FEA97B,169.254.169.123,4,1700000000.1,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,16.1,{leap}\n"
            )
        };
        assert_eq!(of_chrony(&line("Normal")), Some(Kept::Yes));
        assert_eq!(of_chrony(&line("Not synchronised")), Some(Kept::No));
        assert_eq!(of_chrony("506 Cannot talk to daemon\n"), None);
    }

    #[test]
    fn a_tool_is_absent_too_old_or_good() {
        let text = |text: &str| Said::Text(text.to_owned());
        for (need, said, level) in [
            ("rsync >= 3.1", Said::Nothing, Level::Fail),
            ("rsync >= 3.1", text("rsync  version 3.0.9  protocol"), Level::Fail),
            ("rsync >= 3.1", text("rsync  version 3.1.0  protocol"), Level::Ok),
            ("rsync >= 3.1", text("what?"), Level::Fail),
            ("rsync", text("what?"), Level::Ok),
        ] {
            assert_eq!(
                tool_check(&need.parse().unwrap(), Level::Fail, &said).level,
                level,
                "{need}"
            );
        }
    }

    #[test]
    fn the_processor_is_always_there_and_a_card_may_be_demanded() {
        let level = |device, verdict: Option<DeviceVerdict>| {
            device_check(&Compute { device, ..Compute::default() }, verdict.as_ref()).level
        };
        let refused = || Some(DeviceVerdict::refused(DeviceReason::NoDevice, ""));
        let about = DeviceAbout { device: "cuda:0".to_owned(), ..DeviceAbout::default() };
        let good = || {
            Some(DeviceVerdict {
                ok: true,
                about: about.clone(),
                ..DeviceVerdict::refused(DeviceReason::NoDevice, "")
            })
        };
        assert_eq!(level(ComputeDevice::Cpu, None), Level::Ok);
        assert_eq!(level(ComputeDevice::Gpu, refused()), Level::Fail);
        assert_eq!(level(ComputeDevice::Gpu, good()), Level::Ok);
        assert_eq!(level(ComputeDevice::Auto, refused()), Level::Ok);
        assert_eq!(level(ComputeDevice::Auto, good()), Level::Ok);
    }
}
