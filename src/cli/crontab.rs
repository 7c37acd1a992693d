//! `runner import-crontab`: the lines of a crontab as jobs.

mod job;
mod lines;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use self::lines::{CrontabForm, CrontabLine, read};
use super::{
    args::CrontabArgs,
    load::{environment, read_text},
    output::{plain, print, print_json, say},
    planned::own_name,
    refuse::tell,
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::zone::Zone,
    exit::Exit,
    manifest::{RunFacts, Source, Sources, TextError, timetable},
    outcome::Failure,
    store::disk::{Disk as _, RealDisk},
};

/// Longest crontab on stdin, in bytes.
const INPUT_MAX: u64 = 64 * 1024;
/// Where the users of the machine are.
const PASSWD: &str = "/etc/passwd";
/// Where the machine says on which clocks it runs.
const LOCALTIME: &str = "/etc/localtime";

/// A job that came out of a line.
struct Imported {
    number: usize,
    name: String,
    toml: String,
    written: Option<PathBuf>,
}

/// A line that is no job.
struct Refused {
    number: usize,
    text: String,
    why: String,
}

/// The words of a command, as a shell would split it, when nothing in it needs a shell.
pub(super) fn words(command: &str) -> Result<Vec<String>, String> {
    Ok(lines::split(command)?.into_iter().map(|word| word.text).collect())
}

/// Imports a crontab: exit code 1 when a line could not be imported.
pub fn import_crontab(root: &Path, args: &CrontabArgs, json: bool) -> Exit {
    match import(root, args) {
        Ok(CrontabImport { jobs, refused, hints }) => {
            let exit = if refused.is_empty() { Exit::Ok } else { Exit::Negative };
            if json {
                print_json(&document(&jobs, &refused, &hints));
            } else {
                show(&jobs, args.out.is_some());
                for hint in &hints {
                    say(&format!("note: {}", plain(hint)));
                }
                for Refused { number, text, why } in &refused {
                    let (text, why) = (plain(text), plain(why));
                    say(&format!("not imported: line {number}: {text}\n  {why}"));
                }
            }
            exit
        }
        Err(failure) => tell(&failure, json),
    }
}

/// What became of a crontab.
struct CrontabImport {
    jobs: Vec<Imported>,
    refused: Vec<Refused>,
    /// What a person should know.
    hints: Vec<String>,
}

fn import(root: &Path, args: &CrontabArgs) -> Result<CrontabImport, Failure> {
    let text = input(root, &args.file)?;
    let form = if args.system { CrontabForm::System } else { CrontabForm::User };
    let (zone, mut hints) = zone(args)?;
    let passwd = std::fs::read_to_string(PASSWD).unwrap_or_default();
    let own = args.home.clone().or_else(|| environment().remove("HOME"));
    let homes = |user: Option<&str>| match user {
        Some(user) => home_of(&passwd, user),
        None => own.clone(),
    };
    let crontab = read(&text, form, zone, &homes);
    if crontab.lines.is_empty() {
        let message = format!("{} has no line with a command", args.file.display());
        return Err(Failure::new(Exit::Nothing, message));
    }
    hints.extend(crontab.hints);
    hints.push(match (form, &own) {
        (CrontabForm::User, Some(home)) => format!(
            "cron runs commands in the home folder of the crontab's owner: {home} is written as `workdir`; give another one with --home"
        ),
        (CrontabForm::User, None) | (CrontabForm::System, _) => {
            "cron runs commands in the home folder of their user: write `workdir` into jobs that have none".to_owned()
        }
    });
    let (mut jobs, mut refused, mut taken) = (Vec::new(), Vec::new(), BTreeMap::new());
    for line in crontab.lines {
        let done = convert(&line, &mut taken);
        let done = done.and_then(|job| match &args.out {
            Some(out) => write(&root.join(out), job),
            None => Ok(job),
        });
        match done {
            Ok(job) => jobs.push(job),
            Err(why) => refused.push(Refused { number: line.number, text: line.text, why }),
        }
    }
    Ok(CrontabImport { jobs, refused, hints })
}

