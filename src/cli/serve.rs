//! `runner serve`: reads every manifest, holds the one place there is for a service, and says what it does.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    args::{JobArgs, ServeArgs},
    load::{LoadError, facts, find, item_of, load, load_timetable, names, read_text},
    output::{People, log_to, style},
    planned::{own, short, started_by},
    refuse::tell,
    serve_wiring::ServeWiring,
};
use crate::{
    exit::Exit,
    jobs::{
        context::Failure,
        ledgers::{JobSubject, series_of, tags},
    },
    manifest::{Job, Kind, Logs, Manifest, Resolved, Schedule, kind_of},
    os::{
        mask::Mask,
        process::{give_memory_back, own_program},
    },
    pages::{operator::Operator, site::site},
    run::build_id,
    serve::{
        host::{self, HostContext, HostOptions, LoadedSchedules, only_one},
        http::{BindScope, Listen, start as show_pages},
        retention::RetentionRules,
        schedule_table::{JobSchedules, PoolPlace, RunPolicy, ScheduledJob},
        status::ServiceStatus,
    },
    store::{disk::RealDisk, layout::Layout, runs::Keep},
};

/// Most bytes of the log of the service.
const LOG_MAX: u64 = 8 << 20;

/// Runs the service until it is asked to stop.
pub fn serve(root: &Path, args: &ServeArgs, json: bool) -> Exit {
    match work(root, args) {
        Ok(()) => Exit::Ok,
        Err(failure) => tell(&failure, json),
    }
}

fn work(root: &Path, args: &ServeArgs) -> Result<(), Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let root = std::path::absolute(root).map_err(|error| usage(error.to_string()))?;
    if !root.is_dir() {
        return Err(usage(format!("--root {}: this folder does not exist", root.display())));
    }
    give_memory_back();
    let layout = Layout::new(&root);
    let _alone = only_one(&root, &RealDisk::new(layout.data()))?;
    let log = layout.scheduler_log();
    log_to(&log, LOG_MAX, &Mask::new([]), People::Warnings)
        .map_err(|error| Failure::new(Exit::Io, format!("open {}: {error}", log.display())))?;
    let world = ServeWiring::new(&root)?;
    let operator = args.operate.then(|| operator(&root)).transpose()?;
    let pages = if args.no_listen {
        None
    } else {
        let site = site(&root, operator);
        Some(show_pages(&listen(args)?, &root, Arc::clone(&world.board), site)?)
    };
    let options = HostOptions {
        listen: pages.as_ref().map(|pages| pages.address().to_string()),
        most: args.max_running,
        drain_wait: args.drain_wait,
        build: build_id(),
        root: root.clone(),
    };
    let load = || {
        let (loaded, manifests) = load_all(&root)?;
        world.learn(manifests, &loops(&root));
        Ok(loaded)
    };
    let mut publish = |status: &ServiceStatus| world.show(status);
    let surroundings = HostContext { load: &load, publish: &mut publish };
    host::serve(&options, Box::new(world.clone()), surroundings)?;
    world.end();
    Ok(())
}

fn operator(root: &Path) -> Result<Operator, Failure> {
    let program =
        own_program().map_err(|error| Failure::new(Exit::Io, format!("this program: {error}")))?;
    Operator::of(root, program)
}

fn listen(args: &ServeArgs) -> Result<Listen, Failure> {
    let reach = if args.allow_remote { BindScope::Public } else { BindScope::Loopback };
    Listen::new(&args.listen, reach, vec![crate::os::machine::name()])
}

