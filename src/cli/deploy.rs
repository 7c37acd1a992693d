//! `runner plan` and `runner deploy`: the same as `runner run` of a deploy job, with some of its values set. Of a sweep, how much there is
//! to do.

use std::{
    fmt::Write as _,
    fs,
    io::{self, BufRead as _, IsTerminal as _},
    path::Path,
    process::ExitCode,
};

use serde_json::json;

use super::{
    args::{DeployArgs, DeployInitArgs, JobArgs, PlanArgs, RunArgs},
    load::{LoadedJob, facts, load},
    output::{JobProgress, People, drawing, log_to, plain_lines, print, print_json, say},
    refuse::{refuse, tell},
    sweep::planned,
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::{ids::RunId, time::UtcMs},
    exit::Exit,
    jobs::{
        context::{Context, Resume},
        deploy::connect::{TargetFolder, TargetVisit, VisitedTarget},
    },
    manifest::{DeployMode, Job, Target},
    os::{mask::Mask, process::ChildResults, signals::Stop},
    outcome::Failure,
    run::run,
    store::{
        disk::{Disk as _, RealDisk, parent},
        layout::Layout,
    },
};

/// Runs a deploy job in one of its modes.
pub fn deploy(root: &Path, args: &DeployArgs, json: bool) -> ExitCode {
    let mut job = JobArgs { values: args.values.clone(), ..JobArgs::of(args.job.clone()) };
    let modes = [
        (args.rollback, DeployMode::Rollback),
        (args.retire, DeployMode::Retire),
        (args.unlock, DeployMode::Unlock),
    ];
    if let Some((_, mode)) = modes.iter().find(|(asked, _)| *asked) {
        set(&mut job, "deploy.mode", mode.name());
    }
    if let Some(plan) = &args.plan {
        set(&mut job, "deploy.plan", plan);
    }
    if let Some(message) = &args.message {
        set(&mut job, "deploy.message", message);
    }
    run(root, &RunArgs { run_id: args.run_id.clone(), ..RunArgs::of(job) }, json)
}

/// Runs a deploy or deploy-check job so that it only looks.
pub fn plan(root: &Path, args: &PlanArgs, json: bool) -> ExitCode {
    let loaded = match load(root, &args.job, &facts()) {
        Ok(loaded) => loaded,
        Err(error) => return ExitCode::from(refuse(error, json).code()),
    };
    let mode = match (args.rollback, args.retire) {
        (true, _) => DeployMode::RollbackPlan,
        (false, true) => DeployMode::RetirePlan,
        (false, false) => DeployMode::Plan,
    };
    let mut job = args.job.clone();
    match &loaded.resolved.manifest.job {
        Job::DeployCheck(_) if mode == DeployMode::Plan => {}
        Job::DeployCheck(_) => {
            let message = format!(
                "{} only looks: --rollback and --retire need a job of kind `deploy`, such as `runner plan deploy --rollback`",
                job.job.display()
            );
            return ExitCode::from(tell(&Failure::new(Exit::Usage, message), json).code());
        }
        Job::Deploy(_) => set(&mut job, "deploy.mode", mode.name()),
        Job::Sweep(sweep) if mode == DeployMode::Plan => {
            let manifest = &loaded.resolved.manifest;
            return ExitCode::from(planned(root, sweep, &manifest.name, json).code());
        }
        other => {
            let message = format!(
                "{} is a job of kind `{}`, and only deploys and sweeps have a plan: use `runner explain {}`",
                job.job.display(),
                other.kind().name(),
                job.job.display()
            );
            return ExitCode::from(tell(&Failure::new(Exit::Usage, message), json).code());
        }
    }
    run(root, &RunArgs::of(job), json)
}

/// A text, so that nothing in it is taken for anything else.
fn set(job: &mut JobArgs, path: &str, text: &str) {
    job.values.set.push((path.to_owned(), serde_json::Value::from(text).to_string()));
}

/// Version of the document that `--json` prints.
const SCHEMA: &str = "mjolnir.deploy-init/1";
/// Where the pin is kept, below the root.
const PIN: &str = "profiles/target-pin.toml";
/// How a file starts that this verb wrote and may overwrite.
const HEAD: &str = "# Written by `runner deploy init`";
/// Most bytes of the log of a visit.
const LOG_MAX: u64 = 4 << 20;

pub fn init(root: &Path, args: &DeployInitArgs, json: bool) -> Exit {
    let root = match std::path::absolute(root) {
        Ok(root) => root,
        Err(error) => return tell(&Failure::new(Exit::Usage, error.to_string()), json),
    };
    let loaded = match load(&root, &job(&root, args), &facts()) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(error, json),
    };
    match visit(&root, &loaded, args, json) {
        Ok(()) => Exit::Ok,
        Err(failure) => tell(&failure, json),
    }
}