fn input(root: &Path, file: &Path) -> Result<String, Failure> {
    if file != Path::new("-") {
        let refused = |why: TextError| {
            Failure::new(Exit::Nothing, format!("crontab {}: {why}", file.display()))
        };
        return read_text(&root.join(file)).map_err(refused);
    }
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(INPUT_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::new(Exit::Io, format!("stdin: {error}")))?;
    if bytes.len() as u64 > INPUT_MAX {
        return Err(Failure::new(Exit::Data, format!("stdin holds more than {INPUT_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Failure::new(Exit::Data, "stdin is not UTF-8"))
}

/// The home folder of a user.
fn home_of(passwd: &str, user: &str) -> Option<String> {
    let mut users = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = users.find(|fields| fields.first() == Some(&user))?;
    found.get(5).filter(|home| home.starts_with('/')).map(|home| (*home).to_owned())
}

/// The time zone of lines that name none: the one given, or that of this machine, as cron has it.
fn zone(args: &CrontabArgs) -> Result<(Zone, Vec<String>), Failure> {
    if let Some(name) = &args.timezone {
        let zone = name.parse().map_err(|error: crate::domain::zone::ZoneError| {
            Failure::new(Exit::Usage, format!("--timezone: {error}"))
        })?;
        return Ok((zone, Vec::new()));
    }
    let link = std::fs::read_link(LOCALTIME).unwrap_or_default();
    let link = link.display().to_string();
    let found = link.split_once("zoneinfo/").and_then(|(_, name)| name.parse::<Zone>().ok());
    let hint = match found {
        Some(zone) => format!(
            "lines without a zone of their own are meant in the zone of this machine, {zone}; --timezone gives another one"
        ),
        None => format!(
            "{LOCALTIME} does not name a zone, so lines without one are meant in UTC: check it, or give --timezone"
        ),
    };
    Ok((found.unwrap_or(Zone::UTC), vec![hint]))
}

/// The job of a line, checked like any other manifest.
fn convert(line: &CrontabLine, taken: &mut BTreeMap<String, u32>) -> Result<Imported, String> {
    let found = line.found.as_ref().map_err(Clone::clone)?;
    let name = job::name(found, taken);
    let toml = job::toml(&name, line, found);
    let facts = RunFacts { id: "run".to_owned(), started: SystemClock.now() };
    let sources = Sources {
        job: Source { path: format!("jobs/{name}.toml"), text: toml.clone() },
        read: &mut |_| Err(TextError::System("an imported job extends nothing".to_owned())),
        read_secret: &mut |_| Err(TextError::System("an imported job has no secret".to_owned())),
        names: &Vec::new,
        is_inside: &|_| true,
        profiles: &[],
        env: &BTreeMap::new(),
        params: &[],
        scheduled: &[],
        sets: &[],
        run: &facts,
        item: None,
    };
    timetable(sources).map_err(|problems| format!("no valid job comes of it: {problems}"))?;
    Ok(Imported { number: line.number, name, toml, written: None })
}

/// Writes a job into a folder, over nothing.
fn write(out: &Path, job: Imported) -> Result<Imported, String> {
    let disk = RealDisk::new(out);
    let path = out.join(&job.name).with_extension("toml");
    let existing = |error: std::io::ErrorKind| error == std::io::ErrorKind::AlreadyExists;
    disk.create_dir_all(out).map_err(|error| error.to_string())?;
    if let Some(other) = namesake(&disk, out, &job.name).filter(|other| out.join(other) != path) {
        return Err(format!("{} has a job `{}` already", out.join(other).display(), job.name));
    }
    disk.create_new(&path).map_err(|error| {
        if existing(error.kind()) {
            format!("{} exists and is not overwritten", path.display())
        } else {
            error.to_string()
        }
    })?;
    disk.replace(&path, job.toml.as_bytes()).map_err(|error| error.to_string())?;
    Ok(Imported { written: Some(path), ..job })
}

/// The manifest in a folder that has this name for its job.
fn namesake(disk: &RealDisk, dir: &Path, name: &str) -> Option<String> {
    let files = disk.list(dir).unwrap_or_default();
    let mut manifests = files
        .into_iter()
        .filter(|file| Path::new(file).extension().is_some_and(|extension| extension == "toml"));
    manifests.find(|file| {
        let text = read_text(&dir.join(file)).unwrap_or_default();
        own_name(&text).as_deref() == Some(name)
    })
}

fn show(jobs: &[Imported], is_written: bool) {
    let mut text = String::new();
    for (n, Imported { number, name, toml, written }) in jobs.iter().enumerate() {
        if let (true, Some(path)) = (is_written, written) {
            let _ = writeln!(text, "line {number}: {}", path.display());
        } else {
            let gap = if n == 0 { "" } else { "\n" };
            let _ = write!(text, "{gap}# jobs/{name}.toml\n{toml}");
        }
    }
    print(&text);
}

fn document(jobs: &[Imported], refused: &[Refused], hints: &[String]) -> Value {
    let jobs: Vec<Value> = jobs
        .iter()
        .map(|Imported { number, name, toml, written }| {
            let written = written.as_ref().map(|path| path.display().to_string());
            json!({ "line": number, "name": name, "toml": toml, "written": written })
        })
        .collect();
    let refused: Vec<Value> = refused
        .iter()
        .map(|Refused { number, text, why }| json!({ "line": number, "text": text, "why": why }))
        .collect();
    json!({
        "schema": "mjolnir.crontab/1", "jobs": jobs, "not_imported": refused, "hints": hints,
    })
}
