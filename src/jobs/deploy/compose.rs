//! Which ports containers would publish, as the compose program says, and which they publish now. Where it is missing, or does not
//! understand the files, nothing is judged.

mod files;
mod services;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use thiserror::Error;

use self::services::{from_compose_ps, from_config, from_docker_ps, from_ss, merged};
pub use self::{
    files::{Folder, Variables, sets},
    services::{BoundPort, ComposeService, Exposure, ServiceUser},
};
use super::programs::{self, CommandError, CommandRunner, stdout_of, words};

/// Every service counts, whatever profile it needs.
const ALL_PROFILES: (&str, &str) = ("COMPOSE_PROFILES", "*");
/// The programs, and how each is asked. The second may be of version 1, which knows no JSON.
const PROGRAMS: [(&[&str], &[&str]); 2] =
    [(&["docker", "compose"], &["config", "--format", "json"]), (&["docker-compose"], &["config"])];
/// How reports name who says which ports are published now.
const BY_DOCKER: &str = "running now, as docker says";
const BY_SS: &str = "listening now, as ss says";

/// Why the ports of compose files are not judged. What is not judged is refused, never fine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotJudged {
    /// Programs give this variable different values, or refuse the file.
    #[error(
        "not judged: {0} in the .env is not read alike by every program: write {0}=value, in plain letters"
    )]
    ReadDifferently(String),
    /// This variable makes compose read other files.
    #[error("not judged: {0} in the .env leads elsewhere")]
    Elsewhere(&'static str),
    /// A file of `COMPOSE_FILE` is missing.
    #[error("not judged: COMPOSE_FILE in the .env names `{0}`, which is not in the source")]
    NotInSource(String),
    /// A file that compose would read is on the target alone.
    #[error("not judged: {0} is there and not in the source, and compose would read it")]
    OnlyThere(String),
    /// Versions of compose differ in which of two files they read.
    #[error("not judged: {0} and {1} are both there: take one away")]
    TwoOverrides(String, String),
    /// A file asks for a variable that changes the compose program itself.
    #[error("not judged: the file takes {0} from the .env, which compose itself goes by")]
    OfCompose(String),
    /// Programs differ in what this line of the `.env` means.
    #[error("not judged: line {0} of the .env is not an assignment that every program reads")]
    OddLine(usize),
    /// The `.env` cannot be read.
    #[error("not judged: .env: {0}")]
    Unreadable(String),
    /// This machine has no compose program.
    #[error(
        "not judged: neither `docker compose` nor `docker-compose` is here: install one of them"
    )]
    NoProgram,
    /// The compose program refused the files, or printed something else. Values of variables are covered.
    #[error("not judged: {0}")]
    Program(String),
}

impl NotJudged {
    /// What is wrong with what the compose program printed.
    fn printed(why: impl Into<String>) -> Self {
        Self::Program(why.into())
    }
}

/// Where compose takes the variables from that a file asks for.
pub enum Env<'a> {
    /// From the `.env` beside the files, which it reads by its own rules.
    Beside,
    /// From what was read elsewhere.
    Given {
        variables: &'a Variables,
        /// All text that may ask for one.
        text: &'a str,
        /// A folder with an `.env` that sets nothing.
        empty: &'a Path,
    },
}

/// The services of files in a folder that compose reads together, every value in place.
pub fn services(
    runner: &CommandRunner<'_>,
    (dir, files): (&Path, &[String]),
    env: &Env<'_>,
) -> Result<Vec<ComposeService>, NotJudged> {
    let named: Vec<&str> = files.iter().flat_map(|file| ["-f", file.as_str()]).collect();
    let (mut given, mask, ways) = match env {
        Env::Beside => (BTreeMap::new(), Variables::default().mask(), vec![Vec::new()]),
        Env::Given { variables, text, empty } => {
            let elsewhere = vec!["--project-directory".to_owned(), empty.display().to_string()];
            let none = vec!["--env-file".to_owned(), empty.join(".env").display().to_string()];
            // In the empty folder a file of variables for a container is looked for that the source lacks; where a file extends
            // another one, that is looked for there too, in vain, and the second way finds it.
            (variables.asked_for(text)?, variables.mask(), vec![elsewhere, none])
        }
    };
    given.insert(ALL_PROFILES.0.to_owned(), ALL_PROFILES.1.to_owned());
    let mut whys = Vec::new();
    for (program, verb) in PROGRAMS.into_iter().filter(|(program, _)| exists(program[0])) {
        for before in &ways {
            let before: Vec<&str> = before.iter().map(String::as_str).collect();
            let words = [program, &before, &named, verb].concat();
            let printed = config(runner, dir, &words, &given)
                .map_err(|error| NotJudged::Program(mask.apply(&error.to_string())));
            match printed.and_then(|printed| from_config(&printed)) {
                Ok(services) => return Ok(services),
                Err(why) => whys.push(why),
            }
        }
    }
    Err(whys.pop().unwrap_or(NotJudged::NoProgram))
}

fn config(
    runner: &CommandRunner<'_>,
    dir: &Path,
    words: &[&str],
    env: &BTreeMap<String, String>,
) -> Result<Vec<u8>, CommandError> {
    let argv = words.iter().map(|word| (*word).to_owned()).collect();
    stdout_of(&words[..2].join(" "), runner.local(argv, dir, env.clone())?)
}

fn exists(program: &str) -> bool {
    programs::PATH.split(':').any(|dir| Path::new(dir).join(program).exists())
}

/// What runs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningServices {
    /// The program that says so.
    pub with: &'static str,
    /// Containers, or listeners.
    pub services: Vec<ComposeService>,
}

impl RunningServices {
    /// Whether docker says so: then a port that is held is held by a container of this project.
    pub fn is_docker(&self) -> bool {
        self.with == BY_DOCKER
    }
}

/// What runs of the project whose compose file is in a folder of the target; `None` when no program there can say it. `named` are the
/// ports that the file names.
pub fn running(
    runner: &CommandRunner<'_>,
    dir: &str,
    file: &str,
    named: &BTreeSet<u16>,
) -> Result<Option<RunningServices>, CommandError> {
    let label = format!("label=com.docker.compose.project.working_dir={dir}");
    let ps = ["docker", "ps", "--filter", label.as_str(), "--format", "{{json .}}"];
    let file = format!("{dir}/{file}");
    let compose = ["docker", "compose", "-f", file.as_str(), "ps", "--format", "json"];
    let by_label = ask(runner, &words(ps))?.and_then(|said| from_docker_ps(&said));
    // A project can be known by another path than ours.
    let by_file = ask(runner, &words(compose))?.and_then(|said| from_compose_ps(&said));
    // A docker without compose may end with 0 and say nothing.
    let by_file = by_file.filter(|services| !services.is_empty());
    if by_label.is_some() || by_file.is_some() {
        let services = merged(by_label.into_iter().chain(by_file).flatten());
        return Ok(Some(RunningServices { with: BY_DOCKER, services }));
    }
    let listening = ask(runner, &words(["ss", "-Hltn"]))?;
    Ok(listening.map(|said| RunningServices { with: BY_SS, services: from_ss(&said, named) }))
}

/// What a program says; `None` when it is missing, or did not end well.
fn ask(runner: &CommandRunner<'_>, words: &[String]) -> Result<Option<Vec<u8>>, CommandError> {
    match runner.remote(words) {
        Ok(said) => Ok(stdout_of("it", said).ok()),
        Err(CommandError::NotStarted { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