fn job(root: &Path, args: &DeployInitArgs) -> JobArgs {
    let deploys = ["jobs/deploy.toml", "jobs/deploy-check.toml"];
    let first = deploys.iter().find(|path| root.join(path).is_file()).unwrap_or(&deploys[1]);
    JobArgs {
        values: args.values.clone(),
        ..JobArgs::of(args.job.clone().unwrap_or_else(|| first.into()))
    }
}

fn visit(
    root: &Path,
    loaded: &LoadedJob,
    args: &DeployInitArgs,
    json: bool,
) -> Result<(), Failure> {
    let manifest = &loaded.resolved.manifest;
    let (target, rules) = manifest.job.common().target.ok_or_else(|| {
        let message = format!("the job `{}` has no target: name one that deploys", manifest.name);
        Failure::new(Exit::Usage, message)
    })?;
    let started = SystemClock.now();
    let (layout, run_id) = (Layout::new(root), own_id(started)?);
    let disk = RealDisk::new(layout.data());
    let log = layout.deploy_reports(&run_id).join("log.jsonl");
    disk.create_dir_all(parent(&log))?;
    let mask = Mask::new(loaded.resolved.secrets().map(str::to_owned));
    log_to(&log, LOG_MAX, &mask, People::Warnings)
        .map_err(|error| Failure::new(Exit::Io, format!("{}: {error}", log.display())))?;
    let stop =
        Stop::listen().map_err(|error| Failure::new(Exit::Bug, format!("signals: {error}")))?;
    let (progress, build) = (JobProgress::new(), crate::run::build_id());
    let context = Context {
        root,
        disk: &disk,
        layout: &layout,
        run_id,
        job: manifest.name.clone(),
        call: manifest.name.clone(),
        mask: &mask,
        build: &build,
        started,
        stop,
        grace: manifest.run.grace.get().duration(),
        child_results: ChildResults::Kept,
        drawing: drawing(),
        progress: &progress,
        resume: Resume::default(),
    };
    let visit = TargetVisit::new(&context, target, rules.command_timeout.get().duration())?;
    let pin_is_ours = target.host.is_none() || may_write_pin(root)?;
    let key = agreed_key(&visit, target, args)?;
    let seen = visit.inspect()?;
    say(&overview(target, &seen));
    sound(target, &seen)?;
    if seen.folder != TargetFolder::Marked || target.host.is_some() {
        consent(&question(target, &seen), args)?;
    }
    visit.mark(&seen)?;
    let pin = key.as_deref().map(|key| pin(target, key, seen.machine_id.as_deref()));
    let pinned = pin.as_deref().filter(|_| pin_is_ours);
    if let Some(pin) = pinned {
        let path = root.join(PIN);
        RealDisk::new(parent(&path)).replace(&path, pin.as_bytes())?;
    }
    report(target, &seen, (key.as_deref(), pin.as_deref(), pinned.is_some()), json);
    Ok(())
}

fn own_id(started: UtcMs) -> Result<RunId, Failure> {
    let (time, pid) = (started.format("%Y%m%d_%H%M%S"), std::process::id());
    let id = format!("deploy-init_{time}_{:03}_{pid}", started.get() % 1000);
    id.parse()
        .map_err(|error: crate::domain::ids::NameError| Failure::new(Exit::Bug, error.to_string()))
}

/// Whether the file of the pin is absent, or one that this verb wrote.
fn may_write_pin(root: &Path) -> Result<bool, Failure> {
    match fs::read_to_string(root.join(PIN)) {
        Ok(text) => Ok(text.starts_with(HEAD)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(root.join(PIN).parent().is_some_and(Path::is_dir))
        }
        Err(error) => Err(Failure::new(Exit::Io, format!("{PIN}: {error}; make it readable"))),
    }
}

/// The key that is trusted: the one given, the one pinned, or one that the operator compared. `None` without a host.
fn agreed_key(
    visit: &TargetVisit<'_>,
    target: &Target,
    args: &DeployInitArgs,
) -> Result<Option<String>, Failure> {
    let keys = visit.keys()?;
    let Some(first) = keys.first() else { return Ok(None) };
    let mut text = "the host shows these keys:\n".to_owned();
    for key in &keys {
        let _ = writeln!(text, "  {} ({})", key.fingerprint, key.kind);
    }
    text.push_str(
        "compare them on the machine itself: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
    );
    say(&text);
    let pinned = target.host_key.as_ref().map(ToString::to_string);
    let wanted = args.host_key.clone().or(pinned);
    let key = match &wanted {
        Some(wanted) => keys.iter().find(|key| key.fingerprint == *wanted).ok_or_else(|| {
            let message = format!(
                "the host does not have the key {wanted}: another machine answers, or its key was changed; if you know why, give --host-key"
            );
            Failure::new(Exit::Negative, message)
        })?,
        None if args.yes || !can_ask() => {
            let message = "the key of the host was not compared, and --yes does not replace that: give --host-key SHA256:...";
            return Err(Failure::new(Exit::Usage, message));
        }
        None => {
            agree(&format!("is {} the key of that machine?", first.fingerprint))?;
            first
        }
    };
    visit.trust(key)?;
    Ok(Some(key.fingerprint.clone()))
}