/// Reads every manifest in `jobs/`, each schedule with what it gives: a job that could not run is refused here.
pub fn load_all(root: &Path) -> Result<(LoadedSchedules, Vec<Manifest>), Failure> {
    let (mut works, mut manifests) = (Vec::new(), Vec::new());
    let (mut about, mut off, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut keeps = RetentionRules::new();
    let names = names(root);
    for name in &names {
        // A job of a matrix has no file of its own.
        let file = match item_of(root, Path::new(name)) {
            Some(_) => name.clone(),
            None => format!("jobs/{name}.toml"),
        };
        let timetable = match load_timetable(root, &JobArgs::of(file.clone().into())) {
            Ok(timetable) => timetable,
            Err(error) => {
                wrong.push(worded(&file, error));
                continue;
            }
        };
        if let Some(other) = files.insert(timetable.name.clone(), file.clone()) {
            wrong.push(format!(
                "{other} and {file} both have the name `{}`: give one of them another",
                timetable.name
            ));
        }
        keeps.insert(timetable.name.clone(), keep(&timetable.logs));
        for schedule in timetable.schedules {
            let schedule = match own(root, Path::new(&file), schedule) {
                Ok(schedule) => schedule,
                Err(error) => {
                    wrong.push(worded(&file, error));
                    continue;
                }
            };
            if let Some(lacks) = schedule.lacks.first() {
                let name = format!("{}.{}", timetable.name, schedule.id);
                off.push(format!("{name}: param `{lacks}` has no value"));
                continue;
            }
            match load(root, &started_by(Path::new(&file), &schedule), &facts()) {
                Ok(loaded) => {
                    let name = format!("{}.{}", timetable.name, schedule.id);
                    wrong.extend(guessed(root, &name, &loaded.resolved)?);
                    about.push(watched(&name, &schedule, &loaded.resolved.manifest));
                    works.push(entry(&file, schedule, &loaded.resolved.manifest));
                    manifests.push(loaded.resolved.manifest);
                }
                Err(error) => {
                    wrong.push(format!("schedule `{}`: {}", schedule.id, worded(&file, error)));
                }
            }
        }
    }
    wrong.extend(two_sizes(&works));
    if !wrong.is_empty() {
        return Err(Failure::new(Exit::Manifest, wrong.join("\n")));
    }
    let works =
        JobSchedules::new(works).map_err(|same| Failure::new(Exit::Manifest, same.to_string()))?;
    Ok((LoadedSchedules { works, jobs: names.len(), keeps, about, off }, manifests))
}

/// The live jobs, as they are without a schedule: a loop that is started elsewhere has a ledger that people are told of too. One that
/// cannot be read, or lacks a value, has none that is known.
fn loops(root: &Path) -> Vec<Manifest> {
    let live = names(root).into_iter().filter(|name| {
        let file = find(root, Path::new(name)).map(|(path, _)| path).unwrap_or_default();
        kind_of(&read_text(&file).unwrap_or_default()) == Some(Kind::Live)
    });
    let job = |name: String| load(root, &JobArgs::of(name.into()), &facts());
    live.filter_map(|file| Some(job(file).ok()?.resolved.manifest)).collect()
}

/// Pools that have another size in one file than in another.
fn two_sizes(works: &[ScheduledJob]) -> Vec<String> {
    let mut first: BTreeMap<&str, (u32, &str)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for work in works {
        let Some(pool) = &work.terms.pool else { continue };
        let (size, file) = *first.entry(&pool.name).or_insert((pool.size, &work.file));
        if size != pool.size {
            wrong.push(format!(
                "the pool `{}` has the size {size} in {file} and {} in {}: give it one size, in a file that both extend",
                pool.name, pool.size, work.file
            ));
        }
    }
    wrong
}

/// What a schedule starts, and what that is about.
fn watched(name: &str, schedule: &Schedule, manifest: &Manifest) -> String {
    let about = JobSubject::of_job(&manifest.job).words();
    let about = if about.is_empty() { String::new() } else { format!(": {about}") };
    format!("{name} ({}){about}", short(&schedule.due))
}

/// Why a schedule would watch a ledger that nobody has named and that is not there, while others are: it would find nothing wrong with
/// them, whatever happens to them.
fn guessed(root: &Path, name: &str, resolved: &Resolved) -> Result<Option<String>, Failure> {
    let (of, tag, series) = match &resolved.manifest.job {
        Job::Eqflat(job) => ("eqflat", job.tag.clone(), &job.trading.series),
        Job::Healthcheck(job) | Job::Heartbeat(job) => {
            ("healthcheck", job.health.tag.get().clone(), &job.series)
        }
        _ => return Ok(None),
    };
    let layout = Layout::new(root);
    let disk = RealDisk::new(layout.data());
    let there = tags(&disk, &layout)?;
    let rows = resolved.explain();
    let is_default = |path: &str| {
        let row = rows.iter().find(|row| row.path == path);
        row.is_some_and(|row| row.origin.contains(" (through ") && !is_given(&row.origin))
    };
    let list = |all: Vec<String>| all.join(", ");
    if !there.is_empty() && !there.contains(&tag) && is_default(&format!("{of}.tag")) {
        let known = list(there.iter().map(ToString::to_string).collect());
        return Ok(Some(format!(
            "{name} would watch tag {tag}, which is only the default and has no ledger here; tags with one: {known}. Say which one is \
             meant: write DATA_TAG=TAG into the file .env of the box, or set the variable"
        )));
    }
    let markets = series_of(&disk, &layout, &tag)?;
    let keys = ["exchange", "symbol", "timeframe"];
    let is_guess = keys.iter().any(|key| is_default(&format!("market.{key}")));
    if !markets.is_empty() && !markets.contains(series) && is_guess {
        let known = list(markets.iter().map(ToString::to_string).collect());
        return Ok(Some(format!(
            "{name} would watch {series}, which is only the default and has no ledger under tag {tag}; markets with one: {known}. Say \
             which one is meant: write CCXT_EXCHANGE, SYMBOL and TIMEFRAME into the file .env of the box, or set the variables"
        )));
    }
    Ok(None)
}

/// Whether a value was given from outside its manifest.
fn is_given(origin: &str) -> bool {
    ["env ", "-p ", "--set ", "schedule "].iter().any(|how| origin.starts_with(how))
}

fn keep(logs: &Logs) -> Keep {
    Keep { days: logs.keep_days, runs: logs.keep_runs, bytes: logs.keep_size.get().bytes() }
}

fn entry(file: &str, schedule: Schedule, manifest: &Manifest) -> ScheduledJob {
    let terms = RunPolicy {
        overlap: schedule.overlap,
        timeout: manifest.run.timeout.as_ref().map(|limit| limit.get().duration()),
        grace: manifest.run.grace.get().duration(),
        output_max: manifest.logs.max_size.get().bytes(),
        retry: manifest.run.retry.clone(),
        idempotent: manifest.is_idempotent(),
        pool: manifest.run.pool.as_ref().and_then(|name| {
            Some(PoolPlace { name: name.clone(), size: *manifest.pools.get(name)? })
        }),
        slow_after: manifest.run.slow_after.as_ref().map(|time| time.get().duration()),
        late_start: manifest.run.late_start.as_ref().map(|time| time.get().duration()),
    };
    ScheduledJob {
        name: format!("{}.{}", manifest.name, schedule.id),
        job: manifest.name.clone(),
        file: file.to_owned(),
        kind: manifest.job.kind().name().to_owned(),
        schedule,
        terms,
    }
}

fn worded(file: &str, error: LoadError) -> String {
    match error {
        LoadError::Unreadable(failure) => format!("{file}: {}", failure.message),
        LoadError::Problems(problems) => problems.render(style()).trim_end().to_owned(),
    }
}