fn overview(target: &Target, seen: &VisitedTarget) -> String {
    let folder = match &seen.folder {
        TargetFolder::Missing(above) => format!("does not exist; it would be made below {above}"),
        TargetFolder::Marked => "has the marker of this project already".to_owned(),
        TargetFolder::Unmarked(_, 0) => "is empty".to_owned(),
        TargetFolder::Unmarked(names, count) => {
            let more = if *count > names.len() { ", ..." } else { "" };
            format!("holds {count}: {}{more}", names.join(", "))
        }
    };
    let machine = seen.machine_id.as_deref().unwrap_or("none");
    let mut text = format!(
        "machine id  {machine}\nuser        {} ({})\nrsync       {}\nfree        {} bytes\n{}  {folder}",
        seen.user, seen.uid, seen.rsync, seen.free_bytes, target.path
    );
    if seen.uid == "0" {
        text.push_str("\nwarning: this user is root; a deploy is refused (runs-as-root)");
    }
    plain_lines(&text)
}

/// Whether it is the machine that was pinned, and one that can be pinned.
fn sound(target: &Target, seen: &VisitedTarget) -> Result<(), Failure> {
    match (&target.machine_id, &seen.machine_id) {
        (Some(wanted), found) if found.as_deref() != Some(wanted.get().as_str()) => {
            let found = found.as_deref().unwrap_or("none");
            let message = format!(
                "the machine id is {found}, target.machine-id is {wanted}: it is another machine; if you know why, give -p machine-id={found}"
            );
            Err(Failure::new(Exit::Negative, message))
        }
        (None, None) if target.host.is_some() => {
            let message = "the machine has no id in /etc/machine-id: make one there with systemd-machine-id-setup";
            Err(Failure::new(Exit::Negative, message))
        }
        _ => Ok(()),
    }
}

fn question(target: &Target, seen: &VisitedTarget) -> String {
    let path = &target.path;
    match &seen.folder {
        TargetFolder::Missing(_) => format!("make {path}, and write the marker there?"),
        TargetFolder::Unmarked(..) => format!("write the marker into {path}?"),
        TargetFolder::Marked => "write the pin?".to_owned(),
    }
}

/// Goes on only with consent: by --yes, or on the terminal.
fn consent(question: &str, args: &DeployInitArgs) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    if !can_ask() {
        let message = format!(
            "{question} This is not a terminal, so it cannot be asked; nothing was changed: give --yes"
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    agree(question)
}

fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on the terminal. Only the whole word counts.
fn agree(question: &str) -> Result<(), Failure> {
    say(&format!("{question} Type `yes`:"));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::new(Exit::Io, format!("the terminal: {error}")))?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::new(Exit::Negative, "you did not agree; nothing was changed"))
}

/// The file of the pin. All of its values are words without a quote.
fn pin(target: &Target, key: &str, machine: Option<&str>) -> String {
    let mut text = format!(
        "{HEAD}: where deploys go, and what proves that it is the right machine. Commit it.\nmanifest = 1\n"
    );
    let words = |value: Option<String>| value.map(|value| format!("\"{value}\""));
    for (name, value) in [
        ("path", words(Some(target.path.to_string()))),
        ("host", words(target.host.as_ref().map(ToString::to_string))),
        ("user", words(target.user.as_ref().map(ToString::to_string))),
        ("port", target.port.map(|port| port.to_string())),
        ("host-key", words(Some(key.to_owned()))),
        ("machine-id", words(machine.map(str::to_owned))),
    ] {
        if let Some(value) = value {
            let _ = write!(text, "\n[params.{name}]\ndefault = {value}\n");
        }
    }
    text
}

fn report(
    target: &Target,
    seen: &VisitedTarget,
    (key, pin, written): (Option<&str>, Option<&str>, bool),
    json: bool,
) {
    let marker = if seen.folder == TargetFolder::Marked { "there already" } else { "written" };
    if json {
        print_json(&json!({
            "schema": SCHEMA, "path": target.path, "host_key": key, "machine_id": seen.machine_id, "user": seen.user,
            "uid": seen.uid, "marker": marker, "pin": pin, "pin_file": written.then_some(PIN),
        }));
        return;
    }
    print(&format!("marker: {marker}\n"));
    match pin {
        None => {}
        Some(pin) if written => print(&format!("{PIN}: written; commit it\n\n{pin}")),
        Some(pin) => print(&format!(
            "{PIN} was not written by this verb and stays as it is; add these lines to it:\n\n{pin}"
        )),
    }
}
